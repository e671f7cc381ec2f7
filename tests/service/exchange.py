"""Beside the service in a booted root: the emulated exchange on a fixed port, and whoever takes its messages.

python exchange.py PORT RECEIVER_PORT FILE: appends each message, one JSON object a line, to FILE.
"""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from monitor.emulator.scenario import demo_scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.system_clock import SystemClock


async def serve(port: int, receiver_port: int, kept: Path) -> None:
    """Play the demonstration's prices for ever, and take every message."""

    async def take(request: web.Request) -> web.Response:
        body = await request.json()
        attached = [len(one.get("base64", "")) for one in body.get("attachments", ())]
        with kept.open("a", encoding="utf-8") as file:
            told = {"title": body["title"], "message": body["message"], "pictures": attached}
            file.write(f"{json.dumps(told)}\n")
        return web.json_response({})

    application = web.Application(client_max_size=10_000_000)
    application.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", receiver_port).start()
    exchange = Emulator(SystemClock(), demo_scenario(), EmulatorSettings(port=port, forever=True))
    await exchange.start()
    await exchange.run()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
