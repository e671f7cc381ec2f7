"""The end of a demonstration."""

import datetime as dt
import io
import json

import msgspec
from rich.console import Console

from monitor.cli.deeds import ADDED, Amount, Deed, Followed
from monitor.cli.summary import Files, Summary, Worst, next_steps, print_summary, summarise
from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.status import HistoryView
from monitor.storage.outbox import OutboxRow, OutboxState
from tests.cli.made import NOW_MS, channel, engine, position, state, wallet

FILES = Files("/srv/a b/config.toml", "/srv/a b/state.db", "/srv/a b/history.db", "/srv/a b/demo.log")
NOTHING_DONE = Followed()
STARTED_MS = NOW_MS - 65_000


def row(
    level: Level, kind: NoticeKind = NoticeKind.ALERT, *, settled_ms: int = NOW_MS,
    fate: OutboxState = OutboxState.ACCEPTED, reason: str = "",
) -> OutboxRow:  # fmt: skip
    notice = Notice("k", "phone", "a/b", kind, level, Level.OK, NOW_MS, 1, Facts(reason=reason))
    return OutboxRow("k", "phone", "a/b", kind, level, NOW_MS, fate, settled_ms=settled_ms, notice=notice)


ALL = [*(row(level) for level in Level if level > Level.OK), row(Level.OK, NoticeKind.CLOSED, reason="recovered")]


def summary(
    rows: list[OutboxRow], *, complete: bool = True, followed: Followed = NOTHING_DONE, **status: object
) -> Summary:
    worst = Worst()
    worst.see(engine(), NOW_MS)
    return summarise(
        state(**status), rows, worst=worst, elapsed_s=45.0, complete=complete, note="dwell shortened", files=FILES,
        followed=followed,
    )  # fmt: skip


def test_a_full_demonstration_misses_nothing() -> None:
    """One delivered alert of each level and one all-clear are enough."""
    found = summary(ALL)
    assert found.missing == ()
    assert found.delivered == {"notice": 1, "warning": 1, "critical": 1, "emergency": 1}
    assert found.recovered == 1


def test_only_what_was_accepted_in_this_run_counts() -> None:
    """Rows still waiting, of an earlier run, or of another kind do not count."""
    found = summary(
        [
            row(Level.NOTICE, fate=OutboxState.PENDING),
            row(Level.WARNING, settled_ms=STARTED_MS - 1),
            row(Level.CRITICAL, NoticeKind.REMINDER),
            row(Level.OK, NoticeKind.CLOSED, reason="gone"),
        ]
    )
    assert found.missing == (
        "no notice alert was delivered",
        "no warning alert was delivered",
        "no critical alert was delivered",
        "no emergency alert was delivered",
        "no all-clear was delivered",
    )


def test_the_worst_of_each_figure_is_kept() -> None:
    """Each figure remembers its own wallet and moment; what is better later changes nothing."""
    worst = Worst()
    worst.see(engine(wallets=(wallet(margin_ratio=None, room=None),), positions=(position(distance=None),)), 0)
    assert worst == Worst()
    worst.see(engine(), 1)
    worst.see(engine(wallets=(wallet(account="other", margin_ratio=0.9, room=0.2),)), 2)
    worst.see(engine(wallets=(wallet(room=0.1, margin_ratio=0.1),), positions=(position(distance=0.002),)), 3)
    assert worst.margin_ratio is not None
    assert worst.room is not None
    assert worst.distance is not None
    assert (worst.margin_ratio.value, worst.margin_ratio.account, worst.margin_ratio.at_ms) == (0.9, "other", 2)
    assert (worst.room.value, worst.room.at_ms) == (0.1, 3)
    assert (worst.distance.value, worst.distance.symbol, worst.distance.at_ms) == (0.002, "BTCUSDT", 3)


def test_people_read_what_happened_and_what_to_do_next() -> None:
    """Counts, worst moments, files and commands are there; paths can be copied."""
    out = Console(file=io.StringIO(), width=60)
    print_summary(summary(ALL), out, dt.UTC)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "Played to the end after 45 s." in text
    assert "400 received, 100 evaluations" in text
    assert "p50 2.3 ms, p99 3.1 ms, worst 4.0 ms" in text
    assert "1 notice, 1 warning, 1 critical, 1 emergency, 1 all-clear" in text
    assert "66 %  main: isolated BTCUSDT LONG  20:26:40+00:00" in text
    assert "1.5 %  main: isolated BTCUSDT  20:26:40+00:00" in text
    assert "position-monitor history --config '/srv/a b/config.toml'\n" in text
    assert "position-monitor demo --forever --state '/srv/a b'\n" in text
    assert "Not shown" not in text
    assert "[phone]" not in text


def done(**changes: object) -> Deed:
    made = Deed(
        "a", "b", "BTCUSDT", "LONG", ADDED, (Amount(412.5, "USDT"),), "warning", "k", NOW_MS - 1,
        cleared_s=3.2, room_without=0.08,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_what_was_advised_and_done_is_told() -> None:
    """The summary has the amounts and what came of them, for people and for programs."""
    found = summary(ALL, followed=Followed((done(),), ("a",), (), "phone"))
    assert found.missing == ()
    assert found.deeds == (done(all_clear=True),)
    document = json.loads(msgspec.json.encode(found))
    assert document["deeds"][0]["advised"] == [{"value": 412.5, "of": "USDT"}]
    out = Console(file=io.StringIO(), width=60)
    print_summary(found, out, dt.UTC)
    assert isinstance(out.file, io.StringIO)
    assert "a BTCUSDT LONG  advised to add 412.50 USDT to be below warning: done, cleared" in out.file.getvalue()


def test_advice_that_did_not_clear_the_alert_is_missing() -> None:
    """The demonstration fails with it, whatever else it showed."""
    found = summary(ALL, followed=Followed((done(cleared_s=None),), ("a",), (), "phone"))
    assert found.missing == (
        "a BTCUSDT LONG: margin added as advised, 412.50 USDT, and that did not clear the alert",
    )


def test_of_many_rounds_people_read_the_newest() -> None:
    """A line for each wallet; programs get all that is kept."""
    rounds = tuple(done(at_ms=NOW_MS - 5 + number, cleared_s=float(number)) for number in range(3))
    found = summary(ALL, followed=Followed(rounds, ("a",), (), "phone"))
    assert len(found.deeds) == 3
    out = Console(file=io.StringIO(), width=60)
    print_summary(found, out, dt.UTC)
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().count("advised to add") == 1
    assert "cleared after 2 s" in out.file.getvalue()


def test_trouble_is_said() -> None:
    """A stop before the end, lost rows, and what was not shown are told."""
    found = summary(
        [], complete=False, frame_to_commit=None, history=HistoryView("h", 0, 5, {"storage": 7}),
        channels=(channel(failed=2, pending=1),),
    )  # fmt: skip
    out = Console(file=io.StringIO(), width=100)
    print_summary(without_worst(found), out, dt.UTC)
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert "Incomplete: stopped after 45 s." in text
    assert "no alert was committed" in text
    assert "5 rows written, 7 lost" in text
    assert "highest margin ratio  nothing known" in text
    assert "Not shown: no notice alert was delivered; " in text
    assert found.channels[0].failed == 2
    assert found.channels[0].pending == 1


def without_worst(found: Summary) -> Summary:

    return msgspec.structs.replace(found, worst=Worst())


def test_commands_are_quoted_for_the_shell() -> None:
    """Every command can be pasted."""
    assert all("'/srv/a b" in step for step in next_steps(FILES))
