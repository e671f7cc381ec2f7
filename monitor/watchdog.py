"""Tells systemd that the service is ready, and lives as long as its loops come round; else it is started anew.

That the exchange is silent, a disk is full or a channel refuses is told to people, and is no reason to start anew.
A loop that stands still is: whatever the reason, it will not go on by itself. A blocked event loop feeds nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from monitor.beat import Beat, standing
from monitor.ports import Clock, Job
from monitor.sd_notify import READY, RELOADING, STOPPING, WATCHDOG, Systemd, extend, monotonic, status_line
from monitor.status import WatchdogView

log = structlog.get_logger()

# Where systemd wants no proof of life, its status line is renewed as often all the same.
UNASKED_S: Final = 20.0
# So often a start is looked at, so that it is told the moment it is over.
STARTING_S: Final = 0.2
# A database that has to be looked through or saved takes minutes; longer than that is a hang.
OPENING_WITHIN_S: Final = 900.0
# What systemd is asked to wait: more than a start takes once everything is open, whatever does not answer.
WAIT_FOR_START_S: Final = 90.0
# Woken so much later than asked, the whole process stood still: no loop is to blame, and each gets its turn first.
LATE_S: Final = 5.0


class Watchdog:
    """One job, if somebody wants to know.

    Args:
        systemd: whom to tell; None: nobody, and nothing is done.
        clock: its time.
        beats: the loops that have to come round, by name; asked for at each look.
        prove: gives the store something to write, so that its loop has to move.
        brief: returns in a few words how the service does; without secrets.
        waits: returns in a few words what a start still waits for; empty once the service is ready.
    """

    def __init__(
        self, systemd: Systemd | None, clock: Clock, *, beats: Callable[[], Mapping[str, Beat]],
        prove: Callable[[], None], brief: Callable[[], str], waits: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._systemd = systemd
        self._clock = clock
        self._beats = beats
        self._prove = prove
        self._brief = brief
        self._waits = waits
        self._ready = False
        self._stopping = False
        self._said = ""  # what a start waits for, as it was told
        self._fed = 0
        self._fed_ms: int | None = None
        self._standing: tuple[str, ...] = ()

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._systemd is None else (Job("watchdog", self._run),)

    def opening(self) -> None:
        """Tell that databases are opened, which may take longer than a start may."""
        if self._systemd is not None:
            self._systemd.tell(extend(OPENING_WITHIN_S), status_line("starting: opens its databases"))

    def reloading(self) -> None:
        """Tell that the configuration is read again; ``reloaded`` has to follow. Nothing before it is ready."""
        if self._systemd is not None and self._ready and not self._stopping:
            self._systemd.tell(RELOADING, monotonic(self._clock.mono_s()), status_line("reloading"))

    def reloaded(self) -> None:
        """Tell that it works with the configuration that holds now, the new one or the old."""
        if self._systemd is not None and self._ready and not self._stopping:
            self._systemd.tell(READY, status_line(self._brief()))

    def stopping(self) -> None:
        """Tell that the service drains; nothing is told after that."""
        if self._systemd is not None and not self._stopping:
            self._systemd.tell(STOPPING, status_line("stopping"))
        self._stopping = True

    def view(self) -> WatchdogView | None:
        """Return what was told so far; None if there is nobody to tell."""
        if self._systemd is None:
            return None
        return WatchdogView(self._systemd.watchdog_s, self._fed, self._fed_ms, self._standing)

    async def _run(self) -> None:
        systemd = self._systemd
        if systemd is None:
            return
        since_s = self._clock.mono_s()
        every_s = UNASKED_S if systemd.watchdog_s is None else systemd.watchdog_s / 3
        feed_s = since_s
        while not self._stopping:
            self._start(systemd)
            if self._clock.mono_s() >= feed_s:
                self._prove()
                feed_s = self._clock.mono_s() + every_s
                self._feed(systemd)
            pause_s = feed_s - self._clock.mono_s()
            asked_s = self._clock.mono_s() + (pause_s if self._ready else min(pause_s, STARTING_S))
            await self._clock.sleep(asked_s - self._clock.mono_s())
            now_s = self._clock.mono_s()
            if now_s - asked_s <= LATE_S:
                self._look(since_s, now_s)

    def _start(self, systemd: Systemd) -> None:
        """Tell that the service is ready once it is, until that was taken: one that is never heard is ended."""
        if self._ready:
            return
        if not (waits := self._waits()):
            self._ready = systemd.tell(READY, status_line(self._brief()))
        elif waits != self._said and systemd.tell(extend(WAIT_FOR_START_S), _starting(waits)):
            self._said = waits

    def _look(self, since_s: float, now_s: float) -> None:
        found = standing(self._beats(), since_s, now_s)
        if found and found != self._standing:
            log.critical("watchdog.standing", loops=found)
        elif self._standing and not found:
            log.info("watchdog.moving", loops=self._standing)
        self._standing = found

    def _feed(self, systemd: Systemd) -> None:
        if self._standing:
            systemd.tell(status_line(f"standing still: {', '.join(self._standing)}"))
            return
        words = () if systemd.watchdog_s is None else (WATCHDOG,)
        waits = "" if self._ready else self._waits()
        if systemd.tell(*words, _starting(waits) if waits else status_line(self._brief())) and words:
            self._fed += 1
            self._fed_ms = self._clock.wall_ms()


def _starting(waits: str) -> str:
    return status_line(f"starting: waits for {waits}")
