"""What the exchange closed while the private stream was dead is told for what it was."""

import asyncio
from pathlib import Path

from monitor.binance.account_values import AccountTimings
from monitor.core.model import ChangeKind
from monitor.core.notices import NoticeKind
from monitor.system_clock import SystemClock
from tests.following import PATIENCE_S, QUICK, changes_of, equal, following, fresh, kept, reconciled

TIMINGS = AccountTimings(
    reconcile_every_s=0.3, unproved_every_s=0.3, reconcile_gap_s=0.0, check_every_s=0.05, pauses=QUICK
)


async def test_a_liquidation_that_only_rest_can_tell_is_told_as_one(tmp_path: Path) -> None:
    """The order is found among the exchange's own, once; a position closed by hand unseen is merely gone."""
    emulator = fresh()
    main = emulator.accounts["main"]
    async with following(emulator, tmp_path, TIMINGS) as (daemon, channel, effects):
        await main.fill("BTCUSDT", "BUY", "0.5")
        await main.fill("SOLUSDT", "BUY", "10")
        await equal(daemon, emulator, "the fills")
        emulator.faults.private_silent = True
        await main.liquidate("BTCUSDT", "0.4")
        await equal(daemon, emulator, "an unseen liquidation")
        await main.fill("SOLUSDT", "SELL", "10")
        await equal(daemon, emulator, "an unseen sale")
        async with asyncio.timeout(PATIENCE_S):
            while not any("LIQUIDATED" in text for text in channel.texts):
                await SystemClock().sleep(0.05)
        await reconciled(daemon, "main", 3)  # none of which tells it again
    forced = [one for one in changes_of(effects) if one.kind is ChangeKind.FORCED]
    assert [(one.symbol, one.after, one.cause) for one in forced] == [("BTCUSDT", 0.2, "liquidation")]
    assert [n.kind for one in effects for n in one.notices].count(NoticeKind.FORCED) == 1


async def test_a_liquidation_while_nothing_ran_is_told_at_the_next_start(tmp_path: Path) -> None:
    """By what the run before knew, and by the exchange's own orders since."""
    first = fresh()
    async with following(first, tmp_path, TIMINGS) as (daemon, _, _effects):
        await first.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        await equal(daemon, first, "the fill")
        await kept(daemon, tmp_path)
    second = fresh()
    await second.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
    await second.accounts["main"].liquidate("BTCUSDT")
    async with following(second, tmp_path, TIMINGS) as (daemon, channel, effects):
        await equal(daemon, second, "the start")
        async with asyncio.timeout(PATIENCE_S):
            while not any("LIQUIDATED" in text for text in channel.texts):
                await SystemClock().sleep(0.05)
    assert [one.cause for one in changes_of(effects) if one.kind is ChangeKind.FORCED] == ["liquidation"]
