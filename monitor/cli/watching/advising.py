"""What to do about the wallet that is worst off: worked out now and then, shown as long as it is about that."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from monitor.cli.first_remedy import FirstRemedy, Key, endangered, first_remedy, key_of
from monitor.cli.watching.asking import Asker
from monitor.status import Status
from monitor.web.page.seen import rank

REMEDY_S: Final = 10.0  # working it out takes longer than an answer does
REMEDY_KEPT_S: Final = 60.0


class Told(NamedTuple):
    """An answer as it came, and as a value."""

    document: object
    found: Status


class _Basis(NamedTuple):
    """What of an answer advice depends on beside figures, which it says the time of."""

    pid: int
    loaded_ms: int | None  # when the daemon read its configuration
    levels: Mapping[Key, float]  # of those in danger, the worst first

    @property
    def occasion(self) -> object:
        """What calls for new advice at once when it becomes another: whose configuration, and who is worst off."""
        return self.pid, self.loaded_ms, next(iter(self.levels.items()), None)


class _Kept(NamedTuple):
    remedy: FirstRemedy
    basis: _Basis
    at_s: float
    at_ms: int  # of the marks and levels that it was worked out of


class Advice(NamedTuple):
    """What to do, and as of when, Unix milliseconds."""

    text: str
    at_ms: int


class Advising:
    """Keeps what to do about the worst wallet.

    Args:
        told: called in a thread when there is something new to ``take``.
        ask: asks the daemon.
    """

    def __init__(self, told: Callable[[], None], ask: Callable[[Mapping[str, object]], object]) -> None:
        self._ask = ask
        self._asker: Asker[_Kept | None] = Asker(told)
        self._kept: _Kept | None = None
        self._about: Told | None = None  # what was asked about last
        self._next_s = 0.0

    def forget(self) -> None:
        """Drop what is kept: who could say that it still holds does not answer."""
        self._kept = self._about = None

    def take(self) -> bool:
        """Take what was worked out meanwhile; return whether there was something."""
        if (answer := self._asker.take()) is None:
            return False
        if answer.error is None:
            self._kept = answer.value
        return True

    def advice(self, told: Told, now_s: float) -> Advice | None:
        """Return what to do, as far as it still is about the wallet that is worst off as this answer has it."""
        kept = self._kept
        if kept is None or now_s - kept.at_s > REMEDY_KEPT_S or not _holds(kept, _basis_of(told.found)):
            return None
        return Advice(kept.remedy.text, kept.at_ms)

    def look_after(self, told: Told, now_s: float) -> None:
        """Have it worked out anew if it is time, or if what is kept is no longer about what is."""
        now = _basis_of(told.found)
        if self._asker.asks or told is self._about or not now.levels:
            return
        kept, before = self._kept, self._about
        changed = before is None or _basis_of(before.found).occasion != now.occasion
        if now_s < self._next_s and not changed and (kept is None or _holds(kept, now)):
            return
        self._kept = kept if kept is not None and _holds(kept, now) else None
        self._about, self._next_s = told, now_s + REMEDY_S
        self._asker.ask(lambda: self._work(told, now, now_s))

    def _work(self, told: Told, basis: _Basis, now_s: float) -> _Kept | None:
        remedy = first_remedy(self._ask, told.document, told.found.engine.wallets)
        return None if remedy is None else _Kept(remedy, basis, now_s, told.found.now_ms)


def _basis_of(found: Status) -> _Basis:
    levels = {key_of(one): rank(one.level) for one in endangered(found.engine.wallets)}
    return _Basis(found.pid, None if found.config is None else found.config.loaded_ms, levels)


def _holds(kept: _Kept, now: _Basis) -> bool:
    """Return whether advice is still about the same configuration, a level that did not fall, and the worst."""
    whose, then = kept.remedy.whose, kept.basis
    if (then.pid, then.loaded_ms) != (now.pid, now.loaded_ms) or whose not in now.levels:
        return False
    worse_off = list(now.levels)[: list(now.levels).index(whose)]
    return now.levels[whose] >= then.levels[whose] and kept.remedy.ahead.issuperset(worse_off)
