"""The stage: faults go on and off in any order, and what they spoil is well again afterwards."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest
import websockets

from monitor.emulator.catalogue import CATALOGUE
from monitor.emulator.fault import GROUPS, Fault
from monitor.emulator.faults import Faults
from monitor.emulator.relay import Door
from monitor.emulator.stage import Stage
from monitor.emulator.ways import Way
from tests.conftest import ManualClock
from tests.emulator.conftest import Json, small_scenario
from tests.emulator.stages import BTC, ETH, all_heard, healthy, heard, listening, until

LASTING = [one for one in CATALOGUE.values() if one.lasts]


@pytest.fixture
async def stage(clock: ManualClock) -> AsyncIterator[Stage]:
    async with Stage(clock, small_scenario()) as one:
        yield one


def shown(stage: Stage) -> Json:
    """Return everything a fault can switch, as it stands."""

    def way(one: Way) -> Json:
        return one.bytes_per_s, one.latency_s, one.corrupt_share, one.held

    faults = stage.emulator.faults
    switches = {name: repr(getattr(faults, name)) for name in Faults.__slots__ if name != "random"}
    return switches, [(relay.door, way(relay.to_client), way(relay.to_server)) for relay in stage.relays]


def test_the_catalogue_is_fit_for_a_table() -> None:
    """Names are kebab-case and their own, each says in a line what it does, and no two say the same."""
    assert len(CATALOGUE) >= 40
    assert {one.group for one in CATALOGUE.values()} == set(GROUPS)
    for name, one in CATALOGUE.items():
        assert name == one.name
        assert all(part.isalnum() and part == part.lower() for part in name.split("-"))
        assert one.does.endswith(".")
        assert one.lasts or one.act is not None or one.addresses is not None
        assert all(kind.least <= kind.usual <= kind.most for kind in one.parameters.values())
    assert len({one.does for one in CATALOGUE.values()}) == len(CATALOGUE)


async def test_every_fault_changes_something_and_is_undone(stage: Stage, session: aiohttp.ClientSession) -> None:
    """What lasts switches something and leaves nothing switched; after all of them a new client is well."""
    before = shown(stage)
    for fault in LASTING:
        await fault.apply(stage)
        assert list(stage.on) == [fault.name]
        assert shown(stage) != before, fault.name
        await fault.undo(stage)
        await fault.undo(stage)
        assert (len(stage.on), shown(stage)) == (0, before), fault.name
    await healthy(stage, session)


async def test_every_pair_is_taken_apart(stage: Stage) -> None:
    """The end of one fault leaves the other as it would be alone, whatever they share."""
    alone: dict[str, Json] = {}
    chosen = [one for one in LASTING if not one.name.startswith(("private-", "malformed-"))]
    for fault in chosen:
        await fault.apply(stage)
        alone[fault.name] = shown(stage)
        await fault.undo(stage)
    for first, second in zip(chosen, chosen[1:] + chosen[:1], strict=True):
        await first.apply(stage)
        await second.apply(stage)
        await first.undo(stage)
        assert shown(stage) == alone[second.name], (first.name, second.name)
        await second.undo(stage)


async def test_held_bytes_stay_held_while_others_come_and_go(stage: Stage) -> None:
    """Putting another fault on lets nothing through."""
    async with listening(stage.base_market_ws) as one:
        await CATALOGUE["market-held"].apply(stage)
        await stage.emulator.step()
        await CATALOGUE["rest-503"].apply(stage)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.recv(), 0.03)
        await CATALOGUE["market-held"].undo(stage)
        assert (await heard(one))["s"] == "BTCUSDT"


async def test_parameters_are_usual_or_given(stage: Stage, clock: ManualClock) -> None:
    """What is not given is as usual, and a parameter nobody knows is refused before anything happens."""
    await CATALOGUE["clock-behind"].apply(stage)
    assert stage.emulator.faults.skew_ms == -30_000
    await CATALOGUE["clock-behind"].apply(stage, skew_s=1.5)
    assert stage.emulator.rest.now_ms() == clock.wall_ms() - 1_500
    with pytest.raises(ValueError, match="silence has no parameter depth"):
        await CATALOGUE["silence"].apply(stage, depth=1)
    assert stage.on == ("clock-behind",)


async def test_one_symbol_is_the_stage_s(clock: ManualClock) -> None:
    """Faults of one symbol act on the first of the scenario, or on the one that was chosen."""
    async with Stage(clock, small_scenario(), symbol="ETHUSDT") as stage:
        await CATALOGUE["symbol-missing"].apply(stage)
        async with listening(stage.base_market_ws, BTC, ETH) as one:
            await stage.emulator.step()
            assert [event["s"] for event in await all_heard(one)] == ["BTCUSDT"]


ENDS = ["market-fin", "market-reset", "streams-dropped", "network-blink", "market-day-end", "exchange-gone"]


@pytest.mark.parametrize("name", ENDS)
async def test_a_moment_ends_connections(stage: Stage, name: str, session: aiohttp.ClientSession) -> None:
    """An open stream ends, with a closing frame at the end of a day only; the next one works once it is undone."""
    async with listening(stage.base_market_ws) as one:
        async with asyncio.TaskGroup() as group:
            group.create_task(CATALOGUE[name].apply(stage))
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await heard(one)
        assert (caught.value.rcvd is not None) == (name == "market-day-end")
    await CATALOGUE[name].undo(stage)
    await healthy(stage, session)


@pytest.mark.parametrize("name", ["network-down", "network-black-hole", "market-black-hole", "market-half-open"])
async def test_dead_connections_stay_dead(stage: Stage, name: str, session: aiohttp.ClientSession) -> None:
    """An open stream hears nothing more and is not told, even after the fault is over; a new one works then."""
    async with listening(stage.base_market_ws) as one:
        await stage.emulator.step()
        await heard(one)
        await CATALOGUE[name].apply(stage)
        await CATALOGUE[name].undo(stage)
        await stage.emulator.step()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.recv(), 0.02)
        await healthy(stage, session)


async def test_the_sides_fail_apart(stage: Stage, session: aiohttp.ClientSession) -> None:
    """A closed port of REST leaves the streams alone, and the other way round."""
    await CATALOGUE["rest-refused"].apply(stage)
    async with listening(stage.base_market_ws) as one:
        await stage.emulator.step()
        assert (await heard(one))["s"] == "BTCUSDT"
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(f"{stage.base_http}/fapi/v1/ping")
    await stage.heal()
    await CATALOGUE["market-refused"].apply(stage)
    async with session.get(f"{stage.base_http}/fapi/v1/ping") as response:
        assert response.status == 200
    async with listening(stage.base_private_ws):
        pass
    with pytest.raises(ConnectionRefusedError):
        async with listening(stage.base_market_ws):
            pass


async def test_a_ban_lasts_from_its_beginning(stage: Stage, clock: ManualClock) -> None:
    """Another fault that comes later does not prolong it."""
    until_ms = clock.wall_ms() + 60_000
    await CATALOGUE["ip-ban"].apply(stage, ban_s=60)
    await clock.advance(30)
    await CATALOGUE["silence"].apply(stage)
    assert stage.emulator.faults.banned_until_ms == until_ms


async def failure(address: str) -> Exception:
    """Return why a client could not connect."""
    with pytest.raises((OSError, websockets.WebSocketException)) as caught:
        async with listening(address):
            pass
    return caught.value


async def test_addresses_that_fail(stage: Stage) -> None:
    """The first candidate fails for a reason of its own, the second works; such a fault is not for scripts."""
    reasons: dict[str, type[Exception] | tuple[type[Exception], ...]] = {
        "dns-failure": socket.gaierror,
        "tls-to-plain-port": (ssl.SSLError, EOFError, ConnectionError),
        "tls-bad-certificate": ssl.SSLCertVerificationError,
    }
    faults: list[Fault] = [one for one in CATALOGUE.values() if one.addresses is not None]
    assert {one.name for one in faults} == set(reasons)
    for fault in faults:
        await fault.apply(stage)
        assert fault.addresses is not None
        assert not fault.scripted
        first, second = fault.addresses(stage)
        assert isinstance(await failure(first), reasons[fault.name])
        async with listening(second) as one:
            await stage.emulator.step()
            assert (await heard(one))["s"] == "BTCUSDT"


async def test_nothing_is_left_of_a_stage(clock: ManualClock) -> None:
    """Stopped with a fault on and clients connected it leaves no task and no connection; twice is fine."""
    before = asyncio.all_tasks()
    stage = Stage(clock, small_scenario())
    async with stage:
        await CATALOGUE["tls-bad-certificate"].apply(stage)
        async with listening(stage.base_market_ws), listening(stage.base_private_ws):
            await CATALOGUE["network-black-hole"].apply(stage)
            assert stage.market.door is Door.MUTE
            await stage.stop()
    assert asyncio.all_tasks() - before == set()
    assert [one.open for one in stage.relays] == [0, 0, 0]
    await until(lambda: stage.emulator.streams.connections == 0)
