"""Accounts followed by their keys across a reload: added, taken out, given another key, typed in instead."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from monitor.app import Daemon
from monitor.binance.account_values import AccountTimings
from monitor.core.model import Level, Source
from monitor.emulator.day import SECRET
from monitor.emulator.server import Emulator
from tests.following import QUICK, changes_of, differences, fresh
from tests.reloaded import Site, account, position, running, trading, until

TIMINGS = AccountTimings(
    reconcile_every_s=0.3, reconcile_gap_s=0.0, complain_after_s=0.2, fatal_again_s=0.2, pauses=QUICK
)


class Keys(Site):
    """A site whose accounts are followed by keys in files."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        super().__init__(folder, emulator)
        (folder / "secret").write_text(SECRET)

    def keyed(self, name: str, key: str = "", extra: str = "") -> str:
        """Return an account as the configuration has it; an empty ``key`` is the right one."""
        (self.folder / f"{name}.key").write_text(key or f"{name}-key")
        market = "coinm" if name == "coin" else "usdm"
        return (
            f'[[accounts]]\nname = "{name}"\nmarket = "{market}"\n{extra}'
            f'api_key = {{ file = "{self.folder}/{name}.key" }}\n'
            f'api_secret = {{ file = "{self.folder}/secret" }}\n'
        )

    def told_of(self) -> list[str]:
        """Return what channels were told so far."""
        return [text for made in self.channels.values() for one in made for text in one.texts]


@asynccontextmanager
async def site_of(tmp_path: Path) -> AsyncIterator[Keys]:
    async with trading(fresh()) as emulator:
        yield Keys(tmp_path, emulator)


def rows(daemon: Daemon) -> dict[str, dict[str, object]]:
    """Followed accounts by name, in the order of the configuration."""
    return {one["account"]: one for one in map(msgspec.to_builtins, daemon.status().accounts)}


def source_of(daemon: Daemon, name: str) -> str:
    return next((one.source for one in daemon.status().engine.accounts if one.account == name), "")


def followed(daemon: Daemon, *names: str) -> bool:
    return all(rows(daemon).get(name, {}).get("state") == "following" for name in names)


def jobs_of(daemon: Daemon, name: str) -> list[str]:
    return [one.job.name for one in daemon._running._tasks.values() if f"account-{name}-" in one.job.name]


async def test_an_account_that_stays_goes_on_with_its_stream(tmp_path: Path) -> None:
    """Beside one that comes and one that goes: the same connection, nothing fetched anew, nothing missed."""
    async with site_of(tmp_path) as site:
        site.write(site.keyed("main"), site.keyed("hedge"), site.channel())
        async with running(site, TIMINGS) as daemon:
            await until(lambda: followed(daemon, "main", "hedge"))
            stays = daemon._switch.followed["main"].source
            assert await site.change(site.keyed("main"), site.keyed("coin"), site.channel()) == [
                "account coin: added",
                "account hedge: taken out",
            ]
            assert daemon._switch.followed["main"].source is stays
            await until(lambda: followed(daemon, "coin"))
            assert list(rows(daemon)) == ["main", "coin"]
            stream = rows(daemon)["main"]["stream"]
            assert isinstance(stream, dict)
            assert stream["connects"] == 1
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: any(p.account == "main" for p in daemon.status().engine.positions))
            await until(lambda: not jobs_of(daemon, "hedge"))
            assert len(jobs_of(daemon, "main")) == len(jobs_of(daemon, "coin")) == 4


async def test_what_is_held_stays_watched_while_its_key_is_replaced(tmp_path: Path) -> None:
    """No gap, no "gone", no change told that was none; what follows it now confirms it."""
    async with site_of(tmp_path) as site:
        site.write(site.keyed("main"), site.channel(extra="changes = true"))
        async with running(site, TIMINGS) as daemon:
            await until(lambda: followed(daemon, "main"))
            await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
            await until(lambda: any(p.distance is not None for p in daemon.status().engine.positions))
            site.effects.clear()
            gone = daemon._switch.followed["main"].source
            site.emulator.faults.rest_status = {"*": 503}
            main = site.keyed("main", extra="allow_trading_key = true\n")
            changed = await site.change(main, site.channel(extra="changes = true"))
            assert changed == ["account main: followed anew with another key, market or allowance"]
            assert daemon._switch.followed["main"].source is not gone
            assert source_of(daemon, "main") == Source.STORED
            (held,) = daemon.status().engine.positions
            assert held.distance is not None
            site.emulator.faults.rest_status = {}
            await until(lambda: followed(daemon, "main") and source_of(daemon, "main") != Source.STORED)
            assert not [one for one in differences(daemon, site.emulator) if "main" in one]
        assert not site.transitions("main/")
        assert not changes_of(site.effects)


