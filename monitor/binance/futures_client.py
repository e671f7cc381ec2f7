"""python-binance, made to fit: the only module that imports it, and heavy to import.

What is changed: replies come as they are, with their own status and headers, instead of by way of an attribute
that concurrent requests share; signatures carry the injected time; nothing is followed to another host.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import aiohttp

from monitor import __version__
from monitor.binance.keys import Credentials

with warnings.catch_warnings():
    # It touches the legacy half of websockets, which is deprecated; its streams are not used here.
    warnings.simplefilter("ignore", DeprecationWarning)
    from binance.async_client import AsyncClient

TOTAL_TIMEOUT_S = 10.0
RECV_WINDOW_MS = 10_000


class RawReply(NamedTuple):
    """A reply before anybody judged it."""

    status: int
    retry_after: str | None
    used_weight: str | None
    body: bytes


class FuturesClient(AsyncClient):  # type: ignore[misc]  # it has no types
    """The client of one host. Only within a running loop; never by ``create()``, which asks the spot exchange."""

    REQUEST_RECVWINDOW = RECV_WINDOW_MS

    def __init__(
        self,
        base: str,
        credentials: Credentials | None,
        now_ms: Callable[[], int],
        other_bases: Mapping[str, str],
    ) -> None:
        self._now_ms = now_ms
        super().__init__(
            api_key=None if credentials is None else credentials.reveal_key(),
            api_secret=None if credentials is None else credentials.reveal_secret(),
            private_key=None if credentials is None else credentials.reveal_pem() or None,
            requests_params={
                "timeout": aiohttp.ClientTimeout(total=TOTAL_TIMEOUT_S),
                "allow_redirects": False,  # a redirect would take key and signature elsewhere
            },
            session_params={"cookie_jar": aiohttp.DummyCookieJar()},
        )
        self.FUTURES_URL = f"{base}/fapi"
        self.FUTURES_COIN_URL = f"{base}/dapi"
        self.MARGIN_API_URL = f"{other_bases.get('sapi', base)}/sapi"
        self.PAPI_URL = f"{other_bases.get('papi', base)}/papi"

    def _get_headers(self) -> dict[str, str]:
        headers: dict[str, str] = super()._get_headers()
        return headers | {"User-Agent": f"position-monitor/{__version__}"}

    def _generate_signature(self, data: dict[str, Any], uri_encode: bool = True) -> str:  # noqa: FBT001, FBT002
        # The library takes the time from the machine's clock; ours is the injected one, in the exchange's time.
        data["timestamp"] = self._now_ms()
        signature: str = super()._generate_signature(data, uri_encode)
        return signature

    async def _handle_response(self, response: aiohttp.ClientResponse) -> RawReply:
        headers = response.headers
        return RawReply(
            response.status,
            headers.get("Retry-After"),
            headers.get("X-MBX-USED-WEIGHT-1M"),
            await response.read(),
        )
