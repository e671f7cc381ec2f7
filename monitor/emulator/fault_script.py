"""Faults in time: a script says when each begins and for how long it lasts; a seed makes one up.

The parts are ``CATALOGUE`` (what there is), ``Stage`` (what it happens on), ``Entry`` (what, when, how long) and
:func:`perform`. A single fault needs no script: ``await CATALOGUE["silence"].apply(stage)``, then ``undo``.
"""

from collections.abc import Collection, Iterable, Mapping
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from monitor.emulator.catalogue import CATALOGUE
from monitor.emulator.fault import GROUPS, Fault, Group, Parameter
from monitor.emulator.relay import Relay
from monitor.emulator.stage import UNRESOLVABLE, Effect, Stage
from monitor.emulator.ways import Door

__all__ = (
    "CATALOGUE",
    "GROUPS",
    "UNRESOLVABLE",
    "Door",
    "Effect",
    "Entry",
    "Fault",
    "Group",
    "Parameter",
    "Relay",
    "Script",
    "Stage",
    "check",
    "perform",
    "random_script",
)

_NONE: Mapping[str, float] = MappingProxyType({})


class Entry(NamedTuple):
    """One fault of a script.

    Attributes:
        at_s: when it begins, seconds from the start of the script.
        name: which one.
        for_s: how long it lasts; nothing is undone of one that is a moment.
        values: its parameters; what is not given is as usual.
    """

    at_s: float
    name: str
    for_s: float = 0.0
    values: Mapping[str, float] = _NONE

    @property
    def until_s(self) -> float:
        """Return when it is over, seconds from the start of the script."""
        return round(self.at_s + self.for_s, 3)  # what begins at the end of another must not seem to overlap


Script = tuple[Entry, ...]


def check(script: Iterable[Entry]) -> None:
    """Refuse what cannot be performed.

    Raises:
        ValueError: a time is negative, or a fault or a parameter is unknown, cannot be scripted, or would be
            switched on while it is on.
    """
    until_s: dict[str, float] = {}
    for entry in sorted(script, key=lambda one: one.at_s):
        fault = CATALOGUE.get(entry.name)
        if fault is None or not fault.scripted:
            raise ValueError(f"there is no fault {entry.name} to be scripted")
        if entry.at_s < 0 or entry.for_s < 0:
            raise ValueError(f"{entry.name} has a time below zero")
        if entry.values.keys() - fault.parameters.keys():
            raise ValueError(f"{entry.name} has other parameters")
        if entry.at_s < until_s.get(entry.name, 0.0):
            raise ValueError(f"{entry.name} begins while it is on")
        until_s[entry.name] = entry.until_s


async def perform(stage: Stage, script: Iterable[Entry]) -> None:
    """Play a script on a stage by its clock; returns when the last fault is over, with the stage healthy.

    Raises:
        ValueError: as :func:`check` does, before anything happens.
    """
    entries = tuple(script)
    check(entries)
    # What ends at a moment ends before what begins at it.
    moments = sorted(
        [(entry.until_s, 0 if entry.for_s else 2, entry) for entry in entries]
        + [(entry.at_s, 1, entry) for entry in entries],
        key=lambda one: one[:2],
    )
    begun_ms = stage.clock.wall_ms()
    try:
        for at_s, what, entry in moments:
            await stage.clock.sleep(at_s - (stage.clock.wall_ms() - begun_ms) / 1000)
            if what == 1:
                await CATALOGUE[entry.name].apply(stage, **entry.values)
            else:
                await CATALOGUE[entry.name].undo(stage)
    finally:
        await stage.heal()


def random_script(
    seed: int,
    duration_s: float,
    *,
    groups: Collection[Group] = GROUPS,
    names: Collection[str] | None = None,
    lasting_s: tuple[float, float] = (2.0, 90.0),
    calm_s: tuple[float, float] = (5.0, 120.0),
    overlap: float = 0.25,
) -> Script:
    """Return a script that is over at ``duration_s``; the same arguments give the same script.

    Args:
        seed: what it is drawn with.
        duration_s: seconds in which everything begins and ends.
        groups: what the faults are about.
        names: only these; None for all of the groups.
        lasting_s: shortest and longest a fault lasts, seconds.
        calm_s: shortest and longest time from the end of one to the beginning of the next, seconds.
        overlap: share of faults that begin while another is still on, 0 to 1.

    Raises:
        ValueError: no fault is left to draw from.
    """
    known = [
        one
        for one in CATALOGUE.values()
        if one.scripted and one.group in groups and (names is None or one.name in names)
    ]
    if not known:
        raise ValueError("no fault to draw from")
    random = Random(f"{seed}")
    until_s: dict[str, float] = {}
    script: list[Entry] = []
    at_s = random.uniform(*calm_s)
    while True:
        fault = random.choice(known)
        for_s = round(random.uniform(*lasting_s), 1) if fault.lasts else 0.0
        values = {name: _draw(random, one) for name, one in fault.parameters.items()}
        entry = Entry(
            round(max(at_s, until_s.get(fault.name, 0.0)), 1), fault.name, for_s, MappingProxyType(values)
        )
        if entry.until_s > duration_s:
            return tuple(sorted(script, key=lambda one: one.at_s))
        script.append(entry)
        until_s[fault.name] = entry.until_s
        inside = for_s > 0 and random.random() < overlap
        at_s = entry.at_s + random.uniform(0, for_s) if inside else max(until_s.values()) + random.uniform(*calm_s)


def _draw(random: Random, one: Parameter) -> float:
    if one.whole:
        return random.randint(round(one.least), round(one.most))
    return round(random.uniform(one.least, one.most), 3)
