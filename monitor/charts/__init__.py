"""A picture of the last hours of a wallet, drawn by a process of its own; needs the extra ``charts``."""
