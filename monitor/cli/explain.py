"""``explain SYMBOL``: the arithmetic, line by line. Every figure comes from the one evaluation; none is redone."""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer

from monitor.cli.assess import MarkOption, parse_marks
from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, load, misuse, print_json

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.core.book import Book
    from monitor.core.risk import Readings


_ROUNDING = 1e-12
FORMULA = "(balance + other PnL - other maintenance + sum cum - sum side q entry) / sum (q mmr - side q)"


class Input(NamedTuple):
    """A mark price, where it came from and how old it is."""

    price: float
    source: str
    age_s: float | None


class Step(msgspec.Struct, frozen=True):
    """One line of the arithmetic."""

    name: str
    arithmetic: str
    value: float | None
    unit: str = ""
    source: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """The arithmetic of one position."""

    account: str
    wallet: str
    symbol: str
    side: str
    steps: tuple[Step, ...]


@guarded
def explain(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="A symbol that is held, such as BTCUSDT.")],
    config: ConfigOption = None,
    mark: MarkOption = None,
    json: JsonOption = False,
) -> int:
    """Show the arithmetic behind a symbol's readings, line by line.

    Marks come from --mark; those not given are asked of the running daemon.
    """
    from monitor.cli.assess import evaluated

    settings = load(context, config)
    if symbol not in settings.symbols:
        held = ", ".join(sorted(settings.symbols)) or "none"
        raise misuse("SYMBOL", repr(symbol[:40]), f"symbols held: {held}")
    inputs = _inputs(settings, parse_marks(mark or ()))
    needed = _needed(settings, symbol)
    for other in settings.symbols:
        # A symbol that shares no wallet with this one does not enter; any price will do.
        if other not in inputs and other not in needed:
            inputs[other] = Input(1.0, "", None)
    book, readings = evaluated(settings, {s: inputs[s].price for s in settings.symbols if s in inputs})
    explanations = [
        Explanation(
            book.wallets[int(book.row_wallet[row])].key.account,
            book.wallets[int(book.row_wallet[row])].key.wallet,
            symbol,
            position.side.value,
            tuple(map(_unsigned_zero, _steps(book, readings, row, inputs))),
        )
        for row, position in enumerate(book.positions)
        if position.symbol == symbol
    ]
    if json or globals_of(context).json:
        print_json(explanations)
    else:
        _print(explanations)
    return 0


def _inputs(settings: "Settings", given: Mapping[str, float]) -> dict[str, Input]:
    """Return marks by symbol: as given, else as the running daemon knows them."""
    from monitor.control import ask
    from monitor.errors import ControlError

    inputs = {symbol: Input(price, "given", None) for symbol, price in given.items()}
    if all(symbol in inputs for symbol in settings.symbols):
        return inputs
    try:
        status = ask(settings.state_directory(os.environ), {"command": "status"})
    except ControlError:
        return inputs
    for view in status["engine"]["symbols"]:
        if view["mark"] is not None and view["symbol"] in settings.symbols:
            inputs.setdefault(view["symbol"], Input(view["mark"], view["source"], view["age_s"]))
    return inputs


def _needed(settings: "Settings", symbol: str) -> set[str]:
    """Return the symbols that share a wallet with ``symbol``."""
    needed = {symbol}
    for account in settings.accounts:
        wallets = {p.wallet for p in account.positions if p.symbol == symbol}
        needed |= {p.symbol for p in account.positions if p.wallet in wallets}
    return needed


def _steps(book: "Book", readings: "Readings", row: int, inputs: Mapping[str, Input]) -> Iterator[Step]:
    position = book.positions[row]
    wallet = int(book.row_wallet[row])
    asset = book.wallets[wallet].asset
    given = inputs[position.symbol]
    age = "" if given.age_s is None else f", {given.age_s:.1f} s old"
    price, notional = given.price, float(readings.notional[row])
    bracket = int(readings.bracket[row])
    tier = int(book.row_tier[row])
    mmr, cum = float(book.tiers.mmr[tier][bracket]), float(book.tiers.cum[tier][bracket])
    pnl, maintenance = float(readings.unrealized_pnl[row]), float(readings.position_maintenance[row])
    balance = float(book.wallet_balance[wallet])
    sign = "-" if position.side == "SHORT" else ""

    yield Step("mark price", "", price, source=f"{given.source}{age}")
    yield Step("quantity", "", position.quantity, source="configuration")
    yield Step("entry price", "", position.entry_price, source="configuration")
    yield Step("wallet balance", "", balance, asset, "configuration")
    yield Step("notional", f"{_n(position.quantity)} x {_n(price)}", notional, asset)
    yield Step(
        "bracket", _bracket_words(book, tier, bracket), bracket + 1, source=f"tiers: {book.brackets_label(row)}"
    )
    yield Step("maintenance margin", f"{_n(notional)} x {_n(mmr)} - {_n(cum)}", maintenance, asset)
    yield Step(
        "unrealized PnL", f"{sign}{_n(position.quantity)} x ({_n(price)} - {_n(position.entry_price)})", pnl, asset
    )
    others = [other for other in book.rows_of(wallet) if other != row]
    for other in others:
        leg = book.positions[other]
        name = f"{leg.symbol} {leg.side.value}"
        at = inputs[leg.symbol]
        old = "" if at.age_s is None else f", {at.age_s:.1f} s old"
        yield Step(
            f"  {name} PnL",
            f"at {_n(at.price)}",
            float(readings.unrealized_pnl[other]),
            asset,
            f"{at.source}{old}",
        )
        yield Step(
            f"  {name} maintenance", "same wallet", float(readings.position_maintenance[other]), asset,
            f"tiers: {book.brackets_label(other)}",
        )  # fmt: skip
    total_pnl = " ".join(_signed(float(readings.unrealized_pnl[r])) for r in book.rows_of(wallet))
    total_mm = " + ".join(_n(float(readings.position_maintenance[r])) for r in book.rows_of(wallet))
    margin_balance = float(readings.margin_balance[wallet])
    required = float(readings.maintenance_margin[wallet])
    cushion = float(readings.cushion[wallet])
    yield Step("margin balance", f"{_n(balance)} {total_pnl}", margin_balance, asset)
    if others:
        yield Step("wallet maintenance", total_mm, required, asset)
    yield Step("cushion", f"{_n(margin_balance)} - {_n(required)}", cushion, asset)
    ratio = float(readings.margin_ratio[wallet])
    yield Step(
        "margin ratio", f"{_n(required)} / {_n(margin_balance)}, 1 is liquidation",
        ratio if ratio != float("inf") else None, "used up" if ratio == float("inf") else "",
    )  # fmt: skip
    at_entry = balance - 1.0 / float(book.room_scale[wallet]) if book.room_scale[wallet] else None
    words = "balance does not cover the maintenance margin at entry"
    if at_entry is not None:
        words = f"{_n(cushion)} / ({_n(balance)} - {_n(at_entry)} maintenance at entry), at most 1"
    yield Step("room", words, float(readings.room[wallet]))
    yield from _liquidation_steps(book, readings, row)


