"""Accounts in multi-assets mode: equity, requirement, liquidation prices and collateral that moves with marks."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.book import Book
from monitor.core.compile import compile_book, correct, patch, set_rates
from monitor.core.model import (
    MULTI_WALLET,
    AccountSnapshot,
    AssetRate,
    Bracket,
    BracketTable,
    MarginMode,
    Position,
    Side,
    rate_symbols,
)
from monitor.core.risk import Readings, both_roots, evaluate
from monitor.core.rules import wallet_distance
from tests.core import reference_multi
from tests.core.checker import ACCURACY, marks_of
from tests.core.reference import Figure
from tests.core.strategies import Drawn, Seeded, Source, draw_table

CASES = 800
LONG, SHORT = Side.LONG, Side.SHORT
CONTRACTS = (
    ("BTCUSDT", "USDT"), ("ETHUSDT", "USDT"), ("SOLUSDT", "USDT"), ("BTCUSDC", "USDC"), ("ETHUSDC", "USDC"),
)  # fmt: skip
ASSETS = ("USDT", "USDC", "BTC", "ETH", "BNB")
Case = tuple[AccountSnapshot, dict[str, BracketTable], dict[str, float]]


def multi(*positions: Position, rates: dict[str, AssetRate] | None = None, **balances: float) -> AccountSnapshot:
    return AccountSnapshot("main", balances, positions, multi_assets=True, rates=rates or {})


def leg(symbol: str, asset: str, quantity: float, entry: float, side: Side = LONG) -> Position:
    return Position(symbol, side, quantity, entry, MarginMode.CROSS, asset)


def flat(symbol: str, mmr: float) -> BracketTable:
    return BracketTable(symbol, (Bracket(0.0, 1e12, mmr, 0.0),))


def rate(index: float, bid_buffer: float = 0.05, ask_buffer: float = 0.05, *, fixed: bool = False) -> AssetRate:
    return AssetRate(index * (1 - bid_buffer), index * (1 + ask_buffer), fixed=fixed)


def draw_multi(source: Source) -> Case:
    """Return an account of up to 5 assets and 5 symbols, its tables and marks; some rates are fixed."""
    tables: dict[str, BracketTable] = {}
    marks: dict[str, float] = {}
    legs: list[Position] = []
    for symbol, asset in CONTRACTS:
        if legs and not source.pick((True, False)):
            continue
        tables[symbol] = draw_table(source, symbol, inverse=False)
        marks[symbol] = 10 ** source.number(-2.0, 5.0)
        notional = 10 ** source.number(2.5, 7.0)
        sides = source.pick(((LONG,), (SHORT,), (LONG, SHORT)))
        for side in sides:
            entry = marks[symbol] * source.number(0.6, 1.7)
            quantity = notional / marks[symbol] * source.pick((1.0, source.number(0.5, 1.5)))
            legs.append(leg(symbol, asset, quantity, entry, side))
    worth = sum(one.quantity * marks[one.symbol] for one in legs)
    rates: dict[str, AssetRate] = {}
    balances: dict[str, float] = {}
    for asset in ASSETS:
        if not source.pick((True, True, False)):
            continue
        index = source.number(0.97, 1.02) if asset in reference_multi.QUOTES else 10 ** source.number(0.0, 5.0)
        rates[asset] = rate(
            index, source.number(0.0, 0.1), source.number(0.0, 0.1), fixed=source.pick((True, False))
        )
        amount = worth * 10 ** source.number(-3.0, 0.3) / index
        balances[asset] = source.pick((amount, amount, amount, amount, 0.0, -amount * 0.2))
    return multi(*legs, rates=rates, **balances), tables, marks


@st.composite
def multis(draw: st.DrawFn) -> Case:
    return draw_multi(Drawn(draw))


def compiled(case: Case) -> tuple[Book, Readings]:
    account, tables, marks = case
    book = compile_book((account,), tables)
    return book, evaluate(book, marks_of(book, marks))


def check(case: Case) -> tuple[int, int]:
    """Assert that every figure is the reference's; return how many were compared, and how many are in doubt."""
    book, readings = compiled(case)
    want = reference_multi.assess(*case)
    assert [info.key.wallet for info in book.wallets] == [MULTI_WALLET]
    same = doubt = 0
    for got, figure in (
        (readings.margin_balance[0], want.equity),
        (readings.maintenance_margin[0], want.required),
        (readings.cushion[0], want.equity.plus(want.required, -1)),
    ):
        _same(float(got), figure)
    over = float(want.equity.value) > 0 and want.required.value < want.equity.value
    edge = abs(float(readings.cushion[0])) <= 1e-8 * float(want.equity.terms + want.required.terms)
    for row, position in enumerate(book.positions):
        mark = case[2][position.symbol]
        roots, unsure = want.roots[position.symbol]
        if unsure or edge:
            doubt += 1
        else:
            same += 1
            _roots(book, readings, row, roots)
        factors, unsure = want.linked[position.symbol]
        if unsure or edge:
            doubt += 1
            continue
        same += 1
        _move(float(readings.linked_distance[row]), factors, over=over, mark=mark)
    factors, unsure = want.together
    if not (unsure or edge):
        _move(float(readings.joint_distance[0]), factors, over=over, mark=1.0)
    return same, doubt


