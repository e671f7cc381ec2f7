"""Trouble with an account that is not about one of its wallets: it cannot be followed, or our figures drift."""

from collections.abc import Callable
from typing import NamedTuple

from monitor.core import planner
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now
from monitor.core.notices import Facts, NoticeKind

ACCOUNT_PREFIX = "/account:"
TIERS_PREFIX = "/tiers:"
DRIFT_PREFIX = "/drift:"


class _Kind(NamedTuple):
    kind: NoticeKind
    over: NoticeKind
    level: Level
    reminder_s: float
    grace_s: float  # how long it has to last before it is told
    dwell_s: float  # how long it has to be over before that is told, so that a figure at its bound is told once


_KINDS = {
    ACCOUNT_PREFIX: _Kind(NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK, Level.CRITICAL, 900.0, 0.0, 0.0),
    # The tiers of a contract that was listed since they were last asked for are on their way.
    TIERS_PREFIX: _Kind(NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK, Level.CRITICAL, 900.0, 10.0, 0.0),
    DRIFT_PREFIX: _Kind(NoticeKind.DRIFT, NoticeKind.DRIFT_OVER, Level.WARNING, 7200.0, 0.0, 120.0),
}


class _Trouble:
    """One that is under way, or was until a moment ago."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.bad = False
        self.since_s = 0.0  # when it last became bad or good, monotonic
        self.said: set[object] = set()


class Troubles:
    """Opens, repeats and closes them; what is new in one that is open is told too."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._under_way: dict[str, _Trouble] = {}  # by subject

    def follow(self, prefix: str, account: str, now: Now, facts: Facts, *, bad: bool) -> None:
        """Take what is known of a trouble; while it lasts, another reason or another figure is news."""
        subject = f"{prefix}{account}"
        state = self._incidents.get(subject)
        if subject not in self._under_way and not bad and (state is None or state.level is Level.OK):
            return
        trouble = self._under_way.setdefault(subject, _Trouble())
        if bad is not trouble.bad or not trouble.since_s:
            trouble.bad, trouble.since_s = bad, now.mono_s
        trouble.facts = facts
        self._judge(subject, trouble, now)

    def remind(self, now: Now) -> None:
        """Tell what has lasted long enough, and repeat what lasts."""
        for subject, trouble in tuple(self._under_way.items()):
            self._judge(subject, trouble, now)
            state = self._incidents.get(subject)
            if state is None or not trouble.bad:
                continue
            rule = _KINDS[_prefix(subject)]
            due = planner.remind(state, rule.reminder_s, self._incidents.audience(rule.level), now.wall_ms)
            if due:
                self._incidents.remind(state, due, now.wall_ms, trouble.facts, kind=rule.kind)

    def forget(self, kept: frozenset[str], now: Now, facts: Callable[[str], Facts]) -> None:
        """Close the troubles of accounts that are not watched any more."""
        for subject in {*self._incidents.subjects(), *self._under_way}:
            prefix = _prefix(subject)
            if prefix and subject.removeprefix(prefix) not in kept:
                self._close(subject, now, facts(subject))

    def _judge(self, subject: str, trouble: _Trouble, now: Now) -> None:
        rule = _KINDS[_prefix(subject)]
        lasting_s = now.mono_s - trouble.since_s
        if not trouble.bad:
            if lasting_s >= rule.dwell_s:
                self._close(subject, now, trouble.facts)
            return
        if lasting_s < rule.grace_s:
            return
        facts = trouble.facts
        state = self._incidents.get(subject) or planner.begin(subject, now.wall_ms)
        gist = {facts.reason, *facts.symbols, *((c.wallet, c.symbol, c.side, c.figure) for c in facts.compared)}
        if state.level is Level.OK or not gist <= trouble.said:
            self._incidents.rise(
                state,
                rule.level,
                now.wall_ms,
                facts,
                kind=rule.kind,
                channels=self._incidents.audience(rule.level),
            )
            trouble.said |= gist

    def _close(self, subject: str, now: Now, facts: Facts) -> None:
        self._under_way.pop(subject, None)
        state = self._incidents.get(subject)
        if state is not None and state.level > Level.OK:
            self._incidents.fall(state, Level.OK, now.wall_ms, facts, kind=_KINDS[_prefix(subject)].over)


def closing_kind(subject: str) -> tuple[str, NoticeKind] | None:
    """Return the account and the kind of a late closing message; None if the subject is no such trouble."""
    prefix = _prefix(subject)
    return (subject.removeprefix(prefix), _KINDS[prefix].over) if prefix else None


def _prefix(subject: str) -> str:
    return next((prefix for prefix in _KINDS if subject.startswith(prefix)), "")
