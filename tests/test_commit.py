"""Commit before send, and alerts that go out although the disk does not take them."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.app import DRAIN_COMMIT_S
from monitor.commit import COMMIT_TIMEOUT_S, RETRY_S, Committer
from monitor.core.events import Event, Restored, StoreState, Unsure
from monitor.core.incidents import Effects
from monitor.core.model import Level, MarkTick
from monitor.core.notices import Facts, Hold, HoldKind, Notice, NoticeKind, SubjectState, Transition
from monitor.errors import SchemaTooNewError, StoreError
from monitor.ports import Attempt, Job, Mark, Replaced, Rows, Stored
from monitor.supervise import supervise
from tests.conftest import ManualClock, settle
from tests.storage.fakes import MemoryState


class RecordingOutbox:
    """Remembers what it was offered, and what had been committed at that moment."""

    def __init__(self, store: MemoryState) -> None:
        self.store = store
        self.offered: list[tuple[str, bool, bool]] = []  # key, recorded, was in the store by then
        self.waiting: set[tuple[str, str]] = set()
        self.withdrawn: list[tuple[str, str]] = []
        self.in_flight: set[str] = set()  # subjects
        self.known: list[Notice] = []
        self.owed: list[Mark] = []

    def offer(self, notices: Sequence[Notice], *, recorded: bool) -> None:
        for notice in notices:
            there = (notice.key, notice.channel) in self.store.outbox
            self.offered.append((notice.key, recorded, there))
            self.waiting.add((notice.key, notice.channel))
            self.known.append(notice)

    def withdraw(self, subject: str, channel: str) -> bool:
        self.withdrawn.append((subject, channel))
        self.waiting = {key for key in self.waiting if not key[0].startswith(subject)}
        return subject not in self.in_flight

    def is_pending(self, key: str, channel: str) -> bool:
        return (key, channel) in self.waiting

    def pending(self) -> Sequence[Notice]:
        return [one for one in self.known if (one.key, one.channel) in self.waiting]

    def owes(self) -> bool:
        return bool(self.owed)

    def unmarked(self) -> Sequence[Mark]:
        owed, self.owed = self.owed, []
        return owed


class Posted:
    """An inbox that keeps what was posted."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tick(self, tick: MarkTick) -> None:
        raise AssertionError(tick)

    def post(self, event: Event) -> None:
        self.events.append(event)


def notice(n: int, subject: str = "a/w", channel: str = "phone") -> Notice:
    return Notice(f"{subject}#1.{n}", channel, subject, NoticeKind.ALERT, Level.WARNING, Level.OK, n, 1, Facts())


def state(n: int, subject: str = "a/w") -> SubjectState:
    return SubjectState(subject, Level.WARNING, n, 1, Level.WARNING, n)


class Rig:
    """A committer over a store in memory, run step by step."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.store = MemoryState(clock)
        self.outbox = RecordingOutbox(self.store)
        self.inbox = Posted()
        self.memory = Effects()
        self.committer = Committer(self.store, self.outbox, self.inbox, clock, memory=lambda: self.memory)

    async def run(self, *effects: Effects) -> None:
        """Submit, write all of it, and end."""
        for one in effects:
            self.committer.submit(one)
        self.committer.finish()
        await self.committer.run()

    async def write(self, *effects: Effects) -> None:
        """Submit and write without ending."""
        for one in effects:
            self.committer.submit(one)
        async with asyncio.TaskGroup() as group:
            job = group.create_task(self.committer.run())
            await settle()
            job.cancel()


@pytest.fixture
async def rig(clock: ManualClock) -> Rig:
    rig = Rig(clock)
    await rig.store.open()
    return rig


async def test_a_notice_is_in_the_store_before_it_is_offered(rig: Rig) -> None:
    """Commit, then send: a crash between the two repeats nothing and loses nothing."""
    await rig.run(Effects(subjects=(state(1),), notices=(notice(1),)))
    assert rig.outbox.offered == [("a/w#1.1", True, True)]
    assert rig.store.subjects["a/w"].sequence == 1


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
async def test_how_long_a_message_waits_does_not_change_with_the_clock(
    rig: Rig, step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wall clock that is set makes nothing overdue that is not, and hides nothing that is."""
    decided = msgspec.structs.replace(notice(1), decided_ms=rig.clock.wall_ms())
    rig.committer.submit(Effects(notices=(decided,)))
    await rig.clock.advance(30.0)
    set_ms = rig.clock.wall_ms() + round(step_s * 1000)
    monkeypatch.setattr(rig.clock, "_wall_ms", set_ms)
    assert rig.committer.waiting_ms() == {"phone": set_ms - 30_000}
    await rig.run()
    assert rig.committer.waiting_ms() == {}


