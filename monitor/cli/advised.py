"""What to do about wallets that are at warning or worse, before or after something was only imagined."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from monitor.cli.before_after import LIQUIDATED
from monitor.cli.common import counted
from monitor.cli.operations import Stage
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


def advice_for(stage: Stage, grid: Grid, rung: Rung, before: Before) -> Iterator[Advice]:
    """Yield what to do about each wallet that is or was at warning or worse, in the book's order."""
    book = grid.book
    unknown = silent(book, grid.limits, rung.readings, stage.known_moves, Level.WARNING)
    unknown &= stage.settings.typical_moves
    for wallet, level in enumerate(rung.levels.tolist()):
        key = book.wallets[wallet].key
        held = before.level(key)
        if max(level, held) < Level.WARNING:
            continue
        prescription = prescribe(stage.case(*key)._replace(sharers=sharers(book, rung.levels, wallet)))
        if prescription is None and book.exposed[wallet]:
            continue
        ends = prescription is None or needs_nothing(prescription)
        yield Advice(
            *key, Level(level).label, bool(rung.liquidated[wallet]), prescription, held.label, ends,
            _dwell_s(grid, wallet, max(level, held)), not bool(unknown[wallet]), before.used_up(key),
        )  # fmt: skip


def _dwell_s(grid: Grid, wallet: int, level: int) -> float:
    """Return for how long conditions have to be missed, for this level and every one down to warning."""
    return float(grid.limits.dwell_s[Level.WARNING - 1 : level, wallet].max())


def told(advice: Advice) -> dict[str, Any]:
    """Return advice for programs; levels are words."""
    return advice._asdict() | {"prescription": as_json(advice.prescription)}


def print_advice(
    out: Console, advice: Sequence[Advice], grid: Grid, rung: Rung, tries: Callable[[Advice], Iterable[str]],
    *, shocked: bool,
) -> None:  # fmt: skip
    """Print it in the words of alerts, the wallets with the least room first.

    Args:
        out: where to.
        advice: all of it.
        grid: what was made.
        rung: of it.
        tries: commands to paste that show what the advice comes to.
        shocked: prices moved.
    """
    at = grid.book.wallet_index
    nearest = sorted(advice, key=lambda one: rung.readings.room[at[SubjectKey(one.account, one.wallet)]])
    for one in nearest[:MOST]:
        out.print()
        out.print(_heading(one, shocked=shocked))
        _print_one(out, one, grid, rung, tries)
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


def _heading(advice: Advice, *, shocked: bool) -> Text:
    """Return what becomes of a wallet; only prices that move get there on a way."""
    name = f"{advice.account} {wallet_name(advice.wallet)}"
    if not advice.liquidated:
        return Text.assemble(f"{name} is then at ", level_text(advice.level))
    if advice.used_up:
        return Text.assemble(f"{name}: ", (LIQUIDATED, STYLES["emergency"]))
    way, when = ("on the way", "beforehand") if shocked else ("at once", "besides")
    return Text(f"{name} would be liquidated {way}; what it would take {when}:")


def alert_words(advice: Advice) -> str:
    """Return whether an alert that is open ends; empty where none can be."""
    if advice.held not in _ALERTS:
        return ""
    dwell = f"after {span(advice.dwell_s)}" if advice.dwell_s > 0.0 else "at once"
    words = f"Ends an alert of {advice.held} {dwell}: "
    if advice.prescription is None:
        return f"{words}yes, no position is left"
    if advice.ends:
        return f"{words}yes{'' if advice.moves_known else ', as far as is known'}"
    add = advice.prescription.remedies[0].add
    lacking = "" if add is None else f", {enough(add, advice.prescription.asset)} lacking"
    return f"{words}not yet{lacking} (a level is left only beyond the dead band)"
