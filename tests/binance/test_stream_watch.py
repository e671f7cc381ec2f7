"""A private stream is told of when it is missing for long, or is found silent again and again; not before."""

from monitor.binance.stream_watch import StreamWatch
from monitor.core.events import StreamState

MISSING, SILENT, WELL = (
    StreamState("main", False, "not_open"),
    StreamState("main", False, "silent"),
    StreamState("main", True),
)
LOST = StreamState("main", False, "not_open", brief=True)


class Story:
    """A watch and what it said."""

    def __init__(self) -> None:
        self.watch = StreamWatch("main", 60.0)
        self.said: list[StreamState] = []

    def at(self, now_s: float, missing_s: float = 0.0) -> None:
        state = self.watch.judge(now_s, missing_s, is_open=not missing_s)
        if state is not None:
            self.said.append(state)


def test_one_that_is_missing_for_a_moment_is_nobodys_business() -> None:
    """Losses are made good within seconds: that one is under way is said as brief, and no more."""
    story = Story()
    story.at(0.0, 5.0)
    assert story.said == []
    story.at(1.0)
    for now_s in range(2, 62):
        story.at(now_s, now_s - 2.0)
    assert story.said == [WELL, LOST]


def test_a_loss_soon_after_the_return_is_said_at_once_and_so_is_its_end() -> None:
    """Or its end would be told while it is lost again; what lasts a minute is told as ever."""
    story = Story()
    for now_s in range(61):
        story.at(now_s, now_s + 0.1)
    story.at(61.0)
    story.at(100.0, 0.5)
    story.at(100.5, 1.0)
    assert story.said == [MISSING, WELL, LOST]
    story.at(101.0)
    story.at(200.0, 1.0)
    story.at(260.0, 61.0)
    assert story.said == [MISSING, WELL, LOST, WELL, LOST, MISSING]


def test_one_that_is_missing_for_a_minute_is_told_once_and_so_is_its_return() -> None:
    """Each an edge."""
    story = Story()
    for now_s in range(300):
        story.at(now_s, now_s + 0.1)
    story.at(300.0)
    story.at(301.0)
    assert story.said == [MISSING, WELL]


def test_it_is_not_back_while_nobody_wants_it() -> None:
    """A key that was refused closes it: nothing is missing, and nothing is open."""
    story = Story()
    story.at(60.0, 60.0)
    assert story.watch.judge(61.0, 0.0, is_open=False) is None


def test_one_that_is_found_silent_once_is_connected_anew_and_that_is_all() -> None:
    """The next event proves the new connection."""
    story = Story()
    for now_s in (0.0, 800.0):
        story.watch.found_silent(now_s)
        story.watch.event(now_s + 10.0)
        story.at(now_s + 11.0)
    assert story.said == [WELL]


def test_two_connections_in_a_row_that_tell_nothing_are_told() -> None:
    """Until an event comes."""
    story = Story()
    story.watch.found_silent(0.0)
    story.watch.found_silent(40.0)
    story.at(41.0)
    story.at(4000.0)
    story.watch.event(4001.0)
    story.at(4002.0)
    assert story.said == [SILENT, WELL]
    assert story.watch.event_age_s(4003.0) == 2.0


def test_one_that_loses_events_again_and_again_is_told_until_it_has_not_for_half_an_hour() -> None:
    """Whatever it tells in between."""
    story = Story()
    for now_s in (0.0, 300.0, 600.0):
        story.watch.found_silent(now_s)
        story.watch.event(now_s + 1.0)
        story.at(now_s + 2.0)
    assert story.said == [WELL, SILENT]
    story.at(1800.0)
    assert story.said[-1] == SILENT
    story.at(1801.0)
    assert story.said[-1] == WELL
