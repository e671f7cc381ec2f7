"""Where a person's bytes, our own files and answers of services come in, and what the core makes of them."""

import asyncio
import logging
import math
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from monitor.binance import rest_wire as rest
from monitor.binance.account_fetch import bracket_tables
from monitor.binance.snapshot import AccountReply, build_usdm
from monitor.commands import Commands
from monitor.config import Settings, load_text
from monitor.control import REQUEST_LIMIT, ControlServer, Handler
from monitor.core.engine import Engine
from monitor.core.events import (
    Event,
    Heartbeat,
    Reconciled,
    SettingsChanged,
    Snapshot,
    Subscribed,
    TablesChanged,
    Ticks,
)
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, Level, MarkRange, Now, Source
from monitor.core.notices import Hold, HoldKind, SubjectState
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.emulator.rest_public import tier_rows
from monitor.emulator.views import View
from monitor.errors import ConfigError, JournalError, WireError
from monitor.journal import FORMAT, Entry, Header, read_journal
from monitor.notify.overheard import Heard, asked_pause_s
from monitor.notify.verdict import judge
from monitor.storage.account_cache import FILE as ACCOUNTS_FILE
from monitor.storage.account_cache import VERSION, AccountCache
from monitor.storage.bracket_cache import BracketCache
from monitor.storage.day_cache import FILE as DAY_FILE
from monitor.storage.day_cache import DayCache, KeptDay
from monitor.storage.holes_cache import FILE as HOLES_FILE
from monitor.storage.holes_cache import LONGEST_MS, HolesCache, KeptOutage
from monitor.storage.kept import SET_ASIDE
from monitor.storage.outbox import to_hold, to_notice, to_payload, to_subject
from tests.core import builders
from tests.core.builders import MONO_S, WALL_MS
from tests.fuzz.bounds import example, infinite
from tests.fuzz.samples import HELD, NOW_MS, exchange, packed
from tests.fuzz.target import Target, promise
from tests.notify.fakes import a_notice
from tests.test_commands import FakeEngine

EXAMPLE: Final = Path(__file__).parents[2] / "config.example.toml"
BAD_CONFIGS: Final = Path(__file__).parents[1] / "data" / "bad_config"
_NOW = Now(WALL_MS, MONO_S)


def stepped(settings: EngineSettings, tables: tuple[BracketTable, ...], *events: Event) -> None:
    """Have an engine take what was accepted, marks of all it then watches, and a beat of its heart.

    Nothing that is accepted at the border may raise further in, nor come out as a figure that is none.
    """
    engine = Engine()
    for event in (SettingsChanged(settings, tables), *events):
        engine.step(event, _NOW)
    watched = sorted({name for account in engine.accounts() for name in engine.watched(account.market)})
    marks = tuple(MarkRange(name, 100.0, 99.0, 101.0, WALL_MS, MONO_S) for name in watched)
    for event in (Subscribed("usdm", tuple(watched), MONO_S), Ticks(marks), Heartbeat()):
        if event == Ticks(()):
            continue
        effects = engine.step(event, _NOW)
        for place in infinite([effects.samples, effects.notices, effects.changes]):
            promise(False, place)


def config() -> Target:
    """A configuration is Settings that the engine takes, or one ConfigError."""
    texts = [EXAMPLE.read_text(), *(path.read_text() for path in sorted(BAD_CONFIGS.glob("*.toml")))]
    # Whole, and by parts: a mistake in a short one is not hidden behind a hundred lines.
    parts = (part for part in EXAMPLE.read_text().split("\n\n") if "=" in part)
    valid = [*texts, *parts, *_SMALL_CONFIGS * 20]

    def check(raw: bytes) -> bool:
        try:
            settings = load_text(raw.decode("utf-8", "surrogateescape"), "fuzzed.toml")
        except ConfigError as error:
            promise(bool(error.problems) and "fuzzed.toml" in str(error), "an error that names nothing")
            return False
        _started(settings)
        return True

    return Target("config", [text.encode() for text in valid], check, 18, slow=True)


