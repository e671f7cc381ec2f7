"""Tells systemd that the service is ready, and lives as long as its loops come round; else it is started anew.

Where there is no systemd, a dead man's switch is told that it lives, and ends it for whoever starts it anew.

That the exchange is silent, a disk is full or a channel refuses is told to people, and is no reason to start anew.
A loop that stands still is: whatever the reason, it will not go on by itself. A blocked event loop feeds nothing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from monitor.beat import Beat, standing
from monitor.dead_man import STOPPING_WITHIN_S, DeadMan
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
        systemd: whom to tell; None: nobody.
        clock: its time.
        dead_man: what ends the process otherwise; None: nothing. Without either nothing is done.
        beats: the loops that have to come round, by name; asked for at each look.
        prove: gives the store something to write, so that its loop has to move.
        brief: returns in a few words how the service does; without secrets.
        waits: returns in a few words what a start still waits for; empty once the service is ready.
    """

    def __init__(
        self, systemd: Systemd | None, clock: Clock, *, dead_man: DeadMan | None = None,
        beats: Callable[[], Mapping[str, Beat]], prove: Callable[[], None], brief: Callable[[], str],
        waits: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._systemd = systemd
        self._clock = clock
        self._dead_man = dead_man
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
        self._unarmed = False  # what ends the process could not be started
        self._awake_s = -math.inf  # when it was woken late, if it has been each time since

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._systemd is None and self._dead_man is None else (Job("watchdog", self._run),)

    def opening(self) -> None:
        """Tell that databases are opened, which may take longer than a start may."""
        self._tell(extend(OPENING_WITHIN_S), status_line("starting: opens its databases"))
        if self._dead_man is not None:
            self._note_armed(armed=self._dead_man.within(OPENING_WITHIN_S))

    def reloading(self) -> None:
        """Tell that the configuration is read again; ``reloaded`` has to follow. Nothing before it is ready."""
        if self._ready and not self._stopping:
            self._tell(RELOADING, monotonic(self._clock.mono_s()), status_line("reloading"))

    def reloaded(self) -> None:
        """Tell that it works with the configuration that holds now, the new one or the old."""
        if self._ready and not self._stopping:
            self._tell(READY, status_line(self._brief()))

    def stopping(self) -> None:
        """Tell that the service drains; nothing is told after that. One that does not come to its end is ended."""
        if self._stopping:
            return
        self._stopping = True
        self._tell(STOPPING, status_line("stopping"))
        if self._dead_man is not None:
            self._note_armed(armed=self._dead_man.within(STOPPING_WITHIN_S))

    def view(self) -> WatchdogView | None:
        """Return what was told so far; None if there is nobody to tell."""
        if self._systemd is None and self._dead_man is None:
            return None
        ends_s = None if self._dead_man is None or self._unarmed else self._dead_man.within_s
        within_s = None if self._systemd is None else self._systemd.watchdog_s
        return WatchdogView(within_s, self._fed, self._fed_ms, self._standing, ends_s)

    def _tell(self, *words: str) -> bool:
        """Tell systemd; return whether it took that, or is not there to take it."""
        return self._systemd is None or self._systemd.tell(*words)

    async def _run(self) -> None:
        since_s = self._clock.mono_s()
        wanted_s = self._wanted_s()
        every_s = UNASKED_S if wanted_s is None else wanted_s / 3
        feed_s = since_s
        while not self._stopping:
            self._start()
            if self._clock.mono_s() >= feed_s:
                self._prove()
                feed_s = self._clock.mono_s() + every_s
                self._feed(counts=wanted_s is not None)
            pause_s = feed_s - self._clock.mono_s()
            asked_s = self._clock.mono_s() + (pause_s if self._ready else min(pause_s, STARTING_S))
            await self._clock.sleep(asked_s - self._clock.mono_s())
            self._judge(since_s, asked_s)

    def _wanted_s(self) -> float | None:
        """Return within how many seconds a sign of life is wanted, by whoever is less patient; None by nobody."""
        systemd_s = None if self._systemd is None else self._systemd.watchdog_s
        patient = [systemd_s, None if self._dead_man is None else self._dead_man.within_s]
        return min((seconds for seconds in patient if seconds is not None), default=None)

    def _start(self) -> None:
        """Tell that the service is ready once it is, until that was taken: one that is never heard is ended."""
        if self._ready:
            return
        if not (waits := self._waits()):
            self._ready = self._tell(READY, status_line(self._brief()))
        elif waits != self._said and self._tell(extend(WAIT_FOR_START_S), _starting(waits)):
            self._said = waits

    def _judge(self, since_s: float, asked_s: float) -> None:
        now_s = self._clock.mono_s()
        if now_s - asked_s <= LATE_S:
            self._awake_s = -math.inf
        elif math.isinf(self._awake_s):
            self._awake_s = now_s
            return
        # One that is woken late each time is judged as well: by how it stood when it should have been woken.
        self._look(since_s, min(now_s, asked_s))

    def _look(self, since_s: float, now_s: float) -> None:
        found = standing(self._beats(), since_s, now_s, self._awake_s)
        if found and found != self._standing:
            log.critical("watchdog.standing", loops=found)
        elif self._standing and not found:
            log.info("watchdog.moving", loops=self._standing)
        self._standing = found

    def _note_armed(self, *, armed: bool) -> None:
        if armed == self._unarmed:
            if armed:
                log.info("watchdog.armed")
            else:
                log.error("watchdog.unarmed", reason="no_thread")
        self._unarmed = not armed

    def _feed(self, *, counts: bool) -> None:
        if self._standing:
            if self._dead_man is not None and self._unarmed:
                self._note_armed(armed=self._dead_man.lives())
            self._tell(status_line(f"standing still: {', '.join(self._standing)}"))
            return
        wanted = self._systemd is not None and self._systemd.watchdog_s is not None
        waits = "" if self._ready else self._waits()
        line = _starting(waits) if waits else status_line(self._brief())
        told = self._tell(*((WATCHDOG,) if wanted else ()), line)
        if self._dead_man is not None:
            self._note_armed(armed=self._dead_man.lives())
        if told and counts:
            self._fed += 1
            self._fed_ms = self._clock.wall_ms()


def _starting(waits: str) -> str:
    return status_line(f"starting: waits for {waits}")
