"""The figures of a run, hour by hour, for a terminal and for ``docs/faults.md``."""

from collections.abc import Sequence
from textwrap import fill
from typing import Final

import msgspec

from tests.fuzz.report import write_section
from tests.soak.measure import Reading, grown, ratio

_COLUMNS: Final = ("time", "frames", "memory MiB", "tasks", "files", "sockets", "threads", "objects", "entries",
                   "waiting", "messages", "reconnects", "rotations")  # fmt: skip
_MIB: Final = 2**20
_WIDTH: Final = 118
_MOST_ROWS: Final = 13  # of a table in the document
_INTRODUCTION: Final = """
## Hours and days

`make soak` runs the whole service against a local exchange and reads, again and again, what the process holds.
After a warm-up nothing may grow: resident memory, objects and entries in containers by 5 % at the most; tasks,
open files and threads not at all, but for what is on its way at the moment.
"""
_ACCELERATED: Final = (
    "Time is driven from outside; sockets, databases and frames are real. Connections are cut without a closing "
    "handshake every {cut}, the daily rotation is made to come between two cuts, and six times the exchange is "
    "away for longer, up to half an hour and mostly with REST as well; the first time is within the warm-up."
)
_REAL: Final = (
    "The service as it is wired in a process of its own, the emulator in another, a frame a second for each "
    "symbol. Connections are cut every {cut}, rotation is made to come between two cuts, and once nothing "
    "answers for a minute and a half. Memory rises by two or three MiB in the first twenty minutes, as SQLite's "
    "page caches fill, and once as the outage is looked up afterwards."
)


class SoakResult(msgspec.Struct, frozen=True):
    """A run, as it is kept in a file. ``kind`` is ``accelerated`` or ``real``."""

    kind: str
    symbols: int
    hours: float
    warm_s: float
    took_s: float  # real time
    cut_every_s: float
    readings: tuple[Reading, ...]
    deaths: dict[str, int]  # of jobs
    dropped: dict[str, int]  # rows of history
    unplanned: tuple[str, ...] = ()  # what did not happen as it should have

    def problems(self) -> list[str]:
        """Return everything that is wrong with the run; empty if nothing is."""
        found = [*grown(self.readings, self.warm_s), *self.unplanned]
        found += [f"job {job} died {times} times" for job, times in self.deaths.items()]
        found += [f"{rows} rows of history dropped: {why}" for why, rows in self.dropped.items() if rows]
        return found


def table(readings: Sequence[Reading]) -> str:
    """Return the readings as lines of text."""
    return "\n".join("".join(f"{cell:>12}" for cell in row) for row in (_COLUMNS, *map(cells, readings)))


def cells(one: Reading) -> tuple[str, ...]:
    """Return a reading as texts, in the order of the columns."""
    minutes = round(one.at_s / 60.0)
    counts = (one.tasks, one.files, one.sockets, one.threads, one.objects, one.entries, one.queued, one.alerts,
              one.reconnects, one.rotations)  # fmt: skip
    clock = f"{minutes // 60}:{minutes % 60:02}"
    return clock, f"{one.frames:,}", f"{one.rss / _MIB:.1f}", *(f"{count:,}" for count in counts)


def section(accelerated: SoakResult | None, real: SoakResult | None) -> str:
    """Return the part of ``docs/faults.md`` about what is left in memory."""
    parts = [_INTRODUCTION.strip()]
    if accelerated is not None:
        cut = _span(accelerated.cut_every_s)
        parts.append(_part(f"{accelerated.hours:g} hours, accelerated", _ACCELERATED.format(cut=cut), accelerated))
    if real is not None:
        cut = _span(real.cut_every_s)
        parts.append(_part(f"{_span(real.hours * 3_600.0)} in real time", _REAL.format(cut=cut), real))
    return "\n\n".join(parts)


def _part(title: str, how: str, result: SoakResult) -> str:
    problems = result.problems()
    verdict = "Nothing grew." if not problems else "Not as it should be: " + "; ".join(problems) + "."
    last = result.readings[-1]
    memory = ratio(result.readings, result.warm_s)
    facts = (
        f"{result.symbols} symbols, {last.frames:,} frames, {last.reconnects} reconnects, "
        f"{last.rotations} rotations, {last.alerts} messages taken; {_span(result.took_s)} of real time. "
        f"Resident memory at the end is {memory:.3f} times that after the first {_span(result.warm_s)}. {verdict}"
    )
    rows = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    step = -(-len(result.readings) // _MOST_ROWS)
    shown = [*result.readings[:1], *result.readings[1:-1][step - 1 :: step], last]
    rows += [f"| {' | '.join(cells(one))} |" for one in shown]
    return f"### {title}\n\n{fill(how, _WIDTH)}\n\n{fill(facts, _WIDTH)}\n\n" + "\n".join(rows)


def _span(seconds: float) -> str:
    if seconds >= 7_200.0 and seconds % 3_600.0 == 0.0:
        return f"{seconds / 3_600.0:g} hours"
    if seconds >= 120.0:
        return f"{seconds / 60.0:.0f} minutes"
    return f"{seconds:.0f} s"


def publish(accelerated: SoakResult | None, real: SoakResult | None) -> None:
    """Write the section into the document."""
    write_section("soak", section(accelerated, real))
