"""What to do about wallets that are at warning or worse, before or after something was only imagined."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from monitor.cli.before_after import LIQUIDATED
from monitor.cli.beforehand import Beforehand
from monitor.cli.common import counted
from monitor.cli.on_the_way import Way
from monitor.cli.remedy_steps import as_json, facts_of
from monitor.cli.tables import STYLES, level_text, wallet_name
from monitor.core.advice import prescribe
from monitor.core.changed_moves import silent
from monitor.core.ladder import Grid, Rung
from monitor.core.model import Level, SubjectKey
from monitor.core.notices import Prescription
from monitor.core.spare import sharers
from monitor.notify.numbers import enough, span
from monitor.notify.remedies import needs_nothing, remedy_lines

MOST = 20  # wallets that people are told of
UNKNOWN_MOVES = "how prices move is not known here: an alert may ask for more"
_ALERTS = frozenset(level.label for level in Level if level >= Level.WARNING)


class Advice(NamedTuple):
    """What ends the level of a wallet, and whether that is over by now."""

    account: str
    wallet: str
    level: str
    liquidated: bool
    prescription: Prescription | None  # None where nothing is left in the wallet
    held: str  # the level before, by the marks given or as the daemon keeps it, whichever is worse
    ends: bool  # with this, the level falls below warning: conditions are missed by the dead band
    dwell_s: float  # for how long they have to be, before it falls
    moves_known: bool  # how the wallet moves is known where conditions ask for it; else an alert may ask for more
    used_up: bool  # before anything was done
    liquidated_by: int | None  # the operation by which it is first, counted from 1; 0: as it is; None: by none
    on_the_way: bool  # that was a move of prices, so that something could be done before it
    beforehand: bool  # the prescription is for before the first move of prices, at the prices then


class Before(NamedTuple):
    """What wallets were like before anything was done."""

    grid: Grid
    rung: Rung
    held: Mapping[SubjectKey, Level]  # the daemon's own levels

    def level(self, key: SubjectKey) -> Level:
        """Return the level of a wallet: that of the marks, or a worse one that the daemon keeps."""
        at = self.grid.book.wallet_index.get(key)
        here = Level.OK if at is None else Level(int(self.rung.levels[at]))
        return max(here, self.held.get(key, Level.OK))

    def used_up(self, key: SubjectKey) -> bool:
        """Return whether the margin of a wallet was used up already."""
        at = self.grid.book.wallet_index.get(key)
        return at is not None and bool(self.rung.liquidated[at])


def advice_for(way: Way, before: Before, beforehand: Beforehand, shocks: Container[int]) -> Iterator[Advice]:
    """Yield what to do about each wallet that is or was at warning or worse, or that prices liquidate on the way.

    Args:
        way: what was done.
        before: anything was.
        beforehand: the moment before prices moved.
        shocks: which operations moved prices, counted from 1.
    """
    stage, grid, rung = way.stage, way.grid, way.rung
    book = grid.book
    unknown = silent(book, grid.limits, rung.readings, stage.known_moves, Level.WARNING)
    unknown &= stage.settings.typical_moves
    for wallet, level in enumerate(rung.levels.tolist()):
        key = book.wallets[wallet].key
        held = before.level(key)
        fallen = way.fallen.get(key)
        gone = fallen is not None and fallen.operation in shocks
        if max(level, held) < Level.WARNING and not gone:
            continue
        others = sharers(book, rung.levels, wallet)
        early = None
        if fallen is not None and fallen.operation > 0 and (gone or rung.liquidated[wallet]):
            early = beforehand.find(key, fallen.after, others)
        plan = early
        if early is None and not gone:
            plan = prescribe(stage.case(*key)._replace(sharers=others))
            if plan is None and book.exposed[wallet]:
                continue
        ends = not gone and (plan is None or needs_nothing(plan))
        yield Advice(
            *key, Level(level).label, bool(rung.liquidated[wallet]), plan, held.label, ends,
            _dwell_s(grid, wallet, max(level, held)), not bool(unknown[wallet]), before.used_up(key),
            None if fallen is None else fallen.number, gone, early is not None,
        )  # fmt: skip


def _dwell_s(grid: Grid, wallet: int, level: int) -> float:
    """Return for how long conditions have to be missed, for this level and every one down to warning."""
    return float(grid.limits.dwell_s[Level.WARNING - 1 : level, wallet].max(initial=0.0))


def told(advice: Advice) -> dict[str, Any]:
    """Return advice for programs; levels are words."""
    return advice._asdict() | {"prescription": as_json(advice.prescription)}


def print_advice(
    out: Console, advice: Sequence[Advice], way: Way, beforehand: Beforehand,
    tries: Callable[[Advice], Iterable[str]],
) -> None:  # fmt: skip
    """Print it in the words of alerts, the wallets with the least room first.

    Args:
        out: where to.
        advice: all of it.
        way: what was done.
        beforehand: the moment before prices moved.
        tries: commands to paste that show what the advice comes to.
    """
    at = way.grid.book.wallet_index
    nearest = sorted(advice, key=lambda one: way.rung.readings.room[at[SubjectKey(one.account, one.wallet)]])
    for one in nearest[:MOST]:
        out.print()
        out.print(_heading(one))
        _print_one(out, one, *(beforehand.seen if one.beforehand else (way.grid, way.rung)), tries)
    if (more := len(nearest) - MOST) > 0:
        out.print(f"\n{counted(more, 'more wallet')} at warning or worse; --json has what to do about each.")


def _print_one(
    out: Console, advice: Advice, grid: Grid, rung: Rung, tries: Callable[[Advice], Iterable[str]]
) -> None:
    if not advice.ends:
        wallet = grid.book.wallet_index[SubjectKey(advice.account, advice.wallet)]
        gone = advice.liquidated and advice.used_up
        facts = facts_of(grid.book, rung.readings, wallet, advice.prescription, liquidatable=gone)
        for line in remedy_lines(facts):
            out.print(Text(f"  {line.label}: {line.text}"))
    if words := alert_words(advice):
        out.print(Text(f"  {words}"))
    if advice.ends and not advice.moves_known:
        out.print(Text(f"  On moves left: {UNKNOWN_MOVES}"))
    for command in () if advice.ends else tries(advice):
        out.print(Text(f"  Try: {command}", style="dim"), soft_wrap=True)


def _heading(advice: Advice) -> Text:
    """Return what becomes of a wallet; only prices that move get there on a way."""
    name = f"{advice.account} {wallet_name(advice.wallet)}"
    if advice.on_the_way:
        if advice.prescription is None:
            return Text(f"{name} would be liquidated on the way, by operation {advice.liquidated_by}.")
        return Text(f"{name} would be liquidated on the way; what it would take beforehand:")
    if not advice.liquidated:
        return Text.assemble(f"{name} is then at ", level_text(advice.level))
    if advice.used_up:
        return Text.assemble(f"{name}: ", (LIQUIDATED, STYLES["emergency"]))
    return Text(f"{name} would be liquidated at once; what it would take besides:")


def alert_words(advice: Advice) -> str:
    """Return whether an alert that is open ends; empty where none can be."""
    if advice.held not in _ALERTS:
        return ""
    dwell = f"after {span(advice.dwell_s)}" if advice.dwell_s > 0.0 else "at once"
    words = f"Ends an alert of {advice.held} {dwell}: "
    if advice.on_the_way:
        return f"{words}no, it would be liquidated first"
    if advice.ends:
        if advice.prescription is None:
            words += "yes, no position is left"
        else:
            words += f"yes{'' if advice.moves_known else ', as far as is known'}"
        return f"{words}{', unless the exchange has closed it' if advice.used_up else ''}"
    plan = advice.prescription
    add = None if plan is None else plan.remedies[0].add
    lacking = "" if plan is None or add is None else f", {enough(add, plan.asset)} lacking"
    return f"{words}not yet{lacking} (a level is left only beyond the dead band)"
