"""A fault of ours in the middle of going over to another configuration."""

import asyncio
from pathlib import Path

import pytest

from monitor.heartbeat import HeartbeatPlan
from monitor.plan import Plan
from monitor.reloading import TornError
from monitor.storage.state import StateReader
from tests.reloaded import account, move, until
from tests.test_reload_daemon import BTC, DANGER, ETH, site_of, wallets


async def test_the_service_drains_and_ends_for_a_clean_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What half of a configuration would do is known to nobody; the file itself is known to be valid."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        daemon = site.build()

        def fail(_plan: Plan) -> HeartbeatPlan:
            raise ValueError

        monkeypatch.setattr(daemon._alive, "switch", fail)
        ending = asyncio.ensure_future(daemon.run())  # noqa: TID251 - it is to end by itself
        await until(lambda: (site.state / "control.sock").exists() and len(wallets(daemon)) == 1)
        old = site.told()
        old.hold()
        move(site.emulator, "BTCUSDT", DANGER)
        await until(lambda: len(old.tried) == 1)
        site.write(account("a", BTC), account("b", ETH), site.channel())
        asked = asyncio.ensure_future(site.reload())  # noqa: TID251 - answered while it ends
        await until(daemon._stop.is_set)
        old.release()
        with pytest.raises(TornError, match="ValueError"):
            await ending
        answer = await asked
        assert (answer["taken"], answer["torn"]) == (False, True)
        assert "the service ends" in answer["problems"][0]["hint"]
        with StateReader(site.state / "state.db") as reader:
            assert {row.state for row in reader.alerts(10)} == {"accepted"}
        # The next one begins with what the file says.
        again = site.build()
        starting = asyncio.ensure_future(again.run())  # noqa: TID251 - as before
        await until(lambda: [one.account for one in again.status().engine.accounts] == ["a", "b"])
        again.stop()
        await starting
