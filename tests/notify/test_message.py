import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import Change, ChangeKind, Compared, Figure, Level
from monitor.core.notices import (
    After,
    Cause,
    CauseKind,
    Cut,
    DayReport,
    Facts,
    Finding,
    FindingCode,
    Notice,
    NoticeKind,
    Prescription,
    Remedy,
    WorstAway,
)
from monitor.notify.message import escape, notify_type, render, render_group
from monitor.notify.words import is_drill
from monitor.ports import Message
from tests.notify import prescribed
from tests.notify.coming import ALL_AHEAD
from tests.notify.fakes import a_notice, some_facts
from tests.notify.markup import assert_fit, seen_in

DECIDED_MS = 1_780_000_000_000


def shown(kind: NoticeKind = NoticeKind.ALERT, level: Level = Level.CRITICAL, /, **facts: object) -> Message:
    return render(a_notice(kind=kind, level=level, facts=some_facts(**facts)), fmt="text", now_ms=DECIDED_MS)


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_the_title_is_plain_text_in_every_format(fmt: str) -> None:
    """Most services have a field of its own for it; the others escape it where they join it."""
    facts = some_facts(account="a<b>&c_d*e", symbol="币安人生USDT")
    message = render(a_notice(level=Level.CRITICAL, facts=facts), fmt=fmt, now_ms=DECIDED_MS)
    assert message.title == "CRITICAL 82 % - a<b>&c_d*e 币安人生USDT LONG - 2.1 % from liquidation - TESTNET"
    assert message.format == fmt
    assert escape(facts.account, fmt) in message.body


def test_the_title_tells_the_story_to_a_lock_screen() -> None:
    """Level, ratio, position, distance, environment."""
    assert shown().title == "CRITICAL 82 % - by-hand BTCUSDT LONG - 2.1 % from liquidation - TESTNET"
    assert shown(environment="live").title.endswith(" - LIVE")
    assert shown(environment="").title.endswith(" - UNKNOWN ENVIRONMENT")


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_however_much_there_is_to_say_a_message_has_twenty_lines(fmt: str) -> None:
    """The least telling are left out; what to do and how to answer never are."""
    facts = some_facts(
        prescription=prescribed.ISOLATED, ahead=(*ALL_AHEAD, *ALL_AHEAD)[:3], eased=True, corrected=True,
        brackets="shipped 2026-09-29", detail="a note", via="escalation",
    )  # fmt: skip
    notice = msgspec.structs.replace(a_notice(kind=NoticeKind.REMINDER, facts=facts), number=17)
    message = render(notice, fmt=fmt, now_ms=DECIDED_MS + 60_000, unrecorded=True, now=facts)
    assert_fit(message)
    labels = [line.partition(":")[0] for line in seen_in(message)]
    assert len(labels) == 20
    assert {"To do", "To be safe", "Adding", "Reducing", "Note", "Alert 17"} <= set(labels)
    assert not {"More", "Tick", "Wallet"} & set(labels)


def test_an_ordinary_message_is_short() -> None:
    """Nothing is said about lateness, recording or the exchange's own brackets when all is as it should be."""
    body = shown(prescription=prescribed.ONE_CROSS.prescription).body
    assert [line.partition(":")[0] for line in body.splitlines()] == [
        "Account", "Margin ratio", "Distance", "Liquidation price", "How long", "To do", "To be safe", "Adding",
        "Reducing", "Wallet", "Tick", "More",
    ]  # fmt: skip


NOW = "LIQUIDATION NOW, margin used up"


