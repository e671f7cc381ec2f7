"""``history``: recorded samples as a table and a chart; works beside a running daemon or without one."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, misuse, print_json
from monitor.cli.despite import load_recorded
from monitor.errors import StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from monitor.core.model import Change
    from monitor.storage.history_reader import Filter, Worst
    from monitor.storage.history_rows import Row

_TABLE_ROWS = 20
_MOST_ROWS = 10_000


@guarded
def history(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    symbol: Annotated[str | None, typer.Argument(help="Only positions in this symbol.")] = None,
    account: Annotated[str | None, typer.Option("--account", metavar="NAME", help="Only this account.")] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="DURATION", help='How far back, such as "90s", "2h" or "7d".')
    ] = "1d",
    minutes: Annotated[
        bool, typer.Option("--minutes", help="One row a minute, with the worst of it; kept for longer.")
    ] = False,
    changes: Annotated[
        bool, typer.Option("--changes", help="What changed about accounts instead; kept as long as minutes are.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, max=_MOST_ROWS, help="Most rows, newest win; 20, or all with --json."),
    ] = None,
    chart: Annotated[bool, typer.Option("--chart/--no-chart", help="Draw the worst position over time.")] = True,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Show recorded margin ratios and distances, or what changed."""
    from monitor.config.durations import SHAPE, seconds
    from monitor.storage.history_reader import Filter, HistoryReader
    from monitor.storage.history_rows import read
    from monitor.system_clock import SystemClock

    length_s = seconds(since)
    if length_s is None:
        raise misuse("--since", repr(since[:60]), SHAPE)
    settings = load_recorded(context, config, history=True)
    path = settings.history_path(os.environ)
    _must_exist(path)
    wanted = Filter(account, symbol=symbol, since_ms=SystemClock().wall_ms() - round(length_s * 1000))
    as_json = json or globals_of(context).json
    if changes:
        with HistoryReader(path) as reader:
            _must_be_known(wanted, reader.changed(), "changed")
            found = reader.changes(account, symbol, wanted.since_ms, limit=_MOST_ROWS)
        if as_json:
            print_json([_change_row(change) for change in found[-(limit or _MOST_ROWS) :]])
        elif found:
            print_changes(found, console(), settings.display.zone(), limit=limit or _TABLE_ROWS)
        else:
            console().print(f"No change was recorded in the last {since}.", markup=False)
        return 0
    with HistoryReader(path) as reader:
        _must_be_known(wanted, [(one.account, one.symbol) for one in reader.subjects()], "has a history")
        rows = read(reader, wanted, minutes=minutes)
        worst = reader.worst(wanted._replace(symbol=None))
    if as_json:
        print_json([_with_time(row) for row in rows[-(limit or _MOST_ROWS) :]])
        return 0
    out = console()
    zone = settings.display.zone()
    if not rows:
        out.print(f"Nothing was recorded in the last {since}.", markup=False)
        return 0
    print_table(rows, out, zone, limit=limit or _TABLE_ROWS)
    print_worst(rows, worst, out, zone)
    if chart:
        print_chart(rows, out, zone)
    return 0


def print_table(rows: "list[Row]", out: "Console", zone: dt.tzinfo | None, *, limit: int) -> None:
    """Print the newest rows."""
    from monitor.cli.tables import Column, FittedTable, account_column, level_text, wallet_name
    from monitor.core.model import Source
    from monitor.notify.numbers import percent, price
    from monitor.notify.reach import within_reach
    from monitor.notify.times import days_differ, local_time

    shown = rows[-limit:]
    day = days_differ(shown[0].at_ms, shown[-1].at_ms, zone)
    filled = sum(row.source == Source.BACKFILL for row in shown)
    sources = (Column("source", [row.source or "-" for row in shown], 7),)
    out.print(
        FittedTable(
            (
                Column("time", [local_time(row.at_ms, zone, day=day) for row in shown]),
                account_column([row.account for row in shown], 2),
                Column("wallet", [wallet_name(row.wallet, row.symbol) for row in shown], 6),
                Column("symbol", [row.symbol for row in shown]),
                Column("side", [row.side for row in shown], 1),
                Column("mark", [price(row.mark) for row in shown], 4, right=True),
                Column(
                    "liq.",
                    [price(within_reach(row.liquidation_price, row.mark), "-") for row in shown],
                    5,
                    right=True,
                ),
                Column("distance", [_or_dash(percent, row.distance) for row in shown], right=True),
                Column("ratio", [_ratio(row) for row in shown], right=True),
                Column("room", [_or_dash(percent, row.room) for row in shown], 3, right=True),
                Column("level", [level_text(row.level) for row in shown]),
                *(sources if filled else ()),
            )
        )
    )
    if filled:
        out.print(f"{filled} of these were looked up afterwards: nobody watched then.", markup=False)
    if len(rows) > len(shown):
        out.print(f"The newest {len(shown)} of {len(rows)} rows; --limit shows more.", markup=False)


