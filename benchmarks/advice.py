"""What do amounts cost? ``python -m benchmarks.advice [--json] [--quick]``.

One prescription beside one evaluation of the same wallet, for wallets of 1 to 50 positions, with a day of
one-minute returns for moves left; how many looks it took. Then a step of an engine with a thousand positions in
which 20 wallets rise to warning or worse, with amounts as the daemon makes them and without any. All of it in
processor time.
"""

import argparse
import json
import os
import platform
import sys
import time  # noqa: TID251 - a benchmark measures real time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import evaluate as passes
from benchmarks.runs import CHANNELS
from benchmarks.scenes import many_accounts, many_symbols, tables_of
from monitor.core import counsel
from monitor.core.advice import prescribe
from monitor.core.compile import compile_book
from monitor.core.engine import Engine
from monitor.core.events import SettingsChanged, Snapshot, Ticks
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    Lot,
    MarginMode,
    MarkRange,
    Now,
    Position,
    Side,
)
from monitor.core.moves import hourly_deviation
from monitor.core.risk import evaluate
from monitor.core.scene import KnownMoves
from monitor.core.settings import EngineSettings
from monitor.core.trial import Case, Looked, Trial

SIZES = (1, 2, 10, 50)
RISING = 20
MINUTES = 1438
FALL = 0.163  # of price: warning at five times leverage
TIERS = ((0.0, 0.004, 0.0), (50_000.0, 0.005, 50.0), (250_000.0, 0.01, 1300.0))


class Row(NamedTuple):
    """Medians for one size of wallet, in microseconds."""

    positions: int
    evaluation_us: float
    prescription_us: float
    looks: int

    @property
    def ratio(self) -> float:
        """How many evaluations one prescription costs."""
        return self.prescription_us / self.evaluation_us


class Step(NamedTuple):
    """Medians of one step of the engine, in milliseconds."""

    rising: int
    advised: int
    without_ms: float
    with_ms: float


def case_of(count: int) -> Case:
    """Return a cross wallet at critical with so many positions, or an isolated one with a single position."""
    rng = np.random.default_rng(count)
    symbols = [f"S{i:02d}USDT" for i in range(count)]
    mode = MarginMode.ISOLATED if count == 1 else MarginMode.CROSS
    legs = tuple(
        Position(symbol, Side.LONG, 10.0 * float(rng.uniform(0.2, 2.0)), 1000.0, mode, "USDT", 0.0)
        for symbol in symbols
    )
    tables = {s: BracketTable(s, tuple(Bracket(f, 1e12, mmr, cum) for f, mmr, cum in TIERS)) for s in symbols}
    worth = sum(leg.quantity for leg in legs) * 1000.0
    lost, kept = worth * 0.05, worth * 0.05 * 0.1
    margin = lost + kept + worth * 0.005
    if count == 1:
        legs = (Position(symbols[0], Side.LONG, legs[0].quantity, 1000.0, mode, "USDT", margin),)
    account = AccountSnapshot("main", {"USDT": margin}, legs)
    marks = dict.fromkeys(symbols, 950.0)
    returns = rng.normal(0.0, 0.0003, (MINUTES, count))
    moves = KnownMoves(tuple(symbols), returns, hourly_deviation(returns))
    lots = dict.fromkeys(symbols, Lot(0.001, 0.001))
    return Case(account, account.wallet_of(legs[0]), tables, marks, EngineSettings(), lots=lots, moves=moves)


def measure(count: int, budget_s: float) -> Row:
    """Measure one size of wallet."""
    case = case_of(count)
    book = compile_book([case.account], case.tables)
    marks = np.array([case.marks[symbol] for symbol in book.symbols])
    return Row(
        count,
        passes.median_us(lambda: evaluate(book, marks), budget_s, time.process_time)[0],
        passes.median_us(lambda: prescribe(case), budget_s, time.process_time)[0],
        looks_of(case),
    )


