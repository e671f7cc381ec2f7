"""One reload at a time, all of it or nothing, and whoever asked hears of it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor import reloading
from monitor.config_difference import Difference
from monitor.errors import ConfigError, ControlError, MonitorError, Problem
from monitor.plan import Renewal
from monitor.reloading import SAID, WORDS_CHARS, Reloads
from monitor.sd_notify import Systemd, status_line
from monitor.supervise import supervise
from monitor.watchdog import Watchdog
from tests.conftest import ManualClock, settle
from tests.reloaded import until

BAD = ConfigError("c.toml", [Problem("log.level", "3", "a level")])


def renewal(*words: str) -> Renewal:
    none: frozenset[str] = frozenset()
    plan: Any = None
    return Renewal(plan, Difference(words, none, none, none, none), {}, (), lambda: None, lambda: None)


class Told(Systemd):
    """Remembers what systemd would hear."""

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.words: list[str] = []

    def tell(self, *words: str) -> bool:
        self.words.extend(word for word in words if not word.startswith(("STATUS", "MONOTONIC")))
        return True


class Desk:
    """Reloads whose file is what a test says."""

    def __init__(self, clock: ManualClock, renew: Callable[[], Renewal] | None) -> None:
        self.switched: list[Renewal] = []
        self.said: tuple[str, ...] = ()  # by the switch
        self.gave_up: list[MonitorError] = []
        self.settled = 0
        self.fail: Exception | None = None  # what the switch fails with
        self.systemd = Told()
        watchdog = Watchdog(self.systemd, clock, beats=dict, prove=lambda: None, brief=lambda: "fine")
        watchdog._ready = True
        self.reloads = Reloads(
            renew, "/etc/c.toml", switch=self._switch, gave_up=self.gave_up.append, settle=self._settle,
            watchdog=watchdog, clock=clock,
        )  # fmt: skip
        self.clock = clock

    def _switch(self, renewal: Renewal) -> tuple[str, ...]:
        if self.fail is not None:
            raise self.fail
        self.switched.append(renewal)
        return self.said

    async def _settle(self) -> None:
        self.settled += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(supervise(job, self.clock)()) for job in self.reloads.jobs()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()


async def test_what_was_read_is_switched_to_and_told(clock: ManualClock) -> None:
    """To who asked, to systemd, to the log and to the status."""
    desk = Desk(clock, lambda: renewal("account b: added"))
    with capture_logs() as logs:
        async with desk.running():
            answer = await desk.reloads.ask({})
    assert (answer.taken, answer.changed, len(desk.switched)) == (True, ("account b: added",), 1)
    assert desk.systemd.words == ["RELOADING=1", "READY=1"]
    assert [one["event"] for one in logs] == ["config.reloaded"]
    assert (desk.reloads.view().reloads, desk.reloads.words()) == (1, "")


async def test_what_cannot_be_used_switches_nothing(clock: ManualClock) -> None:
    """READY all the same: the service goes on with what it has."""

    def renew() -> Renewal:
        raise BAD

    desk = Desk(clock, renew)
    async with desk.running():
        answer = await desk.reloads.ask({})
    assert (answer.taken, [one.path for one in answer.problems], desk.switched) == (False, ["log.level"], [])
    assert desk.systemd.words == ["RELOADING=1", "READY=1"]
    assert desk.reloads.words() == "reload refused: log.level: found 3; allowed: a level"


async def test_hundreds_of_mistakes_are_answered_all_and_logged_some(clock: ManualClock) -> None:
    """A log line and a status are read by people."""

    def renew() -> Renewal:
        raise ConfigError("c.toml", [Problem(f"a[{number}]", "x", "y") for number in range(500)])

    desk = Desk(clock, renew)
    with capture_logs() as logs:
        async with desk.running():
            answer = await desk.reloads.ask({})
    assert len(answer.problems) == 500
    assert len(desk.reloads.view().problems) == SAID
    assert [(one["mistakes"], len(one["problems"])) for one in logs] == [(500, SAID)]


async def test_a_long_refusal_says_how_many_and_what_first_in_the_line_that_is_shown(clock: ManualClock) -> None:
    """Only the beginning of a line is shown, and what a mistake holds may be long."""

    def renew() -> Renewal:
        raise ConfigError("c.toml", [Problem(f"a[{number}]", "x" * 500, "y") for number in range(30)])

    desk = Desk(clock, renew)
    async with desk.running():
        await desk.reloads.ask({})
    words = desk.reloads.words()
    assert words.startswith("reload refused, the first of 30 mistakes: a[0]: found xxx")
    assert words.endswith("x...")
    assert len(words) == WORDS_CHARS
    line = status_line(f"999 symbols, 99 accounts, 999 alerts open; {words}; marks are not fresh")
    assert line.endswith("not fresh")


async def test_a_fault_of_ours_is_a_refusal_and_not_a_death(clock: ManualClock) -> None:
    """However often: a hangup in a loop would end the service otherwise. Its text is told to nobody."""

    def renew() -> Renewal:
        raise ValueError("json://user:secret@host")

    desk = Desk(clock, renew)
    with capture_logs() as logs:
        async with desk.running():
            for _ in range(10):
                assert not (await desk.reloads.ask({})).taken
    assert not [one for one in logs if one["event"] == "job.died"]
    assert "secret" not in str(logs)
    assert "ValueError" in desk.reloads.words()


async def test_those_who_ask_meanwhile_share_the_next_one(clock: ManualClock) -> None:
    """It begins after they asked, so it sees what they wrote; signals join it too."""
    begun, go = threading.Event(), threading.Event()
    count = 0

    def renew() -> Renewal:
        nonlocal count
        count += 1
        begun.set()
        assert go.wait(10.0)
        return renewal(str(count))

    desk = Desk(clock, renew)
    async with desk.running(), asyncio.TaskGroup() as group:
        first = group.create_task(desk.reloads.ask({}))
        await until(begun.is_set)
        others = [group.create_task(desk.reloads.ask({})) for _ in range(20)]
        await settle()
        for _ in range(20):
            desk.reloads.hang_up()
        go.set()
        await asyncio.wait([first, *others])
    assert first.result().changed == ("1",)
    assert {task.result().changed for task in others} == {("2",)}
    assert (count, desk.settled) == (2, 2)


async def test_whoever_goes_away_takes_no_reload_along(clock: ManualClock) -> None:
    """A command that is interrupted: what it began is finished, and the others are answered."""
    begun, go = threading.Event(), threading.Event()

    def renew() -> Renewal:
        begun.set()
        assert go.wait(10.0)
        return renewal("x")

    desk = Desk(clock, renew)
    async with desk.running(), asyncio.TaskGroup() as group:
        first = group.create_task(desk.reloads.ask({}))
        await until(begun.is_set)
        gone, stays = (group.create_task(desk.reloads.ask({})) for _ in range(2))
        await settle()
        first.cancel()
        gone.cancel()
        go.set()
        assert (await stays).taken
        assert len(desk.switched) == 2


async def test_a_stop_refuses_what_waits_and_what_comes(clock: ManualClock) -> None:
    """One under way ends without a switch; nobody waits for ever."""
    begun, go = threading.Event(), threading.Event()

    def renew() -> Renewal:
        begun.set()
        assert go.wait(10.0)
        return renewal("x")

    desk = Desk(clock, renew)
    async with asyncio.TaskGroup() as group:
        async with desk.running():
            under_way = group.create_task(desk.reloads.ask({}))
            await until(begun.is_set)
            waiting = group.create_task(desk.reloads.ask({}))
            await settle()
            desk.reloads.stop()
            with pytest.raises(ControlError, match="stopping"):
                await desk.reloads.ask({})
            desk.reloads.hang_up()
        go.set()
        await asyncio.wait([under_way, waiting])
    assert [task.result().taken for task in (under_way, waiting)] == [False, False]
    assert desk.switched == []


async def test_without_a_file_there_is_nothing_to_read(clock: ManualClock) -> None:
    """As in the demonstration; a signal does no harm."""
    desk = Desk(clock, None)
    desk.reloads.hang_up()
    assert desk.reloads.jobs() == ()
    with pytest.raises(ControlError, match="without a configuration file"):
        await desk.reloads.ask({})


@pytest.mark.parametrize("meant", ["/etc/c.toml", "/etc/x/../c.toml", "/etc//c.toml"])
async def test_the_same_file_may_be_written_in_many_ways(clock: ManualClock, meant: str) -> None:
    """What counts is the file."""
    desk = Desk(clock, renewal)
    async with desk.running():
        await desk.reloads.meant({"source": meant})


@pytest.mark.parametrize("meant", ["/etc/d.toml", "/etc/c.toml\0", ""])
async def test_another_file_is_not_read(clock: ManualClock, meant: str) -> None:
    """Nor anything else: the answer names the file that the daemon runs with."""
    desk = Desk(clock, renewal)
    async with desk.running():
        with pytest.raises(ControlError, match=r"runs with /etc/c\.toml"):
            await desk.reloads.meant({"source": meant})
    assert desk.switched == []


# What hangs, and what fails in the middle


class Hung:
    """A file on a disk that is away: reading it goes on until ``back``."""

    def __init__(self, *words: str) -> None:
        self.begun, self._back = threading.Event(), threading.Event()
        self.reads = 0
        self.dropped = 0
        self._words = words

    def __call__(self) -> Renewal:
        self.reads += 1
        self.begun.set()
        assert self._back.wait(10.0)
        return renewal(*self._words)._replace(drop=self._drop)

    def _drop(self) -> None:
        self.dropped += 1

    def back(self) -> None:
        self._back.set()


async def test_a_reading_that_hangs_is_alone_and_is_told_at_once(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread that others need is used up, and what comes late is let go of; then there may be another."""
    monkeypatch.setattr(reloading, "READ_S", 0.05)
    disk = Hung("x")
    desk = Desk(clock, disk)
    async with desk.running():
        assert "within" in (await desk.reloads.ask({})).problems[0].found
        for _ in range(20):
            assert "has not ended" in (await desk.reloads.ask({})).problems[0].found
        await until(disk.begun.is_set)
        assert disk.reads == 1
        assert not [one for one in threading.enumerate() if one.name.startswith("asyncio")]
        monkeypatch.setattr(reloading, "READ_S", 10.0)
        disk.back()
        await until(lambda: disk.dropped == 1)
        assert desk.switched == []
        assert (await desk.reloads.ask({})).taken
    assert (disk.reads, disk.dropped, len(desk.switched)) == (2, 1, 1)


