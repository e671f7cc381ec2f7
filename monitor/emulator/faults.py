"""What can be made to go wrong, as plain data that tests and demonstrations change at run time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import TypeVar

from monitor.emulator.brackets import Brackets

EVERY = "*"  # stands for every symbol or path

_T = TypeVar("_T")
# Counted down, handed over, or drawn from: not for others to switch off.
_KEPT = frozenset({"next_statuses", "drop_events", "rest_brackets", "random"})


class Malformed(StrEnum):
    """How a frame can be wrong."""

    TRUNCATED = "truncated"  # half of it
    NOT_JSON = "not-json"  # a page
    WRONG_SHAPE = "wrong-shape"  # JSON of another form
    EMPTY = "empty"  # no byte
    BINARY = "binary"  # bytes that are no text
    HUGE = "huge"  # valid, and some megabytes long
    NAN = "nan"  # a price that is no number
    INFINITE = "infinite"  # a price without an end
    NEGATIVE = "negative"
    ZERO = "zero"
    TEXT = "text"  # a price in letters
    FUTURE = "future"  # an event time a year ahead
    UNKNOWN = "unknown"  # a symbol that nobody trades


@dataclass(slots=True)
class Faults:
    """Switches; the default is a healthy exchange. A change acts on the next connection, request or tick.

    Symbols and paths may be ``*`` for every one; a name of its own goes before it.

    Attributes:
        refuse_connections: cut every new connection and request without an answer.
        accept_then_close: complete a stream's handshake, then close it at once.
        handshake_status: answer a stream's handshake with this HTTP status; 0 for a healthy handshake.
        handshake_routes: ``market``, ``public`` or ``private``: what these two act on; empty for every stream.
        route_status: HTTP status by route; goes before ``handshake_status``.
        route_close: routes that close after the handshake, whatever ``accept_then_close`` says.
        banned_until_ms: Unix milliseconds until which REST answers 418 and handshakes ``ban_handshake``; 0 for no
            ban.
        ban_handshake: HTTP status of a handshake during a ban.
        silence: accept and acknowledge, but push no market data.
        ping_only: as silence, with a ping at every tick, which looks like life.
        gaps: so many ticks with market data, then so many without, and so on; zeros for none.
        deaf: read nothing: neither pongs nor acknowledgements go out; data does.
        ack_lost: subscribe, but acknowledge nothing.
        ack_refused: answer a subscription with an error, and do not subscribe.
        muted: symbols whose marks are left out of every stream; REST still has them.
        stuck: symbols whose stream price stands still while event times go on; REST moves.
        frozen: symbols whose stream price and event time stand still; REST moves.
        offset: factor by symbol that stream prices are off by.
        duplicates: how many times more each market frame is sent.
        reorder: ticks whose market frames are collected and then sent in another order; 0 for none.
        drop_share: share of market frames that are lost, 0 to 1.
        malformed: kinds of malformed market frames, taken in turn.
        malformed_every: every so many market frames of a connection one is malformed; 0 for none.
        rest_status: HTTP status by REST path.
        rest_error: HTTP status and code of the exchange, by REST path.
        next_statuses: HTTP statuses of the next requests, one taken off for each; 0 lets one pass.
        html: HTTP status by REST path of an answer that is an HTML page.
        rest_body: text by REST path that is answered as JSON with status 200.
        retry_after_s: sent as ``Retry-After`` with every refusal above; 0 to leave it out.
        rest_delay_s: seconds by REST path before a request is looked at.
        rest_hang: REST paths that are never answered; a request that hangs stays so.
        rest_stuck: symbols whose price in ``premiumIndex`` stands still while its time goes on.
        rest_frozen: symbols whose row of ``premiumIndex`` stands still, time included.
        rest_missing: symbols that are left out of ``premiumIndex``.
        rest_offset: factor by symbol that prices of ``premiumIndex`` are off by.
        skew_ms: how far the exchange's clock is ahead of the wall.
        private_silent: push no user events; what happens still happens.
        drop_events: how many of the next user events are lost.
        private_drop_share: share of user events that are lost, 0 to 1.
        private_duplicates: how many times more each user event is sent.
        keys_expire_unsaid: listen keys end without the event that says so.
        rest_brackets: tiers by symbol that account figures in REST are computed with, whatever is published.
        random: what is drawn by share or order is drawn from this.
    """

    refuse_connections: bool = False
    accept_then_close: bool = False
    handshake_status: int = 0
    handshake_routes: set[str] = field(default_factory=set)
    route_status: dict[str, int] = field(default_factory=dict)
    route_close: set[str] = field(default_factory=set)
    banned_until_ms: int = 0
    ban_handshake: int = 418
    silence: bool = False
    ping_only: bool = False
    gaps: tuple[int, int] = (0, 0)
    deaf: bool = False
    ack_lost: bool = False
    ack_refused: bool = False
    muted: set[str] = field(default_factory=set)
    stuck: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    offset: dict[str, Decimal] = field(default_factory=dict)
    duplicates: int = 0
    reorder: int = 0
    drop_share: float = 0.0
    malformed: tuple[Malformed, ...] = tuple(Malformed)
    malformed_every: int = 0
    rest_status: dict[str, int] = field(default_factory=dict)
    rest_error: dict[str, tuple[int, int]] = field(default_factory=dict)
    next_statuses: list[int] = field(default_factory=list)
    html: dict[str, int] = field(default_factory=dict)
    rest_body: dict[str, str] = field(default_factory=dict)
    retry_after_s: int = 0
    rest_delay_s: dict[str, float] = field(default_factory=dict)
    rest_hang: set[str] = field(default_factory=set)
    rest_stuck: set[str] = field(default_factory=set)
    rest_frozen: set[str] = field(default_factory=set)
    rest_missing: set[str] = field(default_factory=set)
    rest_offset: dict[str, Decimal] = field(default_factory=dict)
    skew_ms: int = 0
    private_silent: bool = False
    drop_events: int = 0
    private_drop_share: float = 0.0
    private_duplicates: int = 0
    keys_expire_unsaid: bool = False
    rest_brackets: dict[str, Brackets] = field(default_factory=dict)
    random: Random = field(default_factory=lambda: Random(0))

    def heal(self) -> None:
        """Switch everything off but what is counted down, and tiers that were handed over."""
        healthy = Faults()
        for one in fields(self):
            if one.name not in _KEPT:
                setattr(self, one.name, getattr(healthy, one.name))

    def rest(self, path: str) -> int:
        """Return the HTTP status to answer a REST path with, or 0; uses up one of the next statuses."""
        if self.next_statuses:
            return self.next_statuses.pop(0)
        return by_name(self.rest_status, path, 0)

    def page(self, path: str) -> int:
        """Return the HTTP status of the HTML page to answer a REST path with, or 0."""
        return by_name(self.html, path, 0)

    def loses_event(self) -> bool:
        """Say whether the user event about to be pushed is lost; counts it."""
        if self.drop_events > 0:
            self.drop_events -= 1
            return True
        return self.private_silent or self.draws(self.private_drop_share)

    def draws(self, share: float) -> bool:
        """Say whether something that happens with this probability happens now."""
        return share > 0 and self.random.random() < share

    def pauses(self, tick: int) -> bool:
        """Say whether this tick pushes no market data."""
        with_data, without = self.gaps
        gap = without > 0 and tick % (with_data + without) >= with_data
        return self.silence or self.ping_only or gap

    def handshake(self, route: str) -> int:
        """Return the HTTP status to refuse a handshake with, or 0."""
        return self.route_status.get(route, self.handshake_status if self._concerned(route) else 0)

    def closes(self, route: str) -> bool:
        """Say whether a connection is closed right after its handshake."""
        return route in self.route_close or (self.accept_then_close and self._concerned(route))

    def _concerned(self, route: str) -> bool:
        return not self.handshake_routes or route in self.handshake_routes

    def headers(self) -> dict[str, str]:
        """Return the headers of a refusal."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}


def by_name(values: Mapping[str, _T], name: str, default: _T) -> _T:
    """Return the value of a name, or that of every name, or the default."""
    return values.get(name, values.get(EVERY, default))


def among(names: set[str], name: str) -> bool:
    """Say whether a name is among some that may stand for every one."""
    return name in names or EVERY in names
