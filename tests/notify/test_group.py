from collections.abc import Sequence
from datetime import UTC

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind, Prescription, Remedy
from monitor.notify.group import group_body, worst_first
from monitor.notify.layout import form_of
from monitor.notify.message import render, render_group
from monitor.ports import Message
from tests.notify.coming import FUNDING_SOON, NEXT_BRACKET
from tests.notify.fakes import a_notice, some_facts
from tests.notify.markup import assert_fit, seen_in

AT_MS = 1_780_000_000_000


def one(
    name: str,
    level: Level = Level.WARNING,
    kind: NoticeKind = NoticeKind.ALERT,
    *,
    number: int = 0,
    **facts: object,
) -> Notice:
    """Return a notice about the symbol ``name``."""
    known = {"symbol": name, "wallet": f"isolated:{name}:LONG", **facts}
    notice = a_notice(f"main/{name}", kind=kind, level=level, facts=some_facts(**known))
    return msgspec.structs.replace(notice, number=number)


def grouped(*notices: Notice, now_ms: int = AT_MS, unrecorded: bool = False) -> Message:
    return render_group(notices, fmt="text", now_ms=now_ms, unrecorded=unrecorded)


def rows_of(message: Message) -> list[str]:
    """Return the names of all but the worst, as they are listed."""
    return [name for line in message.body.splitlines()[5:] for name in "ABCDEF" if f" {name} LONG" in line]


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_one_alone_is_the_ordinary_message(fmt: str) -> None:
    """A group of one is no group; what is known of it now is asked by its subject."""
    notice, now = one("A"), some_facts(margin_ratio=0.95)
    alone = render_group(
        [notice], fmt=fmt, now_ms=AT_MS + 60_000, unrecorded=True, newest={"main/A": now}.get
    )  # fmt: skip
    assert alone == render(notice, fmt=fmt, now_ms=AT_MS + 60_000, unrecorded=True, now=now)
    assert "now 95.0 %" in alone.title


def test_the_title_names_the_worst_and_counts_the_rest() -> None:
    """By level, the worst first."""
    message = grouped(one("A"), one("B", Level.EMERGENCY), one("C", Level.CRITICAL), one("D"))
    assert message.title == (
        "EMERGENCY 82 % - by-hand B LONG - 2.1 % from liquidation, and 3 more (1 critical, 2 warning) - TESTNET"
    )
    assert message.level is Level.EMERGENCY


def test_the_worst_is_told_in_short_form_and_the_others_by_severity() -> None:
    """Whose, how bad, how long; then a line each: level, then distance."""
    message = grouped(
        one("A", distance=0.05), one("B", Level.CRITICAL, number=2), one("C", distance=0.03, number=3),
        one("D", Level.CRITICAL, distance=0.01), one("E", liquidatable=True, margin_ratio=None),
    )  # fmt: skip
    assert message.body.splitlines() == [
        "Account: by-hand, wallet isolated:D:LONG",
        "Margin ratio: 82 %, room left 7.0 %",
        "Distance: 1.0 %",
        "Liquidation price: 59,136.55, mark 60,405.2",
        "How long: 0.8 typical hourly moves left",
        "To do: add margin or reduce: position-monitor explain D, with this service's --config, says how much",
        "CRITICAL 82 %: by-hand B LONG - 2.1 % from liquidation, alert 2",
        "WARNING: by-hand E LONG - LIQUIDATION NOW, margin used up",
        "WARNING 82 %: by-hand C LONG - 3.0 % from liquidation, alert 3",
        "WARNING 82 %: by-hand A LONG - 5.0 % from liquidation",
        "Alert 2: position-monitor ack 2 stops reminders until it worsens, ack all those of every open alert",
    ]


