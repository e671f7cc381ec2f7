"""Output into a file or another program: without the blanks that fill lines on a screen."""

import re
from typing import Any

from rich.console import Console

# Blanks, and where colours begin and end among them; each run of these is looked at once, wherever it stands.
_RUN = re.compile(r"(?: |\x1b\[[0-9;]*m)+($)?", re.MULTILINE)


class Piped(Console):
    """A console without a terminal; tables and wrapped texts end where their words do."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as the class above takes them
        """Print as any console does, and leave blanks at the ends of lines out."""
        with self.capture() as printed:
            super().print(*objects, **options)
        self.file.write(trimmed(printed.get()))


def trimmed(text: str) -> str:
    """Return lines without the blanks at their ends; colours that begin or end there are kept."""
    return _RUN.sub(lambda run: run[0] if run[1] is None else run[0].replace(" ", ""), text)
