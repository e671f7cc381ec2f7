"""``status`` against made-up daemons and a running one."""

import asyncio
import datetime as dt
import io
import json
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from monitor.cli.stage import compressed, write_config
from monitor.cli.status import decoded, print_status
from monitor.cli.verdict import CRITICAL, FINE, UNKNOWN, WARNING, verdict
from monitor.cli.wiring import build_daemon
from monitor.config import load
from monitor.core.account_view import AccountView
from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.core.view import OpenAlert
from monitor.emulator.scenario import demo_scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import ControlError
from monitor.notify.local import LocalChannel
from monitor.status import HeartbeatView, HistoryView, Status, WatchdogView
from monitor.system_clock import SystemClock
from tests.cli.made import NOW_MS, channel, commands, engine, position, state, symbol, wallet

PATIENCE_S = 20.0


def at(level: str, **changes: object) -> Status:
    return state(engine=engine(wallets=(wallet(level=level),)), **changes)


BLIND = symbol(data="blind", age_s=20.0)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (at("ok"), FINE),
        (at("notice"), FINE),
        (at("warning"), WARNING),
        (at("critical"), CRITICAL),
        (at("emergency"), CRITICAL),
        (at("ok", channels=(channel(failing=True),)), WARNING),
        (at("ok", unwritable={"state": "disk full"}), WARNING),
        (state(engine=engine(wallets=(wallet(level="warning"),), symbols=(BLIND,))), UNKNOWN),
        (state(engine=engine(wallets=(wallet(level="ok"),), symbols=(symbol(mark=None, age_s=None),))), UNKNOWN),
        (state(engine=engine(wallets=(wallet(level="critical"),), symbols=(BLIND,))), CRITICAL),
        (state(engine=engine(wallets=(), positions=(), symbols=(), brackets={})), UNKNOWN),
    ],
)
def test_the_verdict(found: Status, code: int) -> None:
    """Critical comes before everything, then what is not known, then warnings; a notice is fine."""
    assert verdict(found)[0] == code


def test_the_verdict_names_the_worst_wallet_and_its_figures() -> None:
    """One line says which wallet, what else is wrong, and carries performance data."""
    wallets = (wallet(level="ok"), wallet(account="b", level="warning", room=0.2), wallet(account="c", room=0.15))
    found = state(
        engine=engine(wallets=wallets, symbols=(symbol(), BLIND)),
        channels=(channel(failing=True, pending=2), channel(channel="log", pending=1)),
        unwritable={"state": "disk full"},
    )
    assert verdict(found)[1] == (
        "c isolated BTCUSDT LONG warning, ratio 66 %, room 15 %; no marks for BTCUSDT; "
        "channel phone does not take messages; state.db cannot be written "
        "| margin_ratio=0.6600 room=0.1500 distance=0.0146 mark_age=20.0s pending=3"
    )


def test_a_used_up_balance_counts_as_liquidation_in_the_figures() -> None:
    """It has no ratio, and a graph must not dip to the safest wallet's at that moment."""
    used_up = wallet(level="emergency", margin_ratio=None, liquidatable=True, room=-0.2)
    calm = wallet(account="b", level="ok", margin_ratio=0.08, room=1.0)
    code, line = verdict(state(engine=engine(wallets=(used_up, calm))))
    assert code == 2
    assert "margin_ratio=1.0000 room=-0.2000" in line


def test_a_wallet_that_was_never_judged_is_not_ok() -> None:
    """It counts as not known, behind critical only, and is named."""
    blank = wallet(account="b", level="unknown", room=None, margin_ratio=None)
    code, text = verdict(state(engine=engine(wallets=(wallet(level="ok"), blank))))
    assert code == UNKNOWN
    assert text.startswith("not judged for want of marks: b isolated BTCUSDT LONG |")
    assert verdict(state(engine=engine(wallets=(wallet(level="warning"), blank))))[0] == UNKNOWN
    assert verdict(state(engine=engine(wallets=(wallet(level="critical"), blank))))[0] == CRITICAL
    assert "unknown" in printed(state(engine=engine(wallets=(blank,), positions=(position(level="unknown"),))))


