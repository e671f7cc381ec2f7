"""One watcher: asks, remembers, shows, until a key, a signal or a count ends it."""

import datetime as dt
import signal
from typing import Final

from monitor.account_rows import account_rows
from monitor.cli.status import decoded, why_silent
from monitor.cli.watching.advising import Advising, Told
from monitor.cli.watching.asking import Answer, Asker
from monitor.cli.watching.outlets import Outlet, Screen
from monitor.cli.watching.parts import Look
from monitor.cli.watching.past import Past
from monitor.cli.watching.source import Source
from monitor.cli.watching.waking import Waker
from monitor.errors import OutOfReachError
from monitor.health import health, vitals_of
from monitor.notify.times import local_time
from monitor.ports import Clock
from monitor.status import Status
from monitor.web.page.seen import Seen, legs_of, worst_first

DRAW_S: Final = 1.2  # ages grow by themselves; answers that come once a second are drawn anyway
PATIENCE_S: Final = 2.0  # an answer takes milliseconds
_QUESTION: Final = {"command": "status"}


class Session:
    """Asks every so many seconds and hands on what there is to see.

    Args:
        source: who is asked.
        outlet: who is shown it.
        clock: the time.
        every_s: seconds from one question to the next.
        count: questions after which it ends; None: never.
    """

    def __init__(
        self, source: Source, outlet: Outlet, clock: Clock, *, every_s: float, count: int | None = None
    ) -> None:
        self._source = source
        self._outlet = outlet
        self._clock = clock
        self._every_s = every_s
        self._left = count
        self._waker = Waker(live=outlet.live)
        self._daemon: Asker[Told] = Asker(self._waker.wake)
        self._advising = Advising(self._waker.wake, source.ask)
        self._past = Past()
        self._told: Told | None = None
        self._seen: Seen | None = None
        self._silent = ""
        self._answered_s = 0.0
        self._asked_s = 0.0
        self._next_s = 0.0
        self._drawn_s = 0.0

    def run(self) -> signal.Signals | None:
        """Watch; return the signal that ended it, None where it ended by itself or by a key.

        Raises:
            OutOfReachError: the daemon is another user's, so asking again cannot help.
            OSError: what is shown cannot be written.
        """
        with self._waker:
            self._next_s = self._clock.mono_s()
            try:
                self._outlet.open()
                self._show_time()
                return self._until_ended()
            finally:
                self._outlet.close()

    @property
    def answered(self) -> bool:
        """Whether the last question had an answer."""
        return not self._silent

    def _until_ended(self) -> signal.Signals | None:
        while True:
            self._ask()
            answer = self._daemon.take()
            if answer is not None and self._took(answer):
                return None
            self._look_after_remedy()
            if self._clock.mono_s() - self._drawn_s >= DRAW_S:
                self._show_time()
            for key in self._waker.wait(self._pause_s(), self._outlet.keys):
                if self._outlet.ends(key):
                    return None
            for number in self._waker.take():
                if number not in {signal.SIGWINCH, signal.SIGTSTP}:
                    return number
                if number is signal.SIGTSTP and isinstance(self._outlet, Screen):
                    self._outlet.stop()
                self._show_time()

    def _pause_s(self) -> float:
        due_s = self._drawn_s + DRAW_S if self._outlet.live else self._next_s
        if not self._daemon.asks:
            due_s = min(due_s, self._next_s)
        elif not self._outlet.live:
            return DRAW_S  # the answer wakes it
        return due_s - self._clock.mono_s()

    def _ask(self) -> None:
        now_s = self._clock.mono_s()
        if self._daemon.asks or now_s < self._next_s:
            return
        self._asked_s = now_s
        self._skip_missed(now_s)
        self._daemon.ask(self._question)

    def _skip_missed(self, now_s: float) -> None:
        """Have the next question asked when the next is due: several at once would show nobody more."""
        if (late_s := now_s - self._next_s) >= 0:
            self._next_s += self._every_s * (late_s // self._every_s + 1)

    def _question(self) -> Told:
        document = self._source.ask(_QUESTION)
        return Told(document, decoded(document))

    def _took(self, answer: Answer[Told]) -> bool:
        """Take an answer and show it; return whether it was the last that is wanted."""
        now_s, error = self._clock.mono_s(), answer.error
        if isinstance(error, OutOfReachError):
            raise error
        if answer.value is not None:
            self._silent, self._answered_s = "", now_s
            if self._told is not None and _read_by(self._told.found) != _read_by(answer.value.found):
                self._source.read_again()
            self._told = answer.value
            self._seen = seen_of(answer.value.found, self._source.zone)
            self._past.take(self._seen, now_s)
        elif error is not None:
            self._silent = why_silent(error)
            self._past.missed(now_s)
            self._advising.forget()
        self._skip_missed(now_s)
        self._drawn_s = now_s
        self._outlet.show(self._look(), None if answer.value is None else answer.value.document, error)
        if self._left is not None:
            self._left -= 1
        return self._left == 0

    def _show_time(self) -> None:
        self._drawn_s = self._clock.mono_s()
        self._outlet.pass_time(self._look())

    def _look(self) -> Look:
        now_s, now_ms, seen = self._clock.mono_s(), self._clock.wall_ms(), self._seen
        waiting_s = now_s - self._asked_s if self._daemon.asks else 0.0
        # A machine that slept counts no seconds meanwhile; its wall clock does.
        age_s = 0.0 if seen is None else max(now_s - self._answered_s, (now_ms - seen.status.now_ms) / 1000)
        is_old = bool(self._silent) or waiting_s > PATIENCE_S or age_s > self._every_s + PATIENCE_S
        return Look(
            now_ms=now_ms, now_s=now_s, zone=self._source.zone, past=self._past, seen=seen, age_s=age_s,
            is_old=is_old, silent=self._silent, waiting_s=waiting_s, to_do="" if is_old else self._to_do(now_s),
            notes=self._source.notes, keys=bool(self._outlet.keys),
        )  # fmt: skip

    def _to_do(self, now_s: float) -> str:
        """Return what to do, and when that was worked out."""
        found = None if self._told is None else self._advising.advice(self._told, now_s)
        return "" if found is None else f"{found.text} As of {local_time(found.at_ms, self._source.zone)}."

    def _look_after_remedy(self) -> None:
        """Have it worked out now and then while a wallet is in danger."""
        if self._advising.take() and self._outlet.live:
            self._show_time()
        if self._told is not None and self._outlet.live and self.answered:
            self._advising.look_after(self._told, self._clock.mono_s())


def _read_by(found: Status) -> object:
    """Return what becomes another when a daemon reads its file."""
    return found.pid, None if found.config is None else found.config.loaded_ms


def seen_of(found: Status, zone: dt.tzinfo | None) -> Seen:
    """Return an answer as it is shown."""
    return Seen(
        status=found, health=health(vitals_of(found)), zone=zone, followed=account_rows(found),
        worst=worst_first(found.engine.wallets), legs=legs_of(found.engine.positions),
    )  # fmt: skip
