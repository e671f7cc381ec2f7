"""What a time was like in which nobody watched: one-minute candles, judged with the positions of now. Pure.

Of each minute the end that is worse for a wallet counts, of all its prices at once, through the same formulas and
conditions as every tick. So a wallet may look worse than it was by what its prices did within one minute of each
other, and never better. A minute in which one of its prices is not known says nothing about a wallet.

No candles are on an asset's index. Its rates take the moves of its perpetual, from what they are now backwards; a
rate without any candles, such as a stable coin's, stays where it is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from monitor.core import report
from monitor.core.book import Book, Bools, Floats
from monitor.core.compile import compile_book, correct, set_rates
from monitor.core.events import Away
from monitor.core.incidents import Incidents
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import AccountSnapshot, BracketTable, Level, Market, Now, Sample, Source, SubjectKey
from monitor.core.moves import moves_left
from monitor.core.notices import Facts, NoticeKind, WorstAway
from monitor.core.risk import Readings, adverse_prices, evaluate_rows
from monitor.core.rules import Levels, compile_thresholds, conditions, reached
from monitor.core.settings import EngineSettings

ABOUT: Final = "away"
# What could not be looked up is told of a time from here on.
LONG_MS: Final = 600_000
UNKNOWN_LEVEL: Final = Level.NOTICE
RESTARTED: Final = "restarted"  # nothing ran
NO_MARKS: Final = "no marks"  # it ran, and saw nothing
STOOD_STILL: Final = "stood still"  # it was there, and was not run
CUT: Final = "it was longer; this is what could be looked at of it"
RETURN_MS: Final = 10_000  # in which the first mark after a time is judged, and by which clocks differ
_LISTED: Final = 8  # wallets with their figures
_NAMED: Final = 200  # and by their names

_OF_WALLETS: Final = (
    "margin_balance", "maintenance_margin", "cushion", "margin_ratio", "room", "joint_distance",
)  # fmt: skip
_OF_PAIRS: Final = "pair_roots"


class Candle(NamedTuple):
    """What a price did within one minute."""

    low: float
    high: float
    close: float


class Candles:
    """The candles of one price, as columns: a week of many symbols has to fit.

    Args:
        minutes: counted from 1970.
    """

    def __init__(self, minutes: range) -> None:
        self.minutes = minutes
        self.low: Floats = np.full(len(minutes), np.nan)  # NaN where there is no candle
        self.high = self.low.copy()
        self.close = self.low.copy()

    def put(self, found: Mapping[int, Candle]) -> None:
        """Take candles by minute; those of other minutes are passed over."""
        for minute, candle in found.items():
            if minute in self.minutes:
                at = minute - self.minutes.start
                self.low[at], self.high[at], self.close[at] = candle

    def __len__(self) -> int:
        """Return for how many minutes there is one."""
        return int(np.count_nonzero(~np.isnan(self.low)))


class Present(NamedTuple):
    """What is held now, and how it is judged."""

    accounts: tuple[AccountSnapshot, ...]
    tables: dict[str, BracketTable]
    settings: EngineSettings
    corrections: Mapping[SubjectKey, tuple[float, float]]  # as for ``compile.correct``
    deviations: Mapping[SubjectKey, float]  # of each wallet's one-hour change of cushion, where known


def needed(present: Present, names: Collection[str]) -> dict[str, Market]:
    """Return what must be known to judge the wallets that hold any of these watched names, with its market."""
    book = compile_book(present.accounts, present.tables)
    mine = _concerned(book, names)
    found = {
        book.positions[row].symbol: Market.COINM if book.inverse[row] else Market.USDM
        for row in np.flatnonzero(mine[book.row_wallet]).tolist()
    }
    for slot, *rates in zip(book.rated_slots, book.rated_bid, book.rated_ask, strict=True):
        if mine[book.slot_wallet[slot]]:
            found |= {book.rates[rate]: Market.USDM for rate in rates}
    return found


class Review:
    """Judges a time minute by minute.

    Args:
        present: what is held now.
        names: watched names that were not seen; wallets that hold none of them are left alone.
        candles: by watched name. A symbol that is missing, or a minute of one, leaves its wallets unjudged.
        from_ms: when it began, exchange time.
        until_ms: when it was over.
    """

    def __init__(
        self, present: Present, names: Collection[str], candles: Mapping[str, Candles], *,
        from_ms: int, until_ms: int,
    ) -> None:  # fmt: skip
        self._book = book = compile_book(present.accounts, present.tables)
        correct(book, present.corrections)
        self._limits = compile_thresholds(book, present.settings)
        keys = [info.key for info in book.wallets]
        self._deviation = np.array([present.deviations.get(key, np.nan) for key in keys], dtype=np.float64)
        self._concerned = _concerned(book, names) & book.exposed
        self._bounds = from_ms, until_ms
        self.minutes = range(from_ms // MINUTE_MS, until_ms // MINUTE_MS + 1)
        self._low, self._high = _columns(book, candles, self.minutes)
        self._worst: Readings | None = None
        self._level = np.zeros(len(keys), dtype=np.int8)
        self._at_ms = np.zeros(len(keys), dtype=np.int64)

    @property
    def size(self) -> int:
        """How many positions each minute is judged with."""
        return len(self._book.positions)

    def judge(self, minutes: Iterable[int]) -> None:
        """Take some of the minutes into what ``worst`` returns; each once, in order."""
        for minute in minutes:
            readings, level = self._minute(minute)
            known = self._judged(readings)
            self._level[known] = np.maximum(self._level, level)[known]
            if self._worst is None:
                self._worst, self._at_ms[:] = readings, self._moment(minute)
            else:
                worse = known & (_worse(readings, self._worst) | np.isnan(self._worst.cushion))
                self._worst = _merged(self._book, self._worst, readings, worse)
                self._at_ms[worse] = self._moment(minute)

    def samples(self, minutes: Iterable[int]) -> list[Sample]:
        """Return the history rows of minutes: of every wallet that can be judged, and of its positions."""
        return [sample for minute in minutes for sample in self._rows(minute)]

    def _rows(self, minute: int) -> tuple[Sample, ...]:
        readings, level = self._minute(minute)
        return report.rows(
            self._book,
            readings,
            moves_left(readings.cushion, self._deviation),
            levels=level.tolist(),
            wallets=np.flatnonzero(self._judged(readings)).tolist(),
            at_ms=self._moment(minute),
            source=Source.BACKFILL.value,
        )

    def worst(self) -> tuple[WorstAway, ...]:
        """Return the worst reading of each wallet that was judged in any minute, the worst wallet first."""
        worst = self._worst
        if worst is None:
            return ()
        judged = np.flatnonzero(self._judged(worst)).tolist()
        order = sorted(judged, key=lambda wallet: (-int(self._level[wallet]), float(worst.room[wallet])))
        return tuple(self._described(worst, wallet) for wallet in order)

    def _described(self, readings: Readings, wallet: int) -> WorstAway:
        row = report.worst_row(self._book, readings, wallet)
        position = None if row is None else self._book.positions[row]
        return WorstAway(
            subject=str(self._book.wallets[wallet].key),
            level=Level(int(self._level[wallet])),
            at_ms=int(self._at_ms[wallet]),
            symbol="" if position is None else position.symbol,
            side="" if position is None else position.side.value,
            mark=None if row is None else report.number(readings.marks[row]),
            liquidation_price=None if row is None else report.number(readings.liquidation_price[row]),
            distance=None if row is None else report.number(readings.distance[row]),
            joint_distance=report.number(readings.joint_distance[wallet]),
            margin_ratio=report.number(readings.margin_ratio[wallet]),
            room=report.number(readings.room[wallet]),
            liquidatable=bool(readings.margin_ratio[wallet] >= 1),
        )

    def _judged(self, readings: Readings) -> Bools:
        return self._concerned & ~np.isnan(readings.cushion)

    def _moment(self, minute: int) -> int:
        """Return the middle of a minute, within the bounds: it must not replace a row of what was seen."""
        start, end = self._bounds
        return max(start + 1, min(minute * MINUTE_MS + MINUTE_MS // 2, end - 1))

    def _minute(self, minute: int) -> tuple[Readings, Levels]:
        """Return each wallet's worst reading of a minute, and the highest level any of its ends reached."""
        book = self._book
        at = minute - self.minutes.start
        low, high = self._low[at], self._high[at]
        ends = low[: len(book.symbols)], high[: len(book.symbols)]
        prices = [adverse_prices(book, *ends)]
        if book.pairs.first.size:
            # The ratio and the distance of a hedged pair can be worse at the end that leaves it more cushion.
            prices += [end.take(book.row_symbol) for end in ends]
        found: Readings | None = None
        level = np.zeros(len(book.wallets), dtype=np.int8)
        for rates in (low, high) if book.rated_slots.size else (low,):
            set_rates(book, rates)
            for price in prices:
                readings = evaluate_rows(book, price)
                left = moves_left(readings.cushion, self._deviation)
                level = np.maximum(level, reached(conditions(book, self._limits, readings, left)))
                worse = None if found is None else _worse(readings, found)
                found = readings if found is None or worse is None else _merged(book, found, readings, worse)
        assert found is not None  # noqa: S101 - there is always a price
        if (gaps := np.isnan(low[len(book.symbols) :])).any():
            found.cushion[book.slot_wallet[book.rated_slots[gaps[book.rated_bid]]]] = np.nan
        return found, level


