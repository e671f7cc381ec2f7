"""The exchange's REST endpoints as methods that return decoded rows. Reads only.

Every method raises RestError (see ``rest_errors``) where the exchange refuses or does not answer, and WireError
where its answer cannot be believed.
"""

from collections.abc import Mapping
from random import Random
from typing import Final, TypeVar

from monitor.binance import account_rows, market_rows
from monitor.binance import rest_wire as wire
from monitor.binance.candidates import CandidateReport
from monitor.binance.endpoints import Environment, endpoints
from monitor.binance.keys import Credentials
from monitor.binance.permissions import Permissions, permissions_of
from monitor.binance.rest_call import Api, Call, Caller, Params
from monitor.binance.rest_errors import HTML, NO_SUCH_PATH, NOT_FOUND, PORTFOLIO_HINT, PORTFOLIO_MARGIN
from monitor.binance.tolerant import Tolerant
from monitor.binance.weights import LONGEST_WAIT_S, WeightBudget
from monitor.binance.wire import NextFunding, decode_premium_index
from monitor.core.model import Market, MarkTick
from monitor.errors import KeyRefusedError, PortfolioMarginError, RestError, WireError
from monitor.ports import Clock

PERMISSIONS_BASE: Final = "https://api.binance.com"
PORTFOLIO_BASE: Final = "https://papi.binance.com"

T = TypeVar("T")

_UNPERMITTED = -2015
_UNKNOWABLE = frozenset({403, 404})
_KLINE_WEIGHTS = ((100, 1), (500, 2), (1001, 5))  # below so many candles
_MOST_KLINES_WEIGHT = 10


