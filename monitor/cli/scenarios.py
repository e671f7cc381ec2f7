"""Scripts of drills: positions that nobody holds, and what their mark prices do. Times are minutes of the story.

All positions are isolated, with the margin of 20x leverage and one maintenance rate, so that one path of the mark,
as a fraction of the entry price, crosses the levels at the same moments for each of them. Levels go by the room
alone: for a long one they begin at 0.9769 (notice), 0.9630 (warning), 0.9584 (critical) and 0.9570 (emergency) of
its entry.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from monitor.core.model import AccountSnapshot, Bracket, BracketTable, Level, Lot, MarginMode, Position, Side
from monitor.core.settings import LevelRule

ACCOUNT = "drill"
DWELL_MIN = 4.0
# Lower levels are left first, so that an incident ends in one message.
LEVELS = (
    LevelRule(Level.NOTICE, room=0.50, dwell_s=180.0),
    LevelRule(Level.WARNING, room=0.20, dwell_s=190.0),
    LevelRule(Level.CRITICAL, room=0.10, dwell_s=200.0),
    LevelRule(Level.EMERGENCY, room=0.07, dwell_s=DWELL_MIN * 60),
)
_LEVERAGE = 20.0
_TIERS = (Bracket(0.0, 1e9, 0.004, 0.0),)
_STAKE = 10_000.0  # notional of each position at entry, about, in the quote asset
_STEPS = 0.01  # of such a position at most, about as fine as what the exchange takes
_SPARE = 500.0  # lies in the account beside the positions

Path = Sequence[tuple[float, float | None]]  # minutes, fractions of the entry; None: no marks

_CALM, _NOTICE, _WARNING, _CRITICAL, _EMERGENCY, _BACK = 0.999, 0.974, 0.961, 0.9575, 0.956, 0.9975


class Step(NamedTuple):
    """What happens at a minute of the story."""

    minute: float
    words: str


class Holding(NamedTuple):
    """One position and the path of its mark."""

    symbol: str
    side: Side
    entry: float
    path: Path

    @property
    def step(self) -> float:
        """Return the step of its quantities: a power of ten, base asset."""
        return 10.0 ** math.floor(math.log10(_STAKE * _STEPS / self.entry))

    def mark(self, minute: float) -> float | None:
        """Return the mark price at a minute of the story; None while there are no marks."""
        for (from_min, begins), (to_min, ends) in pairwise((*self.path, (math.inf, None))):
            if from_min <= minute < to_min and begins is not None:
                gone = 0.0 if ends is None else (minute - from_min) / (to_min - from_min)
                return self.entry * (begins + gone * ((ends or begins) - begins))
        return None


class Scenario(NamedTuple):
    """A script; ``minutes`` is how long it lasts, with the time it takes until everything is calm again."""

    name: str
    words: str
    minutes: float
    holdings: tuple[Holding, ...]
    steps: tuple[Step, ...]

    def account(self) -> AccountSnapshot:
        """Return the account that holds all of it."""
        return AccountSnapshot(ACCOUNT, {"USDT": _SPARE}, tuple(map(_position, self.holdings)))

    def lots(self) -> dict[str, Lot]:
        """Return what quantities orders of its symbols may have."""
        return {one.symbol: Lot(one.step, one.step) for one in self.holdings}

    def tables(self) -> tuple[BracketTable, ...]:
        """Return the maintenance tiers of its symbols."""
        return tuple(BracketTable(one.symbol, _TIERS) for one in self.holdings)


def _position(one: Holding) -> Position:
    quantity = round(_STAKE / one.entry / one.step) * one.step
    return Position(
        one.symbol, one.side, quantity, one.entry, MarginMode.ISOLATED, "USDT",
        margin=quantity * one.entry / _LEVERAGE,
    )  # fmt: skip


def _stairs(*steps: tuple[float, float], lasts: float = 0.2) -> list[tuple[float, float | None]]:
    """Return a path that stays at each level until the minute of the next, and then goes there at once."""
    path: list[tuple[float, float | None]] = [(0.0, steps[0][1])]
    for (_, before), (minute, after) in pairwise(steps):
        path += [(minute, before), (minute + lasts, after)]
    return path


def _fall() -> Scenario:
    path = _stairs((0, _CALM), (3, _NOTICE), (7, _WARNING), (11, _CRITICAL), (15, _EMERGENCY), (19, _BACK))
    return Scenario(
        "fall", "one position falls through every level and recovers", 26.0,
        (Holding("BTCUSDT", Side.LONG, 62_000.0, path),),
        (
            Step(0, "BTCUSDT LONG 20x stands near its entry: all is calm"),
            Step(3, "the mark falls 2.6 %: NOTICE"),
            Step(7, "3.9 %: WARNING"),
            Step(11, "4.25 %: CRITICAL"),
            Step(15, "4.4 %, the liquidation price is at 4.6 %: EMERGENCY"),
            Step(19, "the mark is back; once it stayed there for the dwell time, the incident is closed"),
        ),
    )  # fmt: skip


def _spike() -> Scenario:
    path = _stairs((0, 1.0), (3, 1.0435), (4, 1.001), lasts=0.05)
    return Scenario(
        "spike", "a short position is in an emergency within one tick, and a minute later out of it", 11.0,
        (Holding("ETHUSDT", Side.SHORT, 2_400.0, path),),
        (
            Step(0, "ETHUSDT SHORT 20x stands at its entry"),
            Step(3, "the mark jumps up 4.35 %: EMERGENCY at once, no level before it"),
            Step(4, "it is back; the incident is closed after the dwell time"),
        ),
    )  # fmt: skip


def _blind() -> Scenario:
    path: Path = ((0.0, _CALM), (2.0, None), (20.0, _CALM))
    return Scenario(
        "blind", "mark prices stop arriving, and come back", 25.0,
        (Holding("BTCUSDT", Side.LONG, 62_000.0, path),),
        (
            Step(0, "marks of BTCUSDT arrive"),
            Step(2, "they stop: BLIND after 13.5 seconds"),
            Step(20, "they are back: SIGHT"),
        ),
    )  # fmt: skip


def _flap() -> Scenario:
    swings = [(2.0 + 0.5 * number, 0.9625 if number % 2 == 0 else 0.964) for number in range(20)]
    path = _stairs((0, _CALM), *swings, (12, _BACK), lasts=0.05)
    return Scenario(
        "flap", "the mark crosses the threshold of WARNING twenty times: two messages", 19.0,
        (Holding("SOLUSDT", Side.LONG, 150.0, path),),
        (
            Step(0, "SOLUSDT LONG 20x stands near its entry"),
            Step(2, "the mark crosses the threshold of WARNING, back and forth, for ten minutes"),
            Step(12, "it is back for good; the incident is closed after the dwell time"),
        ),
    )  # fmt: skip


_MARKET = {
    "BTCUSDT": 62_000.0, "ETHUSDT": 2_400.0, "SOLUSDT": 150.0, "BNBUSDT": 600.0, "XRPUSDT": 0.55,
    "DOGEUSDT": 0.12, "ADAUSDT": 0.36, "AVAXUSDT": 27.0, "LINKUSDT": 11.0, "DOTUSDT": 4.2,
    "LTCUSDT": 66.0, "BCHUSDT": 340.0, "UNIUSDT": 7.2, "ATOMUSDT": 4.4, "NEARUSDT": 4.6,
    "APTUSDT": 8.6, "ARBUSDT": 0.55, "OPUSDT": 1.6, "SUIUSDT": 1.8, "TRXUSDT": 0.16,
}  # fmt: skip
_WORST = 3


def _market() -> Scenario:
    holdings = []
    for place, (symbol, entry) in enumerate(_MARKET.items()):
        later = 0.15 * place
        deep = [(9.0 + later, _EMERGENCY)] if place < _WORST else []
        path = _stairs((0, _CALM), (3.0 + later, _WARNING), *deep, (14.0, _BACK))
        holdings.append(Holding(symbol, Side.LONG, entry, path))
    return Scenario(
        "market", "twenty positions fall together: the first message goes at once, the others in groups", 21.0,
        tuple(holdings),
        (
            Step(0, f"{len(_MARKET)} positions stand near their entries"),
            Step(3, "the market falls 3.9 %: WARNING for all within three minutes"),
            Step(9, f"{_WORST} of them fall on: EMERGENCY, which never waits for others"),
            Step(14, "all are back; the incidents are closed after the dwell time"),
        ),
    )  # fmt: skip


SCENARIOS = {one.name: one for one in (_fall(), _spike(), _blind(), _flap(), _market())}
