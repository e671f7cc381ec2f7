"""The signed endpoints of both markets, and the listen keys."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from monitor.emulator.faults import Faults
from monitor.emulator.gate import Gate, MarketName
from monitor.emulator.holdings import OperationError
from monitor.emulator.listenkeys import ListenKeys
from monitor.emulator.live import LiveAccount
from monitor.emulator.rest_errors import RestError, number, reply
from monitor.emulator.rest_public import tier_rows
from monitor.emulator.settings import EmulatorSettings
from monitor.emulator.views import View
from monitor.emulator.views_coinm import CoinView

Answer = Callable[[web.Request, LiveAccount], Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DAY_MS = 86_400_000


class AccountApi:
    """What only the owner of a key may read."""

    def __init__(
        self, gate: Gate, keys: ListenKeys, faults: Faults, settings: EmulatorSettings, now_ms: Callable[[], int]
    ) -> None:
        self._gate = gate
        self._keys = keys
        self._faults = faults
        self._settings = settings
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        usdm: dict[str, Answer] = {
            "v3/account": lambda _, account: self._view(account).account_v3(),
            "v3/balance": lambda _, account: self._view(account).balance(),
            "v3/positionRisk": self._position_risk,
            "v2/positionRisk": self._position_risk_v2,
            "v1/accountConfig": lambda _, account: _account_config(account),
            "v1/symbolConfig": self._symbol_config,
            "v1/leverageBracket": self._leverage_bracket,
            "v1/multiAssetsMargin": lambda _, account: {"multiAssetsMargin": account.account.multi_assets},
        }
        coinm: dict[str, Answer] = {
            "v1/account": lambda _, account: self._coin_view(account).account_row(),
            "v1/balance": lambda _, account: self._coin_view(account).balance(),
            "v1/positionRisk": self._coin_position_risk,
            "v2/leverageBracket": self._leverage_bracket,
        }
        both: dict[str, Answer] = {
            "v1/positionSide/dual": lambda _, account: {"dualSidePosition": account.account.hedge_mode},
            "v1/openOrders": self._open_orders,
            "v1/openAlgoOrders": self._open_algo_orders,
            "v1/forceOrders": self._force_orders,
            "v1/income": self._income,
            "v1/adlQuantile": self._adl,
        }
        found = [web.get(f"/fapi/{path}", self._signed(answer, "usdm")) for path, answer in (usdm | both).items()]
        found += [
            web.get(f"/dapi/{path}", self._signed(answer, "coinm")) for path, answer in (coinm | both).items()
        ]
        for prefix, market in (("fapi", "usdm"), ("dapi", "coinm")):
            found.append(
                web.route(
                    "*", f"/{prefix}/v1/listenKey", self._listen_key("usdm" if market == "usdm" else "coinm")
                )
            )
        found.append(web.get("/sapi/v1/account/apiRestrictions", self._signed(_restrictions, None)))
        return found

    def _signed(self, answer: Answer, market: MarketName | None) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return reply(answer(request, self._gate.signed(request, market)))
            except OperationError:  # a symbol that is not traded
                raise RestError(400, -1121) from None

        return handle

    def _listen_key(self, market: MarketName) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            name, now_ms = self._gate.by_key(request, market).name, self._now_ms() - self._faults.skew_ms
            if request.method == "POST":
                return reply({"listenKey": self._keys.create(name, now_ms)})
            if request.method == "PUT":
                if not self._keys.keep_alive(name, now_ms):
                    raise RestError(400, -1125)
                return reply({"listenKey": self._keys.of(name, now_ms)})
            if request.method == "DELETE":
                self._keys.close(name)
                return reply({})
            raise web.HTTPMethodNotAllowed(request.method, ("POST", "PUT", "DELETE"))

        return handle

    def _view(self, account: LiveAccount) -> View:
        return View(account, self._faults.rest_brackets)

    def _coin_view(self, account: LiveAccount) -> CoinView:
        return CoinView(account, self._faults.rest_brackets)

    def _position_risk(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        view = self._view(account)
        return [view.position_risk(line) for line in view.lines(_symbol(request, account))]

    def _position_risk_v2(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        view = self._view(account)
        return [view.position_risk_v2(line) for line in view.lines(_symbol(request, account), every=True)]

    def _coin_position_risk(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        view = self._coin_view(account)
        asset, pair = request.query.get("marginAsset", ""), request.query.get("pair", "")
        return [
            view.position_risk_row(line)
            for line in view.lines(every=True)
            if asset in ("", line.holding.contract.asset)
            and pair in ("", account.instrument(line.holding.contract.symbol).pair)
        ]

    def _symbol_config(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        wanted, view = _symbol(request, account), self._view(account)
        return [view.symbol_config(one.symbol) for one in account.instruments() if wanted in ("", one.symbol)]

    def _leverage_bracket(self, request: web.Request, account: LiveAccount) -> Any:  # noqa: ANN401  object or list
        wanted = _symbol(request, account)
        rows = [self._tiers(account, one.symbol) for one in account.instruments() if wanted in ("", one.symbol)]
        as_list = self._settings.bracket_as_list or not wanted
        return rows if as_list else rows[0]

    def _tiers(self, account: LiveAccount, symbol: str) -> dict[str, Any]:
        coefficient = account.account.notional_coef.get(symbol)
        adjusted = coefficient is not None and self._settings.coefficient_applied
        table = account.brackets(symbol) if adjusted else account.instrument(symbol).brackets
        coinm = account.account.market == "coinm"
        row: dict[str, Any] = {"symbol": symbol}
        if coefficient is not None:
            row["notionalCoef"] = float(coefficient)
        names = ("qtylFloor", "qtyCap") if coinm else ("notionalFloor", "notionalCap")
        return row | {"brackets": tier_rows(table, *names)}

    def _open_orders(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        wanted = _symbol(request, account)
        return [one.open_row() for one in account.orders.values() if wanted in ("", one.symbol)]

    def _open_algo_orders(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        wanted = _symbol(request, account)
        return [one.row() for one in account.algos.values() if wanted in ("", one.symbol)]

    def _force_orders(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        wanted, kind = _symbol(request, account), request.query.get("autoCloseType", "")
        marks = {"LIQUIDATION": "autoclose-", "ADL": "adl_"}
        found = [
            one
            for one in account.forced
            if wanted in ("", one.symbol) and one.client.startswith(marks.get(kind, ""))
        ]
        timed = self._between(request, ((one.updated_ms, one.force_row()) for one in found))
        return timed[: number(request, "limit", 50)]

    def _income(self, request: web.Request, account: LiveAccount) -> list[dict[str, Any]]:
        wanted, kind = request.query.get("symbol", ""), request.query.get("incomeType", "")
        found = [one for one in account.incomes if wanted in ("", one.symbol) and kind in ("", one.kind)]
        return self._between(request, ((one.time_ms, one.row()) for one in found))[: number(request, "limit", 100)]

    def _adl(self, request: web.Request, account: LiveAccount) -> Any:  # noqa: ANN401  object or list
        wanted = _symbol(request, account)
        rows = [row for row in self._view(account).adl() if wanted in ("", row["symbol"])]
        return rows[0] if wanted and rows else rows

    def _between(self, request: web.Request, rows: Iterable[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the rows of the asked time, seven days if none is asked for, oldest first."""
        end_ms = number(request, "endTime", self._now_ms() + _DAY_MS)
        first_ms = number(request, "startTime", end_ms - 8 * _DAY_MS)
        return [row for at_ms, row in rows if first_ms <= at_ms <= end_ms]


def _symbol(request: web.Request, account: LiveAccount) -> str:
    """Return the symbol asked for, or an empty text; OperationError if it is not traded."""
    symbol = request.query.get("symbol", "")
    if symbol:
        account.instrument(symbol)
    return symbol


def _account_config(account: LiveAccount) -> dict[str, Any]:
    state = account.account
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": state.hedge_mode,
        "updateTime": 0,
        "multiAssetsMargin": state.multi_assets,
        "tradeGroupId": -1,
    }


def _restrictions(_: web.Request, account: LiveAccount) -> dict[str, Any]:
    may = account.account.permissions
    return {
        "ipRestrict": may.ip_restricted,
        "createTime": 1_598_252_400_000,
        "enableReading": may.reading,
        "enableSpotAndMarginTrading": may.spot,
        "enableWithdrawals": may.withdrawals,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": may.futures,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enablePortfolioMarginTrading": False,
    }
