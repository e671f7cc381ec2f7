"""The public endpoints of both markets, and the rows of their rules."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from aiohttp import web

from monitor.emulator.brackets import Brackets
from monitor.emulator.faults import Faults, among
from monitor.emulator.market import Instrument, Market
from monitor.emulator.rest_errors import RestError, number, reply
from monitor.emulator.settings import EmulatorSettings
from monitor.emulator.stream_faults import RowFaults

_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_STALE_MS = 3 * 86_400_000  # the demo exchange's exchangeInfo carries a time that is days old
_ONBOARD_MS = 1_598_252_400_000
_MINUTES = {
    "1m": 1,
    "3m": 3,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "4h": 240,
    "12h": 720,
    "1d": 1440,
}
_MAX_KLINES = 1500


class PublicApi:
    """Time, rules, marks, candles and rates: what needs no key."""

    def __init__(
        self,
        market: Market,
        faults: Faults,
        settings: EmulatorSettings,
        now_ms: Callable[[], int],
        rows: RowFaults,
    ) -> None:
        self._market = market
        self._faults = faults
        self._rows = rows
        self._settings = settings
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        found = [
            web.get("/fapi/v1/exchangeInfo", self._exchange_info),
            web.get("/dapi/v1/exchangeInfo", self._coin_exchange_info),
            web.get("/fapi/v1/premiumIndex", self._premium_index),
            web.get("/dapi/v1/premiumIndex", self._coin_premium_index),
            web.get("/fapi/v1/assetIndex", self._asset_index),
            web.get("/fapi/v1/tradingSchedule", self._trading_schedule),
        ]
        for prefix in ("fapi", "dapi"):
            found += [
                web.get(f"/{prefix}/v1/ping", self._ping),
                web.get(f"/{prefix}/v1/time", self._time),
                web.get(f"/{prefix}/v1/markPriceKlines", self._klines),
                web.get(f"/{prefix}/v1/fundingInfo", self._funding_info),
            ]
        return found

    def instrument(self, request: web.Request) -> Instrument:
        """Return the contract a request names.

        Raises:
            RestError: none is named, or it is not on the market of the path.
        """
        if not request.query.get("symbol"):
            raise RestError(400, -1102)
        one = self._market.instruments.get(request.query["symbol"])
        if one is None or (one.kind == "coinm") != request.path.startswith("/dapi/"):
            raise RestError(400, -1121)
        return one

    async def _ping(self, _: web.Request) -> web.Response:
        return reply({})

    async def _time(self, _: web.Request) -> web.Response:
        return reply({"serverTime": self._now_ms()})

    async def _exchange_info(self, _: web.Request) -> web.Response:
        listed = self._market.usdm()
        assets = sorted({one.quote for one in listed} | set(self._market.assets))
        return reply(
            self._rules()
            | {
                "futuresType": "U_MARGINED",
                "assets": [
                    {"asset": one, "marginAvailable": True, "autoAssetExchange": "-10000"} for one in assets
                ],
                "symbols": [_symbol(one) for one in listed],
            }
        )

    async def _coin_exchange_info(self, _: web.Request) -> web.Response:
        return reply(self._rules() | {"symbols": [_coin_symbol(one) for one in self._market.coinm()]})

    def _rules(self) -> dict[str, Any]:
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        orders = {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200}
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms() - _STALE_MS,
            "rateLimits": [limit | {"limit": self._settings.weight_per_minute}, orders],
            "exchangeFilters": [],
        }

    async def _premium_index(self, request: web.Request) -> web.Response:
        if "symbol" in request.query:
            return reply(self._premium(self.instrument(request)))
        return reply(self._premiums(self._market.usdm()))

    def _premium(self, one: Instrument) -> dict[str, Any]:
        return self._rows.rest(self._market.premium_row(one, self._now_ms()))

    def _premiums(self, listed: Iterable[Instrument]) -> list[dict[str, Any]]:
        missing = self._faults.rest_missing
        return [self._premium(one) for one in listed if not among(missing, one.symbol)]

    async def _coin_premium_index(self, request: web.Request) -> web.Response:
        listed = [self.instrument(request)] if "symbol" in request.query else self._market.coinm()
        pair = request.query.get("pair", "")
        return reply(self._premiums(one for one in listed if pair in ("", one.pair)))

    async def _asset_index(self, request: web.Request) -> web.Response:
        rows = [self._market.index_row(one, self._now_ms()) for one in self._market.assets.values()]
        if "symbol" not in request.query:
            return reply(rows)
        for row in rows:
            if row["symbol"] == request.query["symbol"]:
                return reply(row)
        raise RestError(400, -1121)

    async def _trading_schedule(self, _: web.Request) -> web.Response:
        now_ms = self._now_ms()
        first_ms = now_ms - now_ms % _DAY_MS - _DAY_MS
        kind = "NO_TRADING" if self._market.closed else "REGULAR"
        days = [
            {"startTime": open_ms, "endTime": open_ms + _DAY_MS, "type": kind}
            for open_ms in range(first_ms, first_ms + 7 * _DAY_MS, _DAY_MS)
        ]
        markets = {name: {"sessions": days} for name in ("EQUITY", "COMMODITY")}
        return reply({"updateTime": now_ms, "marketSchedules": markets})

    async def _funding_info(self, request: web.Request) -> web.Response:
        listed = self._market.coinm() if request.path.startswith("/dapi/") else self._market.usdm()
        rows = (self._market.funding_row(one) for one in listed)
        return reply([row for row in rows if row is not None])

    async def _klines(self, request: web.Request) -> web.Response:
        one = self.instrument(request)
        minutes = _MINUTES.get(request.query.get("interval", ""))
        if minutes is None:
            raise RestError(400, -1120)
        span_ms = minutes * _MINUTE_MS
        limit = min(number(request, "limit", 500), _MAX_KLINES)
        now_ms = self._now_ms()
        end_ms = min(number(request, "endTime", now_ms), now_ms)
        last_ms = end_ms - end_ms % span_ms
        first_ms = last_ms - (limit - 1) * span_ms
        if "startTime" in request.query:
            # The first candle is the first that opens at or after the given time.
            first_ms = -(-number(request, "startTime", 0) // span_ms) * span_ms
            last_ms = min(last_ms, first_ms + (limit - 1) * span_ms)
        return reply(
            [self._kline(one, open_ms, span_ms, now_ms) for open_ms in range(first_ms, last_ms + 1, span_ms)]
        )

    def _kline(self, one: Instrument, open_ms: int, span_ms: int, now_ms: int) -> list[Any]:
        close_ms = open_ms + span_ms - 1
        newest_ms = min(close_ms, now_ms)
        # Ends and turns are enough: who asks for a day of minutes must not hold up a tick for long.
        seen = self._market.prices_within(one.symbol, open_ms, newest_ms)
        ohlc = [f"{price:f}" for price in (seen[0], max(seen), min(seen), seen[-1])]
        return [open_ms, *ohlc, "0", close_ms, "0", len(seen), "0", "0", "0"]


def tier_rows(
    table: Brackets | None, floor: str = "notionalFloor", cap: str = "notionalCap"
) -> list[dict[str, Any]]:
    """Return the tiers as REST tells them, under the market's names of the bounds."""
    return [
        {
            "bracket": place,
            "initialLeverage": row.leverage,
            cap: json_number(row.cap),
            floor: json_number(row.floor),
            "maintMarginRatio": float(row.rate),
            "cum": json_number(row.amount),
        }
        for place, row in enumerate(() if table is None else table.rows, start=1)
    ]


