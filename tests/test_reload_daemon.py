"""A changed configuration in a running daemon: each kind of change, and what goes on untouched."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.app import Daemon
from monitor.cli.planning import opened_channels
from monitor.cli.replay import replayed
from monitor.config import load, resolve_secrets
from monitor.control import ask, is_running
from monitor.core.events import JobDied
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.core.report import WalletView
from monitor.errors import ControlError
from monitor.health import DYING
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE
from monitor.storage.state import StateReader
from tests.ports import free_port
from tests.reloaded import Site, account, exchange, move, position, running, trading, until

BTC, ETH = position("BTCUSDT"), position("ETHUSDT")
DANGER = "59300"


@asynccontextmanager
async def site_of(tmp_path: Path, *symbols: str) -> AsyncIterator[Site]:
    async with trading(exchange(*(symbols or ("BTCUSDT", "ETHUSDT")))) as emulator:
        yield Site(tmp_path, emulator)


@asynccontextmanager
async def alerted(site: Site, *accounts: str) -> AsyncIterator[Daemon]:
    """A daemon that watches these accounts, and has told the danger that the first of them is in."""
    site.write(*accounts, site.channel())
    async with running(site) as daemon:
        await until(lambda: len(wallets(daemon)) == len(accounts))
        move(site.emulator, "BTCUSDT", DANGER)
        await until(lambda: len(site.told().accepted) == 1)
        yield daemon


def wallets(daemon: Daemon) -> dict[str, WalletView]:
    """Wallets whose reading is known."""
    found = daemon.status().engine.wallets
    return {f"{one.account}/{one.wallet}": one for one in found if one.margin_ratio is not None}


def connects(daemon: Daemon) -> int:
    return sum(feed.connects for feed in daemon.status().feeds)


async def test_an_account_that_is_added_is_watched_without_a_new_connection(tmp_path: Path) -> None:
    """Its symbol is subscribed to on the connection that is there; what was watched is not touched."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            before = connects(daemon)
            assert await site.change(account("a", BTC), account("b", ETH), site.channel()) == ["account b: added"]
            await until(lambda: len(wallets(daemon)) == 2)
            assert connects(daemon) == before
            assert [len(made) for made in site.channels.values()] == [1]


async def test_an_account_that_moves_to_another_name_leaves_no_symbol_unwatched(tmp_path: Path) -> None:
    """Gone and new come in one step: the mark of their symbol is known the moment after."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            changed = await site.change(account("b", BTC), site.channel())
            assert changed == ["account b: added", "account a: taken out"]
            # Nothing is awaited between the answer and this but the answer itself.
            assert list(wallets(daemon)) == ["b/isolated:BTCUSDT:LONG"]
            assert not site.transitions("/feed")


async def test_an_open_alert_of_an_account_taken_out_is_closed_and_is_no_all_clear(tmp_path: Path) -> None:
    """As after a restart: told as gone, never as recovered, and it does not hang on."""
    async with site_of(tmp_path) as site:
        async with alerted(site, account("a", BTC), account("b", ETH)) as daemon:
            await site.change(account("b", ETH), site.channel())
            await until(lambda: len(site.told().accepted) == 2)
            assert daemon.status().engine.alerts == ()
        (closing,) = [one for one in site.transitions("a/") if one.level is Level.OK]
        assert closing.facts.reason == "gone"
        assert "recovered" not in site.told().texts[1]


async def test_positions_that_changed_are_judged_anew_at_once(tmp_path: Path) -> None:
    """Margin that was added typed in ends the danger; no second alert comes of it."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            ratio = wallets(daemon)["a/isolated:BTCUSDT:LONG"].margin_ratio
            more = position("BTCUSDT", margin=9000.0)
            assert await site.change(account("a", more), site.channel()) == ["account a: changed"]
            now = wallets(daemon)["a/isolated:BTCUSDT:LONG"].margin_ratio
            assert ratio is not None
            assert now is not None
            assert now < ratio


async def test_an_open_alert_is_neither_repeated_nor_forgotten_by_a_reload(tmp_path: Path) -> None:
    """Whatever else changes, and however often: one alert, one incident, its acknowledgement with it."""
    async with site_of(tmp_path) as site:
        async with alerted(site, account("a", BTC)) as daemon:
            (alert,) = daemon.status().engine.alerts
            await daemon.view.hold({"kind": "ack", "targets": [f"alert:{alert.number}"], "for_s": 600.0})
            for minute in range(5):
                await site.change(account("a", BTC), site.channel(), f'[summary]\nat = "07:0{minute}"\n')
            (after,) = daemon.status().engine.alerts
            assert (after.number, after.since_ms) == (alert.number, alert.since_ms)
            assert after.held is not None
        assert len(site.told().accepted) == 1


