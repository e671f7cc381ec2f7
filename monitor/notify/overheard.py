"""What one attempt to send gives away: the lines Apprise logs and the pauses its HTTP client is asked for.

Apprise says no more about a failure than true or false, and it, requests and urllib3 write addresses, which are
secrets, to their loggers. So their lines are taken at the entrance, kept for the attempt that caused them, and
let through to nobody.
"""

import contextlib
import email.utils
import logging
import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests  # Apprise's HTTP client

_LEAKY_LOGGERS = ("oauthlib", "requests", "requests_oauthlib", "slixmpp", "urllib3")
_BUSY = (429, 503)  # the statuses whose Retry-After says when to come back


@dataclass(slots=True)
class Heard:
    """One attempt; nothing of it may be shown to anybody."""

    lines: list[tuple[int, str]] = field(default_factory=list)  # level and message
    retry_after_s: float = 0.0  # the longest that an HTTP header asked for; 0 if none did


class _OfThread(threading.local):
    heard: Heard | None = None


_of_thread = _OfThread()


class _Ear(logging.Filter):
    """Stands at the entrance of Apprise's logger: keeps what the present attempt says, lets nothing through."""

    def filter(self, record: logging.LogRecord) -> bool:
        if _of_thread.heard is not None:
            _of_thread.heard.lines.append((record.levelno, record.getMessage()))
        return False


_ear = _Ear()


def silence() -> None:
    """Let none of the loggers that see addresses reach any handler, whoever attached it. Repeating is harmless."""
    logger = logging.getLogger("apprise")
    logger.addFilter(_ear)
    logger.setLevel(logging.DEBUG)  # the cause of a failure is told only there
    for name in _LEAKY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what lies below inherits it
    requests.Session.send = _send  # type: ignore[method-assign, assignment]


@contextlib.contextmanager
def listening() -> Iterator[Heard]:
    """Collect what this thread's attempt gives away."""
    _of_thread.heard = Heard()
    try:
        yield _of_thread.heard
    finally:
        _of_thread.heard = None


def asked_pause_s(status: int, headers: Mapping[str, str]) -> float:
    """Return the seconds that a reply's Retry-After, a number or a date, asks to wait; 0 if it does not.

    A date counts from the reply's own Date, so that no clock of ours can be wrong.
    """
    asked = headers.get("Retry-After", "").strip()
    if status not in _BUSY or not asked:
        return 0.0
    try:
        seconds = float(asked)
    except ValueError:
        try:
            until, sent = (email.utils.parsedate_to_datetime(text) for text in (asked, headers.get("Date", "")))
            seconds = (until - sent).total_seconds()
        except (TypeError, ValueError, OverflowError):  # no dates, or one with and one without a zone
            return 0.0
    return seconds if 0.0 < seconds < math.inf else 0.0


# Apprise's services log of a reply its status and its body, never a header, and make a session for each request:
# this is the one place where all replies pass.
_real_send = requests.Session.send


def _send(
    session: requests.Session,
    request: requests.PreparedRequest,
    **options: Any,  # noqa: ANN401 - the signature is the library's
) -> requests.Response:
    response = _real_send(session, request, **options)
    if _of_thread.heard is not None:
        wait_s = asked_pause_s(response.status_code, response.headers)
        _of_thread.heard.retry_after_s = max(_of_thread.heard.retry_after_s, wait_s)
    return response
