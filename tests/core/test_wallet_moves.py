"""How much wallets change within an hour, beside numerical derivatives and sums in plain Python."""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import wallet_moves
from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book, set_rates
from monitor.core.model import AccountSnapshot, AssetRate, Position, Side
from monitor.core.moves import LEAST_RETURNS, hourly_deviation, moves_left
from monitor.core.risk import Readings, evaluate
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations
from tests.core.builders import BTC, ETH, account, cross, isolated, table
from tests.core.strategies import Drawn, coin, draw_case, usdt

NAN = float("nan")
HOUR = math.sqrt(60)


def drawn(seed: int, series: int, minutes: int = 300) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 0.001, (minutes, series))


def compiled(accounts: Sequence[AccountSnapshot], marks: Mapping[str, float]) -> tuple[Book, Readings]:
    symbols = {position.symbol for one in accounts for position in one.positions}
    book = compile_book(accounts, {symbol: table(symbol) for symbol in symbols})
    vector = np.array([marks[name] for name in book.watched])
    set_rates(book, vector)
    return book, evaluate(book, vector[: len(book.symbols)])


def deviations(book: Book, readings: Readings, returns: Floats) -> Floats:
    return cushion_deviations(book, cushion_deltas(book, readings), returns, hourly_deviation(returns))


def moves(book: Book, readings: Readings, returns: Floats) -> Floats:
    return moves_left(readings.cushion, deviations(book, readings, returns))


def check_deltas(book: Book, marks: Mapping[str, float]) -> None:
    """Compare each gain with what the cushion does when its name moves a little up and a little down."""
    vector = np.array([marks[name] for name in book.watched])

    def cushion(name: int, step: float) -> Floats:
        moved = vector.copy()
        moved[name] *= math.exp(step)
        set_rates(book, moved)
        return evaluate(book, moved[: len(book.symbols)]).cushion

    set_rates(book, vector)
    readings = evaluate(book, vector[: len(book.symbols)])
    deltas = cushion_deltas(book, readings)
    got = np.zeros((len(book.wallets), len(book.watched)))
    got[deltas.wallets, deltas.names] = deltas.gains
    step = 1e-6
    asks = book.slot_ask
    scale = (readings.notional * asks[book.row_slot]).sum() + (np.abs(book.slot_balance) * asks).sum() + 1.0
    for name in range(len(book.watched)):
        slopes = [(cushion(name, s * step) - cushion(name, 0.0)) / (s * step) for s in (1.0, -1.0)]
        # At a corner the present bracket is one of the two sides.
        close = [np.abs(got[:, name] - slope) <= 1e-5 * scale for slope in slopes]
        assert (close[0] | close[1]).all(), (book.watched[name], got[:, name], slopes)


@settings(max_examples=60)
@given(st.data())
def test_gains_are_the_derivatives_of_the_cushion(data: st.DataObject) -> None:
    """Of linear and inverse contracts, hedged or not, in every bracket, isolated and cross."""
    case = data.draw(st.composite(lambda draw: draw_case(Drawn(draw)))())
    check_deltas(compile_book(case.accounts, case.tables), case.marks)


MULTI = AccountSnapshot(
    "main",
    {"USDT": 900.0, "BTC": 0.02, "ETH": -0.5, "BNB": 0.0},
    (
        usdt(BTC, Side.LONG, 0.1, 60_000.0), usdt(ETH, Side.SHORT, 2.0, 3_000.0),
        usdt(BTC, Side.SHORT, 0.04, 61_000.0),
    ),
    multi_assets=True,
    rates={
        "BTC": AssetRate(57_000.0, 63_000.0), "ETH": AssetRate(2_800.0, 3_200.0), "USDT": AssetRate(0.999, 1.001),
        "BNB": AssetRate(600.0, 700.0),
    },
)  # fmt: skip
MULTI_MARKS = {
    BTC: 60_500.0, ETH: 3_010.0, "BTCUSD@bid": 57_500.0, "BTCUSD@ask": 63_300.0, "ETHUSD@bid": 2_900.0,
    "ETHUSD@ask": 3_100.0, "USDTUSD@bid": 0.9995, "USDTUSD@ask": 1.0005, "BNBUSD@bid": 610.0, "BNBUSD@ask": 690.0,
}  # fmt: skip


@pytest.mark.parametrize("usdt_balance", [900.0, -900.0, 0.0])
def test_rates_of_collateral_move_a_wallet_as_marks_do(usdt_balance: float) -> None:
    """What is owned moves with the bid; what is owed and what positions require, with the ask."""
    held = AccountSnapshot(
        "main", MULTI.balances | {"USDT": usdt_balance}, MULTI.positions, multi_assets=True, rates=MULTI.rates
    )
    book, _ = compiled((held,), MULTI_MARKS)
    check_deltas(book, MULTI_MARKS)


