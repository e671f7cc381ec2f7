"""Times in which marks did not arrive, noticed by the first mark after them."""

from monitor.core.events import AtRest, Distrusted, Event, Heartbeat
from monitor.core.model import MarkTick, Source
from monitor.holes import OLDEST_MS, Hole, HoleInbox, Outage, outages

T0 = 1_780_000_000_000
MINUTE = 60_000


class Box:
    """An inbox that keeps everything."""

    def __init__(self) -> None:
        self.ticks: list[MarkTick] = []
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        self.ticks.append(tick)

    def post(self, event: Event) -> None:
        self.events.append(event)


class Stand:
    """Marks at times of ours, in seconds."""

    def __init__(self, earlier: dict[str, int] | None = None, *, read: bool = True) -> None:
        self.box = Box()
        self.inbox = HoleInbox(self.box)
        self.inbox.watch(["BTC", "ETH"])
        if read:
            self.inbox.earlier(earlier or {})

    def tick(self, at_s: float, symbol: str = "BTC", source: Source = Source.STREAM) -> None:
        self.inbox.tick(MarkTick(symbol, 1.0, T0 + round(at_s * 1000), at_s, source))


def hole(from_s: float, until_s: float, symbol: str = "BTC", *, restarted: bool = False) -> Hole:
    return Hole(symbol, T0 + round(from_s * 1000), T0 + round(until_s * 1000), restarted)


def test_everything_passes_unchanged() -> None:
    """In the order it came."""
    stand = Stand()
    stand.tick(0)
    stand.tick(1, source=Source.REST)
    stand.inbox.post(Heartbeat())
    assert [tick.seen_s for tick in stand.box.ticks] == [0, 1]
    assert stand.box.events == [Heartbeat()]


def test_a_minute_without_a_mark_is_a_hole() -> None:
    """From the last mark before it to the first after it; less is none."""
    stand = Stand()
    for at_s in (0, 1, 60.9, 120.9, 121):
        stand.tick(at_s)
    assert stand.inbox.take() == (hole(60.9, 120.9),)
    assert stand.inbox.take() == ()


def test_marks_that_are_fetched_meanwhile_close_no_hole() -> None:
    """What lay between two of them nobody saw."""
    stand = Stand()
    stand.tick(0)
    for at_s in range(2, 100, 2):
        stand.tick(at_s, source=Source.REST)
    stand.tick(100)
    assert stand.inbox.take() == (hole(0, 100),)


def test_the_first_mark_from_rest_ends_the_time_in_which_nothing_ran() -> None:
    """The stream may not come back for days; what it does not tell from then on is another hole."""
    stand = Stand({"BTC": T0 - 600_000})
    for at_s in range(5, 605, 2):
        stand.tick(at_s, source=Source.REST)
    assert stand.inbox.take() == (hole(-600, 5, restarted=True),)
    stand.tick(605)
    assert stand.inbox.take() == (hole(5, 605),)


def test_a_closed_market_is_no_hole() -> None:
    """Its marks stand still, as REST says again and again; what came before that was known is one."""
    stand = Stand({"ETH": T0 - 600_000})
    stand.tick(0)
    for at_s in range(5, 3600, 10):
        for symbol in ("BTC", "ETH"):
            stand.tick(at_s, symbol, source=Source.REST)
        stand.inbox.post(AtRest("usdm", ("BTC", "ETH", "SOL"), at_s))
    stand.tick(3600)
    stand.tick(3600, "ETH")
    assert stand.inbox.take() == (hole(-600, 5, "ETH", restarted=True),)
    stand.tick(4000, source=Source.REST)
    stand.inbox.post(AtRest("usdm", ("BTC",), 4000.0))
    assert stand.inbox.take() == (hole(3600, 4000),)


