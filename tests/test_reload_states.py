"""Any sequence of configurations, good and bad, ends where a fresh start with the last good one begins."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.app import Daemon
from monitor.cli.planning import opened_channels
from monitor.cli.root import app
from monitor.core.model import Source
from monitor.emulator.server import Emulator
from monitor.errors import ConfigError
from monitor.system_clock import SystemClock
from tests.reloaded import Site, account, exchange, position, running

HOLDINGS = {
    "btc": position("BTCUSDT"),
    "more": position("BTCUSDT", margin=4000.0),
    "eth": position("ETHUSDT", entry=3000.0) + position("BTCUSDT"),
}
EXTRAS = {
    "zone": '[display]\ntime_zone = "Asia/Tokyo"\n',
    "summary": '[summary]\nat = "21:30"\n',
    "quiet": "[summary]\nenabled = false\n",
    "history": '[history]\nkeep_raw = "2d"\n',
    "rules": "[alerts.notice]\nroom = 0.3\n",
    "advice": "[advice]\nslippage = 0.002\n",
    "tiers": "[brackets.BTCUSDT]\nrows = [[0, 500000, 0.01, 0]]\n",
    "log": '[log]\nlevel = "warning"\n',
}
MISTAKES = {
    "value": "[audit]\ntolerance = -1\n",
    "toml": "[audit\n",
    "secret": '[heartbeat]\nurl = { env = "NOT_SET_ANYWHERE" }\n',
    "restart": "[web]\nenabled = true\n",
}


# Jobs that are there because of the configuration; others, such as the look at what nobody saw, end by themselves.
CONFIGURED = ("notify.", "account-", "calendar", "outward-heartbeat", "charts", "feed-")


class Choice(NamedTuple):
    """A configuration: accounts with what they hold or which key they have, channels with their address."""

    accounts: tuple[tuple[str, str], ...]
    channels: tuple[tuple[str, str], ...]
    extras: frozenset[str]
    pings: str
    mistake: str

    def good(self) -> bool:
        return not self.mistake and bool(self.accounts)

    def parts(self, site: Site) -> Iterator[str]:
        for name, holds in self.accounts:
            yield account(name, HOLDINGS[holds]) if holds in HOLDINGS else keyed(site, name, holds)
        for name, address in self.channels:
            yield site.channel(name, address)
        summary = {"summary", "quiet"} <= self.extras
        yield from (EXTRAS[name] for name in sorted(self.extras - ({"quiet"} if summary else set())))
        if self.pings and self.mistake != "secret":
            (site.folder / "ping").write_text(f"http://127.0.0.1:9/{self.pings}")
            yield f'[heartbeat]\nurl = {{ file = "{site.folder}/ping" }}\n'
        if self.mistake:
            yield MISTAKES[self.mistake]


def keyed(site: Site, name: str, key: str) -> str:
    """An account that is followed; nobody answers it here."""
    (site.folder / f"{name}.key").write_text(key)
    (site.folder / "secret").write_text("nobodys-secret")
    return (
        f'[[accounts]]\nname = "{name}"\napi_key = {{ file = "{site.folder}/{name}.key" }}\n'
        f'api_secret = {{ file = "{site.folder}/secret" }}\n'
    )


def named(names: Sequence[str], values: Sequence[str]) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    one = st.tuples(st.sampled_from(names), st.sampled_from(values))
    return st.lists(one, max_size=len(names), unique_by=lambda pair: pair[0]).map(tuple)


CHOICES = st.builds(
    Choice,
    accounts=named(("a", "b", "c"), (*HOLDINGS, "key-one", "key-two")),
    channels=named(("tg", "mail"), ("json://localhost/1", "json://localhost/2")),
    extras=st.frozensets(st.sampled_from(sorted(EXTRAS)), max_size=4),
    pings=st.sampled_from(("", "one", "two")),
    mistake=st.sampled_from(("", "", "", *MISTAKES)),
)


def key_of(follower: object) -> str:
    """The key that signs what a follower asks."""
    credentials = follower._rest._rest._caller._credentials  # type: ignore[attr-defined]
    return str(credentials.reveal_key())


def state_of(daemon: Daemon) -> dict[str, object]:
    """What a configuration decides in a daemon. Of a followed account its key alone: nobody has told of it yet."""
    engine, plan = daemon._engine, daemon._switch.plan
    typed = {one.account: one for one in engine.accounts() if one.source is Source.GIVEN}
    followed = {name: key_of(one.source) for name, one in daemon._switch.followed.items()}
    lanes = daemon._delivery._lanes
    urls = daemon._reloads._renew._held.secrets.channel_urls  # type: ignore[union-attr]
    heart = daemon._alive._heart
    jobs = [one.job.name for one in daemon._running._tasks.values()]
    return {
        "settings": engine._settings,
        "accounts": {name: one for name, one in typed.items() if name not in followed},
        "followed": list(followed.items()),
        "wallets": sorted(
            str(one.key) for one in engine._assessment.book.wallets if one.key.account not in followed
        ),
        "tables": {name: one for name, one in engine.holdings()[1].items() if "/" not in name and ":" not in name},
        "channels": [(name, repr(lane._around.tz)) for name, lane in lanes.items()],
        "ways out": [lane._channel for lane in lanes.values()] == list(plan.channels),
        "addresses": {name: url.reveal().rpartition("/")[2] for name, url in urls.items()},
        "zone": repr(plan.time_zone),
        "summary": plan.summary_minute,
        "history": daemon._history._settings,
        "pings": None if heart is None else heart._plan.url.reveal(),
        "jobs": sorted(name for name in jobs if name.startswith(CONFIGURED)),
    }


async def after(folder: Path, emulator: Emulator, choices: Sequence[Choice]) -> dict[str, object]:
    """Start with the first configuration, have the others taken or refused, and return what came of it."""
    site = Site(folder, emulator)
    site.write(*choices[0].parts(site))
    async with running(site) as daemon:
        for choice in choices[1:]:
            site.write(*choice.parts(site))
            answer = await site.reload()
            assert answer["taken"] is choice.good(), (choice, answer)
        for _ in range(200):  # what was ended needs its turns
            if not daemon._leaving and not daemon._delivery._leaving:
                break
            await SystemClock().sleep(0.005)
        return state_of(daemon)


FIRST = Choice((("a", "btc"),), (("tg", "json://localhost/1"),), frozenset(), "", "")


# Each one runs two daemons: few, and none is made smaller for minutes.
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])
@given(st.lists(CHOICES, min_size=1, max_size=5))
def test_a_sequence_of_reloads_ends_as_a_fresh_start_with_the_last_good_one(choices: list[Choice]) -> None:
    """Settings, accounts, tiers, wallets, channels in their order, and the jobs that run: all the same."""
    last = [one for one in choices if one.good()][-1:] or [FIRST]

    async def compare() -> None:
        emulator = exchange("BTCUSDT", "ETHUSDT")
        with contextlib.ExitStack() as folders:
            one, other = (Path(folders.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
            await emulator.start()
            try:
                reloaded = await after(one, emulator, [FIRST, *choices])
                fresh = await after(other, emulator, last)
            finally:
                await emulator.stop()
        for key, value in fresh.items():
            assert reloaded[key] == value, key

    asyncio.run(compare())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(CHOICES)
def test_what_check_config_calls_fine_a_reload_takes(choice: Choice) -> None:
    """And nothing else, but for what only a restart can change."""
    with tempfile.TemporaryDirectory() as folder:
        emulator = exchange("BTCUSDT")
        emulator._port = 9  # nothing is connected to
        site = Site(Path(folder), emulator)
        site.write(*FIRST.parts(site))
        renew = site.build()._reloads._renew
        assert renew is not None
        renew._opened = opened_channels  # type: ignore[attr-defined]
        site.write(*choice.parts(site))
        fine = CliRunner().invoke(app, ["check-config", "--config", str(site.path)]).exit_code == 0
        try:
            renew()
            taken = True
        except ConfigError as error:
            taken = all("restart" in problem.hint for problem in error.problems)
        assert taken is fine