async def test_what_arrives_together_is_one_transaction(rig: Rig) -> None:
    """The engine never waits for a disk; the newest state of a subject is what is written."""
    await rig.run(
        Effects(subjects=(state(1),), notices=(notice(1),)),
        Effects(subjects=(state(2),), notices=(notice(2, channel="mail"),)),
        Effects(gone=("b/w",)),
    )
    assert rig.store.commits == 1
    assert rig.store.subjects["a/w"].sequence == 2
    assert [key for key, _, _ in rig.outbox.offered] == ["a/w#1.1", "a/w#1.2"]


async def test_a_subject_that_went_and_came_back_stays(rig: Rig) -> None:
    """The last word in a batch wins, either way."""
    await rig.run(Effects(gone=("a/w",)), Effects(subjects=(state(3),)))
    assert "a/w" in rig.store.subjects
    again = Rig(rig.clock)
    await again.store.open()
    await again.run(Effects(subjects=(state(3),)), Effects(gone=("a/w",)))
    assert "a/w" not in again.store.subjects


async def test_a_failed_commit_sends_all_the_same_and_says_so(rig: Rig) -> None:
    """A full disk must not silence an alert: it goes out unrecorded, and the trouble is reported."""
    rig.store.failing = StoreError("state.db", "commit", "database or disk is full")
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1),)))
    assert rig.outbox.offered == [("a/w#1.1", False, False)]
    assert rig.inbox.events == [StoreState("state", ok=False, reason="database or disk is full", path="state.db")]


async def test_rows_that_failed_are_written_when_the_store_is_back(rig: Rig) -> None:
    """States are all written; of the notices only those that still wait."""
    rig.store.failing = StoreError("state.db", "commit", "locked")
    await rig.write(Effects(subjects=(state(1), state(1, "b/w")), notices=(notice(1), notice(1, "b/w"))))
    rig.outbox.waiting.discard(("a/w#1.1", "phone"))  # was delivered meanwhile
    rig.store.failing = None
    rig.committer.nudge()
    await rig.write()
    assert rig.store.commits == 0  # not before the pause is over
    await rig.clock.advance(RETRY_S)
    rig.committer.nudge()
    await rig.write()
    assert set(rig.store.subjects) == {"a/w", "b/w"}
    assert set(rig.store.outbox) == {("b/w#1.1", "phone")}
    assert rig.inbox.events[-1] == StoreState("state", ok=True)


