"""Liquidation prices and joint moves, against published and hand-worked figures."""

from decimal import Decimal, getcontext

import pytest

from monitor.emulator.brackets import Brackets
from monitor.emulator.liquidation import Leg, joint_distance, liquidation_prices, precise

# Tiers of 0GUSDT as published.
ZERO_G = Brackets.from_rows(
    "0GUSDT",
    [
        [0, 5000, 0.015, 0], [5000, 10000, 0.02, 25], [10000, 25000, 0.025, 75], [25000, 62500, 0.05, 700],
        [62500, 125000, 0.1, 3825], [125000, 250000, 0.125, 6950], [250000, 500000, 0.1667, 17375],
        [500000, 7500000, 0.25, 59025], [7500000, 12500000, 0.5, 1934025],
    ],
)  # fmt: skip


def flat(rate: str, amount: str) -> Brackets:
    """Return a table of one tier."""
    return Brackets.from_rows("X", [[0, 10**12, rate, amount]])


def hedge(long: int, short: int) -> list[Leg]:
    """Return a LONG and a SHORT of 0GUSDT entered and marked at 1."""
    one = Decimal(1)
    return [Leg(1, Decimal(long), one, one, ZERO_G), Leg(-1, Decimal(short), one, one, ZERO_G)]


def test_a_lopsided_hedge_is_liquidated_in_both_directions() -> None:
    """LONG and SHORT of one symbol in one wallet are solved together and may have two roots."""
    below, above = liquidation_prices(hedge(100_000, 82_500), Decimal(11_000))
    assert float(below) == pytest.approx(0.608955, abs=1e-6)
    assert float(above) == pytest.approx(1.315385, abs=1e-6)


def test_a_nearly_even_hedge_is_liquidated_upward_only() -> None:
    """Where a fall costs less than the maintenance margin it frees, only a rise liquidates."""
    (above,) = liquidation_prices(hedge(100_000, 90_000), Decimal(15_000))
    assert float(above) == pytest.approx(1.371739, abs=1e-6)


def test_every_root_uses_the_wallet_up() -> None:
    """At each root what is left after the maintenance margin is 0."""
    legs = hedge(100_000, 82_500)
    for price in liquidation_prices(legs, Decimal(11_000)):
        left = sum((leg.pnl(price) - leg.maintenance(price) for leg in legs), Decimal(11_000))
        assert abs(left) < Decimal("1e-20")


def test_a_price_below_zero_is_none() -> None:
    """A long with more margin than it can lose has no liquidation price."""
    leg = Leg(1, Decimal(1), Decimal(100), Decimal(100), flat("0.01", "0"))
    assert liquidation_prices([leg], Decimal(100)) == ()
    assert joint_distance([leg], Decimal(100)) is None


def test_legs_that_cancel_out_have_no_price() -> None:
    """With nothing held the denominator is 0 and there is no price."""
    leg = Leg(1, Decimal(0), Decimal(100), Decimal(100), flat("0.01", "0"))
    assert liquidation_prices([leg], Decimal(100)) == ()


def test_a_root_at_a_shared_bound_is_found_once() -> None:
    """Two tiers that meet at the liquidation price give one root, not two and not none."""
    table = Brackets.from_rows("X", [[0, 100, 0.01, 0], [100, 1000, 0.02, 1]])
    leg = Leg(-1, Decimal(1), Decimal(90), Decimal(90), table)
    # At 100 the short has lost 10 and owes 1.
    assert liquidation_prices([leg], Decimal(11)) == (Decimal(100),)


def test_above_the_last_cap_the_last_tier_continues() -> None:
    """A short liquidated above the last cap is solved with the last rate."""
    table = Brackets.from_rows("X", [[0, 100, 0.01, 0]])
    leg = Leg(-1, Decimal(1), Decimal(90), Decimal(90), table)
    # 1000 + 90 = 1.01 p
    (price,) = liquidation_prices([leg], Decimal(1000))
    assert float(price) == pytest.approx(1090 / 1.01, rel=1e-15)


def test_the_joint_distance_of_one_leg_is_its_distance() -> None:
    """With one symbol a common move of all marks is a move of that mark."""
    for sign in (1, -1):
        leg = Leg(sign, Decimal(2), Decimal(100), Decimal(98), flat("0.02", "1"))
        (price,) = liquidation_prices([leg], Decimal(30))
        moved = joint_distance([leg], Decimal(30))
        assert moved is not None
        assert abs(moved - abs(price - 98) / 98) < Decimal("1e-26")


