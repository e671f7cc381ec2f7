"""Parts that die: nothing is lost with them, and one that keeps dying is told before the service ends."""

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor import app
from monitor.app import Daemon
from monitor.core.events import Heartbeat, StoreState, Subscribed
from monitor.core.model import Market, MarkTick
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.plan import Plan, Sources
from monitor.ports import Inbox, Job
from monitor.storage.history import HistorySettings
from monitor.storage.state import StateReader
from monitor.supervise import DEATHS_ALLOWED, JobGaveUpError
from monitor.system_clock import SystemClock
from tests.conftest import ManualClock
from tests.core.builders import BTC, account, isolated, table
from tests.notify.fakes import FakeChannel
from tests.test_app import PATIENCE_S, Service, exchange, settings_of


class DialFeed:
    """Shows one mark each second."""

    def __init__(self, inbox: Inbox, clock: ManualClock) -> None:
        self._inbox = inbox
        self._clock = clock
        self.mark = 100.0

    def jobs(self) -> Sequence[Job]:
        return [Job("feed", self._run)]

    def set_symbols(self, symbols: Iterable[str]) -> None:
        return

    def stats(self) -> object:
        return None

    async def _run(self) -> None:
        self._inbox.post(Subscribed("feed", (BTC,), self._clock.mono_s()))
        while True:
            self._inbox.tick(MarkTick(BTC, self.mark, self._clock.wall_ms(), self._clock.mono_s()))
            await self._clock.sleep(1.0)


class Life:
    """A daemon on the test's clock, with two channels."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.clock = clock
        self.folder = folder
        self.channels = (FakeChannel("tg"), FakeChannel("mail"))
        plan = Plan(
            settings=EngineSettings(channels=(ChannelRule("tg"), ChannelRule("mail")), accounts=("main",)),
            accounts=(account(isolated()),),
            tables=(table(),),
            channels=self.channels,
            state_dir=folder,
            history_path=folder / "history.db",
            history=HistorySettings(),
        )
        self.feeds: list[DialFeed] = []
        self.daemon = Daemon(plan, self._sources, clock, random.Random(7))  # noqa: S311 - jitter

    def _sources(self, inbox: Inbox) -> Sources:
        self.feeds.append(DialFeed(inbox, self.clock))
        return Sources({Market.USDM: self.feeds[0]})

    def replace(self, name: str, run: Callable[[Job], Callable[[], Awaitable[None]]]) -> None:
        """Have another coroutine run in place of the job of this name."""
        real = self.daemon._running._keep_up

        async def keep_up(job: Job, *, needed: bool) -> None:
            await real(job._replace(run=run(job)) if job.name == name else job, needed=needed)

        self.daemon._running._keep_up = keep_up  # type: ignore[method-assign]

    async def outcome(self) -> JobGaveUpError | None:
        """Run the daemon to its end; return what it ended with."""
        try:
            await self.daemon.run()
        except JobGaveUpError as error:
            return error
        return None

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until the condition holds; databases work in threads of their own."""
        real = SystemClock()
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                # Its deadlines are of this time: a drain gets as much of it as disks need.
                await self.clock.advance(0.005 if self.daemon._stop.is_set() else 0.5)
                await real.sleep(0.001)


