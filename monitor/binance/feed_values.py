"""What a feed is told at its start, and what it tells of itself."""

import msgspec

from monitor.binance.backoff import DEFAULT_BOUNDS, PauseBounds
from monitor.binance.candidates import CandidateReport
from monitor.binance.transport import ConnectSettings


class Timings(ConnectSettings, frozen=True):
    """How patient a feed is, in seconds."""

    first_data_timeout_s: float = 5.0  # a stream speaks every second
    standby_after_s: float = 3.0  # so long quiet, and the other lane connects beside it
    stall_after_s: float = 10.0  # so long quiet, and the connection is given up
    rotate_after_s: float = 23 * 3600.0  # the exchange ends a connection after 24 hours
    resubscribe_every_s: float = 30.0  # for symbols that stay silent while others deliver
    control_gap_s: float = 0.25  # ten control messages a second break the connection; pings and pongs count
    upkeep_every_s: float = 1.0
    check_every_s: float = 0.5
    pauses: PauseBounds = DEFAULT_BOUNDS


DEFAULT_TIMINGS = Timings()


class FeedStats(msgspec.Struct, frozen=True):
    """What a feed has done, counted since the start. ``_s`` is monotonic, ``_ms`` our wall clock."""

    name: str
    state: str  # idle, connecting, live, lost or refused
    host: str  # that delivers now, empty if none
    symbols: int  # watched
    silent: tuple[str, ...]  # watched and not heard of although others are
    frames: int
    ticks: int  # passed on
    dropped_old: int
    duplicates: int
    rejected: dict[str, int]  # frames, rows, oversized messages and control messages, by reason
    connects: int  # attempts
    reconnects: int  # returns after a loss
    rotations: int  # changes of connection without a loss
    connected_since_ms: int | None
    last_frame_s: float | None
    candidates: tuple[CandidateReport, ...]
