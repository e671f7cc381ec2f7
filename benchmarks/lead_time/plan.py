"""What is run: which wallets, for how long, on how many paths.

Sizes follow from how long a position lives: enough liquidations everywhere, and a quarter of an hour in all.
"""

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.lead_time.books import CROSS_5, CROSS_20, ISOLATED, PAIR, SPREAD, Kind, Terms
from benchmarks.lead_time.follow import Unit
from benchmarks.lead_time.policies import CURVES, FIRST_CHOICE, OURS, REPORTED, Policy

LEVERAGES = (5.0, 10.0, 20.0, 50.0, 125.0)
RATES = (0.004, 0.01)
TUNED_ON = (0, 2)  # seeds
REPORTED_ON = (1, 3)


class Task(NamedTuple):
    """A unit, and whose alarms are asked about."""

    unit: Unit
    policies: tuple[Policy, ...]

    @property
    def work(self) -> float:
        """How much there is to do, about proportional to the time it takes."""
        unit = self.unit
        wallet = 8.0 + 0.2 * len(unit.kind.legs) + 0.1 * len(self.policies)
        return unit.paths * unit.days * len(unit.terms) * wallet


class Size(NamedTuple):
    """How much of one kind of wallet is simulated, by leverage."""

    paths: int
    days: float
    chunk: int = 20
    refresh: int = 1


# The low leverages take a month each, and share their paths.
_SINGLE = {10.0: Size(150, 30.0), 20.0: Size(200, 5.0), 50.0: Size(150, 2.0), 125.0: Size(120, 1.0, 10)}
_FIVE = {
    10.0: Size(80, 30.0, 20, 2), 20.0: Size(100, 6.0, 20, 2), 50.0: Size(80, 2.0, 10, 2),
    125.0: Size(60, 1.0, 10, 2),
}  # fmt: skip
_TWENTY = {
    10.0: Size(60, 30.0, 10, 5), 20.0: Size(80, 6.0, 10, 5), 50.0: Size(60, 2.0, 10, 5),
    125.0: Size(50, 1.0, 5, 5),
}  # fmt: skip
_HEDGED = {
    10.0: Size(20, 30.0, 20, 2), 20.0: Size(50, 20.0, 20, 2), 50.0: Size(60, 8.0, 20, 2),
    125.0: Size(60, 2.0, 10, 2),
}  # fmt: skip
SIZES: dict[str, dict[float, Size]] = {
    ISOLATED.name: _SINGLE, CROSS_5.name: _FIVE, CROSS_20.name: _TWENTY, PAIR.name: _HEDGED, SPREAD.name: _HEDGED,
}  # fmt: skip
KINDS = (ISOLATED, CROSS_5, CROSS_20, PAIR, SPREAD)
_QUICK = 0.1  # share of the paths, with a tenth of the days of the low leverages


def possible(terms: Terms) -> bool:
    """Return whether a position can be opened: the exchange allows half of the balance to be required at most."""
    return terms.mmr * terms.leverage <= 0.5


def tasks(*, even: bool = False, quick: bool = False) -> list[Task]:
    """Return everything to run for the report; with ``even`` what the levels were tuned on, and nothing else."""
    found: list[Task] = []
    drawn = tuple(policy for curve in CURVES.values() for policy in curve)
    for kind in KINDS:
        # What the picture shows has many policies, so the other rate goes by itself.
        rates = ((RATES[0],), (RATES[1],)) if kind is ISOLATED else (RATES,)
        for leverages, size in ((LEVERAGES[:2], 10.0), *(((each,), each) for each in LEVERAGES[2:])):
            for some in rates:
                pairs = (Terms(leverage, mmr) for leverage in leverages for mmr in some)
                terms = tuple(each for each in pairs if possible(each))
                if not terms:
                    continue
                amount = SIZES[kind.name][size]
                if even:
                    found += _each(kind, terms, amount, TUNED_ON, REPORTED, quick=quick)
                    continue
                first = kind is ISOLATED and some[0] == RATES[0]
                policies = REPORTED + drawn if first else REPORTED
                found += _each(kind, terms, amount, REPORTED_ON, policies, quick=quick)
                if first or (kind is CROSS_20 and size == 20.0):
                    found += _each(kind, terms[:2], amount, TUNED_ON, (FIRST_CHOICE, OURS), quick=quick)
    return found


def _each(
    kind: Kind,
    terms: tuple[Terms, ...],
    size: Size,
    seeds: Sequence[int],
    policies: tuple[Policy, ...],
    *,
    quick: bool,
) -> list[Task]:
    paths, days = size.paths, size.days
    if quick:
        paths, days = max(8, round(paths * _QUICK)), days if days <= 2 else max(2.0, days * _QUICK)
        seeds = seeds[:1]
    return [Task(Unit(kind, terms, paths, days, seed, size.chunk, size.refresh), policies) for seed in seeds]
