"""Market data that is wrong on its way to the client, seen by a plain one; without the fault all is well again."""

import asyncio
import json
from decimal import Decimal
from random import Random

import aiohttp
import pytest
import websockets

from monitor.emulator.faults import EVERY, Faults, Malformed
from monitor.emulator.server import Emulator
from monitor.emulator.stream_faults import FrameFaults
from tests.conftest import ManualClock
from tests.emulator.accounts import account_scenario
from tests.emulator.conftest import Json, Start
from tests.emulator.stages import BTC, ETH, all_heard, heard, listening


@pytest.fixture
async def emulator(start: Start) -> Emulator:
    one = await start()
    await one.step()
    return one


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311  repeatable, not secret


async def later(emulator: Emulator, clock: ManualClock, seconds: float = 1) -> None:
    await clock.advance(seconds)
    await emulator.step()


async def marks(session: aiohttp.ClientSession, emulator: Emulator) -> dict[str, Json]:
    """Return the rows of REST by symbol."""
    async with session.get(f"{emulator.base_http}/fapi/v1/premiumIndex") as response:
        return {row["symbol"]: row for row in await response.json()}


async def test_a_stuck_price(emulator: Emulator, clock: ManualClock, session: aiohttp.ClientSession) -> None:
    """Its event times go on and its price does not, on every stream, while REST moves; then it moves again."""
    async with listening(emulator.base_market_ws, BTC, "!markPrice@arr@1s") as one:
        emulator.faults.stuck = {"BTCUSDT"}
        await later(emulator, clock)
        first, array, _ = await all_heard(one)
        await later(emulator, clock)
        second, array, _ = await all_heard(one)
        assert (first["p"], second["p"]) == ("60100.00000000", "60100.00000000")
        assert (first["i"], second["E"] - first["E"]) == (second["i"], 1000)
        assert [row["p"] for row in array] == ["60100.00000000", "2500.50000000", "60200.00000000"]
        assert (await marks(session, emulator))["BTCUSDT"]["markPrice"] == "60200.00000000"
        emulator.faults.stuck = set()
        await later(emulator, clock)
        assert (await all_heard(one))[0]["p"] == "60300.00000000"
        emulator.faults.stuck = {EVERY}  # from a new price on, not from the old one
        await later(emulator, clock)
        await later(emulator, clock)
        assert [event["p"] for event in await all_heard(one) if isinstance(event, dict)] == ["60400.00000000"] * 2


async def test_a_frozen_symbol(emulator: Emulator, clock: ManualClock, session: aiohttp.ClientSession) -> None:
    """The same event comes again and again, old time included; others and REST go on."""
    async with listening(emulator.base_market_ws, BTC, ETH) as one:
        emulator.faults.frozen = {"BTCUSDT"}
        for _ in range(2):
            await later(emulator, clock)
        first, other, second, another = await all_heard(one)
        assert first == second
        assert another["E"] - other["E"] == 1000
        assert (await marks(session, emulator))["BTCUSDT"]["time"] == clock.wall_ms()
        emulator.faults.frozen = set()
        await later(emulator, clock)
        assert (await heard(one))["E"] == clock.wall_ms()


async def test_a_price_elsewhere(emulator: Emulator, clock: ManualClock, session: aiohttp.ClientSession) -> None:
    """A stream is off by a factor, and so can REST be, each without the other."""
    async with listening(emulator.base_market_ws, BTC) as one:
        emulator.faults.offset = {"BTCUSDT": Decimal("1.1")}
        await later(emulator, clock)
        assert (await heard(one))["p"] == "66110.00000000"
        assert (await marks(session, emulator))["BTCUSDT"]["markPrice"] == "60100.00000000"
        emulator.faults.offset = {}
        emulator.faults.rest_offset = {EVERY: Decimal("0.5")}
        await later(emulator, clock)
        assert (await heard(one))["p"] == "60200.00000000"
        assert (await marks(session, emulator))["BTCUSDT"]["markPrice"] == "30100.00000000"


