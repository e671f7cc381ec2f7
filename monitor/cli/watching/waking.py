"""What a program waits for that draws: keys, signals, and answers that threads have."""

import os
import select
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LIVE: Final = (signal.SIGWINCH, signal.SIGTSTP)


class Waker:
    """Takes signals over while it is entered, and wakes whoever waits.

    Args:
        live: a terminal is drawn on, whose size may change, and which has to be given back before a stop.
    """

    def __init__(self, *, live: bool) -> None:
        self._numbers = (*_ENDING, *_LIVE) if live else _ENDING
        self._before: dict[signal.Signals, Any] = {}
        self._seen: list[signal.Signals] = []
        self._read, self._write = -1, -1
        self._wakeup_before = -1
        self._waking = threading.Lock()

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it: it is to outlive the terminal
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        with self._waking:
            for end in (self._read, self._write):
                os.close(end)
            self._write = -1

    def wake(self) -> None:
        """End the wait from any thread; a thread may be later than the end of all this."""
        with self._waking, suppress(BlockingIOError):  # full: it wakes anyway
            if self._write >= 0:
                os.write(self._write, b"\0")

    def wait(self, seconds: float, others: Sequence[int] = ()) -> list[int]:
        """Wait until a signal, an answer, or something to read from others; return those."""
        ready, _, _ = select.select([self._read, *others], [], [], max(0.0, seconds))
        if self._read in ready:
            with suppress(BlockingIOError):
                os.read(self._read, 4096)
        return [one for one in ready if one != self._read]

    def take(self) -> list[signal.Signals]:
        """Return the signals that came, in order, once."""
        seen, self._seen = self._seen, []
        return seen

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._seen.append(signal.Signals(number))
