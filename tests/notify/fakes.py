"""Stand-ins with real behaviour for what delivery talks to."""

import asyncio
from collections.abc import Sequence

from monitor.core.events import Event
from monitor.core.model import Level, MarkTick
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.errors import DeliveryError, StoreError
from monitor.ports import Attempt, Clock, Message, Rows, Stored


class FakeChannel:
    """Accepts everything, unless ``script`` holds outcomes: None accepts, an error is raised, in that order.

    ``hold()`` makes sends wait until ``release()``.
    """

    def __init__(
        self,
        name: str = "tg",
        fmt: str = "text",
        script: Sequence[DeliveryError | None] = (),
        clock: Clock | None = None,
        *,
        takes_files: bool = False,
    ) -> None:
        self._name = name
        self._takes_files = takes_files
        self._format = fmt
        self._clock = clock
        self._gate = asyncio.Event()
        self._gate.set()
        self.script = list(script)
        self.tried: list[Message] = []
        self.tried_at_s: list[float] = []
        self.accepted: list[Message] = []
        self.accepted_at_s: list[float] = []  # when those that were accepted started
        self.closed = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def format(self) -> str:
        return self._format

    @property
    def takes_files(self) -> bool:
        return self._takes_files

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.accepted]

    @property
    def texts(self) -> list[str]:
        """What somebody can read: where several notices share a message, most of them stand in its body."""
        return [f"{message.title}\n{message.body}" for message in self.accepted]

    def hold(self) -> None:
        self._gate.clear()

    def release(self) -> None:
        self._gate.set()

    async def send(self, message: Message) -> None:
        self.tried.append(message)
        started_s = 0.0 if self._clock is None else self._clock.mono_s()
        if self._clock is not None:
            self.tried_at_s.append(started_s)
        await self._gate.wait()
        outcome = self.script.pop(0) if self.script else None
        if outcome is not None:
            raise outcome
        self.accepted.append(message)
        self.accepted_at_s.append(started_s)

    def close(self) -> None:
        self.closed = True


class FakeInbox:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        raise AssertionError("delivery has no marks")

    def post(self, event: Event) -> None:
        self.events.append(event)


class FakeStateStore:
    """An outbox in memory that can be told to fail; ``marks`` lists each mark made, in ``writes`` transactions."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, str, str]] = []  # what, key, channel
        self.attempts: list[Attempt] = []
        self.writes = 0
        self.broken = False

    async def open(self) -> Stored:
        return Stored((), ())

    def usable(self) -> bool:
        return True

    async def commit(self, rows: Rows) -> None:
        self._mark("commit", [""], "", None)

    async def attempted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        self._mark(f"attempted:{tried.reason}", keys, channel, tried)

    async def accepted(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        self._mark("accepted", keys, channel, tried)

    async def refused(self, keys: Sequence[str], channel: str, tried: Attempt) -> None:
        self._mark(f"refused:{tried.reason}", keys, channel, tried)

    async def close(self) -> None:
        return

    def _mark(self, what: str, keys: Sequence[str], channel: str, tried: Attempt | None) -> None:
        if self.broken:
            raise StoreError("state.db", "mark", "disk full")
        self.writes += 1
        if tried is not None:
            self.attempts.append(tried)
        self.marks.extend((what, key, channel) for key in keys)


def a_notice(
    subject: str = "main/cross:USDT",
    key: str = "k1",
    *,
    channel: str = "tg",
    level: Level = Level.WARNING,
    kind: NoticeKind = NoticeKind.ALERT,
    decided_ms: int = 1_780_000_000_000,
    facts: Facts | None = None,
) -> Notice:
    """Return a notice; facts default to the example wallet's."""
    return Notice(
        key=key,
        channel=channel,
        subject=subject,
        kind=kind,
        level=level,
        previous=Level.OK,
        decided_ms=decided_ms,
        incident=1,
        facts=facts or some_facts(),
    )


def some_facts(**changes: object) -> Facts:
    """Return the facts of one isolated position near its liquidation price, with changes."""
    known: dict[str, object] = {
        "environment": "testnet",
        "account": "by-hand",
        "wallet": "isolated:BTCUSDT:LONG",
        "asset": "USDT",
        "margin_mode": "isolated",
        "symbol": "BTCUSDT",
        "side": "LONG",
        "positions": 1,
        "mark": 60405.2,
        "liquidation_price": 59136.546184738956,
        "distance": 0.021,
        "joint_distance": 0.021,
        "margin_ratio": 0.82,
        "room": 0.07,
        "moves_left": 0.8,
        "margin_balance": 1050.0,
        "maintenance_margin": 122.0,
        "cushion": 928.0,
        "event_ms": 1_780_000_000_000,
        "mark_age_s": 0.4,
        "mark_source": "stream",
        "brackets": "exchange 2026-11-23",
    }
    return Facts(**{**known, **changes})  # type: ignore[arg-type]  # each test names real fields
