"""Trouble that is not about one wallet, and lasts: with accounts, our figures, channels, and our own parts."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from monitor.core import planner
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now
from monitor.core.notices import Facts, NoticeKind
from monitor.core.settings import ChannelRule
from monitor.core.steady import Returns, steady_s

ACCOUNT_PREFIX = "/account:"
TIERS_PREFIX = "/tiers:"
DRIFT_PREFIX = "/drift:"
CHANNEL_PREFIX = "/channel:"
STREAM_PREFIX = "/stream:"
JOB_PREFIX = "/job:"
ABOUT_ACCOUNTS = (ACCOUNT_PREFIX, TIERS_PREFIX, DRIFT_PREFIX, STREAM_PREFIX)
JOB_DWELL_S = 300.0
RETURNS_FREE = 2  # how often at first what comes and goes need not be steady for its end to be told
FATAL_LEVEL = Level.CRITICAL  # of a part that is not started anew: the service ends
# Troubles named by what the detail says, not by an account.
_BY_DETAIL = (CHANNEL_PREFIX, JOB_PREFIX)


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
    CHANNEL_PREFIX: _Kind(NoticeKind.CHANNEL, NoticeKind.CHANNEL_BACK, Level.WARNING, 7200.0, 0.0, 0.0),
    # It is reported after a minute; one that comes and goes is told once.
    STREAM_PREFIX: _Kind(NoticeKind.STREAM, NoticeKind.STREAM_BACK, Level.WARNING, 7200.0, 0.0, 120.0),
    JOB_PREFIX: _Kind(NoticeKind.JOB, NoticeKind.JOB_BACK, Level.WARNING, 7200.0, 0.0, JOB_DWELL_S),
}


class _Trouble:
    """One that is under way, or was until a moment ago."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.worst = Facts()  # as it was when it was last bad
        self.level = Level.OK
        self.bad = False
        self.since_s = 0.0  # when it last became bad or good, monotonic
        self.said: set[object] = set()


