"""What of state.db is worth saving when it is damaged, and which of its rows make sense."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.storage.outbox import OutboxState, Outcome, to_hold, to_notice, to_subject
from monitor.storage.salvage import Table
from monitor.storage.statements import LARGEST_NUMBER


def _is_level(row: Mapping[str, Any]) -> bool:
    state = to_subject(row["payload"])
    return state is not None and state.subject == row["subject"]


def _is_alert(row: Mapping[str, Any]) -> bool:
    with suppress(ValueError):
        NoticeKind(row["kind"])
        Level(row["level"])
        state = OutboxState(row["state"])
        notice = to_notice(row["payload"])
        # What a settled row says may be lost; one that is due must be what it says it is.
        same = notice is not None and (notice.key, notice.channel) == (row["key"], row["channel"])
        return same or (notice is None and state is not OutboxState.PENDING)
    return False


def _is_attempt(row: Mapping[str, Any]) -> bool:
    with suppress(ValueError):
        Outcome(row["outcome"])
        return isinstance(row["ordinal"], int)
    return False


def _is_hold(row: Mapping[str, Any]) -> bool:
    hold = to_hold(row["payload"])
    return hold is not None and hold.key == row["key"]


def _is_counter(row: Mapping[str, Any]) -> bool:
    return isinstance(row["name"], str) and isinstance(row["value"], int) and 0 <= row["value"] <= LARGEST_NUMBER


STATE_TABLES: Final = (
    Table("subjects", ("subject",), _is_level, "SELECT DISTINCT subject FROM outbox NOT INDEXED"),
    Table("outbox", ("rowid",), _is_alert),
    Table("attempts", ("key", "channel", "ordinal"), _is_attempt),
    Table("holds", ("rowid",), _is_hold),
    Table("counters", ("name",), _is_counter),
)

# What people are told of that was saved.
SAVED: Final = {"subjects": "levels", "outbox": "alerts", "holds": "wishes for quiet"}