@pytest.fixture
def life(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    for name in ("DRAIN_INPUT_S", "DRAIN_COMMIT_S", "DRAIN_SEND_S", "DRAIN_HISTORY_S"):
        monkeypatch.setattr(app, name, 4.0)  # of this clock: a second or two of the machine's, for slow disks
    with capture_logs():  # printing tracebacks takes longer than all else
        yield Life(tmp_path / "s", clock)


def dies(_job: Job) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        raise RuntimeError

    return run


@pytest.mark.parametrize("name", ["feed", "decide", "commit", "notify.tg"])
async def test_a_part_that_keeps_dying_is_told_before_the_service_ends(life: Life, name: str) -> None:
    """Whichever it is, also one that the drain itself needs: the rest does its work, in bounded time."""
    life.replace(name, dies)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(life.outcome())
        await life.until(task.done)
    error = task.result()
    assert error is not None
    assert (error.job, error.deaths) == (name, DEATHS_ALLOWED + 1)
    assert any(f"part '{name}' keeps failing" in text for text in life.channels[1].texts)
    assert all(channel.closed for channel in life.channels)
    assert life.daemon.status().job_deaths == {name: DEATHS_ALLOWED + 1}
    if name != "commit":
        with StateReader(life.folder / "state.db") as reader:
            rows = [row for row in reader.alerts(20) if row.channel == "mail"]
        assert {row.state for row in rows} <= {"accepted", "superseded"}


@pytest.mark.parametrize("name", ["commit", "notify.tg"])
async def test_a_part_that_was_given_up_runs_once_more_for_the_drain(life: Life, name: str) -> None:
    """It may work this time: what it holds is written, or sent, before the service ends."""
    runs: list[int] = []

    def late(job: Job) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            runs.append(1)
            if len(runs) <= DEATHS_ALLOWED + 1:
                raise RuntimeError
            await job.run()

        return run

    life.replace(name, late)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(life.outcome())
        await life.until(task.done)
    assert len(runs) == DEATHS_ALLOWED + 2
    assert any(f"part '{name}' keeps failing" in text for text in life.channels[0].texts)
    with StateReader(life.folder / "state.db") as reader:
        assert f"/job:{name}" in {subject.subject for subject in reader.subjects()}


def once(owner: Any, name: str, kind: type | None = None) -> None:  # noqa: ANN401 - any part
    """Have one call of a method fail: the first, or the first that is given an event of this kind."""
    real = getattr(owner, name)
    left = [RuntimeError]

    def called(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever it takes
        if left and (kind is None or isinstance(given[0], kind)):
            raise left.pop()
        return real(*given, **named)

    setattr(owner, name, called)


FAULTS: dict[str, Callable[[Daemon], None]] = {
    "decide": lambda daemon: once(daemon._engine, "step", Heartbeat),
    "commit": lambda daemon: once(daemon._store, "commit"),
    "commit, joining": lambda daemon: once(daemon._committer, "_joined"),
    "commit, handing over": lambda daemon: once(daemon._delivery, "offer"),
    "notify.tg": lambda daemon: once(daemon._delivery._lanes["tg"], "_rendered"),
    "history": lambda daemon: once(daemon._history, "_write"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_part_that_dies_once_loses_nothing(life: Life, fault: str) -> None:
    """It dies while an alert passes through it: the alert arrives on both channels all the same."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(life.outcome())
        await life.until(lambda: life.daemon.ticks > 2 and life.daemon.status().commits > 0)
        FAULTS[fault](life.daemon)
        life.feeds[0].mark = 91.0
        for word in ("EMERGENCY", "failed (RuntimeError) and was started again"):
            for channel in life.channels:
                await life.until(lambda c=channel, w=word: any(w in text for text in c.texts))  # type: ignore[misc]
        life.daemon.stop()
        await life.until(task.done)
    assert task.result() is None
    assert list(life.daemon.status().job_deaths.values()) == [1]
    with StateReader(life.folder / "state.db") as reader:
        states = {subject.subject: subject.told for subject in reader.subjects()}
    told = states["main/isolated:BTCUSDT:LONG"]
    assert {name: one.delivered for name, one in told.items()} == {"tg": True, "mail": True}


async def test_an_event_that_fails_takes_no_other_of_its_batch_along(life: Life) -> None:
    """Those behind it are taken in the same round, and what it had decided leaves with the next one."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(life.outcome())
        await life.until(lambda: life.daemon.ticks > 2)
        once(life.daemon._engine, "step", StoreState)
        life.daemon._inbox.post(StoreState("history", ok=True))
        life.daemon._inbox.post(StoreState("state", ok=False, reason="locked"))
        await life.until(lambda: not life.daemon.status().state_ok)
        await life.until(lambda: any("STORAGE" in text for text in life.channels[0].texts))
        life.daemon.stop()
        await life.until(task.done)
    assert life.daemon.status().job_deaths == {"decide": 1}


CHILD = """
import sys
from monitor import __main__
from monitor.binance.streams import MarkFeed

async def broken(self):
    raise TypeError("a text that holds a secret")

MarkFeed._watch = broken
from monitor import supervise
supervise.PAUSES_S = (0.01,)
sys.argv = ["position-monitor", "run", "--config", {config!r}]
__main__.main()
"""


async def test_a_process_with_a_part_that_keeps_dying_ends_with_one(tmp_path: Path) -> None:
    """So that whoever supervises it starts another; people were told, and no text of an error left it."""
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            received.append(await reader.readexactly(length))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / "url").touch(mode=0o600)
    (tmp_path / "url").write_text(f"json://127.0.0.1:{port}/x", encoding="utf-8")
    async with exchange() as market, server:
        text = market.config(tmp_path / "s")
        settings_of(text)
        config = tmp_path / "config.toml"
        config.write_text(text, encoding="utf-8")
        with (tmp_path / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD.format(config=str(config)),
                stdout=asyncio.subprocess.DEVNULL, stderr=log, env=os.environ,
            )  # fmt: skip
        assert await Service(process).ends() == 1
    told = b"".join(received).decode()
    assert "SERVICE ENDS - part 'feed-" in told
    assert "secret" not in told
    assert "daemon.stopped" in (tmp_path / "log").read_text(encoding="utf-8")
