"""Every error raised on purpose, in one tree.

    MonitorError
    +-- ConfigError        the configuration cannot be used; carries every problem found
    +-- BracketError       a maintenance tier table breaks its own rules
    +-- WireError          bytes from the exchange that cannot be believed
    +-- FeedError          a stream connection that did not deliver
    +-- StoreError         a database that cannot be read or written
    |   `-- SchemaTooNewError
    +-- DeliveryError      a notification service did not accept a message
    +-- ControlError       the daemon's local socket
    |   +-- NotRunningError
    |   `-- AlreadyRunningError
    `-- JournalError       a journal file that cannot be replayed

Facts are attributes; the text is made in ``__str__``. ``retryable`` says whether trying the same again can
help. No error text ever contains a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class MonitorError(Exception):
    """Root of all errors raised on purpose."""

    retryable: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration.

    Attributes:
        path: key path as the user wrote it, such as ``accounts[0].positions[1].quantity``.
        found: what stands there, shortened, never a secret.
        allowed: what may stand there.
        hint: the fix, or the nearest valid key; empty if there is nothing more to say.
    """

    path: str
    found: str
    allowed: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: found {self.found}; allowed: {self.allowed}"
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(MonitorError):
    """The configuration cannot be used. ``problems`` holds every mistake, in file order."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__(source, tuple(problems))
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source}: {count} problem{'s' if count != 1 else ''}"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])


class BracketError(MonitorError):
    """A maintenance tier table breaks its own rules; ``row`` counts from 0."""

    def __init__(self, symbol: str, row: int, reason: str) -> None:
        super().__init__(symbol, row, reason)
        self.symbol = symbol
        self.row = row
        self.reason = reason

    def __str__(self) -> str:
        return f"brackets of {self.symbol}, row {self.row}: {self.reason}"


class WireError(MonitorError):
    """Bytes from the exchange that cannot be believed; ``reason`` is a short constant, good as a label."""

    def __init__(self, where: str, reason: str, detail: str = "") -> None:
        super().__init__(where, reason, detail)
        self.where = where
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class FeedError(MonitorError):
    """A stream connection that did not deliver; ``reason`` is a short constant."""

    retryable = True

    def __init__(self, host: str, reason: str, detail: str = "") -> None:
        super().__init__(host, reason, detail)
        self.host = host
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.host}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class StoreError(MonitorError):
    """A database that cannot be read or written, with what the operator can do."""

    retryable = True

    def __init__(self, path: str, operation: str, cause: str, hint: str = "") -> None:
        super().__init__(path, operation, cause, hint)
        self.path = path
        self.operation = operation
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.path}: {self.operation} failed: {self.cause}"
        return f"{text}. {self.hint}" if self.hint else text


class SchemaTooNewError(StoreError):
    """The file was written by a newer version of this program."""

    retryable = False


class DeliveryError(MonitorError):
    """A notification service did not accept a message; ``permanent`` means that repeating cannot help."""

    retryable = True

    def __init__(self, channel: str, reason: str, *, permanent: bool = False) -> None:
        super().__init__(channel, reason)
        self.channel = channel
        self.reason = reason
        self.permanent = permanent

    def __str__(self) -> str:
        return f"channel {self.channel}: {self.reason}"


class ControlError(MonitorError):
    """The daemon's local socket: refused, malformed or unanswered."""


class NotRunningError(ControlError):
    """No daemon holds the lock of this state directory."""


class AlreadyRunningError(ControlError):
    """Another daemon holds the lock of this state directory."""


class JournalError(MonitorError):
    """A journal that cannot be replayed; ``line`` counts from 1."""

    def __init__(self, path: str, line: int, reason: str) -> None:
        super().__init__(path, line, reason)
        self.path = path
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.reason}"
