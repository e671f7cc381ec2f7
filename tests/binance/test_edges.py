from collections.abc import Sequence

from structlog.testing import capture_logs

from monitor.binance.edges import Edges
from monitor.core.events import Event, FeedState
from monitor.core.model import MarkTick


class Posts:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        raise AssertionError("edges pass no ticks")

    def post(self, event: Event) -> None:
        self.events.append(event)

    def states(self) -> Sequence[tuple[str, str, str]]:
        return [(e.state, e.host, e.reason) for e in self.events if isinstance(e, FeedState)]


def test_an_outage_is_told_by_its_edges() -> None:
    """Attempts are told once for an outage, refusals once for each host and reason, and all again in the next."""
    inbox = Posts()
    edges = Edges("usdm", inbox)
    with capture_logs() as logs:
        for _ in range(3):
            edges.connecting("a")
            edges.refused("a", "dns_failed")
            edges.refused("b", "no_data")
        edges.live("b")
        edges.lost("b", "closed")
        edges.connecting("a")
        edges.refused("a", "dns_failed")
    assert inbox.states() == [
        ("connecting", "a", ""),
        ("refused", "a", "dns_failed"),
        ("refused", "b", "no_data"),
        ("live", "b", ""),
        ("lost", "b", "closed"),
        ("connecting", "a", ""),
        ("refused", "a", "dns_failed"),
    ]
    assert [entry["event"] for entry in logs] == [
        "feed.refused", "feed.refused", "feed.live", "feed.lost", "feed.refused",
    ]  # fmt: skip


def test_a_change_of_host_is_told_but_not_logged() -> None:
    """A rotation without a gap is an event, for status, and no line in the log."""
    inbox = Posts()
    edges = Edges("usdm", inbox)
    edges.live("a")
    with capture_logs() as logs:
        edges.live("b")
    assert inbox.states() == [("live", "a", ""), ("live", "b", "")]
    assert logs == []


def test_idle_is_no_loss() -> None:
    """With nothing to watch there is no event, and the next attempt is told as a first one."""
    inbox = Posts()
    edges = Edges("usdm", inbox)
    edges.live("a")
    edges.idle()
    assert edges.state == "idle"
    edges.connecting("a")
    assert inbox.states()[-1] == ("connecting", "a", "")


def test_rejections_are_logged_once_for_each_reason() -> None:
    """A host that sends nonsense all day costs one line for each kind of nonsense."""
    edges = Edges("usdm", Posts())
    with capture_logs() as logs:
        for reason in ("not_json", "nan_price", "not_json"):
            edges.rejected(reason)
    assert [entry["reason"] for entry in logs] == ["not_json", "nan_price"]


def test_silent_symbols_are_logged_when_they_fall_silent() -> None:
    """Only symbols that were not silent before are named; one that came back counts anew."""
    edges = Edges("usdm", Posts())
    with capture_logs() as logs:
        for silent in (["A"], ["A"], ["A", "B"], [], ["A"]):
            edges.silent(silent)
    assert [entry["symbols"] for entry in logs] == [["A"], ["B"], ["A"]]
