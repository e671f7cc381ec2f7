"""Several replies become one account: joined, whole, and beside it what the exchange itself says of it. Pure.

Quantities, entries and isolated wallets are those of position risk; balances and the figures of wallets are those
of the account reply. Both describe one moment only if they agree, which ``AccountReply.consistent`` says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from monitor.binance.account_rows import (
    Account,
    AccountConfig,
    AccountLeg,
    AssetRow,
    CoinAccount,
    CoinLeg,
    CoinPositionRisk,
    PositionRisk,
    SymbolConfig,
)
from monitor.binance.account_state import Contract
from monitor.binance.belief import amount_or_none
from monitor.binance.market_rows import AssetIndex, ContractRow, ExchangeInfo
from monitor.binance.user_wire import side_of
from monitor.core.model import (
    MULTI_WALLET,
    AccountSnapshot,
    AssetRate,
    ExchangeFigures,
    MarginMode,
    Market,
    Position,
    PositionFigures,
    Side,
    Source,
    WalletFigures,
)
from monitor.core.surroundings import FundsKnown
from monitor.errors import WireError

UNKNOWN_CONTRACT: Final = "unknown_contract"
SAID_TWICE: Final = "said_twice"
ZERO_ENTRY: Final = "zero_entry"

_INDEX_SUFFIX = "USD"  # the index of BTC is called BTCUSD
_BOTH = "BOTH"

LegKey = tuple[str, Side]


class AccountReply(NamedTuple):
    """A whole account as REST described it."""

    snapshot: AccountSnapshot
    figures: ExchangeFigures
    leg_ms: dict[LegKey, int]  # when each position last changed, exchange time; 0 where not said
    asset_ms: dict[str, int]  # the same of each asset
    consistent: bool  # account and position risk describe the same moment
    funds: FundsKnown | None = None  # what could be moved; None where it does not say


def contracts_of(info: ExchangeInfo, market: Market) -> dict[str, Contract]:
    """Return what never changes about each symbol of a market."""
    inverse = market is Market.COINM
    return {one.symbol: _contract(one, inverse=inverse) for one in info.symbols}


def _contract(row: ContractRow, *, inverse: bool) -> Contract:
    return Contract(row.margin_asset, row.contract_size if inverse else 1.0, inverse)


def build_usdm(
    account_name: str,
    account: Account,
    position_risk: Sequence[PositionRisk],
    account_config: AccountConfig,
    symbol_config: Sequence[SymbolConfig],
    *,
    asset_index: Sequence[AssetIndex] | None,
    at_ms: int,
) -> AccountReply:
    """Return a USD-margined account.

    Args:
        account_name: as configured.
        account: version 3.
        position_risk: version 3.
        account_config: the modes.
        symbol_config: leverage and margin type; a symbol it lacks is isolated where an isolated wallet is not 0.
        asset_index: rates of collateral; needed in multi-assets mode, where an asset without one is at par.
        at_ms: exchange time at which the first of these was asked for.

    Raises:
        WireError: a position has no entry price, or stands there twice.
    """
    held = [row for row in position_risk if row.position_amt]
    chosen = {row.symbol: row for row in symbol_config}
    modes = {row.symbol: _mode(chosen.get(row.symbol), row.isolated_wallet) for row in held}
    snapshot = AccountSnapshot(
        account=account_name,
        balances=_balances(account.assets, {row.margin_asset for row in held}),
        positions=tuple(_usdm_position(row, modes[row.symbol], chosen.get(row.symbol)) for row in held),
        market=Market.USDM,
        as_of_ms=at_ms,
        source=Source.REST,
        multi_assets=account_config.multi_assets_margin,
        hedge_mode=account_config.dual_side_position,
        rates=_rates(asset_index or ()) if account_config.multi_assets_margin else {},
    )
    legs = [row for row in account.positions if row.position_amt]
    _check_once(held, "positionRisk")
    _check_once(legs, "account")
    agree = _slots(held) == _slots(legs) and all(
        (row.position_side != _BOTH) is account_config.dual_side_position for row in held
    )
    wallets = _usdm_wallets(snapshot, account, legs, modes) if agree else ()
    return AccountReply(
        snapshot,
        ExchangeFigures(at_ms, tuple(_usdm_figures(row) for row in held if row.mark_price > 0.0), wallets),
        {(row.symbol, side_of(row.position_side, row.position_amt)): row.update_time for row in held},
        {row.asset: row.update_time for row in account.assets if row.asset in snapshot.balances},
        agree,
        _funds(snapshot, account.assets, _usdm_reserved(position_risk, chosen)),
    )


def build_coinm(
    account_name: str,
    account: CoinAccount,
    position_risk: Sequence[CoinPositionRisk],
    contracts: Mapping[str, Contract],
    *,
    hedge_mode: bool,
    at_ms: int,
) -> AccountReply:
    """Return a coin-margined account.

    Args:
        account_name: as configured.
        account: assets and positions.
        position_risk: entries, marks, margin types and liquidation prices.
        contracts: contract sizes and coins by symbol.
        hedge_mode: whether LONG and SHORT of a symbol may stand side by side.
        at_ms: exchange time at which the first of these was asked for.

    Raises:
        WireError: a position of an unknown contract, without an entry price, or one that stands there twice.
    """
    held = [row for row in position_risk if row.position_amt]
    known = {row.symbol: _known(row.symbol, contracts) for row in held}
    legs = [row for row in account.positions if row.position_amt]
    _check_once(held, "positionRisk")
    _check_once(legs, "account")
    agree = _coin_slots(held) == _coin_slots(legs) and all(
        (row.position_side != _BOTH) is hedge_mode for row in held
    )
    required = {_coin_key(row): row.maint_margin for row in legs} if agree else {}
    snapshot = AccountSnapshot(
        account=account_name,
        balances=_balances(account.assets, {one.margin_asset for one in known.values()}),
        positions=tuple(_coin_position(row, known[row.symbol]) for row in held),
        market=Market.COINM,
        as_of_ms=at_ms,
        source=Source.REST,
        hedge_mode=hedge_mode,
    )
    figures = tuple(
        PositionFigures(
            row.symbol,
            _coin_key(row)[1],
            row.mark_price,
            required.get(_coin_key(row)),
            _price(row.liquidation_price),
        )
        for row in held
        if row.mark_price > 0.0
    )
    return AccountReply(
        snapshot,
        ExchangeFigures(at_ms, figures, _coin_wallets(snapshot, account, legs) if agree else ()),
        {_coin_key(row): row.update_time for row in held},
        {row.asset: row.update_time for row in account.assets if row.asset in snapshot.balances},
        agree,
        _funds(snapshot, account.assets, _coin_reserved(account.positions, contracts)),
    )


def _mode(chosen: SymbolConfig | None, isolated_wallet: float) -> MarginMode:
    if chosen is not None:
        return chosen.margin_mode
    return MarginMode.ISOLATED if isolated_wallet else MarginMode.CROSS


def _balances(assets: Iterable[AssetRow], used: set[str]) -> dict[str, float]:
    """Return the cross wallet balance of each asset that has one or that a position needs."""
    found = {row.asset: row.cross_wallet_balance for row in assets}
    return {
        asset: found.get(asset, 0.0) for asset in sorted(found.keys() | used) if found.get(asset) or asset in used
    }


def _funds(
    snapshot: AccountSnapshot, assets: Iterable[AssetRow], reserved: Iterable[tuple[str, object]]
) -> FundsKnown | None:
    """Return what could be moved of the assets that matter; None where nothing is said of any.

    Args:
        snapshot: the account.
        assets: of the account reply.
        reserved: initial margin of open orders on isolated symbols, by margin asset, as it was told.
    """
    available = {row.asset: row.available for row in assets if row.asset in snapshot.balances}
    told = {asset: amount for asset, amount in available.items() if amount is not None}
    if available and not told:
        return None
    held: dict[str, float] = {}
    for asset, value in reserved:
        if amount := max(0.0, amount_or_none(value) or 0.0):
            held[asset] = held.get(asset, 0.0) + amount
    return FundsKnown(snapshot.account, snapshot.as_of_ms, told, held)


def _usdm_reserved(
    rows: Iterable[PositionRisk], chosen: Mapping[str, SymbolConfig]
) -> Iterator[tuple[str, object]]:
    for row in rows:
        if _mode(chosen.get(row.symbol), row.isolated_wallet) is MarginMode.ISOLATED:
            yield row.margin_asset, row.open_order_initial_margin


def _coin_reserved(rows: Iterable[CoinLeg], contracts: Mapping[str, Contract]) -> Iterator[tuple[str, object]]:
    for row in rows:
        if row.isolated and row.symbol in contracts:
            yield contracts[row.symbol].margin_asset, row.open_order_initial_margin


def _rates(rows: Iterable[AssetIndex]) -> dict[str, AssetRate]:
    return {
        row.symbol.removesuffix(_INDEX_SUFFIX): AssetRate(row.bid_rate, row.ask_rate)
        for row in rows
        if row.symbol.endswith(_INDEX_SUFFIX)
    }


def _check_once(rows: Iterable[PositionRisk | AccountLeg | CoinPositionRisk | CoinLeg], where: str) -> None:
    """Refuse rows of which two are about one position: which of them holds cannot be known."""
    slots, sides = set(), set()
    for row in rows:
        slot, side = (row.symbol, row.position_side), (row.symbol, side_of(row.position_side, row.position_amt))
        if slot in slots or side in sides:
            raise WireError(where, SAID_TWICE)
        slots.add(slot)
        sides.add(side)


def _slots(rows: Iterable[PositionRisk | AccountLeg]) -> dict[tuple[str, str], tuple[float, float]]:
    return {(row.symbol, row.position_side): (row.position_amt, row.isolated_wallet) for row in rows}


def _coin_slots(rows: Iterable[CoinPositionRisk | CoinLeg]) -> dict[tuple[str, str], tuple[float, float]]:
    return {(row.symbol, row.position_side): (row.position_amt, row.entry_price) for row in rows}


def _coin_key(row: CoinPositionRisk | CoinLeg) -> LegKey:
    return row.symbol, side_of(row.position_side, row.position_amt)


def _known(symbol: str, contracts: Mapping[str, Contract]) -> Contract:
    if symbol not in contracts:
        raise WireError("positionRisk", UNKNOWN_CONTRACT)
    return contracts[symbol]


def _price(liquidation: float) -> float | None:
    return liquidation if liquidation > 0.0 else None


def _entry(price: float) -> float:
    if not price > 0.0:
        raise WireError("positionRisk", ZERO_ENTRY, "entryPrice")
    return price


def _usdm_position(row: PositionRisk, mode: MarginMode, chosen: SymbolConfig | None) -> Position:
    return Position(
        symbol=row.symbol,
        side=side_of(row.position_side, row.position_amt),
        quantity=abs(row.position_amt),
        entry_price=_entry(row.entry_price),
        margin_mode=mode,
        margin_asset=row.margin_asset,
        margin=row.isolated_wallet if mode is MarginMode.ISOLATED else 0.0,
        leverage=chosen.leverage or None if chosen is not None else None,
        auto_add_margin=chosen is not None and chosen.is_auto_add_margin,
    )


def _coin_position(row: CoinPositionRisk, contract: Contract) -> Position:
    isolated = row.margin_type.lower() == "isolated"
    wallet = row.isolated_wallet
    if wallet is None:
        wallet = row.isolated_margin - row.un_realized_profit
    return Position(
        symbol=row.symbol,
        side=side_of(row.position_side, row.position_amt),
        quantity=abs(row.position_amt),
        entry_price=_entry(row.entry_price),
        margin_mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS,
        margin_asset=contract.margin_asset,
        margin=wallet if isolated else 0.0,
        contract_size=contract.contract_size,
        inverse=True,
        leverage=row.leverage or None,
        auto_add_margin=row.is_auto_add_margin,
    )


def _usdm_figures(row: PositionRisk) -> PositionFigures:
    side = side_of(row.position_side, row.position_amt)
    return PositionFigures(row.symbol, side, row.mark_price, row.maint_margin, _price(row.liquidation_price))


class _Leg(NamedTuple):
    """A position of an account reply, with the mark that reply was made at; None where it does not show."""

    position: Position
    mark: float | None
    profit: float
    maintenance: float


def _usdm_wallets(
    snapshot: AccountSnapshot, account: Account, rows: Sequence[AccountLeg], modes: Mapping[str, MarginMode]
) -> tuple[WalletFigures, ...]:
    positions = {(one.symbol, one.side): one for one in snapshot.positions}
    legs = [
        _Leg(
            positions[row.symbol, side_of(row.position_side, row.position_amt)],
            abs(row.notional) / abs(row.position_amt) or None,
            row.unrealized_profit,
            row.maint_margin,
        )
        for row in rows
    ]
    if not snapshot.multi_assets:
        return _wallets(snapshot, account.assets, legs)
    marks = _marks(legs)
    whole = marks is not None and MarginMode.ISOLATED not in modes.values()
    if marks is None or not whole:
        return ()
    return (WalletFigures(MULTI_WALLET, marks, account.total_margin_balance, account.total_maint_margin),)


def _coin_wallets(
    snapshot: AccountSnapshot, account: CoinAccount, rows: Sequence[CoinLeg]
) -> tuple[WalletFigures, ...]:
    positions = {(one.symbol, one.side): one for one in snapshot.positions}
    legs = []
    for row in rows:
        position = positions[_coin_key(row)]
        worth = abs(row.notional_value or 0.0)
        mark = position.quantity * position.contract_size / worth if worth else None
        legs.append(_Leg(position, mark, row.unrealized_profit, row.maint_margin))
    return _wallets(snapshot, account.assets, legs)


def _wallets(
    snapshot: AccountSnapshot, assets: Iterable[AssetRow], legs: Sequence[_Leg]
) -> tuple[WalletFigures, ...]:
    """Return the figures of each wallet whose marks are known: compared at others they would prove nothing."""
    found = []
    for leg in legs:
        if leg.position.margin_mode is MarginMode.ISOLATED and leg.mark is not None:
            marks = {leg.position.symbol: leg.mark}
            equity = leg.position.margin + leg.profit
            found.append(WalletFigures(leg.position.wallet, marks, equity, leg.maintenance))
    for asset in assets:
        if asset.asset not in snapshot.balances:
            continue
        wallet = f"cross:{asset.asset}"
        backed = [leg for leg in legs if leg.position.wallet == wallet]
        known = _marks(backed)
        if known is not None:
            equity = asset.cross_wallet_balance + asset.cross_un_pnl
            found.append(WalletFigures(wallet, known, equity, sum(leg.maintenance for leg in backed)))
    return tuple(sorted(found, key=lambda one: one.wallet))


def _marks(legs: Iterable[_Leg]) -> dict[str, float] | None:
    """Return the mark of each symbol, None if one of them does not show."""
    marks = {}
    for leg in legs:
        if leg.mark is None:
            return None
        marks[leg.position.symbol] = leg.mark
    return marks