def test_unknown_distances_stand_last_of_their_level() -> None:
    """They cannot be compared; a joint distance counts where it is the smaller."""
    message = grouped(
        one("A", distance=None, joint_distance=None), one("B", distance=float("nan")),
        one("C", distance=0.5, joint_distance=0.01, positions=2), one("D", distance=0.02, joint_distance=0.001),
    )  # fmt: skip
    assert "C LONG" in message.title
    assert rows_of(message)[0] == "D"
    assert set(rows_of(message)) == {"A", "B", "D"}


def test_a_group_of_ends_does_not_look_like_an_alarm() -> None:
    """Recoveries are good news, however many; an end that is none rules the colour."""
    ends = [one(name, Level.OK, NoticeKind.CLOSED, reason="recovered", margin_ratio=0.3) for name in "ABC"]
    message = grouped(*ends)
    assert message.title == ("RECOVERED - by-hand A LONG - margin ratio 30 %, and 2 more (2 recovered) - TESTNET")
    assert message.level is Level.OK
    assert not any(level.name in message.title + message.body for level in list(Level)[2:])
    gone = grouped(*ends, one("D", Level.OK, NoticeKind.CLOSED, reason="liquidated"))
    assert gone.title.startswith("LIQUIDATED - by-hand D LONG - check the exchange, and 3 more (3 recovered)")
    assert gone.level is Level.CRITICAL


def test_a_danger_stands_before_an_end_of_the_same_colour() -> None:
    """There, something can still be done."""
    message = grouped(
        one("A", Level.OK, NoticeKind.CLOSED, reason="liquidated"), one("B", Level.CRITICAL, distance=0.9)
    )
    assert message.title.startswith("CRITICAL 82 % - by-hand B LONG")


def test_every_kind_has_its_line_and_its_count() -> None:
    """Whatever falls together is told together."""
    facts = Facts(environment="testnet", account="main", symbols=("BTCUSDT",), detail="mail", reason="x")
    notices = [
        a_notice(kind.value, kind=kind, level=Level.OK, facts=facts)
        for kind in NoticeKind
        if kind not in (NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED)
    ]
    message = grouped(one("A", Level.EMERGENCY), *notices)
    assert message.title.startswith("EMERGENCY")
    assert "1 closed by the exchange, 1 blind feed, 1 storage, 1 account not followed" in message.title
    assert f"{len(notices) - 4} other" in message.title
    worst_is_a_feed = grouped(*notices[:2])
    assert worst_is_a_feed.body.splitlines()[0] == "Symbols: BTCUSDT"
    assert_fit(message)


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_five_hundred_fit(fmt: str) -> None:
    """Those there is no room for are counted, and the count is true."""
    notices = [one(f"币安_{i}<&>*", Level.CRITICAL if i < 100 else Level.WARNING) for i in range(500)]
    message = render_group(notices, fmt=fmt, now_ms=AT_MS + 60_000, unrecorded=True)
    assert_fit(message)
    lines = seen_in(message)
    rows = [line for line in lines if line.startswith(("CRITICAL 82 %:", "WARNING 82 %:"))]
    assert f"+{499 - len(rows)} more: {99 - len(rows)} critical, 400 warning" in lines
    assert ", and 499 more (99 critical, 400 warning) - 60 s late" in message.title


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_where_those_stand_that_were_liquidated_and_have_no_line(fmt: str) -> None:
    """Nothing tells of them again; of wallets in danger reminders do, and of a drill nothing has to be known."""

    def counting(count: int, kind: NoticeKind, environment: str = "testnet") -> str:
        others = [
            one(f"S{i}", Level.CRITICAL, kind, reason="liquidation", environment=environment) for i in range(count)
        ]
        worst = one("A", Level.EMERGENCY, NoticeKind.FORCED, reason="liquidation", environment=environment)
        message = render_group([worst, *others], fmt=fmt, now_ms=AT_MS, unrecorded=True)
        assert_fit(message)
        (line,) = [line for line in seen_in(message) if line.startswith("+") and " more: " in line] or [""]
        return line

    told = counting(200, NoticeKind.FORCED)
    assert told.endswith(" liquidated; position-monitor alerts --last 1000 names each")
    assert "position-monitor" not in counting(5, NoticeKind.FORCED)
    assert counting(200, NoticeKind.ALERT).endswith(" critical")
    assert "position-monitor" not in counting(200, NoticeKind.FORCED, environment="drill")


