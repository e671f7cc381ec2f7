"""Messages kept word for word, one file a format.

``python -m tests.notify.golden`` writes them anew. Read the diff: it is what people will read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.checkup import by_weight
from monitor.core.model import Change, ChangeKind, Compared, Figure, Level
from monitor.core.notices import DayReport, Facts, Finding, FindingCode, Notice, NoticeKind, WorstAway
from monitor.notify.message import render, render_group
from monitor.ports import Message
from tests.notify import prescribed
from tests.notify.coming import ALL_AHEAD, COUNTS_LESS, FUNDING_SOON, LOSES_A_LEG, NEXT_IN_QUEUE
from tests.notify.fakes import a_notice, some_facts
from tests.notify.found import ONE_OF_EACH

FORMATS = ("text", "html", "markdown")
FOLDER = Path(__file__).with_name("golden")
AT_MS = 1_780_000_000_000
BERLIN = ZoneInfo("Europe/Berlin")
NASTY = "a<b>&c_d*e`[f]"
CHINESE = "币安人生USDT"


_T = TypeVar("_T", Facts, WorstAway, Finding)


def _of(facts: _T, **changes: object) -> _T:
    return msgspec.structs.replace(facts, **changes)


DAY = DayReport(
    positions=12, wallets=5, accounts=2, worst_level=Level.WARNING, worst_subject="main/cross:USDT",
    worst_ratio=0.712, worst_room=0.22, worst_moves=1.83, worst_at_ms=AT_MS - 3_600_000, blind_s=185.4, outages=2,
    alerts=3, delivered=7, undelivered=1, holds=2, since_ms=AT_MS - 86_400_000,
)  # fmt: skip
QUIET_DAY = DayReport(
    positions=1, wallets=1, accounts=1, worst_level=Level.OK, worst_subject="main/isolated:BTCUSDT:LONG",
    worst_ratio=0.1 + 0.2, worst_room=0.9, worst_moves=None, worst_at_ms=AT_MS, blind_s=0.0, outages=0, alerts=0,
    delivered=0, undelivered=0, holds=0, since_ms=AT_MS - 86_400_000,
)  # fmt: skip
CROSS = some_facts(
    account=NASTY, symbol=CHINESE, wallet="cross:USDT", positions=3, mark=0.00001234, liquidation_price=0.0000121,
    joint_distance=0.018, mark_source="rest", brackets="shipped 2026-09-29", detail="see [docs] `x` & <y>",
)  # fmt: skip
ROUNDED = some_facts(
    symbol="1000PEPEUSDT", wallet="isolated:1000PEPEUSDT:LONG", margin_ratio=0.1 + 0.2, distance=0.1 * 3,
    joint_distance=None, mark=0.1 + 0.2, liquidation_price=0.1 * 3, moves_left=12.3456789, room=0.1 + 0.7,
    margin_balance=1_234_567.895, maintenance_margin=0.1 + 0.2, cushion=1_234_567.595,
)  # fmt: skip
ADVISED = some_facts(
    margin_ratio=0.91,
    advice=("add 250.00 USDT to be back at warning", "or reduce BTCUSDT LONG by 0.12 <of 0.5>"),
)
OPENED = Change(
    AT_MS, "main", ChangeKind.OPENED, CHINESE, "LONG", before=0.0, after=0.5, price=61_000.0, cause="x_y<z>&"
)
LIQUIDATED = Change(
    AT_MS, "main", ChangeKind.FORCED, "BTCUSDT", "LONG", after=0.5, price=59_100.0, cause="liquidation"
)
DRIFT = Compared(
    "main", "cross:USDT", "BTCUSDT", "LONG", Figure.LIQUIDATION_PRICE, 59_136.5, 59_410.0, 10.0, agrees=False
)
NEAR = WorstAway(
    "main/isolated:BTCUSDT:LONG", Level.CRITICAL, AT_MS - 1_500_000, "BTCUSDT", "LONG", mark=59_673.0,
    liquidation_price=59_136.5, distance=0.009, joint_distance=0.009, margin_ratio=0.84, room=0.09,
)  # fmt: skip
TOGETHER = WorstAway(
    "main/cross:USDT", Level.WARNING, AT_MS - 1_440_000, CHINESE, "SHORT", mark=0.0123, liquidation_price=None,
    distance=0.3, joint_distance=0.06, margin_ratio=0.66, room=0.18,
)  # fmt: skip
AWAY = Facts(
    environment="live", away=(NEAR, TOGETHER), symbols=("ETHUSDT",), from_ms=AT_MS - 2_220_000, until_ms=AT_MS,
    reason="restarted", account="main", wallet="isolated:BTCUSDT:LONG", symbol="BTCUSDT", side="LONG",
    distance=0.009, margin_ratio=0.84,
)  # fmt: skip
OF_TESTNET = Facts(environment="testnet", account="main")
OF_LIVE = Facts(environment="live")


def notice(
    kind: NoticeKind = NoticeKind.ALERT, level: Level = Level.CRITICAL, facts: Facts | None = None, *,
    number: int = 0, subject: str = "main/cross:USDT", decided_ms: int = AT_MS,
) -> Notice:  # fmt: skip
    one = a_notice(subject, kind=kind, level=level, facts=facts, decided_ms=decided_ms)
    return msgspec.structs.replace(one, number=number)


def _fall(count: int, environment: str = "testnet") -> list[Notice]:
    """Return what a fall of the whole market tells: one emergency, then critical ones, mostly warnings."""
    levels = [Level.EMERGENCY, *[Level.CRITICAL] * 4]
    return [
        notice(
            level=levels[i] if i < len(levels) else Level.WARNING,
            facts=some_facts(
                environment=environment, account="main", symbol=f"C{i}USDT", wallet=f"isolated:C{i}USDT:LONG",
                margin_ratio=0.91 - 0.0005 * i, distance=0.004 + 0.0001 * i,
            ),
            number=100 + i,
            subject=f"main/isolated:C{i}USDT:LONG",
        )
        for i in range(count)
    ]  # fmt: skip


MIXED = [
    notice(NoticeKind.CLOSED, Level.OK, some_facts(reason="recovered", margin_ratio=0.31), number=4),
    notice(NoticeKind.ACCOUNT, Level.CRITICAL, _of(OF_TESTNET, reason="the key was refused"), number=5),
    notice(NoticeKind.BLIND, Level.CRITICAL, Facts(environment="testnet", symbols=(CHINESE,), mark_age_s=16.2)),
    notice(NoticeKind.REMINDER, Level.CRITICAL, CROSS, number=6),
    notice(NoticeKind.CHANGED, Level.OK, _of(OF_TESTNET, changes=(OPENED,))),
    notice(NoticeKind.CLOSED, Level.OK, some_facts(reason="liquidated", account="other"), number=7),
]
ENDS = [
    notice(NoticeKind.CLOSED, Level.OK, some_facts(reason="recovered", margin_ratio=ratio), number=number)
    for number, ratio in ((8, 0.4), (9, 0.35), (10, 0.3))
]

_SINGLE: dict[str, Notice] = {
    "alert": notice(number=17),
    "alert of a cross wallet": notice(facts=CROSS, number=18),
    "alert in rounded numbers": notice(level=Level.NOTICE, facts=ROUNDED, number=19),
    "alert with advice": notice(level=Level.EMERGENCY, facts=ADVISED, number=20),
    **{
        f"amounts {name}": notice(
            level=Level.EMERGENCY if facts.liquidatable else Level.WARNING, facts=facts, number=41
        )
        for name, facts in prescribed.EVERY.items()
    },
    "emergency of an isolated position with amounts": notice(
        level=Level.EMERGENCY, facts=_of(prescribed.WARNED, margin_ratio=0.93, distance=0.0008, room=0.013),
        number=42,
    ),
    "reminder with amounts": notice(NoticeKind.REMINDER, facts=prescribed.SEVERAL, number=43),
    "alert that leaves the amounts out": notice(facts=prescribed.cross(3), number=44),
    "margin call with amounts": notice(NoticeKind.MARGIN_CALL, Level.WARNING, prescribed.ONE_CROSS),
    "drill with amounts": notice(facts=_of(prescribed.WARNED, environment="drill"), number=45),
    "alert of which nothing is known": notice(facts=Facts(), number=21),
    "alert on a used-up margin": notice(facts=some_facts(margin_ratio=None, liquidatable=True), number=22),
    "alert first seen": notice(facts=some_facts(reason="first seen", assumed=("ETHUSDT",)), number=23),
    "alert on corrected figures": notice(facts=some_facts(corrected=True, moves_left=None), number=24),
    "alert for a silent channel": notice(facts=some_facts(via="fallback:tele_gram"), number=25),
    "alert nobody acknowledged": notice(facts=some_facts(via="escalation"), number=26),
    "alert of a symbol beyond one code unit": notice(
        facts=some_facts(symbol="\U0001f4a5USDT", wallet="cross:USDT")
    ),
    "reminder": notice(NoticeKind.REMINDER, facts=some_facts(moves_left=1.8), number=17),
    "reminder of a level that is kept": notice(
        NoticeKind.REMINDER, Level.EMERGENCY, some_facts(margin_ratio=0.08, room=0.98, eased=True), number=17
    ),
    "recovered": notice(NoticeKind.CLOSED, Level.OK, some_facts(reason="recovered", margin_ratio=0.31), number=17),
    "recovered to notice": notice(
        NoticeKind.CLOSED, Level.NOTICE, some_facts(reason="recovered", margin_ratio=0.4), number=17
    ),
    "no recovery": notice(NoticeKind.CLOSED, Level.OK, some_facts(reason="passed"), number=17),
    "position gone": notice(
        NoticeKind.CLOSED, Level.OK, _of(OF_TESTNET, wallet="isolated:BTCUSDT:LONG", reason="gone"), number=17
    ),
    "liquidated": notice(
        NoticeKind.CLOSED, Level.OK, _of(OF_TESTNET, wallet="cross:USDT", reason="liquidated"), number=17
    ),
    "blind": notice(
        NoticeKind.BLIND, Level.CRITICAL,
        _of(OF_LIVE, symbols=("BTCUSDT", CHINESE, "a_b", "ETHUSDT"), reason="no marks", mark_age_s=15.3,
            event_ms=AT_MS, wallets=("main/cross:USDT (unknown)",), detail="future_time"),
        number=30,
    ),
    "blind and bridged": notice(
        NoticeKind.BLIND, Level.WARNING,
        _of(OF_LIVE, symbols=("BTCUSDT", "a_b"), reason="no marks", mark_age_s=15.3, event_ms=AT_MS, bridged=True,
            wallets=("main/cross:USDT (warning)",)),
        number=30,
    ),
    "blind for wrong marks": notice(
        NoticeKind.BLIND, Level.WARNING,
        _of(OF_LIVE, symbols=("BTCUSDT",), event_ms=AT_MS, bridged=True,
            reason="BTCUSDT: the stream says 61,000 where REST says 59,400"),
        number=30,
    ),
    "blind for silence and wrong marks": notice(
        NoticeKind.BLIND, Level.CRITICAL,
        _of(OF_LIVE, symbols=("BTCUSDT", "a_b"), mark_age_s=15.3, event_ms=AT_MS,
            reason="no marks; a_b: stuck price, the stream says 61,000 where REST says 59,400"),
        number=30,
    ),
    "bridged": notice(
        NoticeKind.SIGHT, Level.WARNING,
        _of(OF_LIVE, symbols=("BTCUSDT",), reason="no marks", bridged=True, event_ms=AT_MS), number=30,
    ),
    "sight": notice(
        NoticeKind.SIGHT, Level.OK, _of(OF_LIVE, symbols=("BTCUSDT",), reason="marks are back"), number=30
    ),
    "storage": notice(
        NoticeKind.STORAGE, Level.WARNING,
        _of(OF_LIVE, reason="database or disk is full", detail="state", path="/var/lib/position-monitor/state.db",
            advice=("Free some space on its disk; writing goes on by itself after that",)),
        number=31,
    ),
    "storage without a remedy of its own": notice(
        NoticeKind.STORAGE, Level.WARNING,
        _of(OF_LIVE, reason="still failing", detail="history", path="/srv/my data/history.db"), number=31,
    ),
    "storage of an unknown place": notice(
        NoticeKind.STORAGE, Level.WARNING, _of(OF_LIVE, reason="timed out", detail="state"), number=31
    ),
    "storage that was damaged": notice(
        NoticeKind.STORAGE, Level.WARNING,
        _of(OF_LIVE, reason="damaged", detail="state", advice=(
            "file is not a database", "The damaged file is kept as /var/lib/a/state.db.damaged",
        )),
    ),
    "storage back": notice(
        NoticeKind.STORAGE_BACK, Level.OK, _of(OF_LIVE, reason="commit", detail="state"), number=31
    ),
    "test": notice(NoticeKind.TEST, Level.OK, Facts(environment="testnet", detail="phone_1")),
    "account": notice(
        NoticeKind.ACCOUNT, Level.CRITICAL,
        _of(OF_TESTNET, reason="the key was refused", detail="Allow futures & trust this <IP>"), number=32,
    ),
    "account back": notice(NoticeKind.ACCOUNT_BACK, Level.OK, OF_TESTNET, number=32),
    "account that says nothing": notice(
        NoticeKind.ACCOUNT, Level.CRITICAL, _of(OF_TESTNET, reason="no answer", mark_age_s=95.0), number=32,
    ),
    "private stream": notice(NoticeKind.STREAM, Level.WARNING, _of(OF_TESTNET, reason="not_open"), number=36),
    "private stream that is silent": notice(
        NoticeKind.STREAM, Level.WARNING, _of(OF_TESTNET, reason="silent"), number=36
    ),
    "private stream beside REST that does not answer": notice(
        NoticeKind.STREAM, Level.WARNING, _of(OF_TESTNET, reason="not_open", undescribed=True), number=36
    ),
    "account of which nothing is known": notice(
        NoticeKind.ACCOUNT, Level.CRITICAL,
        _of(OF_TESTNET, reason="rate_limit", detail="It is asked again at 12:34:56 UTC", unseen=True), number=32,
    ),
    "private stream back": notice(NoticeKind.STREAM_BACK, Level.OK, OF_TESTNET, number=36),
    "part": notice(
        NoticeKind.JOB, Level.WARNING, _of(OF_LIVE, detail="feed-usdm-a", reason="TypeError"), number=37
    ),
    "part given up": notice(
        NoticeKind.JOB, Level.CRITICAL, _of(OF_LIVE, detail="feed-usdm-a", reason="TypeError", ends=True),
        number=37,
    ),
    "part back": notice(NoticeKind.JOB_BACK, Level.OK, _of(OF_LIVE, detail="feed-usdm-a"), number=37),
    "drift": notice(NoticeKind.DRIFT, Level.WARNING, _of(OF_TESTNET, compared=(DRIFT,)), number=33),
    "drift over": notice(NoticeKind.DRIFT_OVER, Level.OK, OF_TESTNET, number=33),
    "margin call": notice(NoticeKind.MARGIN_CALL, Level.WARNING, CROSS),
    "forced": notice(
        NoticeKind.FORCED, Level.CRITICAL,
        _of(OF_TESTNET, changes=(LIQUIDATED,), event_ms=AT_MS, wallet="cross:USDT"),
    ),
    "changed": notice(NoticeKind.CHANGED, Level.OK, _of(OF_TESTNET, account=NASTY, changes=(OPENED, OPENED))),
    "brackets": notice(
        NoticeKind.BRACKETS, Level.WARNING,
        _of(OF_TESTNET, symbols=(CHINESE,), moved=((CHINESE, "LONG", 59_136.5, None),)),
    ),
    "channel refused": notice(
        NoticeKind.CHANNEL, Level.WARNING, _of(OF_LIVE, detail="tele_gram", reason="http-401"), number=34
    ),
    "channel overdue": notice(
        NoticeKind.CHANNEL, Level.WARNING, _of(OF_LIVE, detail="mail", reason="overdue"), number=35
    ),
    "channel back": notice(NoticeKind.CHANNEL_BACK, Level.OK, _of(OF_LIVE, detail="mail"), number=35),
    "summary": notice(NoticeKind.SUMMARY, Level.OK, _of(OF_LIVE, day=DAY)),
    "summary of a quiet day": notice(NoticeKind.SUMMARY, Level.OK, _of(OF_LIVE, day=QUIET_DAY)),
    "away": notice(NoticeKind.AWAY, Level.CRITICAL, AWAY),
    "away with used-up margins": notice(
        NoticeKind.AWAY, Level.EMERGENCY,
        _of(AWAY, away=(_of(NEAR, liquidatable=True, margin_ratio=None, distance=0.0), NEAR), reason="no marks",
            wallets=tuple(f"main/isolated:C{i}USDT:LONG" for i in range(7)), from_ms=AT_MS - 7 * 86_400_000,
            detail="it was longer; this is what could be looked at of it"),
    ),
    "away and not known": notice(
        NoticeKind.AWAY, Level.NOTICE, _of(AWAY, away=(), symbols=(CHINESE, "ETHUSDT"), reason="no marks")
    ),
    "ahead, funding": notice(
        NoticeKind.AHEAD, Level.NOTICE, some_facts(margin_ratio=0.62, room=0.205, ahead=(FUNDING_SOON,))
    ),
    "ahead, a hedge that loses a leg": notice(NoticeKind.AHEAD, Level.NOTICE, _of(CROSS, ahead=(LOSES_A_LEG,))),
    "ahead, collateral that counts less": notice(
        NoticeKind.AHEAD, Level.NOTICE,
        some_facts(wallet="cross:multi", asset="USD", margin_ratio=0.55, positions=2, ahead=(COUNTS_LESS,)),
    ),
    "alert with what is ahead": notice(
        facts=some_facts(margin_ratio=0.62, prescription=None, ahead=(*ALL_AHEAD, NEXT_IN_QUEUE)), number=41
    ),
    "checkup": notice(
        NoticeKind.CHECKUP, Level.NOTICE,
        _of(OF_TESTNET, findings=(ONE_OF_EACH[FindingCode.NO_STOP], ONE_OF_EACH[FindingCode.CROSS])),
    ),
    "checkup of all accounts": notice(
        NoticeKind.CHECKUP, Level.NOTICE,
        _of(OF_LIVE, findings=tuple(
            _of(one, account=NASTY, symbol=CHINESE) if one.code is FindingCode.NEAR else one
            for one in by_weight(ONE_OF_EACH.values()) if one.code is not FindingCode.USED_UP
        )),
    ),
    "drill": notice(facts=_of(ADVISED, environment="drill"), number=40),
    "drill ends": notice(
        NoticeKind.CLOSED, Level.OK, some_facts(environment="drill", reason="recovered", margin_ratio=0.3),
        number=40,
    ),
}  # fmt: skip


def messages(fmt: str) -> Mapping[str, Message]:
    """Return every kept message in one format, by its name."""
    late_ms = AT_MS + 240_000
    by_name = {name: render(one, fmt=fmt, now_ms=AT_MS) for name, one in _SINGLE.items()}
    by_name["late and worse"] = render(
        notice(facts=CROSS, number=18), fmt=fmt, now_ms=late_ms, unrecorded=True, tz=BERLIN,
        now=_of(CROSS, margin_ratio=0.91, distance=0.004),
    )  # fmt: skip
    by_name["late and lower"] = render(
        notice(number=17), fmt=fmt, now_ms=late_ms, now=some_facts(margin_ratio=0.41, distance=0.12)
    )
    by_name["late with amounts"] = render(
        notice(level=Level.WARNING, facts=prescribed.WARNED, number=41), fmt=fmt, now_ms=late_ms,
        now=_of(prescribed.LOW, margin_ratio=0.52),
    )  # fmt: skip
    by_name["group with amounts"] = render_group(
        [
            notice(level=level, facts=_of(facts, account=name), number=50 + i, subject=f"{name}/{i}")
            for i, (level, name, facts) in enumerate((
                (Level.CRITICAL, "main", prescribed.WARNED), (Level.WARNING, "side", prescribed.SEVERAL),
                (Level.WARNING, "coins", prescribed.COINS), (Level.WARNING, "many", prescribed.MANY),
            ))
        ],
        fmt=fmt, now_ms=late_ms,
    )  # fmt: skip
    by_name["late and not known since"] = render(notice(number=17), fmt=fmt, now_ms=AT_MS + 86_400_000)
    fall = _fall(24)
    by_name["group of a market-wide fall"] = render_group(fall, fmt=fmt, now_ms=AT_MS)
    by_name["group of five hundred"] = render_group(_fall(500), fmt=fmt, now_ms=AT_MS)
    by_name["group of all kinds"] = render_group(MIXED, fmt=fmt, now_ms=AT_MS)
    by_name["group of ends"] = render_group(ENDS, fmt=fmt, now_ms=AT_MS)
    by_name["group that is late"] = render_group(
        fall[:3], fmt=fmt, now_ms=late_ms, unrecorded=True,
        newest=lambda subject: some_facts(margin_ratio=0.97) if "C0" in subject else None,
    )  # fmt: skip
    by_name["group of a drill"] = render_group(_fall(3, "drill"), fmt=fmt, now_ms=AT_MS)
    by_name["group with a drill in it"] = render_group([*_fall(2, "drill"), *ENDS[:1]], fmt=fmt, now_ms=AT_MS)
    return by_name


def written(fmt: str) -> str:
    """Return the file of one format."""
    return "\n".join(
        f"=== {name} ({message.level.name})\n{message.title}\n---\n{message.body}\n"
        for name, message in messages(fmt).items()
    )


def path_of(fmt: str) -> Path:
    return FOLDER / f"{fmt}.txt"


if __name__ == "__main__":
    for each in FORMATS:
        path_of(each).write_text(written(each), encoding="utf-8")