def announce(incidents: Incidents, event: Away, environment: str, now: Now, *, held: bool, still: bool) -> None:
    """Tell what a time was like: at the level of its worst wallet, to whoever asks for that.

    Nothing is told where all stayed ok, nor of a wallet whose level was as high already while this run watched the
    time with marks of REST: that was told then. What could not be looked up is told, if it was long and positions
    are ``held``. ``still``: for most of it the program itself was not run.
    """
    bad = [one for one in event.worst if one.level > Level.OK and _is_news(incidents, one, event)]
    level = max((one.level for one in bad), default=Level.OK)
    if level is Level.OK and not (event.unknown and held and event.until_ms - event.from_ms >= LONG_MS):
        return
    facts = Facts(
        environment=environment,
        away=tuple(bad[:_LISTED]),
        wallets=tuple(one.subject for one in bad[_LISTED:_NAMED]),
        symbols=event.unknown,
        from_ms=event.from_ms,
        until_ms=event.until_ms,
        reason=RESTARTED if event.restarted else STOOD_STILL if still else NO_MARKS,
        detail=CUT if event.cut else "",
    )
    if bad:
        first = bad[0]
        account, _, wallet = first.subject.partition("/")
        facts = msgspec.structs.replace(
            facts, account=account, wallet=wallet, symbol=first.symbol, side=first.side, distance=first.distance,
            margin_ratio=first.margin_ratio, liquidatable=first.liquidatable,
        )  # fmt: skip
    told = max(level, UNKNOWN_LEVEL)
    incidents.announce(ABOUT, NoticeKind.AWAY, now.wall_ms, facts, level=told, channels=incidents.channels)


