"""What the page shows beside the snapshot: lines of the last hours, last messages, advice; each kept for a while.

A disk that hangs must not take the page along: it is waited for shortly, and shown without.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from monitor.core.model import Level
from monitor.core.report import WalletView
from monitor.errors import StoreError
from monitor.notify.remedies import remedy_lines
from monitor.status import Status
from monitor.storage.history_reader import Filter, HistoryReader
from monitor.storage.outbox import OutboxRow
from monitor.storage.state_reader import StateReader
from monitor.web.context import Context
from monitor.web.page.line import Point
from monitor.web.page.seen import Advice, is_held, rank, worst_first
from monitor.web.page.top import CARDS, LINE_MS
from monitor.web.reading import BusyError

PATIENCE_S: Final = 1.0
TOLD_S: Final = 5.0
LINES_S: Final = 10.0
ADVICE_S: Final = 10.0
ADVICE_KEPT_S: Final = 60.0  # where no newer one may be made
ADVISED: Final = 3  # wallets, the worst of them
MOST_POSITIONS: Final = 50  # of a wallet: advice about more takes longer than marks may wait for a page
MESSAGES: Final = 16  # on all channels together
FEW_MINUTES: Final = 15
_SAMPLES: Final = FEW_MINUTES * 60  # one a second at most
_LINE_ROWS: Final = LINE_MS // 60_000 + 2

Key = tuple[str, str]
T = TypeVar("T")


class LookedUp:
    """Keeps it for all who look."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._advice: dict[Key, tuple[float, Advice]] = {}
        self._asked_s: dict[Key, float] = {}
        self._told: Sequence[OutboxRow] | None = None  # also while it is read for the first time
        self._told_s = -TOLD_S
        self._lines: dict[Key, Sequence[Point]] = {}
        self._lines_s = -LINES_S
        self._lines_of: tuple[Key, ...] = ()

    async def told(self) -> Sequence[OutboxRow] | None:
        """Return the last messages, the newest first; None where they cannot be read."""
        now_s = self._context.clock.mono_s()
        if now_s - self._told_s >= TOLD_S:
            self._told_s = now_s
            path = self._context.watched.state_path

            def read() -> list[OutboxRow]:
                with StateReader(path) as reader:
                    return reader.alerts(MESSAGES)

            self._told = await self._read(read)
        return self._told

    async def lines(self, found: Status) -> dict[Key, Sequence[Point]]:
        """Return the margin ratios of the worst wallets over the last hours, as far as they can be read."""
        now_s = self._context.clock.mono_s()
        wanted = tuple((one.account, one.wallet) for one in _worst(found)[:CARDS])
        if now_s - self._lines_s >= LINES_S or wanted != self._lines_of:
            self._lines_s, self._lines_of = now_s, wanted
            path = self._context.watched.history_path
            since_ms = found.now_ms - LINE_MS

            def read() -> dict[Key, Sequence[Point]]:
                with HistoryReader(path) as reader:
                    return {key: _points(reader, key, since_ms) for key in wanted}

            self._lines = await self._read(read) or {}
        return self._lines

    def advice(self, found: Status) -> dict[Key, Advice]:
        """Return what to do about the worst wallets; at most one is worked out anew, for it costs milliseconds."""
        now_s = self._context.clock.mono_s()
        wanted = [one for one in _worst(found)[:ADVISED] if rank(one.level) >= Level.WARNING]
        for one in wanted:
            key = (one.account, one.wallet)
            if now_s - self._asked_s.get(key, -ADVICE_S) >= ADVICE_S:
                self._asked_s[key] = now_s
                self._ask(one, found, now_s)
                break
        keys = {(one.account, one.wallet) for one in wanted}
        self._asked_s = {key: at_s for key, at_s in self._asked_s.items() if key in keys}
        self._advice = {
            key: kept for key, kept in self._advice.items() if key in keys and now_s - kept[0] <= ADVICE_KEPT_S
        }
        return {key: advice for key, (_, advice) in self._advice.items()}

    def _ask(self, wallet: WalletView, found: Status, now_s: float) -> None:
        key = (wallet.account, wallet.wallet)
        if sum((one.account, one.wallet) == key for one in found.engine.positions) > MOST_POSITIONS:
            return
        facts = self._context.watched.newest(f"{wallet.account}/{wallet.wallet}")
        if facts is None or facts.prescription is None:
            return  # no time for it just now, or nothing is known
        advice = Advice(tuple(remedy_lines(facts, brief=True)), self._context.clock.wall_ms())
        self._advice[key] = (now_s, advice)

    async def _read(self, job: Callable[[], T]) -> T | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._context.read(job)
        except (StoreError, BusyError, TimeoutError):
            return None  # what is wrong with a database is told where it matters: by an alert of its own


def _worst(found: Status) -> list[WalletView]:
    return [one for one in worst_first(found.engine.wallets) if is_held(one)]


def _points(reader: HistoryReader, key: Key, since_ms: int) -> list[Point]:
    """Return the worst of each minute; samples where there are few of these."""
    account, wallet = key
    wanted = Filter(account, wallet, "", since_ms=since_ms)
    rows = reader.minutes(wanted, limit=_LINE_ROWS)
    if len(rows) < FEW_MINUTES:
        found = reader.samples(wanted, limit=_SAMPLES)
        return [Point(row.at_ms, row.margin_ratio) for row in found]
    return [Point(row.minute_ms, row.margin_ratio_max) for row in rows]
