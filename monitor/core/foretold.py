"""Which causes ahead are told: as lines in alerts about their wallet, and a few of them by themselves, once each.

A notice of its own is for what alone brings a wallet to a higher level than it has: funding within the hour, for
it is certain and dated, to any level; being closed by auto-deleveraging out of a hedge, and a cut of what
collateral counts, from warning on, because nobody knows whether and when they come. A bracket never: its bound
lets nothing jump, and the price that reaches it raises levels by itself. Neither does a fall of an index, which is
a price as well.

It is told to those who asked for notices, for nothing has happened yet: the level itself is told when it comes.
What was told is a state like any other, so that a restart tells nothing again: of funding the time that was told,
of the others that it lasts.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec
import numpy as np

from monitor.core import planner
from monitor.core.ahead import (
    FRESH_MS,
    HORIZON_MS,
    Due,
    Moment,
    brackets_ahead,
    collateral_ahead,
    funding_ahead,
    known,
)
from monitor.core.book import Bools, Floats
from monitor.core.deleveraging import Deviations, queue_ahead
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now, SubjectKey
from monitor.core.notices import Cause, CauseKind, Facts, NoticeKind
from monitor.core.rules import Levels
from monitor.core.surroundings import Surroundings

AHEAD_PREFIX: Final = "/ahead:"  # states that say what was told
ABOUT: Final = "ahead"
LEVEL: Final = Level.NOTICE
REFRESH_S: Final = 60.0
SOON_S: Final = 5.0  # after a look at which nothing could be judged, as at the start
WITHIN_MS: Final = 3_600_000  # how long before its time funding is told at the earliest
SHARE: Final = 0.01  # of the cushion: what a payment has to take to be worth a line
FIRST_IN_QUEUE: Final = 4  # for auto-deleveraging
MOST_LINES: Final = 3  # in an alert
# What is certain and dated; what needs no price of ours; what others decide; what a price has to reach first.
_ORDER: Final = (CauseKind.FUNDING, CauseKind.ADL, CauseKind.COLLATERAL, CauseKind.BRACKET)
# Figures of a minute ago stand beside those of an alert only where they are nearly the same, in points.
_SAME_RATIO: Final = 0.01
_SAME_MS: Final = 600_000  # a time of funding that is told a little differently is the same one
_DAY_MS: Final = 86_400_000
# How long what lasts has to be gone before it counts as new when it comes again, monotonic seconds. A price
# that hovers where a cut of collateral begins to matter would tell it every hour otherwise.
_OVER_S: Final[Mapping[str, float]] = {CauseKind.ADL.value: 3600.0, CauseKind.COLLATERAL.value: 86_400.0}


class Foretold:
    """Looks ahead once a minute, and again for alerts; remembers what belongs into them until the next time."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents
        self._lines: dict[SubjectKey, tuple[Cause, ...]] = {}
        self._made_s = float("-inf")
        self._gone_s: dict[str, float] = {}  # since when what was told does not hold, by its state's subject

    def is_due(self, now: Now) -> bool:
        """Return whether a minute has passed since the last look, or less since one that saw nothing."""
        return now.mono_s - self._made_s >= REFRESH_S

    def look(
        self,
        moment: Moment,
        around: Surroundings,
        now: Now,
        *,
        facts_of: Callable[[int], Facts],
        silent: Collection[str],
        deviations: Deviations | None = None,
    ) -> None:
        """Find what is ahead, keep the lines of alerts, tell what is new.

        Args:
            moment: how all wallets stand.
            around: what is known around positions.
            now: the moment.
            facts_of: what a message may say of a wallet of the book.
            silent: accounts of ours that have not said yet what they hold.
            deviations: of a changed book, as for ``queue_ahead``.
        """
        self._made_s = now.mono_s if known(moment).any() else now.mono_s - REFRESH_S + SOON_S
        found = _found(moment, around, deviations)
        self._lines = _lines_of(found, moment)
        held = set()
        for due in found:
            if worth_a_notice(due.cause, now.wall_ms):
                subject = _subject(moment.book.wallets[due.wallet].key, due.cause)
                held.add(subject)
                if not self._is_told(subject, due.cause, now):
                    self._tell(subject, due, facts_of(due.wallet), now)
        self._forget(held, moment, around, silent, now)

    def look_again(self, moment: Moment, around: Surroundings, deviations: Deviations | None = None) -> None:
        """Make the lines of the wallets that are known in ``moment`` anew, and leave all others as they are.

        Args:
            moment: how wallets stand that an alert is about; those not ``sure`` keep the lines that they have.
            around: what is known around positions.
            deviations: of a changed book, as for ``queue_ahead``.
        """
        lines = _lines_of(_found(moment, around, deviations), moment)
        for wallet in np.flatnonzero(known(moment)).tolist():
            key = moment.book.wallets[wallet].key
            self._lines[key] = lines.get(key, ())

    def lines(self, key: SubjectKey, facts: Facts, now_ms: int) -> tuple[Cause, ...]:
        """Return what an alert about a wallet says is ahead of it, the most telling first.

        Figures that were made when the wallet stood elsewhere are left out.
        """
        causes = (cause for cause in self._lines.get(key, ()) if not 0 < cause.at_ms <= now_ms)
        return tuple(told for cause in causes if (told := _beside(cause, facts)) is not None)

    def _is_told(self, subject: str, cause: Cause, now: Now) -> bool:
        state = self._incidents.get(subject)
        if state is None:
            return False
        if cause.kind is not CauseKind.FUNDING:
            return True
        # A time far ahead is of a clock that was wrong.
        return cause.at_ms - state.since_ms < _SAME_MS and state.since_ms <= now.wall_ms + 2 * HORIZON_MS

    def _tell(self, subject: str, due: Due, facts: Facts, now: Now) -> None:
        cause = due.cause
        state = self._incidents.get(subject) or planner.begin(subject, now.wall_ms)
        since_ms = cause.at_ms or now.wall_ms
        self._incidents.keep(msgspec.structs.replace(state, since_ms=since_ms, sequence=state.sequence + 1))
        about = f"{ABOUT}:{facts.account}/{facts.wallet}"
        self._incidents.announce(
            about, NoticeKind.AHEAD, now.wall_ms, msgspec.structs.replace(facts, ahead=(cause,)),
            level=LEVEL, channels=self._incidents.channels,
        )  # fmt: skip

    def _forget(
        self, held: set[str], moment: Moment, around: Surroundings, silent: Collection[str], now: Now
    ) -> None:
        """Forget what is over; what cannot be judged at the moment is not."""
        told = [subject for subject in self._incidents.subjects() if subject.startswith(AHEAD_PREFIX)]
        for subject in told:
            kind, key = _parsed(subject)
            state = self._incidents.get(subject)
            if kind == CauseKind.FUNDING.value:
                over = state is not None and now.wall_ms - state.since_ms > _DAY_MS
            elif subject in held or key.account in silent or not _is_judged(kind, key, moment, around):
                self._gone_s.pop(subject, None)
                continue
            else:
                over = now.mono_s - self._gone_s.setdefault(subject, now.mono_s) >= _OVER_S.get(kind, 0.0)
            if over:
                self._gone_s.pop(subject, None)
                self._incidents.vanish(subject, now.wall_ms, Facts())
        self._gone_s = {subject: at_s for subject, at_s in self._gone_s.items() if subject in told}


