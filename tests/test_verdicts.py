"""Answers about health come with a proof that is recent, however often is asked, and one row each ten seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor import verdicts
from monitor.core.incidents import Effects
from monitor.health import MARKS, STATE, Health, Trouble, Vitals, health
from monitor.readiness import AWAITED_MARKS, STARTING, Awaited
from monitor.system_clock import SystemClock
from monitor.verdicts import ASKED_WITHIN_S, PROOF_EVERY_S, Verdicts
from tests.conftest import ManualClock, settle

WELL = Health()


class Rig:
    """A daemon as far as its verdicts need one."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.stale: tuple[str, ...] = ()
        self.awaited = Awaited()
        self.writes: bool | None = True  # None: it hangs
        self.proofs = 0
        self.verdicts = Verdicts(
            vitals=self.vitals, awaited=lambda: self.awaited, submit=self.submit, recorded=self.recorded,
            clock=clock,
        )  # fmt: skip
        self.verdicts.begin()

    def vitals(self) -> Vitals:
        unwritable = () if self.verdicts.written else ("state",)
        return Vitals(self.clock.wall_ms(), self.stale, (), (), {}, unwritable=unwritable)

    def submit(self, effects: Effects) -> None:
        self.proofs += len(effects.subjects)

    async def recorded(self) -> bool:
        if self.writes is None:
            await asyncio.Event().wait()
        return bool(self.writes)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        (job,) = self.verdicts.jobs()

        async def run() -> None:
            await job.run()

        async with asyncio.TaskGroup() as group:
            task = group.create_task(run())
            await settle()
            yield
            task.cancel()


@pytest.fixture
def rig(clock: ManualClock) -> Rig:
    return Rig(clock)


async def test_while_nobody_asks_nothing_is_written(rig: Rig, clock: ManualClock) -> None:
    """A service without a health check leaves its disk alone."""
    async with rig.running():
        await clock.advance(3600.0)
    assert rig.proofs == 0


async def test_however_often_is_asked_one_row_is_written_each_ten_seconds(rig: Rig, clock: ManualClock) -> None:
    """A question every half second, of all kinds."""
    async with rig.running():
        for _ in range(120):
            assert rig.verdicts.health() == rig.verdicts.readiness() == WELL
            await clock.advance(0.5)
    assert rig.proofs == 60.0 / PROOF_EVERY_S + 1  # the first at once


async def test_proofs_go_on_for_a_while_after_a_question_and_end(rig: Rig, clock: ManualClock) -> None:
    """So that who asks each half minute finds a recent one; and nobody is proved anything for ever."""
    async with rig.running():
        rig.verdicts.health()
        await clock.advance(ASKED_WITHIN_S - 0.1)
        assert rig.proofs == ASKED_WITHIN_S / PROOF_EVERY_S
        await clock.advance(3600.0)
        assert rig.proofs == ASKED_WITHIN_S / PROOF_EVERY_S
        rig.verdicts.readiness()
        await settle()
        assert rig.proofs == ASKED_WITHIN_S / PROOF_EVERY_S + 1


@pytest.mark.parametrize("writes", [False, None])
async def test_what_cannot_be_written_is_told_by_the_next_answer_and_so_is_that_it_can(
    rig: Rig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, writes: bool | None  # noqa: FBT001
) -> None:  # fmt: skip
    """Whether the disk refuses or hangs."""
    monkeypatch.setattr(verdicts, "PROOF_S", 0.02)
    async with rig.running():
        rig.writes = writes
        rig.verdicts.health()
        async with asyncio.timeout(60):
            while rig.verdicts.written:
                await SystemClock().sleep(0.005)
        assert rig.verdicts.health() == rig.verdicts.readiness() == Health((Trouble(STATE, ("state",)),))
        rig.writes = True
        await clock.advance(PROOF_EVERY_S)
        assert rig.verdicts.health() == rig.verdicts.readiness() == WELL


async def test_what_could_not_be_written_is_tried_until_it_can_though_nobody_asks(
    rig: Rig, clock: ManualClock
) -> None:
    """One question while the disk is full, none after: whatever else goes by this must not say so for ever."""
    async with rig.running():
        rig.writes = False
        rig.verdicts.health()
        await settle()
        await clock.advance(2 * ASKED_WITHIN_S)
        assert health(rig.vitals()) == Health((Trouble(STATE, ("state",)),))
        rig.writes = True
        await clock.advance(PROOF_EVERY_S)
        assert health(rig.vitals()) == WELL
        count = rig.proofs
        await clock.advance(3600.0)
        assert rig.proofs == count


@pytest.mark.parametrize("writes", [False, None])
async def test_a_ping_has_a_proof_of_its_own_and_all_others_go_by_it(
    rig: Rig, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, writes: bool | None  # noqa: FBT001
) -> None:  # fmt: skip
    """That the last one went well says nothing when it was yesterday; a disk that hangs takes no writes."""
    monkeypatch.setattr(verdicts, "PROOF_S", 0.02)
    full = Trouble(STATE, ("state",))
    async with rig.running():
        assert await rig.verdicts.proved() == WELL
        rig.writes, rig.stale = writes, ("BTCUSDT",)
        assert await rig.verdicts.proved() == Health((Trouble(MARKS, ("BTCUSDT",)), full))
        rig.stale = ()
        assert health(rig.vitals()) == Health((full,))
        rig.writes = True
        assert await rig.verdicts.proved() == health(rig.vitals()) == WELL


async def test_a_command_waits_for_a_proof_that_is_new(rig: Rig, clock: ManualClock) -> None:
    """The first one after a long silence must not go by what was true then; one of a moment ago is good enough."""
    rig.writes = False
    async with rig.running():
        found: Any = await rig.verdicts.answer({})
        assert found["health"] == {"ok": False, "troubles": [{"reason": STATE, "names": ("state",)}]}
        await rig.verdicts.answer({})
        await clock.advance(PROOF_EVERY_S / 2)
        await rig.verdicts.answer({})
    assert rig.proofs == 1


async def test_a_command_does_not_wait_for_a_disk_that_hangs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks gives up after two seconds; a late answer would be none."""
    monkeypatch.setattr(verdicts, "ANSWER_S", 0.02)
    rig.writes = None
    async with rig.running():
        async with asyncio.timeout(60):
            found: Any = await rig.verdicts.answer({})
    assert found["health"]["ok"]


async def test_that_it_is_ready_is_logged_once_with_what_it_is_ready_without(rig: Rig, clock: ManualClock) -> None:
    """Asked by systemd's side and by people alike."""
    rig.awaited = Awaited((), ("BTCUSDT",))
    with capture_logs() as logs:
        assert rig.verdicts.waits_for() == "1 symbol"
        assert rig.verdicts.readiness() == Health((Trouble(STARTING), Trouble(AWAITED_MARKS, ("BTCUSDT",))))
        assert rig.verdicts.health() == WELL
        await clock.advance(2.0)
        rig.awaited, rig.stale = Awaited(("main",), ()), ("BTCUSDT",)
        assert rig.verdicts.waits_for() == "1 account"
        await clock.advance(13.0)
        assert rig.verdicts.waits_for() == ""
        assert rig.verdicts.readiness() == Health((Trouble(MARKS, ("BTCUSDT",)),))
    told = {"event": "daemon.ready", "log_level": "info", "waited_s": 15.0, "accounts": ("main",), "symbols": ()}
    assert logs == [told]
    rig.verdicts.stop()
    assert not rig.verdicts.readiness().ok