@pytest.mark.parametrize(
    ("changes", "story"),
    [
        ({"liquidatable": True, "margin_ratio": None}, f"CRITICAL - by-hand BTCUSDT LONG - {NOW}"),
        ({"margin_ratio": 1.0}, f"CRITICAL - by-hand BTCUSDT LONG - {NOW}"),
        (
            {"distance": None, "joint_distance": None},
            "CRITICAL 82 % - by-hand BTCUSDT LONG - no liquidation price",
        ),
        ({"distance": None, "mark": None}, "CRITICAL 82 % - by-hand BTCUSDT LONG - distance unknown"),
        ({"margin_ratio": None}, "CRITICAL - by-hand BTCUSDT LONG - 2.1 % from liquidation"),
        ({"symbol": "", "side": ""}, "CRITICAL 82 % - by-hand isolated:BTCUSDT:LONG - 2.1 % from liquidation"),
        ({"symbol": "", "side": "", "wallet": ""}, "CRITICAL 82 % - by-hand wallet - 2.1 % from liquidation"),
        (
            {"positions": 2, "joint_distance": 0.3, "wallet": "cross:USDT"},
            "CRITICAL 82 % - by-hand BTCUSDT LONG +1 more (cross:USDT) - 2.1 % from liquidation",
        ),
    ],
)
def test_titles_of_wallets_in_every_state(changes: dict[str, object], story: str) -> None:
    """What is not known is left out or said to be unknown; a used-up margin is said outright."""
    assert shown(**changes).title == f"{story} - TESTNET"


def test_what_to_do_stands_between_the_danger_and_the_details() -> None:
    """As it was advised, the best first, four lines at most."""
    lines = shown(advice=tuple(f"add {n} USDT" for n in range(9))).body.splitlines()
    assert lines[4:10] == [
        "How long: 0.8 typical hourly moves left",
        *(f"To do: add {n} USDT" for n in range(4)),
        "Wallet: balance 1,050.00 USDT, maintenance 122.00 USDT, cushion 928.00 USDT",
    ]


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, "by-hand, wallet isolated:BTCUSDT:LONG"),
        ({"wallet": "cross:USDT"}, "by-hand, wallet cross:USDT; position BTCUSDT LONG"),
        ({"wallet": "cross:USDT", "positions": 3},
         "by-hand, wallet cross:USDT; nearest of 3 positions: BTCUSDT LONG"),
        ({"wallet": "cross:USDT", "symbol": "", "side": ""}, "by-hand, wallet cross:USDT"),
    ],
)  # fmt: skip
def test_the_first_line_says_whose_it_is(changes: dict[str, object], first: str) -> None:
    """Account, wallet, and the position where the wallet's name does not say it."""
    assert shown(**changes).body.splitlines()[0] == f"Account: {first}"


def test_two_accounts_with_one_symbol_have_two_titles() -> None:
    """The name is short: a lock screen has room for the danger first."""
    titles = {shown(account=f"{name}-{'long' * 9}").title for name in ("main", "side")}
    assert len(titles) == 2
    assert all("…" in title and len(title) < 100 for title in titles)


def test_reminders_say_still() -> None:
    """A repeated alert is told from a new one at a glance."""
    title = shown(NoticeKind.REMINDER).title
    assert title == "Still CRITICAL 82 % - by-hand BTCUSDT LONG - 2.1 % from liquidation - TESTNET"


GONE = "POSITION GONE - by-hand BTCUSDT LONG - not an all-clear: check the exchange"


@pytest.mark.parametrize(
    ("reason", "story", "level"),
    [
        ("recovered", "RECOVERED - by-hand BTCUSDT LONG - margin ratio 31 %", Level.OK),
        ("gone", GONE, Level.WARNING),
        ("what nobody foresaw", GONE, Level.WARNING),
        ("liquidated", "LIQUIDATED - by-hand BTCUSDT LONG - check the exchange", Level.CRITICAL),
        ("reduced", "REDUCED BY LIQUIDATION - by-hand BTCUSDT LONG - check the exchange", Level.WARNING),
        ("deleveraged", "AUTO-DELEVERAGED - by-hand BTCUSDT LONG - check the exchange", Level.WARNING),
        ("closed_by_hand", "CLOSED BY HAND - by-hand BTCUSDT LONG - no position left", Level.NOTICE),
        ("settled", "SETTLED - by-hand BTCUSDT LONG - the contract was delisted or delivered", Level.WARNING),
    ],
)  # fmt: skip
def test_only_a_recovery_reads_as_an_all_clear(reason: str, story: str, level: Level) -> None:
    """How an incident ended is in its title; a position that vanished never looks like good news."""
    message = shown(NoticeKind.CLOSED, Level.OK, reason=reason, margin_ratio=0.31)
    assert (message.title, message.level) == (f"{story} - TESTNET", level)


