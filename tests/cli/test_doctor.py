"""``doctor`` against the emulator: what is healthy, what is not, and what it says to do."""

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.control import Lock
from monitor.core.model import Market
from monitor.doctor import hosts, routes
from monitor.doctor.disk import daemon_finding, disk_findings
from monitor.doctor.finding import Check, Finding, Report, State, examine
from monitor.emulator.clock import Clock
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import Problem
from monitor.storage.history_schema import HISTORY_SCHEMA
from monitor.system_clock import SystemClock
from tests.emulator.conftest import small_scenario

CLOCK = SystemClock()


def nobody() -> str:
    """Return host and port on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
async def exchange() -> AsyncIterator[Emulator]:
    """A running exchange of the small scenario, on the machine's own clock."""
    clock: Clock = CLOCK
    emulator = Emulator(clock, small_scenario(), EmulatorSettings(tick_s=0.05, forever=True))
    await emulator.start()
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(emulator.run())
        try:
            yield emulator
        finally:
            playing.cancel()
            await emulator.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent address is given up sooner than in earnest."""
    monkeypatch.setattr(routes, "DATA_WITHIN_S", 0.5)


async def hosts_of(*bases: str) -> dict[tuple[str, str], Finding]:
    found: list[Finding] = []
    await hosts.check_hosts(Market.USDM, bases, CLOCK, found.append)
    return {(one.area, one.subject): one for one in found}


async def routes_of(*bases: str, watched: tuple[str, ...] = ()) -> list[Finding]:
    found: list[Finding] = []
    await routes.check_routes(Market.USDM, bases, watched, CLOCK, found.append)
    return found


# Checks side by side


async def test_checks_run_side_by_side_and_keep_their_order() -> None:
    """The first waits for the second; what they found stands in the order they were given."""
    done = asyncio.Event()

    async def first(report: Report) -> None:
        await done.wait()
        report(Finding("a", "", State.OK, "first"))

    async def second(report: Report) -> None:
        report(Finding("b", "", State.OK, "second"))
        done.set()

    seen: list[tuple[str, ...]] = []
    found = await examine((Check("one", first, 5), Check("two", second, 5)), lambda run: seen.append(tuple(run)))
    assert [one.found for one in found] == ["first", "second"]
    assert seen == [("one", "two"), ("one",), ()]


async def test_a_check_that_hangs_is_cut_off_and_what_it_owes_fails() -> None:
    """What it found before stands; the rest is a failure that names what was to be found out."""

    async def hanging(report: Report) -> None:
        report(Finding("key", "main", State.OK, "works"))
        await asyncio.Event().wait()

    owed = (("key", "main", "x"), ("mode", "main", "see the hosts"))
    found = await examine((Check("slow", hanging, 0.05, owed),), lambda _: None)
    assert [(one.area, one.state) for one in found] == [("key", State.OK), ("mode", State.FAIL)]
    assert found[1].fix == "see the hosts"


# Hosts and clock


async def test_a_host_that_answers_and_a_clock_that_agrees(exchange: Emulator) -> None:
    """Latency and offset are told."""
    found = await hosts_of(exchange.base_http)
    host = found["hosts", f"usdm 127.0.0.1:{exchange.port}"]
    assert host.state is State.OK
    assert host.found.startswith("answers in ")
    assert found["clock", "usdm"].state is State.OK


@pytest.mark.parametrize(
    ("skew_ms", "state", "words"),
    [
        (3_000, State.WARN, "behind the exchange's"),
        (-3_000, State.WARN, "ahead of the exchange's"),
        (120_000, State.FAIL, "is too much"),
    ],
)
async def test_a_clock_that_is_off(exchange: Emulator, skew_ms: int, state: State, words: str) -> None:
    """Seconds are corrected and warned about, minutes fail; the fix is to keep time."""
    exchange.faults.skew_ms = skew_ms
    clock = (await hosts_of(exchange.base_http))["clock", "usdm"]
    assert clock.state is state
    assert words in clock.found
    assert "set-ntp" in clock.fix


async def test_the_second_host_serves_where_the_first_does_not(exchange: Emulator) -> None:
    """One that nobody listens on is a warning beside one that answers, and a failure alone."""
    dead = f"http://{nobody()}"
    found = await hosts_of(dead, exchange.base_http)
    assert found["hosts", f"usdm {dead[7:]}"].state is State.WARN
    assert found["clock", "usdm"].state is State.OK
    alone = await hosts_of(dead)
    assert alone["hosts", f"usdm {dead[7:]}"].state is State.FAIL
    assert "nothing listens" in alone["hosts", f"usdm {dead[7:]}"].found
    assert alone["clock", "usdm"].state is State.UNKNOWN


async def test_a_page_instead_of_data(exchange: Emulator) -> None:
    """HTML with a good status is no answer, and is called what it is."""
    exchange.faults.html["*"] = 200
    (host,) = [one for (area, _), one in (await hosts_of(exchange.base_http)).items() if area == "hosts"]
    assert host.state is State.FAIL
    assert "a page instead of data" in host.found


@pytest.mark.parametrize(
    ("status", "words"), [(418, "banned"), (429, "fewer"), (403, "firewall"), (500, "HTTP 500")]
)
async def test_refusals_are_told_in_words(exchange: Emulator, status: int, words: str) -> None:
    """The status and what it means."""
    exchange.faults.rest_status["*"] = status
    (host,) = [one for (area, _), one in (await hosts_of(exchange.base_http)).items() if area == "hosts"]
    assert words in host.found


# Routes


async def test_a_route_that_delivers(exchange: Emulator) -> None:
    """The first mark counts, not the connection."""
    (found,) = await routes_of(exchange.base_market_ws, watched=("ETHUSDT",))
    assert found.state is State.OK
    assert found.found.startswith("first mark after ")


async def test_a_stream_without_its_route_is_silent_and_fails(exchange: Emulator) -> None:
    """It connects and acknowledges; the fix names the route."""
    (found,) = await routes_of(exchange.base_market_ws.removesuffix("/market"))
    assert found.state is State.FAIL
    assert "delivers nothing" in found.found
    assert "/market" in found.fix


async def test_a_silent_route_beside_one_that_delivers_is_a_warning(exchange: Emulator) -> None:
    """As is one that nobody listens on."""
    base = exchange.base_market_ws
    found = await routes_of(base, base.removesuffix("/market"), f"ws://{nobody()}/market")
    assert [one.state for one in found] == [State.OK, State.WARN, State.WARN]
    assert "nothing listens there" in found[2].found


async def test_a_watched_symbol_without_marks_is_named(exchange: Emulator) -> None:
    """The route works; that symbol does not."""
    exchange.faults.muted.add("ETHUSDT")
    (found,) = await routes_of(exchange.base_market_ws, watched=("ETHUSDT", "XAUUSDT"))
    assert found.state is State.WARN
    assert "no mark of ETHUSDT within" in found.found


# Disk and daemon


def looked(directory: Path, history: Path, *problems: Problem) -> dict[str, Finding]:
    return {one.subject: one for one in disk_findings(directory, history, problems)}


def test_a_new_directory_is_fine(tmp_path: Path) -> None:
    """Nothing is there yet, and nothing is made."""
    found = looked(tmp_path / "s", tmp_path / "s" / "history.db")
    assert {one.state for one in found.values()} == {State.OK}
    assert "not there yet" in found["state.db"].found
    assert list(tmp_path.iterdir()) == []


def test_databases_of_other_programs_and_of_newer_versions_fail(tmp_path: Path) -> None:
    """What opening them says, with its hint."""
    with sqlite3.connect(tmp_path / "state.db") as one:
        one.execute("CREATE TABLE x (y)")
    one.close()
    with sqlite3.connect(tmp_path / "history.db") as two:
        two.execute(f"PRAGMA application_id = {HISTORY_SCHEMA.application_id}")
        two.execute("PRAGMA user_version = 999")
    two.close()
    found = looked(tmp_path, tmp_path / "history.db")
    assert found["state.db"].state is found["history.db"].state is State.FAIL
    assert "not a state database" in found["state.db"].found
    assert "999" in found["history.db"].found
    assert "newer version" in found["history.db"].fix


def test_a_daemon_that_runs_and_one_that_does_not_answer(tmp_path: Path) -> None:
    """None is a warning; one that holds the lock and has no socket fails."""
    assert daemon_finding(tmp_path).state is State.WARN
    with Lock(tmp_path / "lock"):
        assert daemon_finding(tmp_path).state is State.FAIL
