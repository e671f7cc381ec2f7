"""The handle: start, run, figures, stop."""

import asyncio
from decimal import Decimal
from itertools import pairwise

import aiohttp
import pytest

from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from tests.conftest import ManualClock, settle
from tests.emulator.conftest import Connect, Start, small_scenario


async def test_addresses_are_loopback_and_routed(start: Start) -> None:
    """Port 0 becomes a free port, and the stream bases include their route."""
    emulator = await start()
    assert emulator.port > 0
    assert emulator.base_http == f"http://127.0.0.1:{emulator.port}"
    assert emulator.base_market_ws == f"ws://127.0.0.1:{emulator.port}/market"
    assert emulator.base_private_ws == f"ws://127.0.0.1:{emulator.port}/private"


async def test_a_taken_port_is_an_error(start: Start, clock: ManualClock) -> None:
    """Starting on a port in use raises, and stopping afterwards is fine."""
    first = await start()
    second = Emulator(clock, small_scenario(), EmulatorSettings(port=first.port))
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


async def test_run_ends_with_the_scenario(clock: ManualClock) -> None:
    """It ticks at the set cadence from the moment it is run, and returns when the script is over."""
    emulator = Emulator(clock, small_scenario(), EmulatorSettings(tick_s=2.5))
    await clock.advance(100)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(emulator.run())
        await clock.advance(5)
        assert (emulator.elapsed_s, emulator.marks["BTCUSDT"], emulator.finished) == (5.0, Decimal(60_500), False)
        await clock.advance(5)
        await settle()
        assert task.done()
    assert (emulator.finished, emulator.marks["BTCUSDT"]) == (True, Decimal(61_000))
    assert clock.slept == [2.5] * 4


async def test_run_can_go_on_for_ever(clock: ManualClock) -> None:
    """With the setting the script begins anew and the run ends only when cancelled."""
    emulator = Emulator(clock, small_scenario(), EmulatorSettings(forever=True))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(emulator.run())
        await clock.advance(25)
        assert (emulator.elapsed_s, emulator.marks["BTCUSDT"], emulator.finished) == (25.0, Decimal(60_500), False)
        task.cancel()


async def test_paths_stand_still_while_they_are_held(clock: ManualClock) -> None:
    """Ticks go on in wall time; then the paths go on from where they were."""
    emulator = Emulator(clock, small_scenario(), EmulatorSettings(tick_s=0.5))
    held = False
    async with asyncio.TaskGroup() as group:
        task = group.create_task(emulator.run(lambda: held))
        await clock.advance(5)
        assert (emulator.elapsed_s, emulator.marks["BTCUSDT"]) == (5.0, Decimal(60_500))
        held = True
        await clock.advance(20)
        assert (emulator.elapsed_s, emulator.marks["BTCUSDT"]) == (5.0, Decimal(60_500))
        assert emulator.market.event_ms == clock.wall_ms()
        held = False
        await clock.advance(5)
        await settle()
        assert task.done()
    assert emulator.marks["BTCUSDT"] == Decimal(61_000)


@pytest.mark.parametrize(("patient", "most_s"), [(True, 2.0), (False, 7.0)])
async def test_paths_that_may_wait_skip_nothing_on_a_busy_machine(
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    patient: bool,  # noqa: FBT001 - a case
    most_s: float,
) -> None:
    """From one tick to the next they go on by at most two, however late it is; else the wall decides."""
    emulator = Emulator(clock, small_scenario(), EmulatorSettings(tick_s=1.0))
    seen: list[float] = []

    async def slow(_now_ms: int) -> None:
        seen.append(emulator.elapsed_s)
        await clock.sleep(7.0)

    monkeypatch.setattr(emulator.streams, "tick", slow)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(emulator.run((lambda: False) if patient else None))
        await clock.advance(100)
        await settle()
        assert task.done()
    assert {later - sooner for sooner, later in pairwise(seen)} == {most_s}


async def test_figures_at_the_newest_marks(clock: ManualClock) -> None:
    """The account's figures follow the ticks."""
    emulator = Emulator(clock, small_scenario())
    await emulator.step()
    await clock.advance(5)
    await emulator.step()
    (wallet,) = emulator.figures()
    assert (wallet.margin_balance, wallet.maintenance_margin) == (Decimal(5_500), Decimal(242))


async def test_stop_closes_streams_and_may_be_repeated(start: Start, connect: Connect) -> None:
    """Clients get a closing frame; afterwards nobody answers."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws")
    async with asyncio.TaskGroup() as group:
        end = group.create_task(socket.receive(timeout=60))
        group.create_task(emulator.stop())
    assert end.result().type is aiohttp.WSMsgType.CLOSE
    await emulator.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", emulator.port)


async def test_trouble_can_be_made_at_run_time(
    start: Start, connect: Connect, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Raw frames, dropped sockets and refused connections are a call or a switch away, and nothing is logged."""
    emulator = await start()
    socket = await connect(f"{emulator.base_market_ws}/ws/btcusdt@markPrice@1s")
    await emulator.send_raw("{")
    assert await socket.receive_str(timeout=60) == "{"
    emulator.drop_connections()
    assert (await socket.receive(timeout=60)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    emulator.faults.refuse_connections = True
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(f"{emulator.base_http}/fapi/v1/ping")
    emulator.faults.refuse_connections = False
    async with session.get(f"{emulator.base_http}/fapi/v1/ping") as response:
        assert response.status == 200
    assert caplog.records == []
