"""Makes docs/metrics.md of metrics.md.in and of what the service exports: ``python -m docs.metrics``."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from monitor import health
from monitor.core.model import Level
from monitor.core.notices import DataState
from monitor.web.families.delivery import DELIVERY
from monitor.web.families.family import Family, Kind
from monitor.web.families.positions import POSITIONS
from monitor.web.families.service import SERVICE
from monitor.web.families.sources import SOURCES
from monitor.web.families.table import FAMILIES, TICK_TO_DECISION
from monitor.web.metrics import BUCKETS_S

HERE = Path(__file__).parent
TEMPLATE, TARGET = HERE / "metrics.md.in", HERE / "metrics.md"
GROUPS: tuple[tuple[str, Sequence[Family]], ...] = (
    ("Positions and wallets", POSITIONS),
    ("Marks, feeds and accounts", SOURCES),
    ("Alerts and messages", DELIVERY),
    ("The service", (*SERVICE, TICK_TO_DECISION)),
)
# How many series a family has, by its labels; what is not here has constant labels.
_BY_LABELS = {
    ("account", "symbol", "side"): "P",
    ("symbol",): "S",
    ("account", "wallet"): "X",
    ("account", "wallet", "asset"): "W",
    ("account",): "A",
    ("account", "figure"): "3 A",
    ("feed",): "F",
    ("channel",): "C",
    ("channel", "outcome"): "3 C",
}
_CONSTANT = {
    ("level",): len(Level), ("reason",): len(health.REASONS), ("statistic",): 3, ("database",): 2, ("outcome",): 2,
    ("version",): 1, ("environment",): 1, (): 1,
}  # fmt: skip
_IN_WORDS = {
    "position_monitor_dropped_total",
    "position_monitor_jobs_died_total",
    "position_monitor_web_refused_total",
}
_EXAMPLE = {"P": 20, "S": 15, "X": 1, "W": 11, "A": 2, "F": 1, "C": 2}


def document() -> str:
    """Return the page."""
    factors, constant = bound()
    total = constant + sum(count * _EXAMPLE[name] for name, count in factors.items())
    facts = {
        "levels": ", ".join(f"{level.value} {level.label}" for level in Level),
        "states": ", ".join(f"{number} {state.value}" for number, state in enumerate(DataState)),
        "reasons": ", ".join(f"`{reason}`" for reason in health.REASONS),
        "buckets": ", ".join(f"{edge:g}" for edge in BUCKETS_S),
        "bound": " + ".join([*(f"{count} {name}" for name, count in factors.items()), str(constant)]),
        "example": "{P} positions on {S} symbols in {A} accounts\nwith one cross wallet and {C} channels make "
        "some {total}.".format(**_EXAMPLE, total=round(total, -1)),
        "tables": "\n".join(f"## {title}\n\n{table(families)}\n" for title, families in GROUPS),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: facts[found[1]], TEMPLATE.read_text())


def table(families: Sequence[Family]) -> str:
    """Return families as a table."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels) or 'none'} | {one.help} |"
        for one in families
    ]
    return "\n".join(["| name | kind | labels | meaning |", "|---|---|---|---|", *rows])


def bound() -> tuple[dict[str, int], int]:
    """Return how many series there are at most: factors by what they multiply, and what is always there."""
    factors: Counter[str] = Counter()
    constant = len(BUCKETS_S) + 3  # the bucket without an edge, sum and count
    for one in FAMILIES:
        if one.kind is Kind.HISTOGRAM or one.name in _IN_WORDS:
            continue
        if one.labels in _CONSTANT:
            constant += _CONSTANT[one.labels]
        else:
            times, _, name = _BY_LABELS[one.labels].rpartition(" ")
            factors[name] += int(times or 1)
    return dict(factors), constant


def main() -> None:
    """Write the page."""
    TARGET.write_text(document())


if __name__ == "__main__":
    main()