def test_the_nearer_direction_counts() -> None:
    """A wallet that can go in both directions reports the smaller move."""
    moved = joint_distance(hedge(100_000, 82_500), Decimal(11_000))
    assert moved is not None
    assert float(moved) == pytest.approx(0.315385, abs=1e-6)


def test_a_wallet_used_up_is_no_move_away() -> None:
    """Where nothing is left the distance is 0; an empty wallet has none."""
    leg = Leg(1, Decimal(1), Decimal(100), Decimal(50), flat("0.01", "0"))
    assert joint_distance([leg], Decimal(10)) == 0
    assert joint_distance([], Decimal(0)) is None


def test_a_far_rise_is_found() -> None:
    """The search upward goes on until the wallet is gone, however far that is."""
    leg = Leg(-1, Decimal(1), Decimal(100), Decimal(100), flat("0.01", "0"))
    moved = joint_distance([leg], Decimal(10_000))
    assert moved is not None
    assert float(moved) == pytest.approx(10_100 / 101 - 1, rel=1e-12)


def test_precision_is_its_own() -> None:
    """Inside the block arithmetic has 50 digits, and the caller's context comes back."""
    before = getcontext().prec
    with precise():
        assert getcontext().prec == 50
    assert getcontext().prec == before


def coin(sign: int, contracts: int, entry: str, mark: str, table: Brackets | None = None) -> Leg:
    """Return an inverse leg of contracts of 100 dollars, by default in one tier of 0.4 %."""
    tiers = table or flat("0.004", "0")
    return Leg(sign, Decimal(contracts), Decimal(entry), Decimal(mark), tiers, Decimal(100))


def test_the_published_inverse_example() -> None:
    """101 BTC behind 100,000 contracts long at 45,000: liquidated at 33,599.4186, where the ratio is 1."""
    leg = coin(1, 100_000, "45000", "45000", flat("0.125", "11.605"))
    (price,) = liquidation_prices([leg], Decimal(101))
    assert round(float(price), 4) == 33599.4186
    with precise():
        assert abs(Decimal(101) + leg.pnl(price) - leg.maintenance(price)) < Decimal("1e-40")


def test_inverse_money_is_coin() -> None:
    """100 contracts at 25,000 are 0.4 BTC and need 0.0016; the documented profit of one contract comes out."""
    leg = coin(1, 100, "25000", "25000")
    assert (leg.notional(leg.mark), leg.maintenance(leg.mark)) == (Decimal("0.4"), Decimal("0.0016"))
    one = coin(1, 1, "11707.70000003", "11788.66626667")
    assert f"{one.pnl(one.mark):.8f}" == "0.00005866"


def test_an_inverse_short_has_no_price_if_it_is_hedged_by_its_own_coin() -> None:
    """A short worth less than the coin behind it cannot be liquidated by a rise."""
    (up,) = liquidation_prices([coin(-1, 1_000, "50000", "50000")], Decimal(1))
    assert float(up) == pytest.approx(100_000 * (1 - 0.004) / (2 - 1), rel=1e-12)
    assert liquidation_prices([coin(-1, 1_000, "50000", "50000")], Decimal(2)) == ()
    assert joint_distance([coin(-1, 1_000, "50000", "50000")], Decimal(2)) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_the_joint_distance_of_one_inverse_leg_is_its_distance(sign: int) -> None:
    """With one symbol a common move of all marks is a move of that mark, inverse contracts included."""
    leg = coin(sign, 1_000, "50000", "49000")
    (price,) = liquidation_prices([leg], Decimal("0.3"))
    moved = joint_distance([leg], Decimal("0.3"))
    assert moved is not None
    assert abs(moved - abs(price - 49_000) / 49_000) < Decimal("1e-26")


def test_an_inverse_hedge_can_have_two_roots() -> None:
    """LONG and SHORT of one inverse contract share their wallet; each root uses it up."""
    legs = [coin(1, 10_000, "50000", "50000"), coin(-1, 9_990, "50000", "50000")]
    prices = liquidation_prices(legs, Decimal("0.17"))
    assert prices
    for price in prices:
        left = sum((leg.pnl(price) - leg.maintenance(price) for leg in legs), Decimal("0.17"))
        assert abs(left) < Decimal("1e-20")
