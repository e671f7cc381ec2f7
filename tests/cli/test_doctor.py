"""``doctor`` against the emulator: what is healthy, what is not, and what it says to do."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.control import Lock
from monitor.core.model import Market
from monitor.doctor import checks, hosts, routes
from monitor.doctor.disk import daemon_findings, disk_findings
from monitor.doctor.finding import Check, Finding, Report, State, examine
from monitor.emulator.brackets import Brackets
from monitor.emulator.clock import Clock
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import Problem
from monitor.storage.history_schema import HISTORY_SCHEMA
from monitor.storage.paths import STATE_DB
from monitor.storage.schema import steps_to
from monitor.storage.state import SqliteState
from monitor.system_clock import SystemClock
from tests.cli.answering import answering
from tests.conftest import ManualClock
from tests.emulator.conftest import small_scenario
from tests.ports import free_port
from tests.storage.damage import another_users

CLOCK = SystemClock()


def nobody() -> str:
    """Return host and port on which nothing listens."""
    return f"127.0.0.1:{free_port()}"


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
    monkeypatch.setattr(routes, "DATA_WITHIN_S", 2.0)


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

    owed = (("key", "main", "x"), ("mode", "main", "see the hosts"), ("figures", "main", "y"))
    found = await examine((Check("slow", hanging, 0.05, owed),), lambda _: None)
    states = [("key", State.OK), ("mode", State.FAIL), ("figures", State.UNKNOWN)]
    assert [(one.area, one.state) for one in found] == states
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
    assert ("wait" in host.fix) is (status != 403)


@pytest.mark.parametrize("status", [429, 418])
async def test_a_limit_is_to_be_waited_for(exchange: Emulator, status: int) -> None:
    """Nothing is wrong with the network or an address: until when, and what to look for."""
    exchange.faults.rest_status["*"] = status
    exchange.faults.retry_after_s = 240
    found: list[Finding] = []
    await hosts.check_hosts(Market.USDM, (exchange.base_http,), ManualClock(), found.append)
    assert found[0].state is State.FAIL
    assert "wait until 20:30:40 UTC" in found[0].fix
    assert "weight of this address" in found[0].fix
    assert "rest_url" not in found[0].fix


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


def test_what_is_no_file_and_what_is_empty_is_called_so(tmp_path: Path) -> None:
    """A directory is not "not there yet", and an empty file is not one of an older version."""
    (tmp_path / "state.db").mkdir()
    (tmp_path / "history.db").touch()
    found = looked(tmp_path, tmp_path / "history.db")
    assert found["state.db"].state is found["history.db"].state is State.FAIL
    assert "it is a directory" in found["state.db"].found
    assert "Move it away" in found["state.db"].fix
    assert "it is empty: no daemon has been able to write it yet" in found["history.db"].found


def test_what_the_running_daemon_cannot_write_fails_whatever_the_files_look_like(tmp_path: Path) -> None:
    """It knows better than a look from outside; the reason comes along."""
    status = {"version": "1", "pid": 2, "unwritable": {"state": "disk I/O error"}}
    path, history = tmp_path / STATE_DB, tmp_path / "history.db"
    path.touch()
    with closing(sqlite3.connect(history)) as one:
        one.executescript("; ".join(steps_to(HISTORY_SCHEMA, HISTORY_SCHEMA.version)))
    with answering(tmp_path, {"status": status}):
        found = looked(tmp_path, history)
        assert "it is empty" in found["state.db"].found
        assert "the running daemon cannot write it: disk I/O error" in found["state.db"].found
        assert found["history.db"].state is State.OK
    with answering(tmp_path, {"status": status | {"unwritable": {"state": "", "history": "disk is full"}}}):
        found = looked(tmp_path, history)
        assert found["state.db"].state is found["history.db"].state is State.FAIL
        assert found["history.db"].found == "the running daemon cannot write it: disk is full"


def test_a_file_that_a_running_daemon_does_not_have_is_missing(tmp_path: Path) -> None:
    """It makes one as soon as it can, so none is there because it cannot."""
    with answering(tmp_path, {"status": {"unwritable": {}}}):
        found = looked(tmp_path, tmp_path / "history.db")
    assert found["state.db"].state is State.FAIL
    assert "is not there although a daemon is running" in found["state.db"].found


def test_the_machine_s_service_without_sudo(tmp_path: Path) -> None:
    """Each file says whose it is, and whether a daemon runs is not known."""
    with another_users(tmp_path / "state") as state:
        found = looked(state, state / "history.db", Problem("state.directory", "a directory", "one of one's own"))
        (daemon,) = daemon_findings(state, lambda _status: ())
    for name in ("state.db", "history.db"):
        assert found[name].state is State.FAIL
        assert "sudo" in found[name].fix
    assert (daemon.state, "another user's" in daemon.found, "sudo" in daemon.fix) == (State.UNKNOWN, True, True)


def test_a_daemon_that_runs_and_one_that_does_not_answer(tmp_path: Path) -> None:
    """None is a warning; one that holds the lock and has no socket fails."""
    (none,) = daemon_findings(tmp_path, lambda _: ())
    assert none.state is State.WARN
    with Lock(tmp_path / "lock"):
        (mute,) = daemon_findings(tmp_path, lambda _: ())
    assert mute.state is State.FAIL
    assert mute.found.endswith("nobody listens on its socket")


# The command


class Doctor:
    """The command with a configuration that leads to an emulator."""

    def __init__(self, tmp_path: Path, exchange: Emulator) -> None:
        self._path = tmp_path / "config.toml"
        self.state = tmp_path / "state"
        self.market_stream = exchange.base_market_ws
        self.rest = exchange.base_http
        self._private = exchange.base_private_ws
        self.more = ""

    async def __call__(self, *args: str) -> Result:
        self._path.write_text(f"""