def looks_of(case: Case) -> int:
    """Return how often a wallet's copies were evaluated for one prescription."""
    looks = 0
    original = Trial.look

    def counted(trial: Trial, *arguments: Any, **options: Any) -> Looked:  # noqa: ANN401 - passed on
        nonlocal looks
        looks += 1
        return original(trial, *arguments, **options)

    Trial.look = counted  # type: ignore[method-assign,assignment]
    try:
        prescribe(case)
    finally:
        Trial.look = original  # type: ignore[method-assign]
    return looks


def steps(rounds: int) -> Step:
    """Measure a step in which RISING wallets rise at once, with what is made at once and without."""
    took = {limit: [_step(limit) for _ in range(rounds)] for limit in (0, counsel.AT_ONCE)}
    median = {limit: float(np.median([one[0] for one in found])) for limit, found in took.items()}
    rising, advised = took[counsel.AT_ONCE][0][1:]
    return Step(rising, advised, median[0] * 1e3, median[counsel.AT_ONCE] * 1e3)


def _step(limit: int) -> tuple[float, int, int]:
    """Return the seconds one step took, the wallets that rose in it and how many of them got amounts."""
    accounts = many_accounts()
    engine = Engine()
    at = iter(_times())
    names = tuple(account.account for account in accounts)
    engine.step(SettingsChanged(EngineSettings(accounts=names, channels=CHANNELS), tables_of(accounts)), next(at))
    for account in accounts:
        engine.step(Snapshot(account), next(at))
    prices = many_symbols()
    engine.step(_ticks(prices, next(at)), next(at))
    isolated = [p.symbol for p in accounts[0].positions if p.margin_mode is MarginMode.ISOLATED]
    fallen: set[str] = set()
    count = 0
    for symbol in isolated:
        if count >= RISING:
            break
        fallen.add(symbol)
        count = sum(
            p.symbol in fallen and p.margin_mode is MarginMode.ISOLATED for a in accounts for p in a.positions
        )
    event = _ticks({s: prices[s] * (1.0 - FALL) for s in fallen}, next(at))
    before, counsel.AT_ONCE = counsel.AT_ONCE, limit
    try:
        moment = next(at)
        begun = time.process_time()
        effects = engine.step(event, moment)
        took = time.process_time() - begun
    finally:
        counsel.AT_ONCE = before
    advised = sum(one.facts.prescription is not None for one in effects.transitions)
    return took, len(effects.transitions), advised


def _times() -> Iterator[Now]:
    for i in range(10_000):
        yield Now(1_780_000_000_000 + i * 100, 1000.0 + i * 0.1)


def _ticks(prices: dict[str, float], now: Now) -> Ticks:
    return Ticks(tuple(MarkRange(s, price, price, price, now.wall_ms, now.mono_s) for s, price in prices.items()))


def report(rows: Sequence[Row]) -> Table:
    """Return the rows as a table."""
    table = Table(title="Amounts (medians of processor time)", title_justify="left")
    for head in ("positions", "one evaluation", "one prescription", "ratio", "looks"):
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(
            str(row.positions), f"{row.evaluation_us:,.0f} us", f"{row.prescription_us / 1000:,.1f} ms",
            f"{row.ratio:.0f} x", str(row.looks),
        )  # fmt: skip
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.advice", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    options = parser.parse_args(arguments)
    rows = [measure(count, 0.2 if options.quick else 2.0) for count in SIZES]
    step = steps(3 if options.quick else 15)
    where = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }
    if options.json:
        found = [{**row._asdict(), "ratio": row.ratio} for row in rows]
        print(json.dumps({"benchmark": "advice", **where, "rows": found, "step": step._asdict()}))
        return 0
    console = Console(width=None if sys.stdout.isatty() else 132)
    console.print(report(rows))
    console.print(
        f"A step in which {step.rising} wallets of a thousand positions rise: {step.without_ms:.1f} ms without "
        f"amounts, {step.with_ms:.1f} ms with amounts for the {step.advised} worst."
    )
    console.print(", ".join(f"{name} {value}" for name, value in where.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
