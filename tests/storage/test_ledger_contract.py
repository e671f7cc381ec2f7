"""What every state store remembers of notices and of what people asked for; for the database and the fake."""

from typing import Any

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, Hold, HoldKind
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import AttemptRow, OutboxState, Outcome
from tests.storage.rows import OVER, Store, by_key, level_of, notice, numbered, reopen, tried


def ack(number: int, made_ms: int, **changes: Any) -> Hold:  # noqa: ANN401 - fields of a hold
    made = Hold(f"ack#{number}.{made_ms}", HoldKind.ACK, f"alert:{number}", made_ms, made_ms + 1000)
    return msgspec.structs.replace(made, **changes)


SNOOZE = Hold(
    "snooze#1", HoldKind.SNOOZE, "symbol:BTCUSDT", 50, 90, why="known", by="uid 1000", levels={"s": Level.WARNING}
)


async def test_a_row_knows_when_its_threshold_was_crossed_by_both_clocks(store: Store) -> None:
    """The exchange's time of the mark stands beside ours of the decision; where it is not known it is none."""
    crossed = msgspec.structs.replace(notice("k1"), facts=Facts(event_ms=93))
    await store.commit(Rows(notices=(crossed, notice("k2", subject="s2"))))
    rows = await by_key(store)
    assert (rows["k1"].crossed_ms, rows["k1"].decided_ms) == (93, 100)
    assert rows["k2"].crossed_ms is None


async def test_every_attempt_is_on_record_with_its_outcome(store: Store) -> None:
    """Who asks why a message was late sees each try: when, how long, and what came of it."""
    await store.commit(Rows(notices=(notice("k1"), notice("k2", subject="s2"))))
    await store.attempted(["k1"], "phone", Attempt(1000, 1500, "timeout"))
    await store.accepted(["k1"], "phone", Attempt(3000, 3200))
    await store.refused(["k2"], "phone", Attempt(4000, 4001, "http-401"))
    assert await store.attempts("k1", "phone") == [
        AttemptRow(1, 1000, 1500, Outcome.FAILED, "timeout"),
        AttemptRow(2, 3000, 3200, Outcome.ACCEPTED, ""),
    ]
    assert await store.attempts("k2", "phone") == [AttemptRow(1, 4000, 4001, Outcome.REFUSED, "http-401")]
    assert await store.attempts("k1", "mail") == []
    row = (await by_key(store))["k1"]
    assert (row.first_attempt_ms, row.last_attempt_ms, row.accepted_ms, row.settled_ms) == (1000, 3000, 3200, 3200)


async def test_one_message_for_many_notices_is_marked_on_each(store: Store) -> None:
    """A grouped message settles all it told; a notice that was never committed is passed over."""
    await store.commit(Rows(notices=[notice(f"k{n}", subject=f"s{n}") for n in range(3)]))
    await store.accepted(["k0", "never", "k2"], "phone", tried(1000))
    states = {key: row.state.value for key, row in (await by_key(store)).items()}
    assert states == {"k0": "accepted", "k1": "pending", "k2": "accepted"}
    await store.accepted([], "phone", tried(2000))


async def test_a_notice_that_fails_for_days_keeps_its_first_and_newest_attempts(store: Store) -> None:
    """The disk does not fill with failures, and their number stays exact."""
    await store.commit(Rows(notices=(notice("k1"), notice("k2", subject="s2"))))
    for n in range(1, 131):
        await store.attempted(["k1"], "phone", tried(n, f"r{n}"))
    await store.attempted(["k2"], "phone", tried(1, "once"))
    kept = [row.ordinal for row in await store.attempts("k1", "phone")]
    assert kept == [*range(1, 21), *range(51, 131)]
    row = (await by_key(store))["k1"]
    assert (row.attempts, row.first_attempt_ms, row.last_attempt_ms) == (130, 1, 130)
    assert len(await store.attempts("k2", "phone")) == 1


async def test_an_attempt_at_a_row_that_was_given_up_counts(store: Store) -> None:
    """It was under way: what came of it is on record, and the row keeps the time at which it was given up."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.commit(Rows(over=OVER))
    given_up = (await by_key(store))["k1"].settled_ms
    await store.refused(["k1"], "phone", tried(1000, "gone"))
    row = (await by_key(store))["k1"]
    assert (row.state, row.attempts, row.last_reason) == (OutboxState.RESOLVED, 1, "gone")
    await store.accepted(["k1"], "phone", tried(2000))
    row = (await by_key(store))["k1"]
    assert (row.state, row.settled_ms, row.accepted_ms) == (OutboxState.ACCEPTED, given_up, 2007)


async def test_no_attempt_is_added_after_the_last_word(store: Store) -> None:
    """A mark that is written twice counts once."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.accepted(["k1"], "phone", tried(1000))
    await store.accepted(["k1"], "phone", tried(1000))
    await store.attempted(["k1"], "phone", tried(2000, "timeout"))
    assert len(await store.attempts("k1", "phone")) == 1