def test_a_calm_verdict_is_short() -> None:
    """Without trouble the number of wallets is all there is to say; unknown figures are left out."""
    assert verdict(at("ok"))[1].startswith("1 wallet | ")
    calm = engine(
        wallets=(wallet(level="ok", room=None, margin_ratio=None),),
        positions=(position(distance=None),),
        symbols=(symbol(age_s=None),),
    )
    assert verdict(state(engine=calm))[1] == "1 wallet | pending=0"
    assert verdict(state(engine=engine(wallets=(), positions=(), symbols=())))[1].startswith(
        "nothing is watched | "
    )


def printed(found: Status, width: int = 140) -> str:
    out = Console(file=io.StringIO(), width=width)
    print_status(found, out, dt.UTC)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_people_see_what_waits_for_channels_that_are_not_configured() -> None:
    """Nobody gets it until there is one of that name again."""
    text = printed(state(stranded={"tg": 1, "mail": 3}))
    assert "1 message waits for the channel tg, which is not configured." in text
    assert "3 messages wait for the channel mail, which is not configured." in text
    assert "not configured" not in printed(state())


def test_people_see_whether_the_service_is_well_and_its_pings() -> None:
    """What is not well is told with or without pings; a service that takes none is marked."""
    assert "Not well" not in printed(state())
    assert "Heartbeat" not in printed(state())
    assert "Not well: marks are not fresh; the state database does not take writes." in printed(
        state(engine=engine(symbols=(BLIND,)), unwritable={"state": "disk full"})
    )
    heart = HeartbeatView("healthchecks", True, (), 7, 0, 0, NOW_MS - 12_000, False, "")
    assert "Heartbeat (healthchecks): 7 pings, the last 12 s ago." in printed(state(heartbeat=heart))
    heart = HeartbeatView("uptime-kuma", True, (), 0, 3, 0, None, True, "not_found")
    assert "Heartbeat (uptime-kuma): 0 pings, none yet, 3 not accepted; NOT TAKEN: not found." in printed(
        state(heartbeat=heart)
    )


def test_people_see_whether_systemd_is_told_and_which_loop_stands_still() -> None:
    """Nothing where it does not want to know."""
    assert "Watchdog" not in printed(state())
    assert "Watchdog" not in printed(state(watchdog=WatchdogView(None, 0, None, ())))
    fed = WatchdogView(60.0, 7, NOW_MS - 12_000, ())
    assert "Watchdog of systemd (60 s): fed 7 times, the last time 12 s ago." in printed(state(watchdog=fed))
    by_itself = WatchdogView(None, 7, NOW_MS - 12_000, (), 45.0)
    assert "Watchdog that ends the service by itself (45 s): fed 7 times" in printed(state(watchdog=by_itself))
    both = WatchdogView(60.0, 7, NOW_MS - 12_000, (), 45.0)
    assert "of systemd (60 s) and that ends the service by itself (45 s): fed" in printed(state(watchdog=both))
    hung = WatchdogView(60.0, 0, None, ("commit", "decide"))
    assert "(60 s): fed 0 times, never; STANDING STILL: commit, decide." in printed(state(watchdog=hung))


def test_people_see_everything() -> None:
    """Tables, freshness, feed candidates, channels, history and the origin of shipped tiers are printed."""
    feed = {
        "name": "usdm",
        "symbols": 3,
        "state": "live",
        "host": "b.example:443",
        "frames": 401,
        "reconnects": 2,
        "candidates": [
            {"base": "wss://a.example/market", "outcome": "refused", "reason": "http", "detail": "451"},
            {"base": "wss://b.example/market", "outcome": "live", "reason": "", "detail": ""},
        ],
    }
    text = printed(
        state(
            feeds=(feed,),
            channels=(channel(pending=1, oldest_ms=NOW_MS - 1000, failing=True, last_reason="timeout"), channel()),
            history=HistoryView("/var/lib/history.db", 10, 73, {"overflow": 4, "storage": 0}),
            unwritable={"state": "disk full"},
            job_deaths={"feed": 2},
        )
    )
    assert "TESTNET   position-monitor 0.1.0, process 4711, up 65 s" in text
    assert "60014.15  0.4 s  fresh  stream  shipped 2026-09-29" in text
    assert "Maintenance tiers: shipped 2026-09-29 (BTCUSDT)." in text
    assert "Feed usdm: live, b.example:443; 401 frames, 2 reconnects." in text
    assert "wss://a.example/market: refused, http 451\n" in text
    assert "wss://b.example/market: live\n" in text
    assert "20:26:39+00:00" in text
    assert "timed out" in text
    assert (
        "400 marks (3 joined another), 100 evaluations, 23 commits, frame to commit p50 2.3 ms, p99 3.1 ms."
        in text
    )
    assert "History: 73 rows written, 10 waiting, 4 lost (overflow); /var/lib/history.db" in text
    assert "state.db cannot be written" in text
    assert "Job feed was started anew 2 times." in text


