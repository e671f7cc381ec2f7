"""systemd hears that the service lives while its loops come round, and only then."""

import asyncio
import faulthandler
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor import app
from monitor.app import Daemon
from monitor.beat import PATIENCE_S, Beat, standing
from monitor.binance.feed_values import Timings
from monitor.binance.streams import MarkFeed
from monitor.core.model import Market
from monitor.core.settings import ChannelRule, EngineSettings, FreshnessRules
from monitor.dead_man import STOPPING_WITHIN_S, DeadMan
from monitor.errors import DeliveryError, StoreError
from monitor.health import MARKS, STANDING, UNKNOWN
from monitor.plan import Plan, Sources
from monitor.ports import Inbox, Job
from monitor.readiness import START_ENDS_S
from monitor.sd_notify import Systemd
from monitor.storage.history import HistorySettings
from monitor.watchdog import LATE_S, OPENING_WITHIN_S, STARTING_S, WAIT_FOR_START_S, Watchdog
from tests.conftest import ManualClock, settle
from tests.core.builders import account, isolated, table
from tests.notify.fakes import FakeChannel
from tests.test_app import until
from tests.test_sd_notify import Listener

WITHIN_S = 30.0
FED = "WATCHDOG=1"


@pytest.fixture
def listener(tmp_path: Path) -> Any:  # noqa: ANN401 - a generator
    one = Listener(str(tmp_path / "notify"))
    yield one
    one.close()


# The judge


def test_a_loop_stands_still_once_it_is_later_than_its_patience() -> None:
    """One that rests, or has said when it will be back, does not; one that never began is due from the start."""
    late, patient, resting, sleeping, unborn = Beat(), Beat(300.0), Beat(), Beat(), Beat()
    for beat in (late, patient):
        beat.back(100.0)
    resting.rest()
    sleeping.back(10_000.0)
    beats = {"late": late, "patient": patient, "resting": resting, "sleeping": sleeping, "unborn": unborn}
    assert standing(beats, 120.0, 100.0 + PATIENCE_S) == ()
    assert standing(beats, 120.0, 100.1 + PATIENCE_S) == ("late",)
    assert standing(beats, 120.0, 120.1 + PATIENCE_S) == ("late", "unborn")


def test_a_loop_that_is_given_something_to_do_is_due_from_then_on() -> None:
    """More of it does not put that off, and one that has not begun is not excused by it."""
    beat = Beat()
    beat.called(5.0)
    assert beat.due_s is None
    beat.rest()
    beat.called(5.0)
    beat.called(50.0)
    assert beat.due_s == 5.0


# The job


class HeldDeadMan(DeadMan):
    """One that ends nothing: it notes within how many seconds it was to hear the next word."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self.given: list[float] = []

    def within(self, seconds: float) -> bool:
        self.given.append(seconds)
        return True

    def heard(self) -> list[float]:
        """Return what it was given since the last call."""
        given, self.given = self.given, []
        return given


class ShortOfThreads:
    """Stands in for ``faulthandler``: each word takes a new thread, and the system has none left.

    Args:
        monkeypatch: of the test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = False
        self._waits_s: float | None = None
        monkeypatch.setattr(faulthandler, "dump_traceback_later", self._later)

    def take(self) -> float | None:
        """Return within how many seconds it was last told to wait for the next word; None if it waits no more."""
        waits_s, self._waits_s = self._waits_s, None
        return waits_s

    def _later(self, seconds: float, **_options: object) -> None:
        self._waits_s = None  # the thread before is ended first
        if not self.left:
            raise RuntimeError("unable to start watchdog thread")
        self._waits_s = seconds


class Rig:
    """A watchdog over one loop."""

    def __init__(self, clock: ManualClock, systemd: Systemd | None, dead_man: DeadMan | None = None) -> None:
        self.clock = clock
        self.beat = Beat()
        self.beat.rest()
        self.proofs = 0
        self.waits = ""
        self.watchdog = Watchdog(
            systemd, clock, dead_man=dead_man, beats=lambda: {"loop": self.beat}, prove=self.prove,
            brief=lambda: "all is well", waits=lambda: self.waits,
        )  # fmt: skip

    def prove(self) -> None:
        self.proofs += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run_of(job)) for job in self.watchdog.jobs()]
            await settle()
            yield
            for task in tasks:
                task.cancel()