async def test_marks_of_rest_can_stand_still(
    emulator: Emulator, clock: ManualClock, session: aiohttp.ClientSession
) -> None:
    """With their time going on, or not; a symbol can be missing; the stream is right all the while."""
    faults, begun = emulator.faults, clock.wall_ms()
    faults.rest_stuck, faults.rest_frozen, faults.rest_missing = {"BTCUSDT"}, {"ETHUSDT"}, {"XAUUSDT"}
    await marks(session, emulator)
    async with listening(emulator.base_market_ws, BTC) as one:
        await later(emulator, clock)
        assert (await heard(one))["p"] == "60100.00000000"
    rows = await marks(session, emulator)
    assert (rows["BTCUSDT"]["markPrice"], rows["BTCUSDT"]["time"]) == ("60000.00000000", begun + 1000)
    assert rows["ETHUSDT"]["time"] == begun
    assert "XAUUSDT" not in rows
    faults.heal()
    await later(emulator, clock)
    rows = await marks(session, emulator)
    assert {(row["time"], row["symbol"]) for row in rows.values()} == {
        (begun + 2000, name) for name in ("BTCUSDT", "ETHUSDT", "XAUUSDT")
    }
    assert rows["BTCUSDT"]["markPrice"] == "60200.00000000"


async def test_an_index_can_be_muted_and_stuck(start: Start, clock: ManualClock) -> None:
    """Collateral indices have the same faults under the names they have on the stream."""
    emulator = await start(account_scenario())
    async with listening(emulator.base_market_ws, "!assetIndex@arr") as one:
        emulator.faults.muted = {"USDTUSD"}
        emulator.faults.stuck = {"BTCUSD"}
        await emulator.step()
        emulator.market.set_index("BTC", 50_000)
        await later(emulator, clock)
        first, second = await all_heard(one)
        assert [row["s"] for row in first] == ["BTCUSD"]
        assert [row["i"] for row in first + second] == ["60000.00000000"] * 2


async def test_duplicates_and_lost_frames(emulator: Emulator, clock: ManualClock) -> None:
    """Each frame comes so many times more; a share of frames is lost, drawn from the seed."""
    async with listening(emulator.base_market_ws, BTC) as one:
        emulator.faults.duplicates = 2
        await later(emulator, clock)
        first, *more = await all_heard(one)
        assert more == [first, first]
        emulator.faults.duplicates = 0
        emulator.faults.drop_share = 0.5
        emulator.faults.random = seeded(3)
        for _ in range(20):
            await later(emulator, clock)
        draw = seeded(3)
        expected = sum(draw.random() >= 0.5 for _ in range(20))
        assert 5 < expected < 15
        assert len(await all_heard(one)) == expected


async def test_order_can_change(emulator: Emulator, clock: ManualClock) -> None:
    """A window of ticks is held back and sent with its newest first; none is lost; health ends the window."""
    async with listening(emulator.base_market_ws, BTC) as one:
        emulator.faults.reorder = 3
        begun = clock.wall_ms()
        for tick in range(1, 6):
            await later(emulator, clock)
            if tick == 2:
                assert await all_heard(one) == []
        times = [event["E"] - begun for event in await all_heard(one)]
        assert times[0] == 3000
        assert sorted(times) == [1000, 2000, 3000]
        emulator.faults.reorder = 0
        await later(emulator, clock)
        assert [event["E"] - begun for event in await all_heard(one)] == [4000, 5000, 6000]


async def test_gaps(emulator: Emulator, clock: ManualClock) -> None:
    """So many ticks with data, so many without."""
    async with listening(emulator.base_market_ws, BTC) as one:
        begun = clock.wall_ms()
        emulator.faults.gaps = (2, 3)  # the emulator's first tick is over
        for _ in range(7):
            await later(emulator, clock)
        assert [event["E"] - begun for event in await all_heard(one)] == [1000, 5000, 6000]


async def test_pings_without_data(emulator: Emulator, clock: ManualClock, session: aiohttp.ClientSession) -> None:
    """A ping at every tick, no price, and the connection lives on."""
    async with session.ws_connect(f"{emulator.base_market_ws}/ws/{BTC}", autoping=False) as one:
        emulator.faults.ping_only = True
        for _ in range(3):
            await later(emulator, clock)
            assert (await one.receive(timeout=60)).type is aiohttp.WSMsgType.PING
        emulator.faults.ping_only = False
        await later(emulator, clock)
        assert (await one.receive_json(timeout=60))["s"] == "BTCUSDT"