def _same(got: float, want: Figure) -> None:
    assert abs(got - float(want.value)) <= ACCURACY * float(want.terms), (got, want)


def _roots(book: Book, readings: Readings, row: int, want: list[Figure]) -> None:
    """Compare both roots of a hedged pair, and the nearest of two elsewhere."""
    nearest = float(readings.liquidation_price[row])
    if not want:
        assert math.isnan(nearest)
        return
    assert any(abs(nearest - float(root.value)) <= ACCURACY * float(root.terms) for root in want), (nearest, want)
    if row in book.pairs.first or row in book.pairs.second:
        got = [root for root in both_roots(book, readings, row) if root is not None]
        assert len(got) == len(want), (got, want)
        for one, root in zip(got, want, strict=True):
            _same(one, root)


def _move(got: float, factors: list[Figure], *, over: bool, mark: float) -> None:
    if not over:
        assert got == 0.0, mark
    elif not factors:
        assert math.isnan(got), mark
    else:
        want = min(factors, key=lambda factor: abs(factor.value - 1))
        _same(got, Figure(abs(want.value - 1), want.terms + 1))


def test_hundreds_of_accounts_equal_the_reference() -> None:
    """The relative error of every figure is at most 1e-9 times its condition number; hardly any is in doubt."""
    source = Seeded(20_261_124)
    counts = [check(draw_multi(source)) for _ in range(CASES)]
    same, doubt = (sum(column) for column in zip(*counts, strict=True))
    assert same > 6 * CASES
    assert doubt < 0.01 * same


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(multis())
def test_any_account_equals_the_reference(case: Case) -> None:
    """The same check on drawn accounts, which shrink when it fails."""
    check(case)


def test_the_published_example() -> None:
    """Equity 416.02, maintenance 199.596, ratio 47.98 %."""
    account = multi(
        leg("BTCUSDT", "USDT", 0.5, 20_000.0),
        leg("ETHUSDC", "USDC", 20.0, 600.0),
        rates={"USDT": rate(0.99, 0.01, 0.005)},
        USDT=200.0,
        USDC=220.0,
    )
    tables = {"BTCUSDT": flat("BTCUSDT", 0.008), "ETHUSDC": flat("ETHUSDC", 0.01)}
    book, readings = compiled((account, tables, {"BTCUSDT": 20_000.0, "ETHUSDC": 600.0}))
    assert readings.margin_balance[0] == pytest.approx(416.02, rel=1e-12)
    assert readings.maintenance_margin[0] == pytest.approx(199.596, rel=1e-12)
    assert readings.margin_ratio[0] == pytest.approx(0.479775, abs=1e-6)
    assert len(book.wallets) == 1


def coin_backed() -> Case:
    """Return a long of 3 BTC backed by 1 BTC, both at 60,000 dollars."""
    account = multi(
        leg("BTCUSDT", "USDT", 3.0, 60_000.0), rates={"BTC": rate(60_000.0), "USDT": rate(1.0, 0.0, 0.0)}, BTC=1.0
    )
    return account, {"BTCUSDT": flat("BTCUSDT", 0.01)}, {"BTCUSDT": 60_000.0}


def test_collateral_of_the_same_coin_brings_liquidation_nearer() -> None:
    """With the price of the collateral fixed 1 BTC under 3 looks safe; it falls along, and levels count that."""
    book, readings = compiled(coin_backed())
    # Alone: 57,000 + 3 (p - 60,000) = 0.03 p. Linked: 57,000 f + 180,000 (f - 1) = 1,800 f.
    assert readings.liquidation_price[0] == pytest.approx(123_000 / 2.97)
    linked = 1 - 180_000 / (57_000 + 180_000 - 1_800)
    assert readings.linked_distance[0] == pytest.approx(linked)
    assert linked < 0.77 * readings.distance[0]
    assert readings.joint_distance[0] == pytest.approx(linked)
    assert wallet_distance(book, readings)[0] == pytest.approx(linked)


