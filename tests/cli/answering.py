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

    def handler(value: object) -> Handler:
        async def handle(_request: Mapping[str, Any]) -> object:
            return value

        return handle

    with serving(state, {name: handler(value) for name, value in answers.items()}):
        yield


@contextmanager
def serving(state: Path, handlers: Mapping[str, Handler]) -> Iterator[None]:
    """Hold the lock and have commands handled until the block ends."""
    ready, stop = Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_until_complete, args=(_serve(state, handlers, ready, stop),), daemon=True)
    state.mkdir(parents=True, exist_ok=True)
    thread.start()
    try:
        assert ready.wait(10)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def _serve(state: Path, handlers: Mapping[str, Handler], ready: Event, stop: asyncio.Event) -> None:
    with Lock(state / LOCK_FILE):
        server = ControlServer(state / CONTROL_SOCKET, handlers)
        await server.start()
        ready.set()
        await stop.wait()
        await server.stop()
        # Whoever asked may be in the middle of it.
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
