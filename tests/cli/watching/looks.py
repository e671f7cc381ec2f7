"""Looks as pictures take them."""

import datetime as dt
from typing import Any

from monitor.cli.watching.parts import Look
from monitor.cli.watching.past import Past
from monitor.cli.watching.session import seen_of
from monitor.status import Status
from tests.cli.made import NOW_MS, state


def look(found: Status | None = None, past: Past | None = None, **changes: Any) -> Look:  # noqa: ANN401
    """A look at an answer that came just now."""
    seen = seen_of(state() if found is None else found, dt.UTC)
    if past is None:
        past = Past()
        past.take(seen, 0.0)
    plain = Look(now_ms=NOW_MS, now_s=0.0, zone=dt.UTC, past=past, seen=seen, is_old=False)
    return plain._replace(**changes)