def test_what_a_stream_said_before_it_was_distrusted_was_not_seen() -> None:
    """It was found out a minute late or more, for a price that stands still while it falls; once for each time."""
    stand = Stand()
    for at_s in range(200):
        stand.tick(at_s)
        stand.tick(at_s, "ETH")
    for reasons in ({"BTC": "stuck price"}, {"BTC": "stuck price", "SOL": "stuck price"}):
        stand.inbox.post(Distrusted("usdm", reasons))
    stand.inbox.post(Distrusted("usdm", {}))
    stand.tick(230)
    stand.tick(230, "ETH")
    assert stand.inbox.take() == (hole(79, 230),)
    stand.inbox.post(Distrusted("usdm", {"BTC": "stuck price"}))
    stand.tick(231)
    assert stand.inbox.take() == (hole(110, 231),)


def test_a_mark_from_before_makes_no_hole() -> None:
    """Marks of two connections overtake each other."""
    stand = Stand()
    for at_s in (100, 30, 101):
        stand.tick(at_s)
    assert stand.inbox.take() == ()


def test_what_was_not_watched_meanwhile_was_not_missed() -> None:
    """A position that is closed and opened again."""
    stand = Stand()
    stand.tick(0)
    stand.inbox.watch(["ETH"])
    stand.inbox.watch(["BTC", "ETH"])
    stand.tick(900)
    assert stand.inbox.take() == ()


def test_the_first_mark_ends_the_time_since_an_earlier_run() -> None:
    """Whichever is known first: that mark, or what was recorded."""
    late = Stand(read=False)
    late.tick(1000)
    late.tick(1001)
    late.inbox.earlier({"BTC": T0, "ETH": T0 + 500_000})
    early = Stand({"BTC": T0, "ETH": T0 + 500_000})
    early.tick(1000)
    for stand in (late, early):
        stand.tick(1002, "ETH")
        assert stand.inbox.take() == (hole(0, 1000, restarted=True), hole(500, 1002, "ETH", restarted=True))
        stand.tick(1003)
        assert stand.inbox.take() == ()


def test_a_quick_restart_leaves_no_hole_nor_does_a_first_start() -> None:
    """Less than a minute, or nothing recorded before."""
    stand = Stand({"BTC": T0})
    stand.tick(59.9)
    stand.tick(59.9, "ETH")
    assert stand.inbox.take() == ()


def test_what_is_opened_later_was_not_missed_since_an_earlier_run() -> None:
    """What was held is watched soon after the start, however long its first mark takes."""
    stand = Stand({"BTC": T0, "ETH": T0})
    stand.inbox.watch(["ETH"])
    stand.inbox.settle()
    stand.inbox.watch(["BTC", "ETH"])
    stand.tick(5000)
    stand.tick(5000, "ETH")
    assert stand.inbox.take() == (hole(0, 5000, "ETH", restarted=True),)


def test_a_symbol_that_comes_and_goes_takes_bounded_room() -> None:
    """Nothing that was missed is left out."""
    stand = Stand()
    for i in range(100):
        stand.tick(i * 61)
    found = stand.inbox.take()
    assert len(found) == 16
    assert (found[0].from_ms, found[-1].until_ms) == (T0, T0 + 99 * 61_000)


def test_holes_that_overlap_are_one_outage() -> None:
    """However many symbols they are of; those apart stay apart."""
    found = outages([hole(700, 900), hole(10, 200, "ETH"), hole(0, 100), hole(150, 300, "SOL", restarted=True)])
    assert found == [
        Outage(T0, T0 + 300_000, frozenset({"BTC", "ETH", "SOL"}), restarted=True),
        Outage(T0 + 700_000, T0 + 900_000, frozenset({"BTC"}), restarted=False),
    ]


def test_nobody_looks_back_further_than_a_week() -> None:
    """And it is said that it was longer."""
    (found,) = outages([Hole("BTC", T0 - OLDEST_MS - MINUTE, T0)])
    assert (found.from_ms, found.until_ms, found.cut) == (T0 - OLDEST_MS, T0, True)
    (found,) = outages([Hole("BTC", T0 - OLDEST_MS, T0)])
    assert not found.cut
