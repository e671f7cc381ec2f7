"""Tells systemd that the service lives, as long as its loops come round; then systemd does not start it anew.

That the exchange is silent, a disk is full or a channel refuses is told to people, and is no reason to start anew.
A loop that stands still is: whatever the reason, it will not go on by itself. A blocked event loop feeds nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from monitor.beat import Beat
from monitor.ports import Clock, Job
from monitor.sd_notify import READY, STOPPING, WATCHDOG, Systemd, status_line
from monitor.status import WatchdogView

log = structlog.get_logger()

# Where systemd wants no proof of life, its status line is renewed as often all the same.
UNASKED_S: Final = 20.0
# Woken so much later than asked, the whole process stood still: no loop is to blame, and each gets its turn first.
LATE_S: Final = 5.0


def standing(beats: Mapping[str, Beat], since_s: float, now_s: float) -> tuple[str, ...]:
    """Return the names of the loops that have not come round in time; one that never began is due ``since_s``."""
    return tuple(
        name
        for name, beat in beats.items()
        if now_s - (since_s if beat.due_s is None else beat.due_s) > beat.patience_s
    )


class Watchdog:
    """One job, if somebody wants to know.

    Args:
        systemd: whom to tell; None: nobody, and nothing is done.
        clock: its time.
        beats: the loops that have to come round, by name; asked for at each look.
        prove: gives the store something to write, so that its loop has to move.
        brief: returns in a few words how the service does; without secrets.
    """

    def __init__(
        self, systemd: Systemd | None, clock: Clock, *, beats: Callable[[], Mapping[str, Beat]],
        prove: Callable[[], None], brief: Callable[[], str],
    ) -> None:  # fmt: skip
        self._systemd = systemd
        self._clock = clock
        self._beats = beats
        self._prove = prove
        self._brief = brief
        self._ready = False
        self._fed = 0
        self._fed_ms: int | None = None
        self._standing: tuple[str, ...] = ()

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._systemd is None else (Job("watchdog", self._run),)

    def stopping(self) -> None:
        """Tell that the service drains."""
        if self._systemd is not None:
            self._systemd.tell(STOPPING, status_line("stopping"))

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
        while True:
            if not self._ready:
                # Until it was taken: a service that systemd never hears is ready is ended.
                self._ready = systemd.tell(READY, status_line(self._brief()))
            self._prove()
            asked_s = self._clock.mono_s() + every_s
            self._feed(systemd)
            await self._clock.sleep(every_s)
            now_s = self._clock.mono_s()
            if now_s - asked_s <= LATE_S:
                self._look(since_s, now_s)

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
        if systemd.tell(*words, status_line(self._brief())) and words:
            self._fed += 1
            self._fed_ms = self._clock.wall_ms()