def test_people_see_typical_moves_and_what_is_missing_of_their_past() -> None:
    """How a symbol moves in an hour, of how many minutes that is made, and how old they are if they are old."""
    symbols = (
        symbol(typical_move=0.0043, minutes=1439, minutes_age_s=31.0),
        symbol(symbol="ETHUSDT", typical_move=0.006, minutes=700, minutes_age_s=1900.0),
        symbol(symbol="XAUUSDT"),
        symbol(symbol="STILLUSDT", minutes=1439, minutes_age_s=31.0),
        symbol(symbol="NEWUSDT", minutes=12, minutes_age_s=31.0),
    )
    past: dict[str, object] = {"answered": 1, "waiting": 0, "refused": {}, "failing": ""}
    feed = {"name": "usdm", "symbols": 3, "past": past}
    text = printed(state(engine=engine(symbols=symbols), feeds=(feed,)))
    assert "0.43 %  1439 min " in text
    assert "0.60 %  700 min, 31 min old" in text
    assert "unknown  1439 min, unused" in text
    assert "unknown  12 min " in text
    assert "unknown  -" in text
    assert "A day of minutes" not in text
    past |= {"waiting": 1, "failing": "timeout", "refused": {"XAUUSDT": "invalid_symbol"}}
    assert (
        "  A day of minutes for typical moves: 1 symbol waiting; no answer (timeout), asked again; "
        "refused: XAUUSDT (invalid symbol)." in printed(state(feeds=(feed,)))
    )


def test_what_is_open_and_what_is_held_back() -> None:
    """By the numbers that `ack` takes, the worst first, with what holds each back; a channel says since when."""
    nap = Hold("k", HoldKind.SNOOZE, "symbol:ETHUSDT", NOW_MS - 1000, NOW_MS + 1_800_000, "hedged", "uid 7")
    alerts = (
        OpenAlert(17, "main/cross:USDT", Level.WARNING, NOW_MS - 60_000, ("ETHUSDT", "SOLUSDT"), nap),
        OpenAlert(18, "main/isolated:BTCUSDT:LONG", Level.CRITICAL, NOW_MS - 5_000, ("BTCUSDT",)),
    )
    channels = (
        channel(failing=True, broken=True, since_ms=NOW_MS - 600_000, last_reason="http-401"),
        channel(channel="mail", failing=True, since_ms=NOW_MS - 2_000, last_reason="timeout"),
        channel(channel="log"),
    )
    found = state(engine=engine(alerts=alerts, holds=(nap,)), channels=channels, fallbacks={"phone": "mail"})
    text = printed(found)
    assert 'Snoozed until 20:56:40+00:00 (in 30 min): ETHUSDT, by uid 7, "hedged".' in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    first = lines.index("alert level since whose symbols quiet")
    assert lines[first + 1] == "18 critical 20:26:35 main isolated BTCUSDT LONG BTCUSDT -"
    assert lines[first + 2].startswith(
        "17 warning 20:25:40 main cross USDT ETHUSDT, SOLUSDT snoozed until 20:56:40"
    )
    assert any("BROKEN since 20:16:40+00:00 token wrong mail" in line for line in lines)
    assert any("failing since 20:26:38+00:00 timed out -" in line for line in lines)
    assert decoded(json.loads(msgspec.json.encode(found))).engine.alerts == alerts


def test_many_open_alerts_are_counted() -> None:
    """The screen keeps room for everything else."""
    many = tuple(OpenAlert(n, f"main/{n}", Level.WARNING, NOW_MS, ()) for n in range(1, 31))
    text = printed(state(engine=engine(alerts=many)))
    assert "and 20 more; `alerts --open --last 30` lists all" in text


def test_little_to_say() -> None:
    """A daemon that just started, with its own tiers and no channels, is shown without inventing anything."""
    young = engine(
        symbols=(symbol(mark=None, age_s=None, source="", data="suspect"),), brackets={"BTCUSDT": "config"}
    )
    text = printed(state(engine=young, channels=(), frame_to_commit=None), width=80)
    assert "never" in text
    assert "Maintenance tiers" not in text
    assert "Feed" not in text
    assert "No channels" in text
    assert "frame to commit" not in text