def _found(moment: Moment, around: Surroundings, deviations: Deviations | None) -> list[Due]:
    cushion = moment.readings.cushion
    return [
        *funding_ahead(moment, around.funding, lambda amount, level: _is_heavy(amount, cushion, level)),
        *queue_ahead(moment, around.adl, deviations, FIRST_IN_QUEUE),
        *collateral_ahead(moment, lambda _, level: level > Level.OK),
        *brackets_ahead(moment, on_the_way=True),
    ]


def _lines_of(found: Iterable[Due], moment: Moment) -> dict[SubjectKey, tuple[Cause, ...]]:
    """Return what belongs into alerts, by wallet, the most telling first."""
    lines: dict[SubjectKey, list[Cause]] = {}
    for due in found:
        if worth_a_line(due, moment):
            lines.setdefault(moment.book.wallets[due.wallet].key, []).append(due.cause)
    return {key: most_telling(causes) for key, causes in lines.items()}


def worth_a_line(due: Due, moment: Moment) -> bool:
    """Return whether a cause belongs into an alert about its wallet.

    Funding: what is paid within eight hours, if it takes more than 1 % of the cushion, because less than that is
    lost in the movement of a minute, or if it alone brings a higher level. A bracket: where its bound lies between
    the mark and the liquidation price, for on no other way to danger is it crossed. Collateral: where the cut, or
    a fall of what no position of the wallet is in, alone brings a higher level. Auto-deleveraging: in the first
    place of the queue, because from there it happens without any further warning.
    """
    cause = due.cause
    match cause.kind:
        case CauseKind.FUNDING:
            cushion = moment.readings.cushion[[due.wallet]]
            amount, level = np.array([cause.amount or 0.0]), np.array([cause.level], dtype=np.int8)
            return bool(_is_heavy(amount, cushion, level)[0])
        case CauseKind.BRACKET:
            return _is_on_the_way(cause)
        case CauseKind.COLLATERAL:
            return cause.level > Level.OK and not cause.symbol
        case CauseKind.ADL:
            return cause.quantile == FIRST_IN_QUEUE


