"""What to do about wallets that are at warning or worse in a state that was only imagined."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from monitor.cli.common import counted
from monitor.cli.operations import Stage
from monitor.cli.remedy_steps import as_json
from monitor.cli.tables import level_text, wallet_name
from monitor.core.advice import prescribe
from monitor.core.ladder import Grid, Rung
from monitor.core.model import Level, SubjectKey
from monitor.core.notices import Facts, Prescription
from monitor.core.report import number, worst_row
from monitor.core.spare import sharers
from monitor.notify.remedies import remedy_lines

MOST = 20  # wallets that people are told of


class Advice(NamedTuple):
    """What ends the level of a wallet."""

    account: str
    wallet: str
    level: str
    liquidated: bool
    prescription: Prescription


def advice_for(stage: Stage, grid: Grid, rung: Rung) -> Iterator[Advice]:
    """Yield what to do about each wallet that is at warning or worse, in the book's order."""
    for wallet, level in enumerate(rung.levels.tolist()):
        key = grid.book.wallets[wallet].key
        if level < Level.WARNING:
            continue
        prescription = prescribe(stage.case(*key)._replace(sharers=sharers(grid.book, rung.levels, wallet)))
        if prescription is not None:
            yield Advice(*key, Level(level).label, bool(rung.liquidated[wallet]), prescription)


def told(advice: Advice) -> dict[str, Any]:
    """Return advice for programs; levels are words."""
    return advice._asdict() | {"prescription": as_json(advice.prescription)}


def print_advice(out: Console, advice: Sequence[Advice], grid: Grid, rung: Rung) -> None:
    """Print it in the words of alerts, the wallets with the least room first."""
    at = grid.book.wallet_index
    nearest = sorted(advice, key=lambda one: rung.readings.room[at[SubjectKey(one.account, one.wallet)]])
    for one in nearest[:MOST]:
        _print_one(out, one, grid, rung)
    if (more := len(nearest) - MOST) > 0:
        out.print(f"\n{counted(more, 'more wallet')} at warning or worse; --json has what to do about each.")


def _print_one(out: Console, advice: Advice, grid: Grid, rung: Rung) -> None:
    out.print()
    name = f"{advice.account} {wallet_name(advice.wallet)}"
    if advice.liquidated:
        out.print(Text(f"{name} would be liquidated on the way; what it would take beforehand:"))
    else:
        out.print(Text.assemble(f"{name} is then at ", level_text(advice.level)))
    for line in remedy_lines(_facts(advice, grid, rung)):
        out.print(Text(f"  {line.label}: {line.text}"), soft_wrap=True)


def _facts(advice: Advice, grid: Grid, rung: Rung) -> Facts:
    book, readings = grid.book, rung.readings
    wallet = book.wallet_index[SubjectKey(advice.account, advice.wallet)]
    row = worst_row(book, readings, wallet)
    return Facts(
        account=advice.account,
        wallet=advice.wallet,
        asset=book.wallets[wallet].asset,
        symbol="" if row is None else book.positions[row].symbol,
        side="" if row is None else book.positions[row].side.value,
        positions=sum(book.positions[one].quantity > 0 for one in book.rows_of(wallet)),
        liquidation_price=None if row is None else number(readings.liquidation_price[row]),
        prescription=advice.prescription,
    )