def print_changes(changes: "list[Change]", out: "Console", zone: dt.tzinfo | None, *, limit: int) -> None:
    """Print the newest changes in plain words."""
    from monitor.cli.tables import Column, FittedTable
    from monitor.notify.news import change_words
    from monitor.notify.times import days_differ, local_time

    shown = changes[-limit:]
    day = days_differ(shown[0].at_ms, shown[-1].at_ms, zone)
    out.print(
        FittedTable(
            (
                Column("time", [local_time(change.at_ms, zone, day=day) for change in shown], 1),
                Column("account", [change.account for change in shown]),
                Column("change", [change_words(change) for change in shown]),
            )
        )
    )
    if len(changes) > len(shown):
        out.print(f"The newest {len(shown)} of {len(changes)} changes; --limit shows more.", markup=False)


def print_worst(rows: "list[Row]", worst: "list[Worst]", out: "Console", zone: dt.tzinfo | None) -> None:
    """Print the worst of each position shown; ``worst`` holds wallets and positions."""
    from monitor.cli.tables import Column, FittedTable, account_column, level_text, wallet_name
    from monitor.core.model import Level
    from monitor.notify.numbers import percent
    from monitor.notify.times import days_differ, local_time

    held = {row.subject for row in rows}
    wallets = {(one.account, one.wallet): one for one in worst if not one.symbol}
    legs = [one for one in worst if (one.account, one.wallet, one.symbol, one.side) in held]
    backing = [wallets.get((leg.account, leg.wallet)) for leg in legs]
    out.print()
    out.print("Worst in this time, each figure on its own:")
    day = bool(legs) and days_differ(min(leg.minute_ms for leg in legs), max(leg.minute_ms for leg in legs), zone)
    out.print(
        FittedTable(
            (
                account_column([leg.account for leg in legs], 2),
                Column("wallet", [wallet_name(leg.wallet, leg.symbol) for leg in legs], 4),
                Column("symbol", [leg.symbol for leg in legs]),
                Column("side", [leg.side for leg in legs], 1),
                Column("distance", [_or_dash(percent, leg.distance) for leg in legs], right=True),
                Column("ratio", [_or_dash(percent, w.margin_ratio if w else None) for w in backing], right=True),
                Column("room", [_or_dash(percent, w.room if w else None) for w in backing], right=True),
                Column("level", [level_text(Level(leg.level).label) for leg in legs]),
                Column("in the minute", [local_time(leg.minute_ms, zone, day=day) for leg in legs], 3),
            )
        )
    )


def print_chart(rows: "list[Row]", out: "Console", zone: dt.tzinfo | None) -> None:
    """Draw margin ratio and distance of the position that came nearest to its end."""
    from monitor.cli.chart import Point, TimeChart
    from monitor.cli.tables import wallet_name

    nearest = min(rows, key=lambda row: tuple(1.0 if x is None else x for x in (row.room, row.distance)))
    mine = [row for row in rows if row.subject == nearest.subject]
    name = f"{nearest.account}: {wallet_name(nearest.wallet, nearest.symbol)} {nearest.symbol} {nearest.side}"
    for title, points, style in (
        ("margin ratio", [Point(row.at_ms, row.margin_ratio) for row in mine], "yellow"),
        ("distance to liquidation", [Point(row.at_ms, row.distance) for row in mine], "cyan"),
    ):
        out.print()
        out.print(TimeChart(f"{title}, {name}", points, zone=zone, style=style))


def _must_exist(path: Path) -> None:
    from monitor.storage.place import check_place

    check_place(path, made=False)
    if not path.is_file():
        hint = "A daemon writes it: start `position-monitor run`, or look at a demonstration with `demo`"
        raise StoreError(str(path), "open", "there is no such file", hint)


def _must_be_known(wanted: "Filter", subjects: list[tuple[str, str]], what: str) -> None:
    """Refuse a name that has no history at all: an empty answer would read as calm."""
    for option, name, known in (
        ("SYMBOL", wanted.symbol, {symbol for _, symbol in subjects} - {""}),
        ("--account", wanted.account, {account for account, _ in subjects}),
    ):
        if name is not None and name not in known:
            raise misuse(option, repr(name[:60]), f"what {what}: {', '.join(sorted(known)) or 'nothing yet'}")


def _with_time(row: "Row | Change") -> dict[str, object]:
    moment = dt.datetime.fromtimestamp(row.at_ms / 1000, tz=dt.UTC)
    return {"at": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **msgspec.structs.asdict(row)}


def _change_row(change: "Change") -> dict[str, object]:
    from monitor.notify.news import change_words

    return _with_time(change) | {"kind": change.kind.value, "words": change_words(change)}


def _ratio(row: "Row") -> str:
    from monitor.notify.numbers import percent

    if row.margin_ratio is None:
        return "used up" if row.room is not None and row.room <= 0 else "-"
    return percent(row.margin_ratio)


def _or_dash(form: Callable[[float], str], value: float | None) -> str:
    return "-" if value is None else form(value)
