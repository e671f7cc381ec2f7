"""``simulate``: what if prices moved, margin were added, a part were closed: before and after, side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from monitor.cli.assess import MarkOption
from monitor.cli.common import (
    ConfigOption,
    JsonOption,
    console,
    globals_of,
    guarded,
    misuse,
    now_text,
    print_json,
    remark,
)
from monitor.cli.despite import load_computed
from monitor.cli.in_order import given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from monitor.cli.before_after import State
    from monitor.cli.done import Done
    from monitor.cli.ground import Ground
    from monitor.cli.ladder_view import Ladder, LadderView
    from monitor.cli.nearer import Nearer
    from monitor.core.ladder import Grid, Rung

UNWATCHED = (
    "No daemon answers: how prices move is not known, conditions on moves left take no part, and an alert may ask "
    "for more. `position-monitor run` watches."
)
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="Only this account; else all that are held.")
]


class Simulation(msgspec.Struct, frozen=True):
    """What ``simulate --json`` prints."""

    as_of: str
    operations: "tuple[Done, ...]"
    before: "State"
    after: "State"
    advice: tuple[dict[str, Any], ...]  # see ``advised.told``
    ladder: "LadderView | msgspec.UnsetType" = msgspec.UNSET


@guarded
def simulate(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    config: ConfigOption = None,
    mark: MarkOption = None,
    shock: Annotated[
        list[str] | None,
        typer.Option(
            "--shock", metavar="NAME=MOVE",
            help="Move a mark (BTCUSDT=-5%), all of them (all=-10%), or collateral (BTC=-5%).",
        ),
    ] = None,
    add_margin: Annotated[
        list[str] | None,
        typer.Option(
            "--add-margin", metavar="WALLET=AMOUNT",
            help="Such as isolated:BTCUSDT:LONG=100 or cross=100USDT; a negative amount is taken out.",
        ),
    ] = None,
    reduce: Annotated[
        list[str] | None,
        typer.Option("--reduce", metavar="SYMBOL=QUANTITY", help="Close a part: BTCUSDT=0.1 or ETHUSDT=25%."),
    ] = None,
    put_back: Annotated[
        bool, typer.Option("--put-back", help="Add the margin that reducing isolated positions releases again.")
    ] = False,
    leverage: Annotated[
        list[str] | None,
        typer.Option("--leverage", metavar="SYMBOL=LEVERAGE", help="As if opened with it, such as BTCUSDT=10."),
    ] = None,
    close: Annotated[
        list[str] | None, typer.Option("--close", metavar="SYMBOL", help="Close it whole, such as BTCUSDT:LONG.")
    ] = None,
    account: AccountOption = None,
    ladder: Annotated[
        str | None,
        typer.Option(
            "--ladder", metavar="[FROM:TO:STEP]",
            help="Then walk over a grid of moves; without a value -20%:+20%:1%.",
        ),
    ] = None,
    ladder_symbol: Annotated[
        str | None, typer.Option(
            "--ladder-symbol", metavar="SYMBOL", help="Walk with this mark alone, over --ladder or its default.",
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE.png", help="Write the ladder as a heat map.")
    ] = None,
    json: JsonOption = False,
) -> int:  # fmt: skip
    """Show what would become of wallets and positions: before and after, side by side.

    What is given is done in the order of the command line; all of a wallet's figures are then computed anew.
    Positions may be named SYMBOL, SYMBOL:SIDE or ACCOUNT/SYMBOL:SIDE, and wallets in the same way. Marks come
    from --mark; those not given are asked of the running daemon, and so is what accounts followed by their key
    hold. Nothing is sent to the exchange.
    """
    from monitor.cli.advised import Before, advice_for, print_advice, told
    from monitor.cli.before_after import state_of
    from monitor.cli.beforehand import SHOCK, Beforehand
    from monitor.cli.ground import find_ground
    from monitor.cli.in_order import OPTIONAL
    from monitor.cli.ladder_view import check_symbol, climb, ladder_view, parse_ladder, print_ladder
    from monitor.cli.on_the_way import go, to_begin_with
    from monitor.cli.pasted import Asked, options

    moves: list[float] = []
    if ladder is not None or ladder_symbol is not None or picture is not None:
        moves = parse_ladder(ladder or OPTIONAL["--ladder"])
    if picture is not None:
        _check_picture(picture)
    ground = find_ground(load_computed(context, config), mark or (), account or "")
    check_symbol(ladder_symbol or "", ground.marks, ground.unknown)
    values = {"shock": shock, "add_margin": add_margin, "reduce": reduce, "leverage": leverage, "close": close}
    start = ground.grid(ground.accounts, ground.marks)
    before = Before(start, start.at(0.0), ground.held)
    words = options(config or globals_of(context).config, mark or (), account or "")
    operations = given(context, {name: some or () for name, some in values.items()})
    asked = Asked(words, tuple(operations), put_back=put_back)
    way, beforehand = go(ground, asked, start, before.rung), Beforehand(ground, asked)
    shocks = {place for place, (name, _) in enumerate(operations, start=1) if name == SHOCK}
    advice = tuple(advice_for(way, before, beforehand, shocks))
    climbed = climb(way.grid, moves, ladder_symbol or "", shocked=bool(shocks)) if moves else None
    result = Simulation(
        as_of=now_text(),
        operations=way.done,
        before=state_of(start, before.rung),
        after=state_of(way.grid, way.rung),
        advice=tuple(map(told, advice)),
        ladder=msgspec.UNSET if climbed is None else ladder_view(climbed),
    )
    if picture is not None and climbed is not None:
        _draw(picture, climbed, _title(ground.settings.environment, len(way.done)))
    if json or globals_of(context).json:
        print_json(result)
    else:
        out, at = console(), beforehand.at
        _print(out, result, to_begin_with(way), _nearer(ground, operations, way.grid, way.rung))
        print_advice(
            out, advice, way, beforehand,
            lambda one: asked.tries(one.account, one.wallet, one.prescription, at if one.beforehand else None),
        )  # fmt: skip
        if climbed is not None:
            print_ladder(out, climbed)
    tell_gaps(ground)
    return 0


def tell_gaps(ground: "Ground") -> None:
    """Say on standard error what is not in the figures, and where their tiers come from."""
    if ground.shipped:
        remark(f"Maintenance tiers came with the program: {', '.join(ground.shipped)}.")
    if ground.unknown:
        remark(f"Not shown: {ground.unknown}.")
    if ground.differs:
        remark(ground.differs)
    if not ground.watched and not ground.unknown:
        remark(UNWATCHED)


def _nearer(
    ground: "Ground", operations: "Iterable[tuple[str, str]]", grid: "Grid", rung: "Rung"
) -> "list[Nearer]":
    """Return whose liquidation comes nearer by what was done, moves of prices aside."""
    from monitor.cli.nearer import brought_nearer
    from monitor.cli.operations import Stage

    moved = Stage(ground)
    moved.do([one for one in operations if one[0] == "shock"])
    untouched = ground.grid(moved.accounts, moved.marks)
    return list(brought_nearer(untouched, untouched.at(0.0), grid, rung))


def _check_picture(picture: Path) -> None:
    from importlib.util import find_spec

    from monitor.charts import INSTALL

    if find_spec("matplotlib") is None:
        raise misuse("--picture", "no matplotlib", "pictures with the optional packages for charts", INSTALL)
    if picture.suffix.lower() != ".png":
        raise misuse("--picture", repr(str(picture)[:60]), "a file name that ends with .png")


def _title(environment: str, operations: int) -> str:
    words = f"Levels and margin ratios by move · {environment}"
    return words if not operations else f"{words} · after what was simulated"


def _draw(picture: Path, ladder: "Ladder", title: str) -> None:
    from monitor.charts.heatmap import draw_heat_map
    from monitor.cli.ladder_view import heat_map

    png = draw_heat_map(heat_map(ladder, title))
    try:
        picture.write_bytes(png)
    except OSError as error:
        raise misuse(
            "--picture", repr(str(picture)[:200]), "a file that can be written", str(error.strerror)
        ) from None


def _print(out: "Console", result: Simulation, first: str, nearer: "Iterable[Nearer]") -> None:
    from rich.text import Text

    from monitor.cli.before_after import position_changes, wallet_changes
    from monitor.cli.done import totals
    from monitor.notify.numbers import money

    if first:
        out.print(Text(first, style="yellow"))
        out.print()
    for place, done in enumerate(result.operations, start=1):
        out.print(Text(f"{place}. {done.words}"))
        for note in done.notes:
            out.print(Text(f"   {note}", style="dim"))
    for total in totals(result.operations):
        words = f"{money(total.fee, total.asset)} fee and {money(total.slippage, total.asset)} slippage"
        out.print(Text(f"Assumed cost together: {words}"))
    if result.operations:
        out.print()
    out.print(wallet_changes(result.before, result.after))
    out.print()
    out.print(position_changes(result.before, result.after))
    for one in nearer:
        out.print()
        out.print(Text(one.words, style="yellow"))