def test_an_end_with_the_margin_used_up_says_so() -> None:
    """Even a closing message never hides that the last figure known was the worst one."""
    used_up = shown(NoticeKind.CLOSED, Level.OK, reason="recovered", margin_ratio=None, liquidatable=True)
    assert used_up.title == "RECOVERED - by-hand BTCUSDT LONG - margin used up - TESTNET"
    assert "Margin ratio: 120 %, margin used up" in shown(margin_ratio=1.2).body


BLIND = Facts(
    environment="testnet", symbols=("BTCUSDT", "ETHUSDT"), mark_age_s=15.3, reason="silent", event_ms=DECIDED_MS
)


def test_blind_names_the_symbols_and_the_silence() -> None:
    """Not to see is an alert of its own, never lower than a warning."""
    message = render(a_notice(kind=NoticeKind.BLIND, level=Level.OK, facts=BLIND), fmt="text", now_ms=DECIDED_MS)
    assert message.title == "BLIND - no marks for BTCUSDT, ETHUSDT for 15 s - TESTNET"
    assert message.level is Level.WARNING
    assert message.body.splitlines() == [
        "Symbols: BTCUSDT, ETHUSDT",
        "Reason: silent",
        "Tick: 15 s old when decided, exchange time 2026-05-28T20:26:40Z",
        "Meaning: until marks return, levels of these wallets may rise but cannot fall",
    ]


def test_many_blind_symbols_are_counted_not_listed() -> None:
    """A whole market gone silent still fits a lock screen."""
    facts = Facts(environment="live", symbols=tuple(f"S{number}USDT" for number in range(500)))
    message = render(
        a_notice(kind=NoticeKind.BLIND, level=Level.CRITICAL, facts=facts), fmt="text", now_ms=DECIDED_MS
    )
    assert message.title == "BLIND - no marks for S0USDT, S1USDT, S2USDT +497 more - LIVE"
    assert message.level is Level.CRITICAL
    assert "+480 more" in message.body


RISK = "alerts may be repeated or lost to a crash"


@pytest.mark.parametrize(
    ("kind", "level", "detail", "story"),
    [
        (NoticeKind.STORAGE, Level.WARNING, "", f"STORAGE - a database cannot be written, {RISK}"),
        (NoticeKind.STORAGE, Level.WARNING, "state", f"STORAGE - the state database cannot be written, {RISK}"),
        (NoticeKind.STORAGE, Level.WARNING, "history", "STORAGE - the history database cannot be written"),
        (NoticeKind.STORAGE_BACK, Level.OK, "state", "STORAGE BACK - the state database takes writes again"),
        (NoticeKind.TEST, Level.NOTICE, "phone", "TEST - alerts reach you here"),
    ],
)
def test_what_is_not_about_a_wallet(kind: NoticeKind, level: Level, detail: str, story: str) -> None:
    """Each kind of notice has its words and a fitting colour."""
    facts = Facts(environment="testnet", reason="disk full", detail=detail)
    message = render(a_notice(kind=kind, level=Level.OK, facts=facts), fmt="text", now_ms=DECIDED_MS)
    assert (message.title, message.level) == (f"{story} - TESTNET", level)
    assert message.body.splitlines()[:2] == ["Environment: TESTNET", "Reason: disk full"]
    assert ("Note: " in message.body) == (kind is NoticeKind.TEST)


@pytest.mark.parametrize(
    ("reason", "symbols", "story"),
    [
        ("marks are back", ("BTCUSDT",), "SIGHT - marks are back for BTCUSDT"),
        ("", (), "SIGHT - marks are back"),
        ("no position needs marks", ("BTCUSDT",), "SIGHT - no position needs marks for BTCUSDT"),
    ],
)
def test_the_end_of_blindness_says_why(reason: str, symbols: tuple[str, ...], story: str) -> None:
    """Marks that nobody needs any more are not marks that came back."""
    facts = Facts(environment="testnet", reason=reason, symbols=symbols)
    message = render(a_notice(kind=NoticeKind.SIGHT, level=Level.OK, facts=facts), fmt="text", now_ms=DECIDED_MS)
    assert (message.title, message.level) == (f"{story} - TESTNET", Level.OK)
    assert message.body.startswith(f"Symbols: {', '.join(symbols) or 'all that positions need'}")


