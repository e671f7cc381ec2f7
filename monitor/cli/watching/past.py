"""What one watcher saw so far: rooms of the last minutes, and what changed. Pure, and bounded."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from monitor.core.report import WalletView
from monitor.notify.numbers import span
from monitor.status import Status
from monitor.web.page.seen import Seen, is_held
from monitor.web.page.words import name_of

CELLS: Final = 18
CELL_S: Final = 10.0
CHANGES: Final = 50
LATELY_S: Final = 10.0
VISIBLE: Final = 0.0005  # of room: a smaller change is none that figures show
_LEAST_TOP: Final = 0.2  # so that a calm wallet looks calm, and one near its end does not fill its line
_BLOCKS: Final = "▁▂▃▄▅▆▇█"

Key = tuple[str, str]


class Change(NamedTuple):
    """Something became another; of a wallet that came or went one of the levels is empty."""

    at_ms: int
    what: str
    before: str
    after: str


class _Track:
    """One wallet: the lowest room of each stretch of time, how it moves, and when its level changed."""

    def __init__(self) -> None:
        self.cells: dict[int, float] = {}
        self.level = ""
        self.name = ""
        self.room: float | None = None
        self.trend = 0
        self.changed_s: float | None = None

    def take(self, wallet: WalletView, at_s: float) -> None:
        before, self.room = self.room, wallet.room
        self.trend = 0
        if wallet.room is None:
            return
        if before is not None and abs(wallet.room - before) >= VISIBLE:
            self.trend = 1 if wallet.room > before else -1
        cell = int(at_s // CELL_S)
        self.cells[cell] = min(wallet.room, self.cells.get(cell, wallet.room))
        for old in [one for one in self.cells if one <= cell - CELLS]:
            del self.cells[old]


class Past:
    """Takes answers, the newest last; times are monotonic seconds of whoever watches."""

    def __init__(self) -> None:
        self._tracks: dict[Key, _Track] = {}
        self._changes: deque[Change] = deque(maxlen=CHANGES)
        self._pid: int | None = None
        self._silent_since_s: float | None = None
        self.since_ms: int | None = None  # when the first answer was made

    @property
    def changes(self) -> Sequence[Change]:
        """What changed, the newest first."""
        return tuple(reversed(self._changes))

    def take(self, seen: Seen, at_s: float) -> None:
        """Take an answer that came at this moment."""
        found = seen.status
        begun = self.since_ms is not None
        if not begun:
            self.since_ms = found.now_ms
        self._daemon(found, at_s)
        held = {(one.account, one.wallet): one for one in found.engine.wallets if is_held(one)}
        for key in [one for one in self._tracks if one not in held]:
            gone = self._tracks.pop(key)
            self._note(found, gone.name, gone.level, "")
        for key, wallet in held.items():
            track = self._tracks.setdefault(key, _Track())
            track.name = name_of(seen, wallet)
            if begun and track.level != wallet.level:
                self._note(found, track.name, track.level, wallet.level)
                track.changed_s = at_s
            track.level = wallet.level
            track.take(wallet, at_s)

    def missed(self, at_s: float) -> None:
        """Take that no answer came; what was seen last is not compared with what comes after a silence."""
        if self._silent_since_s is None:
            self._silent_since_s = at_s
        for track in self._tracks.values():
            track.room, track.trend = None, 0

    def trend(self, wallet: WalletView) -> int:
        """Return 1 where room grew since the look before, -1 where it fell, else 0."""
        track = self._tracks.get((wallet.account, wallet.wallet))
        return 0 if track is None else track.trend

    def changed_lately(self, wallet: WalletView, now_s: float) -> bool:
        """Return whether its level changed within the last ``LATELY_S`` seconds."""
        track = self._tracks.get((wallet.account, wallet.wallet))
        return track is not None and track.changed_s is not None and now_s - track.changed_s < LATELY_S

    def rooms(self, wallet: WalletView, now_s: float) -> list[float | None]:
        """Return the lowest room of each stretch of ``CELL_S`` seconds, ``CELLS`` of them, the newest last.

        None: it was not seen then.
        """
        track = self._tracks.get((wallet.account, wallet.wallet))
        last = int(now_s // CELL_S)
        return [None if track is None else track.cells.get(cell) for cell in range(last - CELLS + 1, last + 1)]

    def _daemon(self, found: Status, at_s: float) -> None:
        if self._pid is not None and self._pid != found.pid:
            self._note(found, "the daemon", "", f"another process, {found.pid}")
        if self._silent_since_s is not None and self._pid is not None:
            self._note(found, "the daemon", "", f"answers again after {span(at_s - self._silent_since_s)}")
        self._pid, self._silent_since_s = found.pid, None

    def _note(self, found: Status, what: str, before: str, after: str) -> None:
        self._changes.append(Change(found.now_ms, what, before, after))


def drawn(rooms: Sequence[float | None]) -> str:
    """Return a small line of rooms, a character each: the bottom is liquidation, a blank is what was not seen."""
    known = [one for one in rooms if one is not None]
    top = max(_LEAST_TOP, min(1.0, max(known, default=0.0)))
    most = len(_BLOCKS) - 1
    return "".join(" " if one is None else _BLOCKS[round(min(max(one / top, 0.0), 1.0) * most)] for one in rooms)
