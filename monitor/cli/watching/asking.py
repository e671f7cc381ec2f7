"""Questions that may take long, in a thread of their own: whoever watches sees meanwhile that no answer comes."""

import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from monitor.errors import MonitorError

T = TypeVar("T")


class Answer(NamedTuple, Generic[T]):
    """What came of a question: a value, or why there is none."""

    value: T | None
    error: MonitorError | None


class Asker(Generic[T]):
    """Asks one question at a time; the end of the program waits for none.

    Args:
        told: called in the thread when there is an answer.
    """

    def __init__(self, told: Callable[[], None]) -> None:
        self._told = told
        self._asks = False
        self._came: Answer[T] | Exception | None = None

    @property
    def asks(self) -> bool:
        """Whether a question is open, or its answer was not taken."""
        return self._asks

    def ask(self, question: Callable[[], T]) -> None:
        """Begin to ask; nothing may be open."""
        self._asks = True
        threading.Thread(target=self._work, args=(question,), name="asking", daemon=True).start()

    def take(self) -> Answer[T] | None:
        """Return an answer that came, once; None while there is none.

        Raises:
            Exception: what the question raised beside errors of ours.
        """
        came = self._came
        if came is None:
            return None
        self._came, self._asks = None, False
        if isinstance(came, Exception):
            raise came
        return came

    def _work(self, question: Callable[[], T]) -> None:
        try:
            self._came = Answer(question(), None)
        except MonitorError as error:
            self._came = Answer(None, error)
        except Exception as error:  # noqa: BLE001 - the top of a thread; whoever takes it gets it
            self._came = error
        self._told()
