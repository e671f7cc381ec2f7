"""Whether messages reach people: what waits, what became of it, and the ping outward."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from monitor.core.model import Level
from monitor.web.families.family import Family, Row, Seen, Table, counter, gauge

_CHANNEL: Final = ("channel",)


def _channels(read: Callable[[Table], float | None]) -> Callable[[Seen], Iterable[Row]]:
    """Return a reader of each channel."""

    def rows(found: Seen) -> Iterator[Row]:
        for one in found.status.channels:
            yield (str(one["channel"]),), read(one)

    return rows


def _unhanded(found: Seen) -> Iterator[Row]:
    now_ms = found.status.now_ms
    for channel, at_ms in found.status.waiting_ms.items():
        yield (channel,), max(0.0, (now_ms - at_ms) / 1000)


def _outcomes(found: Seen) -> Iterator[Row]:
    for one in found.status.channels:
        name = str(one["channel"])
        yield (name, "delivered"), one["notices"]
        yield (name, "refused"), one["refused"]
        yield (name, "superseded"), one["superseded"]


def _alerts(found: Seen) -> Iterator[Row]:
    open_ = [one.level for one in found.status.engine.alerts]
    for level in Level:
        yield (level.label,), open_.count(level)


def _pings(found: Seen) -> Iterator[Row]:
    beat = found.status.heartbeat
    if beat is not None:
        yield ("accepted",), beat.pings
        yield ("failed",), beat.failures


def _pinged_s(found: Seen) -> Iterator[Row]:
    beat = found.status.heartbeat
    if beat is not None and beat.last_ms is not None:
        yield (), beat.last_ms / 1000


DELIVERY: Final[tuple[Family, ...]] = (
    gauge(
        "alerts_open",
        "Number of incidents under way by their level, those about data and the service itself included.",
        ("level",), _alerts,
    ),
    gauge(
        "outbox_pending", "Number of notices that wait for a channel or are just being sent.", _CHANNEL,
        _channels(lambda one: one["pending"]),
    ),
    gauge(
        "outbox_oldest_age_seconds",
        "Seconds since the longest-waiting notice of a channel was decided; none while nothing waits.", _CHANNEL,
        _channels(lambda one: one["oldest_s"]),
    ),
    gauge(
        "outbox_unhanded_age_seconds",
        "Seconds since the oldest notice was decided that its channel was not handed yet, for it is just being "
        "written to the disk; none while there is none.",
        _CHANNEL, _unhanded,
    ),
    counter(
        "notifications_total",
        "Notices by what became of them: delivered (the service accepted the message), refused (it never will), "
        "superseded (a newer one of the same subject took its place before it left).",
        ("channel", "outcome"), _outcomes,
    ),
    counter(
        "messages_total", "Messages that a channel's service accepted; one may carry several notices.", _CHANNEL,
        _channels(lambda one: one["sent"]),
    ),
    counter(
        "delivery_attempts_failed_total", "Attempts to send that failed and may be repeated.", _CHANNEL,
        _channels(lambda one: one["failed"]),
    ),
    gauge(
        "channel_failing", "Whether the last attempt of a channel failed: 1 yes, 0 no.", _CHANNEL,
        _channels(lambda one: float(one["failing"])),
    ),
    gauge(
        "channel_broken",
        "Whether a channel refused its last message for good or accepted none for five minutes since one failed: "
        "1 yes, 0 no.",
        _CHANNEL, _channels(lambda one: float(one["broken"])),
    ),
    counter("heartbeat_pings_total", "Pings outward by whether they were accepted.", ("outcome",), _pings),
    gauge(
        "heartbeat_last_accepted_timestamp_seconds",
        "Unix time in seconds at which a ping outward was last accepted; none before the first.", (), _pinged_s,
    ),
)  # fmt: skip