async def test_levels_that_are_set_higher_rise_at_once(tmp_path: Path) -> None:
    """A rule that holds already is told the moment it is configured, once."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            rules = "[alerts.warning]\nmargin_ratio = 0.05\nmargin_ratio_room = 1.0\n"
            assert await site.change(account("a", BTC), site.channel(), rules) == ["alerts: levels"]
            await until(lambda: len(site.told().accepted) == 1)
            await site.change(account("a", BTC), site.channel(), rules, '[log]\nlevel = "warning"\n')
            assert [one.level.label for one in site.transitions("a/")] == ["warning"]
        assert len(site.told().accepted) == 1


async def test_a_channel_that_is_added_is_told_of_what_is_open(tmp_path: Path) -> None:
    """Like one that is there after a restart; the others hear nothing again."""
    async with site_of(tmp_path) as site:
        async with alerted(site, account("a", BTC)) as daemon:
            changed = await site.change(account("a", BTC), site.channel(), site.channel("mail"))
            assert changed == ["channel mail: added"]
            await until(lambda: len(site.told("mail").accepted) == 1)
            assert [stats["channel"] for stats in daemon.status().channels] == ["tg", "mail"]
        assert "EMERGENCY" in site.told("mail").titles[0]
        assert len(site.told().accepted) == 1


async def test_what_waits_goes_out_over_the_new_address_of_its_channel(tmp_path: Path) -> None:
    """A channel that hangs is given another address: the alert that could not leave leaves there, once."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), account("b", ETH), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 2)
            old = site.told()
            old.hold()
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: len(old.tried) == 1)
            move(site.emulator, "ETHUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["pending"] == 2)
            changed = await site.change(
                account("a", BTC), account("b", ETH), site.channel(address="json://other/2")
            )
            assert changed == ["channel tg: another address or format"]
            assert not old.closed  # a message is in flight over it
            old.release()
            await until(lambda: len(site.told().accepted) == 1)
            await until(lambda: old.closed)
        assert len(old.accepted) == 1
        assert ["BTCUSDT" in old.texts[0], "ETHUSDT" in site.told().texts[0]] == [True, True]


async def test_a_channel_taken_out_ends_with_its_message_in_flight_and_what_waits_comes_back(
    tmp_path: Path,
) -> None:
    """Its rows stay due in the database; the same name configured again delivers them, as after a restart."""
    async with site_of(tmp_path) as site:
        both = (account("a", BTC), account("b", ETH))
        site.write(*both, site.channel(), site.channel("mail"))
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 2)
            old = site.told()
            old.hold()
            move(site.emulator, "BTCUSDT", DANGER)
            await until(lambda: len(old.tried) == 1)
            move(site.emulator, "ETHUSDT", DANGER)
            await until(lambda: daemon.status().channels[0]["pending"] == 2)
            assert "channel tg: taken out" in await site.change(*both, site.channel("mail"))
            old.release()
            await until(lambda: old.closed)
            with StateReader(site.state / "state.db") as reader:
                states = sorted(row.state for row in reader.alerts(10) if row.channel == "tg")
            assert states == ["accepted", "pending"]
            await site.change(*both, site.channel("mail"), site.channel())
            await until(lambda: len(site.told().accepted) == 1)
            assert site.told() is not old
        assert len(old.accepted) == 1
        assert "ETHUSDT" in site.told().texts[0]


RESTARTS = {
    "exchange.typical_moves": ("market_stream_url", "typical_moves = false\nmarket_stream_url"),
    "exchange.rest_url": ("rest_url", 'rest_url = "http://127.0.0.1:1"\n# '),
    "state.directory": ('directory = "', 'directory = "/tmp/elsewhere'),
}


@pytest.mark.parametrize("path", RESTARTS)
async def test_what_only_a_restart_can_change_refuses_all_of_it(tmp_path: Path, path: str) -> None:
    """The key is named; the account that came with it is not taken either."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            text = site.text(account("a", BTC), account("b", ETH), site.channel())
            site.path.write_text(text.replace(*RESTARTS[path], 1))
            answer = await site.reload()
            assert not answer["taken"]
            assert [(one["path"], "restart" in one["hint"]) for one in answer["problems"]] == [(path, True)]
            view = daemon.status().config
            assert view is not None
            assert (view.reloads, view.refused, path in view.problems[0]) == (0, 1, True)
            assert [one.account for one in daemon.status().engine.accounts] == ["a"]


async def test_the_address_of_the_web_interface_and_the_history_stay_until_a_restart(tmp_path: Path) -> None:
    """Both are named at once."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site):
            more = f'[web]\nenabled = true\n[history]\npath = "{tmp_path}/h.db"\n'
            assert await site.refused(account("a", BTC), site.channel(), more) == ["history.path", "web.enabled"]


