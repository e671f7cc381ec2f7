"""A messaging service at the far end of a channel, with the ways in which such services fail."""

from collections.abc import Callable
from typing import NamedTuple

from monitor.errors import DeliveryError
from monitor.notify.apprise import SEND_TIMEOUT_S
from monitor.notify.retry import ThrottledError
from monitor.ports import Clock, Message

# Called for every message that arrives at the service; raises what the sender makes of the answer.
Trouble = Callable[[str, Clock], DeliveryError]


class Received(NamedTuple):
    """A message somebody can read, and when the service had it (monotonic seconds)."""

    at_s: float
    title: str
    body: str

    @property
    def text(self) -> str:
        return f"{self.title}\n{self.body}"


class Service:
    """Implements ``ports.Channel``. What happens to the next messages is ``trouble``; None takes them."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self.trouble: Trouble | None = None
        self.hangs = False
        self.takes_and_hangs = False
        self.received: list[Received] = []
        self.attempts = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def format(self) -> str:
        return "text"

    @property
    def takes_files(self) -> bool:
        return False

    async def send(self, message: Message) -> None:
        self.attempts += 1
        if self.takes_and_hangs:  # delivered, but its answer never comes
            self._take(message)
        if self.hangs or self.takes_and_hangs:
            await self._clock.sleep(SEND_TIMEOUT_S)
            raise DeliveryError(self._name, "timeout")
        if self.trouble is not None:
            raise self.trouble(self._name, self._clock)
        self._take(message)

    def _take(self, message: Message) -> None:
        self.received.append(Received(self._clock.mono_s(), message.title, message.body))

    def close(self) -> None:
        return


def failing(reason: str, *, permanent: bool = False) -> Trouble:
    """Return a service that fails with one of the constants of ``notify/reasons.py``."""
    return lambda name, _clock: DeliveryError(name, reason, permanent=permanent)


def limited(until_s: float) -> Trouble:
    """Return a service that takes nothing until a moment and says so with each refusal."""

    def throttle(name: str, clock: Clock) -> DeliveryError:
        return ThrottledError(name, "http-429", retry_after_s=max(until_s - clock.mono_s(), 0.5))

    return throttle
