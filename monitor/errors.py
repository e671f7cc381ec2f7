"""Every error raised on purpose, in one tree.

    MonitorError
    +-- ConfigError        the configuration cannot be used; carries every problem found
    +-- BracketError       a maintenance tier table breaks its own rules
    +-- WireError          bytes from the exchange that cannot be believed
    +-- FeedError          a stream connection that did not deliver
    +-- RestError          a request the exchange refused or did not answer
    |   +-- TransientRestError     repeating may help: busy, in maintenance, unreachable, no JSON
    |   |   +-- UnreachableError   nothing answered at all
    |   |   +-- ClockError         our clock is not the exchange's
    |   |   `-- RateLimitedError   asked too often: nobody may ask before a time
    |   +-- KeyRefusedError        key, signature or permission; somebody has to change something
    |   +-- ListenKeyError         the key of a private stream is no longer known
    |   +-- AccountStateError      the account itself is locked, inactive or being liquidated
    |   `-- PortfolioMarginError   an account of a kind that is not followed
    +-- StoreError         a database that cannot be read or written
    |   +-- SchemaTooNewError
    |   `-- DamagedError       what is in the file is not what was written
    +-- DeliveryError      a notification service did not accept a message
    +-- ControlError       the daemon's local socket
    |   +-- NotRunningError
    |   +-- OutOfReachError
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
        about: what people call what it stands in, such as ``by-hand BTCUSDT``; empty where it has no name.
    """

    path: str
    found: str
    allowed: str
    hint: str = ""
    about: str = ""

    def __str__(self) -> str:
        place = f"{self.path} ({self.about})" if self.about else self.path
        text = f"{place}: found {self.found}; allowed: {self.allowed}"
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


class RestError(MonitorError):
    """A request the exchange refused or did not answer.

    Attributes:
        where: the endpoint's path, without query.
        reason: a short constant, good as a label.
        code: the exchange's own number, None where it gave none.
        status: of the HTTP reply, None where there was none.
        hint: what to do about it, empty if there is nothing to say.
    """

    def __init__(
        self, where: str, reason: str, *, code: int | None = None, status: int | None = None, hint: str = ""
    ) -> None:
        super().__init__(where, reason, code, status)
        self.where = where
        self.reason = reason
        self.code = code
        self.status = status
        self.hint = hint

    def __str__(self) -> str:
        facts = [f"HTTP {self.status}"] if self.status is not None else []
        facts += [f"code {self.code}"] if self.code is not None else []
        text = f"{self.where}: {self.reason}" + (f" ({', '.join(facts)})" if facts else "")
        return f"{text}. {self.hint}" if self.hint else text


class TransientRestError(RestError):
    """Repeating the request later may help."""

    retryable = True


class UnreachableError(TransientRestError):
    """Nothing answered: no such name, no connection, no trust, no reply in time."""


class ClockError(TransientRestError):
    """Our time is too far from the exchange's."""


class RateLimitedError(TransientRestError):
    """Asked too often; ``until_s`` is when asking is allowed again, on our monotonic clock."""

    def __init__(
        self, where: str, reason: str, *, until_s: float, code: int | None = None, status: int | None = None
    ) -> None:
        super().__init__(where, reason, code=code, status=status)
        self.until_s = until_s


class KeyRefusedError(RestError):
    """The key, its signature or its permissions are refused; repeating cannot help."""


class ListenKeyError(RestError):
    """The exchange does not know the key of our private stream any more; a new one is needed."""


class AccountStateError(RestError):
    """The account cannot be used as it is: locked, inactive, cooling off or in liquidation."""

    retryable = True


class PortfolioMarginError(RestError):
    """A portfolio margin account: its risk is not in the figures these endpoints give."""


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


class DamagedError(StoreError):
    """What is in the file is not what was written; setting it aside helps, trying again alone does not."""


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


class OutOfReachError(ControlError):
    """Only another user gets into this state directory: whether a daemon runs on it is not known."""


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