async def test_every_mistake_is_told_and_the_old_configuration_stays(tmp_path: Path) -> None:
    """Mistakes of the file, then secrets that cannot be read and addresses that cannot be used, together."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            with capture_logs() as logs:
                bad = account("a", position("BTCUSDT", quantity=-1.0)), "[log]\nlevel = 'loud'\n"
                paths = await site.refused(*bad, site.channel())
                assert paths == ["accounts[0].positions[0].quantity", "log.level"]
                missing = '[[channels]]\nname = "x"\nurl = { file = "/nowhere/url" }\n'
                more = '[heartbeat]\nurl = { env = "NOT_SET_ANYWHERE" }\n'
                assert await site.refused(account("a", BTC), missing, more) == ["channels[0].url", "heartbeat.url"]
            assert [one["event"] for one in logs].count("config.refused") == 2
            view = daemon.status().config
            assert view is not None
            assert (view.reloads, view.refused, len(view.problems)) == (0, 2, 2)
            await site.change(account("a", BTC), site.channel())
            view = daemon.status().config
            assert view is not None
            assert (view.reloads, view.refused, view.problems) == (1, 2, ())


async def test_a_file_that_vanished_is_refused(tmp_path: Path) -> None:
    """Also one that is no text at all, and the daemon goes on."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            site.path.unlink()
            assert not (await site.reload())["taken"]
            site.path.write_bytes(b"\xff\xfe\x00")
            assert not (await site.reload())["taken"]
            await until(lambda: len(wallets(daemon)) == 1)


async def test_no_refusal_holds_a_secret(tmp_path: Path) -> None:
    """An address that no service understands is not repeated: not in the answer, the log or the status."""
    token = "t0k3n-of-nobody"
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            daemon._reloads._renew._opened = _unusable  # type: ignore[union-attr]
            site.write(account("a", BTC), site.channel(address=f"nosuch://{token}"))
            with capture_logs() as logs:
                answer = await site.reload()
            assert [one["path"] for one in answer["problems"]] == ["channels.tg.url"]
            said = json.dumps([answer, logs, str(daemon.status())], default=str)
            assert token not in said


def _unusable(*args: object) -> object:
    return opened_channels(*args)  # type: ignore[arg-type]


async def test_another_file_than_the_one_it_runs_with_is_not_taken(tmp_path: Path) -> None:
    """Whoever names another one is told which one it is."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site):
            with pytest.raises(ControlError, match=r"runs with .*config\.toml, not with /elsewhere\.toml"):
                await asyncio.to_thread(ask, site.state, {"command": "reload", "source": "/elsewhere.toml"})


async def test_smaller_settings_come_into_force(tmp_path: Path) -> None:
    """History's retention, the log, the zone of times, the summary: what the file says holds afterwards."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            changed = await site.change(
                account("a", BTC), site.channel(), '[history]\nkeep_raw = "2d"\n', '[log]\nlevel = "warning"\n',
                '[display]\ntime_zone = "Asia/Tokyo"\n', "[summary]\nenabled = false\n",
                "[advice]\ntaker_fee = 0.001\n", "[audit]\ntolerance = 0.01\n",
            )  # fmt: skip
            assert changed == [
                "channel tg: what it is told", "audit", "advice", "history.keep_raw_s: 604800 -> 172800",
                "log.level: info -> warning", "display.time_zone: local -> Asia/Tokyo",
                "summary.enabled: true -> false",
            ]  # fmt: skip
            assert daemon._history._settings.keep_raw_s == 172800
            assert str(daemon.view.time_zone) == "Asia/Tokyo"
            assert site.adopted[-1].log.level == "warning"
            names = [running.job.name for running in daemon._running._tasks.values()]
            assert "calendar" not in names
            assert daemon.holdings().judged.advice.taker_fee == 0.001  # type: ignore[union-attr]


