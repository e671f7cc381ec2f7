"""What was not delivered across a reload that mends, renames or takes out a channel."""

from pathlib import Path

from structlog.testing import capture_logs

from monitor.cli.replay import replayed
from monitor.core.events import OrderForced
from monitor.core.model import ForcedOrder, Side
from monitor.errors import DeliveryError
from monitor.system_clock import SystemClock
from tests.reloaded import account, decisions, move, running, until
from tests.test_reload_daemon import BTC, DANGER, site_of, wallets

REFUSED = DeliveryError("tg", "http-401", permanent=True)
DOWN = DeliveryError("tg", "http-503")


async def test_what_a_channel_refused_is_told_over_its_new_address_at_once(tmp_path: Path) -> None:
    """Not with the next reminder: nobody else knows of it. Whether it is well is what that attempt shows."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site, journal=tmp_path / "journal") as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [REFUSED] * 9
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["broken"])
            await site.change(account("a", BTC), site.channel(address="json://other/2"))
            await until(lambda: len(site.told().accepted) == 1)
            assert "EMERGENCY" in site.told().titles[0]
            assert daemon.health().ok
            # Another reload, of something else, repeats nothing.
            await site.change(
                account("a", BTC), site.channel(address="json://other/2"), '[log]\nlevel = "warning"\n'
            )
            await until(lambda: daemon.status().channels[0]["pending"] == 0)
        assert len(site.told().tried) == 1
    assert decisions(site.effects) == decisions(one for _, one in replayed(tmp_path / "journal"))


async def test_what_a_channel_refused_is_told_at_a_reload_of_the_same_file(tmp_path: Path) -> None:
    """Whoever asks for one may have mended what is no matter of the file, such as a bot that was blocked."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            channel = site.told()
            channel.script = [REFUSED] * 9
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["broken"])
            channel.script = []
            assert await site.change(account("a", BTC), site.channel()) == []
            await until(lambda: len(channel.accepted) == 1)
            assert "EMERGENCY" in channel.titles[0]
            assert site.told() is channel


async def test_a_liquidation_is_not_lost_with_a_channel_that_was_renamed(tmp_path: Path) -> None:
    """The new name tells it; that the old one did not is answered, logged and shown."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site, journal=tmp_path / "journal") as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            old = site.told()
            old.script = [DOWN] * 9
            order = OrderForced(
                "a", "77", "BTCUSDT", Side.LONG, ForcedOrder.LIQUIDATION, 0.5, 59000.0, SystemClock().wall_ms()
            )
            daemon._inbox.post(order)
            await until(lambda: daemon.status().channels[0]["failing"])
            with capture_logs() as logs:
                changed = await site.change(account("a", BTC), site.channel("phone"))
            assert changed == [
                "channel phone: added",
                "channel tg: taken out",
                "channel tg: 1 message undelivered; it waits for one of this name; others tell what still holds",
            ]
            (left,) = [one for one in logs if one["event"] == "delivery.left"]
            assert (left["channel"], left["messages"], left["log_level"]) == ("tg", 1, "warning")
            await until(lambda: len(site.told("phone").accepted) == 1)
            assert "LIQUIDATED" in site.told("phone").titles[0]
            assert daemon.status().stranded == {"tg": 1}
            # It comes back: what waited for it is told, and nothing waits any more.
            await site.change(account("a", BTC), site.channel("phone"), site.channel())
            await until(lambda: len(site.told().accepted) == 1)
            await until(lambda: daemon.status().stranded == {})
        assert len(site.told("phone").accepted) == 1
    assert decisions(site.effects) == decisions(one for _, one in replayed(tmp_path / "journal"))
