"""Real faults of a real file: alerts leave in time, and afterwards all of them are in it."""

import asyncio
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from monitor.commit import COMMIT_TIMEOUT_S, RETRY_S, Committer
from monitor.core.events import StoreState
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import SubjectState, Transition
from monitor.notify.delivery import Delivery
from monitor.ports import Job
from monitor.storage.state import SqliteState
from monitor.supervise import supervise
from monitor.system_clock import SystemClock
from tests.notify.fakes import FakeChannel, FakeInbox
from tests.storage.damage import execute, remove, remove_all, spoil_pages
from tests.storage.rows import level_of, notice

PATIENCE_S = 60.0


class Service:
    """The part of the daemon between decisions and channels, and what it was told and holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SystemClock()
        self.inbox = FakeInbox()
        self.channel = FakeChannel(name="phone")
        self.store = SqliteState(path, self.clock, busy_s=0.05, write_busy_s=0.05)
        self.delivery = Delivery(
            [self.channel], store=self.store, inbox=self.inbox, clock=self.clock, minute_s=0.05
        )
        self.states: dict[str, SubjectState] = {}
        self.committer = Committer(self.store, self.delivery, self.inbox, self.clock, memory=self.memory)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait, and nudge as the heart of the daemon does, only faster."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self.committer.nudge()
                await self.clock.sleep(0.005)

    def memory(self) -> Effects:
        return Effects(subjects=tuple(self.states.values()))

    def decide(self, name: str) -> None:
        """Let a wallet fall into danger."""
        state = level_of(name)
        self.states[name] = state
        told = notice(f"{name}#1", subject=name, decided_ms=self.clock.wall_ms())
        self.committer.submit(Effects(subjects=(state,), notices=(told,)))

    def end(self, name: str) -> None:
        """Let its incident be over."""
        moved = Transition(name, Level.OK, Level.WARNING, 7, 1, notice("x").facts)
        self.committer.submit(Effects(transitions=(moved,)))

    def told(self, ok: bool, note: str = "") -> bool:  # noqa: FBT001 - of the event
        events = [event for event in self.inbox.events if isinstance(event, StoreState)]
        return any((event.ok, event.note) == (ok, note) for event in events)

    def rows(self) -> dict[str, tuple[object, ...]]:
        found = execute(self.path, "SELECT subject, state, accepted_ms IS NOT NULL, ended_ms FROM outbox")
        return {str(row[0]): row[1:] for row in found}

    def levels(self) -> set[object]:
        return {name for (name,) in execute(self.path, "SELECT subject FROM subjects")}


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Service]:
    service = Service(path)
    await service.store.open()
    try:
        async with asyncio.TaskGroup() as group:
            runs = [*(job.run for job in service.delivery.jobs()), service.committer.run]
            jobs = [group.create_task(supervise(Job("t", run), service.clock)()) for run in runs]
            try:
                yield service
            finally:
                for job in jobs:
                    job.cancel()
    finally:
        await service.store.close()


@contextmanager
def full(path: Path) -> Iterator[None]:
    """Let no file of this process grow: what a full disk is to SQLite."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file from another connection, as a person with a shell does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.parametrize("fault", [full, locked])
async def test_an_alert_leaves_during_the_fault_and_is_recorded_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], object]
) -> None:
    """Unrecorded, within the time of a commit; afterwards the file is as if nothing had happened."""
    monkeypatch.setattr("monitor.commit.RETRY_S", 0.0)
    assert COMMIT_TIMEOUT_S < 1.0 < RETRY_S
    path = tmp_path / "state.db"
    async with running(path) as service:
        service.decide("before")
        await service.until(lambda: len(service.channel.accepted) == 1)
        await service.until(lambda: service.rows()["before"][0] == "accepted")
        with fault(path):  # type: ignore[attr-defined]
            service.decide("during")
            service.end("before")
            await service.until(lambda: len(service.channel.accepted) == 2)
            await service.until(lambda: service.told(ok=False))
        assert "Unrecorded" in service.channel.texts[1]
        await service.until(lambda: service.told(ok=True))
        await service.until(lambda: service.rows().get("during", ("",))[0] == "accepted")
        assert service.rows() == {"before": ("accepted", 1, 7), "during": ("accepted", 1, None)}
        assert service.levels() == {"before", "during"}


@pytest.mark.parametrize("how", ["removed", "directory", "damaged"])
async def test_a_file_that_goes_under_the_running_service_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """With every level, whether or not it changes again, and what happened is told."""
    monkeypatch.setattr("monitor.commit.RETRY_S", 0.0)
    path = tmp_path / "s" / "state.db"
    async with running(path) as service:
        service.decide("before")
        await service.until(lambda: len(service.channel.accepted) == 1)
        await service.until(lambda: service.rows()["before"][0] == "accepted")
        service.channel.hold()
        service.decide("waiting")
        await service.until(lambda: "waiting" in service.rows())
        if how == "removed":
            remove(path)
        elif how == "directory":
            remove_all(path.parent)
        else:
            roots = await service.store._db.rows("t", "SELECT rootpage FROM sqlite_master WHERE rootpage > 1")
            await service.store._db.rows("t", "PRAGMA wal_checkpoint(TRUNCATE)")
            await service.store._db.rows("t", "PRAGMA shrink_memory")
            spoil_pages(path, [page for (page,) in roots])
            service.decide("newer")
        await service.until(lambda: service.told(ok=True, note="damaged" if how == "damaged" else "moved"))
        await service.until(lambda: path.exists() and "waiting" in service.rows())
        assert service.levels() == set(service.states)
        assert service.rows()["waiting"][0] == "pending"
        service.channel.release()
        await service.until(lambda: service.rows()["waiting"][0] == "accepted")
    kept = [file.name for file in path.parent.iterdir() if ".damaged-" in file.name]
    assert bool(kept) is (how == "damaged")
