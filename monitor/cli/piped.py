"""Output into a file or another program: without the blanks that fill lines on a screen."""

import re
from typing import Any

from rich.console import Console

_ENDS = re.compile(r"(?: |\x1b\[[0-9;]*m)+$", re.MULTILINE)  # blanks, and where colours begin and end among them


class Piped(Console):
    """A console without a terminal; tables and wrapped texts end where their words do."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401 - as the class above takes them
        """Print as any console does, and leave blanks at the ends of lines out."""
        with self.capture() as printed:
            super().print(*objects, **options)
        self.file.write(_ENDS.sub(lambda end: end[0].replace(" ", ""), printed.get()))
