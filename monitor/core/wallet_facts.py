"""What messages say of a wallet: its figures, what to do about it, what is ahead, and how it ended."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.core import report
from monitor.core.accounts import Accounts
from monitor.core.assessment import Assessment
from monitor.core.counsel import Counsel
from monitor.core.model import ForcedOrder, Level, MarginCallLeg, Now, SubjectKey
from monitor.core.notices import Facts, SubjectState
from monitor.core.risk import Readings
from monitor.core.scene import Glance, Scene
from monitor.core.settings import EngineSettings


class WalletFacts:
    """Puts together what assessment, accounts and counsel know. Owns no more than the answers of one step."""

    def __init__(self, assessment: Assessment, accounts: Accounts, counsel: Counsel) -> None:
        self._assessment = assessment
        self._accounts = accounts
        self._counsel = counsel
        self._settings = EngineSettings()
        self._asked: dict[str, Facts] = {}  # since the last step

    def configure(self, settings: EngineSettings) -> None:
        """Take new settings."""
        self._settings = settings

    def begin(self) -> None:
        """Begin a step of the engine: what was asked before may be different after it."""
        self._counsel.begin()
        self._asked.clear()

    def of(self, wallet: int, now: Now, readings: Readings | None = None) -> Facts:
        """Return the figures of a wallet, by these readings or else the newest, and what is ahead of it."""
        here = self._assessment
        readings = here.readings if readings is None else readings
        facts = report.wallet_facts(
            here.book, readings, here.board, wallet, now_s=now.mono_s, environment=self._settings.environment,
            moves_left=float(here.moves.left(readings)[wallet]),
        )  # fmt: skip
        return msgspec.structs.replace(facts, ahead=self._counsel.ahead(facts, now))

    def advised(self, wallet: int, now: Now, glance: Glance) -> Facts:
        """Return the facts of a wallet; in danger, with what to do about it, at the same prices and rates."""
        facts = self.of(wallet, now, glance.readings)
        level = int(self._assessment.levels[wallet])
        positions = len(self._assessment.book.rows_of(wallet))
        if level < Level.WARNING or not self._counsel.may_prescribe(positions, level, now):
            return facts
        prescription = self._counsel.prescription(self.scene(now), wallet, glance)
        return msgspec.structs.replace(facts, prescription=prescription)

    def look_ahead(self, wallets: Sequence[int], now: Now, glance: Glance) -> None:
        """Find what is ahead of wallets that are about to be told of, at the glance that their messages tell."""
        self._counsel.look_again(self.scene(now), glance, wallets, now)

    def present(self, subject: str, now: Now) -> Facts | None:
        """Return what is known of a wallet now; None for any other subject, and for one that is held no more."""
        wallet = self._assessment.find(subject)
        if wallet is None or not self._assessment.is_known(wallet):
            return None
        return self.advised(wallet, now, self._assessment.newest)

    def newest(self, subject: str, now: Now) -> Facts | None:
        """Return the same, as messages ask between steps, by one channel after the other."""
        if subject not in self._asked:
            with self._counsel.aside():
                facts = self.present(subject, now)
            if facts is None or facts.prescription is None:
                return facts
            self._asked[subject] = facts
        return self._asked[subject]

    def of_call(self, key: SubjectKey, leg: MarginCallLeg, now: Now) -> Facts:
        """Return what to say of a wallet that the exchange warns of; ``leg`` is what it says of a position."""
        here = self._assessment
        index = here.book.wallet_index.get(key)
        if index is not None and here.book.exposed[index]:
            self.look_ahead((index,), now, here.newest)
            return self.advised(index, now, here.newest)
        # Not known yet, or without tiers: then the call is all there is.
        return Facts(
            environment=self._settings.environment, account=key.account, wallet=key.wallet,
            margin_mode=leg.margin_mode.value, symbol=leg.symbol, side=leg.side.value, positions=1,
            mark=leg.mark, maintenance_margin=leg.maintenance,
        )  # fmt: skip

    def ending(self, subject: str, state: SubjectState | None, now: Now) -> Facts:
        """Return what a closing message that is late says of a wallet, with its state if there still is one."""
        wallet = self._assessment.find(subject)
        if wallet is None:
            account, _, name = subject.partition("/")
            return Facts(environment=self._settings.environment, account=account, wallet=name, reason="gone")
        reason = "recovered" if state is None else self.how_it_ended(state)
        return msgspec.structs.replace(self.of(wallet, now), reason=reason)

    def how_it_ended(self, state: SubjectState) -> str:
        """Return why a level fell; after a liquidation, or with the margin used up, it is no recovery."""
        if self._accounts.how_forced(state.subject) is ForcedOrder.LIQUIDATION:
            return "reduced"
        return "passed" if state.breached else "recovered"

    def scene(self, now: Now) -> Scene:
        """Return everything as it is, for what is said beside levels."""
        here = self._assessment
        marks = zip(here.book.watched, here.board.price.tolist(), strict=True)
        return Scene(
            book=here.book,
            readings=here.readings,
            limits=here.limits,
            levels=here.levels,
            deviation=here.moves.deviation,
            unsure=np.isnan(here.readings.cushion) | here.unsure(self._accounts.unfollowed(), now.mono_s),
            settings=self._settings,
            moves=here.moves.recent(),
            accounts=self._accounts.usable,
            tables=self._accounts.tables,
            corrections=self._accounts.corrections(),
            marks={name: mark for name, mark in marks if not math.isnan(mark)},
        )
