"""A state.db as a daemon leaves it after an eventful night."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Facts, Hold, HoldKind, Notice, NoticeKind, SubjectState, Told
from monitor.ports import Attempt, Rows
from monitor.storage.paths import STATE_DB
from monitor.storage.state import SqliteState
from monitor.system_clock import SystemClock

BTC = "main/isolated:BTCUSDT:LONG"
CROSS = "main/cross:USDT"


def facts(symbol: str = "BTCUSDT", **changes: object) -> Facts:
    known: dict[str, object] = {"environment": "testnet", "account": "main", "symbol": symbol, "side": "LONG"}
    return Facts(**{**known, "positions": 1, **changes})  # type: ignore[arg-type]


def notice(
    at_ms: int,
    channel: str,
    level: Level,
    *,
    subject: str = BTC,
    number: int = 17,
    kind: NoticeKind = NoticeKind.ALERT,
    said: Facts | None = None,
) -> Notice:
    return Notice(
        key=f"{subject}#{at_ms}", channel=channel, subject=subject, kind=kind, level=level, previous=Level.OK,
        decided_ms=at_ms, incident=1, facts=said or facts(event_ms=at_ms - 150), number=number,
    )  # fmt: skip


def subject(name: str, level: Level, number: int, since_ms: int, told: Sequence[str] = ()) -> SubjectState:
    return SubjectState(
        name, level, since_ms, 1, max(level, Level.WARNING), number=number,
        told={channel: Told(level, since_ms, delivered=True) for channel in told},
    )  # fmt: skip


async def written(state: Path, start_ms: int) -> None:
    """Write it: alert 17 is over, 18 is open and held, a change of positions was told, mail is refused."""
    store = SqliteState(state / STATE_DB, SystemClock())
    await store.open()

    async def tell(*told: Notice, **more: object) -> None:
        await store.commit(Rows(notices=told, **more))  # type: ignore[arg-type]

    def tried(one: Notice, after_ms: int, took_ms: int, reason: str = "") -> tuple[list[str], str, Attempt]:
        begun_ms = one.decided_ms + after_ms
        return [one.key], one.channel, Attempt(begun_ms, begun_ms + took_ms, reason)

    first = [notice(start_ms, name, Level.WARNING) for name in ("telegram", "email")]
    await tell(*first, subjects=[subject(BTC, Level.WARNING, 17, start_ms)])
    await store.accepted(*tried(first[0], 200, 300))
    await store.refused(*tried(first[1], 200, 800, "smtp-535"))
    lost = notice(start_ms + 60_000, "telegram", Level.CRITICAL)
    await tell(lost)
    await store.attempted(*tried(lost, 100, 900, "refused"))
    worse = notice(start_ms + 120_000, "telegram", Level.EMERGENCY)
    await tell(worse)
    for number in range(30):
        await store.attempted(*tried(worse, 100 + 3000 * number, 1500, "timeout" if number else "http-502"))
    await store.accepted(*tried(worse, 93_000, 400))
    helped = notice(
        start_ms + 121_000,
        "sms",
        Level.EMERGENCY,
        said=facts(via="fallback:telegram", event_ms=start_ms + 120_900),
    )
    seen = Hold(
        "ack:alert:17#1", HoldKind.ACK, "alert:17", start_ms + 130_000, start_ms + 43_330_000, "adding margin",
        "uid 1000", {BTC: Level.EMERGENCY},
    )  # fmt: skip
    await tell(helped, holds=[seen])
    await store.accepted(*tried(helped, 50, 2200))
    closing = notice(
        start_ms + 900_000, "telegram", Level.OK, kind=NoticeKind.CLOSED, said=facts(reason="recovered")
    )
    over = msgspec.structs.replace(seen, ended_ms=start_ms + 900_000, ended="over")
    ended = [(BTC, 1, start_ms + 900_000)]
    calm = subject(BTC, Level.OK, 17, start_ms + 900_000)
    await tell(closing, ended=ended, holds=[over], subjects=[calm])
    await store.accepted(*tried(closing, 100, 250))
    changed = notice(
        start_ms + 950_000, "email", Level.NOTICE, subject="/told:main#1780000000000.1", number=0,
        kind=NoticeKind.CHANGED, said=facts(""),
    )  # fmt: skip
    await tell(changed)
    await store.refused(*tried(changed, 200, 800, "http-401"))
    wide = [
        notice(
            start_ms + 1_000_000, name, Level.CRITICAL, subject=CROSS, number=18,
            said=facts("1000PEPEUSDT", positions=20),
        )
        for name in ("telegram", "sms")
    ]  # fmt: skip
    nap = Hold(
        "snooze:symbol:ETHUSDT#2", HoldKind.SNOOZE, "symbol:ETHUSDT", start_ms + 1_001_000,
        start_ms + 8_000_000, "hedged", "uid 1000", {CROSS: Level.CRITICAL},
    )  # fmt: skip
    await tell(*wide, subjects=[subject(CROSS, Level.CRITICAL, 18, start_ms + 1_000_000, ["sms"])], holds=[nap])
    await store.accepted(*tried(wide[1], 40, 300))
    await store.attempted(*tried(wide[0], 40, 8000, "timeout"))
    blind = notice(
        start_ms + 1_050_000, "sms", Level.CRITICAL, subject="/feed:usdm", number=19, kind=NoticeKind.BLIND,
        said=facts("", symbols=("BTCUSDT", "ETHUSDT")),
    )  # fmt: skip
    await tell(blind, subjects=[subject("/feed:usdm", Level.CRITICAL, 19, start_ms + 1_050_000)])
    await tell(over=[("/feed:usdm", "sms")], ended=[("/feed:usdm", 1, start_ms + 1_055_000)], gone=["/feed:usdm"])
    await store.close()


def write(state: Path, start_ms: int) -> None:
    """Write the ledger of a night that began at ``start_ms``."""
    asyncio.run(written(state, start_ms))
