"""The life of an outbox row."""

import sqlite3
from contextlib import closing

import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.ports import Attempt
from monitor.storage.outbox import (
    TRANSITIONS,
    UNDECIDED,
    OutboxCount,
    OutboxState,
    Outcome,
    Pending,
    leads_to,
    pending_of,
    to_counts,
    to_notice,
    to_payload,
    to_row,
)
from monitor.storage.state_schema import STATE_SCHEMA
from monitor.storage.statements import attempt

NOTICE = Notice(
    key="a/cross:USDT#1",
    channel="phone",
    subject="a/cross:USDT",
    kind=NoticeKind.ALERT,
    level=Level.CRITICAL,
    previous=Level.OK,
    decided_ms=5,
    incident=1,
    facts=Facts(account="a", margin_ratio=0.81),
)


def test_every_state_is_in_the_table_and_only_pending_rows_can_be_given_up() -> None:
    """What the service said is final; what we gave up may still turn out accepted."""
    assert set(TRANSITIONS) == set(OutboxState)
    assert set(leads_to(OutboxState.ACCEPTED)) == {
        OutboxState.PENDING,
        OutboxState.SUPERSEDED,
        OutboxState.RESOLVED,
    }
    for given_up in (OutboxState.REFUSED, OutboxState.SUPERSEDED, OutboxState.RESOLVED):
        assert leads_to(given_up) == (OutboxState.PENDING,)
    assert leads_to(OutboxState.PENDING) == ()


def test_a_notice_survives_its_way_through_the_file() -> None:
    """The payload holds every fact."""
    assert to_notice(to_payload(NOTICE)) == NOTICE


@pytest.mark.parametrize("payload", ["", "{}", '{"key": 1}', "[]"])
def test_a_payload_that_cannot_be_read_is_none(payload: str) -> None:
    """One spoiled row is no reason to fail on the others."""
    assert to_notice(payload) is None


def test_a_row_with_words_of_another_program_is_an_error() -> None:
    """A state nobody defined is not passed off as one of ours."""
    columns = [
        "k",
        "c",
        "s",
        "alert",
        3,
        5,
        "pending",
        0,
        None,
        None,
        "",
        None,
        1,
        17,
        None,
        None,
        None,
        None,
        to_payload(NOTICE),
    ]
    assert to_row(columns).notice == NOTICE
    columns[6] = "lost"
    with pytest.raises(ValueError, match="lost"):
        to_row(columns)


def test_pending_sums_over_channels() -> None:
    """The oldest notice that waits is what a watchdog looks at."""
    counts = to_counts([("mail", "pending", 2, 30), ("phone", "accepted", 7, 1), ("phone", "pending", 1, 20)])
    assert counts[0] == OutboxCount("mail", OutboxState.PENDING, 2, 30)
    assert pending_of(counts) == Pending(3, 20)
    assert pending_of(counts[1:2]) == Pending(0, None)


def test_only_rows_that_the_service_has_answered_take_no_more_attempts() -> None:
    """What was given up may still be under way."""
    assert set(UNDECIDED) == {OutboxState.PENDING, OutboxState.SUPERSEDED, OutboxState.RESOLVED}


@pytest.mark.parametrize("was", OutboxState)
@pytest.mark.parametrize("target", [OutboxState.ACCEPTED, OutboxState.REFUSED])
def test_every_transition_by_the_services_word(was: OutboxState, target: OutboxState) -> None:
    """Each pair of states, against the table and against the statement that runs in the database."""
    expected = target if target in TRANSITIONS[was] else was
    steps_of_it = attempt(["k"], "c", Attempt(1, 2), Outcome(target.value))
    with closing(sqlite3.connect(":memory:")) as tables:
        for steps in STATE_SCHEMA.migrations.values():
            for step in steps:
                tables.execute(step)
        tables.execute(
            "INSERT INTO outbox (key, channel, subject, kind, level, incident, number, decided_ms, payload, "
            "state) VALUES ('k', 'c', 's', 'alert', 1, 1, 1, 1, '', ?)",
            (was,),
        )
        for statement in steps_of_it:
            tables.executemany(statement.sql, statement.parameters)
        assert tables.execute("SELECT state FROM outbox").fetchall() == [(expected.value,)]
