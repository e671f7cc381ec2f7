"""The daemon's side of drawing: one process, kept warm, that may be late, hang or die without anybody waiting."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from monitor.charts import INSTALL
from monitor.charts.frames import READY, UNREADABLE, framed, receive
from monitor.charts.series import Order
from monitor.core.model import Level
from monitor.core.notices import Facts, Notice
from monitor.core.settings import AlertRules, EngineSettings
from monitor.early import FEW_THREADS
from monitor.errors import WireError
from monitor.ports import Clock, Job

log = structlog.get_logger()

HOURS = 6.0
WAIT_S = 0.15  # what a message waits for its picture; a first attempt is promised within 250 ms
START_S = 60.0  # the first start of all builds a cache of fonts
DRAW_S = 5.0  # longer is a hang
PAUSES_S = (1.0, 10.0, 60.0, 300.0)  # before it is started again
_KEPT = 4  # pictures: the channels of one notice ask one after another
_COMMAND: Final = (sys.executable, "-m", "monitor.charts.worker")
# Nothing else of the daemon's environment is any business of that process; addresses and keys may stand there.
_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_ALL", "LC_CTYPE")


class Charts:
    """Implements ``ports.Illustrator``: margin ratio and distance of a notice's wallet over the last hours.

    Args:
        history: path of history.db.
        cache: a directory for matplotlib's cache of fonts; made if absent.
        clock: for the pauses between starts.
        settings: whose margin ratios are drawn as levels.
        tz: the zone of the time axis.
        wait_s: what ``picture`` takes at most, seconds.
        command: the process that draws.
    """

    def __init__(
        self,
        history: Path,
        cache: Path,
        clock: Clock,
        *,
        settings: EngineSettings,
        tz: tzinfo = UTC,
        wait_s: float = WAIT_S,
        command: Sequence[str] = _COMMAND,
    ) -> None:
        self._history = history
        self._cache = cache
        self._clock = clock
        self._settings = settings
        self._tz = tz
        self._wait_s = wait_s
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._orders: asyncio.StreamWriter | None = None  # to a process that is ready
        self._under_way: tuple[str, asyncio.Future[bytes | None]] | None = None  # by key of the notice
        self._deadline: asyncio.Timeout | None = None  # of what the process is doing
        self._kept: dict[str, bytes | None] = {}  # by key of the notice, oldest first
        self._failing = False
        self._closed = False
        self.drawn = 0

    def jobs(self) -> Sequence[Job]:
        """Return the one that keeps the process; without it there are no pictures."""
        return [Job("charts", self.run)]

    def configure(self, settings: EngineSettings, tz: tzinfo) -> None:
        """Draw with these levels and in this zone from now on."""
        self._settings = settings
        self._tz = tz

    def close(self) -> None:
        """Draw no more and end the process, without waiting for it."""
        self._closed = True
        if self._process is not None:
            _kill(self._process)

    async def picture(self, notice: Notice) -> bytes | None:
        """Return a PNG, or None if there is none within the time; never raises.

        One is drawn at a time: who asks for another meanwhile gets none.
        """
        facts = notice.facts
        if notice.key in self._kept:
            return self._kept[notice.key]
        if self._under_way is None and self._orders is not None and facts.account and facts.wallet:
            self._order(notice, self._orders)
        if self._under_way is None or self._under_way[0] != notice.key:
            return None
        try:
            async with asyncio.timeout(self._wait_s):
                return await asyncio.shield(self._under_way[1])
        except TimeoutError:
            return None

    async def run(self) -> None:
        """Keep the process until closed or cancelled, or until it turns out that matplotlib is not installed."""
        if find_spec("matplotlib") is None:
            log.info("charts.off", reason="not_installed", hint=INSTALL)
            return
        failures = 0
        while True:
            drawn = self.drawn
            try:
                reason = await self._keep()
            except WireError as error:
                reason = error.reason
            except TimeoutError:
                reason = "timeout"
            except OSError:
                reason = "cannot_start"
            if self._closed:
                return
            self._fail(reason)
            failures = 1 if self.drawn > drawn else failures + 1
            await self._clock.sleep(PAUSES_S[min(failures, len(PAUSES_S)) - 1])

    async def _keep(self) -> str:
        """Start the process and take what it says until it ends; return why it did."""
        self._cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=known | FEW_THREADS | {"MPLCONFIGDIR": str(self._cache), "MPLBACKEND": "agg"},
            start_new_session=True,  # a Ctrl-C on the terminal is for the daemon
        )  # fmt: skip
        self._process = process
        answers = cast("asyncio.StreamReader", process.stdout)
        try:
            if self._closed:
                return "closed"
            async with asyncio.timeout(START_S):
                await _greeted(answers)
            async with asyncio.timeout(None) as self._deadline:
                self._orders = process.stdin
                while True:
                    self._take(await receive(answers))
        finally:
            self._orders = self._deadline = None
            self._settle(None)
            _kill(process)
            await process.communicate()  # to the end of its pipes

    def _order(self, notice: Notice, orders: asyncio.StreamWriter) -> None:
        """Hand an order to the process."""
        loop = asyncio.get_running_loop()
        self._under_way = notice.key, loop.create_future()
        # A pipe holds many orders and there is never more than one in it, so nothing waits here.
        orders.write(framed(msgspec.json.encode(self._what(notice))))
        if self._deadline is not None:
            self._deadline.reschedule(loop.time() + DRAW_S)

    def _take(self, body: bytes) -> None:
        """Take an answer of the process."""
        if self._under_way is None or body == READY:
            raise WireError("charts", "unasked")
        if self._deadline is not None:
            self._deadline.reschedule(None)
        if body == UNREADABLE:
            self._fail("history")
            body = b""
        if body:
            self.drawn += 1
            if self._failing:
                self._failing = False
                log.info("charts.back")
        self._settle(body or None)

    def _fail(self, reason: str) -> None:
        if not self._failing:
            self._failing = True
            log.warning("charts.failing", reason=reason)

    def _settle(self, png: bytes | None) -> None:
        if self._under_way is None:
            return
        (key, done), self._under_way = self._under_way, None
        done.set_result(png)
        self._kept[key] = png
        while len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]

    def _what(self, notice: Notice) -> Order:
        facts, now_ms = notice.facts, notice.decided_ms
        single = facts.positions <= 1 and bool(facts.symbol)
        offset = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self._tz).utcoffset()
        return Order(
            history=str(self._history),
            account=facts.account,
            wallet=facts.wallet,
            since_ms=now_ms - round(HOURS * 3_600_000),
            now_ms=now_ms,
            title=_title(facts),
            symbol=facts.symbol if single else "",
            side=facts.side if single else "",
            level=notice.level,
            margin_ratio=None if facts.liquidatable else facts.margin_ratio,
            distance=facts.distance if single else facts.joint_distance,
            limits=_limits(self._settings, facts),
            offset_s=0 if offset is None else round(offset.total_seconds()),
        )


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a process. Its own ``kill`` may take the exit status away from the watcher, which then complains."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


async def _greeted(answers: asyncio.StreamReader) -> None:
    if await receive(answers) != READY:
        raise WireError("charts", "no_greeting")


def _title(facts: Facts) -> str:
    what = f"{facts.symbol} {facts.side}" if facts.symbol else facts.wallet
    if facts.positions > 1:
        what = f"{facts.wallet} · {facts.positions} positions"
    return f"{'DRILL · ' if facts.environment == 'drill' else ''}{facts.account} · {what}"


def _limits(settings: EngineSettings, facts: Facts) -> tuple[tuple[Level, float], ...]:
    """Return the margin ratios at which levels begin for a wallet, if its notice tells which rules it has."""
    special: dict[tuple[str | None, str | None], AlertRules] = {
        (override.account, override.symbol): override.rules for override in settings.overrides
    }
    if facts.positions > 1 and any(symbol for _, symbol in special):
        return ()  # the most sensitive of several, which only the engine knows
    keys = ((facts.account, facts.symbol), (None, facts.symbol), (facts.account, None))
    rules = next((special[key] for key in keys if key in special), settings.rules)
    return tuple((rule.level, rule.margin_ratio) for rule in rules.levels if rule.margin_ratio is not None)
