"""Followed accounts that a reload renames, and other accounts under the name of one."""

from pathlib import Path

from monitor.app import Daemon
from monitor.cli.replay import replayed
from monitor.core.model import Source
from tests.following import changes_of
from tests.reloaded import account, decisions, position, running, until
from tests.test_reload_accounts import TIMINGS, followed, site_of, source_of

CHANGES = "changes = true"


def held(daemon: Daemon) -> dict[str, str]:
    """Accounts with a position whose distance is known, and its symbol."""
    found = daemon.status().engine.positions
    return {one.account: one.symbol for one in found if one.distance is not None}


async def test_an_account_renamed_while_the_exchange_does_not_answer_stays_watched(tmp_path: Path) -> None:
    """Market and key say that it is the same one: it is watched as it was last known, by the tiers it had."""
    async with site_of(tmp_path) as site:
        site.write(site.keyed("main"), site.channel(extra=CHANGES))
        async with running(site, TIMINGS) as daemon:
            await until(lambda: followed(daemon, "main"))
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: held(daemon) == {"main": "BTCUSDT"})
            site.effects.clear()
            site.emulator.faults.rest_status = {"*": 503}
            await site.change(site.keyed("renamed", key="main-key"), site.channel(extra=CHANGES))
            assert held(daemon) == {"renamed": "BTCUSDT"}
            assert source_of(daemon, "renamed") == Source.STORED
            site.emulator.faults.rest_status = {}
            await until(lambda: source_of(daemon, "renamed") == Source.REST)
            assert held(daemon) == {"renamed": "BTCUSDT"}
        assert not changes_of(site.effects)
        assert not site.transitions("/tiers")


async def test_accounts_that_swap_names_are_told_as_nothing(tmp_path: Path) -> None:
    """Each goes on as it was under the other name; nobody traded."""
    async with site_of(tmp_path) as site:
        channel = site.channel(extra=CHANGES)
        site.write(site.keyed("main"), site.keyed("hedge"), channel)
        async with running(site, TIMINGS, tmp_path / "journal") as daemon:
            await until(lambda: followed(daemon, "main", "hedge"))
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: held(daemon) == {"main": "BTCUSDT"})
            traded = len(site.effects)
            swapped = site.keyed("hedge", key="main-key"), site.keyed("main", key="hedge-key")
            await site.change(*swapped, channel)
            assert held(daemon) == {"hedge": "BTCUSDT"}
            await until(lambda: source_of(daemon, "main") == source_of(daemon, "hedge") == Source.REST)
            assert held(daemon) == {"hedge": "BTCUSDT"}
        assert not changes_of(site.effects[traded:])
    assert decisions(site.effects) == decisions(one for _, one in replayed(tmp_path / "journal"))


async def test_a_swap_of_names_with_an_account_that_never_answered_tells_of_nothing(tmp_path: Path) -> None:
    """What the other one holds says nothing of it, and nobody traded."""
    async with site_of(tmp_path) as site:
        channel = site.channel(extra=CHANGES)
        site.write(site.keyed("main"), channel)
        async with running(site, TIMINGS, tmp_path / "journal") as daemon:
            await until(lambda: followed(daemon, "main"))
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: held(daemon) == {"main": "BTCUSDT"})
            traded = len(site.effects)
            site.emulator.faults.rest_status = {"*": 503}
            await site.change(site.keyed("main"), site.keyed("hedge"), channel)
            await site.change(site.keyed("hedge", key="main-key"), site.keyed("main", key="hedge-key"), channel)
            assert held(daemon)["hedge"] == "BTCUSDT"
            site.emulator.faults.rest_status = {}
            await until(lambda: source_of(daemon, "main") == source_of(daemon, "hedge") == Source.REST)
            await until(lambda: followed(daemon, "main", "hedge"))
            assert held(daemon) == {"hedge": "BTCUSDT"}
        assert not changes_of(site.effects[traded:])
    assert decisions(site.effects) == decisions(one for _, one in replayed(tmp_path / "journal"))


async def test_a_followed_and_a_typed_account_that_swap_names_both_stay_watched(tmp_path: Path) -> None:
    """Also while the exchange does not answer; and the one that is typed in has not traded either."""
    async with site_of(tmp_path) as site:
        channel, typed_in = site.channel(extra=CHANGES), position("BTCUSDT", quantity=0.25, margin=9000.0)
        site.write(site.keyed("main"), account("hand", typed_in), channel)
        async with running(site, TIMINGS) as daemon:
            await until(lambda: followed(daemon, "main"))
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: held(daemon) == {"main": "BTCUSDT", "hand": "BTCUSDT"})
            traded = len(site.effects)
            site.emulator.faults.rest_status = {"*": 503}
            await site.change(site.keyed("hand", key="main-key"), account("main", typed_in), channel)
            quantities = {one.account: one.quantity for one in daemon.status().engine.positions}
            assert quantities == {"hand": 0.5, "main": 0.25}
            assert held(daemon) == {"main": "BTCUSDT", "hand": "BTCUSDT"}
            site.emulator.faults.rest_status = {}
            await until(lambda: source_of(daemon, "hand") == Source.REST)
        assert not changes_of(site.effects[traded:])


async def test_another_account_under_a_name_has_not_traded(tmp_path: Path) -> None:
    """It is watched as the one before until it answers; then what it holds, without a word of a change."""
    async with site_of(tmp_path) as site:
        channel = site.channel(extra=CHANGES)
        site.write(site.keyed("main"), channel)
        async with running(site, TIMINGS) as daemon:
            await until(lambda: followed(daemon, "main"))
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: held(daemon) == {"main": "BTCUSDT"})
            site.effects.clear()
            await site.change(site.keyed("main", key="hedge-key"), channel)
            assert held(daemon) == {"main": "BTCUSDT"}
            await until(lambda: held(daemon) == {})
            await until(lambda: followed(daemon, "main"))
        assert not changes_of(site.effects)
