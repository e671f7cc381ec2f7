"""Secrets of a whole incident are looked for in everything that a real process writes, answers and shows."""

import asyncio
import base64
import contextlib
import json
import os
import re
import secrets as chance
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from aiohttp import ClientSession, web

from monitor.config.secret import Secret
from monitor.emulator.brackets import Brackets
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account, Position
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import BRACKET_ROWS, Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.plan import WebPlan
from monitor.storage.paths import STATE_DB
from monitor.system_clock import SystemClock
from monitor.web.collected import collected
from monitor.web.context import Context
from monitor.web.keeper import Keeper
from monitor.web.limits import LIMITS, Tally
from monitor.web.metrics import Meter
from monitor.web.reading import Reader, Snapshot
from tests.ports import free_port
from tests.web.serving import FakeDaemon
from tests.web.sweep import Found, files_in, forms_of, leaks, processes_of

PATIENCE_S = 60.0
SYMBOL = "BTCUSDT"


def made_up() -> dict[str, str]:
    """Secrets by name, other ones each time; with characters that addresses write in another way."""
    return {
        "api key": chance.token_hex(32),
        "api secret": chance.token_hex(32),
        "channel password": f"p+/={chance.token_hex(12)}&?",
        "channel token": chance.token_hex(20),
        "broken token": chance.token_hex(20),
        "refused token": chance.token_hex(20),
        "heartbeat address": chance.token_hex(18),
        "web token": chance.token_hex(24),
    }


class Services:
    """What channels and the heartbeat lead to. What fails repeats all that it was sent, as bad services do."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self.bodies: list[bytes] = []  # of what was accepted
        self.refusals = 0
        self.pings = 0
        self.taking = True  # pings
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._secrets["channel token"] in request.path:
            self.bodies.append(body)
            return web.Response()
        if self._secrets["heartbeat address"] in request.path:
            self.pings += 1
            if self.taking:
                return web.Response(text="OK")
        self.refusals += 1
        status = 401 if self._secrets["refused token"] in request.path else 500
        return web.Response(status=status, text=f"{request.url} {dict(request.headers)} {body.decode()}")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield
        finally:
            await runner.cleanup()


class Incident:
    """One service in a process of its own, the exchange it watches, and everything that comes out of it."""

    def __init__(self, folder: Path) -> None:
        self.secrets = made_up()
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "config.toml"
        self.services = Services(self.secrets)
        self.emulator = Emulator(
            SystemClock(),
            self._scenario(),
            EmulatorSettings(tick_s=0.05, forever=True, weight_per_minute=10_000_000),
        )
        self.outputs: list[tuple[str, bytes]] = []
        self.address = ""
        self.process: asyncio.subprocess.Process | None = None

    def _scenario(self) -> Scenario:
        held = Position("main", SYMBOL, "LONG", Decimal("0.5"), Decimal(62_000), "isolated", Decimal(1_550))
        keys = Credentials(self.secrets["api key"], self.secrets["api secret"])
        account = Account(
            "main", {"USDT": Decimal(5_000)}, (held,), credentials=keys, isolated=frozenset({SYMBOL})
        )
        return Scenario((_contract("62000"),), (account,))

    def price(self, price: str) -> None:
        self.emulator.market.instruments[SYMBOL] = _contract(price)

    def write(self) -> None:
        """Put every secret where the configuration says, each in a file of its owner."""
        kept = self.folder / "secrets"
        kept.mkdir(mode=0o700)
        base = f"127.0.0.1:{self.services.port}"
        password = quote(self.secrets["channel password"], safe="")
        values = {
            "key": self.secrets["api key"],
            "secret": self.secrets["api secret"],
            "phone": f"json://user:{password}@{base}/hook/{self.secrets['channel token']}",
            "broken": f"json://user:{password}@{base}/hook/{self.secrets['broken token']}",
            "refused": f"json://{base}/hook/{self.secrets['refused token']}",
            "nobody": f"json://user:{password}@127.0.0.1:9/hook/{self.secrets['broken token']}",
            "ping": f"http://{base}/{self.secrets['heartbeat address']}",
            "token": self.secrets["web token"],
        }
        for name, value in values.items():
            (kept / name).touch(mode=0o600)
            (kept / name).write_text(value)
        channels = "".join(
            f'[[channels]]\nname = "{name}"\nurl = {{ file = "{kept}/{name}" }}\nchart = {chart}\n'
            for name, chart in (("phone", "true"), ("broken", "false"), ("refused", "false"), ("nobody", "false"))
        )
        self.config.write_text(f"""
