"""[[accounts.positions]]: one typed-in position after the other, and what they say about each other."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.config.collateral import QUOTE_ASSETS
from monitor.config.contracts import coin_of, contract_size
from monitor.config.problems import Loc, Problems, listed, shown, shown_text, sound_parts
from monitor.config.schema import PositionSection
from monitor.core.model import MarginMode, Market, Position, Side

SymbolCheck = Callable[[str, Loc, Market], bool]

# No ending here is the end of another, so their order does not matter.
_MARGIN_ASSETS = (*QUOTE_ASSETS, "BTC", "ETH", "BNB")
_DELIVERY = re.compile(r"_[0-9]{6}$")


def margin_asset_of(symbol: str, market: Market = Market.USDM) -> str | None:
    """Return the asset that margins a contract, by its symbol; None if that does not tell."""
    if market is Market.COINM:
        return coin_of(symbol)
    pair = _DELIVERY.sub("", symbol)
    return next((asset for asset in _MARGIN_ASSETS if pair.endswith(asset) and pair != asset), None)


@dataclass(frozen=True, slots=True)
class Holder:
    """What positions have to know of their account."""

    market: Market
    multi_assets: bool
    balances: Mapping[str, Any]  # as decoded from TOML


class PositionBuilder:
    """Makes positions of TOML tables; everything wrong with them is recorded.

    Args:
        problems: takes the mistakes.
        check_symbol: called with each position's symbol, its place and the market; False if it is unknown.
        sizes: contract sizes of one's own by symbol, in US dollars.
    """

    def __init__(self, problems: Problems, check_symbol: SymbolCheck, sizes: Mapping[str, float]) -> None:
        self._problems = problems
        self._check_symbol = check_symbol
        self._sizes = sizes

    def build(self, items: list[Any], loc: Loc, holder: Holder) -> tuple[Position, ...]:
        """Return the positions that could be understood. ``loc`` is the account's."""
        legs = _Legs(self._problems)
        positions: list[Position] = []
        unbacked: list[str] = []
        for index, item in enumerate(items):
            here: Loc = (*loc, "positions", index)
            section = self._problems.check(PositionSection, item, here)
            parts = sound_parts(PositionSection, item)
            known = "symbol" in parts and self._check_symbol(parts["symbol"], (*here, "symbol"), holder.market)
            legs.check(parts, index, here)
            self._check_margin(parts, item, here, holder)
            if holder.market is Market.COINM:
                self._check_contracts(parts, here)
            asset = parts.get("margin_asset") or (
                margin_asset_of(parts["symbol"], holder.market) if known else None
            )
            if asset is None:
                if known:
                    self._add_asset_missing(parts["symbol"], here)
                continue
            if parts.get("margin_mode") == "cross" and asset not in holder.balances and asset not in unbacked:
                unbacked.append(asset)
            if section is not None:
                positions.append(self._position(section, asset, holder.market))
        self._check_balances(unbacked, loc, holder)
        return tuple(positions)

    def _check_margin(self, parts: dict[str, Any], item: object, here: Loc, holder: Holder) -> None:
        mode = parts.get("margin_mode")
        if mode == "isolated" and holder.multi_assets:
            hint = "in multi-assets mode the exchange has no isolated positions"
            self._problems.add((*here, "margin_mode"), shown(mode), '"cross"', hint)
            return
        # An unknown key may be a misspelled margin, and has been reported.
        keys = set(item) if isinstance(item, dict) else set()
        if mode == "isolated" and "margin" not in keys and keys <= set(PositionSection.model_fields):
            self._problems.add((*here, "margin"), "nothing", "the isolated wallet balance, an amount above 0")
        if mode == "cross" and "margin" in parts:
            hint = "the account's balances back a cross position"
            if not holder.multi_assets:
                hint += "; or margin_mode is isolated"
            self._problems.add((*here, "margin"), shown(parts["margin"]), "no margin with cross", hint)

    def _check_contracts(self, parts: dict[str, Any], here: Loc) -> None:
        if "quantity" in parts and not float(parts["quantity"]).is_integer():
            hint = "coin-margined positions are counted in contracts, not in coins"
            allowed = "a whole number of contracts"
            self._problems.add((*here, "quantity"), shown(parts["quantity"]), allowed, hint)

    def _add_asset_missing(self, symbol: str, here: Loc) -> None:
        hint = f"the ending of {shown_text(symbol)} does not tell"
        allowed = 'the asset that margins the contract, such as "USDT"'
        self._problems.add((*here, "margin_asset"), "nothing", allowed, hint)

    def _check_balances(self, unbacked: list[str], loc: Loc, holder: Holder) -> None:
        if holder.multi_assets:
            if unbacked and not holder.balances:
                allowed = "the wallet balance of every asset that backs the positions"
                hint = "such as balances = { USDT = 5000.0, BTC = 0.1 }"
                self._problems.add((*loc, "balances"), "nothing", allowed, hint)
            return
        for asset in unbacked:
            self._problems.add(
                (*loc, "balances"),
                f"amounts of {listed(holder.balances)}" if holder.balances else "nothing",
                "the wallet balance of every asset that backs a cross position",
                f"add the cross wallet balance in {asset}, such as balances = {{ {asset} = 5000.0 }}",
            )

    def _position(self, section: PositionSection, asset: str, market: Market) -> Position:
        inverse = market is Market.COINM
        return Position(
            symbol=section.symbol,
            side=Side(section.side),
            quantity=section.quantity,
            entry_price=section.entry_price,
            margin_mode=MarginMode(section.margin_mode),
            margin_asset=asset,
            margin=section.margin or 0.0,
            contract_size=contract_size(section.symbol, self._sizes) if inverse else 1.0,
            inverse=inverse,
            leverage=section.leverage,
        )


class _Legs:
    """What positions of one account say about each other."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._sides: dict[tuple[str, str], int] = {}
        self._modes: dict[str, tuple[int, str]] = {}

    def check(self, parts: dict[str, Any], index: int, here: Loc) -> None:
        symbol, side, mode = parts.get("symbol"), parts.get("side"), parts.get("margin_mode")
        if symbol is not None and side is not None:
            first = self._sides.setdefault((symbol, side), index)
            if first != index:
                found = f"a second {side} of {shown_text(symbol)}"
                hint = f"positions[{first}] is the first: add the two up"
                self._problems.add((*here, "side"), found, "one position for each symbol and side", hint)
        if symbol is not None and mode is not None:
            first, expected = self._modes.setdefault(symbol, (index, mode))
            if mode != expected:
                hint = f"the exchange has one margin mode for each symbol; positions[{first}] is {expected}"
                self._problems.add((*here, "margin_mode"), shown(mode), shown(expected), hint)
