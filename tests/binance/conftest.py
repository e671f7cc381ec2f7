"""What tests of the exchange side share: stream servers on loopback, which no proxy stands before."""

from collections.abc import AsyncIterator

import pytest

from tests.binance.stand_in import StandIn


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy", "socks_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def first() -> AsyncIterator[StandIn]:
    async with StandIn() as server:
        yield server


@pytest.fixture
async def second() -> AsyncIterator[StandIn]:
    async with StandIn() as server:
        yield server
