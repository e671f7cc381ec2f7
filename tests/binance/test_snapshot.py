"""The join: which reply is right about what, and what is left out rather than guessed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.account_fetch import bracket_tables
from monitor.binance.account_rows import (
    Account,
    AccountConfig,
    AccountLeg,
    AssetRow,
    CoinAccount,
    CoinLeg,
    CoinPositionRisk,
    LeverageBracket,
    PositionRisk,
    SymbolConfig,
    TierRow,
)
from monitor.binance.account_state import Contract
from monitor.binance.market_rows import AssetIndex, ContractRow, ExchangeInfo
from monitor.binance.snapshot import AccountReply, build_coinm, build_usdm, contracts_of
from monitor.core.model import MULTI_WALLET, AssetRate, MarginMode, Market, Side
from monitor.core.surroundings import FundsKnown
from monitor.errors import WireError

AT_MS = 1_780_000_000_000
CONFIG = AccountConfig(dual_side_position=False, multi_assets_margin=False)
replaced = msgspec.structs.replace


def risk(symbol: str = "BTCUSDT", amount: float = 0.5, **changes: object) -> PositionRisk:
    row = PositionRisk(
        symbol=symbol,
        position_side="BOTH",
        position_amt=amount,
        entry_price=60_000.0,
        mark_price=61_000.0,
        liquidation_price=0.0,
        notional=amount * 61_000.0,
        margin_asset="USDT",
        isolated_wallet=0.0,
        maint_margin=122.0,
        un_realized_profit=amount * 1_000.0,
        update_time=5,
    )
    return replaced(row, **changes)


def leg(symbol: str = "BTCUSDT", amount: float = 0.5, **changes: object) -> AccountLeg:
    row = AccountLeg(
        symbol=symbol,
        position_side="BOTH",
        position_amt=amount,
        unrealized_profit=amount * 1_010.0,
        notional=amount * 61_010.0,
        isolated_wallet=0.0,
        maint_margin=122.02,
    )
    return replaced(row, **changes)


def asset(name: str, cross: float, pnl: float = 0.0) -> AssetRow:
    return AssetRow(name, cross, cross, pnl, cross + pnl, 0.0, update_time=7)


def account(*legs: AccountLeg, assets: tuple[AssetRow, ...] = (asset("USDT", 1_000.0, 505.0),)) -> Account:
    return Account(122.02, 1_505.0, 1_000.0, assets, legs)


def chosen(symbol: str, kind: str = "CROSSED", leverage: float = 20.0, *, auto: bool = False) -> SymbolConfig:
    return SymbolConfig(symbol, kind, leverage, auto)  # type: ignore[arg-type]


def built(
    whole: Account,
    *rows: PositionRisk,
    config: AccountConfig = CONFIG,
    symbols: tuple[SymbolConfig, ...] = (),
    index: tuple[AssetIndex, ...] = (),
) -> AccountReply:
    return build_usdm("mine", whole, rows, config, symbols, asset_index=index, at_ms=AT_MS)


def test_leverage_and_margin_type_are_those_of_the_symbol() -> None:
    """Position risk version 3 says neither."""
    reply = built(
        account(leg()),
        risk(),
        symbols=(chosen("BTCUSDT", leverage=25.0, auto=True), chosen("ETHUSDT", leverage=3.0)),
    )
    (position,) = reply.snapshot.positions
    assert (position.leverage, position.margin_mode, position.auto_add_margin) == (25.0, MarginMode.CROSS, True)
    assert (reply.snapshot.account, reply.snapshot.as_of_ms) == ("mine", AT_MS)
    assert reply.leg_ms == {("BTCUSDT", Side.LONG): 5}
    assert reply.asset_ms == {"USDT": 7}
    assert reply.consistent


def test_a_leverage_of_zero_is_not_known() -> None:
    """The test exchange says 0 of symbols that were never used."""
    assert (
        built(account(leg()), risk(), symbols=(chosen("BTCUSDT", leverage=0.0),)).snapshot.positions[0].leverage
        is None
    )


@pytest.mark.parametrize(
    ("wallet", "mode", "name"),
    [(0.0, MarginMode.CROSS, "cross:USDT"), (300.0, MarginMode.ISOLATED, "isolated:BTCUSDT:LONG")],
)
def test_without_a_margin_type_an_isolated_wallet_tells(wallet: float, mode: MarginMode, name: str) -> None:
    """A symbol may be missing from the other reply."""
    reply = built(account(leg(isolated_wallet=wallet)), risk(isolated_wallet=wallet))
    (position,) = reply.snapshot.positions
    assert (position.margin_mode, position.margin, position.wallet) == (mode, wallet, name)


def test_a_position_in_one_way_mode_has_the_side_of_its_sign() -> None:
    """BOTH says nothing."""
    (position,) = built(account(leg(amount=-0.5)), risk(amount=-0.5)).snapshot.positions
    assert (position.side, position.quantity) == (Side.SHORT, 0.5)


def test_what_is_only_ordered_is_no_position() -> None:
    """Version 3 lists symbols with orders as well."""
    reply = built(account(leg("ETHUSDT", 0.0)), risk("XRPUSDT", 0.0))
    assert reply.snapshot.positions == ()
    assert reply.figures.positions == ()
    assert reply.consistent


def test_balances_are_by_margin_asset() -> None:
    """The totals of the account speak of one asset only; what is neither held nor needed is left out."""
    assets = (asset("USDT", 1_000.0), asset("USDC", 0.0), asset("BTC", 0.25), asset("BNB", 0.0))
    reply = built(account(leg("ETHUSDC"), assets=assets), risk("ETHUSDC", margin_asset="USDC"))
    assert reply.snapshot.balances == {"USDT": 1_000.0, "BTC": 0.25, "USDC": 0.0}


def test_a_wallet_is_compared_at_the_marks_of_its_own_reply() -> None:
    """Position risk has another mark: a second of movement is more than the tolerance."""
    reply = built(account(leg()), risk())
    (position,) = reply.figures.positions
    assert (position.mark, position.maintenance, position.liquidation_price) == (61_000.0, 122.0, None)
    (wallet,) = reply.figures.wallets
    assert wallet.wallet == "cross:USDT"
    assert wallet.marks == {"BTCUSDT": pytest.approx(61_010.0)}
    assert (wallet.margin_balance, wallet.maintenance) == (1_505.0, 122.02)


def test_isolated_wallets_are_apart_from_the_cross_one() -> None:
    """Each with its own balance and requirement."""
    reply = built(
        account(leg(), leg("ETHUSDT", -2.0, isolated_wallet=300.0, unrealized_profit=-50.0, maint_margin=24.0)),
        risk(),
        risk("ETHUSDT", -2.0, isolated_wallet=300.0),
        symbols=(chosen("BTCUSDT"), chosen("ETHUSDT", "ISOLATED")),
    )
    figures = {one.wallet: one for one in reply.figures.wallets}
    assert set(figures) == {"cross:USDT", "isolated:ETHUSDT:SHORT"}
    assert figures["cross:USDT"].maintenance == 122.02
    assert (figures["isolated:ETHUSDT:SHORT"].margin_balance, figures["isolated:ETHUSDT:SHORT"].maintenance) == (
        250.0,
        24.0,
    )


def test_multi_assets_mode_counts_in_dollars() -> None:
    """One wallet with the totals, and rates by asset instead of by index."""
    config = AccountConfig(dual_side_position=False, multi_assets_margin=True)
    index = (AssetIndex("BTCUSD", 60_000.0, 57_000.0, 63_000.0), AssetIndex("币USD", 1.0, 0.9, 1.1))
    reply = built(account(leg()), risk(), config=config, index=index)
    assert reply.snapshot.multi_assets
    assert reply.snapshot.rates == {"BTC": AssetRate(57_000.0, 63_000.0), "币": AssetRate(0.9, 1.1)}
    (wallet,) = reply.figures.wallets
    assert (wallet.wallet, wallet.margin_balance, wallet.maintenance) == (MULTI_WALLET, 1_505.0, 122.02)


def test_rates_are_not_kept_where_they_count_for_nothing() -> None:
    """Outside multi-assets mode each asset is its own."""
    assert built(account(), index=(AssetIndex("BTCUSD", 1.0, 1.0, 1.0),)).snapshot.rates == {}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ((leg(amount=0.6),), (risk(),)),
        ((), (risk(),)),
        ((leg(),), ()),
        ((leg(isolated_wallet=10.0),), (risk(isolated_wallet=11.0),)),
        ((leg(position_side="LONG"),), (risk(position_side="LONG"),)),
    ],
    ids=["amount", "opened", "closed", "margin", "mode"],
)
def test_replies_of_different_moments_say_so(
    theirs: tuple[AccountLeg, ...], ours: tuple[PositionRisk, ...]
) -> None:
    """A fill between two requests: no figures of wallets, and the caller asks again."""
    reply = built(account(*theirs), *ours)
    assert not reply.consistent
    assert reply.figures.wallets == ()


def test_a_wallet_whose_mark_does_not_show_is_left_out() -> None:
    """Compared at a guessed mark it would prove nothing."""
    assert built(account(leg(notional=0.0)), risk()).figures.wallets == ()


def test_a_position_without_an_entry_price_is_refused() -> None:
    """Its profit would be a guess."""
    with pytest.raises(WireError, match="entryPrice"):
        built(account(leg()), risk(entry_price=0.0))


CONTRACTS = {"BTCUSD_PERP": Contract("BTC", 100.0, inverse=True)}


def coin_risk(amount: float = 100.0, **changes: object) -> CoinPositionRisk:
    row = CoinPositionRisk(
        symbol="BTCUSD_PERP",
        position_side="BOTH",
        position_amt=amount,
        entry_price=60_000.0,
        mark_price=61_000.0,
        liquidation_price=50_000.0,
        margin_type="cross",
        leverage=20.0,
        isolated_margin=0.0,
        un_realized_profit=0.0027,
        update_time=3,
    )
    return replaced(row, **changes)


def coin_leg(amount: float = 100.0, **changes: object) -> CoinLeg:
    row = CoinLeg(
        symbol="BTCUSD_PERP",
        position_side="BOTH",
        position_amt=amount,
        unrealized_profit=0.0027,
        maint_margin=0.00066,
        isolated=False,
        entry_price=60_000.0,
        leverage=20.0,
        notional_value=10_000.0 / 61_000.0,
    )
    return replaced(row, **changes)


def coin_built(row: CoinPositionRisk, theirs: CoinLeg) -> AccountReply:
    whole = CoinAccount((asset("BTC", 1.0, 0.0027), asset("ETH", 0.0)), (theirs,))
    return build_coinm("coin", whole, [row], CONTRACTS, hedge_mode=False, at_ms=AT_MS)


def test_a_coin_margined_position_knows_its_contract() -> None:
    """Size and coin from the rules, maintenance from the account, the mark recovered from its notional."""
    reply = coin_built(coin_risk(), coin_leg())
    (position,) = reply.snapshot.positions
    assert (position.inverse, position.contract_size, position.margin_asset) == (True, 100.0, "BTC")
    assert reply.snapshot.market is Market.COINM
    assert reply.snapshot.balances == {"BTC": 1.0}
    (figures,) = reply.figures.positions
    assert (figures.maintenance, figures.liquidation_price) == (0.00066, 50_000.0)
    (wallet,) = reply.figures.wallets
    assert wallet.marks["BTCUSD_PERP"] == pytest.approx(61_000.0)
    assert wallet.margin_balance == pytest.approx(1.0027)


def test_coin_margined_wallets_without_a_notional_are_left_out() -> None:
    """The documented reply has none."""
    assert coin_built(coin_risk(), coin_leg(notional_value=None)).figures.wallets == ()


@pytest.mark.parametrize("wallet", [None, 0.05])
def test_a_coin_margined_isolated_wallet_is_the_margin_without_profit(wallet: float | None) -> None:
    """Where the reply does not give it by itself."""
    row = coin_risk(margin_type="isolated", isolated_margin=0.0527, isolated_wallet=wallet)
    (position,) = coin_built(row, coin_leg(isolated=True)).snapshot.positions
    assert position.margin == pytest.approx(0.05)


def test_a_coin_margined_position_of_an_unknown_contract_is_refused() -> None:
    """Without its size nothing can be said; the rules have to be asked again."""
    with pytest.raises(WireError, match="unknown_contract"):
        coin_built(coin_risk(symbol="NEWUSD_PERP"), coin_leg())


def test_contract_sizes_are_of_coin_margined_contracts_only() -> None:
    """The other market has none, whatever its rules say."""
    row = ContractRow("X", "BTC", "BTC", "USD", "PERPETUAL", contract_size=100.0)
    info = ExchangeInfo((), (row,))
    assert contracts_of(info, Market.COINM)["X"] == Contract("BTC", 100.0, inverse=True)
    assert contracts_of(info, Market.USDM)["X"] == Contract("BTC")


def tier(floor: float, cap: float, rate: float, cum: float, leverage: float = 0.0) -> TierRow:
    return TierRow(rate, cum, notional_floor=floor, notional_cap=cap, initial_leverage=leverage)


GOOD = (tier(0, 50_000, 0.004, 0), tier(50_000, 250_000, 0.005, 50), tier(250_000, 1e6, 0.01, 1_300))


def test_tiers_become_a_table() -> None:
    """The worked example of the exchange, in whatever order its rows come."""
    tiers = bracket_tables("mine", [LeverageBracket("BTCUSDT", GOOD[::-1])], "2026-11-24")
    (table,) = tiers.tables
    assert [row.cum for row in table.brackets] == [0.0, 50.0, 1_300.0]
    assert (table.label, table.account, tiers.faults) == ("exchange 2026-11-24", "mine", ())


def test_tiers_say_which_leverage_they_allow() -> None:
    """As the exchange told it; a reply without it, or with one that cannot be, leaves it unknown."""
    rows = (tier(0, 50_000, 0.004, 0, 125), tier(50_000, 250_000, 0.005, 50), tier(250_000, 1e6, 0.01, 1_300, 1e9))
    (table,) = bracket_tables("mine", [LeverageBracket("BTCUSDT", rows)], "").tables
    assert [row.leverage for row in table.brackets] == [125, None, None]


def test_a_rounded_amount_is_taken_as_published() -> None:
    """The exchange computes with what it publishes, and so do we."""
    rows = (*GOOD[:2], tier(250_000, 1e6, 0.01, 1_300.01))
    (table,) = bracket_tables("mine", [LeverageBracket("BTCUSDT", rows)], "").tables
    assert table.brackets[2].cum == 1_300.01


@pytest.mark.parametrize("rows", [(), (*GOOD[:2], tier(250_000, 1e6, 0.01, 1_310)), GOOD[1:], (GOOD[0], GOOD[2])])
def test_a_table_that_cannot_be_is_a_fault_and_takes_no_other_with_it(rows: tuple[TierRow, ...]) -> None:
    """Told, not dropped, and not used."""
    reply = [LeverageBracket("ODDUSDT", rows), LeverageBracket("BTCUSDT", GOOD)]
    tiers = bracket_tables("mine", reply, "2026-11-24")
    assert [table.symbol for table in tiers.tables] == ["BTCUSDT"]
    assert {fault.symbol for fault in tiers.faults} == {"ODDUSDT"}


def test_adjusted_tiers_say_so() -> None:
    """Whether their bounds are multiplied already is not documented, so whoever reads the label knows."""
    (table,) = bracket_tables("mine", [LeverageBracket("BTCUSDT", GOOD, 1.5)], "2026-11-24").tables
    assert table.label == "exchange, adjusted by 1.5, 2026-11-24"
    (plain,) = bracket_tables("mine", [LeverageBracket("BTCUSDT", GOOD, 1.0)], "2026-11-24").tables
    assert plain.label == "exchange 2026-11-24"


@given(
    st.dictionaries(
        st.sampled_from(["BTCUSDT", "ETHUSDT", "币安人生USDT"]),
        st.tuples(st.floats(-1e3, 1e3), st.sampled_from([0.0, 250.0])),
    )
)
def test_every_held_position_is_in_exactly_one_wallet(held: dict[str, tuple[float, float]]) -> None:
    """Nothing is lost in the join and nothing counted twice, whatever is held."""
    rows = [risk(name, amount, isolated_wallet=wallet) for name, (amount, wallet) in held.items()]
    legs = [leg(name, amount, isolated_wallet=wallet) for name, (amount, wallet) in held.items()]
    reply = built(account(*legs), *rows)
    assert reply.consistent
    expected = {name for name, (amount, _) in held.items() if amount}
    assert {one.symbol for one in reply.snapshot.positions} == expected
    counted = [symbol for one in reply.figures.wallets for symbol in one.marks]
    assert sorted(counted) == sorted(expected)


def test_figures_without_a_mark_are_left_out() -> None:
    """A mark of 0 is one the reply does not know; ours at no mark would differ from anything."""
    reply = built(account(leg(), leg("ETHUSDT")), risk(mark_price=0.0), risk("ETHUSDT"))
    assert [one.symbol for one in reply.figures.positions] == ["ETHUSDT"]
    assert len(reply.snapshot.positions) == 2


def test_funds_are_what_could_be_moved() -> None:
    """Available balances of the assets that matter, and what orders of isolated symbols hold back."""
    rows = (
        replaced(asset("USDT", 1_000.0), available_balance="640.5"),
        replaced(asset("USDC", 0.0), available_balance="12"),  # nothing of it is there, and nothing needs it
    )
    reply = built(
        account(leg(), assets=rows),
        risk(open_order_initial_margin="7"),
        risk("ETHUSDT", 0.0, open_order_initial_margin="25.5"),
        risk("SOLUSDT", 0.0, open_order_initial_margin=1.5),
        symbols=(chosen("BTCUSDT"), chosen("ETHUSDT", "ISOLATED"), chosen("SOLUSDT", "ISOLATED")),
    )
    assert reply.funds == FundsKnown("mine", AT_MS, {"USDT": 640.5}, {"USDT": 27.0})


def test_coin_margined_funds() -> None:
    """By coin; of every contract with orders that is isolated, held or not."""
    whole = CoinAccount(
        (
            replaced(asset("BTC", 1.0), available_balance="0.75"),
            replaced(asset("ETH", 2.0), available_balance="2"),
        ),
        (coin_leg(), coin_leg(0.0, symbol="BTCUSD_261225", isolated=True, open_order_initial_margin="0.01")),
    )
    contracts = CONTRACTS | {"BTCUSD_261225": Contract("BTC", 100.0, inverse=True)}
    reply = build_coinm("coin", whole, [coin_risk()], contracts, hedge_mode=False, at_ms=AT_MS)
    assert reply.funds == FundsKnown("coin", AT_MS, {"BTC": 0.75, "ETH": 2.0}, {"BTC": 0.01})


@pytest.mark.parametrize("damage", [None, "", "NaN", "Infinity", "a lot", [], {}, True, "1e400", 1e300])
def test_damaged_funds_cost_nothing_else(damage: object) -> None:
    """The account is followed by the same reply: what cannot be believed of funds is not known, no more."""
    rows = (replaced(asset("USDT", 1_000.0, 505.0), available_balance=damage),)
    reply = built(
        account(leg(), assets=rows),
        risk(open_order_initial_margin=damage),
        symbols=(chosen("BTCUSDT", "ISOLATED"),),
    )
    assert reply.funds is None
    assert reply.consistent
    both = (*rows, replaced(asset("USDC", 5.0), available_balance="5"))
    found = built(account(leg(), assets=both), risk(open_order_initial_margin=damage)).funds
    assert found == FundsKnown("mine", AT_MS, {"USDC": 5.0})


def test_an_empty_account_has_funds_of_nothing() -> None:
    """That is known, which is another thing than not being told."""
    assert built(account(assets=())).funds == FundsKnown("mine", AT_MS, {})
