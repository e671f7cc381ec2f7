from typing import Any

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.notify.message import render, render_group
from tests.notify.fakes import a_notice, some_facts
from tests.notify.prescribed import WARNED, plan, safe, warned

DECIDED_MS = 1_780_000_000_000
LATE_MS = DECIDED_MS + 240_000


def late(now: Facts | None, *, now_ms: int = LATE_MS, then: Facts | None = None) -> tuple[str, list[str]]:
    message = render(a_notice(facts=then), fmt="text", now_ms=now_ms, now=now)
    start = "WARNING 82 % - by-hand BTCUSDT LONG - 2.1 % from liquidation - "
    return message.title.removeprefix(start).removesuffix("TESTNET").removesuffix(" - "), message.body.splitlines()


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ({"margin_ratio": 0.91}, "4 min late; now 91.0 %"),
        ({"margin_ratio": 0.82}, "4 min late; now 82 %"),
        ({"margin_ratio": 0.41}, "4 min late; now lower, 41 %"),
        ({"margin_ratio": 0.8199}, "4 min late; now 82 %"),
        ({"margin_ratio": 0.91, "mark_age_s": 15.0}, "4 min late; last known 91.0 %"),
        ({"margin_ratio": 0.41, "mark_age_s": None}, "4 min late; last known lower, 41 %"),
        ({"margin_ratio": None, "liquidatable": True}, "4 min late; now margin used up"),
        ({"margin_ratio": None}, "4 min late"),
        ({"margin_ratio": 0.5, "assumed": ("ETHUSDT",)}, "4 min late"),
        ({"margin_ratio": 0.0, "positions": 0}, "4 min late; no such position any more, check the exchange"),
    ],
)
def test_a_late_title_says_how_late_and_how_it_is_now(now: dict[str, Any], words: str) -> None:
    """A lock screen shows no old figure alone; what is better is called lower and never an all-clear."""
    assert late(some_facts(**now))[0] == words


@pytest.mark.parametrize(
    ("kind", "late_s", "said"),
    [
        (NoticeKind.ALERT, 14, True),
        (NoticeKind.CHECKUP, 14, False),
        (NoticeKind.AHEAD, 14, False),
        (NoticeKind.CHECKUP, 300, True),
        (NoticeKind.AHEAD, 300, True),
    ],
)
def test_a_quiet_title_says_only_what_matters_of_its_lateness(kind: NoticeKind, late_s: int, said: bool) -> None:  # noqa: FBT001
    """Seconds are nothing to a habit, nor to what is due within the hour; the body has them."""
    message = render(a_notice(kind=kind), fmt="text", now_ms=DECIDED_MS + late_s * 1000)
    assert (" late" in message.title) is said
    assert " late: decided 20:26:40 UTC" in message.body


def test_what_is_not_known_now_is_not_said() -> None:
    """A vanished wallet, or one without readings, leaves the lateness alone."""
    title, lines = late(None)
    assert title == "4 min late"
    assert lines[0] == "Delivery: 4 min late: decided 20:26:40 UTC"
    assert not any(line.startswith("Since then") for line in lines)


def test_the_body_has_the_figures_of_now() -> None:
    """Beside the old ones, which stay: they are what was decided on."""
    _, lines = late(some_facts(margin_ratio=0.91, distance=0.004, mark=59400.5))
    assert lines[:2] == [
        "Delivery: 4 min late: decided 20:26:40 UTC",
        "Since then: now 91.0 %, 0.40 % from liquidation, mark 59,400.5",
    ]
    assert "Margin ratio: 82 %, room left 7.0 %" in lines
    assert late(some_facts(margin_ratio=0.91, distance=None, mark=None))[1][1] == "Since then: now 91.0 %"


@pytest.mark.parametrize(
    ("late_s", "title", "line"),
    [
        (-60.0, "", None),
        (9.9, "", None),
        (10.0, "10 s late; now 91.0 %", "Delivery: 10 s late: decided 20:26:40 UTC"),
        (43_200.0, "12 h 0 min late; now 91.0 %", "Delivery: 12 h 0 min late: decided 2026-05-28T20:26:40Z"),
    ],
)
def test_ten_seconds_make_a_message_late(late_s: float, title: str, line: str | None) -> None:
    """Below, the figures may pass for the present ones; after half a day the time of day alone would mislead."""
    words, lines = late(some_facts(margin_ratio=0.91), now_ms=DECIDED_MS + round(late_s * 1000))
    assert words == title
    assert lines[0] == (line or "Account: by-hand, wallet isolated:BTCUSDT:LONG")


def test_what_was_decided_without_amounts_asks_for_them_when_it_is_written() -> None:
    """At once, not only when late; its figures stay those of the decision, and nothing is said of lateness."""
    bare = msgspec.structs.replace(WARNED, prescription=None)
    asked: list[str] = []

    def newest(subject: str) -> Facts:
        asked.append(subject)
        return msgspec.structs.replace(WARNED, margin_ratio=0.99)

    notice = a_notice(facts=bare)
    message = render_group([notice], fmt="text", now_ms=DECIDED_MS, newest=newest)
    whole = render_group([a_notice(facts=WARNED)], fmt="text", now_ms=DECIDED_MS, newest=newest)
    assert message == whole
    assert asked == [notice.subject]
    several = render_group([notice, a_notice("b", facts=bare)], fmt="text", now_ms=DECIDED_MS, newest=newest)
    assert "To do: add 234.01 USDT" in several.body
    assert len(asked) == 3
    pointed = render_group([notice], fmt="text", now_ms=DECIDED_MS, newest=lambda _: bare)
    assert "position-monitor explain" in pointed.body


def test_figures_of_then_are_not_denied_by_the_amounts_of_now() -> None:
    """What raised a level may have lasted a moment: that nothing is to be done now is for what says it is late."""
    bare = msgspec.structs.replace(WARNED, prescription=None)
    over = msgspec.structs.replace(WARNED, prescription=plan(warned(0.0), safe(1_200.0)))
    several = [a_notice(facts=bare), a_notice("b", facts=bare)]
    for notices in ([several[0]], several):
        at_once = render_group(notices, fmt="text", now_ms=DECIDED_MS, newest=lambda _: over)
        assert "nothing more is needed" not in at_once.body
        assert "position-monitor explain" in at_once.body
    later = render_group(several[:1], fmt="text", now_ms=LATE_MS, newest=lambda _: over)
    assert "nothing more is needed to get below warning" in later.body


@pytest.mark.parametrize(
    "notice",
    [
        a_notice(facts=msgspec.structs.replace(WARNED, prescription=None), level=Level.NOTICE),
        a_notice(facts=msgspec.structs.replace(WARNED, prescription=None), kind=NoticeKind.CLOSED),
    ],
)
def test_what_needs_no_amounts_asks_for_none(notice: Notice) -> None:
    """To look at a wallet takes a while."""

    def newest(_: str) -> Facts:
        raise AssertionError

    assert render_group([notice], fmt="text", now_ms=DECIDED_MS, newest=newest).body
