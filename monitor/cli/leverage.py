"""``leverage [SYMBOL ...]``: how far liquidation is at each leverage, beside the rule of thumb."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from monitor.cli.assess import parse_marks
from monitor.cli.common import ConfigOption, JsonOption, console, globals_of, guarded, misuse, print_json
from monitor.cli.despite import load_computed

if TYPE_CHECKING:
    from pathlib import Path

    from monitor.cli.held import Held
    from monitor.cli.rungs import LeverageView
    from monitor.core.leverage import Contract
    from monitor.core.model import AccountSnapshot, BracketTable, Position

_DEFAULT, _DEFAULT_COINS = 10_000.0, 1.0  # size of a position in dollars, and in coins
_COINM_ROWS = "give it as [brackets.SYMBOL] rows = [[floor, cap, mmr, cum], ...] in a configuration"


class Daily(NamedTuple):
    """The typical move of a day, log return, and who says so."""

    move: float
    source: str


@guarded
def leverage(  # noqa: PLR0917 - typer passes options by name
    context: typer.Context,
    symbols: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SYMBOL]...", help="Such as BTCUSDT; without one, every position that is held."),
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", metavar="AMOUNT",
            help="Notional in the margin asset; 10000, or 1 where that is a coin. Several make several tables.",
        ),
    ] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option("--mark", metavar="SYMBOL=PRICE", help="Price of a symbol named; what is held has its own."),
    ] = None,
    daily_move: Annotated[
        str | None,
        typer.Option("--daily-move", metavar="PERCENT", help="Typical move of a day, such as 3%."),
    ] = None,
    every: Annotated[bool, typer.Option("--every", help="List every whole leverage.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:  # fmt: skip
    """Show how far liquidation is at each leverage, and how long prices usually take to get there.

    A symbol needs no configuration and no network: tiers come with the program. Without a symbol, all positions
    held are shown at their own sizes, from their entry prices, with the leverage they have marked.
    """
    from monitor.cli.rungs import LeverageViews, print_ladders

    given = parse_marks(mark or ())
    desk = _Desk(_held(context, config, needed=not symbols), _parse_daily(daily_move), every=every)
    if symbols:
        _check_marks(given, symbols)
        sizes = [_parse_size(text) for text in size or ()]
        views = [view for symbol in dict.fromkeys(symbols) for view in desk.named(symbol, sizes, given)]
    else:
        _check_marks(given, ())
        if size:
            raise misuse("--size", "a size without a symbol", "held positions have theirs", "name a SYMBOL")
        views = desk.held()
    unknown = desk.unknown if not symbols else ""
    if json or globals_of(context).json:
        print_json(LeverageViews(tuple(views), unknown))
    else:
        print_ladders(console(), views, unknown)
    return 0


class _Desk:
    """Makes tables of what is known.

    Args:
        held: what is held, None without a configuration.
        daily: as given, for all symbols.
        every: list every whole leverage.
    """

    def __init__(self, held: "Held | None", daily: Daily | None, *, every: bool) -> None:
        self._held = held
        self._daily = daily
        self._every = every
        seen = () if held is None or held.status is None else held.status["engine"]["symbols"]
        self._seen = {one["symbol"]: one for one in seen}
        self.unknown = "" if held is None else held.unknown

    def named(self, symbol: str, sizes: Sequence[float], marks: Mapping[str, float]) -> "list[LeverageView]":
        """Return a symbol's tables, one for each size."""
        from monitor.config.contracts import coin_of
        from monitor.config.positions import margin_asset_of
        from monitor.core.leverage import Contract
        from monitor.core.model import Market

        table = self._table(symbol)
        coin = coin_of(symbol)
        asset = margin_asset_of(symbol, Market.COINM if coin else Market.USDM) or ""
        price = marks.get(symbol) or self._seen.get(symbol, {}).get("mark")
        source = ("mark" if symbol in marks else "daemon") if price else ""
        contract = Contract(symbol, asset, price or 1.0, inverse=coin is not None)
        usual = _DEFAULT if not asset or "USD" in asset else _DEFAULT_COINS
        return [self._view(contract, table, one, price_from=source) for one in dict.fromkeys(sizes or (usual,))]

    def held(self) -> "list[LeverageView]":
        """Return a table for each position that is held, from its entry price.

        Raises:
            ConfigError: none is.
        """
        accounts = () if self._held is None else self._held.accounts
        views = [self._position(account, p) for account in accounts for p in account.positions if p.quantity > 0.0]
        if not views:
            allowed = "a symbol, such as BTCUSDT, or a configuration with positions"
            raise misuse("SYMBOL", "no position that is held", allowed, self.unknown)
        return views

    def _position(self, account: "AccountSnapshot", position: "Position") -> "LeverageView":
        from monitor.core.compile import table_key
        from monitor.core.leverage import Contract
        from monitor.core.whatif import value_of

        tables = {} if self._held is None else self._held.tables
        keys = (table_key(account.account, position.symbol), position.symbol)
        table = next((tables[key] for key in keys if key in tables), None) or self._table(position.symbol)
        contract = Contract(position.symbol, position.margin_asset, position.entry_price, position.inverse)
        notional = value_of(position, position.quantity, position.entry_price)
        return self._view(contract, table, notional, price_from="entry", holder=(account.account, position))

    def _view(
        self, contract: "Contract", table: "BracketTable", size: float, *, price_from: str,
        holder: "tuple[str, Position] | None" = None,
    ) -> "LeverageView":  # fmt: skip
        from monitor.cli.rungs import LeverageView
        from monitor.core.brackets import bracket_at
        from monitor.core.leverage import ladder, largest, leverage_of
        from monitor.core.model import Side
        from monitor.notify.numbers import money

        account, position = holder or ("", None)
        if not size > 0.0 or (position is None and size >= largest(table)):
            end = money(largest(table), contract.asset, commas=True)
            raise misuse("--size", f"{size:g}", f"a notional above 0 and below {end}, where the tiers end")
        daily = self._daily or self._typical(contract.symbol)
        rungs = ladder(
            contract, table, size, daily=daily and daily.move, every=self._every,
            chosen=leverage_of(position) if position else None,
            sides=(position.side,) if position else tuple(Side),
        )  # fmt: skip
        return LeverageView(
            symbol=contract.symbol, asset=contract.asset, size=size, brackets=_label(table),
            most_leverage=bracket_at(table, size).leverage, limits=_limits(table),
            price=contract.price if price_from else None, price_from=price_from,
            daily_move=daily and daily.move, daily_move_from=daily.source if daily else "",
            account=account, side=position.side.value if position else "",
            margin_mode=position.margin_mode.value if position else "", rungs=rungs,
        )  # fmt: skip

    def _typical(self, symbol: str) -> Daily | None:
        from monitor.core.leverage import daily_of_hourly

        hourly = self._seen.get(symbol, {}).get("typical_move")
        return Daily(daily_of_hourly(hourly), "the running daemon") if hourly else None

    def _table(self, symbol: str) -> "BracketTable":
        """Return the tiers of a symbol: one's own, else an account's as the daemon knows them, else shipped.

        Raises:
            ConfigError: there are none.
        """
        from monitor.cli.typed import meant
        from monitor.config.contracts import coin_of
        from monitor.config.problems import shown_text
        from monitor.config.shipped import shipped_tables

        known = {} if self._held is None else self._held.tables
        own = known.get(symbol)
        theirs = next((known[key] for key in sorted(known) if key.endswith(f"/{symbol}")), None)
        found = (own if own and own.origin != "shipped" else None) or theirs or own or shipped_tables().get(symbol)
        if found is not None:
            return found
        if coin_of(symbol) is not None:
            raise misuse("SYMBOL", shown_text(symbol), "a symbol with tiers: none of coin-margined contracts are"
                         " shipped", _COINM_ROWS)  # fmt: skip
        options = [*(table.symbol for table in known.values()), *shipped_tables()]
        hint = meant(symbol, options) or "the symbol as the exchange writes it, such as BTCUSDT"
        raise misuse("SYMBOL", f"{shown_text(symbol)}, a symbol without tiers", "a symbol of the exchange", hint)


