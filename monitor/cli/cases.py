"""What a prescription is made with, of what a command knows: a wallet, and all that is around it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from monitor.cli.held import Held
from monitor.core.model import AccountSnapshot
from monitor.core.scene import KnownMoves
from monitor.core.settings import EngineSettings
from monitor.core.trial import Case


def case_of(
    held: Held, account: AccountSnapshot, wallet: str, marks: Mapping[str, float], settings: EngineSettings
) -> Case:
    """Return a wallet with what is around it.

    Args:
        held: what is held.
        account: one of ``held``.
        wallet: its name.
        marks: by name, of symbols and rates; those that are known.
        settings: whose conditions count.
    """
    around = held.surroundings
    return Case(
        account=account,
        wallet=wallet,
        tables=held.tables,
        marks=marks,
        settings=settings,
        corrections=held.corrections,
        lots={**settings.lots, **around.lots},
        funds=around.funds.get(account.account),
        moves=known_moves(held.status, held.joint),
    )


def known_moves(status: Mapping[str, Any] | None, joint: KnownMoves | None = None) -> KnownMoves | None:
    """Return how prices move as a status says, and together as far as that was told; None without a status."""
    if status is None:
        return None
    typical = {one["symbol"]: one.get("typical_move") for one in status["engine"]["symbols"]}
    values = np.array([np.nan if move is None else float(move) for move in typical.values()])
    alone = KnownMoves(tuple(typical), np.empty((0, len(typical))), values)
    return alone if joint is None else alone._replace(returns=joint.of(alone.names).returns)