async def test_nobody_s_stop_waits_for_a_reading_that_hangs(clock: ManualClock) -> None:
    """The thread is one that the end of the process does not wait for."""
    others = set(threading.enumerate())
    disk = Hung("x")
    desk = Desk(clock, disk)
    async with asyncio.TaskGroup() as group:
        async with desk.running():
            asked = group.create_task(desk.reloads.ask({}))
            await until(disk.begun.is_set)
        assert not (await asked).taken
    assert [one.daemon for one in threading.enumerate() if one.name == "apart" and one not in others] == [True]
    disk.back()
    await until(lambda: disk.dropped == 1)


async def test_commands_at_once_are_compared_one_after_the_other(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another spelling of the path waits for its turn; the same path needs none."""
    begun, go = threading.Event(), threading.Event()

    def realpath(path: str) -> str:
        begun.set()
        assert go.wait(10.0)
        return os.path.normpath(path)

    monkeypatch.setattr("os.path.realpath", realpath)
    desk = Desk(clock, renewal)
    async with desk.running(), asyncio.TaskGroup() as group:
        group.create_task(desk.reloads.meant({"source": "/etc//c.toml"}))
        await until(begun.is_set)
        other = group.create_task(desk.reloads.meant({"source": "/etc/x/../c.toml"}))
        await settle()
        assert not other.done()
        await desk.reloads.meant({"source": "/etc/c.toml"})
        go.set()


async def test_a_path_on_a_disk_that_hangs_is_compared_by_one_thread(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks is refused in bounded time, until the disk is back."""
    go = threading.Event()
    compared: list[str] = []

    def realpath(path: str) -> str:
        compared.append(path)
        assert go.wait(10.0)
        return os.path.normpath(path)

    monkeypatch.setattr("os.path.realpath", realpath)
    monkeypatch.setattr(reloading, "READ_S", 0.05)
    desk = Desk(clock, renewal)
    paths = ["/etc//c.toml", "/etc/x/../c.toml"]
    async with desk.running():
        asked = (desk.reloads.meant({"source": path}) for path in paths)
        refused = await asyncio.gather(*asked, return_exceptions=True)
        for error in refused:
            assert isinstance(error, ControlError)
            assert "cannot tell now" in str(error)
        with pytest.raises(ControlError, match="cannot tell now"):
            await desk.reloads.meant({"source": paths[1]})
        await until(lambda: bool(compared))
        assert compared == paths[:1]
        monkeypatch.setattr(reloading, "READ_S", 10.0)
        go.set()
        await until(lambda: not desk.reloads._comparing._runs)
        await desk.reloads.meant({"source": paths[1]})


async def test_what_the_switch_has_to_say_is_answered_and_logged(clock: ManualClock) -> None:
    """Behind what changed."""
    desk = Desk(clock, lambda: renewal("channel tg: taken out"))
    desk.said = ("channel tg: 1 message undelivered",)
    with capture_logs() as logs:
        async with desk.running():
            answer = await desk.reloads.ask({})
    assert answer.changed == ("channel tg: taken out", "channel tg: 1 message undelivered")
    assert [one["changed"] for one in logs if one["event"] == "config.reloaded"] == [answer.changed]


async def test_a_fault_in_the_switch_is_said_and_ends_the_service(clock: ManualClock) -> None:
    """What holds then is known to nobody: a difference from it would be one from something else."""
    desk = Desk(clock, lambda: renewal("account b: added"))
    desk.fail = ValueError("json://user:secret@host")
    with capture_logs() as logs:
        async with desk.running():
            torn = await desk.reloads.ask({})
            desk.fail = None
            again = await desk.reloads.ask({})
    for answer in (torn, again):
        assert (answer.taken, answer.torn) == (False, True)
        assert "a fault of this program in going over to it: ValueError" in answer.problems[0].found
        assert answer.problems[0].hint.startswith("the service ends, to be started anew")
    assert [str(error) for error in desk.gave_up] == [
        "a fault in going over to another configuration: ValueError; start the service anew"
    ]
    assert desk.switched == []
    assert (desk.reloads.view().refused, "ValueError" in desk.reloads.words()) == (2, True)
    assert [one["log_level"] for one in logs if one["event"] == "config.torn"] == ["critical"]
    assert not [one for one in logs if one["event"] == "job.died"]
    assert "secret" not in str(logs)
    assert desk.systemd.words == ["RELOADING=1", "READY=1"] * 2
