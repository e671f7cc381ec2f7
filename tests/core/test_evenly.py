"""The same share off every position of a wallet, in steps that can be closed."""

import pytest

from monitor.core.evenly import SHARES, Evenly
from monitor.core.model import Lot, Side
from tests.core.builders import BTC, ETH, cross

LONG, SHORT = cross(BTC, quantity=0.5), cross(ETH, side=Side.SHORT, quantity=4.0)
LOTS = {BTC: Lot(0.01), ETH: Lot(0.5, 1.0)}


def test_a_share_is_rounded_up_to_the_step_and_to_the_least_there_is() -> None:
    evenly = Evenly([LONG, SHORT], LOTS)
    assert evenly.quantities(1) == (0.01, 1.0)
    assert evenly.quantities(301) == (0.16, 1.5)
    assert evenly.quantities(500) == (0.25, 2.0)
    assert evenly.quantities(SHARES - 1) == (0.5, 4.0)


@pytest.mark.parametrize(("long", "short"), [(10.03, 9.99), (10.0, 10.0), (10.3, 10.2), (1.9, 2.0), (3.0, 1.0)])
def test_of_both_sides_of_a_symbol_no_share_leaves_a_larger_net(long: float, short: float) -> None:
    """Also of positions that are no whole steps, and of a step that nobody told."""
    legs = [cross(BTC, quantity=long), cross(BTC, side=Side.SHORT, quantity=short)]
    legs.sort(key=lambda p: -p.quantity)
    for lots in ({BTC: Lot(1.0)}, {BTC: Lot(0.7)}, {}):
        evenly = Evenly(legs, lots)
        for shares in range(1, SHARES, 7):
            first, second = evenly.quantities(shares)
            net = (legs[0].quantity - first) - (legs[1].quantity - second)
            assert abs(net) <= abs(long - short) + 1e-9, (lots, shares)
