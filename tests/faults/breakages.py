"""Ways to break the product, one at a time: each must make some story of the campaign break a promise."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final
from unittest import mock

import numpy as np

from monitor.binance.bridge import Bridge
from monitor.binance.trust import Trust
from monitor.commit import Committer
from monitor.core import planner
from monitor.core.incidents import Incidents
from monitor.core.marks import MarkBoard
from monitor.core.notices import DataState
from monitor.core.rules import Thresholds
from monitor.notify.lane import Lane
from monitor.notify.pacing import Pace
from monitor.notify.pending import Pending


@contextmanager
def _dropped_commits() -> Iterator[None]:
    """What a database does not take is forgotten, messages included."""

    def keep(self: Committer, *_: object) -> None:
        self._sending = []

    with mock.patch.object(Committer, "_keep", keep):
        yield


@contextmanager
def _never_blind() -> Iterator[None]:
    """A silent symbol counts as fresh."""
    with mock.patch.object(MarkBoard, "state", return_value=DataState.FRESH):
        yield


@contextmanager
def _no_closings() -> Iterator[None]:
    """Incidents end without a word."""
    real = planner.fall

    def fall(*args: Any, **kwargs: Any) -> planner.Plan:  # noqa: ANN401 - as it is called
        return real(*args, **kwargs)._replace(notices=())

    with mock.patch.object(planner, "fall", fall):
        yield


@contextmanager
def _falls_while_blind() -> Iterator[None]:
    """Levels are left although nothing is heard."""

    def sure(book: Any, *_: object) -> Any:  # noqa: ANN401 - as it is called
        return np.zeros(len(book.wallets), dtype=np.bool_)

    with mock.patch("monitor.core.assessment.unsure_wallets", sure):
        yield


@contextmanager
def _no_bridge() -> Iterator[None]:
    """REST is never asked while the stream is silent, as far as the engine can tell."""

    async def poll(self: Bridge, needed: frozenset[str], stale: frozenset[str]) -> None:
        inbox, self._inbox = self._inbox, mock.Mock()
        try:
            await real(self, needed, stale)
        finally:
            self._inbox = inbox

    real = Bridge._poll
    with mock.patch.object(Bridge, "_poll", poll):
        yield


@contextmanager
def _no_comparison() -> Iterator[None]:
    """A wrong stream is believed."""
    with mock.patch.object(Trust, "compare", return_value=()):
        yield


@contextmanager
def _no_retries() -> Iterator[None]:
    """What fails once is given up."""

    def returned(self: Pending, *_: object) -> list[object]:
        self._flying.clear()
        return []

    with mock.patch.object(Pending, "returned", returned):
        yield


@contextmanager
def _forgetful() -> Iterator[None]:
    """A restart knows nothing of what was told."""
    with mock.patch.object(Incidents, "restore", return_value=None):
        yield


@contextmanager
def _no_pace() -> Iterator[None]:
    """Messages leave as soon as there is one."""
    with mock.patch.object(Pace, "allowed_s", lambda _self, _urgency, now_s: now_s):
        yield


@contextmanager
def _no_dwell() -> Iterator[None]:
    """Levels are left as soon as their conditions are."""
    real = Thresholds.__init__

    def init(self: Thresholds, **columns: Any) -> None:  # noqa: ANN401 - as it is called
        real(self, **{**columns, "dwell_s": columns["dwell_s"] * 0.0})

    with mock.patch.object(Thresholds, "__init__", init):
        yield


@contextmanager
def _unmarked() -> Iterator[None]:
    """The engine never learns that a message was accepted."""
    with mock.patch.object(Lane, "_report", return_value=None):
        yield


@contextmanager
def _silent_about_absence() -> Iterator[None]:
    """What a time was like in which nobody watched is not told."""
    with mock.patch("monitor.core.away.announce", return_value=None):
        yield


BREAKAGES: Final[Mapping[str, Callable[[], AbstractContextManager[None]]]] = {
    "dropped-commits": _dropped_commits,
    "never-blind": _never_blind,
    "no-closings": _no_closings,
    "falls-while-blind": _falls_while_blind,
    "no-bridge": _no_bridge,
    "no-comparison": _no_comparison,
    "no-retries": _no_retries,
    "forgetful": _forgetful,
    "no-pace": _no_pace,
    "no-dwell": _no_dwell,
    "unmarked": _unmarked,
    "silent-about-absence": _silent_about_absence,
}
