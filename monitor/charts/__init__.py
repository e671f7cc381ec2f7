"""A picture of the last hours of a wallet, drawn by a process of its own; needs the extra ``charts``."""

from typing import Final

# By the lock of the sources, never by the name of the project: whoever has that on an index would be installed.
INSTALL: Final = "in the sources: pip install --require-hashes --requirement requirements/charts.lock"
