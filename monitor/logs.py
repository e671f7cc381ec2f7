"""Logging: one line an event, JSON for machines or aligned text for a person at a terminal.

Our own events and those of libraries leave through one handler of the standard library, which swallows a write
that fails: a full disk or a closed pipe costs log lines, never the watch itself. Tracebacks never show local
variables, which may be secrets.
"""

import logging
import os
from collections.abc import Mapping
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

get_logger = structlog.get_logger

OURS: Final = "monitor"

# These write whole addresses into their messages, at levels up to error, and addresses carry tokens.
_TELLTALES: Final = ("apprise", "oauthlib", "requests", "requests_oauthlib", "urllib3")
_FIRST: Final = ("timestamp", "level", "event")


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second set-up replaces the first and leaves other people's handlers alone."""


def configure(level: str, style: str, stream: TextIO, environ: Mapping[str, str] = os.environ) -> None:
    """Set up logging for the process; calling it again replaces the earlier set-up.

    Libraries are heard from warning upward, whatever ``level`` says.

    Args:
        level: debug, info, warning or error.
        style: json, console, or auto for console on a terminal and json elsewhere.
        stream: where lines go; usually standard error, which leaves standard output to the commands.
        environ: the environment; NO_COLOR is respected.
    """
    terminal, console = stream.isatty(), not is_json(style, stream)
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(console=console, colors=terminal and not environ.get("NO_COLOR")),
            ],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level.upper())
    for name in _TELLTALES:
        _silence(logging.getLogger(name))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *common,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A cached logger would keep the set-up it was born with.
        cache_logger_on_first_use=False,
    )


def is_json(style: str, stream: TextIO) -> bool:
    """Return whether a style makes lines of JSON on a stream; ``style`` as ``configure`` takes it."""
    return style == "json" or (style == "auto" and not stream.isatty())


def _renderers(*, console: bool, colors: bool) -> list[Processor]:
    if console:
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer()]


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put what every line has first, so that lines can be read as they are."""
    return {key: event[key] for key in _FIRST if key in event} | dict(event)


def _silence(logger: logging.Logger) -> None:
    # Not ``disabled``: Apprise's own log capture works on a logger that is enabled.
    logger.propagate = False
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())