[exchange]
rest_url = "{self.rest}"
market_stream_url = "{self.market_stream}"
private_stream_url = "{self._private}"
[state]
directory = "{self.state}"
[[accounts]]
name = "main"
api_key = {{ env = "MAIN_KEY" }}
api_secret = {{ env = "MAIN_SECRET" }}
{self.more}""")
        words = [*args, f"--config={self._path}"]
        return await asyncio.to_thread(CliRunner().invoke, app, words)

    async def findings(self, *args: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
        """Return the exit code and what was found, by area."""
        result = await self("doctor", *args, "--json")
        found: dict[str, list[dict[str, str]]] = {}
        for one in json.loads(result.stdout)["findings"]:
            found.setdefault(one["area"], []).append(one)
        return result.exit_code, found


@pytest.fixture
def doctor(tmp_path: Path, exchange: Emulator, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    monkeypatch.setenv("MAIN_KEY", "key")
    monkeypatch.setenv("MAIN_SECRET", "secret")
    return Doctor(tmp_path, exchange)


def states(found: list[dict[str, str]]) -> set[str]:
    return {one["state"] for one in found}


async def test_all_is_well(doctor: Doctor) -> None:
    """Every area is looked at; what cannot be known on the testnet is no failure; nothing is made on the disk."""
    code, found = await doctor.findings()
    assert code == 0
    areas = (
        "configuration secrets clock hosts routes key permissions mode brackets streams figures orders disk daemon"
    )
    assert list(found) == areas.split()
    for area in (
        "secrets",
        "clock",
        "hosts",
        "routes",
        "key",
        "mode",
        "brackets",
        "streams",
        "figures",
        "orders",
        "disk",
    ):
        assert states(found[area]) == {"ok"}, area
    assert states(found["permissions"]) == {"unknown"}
    assert "make sure yourself" in found["permissions"][0]["fix"]
    assert not doctor.state.exists()


@pytest.mark.parametrize("width", ["80", "120"])
async def test_people_get_one_line_each_and_what_to_do(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    """Within the terminal, with a count at the end."""
    monkeypatch.setenv("COLUMNS", width)
    result = await doctor("doctor")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= int(width)
    assert "do: `position-monitor run`" in result.stdout
    assert lines[-1] == "19 checks: 16 ok, 2 warn, 1 unknown."


async def test_a_wrong_key_fails_with_the_likely_causes(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither key nor secret is ever shown."""
    monkeypatch.setenv("MAIN_KEY", "SomebodyElsesKey")
    monkeypatch.setenv("MAIN_SECRET", "AndTheirSecret")
    result = await doctor("doctor")
    assert result.exit_code == 1
    assert "key refused (-2015)" in result.stdout
    assert "live key" in " ".join(result.stdout.split())
    assert "SomebodyElsesKey" not in result.output
    assert "AndTheirSecret" not in result.output
    monkeypatch.setenv("MAIN_KEY", "key")
    code, found = await doctor.findings()
    assert (code, states(found["key"])) == (1, {"FAIL"})
    assert "-1022" in found["key"][0]["found"]


