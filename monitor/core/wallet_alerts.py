"""How incidents of wallets follow their levels: risen, fallen, met again, used up, and told again."""

from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.core.accounts import Accounts
from monitor.core.assessment import Assessment, Judgement
from monitor.core.counsel import worst
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now
from monitor.core.notices import SubjectState
from monitor.core.scene import Glance
from monitor.core.wallet_facts import WalletFacts


class WalletAlerts:
    """Turns judgements into what incidents are told."""

    def __init__(
        self, incidents: Incidents, accounts: Accounts, assessment: Assessment, facts: WalletFacts
    ) -> None:
        self._incidents = incidents
        self._accounts = accounts
        self._assessment = assessment
        self._facts = facts
        self.unread = False  # what an earlier run knew is not known

    def level_of(self, subject: str) -> Level | None:
        """Return the level that a subject was last told to have, in an earlier run too; None if never."""
        state = self._incidents.get(subject)
        return None if state is None else state.level

    def judge(self, glances: Sequence[Glance], now: Now) -> None:
        """Let levels follow what was seen, and incidents and history follow the levels.

        Args:
            glances: at the newest marks, and at extremes; none where nothing moved, then history alone goes on.
            now: the moment.
        """
        if not glances:
            self._incidents.samples.extend(self._assessment.due_samples(now))
            return
        found = self._assessment.judge(glances, self._accounts.unfollowed(), now.mono_s)
        self._follow(found, now)
        self._incidents.samples.extend(self._assessment.due_samples(now, found.changed))

    def remind(self, now: Now) -> None:
        """Tell again of wallets that are still in danger, where that is due."""
        here = self._assessment
        due: dict[int, tuple[SubjectState, tuple[str, ...]]] = {}
        for wallet in np.flatnonzero(here.levels).tolist():
            state = self._incidents.begin(self._subject(wallet), now.wall_ms)
            rule = here.limits.rules[wallet].levels[state.level - 1]
            channels = self._incidents.due(state, rule.reminder_s, self._incidents.channels, now.wall_ms)
            if channels and not np.isnan(here.readings.cushion[wallet]):
                due[wallet] = (state, channels)
        if not due:
            return
        advised = worst(due, here.levels.tolist(), here.readings.room)
        self._facts.look_ahead(tuple(due), now, here.newest)
        for wallet, (state, channels) in due.items():
            facts = self._facts.of(wallet, now)
            if wallet in advised:
                facts = self._facts.advised(wallet, now, here.newest)
            facts = msgspec.structs.replace(facts, eased=here.is_eased(wallet))
            self._incidents.remind(state, channels, now.wall_ms, facts)

    def _follow(self, found: Judgement, now: Now) -> None:
        """Let incidents follow a judgement; a level that only an extreme reached is told with its figures."""
        self._look_ahead(found, now)
        if found.changed.size or found.fresh.size:
            room = np.minimum.reduce([glance.readings.room for glance in found.glances])
            advised = worst(np.flatnonzero(found.risen).tolist(), found.levels.tolist(), room)
            for wallet in np.union1d(found.changed, found.fresh).tolist():
                glance = found.glances[found.first[wallet] if found.risen[wallet] else 0]
                self._move(wallet, glance, now, advised=wallet in advised)
        for wallet in found.relapsed.tolist():
            state = self._incidents.get(self._subject(wallet))
            if state is not None and state.level == found.levels[wallet]:
                facts = self._facts.advised(wallet, now, found.glances[found.first[wallet]])
                self._incidents.rise(state, state.level, now.wall_ms, facts)
        for glance in found.glances:
            self._tell_used_up(glance, now)

    def _look_ahead(self, found: Judgement, now: Now) -> None:
        """Let messages about wallets say what is ahead of them at the glance that they are about."""
        if not (found.changed.size or found.relapsed.size):
            return
        told = found.risen.copy()
        told[found.relapsed] = True
        for i in np.unique(found.first[told]).tolist() if told.any() else ():
            mine = np.flatnonzero(told & (found.first == i)).tolist()
            self._facts.look_ahead(mine, now, found.glances[i])

    def _move(self, wallet: int, glance: Glance, now: Now, *, advised: bool) -> None:
        """Let the incident of a wallet have the wallet's level."""
        subject = self._subject(wallet)
        level = Level(int(self._assessment.levels[wallet]))
        # Opened inside its level; after a crash beside a broken database that would silence what goes on.
        quiet = self._incidents.get(subject) is None and not self.unread
        state = self._incidents.begin(subject, now.wall_ms)
        if level is state.level:
            return
        if level > state.level and advised:
            facts = self._facts.advised(wallet, now, glance)
        else:
            facts = self._facts.of(wallet, now, glance.readings)
        if level > state.level:
            if state.level is Level.OK:
                self._accounts.begun(subject, now)
            if quiet:
                facts = msgspec.structs.replace(facts, reason="first seen")
            self._incidents.rise(state, level, now.wall_ms, facts, quiet=quiet)
        else:
            facts = msgspec.structs.replace(facts, reason=self._facts.how_it_ended(state))
            self._incidents.fall(state, level, now.wall_ms, facts)
            if level is Level.OK:
                self._accounts.over(subject)

    def _tell_used_up(self, glance: Glance, now: Now) -> None:
        """Tell of levels that cannot get worse, though their meaning does: by now the exchange has liquidated."""
        for wallet in self._assessment.used_up(glance):
            state = self._incidents.get(self._subject(wallet))
            if state is not None and not state.breached:
                facts = self._facts.advised(wallet, now, glance)
                self._incidents.rise(state, state.level, now.wall_ms, facts)

    def _subject(self, wallet: int) -> str:
        return str(self._assessment.book.wallets[wallet].key)