def test_another_version_is_told_apart() -> None:
    """A document of another shape is not shown half understood."""
    document = json.loads(msgspec.json.encode(state()))
    assert decoded(document) == msgspec.structs.replace(state(), channels=(channel(),))
    with pytest.raises(ControlError, match="of another version"):
        decoded({"version": "9"})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, ["status", *arguments])


async def test_a_running_daemon_answers(tmp_path: Path) -> None:
    """Text, JSON and the check come from the daemon; after its end all three say that nobody watches."""
    clock = SystemClock()
    emulator = Emulator(clock, compressed(demo_scenario(), 400.0), EmulatorSettings(tick_s=0.02))
    await emulator.start()
    path = write_config(
        tmp_path, emulator.scenario, market_ws=emulator.base_market_ws, rest=emulator.base_http, dwell_s=3.0
    )
    channels = [LocalChannel(name, lambda _: None) for name in ("phone", "log")]
    daemon = build_daemon(load(path, {}), channels, clock=clock, environ={})
    config = f"--config={path}"
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(daemon.run())
        playing = group.create_task(emulator.run())
        async with asyncio.timeout(PATIENCE_S):
            while daemon.ticks == 0:
                await clock.sleep(0.01)
        text = await asyncio.to_thread(run, config)
        document = await asyncio.to_thread(run, config, "--json")
        check = await asyncio.to_thread(run, config, "--check")
        playing.cancel()
        daemon.stop()
        await asyncio.wait({watching})
    await emulator.stop()
    assert (text.exit_code, document.exit_code, check.exit_code) == (0, 0, 0)
    assert "SOLUSDT" in text.stdout
    assert json.loads(document.stdout)["engine"]["environment"] == "testnet"
    assert check.stdout.startswith("POSITIONS OK - 5 wallets | margin_ratio=")
    gone = await asyncio.to_thread(run, config)
    assert gone.exit_code == 1
    assert "no daemon is running" in gone.stderr
    assert "position-monitor run" in gone.stderr
    late = await asyncio.to_thread(run, config, "--check")
    assert late.exit_code == 3
    assert late.stdout.startswith("POSITIONS UNKNOWN - no daemon is running on ")


def test_a_check_without_a_usable_configuration_is_unknown(tmp_path: Path) -> None:
    """A monitoring system gets one line and code 3, whatever the reason."""
    broken = tmp_path / "config.toml"
    broken.write_text("[exchange]\nenvironment = 1\n")
    found = run("--check", f"--config={broken}")
    assert found.exit_code == 3
    assert found.stdout == f"POSITIONS UNKNOWN - {broken}: 2 problems in the configuration, see check-config\n"


def bridge(**changes: object) -> dict[str, object]:
    facts: dict[str, object] = {
        "bridged": [], "since_ms": None, "at_rest": [], "polls": 0, "failures": 0, "failing": "",
        "mark_age_s": None, "checks": 3, "check_age_s": 23.4, "worst": 0.00012, "worst_symbol": "BTCUSDT",
        "distrusted": {}, "hosts": [{"base": "https://a.example", "outcome": "live", "reason": "", "detail": ""}],
    }  # fmt: skip
    return facts | changes


def shown_bridge(**changes: object) -> str:
    return printed(state(feeds=({"name": "usdm", "symbols": 1, "bridge": bridge(**changes)},)))


def test_people_see_how_the_stream_compares_with_rest() -> None:
    """Calm is one line; hosts are shown where one of them did not answer."""
    text = shown_bridge()
    assert "  Compared with REST 23 s ago, at most 0.01 % apart (BTCUSDT).\n" in text
    assert "stands in" not in text
    assert "a.example" not in text
    assert "Compared with REST 23 s ago.\n" in shown_bridge(worst=None)
    assert "  The stream was not compared with REST yet.\n" in shown_bridge(check_age_s=None)
    hosts = [
        {"base": "https://a.example", "outcome": "refused", "reason": "timeout", "detail": ""},
        {"base": "https://b.example", "outcome": "live", "reason": "", "detail": ""},
        {"base": "https://c.example", "outcome": "untried", "reason": "", "detail": ""},
    ]
    text = shown_bridge(hosts=hosts, failing="timeout")
    assert "  https://a.example: refused, timeout\n  https://b.example: live\n" in text
    assert "c.example" not in text
    assert "  REST: no answer (timeout), asked again.\n" in text


