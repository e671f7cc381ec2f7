"""A family of metrics as data, and what all of them are read from.

Names are in base units: seconds, ratios (0.8 is 80 %), counts. What is not known has no series: it is never 0 and
never NaN, so that ``absent`` and ``unless`` mean what they say.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from monitor.core.report import WalletView
from monitor.health import Health
from monitor.status import Status

PREFIX: Final = "position_monitor_"

Table = Mapping[str, Any]
Row = tuple[tuple[str, ...], float | None]  # values of the labels, and the figure; None: there is none


class Kind(StrEnum):
    """What a figure does; the words are Prometheus's."""

    GAUGE = "gauge"  # goes up and down
    COUNTER = "counter"  # goes up, and begins at 0 with the process
    HISTOGRAM = "histogram"  # counts by how large something was


class Seen(NamedTuple):
    """The daemon at one moment."""

    status: Status
    health: Health
    readiness: Health
    feeds: Sequence[Table]
    accounts: Sequence[Table]  # those followed by their keys
    wallets: Mapping[tuple[str, str], WalletView]  # by account and name


class Family(NamedTuple):
    """Figures of one meaning."""

    name: str  # as it is exported: with the prefix, a counter with ``_total``
    kind: Kind
    help: str  # meaning and unit, one sentence or two
    labels: tuple[str, ...]
    read: Callable[[Seen], Iterable[Row]]


def seen(status: Status, health: Health, readiness: Health) -> Seen:
    """Return what families are read from; whatever sources say of themselves, as tables."""
    return Seen(
        status, health, readiness,
        feeds=[msgspec.to_builtins(one) for one in status.feeds],
        accounts=[msgspec.to_builtins(one) for one in status.accounts],
        wallets={(one.account, one.wallet): one for one in status.engine.wallets},
    )  # fmt: skip


def gauge(name: str, text: str, labels: tuple[str, ...], read: Callable[[Seen], Iterable[Row]]) -> Family:
    """Return a family of figures that go up and down."""
    return Family(PREFIX + name, Kind.GAUGE, text, labels, read)


def counter(name: str, text: str, labels: tuple[str, ...], read: Callable[[Seen], Iterable[Row]]) -> Family:
    """Return a family of figures that only go up; ``name`` ends with ``_total``."""
    return Family(PREFIX + name, Kind.COUNTER, text, labels, read)


def one(read: Callable[[Seen], float | None]) -> Callable[[Seen], Iterable[Row]]:
    """Return a reader of a single figure without labels."""
    return lambda found: [((), read(found))]


def rows_of(family: Family, found: Seen) -> dict[tuple[str, ...], float]:
    """Return the figures of a family by the values of its labels: each series once, what is not known left out."""
    rows: dict[tuple[str, ...], float] = {}
    for values, figure in family.read(found):
        if figure is not None:
            rows.setdefault(values, float(figure))
    return rows