async def test_a_store_that_hangs_delays_an_alert_by_the_timeout_only(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notice is offered, unrecorded, once the commit took too long."""
    hanging = asyncio.Event()

    async def commit(*_: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(rig.store, "commit", commit)
    monkeypatch.setattr("monitor.commit.COMMIT_TIMEOUT_S", 0.01)
    assert COMMIT_TIMEOUT_S < DRAIN_COMMIT_S  # a drain sees the failure, and sends all the same
    await rig.run(Effects(notices=(notice(1),)))
    assert hanging.is_set()
    assert rig.outbox.offered == [("a/w#1.1", False, False)]
    assert rig.inbox.events == [StoreState("state", ok=False, reason="timed out")]


async def test_a_store_that_could_not_be_opened_is_opened_later(clock: ManualClock) -> None:
    """What an earlier run left undelivered is offered then."""
    rig = Rig(clock)
    await rig.store.open()
    await rig.store.commit(Rows(notices=(notice(7, "old/w"),)))
    await rig.store.close()
    rig.committer.must_open = True
    rig.store.failing = StoreError("state.db", "open", "locked")
    await rig.write(Effects(notices=(notice(1),)))
    rig.store.failing = None
    await clock.advance(RETRY_S)
    rig.committer.nudge()
    await rig.write()
    assert ("old/w#1.7", True, True) in rig.outbox.offered
    assert ("a/w#1.1", "phone") in rig.store.outbox


async def test_what_people_asked_for_and_the_numbers_taken_are_learnt_from_a_store_that_opens_late(
    rig: Rig,
) -> None:
    """A mute goes on, and no number is given to a second incident."""
    hold = Hold("mute:all#1", HoldKind.MUTE, "all", 1, 2**50)
    await rig.store.commit(Rows(notices=(msgspec.structs.replace(notice(7, "old/w"), number=17),), holds=(hold,)))
    rig.committer.must_open = True
    await rig.run(Effects(notices=(notice(1),)))
    (event,) = rig.inbox.events
    assert isinstance(event, Restored)
    assert (event.holds, event.last_number, event.late) == ((hold,), 17, True)


async def test_an_alert_overtaken_by_the_end_of_its_incident_is_not_sent(rig: Rig) -> None:
    """Within one batch it is dropped, before that it is withdrawn and resolved."""
    await rig.run(
        Effects(notices=(notice(1),)),
        Effects(withdrawn=(("a/w", "phone"),)),
        Effects(notices=(notice(3),)),
    )
    assert [key for key, _, _ in rig.outbox.offered] == ["a/w#1.3"]
    assert rig.outbox.withdrawn == [("a/w", "phone")]


def states_of(store: MemoryState) -> dict[str, str]:
    return {key: row.state.value for (key, _), row in store.outbox.items()}


ENDED = Effects(subjects=(state(2),), withdrawn=(("a/w", "phone"),))
WORSE = Effects(subjects=(state(3),), notices=(notice(3),))


async def test_the_end_of_an_incident_resolves_its_alert_together_with_its_level(rig: Rig) -> None:
    """One transaction: a crash cannot leave an ended incident with an alert that is still due."""
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1),)))
    await rig.run(ENDED)
    assert rig.store.commits == 2
    assert states_of(rig.store) == {"a/w#1.1": "resolved"}
    assert rig.store.subjects["a/w"].sequence == 2


async def test_an_incident_that_begins_in_the_batch_in_which_another_ends_is_due(rig: Rig) -> None:
    """The withdrawal meets the old alert only."""
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1),)))
    await rig.run(ENDED, WORSE)
    assert states_of(rig.store) == {"a/w#1.1": "resolved", "a/w#1.3": "pending"}


@pytest.mark.parametrize("together", [True, False])
async def test_a_withdrawal_that_could_not_be_written_spares_the_next_incident(
    rig: Rig,
    together: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """It is kept and comes first when the store is back, whether the new alert failed with it or not."""
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1),)))
    rig.store.failing = StoreError("state.db", "commit", "database or disk is full")
    await rig.write(ENDED)
    if together:
        await rig.write(WORSE)
        assert rig.outbox.offered[-1] == ("a/w#1.3", False, False)
    rig.store.failing = None
    await rig.run(*(() if together else (WORSE,)))
    assert states_of(rig.store) == {"a/w#1.1": "resolved", "a/w#1.3": "pending"}
    assert rig.store.subjects["a/w"].sequence == 3


async def test_a_commit_that_succeeded_although_it_was_given_up_is_repeated_without_harm(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its withdrawal does not meet its own alert the second time."""
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1),)))
    commit = rig.store.commit

    async def unseen(rows: Rows) -> None:
        await commit(rows)
        raise StoreError("state.db", "commit", "timed out")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "commit", unseen)
        await rig.write(ENDED, WORSE)
    await rig.run()
    assert rig.store.commits == 3
    assert states_of(rig.store) == {"a/w#1.1": "resolved", "a/w#1.3": "pending"}


async def test_an_alert_in_flight_keeps_its_row_until_its_fate_is_known(rig: Rig) -> None:
    """It cannot be called back; somebody may read it, and then the end is told too."""
    await rig.write(Effects(notices=(notice(1),)))
    rig.outbox.in_flight.add("a/w")
    await rig.run(ENDED)
    assert states_of(rig.store) == {"a/w#1.1": "pending"}


@pytest.mark.parametrize("in_flight", [False, True])
async def test_an_alert_withdrawn_while_it_is_committed_is_not_sent(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    in_flight: bool,  # noqa: FBT001 - a parameter of the case
) -> None:
    """Its row is resolved by the next commit.

    But not where an older message of its subject is in flight, which it supersedes: somebody may read that one, so
    the end is told, and until that is decided this row alone remembers it.
    """
    if in_flight:
        rig.outbox.in_flight.add("a/w")
    commit = rig.store.commit

    async def meanwhile(rows: Rows) -> None:
        monkeypatch.setattr(rig.store, "commit", commit)
        rig.committer.submit(ENDED)
        await commit(rows)

    monkeypatch.setattr(rig.store, "commit", meanwhile)
    await rig.run(Effects(notices=(notice(1),)))
    assert rig.outbox.offered == []
    assert states_of(rig.store) == {"a/w#1.1": "pending" if in_flight else "resolved"}
    assert rig.inbox.events == ([Unsure("a/w", "a/w#1.1", "phone")] if in_flight else [])


