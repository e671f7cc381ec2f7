"""What is measured, as data: each family has a name, a meaning, its labels, and where it is read from. Pure."""