_MAIN: Final = '[[accounts]]\nname = "main"\n'
_SMALL_CONFIGS: Final = tuple(
    _MAIN + rest
    for rest in (
        (
            "balances = { USDT = 5000.0 }\n[[accounts.positions]]\nsymbol = 'BTCUSDT'\nside = 'LONG'\n"
            "quantity = 0.5\nentry_price = 62000.0\nmargin_mode = 'isolated'\nmargin = 1550.0\n"
        ),
        "[brackets.XUSDT]\nrows = [[0, 300000, 0.004, 0], [300000, 800000, 0.005, 300]]\n",
        "[alerts.critical]\nroom = 0.1\nmoves_left = 1\nreminder = '15m'\ndwell = '5m'\n",
        "[history]\nkeep_raw = '7d'\n[summary]\nat = '08:00'\n[display]\ntime_zone = 'UTC'\n",
    )
)


def _started(settings: Settings) -> None:
    for place in infinite([settings.accounts, settings.tables, settings.own_tables, settings.engine]):
        promise(False, place)
    stepped(settings.engine, settings.tables, *(Snapshot(account) for account in settings.accounts))


def journal(directory: Path) -> Target:
    """A journal is entries, or a JournalError that names the line."""
    path = directory / "journal"
    head = msgspec.json.encode(Header(FORMAT, "1.0"))
    account = AccountSnapshot("main", {"USDT": 1.0}, (builders.isolated(),), source=Source.REST)
    events: list[Event] = [
        SettingsChanged(EngineSettings(), (builders.table(),)), Snapshot(account), Heartbeat(),
        Ticks((MarkRange("BTCUSDT", 1.0, 1.0, 1.0, WALL_MS, MONO_S),)), Subscribed("usdm", ("BTCUSDT",), MONO_S),
    ]  # fmt: skip
    lines = [msgspec.json.encode(Entry(_NOW, event)) for event in events]
    valid = [b"\n".join([head, *lines, b""]), *(b"\n".join([head, line, b""]) for line in lines)]

    def check(raw: bytes) -> bool:
        path.write_bytes(raw)
        try:
            return bool(list(read_journal(path)))
        except JournalError as error:
            promise(str(path) in str(error), "an error that names no file")
            return False

    return Target("journal", valid, check, 20, slow=True)


def control() -> Target:
    """A request on the local socket is always answered, by what was asked or by an error of one line."""

    async def status(_request: Mapping[str, Any]) -> object:
        return {"fine": True}

    def check(raw: bytes) -> bool:
        commands: Commands = FakeEngine().commands()
        handlers: dict[str, Handler] = {"status": status, "hold": commands.hold, "lift": commands.lift}
        line = raw.replace(b"\n", b" ")[: REQUEST_LIMIT - 1] + b"\n"
        answer = asyncio.run(answered(handlers, line))
        promise(answer.endswith(b"\n") and answer.count(b"\n") == 1, "no answer of one line")
        found = msgspec.json.decode(answer, type=dict[str, Any])
        promise(len(found) == 1 and found.keys() <= {"ok", "error"}, found)
        return "ok" in found

    wishes = (
        {"command": "hold", "kind": "ack", "targets": ["alert:17"], "for_s": 3600.0, "why": "seen"},
        {"command": "hold", "kind": "snooze", "targets": ["symbol:BTCUSDT", "alert:18"], "for_s": 1800},
        {"command": "hold", "kind": "mute", "targets": ["all"], "for_s": 7200.0},
        {"command": "lift", "target": "all"}, {"command": "lift", "target": "symbol:BTCUSDT"},
        {"command": "status"},
    )  # fmt: skip
    return Target("control-socket", [packed(one) for one in wishes], check, 20, slow=True)


