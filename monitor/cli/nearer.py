"""Wallets whose liquidation comes nearer by what was done to them: room and ratio may look better meanwhile."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from monitor.core.ladder import Grid, Rung
from monitor.core.model import SubjectKey
from monitor.notify.numbers import percent
from monitor.notify.subjects import wallet_name

_WORTH_TELLING = 0.75  # of the distance before: what is less by a quarter or more is no rounding and no fee


class Nearer(NamedTuple):
    """Distances are fractions, of the nearest liquidation price or of all marks together, whichever is less."""

    key: SubjectKey
    before: float  # infinity where no move liquidates
    after: float

    @property
    def words(self) -> str:
        """What is told of it."""
        name = f"{self.key.account} {wallet_name(self.key.wallet)}"
        before = "out of reach" if np.isinf(self.before) else f"{percent(self.before)} away"
        return f"{name}: what was done brings liquidation nearer, from {before} to {percent(self.after)}."


def brought_nearer(untouched: Grid, before: Rung, touched: Grid, after: Rung) -> Iterator[Nearer]:
    """Yield the wallets of which that is true, unless they are liquidated, which is told anyway.

    Args:
        untouched: what is held as if prices alone had moved.
        before: of it, as it is.
        touched: what is held after all that was done, at the same prices.
        after: of it, as it is.
    """
    for wallet, info in enumerate(touched.book.wallets):
        was = untouched.book.wallet_index.get(info.key)
        if was is None or after.liquidated[wallet]:
            continue
        then, now = _distance(untouched, before, was), _distance(touched, after, wallet)
        if now < then * _WORTH_TELLING:
            yield Nearer(info.key, then, now)


def _distance(grid: Grid, rung: Rung, wallet: int) -> float:
    """Return how far the nearest liquidation of a wallet is; infinity where there is none."""
    rows = grid.book.rows_of(wallet)
    ways = np.append(rung.readings.distance[rows.start : rows.stop], rung.readings.joint_distance[wallet])
    return float(np.min(ways[~np.isnan(ways)], initial=np.inf))
