"""Words about parts of the service that failed, and about private streams that are missing."""

import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, NoticeKind
from monitor.notify.group import tally
from monitor.notify.message import render
from monitor.ports import Message
from tests.notify.fakes import a_notice
from tests.notify.golden import AT_MS


def told(kind: NoticeKind, level: Level = Level.WARNING, **facts: object) -> Message:
    given = Facts(**{"environment": "live", **facts})  # type: ignore[arg-type]  # each test names real fields
    return render(a_notice(kind=kind, level=level, facts=given), fmt="text", now_ms=AT_MS)


def test_a_part_that_failed_is_named_with_what_it_failed_with() -> None:
    """And that it runs again, so that nobody starts anything by hand."""
    message = told(NoticeKind.JOB, Level.NOTICE, detail="feed-usdm-a", reason="TypeError")
    assert message.title == "SERVICE - part 'feed-usdm-a' failed (TypeError) and was started again - LIVE"
    assert message.body.splitlines()[0] == "Part: feed-usdm-a (TypeError)"
    assert message.body.splitlines()[-1] == "To do: nothing now; its log says what failed"
    assert message.level is Level.WARNING


def test_a_part_that_ends_the_service_says_that_nobody_watches() -> None:
    """That is what counts, and what to see to."""
    message = told(NoticeKind.JOB, Level.CRITICAL, detail="decide", reason="KeyError", ends=True)
    assert message.title == "SERVICE ENDS - part 'decide' keeps failing (KeyError) - LIVE"
    assert "until then nobody watches" in message.body
    assert message.level is Level.CRITICAL


def test_a_part_that_runs_again_is_good_news() -> None:
    """Also without a name, and without a line that repeats the name."""
    message = told(NoticeKind.JOB_BACK, Level.OK, detail="commit")
    assert message.title == "SERVICE BACK - part 'commit' has run for 5 min without failing - LIVE"
    assert message.body.splitlines() == ["Part: commit", "Meaning: it works again"]
    assert message.level is Level.OK
    assert told(NoticeKind.JOB_BACK, Level.OK).title.startswith("SERVICE BACK - part 'without a name'")


@pytest.mark.parametrize(
    ("reason", "what", "why"),
    [
        ("not_open", "is missing", "no connection has been open for a minute or more"),
        (
            "silent",
            "tells nothing",
            "REST showed changes that it had not told, and so it was connected anew in vain",
        ),
    ],
)
def test_a_missing_stream_says_how_late_changes_are_noticed(reason: str, what: str, why: str) -> None:
    """And that nothing is sure where REST does not answer; of prices it knows nothing."""
    message = told(NoticeKind.STREAM, Level.NOTICE, account="main", reason=reason)
    assert message.title == f"STREAM - main: its private stream {what}, changes are noticed late - LIVE"
    assert message.body.splitlines()[:2] == ["Account: main", f"Reason: {why}"]
    assert "while REST answers" in message.body
    assert "prices" not in message.body
    both = told(NoticeKind.STREAM, Level.NOTICE, account="main", reason=reason, undescribed=True)
    assert both.title == f"STREAM - main: its private stream {what}, and REST does not answer for it - LIVE"
    assert "not noticed at all" in both.body
    assert "30 s" not in both.body
    assert message.level is Level.WARNING


def test_a_stream_that_is_back_is_good_news() -> None:
    """A late end knows the account alone."""
    message = told(NoticeKind.STREAM_BACK, Level.OK, account="main")
    assert message.title == "STREAM BACK - main: changes are noticed at once again - LIVE"
    assert message.level is Level.OK
    assert told(NoticeKind.STREAM_BACK, Level.OK).title.startswith("STREAM BACK - an account")


def test_a_silent_account_says_for_how_long() -> None:
    """Nobody said why it is silent, so the time is all there is."""
    message = told(NoticeKind.ACCOUNT, Level.CRITICAL, account="main", reason="no answer", mark_age_s=95.0)
    assert message.title == "ACCOUNT main cannot be followed - no answer for 95 s - LIVE"


def test_in_a_group_they_are_counted_by_what_they_are() -> None:
    """Not by the names of kinds."""
    kinds = (NoticeKind.JOB, NoticeKind.STREAM, NoticeKind.JOB_BACK, NoticeKind.STREAM_BACK)
    notices = [a_notice(kind=kind, level=Level.WARNING) for kind in kinds]
    assert tally(notices, drill=False) == "1 part failed, 1 private stream missing, 1 part back, 1 stream back"
