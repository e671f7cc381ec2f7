"""The judge of the crash tests sees each broken promise, so that its silence means something."""

import json
from pathlib import Path

from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from tests.crash.incident import BTC, ETH, MAIL, PHONE, SUBJECTS
from tests.crash.judge import Accepted, accepted_in, count


def accepted(channel: str, symbol: str, number: int, level: Level, *, life: int = 0, key: str = "") -> Accepted:
    kind = NoticeKind.ALERT if level > Level.OK else NoticeKind.CLOSED
    own = key or f"{symbol}#{number}.{int(level)}"
    return Accepted(life, channel, own, SUBJECTS[symbol], kind.value, int(level), number, "a title")


GOOD = [
    accepted(PHONE, BTC, 1, Level.WARNING),
    accepted(PHONE, BTC, 1, Level.EMERGENCY),
    accepted(MAIL, BTC, 1, Level.EMERGENCY),
    accepted(PHONE, BTC, 1, Level.OK),
    accepted(MAIL, BTC, 1, Level.OK),
    accepted(PHONE, ETH, 2, Level.WARNING),
    accepted(PHONE, ETH, 2, Level.OK),
    *(accepted(channel, BTC, 3, level) for channel in (PHONE, MAIL) for level in (Level.EMERGENCY, Level.OK)),
]


def test_a_record_that_the_kill_cut_short_was_not_taken(tmp_path: Path) -> None:
    """The message has to be heard from a later process; what stands before and after is read."""
    whole = [b"\n" + json.dumps(row._asdict()).encode() + b"\n" for row in GOOD[:3]]
    (tmp_path / "accepted").write_bytes(whole[0] + whole[1][:90] + whole[2])
    assert accepted_in(tmp_path) == [GOOD[0], GOOD[2]]


def test_a_clean_run_has_no_fault() -> None:
    """Levels passed on the way up are told by the worse one."""
    verdict = count(GOOD, 0)
    assert verdict == (9, 0, 0, 0, 5, ())


def test_a_level_that_nobody_heard_of_is_lost() -> None:
    """A worse message stands for it, a milder one does not."""
    verdict = count([row for row in GOOD if (row.number, row.level, row.channel) != (1, 4, PHONE)], 0)
    assert verdict.lost == 2
    assert verdict.faults == (
        "phone BTCUSDT: critical of incident 1 is lost",
        "phone BTCUSDT: emergency of incident 1 is lost",
    )


def test_an_incident_that_nobody_heard_of_is_missed() -> None:
    """All its levels are lost."""
    verdict = count([row for row in GOOD if row.number != 2], 0)
    assert verdict.lost == 2
    assert "phone ETHUSDT: 0 incidents, 1 in the script" in verdict.faults


def test_a_repeat_needs_a_crash() -> None:
    """One for each, and never twice by the same process."""
    again = accepted(PHONE, BTC, 1, Level.EMERGENCY, life=1)
    assert count([*GOOD, again], 1) == (9, 0, 1, 1, 5, ())
    assert count([*GOOD, again], 0).faults == (f"phone {again.key}: accepted 2 times with 0 crashes",)
    same = accepted(PHONE, BTC, 1, Level.EMERGENCY)
    assert count([*GOOD, same], 1).faults == (f"phone {same.key}: accepted 2 times by process 0",)


def test_an_end_is_told_once_where_the_trouble_was() -> None:
    """Neither not at all nor in two different notices."""
    missing = [row for row in GOOD if (row.number, row.kind) != (2, NoticeKind.CLOSED)]
    assert count(missing, 1).faults == ("phone ETHUSDT: 0 closing notices, alerts: True",)
    other = accepted(PHONE, ETH, 2, Level.OK, key="another")
    assert count([*GOOD, other], 1).faults == ("phone ETHUSDT: 2 closing notices, alerts: True",)


def test_one_level_is_told_in_one_notice() -> None:
    """A restart that decides again what was told has forgotten it."""
    other = accepted(PHONE, ETH, 2, Level.WARNING, key="another", life=1)
    assert count([*GOOD, other], 1).faults == ("phone ETHUSDT: 2 different alerts of level warning",)