def test_collateral_in_what_a_short_is_in_hedges_it() -> None:
    """A coin that backs the short of itself takes off most of what could happen."""
    returns = drawn(1, 1).repeat(3, axis=1)  # mark and both rates move as one
    bare = AccountSnapshot("main", {"USDT": 70_000.0}, (usdt(BTC, Side.SHORT, 1.0, 60_000.0),), multi_assets=True)
    coins = AccountSnapshot(
        "main", {"BTC": 1.15}, (usdt(BTC, Side.SHORT, 1.0, 60_000.0),), multi_assets=True,
        rates={"BTC": AssetRate(57_000.0, 63_000.0)},
    )  # fmt: skip
    marks = {BTC: 60_000.0, "BTCUSD@bid": 57_000.0, "BTCUSD@ask": 63_000.0}
    hedged, plain = moves(*compiled((coins,), marks), returns), moves(*compiled((bare,), marks), returns[:, :1])
    assert hedged[0] > 10 * plain[0]


@given(
    st.floats(0.02, 0.5),
    st.floats(0.9, 1.2),
    st.sampled_from(list(Side)),
    st.integers(0, 20),
    st.floats(0.01, 1e4),
)
def test_of_one_position_it_is_distance_over_typical_move(
    margin: float, drift: float, side: Side, seed: int, quantity: float
) -> None:
    """Exactly so within a bracket, for the cushion is a straight line in the price down to its zero."""
    held = isolated(side=side, quantity=quantity, entry=100.0, margin=100.0 * quantity * margin)
    book, readings = compiled((account(held),), {BTC: 100.0 * drift})
    if readings.cushion[0] <= 0 or np.isnan(readings.distance[0]):
        return
    returns = drawn(seed, 1)
    [typical] = hourly_deviation(returns)
    assert moves(book, readings, returns)[0] == pytest.approx(readings.distance[0] / typical, rel=1e-9)


@pytest.mark.parametrize("side", list(Side))
def test_an_inverse_position_has_about_as_many_moves_left(side: Side) -> None:
    """Its cushion is straight in 1 / price: the first order is within the distance itself of it."""
    held = AccountSnapshot("main", {"BTC": 0.05}, (coin(side, 600.0, 60_000.0),))
    book, readings = compiled((held,), {"BTCUSD_PERP": 60_000.0})
    returns = drawn(3, 1)
    want = readings.distance[0] / hourly_deviation(returns)[0]
    assert 0.01 < readings.distance[0] < 0.1
    assert moves(book, readings, returns)[0] == pytest.approx(want, rel=0.1)


WALLET = (
    cross(BTC, quantity=0.5, entry=60_000.0), cross(ETH, quantity=7.0, entry=3_000.0),
    cross(ETH, side=Side.SHORT, quantity=3.0, entry=3_100.0),
    cross("SOLUSDT", side=Side.SHORT, quantity=40.0, entry=150.0),
)  # fmt: skip
MARKS = {BTC: 61_000.0, ETH: 2_900.0, "SOLUSDT": 155.0}


def slow_deviation(
    positions: Sequence[Position], marks: Mapping[str, float], returns: Mapping[str, list[float]]
) -> float:
    """Return the deviation of an hour's change of cushion, minute by minute; the maintenance rate is 1 %."""
    changes = []
    for minute in range(len(next(iter(returns.values())))):
        change = 0.0
        for leg in positions:
            sign = 1.0 if leg.side is Side.LONG else -1.0
            change += returns[leg.symbol][minute] * leg.quantity * marks[leg.symbol] * (sign - 0.01)
        if not math.isnan(change):
            changes.append((minute, change))
    weights = [0.5 ** ((299 - minute) / 30) for minute, _ in changes]
    squares = sum(w * change * change for w, (_, change) in zip(weights, changes, strict=True))
    recent = math.sqrt(squares / sum(weights))
    return HOUR * max(statistics.stdev(change for _, change in changes), recent)


@pytest.mark.parametrize("gaps", [0, 40])
def test_a_wallet_s_deviation_is_that_of_its_summed_changes(gaps: int) -> None:
    """Minute by minute, today's quantities times what each price did; minutes with a gap in any are left out."""
    book, readings = compiled((account(*WALLET, usdt=9_000.0),), MARKS)
    returns = drawn(7, 3)
    returns[20 : 20 + gaps, 0] = NAN
    returns[40 : 40 + gaps, 2] = NAN
    by_symbol = {symbol: returns[:, i].tolist() for i, symbol in enumerate(book.symbols)}
    want = slow_deviation(WALLET, MARKS, by_symbol)
    assert deviations(book, readings, returns)[0] == pytest.approx(want, rel=1e-9)


@given(st.permutations(WALLET), st.permutations(("aUSDT", "bUSDT", "cUSDT")))
def test_neither_order_nor_names_matter(legs: list[Position], names: list[str]) -> None:
    """Symbols sort otherwise under other names; what they did goes along with them."""
    renamed = dict(zip((BTC, ETH, "SOLUSDT"), names, strict=True))
    moved = tuple(
        Position(renamed[p.symbol], p.side, p.quantity, p.entry_price, p.margin_mode, p.margin_asset) for p in legs
    )
    returns = dict(zip((BTC, ETH, "SOLUSDT"), drawn(7, 3).T, strict=True))
    marks = {renamed[symbol]: mark for symbol, mark in MARKS.items()}
    back = {new: old for old, new in renamed.items()}
    plain, plain_readings = compiled((account(*WALLET, usdt=9_000.0),), MARKS)
    other, other_readings = compiled((account(*moved, usdt=9_000.0),), marks)
    want = moves(plain, plain_readings, np.stack([returns[s] for s in plain.symbols], axis=1))
    got = moves(other, other_readings, np.stack([returns[back[s]] for s in other.symbols], axis=1))
    np.testing.assert_allclose(got, want, rtol=1e-9)