def test_as_many_lines_as_there_may_be() -> None:
    """All of them where they just fit; one more, and the last line counts what is left."""

    def lines(count: int) -> list[str]:
        return grouped(*(one(f"S{i}", number=0) for i in range(count))).body.splitlines()

    assert len(lines(15)) == 20
    assert not any("more" in line for line in lines(15))
    assert len(lines(16)) == 20
    assert lines(16)[-1] == "+2 more: 2 warning"


def test_what_brings_the_worst_to_a_higher_level_is_said_whatever_else_has_to_go() -> None:
    """The most telling cause alone, between the worst and the others."""
    soon = msgspec.structs.replace(FUNDING_SOON, level=Level.EMERGENCY)
    for count in (2, 30):
        others = [one(f"S{i}") for i in range(count - 1)]
        lines = grouped(one("A", Level.CRITICAL, ahead=(soon, NEXT_BRACKET)), *others).body.splitlines()
        assert lines[6].startswith("Funding in 35 min: ")
        assert lines[6].endswith(": EMERGENCY then")
        assert lines[7].startswith("WARNING 82 %: ")
        assert not any("racket" in line for line in lines)
        assert len(lines) <= 20


def test_what_else_is_ahead_of_the_worst_takes_the_place_of_nobody() -> None:
    """Where all others have their line it is said; where one would have to go for it, it is not."""

    def lines(count: int) -> list[str]:
        worst = one("A", Level.CRITICAL, ahead=(NEXT_BRACKET,))
        return grouped(worst, *(one(f"S{i}") for i in range(count - 1))).body.splitlines()

    assert [any(line.startswith("Next bracket") for line in lines(count)) for count in (2, 14, 15)] == [
        True, True, False,
    ]  # fmt: skip
    assert [sum(line.startswith("WARNING") for line in lines(count)) for count in (2, 14, 15)] == [1, 13, 14]


def test_long_names_leave_fewer_lines_and_no_broken_ones() -> None:
    """The limit is in units of the escaped text."""
    name = "&" * 80
    notices = [one(name, wallet=name, account=name, asset=name, via=f"fallback:{name}") for _ in range(30)]
    message = render_group(notices, fmt="html", now_ms=AT_MS)
    assert_fit(message)
    assert len(message.body) > 3000


def test_what_counts_the_rest_has_its_place() -> None:
    """However much room there is, the lines shown and those counted are all."""
    ordered = worst_first([one(f"S{i}", number=i + 1) for i in range(30)])
    for room in range(900, 1000):
        body = group_body(ordered, [], form_of("text"), room, now_ms=AT_MS, tz=UTC, newest=lambda _: None)
        assert len(body) <= room
        rows = sum(line.startswith("WARNING") for line in body.splitlines())
        assert 0 < rows < 20
        assert body.splitlines()[-2] == f"+{29 - rows} more: {29 - rows} warning"


def test_where_there_is_no_room_the_first_lines_stay() -> None:
    """A cut takes from the end."""
    ordered = worst_first([one("A"), one("B")])
    body = group_body(ordered, [], form_of("text"), 60, now_ms=AT_MS, tz=UTC, newest=lambda _: None)
    assert body == "Account: by-hand, wallet isolated:A:LONG"


