"""What do moves left cost? ``python -m benchmarks.moves [--json] [--quick]``.

The accounts of ``benchmarks.evaluate``, on 500 symbols with a day of one-minute closes, 2 % of them gaps. On every
tick: the pass over all positions and the conditions, without and with moves left, and the recording of the marks.
Once a minute: returns, typical moves and the deviations of all wallets anew; on a change of positions: the latter
alone. Beside them the same once a minute in plain Python, with ``statistics.stdev``, whose results must agree. All
of it in processor time.
"""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time  # noqa: TID251 - a benchmark measures real time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import evaluate as passes
from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book
from monitor.core.minutes import DAY, MINUTE_MS
from monitor.core.model import MarkRange
from monitor.core.move_board import MoveBoard
from monitor.core.moves import FLOOR, HALF_LIFE
from monitor.core.risk import Readings, evaluate
from monitor.core.rules import compile_thresholds, conditions
from monitor.core.settings import EngineSettings
from monitor.core.wallet_moves import cushion_deltas

SIZES = (5, 1_000, 10_000)
LOOP_SIZES = (5, 1_000)
SYMBOLS = 500
GAPS = 0.02
T0 = 29_666_666 * MINUTE_MS


class Row(NamedTuple):
    """Medians for one number of positions, in microseconds; the ratio is to the whole of once a minute."""

    positions: int
    symbols: int
    wallets: int
    several: int  # wallets of several symbols
    tick_without_us: float
    tick_with_us: float
    record_us: float
    minute_us: float
    change_us: float
    loop_ratio: float | None


def measure(count: int, budget_s: float) -> Row:
    """Measure one number of positions."""
    accounts, tables, marks = passes.build(count)
    book = compile_book(accounts, tables)
    limits = compile_thresholds(book, EngineSettings())
    board = MoveBoard()
    board.watch(book)
    closes = days(book, marks)
    for symbol, column in zip(book.symbols, closes.T, strict=True):
        board.minutes.seed(symbol, T0, np.nan_to_num(column).tolist(), 0.0)
    readings = evaluate(book, np.array([marks[symbol] for symbol in book.symbols]))
    board.settle(book, readings, 1.0)
    turns = cycle(passes.vectors(book, marks))
    begun_ms = T0 + DAY * MINUTE_MS
    ticks = [MarkRange(s, marks[s], marks[s], marks[s], begun_ms + 1000, 1.0) for s in book.symbols]

    def without() -> object:
        return conditions(book, limits, evaluate(book, next(turns)))

    def judged() -> object:
        found = evaluate(book, next(turns))
        return conditions(book, limits, found, board.judged(found))

    def minute() -> None:
        board.minutes.version += 1
        board.refresh(book, readings, 1.0)

    ratio = None
    minute_us = median_us(minute, budget_s)
    if count in LOOP_SIZES:
        returns = np.diff(np.log(closes), axis=0)[1:]  # as many as the ring has complete
        agree(board, loop(book, readings, returns))
        ratio = median_us(lambda: loop(book, readings, returns), budget_s) / minute_us
    deltas = cushion_deltas(book, readings)
    _, together = np.unique(deltas.wallets, return_counts=True)
    return Row(
        count, len(book.symbols), len(book.wallets), int((together > 1).sum()),
        median_us(without, budget_s), median_us(judged, budget_s),
        median_us(lambda: board.observe(ticks), budget_s / 2), minute_us,
        median_us(lambda: board.settle(book, readings, 1.0), budget_s), ratio,
    )  # fmt: skip


def median_us(run: Callable[[], object], budget_s: float) -> float:
    """Return the median processor time of a call in microseconds."""
    return passes.median_us(run, budget_s, time.process_time)[0]


def days(book: Book, marks: dict[str, float]) -> Floats:
    """Return a day of closes that end at the marks, shape (DAY, symbols), NaN for gaps."""
    rng = np.random.default_rng(5)
    market = rng.standard_t(3, (DAY, 1))
    own = rng.standard_t(3, (DAY, len(book.symbols)))
    walk = np.cumsum(4e-4 * (0.7 * market + 0.7 * own), axis=0)
    closes = np.array([marks[symbol] for symbol in book.symbols]) * np.exp(walk - walk[-1])
    closes[rng.random(closes.shape) < GAPS] = np.nan
    return closes  # type: ignore[no-any-return]


def loop(book: Book, readings: Readings, returns: Floats) -> list[float]:
    """Return the deviation of each wallet, by loops over minutes, symbols and wallets."""
    columns: list[list[float]] = returns.T.tolist()
    deltas = cushion_deltas(book, readings)
    parts: list[list[tuple[int, float]]] = [[] for _ in book.wallets]
    for wallet, name, gain in zip(*(column.tolist() for column in deltas), strict=True):
        parts[wallet].append((name, gain))
    scales = []
    for column in columns:
        raw = hourly(column)
        scales.append(max(raw, FLOOR) / raw)
    found = []
    for held in parts:
        series = ([value * gain * scales[name] for value in columns[name]] for name, gain in held)
        found.append(hourly([sum(values) for values in zip(*series, strict=True)]))
    return found


def hourly(changes: Sequence[float]) -> float:
    """Return the hourly deviation of one series of one-minute changes."""
    last = len(changes) - 1
    known = [(0.5 ** ((last - i) / HALF_LIFE), one) for i, one in enumerate(changes) if not math.isnan(one)]
    recent = sum(weight * one * one for weight, one in known) / sum(weight for weight, _ in known)
    return math.sqrt(60) * max(statistics.stdev(one for _, one in known), math.sqrt(recent))


def agree(board: MoveBoard, looped: Sequence[float]) -> None:
    """Assert that loop and columns found the same, so that the same work is compared."""
    np.testing.assert_allclose(board.deviation, looped, rtol=1e-9)


def report(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    table = Table(title="Moves left (medians of processor time)", title_justify="left")
    for head in (
        "positions", "symbols", "wallets", "of several", "tick without", "tick with", "record", "minute",
        "change", "plain loop",
    ):  # fmt: skip
        table.add_column(head, justify="right")
    for row in rows:
        ratio = "" if row.loop_ratio is None else f"{row.loop_ratio:.0f} x"
        times = (row.tick_without_us, row.tick_with_us, row.record_us, row.minute_us, row.change_us)
        table.add_row(
            f"{row.positions:,}", str(row.symbols), str(row.wallets), str(row.several),
            *(f"{us:,.0f} us" for us in times), ratio,
        )  # fmt: skip
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.moves", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    options = parser.parse_args(arguments)
    passes.SYMBOLS = SYMBOLS
    rows = [measure(count, 0.2 if options.quick else 2.0) for count in SIZES]
    where = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }
    if options.json:
        print(json.dumps({"benchmark": "moves", **where, "rows": [row._asdict() for row in rows]}))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(report(rows))
    console.print("The loop: how many times longer the same once a minute takes in plain Python.")
    console.print(", ".join(f"{name} {value}" for name, value in where.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
