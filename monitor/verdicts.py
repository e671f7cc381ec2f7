"""What the daemon answers whoever asks how it does, and the proof that it can still write that comes with it.

That the last commit went well says nothing when it was yesterday. While anybody asks, a row is written every ten
seconds at most, however many ask and however often, and all verdicts go by what came of it. Where it could not be
written the next ones follow until one is, whether anybody asks or not.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import SubjectState
from monitor.health import Health, Vitals, health
from monitor.ports import Clock, Job
from monitor.readiness import Awaited, Phase, Readiness

log = structlog.get_logger()

PROOF: Final = "/proof"  # the row that is written to see whether one can be
PROOF_EVERY_S: Final = 10.0
# So long after the last question proofs go on, so that the next one finds a recent one: health checks ask each
# half minute.
ASKED_WITHIN_S: Final = 60.0
# A commit gives up after a second; a disk that takes longer to be asked counts as one that takes no writes.
PROOF_S: Final = 5.0
# What a command waits for a new proof; who asks gives up after two seconds.
ANSWER_S: Final = 1.2


class Verdicts:
    """Health and readiness of one daemon.

    Args:
        vitals: returns what tells whether the service is well.
        awaited: returns which accounts and symbols are neither known nor declared to be unknown.
        submit: takes what the state database is to hold.
        recorded: returns whether it holds all of that, once it was tried.
        clock: its time.
    """

    def __init__(
        self, *, vitals: Callable[[], Vitals], awaited: Callable[[], Awaited], submit: Callable[[Effects], object],
        recorded: Callable[[], Awaitable[bool]], clock: Clock,
    ) -> None:  # fmt: skip
        self._vitals = vitals
        self._awaited = awaited
        self._submit = submit
        self._recorded = recorded
        self._clock = clock
        self._readiness = Readiness()
        self._wanted = asyncio.Event()
        self._proved = asyncio.Event()  # since the last question that waits for it
        self._asked_s = self._proved_s = -math.inf
        self._begun_s = -math.inf
        self.written = True  # what came of the last proof

    def jobs(self) -> Sequence[Job]:
        """Return what must run; it may be cancelled at any time."""
        return (Job("prove", self._run),)

    def begin(self) -> None:
        """Note that everything is open, and marks may come."""
        self._begun_s = self._clock.mono_s()
        self._readiness.begin(self._begun_s)

    def stop(self) -> None:
        """Note that the service drains."""
        self._readiness.stop()

    def health(self) -> Health:
        """Return whether the service does its work; the proof of it is at most as old as the last questions."""
        self._ask()
        return health(self._vitals())

    def readiness(self) -> Health:
        """Return whether it has begun to do its work, still does it, and is not stopping."""
        self._ask()
        self.waits_for()
        return self._readiness.judge(health(self._vitals()))

    def submit(self) -> None:
        """Give the state database a row to write that says nothing."""
        self._submit(Effects(subjects=(SubjectState(PROOF, Level.OK, self._clock.wall_ms(), 0, Level.OK),)))

    async def proved(self) -> Health:
        """Return whether the service does its work, by a proof that is made for this question."""
        await self._try()
        return health(self._vitals())

    def waits_for(self) -> str:
        """Return in a few words what a start still waits for, without a name; empty once it is over."""
        if self._readiness.phase is Phase.STARTING:
            now_s = self._clock.mono_s()
            if self._readiness.look(self._awaited(), now_s) is Phase.READY:
                missing = self._readiness.missing
                log.info("daemon.ready", waited_s=round(now_s - self._begun_s, 1), **missing._asdict())
        return self._readiness.waits_for()

    async def answer(self, _request: Mapping[str, Any]) -> object:
        """Answer the command ``health``: both verdicts, with a proof that is new or ten seconds old at most."""
        if self._ask() >= PROOF_EVERY_S:
            self._proved.clear()
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._proved.wait()
            except TimeoutError:
                pass  # what came of the one before is as good as there is; a loop that hangs is told by name
        return {"health": document(self.health()), "readiness": document(self.readiness())}

    def _ask(self) -> float:
        """Have the ability to write proved soon; return how old the last proof is, in seconds."""
        self._asked_s = self._clock.mono_s()
        self._wanted.set()
        return self._asked_s - self._proved_s

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            while not self.written or self._clock.mono_s() - self._asked_s < ASKED_WITHIN_S:
                await self._try()
                await self._clock.sleep(PROOF_EVERY_S)
            self._wanted.clear()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(PROOF_S):
                self.submit()
                self.written = await self._recorded()
        except TimeoutError:
            self.written = False
        self._proved_s = self._clock.mono_s()
        self._proved.set()
        if not self.written:
            self._wanted.set()


def document(found: Health) -> dict[str, object]:
    """Return a verdict as the answers to questions hold it."""
    return {"ok": found.ok, "troubles": [one._asdict() for one in found.troubles]}
