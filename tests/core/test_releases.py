"""A partial close leaves an isolated wallet with the remaining share, or it is counted that it does not."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.engine import Engine
from monitor.core.events import SettingsChanged, Snapshot
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Now, Position, Side, Source
from monitor.core.releases import Release, releases
from monitor.core.settings import AdviceRules, EngineSettings
from monitor.core.whatif import close
from monitor.emulator.holdings import Contract, Holding, Holdings

TABLE = BracketTable("BTCUSDT", (Bracket(0.0, 1e9, 0.004, 0.0),))
replaced = msgspec.structs.replace


def leg(quantity: float = 0.5, margin: float = 1550.0, **changes: object) -> Position:
    made = Position("BTCUSDT", Side.LONG, quantity, 62_000.0, MarginMode.ISOLATED, "USDT", margin)
    return replaced(made, **changes)


def account(*legs: Position, source: Source = Source.STREAM, at_ms: int = 1) -> AccountSnapshot:
    return AccountSnapshot("main", {"USDT": 900.0}, legs, as_of_ms=at_ms, source=source)


def closed(after: Position, before: Position | None = None, cause: str = "ORDER") -> tuple[Release, ...]:
    return releases(account(before or leg(), source=Source.REST), account(after), cause)


@pytest.mark.parametrize(
    ("left", "as_assumed"),
    [(620.0, True), (620.6, True), (619.4, True), (620.7, False), (619.3, False), (1550.0, False), (0.0, False)],
)
def test_the_remaining_share_is_what_is_assumed(left: float, as_assumed: bool) -> None:  # noqa: FBT001 - a table
    """Two fifths of the quantity keep two fifths of the margin, by a thousandth of it."""
    (found,) = closed(leg(0.2, left))
    assert found == Release("main", "BTCUSDT", Side.LONG, "USDT", 620.0, left)
    assert found.as_assumed is as_assumed


def test_rounding_of_next_to_nothing_is_no_difference() -> None:
    """A wallet of a few satoshi may be off by a rounding, however much of it that is."""
    assert closed(leg(0.2, 0.0000011), leg(0.5, 0.000001))[0].as_assumed
    assert not closed(leg(0.2, 0.0000021), leg(0.5, 0.000001))[0].as_assumed


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (leg(), leg(0.2, 500.0), "FUNDING_FEE"),  # something else happened to the wallet
        (leg(), leg(0.2, 500.0), "reconcile"),
        (leg(), leg(0.5, 500.0), "ORDER"),  # nothing was closed
        (leg(), leg(0.6, 500.0), "ORDER"),
        (leg(), leg(0.2, 500.0, side=Side.SHORT), "ORDER"),  # another position
        (leg(margin_mode=MarginMode.CROSS), leg(0.2, 0.0, margin_mode=MarginMode.CROSS), "ORDER"),
    ],
)
def test_what_proves_nothing_is_not_counted(before: Position, after: Position, cause: str) -> None:
    """Only a trade that leaves a part of an isolated position does."""
    assert closed(after, before, cause) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [(Source.STORED, Source.STREAM), (Source.GIVEN, Source.STREAM), (Source.REST, Source.REST)],
)
def test_only_events_of_the_stream_after_a_known_state_prove_anything(before: Source, after: Source) -> None:
    """What an earlier run knew may be old, and between two descriptions by REST more may have happened."""
    assert releases(account(leg(), source=before), account(leg(0.2, 1.0), source=after), "ORDER") == ()


def test_a_position_that_is_gone_or_new_is_no_partial_close() -> None:
    """Of the first nothing is left to compare, of the second there was nothing."""
    assert releases(account(leg()), account(), "ORDER") == ()
    assert releases(account(), account(leg(0.2)), "ORDER") == ()


amounts = st.decimals("0.001", "500", places=3)


@given(held=amounts, part=st.decimals("0.01", "0.99", places=2), margin=st.decimals("1", "1e6", places=8))
def test_the_emulator_releases_the_share(held: Decimal, part: Decimal, margin: Decimal) -> None:
    """Whatever is closed of whatever size, at whatever profit: what demo and tests show is what is assumed."""
    books = Holdings({"USDT": Decimal(10**7)})
    one = Holding(
        Contract("BTCUSDT", "USDT"), "BOTH", isolated=True, amount=held, entry=Decimal(62_000), wallet=margin
    )
    quantity = (held * part).quantize(Decimal("0.0001"))
    if not 0 < quantity < held:
        return
    books.fill(one, "SELL", quantity, Decimal(60_000), leverage=20, fee=Decimal(3))
    (found,) = closed(leg(float(one.amount), float(one.wallet)), leg(float(held), float(margin)))
    assert found.as_assumed


@given(part=st.floats(0.01, 0.99), margin=st.floats(1.0, 1e6))
def test_amounts_to_reduce_are_computed_with_the_share(part: float, margin: float) -> None:
    """What is checked here is what advice assumes."""
    before = account(leg(0.5, margin))
    after = close(before, before.positions[0], 0.5 * part, 60_000.0, AdviceRules()).account
    (found,) = releases(before, after, "ORDER")
    assert found.as_assumed


def test_the_engine_counts_and_tells() -> None:
    """Both kinds by account, and each once for whoever logs it."""
    engine, now = Engine(), Now(1_780_000_000_000, 10.0)
    engine.step(SettingsChanged(EngineSettings(accounts=("main",)), (TABLE,)), now)
    engine.step(Snapshot(account(leg(), source=Source.REST), "reconcile"), now)
    assert engine.step(Snapshot(account(leg(0.2, 620.0), at_ms=2), "ORDER"), now).releases[0].as_assumed
    (odd,) = engine.step(Snapshot(account(leg(0.1, 620.0), at_ms=3), "ORDER"), now).releases
    assert (odd.expected, odd.left, odd.as_assumed) == (310.0, 620.0, False)
    assert engine.step(Snapshot(account(leg(0.1, 600.0), at_ms=4), "MARGIN_TRANSFER"), now).releases == ()
    assert engine.view(now).accounts[0].released == (1, 1)