async def test_a_heartbeat_begins_changes_and_ends(tmp_path: Path) -> None:
    """One that stays goes on as it is; its address is in no answer."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        (tmp_path / "ping").write_text("http://127.0.0.1:9/ping/secret-id")
        beat = f'[heartbeat]\nurl = {{ file = "{tmp_path}/ping" }}\n'
        async with running(site) as daemon:
            assert daemon.status().heartbeat is None
            assert await site.change(account("a", BTC), site.channel(), beat) == ["heartbeat: added"]
            first = daemon._alive._heart
            assert daemon.status().heartbeat is not None
            assert await site.change(account("a", BTC), site.channel(), beat) == []
            assert daemon._alive._heart is first
            (tmp_path / "ping").write_text("http://127.0.0.1:9/ping/other-id")
            changed = await site.change(account("a", BTC), site.channel(), beat)
            assert changed == ["heartbeat: address or rhythm"]
            assert daemon._alive._heart is not first
            assert await site.change(account("a", BTC), site.channel()) == ["heartbeat: taken out"]
            assert daemon.status().heartbeat is None
            names = [running.job.name for running in daemon._running._tasks.values()]
            await until(lambda: "outward-heartbeat" not in names)


def jobs(daemon: Daemon) -> list[str]:
    return [running.job.name for running in daemon._running._tasks.values()]


async def test_pictures_begin_with_a_channel_that_takes_them_and_end_with_the_last(tmp_path: Path) -> None:
    """What draws goes on as long as somebody takes pictures, by the levels and in the zone that hold."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        async with running(site) as daemon:
            assert "charts" not in jobs(daemon)
            await site.change(account("a", BTC), site.channel(), site.channel("pictures"))
            charts = daemon._switch.plan.charts
            assert charts is not None
            assert "charts" in jobs(daemon)
            rules = '[alerts.notice]\nroom = 0.3\n[display]\ntime_zone = "Asia/Tokyo"\n'
            await site.change(account("a", BTC), site.channel(), site.channel("pictures"), rules)
            assert daemon._switch.plan.charts is charts
            assert charts._settings == daemon._engine._settings
            assert str(charts._tz) == "Asia/Tokyo"
            await site.change(account("a", BTC), site.channel())
            assert charts._closed
            await until(lambda: "charts" not in jobs(daemon))


async def test_the_web_interface_takes_another_token_and_goes_on_listening(tmp_path: Path) -> None:
    """On the same address, at once; the token is in no answer."""
    (tmp_path / "token").write_text("first-token-" + "x" * 40)
    web = f'[web]\nenabled = true\nlisten = "127.0.0.1:{free_port()}"\ntoken = {{ file = "{tmp_path}/token" }}\n'
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel(), web)
        async with running(site) as daemon:
            keeper = daemon._web._keeper
            assert keeper is not None
            before = keeper.token
            (tmp_path / "token").write_text("second-token-" + "y" * 40)
            assert await site.change(account("a", BTC), site.channel(), web) == ["web.token"]
            assert keeper.token != before
            names = 'names = ["monitor.lan"]\n'
            assert await site.change(account("a", BTC), site.channel(), web + names) == ["web.names"]
            assert "web" in jobs(daemon)


async def test_a_journal_across_a_reload_replays_to_the_same_decisions(tmp_path: Path) -> None:
    """The settings that changed are an event like any other."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel())
        daemon = site.build(journal=tmp_path / "journal")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(daemon.run())
            await until(lambda: len(wallets(daemon)) == 1)
            move(site.emulator, "BTCUSDT", "60400")
            await until(lambda: len(site.told().accepted) == 1)
            await site.change(account("b", BTC), account("c", ETH), site.channel(), site.channel("mail"))
            move(site.emulator, "ETHUSDT", DANGER)
            await until(lambda: len(site.transitions("c/")) >= 1)
            daemon.stop()
            await asyncio.wait([task])
    again = [effects for _, effects in replayed(tmp_path / "journal")]
    kinds = {NoticeKind.ALERT, NoticeKind.CLOSED}
    here, there = (
        [(n.key, n.channel, n.level) for effects in one for n in effects.notices if n.kind in kinds]
        for one in (site.effects, again)
    )
    assert here == there
    assert len(here) >= 3


async def test_what_is_known_of_a_channel_that_kept_failing_goes_with_it(tmp_path: Path) -> None:
    """It is not configured any more: nothing keeps failing, and no count of it is left."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel(), site.channel("mail"))
        async with running(site) as daemon:
            await until(lambda: len(wallets(daemon)) == 1)
            for name in ("notify.tg", "notify.mail"):
                daemon._running.died(JobDied(name, "RuntimeError", 1))
            assert dict(daemon.health().troubles)[DYING] == ("notify.tg", "notify.mail")
            await site.change(account("a", BTC), site.channel())
            await until(lambda: daemon.status().job_deaths == {"notify.tg": 1})
            assert daemon.status().dying == ("notify.tg",)


async def test_a_secret_rotated_while_the_daemon_is_made_is_taken_by_the_next_reload(tmp_path: Path) -> None:
    """What a reload compares with is what the channels were made of, and not what lay there a moment later."""
    async with site_of(tmp_path) as site:
        site.write(account("a", BTC), site.channel(address="json://localhost/1"))
        secrets = resolve_secrets(load(site.path, {}), os.environ)
        site.channel(address="json://localhost/2")
        daemon = site.build(secrets=secrets)
        async with asyncio.TaskGroup() as group:
            run = group.create_task(daemon.run())
            await until(lambda: is_running(site.state / LOCK_FILE) and (site.state / CONTROL_SOCKET).exists())
            words = await site.change(account("a", BTC), site.channel(address="json://localhost/2"))
            daemon.stop()
            await run
        assert words == ["channel tg: another address or format"]