def worth_a_notice(cause: Cause, now_ms: int) -> bool:
    """Return whether a cause is told by itself; see above for the reasons."""
    match cause.kind:
        case CauseKind.FUNDING:
            return cause.level > Level.OK and 0 < cause.at_ms - now_ms <= WITHIN_MS
        case CauseKind.ADL:
            return cause.level >= Level.WARNING and cause.quantile == FIRST_IN_QUEUE
        case CauseKind.COLLATERAL:
            return cause.level >= Level.WARNING and cause.move is None
        case CauseKind.BRACKET:
            return False


def most_telling(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return at most three: those that bring the highest level first, then by how certain they are to come."""
    return tuple(sorted(causes, key=_rank)[:MOST_LINES])


def _rank(cause: Cause) -> tuple[int, int, int, float]:
    return -cause.level, _ORDER.index(cause.kind), cause.at_ms, abs(cause.move or 0.0)


def _is_heavy(amount: Floats, cushion: Floats, level: Levels) -> Bools:
    """Return which payments matter, shape (w,); beside a cushion that is used up none does any more."""
    heavy: Bools = (amount < 0.0) & (cushion > 0.0) & ((-amount > SHARE * cushion) | (level > Level.OK))
    return heavy


def _is_on_the_way(cause: Cause) -> bool:
    before, move, price = cause.before, cause.move, cause.price
    if before is None or before.liquidation_price is None or not before.distance or move is None or price is None:
        return False
    mark = price / (1.0 + move)
    return abs(move) <= before.distance and (before.liquidation_price - mark) * move > 0.0


def _beside(cause: Cause, facts: Facts) -> Cause | None:
    """Return a cause as it may stand beside these facts; None where nothing is left of it."""
    ratio = None if cause.before is None else cause.before.margin_ratio
    if cause.kind is CauseKind.BRACKET:
        return _bound_from(cause, facts)
    if ratio is None or facts.margin_ratio is None or abs(facts.margin_ratio - ratio) <= _SAME_RATIO:
        return cause
    if cause.kind is CauseKind.COLLATERAL:
        return None
    return msgspec.structs.replace(cause, before=None, after=None, level=Level.OK)


def _bound_from(cause: Cause, facts: Facts) -> Cause | None:
    """Return the bound of a bracket as it lies from the mark of these facts; None where that has passed it."""
    if cause.symbol != facts.symbol or facts.mark is None or cause.price is None:
        return msgspec.structs.replace(cause, move=None)
    move = cause.price / facts.mark - 1.0
    return msgspec.structs.replace(cause, move=move) if move * (cause.move or 0.0) > 0.0 else None


def _subject(key: SubjectKey, cause: Cause) -> str:
    what = {
        CauseKind.ADL: f"{cause.symbol}:{cause.side}", CauseKind.COLLATERAL: cause.asset
    }.get(cause.kind, "")  # fmt: skip
    return f"{AHEAD_PREFIX}{cause.kind.value}:{what}@{key}"


def _parsed(subject: str) -> tuple[str, SubjectKey]:
    """Return kind and wallet of a state; no name before the account's has an ``@``."""
    head, _, wallet = subject.removeprefix(AHEAD_PREFIX).partition("@")
    account, _, name = wallet.partition("/")
    return head.partition(":")[0], SubjectKey(account, name)


def _is_judged(kind: str, key: SubjectKey, moment: Moment, around: Surroundings) -> bool:
    """Return whether a cause that was not found does not hold, rather than is not known."""
    wallet = moment.book.wallet_index.get(key)
    if wallet is None or not moment.book.exposed[wallet]:
        return True
    if kind == CauseKind.ADL.value:
        places = around.adl.get(key.account)
        if places is None or abs(moment.now_ms - places.at_ms) > FRESH_MS:
            return False
    return bool(known(moment)[wallet])