[exchange]
environment = "testnet"
rest_url = "{self.emulator.base_http}"
market_stream_url = "{self.emulator.base_market_ws}"
private_stream_url = "{self.emulator.base_private_ws}"
[state]
directory = "{self.state}"
[log]
level = "debug"
[heartbeat]
url = {{ file = "{kept}/ping" }}
interval = "10s"
[web]
enabled = true
listen = "127.0.0.1:{free_port()}"
token = {{ file = "{kept}/token" }}
[[accounts]]
name = "main"
api_key = {{ file = "{kept}/key" }}
api_secret = {{ file = "{kept}/secret" }}
{channels}""")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The service, until it was stopped in good order."""
        log = self.folder / "log"
        words = ["-m", "monitor", "--verbose", "run", "--config", str(self.config)]
        with log.open("wb") as file:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, *words, "--journal", str(self.folder / "journal"), stdout=file, stderr=file,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHONASYNCIODEBUG": "1"},
            )  # fmt: skip
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                code = await self.process.wait()
            self.outputs.append(("the log", log.read_bytes()))
        assert code == 0, log.read_text()[-3000:]

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    async def commands(self, *every: tuple[str, ...]) -> None:
        """Run commands of the owner and keep what they print."""
        async with asyncio.TaskGroup() as group:
            for words in every:
                group.create_task(self._command(*words))

    async def _command(self, *words: str) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", *words, "--config", str(self.config),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S):
            out, _ = await process.communicate()
        self.outputs.append((f"`{' '.join(words)}`", out))

    async def fetch(self, session: ClientSession, path: str, *, token: str | None, **more: str) -> int:
        """Ask for a path, keep all that came back and return its status."""
        headers = dict(more) if token is None else {"Authorization": f"Bearer {token}", **more}
        async with session.get(f"{self.address}{path}", headers=headers, allow_redirects=False) as response:
            head = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
            self.outputs.append((f"GET {path}", head.encode() + b"\n\n" + await response.read()))
            return response.status

    def sweep(self) -> list[Found]:
        """Return every secret in everything that was kept and in every file that was written."""
        assert self.process is not None
        places = [
            *self.outputs, *files_in(self.state), ("the journal", (self.folder / "journal").read_bytes()),
            *processes_of(self.process.pid),
            *((f"message {n}", body) for n, body in enumerate(self.services.bodies)),
        ]  # fmt: skip
        return [one for place, content in places for one in leaks(place, content, self.secrets)]


def _contract(price: str) -> Instrument:
    path = PricePath(((0.0, Decimal(price)),))
    return Instrument(SYMBOL, "BTC", path, Brackets.from_rows(SYMBOL, BRACKET_ROWS[SYMBOL]))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await SystemClock().sleep(0.05)


@pytest.mark.parametrize("form", [form for form, _ in forms_of("x" * 40)])
def test_the_sweep_finds_a_secret_in_every_form(form: str, tmp_path: Path) -> None:
    """In the middle of other bytes, in a file, in a name of one; and nothing where there is none."""
    secrets = {"token": chance.token_hex(20), "other": chance.token_hex(20)}
    written = dict(forms_of(secrets["token"]))[form]
    assert [one.secret for one in leaks("here", b"\x00before" + written + b"after", secrets)] == ["token"]
    (tmp_path / "state.db").write_bytes(b"SQLite format 3\x00" + os.urandom(4096) + written)
    (tmp_path / "calm").write_bytes(os.urandom(4096) + json.dumps({"token": "none"}).encode())
    found = [one for place, content in files_in(tmp_path) for one in leaks(place, content, secrets)]
    assert [(one.secret, Path(one.place).name) for one in found] == [("token", "state.db")]


@pytest.mark.parametrize("before", ["", "u", "us", "use", "user", ":", "user:"])
def test_the_sweep_finds_a_secret_behind_a_name_in_base64(before: str) -> None:
    """As in a header of basic authentication, whatever the length of the name."""
    secrets = {"password": chance.token_hex(15)}
    header = b"Authorization: Basic " + base64.b64encode(f"{before}{secrets['password']}@".encode())
    assert [one.secret for one in leaks("a header", header, secrets)] == ["password"]


async def test_the_sweep_sees_processes_and_what_they_hand_on() -> None:
    """A word on the command line of a child, and one in its environment."""
    secrets = {"argument": chance.token_hex(16), "variable": chance.token_hex(16), "neither": chance.token_hex(16)}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(flush=True); input()", secrets["argument"],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={"X": secrets["variable"]},
    )  # fmt: skip
    assert child.stdout is not None
    await child.stdout.readline()
    found = [one for place, content in processes_of(os.getpid()) for one in leaks(place, content, secrets)]
    await child.communicate(b"\n")
    seen = {(one.secret, Path(one.place).name) for one in found}
    assert seen == {("argument", "cmdline"), ("variable", "environ")}


