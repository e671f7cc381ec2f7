"""What a check found, and checks run side by side, each with a time limit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec


class State(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    WARN = "warn"  # works, or will, but not as it should
    FAIL = "FAIL"
    UNKNOWN = "unknown"  # cannot be known, or was not looked at because something before it failed


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at; never with a secret in it."""

    area: str  # a constant, such as clock
    subject: str  # what of it, such as an account or a host; may be empty
    state: State
    found: str
    fix: str = ""  # what to do about it; empty where nothing is to do


class Check(NamedTuple):
    """Findings that belong together. ``run`` hands each on as soon as it is known."""

    name: str
    run: Callable[["Report"], Awaitable[None]]
    limit_s: float
    # Areas of which something must be found, in the order they are looked at: area, subject and what to do.
    owed: tuple[tuple[str, str, str], ...] = ()


Report = Callable[[Finding], None]


async def examine(checks: Sequence[Check], progress: Callable[[Sequence[str]], None]) -> tuple[Finding, ...]:
    """Run all checks side by side and return what they found, in the order of the checks.

    Args:
        checks: independent of each other.
        progress: told the names of the checks that still run, whenever one ends.
    """
    found: list[list[Finding]] = [[] for _ in checks]
    running = dict.fromkeys(check.name for check in checks)

    async def run(check: Check, mine: list[Finding]) -> None:
        try:
            async with asyncio.timeout(check.limit_s):
                await check.run(mine.append)
        except TimeoutError:
            mine.extend(late(check, mine))
        del running[check.name]
        progress(tuple(running))

    progress(tuple(running))
    async with asyncio.TaskGroup() as group:
        for check, mine in zip(checks, found, strict=True):
            group.create_task(run(check, mine))
    return tuple(finding for mine in found for finding in mine)


def late(check: Check, found: Iterable[Finding]) -> list[Finding]:
    """Return what is said of areas a check owes and was too late for: the first fails, the rest waited for it."""
    done = {(one.area, one.subject) for one in found}
    words = f"no answer within {check.limit_s:.0f} s"
    missing = [owed for owed in check.owed if owed[:2] not in done]
    return [
        Finding(area, subject, State.FAIL, words, fix)
        if place == 0
        else Finding(area, subject, State.UNKNOWN, f"not looked at: {words}")
        for place, (area, subject, fix) in enumerate(missing)
    ]
