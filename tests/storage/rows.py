"""Rows to fill a state store with, shared by its suites."""

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind, SubjectState, Told
from monitor.ports import Attempt, Stored
from monitor.storage.outbox import OutboxRow
from monitor.storage.state import SqliteState
from tests.storage.fakes import MemoryState

Store = SqliteState | MemoryState
OVER = (("a/cross:USDT", "phone"),)


def notice(key: str, *, channel: str = "phone", subject: str = "a/cross:USDT", decided_ms: int = 100) -> Notice:
    return Notice(
        key=key,
        channel=channel,
        subject=subject,
        kind=NoticeKind.ALERT,
        level=Level.WARNING,
        previous=Level.OK,
        decided_ms=decided_ms,
        incident=1,
        facts=Facts(environment="testnet", account="a", room=0.15, liquidatable=True, symbols=("BTCUSDT",)),
    )


def level_of(subject: str, level: Level = Level.WARNING) -> SubjectState:
    told = {"phone": Told(level, 7, delivered=True)}
    return SubjectState(subject, level, since_ms=5, incident=2, peak=level, sequence=9, quiet=True, told=told)


async def by_key(store: Store) -> dict[str, OutboxRow]:
    return {row.key: row for row in await store.alerts()}


async def reopen(store: Store) -> Stored:
    await store.close()
    return await store.open()


def tried(at_ms: int, reason: str = "") -> Attempt:
    return Attempt(at_ms, at_ms + 7, reason)


def numbered(key: str, number: int, *, decided_ms: int = 100, incident: int = 1, subject: str = "s") -> Notice:
    made = notice(key, subject=subject, decided_ms=decided_ms)
    return msgspec.structs.replace(made, number=number, incident=incident)
