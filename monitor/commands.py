"""What a person may ask about quiet: acknowledge, snooze, mute, and take it back.

The same checks and the same answer serve the running daemon, whose engine decides, and a command that writes
``state.db`` itself while no daemon runs. An answer says what the hold covers and at which levels, for everything
worse is told all the same; and it says whether it is on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from monitor.core.events import Held, Lifted
from monitor.core.holds import ALERT_PREFIX, ALL, SYMBOL_PREFIX, alert_target
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.errors import ControlError
from monitor.notify.subjects import subject_name

# Nothing is silent for ever. A day is longer than anybody who acknowledged is still looking; a mute holds back
# what its author never saw, so it is over before he has slept.
LONGEST_S: Final = {HoldKind.ACK: 24 * 3600.0, HoldKind.SNOOZE: 24 * 3600.0, HoldKind.MUTE: 8 * 3600.0}
SHORTEST_S: Final = 60.0
MOST_TARGETS: Final = 1000
WHY_CHARS: Final = 200
RECORD_TIMEOUT_S: Final = 3.0  # below what an answer may take
_TARGETS: Final = {
    HoldKind.ACK: (ALERT_PREFIX,),
    HoldKind.SNOOZE: (ALERT_PREFIX, SYMBOL_PREFIX),
    HoldKind.MUTE: (ALL,),
}
_LISTED = 8

Shape = TypeVar("Shape")


class OpenAlert(Protocol):
    """An incident that is not over."""

    @property
    def number(self) -> int:
        """What people call it by."""
        ...

    @property
    def subject(self) -> str:
        """What has the level."""
        ...

    @property
    def level(self) -> Level:
        """Its level now."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols it is about."""
        ...

    @property
    def since_ms(self) -> int:
        """Since when it has this level."""
        ...


class Wish(msgspec.Struct, frozen=True):
    """What is asked for. Targets are "alert:17", "symbol:BTCUSDT" or "all"."""

    kind: HoldKind
    targets: tuple[str, ...]
    for_s: float
    why: str = ""
    by: str = ""


class Covered(msgspec.Struct, frozen=True):
    """An open alert that a hold is about; what is worse than ``level`` is told all the same."""

    number: int
    subject: str
    level: str
    symbols: tuple[str, ...]
    since_ms: int


class Granted(msgspec.Struct, frozen=True):
    """A hold that was made."""

    kind: HoldKind
    target: str
    until_ms: int
    why: str
    by: str
    covers: tuple[Covered, ...]  # the worst first; nothing if nothing is open there


class Answer(msgspec.Struct, frozen=True):
    """What came of it. Without ``recorded`` it holds, but a restart would forget it."""

    made: tuple[Granted, ...] = ()
    lifted: tuple[Granted, ...] = ()
    recorded: bool = True
    daemon: bool = True  # False: written to state.db, no daemon was running


def holds_for(wish: Wish, alerts: Sequence[OpenAlert], symbols: Collection[str], now_ms: int) -> tuple[Hold, ...]:
    """Return the holds that a wish asks for, without levels; acknowledging "all" is one for each open alert.

    Args:
        wish: what was asked.
        alerts: all that are open.
        symbols: all that are watched or have an open alert.
        now_ms: our wall clock.

    Raises:
        ControlError: too long, too short, or about something that is not there; the text says what is.
    """
    if not SHORTEST_S <= wish.for_s <= LONGEST_S[wish.kind]:
        longest = round(LONGEST_S[wish.kind] / 3600)
        raise ControlError(f"{wish.kind.value}: from one minute up to {longest} h, for nothing is silent for ever")
    if not wish.targets or len(wish.targets) > MOST_TARGETS:
        raise ControlError(f"{wish.kind.value}: name 1 to {MOST_TARGETS} targets")
    targets = tuple(dict.fromkeys(wish.targets))
    if wish.kind is HoldKind.ACK and targets == (ALL,):
        targets = tuple(alert_target(alert.number) for alert in alerts)
        if not targets:
            raise ControlError("no alert is open")
    for target in targets:
        _check(wish.kind, target, alerts, symbols)
    return tuple(
        Hold(
            key=f"{wish.kind.value}:{target}#{now_ms}",
            kind=wish.kind,
            target=target,
            made_ms=now_ms,
            until_ms=now_ms + round(wish.for_s * 1000),
            why=wish.why[:WHY_CHARS],
            by=wish.by,
        )
        for target in targets
    )


def _check(kind: HoldKind, target: str, alerts: Sequence[OpenAlert], symbols: Collection[str]) -> None:
    if not target.startswith(_TARGETS[kind]) or (target.startswith(ALL) and target != ALL):
        raise ControlError(f"{kind.value}: not for {target[:60]!r}")
    if target.startswith(ALERT_PREFIX) and target not in {alert_target(alert.number) for alert in alerts}:
        raise ControlError(f"{in_words(target)} is not open; {listed(alerts)}")
    if target.startswith(SYMBOL_PREFIX) and target.removeprefix(SYMBOL_PREFIX) not in symbols:
        raise ControlError(f"{in_words(target)} is not watched; watched: {_few(sorted(symbols)) or 'nothing'}")