def _liquidation_steps(book: "Book", readings: "Readings", row: int) -> Iterator[Step]:
    """Explain the liquidation price by standing at it: brackets there, and the cushion, which must be nothing."""
    from monitor.core.risk import both_roots, evaluate_rows

    position = book.positions[row]
    wallet = int(book.row_wallet[row])
    legs = [r for r in book.rows_of(wallet) if book.positions[r].symbol == position.symbol]
    lower, upper = both_roots(book, readings, row)
    roots = [root for root in (lower, upper) if root is not None]
    if not roots:
        yield Step("liquidation price", "no price above 0 of this symbol alone brings the cushion to 0", None)
    else:
        yield Step("formula", FORMULA, None, source="brackets are those at the liquidation price")
    chosen = float(readings.liquidation_price[row])
    for root in roots:
        prices = readings.marks.copy()
        prices[legs] = root
        there = evaluate_rows(book, prices)
        brackets = ", ".join(
            f"{book.positions[r].side.value} in bracket {int(there.bracket[r]) + 1} "
            f"(mmr {_n(float(book.tiers.mmr[book.row_tier[r]][there.bracket[r]]))}, "
            f"cum {_n(float(book.tiers.cum[book.row_tier[r]][there.bracket[r]]))})"
            for r in legs
        )
        name = "liquidation price" if root == chosen else "other root"
        yield Step(name, brackets, root)
        left = float(there.cushion[wallet])
        # What the sum is made of; a difference this small beside it is what floats leave behind.
        scale = abs(float(book.wallet_balance[wallet])) + sum(
            float(there.notional[r]) for r in book.rows_of(wallet)
        )
        yield Step(
            "  cushion there", "", 0.0 if abs(left) <= _ROUNDING * scale else left, book.wallets[wallet].asset
        )
    distance = float(readings.distance[row])
    if roots:
        mark = float(readings.marks[row])
        yield Step("distance", f"|{_n(mark)} - {_n(chosen)}| / {_n(mark)}", distance)
    joint = float(readings.joint_distance[wallet])
    symbols = {book.positions[r].symbol for r in book.rows_of(wallet)}
    if len(symbols) > 1:
        words = f"all {len(symbols)} marks of the wallet moved by one factor"
        yield Step("joint distance", words, joint if joint == joint else None)  # noqa: PLR0124 - NaN


def _bracket_words(book: "Book", tier: int, bracket: int) -> str:
    floors = book.tiers.floors[tier]
    floor = float(floors[bracket])
    last = bracket + 1 >= len(floors) or float(floors[bracket + 1]) == float("inf")
    above = "" if last else f" < {_n(float(floors[bracket + 1]))}"
    rate, amount = float(book.tiers.mmr[tier][bracket]), float(book.tiers.cum[tier][bracket])
    return f"{_n(floor)} <= notional{above}: mmr {_n(rate)}, cum {_n(amount)}"


def _unsigned_zero(step: Step) -> Step:
    return msgspec.structs.replace(step, value=0.0) if step.value == 0 else step


def _n(value: float) -> str:
    return f"{value or 0.0:.12g}"  # never -0


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {_n(abs(value))}"


def _print(explanations: list[Explanation]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    for one in explanations:
        title = f"{one.symbol} {one.side}, wallet {one.wallet} of {one.account}"
        table = Table(title=title, title_justify="left", box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for step in one.steps:
            value = "none" if step.value is None else f"{_n(step.value)} {step.unit}".strip()
            if step.name == "formula":
                value = ""
            words = "; ".join(part for part in (step.arithmetic, step.source) if part)
            table.add_row(Text(step.name), Text(value), Text(words, style="dim"))
        out.print(table)
        out.print()