def test_the_shown_price_is_where_the_wallet_has_nothing_left() -> None:
    """Evaluated again at its liquidation price, the ratio is 1 and every distance 0."""
    account, tables, marks = coin_backed()
    book, readings = compiled((account, tables, marks))
    there = evaluate(book, np.array([readings.liquidation_price[0] * (1 - 1e-12)]))
    assert there.margin_ratio[0] == pytest.approx(1.0)
    assert there.distance[0] == there.linked_distance[0] == there.joint_distance[0] == 0.0


def test_a_correction_brings_every_distance_nearer() -> None:
    """What the exchange's worse figures take off the wallet shows in price, distances and room."""
    book, before = compiled(coin_backed())
    correct(book, {book.wallets[0].key: (1_000.0, 500.0)})
    after = evaluate(book, np.array([60_000.0]))
    assert after.liquidation_price[0] == pytest.approx((123_000 + 1_500) / 2.97)
    assert after.linked_distance[0] < before.linked_distance[0]
    assert after.joint_distance[0] < before.joint_distance[0]
    assert after.room[0] < before.room[0]
    assert after.margin_ratio[0] > before.margin_ratio[0]


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(multis(), st.data())
def test_a_patched_account_is_a_fresh_one(case: Case, data: st.DataObject) -> None:
    """Other quantities, entries, balances and rates of the same shape: patching equals compiling anew."""
    account, tables, marks = case
    book = compile_book((account,), tables)
    share = st.floats(0.5, 2.0)
    changed = msgspec.structs.replace(
        account,
        positions=tuple(
            msgspec.structs.replace(
                p, quantity=p.quantity * data.draw(share), entry_price=p.entry_price * data.draw(share)
            )
            for p in account.positions
        ),
        balances={asset: amount * data.draw(share) - 1.0 for asset, amount in account.balances.items()},
        rates={
            asset: AssetRate(known.bid * 0.9, known.ask * 1.1, fixed=known.fixed)
            for asset, known in account.rates.items()
        },
    )
    assert patch(book, (changed,))
    anew = compile_book((changed,), tables)
    vector = marks_of(anew, marks)
    if data.draw(st.booleans()) and anew.rates:
        rates = np.array([data.draw(st.floats(0.5, 1e5)) for _ in anew.rates])
        for one in (book, anew):
            set_rates(one, np.concatenate([vector, rates]))
    ours, theirs = evaluate(book, vector), evaluate(anew, vector)
    for name in Readings.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_a_rate_that_is_not_known_keeps_its_last_value() -> None:
    """A tick that carries only the ask moves the ask."""
    account, tables, _ = coin_backed()
    book = compile_book((account,), tables)
    assert book.rates == tuple(sorted((*rate_symbols("BTC"), *rate_symbols("USDT"))))
    rates = np.full(len(book.rates), math.nan)
    rates[book.rates.index("BTCUSD@ask")] = 70_000.0
    set_rates(book, np.concatenate([[60_000.0], rates]))
    slot = book.slot_assets.index("BTC")
    assert (book.slot_bid[slot], book.slot_ask[slot]) == (pytest.approx(57_000.0), 70_000.0)


AMOUNTS = st.sampled_from([0.0, -1.0, 1.0, 1e-9, -1e9, 1e12, -1e300, 1e300])


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_nothing_raises_on_any_balance(data: st.DataObject) -> None:
    """Debts, nothing, many assets and absurd sizes give figures, all of them where marks are known."""
    names = [f"A{i}" for i in range(data.draw(st.integers(0, 40)))]
    balances = {name: data.draw(AMOUNTS) for name in ("USDT", "BTC", *names)}
    quantity = data.draw(st.sampled_from([0.0, 1e-9, 1.0, 1e9, 1e300]))
    sides = data.draw(st.sampled_from([(LONG,), (SHORT,), (LONG, SHORT)]))
    legs = [leg("BTCUSDT", "USDT", quantity, 100.0, side) for side in sides]
    rates = {"BTC": rate(100.0), "USDT": rate(1.0)}
    tables = {"BTCUSDT": BracketTable("BTCUSDT", (Bracket(0, 50, 0.01, 0), Bracket(50, 1e12, 0.02, 0.5)))}
    mark = data.draw(st.sampled_from([1e-9, 100.0, 1e9, math.nan]))
    book, readings = compiled((multi(*legs, rates=rates, **balances), tables, {"BTCUSDT": mark}))
    if math.isnan(mark):
        assert math.isnan(readings.cushion[0])
        return
    if quantity < 1e300:
        for name in ("margin_balance", "maintenance_margin", "cushion", "margin_ratio", "room"):
            assert not np.isnan(getattr(readings, name)).any(), name
    assert not (readings.linked_distance < 0).any()
    assert len(book.wallets) == 1
