"""One-minute closes of marks, by symbol, of the last day."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from monitor.core.book import Floats, Ints
from monitor.core.model import ASK, BID, MarkRange

MINUTE_MS = 60_000
DAY = 1_440  # minutes

_NEVER = -1
_T = TypeVar("_T", np.float64, np.uint16)


class Known(NamedTuple):
    """What is known of one symbol's minutes."""

    there: int  # complete minutes of the last day with a close
    age_s: float | None  # since the newest of them ended; None without any


class MinuteCloses(NamedTuple):
    """Closes of one watched name, one a minute, oldest first; 0 is a gap."""

    name: str
    first_ms: int  # when the first minute began, exchange time
    closes: Floats


class Ring(NamedTuple):
    """The complete minutes of watched names as they were at a moment: what is made of it may take its time."""

    names: tuple[str, ...]
    first_ms: int  # when the first minute began, exchange time
    logs: Floats  # of closes, oldest first, shape (minutes, names); NaN is a gap

    def closes(self) -> list[MinuteCloses]:
        """Return the closes of those names that have any."""
        closes = np.nan_to_num(np.exp(np.ascontiguousarray(self.logs.T)), nan=0.0)
        there = np.any(closes > 0.0, axis=1)
        return [
            MinuteCloses(name, self.first_ms, row)
            for name, row, known in zip(self.names, closes, there, strict=True)
            if known
        ]


