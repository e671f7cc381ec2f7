import re
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import Level
from monitor.core.notices import Facts, NoticeKind
from monitor.notify.message import MAX_CHARS, escape, notify_type, render
from monitor.ports import Message
from tests.notify.fakes import a_notice, some_facts

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


def test_an_ordinary_message_is_short() -> None:
    """Nothing is said about lateness, recording or the exchange's own brackets when all is as it should be."""
    body = shown().body
    assert [line.partition(":")[0] for line in body.splitlines()] == [
        "Account", "Margin ratio", "Distance", "Liquidation price", "How long", "Wallet", "Tick",
    ]  # fmt: skip


NOW = "LIQUIDATION NOW, margin used up"


@pytest.mark.parametrize(
    ("changes", "story"),
    [
        ({"liquidatable": True, "margin_ratio": None}, f"CRITICAL - by-hand BTCUSDT LONG - {NOW}"),
        ({"margin_ratio": 1.0}, f"CRITICAL - by-hand BTCUSDT LONG - {NOW}"),
        ({"distance": None, "joint_distance": None}, "CRITICAL 82 % - by-hand BTCUSDT LONG - no liquidation price"),
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
    assert message.title == ("POSITION GONE - main isolated:BTCUSDT:LONG - not an all-clear: check the exchange - LIVE")
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


@pytest.mark.parametrize(
    ("late_s", "words"),
    [
        (9.9, None),
        (10.0, "10 s late: decided 20:26:40 UTC"),
        (43_200.0, "12 h 0 min late: decided 2026-05-28T20:26:40Z"),
    ],
)
def test_a_late_message_says_how_late(late_s: float, words: str | None) -> None:
    """A figure of ten minutes ago must not pass for the present one."""
    message = render(a_notice(), fmt="text", now_ms=DECIDED_MS + round(late_s * 1000))
    first = message.body.splitlines()[0]
    assert first == (f"Delivery: {words}" if words else "Account: by-hand, wallet isolated:BTCUSDT:LONG")


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


class _Balance(HTMLParser):
    """Fails on a tag that Telegram does not know or that is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in {"b", "br"}
        if tag == "b":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


ODD = st.text(st.sampled_from("<>&_*[]`\\# \n币\U0001f4a5a{}"), max_size=600)


@settings(max_examples=60, deadline=None)
@given(fmt=st.sampled_from(["text", "html", "markdown"]), kind=st.sampled_from(NoticeKind), odd=ODD)
def test_any_content_stays_within_the_limit_and_unbroken(fmt: str, kind: NoticeKind, odd: str) -> None:
    """At most 4096 UTF-16 units and twelve lines, markup closed, whatever the names contain."""
    facts = some_facts(
        account=odd, symbol=odd, wallet=odd, asset=odd, brackets=odd, detail=odd, reason=odd, symbols=(odd,) * 30,
        positions=9,
    )  # fmt: skip
    message = render(a_notice(kind=kind, facts=facts), fmt=fmt, now_ms=DECIDED_MS + 10**6, unrecorded=True)
    whole = escape(message.title, fmt) + message.body
    assert len(whole.encode("utf-16-le")) // 2 <= MAX_CHARS
    assert len(message.body.splitlines()) <= 12
    assert message.body.startswith(("Delivery", "<b>Delivery", "- **Delivery"))
    if fmt == "html":
        parser = _Balance()
        parser.feed(message.body)
        parser.close()
        assert not parser.open


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
