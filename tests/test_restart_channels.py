"""What was not delivered across a start with another file: channels that were renamed or taken out meanwhile."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.app import Daemon
from monitor.cli.replay import replayed
from monitor.core import stand_ins
from monitor.core.events import Heartbeat, OrderForced
from monitor.core.model import ForcedOrder, Side
from monitor.core.notices import Notice, NoticeKind
from monitor.errors import DeliveryError
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel
from tests.reloaded import Site, account, decisions, move, running, until
from tests.test_reload_daemon import BTC, DANGER, site_of, wallets

DOWN = DeliveryError("tg", "http-503")
REFUSED = DeliveryError("tg", "http-401", permanent=True)
CUT = DeliveryError("tg", "timeout")  # perhaps it arrived
LIQUIDATION = "LIQUIDATED"


def liquidated(daemon: Daemon) -> None:
    at_ms = SystemClock().wall_ms()
    order = OrderForced("a", "77", "BTCUSDT", Side.LONG, ForcedOrder.LIQUIDATION, 0.5, 59000.0, at_ms)
    daemon._inbox.post(order)


def titles(channel: FakeChannel, words: str) -> list[str]:
    return [one for one in channel.titles if words in one]


def decided(site: Site, channel: str) -> Iterator[Notice]:
    return (one for effects in site.effects for one in effects.notices if one.channel == channel)


async def beaten(daemon: Daemon) -> None:
    """Return once whatever is due by now is decided, written and on its way or delivered."""
    for _ in range(2):
        daemon._decider.take(Heartbeat())
        await daemon._committer.flushed()
    await until(lambda: all(one["pending"] == 0 for one in daemon.status().channels))


@pytest.mark.parametrize("failure", [DOWN, CUT])
async def test_a_liquidation_is_not_lost_with_a_channel_that_was_renamed_between_two_runs(
    tmp_path: Path, failure: DeliveryError
) -> None:
    """The new name tells it, once, and says how late and why; what waits for the old one is logged and shown."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [failure] * 99
            liquidated(daemon)
            await until(lambda: daemon.status().channels[0]["failing"])
        site.write(account("a", BTC), site.channel("phone"))
        site.effects.clear()
        with capture_logs() as logs:
            async with running(site, journal=tmp_path / "journal") as daemon:
                await until(lambda: bool(titles(site.told("phone"), LIQUIDATION)))
                assert "tg" in daemon.status().stranded
                await beaten(daemon)
        (left,) = [one for one in logs if one["event"] == "delivery.left"]
        assert left["channel"] == "tg"
        assert left["messages"] >= 1
        (text,) = [one for one in site.told("phone").texts if LIQUIDATION in one]
        assert "tg has not delivered this" in text
        assert decisions(site.effects) == decisions(one for _, one in replayed(tmp_path / "journal"))
        async with running(site) as daemon:
            await beaten(daemon)
            assert titles(site.told("phone"), LIQUIDATION) == []
        # It comes back: what waited for it is told, and nothing waits any more.
        site.write(account("a", BTC), site.channel("phone"), site.channel())
        async with running(site) as daemon:
            await until(lambda: bool(titles(site.told(), LIQUIDATION)))
            await beaten(daemon)
            assert daemon.status().stranded == {}
            assert len(titles(site.told(), LIQUIDATION)) == 1
            assert titles(site.told("phone"), LIQUIDATION) == []


async def test_a_liquidation_that_was_refused_is_told_by_the_run_whose_address_is_mended(tmp_path: Path) -> None:
    """Under the same name: it happened once, and nothing else would ever tell of it."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [REFUSED] * 99
            liquidated(daemon)
            await until(lambda: daemon.status().channels[0]["refused"] >= 1)
        async with running(site) as daemon:
            await until(lambda: len(titles(site.told(), LIQUIDATION)) == 1)
            await beaten(daemon)
        async with running(site) as daemon:
            await beaten(daemon)
            assert titles(site.told(), LIQUIDATION) == []


async def test_one_that_others_took_is_told_by_the_new_name_and_by_nobody_again(tmp_path: Path) -> None:
    """And a channel that is added some other day hears no old story."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel(), site.channel("mail"))
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [DOWN] * 99
            liquidated(daemon)
            await until(lambda: bool(titles(site.told("mail"), LIQUIDATION)))
            await until(lambda: daemon.status().channels[0]["failing"])
        site.write(account("a", BTC), site.channel("mail"))  # taken out
        async with running(site) as daemon:
            await beaten(daemon)
            assert titles(site.told("mail"), LIQUIDATION) == []
        site.write(account("a", BTC), site.channel("mail"), site.channel("pager"))
        async with running(site) as daemon:
            await beaten(daemon)
            assert [titles(site.told(name), LIQUIDATION) for name in ("mail", "pager")] == [[], []]


async def test_a_wallet_in_danger_is_told_by_the_new_name_though_no_mark_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it would be by the old one: with what was known then, and how late that is."""
    monkeypatch.setattr(stand_ins, "INHERIT_S", 1.0)
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [DOWN] * 99
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["failing"])
        site.write(account("a", BTC), site.channel("phone"))
        site.path.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", site.path.read_text()))
        site.effects.clear()
        async with running(site, journal=tmp_path / "journal") as daemon:
            await until(lambda: bool(titles(site.told("phone"), "EMERGENCY")))
            await beaten(daemon)
        assert len([one for one in decided(site, "phone") if one.kind is NoticeKind.ALERT]) == 1
        assert decisions(site.effects) == decisions(one for _, one in replayed(tmp_path / "journal"))
        async with running(site) as daemon:
            await beaten(daemon)
            assert titles(site.told("phone"), "EMERGENCY") == []


async def test_a_wallet_in_danger_is_told_by_the_new_name_as_it_is_now_where_marks_come(tmp_path: Path) -> None:
    """One alert with the figures of now, none with those of then."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [DOWN] * 99
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["failing"])
        site.write(account("a", BTC), site.channel("phone"))
        site.effects.clear()
        async with running(site) as daemon:
            await until(lambda: bool(titles(site.told("phone"), "EMERGENCY")))
            await beaten(daemon)
        (alert,) = (one for one in decided(site, "phone") if one.kind is NoticeKind.ALERT)
        assert alert.facts.via == ""


async def test_what_this_run_finds_to_be_over_is_not_told_as_an_alert_of_the_one_before(tmp_path: Path) -> None:
    """The end of it is: somebody may have heard the alert. But nobody is alarmed about what is no more."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            site.told().script = [DOWN] * 99
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["failing"])
        site.write(account("a"), site.channel())
        async with running(site) as daemon:
            await until(lambda: bool(titles(site.told(), "BTCUSDT")))
            await beaten(daemon)
        (end,) = titles(site.told(), "BTCUSDT")
        assert "EMERGENCY" not in end


async def test_what_was_over_is_no_news_for_a_new_name(tmp_path: Path) -> None:
    """An end that waits for the old one waits on: the new one never heard of the beginning."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: bool(titles(site.told(), "EMERGENCY")))
            site.told().script = [DOWN] * 99
            # Taken out of the file, its position is gone and the incident with it.
            await site.change(account("a"), site.channel())
            await until(lambda: daemon.status().channels[0]["failing"])
        site.write(account("a"), site.channel("phone"))
        async with running(site) as daemon:
            assert "tg" in daemon.status().stranded
            await beaten(daemon)
            assert titles(site.told("phone"), "BTCUSDT") == []