async def test_what_an_earlier_run_left_is_not_sent_once_withdrawn(rig: Rig) -> None:
    """A store that opens late brings back no alert of an incident that ended meanwhile."""
    await rig.store.commit(Rows(notices=(notice(1), notice(1, "b/w"))))
    rig.committer.must_open = True
    await rig.run(ENDED)
    assert [key for key, _, _ in rig.outbox.offered] == ["b/w#1.1"]


async def test_what_an_earlier_run_left_is_not_sent_after_what_this_one_told(rig: Rig, clock: ManualClock) -> None:
    """Nobody wants to read yesterday's warning after today's emergency, also where that was delivered by now."""
    await rig.store.commit(Rows(notices=(notice(1), notice(1, "b/w"))))
    await rig.store.close()
    rig.committer.must_open = True
    rig.store.failing = StoreError("state.db", "open", "locked")
    await rig.write(Effects(notices=(notice(2),)))
    rig.outbox.waiting.clear()
    rig.outbox.owed = [Mark([notice(2).key], "phone", "accepted", Attempt(1, 2))]
    rig.store.failing = None
    await clock.advance(RETRY_S)
    await rig.run()
    assert [key for key, _, _ in rig.outbox.offered] == ["a/w#1.2", "b/w#1.1"]
    assert states_of(rig.store) == {"a/w#1.1": "superseded", "a/w#1.2": "accepted", "b/w#1.1": "pending"}


@pytest.mark.parametrize("faults", [2, 10_000])
async def test_an_alert_that_cannot_be_offered_takes_no_other_along(
    rig: Rig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, faults: int
) -> None:
    """A fault of ours ends the job in the middle; what waits meanwhile is offered, and all of it is written."""
    offer, left = rig.outbox.offer, [RuntimeError] * faults

    def failing(notices: Sequence[Notice], *, recorded: bool) -> None:
        if notices[0].subject == "a/w" and left:
            raise left.pop()
        offer(notices, recorded=recorded)

    monkeypatch.setattr(rig.outbox, "offer", failing)
    others = [notice(n, f"w{n}") for n in range(3)]
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            job = group.create_task(supervise(Job("commit", rig.committer.run), clock)())
            await settle()
            rig.committer.submit(Effects(notices=(notice(1), others[0])))
            await settle()
            rig.committer.submit(Effects(notices=tuple(others[1:])))
            await clock.advance(30.0)
            job.cancel()
    offered = [key for key, _, _ in rig.outbox.offered]
    assert sorted(offered) == sorted(one.key for one in ([*others, notice(1)] if faults == 2 else others))
    assert {key for key, _ in rig.store.outbox} == {notice(1).key, *(one.key for one in others)}
    assert ("delivery.lost" in [entry["event"] for entry in logs]) is (faults > 2)


