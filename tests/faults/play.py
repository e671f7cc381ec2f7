"""Plays one row and measures it. Every figure is in the story's own seconds, counted from the exchange's truth."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from monitor.core.model import Level
from monitor.core.notices import ENDINGS, Notice, NoticeKind
from tests.faults.incident import ACCOUNT, SYMBOL, WINDOW_S, Truth
from tests.faults.rows import Row
from tests.faults.service import Received
from tests.faults.stage import World, unwell, world

_LONGEST_S = 600.0  # until all is well again and everything was told
_LOOK_S = 0.2
_STAYED_S = 3.0  # a level held for less may be skipped for a worse or a better one
_DANGER = re.compile(rf"\b(NOTICE|WARNING|CRITICAL|EMERGENCY)\b[^\n]* - {ACCOUNT} {SYMBOL}\b")
_WALLET_KINDS = (NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED)


class Outcome(NamedTuple):
    """What came of one row; None where there was nothing to measure. Seconds."""

    row: str
    noticed_s: float | None  # from the fault to the first notice of it
    sign: str  # its kind
    recovered_s: float | None  # from the end of the fault until the service says all is well
    unwell: tuple[str, ...]  # what it said was not, meanwhile
    reached: tuple[str, ...]  # levels that were truly reached
    late_s: float | None  # from the true emergency to a screen
    lost: tuple[str, ...]  # levels nobody was told of, nor of a worse one
    messages: int  # on the channel that got most
    titles: tuple[str, ...]
    logged: tuple[str, ...]


async def play(row: Row, folder: Path) -> Outcome:
    """Play a row from calm to calm."""
    async with world(folder, row.channels) as stage:
        if row.fall:
            stage.exchange.fall()
        begun_s = stage.clock.mono_s()
        looks = _Looks(stage)
        await row.begin(stage)
        await looks.until(begun_s + row.lasts_s)
        await row.end(stage)
        ended_s = stage.clock.mono_s()
        await looks.until(begun_s + WINDOW_S)
        while stage.clock.mono_s() < begun_s + _LONGEST_S and (
            looks.now
            or _lost(stage, begun_s, begun_s + WINDOW_S)
            or (row.signs and not _noticed(row, stage, begun_s))
        ):
            await looks.until(stage.clock.mono_s() + _LOOK_S)
        return _measured(row, stage, looks, begun_s, ended_s)


class _Looks:
    """Asks the service again and again whether all is well."""

    def __init__(self, stage: World) -> None:
        self._stage = stage
        self.now: tuple[str, ...] = ()
        self.ever: dict[str, None] = {}
        self.well_s = 0.0  # since when it has been

    async def until(self, moment_s: float) -> None:
        """Look until then."""
        while True:
            before, running = self.now, self._stage.running
            self.now = ("stopped",) if running is None else unwell(running)
            self.ever |= dict.fromkeys(self.now)
            if before and not self.now:
                self.well_s = self._stage.clock.mono_s()
            left_s = moment_s - self._stage.clock.mono_s()
            if left_s <= 0:
                return
            await self._stage.clock.sleep(min(_LOOK_S, left_s))


def _measured(row: Row, stage: World, looks: _Looks, begun_s: float, ended_s: float) -> Outcome:
    sign = _noticed(row, stage, begun_s)
    emergency_s = _first(stage.exchange.truth, Level.EMERGENCY, begun_s)
    told_s = next((one.at_s for one in _received(stage) if _level_of(one) is Level.EMERGENCY), None)
    messages = max(
        len([one for one in service.received if one.at_s <= begun_s + WINDOW_S]) for service in stage.services()
    )
    return Outcome(
        row=row.name,
        noticed_s=None if sign is None else sign[0] - begun_s,
        sign="" if sign is None else sign[1].kind.value,
        recovered_s=None if not looks.ever or looks.now else max(0.0, looks.well_s - ended_s),
        unwell=tuple(looks.ever),
        reached=tuple(level.name for level in _reached(stage.exchange.truth, begun_s, begun_s + WINDOW_S)),
        late_s=None if emergency_s is None or told_s is None else told_s - emergency_s,
        lost=_lost(stage, begun_s, begun_s + WINDOW_S),
        messages=messages,
        titles=tuple(
            f"{one.at_s - begun_s:7.1f} {service.name} {line}"
            for service in stage.services()
            for one in service.received
            for line in one.text.splitlines()
        ),
        logged=tuple(f"{name} {_short(facts)}" for name, facts in stage.logged),
    )


def _short(facts: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in facts.items() if key != "exc_info")


def _noticed(row: Row, stage: World, begun_s: float) -> tuple[float, Notice | Any] | None:
    """Return the first notice that tells of the fault; for a row without signs, the first of any trouble."""
    kinds = row.signs or tuple(kind for kind in NoticeKind if kind not in {*ENDINGS, *_WALLET_KINDS})
    return next(
        ((one.at_s, one.notice) for one in stage.told if one.notice.kind in kinds and one.at_s >= begun_s), None
    )


def _received(stage: World) -> list[Received]:
    return sorted(one for service in stage.services() for one in service.received)


def _level_of(message: Received) -> Level:
    """Return the worst level that a message gives the endangered position, as a person reads it."""
    return max((Level[found] for found in _DANGER.findall(message.text)), default=Level.OK)


def _first(truth: Sequence[Truth], level: Level, from_s: float) -> float | None:
    return next((one.at_s for one in truth if one.at_s >= from_s and one.level >= level), None)


def _reached(truth: Sequence[Truth], from_s: float, until_s: float) -> list[Level]:
    """Return the levels that were truly reached and stayed for long enough to be owed a message."""
    held = dict.fromkeys((level for level in Level if level > Level.OK), 0.0)
    for before, after in pairwise(truth):
        if from_s <= before.at_s <= until_s:
            for level in held:
                if before.level >= level:
                    held[level] += after.at_s - before.at_s
    return [level for level, seconds in held.items() if seconds >= _STAYED_S]


def _lost(stage: World, from_s: float, until_s: float) -> tuple[str, ...]:
    """Return the levels of which no message, nor one of a worse level, reached anybody."""
    told = max((_level_of(one) for one in _received(stage) if one.at_s >= from_s), default=Level.OK)
    return tuple(level.name for level in _reached(stage.exchange.truth, from_s, until_s) if level > told)