def readable_paths() -> list[str]:
    """Every path that is read, with something in place of what varies."""
    watched = FakeDaemon()
    clock = SystemClock()
    plan = WebPlan("127.0.0.1", 0, Secret("x" * 20))
    snapshot = Snapshot(watched.status, clock)
    context = Context(
        watched=watched, clock=clock, snapshot=snapshot, changed=snapshot.forget, read=Reader(), recorded=Reader(),
        form_token=lambda _request: "", can_change=lambda: True,
    )  # fmt: skip
    every = collected(context, Keeper(plan, clock, LIMITS), Tally(), Meter())
    return [re.sub(r"\{[^}]*\}", "1", route.path) for route in every if route.method == "GET"]


async def ask_everything(incident: Incident) -> None:
    """Ask for all that is read: with the token, without, with a wrong one, and with it where it should not be."""
    token = incident.secrets["web token"]
    async with ClientSession() as session:
        answered = 0
        for path in readable_paths():
            answered += await incident.fetch(session, path, token=token) < 500
            await incident.fetch(session, path, token=None)
        assert answered >= len(READ_AT_LEAST)
        # Mistakes of an owner: the token as a parameter, as a path, under another name, as a name and a password.
        for path in (f"/healthz?token={token}", f"/{token}", f"/static/{token}", f"/api/v1/alerts?token={token}"):
            await incident.fetch(session, path, token=None)
            await incident.fetch(session, path, token=token)
        await incident.fetch(session, "/healthz", token=None, Authorization=token)
        await incident.fetch(session, "/healthz", token=f"{token}x")
        await incident.fetch(session, "/healthz", token=token, Host=token)
        await incident.fetch(session, "/healthz", token=token, Expect=token)
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": incident.address}
        for fields in ({"token": f"{token}x"}, {"token": token, "more": token}):
            async with session.post(
                f"{incident.address}/login", data=urlencode(fields), headers=form, allow_redirects=False
            ) as response:
                head = repr(response.headers).encode()
                incident.outputs.append(("POST /login", head + await response.read()))


async def test_no_secret_of_an_incident_is_anywhere(tmp_path: Path) -> None:
    """A fall with channels that fail, a key that is refused, broken streams and databases, at log level debug.

    What is looked through: the log, the journal, databases and whatever else is in the state directory, messages,
    all that the web interface answers, what the owner's commands print, and what every user of this machine sees
    of the process, its threads and its children.
    """
    incident = Incident(tmp_path)
    emulator = incident.emulator
    await emulator.start()
    async with incident.services.serving(), asyncio.TaskGroup() as group:
        ticking = group.create_task(emulator.run())
        try:
            incident.write()
            async with incident.running():
                await until(lambda: "web.listening" in incident.logged())
                incident.address = incident.config.read_text().split('listen = "')[1].split('"')[0]
                incident.address = f"http://{incident.address}"
                await until(lambda: (incident.state / STATE_DB).exists() and incident.services.pings > 0)
                incident.price("59270")
                await until(lambda: any(b"EMERGENCY" in body for body in incident.services.bodies))
                await until(lambda: incident.services.refusals >= 3)
                await until(lambda: incident.logged().count("delivery.failing") >= 3)
                await ask_everything(incident)
                await incident.commands(*COMMANDS)
                assert incident.sweep() == []
                # Then everything else goes wrong as well.
                incident.services.taking = False
                emulator.faults.rest_error = {"*": (401, -2015)}
                await emulator.close_connections()
                await until(lambda: "account.rest_failed" in incident.logged())
                await until(lambda: "outward_heartbeat.failing" in incident.logged())
                await ask_everything(incident)
                await incident.commands(("doctor",), ("reload",))
                # A configuration that is no more: every way of saying so.
                (tmp_path / "secrets" / "token").write_text(incident.secrets["web token"][:15])
                incident.config.write_text(
                    f"{incident.config.read_text()}\nsecret = {incident.secrets['api key']}\n"
                )
                await incident.commands(("reload",), ("check-config",), ("run",))
                assert incident.sweep() == []
            assert incident.sweep() == []
        finally:
            ticking.cancel()
            await emulator.stop()
    assert len(incident.outputs) > 50
    # That nothing was found says something only if something would be.
    for place in (incident.state / STATE_DB, incident.state / "left-behind"):
        with place.open("ab") as file:
            file.write(incident.secrets["web token"].encode())
        assert {Path(one.place).name for one in incident.sweep()} == {place.name}
        assert {one.secret for one in incident.sweep()} == {"web token"}
        place.unlink()


READ_AT_LEAST = ("/healthz", "/readyz", "/livez", "/metrics")
COMMANDS = (
    ("status", "--json"), ("check-config",), ("doctor", "--json"), ("history", "--json"), ("alerts", "--json"),
    ("test-alert",), ("run",), ("healthcheck",), ("--verbose", "audit", "--json"),
)  # fmt: skip