async def heard_while(clock: ManualClock, listener: Listener, seconds: float) -> list[list[str]]:
    """Let time pass; the socket holds ten datagrams, so it is read meanwhile as systemd does."""
    heard = []
    for _ in range(round(seconds / 10.0)):
        await clock.advance(10.0)
        heard += listener.heard()
    return heard


class LateClock(ManualClock):
    """One whose sleepers are woken late."""

    late_s = 0.0

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + self.late_s)


async def run_of(job: Job) -> None:
    await job.run()


async def test_it_is_ready_when_its_loops_run_and_fed_at_a_third_of_its_time(
    clock: ManualClock, listener: Listener
) -> None:
    """With a line about how it does; the store is given something to write each time."""
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    async with rig.running():
        assert listener.heard() == [["READY=1", "STATUS=all is well"], [FED, "STATUS=all is well"]]
        await clock.advance(WITHIN_S / 3 - 0.1)
        assert listener.heard() == []
        await clock.advance(0.1)
        assert listener.heard() == [[FED, "STATUS=all is well"]]
        await clock.advance(WITHIN_S)
        assert len(listener.heard()) == 3
        assert rig.proofs == 5
        rig.watchdog.stopping()
    assert listener.heard() == [["STOPPING=1", "STATUS=stopping"]]
    view = rig.watchdog.view()
    assert view is not None
    assert (view.within_s, view.fed, view.last_ms, view.standing) == (WITHIN_S, 5, clock.wall_ms(), ())


async def test_a_loop_that_stands_still_is_named_once_and_nothing_is_fed(
    clock: ManualClock, listener: Listener
) -> None:
    """Until it moves again, should it do so before systemd has lost its patience."""
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    with capture_logs() as logs:
        async with rig.running():
            listener.heard()
            rig.beat.back(clock.mono_s())
            heard = await heard_while(clock, listener, PATIENCE_S + WITHIN_S / 3)
            assert [FED in words for words in heard] == [True, True, True, False]
            heard = await heard_while(clock, listener, 600.0)
            assert {tuple(words) for words in heard} == {("STATUS=standing still: loop",)}
            view = rig.watchdog.view()
            assert view is not None
            assert view.standing == ("loop",)
            rig.beat.rest()
            await clock.advance(WITHIN_S / 3)
            assert listener.heard() == [[FED, "STATUS=all is well"]]
    assert [(entry["event"], entry["loops"]) for entry in logs] == [
        ("watchdog.standing", ("loop",)), ("watchdog.moving", ("loop",))
    ]  # fmt: skip


@pytest.mark.parametrize(("late_s", "fed"), [(PATIENCE_S, True), (LATE_S, False)])
async def test_a_process_that_was_not_run_for_a_while_blames_no_loop(
    listener: Listener, late_s: float, *, fed: bool
) -> None:
    """All of them are late then, and each gets its turn before it is judged."""
    clock = LateClock()
    clock.late_s = late_s
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    async with rig.running():
        rig.beat.back(clock.mono_s() - PATIENCE_S)
        listener.heard()
        await clock.advance(WITHIN_S / 3 + late_s)
        assert [FED in words for words in listener.heard()] == [fed]


async def test_a_process_that_is_woken_late_each_time_still_finds_what_stands(listener: Listener) -> None:
    """How long it stood still itself the last time is not held against them."""
    clock = LateClock()
    clock.late_s = LATE_S + 1.0
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    round_s = WITHIN_S / 3 + clock.late_s
    async with rig.running():
        rig.beat.back(clock.mono_s())
        with capture_logs() as logs:
            for _ in range(3):
                await clock.advance(round_s)
            assert [entry["event"] for entry in logs] == []
            await clock.advance(round_s)
        assert [entry["event"] for entry in logs] == ["watchdog.standing"]
        clock.late_s = 100 * PATIENCE_S
        rig.beat.rest()
        with capture_logs() as logs:
            await clock.advance(round_s)
            assert [entry["event"] for entry in logs] == ["watchdog.moving"]
            rig.beat.back(clock.mono_s())
            await clock.advance(WITHIN_S / 3 + clock.late_s)
        assert [entry["event"] for entry in logs] == ["watchdog.moving"]