def test_people_see_what_rest_stands_in_for() -> None:
    """What is silent, what is not believed and why, and what may be silent."""
    names = [f"C{n}USDT" for n in range(7)]
    text = shown_bridge(
        bridged=names, polls=40, mark_age_s=1.2, at_rest=["XAUUSDT"],
        distrusted={"BTCUSDT": "the stream says 61,000 where REST says 59,400"},
    )  # fmt: skip
    assert (
        "  REST stands in for C0USDT, C1USDT, C2USDT, C3USDT, C4USDT +2 more: 40 questions so far, "
        "the last mark 1.2 s ago.\n" in text
    )
    assert "  Not believed: BTCUSDT, the stream says 61,000 where REST says 59,400.\n" in text
    assert "  Markets closed, prices unmoved: XAUUSDT.\n" in text
    text = shown_bridge(bridged=["BTCUSDT"], polls=1, failing="http_error")
    assert "BTCUSDT: 1 question so far, no mark yet, no answer (http error), asked again.\n" in text


def test_marks_of_rest_alone_are_a_warning() -> None:
    """Positions are judged; what nobody tells any more is not known."""
    by_rest = symbol(data="blind", age_s=2.0, source="rest")
    code, line = verdict(state(engine=engine(wallets=(wallet(level="ok"),), symbols=(by_rest,))))
    assert code == WARNING
    assert line.startswith("marks of BTCUSDT come from REST only |")
    old = symbol(symbol="ETHUSDT", data="blind", age_s=11.0, source="rest")
    code, line = verdict(state(engine=engine(wallets=(wallet(level="ok"),), symbols=(by_rest, old))))
    assert code == UNKNOWN
    assert line.startswith("no marks for ETHUSDT; marks of BTCUSDT come from REST only |")


def test_people_see_how_old_what_is_around_positions_is() -> None:
    """Each part by account, and why it is not newer; partial closes only where any were seen."""
    follow = {
        "account": "main", "market": "usdm", "state": "following", "reason": "", "reconcile_age_s": 5.0,
        "event_age_s": None, "around": {
            "funds": {"age_s": 5.0, "failing": ""}, "orders": {"age_s": 3720.0, "failing": "key_refused"},
            "adl": {"age_s": None, "failing": "no_weight_to_spare"}, "key": {"age_s": None, "failing": ""},
        },
    }  # fmt: skip
    followed = AccountView(
        account="main", market="usdm", source="rest", as_of_ms=NOW_MS, ok=True, reason="", positions=1,
        multi_assets=False, hedge_mode=False, untabled=(), audited_ms=0, compared=(), corrections={},
        released=(2, 1),
    )  # fmt: skip
    text = printed(state(engine=engine(accounts=(followed,)), accounts=(follow,)), 200)
    assert (
        "main: around its positions: funds 5 s old, orders 62 min old (key refused), ADL places not told "
        "(no weight to spare), key rights not told.\n" in text
    )
    assert "main: partial closes of isolated positions seen: 2 as assumed, 1 otherwise.\n" in text
    narrow = printed(state(engine=engine(accounts=(followed,)), accounts=(follow,)), 60)
    assert "main: around its positions: funds 5 s old, orders 62 min old\n(key refused), " in narrow
    assert max(map(len, narrow[narrow.index("main: around") :].splitlines())) <= 60  # cells of the terminal
    none_seen = msgspec.structs.replace(followed, released=(0, 0))
    text = printed(state(engine=engine(accounts=(none_seen,)), accounts=(follow,)))
    assert "partial closes" not in text


def test_people_see_what_is_known_beside_the_marks() -> None:
    """How many contracts' steps and how many fundings, and how old the replies are."""
    around = {
        "lots": 540, "rules": {"age_s": 90.0, "failing": ""}, "funding": 1,
        "marks": {"age_s": 23.0, "failing": ""},
    }  # fmt: skip
    text = shown_bridge(around=around)
    assert "  Known beside: order steps of 540 contracts 90 s old; next funding of 1 symbol 23 s old.\n" in text
    assert "Known beside" not in shown_bridge()
