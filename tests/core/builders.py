"""Small builders of accounts, tables and books, and a desk that drives an engine through time.

The standard position is one BTCUSDT bought at 100 with a margin of 10 and a maintenance rate of 1 %: its room is
(0.99 * mark - 90) / 9, its liquidation price 90.909.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book
from monitor.core.engine import Engine
from monitor.core.events import (
    DeliveryResult,
    Event,
    Heartbeat,
    Restored,
    SettingsChanged,
    Snapshot,
    Subscribed,
    Ticks,
)
from monitor.core.incidents import Effects
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    Change,
    MarginMode,
    MarkRange,
    Now,
    Position,
    Sample,
    Side,
    Source,
)
from monitor.core.notices import Notice, NoticeKind, SubjectState, Transition
from monitor.core.risk import Readings, evaluate
from monitor.core.settings import (
    DEFAULT_LEVELS,
    AlertRules,
    ChannelRule,
    CheckupRules,
    EngineSettings,
    RulesOverride,
)

WALL_MS = 1_780_000_000_000
MONO_S = 1000.0
BTC, ETH = "BTCUSDT", "ETHUSDT"
SUBJECT = f"main/isolated:{BTC}:LONG"
PHONE = ChannelRule("phone")
# The default conditions; levels are left after five minutes at most, so that a story ends soon.
_FIRST, _SECOND, _THIRD, _FOURTH = (
    msgspec.structs.replace(rule, dwell_s=min(rule.dwell_s, 300.0)) for rule in DEFAULT_LEVELS
)
BRISK = AlertRules((_FIRST, _SECOND, _THIRD, _FOURTH))


def table(symbol: str = BTC, mmr: float = 0.01) -> BracketTable:
    return BracketTable(symbol, (Bracket(0.0, 1e12, mmr, 0.0),), "shipped", "2026-09-29")


def isolated(
    symbol: str = BTC, *, margin: float = 10.0, side: Side = Side.LONG, quantity: float = 1.0, entry: float = 100.0
) -> Position:  # fmt: skip
    return Position(symbol, side, quantity, entry, MarginMode.ISOLATED, "USDT", margin)


def cross(
    symbol: str = BTC, *, side: Side = Side.LONG, quantity: float = 1.0, entry: float = 100.0
) -> Position:  # fmt: skip
    return Position(symbol, side, quantity, entry, MarginMode.CROSS, "USDT")


def account(*positions: Position, name: str = "main", usdt: float | None = None) -> AccountSnapshot:
    return AccountSnapshot(name, {} if usdt is None else {"USDT": usdt}, positions)


def followed(
    *positions: Position, name: str = "main", usdt: float = 0.0, source: Source = Source.REST
) -> AccountSnapshot:  # fmt: skip
    """Return an account that is followed by its key."""
    return AccountSnapshot(name, {"USDT": usdt}, positions, source=source)


def mark_at(room: float) -> float:
    """Return the mark at which the standard position has this room."""
    return (90.0 + 9.0 * room) / 0.99


def book_of(*positions: Position, name: str = "main", usdt: float | None = None) -> Book:
    tables = {position.symbol: table(position.symbol) for position in positions}
    return compile_book((account(*positions, name=name, usdt=usdt),), tables)


def readings_of(book: Book, **columns: Iterable[float]) -> Readings:
    """Return readings at the entry prices with some columns replaced."""
    marks = np.array([100.0] * len(book.symbols))
    given: dict[str, Floats] = {name: np.array(tuple(values)) for name, values in columns.items()}
    if "distance" in given:
        given.setdefault("linked_distance", given["distance"])
    return replace(evaluate(book, marks), **given)  # type: ignore[arg-type]  # all are float columns


class Desk:
    """Drives one engine: owns its time, delivers its notices, remembers what it did."""

    def __init__(
        self,
        *,
        channels: Sequence[ChannelRule] = (PHONE,),
        accounts: Sequence[str] = ("main",),
        overrides: Sequence[RulesOverride] = (),
        deliver: bool = True,
        answering: bool = True,
    ) -> None:
        self.engine = Engine()
        self.answering = answering  # every account says something each second, if only that nothing changed
        self.wall_ms = WALL_MS
        self.mono_s = MONO_S
        self.deliver = deliver
        self.rows: dict[str, SubjectState] = {}  # what a state database would hold
        self.notices: list[Notice] = []
        self.transitions: list[Transition] = []
        self.samples: list[Sample] = []
        self.withdrawn: list[tuple[str, str]] = []
        self.changes: list[Change] = []
        self.settings = EngineSettings(
            rules=BRISK,
            overrides=tuple(overrides),
            channels=tuple(channels),
            accounts=tuple(accounts),
            checkup=CheckupRules(enabled=False),  # positions of tests are full of findings
        )
        self.tables: tuple[BracketTable, ...] = (table(BTC), table(ETH))
        self.configure()

    def configure(self, settings: EngineSettings | None = None) -> Effects:
        self.settings = settings or self.settings
        return self.step(SettingsChanged(self.settings, self.tables))

    def now(self) -> Now:
        return Now(self.wall_ms, self.mono_s)

    def wait(self, seconds: float) -> None:
        """Let time pass without an event."""
        self.wall_ms += round(seconds * 1000)
        self.mono_s += seconds

    def step(self, event: Event) -> Effects:
        if self.answering and isinstance(event, Heartbeat):
            for name in self.settings.accounts:
                self.engine._accounts._hearing.heard(name, self.mono_s)
        effects = self.engine.step(event, self.now())
        self.rows |= {state.subject: state for state in effects.subjects}
        for subject in effects.gone:
            self.rows.pop(subject, None)
        self.notices += effects.notices
        self.transitions += effects.transitions
        self.samples += effects.samples
        self.withdrawn += effects.withdrawn
        self.changes += effects.changes
        if self.deliver:
            for notice in effects.notices:
                self.result(notice)
        return effects

    def result(self, notice: Notice, *, accepted: bool = True) -> Effects:
        return self.step(DeliveryResult(notice.subject, notice.key, notice.channel, accepted))

    def hold(self, *positions: Position, name: str = "main", usdt: float | None = None) -> Effects:
        return self.step(Snapshot(account(*positions, name=name, usdt=usdt)))

    def follow(
        self, *positions: Position, name: str = "main", usdt: float = 0.0, cause: str = "ORDER",
        source: Source = Source.STREAM,
    ) -> Effects:  # fmt: skip
        return self.step(Snapshot(followed(*positions, name=name, usdt=usdt, source=source), cause))

    def marks(self, **marks: float) -> Effects:
        return self.step(Ticks(tuple(self.range(symbol, mark) for symbol, mark in marks.items())))

    def range(self, symbol: str, mark: float, low: float | None = None, high: float | None = None) -> MarkRange:
        return MarkRange(
            symbol, mark, mark if low is None else low, mark if high is None else high, self.wall_ms, self.mono_s,
            Source.STREAM,
        )  # fmt: skip

    def room(self, room: float) -> Effects:
        """Move BTCUSDT to where the standard position has this room."""
        return self.marks(**{BTC: mark_at(room)})

    def beat(self, seconds: int = 1) -> None:
        """Let seconds of silence pass, one heartbeat each."""
        for _ in range(seconds):
            self.wait(1.0)
            self.step(Heartbeat())

    def stay(self, seconds: int, room: float) -> None:
        """Let seconds pass with a fresh mark each."""
        for _ in range(seconds):
            self.wait(1.0)
            self.room(room)
            self.step(Heartbeat())

    def subscribe(self, *symbols: str, feed: str = "usdm") -> Effects:
        return self.step(Subscribed(feed, symbols, self.mono_s))

    def restarted(self, *, after_s: float = 10.0) -> "Desk":
        """Return a desk of the next run: the same wall time, another monotonic clock, what was recorded."""
        successor = Desk(deliver=self.deliver)
        successor.wall_ms = self.wall_ms + round(after_s * 1000)
        successor.mono_s = 50.0
        successor.configure(self.settings)
        successor.rows = dict(self.rows)
        successor.step(Restored(tuple(self.rows.values())))
        return successor

    def told(self, channel: str = "phone", subject: str | None = None) -> list[tuple[NoticeKind, str]]:
        """Return kind and level of the notices to one channel."""
        return [
            (notice.kind, notice.level.label)
            for notice in self.notices
            if notice.channel == channel and subject in (None, notice.subject)
        ]

    def levels(self) -> list[str]:
        return [transition.level.label for transition in self.transitions]


def plain(effects: Effects) -> bytes:
    """Return effects as JSON, which also compares them."""
    return msgspec.json.encode(effects)