def listed(alerts: Sequence[OpenAlert]) -> str:
    """Return the open alerts on one line, the worst first."""
    named = [
        f"{alert.number} ({subject_name(alert.subject)}, {alert.level.label})" for alert in _worst_first(alerts)
    ]
    return f"open: {_few(named)}" if named else "no alert is open"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _worst_first(alerts: Iterable[OpenAlert]) -> list[OpenAlert]:
    return sorted(alerts, key=lambda alert: (-alert.level, alert.number))


def is_about(target: str, alert: OpenAlert) -> bool:
    """Return whether a hold of this target is about an alert."""
    if target.startswith(SYMBOL_PREFIX):
        return target.removeprefix(SYMBOL_PREFIX) in alert.symbols
    return target in {ALL, alert_target(alert.number)}


def granted(hold: Hold, alerts: Sequence[OpenAlert]) -> Granted:
    """Return a hold with what it covers: open alerts it is about, at the levels it was made with."""
    return Granted(
        kind=hold.kind, target=hold.target, until_ms=hold.until_ms, why=hold.why, by=hold.by,
        covers=tuple(
            Covered(one.number, one.subject, hold.levels[one.subject].label, one.symbols, one.since_ms)
            for one in _worst_first(alerts)
            if is_about(hold.target, one) and hold.levels.get(one.subject, Level.OK) > Level.OK
        ),
    )  # fmt: skip


def nothing_lifted(target: str, in_force: Iterable[Hold]) -> ControlError:
    """Return the error of lifting what is not there."""
    liftable = [hold.target for hold in in_force if hold.kind is not HoldKind.ACK]
    names = ", ".join(dict.fromkeys(map(in_words, liftable)))
    return ControlError(f"{in_words(target)} is not snoozed; {f'in force: {names}' if names else 'nothing is'}")


def in_words(target: str) -> str:
    """Return a target for people; at most 60 characters of what somebody made up."""
    if target == ALL:
        return "everything"
    if target.startswith(ALERT_PREFIX):
        return f"alert {target.removeprefix(ALERT_PREFIX)[:60]}"
    return target.removeprefix(SYMBOL_PREFIX)[:60]


class Commands:
    """Handlers of the control socket that change what the engine holds back.

    Args:
        alerts: returns what is open.
        holds: returns the holds in force.
        symbols: returns what is watched.
        decide: has the engine take an event now, and returns what came of it.
        recorded: returns True once all that came of it is on disk, False if it could not be written.
        now_ms: our wall clock.
    """

    def __init__(
        self,
        *,
        alerts: Callable[[], Sequence[OpenAlert]],
        holds: Callable[[], Sequence[Hold]],
        symbols: Callable[[], Iterable[str]],
        decide: Callable[[Held | Lifted], Effects],
        recorded: Callable[[], Awaitable[bool]],
        now_ms: Callable[[], int],
    ) -> None:
        self._alerts = alerts
        self._holds = holds
        self._symbols = symbols
        self._decide = decide
        self._recorded = recorded
        self._now_ms = now_ms

    async def hold(self, request: Mapping[str, Any]) -> Answer:
        """Acknowledge, snooze or mute: ``kind``, ``targets``, ``for_s``, ``why``.

        Raises:
            ControlError: nothing was changed.
        """
        alerts = self._alerts()
        known = {*self._symbols(), *(name for alert in alerts for name in alert.symbols)}
        asked = holds_for(_decoded(request, Wish), alerts, known, self._now_ms())
        made = {}
        for hold in asked:
            for done in self._decide(Held(hold)).holds:
                made[done.key] = done
        # What came of each is the engine's word: it fills in the levels, and may end an earlier one.
        told = tuple(granted(made.get(hold.key, hold), alerts) for hold in asked)
        return Answer(made=told, recorded=await self._on_disk())

    async def lift(self, request: Mapping[str, Any]) -> Answer:
        """Take snoozes and mutes back: those of ``target``, or with "all" every one.

        Raises:
            ControlError: there are none of this target; nothing was changed.
        """
        target = _decoded(request, _Lifting).target
        alerts = self._alerts()
        in_force = self._holds()
        ended = [hold for hold in self._decide(Lifted(target)).holds if hold.ended_ms is not None]
        if not ended and target != ALL:
            raise nothing_lifted(target, in_force)
        return Answer(lifted=tuple(granted(hold, alerts) for hold in ended), recorded=await self._on_disk())

    async def _on_disk(self) -> bool:
        try:
            async with asyncio.timeout(RECORD_TIMEOUT_S):
                return await self._recorded()
        except TimeoutError:
            return False


class _Lifting(msgspec.Struct, frozen=True):
    target: str


def _decoded(request: Mapping[str, Any], shape: type[Shape]) -> Shape:
    try:
        return msgspec.convert(request, shape)
    except msgspec.ValidationError as error:
        raise ControlError(f"the request cannot be understood: {error}") from None
