"""Completion on the command line: a script for each shell, and the program that answers it."""
