"""The status page in a real browser: its script, and that nothing on it is against its own policy."""

from pathlib import Path

import pytest

from docs.browser import Tab, browser, find
from docs.page_picture import log_in
from tests.web.stand import standing, until

DANGER = {"BTCUSDT": "59300"}
CHROMIUM = find()


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
async def test_it_stays_new_by_itself_and_says_loudly_when_nobody_answers(tmp_path: Path) -> None:
    """Prices change without a reload, a button works, a phone needs no scrolling aside; then the daemon is gone.

    A page that goes on showing calm figures of a daemon that died would be worse than none.
    """
    async with browser(CHROMIUM or "") as tab:
        async with standing(tmp_path, prices=DANGER) as stand:
            await stand.until_told()
            await tab.size(390, 844)
            await log_in(tab, stand)
            assert await tab.run("document.documentElement.scrollWidth") <= 390
            stand.price("BTCUSDT", "59350")
            await tab.until("document.getElementById('wallets').textContent.includes('59,350')")
            await tab.run("document.querySelector('button[id^=ack-]').click()")
            await tab.until("document.querySelector('.said') !== null && document.readyState === 'complete'")
            await until(lambda: any(one.held for one in stand.daemon.status().engine.alerts))
            assert await is_calm(tab)
            assert [one for one in tab.complaints if "Content Security Policy" in one or "Error" in one] == []
        await tab.until("!document.getElementById('silence').hidden")
        words = await tab.run("document.getElementById('silence').textContent")
        assert words.startswith("The daemon does not answer. What is shown below is ")
        assert not await is_calm(tab)
        assert (await tab.run("document.title")).startswith("NO ANSWER - ")


async def is_calm(tab: Tab) -> bool:
    """Return whether figures are shown as those of now."""
    opacity: str = await tab.run("getComputedStyle(document.querySelector('main')).opacity")
    return opacity == "1"