async def test_until_it_is_ready_it_says_what_it_waits_for_and_lives(
    clock: ManualClock, listener: Listener
) -> None:
    """A start may take its time; each change is told at once, and that it is over within a moment."""
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    rig.watchdog.opening()
    assert listener.heard() == [["EXTEND_TIMEOUT_USEC=900000000", "STATUS=starting: opens its databases"]]
    rig.waits = "2 symbols"
    more = "EXTEND_TIMEOUT_USEC=90000000"
    async with rig.running():
        waiting = "STATUS=starting: waits for 2 symbols"
        assert listener.heard() == [[more, waiting], [FED, waiting]]
        await clock.advance(WITHIN_S / 3)
        assert listener.heard() == [[FED, waiting]]
        rig.waits = "1 symbol"
        await clock.advance(STARTING_S)
        assert listener.heard() == [[more, "STATUS=starting: waits for 1 symbol"]]
        rig.waits = ""
        await clock.advance(STARTING_S)
        assert listener.heard() == [["READY=1", "STATUS=all is well"]]
        rig.waits = "9 symbols"  # of a start that is over there is nothing to say
        await clock.advance(WITHIN_S)
        assert {tuple(words) for words in listener.heard()} == {(FED, "STATUS=all is well")}
    assert START_ENDS_S < WAIT_FOR_START_S  # so much longer a start may take than systemd gives it


async def test_nothing_is_told_once_it_stops(clock: ManualClock, listener: Listener) -> None:
    """Neither that it is ready, though it may be just then, nor that it lives, nor a second time that it stops."""
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    rig.waits = "1 symbol"
    async with rig.running():
        listener.heard()
        rig.watchdog.stopping()
        rig.waits = ""
        await clock.advance(WITHIN_S)
        rig.watchdog.reloading()
        rig.watchdog.reloaded()
        rig.watchdog.stopping()
    assert listener.heard() == [["STOPPING=1", "STATUS=stopping"]]


async def test_a_reload_is_told_as_a_pair_with_when_it_began(clock: ManualClock, listener: Listener) -> None:
    """Only of a service that is ready: before that READY would be taken for the end of its start."""
    rig = Rig(clock, Systemd(listener.address, WITHIN_S))
    rig.waits = "1 symbol"
    async with rig.running():
        listener.heard()
        rig.watchdog.reloading()
        rig.watchdog.reloaded()
        assert listener.heard() == []
        rig.waits = ""
        await clock.advance(STARTING_S)
        listener.heard()
        rig.watchdog.reloading()
        rig.watchdog.reloaded()
        began = f"MONOTONIC_USEC={round(clock.mono_s() * 1e6)}"
        assert listener.heard() == [
            ["RELOADING=1", began, "STATUS=reloading"], ["READY=1", "STATUS=all is well"]
        ]  # fmt: skip


async def test_that_it_is_ready_is_said_until_it_was_heard(clock: ManualClock, listener: Listener) -> None:
    """Whoever starts many services at once may not take another word just then."""
    systemd = Systemd(listener.address, WITHIN_S)
    with capture_logs():
        while systemd.tell("STATUS=another"):
            pass
        async with Rig(clock, systemd).running():
            listener.heard()
            await clock.advance(WITHIN_S)
    assert [words[0] for words in listener.heard()] == ["READY=1", FED, FED, FED]


async def test_one_that_only_wants_to_know_when_it_is_ready_is_not_fed(
    clock: ManualClock, listener: Listener
) -> None:
    """It gets its line now and then."""
    rig = Rig(clock, Systemd(listener.address))
    async with rig.running():
        await clock.advance(60.0)
        heard = listener.heard()
    assert heard[0][0] == "READY=1"
    assert len(heard) == 5
    assert not any(FED in words for words in heard)