class Minutes:
    """The last mark of every minute, as logarithms, aligned by the exchange's minute across symbols.

    A ring of a day; the minute in progress is the newest row. What the stream saw of a minute is never overwritten
    by what was asked for, and of two marks of one minute the later one stays, in whatever order they come.
    Symbols that are no longer watched keep their closes until those are a day old: a position that is closed is
    often opened again.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()  # watched
        self.version = 0  # grows when a minute ended or closes came from elsewhere
        self._index: dict[str, int] = {}  # of all columns, those that are watched first
        self._log: Floats = np.full((DAY, 0), np.nan)
        # Where in its minute a close was heard: milliseconds + 1; 0 is a close that the stream did not see.
        self._heard: npt.NDArray[np.uint16] = np.zeros((DAY, 0), dtype=np.uint16)
        self._proxy: Ints = np.zeros(0, dtype=np.intp)
        self._newest = _NEVER  # minute in progress, counted from 1970
        self._newest_s = 0.0  # monotonic, when it began as far as we know

    def watch(self, names: Sequence[str]) -> None:
        """Follow exactly these names; what is known of them is kept."""
        if tuple(names) == self.names:
            return
        wanted = set(names)
        kept = [name for name, i in self._index.items() if name not in wanted and self._any(i)]
        log = np.full((DAY, len(names) + len(kept)), np.nan)
        heard = np.zeros(log.shape, dtype=np.uint16)
        index = {name: i for i, name in enumerate((*names, *kept))}
        both = [name for name in index if name in self._index]
        there, here = [self._index[name] for name in both], [index[name] for name in both]
        log[:, here], heard[:, here] = self._log[:, there], self._heard[:, there]
        self.names, self._index, self._log, self._heard = tuple(names), index, log, heard
        self._proxy = np.array([i for i, name in enumerate(names) if name.endswith((BID, ASK))], dtype=np.intp)
        self.version += 1

    def observe(self, marks: Iterable[MarkRange]) -> None:
        """Take marks as they were received; of two of a symbol in one minute the last counts."""
        found = [(i, mark) for mark in marks if (i := self._index.get(mark.symbol)) is not None]
        if not found:
            return
        columns = np.array([i for i, _ in found], dtype=np.intp)
        at_ms = np.array([mark.event_ms for _, mark in found], dtype=np.int64)
        logs = np.log(np.array([mark.mark for _, mark in found]))
        minutes = at_ms // MINUTE_MS
        newest = int(minutes.max())
        if newest > self._newest:
            first = found[int(minutes.argmax())][1]
            self._advance(newest, first.seen_s - (first.event_ms % MINUTE_MS) / 1000.0)
        heard = (at_ms - minutes * MINUTE_MS + 1).astype(np.uint16)
        rows = minutes % DAY
        good = (minutes > self._newest - DAY) & (heard >= self._heard[rows, columns])
        if not good.all():
            rows, columns, logs, heard = rows[good], columns[good], logs[good], heard[good]
        self._log[rows, columns] = logs
        self._heard[rows, columns] = heard

    def seed(self, name: str, first_ms: int, closes: Sequence[float], now_s: float) -> bool:
        """Take closes from elsewhere where the stream saw none; return whether there were any.

        Args:
            name: a watched name; others are passed over.
            first_ms: when the minute of the first close began, exchange time.
            closes: one a minute, oldest first; NaN (and what is no price) for a gap.
            now_s: monotonic seconds.
        """
        column = self._index.get(name)
        values = np.array(closes, dtype=np.float64)
        minutes = first_ms // MINUTE_MS + np.arange(len(values))
        good = (values > 0.0) & np.isfinite(values)
        if column is None or not good.any():
            return False
        minutes, values = minutes[good], values[good]
        if int(minutes[-1]) >= self._newest:
            # A close is the end of a minute, so the one in progress is at least the next.
            self._advance(int(minutes[-1]) + 1, now_s)
        within = minutes > self._newest - DAY
        rows, values = minutes[within] % DAY, values[within]
        empty = self._heard[rows, column] == 0
        self._log[rows[empty], column] = np.log(values[empty])
        self.version += 1
        return bool(empty.any())

    def returns(self) -> Floats:
        """Return one-minute log returns of the watched names over complete minutes, shape (DAY - 2, s)."""
        found = np.empty((DAY - 2, len(self.names)))
        older, newer = self._parts(self._log)
        rows = 0
        for part in (older, newer):
            if len(part) > 1:
                np.subtract(part[1:], part[:-1], out=found[rows : rows + len(part) - 1])
                rows += len(part) - 1
            if part is older and len(older) and len(newer):
                found[rows] = newer[0] - older[-1]
                rows += 1
        if self._proxy.size:
            # A rate's closes from elsewhere are another index's: its moves are alike, its height is not.
            own = self._ordered(self._heard)[:, self._proxy] > 0
            found[:, self._proxy] = np.where(own[1:] == own[:-1], found[:, self._proxy], np.nan)
        return found

    def ring(self) -> Ring:
        """Return a copy of the complete minutes of the watched names; of rates, those that the stream saw.

        A rate's closes from elsewhere are another index's, and would jump where they meet its own.
        """
        logs = self._ordered(self._log)
        if self._proxy.size:
            seen = self._ordered(self._heard)[:, self._proxy]
            logs[:, self._proxy] = np.where(seen, logs[:, self._proxy], np.nan)
        return Ring(self.names, (self._newest - len(logs)) * MINUTE_MS, logs)

    def known(self, now_s: float) -> dict[str, Known]:
        """Return what is known of every watched name's complete minutes."""
        there = ~np.isnan(self._log[:, : len(self.names)])
        counts = (np.count_nonzero(there, axis=0) - there[self._newest % DAY]).tolist()
        ages = self.ages_s(now_s).tolist()
        return {
            name: Known(count, age if count else None)
            for name, count, age in zip(self.names, counts, ages, strict=True)
        }

    def ages_s(self, now_s: float) -> Floats:
        """Return the time since each watched name's newest complete minute ended, shape (s,); infinity without."""
        steps = np.zeros(len(self.names))
        # Nearly always every name has the last minute; only of the others the rest is looked at.
        gone = np.flatnonzero(np.isnan(self._log[(self._newest - 1) % DAY, : len(steps)]))
        if gone.size:
            there = ~np.isnan(self._ordered(self._log[:, gone], gone.size)[::-1])
            steps[gone] = np.where(there.any(axis=0), there.argmax(axis=0) * 60.0, np.inf)
        return steps + max(0.0, now_s - self._newest_s)

    def _ordered(self, ring: npt.NDArray[_T], columns: int | None = None) -> npt.NDArray[_T]:
        """Return the complete minutes of the watched names, oldest first, shape (DAY - 1, s)."""
        return np.concatenate(self._parts(ring, columns))

    def _parts(self, ring: npt.NDArray[_T], columns: int | None = None) -> tuple[npt.NDArray[_T], npt.NDArray[_T]]:
        """Return the complete minutes in two parts that follow each other, one of them possibly empty."""
        at = self._newest % DAY
        count = len(self.names) if columns is None else columns
        return ring[at + 1 :, :count], ring[:at, :count]

    def _any(self, column: int) -> bool:
        return not np.isnan(self._log[:, column]).all()

    def _advance(self, newest: int, seen_s: float) -> None:
        """Begin a new minute; those between that nobody heard of are gaps."""
        passed = newest - self._newest
        rows = slice(None) if passed >= DAY else np.arange(self._newest + 1, newest + 1) % DAY
        self._log[rows] = np.nan
        self._heard[rows] = 0
        self._newest, self._newest_s = newest, seen_s
        self.version += 1