def test_a_vanished_wallet_is_not_described_by_unknowns() -> None:
    """Where only the name is left, the message says what its absence may mean."""
    facts = Facts(environment="live", account="main", wallet="isolated:BTCUSDT:LONG", reason="gone")
    message = render(a_notice(kind=NoticeKind.CLOSED, level=Level.OK, facts=facts), fmt="text", now_ms=DECIDED_MS)
    assert message.title == (
        "POSITION GONE - main isolated:BTCUSDT:LONG - not an all-clear: check the exchange - LIVE"
    )
    assert message.body.splitlines() == [
        "Account: main, wallet isolated:BTCUSDT:LONG",
        "Meaning: this account no longer holds it; closed, reduced or liquidated: the exchange knows",
    ]


def test_an_incident_may_end_above_ok() -> None:
    """A channel that asked for warnings hears of the fall to notice, and that it is not yet ok."""
    message = shown(NoticeKind.CLOSED, Level.NOTICE, reason="recovered", margin_ratio=0.4)
    assert message.title == "RECOVERED to NOTICE - by-hand BTCUSDT LONG - margin ratio 40 % - TESTNET"
    assert message.level is Level.NOTICE


def test_a_bare_notice_still_renders() -> None:
    """Facts may be missing altogether; the message says what is unknown."""
    for kind in NoticeKind:
        message = render(a_notice(kind=kind, facts=Facts()), fmt="text", now_ms=DECIDED_MS)
        assert message.title.endswith(" - UNKNOWN ENVIRONMENT")
        assert message.body
    body = render(a_notice(facts=Facts()), fmt="text", now_ms=DECIDED_MS).body
    assert "Liquidation price: unknown" in body
    assert "Distance: unknown" in body
    assert "Account: unknown" in body
    assert "Tick: age unknown, exchange time unknown" in body


def test_a_liquidation_price_may_not_exist() -> None:
    """None is a fact; unknown is another one."""
    body = shown(liquidation_price=None, distance=None, joint_distance=None).body
    assert "Liquidation price: none" in body
    assert "Distance: none" in body


def test_an_unknown_format_is_sent_as_text() -> None:
    """No alert is lost to a format."""
    assert render(a_notice(), fmt="rtf", now_ms=0) == render(a_notice(), fmt="text", now_ms=0)
    assert escape("<", "rtf") == "<"


def test_levels_map_to_the_four_types_of_apprise() -> None:
    """Services colour and sort by type."""
    types = [notify_type(level) for level in Level]
    assert types == ["success", "info", "warning", "failure", "failure"]


def test_a_line_break_in_a_name_cannot_start_a_mail_header() -> None:
    """Names come from a configuration and from the exchange; they stay on their line."""
    message = shown(symbol="BTC\r\nBcc: x@example.com", account="a\u202eb\x00c")
    assert "\n" not in message.title
    assert "\r" not in message.title
    assert message.title.startswith("CRITICAL 82 % - a b c BTC Bcc: x@example.com LONG")
    assert "Account: a b c, " in message.body