@pytest.mark.parametrize(
    ("drills", "title", "level"),
    [
        ("AB", "DRILL - EMERGENCY 82 % - by-hand A LONG - 2.1 % from liquidation, and 1 more (1 warning)",
         Level.EMERGENCY),
        ("A", "WARNING 82 % - by-hand B LONG - 2.1 % from liquidation, and 1 more (1 drill) - TESTNET",
         Level.WARNING),
    ],
)  # fmt: skip
def test_a_drill_never_stands_before_what_happened(drills: str, title: str, level: Level) -> None:
    """All of it a drill: the message says so first. One real notice among them: that one is the message."""
    levels = {"A": Level.EMERGENCY, "B": Level.WARNING}
    message = grouped(
        *(one(n, levels[n], number=5, environment="drill" if n in drills else "testnet") for n in "AB")
    )
    assert (message.title, message.level) == (title, level)
    marked = message.body.splitlines()[0].startswith("Drill: nothing of this happened")
    assert marked is (drills == "AB")
    assert ("DRILL EMERGENCY 82 %: by-hand A LONG - 2.1 % from liquidation" in message.body) is (drills == "A")


def test_a_late_group_says_so_of_each() -> None:
    """The title of the worst, the body of the oldest, each line how its wallet is now."""
    old = msgspec.structs.replace(one("A"), decided_ms=AT_MS - 60_000)
    newest = {"main/A": some_facts(margin_ratio=0.9), "main/B": some_facts(margin_ratio=0.97)}
    message = render_group(
        [old, one("B", Level.CRITICAL)], fmt="text", now_ms=AT_MS + 60_000, newest=newest.get, unrecorded=True
    )  # fmt: skip
    assert message.title.endswith(", and 1 more (1 warning) - 60 s late; now 97.0 % - TESTNET")
    lines = message.body.splitlines()
    assert lines[0] == "Delivery: up to 2 min late: the first was decided 20:25:40 UTC"
    assert lines[1].startswith("Unrecorded: the database did not take all of these")
    assert lines[-1] == "WARNING 82 %: by-hand A LONG - 2.1 % from liquidation, now 90.0 %"


def test_how_it_is_now_is_asked_of_what_is_shown() -> None:
    """Five hundred wallets are not looked at for twenty lines, late or decided without amounts."""
    asked: list[str] = []
    notices = [one(f"S{i}") for i in range(500)]
    for now_ms in (AT_MS, AT_MS + 60_000):
        asked.clear()
        render_group(notices, fmt="text", now_ms=now_ms, newest=asked.append)
        assert 0 < len(asked) <= 21


def test_each_line_says_what_to_do_or_the_message_where_that_is_said() -> None:
    """A line decided without amounts has those of now; where none can be made, explain knows them."""
    plan = Prescription("USDT", isolated=False, remedies=(Remedy(Level.WARNING, add=10.0),))
    first = one("A", Level.CRITICAL, prescription=plan)
    notices = [first, one("B"), one("C")]
    now = {"main/B": some_facts(prescription=plan)}
    lines = render_group(notices, fmt="text", now_ms=AT_MS, newest=now.get).body.splitlines()
    rows = [line for line in lines if line.startswith("WARNING")]
    assert ["add 10.00 USDT" in row for row in rows] == [True, False]
    assert lines[-1] == "To do, others: position-monitor explain SYMBOL says how much where no amount stands here"
    all_known = dict.fromkeys(("main/B", "main/C"), now["main/B"])
    body = render_group(notices, fmt="text", now_ms=AT_MS, newest=all_known.get).body
    assert "To do, others" not in body


@pytest.mark.parametrize(
    ("vias", "lines"),
    [
        (["", ""], []),
        (["fallback:mail", "fallback:mail", ""], ["Why here: mail has not delivered this"]),
        (["fallback:", "escalation"], ["Why here: another channel has not delivered this",
                                       "Why here: it is critical or worse, and nobody has acknowledged it"]),
        ([f"fallback:c{i}" for i in range(9)], [f"Why here: c{i} has not delivered this" for i in range(3)]),
        (["what nobody foresaw"] * 2, []),
    ],
)  # fmt: skip
def test_why_a_channel_is_told_is_said_once(vias: Sequence[str], lines: list[str]) -> None:
    """However many notices have the same reason."""
    message = grouped(*(one(f"S{i}", via=via) for i, via in enumerate(vias)))
    assert [line for line in message.body.splitlines() if line.startswith("Why")] == lines
