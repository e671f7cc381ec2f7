"""Renew docs/status-page.png: ``python -m docs.page_picture``.

A real daemon on a local exchange, whose prices fall for a minute and a half; somebody logs in with a headless
Chromium, and what that shows is kept. Without a Chromium it says so and changes nothing.
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from docs.browser import Tab, browser, find
from monitor.system_clock import SystemClock
from tests.web.stand import TOKEN, Stand, standing

FILE = Path(__file__).with_name("status-page.png")
WIDTH, HEIGHT = 900, 1250
STEP_S = 1.0
# Of BTCUSDT and ETHUSDT, a step each: a fall with a bounce in it.
FALL = (
    *((62000 - 24 * i, 2900 + 4 * i) for i in range(40)),
    *((61040 + 12 * i, 3060 - 2 * i) for i in range(15)),
    *((61220 - 52 * i, 3030 + 9 * i) for i in range(36)),
)


async def main() -> int:
    """Write it anew, if there is a browser."""
    program = find()
    if program is None:
        sys.stderr.write("there is no chromium here: docs/status-page.png stays as it is\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        async with standing(Path(folder)) as stand:
            for bitcoin, ether in FALL:
                stand.price("BTCUSDT", str(bitcoin))
                stand.price("ETHUSDT", str(ether))
                await SystemClock().sleep(STEP_S)
            async with browser(program) as tab:
                FILE.write_bytes(await shown(tab, stand))
    return 0


async def shown(tab: Tab, stand: Stand) -> bytes:
    """Return what somebody sees who just logged in."""
    await tab.size(WIDTH, HEIGHT)
    await log_in(tab, stand)
    await SystemClock().sleep(3 * STEP_S)  # advice to two wallets is worked out one after the other
    return await tab.picture(whole=False)


async def log_in(tab: Tab, stand: Stand) -> None:
    """Type the token in."""
    await tab.go(f"{stand.url}/login")
    await tab.run(f"document.getElementById('token').value = {json.dumps(TOKEN)}; document.forms[0].submit()")
    await tab.until("document.getElementById('wallets') !== null && document.readyState === 'complete'")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