async def test_a_key_that_was_refused_is_mended_by_a_reload(tmp_path: Path) -> None:
    """The trouble was told; it is over once the new key has an answer, and not before."""
    async with site_of(tmp_path) as site:
        site.write(site.keyed("main", key="wrong-key-of-somebody"), site.channel())
        async with running(site, TIMINGS) as daemon:
            await until(lambda: any("ACCOUNT main" in text for text in site.told_of()))
            site.emulator.faults.rest_status = {"*": 503}
            changed = await site.change(site.keyed("main"), site.channel())
            assert changed == ["account main: followed anew with another key, market or allowance"]
            assert [one.subject for one in daemon.status().engine.alerts] == ["/account:main"]
            site.emulator.faults.rest_status = {}
            await until(lambda: followed(daemon, "main"))
            await until(lambda: not daemon.status().engine.alerts)
            assert daemon.status().unseen == ()
            (account_view,) = daemon.status().engine.accounts
            assert account_view.ok
        levels = [one.level for one in site.transitions("/account:main")]
        assert levels == [Level.CRITICAL, Level.OK]


async def test_an_account_that_is_taken_out_is_let_go_of(tmp_path: Path) -> None:
    """Its tasks and connections end, and that of marks only it needed; what it still says reaches nobody."""
    async with site_of(tmp_path) as site:
        both = site.keyed("main"), site.keyed("hedge")
        site.write(*both, site.channel())
        async with running(site, TIMINGS) as daemon:
            await until(lambda: followed(daemon, "main", "hedge"))
            await site.emulator.accounts["hedge"].fill("BTCUSDT", "BUY", "0.5", position_side="LONG")
            await until(lambda: any(p.account == "hedge" for p in daemon.status().engine.positions))
            streams = site.emulator.streams
            await until(lambda: (streams.connections_of("private"), streams.connections_of("market")) == (2, 1))
            gone = daemon._switch.followed["hedge"]
            await site.change(both[0], site.channel())
            await until(lambda: not jobs_of(daemon, "hedge"))
            await until(lambda: (streams.connections_of("private"), streams.connections_of("market")) == (1, 0))
            assert [one.account for one in daemon.status().engine.accounts] == ["main"]
            assert daemon._engine.surroundings.funds.keys() <= {"main"}
            assert gone.source._inbox._inbox is None  # type: ignore[attr-defined]


async def test_the_first_key_of_a_daemon_that_had_none_hears_of_contracts_too(tmp_path: Path) -> None:
    """On the connection of marks that is there; no new one is made."""
    async with site_of(tmp_path) as site:
        typed = account("typed", position("BTCUSDT", entry=60000.0, margin=30000.0))
        site.write(typed, site.channel())
        async with running(site, TIMINGS) as daemon:
            await until(lambda: daemon.ticks > 3)
            connects = [feed.connects for feed in daemon.status().feeds]
            assert await site.change(typed, site.keyed("main"), site.channel()) == ["account main: added"]
            await until(lambda: followed(daemon, "main"))
            marks = daemon._sources.feeds
            streams = {name for feed in marks.values() for name in feed._feed._streams}  # type: ignore[attr-defined]
            assert "!contractInfo" in streams
            assert [feed.connects for feed in daemon.status().feeds] == connects


@pytest.mark.parametrize("first", ["typed", "keyed"])
async def test_typed_in_and_followed_change_places(tmp_path: Path, first: str) -> None:
    """Both ways the newer word counts, and nothing of the other one's is left."""
    async with site_of(tmp_path) as site:
        await site.emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")
        ways = {
            "typed": account("main", position("BTCUSDT", entry=60000.0, quantity=0.25, margin=9000.0)),
            "keyed": site.keyed("main"),
        }
        second = "keyed" if first == "typed" else "typed"
        held = {"typed": 0.25, "keyed": 0.5}

        def quantity(daemon: Daemon) -> list[float]:
            return [one.quantity for one in daemon.status().engine.positions]

        site.write(ways[first], site.channel(extra="changes = true"))
        async with running(site, TIMINGS) as daemon:
            await until(lambda: quantity(daemon) == [held[first]])
            (words,) = await site.change(ways[second], site.channel(extra="changes = true"))
            assert words.startswith("account main: ")
            assert quantity(daemon) in ([held[first]], [held[second]])  # never nothing
            await until(lambda: quantity(daemon) == [held[second]])
            assert list(rows(daemon)) == (["main"] if second == "keyed" else [])
            assert not daemon._engine._accounts._tiers._own.get("main") or second == "keyed"
            (view,) = daemon.status().engine.accounts
            assert view.ok
            assert not [one for one in site.told_of() if "CHANGED" in one]
