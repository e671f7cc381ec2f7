"""Who is let in, over real sockets."""

import dataclasses
from collections.abc import Callable

import pytest

from monitor.emulator.credentials import Permissions
from tests.conftest import ManualClock
from tests.emulator.accounts import account_scenario, contract
from tests.emulator.conftest import Owner, Start

Own = Callable[..., Owner]

PATH = "/fapi/v1/accountConfig"


async def test_a_signed_request_is_answered(start: Start, owner: Own) -> None:
    """With key, time and signature; the same key reads the other market's account there."""
    one = owner(await start(account_scenario()))
    assert (await one.get(PATH))["multiAssetsMargin"] is False
    assert (await one.get("/dapi/v1/balance"))[0]["asset"] == "BTC"


@pytest.mark.parametrize(
    ("query", "key", "answer"),
    [
        ("timestamp={now}&signature=00", "", (401, -2014)),
        ("timestamp={now}&signature=00", "no key!", (401, -2014)),
        ("timestamp={now}&signature=00", "stranger", (401, -2015)),
        ("timestamp={now}&signature=00", "key", (400, -1022)),
        ("signature=00&timestamp={now}", "key", (400, -1022)),
        ("timestamp={now}", "key", (400, -1102)),
        ("signature=00", "key", (400, -1102)),
        ("recvWindow=60001&timestamp={now}&signature=00", "key", (400, -1102)),
    ],
)
async def test_each_mistake_has_its_code(
    start: Start, owner: Own, query: str, key: str, answer: tuple[int, int]
) -> None:
    """No key, an unknown one, a wrong signature, one that is not last, a missing time, too wide a window."""
    emulator = await start(account_scenario())
    one = owner(emulator)
    body = await one.raw("GET", f"{PATH}?{query.format(now=emulator.rest.now_ms())}", key)
    assert (one.status, body["code"]) == answer
    assert body["msg"]


async def test_the_signature_covers_every_byte_before_it(start: Start, owner: Own) -> None:
    """A symbol outside ASCII is signed percent-encoded, as it travels."""
    scenario = account_scenario()
    coin = contract("币USDT", "币", "1")
    one = owner(await start(dataclasses.replace(scenario, instruments=(*scenario.instruments, coin))))
    (row,) = await one.get("/fapi/v1/symbolConfig", symbol="%E5%B8%81USDT")
    assert row["symbol"] == "币USDT"
    refused = await one.get("/fapi/v1/openOrders", symbol="%E5%B8%82USDT")
    assert refused["code"] == -1121  # signed well, traded not


@pytest.mark.parametrize(
    ("ahead_ms", "text"),
    [
        (999, ""),
        (1000, "Timestamp for this request was 1000ms ahead of the server's time."),
        (-5000, ""),
        (-5001, "Timestamp for this request is outside of the recvWindow."),
    ],
)
async def test_the_window_of_time(start: Start, owner: Own, clock: ManualClock, ahead_ms: int, text: str) -> None:
    """Less than a second ahead, at most the window behind, by the exchange's clock wherever it stands."""
    for skew_ms in (0, 3000):
        emulator = await start(account_scenario())
        emulator.faults.skew_ms = skew_ms
        body = await owner(emulator).get(PATH, at_ms=clock.wall_ms() + skew_ms + ahead_ms)
        assert (body.get("code"), body.get("msg", "")) == ((-1021, text) if text else (None, ""))


async def test_a_wider_window(start: Start, owner: Own, clock: ManualClock) -> None:
    """The sender may ask for up to a minute."""
    one = owner(await start(account_scenario()))
    assert "feeTier" in await one.get(PATH, at_ms=clock.wall_ms() - 60_000, recvWindow="60000")


async def test_a_key_that_may_not_read(start: Start, owner: Own) -> None:
    """Without the permission a key is as good as unknown."""
    scenario = account_scenario()
    blind = dataclasses.replace(scenario.accounts[0], permissions=Permissions(reading=False))
    one = owner(await start(dataclasses.replace(scenario, accounts=(blind,))))
    assert (await one.get(PATH))["code"] == -2015
