"""Who may read what: API key, time window and signature of a request."""

import re
from collections.abc import Callable, Mapping
from typing import Literal

from aiohttp import web

from monitor.emulator.credentials import Credentials
from monitor.emulator.live import LiveAccount
from monitor.emulator.rest_errors import RestError, missing

MarketName = Literal["usdm", "coinm"]

_AHEAD_MS = 1000
_WINDOW_MS = 5000
_WIDEST_MS = 60_000
_KEY_FORM = re.compile(r"[A-Za-z0-9_-]+")


class Gate:
    """Finds the account a request is for, or refuses."""

    def __init__(self, accounts: Mapping[str, LiveAccount], now_ms: Callable[[], int]) -> None:
        self._accounts = accounts
        self._now_ms = now_ms

    def by_key(self, request: web.Request, market: MarketName | None) -> LiveAccount:
        """Return the account of a key on a market, or on any, without a signature.

        Raises:
            RestError: -2014 no key or one that cannot be; -2015 unknown, or without permission.
        """
        return self._find(request, market)[0]

    def signed(self, request: web.Request, market: MarketName | None) -> LiveAccount:
        """Return the account of a signed request.

        Raises:
            RestError: as above; -1102 without a time or signature, -1021 out of the window, -1022 not signed so.
        """
        account, credentials = self._find(request, market)
        self._check_time(request)
        # The signature covers everything before it, as it was sent.
        payload, mark, signature = request.raw_path.partition("?")[2].rpartition("&signature=")
        if not mark and "signature" not in request.query:
            raise missing("signature")
        if not mark or not credentials.signed(payload, signature):
            raise RestError(400, -1022)
        return account

    def _find(self, request: web.Request, market: MarketName | None) -> tuple[LiveAccount, Credentials]:
        key = request.headers.get("X-MBX-APIKEY", "")
        if not _KEY_FORM.fullmatch(key):
            raise RestError(401, -2014)
        for live in self._accounts.values():
            account = live.account
            credentials = account.credentials
            if credentials is not None and credentials.api_key == key and market in (None, account.market):
                if not account.permissions.reading:
                    break
                return live, credentials
        raise RestError(401, -2015)

    def _check_time(self, request: web.Request) -> None:
        sent, window = request.query.get("timestamp", ""), request.query.get("recvWindow", str(_WINDOW_MS))
        if not sent.isdecimal():
            raise missing("timestamp")
        if not window.isdecimal() or int(window) > _WIDEST_MS:
            raise RestError(400, -1102, "Parameter 'recvWindow' is malformed.")
        now_ms = self._now_ms()
        if int(sent) >= now_ms + _AHEAD_MS:
            text = f"Timestamp for this request was {_AHEAD_MS}ms ahead of the server's time."
            raise RestError(400, -1021, text)
        if now_ms - int(sent) > int(window):
            raise RestError(400, -1021, "Timestamp for this request is outside of the recvWindow.")
