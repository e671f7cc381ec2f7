"""The demonstration itself: a local exchange, the daemon and who owns the accounts side by side in one loop."""

import asyncio
import contextlib
import datetime as dt
import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import structlog

from monitor import logs
from monitor.app import Daemon
from monitor.binance.account import FOLLOWING
from monitor.binance.user_stream import OPEN
from monitor.cli.common import console, counted
from monitor.cli.deeds import Deed, said
from monitor.cli.live import ALERTS_SHOWN, Delivered, Frame, LiveView, PlainLines, Watcher
from monitor.cli.owner import Owner
from monitor.cli.stage import (
    CHANNELS,
    DWELL_S,
    FOLLOWED,
    LOG_NAME,
    PACE_MINUTE_S,
    REACTION_S,
    TICK_S,
    compressed,
    scale_of,
    with_keys,
    write_config,
)
from monitor.cli.summary import Files, Summary, Worst, summarise
from monitor.cli.wiring import build_daemon
from monitor.config import Settings, load
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.emulator.scenario import DURATION_S, HELD_UNTIL_S, demo_scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import MonitorError
from monitor.notify.local import LocalChannel
from monitor.notify.numbers import span
from monitor.ports import Clock, Message
from monitor.status import WebView
from monitor.storage.paths import STATE_DB
from monitor.storage.state import StateReader
from monitor.system_clock import SystemClock

_READY_WITHIN_S = 10.0
_PATIENCE_S = 8.0  # how long prices and the end wait on a busy machine, which delivers late
_LOOK_S = 0.02
OWNER = "owner"