class Troubles:
    """Opens, repeats and closes them; what is new in one that is open is told too."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._under_way: dict[str, _Trouble] = {}  # by subject
        self._returns = Returns()  # by subject

    def follow(
        self, prefix: str, name: str, now: Now, facts: Facts, *, bad: bool, level: Level | None = None
    ) -> None:
        """Take what is known of a trouble; while it lasts, another reason or another figure is news.

        ``level`` is how bad it is, where that is not what its kind always is.
        """
        subject = f"{prefix}{name}"
        state = self._incidents.get(subject)
        if subject not in self._under_way and not bad and (state is None or state.level is Level.OK):
            return
        trouble = self._under_way.setdefault(subject, _Trouble())
        if bad is not trouble.bad or not trouble.since_s:
            trouble.bad, trouble.since_s = bad, now.mono_s
        trouble.facts = facts
        if bad:
            trouble.worst = facts
        trouble.level = _KINDS[prefix].level if level is None else level
        self._judge(subject, trouble, now)

    def amend(self, prefix: str, name: str, facts: Facts) -> None:
        """Let what lasts be repeated with other words, which are no news."""
        trouble = self._under_way.get(f"{prefix}{name}")
        if trouble is not None and trouble.bad:
            trouble.facts = trouble.worst = facts

    def relapse(self, prefix: str, name: str, now: Now) -> None:
        """Let what was about to be told as over go on, without a word; what is bad or over stays so."""
        subject = f"{prefix}{name}"
        trouble = self._under_way.get(subject)
        if trouble is not None and not trouble.bad:
            trouble.bad, trouble.since_s, trouble.facts = True, now.mono_s, trouble.worst
            trouble.said |= _gist(subject, trouble)

    def died(self, name: str, now: Now, facts: Facts) -> None:
        """Tell that a part of the service failed: once until it has run long enough, and that the service ends."""
        level = FATAL_LEVEL if facts.ends else _KINDS[JOB_PREFIX].level
        self.follow(JOB_PREFIX, name, now, facts, bad=True, level=level)
        if not facts.ends:
            self.follow(JOB_PREFIX, name, now, facts, bad=False)

    def resume(self, now: Now, environment: str) -> None:
        """Let what an earlier run told of its parts end, once the same parts have run long enough in this one."""
        for subject in self._incidents.subjects():
            if subject.startswith(JOB_PREFIX) and subject not in self._under_way:
                name = subject.removeprefix(JOB_PREFIX)
                self.follow(JOB_PREFIX, name, now, Facts(environment=environment, detail=name), bad=False)

    def remind(self, now: Now) -> None:
        """Tell what has lasted long enough, and repeat what lasts."""
        for subject, trouble in tuple(self._under_way.items()):
            self._judge(subject, trouble, now)
            state = self._incidents.get(subject)
            if state is None or not trouble.bad:
                continue
            rule = _KINDS[_prefix(subject)]
            due = self._incidents.due(state, rule.reminder_s, self._audience(subject), now.wall_ms)
            if due:
                self._incidents.remind(state, due, now.wall_ms, trouble.facts, kind=rule.kind)

    def forget(
        self, kept: Collection[str], now: Now, facts: Callable[[str], Facts],
        prefixes: Collection[str] = ABOUT_ACCOUNTS,
    ) -> None:  # fmt: skip
        """Close the troubles of accounts, or whatever the prefixes are about, that are ours no more."""
        for subject in sorted({*self._incidents.subjects(), *self._under_way}):
            prefix = _prefix(subject)
            if prefix in prefixes and subject.removeprefix(prefix) not in kept:
                self._close(subject, now, facts(subject))

    def _audience(self, subject: str) -> tuple[ChannelRule, ...]:
        # Nobody hears of a deaf channel through that channel.
        without = subject.removeprefix(CHANNEL_PREFIX) if subject.startswith(CHANNEL_PREFIX) else ""
        return self._incidents.audience(_KINDS[_prefix(subject)].level, without=without)

    def _judge(self, subject: str, trouble: _Trouble, now: Now) -> None:
        rule = _KINDS[_prefix(subject)]
        lasting_s = now.mono_s - trouble.since_s
        if not trouble.bad:
            if lasting_s >= max(rule.dwell_s, steady_s(self._returns.times(subject), RETURNS_FREE)):
                self._close(subject, now, trouble.facts)
            return
        if lasting_s < rule.grace_s:
            return
        facts = trouble.facts
        state = self._incidents.get(subject) or planner.begin(subject, now.wall_ms)
        gist = _gist(subject, trouble)
        if state.level is Level.OK:
            self._returns.begun(subject, now.mono_s)
        if state.level is Level.OK or not gist <= trouble.said:
            self._incidents.rise(
                state,
                max(trouble.level, state.level),
                now.wall_ms,
                facts,
                kind=rule.kind,
                channels=self._audience(subject),
            )
            trouble.said |= gist

    def _close(self, subject: str, now: Now, facts: Facts) -> None:
        self._under_way.pop(subject, None)
        state = self._incidents.get(subject)
        if state is not None and state.level > Level.OK:
            self._returns.over(subject, now.mono_s)
            self._incidents.fall(state, Level.OK, now.wall_ms, facts, kind=_KINDS[_prefix(subject)].over)


def closing(subject: str) -> tuple[Facts, NoticeKind] | None:
    """Return what a late closing message says, and its kind; None if the subject is no such trouble."""
    prefix = _prefix(subject)
    if not prefix:
        return None
    name = subject.removeprefix(prefix)
    return Facts(detail=name) if prefix in _BY_DETAIL else Facts(account=name), _KINDS[prefix].over


def _gist(subject: str, trouble: _Trouble) -> set[object]:
    """Return what is news where it was not said before."""
    facts = trouble.facts
    if subject.startswith(JOB_PREFIX):
        return {facts.ends}  # of what else it fails is for the log
    return {facts.reason, *facts.symbols, *((c.wallet, c.symbol, c.side, c.figure) for c in facts.compared)}


def _prefix(subject: str) -> str:
    return next((prefix for prefix in _KINDS if subject.startswith(prefix)), "")
