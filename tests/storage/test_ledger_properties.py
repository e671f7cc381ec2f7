"""Any history of commits and marks: the rows go only where the table of transitions lets them."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.notices import Hold, HoldKind
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import TRANSITIONS, OutboxRow, OutboxState, Outcome
from monitor.storage.state import SqliteState
from tests.conftest import ManualClock
from tests.storage.fakes import MemoryState
from tests.storage.rows import Store, numbered, reopen

SUBJECTS = ("s", "t")
CHANNELS = ("phone", "mail")


class Mark(NamedTuple):
    """One attempt of a message that carried some of the notices made so far."""

    outcome: Outcome
    picks: tuple[int, ...]
    channel: str


class Write(NamedTuple):
    """One commit, in small numbers that stand for what is in it."""

    notices: tuple[tuple[int, str], ...]  # subject, channel
    over: tuple[tuple[str, str], ...]
    ended: tuple[tuple[str, int], ...]
    acknowledged: tuple[int, ...]
    again: bool  # the commit before this one is repeated first


marks = st.builds(
    Mark, st.sampled_from(Outcome), st.tuples(st.integers(0, 9), st.integers(0, 9)), st.sampled_from(CHANNELS)
)
pairs = st.tuples(st.sampled_from(SUBJECTS), st.sampled_from(CHANNELS))
writes = st.builds(
    Write,
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(CHANNELS)), max_size=3).map(tuple),
    st.lists(pairs, max_size=2).map(tuple),
    st.lists(st.tuples(st.sampled_from(SUBJECTS), st.integers(1, 3)), max_size=2).map(tuple),
    st.lists(st.integers(1, 6), max_size=2).map(tuple),
    st.booleans(),
)


class History:
    """Plays the same steps into the database and the fake."""

    def __init__(self, stores: Sequence[Store], clock: ManualClock) -> None:
        self.stores = stores
        self.clock = clock
        self.keys: list[str] = []
        self.last = Rows()

    async def step(self, step: Mark | Write) -> None:
        await self.clock.advance(1.0)
        if isinstance(step, Mark):
            await self._mark(step, self.clock.wall_ms())
        else:
            await self._write(step, self.rows(step, self.clock.wall_ms()))

    async def _mark(self, step: Mark, now_ms: int) -> None:
        keys = list(dict.fromkeys(self.keys[-1 - pick] for pick in step.picks if pick < len(self.keys)))
        reason = "" if step.outcome is Outcome.ACCEPTED else "no"
        for store in self.stores:
            marks = {
                Outcome.FAILED: store.attempted,
                Outcome.ACCEPTED: store.accepted,
                Outcome.REFUSED: store.refused,
            }
            await marks[step.outcome](keys, step.channel, Attempt(now_ms - 5, now_ms, reason))

    async def _write(self, step: Write, rows: Rows) -> None:
        for store in self.stores:
            if step.again:
                await store.commit(self.last)
            await store.commit(rows)
        self.last = rows

    def rows(self, step: Write, now_ms: int) -> Rows:
        notices = []
        for which, channel in step.notices:
            incident = 1 + len(self.keys) // 4  # several notices of one incident, then another
            key = f"k{len(self.keys)}"
            self.keys.append(key)
            made = numbered(
                key, 2 * incident + which, subject=SUBJECTS[which], decided_ms=now_ms, incident=incident
            )
            notices.append(msgspec.structs.replace(made, channel=channel))
        holds = [
            Hold(f"ack#{n}.{now_ms}", HoldKind.ACK, f"alert:{n}", now_ms, now_ms + 9) for n in step.acknowledged
        ]
        ended = [(*incident, now_ms) for incident in step.ended]
        return Rows(over=step.over, notices=notices, ended=ended, holds=holds)


def judge(before: dict[tuple[str, str], OutboxRow], after: dict[tuple[str, str], OutboxRow]) -> None:
    """Check one step: states by the table, times beside them set once, and one pending row at most."""
    assert set(before) <= set(after)
    for key, row in after.items():
        old = before.get(key)
        if old is None:
            continue
        assert row.state in {old.state, *TRANSITIONS[old.state]}
        if not TRANSITIONS[old.state]:
            assert (row.state, row.attempts, row.settled_ms) == (old.state, old.attempts, old.settled_ms)
        for name in ("first_attempt_ms", "accepted_ms", "settled_ms", "acknowledged_ms", "ended_ms"):
            assert getattr(old, name) in {None, getattr(row, name)}, name
    for row in after.values():
        assert (row.state is OutboxState.ACCEPTED) == (row.accepted_ms is not None)
        assert (row.state is OutboxState.PENDING) == (row.settled_ms is None)
        assert (row.attempts == 0) == (row.first_attempt_ms is None)
    pending = [(row.subject, row.channel) for row in after.values() if row.state is OutboxState.PENDING]
    assert len(pending) == len(set(pending))


async def play(path: Path, steps: Sequence[Mark | Write]) -> None:
    clock = ManualClock()
    real, fake = SqliteState(path, clock), MemoryState(clock)
    history = History((real, fake), clock)
    for store in history.stores:
        await store.open()
    try:
        before: dict[tuple[str, str], OutboxRow] = {}
        for step in steps:
            await history.step(step)
            rows = await real.alerts()
            assert rows == await fake.alerts()
            after = {(row.key, row.channel): row for row in rows}
            judge(before, after)
            for key, row in after.items():
                tries = await real.attempts(*key)
                assert tries == await fake.attempts(*key)
                assert len(tries) == row.attempts
            before = after
        assert await reopen(real) == await reopen(fake)
    finally:
        await real.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(writes, marks), max_size=12))
def test_rows_go_only_where_the_table_lets_them(steps: list[Mark | Write]) -> None:
    """In every order of commits, repeated ones included, and marks; and the fake is the database's equal."""
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(play(Path(name) / "state.db", steps))