async def test_a_clock_that_is_off_is_told_and_signed_calls_work_all_the_same(
    doctor: Doctor, exchange: Emulator
) -> None:
    """Requests are corrected by the difference."""
    exchange.faults.skew_ms = 8_000
    code, found = await doctor.findings()
    assert code == 0
    assert (states(found["clock"]), states(found["key"])) == ({"warn"}, {"ok"})


async def test_a_secret_that_is_missing_is_one_failure_and_the_rest_goes_on(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its account is unknown; hosts and routes are looked at."""
    monkeypatch.delenv("MAIN_SECRET")
    code, found = await doctor.findings()
    assert code == 1
    assert found["secrets"][0]["subject"] == "accounts[0].api_secret"
    assert (states(found["key"]), states(found["hosts"])) == ({"unknown"}, {"ok"})


async def test_the_address_to_ping_is_looked_at_and_not_asked(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether there is one is told, and one that cannot be used; nothing of it is repeated."""
    _, found = await doctor.findings()
    assert "nobody elsewhere notices" in found["secrets"][-1]["found"]
    doctor.more = '[heartbeat]\nurl = { env = "HEARTBEAT_URL" }\n'
    monkeypatch.setenv("HEARTBEAT_URL", "http://127.0.0.1:1/hush")
    _, found = await doctor.findings()
    assert (found["secrets"][-1]["subject"], states(found["secrets"])) == ("heartbeat", {"ok"})
    monkeypatch.setenv("HEARTBEAT_URL", "http://192.0.2.1/hush")
    code, found = await doctor.findings()
    assert code == 1
    assert (found["secrets"][0]["subject"], states(found["secrets"][:1])) == ("heartbeat.url", {"FAIL"})
    assert "hush" not in str(found)


async def test_pages_instead_of_data_fail(doctor: Doctor, exchange: Emulator) -> None:
    """The host does, and so does everything that is asked of it."""
    exchange.faults.html["*"] = 200
    code, found = await doctor.findings()
    assert code == 1
    assert (states(found["hosts"]), states(found["key"])) == ({"FAIL"}, {"FAIL"})
    assert states(found["routes"]) == {"ok"}


async def test_figures_that_are_not_the_exchanges_fail(doctor: Doctor, exchange: Emulator) -> None:
    """Tiers that are not those it computes with."""
    plant(exchange)
    code, found = await doctor.findings()
    assert (code, states(found["figures"])) == (1, {"FAIL"})


async def test_a_disk_that_cannot_be_used_fails(doctor: Doctor, tmp_path: Path) -> None:
    """A file stands where the directory should."""
    (tmp_path / "state").write_text("in the way")
    code, found = await doctor.findings()
    assert code == 1
    assert found["disk"][0]["state"] == "FAIL"
    assert "no directory" in found["disk"][0]["found"]


async def test_channels_are_not_sent_to_unless_asked(doctor: Doctor, tmp_path: Path) -> None:
    """Their addresses are judged; --send tries them."""
    address = f"json://{nobody()}/"
    (tmp_path / "good.url").write_text(address)
    (tmp_path / "good.url").chmod(0o600)
    (tmp_path / "odd.url").write_text("nosuchservice://a-token-of-mine/x")
    (tmp_path / "odd.url").chmod(0o600)
    doctor.more = "".join(
        f'[[channels]]\nname = "{name}"\nurl = {{ file = "{tmp_path / name}.url" }}\n' for name in ("good", "odd")
    )
    result = await doctor("doctor", "--json")
    found = [one for one in json.loads(result.stdout)["findings"] if one["area"] == "channels"]
    assert {one["subject"]: one["state"] for one in found} == {"good": "ok", "odd": "FAIL"}
    assert "a-token-of-mine" not in result.output
    _, sent = await doctor.findings("--send")
    assert states(sent["channels"]) == {"FAIL"}
    assert any("connection refused" in one["found"] for one in sent["channels"])


async def test_hosts_that_hang_are_given_up_in_time(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    """They accept and never answer: every area is told all the same, and nothing waits longer than its limit."""
    gone = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    doctor.rest, doctor.market_stream = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/market"
    longest_s = min(checks.NETWORK_S, checks.ACCOUNT_S)
    monkeypatch.setattr(checks, "NETWORK_S", 0.3)
    monkeypatch.setattr(checks, "ACCOUNT_S", 0.3)
    began_s = CLOCK.mono_s()
    code, found = await doctor.findings()
    took_s = CLOCK.mono_s() - began_s
    gone.set()
    server.close()
    assert code == 1
    for area in ("hosts", "routes", "key"):
        assert states(found[area]) == {"FAIL"}, area
        assert "no answer within" in found[area][0]["found"]
    for area in ("clock", "permissions", "mode", "brackets", "streams", "figures"):
        assert states(found[area]) == {"unknown"}, area
    assert took_s < longest_s
    # In earnest the longest limit leaves room for starting up within fifteen seconds.
    monkeypatch.undo()
    assert max(checks.LOCAL_S, checks.NETWORK_S, checks.ACCOUNT_S, checks.SEND_S) <= 11.0


async def test_a_configuration_that_cannot_be_used_is_exit_code_2(tmp_path: Path) -> None:
    """With every mistake in it, as everywhere."""
    path = tmp_path / "config.toml"
    path.write_text("[exchange]\nenvironment = 1\n")
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", f"--config={path}"])
    assert result.exit_code == 2
    assert "exchange.environment" in result.stderr


# The audit without a daemon


def plant(exchange: Emulator) -> None:
    """Have the exchange compute with other tiers than it tells."""
    exchange.faults.rest_brackets["BTCUSDT"] = Brackets.from_rows("BTCUSDT", [[0, 10_000_000, 0.02, 0, 100]])


async def test_without_a_daemon_the_audit_asks_the_exchange(doctor: Doctor, exchange: Emulator) -> None:
    """Once, and says so; a planted difference is found; a refused key is a failure, not an agreement."""
    fine = await doctor("audit")
    assert fine.exit_code == 0, fine.output
    assert "just now; no daemon is running: all 4 agree." in fine.stdout
    plant(exchange)
    drifting = await doctor("audit", "--json")
    (main,) = json.loads(drifting.stdout)
    assert drifting.exit_code == 1
    assert (main["asked"], main["agrees"]) == ("exchange", False)
    assert {row["figure"] for row in main["compared"] if not row["agrees"]} >= {"maintenance margin"}
    check = await doctor("audit", "--check")
    assert check.exit_code == 1
    assert check.stdout.startswith("AUDIT WARNING - ")
    exchange.faults.rest_status["*"] = 403
    refused = await doctor("audit", "--check")
    assert refused.exit_code == 3
    assert refused.stdout.startswith("AUDIT UNKNOWN - main: ")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (b"\xa5" * 4096, "is damaged"),
        ("PRAGMA user_version = 99", "its schema version is 99"),
        ("BEGIN IMMEDIATE", "is locked by another program"),
    ],
)
async def test_a_database_that_cannot_be_used_is_named_with_the_fix(
    tmp_path: Path, spoil: bytes | str, words: str
) -> None:
    """Damaged, newer, locked: each has a fix of its own; what was set aside before is named too."""
    path = tmp_path / STATE_DB
    store = SqliteState(path, SystemClock())
    await store.open()
    await store.close()
    (tmp_path / "state.db.damaged-1").touch()
    (tmp_path / "state.db.damaged-1-wal").touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if isinstance(spoil, str):
            other.execute(spoil)
        else:
            with path.open("r+b") as file:
                file.seek(4096)
                file.write(spoil)
        found = [one for one in disk_findings(tmp_path, tmp_path / "history.db", ()) if one.subject == STATE_DB]
    assert [one.state for one in found] == [State.FAIL, State.WARN]
    assert words in found[0].found
    assert found[0].fix
    assert "1 damaged before and kept, the newest state.db.damaged-1" in found[1].found