async def test_requests_without_an_answer(emulator: Emulator, clock: ManualClock) -> None:
    """A subscription never acknowledged works, one that is refused does not; a deaf exchange only talks."""
    ask = '{"method":"SUBSCRIBE","params":["ethusdt@markPrice@1s"],"id":1}'
    async with listening(emulator.base_market_ws, BTC) as one:
        emulator.faults.ack_refused = True
        await one.send(ask)
        assert (await heard(one))["code"] == 2
        emulator.faults.heal()
        emulator.faults.ack_lost = True
        await one.send(ask)
        async with asyncio.timeout(60):
            await (await one.ping())  # what was sent before has been read
        await later(emulator, clock)
        assert [(await heard(one))["s"] for _ in range(2)] == ["BTCUSDT", "ETHUSDT"]
        emulator.faults.heal()
        emulator.faults.deaf = True
        pong = await one.ping()
        await later(emulator, clock)
        assert (await heard(one))["s"] == "BTCUSDT"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 0.02)


BAD_VALUES = {
    Malformed.NAN: ("p", "NaN"),
    Malformed.INFINITE: ("p", "Infinity"),
    Malformed.NEGATIVE: ("p", "-1.00000000"),
    Malformed.ZERO: ("ap", "0.00000000"),
    Malformed.TEXT: ("i", "unavailable"),
    Malformed.UNKNOWN: ("s", "NOSUCHBTCUSDT"),
}


@pytest.mark.parametrize("kind", BAD_VALUES)
async def test_a_malformed_value(emulator: Emulator, clock: ManualClock, kind: Malformed) -> None:
    """Every second frame has it, wrapped as any other; the frames between are well."""
    key, value = BAD_VALUES[kind]
    async with listening(emulator.base_market_ws, BTC) as one:
        await one.send('{"method":"SET_PROPERTY","params":["combined",true],"id":1}')
        await heard(one)
        emulator.faults.malformed, emulator.faults.malformed_every = (kind,), 2
        for _ in range(2):
            await later(emulator, clock)
        good, bad = (event["data"] for event in await all_heard(one))
        assert (good["s"], good["p"]) == ("BTCUSDT", "60100.00000000")
        assert bad[key] == value


async def test_a_frame_from_the_future(emulator: Emulator, clock: ManualClock) -> None:
    """Its event time is a year ahead, in every row of an array."""
    async with listening(emulator.base_market_ws, "!markPrice@arr@1s") as one:
        emulator.faults.malformed, emulator.faults.malformed_every = (Malformed.FUTURE,), 1
        await later(emulator, clock)
        array = await heard(one)
        assert {row["E"] - clock.wall_ms() for row in array} == {365 * 86_400_000}


async def test_broken_frames(emulator: Emulator, clock: ManualClock) -> None:
    """Half a frame, a page, another shape, nothing and bytes come in turn, then a price again."""
    kinds = (Malformed.TRUNCATED, Malformed.NOT_JSON, Malformed.WRONG_SHAPE, Malformed.EMPTY, Malformed.BINARY)
    async with listening(emulator.base_market_ws, BTC) as one:
        emulator.faults.malformed, emulator.faults.malformed_every = kinds, 1
        for _ in kinds:
            await later(emulator, clock)
        half, page, shape, empty, binary = [await one.recv() for _ in kinds]
        for text in (half, page, empty):
            with pytest.raises(ValueError, match="line 1"):
                json.loads(text)
        assert json.loads(shape)["s"] == 7
        assert isinstance(binary, bytes)
        emulator.faults.heal()
        await later(emulator, clock)
        assert (await heard(one))["s"] == "BTCUSDT"


async def test_a_huge_frame(emulator: Emulator, clock: ManualClock) -> None:
    """It is longer than a client with usual limits takes: that one closes."""
    async with listening(emulator.base_market_ws, BTC) as one:
        emulator.faults.malformed, emulator.faults.malformed_every = (Malformed.HUGE,), 1
        await later(emulator, clock)
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            await heard(one)
        assert caught.value.sent is not None
        assert caught.value.sent.code == 1009


def test_chance_is_seeded() -> None:
    """The same seed loses and orders the same frames, another one others."""

    def told(seed: int) -> list[str | bytes]:
        faults = Faults(drop_share=0.3, reorder=4, malformed_every=5, random=seeded(seed))
        one, frames = FrameFaults(faults), [[(BTC, f'{{"E":{n},"s":"X"}}')] for n in range(40)]
        return [text for tick in frames for text in one.out(tick, combined=False)]

    assert told(1) == told(1)
    assert told(1) != told(2)
