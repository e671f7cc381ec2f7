"""A whole account by REST, asked again while its replies describe different moments; and its maintenance tiers."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from monitor.binance.account_rows import LeverageBracket, TierRow
from monitor.binance.account_state import Contract
from monitor.binance.belief import BAD_AMOUNT
from monitor.binance.market_rows import AssetIndex
from monitor.binance.rest import RestClient
from monitor.binance.snapshot import AccountReply, build_coinm, build_usdm
from monitor.core.brackets import expected_cum, plausible_leverage, table_faults
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, ExchangeFigures, Market
from monitor.errors import BracketError, WireError

ROUNDS: Final = 4

# A tenth of what an audit tolerates; collateral rates that moved by more while an account was asked for would show
# as a difference of the figures.
STILL: Final = 1e-4

ORIGIN: Final = "exchange"

# What a published amount may be off by, as a fraction of the requirement where its tier begins: amounts are
# rounded, and a tenth of what an audit tolerates moves no level.
CUM_TOLERANCE: Final = 1e-4


class Tiers(NamedTuple):
    """The tables that can be used, and what is wrong with the others."""

    tables: tuple[BracketTable, ...]
    faults: tuple[BracketError, ...]


async def fetch_account(
    rest: RestClient, account_name: str, contracts: Mapping[str, Contract], *, rounds: int = ROUNDS
) -> AccountReply:
    """Return an account whole. If the last of ``rounds`` is no more consistent than the others, it says so.

    Costs a weight of 20 a round, in multi-assets mode 40 (coin-margined: 36, and 6 for each further round).

    Args:
        rest: the client of the account's market, with its key.
        account_name: as configured.
        contracts: what never changes about symbols; used where coin-margined.
        rounds: how often to ask at most, at least 1.

    Raises:
        RestError: refused, or not answered.
        WireError: a reply cannot be believed.
    """
    if rest.market is Market.COINM:
        return await _fetch_coinm(rest, account_name, contracts, rounds)
    return await _fetch_usdm(rest, account_name, rounds)


async def _fetch_usdm(rest: RestClient, account_name: str, rounds: int) -> AccountReply:
    while True:
        rounds -= 1
        config = await rest.account_config()
        symbols = await rest.symbol_config()
        index = await rest.asset_index() if config.multi_assets_margin else None
        at_ms = rest.exchange_ms()
        risk = await rest.position_risk()
        account = await rest.account()
        reply = build_usdm(account_name, account, risk, config, symbols, asset_index=index, at_ms=at_ms)
        if index is not None:
            _check_rates(reply.snapshot, rest.left_out("assetIndex"))
        if index is not None and _moved(index, await rest.asset_index()):
            reply = reply._replace(figures=_without_rates(reply.figures))
        if reply.consistent or rounds <= 0:
            return reply


def _check_rates(account: AccountSnapshot, lost: frozenset[str]) -> None:
    """Raise WireError where the account has an asset whose rate could not be believed: par would be wrong."""
    for asset in account.balances:
        index = f"{asset}USD"
        if asset not in account.rates and (index in lost or "" in lost):
            raise WireError("assetIndex", BAD_AMOUNT, index)


def _moved(before: Iterable[AssetIndex], after: Iterable[AssetIndex]) -> bool:
    """Return whether rates moved by more than an audit can overlook while the account was asked for."""
    rates = {one.symbol: one for one in before}
    return any(
        abs(one.bid_rate - was.bid_rate) > STILL * was.bid_rate
        or abs(one.ask_rate - was.ask_rate) > STILL * was.ask_rate
        for one in after
        if (was := rates.get(one.symbol)) is not None
    )


def _without_rates(figures: ExchangeFigures) -> ExchangeFigures:
    """Return the figures that no rate of collateral enters: the reply does not say at which it was made."""
    positions = tuple(
        msgspec.structs.replace(one, liquidation_price=None, quotes_liquidation=False) for one in figures.positions
    )
    return ExchangeFigures(figures.at_ms, positions)


async def _fetch_coinm(
    rest: RestClient, account_name: str, contracts: Mapping[str, Contract], rounds: int
) -> AccountReply:
    hedge_mode = await rest.position_mode()
    while True:
        rounds -= 1
        at_ms = rest.exchange_ms()
        risk = await rest.coin_position_risk()
        account = await rest.coin_account()
        slots = [row.position_side for row in risk if row.position_amt]
        if slots and all((slot != "BOTH") is not hedge_mode for slot in slots):
            hedge_mode = not hedge_mode  # switched since: positions say so themselves
        reply = build_coinm(account_name, account, risk, contracts, hedge_mode=hedge_mode, at_ms=at_ms)
        if reply.consistent or rounds <= 0:
            return reply


def bracket_tables(account_name: str, reply: Iterable[LeverageBracket], as_of: str) -> Tiers:
    """Return the account's maintenance tiers as tables, and every fault of those that cannot be used.

    A table whose amounts are off by no more than rounding is taken as it is. The label says of tiers that the
    exchange adjusted for the account by which coefficient; whether their bounds and amounts have been multiplied
    already is not documented, and the audit shows whether they fit.

    Args:
        account_name: whose they are.
        reply: as decoded.
        as_of: ISO date of today.
    """
    tables: list[BracketTable] = []
    faults: list[BracketError] = []
    for row in reply:
        tiers = sorted(row.brackets, key=lambda tier: tier.floor)
        found = table_faults(row.symbol, _settled(tiers))
        faults += found
        if not found:
            brackets = tuple(
                Bracket(
                    one.floor, one.cap, one.maint_margin_ratio, one.cum, plausible_leverage(one.initial_leverage)
                )
                for one in tiers
            )
            coefficient = row.notional_coef
            adjusted = coefficient is not None and coefficient != 1.0
            origin = f"{ORIGIN}, adjusted by {coefficient:g}," if adjusted else ORIGIN
            tables.append(BracketTable(row.symbol, brackets, origin, as_of, account_name))
    return Tiers(tuple(tables), tuple(faults))


def _settled(tiers: Iterable[TierRow]) -> list[tuple[float, float, float, float]]:
    """Return the rows with amounts that are off by rounding only replaced by the exact ones."""
    rows: list[tuple[float, float, float, float]] = []
    below: tuple[float, float] | None = None  # rate and amount
    for tier in tiers:
        exact = 0.0 if below is None else expected_cum(tier.floor, tier.maint_margin_ratio, *below)
        required = tier.floor * tier.maint_margin_ratio - exact
        cum = exact if abs(tier.cum - exact) <= CUM_TOLERANCE * max(required, 0.0) else tier.cum
        rows.append((tier.floor, tier.cap, tier.maint_margin_ratio, cum))
        below = (tier.maint_margin_ratio, cum)
    return rows
