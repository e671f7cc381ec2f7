"""Looks whether everything works that watching takes, and says what to do about what does not. Changes nothing."""