async def test_flushed_waits_until_everything_is_written(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is submitted during a commit counts, and a commit that failed has handed its notices on."""
    await rig.committer.flushed()
    gate = asyncio.Event()
    commit = rig.store.commit

    async def slow(rows: Rows) -> None:
        await gate.wait()
        await commit(rows)

    monkeypatch.setattr(rig.store, "commit", slow)
    async with asyncio.TaskGroup() as group:
        job = group.create_task(rig.committer.run())
        rig.committer.submit(Effects(notices=(notice(1),)))
        flushed = group.create_task(rig.committer.flushed())
        await settle()
        rig.committer.submit(Effects(notices=(notice(1, "b/w"),)))
        assert not flushed.done()
        gate.set()
        await flushed
        assert len(rig.outbox.offered) == 2
        rig.store.failing = StoreError("state.db", "commit", "locked")
        rig.committer.submit(Effects(notices=(notice(1, "c/w"),)))
        await rig.committer.flushed()
        assert rig.outbox.offered[-1] == ("c/w#1.1", False, False)
        job.cancel()


async def test_alerts_whose_commit_hangs_can_be_handed_on_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no time left to wait: they go out unrecorded, and are written if the store comes back."""
    gate = asyncio.Event()
    commit = rig.store.commit

    async def slow(rows: Rows) -> None:
        await gate.wait()
        await commit(rows)

    monkeypatch.setattr(rig.store, "commit", slow)
    async with asyncio.TaskGroup() as group:
        group.create_task(rig.committer.run())
        rig.committer.submit(Effects(notices=(notice(1),)))
        await settle()
        rig.committer.submit(Effects(notices=(notice(1, "b/w"), notice(1, "c/w"))))
        rig.committer.hand_on()
        handed = [("a/w#1.1", False, False), ("b/w#1.1", False, False), ("c/w#1.1", False, False)]
        assert rig.outbox.offered == handed
        rig.outbox.waiting.discard(("c/w#1.1", "phone"))  # was delivered meanwhile
        gate.set()
        rig.committer.finish()
    assert rig.outbox.offered == handed
    assert set(states_of(rig.store)) == {"a/w#1.1", "b/w#1.1"}


async def test_what_failed_is_tried_once_more_at_the_end(rig: Rig) -> None:
    """Without waiting for its pause: there is no later."""
    rig.store.failing = StoreError("state.db", "commit", "locked")
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1),)))
    rig.store.failing = None
    with capture_logs() as logs:
        await rig.run()
    assert states_of(rig.store) == {"a/w#1.1": "pending"}
    assert [entry["event"] for entry in logs] == ["state.back"]


async def test_what_ends_unwritten_is_in_the_log(rig: Rig) -> None:
    """Nothing that was decided vanishes without a trace."""
    rig.store.failing = StoreError("state.db", "commit", "locked")
    with capture_logs() as logs:
        await rig.run(WORSE)
    unwritten = logs[-1]
    assert unwritten["event"] == "state.unwritten"
    assert (unwritten["subjects"], unwritten["notices"]) == (1, ["a/w#1.3 phone"])


