"""What is ahead: what is announced is what the exchange books, and nothing is said of what is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.ahead import (
    CUT,
    FALL,
    FRESH_MS,
    HORIZON_MS,
    Due,
    Moment,
    brackets_ahead,
    collateral_ahead,
    funding_ahead,
)
from monitor.core.book import Book, Floats
from monitor.core.compile import compile_book, copied, patch, set_rates, with_funds
from monitor.core.deleveraging import queue_ahead
from monitor.core.foretold import worth_a_line
from monitor.core.model import (
    AccountSnapshot,
    AssetRate,
    Bracket,
    BracketTable,
    Level,
    MarginMode,
    Position,
    Side,
    rate_symbols,
)
from monitor.core.moves import moves_left
from monitor.core.risk import Readings, evaluate
from monitor.core.rules import compile_thresholds, conditions, reached
from monitor.core.settings import AlertRules, EngineSettings
from monitor.core.surroundings import AdlKnown, Funding, FundingKnown, Surroundings
from monitor.emulator.live import LiveAccount, accounts_of
from monitor.emulator.market import Market
from tests.conftest import ManualClock
from tests.core.builders import BTC, ETH, WALL_MS, account, cross, isolated, table
from tests.core.strategies import Case, Drawn, Seeded, Source, build_table, draw_case, merge
from tests.core.test_collateral import multi, multis, rate
from tests.emulator.accounts import account_scenario

HOUR_MS = 3_600_000
LONG, SHORT = Side.LONG, Side.SHORT


def moment(
    accounts: Sequence[AccountSnapshot],
    tables: Mapping[str, BracketTable],
    marks: Mapping[str, float],
    *,
    deviation: float = np.nan,
    rules: AlertRules | None = None,
    now_ms: int = WALL_MS,
    unsure: Sequence[int] = (),
) -> Moment:
    """Return how these accounts stand at these marks; their levels are those of the marks."""
    book = compile_book(accounts, tables)
    vector = np.array([marks.get(name, np.nan) for name in book.watched])
    set_rates(book, vector)
    readings = evaluate(book, vector)
    limits = compile_thresholds(book, EngineSettings(rules=rules or AlertRules()))
    deviations: Floats = np.full(len(book.wallets), deviation)
    hit = conditions(book, limits, readings, moves_left(readings.cushion, deviations))
    sure = np.ones(len(book.wallets), dtype=np.bool_)
    sure[list(unsure)] = False
    return Moment(book, readings, limits, reached(hit), deviations, sure, now_ms)


def of(*positions: Position, usdt: float = 1000.0, **marks: float) -> Moment:
    tables = {position.symbol: table(position.symbol) for position in positions}
    return moment([account(*positions, usdt=usdt)], tables, {BTC: 100.0, ETH: 100.0} | marks)


def due(rate: float = 0.0001, *, in_ms: int = HOUR_MS, told_ms: int = WALL_MS) -> Funding:
    return Funding(rate, WALL_MS + in_ms, told_ms=told_ms)


def by_wallet(found: Sequence[Due], here: Moment) -> dict[str, Due]:
    return {here.book.wallets[one.wallet].key.wallet: one for one in found}


# Funding


@pytest.mark.parametrize(
    ("side", "rate", "amount"),
    [(LONG, 0.001, -0.1), (SHORT, 0.001, 0.1), (LONG, -0.002, 0.2), (SHORT, -0.002, -0.2)],
)
def test_a_long_pays_a_positive_rate_and_a_short_receives_it(side: Side, rate: float, amount: float) -> None:
    """Notional 100 at the mark; the entry price does not enter."""
    here = of(cross(side=side, entry=80.0))
    (one,) = funding_ahead(here, {BTC: due(rate)})
    assert one.cause.amount == pytest.approx(amount)
    assert (one.cause.symbol, one.cause.side, one.cause.rate_before) == (BTC, side.value, rate)
    assert (one.cause.at_ms, one.cause.asset) == (WALL_MS + HOUR_MS, "USDT")


def test_a_coin_margined_position_pays_in_coin() -> None:
    """100 contracts of 10 dollars at 500 are 2 coins."""
    position = Position("BTCUSD_PERP", LONG, 100.0, 400.0, MarginMode.CROSS, "BTC", 0.0, 10.0, inverse=True)
    here = moment(
        [AccountSnapshot("main", {"BTC": 3.0}, (position,))], {"BTCUSD_PERP": table("BTCUSD_PERP")},
        {"BTCUSD_PERP": 500.0},
    )  # fmt: skip
    (one,) = funding_ahead(here, {"BTCUSD_PERP": due(0.001)})
    assert one.cause.amount == pytest.approx(-0.002)
    assert one.cause.asset == "BTC"


def test_a_wallet_pays_once_for_all_its_positions_that_are_due() -> None:
    """Two symbols at the same time are one payment, of several; an isolated wallet pays for its own alone."""
    here = of(cross(), cross(ETH, side=SHORT, quantity=2.0), isolated("SOLUSDT"), SOLUSDT=100.0)
    funding = {BTC: due(0.001), ETH: due(0.0002), "SOLUSDT": due(0.003)}
    found = by_wallet(list(funding_ahead(here, funding)), here)
    assert found["cross:USDT"].cause.amount == pytest.approx(-0.1 + 0.04)
    assert (found["cross:USDT"].cause.symbol, found["cross:USDT"].cause.rate_before) == ("", None)
    assert found["isolated:SOLUSDT:LONG"].cause.amount == pytest.approx(-0.3)


def test_a_hedge_pays_the_difference_and_names_no_side() -> None:
    """Both legs of one symbol at one rate: it is named, its side is not."""
    here = of(cross(quantity=3.0), cross(side=SHORT, quantity=1.0))
    (one,) = funding_ahead(here, {BTC: due(0.001)})
    assert one.cause.amount == pytest.approx(-0.2)
    assert (one.cause.symbol, one.cause.side, one.cause.rate_before) == (BTC, "", 0.001)


def test_payments_at_different_times_are_told_apart() -> None:
    """The earlier first, each of them alone."""
    here = of(cross(), cross(ETH))
    found = list(funding_ahead(here, {BTC: due(0.001, in_ms=4 * HOUR_MS), ETH: due(0.002)}))
    assert [one.cause.symbol for one in found] == [ETH, BTC]
    assert [one.cause.amount for one in found] == pytest.approx([-0.2, -0.1])


@pytest.mark.parametrize(
    "funding",
    [
        due(in_ms=0), due(in_ms=-1), due(in_ms=HORIZON_MS + 1), due(told_ms=WALL_MS - FRESH_MS - 1),
        due(told_ms=WALL_MS + FRESH_MS + 1), due(0.0),
    ],
)  # fmt: skip
def test_what_is_overdue_far_off_old_or_nothing_is_left_out(funding: Funding) -> None:
    """Overdue: whether it was booked, the account tells."""
    assert list(funding_ahead(of(cross()), {BTC: funding})) == []


def test_nothing_is_said_of_wallets_that_are_not_known_as_they_are_now() -> None:
    """Old marks, and marks that never came."""
    tables, accounts = {BTC: table()}, [account(cross(), usdt=1000.0)]
    (known,) = funding_ahead(moment(accounts, tables, {BTC: 100.0}), {BTC: due()})
    assert known.wallet == 0
    for here in (moment(accounts, tables, {BTC: 100.0}, unsure=[0]), moment(accounts, tables, {})):
        assert list(funding_ahead(here, {BTC: due()})) == []
        assert list(brackets_ahead(here)) == []


def test_a_payment_that_alone_raises_the_level_says_so() -> None:
    """Room 0.502 of an isolated position, half a percent of its margin to pay: notice then."""
    here = moment([account(isolated())], {BTC: table()}, {BTC: (90.0 + 9.0 * 0.502) / 0.99})
    (one,) = funding_ahead(here, {BTC: due(0.0005)})
    assert one.cause.level is Level.NOTICE
    assert one.cause.before is not None
    assert one.cause.after is not None
    assert one.cause.before.room == pytest.approx(0.502)
    assert one.cause.after.room is not None
    assert one.cause.after.room < 0.5
    (one,) = funding_ahead(here, {BTC: due(-0.0005)})
    assert one.cause.level is Level.OK


def test_a_level_that_lasts_is_not_raised_by_less() -> None:
    """A wallet that still has a warning is brought to notice by nothing."""
    here = moment([account(isolated())], {BTC: table()}, {BTC: (90.0 + 9.0 * 0.502) / 0.99})
    here = here._replace(level=np.array([Level.WARNING], dtype=np.int8))
    (one,) = funding_ahead(here, {BTC: due(0.0005)})
    assert one.cause.level is Level.OK


def draw_funded(source: Source) -> tuple[Case, dict[str, Funding]]:
    case = merge([draw_case(source, f"a{i}", symbols=3) for i in range(source.whole(1, 3))])
    return case, {
        symbol: due(source.number(-0.02, 0.02)) for symbol in case.marks if source.pick((True, True, False))
    }


def check_funded(case: Case, funding: dict[str, Funding]) -> int:
    """Compare with accounts in which the payments were booked, compiled anew; return how many wallets pay."""
    here = moment(case.accounts, case.tables, case.marks)
    found = list(funding_ahead(here, funding))
    booked = []
    total = 0.0
    for before in case.accounts:
        balances, positions = dict(before.balances), []
        for p in before.positions:
            mark, size = case.marks[p.symbol], p.quantity * p.contract_size
            rate = funding[p.symbol].rate if p.symbol in funding else 0.0
            paid = (size / mark if p.inverse else size * mark) * rate * (-1.0 if p.side is LONG else 1.0)
            total += paid
            if p.margin_mode is MarginMode.CROSS:
                balances[p.margin_asset] = balances.get(p.margin_asset, 0.0) + paid
                positions.append(p)
            else:
                positions.append(msgspec.structs.replace(p, margin=p.margin + paid))
        booked.append(AccountSnapshot(before.account, balances, tuple(positions), before.market))
    after = moment(booked, case.tables, case.marks)
    for one in found:
        got, i = one.cause.after, one.wallet
        assert got is not None
        assert here.book.wallets[i].key == after.book.wallets[i].key
        if np.isfinite(after.readings.margin_ratio[i]):
            assert got.margin_ratio == pytest.approx(after.readings.margin_ratio[i], rel=1e-9)
        assert got.room == pytest.approx(after.readings.room[i], rel=1e-9, abs=1e-9)
        want = int(after.level[i])
        assert one.cause.level == (want if want > here.level[i] else 0)
    assert sum(one.cause.amount or 0.0 for one in found) == pytest.approx(total, rel=1e-9, abs=1e-12)
    return len(found)


@st.composite
def funded(draw: st.DrawFn) -> tuple[Case, dict[str, Funding]]:
    return draw_funded(Drawn(draw))


@st.composite
def single(draw: st.DrawFn) -> Case:
    return draw_case(Drawn(draw))


@settings(max_examples=100)
@given(funded())
def test_a_payment_is_what_a_book_with_it_booked_says(drawn: tuple[Case, dict[str, Funding]]) -> None:
    """Ratio, room and level of each wallet; the sum over wallets is the sum over positions."""
    check_funded(*drawn)


def test_payments_of_thousands_of_books() -> None:
    """The same of the same thousand each time, of which most pay something."""
    source = Seeded(7)
    counts = [check_funded(*draw_funded(source)) for _ in range(1000)]
    assert sum(counts) > 2000


# Beside the exchange


async def nothing_is_heard(account: str, events: Sequence[Any]) -> None:
    return


class Exchange:
    """The accounts of the small exchange, and how ours see them."""

    def __init__(self, clock: ManualClock) -> None:
        scenario = account_scenario()
        self.market = Market(scenario.instruments, assets=scenario.assets)
        self.accounts = accounts_of(scenario.accounts, self.market, clock.wall_ms, nothing_is_heard)

    def moment(self, name: str) -> Moment:
        own = self.accounts[name]
        tables = {
            symbol: BracketTable(
                symbol,
                tuple(Bracket(float(r.floor), float(r.cap), float(r.rate), float(r.amount)) for r in one.rows),
            )
            for symbol, one in self.market.tables.items()
        }
        return moment([self.snapshot(own)], tables, {s: float(mark) for s, mark in self.market.marks.items()})

    def snapshot(self, own: LiveAccount) -> AccountSnapshot:
        held = own.account
        coin = held.market == "coinm"
        return AccountSnapshot(
            held.name,
            {asset: float(balance) for asset, balance in held.balances.items()},
            tuple(
                Position(
                    p.symbol, Side(p.side), float(p.quantity), float(p.entry), MarginMode(p.margin_mode),
                    p.margin_asset, float(p.margin), float(self.market.contracts.get(p.symbol, 1)), coin,
                )
                for p in held.positions
            ),
            multi_assets=held.multi_assets,
            hedge_mode=held.hedge_mode,
            rates={
                asset: AssetRate(float(one.bid), float(one.ask), fixed=True)
                for asset, one in self.market.rates.items()
            },
        )  # fmt: skip


async def trade(own: LiveAccount, source: Source) -> None:
    """Open positions at random: several symbols, both sides in hedge mode, isolated ones, entries off the mark."""
    for one in own.instruments():
        if not source.pick((True, True, False)):
            continue
        if source.pick((True, False)) and not own.account.multi_assets:
            await own.set_margin_type(one.symbol, "isolated")
        await own.set_leverage(one.symbol, 10)
        mark = own.market.marks[one.symbol]
        for side in own.sides:
            price = (mark * Decimal(source.whole(97, 103)) / 100).quantize(Decimal("0.01"))
            quantity = (
                Decimal(source.whole(1, 200)) if one.kind == "coinm"
                else (Decimal(source.whole(1_000, 20_000)) / mark).quantize(Decimal("0.001"))
            )  # fmt: skip
            buys = side == "LONG" or (side == "BOTH" and source.pick((True, False)))
            await own.fill(one.symbol, "BUY" if buys else "SELL", quantity, price, position_side=side)


@pytest.mark.parametrize("name", ["main", "hedge", "multi", "coin"])
@pytest.mark.parametrize("seed", range(12))
async def test_the_exchange_books_what_was_announced(name: str, seed: int, clock: ManualClock) -> None:
    """Ratio and liquidation prices afterwards, and the money, in every kind of account, but for its rounding."""
    exchange, source = Exchange(clock), Seeded(seed)
    own = exchange.accounts[name]
    for asset in sorted({one.contract.asset for one in own.instruments()}):
        await own.transfer(asset, {"BTC": 20, "ETH": 300}.get(asset, 100_000))
    await trade(own, source)
    symbols = sorted({p.symbol for p in own.account.positions})
    rates = {symbol: Decimal(source.whole(-300, 300)) / 10_000 for symbol in symbols}
    before = len(own.incomes)
    worth = {wallet.wallet: wallet.margin_balance for wallet in own.figures()}
    here = exchange.moment(name)
    found = by_wallet(list(funding_ahead(here, {s: due(float(r)) for s, r in rates.items()})), here)
    await own.funding(rates)
    booked = own.incomes[before:]
    assert {row.kind for row in booked} <= {"FUNDING_FEE"}
    assert bool(booked) is bool(found)
    rounding = 0.5e-8 * len(booked)  # the exchange books eight decimals
    wallets = {wallet.wallet: wallet for wallet in own.figures()}
    for wallet, one in found.items():
        told, theirs = one.cause.after, wallets[wallet]
        assert told is not None
        assert theirs.margin_ratio is not None
        exact = 1e-9 + 1.1 * rounding / float(abs(theirs.margin_balance))
        assert told.margin_ratio == pytest.approx(float(theirs.margin_ratio), rel=exact)
        prices = [float(price) for p in theirs.positions for price in p.liquidation_prices]
        exact = 1e-9 + 3.0 * rounding / float(min(p.notional for p in theirs.positions))
        if told.liquidation_price is not None:
            assert any(told.liquidation_price == pytest.approx(price, rel=exact) for price in prices)
        if name == "multi":
            change = float(theirs.margin_balance - worth[wallet])
            assert one.cause.amount == pytest.approx(change, rel=1e-9, abs=2.0 * rounding + 1e-9)
    if name != "multi":
        for asset in {row.asset for row in booked}:
            paid = float(sum(row.amount for row in booked if row.asset == asset))
            ours = sum(one.cause.amount or 0.0 for one in found.values() if one.cause.asset == asset)
            assert ours == pytest.approx(paid, rel=1e-9, abs=1.1 * rounding)


# Brackets

TIERED = build_table(BTC, [(0.0, "0.01"), (200.0, "0.02"), (1000.0, "0.05")])


def tiered(*positions: Position, mark: float = 100.0, usdt: float = 1000.0) -> list[Due]:
    return list(brackets_ahead(moment([account(*positions, usdt=usdt)], {BTC: TIERED}, {BTC: mark})))


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_the_next_bracket_begins_where_the_notional_reaches_it(side: Side) -> None:
    """One coin at 100: the bound of 200 is met at a mark of 200, twice as high; 2 of 200 there, 2.2 of 210."""
    (one,) = tiered(cross(side=side))
    assert (one.cause.symbol, one.cause.side) == (BTC, side.value)
    assert (one.cause.price, one.cause.move) == pytest.approx((200.0, 1.0))
    assert (one.cause.rate_before, one.cause.rate_after) == (0.01, 0.02)
    assert (one.cause.required, one.cause.beyond) == pytest.approx((2.0, 2.2))
    assert one.cause.level is Level.OK  # nothing jumps


def test_each_position_has_its_own_next_bracket_and_the_highest_has_none() -> None:
    """Five at 100 are in the second bracket, eleven in the last."""
    (one,) = tiered(cross(quantity=5.0))
    assert (one.cause.price, one.cause.rate_before, one.cause.rate_after) == pytest.approx((200.0, 0.02, 0.05))
    assert tiered(cross(quantity=11.0), usdt=100_000.0) == []


def test_a_coin_margined_notional_grows_as_the_mark_falls() -> None:
    """1000 dollars at 10 are 100 coins, and 200 at 5."""
    symbol = "BTCUSD_PERP"
    position = Position(symbol, LONG, 100.0, 10.0, MarginMode.CROSS, "BTC", 0.0, 10.0, inverse=True)
    rows = BracketTable(symbol, TIERED.brackets)
    here = moment([AccountSnapshot("main", {"BTC": 300.0}, (position,))], {symbol: rows}, {symbol: 10.0})
    (one,) = brackets_ahead(here)
    assert (one.cause.price, one.cause.move) == pytest.approx((5.0, -0.5))
    assert one.cause.required == pytest.approx(2.0)
    assert one.cause.beyond == pytest.approx(2.2)


@settings(max_examples=100)
@given(single())
def test_at_its_bound_a_bracket_asks_the_same_at_either_rate_and_beyond_it_more(case: Case) -> None:
    """Whatever the book: the next rate is higher, the bound is ahead in the way the notional grows."""
    here = moment(case.accounts, case.tables, case.marks)
    for one in brackets_ahead(here):
        cause = one.cause
        brackets = case.tables[cause.symbol].brackets
        (row,) = [
            row
            for row, p in enumerate(here.book.positions)
            if (p.symbol, p.side.value) == (cause.symbol, cause.side)
        ]
        lower = brackets[int(here.readings.bracket[row])]
        upper = brackets[int(here.readings.bracket[row]) + 1]
        assert (cause.rate_before, cause.rate_after) == (lower.mmr, upper.mmr)
        want = pytest.approx(upper.floor * upper.mmr - upper.cum, rel=1e-9)
        assert cause.required == want
        assert lower.cap * lower.mmr - lower.cum == want
        assert cause.beyond is not None
        assert cause.beyond > upper.floor * 1.05 * lower.mmr - lower.cum
        assert cause.move is not None
        assert cause.move < 1e-9 if here.book.inverse[row] else cause.move > -1e-9


@settings(max_examples=200)
@given(single())
def test_a_bracket_on_the_way_is_one_that_is_worth_a_line(case: Case) -> None:
    """Found all at once or one by one."""
    here = moment(case.accounts, case.tables, case.marks)
    worth = [one for one in brackets_ahead(here) if worth_a_line(one, here)]
    found = list(brackets_ahead(here, on_the_way=True))
    assert [one for one in found if worth_a_line(one, here)] == worth
    assert len(found) <= len(worth) + sum(at_the_edge(one) for one in found)


def at_the_edge(due: Due) -> bool:
    """Return whether a bound is where liquidation is, or where the mark is, but for rounding."""
    move, before = due.cause.move, due.cause.before
    assert move is not None
    assert before is not None
    assert before.distance is not None
    return abs(abs(move) - before.distance) < 1e-6 or abs(move) < 1e-6


def test_brackets_on_the_way_are_found() -> None:
    """A short whose bound comes before its end; one whose end comes first; a long, whose bound is at a profit."""
    near = moment([account(cross(side=SHORT), usdt=150.0)], {BTC: TIERED}, {BTC: 100.0})
    far = moment([account(cross(side=SHORT), usdt=90.0)], {BTC: TIERED}, {BTC: 100.0})
    long = moment([account(cross(), usdt=150.0)], {BTC: TIERED}, {BTC: 100.0})
    assert [len(list(brackets_ahead(here, on_the_way=True))) for here in (near, far, long)] == [1, 0, 0]


# Collateral


def backed(**balances: float) -> AccountSnapshot:
    """Return an account in multi-assets mode with ten BTCUSDT bought at 100, of a rate of 1 %."""
    rates = {"BTC": rate(100.0, 0.05), "ETH": rate(10.0, 0.10, 0.10)}
    return multi(cross(quantity=10.0), rates=rates, **balances)


def test_a_cut_lowers_what_collateral_counts_by_five_points_of_its_index() -> None:
    """2 of 100 count 190 of 200; after a cut 180. Of ETH at 10, 90 % becomes 85 %."""
    here = moment([backed(USDT=50.0, BTC=2.0, ETH=10.0)], {BTC: table()}, {BTC: 100.0})
    cuts = {one.cause.asset: one.cause for one in collateral_ahead(here) if one.cause.move is None}
    assert set(cuts) == {"BTC", "ETH"}  # no quote asset
    assert cuts["BTC"].amount == pytest.approx(-10.0)
    assert (cuts["BTC"].rate_before, cuts["BTC"].rate_after) == pytest.approx((0.95, 0.9))
    assert cuts["ETH"].amount == pytest.approx(-5.0)
    assert (cuts["ETH"].rate_before, cuts["ETH"].rate_after) == pytest.approx((0.9, 0.85))
    assert cuts["BTC"].before is not None
    assert cuts["BTC"].before.margin_ratio == pytest.approx(10.0 / 330.0)
    assert cuts["BTC"].after is not None
    assert cuts["BTC"].after.margin_ratio == pytest.approx(10.0 / 320.0)


def test_an_index_that_falls_takes_the_positions_in_it_along() -> None:
    """BTC 10 % down is 19 less of collateral and 100 of profit; ETH is held by no position."""
    here = moment([backed(USDT=500.0, BTC=2.0, ETH=10.0)], {BTC: table()}, {BTC: 100.0})
    falls = {one.cause.asset: one.cause for one in collateral_ahead(here) if one.cause.move is not None}
    assert falls["BTC"].amount == pytest.approx(-119.0)
    assert (falls["BTC"].symbol, falls["BTC"].move) == (BTC, -FALL)
    assert falls["ETH"].amount == pytest.approx(-9.0)
    assert falls["ETH"].symbol == ""


def test_collateral_that_is_owed_or_outside_of_multi_assets_mode_is_no_collateral() -> None:
    """A debt is not cut, and a coin in a wallet of its own backs nothing else."""
    here = moment([backed(USDT=500.0, BTC=-1.0)], {BTC: table()}, {BTC: 100.0})
    assert list(collateral_ahead(here)) == []
    alone = AccountSnapshot("main", {"USDT": 500.0, "BTC": 2.0}, (cross(),), rates={"BTC": rate(100.0)})
    assert list(collateral_ahead(moment([alone], {BTC: table()}, {BTC: 100.0}))) == []


@settings(max_examples=100)
@given(multis())
def test_a_cut_is_what_an_account_with_that_rate_says(
    case: tuple[AccountSnapshot, dict[str, BracketTable], dict[str, float]],
) -> None:
    """Compiled anew with the lower bid, every figure of the wallet is the same."""
    before, tables, marks = case
    here = moment([before], tables, marks)
    for one in collateral_ahead(here):
        if one.cause.move is not None:
            continue
        asset = one.cause.asset
        old = before.rates.get(asset, AssetRate(1.0, 1.0, fixed=True))
        bid = max(1e-300, old.bid - CUT * (old.bid + old.ask) / 2)
        changed = AccountSnapshot(
            before.account, before.balances, before.positions, multi_assets=True,
            rates={**before.rates, asset: AssetRate(bid, old.ask, fixed=True)},
        )  # fmt: skip
        after = moment([changed], tables, marks)
        told, i = one.cause.after, one.wallet
        assert told is not None
        if np.isfinite(after.readings.margin_ratio[i]):
            assert told.margin_ratio == pytest.approx(after.readings.margin_ratio[i], rel=1e-9)
        assert told.room == pytest.approx(after.readings.room[i], rel=1e-9, abs=1e-9)


# The queue for auto-deleveraging


def places(quantile: int, *, side: Side = SHORT, at_ms: int = WALL_MS, name: str = "main") -> dict[str, AdlKnown]:
    return {name: AdlKnown(name, at_ms, {BTC: {side: quantile}})}


@pytest.mark.parametrize(("quantile", "count"), [(0, 0), (2, 0), (3, 1), (4, 1)])
def test_the_front_of_the_queue_is_told(quantile: int, count: int) -> None:
    """From the third place of four; of the side that it is said of, and only where that is held."""
    found = list(queue_ahead(of(cross(side=SHORT)), places(quantile)))
    assert [(one.cause.side, one.cause.quantile, one.cause.hedge) for one in found] == [
        ("SHORT", quantile, False)
    ] * count
    assert list(queue_ahead(of(cross()), places(quantile))) == []


def test_old_places_and_those_of_other_accounts_do_not_count() -> None:
    """Ten minutes."""
    here = of(cross(side=SHORT))
    assert len(list(queue_ahead(here, places(4, at_ms=WALL_MS - FRESH_MS)))) == 1
    assert list(queue_ahead(here, places(4, at_ms=WALL_MS - FRESH_MS - 1))) == []
    assert list(queue_ahead(here, places(4, name="other"))) == []


def test_a_hedge_that_loses_a_leg_is_judged_without_it() -> None:
    """Ten long and ten short at the mark have no liquidation price to speak of; ten long alone fall at 90.9."""
    here = of(cross(quantity=10.0), cross(side=SHORT, quantity=10.0, entry=110.0), usdt=0.0)
    (one,) = queue_ahead(here, places(4))
    assert one.cause.hedge
    assert one.cause.after is not None
    # The short's profit of 100 was realized: 100 + 10 (p - 100) = 0.01 * 10 p.
    assert one.cause.after.liquidation_price == pytest.approx(900.0 / 9.9)
    assert (one.cause.after.symbol, one.cause.after.side) == (BTC, "LONG")
    assert one.cause.before is not None
    assert (one.cause.before.symbol, one.cause.before.side) == (BTC, "LONG")  # the same leg, with its hedge
    alone = moment([account(cross(quantity=10.0), usdt=100.0)], {BTC: table()}, {BTC: 100.0})
    assert one.cause.after.margin_ratio == pytest.approx(alone.readings.margin_ratio[0])
    assert one.cause.level is Level.OK  # by ratio and room the wallet is no worse


def test_without_its_hedge_a_wallet_may_be_few_moves_from_liquidation() -> None:
    """What moved nothing moves with its long alone: half a typical move left is an emergency at little room."""
    here = of(cross(quantity=10.0), cross(side=SHORT, quantity=10.0, entry=102.0), usdt=40.0)

    def lonely(book: Book, readings: Readings) -> Floats:
        assert [position.quantity for position in book.positions] == [10.0, 0.0]
        return np.full(len(book.wallets), 2.0 * float(readings.cushion[0]))

    rules = msgspec.structs.replace(
        AlertRules(), levels=tuple(msgspec.structs.replace(r, moves_left_room=1.0) for r in AlertRules().levels)
    )
    here = here._replace(limits=compile_thresholds(here.book, EngineSettings(rules=rules)))
    (one,) = queue_ahead(here, places(4), lonely)
    assert one.cause.level is Level.EMERGENCY
    (one,) = queue_ahead(here, places(4))
    assert one.cause.level is Level.OK


def test_without_its_hedge_collateral_counts_as_it_does_now() -> None:
    """And not as it did when the account was last described."""
    legs = (cross(quantity=10.0), cross(side=SHORT, quantity=10.0))
    marks = dict(zip(rate_symbols("BTC"), (95.0, 105.0), strict=True)) | {BTC: 100.0}
    then = multi(*legs, rates={"BTC": rate(50.0)}, BTC=2.0)
    (one,) = queue_ahead(moment([then], {BTC: table()}, marks), places(4))
    assert one.cause.after is not None
    assert one.cause.after.margin_ratio == pytest.approx(10.0 / 190.0)


def test_a_hedge_of_isolated_positions_is_told_as_one_and_changes_no_wallet() -> None:
    """Each stands for itself, before and after."""
    (one,) = queue_ahead(of(isolated(), isolated(side=SHORT)), places(4))
    assert one.cause.hedge
    assert (one.cause.before, one.cause.after) == (None, None)


# Books that are changed to look ahead


@settings(max_examples=60)
@given(single(), st.floats(-1e4, 1e4))
def test_a_book_with_other_funds_is_the_one_compiled_with_them(case: Case, change: float) -> None:
    """Readings to the last bit, and the original is as it was."""
    marks = dict(case.marks)
    here = moment(case.accounts, case.tables, marks)
    (before,) = case.accounts
    richer = AccountSnapshot(
        before.account, {asset: had + change for asset, had in before.balances.items()}, before.positions,
        before.market,
    )  # fmt: skip
    crossed = np.array([here.book.wallets[w].mode is MarginMode.CROSS for w in here.book.slot_wallet.tolist()])
    changed = with_funds(here.book, balance=here.book.slot_balance + np.where(crossed, change, 0.0))
    again = moment([richer], case.tables, marks)
    assert all_equal(evaluate(changed, vector(again, marks)), again.readings)
    assert all_equal(evaluate(here.book, vector(here, marks)), here.readings)


@settings(max_examples=60)
@given(single())
def test_a_copy_is_patched_without_a_trace_in_the_original(case: Case) -> None:
    """Half of every position, in pairs and wallets of several symbols too."""
    here = moment(case.accounts, case.tables, case.marks)
    (before,) = case.accounts
    halves = tuple(msgspec.structs.replace(p, quantity=p.quantity / 2) for p in before.positions)
    smaller = AccountSnapshot(before.account, before.balances, halves, before.market)
    copy = copied(here.book)
    assert patch(copy, [smaller])
    again = moment([smaller], case.tables, case.marks)
    assert all_equal(evaluate(copy, vector(again, case.marks)), again.readings)
    assert all_equal(evaluate(here.book, vector(here, case.marks)), here.readings)


def vector(here: Moment, marks: Mapping[str, float]) -> Floats:
    return np.array([marks[symbol] for symbol in here.book.symbols])


def all_equal(one: Readings, other: Readings) -> bool:
    names = [field.name for field in fields(one)]
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in names)


def test_funding_is_as_old_as_the_fact_that_told_it() -> None:
    """Of two facts about one symbol the later one counts, with its own time."""
    around = Surroundings().after(FundingKnown(5, {BTC: Funding(0.1, 9), ETH: Funding(0.2, 9)}))
    around = around.after(FundingKnown(7, {BTC: Funding(0.3, 9)}))
    assert {name: (one.rate, one.told_ms) for name, one in around.funding.items()} == {
        BTC: (0.3, 7),
        ETH: (0.2, 5),
    }