def _label(table: "BracketTable") -> str:
    return f"{table.label} of {table.account}" if table.account else table.label


def _limits(table: "BracketTable") -> tuple[tuple[float, float], ...]:
    return tuple((row.leverage, row.cap) for row in table.brackets if row.leverage is not None)


def _held(context: typer.Context, config: "Path | None", *, needed: bool) -> "Held | None":
    """Return what is held; None where there is no configuration at all and none is needed."""
    from monitor.cli.held import find_held
    from monitor.config.locate import find_config
    from monitor.errors import ConfigError

    named = config or globals_of(context).config
    try:
        find_config(named, os.environ)
    except ConfigError:
        if needed:
            allowed = "a symbol, such as BTCUSDT, which needs none"
            raise misuse("SYMBOL", "nothing, and no configuration", allowed, "or --config PATH") from None
        return None
    return find_held(load_computed(context, config), ask_daemon=True)


def _check_marks(marks: Mapping[str, float], symbols: Sequence[str]) -> None:
    for symbol in marks:
        if symbol not in symbols:
            allowed = "prices of the symbols named; held positions are counted from their entry prices"
            raise misuse(
                "--mark", f"a price of {symbol[:40]}", allowed, f"name the symbol: leverage {symbol[:40]}"
            )


def _parse_size(text: str) -> float:
    from monitor.cli.typed import without_commas

    try:
        return float(without_commas(text.strip()))
    except ValueError:
        raise misuse("--size", repr(text[:40]), "an amount above 0", "as in 10000") from None


def _parse_daily(text: str | None) -> Daily | None:
    if text is None:
        return None
    from monitor.binance.belief import believable_price
    from monitor.errors import WireError

    bare = text.strip()
    try:
        value = believable_price(bare.removesuffix("%").strip(), "--daily-move")
    except WireError:
        value = 0.0
    if not bare.endswith("%") or not 0.0 < value <= 100.0:  # noqa: PLR2004 - percent
        raise misuse("--daily-move", repr(text[:40]), "percent above 0 and up to 100 %", "as in 3%")
    return Daily(value / 100.0, "--daily-move")
