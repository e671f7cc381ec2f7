"""The process is killed at any moment and started again: what the outside saw is counted."""
