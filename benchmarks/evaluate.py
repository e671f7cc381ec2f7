"""How fast is one pass over all positions? ``python -m benchmarks.evaluate [--json] [--quick]``.

The mix: half of the positions isolated, half in cross wallets of 10 symbols with one of them hedged; 300 symbols
with tables of 9 brackets, linear contracts. Marks change from pass to pass. A loop over positions, in plain floats
and in `Decimal`, runs beside it on the same accounts: it computes maintenance, PnL, margin ratio and the published
closed form of the liquidation price, but neither room nor joint distance nor a second root, so the ratios are
rather too small than too large.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import timeit
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import cycle
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.loop import LoopBook, loop_book
from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book, patch
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Position, Side
from monitor.core.risk import Readings, evaluate

SIZES = (5, 1_000, 10_000, 100_000)
LOOP_SIZES = (5, 1_000, 10_000)
SYMBOLS = 300
FLOORS = (0.0, 5e3, 1e4, 2.5e4, 6.25e4, 1.25e5, 2.5e5, 5e5, 7.5e6)
RATES = (0.015, 0.02, 0.025, 0.05, 0.1, 0.125, 0.1667, 0.25, 0.5)
CROSS_SYMBOLS = 10
ACCOUNT_LEGS = 2 * (CROSS_SYMBOLS + 1)


class Row(NamedTuple):
    """Medians for one number of positions, in microseconds; ratios to the vectorised pass."""

    positions: int
    wallets: int
    pass_us: float
    best_us: float
    positions_per_s: float
    compile_us: float
    patch_one_us: float
    patch_all_us: float
    float_loop_ratio: float | None
    decimal_loop_ratio: float | None


def build(count: int, seed: int = 7) -> tuple[list[AccountSnapshot], dict[str, BracketTable], dict[str, float]]:
    """Return accounts with ``count`` positions together, their tables and marks."""
    rng = np.random.default_rng(seed)
    names = [f"S{i:03d}USDT" for i in range(SYMBOLS)]
    tables: dict[str, BracketTable] = {}
    for name in names:
        scale = float(rng.choice([1.0, 2.0, 5.0, 10.0]))
        cum, below, brackets = 0.0, 0.0, []
        for i, (floor, rate) in enumerate(zip(FLOORS, RATES, strict=True)):
            cum += floor * scale * (rate - below)
            below = rate
            cap = FLOORS[i + 1] * scale if i + 1 < len(FLOORS) else 2e7 * scale
            brackets.append(Bracket(floor * scale, cap, rate, cum))
        tables[name] = BracketTable(name, tuple(brackets))
    marks = dict(zip(names, (10.0 ** rng.uniform(-2, 5, SYMBOLS)).tolist(), strict=True))
    accounts: list[AccountSnapshot] = []
    left = count
    while left:
        accounts.append(_account(rng, f"account{len(accounts)}", names, marks, min(left, ACCOUNT_LEGS)))
        left -= len(accounts[-1].positions)
    return accounts, tables, marks


def _account(
    rng: np.random.Generator, name: str, names: Sequence[str], marks: dict[str, float], count: int
) -> AccountSnapshot:
    chosen = [names[i] for i in rng.choice(len(names), ACCOUNT_LEGS, replace=False)]
    cross_count = count // 2 + count % 2
    legs: list[Position] = []
    worth = 0.0
    for i in range(count):
        crossed = i < cross_count
        # The second cross leg hedges the first.
        symbol = chosen[0] if i == 1 and crossed else chosen[i]
        side = Side.SHORT if i % 2 else Side.LONG
        mark = marks[symbol]
        notional = float(10.0 ** rng.uniform(2.5, 5.5)) * (0.8 if i == 1 else 1.0)
        mode = MarginMode.CROSS if crossed else MarginMode.ISOLATED
        margin = 0.0 if crossed else notional * float(rng.uniform(0.2, 0.5))
        worth += notional if crossed else 0.0
        entry = mark * float(rng.uniform(0.97, 1.03))
        legs.append(Position(symbol, side, notional / mark, entry, mode, "USDT", margin))
    return AccountSnapshot(name, {"USDT": worth * float(rng.uniform(0.2, 0.5))}, tuple(legs))


def median_us(
    run: Callable[[], object], budget_s: float, clock: Callable[[], float] = timeit.default_timer
) -> tuple[float, float]:
    """Return the median and the best time of a call in microseconds, spending about ``budget_s``."""
    timer = timeit.Timer(run, timer=clock)
    once = max(timer.timeit(1), 1e-7)
    number = max(1, int(budget_s / 20 / once))
    times = timer.repeat(repeat=max(3, min(20, int(budget_s / once / number))), number=number)
    return statistics.median(times) / number * 1e6, min(times) / number * 1e6


def vectors(book: Book, marks: dict[str, float]) -> list[Floats]:
    """Return eight sets of marks around the given ones."""
    rng = np.random.default_rng(11)
    base = np.array([marks[symbol] for symbol in book.symbols])
    return [base * rng.uniform(0.995, 1.005, len(base)) for _ in range(8)]


def measure(count: int, budget_s: float) -> Row:
    """Measure one number of positions."""
    accounts, tables, marks = build(count)
    book = compile_book(accounts, tables)
    turns = cycle(vectors(book, marks))
    pass_us, best_us = median_us(lambda: evaluate(book, next(turns)), budget_s)
    compile_us, _ = median_us(lambda: compile_book(accounts, tables), budget_s / 2)
    one = cycle([_shifted(accounts, only_first=True), accounts])
    everything = cycle([_shifted(accounts, only_first=False), accounts])
    patch_one_us, _ = median_us(lambda: patch(book, next(one)), budget_s / 2)
    patch_all_us, _ = median_us(lambda: patch(book, next(everything)), budget_s / 2)
    ratios: list[float | None] = [None, None]
    if count in LOOP_SIZES:
        patch(book, accounts)
        for i, number in enumerate((float, Decimal)):
            loop = loop_book(accounts, tables, number)
            values = {symbol: number(marks[symbol]) for symbol in book.symbols}
            compare(loop, values, book, evaluate(book, np.array([marks[symbol] for symbol in book.symbols])))
            ratios[i] = median_us(lambda loop=loop, values=values: loop.run(values), budget_s)[0] / pass_us  # type: ignore[misc]
    return Row(
        count, len(book.wallets), pass_us, best_us, count / pass_us * 1e6, compile_us, patch_one_us, patch_all_us,
        ratios[0], ratios[1],
    )  # fmt: skip


def _shifted(accounts: Sequence[AccountSnapshot], *, only_first: bool) -> list[AccountSnapshot]:
    """Return the accounts with one or with every quantity changed by one in a thousand.

    Accounts that do not change stay the same objects, as they do in the engine.
    """
    result: list[AccountSnapshot] = []
    for i, account in enumerate(accounts):
        if only_first and i:
            result.append(account)
            continue
        legs = list(account.positions)
        for j, leg in enumerate(legs):
            if only_first and (i or j):
                break
            legs[j] = Position(
                leg.symbol, leg.side, leg.quantity * 1.001, leg.entry_price, leg.margin_mode, leg.margin_asset,
                leg.margin,
            )  # fmt: skip
        result.append(AccountSnapshot(account.account, account.balances, tuple(legs)))
    return result


def compare(loop: LoopBook, marks: dict[str, object], book: Book, readings: Readings) -> None:
    """Assert that the loop and the pass agree, so that the same work is compared."""
    ratios, prices = loop.run(marks)
    np.testing.assert_allclose([float(r) for r in ratios], readings.margin_ratio, rtol=1e-9)
    hedged = {*book.pairs.first.tolist(), *book.pairs.second.tolist()}
    for row, price in enumerate(prices):
        # The closed form iterated from the mark finds one root of a hedge, not always the nearest.
        if row not in hedged:
            want = readings.liquidation_price[row]
            assert np.isnan(want) if price is None else abs(float(price) - want) <= 1e-7 * want


def report(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    table = Table(title="One pass over all positions (medians)", title_justify="left")
    for head in (
        "positions", "wallets", "pass", "best", "positions/s", "compile", "patch one", "patch all",
        "float loop", "Decimal loop",
    ):  # fmt: skip
        table.add_column(head, justify="right")
    for row in rows:
        times = (row.compile_us, row.patch_one_us, row.patch_all_us)
        ratios = (
            "" if ratio is None else f"{ratio:.1f} x" for ratio in (row.float_loop_ratio, row.decimal_loop_ratio)
        )
        table.add_row(
            f"{row.positions:,}", f"{row.wallets:,}", _time(row.pass_us), _time(row.best_us),
            f"{row.positions_per_s:,.0f}", *map(_time, times), *ratios,
        )  # fmt: skip
    return table


def _time(us: float) -> str:
    return f"{us:,.0f} us" if us < 10_000 else f"{us / 1000:,.1f} ms"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    options = parser.parse_args(arguments)
    budget_s = 0.2 if options.quick else 2.0
    rows = [measure(count, budget_s) for count in SIZES]
    where = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }
    if options.json:
        print(json.dumps({"benchmark": "evaluate", **where, "rows": [row._asdict() for row in rows]}))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(report(rows))
    console.print("Loops: how many times longer a loop over positions takes, although it computes less.")
    console.print(", ".join(f"{name} {value}" for name, value in where.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
