"""Tiers as people read them off the exchange become the table of the configuration, or are refused with words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.setup.tiers import Tier, TierError, parse_tier, rows_of
from monitor.core.brackets import table_faults

SYMBOL = "BTCUSD_PERP"
rising = st.lists(
    st.tuples(st.floats(1e-3, 1e9), st.floats(1e-4, 0.9)), min_size=1, max_size=12, unique_by=(lambda one: one[0],)
).map(lambda found: list(map(Tier, sorted(cap for cap, _ in found), sorted({rate for _, rate in found}))))


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("5=0.4%", Tier(5.0, 0.004)), ("5=0.004", Tier(5.0, 0.004)), ("5 0.4 %", Tier(5.0, 0.004)),
        (" 1,000 = 1% ", Tier(1000.0, 0.01)), ("50=50%", Tier(50.0, 0.5)), ("5  0.4%", Tier(5.0, 0.004)),
    ],
)  # fmt: skip
def test_a_cap_and_a_rate_are_a_tier(text: str, tier: Tier) -> None:
    """With an equals sign as an option, with a blank as an answer; no digits of binary fractions."""
    assert parse_tier(text) == tier


@pytest.mark.parametrize(
    "text", ["", "5", "5=", "=0.4%", "five=0.4%", "5=much", "5=0.4=1", "nan=0.4%", "5 0.4% 1"]
)
def test_what_is_no_tier_is_refused(text: str) -> None:
    """Whatever stands there in its place."""
    with pytest.raises(TierError):
        parse_tier(text)


def test_a_rate_that_may_be_percent_has_to_say_so() -> None:
    """0.4 is 40 %, which nobody means of a first tier; both readings are shown."""
    with pytest.raises(TierError, match=r"0\.4%, or 40%"):
        parse_tier("5=0.4")


@given(rising)
def test_tiers_that_rise_make_a_table_that_the_configuration_takes(tiers: list[Tier]) -> None:
    """Floors join caps, and maintenance amounts follow from them."""
    rows = rows_of(SYMBOL, tiers)
    assert table_faults(SYMBOL, rows) == ()
    assert [(row[1], row[2]) for row in rows] == tiers


@pytest.mark.parametrize(
    "tiers",
    [
        [Tier(5.0, 0.01), Tier(10.0, 0.005)],
        [Tier(5.0, 0.01), Tier(4.0, 0.02)],
        [Tier(0.0, 0.01)],
        [Tier(5.0, -0.01)],
    ],
)
def test_tiers_that_do_not_rise_are_refused_by_their_number(tiers: list[Tier]) -> None:
    """Counted as people count."""
    with pytest.raises(TierError, match=f"in number {len(tiers)} "):
        rows_of(SYMBOL, tiers)