async def test_a_job_that_dies_in_a_commit_hands_its_alerts_on(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours does not swallow an alert, and its rows are written by the job started anew."""

    async def faulty(*_: object) -> None:
        raise RuntimeError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "commit", faulty)
        with pytest.raises(RuntimeError, match="a fault"):
            await rig.run(WORSE)
    assert rig.outbox.offered == [("a/w#1.3", False, False)]
    await rig.run()
    assert states_of(rig.store) == {"a/w#1.3": "pending"}


async def test_latency_is_measured_from_the_frame_to_the_commit(rig: Rig) -> None:
    """Only steps that led to a notice count."""
    assert rig.committer.latencies() is None
    rig.committer.submit(Effects(subjects=(state(1),)), seen_s=rig.clock.mono_s())
    rig.committer.submit(Effects(notices=(notice(1),)), seen_s=rig.clock.mono_s() - 0.25)
    await rig.run()
    latencies = rig.committer.latencies()
    assert latencies is not None
    assert (latencies.samples, latencies.worst_s) == (1, 0.25)


def over(n: int, subject: str = "a/w", level: Level = Level.OK) -> Effects:
    moved = Transition(subject, level, Level.WARNING, n, 1, Facts())
    return Effects(subjects=(state(n, subject),), transitions=(moved,))


SNOOZE = Hold("snooze#1", HoldKind.SNOOZE, "alert:1", 5, 50)


async def test_the_end_of_an_incident_and_the_wishes_of_people_go_with_the_levels(rig: Rig) -> None:
    """One transaction; a level that falls and is not ok ends nothing."""
    falling = over(2, "b/w", Level.NOTICE)
    await rig.run(Effects(notices=(notice(1), notice(1, "b/w"))), over(3), falling, Effects(holds=(SNOOZE,)))
    assert rig.store.commits == 1
    assert {row.subject: row.ended_ms for row in rig.store.outbox.values()} == {"a/w": 3, "b/w": None}
    assert rig.store.made == {"snooze#1": SNOOZE}


async def test_a_wish_alone_is_written(rig: Rig) -> None:
    """Whoever asked waits for the disk."""
    rig.committer.submit(Effects(holds=(SNOOZE,)))
    await rig.run()
    assert rig.store.made == {"snooze#1": SNOOZE}


async def test_ends_and_wishes_that_could_not_be_written_are_written_later(rig: Rig) -> None:
    """An end keeps its time, and of a wish its newest state is what counts."""
    await rig.write(Effects(notices=(notice(1),)))
    rig.store.failing = StoreError("state.db", "commit", "locked")
    await rig.write(over(3), Effects(holds=(SNOOZE,)))
    await rig.write(over(4))
    rig.store.failing = None
    ended = msgspec.structs.replace(SNOOZE, ended_ms=9, ended="lifted")
    await rig.run(Effects(holds=(ended,)))
    assert [row.ended_ms for row in rig.store.outbox.values()] == [3]
    assert rig.store.made == {"snooze#1": ended}


async def test_ends_that_wait_for_a_broken_disk_are_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest give way: they lose the time of their end and nothing else."""
    monkeypatch.setattr("monitor.commit.ENDED_KEPT", 3)
    await rig.write(Effects(notices=tuple(notice(1, f"s{n}") for n in range(5))))
    rig.store.failing = StoreError("state.db", "commit", "locked")
    for n in range(5):
        await rig.write(over(7, f"s{n}"))
    rig.store.failing = None
    await rig.run()
    assert [row.ended_ms for row in rig.store.outbox.values()] == [None, None, 7, 7, 7]


def mark(*keys: str, channel: str = "phone") -> Mark:
    return Mark(keys, channel, "accepted", Attempt(90, 91))


async def test_a_store_begun_anew_gets_all_of_the_present_state(rig: Rig) -> None:
    """Every level, every wish and every alert that still waits, not only what changes next."""
    await rig.write(Effects(subjects=(state(1),), notices=(notice(1), notice(1, "b/w"), notice(1, "c/w"))))
    rig.outbox.waiting.discard(("c/w#1.1", "phone"))  # was delivered
    rig.store.__init__(rig.clock)  # type: ignore[misc]  # what it held is gone, and it is not open
    rig.memory = Effects(subjects=(state(1), state(4, "b/w")), holds=(SNOOZE,))
    rig.committer.nudge()
    await rig.write()
    assert {name: one.sequence for name, one in rig.store.subjects.items()} == {"a/w": 1, "b/w": 4}
    assert states_of(rig.store) == {"a/w#1.1": "pending", "b/w#1.1": "pending"}
    assert rig.store.made == {"snooze#1": SNOOZE}
    assert [key for key, _, _ in rig.outbox.offered] == ["a/w#1.1", "b/w#1.1", "c/w#1.1"]  # each once
    await rig.write(Effects(subjects=(state(5),)))
    assert rig.store.commits == 2  # of the new store; the second writes what changed and no more


async def test_what_is_decided_while_a_store_is_opened_anew_stands_in_the_same_transaction(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A level without its alert would silence it after a crash."""
    await rig.store.close()
    opened = rig.store.open

    async def meanwhile() -> Stored:
        rig.memory = Effects(subjects=(state(2),))
        rig.committer.submit(Effects(subjects=(state(2),), notices=(notice(2),)))
        return await opened()

    monkeypatch.setattr(rig.store, "open", meanwhile)
    rig.committer.nudge()
    await rig.write()
    assert rig.store.commits == 1
    assert states_of(rig.store) == {"a/w#1.2": "pending"}
    assert rig.store.subjects["a/w"].sequence == 2


async def test_a_store_that_takes_long_to_open_holds_up_no_alert_and_is_opened_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file is looked through beside; what went out meanwhile is written once it is open."""
    await rig.store.close()
    gate = asyncio.Event()
    opened = rig.store.open
    openings = 0

    async def slow() -> Stored:
        nonlocal openings
        openings += 1
        await gate.wait()
        return await opened()

    monkeypatch.setattr(rig.store, "open", slow)
    monkeypatch.setattr("monitor.commit.COMMIT_TIMEOUT_S", 0.01)
    async with asyncio.TaskGroup() as group:
        job = group.create_task(rig.committer.run())
        rig.committer.submit(Effects(notices=(notice(1),)))
        await rig.committer.flushed()
        rig.committer.submit(Effects(notices=(notice(1, "b/w"),)))
        await rig.committer.flushed()
        assert rig.outbox.offered == [("a/w#1.1", False, False), ("b/w#1.1", False, False)]
        monkeypatch.setattr("monitor.commit.COMMIT_TIMEOUT_S", 60.0)
        gate.set()
        await settle()
        assert states_of(rig.store) == {"a/w#1.1": "pending", "b/w#1.1": "pending"}
        job.cancel()
    assert openings == 1


async def test_a_store_begun_anew_while_nobody_waited_gets_all_that_is_known_and_is_told(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking through a damaged file takes longer than a commit may: by the next one the new file is usable."""
    await rig.store.close()
    gate = asyncio.Event()
    opened = rig.store.open
    rig.memory = Effects(subjects=(state(4, "b/w"),))

    async def slow() -> Stored:
        await gate.wait()
        return (await opened())._replace(replaced=Replaced("malformed", "/s/aside", "nothing", whole=False))

    monkeypatch.setattr(rig.store, "open", slow)
    monkeypatch.setattr("monitor.commit.COMMIT_TIMEOUT_S", 0.01)
    async with asyncio.TaskGroup() as group:
        job = group.create_task(rig.committer.run())
        rig.committer.submit(Effects(notices=(notice(1),)))
        await rig.committer.flushed()
        monkeypatch.setattr("monitor.commit.COMMIT_TIMEOUT_S", 60.0)
        gate.set()
        await settle()
        job.cancel()
    assert set(rig.store.subjects) == {"b/w"}
    assert [one.note for one in rig.inbox.events if isinstance(one, StoreState)] == ["", "damaged", ""]


async def test_a_store_that_cannot_be_opened_is_left_alone_for_a_while(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alerts that follow each other do not each wait for the same failure."""
    await rig.store.close()
    tries = 0

    async def refused() -> Stored:
        nonlocal tries
        tries += 1
        raise SchemaTooNewError("state.db", "open", "version 9", "Install the newer version")

    monkeypatch.setattr(rig.store, "open", refused)
    for n in range(3):
        await rig.write(Effects(notices=(notice(n),)))
    assert tries == 1
    hint = "Install the newer version"
    assert rig.inbox.events[0] == StoreState("state", False, "version 9", hint, path="state.db")
    await rig.clock.advance(RETRY_S)
    rig.committer.nudge()
    await rig.write()
    assert tries == 2


async def test_an_alert_delivered_while_the_store_failed_is_in_it_afterwards(rig: Rig) -> None:
    """With what became of it, as if nothing had happened; marks alone are written too."""
    rig.store.failing = StoreError("state.db", "commit", "full")
    await rig.write(Effects(notices=(notice(1),)))
    rig.outbox.waiting.clear()
    rig.outbox.owed.append(mark("a/w#1.1"))
    rig.committer.nudge()
    await rig.clock.advance(RETRY_S)
    rig.committer.nudge()
    await rig.write()  # fails once more, and the mark is kept
    rig.store.failing = None
    await rig.clock.advance(RETRY_S)
    rig.committer.nudge()
    await rig.write()
    (row,) = rig.store.outbox.values()
    assert (row.state, row.attempts, row.accepted_ms) == ("accepted", 1, 91)
    await rig.write(Effects(notices=(notice(2),)))
    rig.outbox.owed.append(mark("a/w#1.2"))
    rig.committer.nudge()
    await rig.write()
    assert states_of(rig.store) == {"a/w#1.1": "accepted", "a/w#1.2": "accepted"}


async def test_all_that_waits_for_a_broken_disk_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails for days does not fill the memory."""
    for name in ("GONE_KEPT", "OVER_KEPT", "MARKS_KEPT"):
        monkeypatch.setattr(f"monitor.commit.{name}", 3)
    rig.store.failing = StoreError("state.db", "commit", "locked")
    for n in range(9):
        rig.outbox.owed.append(mark(f"s{n}#1.1"))
        await rig.write(Effects(gone=(f"s{n}",), withdrawn=((f"s{n}", "phone"),)))
    failed = rig.committer._failed
    assert failed is not None
    assert [len(part) for part in (failed.gone, failed.over, failed.marks)] == [3, 3, 3]


async def test_a_damaged_store_is_told_with_where_it_lies_and_what_was_saved(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator can look at it, and knows what is missing."""
    await rig.store.close()
    opened = rig.store.open

    async def replaced() -> Stored:
        found = Replaced("malformed", "/s/state.db.damaged-1", "4 levels, 9 alerts", whole=False)
        return (await opened())._replace(replaced=found)

    monkeypatch.setattr(rig.store, "open", replaced)
    await rig.write(Effects(notices=(notice(1),)))
    hint = (
        "The damaged file is kept as /s/state.db.damaged-1. Nothing of it was deleted. "
        "Taken over: 4 levels, 9 alerts, the rest could not be read"
    )
    assert rig.inbox.events == [StoreState("state", True, "malformed", hint, "damaged")]
