"""What the running daemon says of itself on its local socket."""

from typing import Any

import msgspec

from monitor.core.model import AccountSnapshot, BracketTable
from monitor.core.view import EngineView


class HistoryView(msgspec.Struct, frozen=True):
    """What the history writer did."""

    path: str
    queued: int
    written: int
    dropped: dict[str, int]


class Holdings(msgspec.Struct, frozen=True):
    """What the running daemon computes with, so that a command can do the same arithmetic."""

    accounts: tuple[AccountSnapshot, ...]
    tables: dict[str, BracketTable]  # as for compile_book


class Status(msgspec.Struct, frozen=True):
    """The running daemon as ``status`` shows it."""

    version: str
    pid: int
    started_ms: int
    now_ms: int
    engine: EngineView
    feeds: tuple[Any, ...]
    accounts: tuple[Any, ...]  # those followed by their keys
    channels: tuple[Any, ...]
    history: HistoryView
    ticks: int
    coalesced: int
    commits: int
    frame_to_commit: dict[str, float] | None
    state_ok: bool
    job_deaths: dict[str, int]
    unseen: tuple[str, ...] = ()  # accounts of which nothing is known yet