class _Writer:
    """A stream writer that keeps what is written."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self.written = b""

    def get_extra_info(self, _name: str) -> socket.socket:
        return self._socket

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        return

    def close(self) -> None:
        return


async def answered(handlers: Mapping[str, Handler], line: bytes) -> bytes:
    reader = asyncio.StreamReader(limit=REQUEST_LIMIT)
    reader.feed_data(line)
    reader.feed_eof()
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        writer = _Writer(ours)
        await ControlServer(Path("control.sock"), handlers)._serve(reader, writer)  # type: ignore[arg-type]  # what it uses of one
    return writer.written


def _put(path: Path, raw: bytes) -> None:
    """Write a file, and forget one that was set aside before: each would get a name of its own."""
    path.with_name(path.name + SET_ASIDE).unlink(missing_ok=True)
    path.write_bytes(raw)


def caches(directory: Path) -> Iterator[Target]:
    """Files beside the databases: usable, or set aside."""
    tiers = builders.table()
    account = AccountSnapshot("main", {"USDT": 50.0, "BTC": 1.0}, (builders.isolated(), builders.cross("ETHUSDT")),
                              as_of_ms=NOW_MS, source=Source.REST)  # fmt: skip

    def accounts_check(raw: bytes) -> bool:
        _put(directory / ACCOUNTS_FILE, raw)
        found = AccountCache(directory).load()
        for place in infinite(found):
            promise(False, place)
        stepped(EngineSettings(accounts=("main",)), (tiers, builders.table("ETHUSDT")), *map(Snapshot, found))
        return bool(found)

    yield Target(
        "account-cache",
        [packed({"version": VERSION, "accounts": [msgspec.to_builtins(account)]})],
        accounts_check,
        12,
        slow=True,
    )

    brackets = BracketCache(directory, "main")
    kept = BracketTable(
        "BTCUSDT",
        (Bracket(0.0, 3e5, 0.004, 0.0), Bracket(3e5, 8e5, 0.005, 300.0)),
        "exchange",
        "2026-11-24",
        "main",
    )
    held = Snapshot(AccountSnapshot("main", {"USDT": 50.0}, (builders.isolated(),), source=Source.STORED))

    def brackets_check(raw: bytes) -> bool:
        _put(brackets.path, raw)
        found = brackets.load()
        for place in infinite(found):
            promise(False, place)
        for table in found:
            promise(all(0.0 < row.mmr < 1.0 and row.floor < row.cap for row in table.brackets), table)
        stepped(EngineSettings(accounts=("main",)), (), TablesChanged("main", found), held)
        return bool(found)

    file = {"version": 1, "account": "main", "tables": [msgspec.to_builtins(kept)]}
    yield Target("bracket-cache", [packed(file)], brackets_check, 12, slow=True)

    def day_check(raw: bytes) -> bool:
        _put(directory / DAY_FILE, raw)
        found = DayCache(directory).load()
        for place in infinite(found):
            promise(False, place)
        return found is not None

    day = msgspec.convert(example(KeptDay), KeptDay, strict=False)
    yield Target(
        "day-cache",
        [packed(msgspec.to_builtins(msgspec.structs.replace(day, version=1)))],
        day_check,
        10,
        slow=True,
    )


def holes(directory: Path) -> Target:
    """Times that nobody watched, as they are kept: few enough minutes to be looked at, or set aside."""
    outage = KeptOutage(NOW_MS - 3_600_000, NOW_MS, ["BTCUSDT"], restarted=True, cut=False, told=False, tries=0)

    def check(raw: bytes) -> bool:
        _put(directory / HOLES_FILE, raw)
        found = HolesCache(directory).load()
        for one in found:
            minutes = range(one.from_ms // MINUTE_MS, one.until_ms // MINUTE_MS + 1)
            promise(0 < len(minutes) <= LONGEST_MS // MINUTE_MS + 2, one)
        return bool(found)

    file = {"version": 1, "outages": [msgspec.to_builtins(outage)] * 2}
    return Target("holes-cache", [packed(file)], check, 10, slow=True)


def stored_rows() -> Target:
    """What a row of the state database holds: read, or passed over without any other row being lost."""
    state = SubjectState("main/isolated:BTCUSDT:LONG", Level.WARNING, NOW_MS, 3, Level.CRITICAL)
    hold = Hold("ack:alert:17#1", HoldKind.ACK, "alert:17", NOW_MS, NOW_MS + 60_000)
    values = (state, hold, a_notice())

    def check(raw: bytes) -> bool:
        text = raw.decode("utf-8", "surrogateescape")
        found = [one for one in (to_notice(text), to_subject(text), to_hold(text)) if one is not None]
        for one in found:
            for place in infinite(one):
                promise(False, place)
        return bool(found)

    return Target("stored-rows", [to_payload(one).encode() for one in values], check, 20)


_ANSWERS: Final = (
    b'429\n30\n\nFailed to send Telegram notification: error=429.\n{"ok":false,"parameters":{"retry_after":30}}',
    b"503\nMon, 29 Jun 2026 20:00:00 GMT\nMon, 29 Jun 2026 19:59:00 GMT\nFailed, error=503.\nretry-after: 12.5",
    b'400\n\n\nFailed: Bad Request, error=400.\n{"ok":false,"description":"Bad Request: chat not found"}',
    b"0\n\n\n\nSocket Exception: (535, b'5.7.8 Username and Password not accepted')",
    b"0\n\n\n\nSocket Exception: {'x@example.com': (550, b'5.1.1 no such user')}",
    b"0\n\n\n\nSocket Exception: ('Connection aborted.', RemoteDisconnected())",
)


def notification() -> Target:
    """What a service answers, and what became of the message. Status, two headers, a warning, then details."""

    def check(raw: bytes) -> bool:
        lines = [*raw.decode("utf-8", "surrogateescape").split("\n", 4), "", "", "", ""]
        status = int(lines[0]) if lines[0].isascii() and lines[0].isdigit() and len(lines[0]) < 4 else 429
        pause_s = asked_pause_s(status, {"Retry-After": lines[1], "Date": lines[2]})
        promise(0.0 <= pause_s < math.inf, pause_s)
        details = lines[4] if lines[4].startswith("Socket") else f"Response Details:\r\n{lines[4]}"
        outcome = judge(Heard([(logging.WARNING, lines[3]), (logging.DEBUG, details)], pause_s))
        promise(0.0 <= outcome.retry_after_s < math.inf, outcome)
        promise(not outcome.accepted and len(outcome.reason) < 20, outcome)
        return outcome.permanent

    return Target("notification-answers", _ANSWERS, check, 25)


class _Bundle(msgspec.Struct):
    account: msgspec.Raw
    risk: msgspec.Raw
    config: msgspec.Raw
    symbols: msgspec.Raw
    indexes: msgspec.Raw
    tiers: msgspec.Raw


def account_join() -> Target:
    """All replies about an account, joined, audited and evaluated: what each decoder accepts fits together."""
    market, owner, _ = exchange()
    view = View(owner, {})
    bundle = {
        "account": view.account_v3(),
        "risk": [view.position_risk(line) for line in view.lines()],
        "config": {"dualSidePosition": False, "multiAssetsMargin": False},
        "symbols": [view.symbol_config(symbol) for symbol in HELD],
        "indexes": [market.index_row(one, NOW_MS) for one in market.assets.values()],
        "tiers": [{"symbol": symbol, "brackets": tier_rows(owner.brackets(symbol))} for symbol in HELD],
    }
    multi = {**bundle, "config": {"dualSidePosition": False, "multiAssetsMargin": True}}

    def check(raw: bytes) -> bool:
        try:
            parts = msgspec.json.decode(raw, type=_Bundle)
            account, tables = _joined(parts)
        except (WireError, msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        settings = EngineSettings(accounts=("main",), channels=(ChannelRule("phone"),))
        told = (TablesChanged("main", tables), Snapshot(account.snapshot, "reconcile"))
        stepped(settings, (), *told, Reconciled(account.snapshot, account.figures))
        return True

    return Target("account-join", [packed(bundle), packed(multi)], check, 25, slow=True)


def _joined(parts: _Bundle) -> tuple[AccountReply, tuple[BracketTable, ...]]:
    config = rest.account_config(bytes(parts.config), "config")
    joined = build_usdm(
        "main", rest.account(bytes(parts.account), "account"), rest.position_risk(bytes(parts.risk), "risk"),
        config,
        rest.symbol_config(bytes(parts.symbols), "symbols"),
        asset_index=rest.asset_index(bytes(parts.indexes), "indexes"), at_ms=NOW_MS,
    )  # fmt: skip
    return joined, bracket_tables("main", rest.leverage_brackets(bytes(parts.tiers), "tiers"), "2026-11-24").tables


def shell_targets(directory: Path) -> Iterator[Target]:
    """Yield all of them; files are written into ``directory``."""
    yield config()
    yield journal(directory)
    yield control()
    yield from caches(directory)
    yield holes(directory)
    yield stored_rows()
    yield notification()
    yield account_join()
