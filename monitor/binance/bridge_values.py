"""What a bridge is told at its start, and what it tells of itself."""

import msgspec

from monitor.binance.around_market import MarketStats
from monitor.binance.candidates import CandidateReport


class BridgeTimings(msgspec.Struct, frozen=True):
    """How soon and how often REST is asked for marks, in seconds."""

    look_s: float = 0.5  # between two looks at the stream
    stale_after_s: float = 3.0  # a stream speaks every second
    poll_every_s: float = 2.0  # while anything is stale
    rest_every_s: float = 10.0  # while only closed markets are
    check_every_s: float = 60.0  # between two comparisons with the stream
    again_after_s: float = 5.0  # what was doubtful
    retry_after_s: float = 10.0  # a comparison that was not answered or not affordable
    settle_s: float = 2.0  # REST may be ahead: what the stream says so long afterwards belongs to the comparison
    give_up_every_s: float = 30.0  # while the stream is wrong; doubled each time


DEFAULT_BRIDGE_TIMINGS = BridgeTimings()


class BridgeStats(msgspec.Struct, frozen=True):
    """What REST has done for a feed, counted since the start. ``_ms`` is our wall clock."""

    bridged: tuple[str, ...]  # names whose marks come from REST now
    since_ms: int | None  # since when there are any
    at_rest: tuple[str, ...]  # symbols of closed markets, silent and unmoved
    polls: int  # for what is stale
    failures: int  # of polls and comparisons
    failing: str  # why there is no answer now; empty if there is one
    mark_age_s: float | None  # of the newest mark of REST that was passed on
    checks: int  # comparisons with the stream
    check_age_s: float | None
    worst: float | None  # of the last one: how far REST was from the stream's newest mark, a fraction of it
    worst_symbol: str
    distrusted: dict[str, str]  # symbols whose stream is wrong, and why
    hosts: tuple[CandidateReport, ...] = ()  # of REST
    around: MarketStats | None = None
