"""A headless Chromium that loads a page as somebody would, for pictures and tests: what it shows and complains of.

It speaks the browser's own protocol over one WebSocket. Where there is no Chromium, ``find`` says so.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import websockets

from monitor.system_clock import SystemClock

PATIENCE_S = 30.0
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
)  # fmt: skip


def find() -> str | None:
    """Return the path of a Chromium; None if there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page. ``complaints`` is what the browser wrote to its console: violated policies, errors of scripts."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hearing: asyncio.Task[None] | None = None
        self.complaints: list[str] = []

    async def __aenter__(self) -> Self:
        self._hearing = asyncio.get_running_loop().create_task(self._hear())
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hearing is not None:
            self._hearing.cancel()

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask the browser for something and return its answer."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        async with asyncio.timeout(PATIENCE_S):
            found = await answer
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        result: dict[str, Any] = found["result"]
        return result

    async def run(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Return what a script returns; a promise is waited for."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return found["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until a script returns something true."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.run(script):
                await SystemClock().sleep(0.02)

    async def go(self, url: str) -> None:
        """Load a page and wait for it and what belongs to it."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    async def size(self, width: int, height: int = 900, *, dark: bool = False, scale: int = 1) -> None:
        """Be a screen of this size that prefers light or dark."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
            mobile=width < 600,  # noqa: PLR2004 - a phone
        )  # fmt: skip
        chosen = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=chosen)

    async def picture(self, *, whole: bool = True) -> bytes:
        """Return what is shown, all of it or what fits on the screen, as a PNG file."""
        found = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])

    async def _hear(self) -> None:
        async for text in self._connection:
            found = json.loads(text)
            if "id" in found:
                self._waiting.pop(found["id"]).set_result(found)
            elif found["method"] == "Log.entryAdded":
                self.complaints.append(found["params"]["entry"]["text"])
            elif found["method"] == "Runtime.exceptionThrown":
                self.complaints.append(found["params"]["exceptionDetails"]["text"])


@contextlib.asynccontextmanager
async def browser(program: str) -> AsyncIterator[Tab]:
    """A browser with one page, which ends with this."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = await asyncio.create_subprocess_exec(
            program, *_FLAGS, f"--user-data-dir={folder}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            address = await _address(Path(folder) / "DevToolsActivePort")
            async with websockets.connect(address, max_size=None, proxy=None) as line, Tab(line) as tab:
                yield tab
        finally:
            running.terminate()
            await running.wait()


async def _address(file: Path) -> str:
    """Return where the browser's first page listens, once it has written its port."""
    async with asyncio.timeout(PATIENCE_S):
        while len(words := _words(file)) < 2:  # noqa: PLR2004 - port and path
            await SystemClock().sleep(0.02)
        port, path = words
        async with websockets.connect(f"ws://127.0.0.1:{port}{path}", proxy=None) as whole:
            while True:
                await whole.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
                while "id" not in (found := json.loads(await whole.recv())):
                    pass
                pages = [one for one in found["result"]["targetInfos"] if one["type"] == "page"]
                if pages:
                    return f"ws://127.0.0.1:{port}/devtools/page/{pages[0]['targetId']}"
                await SystemClock().sleep(0.02)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []
