"""A daemon as commands meet it: the lock of a state directory and answers on its socket."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from monitor.control import ControlServer, Handler, Lock
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE


@contextmanager
def answering(state: Path, answers: Mapping[str, object]) -> Iterator[None]:
    """Hold the lock and answer commands with these values until the block ends."""
    ready, stop = Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_until_complete, args=(_serve(state, answers, ready, stop),), daemon=True)
    state.mkdir(parents=True, exist_ok=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def _serve(state: Path, answers: Mapping[str, object], ready: Event, stop: asyncio.Event) -> None:
    def handler(value: object) -> Handler:
        async def handle(_request: Mapping[str, Any]) -> object:
            return value

        return handle

    with Lock(state / LOCK_FILE):
        server = ControlServer(state / CONTROL_SOCKET, {name: handler(value) for name, value in answers.items()})
        await server.start()
        ready.set()
        await stop.wait()
        await server.stop()
