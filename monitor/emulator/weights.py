"""Request weights: what each endpoint costs, and the count by the minute that all of them share."""

from collections.abc import Callable

from aiohttp import web

from monitor.emulator.rest_errors import TOO_MANY, RestError, number

_MINUTE_MS = 60_000

# Weight with a symbol and without; whatever is not here costs 1.
_WEIGHTS: dict[str, tuple[int, int]] = {
    "/fapi/v1/premiumIndex": (1, 10),
    "/fapi/v1/assetIndex": (1, 10),
    "/fapi/v1/fundingInfo": (0, 0),
    "/fapi/v1/tradingSchedule": (5, 5),
    "/fapi/v2/positionRisk": (5, 5),
    "/fapi/v3/positionRisk": (5, 5),
    "/fapi/v3/account": (5, 5),
    "/fapi/v3/balance": (5, 5),
    "/fapi/v1/accountConfig": (5, 5),
    "/fapi/v1/symbolConfig": (5, 5),
    "/fapi/v1/adlQuantile": (5, 5),
    "/fapi/v1/positionSide/dual": (30, 30),
    "/fapi/v1/multiAssetsMargin": (30, 30),
    "/fapi/v1/income": (30, 30),
    "/fapi/v1/forceOrders": (20, 50),
    "/fapi/v1/openOrders": (1, 40),
    "/fapi/v1/openAlgoOrders": (1, 40),
    "/dapi/v1/premiumIndex": (10, 10),
    "/dapi/v1/account": (5, 5),
    "/dapi/v2/leverageBracket": (1, 2),
    "/dapi/v1/adlQuantile": (5, 5),
    "/dapi/v1/positionSide/dual": (30, 30),
    "/dapi/v1/income": (20, 20),
    "/dapi/v1/forceOrders": (20, 50),
    "/dapi/v1/openOrders": (1, 40),
    "/dapi/v1/openAlgoOrders": (1, 40),
    "/sapi/v1/account/apiRestrictions": (0, 0),  # another host's budget
}
_CANDLES = ((100, 1), (500, 3), (1001, 5))  # from so many candles on, so much more


class Meter:
    """The used weight of each address in the present minute; both markets draw on one budget."""

    def __init__(self, limit: int, now_ms: Callable[[], int]) -> None:
        self._limit = limit
        self._now_ms = now_ms
        self._minute = 0
        self._used: dict[str, int] = {}

    def used(self, request: web.Request) -> int:
        """Return what the sender of a request has used."""
        self._turn()
        return self._used.get(request.remote or "", 0)

    def charge(self, request: web.Request) -> None:
        """Count a request.

        Raises:
            RestError: 429, more than the limit.
        """
        used = self.used(request) + weight(request)
        self._used[request.remote or ""] = used
        if used > self._limit:
            raise RestError(429, TOO_MANY)

    def left_s(self) -> int:
        """Return seconds until the count begins anew, rounded up."""
        return -(-(_MINUTE_MS - self._now_ms() % _MINUTE_MS) // 1000)

    def _turn(self) -> None:
        minute = self._now_ms() // _MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._used.clear()


def weight(request: web.Request) -> int:
    """Return what a request costs; RestError for candles without a number."""
    if request.path.endswith("/markPriceKlines"):
        limit = number(request, "limit", 500)
        return 1 + sum(step for least, step in _CANDLES if limit >= least)
    with_symbol, without = _WEIGHTS.get(request.path, (1, 1))
    return with_symbol if "symbol" in request.query else without
