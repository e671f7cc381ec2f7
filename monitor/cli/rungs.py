"""Tables of ``leverage``: one row a leverage, and below what the columns mean."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.tables import Column, FittedTable
from monitor.core.leverage import CALL_RATIO, Rung, Way, touch_chance
from monitor.notify.numbers import money, percent, price

_CALL = "after call"
_YEAR_D = 365.0
_LEAST, _WHOLE = 2.0, 9.95  # of a unit: below, the next smaller one; from there on, no decimals
_TOLD = 0.01  # the least chance that is told: 1 %


class LeverageView(msgspec.Struct, frozen=True):
    """One table: a symbol and a size. Amounts in ``asset``, moves are fractions."""

    symbol: str
    asset: str
    size: float  # notional
    brackets: str  # whose tiers, as of when
    most_leverage: float | None  # that the tiers allow for the size; None where they do not say
    limits: tuple[tuple[float, float], ...]  # leverage and the notional below which it is allowed; as far as known
    price: float | None  # that moves are counted from; None where not known, and liquidation prices with it
    price_from: str  # mark as given, daemon, or entry
    daily_move: float | None  # standard deviation of the log return of a day
    daily_move_from: str
    account: str  # of a position that is held, as side and margin mode
    side: str
    margin_mode: str
    rungs: tuple[Rung, ...]


class LeverageViews(msgspec.Struct, frozen=True):
    """What ``leverage --json`` prints."""

    tables: tuple[LeverageView, ...]
    unknown: str = ""  # what is held and cannot be shown, and why


def print_ladders(out: Console, views: Sequence[LeverageView], unknown: str) -> None:
    """Print the tables and what is to be known about them."""
    tables = [_table(view) for view in views]
    for view, table in zip(views, tables, strict=True):
        out.print(Text(_title(view)))
        out.print(table)
        for line in _limits(view):
            out.print(Text(line))
        out.print()
    shown = {column.title for table in tables for column in table.chosen(out.width)}
    notes = Table.grid(padding=(0, 2, 0, 0))
    for name, text in _notes(views):
        if name == _CALL and name not in shown:
            continue
        notes.add_row(Text(name, style="dim"), Text(text, style="dim"))
    out.print(notes)
    if unknown:
        out.print(Text(f"Not shown: {unknown}."))


def _title(view: LeverageView) -> str:
    size = money(view.size, view.asset, commas=True)
    held = f"{view.symbol} {view.side} of {view.account}, {view.margin_mode}" if view.account else view.symbol
    return f"{held}: {size}{_from(view)}; tiers {view.brackets}"


def _from(view: LeverageView) -> str:
    if view.price is None:
        return ""
    return f", {'entered' if view.price_from == 'entry' else 'mark'} at {price(view.price)}"


def _table(view: LeverageView) -> FittedTable:
    rungs = view.rungs
    ways = {"LONG": [rung.long for rung in rungs], "SHORT": [rung.short for rung in rungs]}
    shown = {side: column for side, column in ways.items() if any(way is not None for way in column)}
    columns = [
        Column("leverage", [_leverage(rung) for rung in rungs], right=True),
        Column("margin", [_amount(rung.margin, view.asset) for rung in rungs], 3, right=True),
        Column("thumb", [_percent(rung.rule_of_thumb) for rung in rungs], right=True),
        *(Column(side, [_move(way) for way in column], right=True) for side, column in shown.items()),
        Column("off by", [_off(rung.off) for rung in rungs], right=True),
        Column(_CALL, [_call(rung) for rung in rungs], 2, right=True),
    ]
    if view.daily_move is not None:
        columns += [
            Column("usual in", [_usual(rung) for rung in rungs], right=True),
            Column("in a day", [_chance(rung) for rung in rungs], right=True),
        ]
    if view.price is not None:
        prices = [_prices([None if way is None else way.price for way in column]) for column in shown.values()]
        columns.append(
            Column(
                " / ".join(f"{side} liq." for side in shown),
                [" / ".join(row) for row in zip(*prices, strict=True)],
                4 if view.price_from == "daemon" else 1,  # nobody asked for these
                right=True,
            )
        )
    if any(rung.chosen for rung in rungs):
        columns.append(Column("", ["<- yours" if rung.chosen else "" for rung in rungs]))
    return FittedTable(columns, empty="No leverage above 1x is allowed for a position of this size.")


def _leverage(rung: Rung) -> str:
    return f"{rung.leverage:.2f}".rstrip("0").rstrip(".") + "x"


def _amount(value: float, asset: str) -> str:
    return money(value, asset, commas=True).removesuffix(asset).rstrip()


def _percent(fraction: float) -> str:
    # Two decimals throughout, so that a column can be compared by eye.
    return f"{fraction * 100:.2f} %"


def _move(way: Way | None) -> str:
    if way is None or way.move is None:
        return "none"
    return "at once" if way.move == 0.0 else _percent(way.move)


def _prices(values: Sequence[float | None]) -> list[str]:
    """Return prices with as many decimals as the finest of them needs, so that they stand below each other."""
    places = max(len(price(value, "").partition(".")[2]) for value in values)
    return ["none" if value is None else f"{value:.{places}f}" for value in values]


def _off(off: float | None) -> str:
    return "-" if off is None else f"{round(off * 100)} %"


def _call(rung: Rung) -> str:
    calls = [way.call for way in rung.ways if way.call is not None]
    return _percent(min(calls)) if calls else "-"


def _usual(rung: Rung) -> str:
    days = min((way.usual_days for way in rung.ways if way.usual_days is not None), default=None)
    return "-" if days is None else usual_time(days)


def usual_time(days: float) -> str:
    """Return a time in one unit, such as ``2.2 d``: a rule of thumb has no minutes beside its days."""
    if days > _YEAR_D:
        return "> a year"
    for size, unit in ((1.0, "d"), (24.0, "h")):
        if days * size >= _LEAST:
            return f"{days * size:.{0 if days * size >= _WHOLE else 1}f} {unit}"
    minutes = f"{days * 1440.0:.0f}"
    return f"{'< 1' if minutes == '0' else minutes} min"


def _chance(rung: Rung) -> str:
    chances = [way.day_chance for way in rung.ways if way.day_chance is not None]
    if not chances:
        return "-"
    # So far out, real prices are far wilder than the model, and a small figure would only reassure.
    return percent(max(chances)) if max(chances) >= _TOLD else "< 1 %"


def _limits(view: LeverageView) -> list[str]:
    """Return what the tiers allow, in words."""
    lines = []
    if view.most_leverage is None:
        lines.append(
            "The tiers do not say which leverage is allowed: listed as far as opening would not liquidate."
        )
    else:
        text = f"The tiers allow up to {view.most_leverage:g}x for this size"
        higher = [(most, cap) for most, cap in view.limits if most > view.most_leverage]
        if higher:
            most, cap = higher[-1]
            text += f"; {most:g}x only below {money(cap, view.asset, commas=True)}"
        lines.append(f"{text}.")
    if any(rung.chosen and not rung.allowed for rung in view.rungs):
        lines.append("Yours is above that: the exchange may refuse to increase it.")
    if view.margin_mode == "cross":
        lines.append(
            "It is cross: the whole wallet backs it. The rows show it isolated; `assess` shows it as it is."
        )
    return lines


def _notes(views: Sequence[LeverageView]) -> list[tuple[str, str]]:
    """Return what the columns mean."""
    notes = [
        ("thumb", "the rule of thumb, 1 / leverage"),
        (
            "LONG SHORT",
            "the move against you that liquidates: isolated, margin = size / leverage, no fees, no funding",
        ),
        ("off by", "how much nearer (-) that is than the rule says, for the nearer side"),
        (_CALL, f"what is left of it at a margin ratio of {percent(CALL_RATIO)}, where the exchange calls"),
    ]
    moves: dict[tuple[float, str], list[str]] = {}
    for view in views:
        if view.daily_move is not None:
            moves.setdefault((view.daily_move, view.daily_move_from), []).append(view.symbol)
    for (move, source), symbols in sorted(moves.items()):
        daily = _percent(move)
        whose = f" of {', '.join(dict.fromkeys(symbols))}" if len({view.symbol for view in views}) > 1 else ""
        days = f"(|ln(liq. / entry)| / {daily})^2 days; {daily} is the typical daily move{whose} ({source})."
        gone = f"By then such a move is an ordinary one: {percent(touch_chance(1.0, 1.0))} have been liquidated."
        notes.append(("usual in", f"{days} {gone}"))
    if moves:
        chance = "chance of it within a day, 2 * (1 - Phi(|ln(liq. / entry)| / daily move))."
        bound = "Time and chance are for normal moves without drift; real ones have fatter tails: sooner."
        notes.append(("in a day", f"{chance} {bound}"))
    if without := sorted({view.symbol for view in views if view.daily_move is None}):
        ways = "give --daily-move 3%, or let `position-monitor run` watch it"
        notes.append(("usual in", f"unknown for {', '.join(without)}, for want of a typical daily move: {ways}"))
    return notes
