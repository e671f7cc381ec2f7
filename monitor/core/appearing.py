"""When a finding is told: once, after it has lasted, together with what appeared beside it.

A stop that is replaced is gone for seconds, and an account that was just opened is still being set up: nothing is
told before it has been so for two minutes, and what begins to be so meanwhile is waited for. What was told is a
state like any other, so that a restart tells nothing again. It is forgotten once the finding is gone for good, and
new when it comes back; figures that hover around a limit have to stay away for hours, for nobody did anything.
What cannot be looked at is neither found nor gone.
That the margin is used up is no habit: alerts tell it, at once and loudly.
"""

from collections.abc import Collection, Mapping
from typing import Final

from monitor.core import planner
from monitor.core.checkup import Checkup, account_of, by_weight, is_unchecked
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now
from monitor.core.notices import Facts, Finding, FindingCode, NoticeKind

FOUND_PREFIX: Final = "/found:"  # states that say what was told
ABOUT: Final = "checkup"
LEVEL: Final = Level.NOTICE
EVERY_S: Final = 10.0
LASTING_S: Final = 120.0
TOGETHER_S: Final = 60.0  # how long what has lasted waits for what has not yet
APART_S: Final = 600.0  # between two messages
GONE_S: Final = 120.0
_HOVERING_S: Final = 6 * 3600.0
_HOVERING: Final = frozenset(
    {
        FindingCode.CROSS.value, FindingCode.CONCENTRATION.value, FindingCode.EXPOSURE.value,
        FindingCode.LEVERAGE.value, FindingCode.NEAR.value, FindingCode.STOP_BEYOND.value,
        FindingCode.STOP_SIDE.value, FindingCode.STOP_TIGHT.value,
    }
)  # fmt: skip


class Appearing:
    """Follows findings from one look to the next. Times are monotonic seconds."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._since_s: dict[str, float] = {}  # by key, since when what is not told yet has been so
        self._gone_s: dict[str, float] = {}  # by key, since when what was told is so no more
        self._looked_s = float("-inf")
        self._told_s = float("-inf")

    def is_due(self, now: Now) -> bool:
        """Return whether it is time to look again."""
        return now.mono_s - self._looked_s >= EVERY_S

    def look(
        self, found: Checkup, now: Now, *, environment: str, ours: Collection[str], silent: Collection[str]
    ) -> None:
        """Take what a checkup found, and tell what is new.

        Args:
            found: of all accounts that are known.
            now: the moment.
            environment: stamped on what is told.
            ours: accounts of the configuration.
            silent: of those, the ones that have not said yet what they hold.
        """
        self._looked_s = now.mono_s
        present = {one.key: one for one in found.findings if one.code is not FindingCode.USED_UP}
        told = {
            subject.removeprefix(FOUND_PREFIX)
            for subject in self._incidents.subjects()
            if subject.startswith(FOUND_PREFIX)
        }
        unsure = {
            key
            for key in (told | self._since_s.keys()) - present.keys()
            if account_of(key) in silent or is_unchecked(key, found.gaps)
        }
        self._forget(told - present.keys(), unsure, ours, now)
        self._since_s = {
            key: self._since_s.get(key, now.mono_s)
            for key in sorted((present.keys() | (unsure & self._since_s.keys())) - told)
        }
        self._tell(present, environment, now)

    def _forget(self, missing: Collection[str], unsure: Collection[str], ours: Collection[str], now: Now) -> None:
        """Forget what is over; an account that was taken out of the configuration is so at once."""
        gone_s = {}
        for key in sorted(missing):
            if key in unsure:
                continue
            since_s = self._gone_s.get(key, now.mono_s)
            lasting_s = _HOVERING_S if key.partition("/")[0] in _HOVERING else GONE_S
            if account_of(key) not in ours or now.mono_s - since_s >= lasting_s:
                self._incidents.vanish(f"{FOUND_PREFIX}{key}", now.wall_ms, Facts())
            else:
                gone_s[key] = since_s
        self._gone_s = gone_s

    def _tell(self, present: Mapping[str, Finding], environment: str, now: Now) -> None:
        waiting = {key: now.mono_s - since_s for key, since_s in self._since_s.items() if key in present}
        ripe = [key for key, lasted_s in waiting.items() if lasted_s >= LASTING_S]
        if not ripe or now.mono_s - self._told_s < APART_S or self._incidents.holds.muted():
            return
        if len(ripe) < len(waiting) and max(waiting.values()) < LASTING_S + TOGETHER_S:
            return
        asking = [channel for channel in self._incidents.channels if channel.min_level <= LEVEL]
        if not asking:
            return  # nobody is told, and somebody who asks later has not heard of it
        findings = by_weight(present[key] for key in ripe)
        accounts = {finding.account for finding in findings}
        facts = Facts(
            environment=environment, account=accounts.pop() if len(accounts) == 1 else "", findings=findings
        )
        self._told_s = now.mono_s
        for key in ripe:
            del self._since_s[key]
            self._incidents.keep(planner.begin(f"{FOUND_PREFIX}{key}", now.wall_ms))
        self._incidents.announce(ABOUT, NoticeKind.CHECKUP, now.wall_ms, facts, level=LEVEL, channels=asking)