def test_a_hedged_pair_has_far_more_moves_left_than_either_leg() -> None:
    """Net zero moves by its maintenance margin only."""
    long, short = cross(), cross(side=Side.SHORT)
    returns = drawn(8, 1)
    legs = [account(leg, name=f"a{i}", usdt=10.0) for i, leg in enumerate((long, short))]
    both = account(long, short, name="b", usdt=10.0)
    book, readings = compiled((*legs, both), {BTC: 100.0})
    one, other, hedged = moves(book, readings, returns).tolist()
    assert hedged > 40 * max(one, other)


def test_what_falls_together_leaves_less_than_what_falls_apart() -> None:
    """Two equal positions: perfectly correlated they move as one of twice the size, independent as root two."""
    held = account(cross(), cross(ETH), usdt=40.0)
    book, readings = compiled((held,), {BTC: 100.0, ETH: 100.0})
    single, _ = compiled((account(cross(), usdt=40.0),), {BTC: 100.0})
    same, apart = drawn(9, 1).repeat(2, axis=1), drawn(9, 2, 1400)
    opposite = same * np.array([1.0, -1.0])
    alone = deviations(single, evaluate(single, np.array([100.0])), same[:, :1])[0]
    assert deviations(book, readings, same)[0] == pytest.approx(2 * alone)
    assert deviations(book, readings, apart)[0] == pytest.approx(math.sqrt(2) * HOUR * 99 * 0.001, rel=0.15)
    assert deviations(book, readings, opposite)[0] < 1e-9 * alone
    assert moves(book, readings, same)[0] < moves(book, readings, apart)[0] < moves(book, readings, opposite)[0]


def test_one_unknown_price_makes_its_wallets_unknown_and_no_other() -> None:
    """A part of a wallet is no wallet."""
    accounts = (account(cross(), cross(ETH), isolated("SOLUSDT"), usdt=40.0), account(isolated(), name="b"))
    book, readings = compiled(accounts, {BTC: 100.0, ETH: 100.0, "SOLUSDT": 100.0})
    returns = drawn(10, 3)
    returns[LEAST_RETURNS - 1 :, book.symbol_index[ETH]] = NAN
    known = {str(book.wallets[i].key) for i in np.flatnonzero(~np.isnan(moves(book, readings, returns)))}
    assert known == {"main/isolated:SOLUSDT:LONG", "b/isolated:BTCUSDT:LONG"}


def test_prices_that_never_moved_in_the_same_minutes_are_not_known_together() -> None:
    """Each has enough returns of its own, and there are no joint ones."""
    book, readings = compiled((account(cross(), cross(ETH), usdt=40.0),), {BTC: 100.0, ETH: 100.0})
    returns = drawn(11, 2)
    returns[:150, 0] = NAN
    returns[150:, 1] = NAN
    assert not np.isnan(hourly_deviation(returns)).any()
    assert np.isnan(deviations(book, readings, returns)).all()


def test_wallets_without_positions_have_none() -> None:
    """Neither an empty wallet, nor a position of no size, nor an empty book."""
    held = account(cross(quantity=0.0), isolated(ETH), usdt=40.0)
    book, readings = compiled((held,), {BTC: 100.0, ETH: 100.0})
    returns = drawn(12, 2)
    returns[:, book.symbol_index[BTC]] = NAN
    got = dict(zip((info.key.wallet for info in book.wallets), moves(book, readings, returns), strict=True))
    assert np.isnan(got["cross:USDT"])
    assert got[f"isolated:{ETH}:LONG"] > 0
    empty = compile_book((), {})
    assert deviations(empty, evaluate(empty, np.zeros(0)), np.zeros((0, 0))).shape == (0,)


def test_an_unknown_mark_leaves_its_wallet_unknown() -> None:
    """And raises nothing."""
    book = compile_book((account(cross(), cross(ETH), usdt=40.0),), {BTC: table(BTC), ETH: table(ETH)})
    readings = evaluate(book, np.array([100.0, NAN]))
    assert np.isnan(moves(book, readings, drawn(13, 2))).all()


def test_wallets_are_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many columns are taken at once is about memory only."""
    accounts = [account(*WALLET[: 1 + i % 4], name=f"a{i}", usdt=9_000.0) for i in range(9)]
    book, readings = compiled(accounts, MARKS)
    returns = drawn(14, 3)
    whole = moves(book, readings, returns)
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(wallet_moves, "_CHUNK", size)
        np.testing.assert_allclose(moves(book, readings, returns), whole, rtol=1e-12)
