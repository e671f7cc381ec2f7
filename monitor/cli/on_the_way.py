"""What becomes of wallets between one operation and the next: one that is used up is gone by the next."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.cli.common import counted
from monitor.cli.done import Done
from monitor.cli.ground import Ground
from monitor.cli.operations import Stage
from monitor.cli.pasted import Asked
from monitor.core.ladder import Grid, Rung
from monitor.core.model import SubjectKey
from monitor.notify.subjects import wallet_name

_NAMED = 3  # wallets, in one sentence


class Fallen(NamedTuple):
    """A wallet whose margin is used up at some moment."""

    operation: int  # by which it is first, counted from 1; 0: it is as things are
    number: int  # the same as printed: an operation on both sides of a hedge counts twice
    after: list[int]  # each operation after which it is


class Way(NamedTuple):
    """What was done, and what came of it."""

    done: tuple[Done, ...]
    stage: Stage  # in the end
    grid: Grid
    rung: Rung
    fallen: dict[SubjectKey, Fallen]


def go(ground: Ground, asked: Asked, start: Grid, rung: Rung) -> Way:
    """Do what was asked, one operation after the other, and look at all wallets after each.

    Args:
        ground: what is held.
        asked: operations.
        start: of what is held, as it is.
        rung: of it.

    Raises:
        ConfigError: an operation cannot be done.
    """
    stage = Stage(ground, put_back=asked.put_back)
    grid, done = start, list[Done]()
    fallen: dict[SubjectKey, Fallen] = {}
    _note(fallen, grid, rung, 0, 0)
    for place, operation in enumerate(asked.operations, start=1):
        done += stage.do([operation])
        grid = ground.grid(stage.accounts, stage.marks)
        rung = grid.at(0.0)
        new = _note(fallen, grid, rung, place, len(done))
        if new and place < len(asked.operations):
            last = done[-1]
            done[-1] = msgspec.structs.replace(last, notes=(*last.notes, _gone(new)))
    return Way(tuple(done), stage, grid, rung, fallen)


def to_begin_with(way: Way) -> str:
    """Return that something was done to what is used up as it is; empty where nothing is, or nothing was done."""
    first = [key for key, one in way.fallen.items() if one.operation == 0]
    if not first or not way.done:
        return ""
    whose = "a wallet" if len(first) == 1 else "wallets"
    return (
        f"As it is, the margin of {_named(first)} is used up: look at the exchange first. What follows is of "
        f"{whose} that it would have closed."
    )


def _note(
    fallen: dict[SubjectKey, Fallen], grid: Grid, rung: Rung, operation: int, number: int
) -> list[SubjectKey]:
    """Note which wallets are used up after an operation; return those that were not before."""
    new: list[SubjectKey] = []
    for wallet in np.flatnonzero(rung.liquidated).tolist():
        key = grid.book.wallets[wallet].key
        if key not in fallen:
            fallen[key] = Fallen(operation, number, [])
            new.append(key)
        fallen[key].after.append(operation)
    return new


def _gone(keys: Sequence[SubjectKey]) -> str:
    it, whose = ("it", "a wallet") if len(keys) == 1 else ("them", "wallets")
    return (
        f"here the margin of {_named(keys)} is used up: the exchange would liquidate {it}, and what follows is of "
        f"{whose} that it would have closed"
    )


def _named(keys: Sequence[SubjectKey]) -> str:
    names = [f"{key.account} {wallet_name(key.wallet)}" for key in keys[:_NAMED]]
    if (more := len(keys) - len(names)) > 0:
        names.append(counted(more, "more wallet"))
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
