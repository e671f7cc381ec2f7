"""What is ahead: what is announced is what the exchange books, and nothing is said of what is not known."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

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
    Standing,
    brackets_ahead,
    collateral_ahead,
    funding_ahead,
)
from monitor.core.book import Floats
from monitor.core.compile import compile_book, copied, patch, set_rates, with_funds
from monitor.core.deleveraging import queue_ahead
from monitor.core.model import (
    AccountSnapshot,
    AssetRate,
    Bracket,
    BracketTable,
    Level,
    MarginMode,
    Position,
    Side,
)
from monitor.core.moves import moves_left
from monitor.core.notices import CauseKind
from monitor.core.risk import evaluate
from monitor.core.rules import compile_thresholds, conditions, reached
from monitor.core.settings import AlertRules, EngineSettings
from monitor.core.surroundings import AdlKnown, Funding, FundingKnown, Surroundings
from monitor.emulator.live import LiveAccount, accounts_of
from monitor.emulator.market import Market
from tests.conftest import ManualClock
from tests.core.builders import BTC, ETH, WALL_MS, account, cross, isolated, table
from tests.core.strategies import Case, Drawn, Seeded, Source, build_table, draw_case, merge
from tests.core.test_collateral import draw_multi, multi, rate
from tests.emulator.accounts import account_scenario

HOUR_MS = 3_600_000
LONG, SHORT = Side.LONG, Side.SHORT


def standing(
    accounts: Sequence[AccountSnapshot],
    tables: Mapping[str, BracketTable],
    marks: Mapping[str, float],
    *,
    deviation: float = np.nan,
    rules: AlertRules | None = None,
    now_ms: int = WALL_MS,
    unsure: Sequence[int] = (),
) -> Standing:
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
    return Standing(book, readings, limits, reached(hit), deviations, sure, now_ms)


def of(*positions: Position, usdt: float = 1000.0, **marks: float) -> Standing:
    tables = {position.symbol: table(position.symbol) for position in positions}
    return standing([account(*positions, usdt=usdt)], tables, {BTC: 100.0, ETH: 100.0} | marks)


def due(rate: float = 0.0001, *, in_ms: int = HOUR_MS, told_ms: int = WALL_MS) -> Funding:
    return Funding(rate, WALL_MS + in_ms, told_ms=told_ms)


def by_wallet(found: Sequence[Due], here: Standing) -> dict[str, Due]:
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
    here = standing(
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
    assert [(one.cause.symbol, one.cause.amount) for one in found] == [
        (ETH, pytest.approx(-0.2)), (BTC, pytest.approx(-0.1)),
    ]  # fmt: skip


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
    (known,) = funding_ahead(standing(accounts, tables, {BTC: 100.0}), {BTC: due()})
    assert known.wallet == 0
    for here in (standing(accounts, tables, {BTC: 100.0}, unsure=[0]), standing(accounts, tables, {})):
        assert list(funding_ahead(here, {BTC: due()})) == []
        assert list(brackets_ahead(here)) == []


def test_a_payment_that_alone_raises_the_level_says_so() -> None:
    """Room 0.502 of an isolated position, half a percent of its margin to pay: notice then."""
    here = standing([account(isolated())], {BTC: table()}, {BTC: (90.0 + 9.0 * 0.502) / 0.99})
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
    here = standing([account(isolated())], {BTC: table()}, {BTC: (90.0 + 9.0 * 0.502) / 0.99})
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
    here = standing(case.accounts, case.tables, case.marks)
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
                positions.append(Position(*[
                    p.margin + paid if name == "margin" else getattr(p, name) for name in p.__struct_fields__
                ]))  # fmt: skip
        booked.append(AccountSnapshot(before.account, balances, tuple(positions), before.market))
    after = standing(booked, case.tables, case.marks)
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


@settings(max_examples=100)
@given(st.data())
def test_a_payment_is_what_a_book_with_it_booked_says(data: st.DataObject) -> None:
    """Ratio, room and level of each wallet; the sum over wallets is the sum over positions."""
    check_funded(*draw_funded(Drawn(data.draw)))


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

    def standing(self, name: str) -> Standing:
        own = self.accounts[name]
        tables = {
            symbol: BracketTable(
                symbol,
                tuple(Bracket(float(r.floor), float(r.cap), float(r.rate), float(r.amount)) for r in one.rows),
            )
            for symbol, one in self.market.tables.items()
        }
        return standing([self.snapshot(own)], tables, {s: float(mark) for s, mark in self.market.marks.items()})

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
    """Ratio and liquidation prices afterwards, and the money, in every kind of account; to 1e-9 and its rounding."""
    exchange, source = Exchange(clock), Seeded(seed)
    own = exchange.accounts[name]
    for asset in {one.contract.asset for one in own.instruments()}:
        await own.transfer(asset, {"BTC": 20, "ETH": 300}.get(asset, 100_000))
    await trade(own, source)
    symbols = {p.symbol for p in own.account.positions}
    rates = {symbol: Decimal(source.whole(-300, 300)) / 10_000 for symbol in symbols}
    before = len(own.incomes)
    here = exchange.standing(name)
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
        if told.liquidation_price is not None:
            assert any(told.liquidation_price == pytest.approx(price, rel=1e-8) for price in prices)
    if name != "multi":
        for asset in {row.asset for row in booked}:
            paid = float(sum(row.amount for row in booked if row.asset == asset))
            ours = sum(one.cause.amount or 0.0 for one in found.values() if one.cause.asset == asset)
            assert ours == pytest.approx(paid, rel=1e-9, abs=1.1 * rounding)
