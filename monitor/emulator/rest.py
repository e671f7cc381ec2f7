"""The REST side: the public endpoints, the tiers, request weights and error bodies."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from aiohttp import web

from monitor.emulator.clock import Clock
from monitor.emulator.faults import Faults
from monitor.emulator.market import Instrument, Market
from monitor.emulator.settings import EmulatorSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_MINUTE_MS = 60_000
_STALE_MS = 3 * 86_400_000  # the demo exchange's exchangeInfo carries a time that is days old
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
_MESSAGES = {-1003: "Too many requests.", -1102: "Mandatory parameter is missing or malformed.",
             -1120: "Invalid interval.", -1121: "Invalid symbol.", -2014: "API-key format invalid."}  # fmt: skip


class _RestError(Exception):
    def __init__(self, status: int, code: int, message: str = "") -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message or _MESSAGES[code]


class RestApi:
    """Answers requests from the market; counts their weight by the minute."""

    def __init__(self, market: Market, faults: Faults, clock: Clock, settings: EmulatorSettings) -> None:
        self._market = market
        self._faults = faults
        self._clock = clock
        self._settings = settings
        self._minute = 0
        self._used = 0
        self.requests = 0

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [
            web.get("/fapi/v1/ping", self._ping),
            web.get("/fapi/v1/time", self._time),
            web.get("/fapi/v1/exchangeInfo", self._exchange_info),
            web.get("/fapi/v1/premiumIndex", self._premium_index),
            web.get("/fapi/v1/markPriceKlines", self._klines),
            web.get("/fapi/v1/leverageBracket", self._leverage_bracket),
        ]

    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Run one handler as the exchange would: faults first, weight counted, errors as JSON with a code."""
        self.requests += 1
        try:
            self._admit(request)
            response = await handler(request)
        except _RestError as error:
            response = _reply({"code": error.code, "msg": error.message}, error.status)
            response.headers.update(self._refusal(error))
        except web.HTTPException as error:
            text = f"Path {request.path}, Method {request.method} is invalid"
            response = _reply({"code": -5000, "msg": text}, error.status)
        response.headers["X-MBX-USED-WEIGHT-1M"] = str(self._used)
        return response

    def _admit(self, request: web.Request) -> None:
        minute = self._clock.wall_ms() // _MINUTE_MS
        if minute != self._minute:
            self._minute, self._used = minute, 0
        status = self._faults.rest(request.path)
        if status:
            raise _RestError(status, -1000, "An unknown error occurred while processing the request.")
        self._used += _weight(request)
        if self._used > self._settings.weight_per_minute:
            raise _RestError(429, -1003)

    def _refusal(self, error: _RestError) -> dict[str, str]:
        if error.code == -1003:  # noqa: PLR2004  the exchange's code for too much weight
            left_ms = _MINUTE_MS - self._clock.wall_ms() % _MINUTE_MS
            return {"Retry-After": str(-(-left_ms // 1000))}
        return self._faults.headers() if self._faults.rest_status else {}

    async def _ping(self, _: web.Request) -> web.Response:
        return _reply({})

    async def _time(self, _: web.Request) -> web.Response:
        return _reply({"serverTime": self._clock.wall_ms()})

    async def _exchange_info(self, _: web.Request) -> web.Response:
        listed = self._market.usdm()
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        orders = {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200}
        return _reply(
            {
                "timezone": "UTC",
                "serverTime": self._clock.wall_ms() - _STALE_MS,
                "futuresType": "U_MARGINED",
                "rateLimits": [limit | {"limit": self._settings.weight_per_minute}, orders],
                "exchangeFilters": [],
                "assets": [
                    {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"}
                    for asset in sorted({one.quote for one in listed})
                ],
                "symbols": [_symbol(one) for one in listed],
            }
        )

    async def _premium_index(self, request: web.Request) -> web.Response:
        now_ms = self._clock.wall_ms()
        if "symbol" in request.query:
            return _reply(self._market.premium_row(self._instrument(request), now_ms))
        return _reply([self._market.premium_row(one, now_ms) for one in self._market.usdm()])

    async def _leverage_bracket(self, request: web.Request) -> web.Response:
        if not request.headers.get("X-MBX-APIKEY"):
            raise _RestError(401, -2014)
        if "symbol" not in request.query:
            return _reply([_tiers(one) for one in self._market.usdm()])
        tiers = _tiers(self._instrument(request))
        return _reply([tiers] if self._settings.bracket_as_list else tiers)

    async def _klines(self, request: web.Request) -> web.Response:
        one = self._instrument(request)
        minutes = _MINUTES.get(request.query.get("interval", ""))
        if minutes is None:
            raise _RestError(400, -1120)
        span_ms = minutes * _MINUTE_MS
        limit = min(_number(request, "limit", 500), _MAX_KLINES)
        now_ms = self._clock.wall_ms()
        end_ms = min(_number(request, "endTime", now_ms), now_ms)
        last_ms = end_ms - end_ms % span_ms
        first_ms = last_ms - (limit - 1) * span_ms
        if "startTime" in request.query:
            # The first candle is the first that opens at or after the given time.
            first_ms = -(-_number(request, "startTime", 0) // span_ms) * span_ms
            last_ms = min(last_ms, first_ms + (limit - 1) * span_ms)
        return _reply(
            [self._kline(one, open_ms, span_ms, now_ms) for open_ms in range(first_ms, last_ms + 1, span_ms)]
        )

    def _kline(self, one: Instrument, open_ms: int, span_ms: int, now_ms: int) -> list[Any]:
        close_ms = open_ms + span_ms - 1
        newest_ms = min(close_ms, now_ms)
        times = [open_ms, *(open_ms + (newest_ms - open_ms) * k // 4 for k in (1, 2, 3)), newest_ms]
        seen = [self._market.price_at(one.symbol, at_ms) for at_ms in times]
        ohlc = [f"{price:f}" for price in (seen[0], max(seen), min(seen), seen[-1])]
        return [open_ms, *ohlc, "0", close_ms, "0", len(seen), "0", "0", "0"]

    def _instrument(self, request: web.Request) -> Instrument:
        if not request.query.get("symbol"):
            raise _RestError(400, -1102)
        one = self._market.instruments.get(request.query["symbol"])
        if one is None or one.kind == "coinm":
            raise _RestError(400, -1121)
        return one


def _weight(request: web.Request) -> int:
    if request.path.endswith("/premiumIndex"):
        return 1 if "symbol" in request.query else 10
    if request.path.endswith("/markPriceKlines"):
        limit = _number(request, "limit", 500)
        return 1 + sum(step for least, step in ((100, 1), (500, 3), (1001, 5)) if limit >= least)
    return 1


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise _RestError(400, -1102)
    return int(text)


def _symbol(one: Instrument) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "pair": one.symbol,
        "contractType": "TRADIFI_PERPETUAL" if one.kind == "tradfi" else "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_598_252_400_000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": one.quote,
        "marginAsset": one.quote,
        "pricePrecision": _places(one.tick),
        "quantityPrecision": _places(one.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": one.tick, "maxPrice": "10000000", "tickSize": one.tick},
            {"filterType": "LOT_SIZE", "minQty": one.step, "maxQty": "10000000", "stepSize": one.step},
            {"filterType": "MARKET_LOT_SIZE", "minQty": one.step, "maxQty": "1000000", "stepSize": one.step},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {"filterType": "PERCENT_PRICE", "multiplierUp": "1.1500", "multiplierDown": "0.8500",
             "multiplierDecimal": "4"},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
    }  # fmt: skip


def _tiers(one: Instrument) -> dict[str, Any]:
    rows = one.brackets.rows if one.brackets is not None else ()
    return {
        "symbol": one.symbol,
        "brackets": [
            {
                "bracket": number,
                "initialLeverage": row.leverage,
                "notionalCap": _json_number(row.cap),
                "notionalFloor": _json_number(row.floor),
                "maintMarginRatio": float(row.rate),
                "cum": float(row.amount),
            }
            for number, row in enumerate(rows, start=1)
        ],
    }


def _json_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _places(step: str) -> int:
    return len(step.partition(".")[2])


def _reply(body: object, status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(body, separators=(",", ":")), status=status, content_type="application/json"
    )
