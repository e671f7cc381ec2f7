"""When a time was that nobody watched."""

from datetime import UTC

import msgspec
import pytest

from monitor.core.away import NO_MARKS, RESTARTED, STOOD_STILL
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.notify.away import away_lines, away_title
from tests.notify.golden import AT_MS, AWAY, notice

DAY_MS = 86_400_000
MIDNIGHT_MS = AT_MS - AT_MS % DAY_MS


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "decided_ms", "when"),
    [
        (0, 60_000, DAY_MS - 1, "00:00-00:01 UTC"),
        (-60_000, 60_000, 90_000, "05-27 23:59 to 05-28 00:01 UTC"),
        (7_800_000, 10_020_000, DAY_MS + 60_000, "05-28 02:10 to 05-28 02:47 UTC"),
        (-7 * DAY_MS, 0, 60_000, "05-21 00:00 to 05-28 00:00 UTC"),
    ],
)
def test_a_time_that_was_not_today_has_its_days(from_ms: int, until_ms: int, decided_ms: int, when: str) -> None:
    """Today is when it is told: a run that ended too soon leaves it to one of another day."""
    facts = msgspec.structs.replace(AWAY, from_ms=MIDNIGHT_MS + from_ms, until_ms=MIDNIGHT_MS + until_ms)
    told = notice(NoticeKind.AWAY, Level.CRITICAL, facts, decided_ms=MIDNIGHT_MS + decided_ms)
    assert away_title(told).startswith(f"WHILE AWAY {when} - ")


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        (RESTARTED, "nothing ran: "),
        (STOOD_STILL, "the service itself stood still, stopped or suspended with its machine: "),
        (NO_MARKS, "the stream told nothing, or nothing true: "),
    ],
)
def test_it_says_why_nobody_watched(reason: str, why: str) -> None:
    """A stream that is blamed for what the machine did is looked into for nothing."""
    first = next(away_lines(msgspec.structs.replace(AWAY, reason=reason), UTC))
    assert f", {why}" in first.text
