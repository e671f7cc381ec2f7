"""When a start is over: a state machine without a clock. Pure.

It begins once everything is open, and is over when every account has answered and every watched symbol has had a
tick that was evaluated. Nobody waits for what does not come: a symbol that is declared blind and an account that
is declared lost count as well, and so does an account of which nothing came for as long as a symbol may be silent.
It never begins again; from then on health decides, and a stop ends it for good.
"""

from enum import Enum
from typing import Final, NamedTuple

from monitor.health import Health, Trouble, without_history

# As long as a symbol may be silent until it is declared blind; a followed account is given no more to begin with.
ACCOUNT_WITHIN_S: Final = 15.0
# Each account that answers may bring new symbols, and those wait for marks anew. It ends here, whatever comes.
START_ENDS_S: Final = 60.0

STARTING: Final = "the service is starting"
AWAITED_ACCOUNTS: Final = "an account has not answered yet"
AWAITED_MARKS: Final = "a symbol has had no marks yet"
STOPPING: Final = "the service is stopping"


class Phase(Enum):
    """How far it is."""

    OPENING = "opening"  # nothing is watched yet
    STARTING = "starting"  # it watches, and waits for what is to be known
    READY = "ready"
    STOPPING = "stopping"


class Awaited(NamedTuple):
    """What is neither known nor declared to be unknown."""

    accounts: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


class Readiness:
    """Times are monotonic seconds."""

    def __init__(self) -> None:
        self.phase = Phase.OPENING
        self.missing = Awaited()  # what was still waited for at the last look; what it was ready without
        self._begun_s = 0.0

    def begin(self, now_s: float) -> None:
        """Note that everything is open, and marks may come; only the first time."""
        if self.phase is Phase.OPENING:
            self.phase, self._begun_s = Phase.STARTING, now_s

    def stop(self) -> None:
        """Note that the service drains; there is no way back."""
        self.phase = Phase.STOPPING

    def look(self, awaited: Awaited, now_s: float) -> Phase:
        """Return how far it is, now that ``awaited`` is neither known nor declared to be unknown."""
        if self.phase is Phase.STARTING:
            self.missing = awaited
            waited_s = now_s - self._begun_s
            accounts = awaited.accounts if waited_s < ACCOUNT_WITHIN_S else ()
            if waited_s >= START_ENDS_S or not (accounts or awaited.symbols):
                self.phase = Phase.READY
        return self.phase

    def judge(self, found: Health) -> Health:
        """Return the verdict on readiness, of a service whose health was ``found`` at the last look."""
        match self.phase:
            case Phase.OPENING:
                return Health((Trouble(STARTING),))
            case Phase.STARTING:
                wanted = {AWAITED_ACCOUNTS: self.missing.accounts, AWAITED_MARKS: self.missing.symbols}
                awaited = (Trouble(reason, names) for reason, names in wanted.items() if names)
                return Health((Trouble(STARTING), *awaited))
            case Phase.READY:
                return without_history(found)
            case Phase.STOPPING:
                return Health((Trouble(STOPPING),))

    def waits_for(self) -> str:
        """Return in a few words what a start still waits for, without a name; empty if it waits for nothing."""
        if self.phase is Phase.OPENING:
            return "databases"
        if self.phase is not Phase.STARTING:
            return ""
        counts = {"account": len(self.missing.accounts), "symbol": len(self.missing.symbols)}
        told = (f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items() if count)
        return " and ".join(told)
