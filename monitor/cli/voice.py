"""How the service says why it ends: as text where people read, as lines of JSON in a log of such lines."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from monitor import logs
from monitor.cli.common import complain
from monitor.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from monitor.config import LogSettings


class Voice:
    """Speaks on standard error, in the style of the configuration as far as that is known.

    Args:
        verbose: whether debug events are logged, whatever the configuration says.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._style = "auto"

    @property
    def as_json(self) -> bool:
        """Whether whoever reads this expects a JSON object on each line; at a terminal that is a person."""
        return logs.is_json(self._style, sys.stderr) and not sys.stderr.isatty()

    def listen_to(self, chosen: "LogSettings") -> None:
        """Log as a configuration has it from now on."""
        self._style = chosen.format
        logs.configure("debug" if self._verbose else chosen.level, chosen.format, sys.stderr)
        sys.excepthook = _crashed if self.as_json else sys.__excepthook__

    def guess(self, config: Path | None, environ: Mapping[str, str]) -> None:
        """Log as a configuration has it that holds mistakes, or as usual where it cannot be read."""
        from monitor.config import LogSettings, load_partly

        chosen = LogSettings()
        with suppress(ConfigError):
            chosen = load_partly(config, environ, ())[0].log
        self.listen_to(chosen)

    def tell(self, error: Exception, event: str = "run.ended") -> None:
        """Say why it ends; mistakes of the configuration are an event each, anything else is ``event``."""
        if not self.as_json:
            complain(str(error))
        elif isinstance(error, ConfigError):
            self.mistakes(error.source, error.problems)
        else:
            logs.get_logger().error(event, error=type(error).__name__, reason=str(error))

    def mistakes(self, source: str, problems: "Iterable[Problem]") -> None:
        """Log mistakes of the configuration; only for lines of JSON."""
        for one in problems:
            logs.get_logger().error(
                "config.mistake", source=source, path=one.path, about=one.about, found=one.found,
                allowed=one.allowed, fix=one.hint,
            )  # fmt: skip


def in_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether a stream goes to the journal of systemd, which says in $JOURNAL_STREAM which one does."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # it is closed, or nothing of the system
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from monitor.supervise import trace_of

    logs.get_logger().critical("crashed", error=kind.__name__, trace=trace_of(error.with_traceback(trace)))