def test_without_anybody_to_tell_nothing_is_done(clock: ManualClock) -> None:
    """No job, no view, no word at the end."""
    rig = Rig(clock, None)
    assert rig.watchdog.jobs() == ()
    rig.watchdog.stopping()
    assert rig.watchdog.view() is None


async def test_what_ends_the_process_is_held_back_while_loops_come_round(clock: ManualClock) -> None:
    """As systemd is: at a third of its time, with proof of the store, and not while a loop stands still."""
    dead_man = HeldDeadMan(WITHIN_S)
    rig = Rig(clock, None, dead_man)
    async with rig.running():
        assert dead_man.heard() == [WITHIN_S]
        await clock.advance(WITHIN_S / 3 - 0.1)
        assert dead_man.heard() == []
        await clock.advance(0.1)
        assert (dead_man.heard(), rig.proofs) == ([WITHIN_S], 2)
        view = rig.watchdog.view()
        assert view is not None
        assert (view.within_s, view.ends_s, view.fed, view.standing) == (None, WITHIN_S, 2, ())
        rig.beat.back(clock.mono_s() - PATIENCE_S)
        with capture_logs() as logs:
            await clock.advance(WITHIN_S)
        assert dead_man.heard() == []
        assert [entry["loops"] for entry in logs] == [("loop",)]
        rig.beat.rest()
        await clock.advance(WITHIN_S / 3)
        assert dead_man.heard() == [WITHIN_S]


async def test_what_ends_the_process_waits_for_databases_and_for_a_stop(clock: ManualClock) -> None:
    """Each gets a time of its own, which begins once; a stop is not put off by signs of life."""
    dead_man = HeldDeadMan(WITHIN_S)
    rig = Rig(clock, None, dead_man)
    rig.watchdog.opening()
    assert dead_man.heard() == [OPENING_WITHIN_S]
    async with rig.running():
        dead_man.heard()
        rig.watchdog.reloading()
        rig.watchdog.reloaded()
        assert dead_man.heard() == []
        rig.watchdog.stopping()
        await clock.advance(WITHIN_S)
        rig.watchdog.stopping()
    assert dead_man.heard() == [STOPPING_WITHIN_S]