class Show:
    """One demonstration in one directory."""

    def __init__(self, folder: Path, *, seconds: float | None, forever: bool, web_port: int | None = None) -> None:
        self._folder = folder
        self._web_port = web_port
        self._seconds = seconds
        self._forever = forever
        scale = scale_of(seconds)
        self._tick_s = min(TICK_S, TICK_S * scale)
        self._dwell_s = round(DWELL_S * scale, 3)
        self._minute_s = round(PACE_MINUTE_S * scale, 3)
        self._reaction_s = REACTION_S * scale
        self._clock: Clock = SystemClock()
        self._alerts: list[Delivered] = []
        self._complete = False
        self._left = ""
        self._started_s = 0.0
        self._held_since_s: float | None = None  # since when prices are where they may have to wait
        self.zone: dt.tzinfo | None = None

    @property
    def note(self) -> str:
        """What differs from real use."""
        dwell, minute = span(self._dwell_s), span(self._minute_s)
        return (
            f"dwell shortened to {dwell}, and the minute of at most five messages to {minute}, so that all levels "
            "and the all-clear fit into the demonstration"
        )

    @contextlib.contextmanager
    def logged(self) -> Iterator[None]:
        """Send the daemon's log to a file: on the screen it would tear the live view."""
        root = logging.getLogger()
        before, handlers = structlog.get_config(), root.handlers[:]
        path = self._folder / LOG_NAME
        path.touch(mode=0o600)  # as all else there: it names accounts and what they hold
        with path.open("a", encoding="utf-8") as file:
            logs.configure("info", "json", file)
            try:
                yield
            finally:
                structlog.configure(**before)
                root.handlers[:] = handlers

    def run(self, *, live: bool, stderr: bool) -> Summary:
        """Play it and return what came of it."""
        try:
            return asyncio.run(self._play(live=live, stderr=stderr))
        except ExceptionGroup as group:
            _raise_first(group)

    async def _play(self, *, live: bool, stderr: bool) -> Summary:
        scenario = with_keys(demo_scenario())
        if self._seconds is not None:
            scenario = compressed(scenario, self._seconds)
        self._left = left_behind(self._folder / STATE_DB)
        emulator = Emulator(self._clock, scenario, EmulatorSettings(tick_s=self._tick_s, forever=self._forever))
        await emulator.start()
        try:
            settings = self._settings(emulator)
            self.zone = settings.display.zone()
            watcher = self._watcher(live=live, stderr=stderr)
            channels = [self._channel(one.name, watcher) for one in settings.channels]
            daemon = build_daemon(
                settings, channels, clock=self._clock, environ=self._environ(), pace_minute_s=self._minute_s
            )
            owner = self._owner(emulator, daemon, watcher)
            daemon.listen(lambda effects: _show(effects, watcher))
            daemon.listen(owner.hear)
            worst = Worst()
            try:
                await self._perform(emulator, daemon, owner, watcher, worst)
            finally:
                watcher.close()
        finally:
            await emulator.stop()
        files = self._files(settings)
        with StateReader(Path(files.state)) as reader:
            rows = reader.alerts(limit=100_000)
        return summarise(
            daemon.status(), rows, worst=worst, elapsed_s=self._elapsed_s(), complete=self._complete,
            note=self.note, files=files, followed=owner.followed(settings.engine.rules),
        )  # fmt: skip

    async def _perform(
        self, emulator: Emulator, daemon: Daemon, owner: Owner, watcher: Watcher, worst: Worst
    ) -> None:
        """Run both until the script ends or somebody stops it, then let the daemon drain."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self._started_s = self._clock.mono_s()
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(daemon.run(), name="daemon")
                script = group.create_task(self._script(emulator, daemon, owner), name="script")
                stopped = group.create_task(stop.wait(), name="stop")
                drawing = group.create_task(self._draw(daemon, watcher, worst), name="draw")
                owning = [group.create_task(owner.act(), name="owner")]
                if self._forever:
                    owning.append(group.create_task(self._rounds(emulator, owner), name="rounds"))
                await asyncio.wait({watching, script, stopped}, return_when=asyncio.FIRST_COMPLETED)
                self._complete = script.done()
                for task in (script, stopped, *owning):
                    task.cancel()
                daemon.stop()
                await asyncio.wait({watching})
                drawing.cancel()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def _script(self, emulator: Emulator, daemon: Daemon, owner: Owner) -> None:
        """Begin when the daemon listens and knows every account: the first seconds of the story are part of it."""
        await self._until(lambda: _ready(emulator, daemon), _READY_WITHIN_S)
        await emulator.run(lambda: self._held(emulator, owner))
        await self._until(lambda: not any(one["pending"] for one in daemon.status().channels), _PATIENCE_S)

    async def _until(self, condition: Callable[[], bool], most_s: float) -> None:
        give_up_s = self._clock.mono_s() + most_s
        while not condition() and self._clock.mono_s() < give_up_s:
            await self._clock.sleep(_LOOK_S)

    def _held(self, emulator: Emulator, owner: Owner) -> bool:
        """Return whether prices stay low for longer than was written: until owners are through, not for ever.

        Else the market would do what advice had to do, where messages come late.
        """
        until_s = HELD_UNTIL_S * emulator.scenario.duration_s / DURATION_S
        # A tick adds at most two: one of them falls into this.
        left_s = until_s - emulator.elapsed_s % emulator.scenario.duration_s
        if not 0.0 < left_s <= 3 * self._tick_s:
            self._held_since_s = None
            return False
        now_s = self._clock.mono_s()
        self._held_since_s = now_s if self._held_since_s is None else self._held_since_s
        return owner.is_busy() and now_s - self._held_since_s < _PATIENCE_S

    async def _rounds(self, emulator: Emulator, owner: Owner) -> None:
        """Let each round begin as the first: what was done in it is undone where the next one begins."""
        duration_s, played = emulator.scenario.duration_s, 0
        while True:
            await self._clock.sleep(self._tick_s)
            if (rounds := int(emulator.elapsed_s / duration_s)) > played:
                played = rounds
                await owner.begin_anew()

    async def _draw(self, daemon: Daemon, watcher: Watcher, worst: Worst) -> None:
        duration_s = None if self._forever else self._seconds or DURATION_S
        page = ""
        while True:
            status = daemon.status()
            worst.see(status.engine, status.now_ms)
            if (said := page_of(status.web)) and said != page:
                page = said
                watcher.remarked(page)
            notes = tuple(note for note in (page, *self._notes()) if note)
            watcher.picture(Frame(self._elapsed_s(), duration_s, status, self._alerts, notes, self.zone))
            await self._clock.sleep(self._tick_s)

    def _settings(self, emulator: Emulator) -> Settings:
        """Write the configuration and load it the way any user's is."""
        path = write_config(
            self._folder, emulator.scenario, market_ws=emulator.base_market_ws, rest=emulator.base_http,
            private_ws=emulator.base_private_ws, dwell_s=self._dwell_s, web_port=self._web_port,
        )  # fmt: skip
        return load(path, self._environ())

    def _watcher(self, *, live: bool, stderr: bool) -> Watcher:
        out = console(stderr=stderr)
        if live:
            return LiveView(out)
        for line in (f"files: {self._folder}", *self._notes()):
            out.print(line, markup=False, soft_wrap=True)
        return PlainLines(out, self.zone)

    def _notes(self) -> tuple[str, ...]:
        return tuple(note for note in (self.note, self._left) if note)

    def _channel(self, name: str, watcher: Watcher) -> LocalChannel:
        def sink(message: Message) -> None:
            watcher.delivered(self._noted(Delivered(self._clock.wall_ms(), name, message.title, message.level)))

        return LocalChannel(name, sink)

    def _owner(self, emulator: Emulator, daemon: Daemon, watcher: Watcher) -> Owner:
        def did(deed: Deed) -> None:
            watcher.did(self._noted(Delivered(deed.at_ms, OWNER, said(deed), Level.OK)))

        accounts = {name: emulator.accounts[name] for name in FOLLOWED}
        reader, _ = CHANNELS[0]
        return Owner(
            accounts, reader, emulator.market, self._clock, reaction_s=self._reaction_s, did=did,
            present=daemon.newest,
        )  # fmt: skip

    def _noted(self, line: Delivered) -> Delivered:
        self._alerts.append(line)
        del self._alerts[: -ALERTS_SHOWN * len(CHANNELS)]
        return line

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "STATE_DIRECTORY": str(self._folder)}

    def _files(self, settings: Settings) -> Files:
        environ = self._environ()
        return Files(
            config=settings.source,
            state=str(settings.state_directory(environ) / STATE_DB),
            history=str(settings.history_path(environ)),
            log=str(self._folder / LOG_NAME),
        )

    def _elapsed_s(self) -> float:
        return self._clock.mono_s() - self._started_s


