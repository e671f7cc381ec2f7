"""Reading the configuration again while everything runs: one reload at a time, all of it or nothing.

Everything that can fail comes first and changes nothing. What comes then is one step between two events of the
engine.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from monitor.apart import Apart, HangsError
from monitor.errors import ConfigError, ControlError, MonitorError, Problem
from monitor.plan import Renew, Renewal
from monitor.ports import Clock, Job
from monitor.status import ConfigView, Reloaded
from monitor.supervise import trace_of
from monitor.watchdog import Watchdog

log = structlog.get_logger()

# Below half of what an answer on the local socket may take, for another reload may come first. A file on a disk
# that hangs is read by nobody.
READ_S: Final = 20.0
SAID: Final = 20  # mistakes in the log and in the status; whoever asked is answered with all of them
WORDS_CHARS: Final = 140  # of a refusal, where the whole service has one line
_STOPPING: Final = "the service is stopping"
_ENDS: Final = "the service ends, to be started anew; start it where nothing else does"


class TornError(MonitorError):
    """Going over to another configuration failed in the middle; a clean process has to take it."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error

    def __str__(self) -> str:
        return f"a fault in going over to another configuration: {self.error}; start the service anew"


class Reloads:
    """One job. Whoever asks while a reload is under way gets the next one, together with all others that ask.

    Args:
        renew: reads the configuration again; None: there is no file to read.
        source: what the file is called.
        switch: goes over to what was read, waits for nothing, and returns what is to be said of it beside the
            changes. It must not fail; if it does, what holds is not known.
        gave_up: told of that. A clean start is what helps: the file is known to be valid.
        settle: lets go of what the switch ended.
        watchdog: has systemd know.
        clock: of records.
    """

    def __init__(
        self, renew: Renew | None, source: str, *, switch: Callable[[Renewal], Sequence[str]],
        gave_up: Callable[[MonitorError], None], settle: Callable[[], Awaitable[None]], watchdog: Watchdog,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._renew = renew
        self._source = source
        self._switch = switch
        self._gave_up = gave_up
        self._settle = settle
        self._watchdog = watchdog
        self._clock = clock
        self._asked: asyncio.Future[Reloaded] | None = None  # of a reload that has not begun
        self._wake = asyncio.Event()
        self._stopping = False
        self._reading: Apart[Renewal] = Apart(lambda late: late.drop())
        self._comparing: Apart[bool] = Apart(lambda _late: None)
        self._turn = asyncio.Lock()  # of commands whose paths are compared
        self._torn = ""  # what a switch failed with
        self._view = ConfigView(loaded_ms=clock.wall_ms(), reloads=0, refused=0)
        self._mistakes = 0  # of the newest refusal

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return () if self._renew is None else (Job("reload", self._run),)

    def view(self) -> ConfigView:
        """Return what became of it so far."""
        return self._view

    def words(self) -> str:
        """Return in a few words that the file is not what holds; empty if it is, as far as was asked."""
        problems = self._view.problems
        if not problems:
            return ""
        count = "" if self._mistakes == 1 else f", the first of {self._mistakes} mistakes"
        text = f"reload refused{count}: {problems[0]}"
        return text if len(text) <= WORDS_CHARS else f"{text[: WORDS_CHARS - 3]}..."

    def hang_up(self) -> None:
        """Reload soon. For a signal: many of them are one reload, and nobody waits for what comes of it."""
        if self._renew is None or self._stopping:
            log.warning("config.not_reloaded", reason=_STOPPING if self._stopping else "there is no file to read")
            return
        self._want()

    async def meant(self, request: Mapping[str, Any]) -> None:
        """Return if a command of any kind is meant for this daemon: by ``source``, the absolute path of a file.

        Without it, any daemon is meant.

        Raises:
            ControlError: another one is.
        """
        meant = request.get("source")
        if not isinstance(meant, str) or meant == self._source:
            return
        if not self._source or not await self._same_file(meant):
            runs = self._source or "no configuration file"
            raise ControlError(f"the daemon runs with {runs}, not with {meant[:200]}; nothing was done")

    async def ask(self, _request: Mapping[str, Any]) -> Reloaded:
        """Answer the command ``reload``: what came of a reload that began after it was asked for.

        Raises:
            ControlError: nothing was read.
        """
        if self._renew is None:
            raise ControlError("this daemon was started without a configuration file")
        if self._stopping:
            raise ControlError(f"{_STOPPING}; nothing was read")
        return await asyncio.shield(self._want())

    def stop(self) -> None:
        """Refuse what is asked for from now on, and what waits for its turn."""
        self._stopping = True
        if self._asked is not None:
            self._asked.set_result(self._unread(_STOPPING))
            self._asked = None

    def _want(self) -> asyncio.Future[Reloaded]:
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
            self._wake.set()
        return self._asked

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._asked = self._asked, None
            if asked is None:
                continue
            answer = self._unread(_STOPPING)
            try:
                answer = await self._reload()
            finally:
                if not asked.done():
                    asked.set_result(answer)
            await self._settle()

    async def _reload(self) -> Reloaded:
        self._watchdog.reloading()
        try:
            renewal = await self._renewed()
        except ConfigError as error:
            return self._refuse(error.problems)
        else:
            return self._taken(renewal)
        finally:
            self._watchdog.reloaded()

    async def _renewed(self) -> Renewal:
        """Return what was read.

        Raises:
            ConfigError: it cannot be used.
        """
        if self._renew is None:
            raise ConfigError(self._source, self._unread("nothing to read").problems)
        if self._torn:
            raise ConfigError(self._source, [_torn(self._torn)])
        try:
            async with asyncio.timeout(READ_S):
                return await self._reading(self._renew)
        except ConfigError:
            raise
        except TimeoutError:
            reason = f"it could not be read within {READ_S:.0f} s"
        except HangsError:
            reason = "the reading before this one has not ended; perhaps its disk hangs"
        except Exception as error:  # noqa: BLE001 - the top of a thread; a fault of ours there changes nothing
            log.error("config.fault", error=type(error).__name__, trace=trace_of(error))
            reason = f"a fault of this program: {type(error).__name__}"
        raise ConfigError(self._source, self._unread(reason).problems)

    def _taken(self, renewal: Renewal) -> Reloaded:
        try:
            more = self._switch(renewal)
        except Exception as error:  # noqa: BLE001 - the top of a reload; part of it may hold, which must be said
            self._torn = type(error).__name__
            log.critical("config.torn", source=self._source, error=self._torn, trace=trace_of(error))
            self._gave_up(TornError(self._torn))
            return self._refuse([_torn(self._torn)])
        view = self._view
        self._view = ConfigView(self._clock.wall_ms(), view.reloads + 1, view.refused, view.last_refusal_ms)
        changed = (*renewal.changes.words, *more)
        log.info("config.reloaded", source=self._source, changed=changed)
        for warning in renewal.warnings:
            log.warning("config.warning", text=warning)
        return Reloaded(True, self._source, changed, warnings=renewal.warnings)

    def _refuse(self, problems: Sequence[Problem]) -> Reloaded:
        words = tuple(map(str, problems[:SAID]))
        log.error("config.refused", source=self._source, mistakes=len(problems), problems=words)
        view, self._mistakes = self._view, len(problems)
        self._view = ConfigView(view.loaded_ms, view.reloads, view.refused + 1, self._clock.wall_ms(), words)
        return Reloaded(False, self._source, problems=tuple(problems), torn=bool(self._torn))

    async def _same_file(self, meant: str) -> bool:
        try:
            async with asyncio.timeout(READ_S), self._turn:
                return await self._comparing(lambda: _same_file(meant, self._source))
        except (HangsError, TimeoutError):
            words = f"the daemon runs with {self._source}, and cannot tell now whether that is meant"
            raise ControlError(words) from None

    def _unread(self, reason: str) -> Reloaded:
        problem = Problem("file", reason, "one that can be read while the service runs")
        return Reloaded(False, self._source, problems=(problem,))


def _torn(error: str) -> Problem:
    found = f"a fault of this program in going over to it: {error}; some of it may hold"
    return Problem("file", found, "one that is taken as a whole", _ENDS)


def _same_file(one: str, other: str) -> bool:
    try:
        return os.path.realpath(one) == os.path.realpath(other)
    except ValueError:  # a NUL in it
        return False
