"""Somebody else's client, unmodified, understands the emulator."""

import time  # noqa: TID251  what the library itself reads
import warnings

import pytest

from tests.conftest import ManualClock
from tests.emulator.conftest import Json, Start


def client_class() -> Json:
    """Return python-binance's client, or skip where it is absent."""
    with warnings.catch_warnings():
        # It imports the legacy half of the websockets library, which warns; its streams are not used here.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return pytest.importorskip("binance").AsyncClient


async def test_python_binance_reads_time_marks_and_rules(start: Start, clock: ManualClock) -> None:
    """Only the address is changed; the library's own parsing and error check do the rest."""
    emulator = await start()
    await emulator.step()
    client = client_class()("key", "secret")
    client.FUTURES_URL = f"{emulator.base_http}/fapi"
    client.timestamp_offset = clock.wall_ms() - int(time.time() * 1000)
    try:
        assert await client.futures_time() == {"serverTime": clock.wall_ms()}
        assert (await client.futures_mark_price(symbol="BTCUSDT"))["markPrice"] == "60000.00000000"
        assert len(await client.futures_mark_price()) == 3
        assert (await client.futures_exchange_info())["symbols"][0]["symbol"] == "BTCUSDT"
        # It signs this request and sends the key.
        assert (await client.futures_leverage_bracket(symbol="BTCUSDT"))["brackets"][0]["notionalFloor"] == 0
        assert len(await client.futures_mark_price_klines(symbol="BTCUSDT", interval="1m", limit=3)) == 3
    finally:
        await client.close_connection()