def _is_news(incidents: Incidents, one: WorstAway, event: Away) -> bool:
    """Return whether a wallet was worse than people heard meanwhile; a level was, or its margin was used up."""
    heights, until_ms = incidents.heights, event.until_ms + RETURN_MS
    if not event.restarted and one.level <= heights.highest(one.subject, event.from_ms, until_ms):
        state = incidents.get(one.subject)
        if not one.liquidatable or (state is not None and state.breached):
            return False
    return heights.look_up(one.subject, one.level, one.at_ms)


def _concerned(book: Book, names: Collection[str]) -> Bools:
    """Return the wallets that hold any of these names, shape (w,)."""
    mine = np.zeros(len(book.wallets), dtype=np.bool_)
    rows = [row for row, position in enumerate(book.positions) if position.symbol in names]
    mine[book.row_wallet[rows]] = True
    for slot, *rates in zip(book.rated_slots, book.rated_bid, book.rated_ask, strict=True):
        if any(book.rates[rate] in names for rate in rates):
            mine[book.slot_wallet[slot]] = True
    return mine


def _columns(book: Book, candles: Mapping[str, Candles], minutes: range) -> tuple[Floats, Floats]:
    """Return lowest and highest price of each minute and watched name, shape (minutes, s); NaN where not known."""
    low = np.full((len(minutes), len(book.watched)), np.nan)
    high = low.copy()
    present = dict(zip(book.rated_bid.tolist(), book.slot_bid[book.rated_slots].tolist(), strict=True))
    present |= dict(zip(book.rated_ask.tolist(), book.slot_ask[book.rated_slots].tolist(), strict=True))
    for column, name in enumerate(book.watched):
        mine = candles.get(name)
        rate = present.get(column - len(book.symbols))
        if mine is None or not len(mine):
            if rate is not None:
                low[:, column] = high[:, column] = rate
            continue
        scale = 1.0 if rate is None else rate / mine.close[~np.isnan(mine.close)][-1]
        both = range(max(minutes.start, mine.minutes.start), min(minutes.stop, mine.minutes.stop))
        here = slice(both.start - minutes.start, both.stop - minutes.start)
        there = slice(both.start - mine.minutes.start, both.stop - mine.minutes.start)
        low[here, column] = mine.low[there] * scale
        high[here, column] = mine.high[there] * scale
    return low, high


def _worse(one: Readings, other: Readings) -> Bools:
    """Return the wallets whose first reading leaves them less, shape (w,)."""
    worse: Bools = (one.room < other.room) | ((one.room == other.room) & (one.cushion < other.cushion))
    return worse


def _merged(book: Book, one: Readings, other: Readings, take: Bools) -> Readings:
    """Return the first readings, with those wallets from the other that ``take`` names."""
    if not take.any():
        return one
    rows = take[book.row_wallet]
    pairs = rows[book.pairs.first]

    def chosen(name: str) -> Any:  # noqa: ANN401 - a column of the type it had
        mask = take if name in _OF_WALLETS else pairs if name == _OF_PAIRS else rows
        return np.where(mask, getattr(other, name), getattr(one, name))

    return Readings(*(chosen(field.name) for field in fields(Readings)))
