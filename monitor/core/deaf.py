"""Channels that do not deliver: each is told of through the others, once, until it delivers again."""

from collections.abc import Mapping

from monitor.core.incidents import Incidents
from monitor.core.model import Now
from monitor.core.notices import Facts
from monitor.core.settings import EngineSettings
from monitor.core.troubles import CHANNEL_PREFIX, Troubles

# A channel that has had something to say for so long and said nothing is told of through the others.
OVERDUE_S = 300.0
OVERDUE = "overdue"


class DeafChannels:
    """Follows what channels took and refused."""

    def __init__(self, incidents: Incidents) -> None:
        self._troubles = Troubles(incidents)
        self._incidents = incidents
        self._heard_ms: dict[str, int] = {}  # when each channel last took something
        self._silent_s: dict[str, float] = {}  # since when each has had something to say in this run, monotonic
        self._environment = ""
        self._names: frozenset[str] = frozenset()
        self._refusing: set[str] = set()  # told of by what they answered: that they are late is no news

    def configure(self, settings: EngineSettings, now: Now) -> None:
        """Take settings; what was wrong with channels that are no more is over."""
        self._environment = settings.environment
        self._names = frozenset(channel.name for channel in settings.channels)
        self._troubles.forget(
            self._names, now, lambda subject: self._facts(subject.removeprefix(CHANNEL_PREFIX)), (CHANNEL_PREFIX,)
        )

    def delivered(self, channel: str, now: Now, *, accepted: bool, reason: str) -> None:
        """Take what became of a notice."""
        if channel not in self._names:
            return  # left by a run whose configuration still had it
        if accepted:
            self._heard_ms[channel] = now.wall_ms
            self._silent_s.pop(channel, None)
            self._refusing.discard(channel)
        else:
            self._refusing.add(channel)
        facts = self._facts(channel, "" if accepted else reason or "rejected")
        self._troubles.follow(CHANNEL_PREFIX, channel, now, facts, bad=not accepted)

    def judge(self, now: Now) -> None:
        """Find channels that have been silent for long with something to say, and repeat what lasts."""
        waiting: Mapping[str, int] = self._incidents.waiting()
        self._silent_s = {channel: self._silent_s.get(channel, now.mono_s) for channel in waiting}
        for channel, since_ms in waiting.items():
            if channel not in self._names or channel in self._refusing:
                continue
            silent_ms = now.wall_ms - max(since_ms, self._heard_ms.get(channel, since_ms))
            # A wall clock that was set back must not put this off for as long.
            if max(silent_ms / 1000, now.mono_s - self._silent_s[channel]) >= OVERDUE_S:
                self._troubles.follow(CHANNEL_PREFIX, channel, now, self._facts(channel, OVERDUE), bad=True)
        self._troubles.remind(now)

    def _facts(self, channel: str, reason: str = "") -> Facts:
        return Facts(environment=self._environment, detail=channel, reason=reason)
