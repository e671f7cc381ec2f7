"""Plays one row and measures it. Every figure is in the story's own seconds, counted from the exchange's truth."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from monitor.core.model import Level
from monitor.core.notices import ENDINGS, NoticeKind
from tests.faults.incident import ACCOUNT, SYMBOL, WINDOW_S, Truth
from tests.faults.rows import Row
from tests.faults.service import Received
from tests.faults.stage import Told, World, opened, unwell

_LONGEST_S = 400.0  # until all is well again and everything was told
_LOOK_S = 0.25
_CALM_S = 6.0
_MINUTE_MS, _SOONEST_MS, _LATEST_MS = 60_000, 1_000, 28_000
_STAYED_S = 3.0  # a level that was held for less is owed no message of its own
_LEVELS = "NOTICE|WARNING|CRITICAL|EMERGENCY"
# A headline, and a line of what is told of a time in which nobody watched.
_DANGER = re.compile(rf"\b({_LEVELS})\b[^\n]* - {ACCOUNT} {SYMBOL}\b")
_WAS_IN_DANGER = re.compile(rf"^({_LEVELS}): {ACCOUNT}/isolated:{SYMBOL}:LONG\b", re.MULTILINE)
_TROUBLES = frozenset(NoticeKind) - ENDINGS - {
    NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CHANGED, NoticeKind.SUMMARY, NoticeKind.TEST,
    NoticeKind.AHEAD, NoticeKind.CHECKUP,
}  # fmt: skip


class Outcome(NamedTuple):
    """What came of one row; None where there was nothing to measure. Seconds."""

    row: str
    noticed_s: float | None  # from the fault until status or log say that something is wrong
    told_s: float | None  # until a notice of it is decided
    sign: str  # its kind
    recovered_s: float | None  # from the end of the fault until the service says that all is well
    unwell: tuple[str, ...]  # what it said was not, meanwhile
    reached: tuple[str, ...]  # levels that were truly reached
    late_s: float | None  # from the true emergency to a screen
    after_s: float | None  # of that, what lies after the end of the fault
    lost: tuple[str, ...]  # levels nobody was told of, nor of a worse one
    lag_s: float  # by how much the machine was too slow for the story at its worst
    messages: int  # on the channel that got most, in the window
    story: tuple[str, ...]  # what was said and logged, for whoever looks for a reason


async def play(row: Row, folder: Path, window_s: float = WINDOW_S, *, comparable: bool = True) -> Outcome:
    """Play a row from calm to calm, and for ``window_s`` at the least; ``comparable`` with other rows."""
    async with opened(folder, row.channels) as world:
        world.exchange.breathe()
        await world.clock.sleep(_CALM_S)
        if comparable:
            await _early_in_a_minute(world)
        looks = _Looks(world)
        if not row.withdraw:
            world.exchange.fall()
        begun_s = world.clock.mono_s()
        await row.begin(world)
        await looks.until(begun_s + row.lasts_s)
        await row.end(world)
        ended_s = world.clock.mono_s()
        looks.end()
        await looks.until(begun_s + window_s)
        while world.clock.mono_s() < begun_s + _LONGEST_S and not _settled(row, world, looks, begun_s):
            await looks.until(world.clock.mono_s() + _LOOK_S)
        return _measured(row, world, looks, begun_s, ended_s)


async def _early_in_a_minute(world: World) -> None:
    """Wait for a moment from which the fall lies within one minute.

    A minute that ends in its midst makes the typical move larger, and moves left may tell of an emergency before
    room and ratio amount to one: rows could not be compared.
    """
    while not _SOONEST_MS <= world.clock.wall_ms() % _MINUTE_MS <= _LATEST_MS:
        await world.clock.sleep(_LOOK_S)


def _settled(row: Row, world: World, looks: "_Looks", begun_s: float) -> bool:
    """Return whether all is well again as far as it can be, and everything was told."""
    well = looks.well_s is not None or not row.recovers
    return well and not _lost(world, begun_s) and (row.told is None or _told(row, world, begun_s) is not None)


class _Looks:
    """Asks the service again and again whether all is well."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._over = False
        self.lag_s = 0.0
        self.unwell: dict[str, float] = {}  # what was not well, and since when
        self.well_s: float | None = None  # when all was well for the first time after the end

    def end(self) -> None:
        """Note that the fault is over: from now on all may be well again."""
        self._over = True

    async def until(self, moment_s: float) -> None:
        """Look until then."""
        clock = self._world.clock
        while True:
            running = self._world.running
            if self.well_s is None:
                wrong = ("stopped",) if running is None else unwell(running)
                for name in wrong:
                    self.unwell.setdefault(name, clock.mono_s())
                if self._over and not wrong:
                    self.well_s = clock.mono_s()
            left_s = moment_s - clock.mono_s()
            if left_s <= 0:
                return
            asleep_s = min(_LOOK_S, left_s)
            slept_s = clock.mono_s()
            await clock.sleep(asleep_s)
            self.lag_s = max(self.lag_s, clock.mono_s() - slept_s - asleep_s)


