"""Words short enough for a column: why a message was not taken, and how long something took."""

from monitor.notify.numbers import span
from monitor.notify.reasons import in_words

_REASON_CHARS = 26
_TENTHS_MS = 950  # below, a tenth of a second is too coarse
_SHORT = {
    "http-401": "token wrong",
    "http-403": "not allowed",
    "http-404": "no such recipient",
    "http-429": "too many messages",
    "dns": "name not found",
    "tls": "certificate refused",
    "disconnected": "connection closed",
    "unreachable": "unreachable",
    "unusable": "address unusable",
    "rejected": "no reason given",
}


def short(reason: str) -> str:
    """Return why a channel did not take a message, in a few words."""
    words = _SHORT.get(reason) or in_words(reason)
    return words if len(words) <= _REASON_CHARS else reason.replace("http-", "HTTP ").replace("smtp-", "SMTP ")


def span_of(ms: float) -> str:
    """Return a duration as short as it can be told, such as ``40 ms`` or ``2.2 s``; none is negative."""
    return f"{max(0, round(ms))} ms" if ms < _TENTHS_MS else span(ms / 1000)