class RestClient:
    """One market of one environment, for one account or for nobody in particular.

    ``funding`` is the next one by symbol, as the newest reply about marks told beside them.

    Use it only within a running loop, and close it. Nothing is sent before the first method is called.

    Args:
        market: whose endpoints.
        environment: which exchange.
        bases: candidates such as ``endpoints(...).rest``; the first that answers is used.
        credentials: None for market data only.
        clock: time, and what pauses are made on.
        rng: chance for the jitter of pauses.
        budget: of the address: the same for all clients.
        longest_block_s: how long a request waits where the exchange takes none from this address, seconds.
    """

    def __init__(
        self,
        market: Market,
        environment: Environment,
        bases: tuple[str, ...],
        *,
        credentials: Credentials | None = None,
        clock: Clock,
        rng: Random,
        budget: WeightBudget,
        longest_block_s: float = LONGEST_WAIT_S,
    ) -> None:
        self.market = market
        self._clock = clock
        self._budget = budget
        self._environment = environment
        self._api: Api = "fapi" if market is Market.USDM else "dapi"
        built_in = bases == endpoints(environment, market).rest
        others = {"sapi": PERMISSIONS_BASE, "papi": PORTFOLIO_BASE} if built_in else {}
        self._tolerant = Tolerant()
        self.funding: Mapping[str, NextFunding] = {}
        self._caller = Caller(
            "fapi" if market is Market.USDM else "dapi",
            environment,
            bases,
            credentials=credentials,
            clock=clock,
            rng=rng,
            budget=budget,
            other_bases=others,
            longest_block_s=longest_block_s,
        )

    @property
    def host(self) -> str:
        """The host in use."""
        return self._caller.host

    @property
    def rows_left_out(self) -> int:
        """How many rows replies were taken without."""
        return self._tolerant.rows_left_out

    @property
    def offset_ms(self) -> int | None:
        """The exchange's clock minus ours; None until known."""
        return self._caller.offset_ms

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        return self._caller.exchange_ms()

    def hosts(self) -> tuple[CandidateReport, ...]:
        """Return the latest outcome of each candidate host."""
        return self._caller.report()

    async def close(self) -> None:
        """Close all connections; the listen key lives on, others may use it."""
        await self._caller.close()

    async def server_time(self, *, urgent: bool = False) -> int:
        """Return the exchange's time, Unix milliseconds, and keep its difference to ours.

        What is ``urgent`` is asked once, and waits for no weight.
        """
        offset_ms = await self._caller.synchronise(urgent=urgent)
        return self._clock.wall_ms() + offset_ms

    async def exchange_info(self, *, spare: bool = False) -> market_rows.ExchangeInfo:
        """Return contracts and limits; the budget takes the weight limit from it.

        What is ``spare``, here and below, is asked once, and only with weight that nobody else needs.
        """
        info = await self._get("exchangeInfo", 1, self._tolerant.rows(wire.exchange_info), spare=spare)
        if info.weight_per_minute is not None:
            self._budget.set_limit(info.weight_per_minute)
        return info

    async def account_config(self) -> account_rows.AccountConfig:
        """Return the modes of a USD-margined account."""
        return await self._signed("accountConfig", 5, wire.account_config, on=Market.USDM)

    async def symbol_config(self, symbol: str | None = None) -> tuple[account_rows.SymbolConfig, ...]:
        """Return leverage and margin type of one symbol or of all; USD-margined."""
        return await self._signed(
            "symbolConfig", 5, self._tolerant.rows(wire.symbol_config), {"symbol": symbol}, on=Market.USDM
        )

    async def account(self) -> account_rows.Account:
        """Return a USD-margined account, version 3."""
        return await self._signed("account", 5, wire.account, version=3, on=Market.USDM)

    async def coin_account(self) -> account_rows.CoinAccount:
        """Return a coin-margined account."""
        return await self._signed("account", 5, wire.coin_account, on=Market.COINM)

    async def position_risk(self, symbol: str | None = None) -> tuple[account_rows.PositionRisk, ...]:
        """Return USD-margined positions, version 3: what is held or ordered."""
        return await self._signed(
            "positionRisk", 5, wire.position_risk, {"symbol": symbol}, version=3, on=Market.USDM
        )

    async def coin_position_risk(self) -> tuple[account_rows.CoinPositionRisk, ...]:
        """Return coin-margined positions: every contract, held or not."""
        return await self._signed("positionRisk", 1, wire.coin_position_risk, on=Market.COINM)

    async def balance(self) -> tuple[account_rows.Balance, ...]:
        """Return the balances by asset."""
        if self.market is Market.USDM:
            return await self._signed("balance", 5, wire.balance, version=3)
        return await self._signed("balance", 1, wire.balance)

    async def leverage_brackets(self, symbol: str | None = None) -> tuple[account_rows.LeverageBracket, ...]:
        """Return the account's maintenance tiers of one symbol or of all."""
        if self.market is Market.USDM:
            return await self._signed(
                "leverageBracket", 1, self._tolerant.rows(wire.leverage_brackets), {"symbol": symbol}
            )
        weight = 1 if symbol else 2
        return await self._signed(
            "leverageBracket", weight, self._tolerant.rows(wire.leverage_brackets), {"symbol": symbol}, version=2
        )

    async def multi_assets(self) -> bool:
        """Return whether all assets are one wallet; USD-margined. Heavy: ``account_config`` says it as well."""
        reply = await self._signed("multiAssetsMargin", 30, wire.multi_assets, on=Market.USDM)
        return reply.multi_assets_margin

    async def position_mode(self) -> bool:
        """Return whether LONG and SHORT may stand side by side. Heavy."""
        return (await self._signed("positionSide/dual", 30, wire.position_mode)).dual_side_position

    async def asset_index(
        self, symbol: str | None = None, *, urgent: bool = False
    ) -> tuple[market_rows.AssetIndex, ...]:
        """Return what one asset (by its index, such as ``BTCUSD``) or all count in multi-assets mode.

        What is ``urgent`` is asked once, and waits for no weight.
        """
        self._check("assetIndex", Market.USDM)
        call = self._call("assetIndex", 1 if symbol else 10)._replace(urgent=urgent)
        return self._tolerant.rows(wire.asset_index)(await self._ask(call, {"symbol": symbol}), call.where)

    async def open_orders(
        self, symbol: str | None = None, *, spare: bool = False
    ) -> tuple[account_rows.OpenOrder, ...]:
        """Return the orders in the book; stops are not among them."""
        decode, params = self._tolerant.rows(wire.open_orders), {"symbol": symbol}
        return await self._signed("openOrders", 1 if symbol else 40, decode, params, spare=spare)

    async def open_algo_orders(
        self, symbol: str | None = None, *, spare: bool = False
    ) -> tuple[account_rows.AlgoOrder, ...]:
        """Return the conditional orders: where stops are.

        Coin-margined ones were plain orders until the exchange moved them, market by market: none where the market
        does not know of any.
        """
        decode, params = self._tolerant.rows(wire.open_algo_orders), {"symbol": symbol}
        try:
            return await self._signed("openAlgoOrders", 1 if symbol else 40, decode, params, spare=spare)
        except RestError as error:
            if self.market is not Market.COINM or error.status != NO_SUCH_PATH:
                raise
        return ()

    async def force_orders(
        self, symbol: str | None = None, *, start_ms: int | None = None, end_ms: int | None = None, limit: int = 50
    ) -> tuple[account_rows.ForceOrder, ...]:
        """Return orders by which the exchange closed something, liquidations and deleveragings both."""
        params: Params = {"symbol": symbol, "startTime": start_ms, "endTime": end_ms, "limit": limit}
        return await self._signed("forceOrders", 20 if symbol else 50, wire.force_orders, params)

    async def income(
        self,
        *,
        symbol: str | None = None,
        kind: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 100,
    ) -> tuple[account_rows.Income, ...]:
        """Return money that came or went, oldest first, at most ``limit`` (1 to 1000) rows."""
        params: Params = {
            "symbol": symbol,
            "incomeType": kind,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._signed("income", 30 if self.market is Market.USDM else 20, wire.income, params)

    async def adl_quantile(
        self, symbol: str | None = None, *, spare: bool = False
    ) -> tuple[account_rows.AdlQuantile, ...]:
        """Return places in the queue for auto-deleveraging."""
        return await self._signed(
            "adlQuantile", 5, self._tolerant.rows(wire.adl_quantile), {"symbol": symbol}, spare=spare
        )

    async def funding_info(self, *, spare: bool = False) -> tuple[market_rows.FundingInfo, ...]:
        """Return symbols whose funding has other terms than every 8 hours and the usual caps."""
        return await self._get("fundingInfo", 0, self._tolerant.rows(wire.funding_info), spare=spare)

    async def mark_price_klines(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        limit: int = 500,
        start_ms: int | None = None,
        end_ms: int | None = None,
        urgent: bool = False,
    ) -> tuple[market_rows.Kline, ...]:
        """Return candles of mark prices, oldest first; the last may not be over yet. All have a close.

        What is ``urgent`` is asked once, and waits for no weight.
        """
        weight = next((cost for below, cost in _KLINE_WEIGHTS if limit < below), _MOST_KLINES_WEIGHT)
        params: Params = {
            "symbol": symbol,
            "interval": interval,
            "limit": limit,
            "startTime": start_ms,
            "endTime": end_ms,
        }
        call = self._call("markPriceKlines", weight)._replace(urgent=urgent)
        found = wire.klines(await self._ask(call, params), call.where)
        if any(one.close is None for one in found):
            raise WireError(call.where, wire.MISSING_FIELD, "close")
        return found

    async def premium_index(self, symbol: str | None = None, *, urgent: bool = False) -> list[MarkTick]:
        """Return the mark of one symbol or of all; rows that cannot be believed are left out of all.

        What is ``urgent`` is asked once, and waits for no weight.
        """
        weight = 1 if symbol and self.market is Market.USDM else 10
        call = self._call("premiumIndex", weight)._replace(urgent=urgent)
        body = await self._ask(call, {"symbol": symbol})
        funding: dict[str, NextFunding] = {}
        found = decode_premium_index(body, self._clock.mono_s(), wall_ms=self.exchange_ms(), funding=funding)
        self.funding = funding
        return found

    async def trading_schedule(self) -> market_rows.TradingSchedule:
        """Return the sessions of the markets that stocks and commodities are traded on, of about a week."""
        return await self._get("tradingSchedule", 5, wire.trading_schedule, on=Market.USDM)

    async def create_listen_key(self) -> account_rows.ListenKey:
        """Return the key of the account's private stream: a new one, or the one it has, prolonged by an hour."""
        call = self._call("listenKey", 1)._replace(method="post")
        return wire.listen_key(await self._ask(call, {}), call.where)

    async def keepalive_listen_key(self) -> None:
        """Prolong the key of the account's private stream by an hour; ListenKeyError if there is none."""
        await self._ask(self._call("listenKey", 1)._replace(method="put"), {})

    async def api_restrictions(self) -> Permissions | None:
        """Return what the key may do; None where that cannot be known: on the testnet, or no such endpoint."""
        if self._environment is not Environment.LIVE:
            return None
        call = Call("sapi", "account/apiRestrictions", 0, signed=True)
        try:
            answer = await self._caller.once(call, {})
        except RestError as error:
            if error.status in _UNKNOWABLE or error.reason in {HTML, NOT_FOUND}:
                return None
            raise
        return permissions_of(wire.key_permissions(answer.body, call.where))

    async def is_portfolio_margin(self) -> bool:
        """Return whether the portfolio margin host knows the key; False where it refuses or does not answer.

        The futures endpoints answer a portfolio margin account as they answer a wrong key, so this is what tells
        the two apart. There is none on the testnet.
        """
        if self._environment is not Environment.LIVE:
            return False
        call = Call("papi", "account", 0, signed=True)
        try:
            answer = await self._caller.once(call, {})
            wire.portfolio_account(answer.body, call.where)
        except (RestError, WireError):
            return False
        return True

    def left_out(self, path: str) -> frozenset[str]:
        """Return the symbols that an endpoint's latest reply was taken without; an unreadable one is empty."""
        return self._tolerant.left_out(path)

    def _call(self, path: str, weight: int, *, version: int = 1, signed: bool = False) -> Call:
        return Call(self._api, path, weight, version, signed)

    async def _get(
        self,
        path: str,
        weight: int,
        decode: wire.Decode[T],
        params: Params | None = None,
        *,
        on: Market | None = None,
        spare: bool = False,
    ) -> T:
        self._check(path, on)
        call = self._call(path, weight)._replace(spare=spare)
        return decode(await self._ask(call, params or {}), call.where)

    async def _signed(
        self,
        path: str,
        weight: int,
        decode: wire.Decode[T],
        params: Params | None = None,
        *,
        version: int = 1,
        on: Market | None = None,
        spare: bool = False,
    ) -> T:
        self._check(path, on)
        call = self._call(path, weight, version=version, signed=True)._replace(spare=spare)
        return decode(await self._ask(call, params or {}), call.where)

    async def _ask(self, call: Call, params: Params) -> bytes:
        ask = self._caller.at_once if call.urgent else self._caller.once if call.spare else self._caller.ask
        try:
            return (await ask(call, params)).body
        except KeyRefusedError as error:
            if error.code != _UNPERMITTED or not await self.is_portfolio_margin():
                raise
            code, status = error.code, error.status
        raise PortfolioMarginError(call.where, PORTFOLIO_MARGIN, code=code, status=status, hint=PORTFOLIO_HINT)

    def _check(self, path: str, market: Market | None) -> None:
        if market not in {None, self.market}:
            raise ValueError(f"{path} is not of this market")