def contract_event(one: Instrument, event_ms: int) -> dict[str, Any]:
    """Return the event of a contract whose tiers changed."""
    rows = () if one.brackets is None else one.brackets.rows
    lowest = [*(row.leverage + 1 for row in rows[1:]), 1]
    return {
        "e": "contractInfo",
        "E": event_ms,
        "s": one.symbol,
        "ps": one.pair,
        "ct": _contract_type(one),
        "dt": one.delivery_ms,
        "ot": _ONBOARD_MS,
        "cs": "TRADING",
        "bks": [
            {
                "bs": place,
                "bnf": json_number(row.floor),
                "bnc": json_number(row.cap),
                "mmr": float(row.rate),
                "cf": json_number(row.amount),
                "mi": least,
                "ma": row.leverage,
            }
            for place, (row, least) in enumerate(zip(rows, lowest, strict=bool(rows)), start=1)
        ],
        "st": 2 if one.kind == "coinm" else 1,
    }


def json_number(value: Decimal) -> int | float:
    """Return a JSON number, whole if it is."""
    return int(value) if value == value.to_integral_value() else float(value)


def _symbol(one: Instrument) -> dict[str, Any]:
    return _common(one) | {
        "status": "TRADING",
        "marginAsset": one.quote,
        "settlePlan": 0,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": one.tick, "maxPrice": "10000000", "tickSize": one.tick},
            {"filterType": "LOT_SIZE", "minQty": one.step, "maxQty": "10000000", "stepSize": one.step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": one.step, "maxQty": "1000000", "stepSize": one.step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.1500", "multiplierDown": "0.8500",
             "multiplierDecimal": "4"},
        ],
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
    }  # fmt: skip


def _coin_symbol(one: Instrument) -> dict[str, Any]:
    return _common(one) | {
        "contractStatus": "TRADING",
        "contractSize": int(one.contract.size),
        "marginAsset": one.base,
        "quantityPrecision": 0,
        "equalQtyPrecision": 4,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": one.tick, "maxPrice": "10000000", "tickSize": one.tick},
            {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "1000000", "stepSize": "1"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "1", "maxQty": "60000", "stepSize": "1"},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500",
             "multiplierDecimal": "4"},
        ],
        "liquidationFee": "0.010000",
        "marketTakeBound": "0.30",
    }  # fmt: skip


def _common(one: Instrument) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "pair": one.pair,
        "contractType": _contract_type(one),
        "deliveryDate": one.delivery_ms,
        "onboardDate": _ONBOARD_MS,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "pricePrecision": _places(one.tick),
        "quantityPrecision": _places(one.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COMMODITY" if one.kind == "tradfi" else "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _contract_type(one: Instrument) -> str:
    if one.delivered:
        return "CURRENT_QUARTER"
    return "TRADIFI_PERPETUAL" if one.kind == "tradfi" else "PERPETUAL"


def _places(step: str) -> int:
    return len(step.partition(".")[2])