ODD = st.text(st.sampled_from("<>&_*[]`\\#\n\r\x00\u2028\u202e币\U0001f4a5a{}-1. "), max_size=100) | st.text(
    max_size=20
)
LONG = st.sampled_from("&<_\U0001f4a5").map(lambda char: char * 500)
NUMBER = st.none() | st.floats() | st.sampled_from([0.1 + 0.2, 0.0, 1.0, -0.0, 1e-300, 1e300])
COUNT = st.integers(-5, 10**9)
TIME = st.integers(-(10**15), 10**15)
NAMES = st.lists(ODD, max_size=5).map(tuple)
CHANGES = st.builds(Change, TIME, ODD, st.sampled_from(ChangeKind), ODD, ODD, ODD, NUMBER, NUMBER, NUMBER, ODD)
ROWS = st.builds(
    Compared, ODD, ODD, ODD, ODD, st.sampled_from(Figure), NUMBER, NUMBER, st.floats(), agrees=st.booleans()
)
DAYS = st.builds(
    DayReport, COUNT, COUNT, COUNT, st.sampled_from(Level), ODD, NUMBER, NUMBER, NUMBER, TIME, st.floats(), COUNT,
    COUNT, COUNT, COUNT, COUNT, TIME,
)  # fmt: skip
AWAYS = st.builds(
    WorstAway, ODD, st.sampled_from(Level), TIME, ODD, ODD, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER,
    st.booleans(),
)  # fmt: skip
AFTERS = st.none() | st.builds(After, NUMBER, NUMBER, NUMBER, NUMBER)
CUTS = st.builds(Cut, ODD, ODD, st.floats(), st.floats(), st.floats(), st.floats(), st.floats())
REMEDIES = st.builds(
    Remedy, st.sampled_from(Level), NUMBER, NUMBER, AFTERS, st.lists(CUTS, max_size=6).map(tuple), AFTERS
)
PRESCRIPTIONS = st.builds(
    Prescription, ODD, st.booleans(), st.lists(REMEDIES, max_size=3).map(tuple), st.floats(), st.floats(), NUMBER,
    st.sampled_from(["", "balance", "available", "warning"]) | ODD, AFTERS, st.booleans(),
)  # fmt: skip
CAUSES = st.builds(
    Cause, st.sampled_from(CauseKind), symbol=ODD, side=ODD, asset=ODD, at_ms=TIME, amount=NUMBER, price=NUMBER,
    move=NUMBER, rate_before=NUMBER, rate_after=NUMBER, required=NUMBER, beyond=NUMBER,
    quantile=st.none() | COUNT, hedge=st.booleans(), before=AFTERS, after=AFTERS, level=st.sampled_from(Level),
)  # fmt: skip
FINDINGS = st.builds(
    Finding, ODD, st.sampled_from(FindingCode), ODD, wallet=ODD, symbol=ODD, side=ODD, value=NUMBER, limit=NUMBER,
    isolated=st.booleans(), price=NUMBER, mark=NUMBER, liquidation_price=NUMBER, remedy=NUMBER, asset=ODD,
    quantity=NUMBER, margin=NUMBER, assumed=st.booleans(), typed=st.booleans(),
)  # fmt: skip
DRAWN: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("account", "wallet", "asset", "margin_mode", "symbol", "brackets", "detail"), ODD | LONG),
    "environment": st.sampled_from(["testnet", "live", "drill", "", " Drill\n"]) | ODD,
    "side": st.sampled_from(["LONG", "SHORT"]) | ODD,
    "positions": COUNT,
    **dict.fromkeys(
        ("mark", "liquidation_price", "distance", "joint_distance", "margin_ratio", "room", "moves_left",
         "margin_balance", "maintenance_margin", "cushion", "mark_age_s"),
        NUMBER,
    ),
    "liquidatable": st.booleans(),
    "event_ms": TIME,
    "mark_source": st.sampled_from(["rest", "stream", ""]),
    **dict.fromkeys(("symbols", "wallets", "assumed", "advice"), NAMES),
    "compared": st.lists(ROWS, max_size=7).map(tuple),
    "changes": st.lists(CHANGES, max_size=7).map(tuple),
    "moved": st.lists(st.tuples(ODD, ODD, NUMBER, NUMBER), max_size=7).map(tuple),
    "corrected": st.booleans(),
    **dict.fromkeys(("bridged", "ends", "eased", "unseen", "undescribed"), st.booleans()),
    **dict.fromkeys(("from_ms", "until_ms"), TIME),
    "away": st.lists(AWAYS, max_size=7).map(tuple),
    "reason": st.sampled_from(["recovered", "passed", "liquidated", "first seen", "http-401", "overdue"]) | ODD,
    "path": st.sampled_from(["", "state.db", "/srv/my data/state.db"]) | ODD,
    "via": st.sampled_from(["", "escalation", "fallback:mail"]) | ODD.map("fallback:{}".format),
    "day": st.none() | DAYS,
    "prescription": st.none() | PRESCRIPTIONS,
    "ahead": st.lists(CAUSES, max_size=4).map(tuple),
    "findings": st.lists(FINDINGS, max_size=7).map(tuple),
}  # fmt: skip
FACTS = st.fixed_dictionaries({}, optional=DRAWN).map(lambda drawn: Facts(**drawn))
NOTICES = st.builds(
    Notice, st.just("k"), st.just("tg"), ODD, st.sampled_from(NoticeKind), st.sampled_from(Level),
    st.sampled_from(Level), st.just(DECIDED_MS), st.just(1), FACTS, st.integers(-1, 10**6),
)  # fmt: skip
LATER_MS = st.sampled_from([0, 9_999, 10_000, 10**6, 10**9, -(10**9)])


