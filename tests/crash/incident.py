"""The scripted incident: prices, the levels they stand for, and who must hear of them.

Time runs ``SPEED`` times as fast as on the wall, for all that the daemon does. The script goes on where it was
when the process died, as prices would: each step is shown to some process for as long as it takes, so that a
crossing which reaches nobody is a crossing lost.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    Level,
    MarginMode,
    Now,
    Position,
    Side,
)
from monitor.core.settings import AlertRules, ChannelRule, EngineSettings, FreshnessRules, LevelRule
from monitor.system_clock import SystemClock

SPEED: Final = 300.0
WALL_MS: Final = 1_780_000_000_000
BTC, ETH, SOL, XRP = "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"
PHONE, MAIL = "phone", "mail"
SUBJECTS: Final = {symbol: f"main/isolated:{symbol}:LONG" for symbol in (BTC, ETH, SOL, XRP)}

# A long bought at 130 with a margin of 40 and a maintenance rate of 1 % is liquidated at 90.909.
SAFE, NOTICED, WARNED, CRITICAL, EMERGENCY = 130.0, 112.0, 100.0, 95.0, 92.0


class Show(NamedTuple):
    """Marks held for some seconds; then, if ``settled``, until every channel has delivered all it was given."""

    btc: float
    eth: float
    sol: float
    xrp: float | None  # None once the position is closed
    hold_s: float
    settled: bool = True

    def marks(self) -> dict[str, float]:
        marks = {BTC: self.btc, ETH: self.eth, SOL: self.sol, XRP: self.xrp}
        return {symbol: mark for symbol, mark in marks.items() if mark is not None}


SCRIPT: Final = (
    Show(SAFE, SAFE, SAFE, SAFE, 2),
    Show(SAFE, SAFE, SAFE, WARNED, 1, settled=False),
    Show(SAFE, SAFE, SAFE, CRITICAL, 1, settled=False),  # another alert takes the place of the one under way
    Show(SAFE, SAFE, SAFE, None, 2),  # and the position is closed before any has arrived
    Show(WARNED, SAFE, SAFE, None, 2, settled=False),
    Show(CRITICAL, NOTICED, SAFE, None, 3, settled=False),  # the warning may be under way, or wait for its turn
    Show(EMERGENCY, NOTICED, SAFE, None, 4),
    Show(CRITICAL, WARNED, CRITICAL, None, 1, settled=False),
    Show(CRITICAL, WARNED, SAFE, None, 4, settled=False),  # over while it may be under way
    Show(SAFE, WARNED, SAFE, None, 12),  # the first incident ends
    Show(EMERGENCY, WARNED, EMERGENCY, None, 1, settled=False),
    Show(EMERGENCY, WARNED, SAFE, None, 4),
    Show(SAFE, SAFE, SAFE, None, 12),  # the second one, together with that of the other wallet
)


class Expected(NamedTuple):
    """One incident of the script: the levels it crosses on the way up."""

    symbol: str
    crossed: tuple[Level, ...]


# Those that last until they are told; what is over sooner may be told or not, and is closed where it was.
INCIDENTS: Final = (
    Expected(BTC, (Level.WARNING, Level.CRITICAL, Level.EMERGENCY)),
    Expected(ETH, (Level.NOTICE, Level.WARNING)),
    Expected(BTC, (Level.EMERGENCY,)),
)
FLEETING: Final[Mapping[str, int]] = {SOL: 2, XRP: 1}  # how many by symbol
LEAST: Final[Mapping[str, Level]] = {PHONE: Level.NOTICE, MAIL: Level.CRITICAL}

_RULES: Final = AlertRules(
    (
        LevelRule(Level.NOTICE, distance=0.20, dwell_s=3.0),
        LevelRule(Level.WARNING, distance=0.10, dwell_s=3.0),
        LevelRule(Level.CRITICAL, distance=0.05, dwell_s=3.0),
        LevelRule(Level.EMERGENCY, distance=0.02, dwell_s=3.0),
    )
)
SETTINGS: Final = EngineSettings(
    rules=_RULES,
    channels=tuple(ChannelRule(name, level) for name, level in LEAST.items()),
    accounts=("main",),
    # A busy machine that stands still for a tenth of a second must not look like a feed that is silent.
    freshness=FreshnessRules(suspect_after_s=3000.0, blind_after_s=3000.0),
    escalate_after_s=1e9,
)
TABLES: Final = tuple(
    BracketTable(symbol, (Bracket(0.0, 1e12, 0.01, 0.0),), "shipped", "2026-09-29") for symbol in SUBJECTS
)


def account(show: Show) -> AccountSnapshot:
    """Return the account with the positions that are open in a step of the script."""
    positions = (
        Position(symbol, Side.LONG, 1.0, 130.0, MarginMode.ISOLATED, "USDT", 40.0) for symbol in show.marks()
    )
    return AccountSnapshot("main", {}, tuple(positions))


class FastClock:
    """Implements ``ports.Clock``; goes on through the death of a process, as clocks do."""

    def __init__(self, began_s: float) -> None:
        self._real = SystemClock()
        self._began_s = began_s

    def wall_ms(self) -> int:
        return WALL_MS + round((self._real.mono_s() - self._began_s) * SPEED * 1000)

    def mono_s(self) -> float:
        return (self._real.mono_s() - self._began_s) * SPEED

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds / SPEED)

    def now(self) -> Now:
        return Now(self.wall_ms(), self.mono_s())


class Place:
    """Where the script is, outside the process: one byte in a file for each step that was begun."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def reached(self) -> int:
        return max(0, self._path.stat().st_size - 1) if self._path.exists() else 0

    def begin(self, step: int) -> None:
        with self._path.open("ab") as file:
            file.write(b"." * (step + 1 - file.tell()))
