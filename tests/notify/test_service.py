"""Words about the service itself: channels and days."""

from typing import Any

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, NoticeKind
from monitor.notify.message import render
from monitor.ports import Message
from tests.notify.fakes import a_notice
from tests.notify.golden import AT_MS, DAY, QUIET_DAY


def told(kind: NoticeKind, level: Level = Level.OK, **facts: object) -> Message:
    given = Facts(**{"environment": "live", **facts})  # type: ignore[arg-type]  # each test names real fields
    return render(a_notice(kind=kind, level=level, facts=given), fmt="text", now_ms=AT_MS)


ADDRESS = "mend its address"
NETWORK = "look at the service and the network"


@pytest.mark.parametrize(
    ("reason", "words", "cure"),
    [
        ("http-401", "the service refused the message: HTTP 401, the token or password is wrong", ADDRESS),
        ("unusable", "the address cannot be used any more, or no thread could be started", ADDRESS),
        ("timeout", "timed out", NETWORK),
        ("overdue", "it accepts nothing, and messages are waiting", NETWORK),
        ("", "the reason is unknown", NETWORK),
    ],
)
def test_a_channel_that_does_not_deliver_is_named_with_the_cure(reason: str, words: str, cure: str) -> None:
    """Which, why and what to do; never lower than a warning."""
    message = told(NoticeKind.CHANNEL, detail="tele", reason=reason)
    assert message.title == f"CHANNEL tele DOES NOT DELIVER - {words} - LIVE"
    assert message.body.splitlines() == [
        "Channel: tele",
        f"Reason: {words}",
        "Meaning: until it does, nobody hears anything through it",
        f"To do: {cure}; position-monitor test-alert --channel tele shows what it answers",
    ]
    assert message.level is Level.WARNING


def test_its_end_is_good_news() -> None:
    """Said once, and looking like it."""
    message = told(NoticeKind.CHANNEL_BACK, detail="tele")
    assert (message.title, message.level) == ("CHANNEL BACK - tele delivers again - LIVE", Level.OK)
    assert told(NoticeKind.CHANNEL_BACK).title.startswith("CHANNEL BACK - without a name")


WORST = "worst of the day WARNING 71 %"


@pytest.mark.parametrize(
    ("changes", "story"),
    [
        ({}, f"12 positions watched, {WORST}, 3 alerts, 1 NOT DELIVERED, partly blind for 3 min"),
        ({"undelivered": 0}, f"12 positions watched, {WORST}, 3 alerts, partly blind for 3 min"),
        ({"undelivered": 0, "blind_s": 0.0, "alerts": 1}, f"12 positions watched, {WORST}, 1 alert"),
        ({"worst_ratio": None, "undelivered": 0, "blind_s": 0.0},
         "12 positions watched, worst of the day WARNING, 3 alerts"),
        ({"positions": 0, "worst_subject": "", "alerts": 0, "undelivered": 0, "blind_s": 0.0},
         "no positions watched, worst of the day not known, no alerts"),
    ],
)  # fmt: skip
def test_a_day_in_one_line(changes: dict[str, Any], story: str) -> None:
    """What was watched, how bad it was, and only what went wrong besides."""
    assert told(NoticeKind.SUMMARY, day=msgspec.structs.replace(DAY, **changes)).title == f"ALIVE - {story} - LIVE"


def test_a_day_in_full() -> None:
    """Positions, the worst reading and when, alerts and their delivery, outages, quiet."""
    worst = "WARNING - main/cross:USDT: margin ratio 71 %, room left 22 %, 1.8 typical hourly moves left"
    assert told(NoticeKind.SUMMARY, day=DAY).body.splitlines() == [
        "Watching: 12 positions, 5 wallets, 2 accounts",
        f"Worst: {worst}, at 2026-05-28T19:26:40Z",
        "Alerts: 3 opened, 7 notices delivered, 1 refused or still waiting",
        "Outages: 2; not everything was seen for 3 min",
        "Quiet: 2 acknowledgements, snoozes or mutes are in force",
        "Since: 2026-05-27T20:26:40Z",
    ]


def test_a_day_on_which_nothing_happened() -> None:
    """What is not known is left out, and nothing is counted as 0."""
    body = told(NoticeKind.SUMMARY, day=QUIET_DAY).body.splitlines()
    assert body[1] == (
        "Worst: OK - main/isolated:BTCUSDT:LONG: margin ratio 30 %, room left 90.0 %, at 2026-05-28T20:26:40Z"
    )
    assert body[2:5] == [
        "Alerts: none opened, no notices delivered, none refused or waiting",
        "Outages: none",
        "Quiet: nothing is held back",
    ]
    blank = told(NoticeKind.SUMMARY, day=msgspec.structs.replace(QUIET_DAY, worst_subject="", holds=1)).body
    assert "Worst: nothing was judged" in blank
    assert "Quiet: 1 acknowledgement, snooze or mute is in force" in blank


def test_a_summary_without_figures_still_says_that_it_is_alive() -> None:
    """No figure is made up."""
    message = told(NoticeKind.SUMMARY)
    assert message.title == "ALIVE - the service is running - LIVE"
    assert message.body == "Meaning: the service is running; the day's figures are not known"