def test_every_fact_is_drawn() -> None:
    """A new one is tried with odd content too."""
    assert set(DRAWN) == set(Facts.__struct_fields__)


@settings(max_examples=80, deadline=None)
@given(notice=NOTICES, now=st.none() | FACTS, later_ms=LATER_MS, unrecorded=st.booleans())
def test_whatever_is_known_a_message_is_made_of_it(
    notice: Notice, now: Facts | None, later_ms: int, *, unrecorded: bool
) -> None:
    """Within the limits, in every format the same words, nothing from outside read as markup or as a new line."""
    shown = {
        fmt: render(notice, fmt=fmt, now_ms=DECIDED_MS + later_ms, unrecorded=unrecorded, now=now)
        for fmt in ("text", "html", "markdown")
    }
    lines = seen_in(shown["text"])
    for message in shown.values():
        assert_fit(message)
        seen = seen_in(message)
        assert seen == lines[: len(seen)]
        assert message.title == shown["text"].title
        assert message.title.startswith("DRILL - ") is is_drill(notice.facts)


@settings(max_examples=40, deadline=None)
@given(notices=st.lists(NOTICES, min_size=2, max_size=4), now=st.none() | FACTS, later_ms=LATER_MS)
def test_whatever_comes_together_a_message_is_made_of_it(
    notices: list[Notice], now: Facts | None, later_ms: int
) -> None:
    """The same of groups; a drill is marked where all of it is one."""
    for fmt in ("text", "html", "markdown"):
        message = render_group(notices, fmt=fmt, now_ms=DECIDED_MS + later_ms, newest=lambda _: now)
        assert_fit(message)
        assert f", and {len(notices) - 1} more (" in message.title
        assert message.title.startswith("DRILL - ") is all(is_drill(notice.facts) for notice in notices)


def test_a_cut_takes_whole_lines_from_the_end() -> None:
    """What qualifies the figures stands first, so that it survives."""
    facts = some_facts(
        detail="&" * 400, brackets="&" * 80, account="&" * 80, wallet="&" * 80, asset="&" * 80, symbol="&" * 80
    )
    message = render(a_notice(facts=facts), fmt="html", now_ms=DECIDED_MS + 60_000, unrecorded=True)
    lines = message.body.splitlines()
    assert lines[0].startswith("<b>Delivery:</b>")
    assert lines[1].startswith("<b>Unrecorded:</b>")
    assert "Note" not in message.body
    assert not re.search(r"&[a-z]*$", message.body)


def test_blind_names_the_wallets_and_what_is_known_of_them() -> None:
    """Five at most, and how many more; an unjudged wallet must not pass for a calm one."""
    facts = some_facts(
        symbols=("ETHUSDT",), wallets=("main/cross:USDT (unknown)", *(f"w{i} (ok)" for i in range(6)))
    )
    body = render(a_notice(kind=NoticeKind.BLIND, facts=facts), fmt="text", now_ms=0).body
    assert "Wallets: main/cross:USDT (unknown), w0 (ok), w1 (ok), w2 (ok), w3 (ok) +2 more" in body


def test_prices_that_came_back_after_liquidation_are_no_recovery() -> None:
    """The title says so, and it looks like the trouble it is."""
    notice = a_notice(kind=NoticeKind.CLOSED, level=Level.OK, facts=some_facts(reason="passed"))
    message = render(notice, fmt="text", now_ms=notice.decided_ms)
    assert message.title.startswith("NOT A RECOVERY - ")
    assert "probably liquidated" in message.title
    assert message.level is Level.CRITICAL
    assert "the exchange liquidates once the margin is used up" in message.body


def test_what_was_assumed_and_what_will_not_come_is_said() -> None:
    """A stand-in for a missing mark, and that this message is the only one until it worsens."""
    facts = some_facts(assumed=("ETHUSDT",), reason="first seen")
    body = render(a_notice(facts=facts), fmt="text", now_ms=0).body
    assert "no mark of ETHUSDT yet, entry prices stand in" in body
    assert "Reminders: none until it worsens" in body
    assert len(body.splitlines()) <= 12