async def test_the_end_of_an_incident_is_marked_once_on_all_its_rows(store: Store) -> None:
    """Also on the closing message of the same commit; not on another incident, whatever the rows became."""
    await store.commit(Rows(notices=(numbered("k1", 17), numbered("o1", 18, subject="s2"))))
    await store.accepted(["k1"], "phone", tried(1000))
    await store.commit(Rows(notices=(numbered("k2", 17, decided_ms=200),), ended=(("s", 1, 200),)))
    await store.commit(Rows(notices=(numbered("k3", 19, incident=2, decided_ms=300),), ended=(("s", 1, 300),)))
    ends = {key: row.ended_ms for key, row in (await by_key(store)).items()}
    assert ends == {"k1": 200, "k2": 200, "k3": None, "o1": None}
    assert (await by_key(store))["k1"].state is OutboxState.ACCEPTED


async def test_a_message_about_an_incident_that_is_over_says_so(store: Store) -> None:
    """A closing message may wait for the fate of an alert; without a number none can be told apart."""
    await store.commit(Rows(notices=(numbered("k1", 17), numbered("t1", 0, subject="t"))))
    await store.commit(Rows(ended=(("s", 1, 200), ("t", 1, 200))))
    late = (numbered("k2", 17, decided_ms=300), numbered("t2", 0, subject="t", decided_ms=300))
    await store.commit(Rows(notices=late))
    ends = {key: row.ended_ms for key, row in (await by_key(store)).items()}
    assert ends == {"k1": 200, "k2": 200, "t1": 200, "t2": None}


async def test_an_acknowledgement_is_marked_on_what_had_been_decided_by_then(store: Store) -> None:
    """What came later nobody has seen, whenever the row of the hold is written again."""
    await store.commit(Rows(notices=(numbered("k1", 17), numbered("o1", 18, subject="s2"))))
    await store.commit(Rows(holds=(ack(17, 150),)))
    worse = ack(17, 150, ended_ms=300, ended="worsened")
    await store.commit(Rows(notices=(numbered("k2", 17, decided_ms=300),), holds=(worse,)))
    await store.commit(Rows(holds=(ack(17, 250),)))
    seen = {key: row.acknowledged_ms for key, row in (await by_key(store)).items()}
    assert seen == {"k1": 150, "k2": None, "o1": None}


async def test_an_acknowledgement_reaches_the_alert_of_its_own_commit(store: Store) -> None:
    """A slow disk puts both into one transaction."""
    await store.commit(Rows(notices=(numbered("k1", 17),), holds=(ack(17, 100),)))
    assert (await by_key(store))["k1"].acknowledged_ms == 100


@pytest.mark.parametrize(
    "hold",
    [
        ack(17, 500, kind=HoldKind.SNOOZE),
        ack(17, 500, target="alert:"),
        ack(17, 500, target="alert:x"),
        ack(17, 500, target="all"),
        ack(0, 500),
        SNOOZE,
    ],
)
async def test_other_holds_acknowledge_nothing(store: Store, hold: Hold) -> None:
    """To be quiet is not to have seen."""
    await store.commit(Rows(notices=(numbered("k1", 17), numbered("o1", 0, subject="s2"))))
    await store.commit(Rows(holds=(hold,)))
    assert [row.acknowledged_ms for row in await store.alerts()] == [None, None]


async def test_holds_survive_until_they_end(store: Store) -> None:
    """A restart forgets no wish, to the last field; each is there once, in the order in which they were made."""
    await store.commit(Rows(holds=(SNOOZE, ack(17, 60))))
    await store.commit(Rows(holds=(msgspec.structs.replace(SNOOZE, levels={"s": Level.NOTICE}),)))
    assert (await reopen(store)).holds == (
        msgspec.structs.replace(SNOOZE, levels={"s": Level.NOTICE}),
        ack(17, 60),
    )
    await store.commit(Rows(holds=(msgspec.structs.replace(SNOOZE, ended_ms=70, ended="lifted"),)))
    assert (await reopen(store)).holds == (ack(17, 60),)


async def test_the_highest_number_is_remembered_whatever_becomes_of_its_subject(store: Store) -> None:
    """No two incidents are called by the same number."""
    assert (await reopen(store)).last_number == 0
    await store.commit(Rows(notices=(numbered("k1", 17),)))
    await store.commit(Rows(subjects=(msgspec.structs.replace(level_of("s2"), number=19),)))
    await store.commit(Rows(gone=("s2",), notices=(numbered("k2", 18, decided_ms=200),)))
    assert (await reopen(store)).last_number == 19


async def test_rows_of_one_incident_or_subject_are_found(store: Store) -> None:
    """Whoever asks about alert 17 is shown that one."""
    rows = (numbered("k1", 17), numbered("k2", 18, decided_ms=200), numbered("k3", 18, subject="s2"))
    await store.commit(Rows(notices=rows))
    assert [row.key for row in await store.alerts(number=18)] == ["k2", "k3"]
    assert [row.key for row in await store.alerts(subject="s")] == ["k2", "k1"]
    assert [row.key for row in await store.alerts(number=18, subject="s2")] == ["k3"]
    assert [row.key for row in await store.alerts(1, subject="s")] == ["k2"]
    assert {(row.number, row.incident) for row in await store.alerts()} == {(17, 1), (18, 1)}


async def test_holds_and_ends_alone_are_worth_a_commit(store: Store) -> None:
    """Neither needs a level or a notice to be written."""
    await store.commit(Rows(notices=(numbered("k1", 17),)))
    await store.commit(Rows(ended=(("s", 1, 200),)))
    await store.commit(Rows(holds=(SNOOZE,)))
    assert (await by_key(store))["k1"].ended_ms == 200
    assert (await reopen(store)).holds == (SNOOZE,)