async def test_what_ends_the_process_is_started_again_once_there_is_a_thread_for_it(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That there is none is said once, is no reason to end a service that is well, and leaves its stop alone."""
    threads = ShortOfThreads(monkeypatch)
    rig = Rig(clock, None, DeadMan(WITHIN_S))
    with capture_logs() as logs:
        rig.watchdog.opening()
        async with rig.running():
            await clock.advance(WITHIN_S)
            assert threads.take() is None
            view = rig.watchdog.view()
            assert view is not None
            assert (view.ends_s, view.fed) == (None, 4)
            threads.left = True
            await clock.advance(WITHIN_S / 3)
            assert threads.take() == WITHIN_S
            threads.left = False
            rig.watchdog.stopping()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("watchdog.unarmed", "error"), ("watchdog.armed", "info"), ("watchdog.unarmed", "error")
    ]  # fmt: skip


async def test_what_could_not_be_started_is_also_while_a_loop_stands_still(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: from then on it is not held back."""
    threads = ShortOfThreads(monkeypatch)
    rig = Rig(clock, None, DeadMan(WITHIN_S))
    async with rig.running():
        rig.beat.back(clock.mono_s() - PATIENCE_S)
        with capture_logs():
            await clock.advance(WITHIN_S / 3)
            threads.left = True
            await clock.advance(WITHIN_S / 3)
            assert threads.take() == WITHIN_S
            await clock.advance(WITHIN_S)
    assert threads.take() is None


async def test_whoever_is_less_patient_says_how_often_it_is_fed(clock: ManualClock, listener: Listener) -> None:
    """Systemd and what ends the process hear the same; that one hears nothing is no matter of the other's."""
    dead_man = HeldDeadMan(WITHIN_S / 2)
    async with Rig(clock, Systemd(listener.address, WITHIN_S), dead_man).running():
        listener.heard()
        await clock.advance(WITHIN_S / 6)
        assert listener.heard() == [[FED, "STATUS=all is well"]]
        assert dead_man.heard() == [WITHIN_S / 2] * 2
        listener.close()
        with capture_logs():
            await clock.advance(WITHIN_S / 6)
        assert dead_man.heard() == [WITHIN_S / 2]


# The whole service


class Life:
    """A daemon on a clock of the test's, with a feed whose exchange is not there."""

    def __init__(
        self, folder: Path, clock: ManualClock, listener: Listener, channel: FakeChannel,
        dead_man: DeadMan | None = None,
    ) -> None:  # fmt: skip
        self.clock = clock
        self.listener = listener
        self.channel = channel
        plan = Plan(
            settings=EngineSettings(channels=(ChannelRule("tg"),), accounts=("main",)),
            accounts=(account(isolated()),),
            tables=(table(),),
            channels=(channel,),
            state_dir=folder,
            history_path=folder / "history.db",
            history=HistorySettings(flush_s=5.0),
            systemd=Systemd(listener.address, WITHIN_S),
            dead_man=dead_man,
        )
        self.daemon = Daemon(plan, self._sources, clock, random.Random(7))  # noqa: S311 - jitter

    def _sources(self, inbox: Inbox) -> Sources:
        feed = MarkFeed(
            "usdm", (), ["ws://127.0.0.1:9/market"], inbox=inbox, clock=self.clock,
            rng=random.Random(7), timings=Timings(check_every_s=5.0),  # noqa: S311 - jitter
        )  # fmt: skip
        return Sources({Market.USDM: feed})

    async def until_ready(self) -> tuple[float, list[str]]:
        """Return after how many seconds it was ready, and what it said meanwhile."""
        begun_s, said = self.clock.mono_s(), []
        while self.clock.mono_s() < begun_s + 300.0:
            for words in self.listener.heard():
                said += [word for word in words if word not in said]
                if "READY=1" in words:
                    return self.clock.mono_s() - begun_s, said
            await self.clock.advance(0.2)
        return math.inf, said

    def hang(self, name: str) -> None:
        """Have the job of this name stand still instead of doing its work."""
        real = self.daemon._running._keep_up

        async def keep_up(job: Job, *, needed: bool) -> None:
            if job.name == name:
                await asyncio.Event().wait()
            await real(job, needed=needed)

        self.daemon._running._keep_up = keep_up  # type: ignore[method-assign]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self.daemon.run())
            heard: list[list[str]] = []

            def watched() -> bool:
                heard.extend(self.listener.heard())
                return any(FED in words for words in heard)

            await until(watched)
            try:
                yield
            finally:
                self.daemon.stop()
                await asyncio.wait([task])

    async def advance(self, seconds: float) -> int:
        """Let time pass; return how often the watchdog was fed."""
        heard = self.listener.heard() if not seconds else await heard_while(self.clock, self.listener, seconds)
        return sum(FED in words for words in heard)


@pytest.fixture
def life(tmp_path: Path, clock: ManualClock, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Life:
    for name in ("DRAIN_INPUT_S", "DRAIN_COMMIT_S", "DRAIN_SEND_S", "DRAIN_HISTORY_S"):
        monkeypatch.setattr(app, name, 0.02)

    async def written(*_given: object) -> None:
        """Stand in for the disk: its threads know nothing of the test's clock, and would seem to take minutes."""

    life = Life(tmp_path / "s", clock, listener, FakeChannel())
    for name in ("commit", "accepted", "attempted", "refused"):
        monkeypatch.setattr(life.daemon._store, name, written)
    for name in ("_flush", "_prune"):
        monkeypatch.setattr(life.daemon._history, name, written)
    return life


@pytest.mark.parametrize("silent", [None, "decide", "feed-usdm-a", "feed-usdm-watch", "heartbeat"])
async def test_a_start_ends_whatever_does_not_answer(life: Life, silent: str | None) -> None:
    """The exchange is not there and an account never answers, or a loop hangs besides."""
    plan = life.daemon._switch.plan
    life.daemon._switch.plan = plan._replace(
        settings=msgspec.structs.replace(plan.settings, accounts=("main", "lost"))
    )
    if silent is not None:
        life.hang(silent)
    async with life.running():
        after_s, said = await life.until_ready()
        assert after_s <= FreshnessRules().blind_after_s + 2.0
        wanted = {MARKS: ("BTCUSDT",), UNKNOWN: ("lost",)}
        if silent is None:
            assert "STATUS=starting: waits for 1 account and 1 symbol" in said
            assert dict(life.daemon.readiness().troubles) == wanted
        assert not life.daemon.readiness().ok


# With what patience; a feed's connections are called by their watch.
HANGING = {
    "decide": PATIENCE_S, "heartbeat": PATIENCE_S + 1.0, "commit": PATIENCE_S, "history": 300.0,
    "notify.tg": PATIENCE_S, "feed-usdm-a": 60.0, "feed-usdm-watch": PATIENCE_S,
}  # fmt: skip


@pytest.mark.parametrize("name", HANGING)
async def test_with_any_loop_hung_nothing_is_fed(life: Life, name: str) -> None:
    """And it is named, so that somebody knows why the service was started anew."""
    life.hang(name)
    with capture_logs() as logs:
        async with life.running():
            await life.advance(HANGING[name] + WITHIN_S / 3)
            assert await life.advance(2 * WITHIN_S) == 0
            (stands,) = dict(life.daemon.health().troubles)[STANDING]
            assert life.daemon.status().standing == (stands,)
    named = {loop for entry in logs if entry["event"] == "watchdog.standing" for loop in entry["loops"]}
    assert named == {stands} == {"decide" if name == "heartbeat" else name}


async def forever(*_given: object) -> None:
    await asyncio.Event().wait()


def hang_send(life: Life) -> None:
    life.channel.hold()


def hang_write(life: Life) -> None:
    life.daemon._history._flush = forever  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("break_it", "loop", "after_s"), [(hang_send, "notify.tg", 150.0), (hang_write, "history", 340.0)]
)
async def test_a_loop_that_hangs_in_the_middle_of_its_work_is_not_excused(
    life: Life, break_it: Callable[[Life], None], loop: str, after_s: float
) -> None:
    """A message that is sent for ever, a batch that is written for ever: the marks that do not come are told."""
    break_it(life)
    with capture_logs() as logs:
        async with life.running():
            await life.advance(after_s)
            assert await life.advance(2 * WITHIN_S) == 0
    named = {loop for entry in logs if entry["event"] == "watchdog.standing" for loop in entry["loops"]}
    assert named == {loop}


async def test_a_silent_exchange_full_disks_and_deaf_channels_are_no_hang(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once and for an hour: people are told, as far as they can be, and nothing is started anew."""
    life.channel.script = [DeliveryError("tg", "refused")] * 10_000
    monkeypatch.setattr(app, "HEARTBEAT_S", 5.0)  # an hour of them

    async def failing(*_given: object) -> None:
        raise StoreError("x.db", "write", "the disk is full")

    async with life.running():
        monkeypatch.setattr(life.daemon._store, "commit", failing)
        monkeypatch.setattr(life.daemon._store, "attempted", failing)
        monkeypatch.setattr(life.daemon._history, "_flush", failing)
        await life.advance(0.0)
        assert await life.advance(3600.0) == 3600.0 / (WITHIN_S / 3)
        assert len(life.channel.tried) > 5
        status = msgspec.to_builtins(life.daemon.status())
    assert "state" in status["unwritable"]
    assert status["engine"]["symbols"][0]["data"] == "blind"
    assert status["watchdog"]["standing"] == ()


async def test_a_service_that_is_short_of_threads_goes_on_and_drains(
    tmp_path: Path, clock: ManualClock, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it cannot start anew what would end it once it stands still; that is all that is lost."""
    ShortOfThreads(monkeypatch)
    life = Life(tmp_path / "s", clock, listener, FakeChannel(), DeadMan(WITHIN_S))
    with capture_logs() as logs:
        async with life.running():
            assert await life.advance(2 * WITHIN_S) > 0
    told = [entry["event"] for entry in logs]
    assert "job.died" not in told
    assert told.count("watchdog.unarmed") == 1
    assert told[-1] == "daemon.stopped"