def page_of(web: WebView | None) -> str:
    """Return what the server itself says of where the page is, in words; empty before it knows."""
    if web is None or not (web.address or web.why_not):
        return ""
    if web.address:
        return f"the status page: {web.address}/"
    return f"the status page: NOT SERVED, {web.why_not.lower()}; --web-port names another port"


def left_behind(state: Path) -> str:
    """Return what an earlier demo left undone, in words; empty if there was none.

    Raises:
        StoreError: there was one, and its file cannot be read.
    """
    if not state.is_file():
        return ""
    with StateReader(state) as reader:
        above = sum(subject.level > Level.OK for subject in reader.subjects())
        waiting = reader.pending().rows
    wallets, messages = counted(above, "wallet"), counted(waiting, "message")
    return f"going on with an earlier demo: {wallets} above ok, {messages} not delivered yet"


def _ready(emulator: Emulator, daemon: Daemon) -> bool:
    """Whether the daemon hears marks and follows each account, so that nothing of the story is lost."""
    accounts = daemon.vitals().accounts
    followed = [one for one in accounts if one.state == FOLLOWING and one.stream.state == OPEN]
    return len(followed) == len(accounts) and emulator.streams.connections > len(followed)


def _show(effects: Effects, watcher: Watcher) -> None:
    for transition in effects.transitions:
        watcher.transition(transition)


def _raise_first(group: ExceptionGroup[Exception]) -> NoReturn:
    """Raise the first error that says what a person can do; without one, all as they came."""
    ours = group.subgroup(MonitorError)
    while ours is not None:
        first = ours.exceptions[0]
        if not isinstance(first, ExceptionGroup):
            raise first from None
        ours = first
    raise group
