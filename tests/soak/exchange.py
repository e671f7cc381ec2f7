"""The emulator in a process of its own, with connections that are cut; ends when its standard input does.

python -m tests.soak.exchange '{"symbols": 200, ...}'
"""

import asyncio
import json
import sys
from typing import Any

import msgspec

from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock
from tests.soak.market import Prices, scenario


class Part(msgspec.Struct, frozen=True):
    """What happens; seconds since the start."""

    symbols: int
    fall_every_s: float
    fall_s: float
    cut_every_s: float
    outages: tuple[tuple[float, float], ...] = ()  # nothing answers


async def _serve(part: Part) -> None:
    prices = Prices(part.symbols, part.fall_every_s, part.fall_s)
    emulator = Emulator(SystemClock(), scenario(prices), EmulatorSettings(forever=True))
    await emulator.start()
    places = {"rest": emulator.base_http, "market": emulator.base_market_ws, "private": emulator.base_private_ws}
    sys.stdout.write(json.dumps(places) + "\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in (emulator.run(), _cut(emulator, part), _fund(emulator))]
        tasks += [group.create_task(_away(emulator, *outage)) for outage in part.outages]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
    await emulator.stop()


async def _cut(emulator: Emulator, part: Part) -> None:
    while True:
        await asyncio.sleep(part.cut_every_s)  # noqa: TID251 - time is real here
        emulator.drop_connections()


async def _fund(emulator: Emulator) -> None:
    while True:
        await asyncio.sleep(60.0)  # noqa: TID251 - same
        for account in emulator.accounts.values():
            await account.funding("0.0001")


async def _away(emulator: Emulator, start_s: float, end_s: float) -> None:
    await asyncio.sleep(start_s)  # noqa: TID251 - same
    emulator.faults.refuse_connections = True
    emulator.drop_connections()
    await asyncio.sleep(end_s - start_s)  # noqa: TID251 - same
    emulator.faults.refuse_connections = False


def part_of(text: str) -> Part:
    """Return what the command line asks for."""
    asked: dict[str, Any] = json.loads(text)
    return msgspec.convert(asked, Part)


if __name__ == "__main__":
    asyncio.run(_serve(part_of(sys.argv[1])))
