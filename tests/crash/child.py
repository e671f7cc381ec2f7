"""One life of the daemon: a real one, on real files, until the incident is over or it is killed."""

import asyncio
import json
import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from monitor.app import Daemon
from monitor.core.events import Snapshot, Subscribed
from monitor.core.model import Market, MarkTick
from monitor.core.notices import Notice
from monitor.errors import DeliveryError
from monitor.plan import Plan, Sources
from monitor.ports import Inbox, Job, Message, Step
from monitor.storage.history import HistorySettings
from tests.crash.incident import (
    LEAST,
    MAIL,
    SAFE,
    SCRIPT,
    SETTINGS,
    SUBJECTS,
    TABLES,
    FastClock,
    Place,
    Show,
    account,
)

GIVE_UP_S: Final = 6000.0  # on the fast clock: a step that takes longer is a fault, which the counts will show


class Life(NamedTuple):
    """What one process is to do."""

    directory: Path
    number: int  # of this process among those of its case, from 0
    began_s: float  # of the case, on the machine's monotonic clock
    seed: int
    kill_at: tuple[Step, int] | None = None  # the n-th time, from 1, that any notice takes this step


class Doors:
    """What leaves the process: each accepted message is written down outside before the service answers."""

    def __init__(self, life: Life) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._descriptor = os.open(life.directory / "accepted", flags, 0o600)
        self._life = life
        self.under_way: dict[str, list[Notice]] = {}

    def accept(self, channel: str, message: Message) -> None:
        for notice in self.under_way[channel]:
            row = {
                "life": self._life.number, "channel": channel, "key": notice.key, "subject": notice.subject,
                "kind": notice.kind.value, "level": int(notice.level), "number": notice.number,
                "title": message.title,
            }  # fmt: skip
            # On a line of its own even after a process that was killed in the middle of one.
            os.write(self._descriptor, b"\n" + json.dumps(row).encode() + b"\n")


class ServiceChannel:
    """A service that takes its time before and after it accepts; ``flaky`` ones fail every third time."""

    format = "text"
    takes_files = False

    def __init__(self, name: str, doors: Doors, clock: FastClock, rng: Random, *, flaky: bool) -> None:
        self.name = name
        self._doors = doors
        self._clock = clock
        self._rng = rng
        self._flaky = flaky
        self._calls = 0

    async def send(self, message: Message) -> None:
        self._calls += 1
        await self._clock.sleep(self._rng.uniform(0.1, 3.0))
        if self._flaky and self._calls % 3 == 1:
            raise DeliveryError(self.name, "http-503")
        self._doors.accept(self.name, message)
        await self._clock.sleep(self._rng.uniform(0.1, 3.0))

    def close(self) -> None:
        return


class ScriptFeed:
    """Shows the marks of the script, from where an earlier life left it, and stops the daemon at its end."""

    def __init__(self, inbox: Inbox, clock: FastClock, place: Place) -> None:
        self._inbox = inbox
        self._clock = clock
        self._place = place
        self.daemon: Daemon | None = None

    def jobs(self) -> Sequence[Job]:
        return [Job("script", self._run)]

    def set_symbols(self, symbols: Iterable[str]) -> None:
        return

    def stats(self) -> object:
        return None

    async def _run(self) -> None:
        assert self.daemon is not None
        self._inbox.post(Subscribed("script", tuple(SUBJECTS), self._clock.mono_s()))
        for index in range(self._place.reached(), len(SCRIPT)):
            self._place.begin(index)
            await self._show(index)
        self.daemon.stop()

    async def _show(self, index: int) -> None:
        show = SCRIPT[index]
        if show.marks().keys() != SCRIPT[max(0, index - 1)].marks().keys():
            self._inbox.post(Snapshot(account(show)))
        began_s = self._clock.mono_s()
        while (elapsed_s := self._clock.mono_s() - began_s) < GIVE_UP_S:
            for symbol, mark in show.marks().items():
                self._inbox.tick(MarkTick(symbol, mark, self._clock.wall_ms(), self._clock.mono_s()))
            await self._clock.sleep(1.0)
            if elapsed_s >= show.hold_s and (not show.settled or await self._settled(show)):
                return

    async def _settled(self, show: Show) -> bool:
        """Return whether what is safe is known to be, and all that was decided is committed and delivered."""
        assert self.daemon is not None
        safe = {SUBJECTS[symbol] for symbol, mark in show.marks().items() if mark == SAFE}
        views = self.daemon.status().engine.wallets
        if any(view.level != "ok" for view in views if f"{view.account}/{view.wallet}" in safe):
            return False
        await self.daemon._committer.flushed()
        return not any(channel.pending for channel in self.daemon._delivery.stats())


class Steps:
    """Counts the steps of all notices, tells the channels what is in their messages, and dies where it is told."""

    def __init__(self, life: Life, doors: Doors) -> None:
        self._life = life
        self._doors = doors
        self.counts: dict[Step, int] = dict.fromkeys(Step, 0)

    def __call__(self, step: Step, notices: Sequence[Notice]) -> None:
        self.counts[step] += 1
        if step is Step.SENDING:
            self._doors.under_way[notices[0].channel] = list(notices)
        if self._life.kill_at == (step, self.counts[step]):
            os.kill(os.getpid(), signal.SIGKILL)


def live(life: Life) -> None:
    """Run the daemon until the script is over; leaves how often each step was taken in the file ``steps``."""
    clock = FastClock(life.began_s)
    rng = Random(f"{life.seed}/{life.number}")  # noqa: S311 - spreads delays, guards nothing
    doors = Doors(life)
    steps = Steps(life, doors)
    feeds: list[ScriptFeed] = []

    place = Place(life.directory / "place")

    def sources(inbox: Inbox) -> Sources:
        feeds.append(ScriptFeed(inbox, clock, place))
        return Sources({Market.USDM: feeds[0]})

    plan = Plan(
        settings=SETTINGS,
        accounts=(account(SCRIPT[place.reached()]),),
        tables=TABLES,
        channels=tuple(ServiceChannel(name, doors, clock, rng, flaky=name == MAIL) for name in LEAST),
        state_dir=life.directory,
        history_path=life.directory / "history.db",
        history=HistorySettings(),
    )
    daemon = Daemon(plan, sources, clock, rng, probe=steps)
    feeds[0].daemon = daemon
    asyncio.run(daemon.run())
    with suppress(OSError):
        (life.directory / "steps").write_text(json.dumps(steps.counts))