def _measured(row: Row, world: World, looks: _Looks, begun_s: float, ended_s: float) -> Outcome:
    sign = _told(row, world, begun_s)
    emergency_s = _first(world.exchange.truth, Level.EMERGENCY, begun_s)
    screen_s = next((one.at_s for one in _received(world) if _level_of(one) is Level.EMERGENCY), None)
    late_s = None if emergency_s is None or screen_s is None else screen_s - emergency_s
    noticed_s = min([*looks.unwell.values(), *_complaints(world, begun_s)], default=None)
    well_s = looks.well_s if looks.unwell else None
    return Outcome(
        row=row.name,
        noticed_s=None if noticed_s is None else noticed_s - begun_s,
        told_s=None if sign is None else sign.at_s - begun_s,
        sign="" if sign is None else sign.notice.kind.value,
        recovered_s=None if well_s is None else well_s - ended_s,
        unwell=tuple(looks.unwell),
        reached=tuple(level.name for level in _reached(world.exchange.truth, begun_s)),
        late_s=late_s,
        after_s=None if screen_s is None else screen_s - ended_s,
        lost=_lost(world, begun_s),
        lag_s=looks.lag_s,
        messages=max(
            sum(one.at_s <= begun_s + WINDOW_S for one in service.received) for service in world.services()
        ),
        story=_story(world, begun_s),
    )


def _story(world: World, begun_s: float) -> tuple[str, ...]:
    said = [(one.at_s, f"{service.name}: {line}") for service in world.services() for one in service.received
            for line in [one.title, *(found for found in one.body.splitlines() if " - " in found)]]  # fmt: skip
    logged = [
        (one.at_s, " ".join([one.event, *(f"{key}={value}" for key, value in one.facts.items())]))
        for one in world.logged
    ]
    ended = [(begun_s, f"the service ended: {failure}") for failure in world.failures]
    return tuple(f"{at_s - begun_s:7.1f} {text}" for at_s, text in sorted([*said, *logged, *ended]))


def _complaints(world: World, begun_s: float) -> list[float]:
    """Return when something was logged that is not as it should be, levels of wallets aside."""
    return [
        one.at_s
        for one in world.logged
        if one.at_s >= begun_s and one.level in {"warning", "error"} and one.event != "level.changed"
    ]


def _told(row: Row, world: World, begun_s: float) -> Told | None:
    """Return the first notice that tells of the fault; where none is promised, the first of any trouble."""
    kinds = _TROUBLES if row.told is None else {row.told}
    return next((one for one in world.told if one.notice.kind in kinds and one.at_s >= begun_s), None)


def _received(world: World) -> list[Received]:
    return sorted(one for service in world.services() for one in service.received)


def _level_of(message: Received) -> Level:
    """Return the worst level that a message gives the endangered position, as a person reads it."""
    found = [*_DANGER.findall(message.text), *_WAS_IN_DANGER.findall(message.text)]
    return max((Level[name] for name in found), default=Level.OK)


def _first(truth: Sequence[Truth], level: Level, from_s: float) -> float | None:
    return next((one.at_s for one in truth if one.at_s >= from_s and one.level >= level), None)


def _reached(truth: Sequence[Truth], from_s: float) -> list[Level]:
    """Return the levels that were truly reached and stayed for long enough to be owed a message."""
    held = dict.fromkeys((level for level in Level if level > Level.OK), 0.0)
    for before, after in pairwise(truth):
        if from_s <= before.at_s <= from_s + WINDOW_S:
            for level in held:
                if before.level >= level:
                    held[level] += after.at_s - before.at_s
    return [level for level, seconds in held.items() if seconds >= _STAYED_S]


def _lost(world: World, begun_s: float) -> tuple[str, ...]:
    """Return the levels of which no message, nor one of a worse level, reached anybody."""
    told = max((_level_of(one) for one in _received(world) if one.at_s >= begun_s), default=Level.OK)
    return tuple(level.name for level in _reached(world.exchange.truth, begun_s) if level > told)
