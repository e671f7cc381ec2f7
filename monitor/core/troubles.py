"""Trouble with an account that is not about one of its wallets: it cannot be followed, or our figures drift."""

from collections.abc import Callable

from monitor.core import planner
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now
from monitor.core.notices import Facts, NoticeKind

ACCOUNT_PREFIX = "/account:"
TIERS_PREFIX = "/tiers:"
DRIFT_PREFIX = "/drift:"
REMINDER_S = 7200.0

_KINDS = {
    ACCOUNT_PREFIX: (NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK, Level.CRITICAL),
    TIERS_PREFIX: (NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK, Level.CRITICAL),
    DRIFT_PREFIX: (NoticeKind.DRIFT, NoticeKind.DRIFT_OVER, Level.WARNING),
}


class Troubles:
    """Opens, repeats and closes them; what is new in one that is open is told too."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._facts: dict[str, Facts] = {}  # newest of each that is open, by subject
        self._said: dict[str, set[object]] = {}  # what was told of each that is open

    def follow(self, prefix: str, account: str, now: Now, facts: Facts, *, bad: bool) -> None:
        """Open a trouble or close it; while it lasts, another reason or another figure is news."""
        kind, over, level = _KINDS[prefix]
        subject = f"{prefix}{account}"
        state = self._incidents.get(subject)
        if bad:
            state = state or planner.begin(subject, now.wall_ms)
            self._facts[subject] = facts
            said = self._said.setdefault(subject, set())
            gist = {
                facts.reason,
                *facts.symbols,
                *((c.wallet, c.symbol, c.side, c.figure) for c in facts.compared),
            }
            if state.level is Level.OK or not gist <= said:
                self._incidents.rise(
                    state, level, now.wall_ms, facts, kind=kind, channels=self._incidents.audience(level)
                )
                said |= gist
        else:
            self._facts.pop(subject, None)
            self._said.pop(subject, None)
            if state is not None and state.level > Level.OK:
                self._incidents.fall(state, Level.OK, now.wall_ms, facts, kind=over)

    def remind(self, now: Now) -> None:
        """Repeat what lasts."""
        for subject, facts in self._facts.items():
            state = self._incidents.get(subject)
            if state is None:
                continue
            kind, _, level = _KINDS[_prefix(subject)]
            due = planner.remind(state, REMINDER_S, self._incidents.audience(level), now.wall_ms)
            if due:
                self._incidents.remind(state, due, now.wall_ms, facts, kind=kind)

    def forget(self, kept: frozenset[str], now: Now, facts: Callable[[str], Facts]) -> None:
        """Close the troubles of accounts that are not watched any more."""
        for subject in self._incidents.subjects():
            prefix = _prefix(subject)
            if prefix and subject.removeprefix(prefix) not in kept:
                self.follow(prefix, subject.removeprefix(prefix), now, facts(subject), bad=False)


def closing_kind(subject: str) -> tuple[str, NoticeKind] | None:
    """Return the account and the kind of a late closing message; None if the subject is no such trouble."""
    prefix = _prefix(subject)
    return (subject.removeprefix(prefix), _KINDS[prefix][1]) if prefix else None


def _prefix(subject: str) -> str:
    return next((prefix for prefix in _KINDS if subject.startswith(prefix)), "")
