"""[[accounts]] and their positions: what a person typed in becomes snapshots."""

import re
from collections.abc import Callable
from typing import Any

from monitor.config.problems import Loc, Problems, fix_of, listed, shown, shown_text, sound_parts
from monitor.config.schema import AccountSection, PositionSection
from monitor.config.values import asset_name
from monitor.core.model import AccountSnapshot, MarginMode, Market, Position, Side, Source

SymbolCheck = Callable[[str, Loc], bool]

# No ending here is the end of another, so their order does not matter.
_MARGIN_ASSETS = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD1", "U", "BTC", "ETH", "BNB")
_DELIVERY = re.compile(r"_[0-9]{6}$")


def margin_asset_of(symbol: str) -> str | None:
    """Return the asset that margins a contract, by the symbol's ending; None if the ending does not tell."""
    pair = _DELIVERY.sub("", symbol)
    return next((asset for asset in _MARGIN_ASSETS if pair.endswith(asset) and pair != asset), None)


def build_accounts(
    raw_accounts: list[Any], problems: Problems, check_symbol: SymbolCheck
) -> tuple[AccountSnapshot, ...]:
    """Return the accounts that could be understood; everything else is recorded.

    Args:
        raw_accounts: as decoded from TOML.
        problems: takes the mistakes.
        check_symbol: called with each position's symbol and the place it stands at; False if it is unknown.
    """
    snapshots: list[AccountSnapshot] = []
    names: dict[str, int] = {}
    for index, raw in enumerate(raw_accounts):
        loc: Loc = ("accounts", index)
        account = problems.check(AccountSection, raw, loc)
        if not isinstance(raw, dict):
            continue
        _check_name(raw.get("name"), index, names, problems)
        _check_supported(raw, loc, problems)
        _check_balances(raw, loc, problems)
        # Symbols and assets of a coin-margined account follow other rules; it was refused as a whole.
        positions = () if raw.get("market") == "coinm" else _positions(raw, loc, problems, check_symbol)
        if account is not None:
            balances, market = dict(account.balances), Market(account.market)
            snapshots.append(AccountSnapshot(account.name, balances, positions, market, source=Source.GIVEN))
    return tuple(snapshots)


def _check_supported(raw: dict[str, Any], loc: Loc, problems: Problems) -> None:
    """Refuse what the shape allows and this version cannot do."""
    keys = [key for key in ("api_key", "api_secret") if key in raw]
    for key, other in (("api_key", "api_secret"), ("api_secret", "api_key")):
        if other in raw and key not in raw:
            problems.add((*loc, key), "nothing", "api_key and api_secret together")
    if keys:
        problems.add(
            (*loc, keys[0]),
            "an account with keys",
            "an account without keys",
            "accounts with keys are not supported by this version yet: type positions in",
        )
    if raw.get("market") == "coinm":
        hint = "coin-margined accounts are not supported by this version yet"
        problems.add((*loc, "market"), '"coinm"', '"usdm"', hint)
    if raw.get("multi_assets") is True:
        hint = "multi-assets mode is not supported by this version yet"
        problems.add((*loc, "multi_assets"), "true", "false", hint)


def _check_name(name: object, index: int, names: dict[str, int], problems: Problems) -> None:
    if not isinstance(name, str):
        return
    if name in names:
        first = f"accounts[{names[name]}] has it already"
        problems.add(("accounts", index, "name"), shown_text(name), "a name no other account has", first)
    names.setdefault(name, index)


def _check_balances(raw: dict[str, Any], loc: Loc, problems: Problems) -> None:
    for asset in _balances(raw):
        if (fix := fix_of(asset_name, asset)) is not None:
            problems.add((*loc, "balances", asset), shown_text(asset), 'an asset in capitals, such as "USDT"', fix)


def _balances(raw: dict[str, Any]) -> dict[str, Any]:
    balances = raw.get("balances")
    return balances if isinstance(balances, dict) else {}


def _positions(
    raw: dict[str, Any], loc: Loc, problems: Problems, check_symbol: SymbolCheck
) -> tuple[Position, ...]:
    items = raw.get("positions")
    if not isinstance(items, list):
        return ()
    legs = _Legs(problems)
    positions: list[Position] = []
    unbacked: list[str] = []
    for index, item in enumerate(items):
        here: Loc = (*loc, "positions", index)
        section = problems.check(PositionSection, item, here)
        parts = sound_parts(PositionSection, item)
        known = "symbol" in parts and check_symbol(parts["symbol"], (*here, "symbol"))
        legs.check(parts, index, here)
        _check_margin(parts, item, here, problems)
        asset = parts.get("margin_asset") or (margin_asset_of(parts["symbol"]) if known else None)
        if asset is None:
            if known:
                _add_asset_missing(parts["symbol"], here, problems)
            continue
        if parts.get("margin_mode") == "cross" and asset not in _balances(raw) and asset not in unbacked:
            unbacked.append(asset)
        if section is not None:
            positions.append(_position(section, asset))
    for asset in unbacked:
        problems.add(
            (*loc, "balances"),
            f"amounts of {listed(_balances(raw))}" if _balances(raw) else "nothing",
            "the wallet balance of every asset that backs a cross position",
            f"add the cross wallet balance in {asset}, such as balances = {{ {asset} = 5000.0 }}",
        )
    return tuple(positions)


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


def _check_margin(parts: dict[str, Any], item: object, here: Loc, problems: Problems) -> None:
    mode = parts.get("margin_mode")
    # An unknown key may be a misspelled margin, and has been reported.
    keys = set(item) if isinstance(item, dict) else set()
    if mode == "isolated" and "margin" not in keys and keys <= set(PositionSection.model_fields):
        problems.add((*here, "margin"), "nothing", "the isolated wallet balance, an amount above 0")
    if mode == "cross" and "margin" in parts:
        hint = "the account's balances back a cross position; or margin_mode is isolated"
        problems.add((*here, "margin"), shown(parts["margin"]), "no margin with cross", hint)


def _add_asset_missing(symbol: str, here: Loc, problems: Problems) -> None:
    hint = f"the ending of {shown_text(symbol)} does not tell"
    problems.add((*here, "margin_asset"), "nothing", 'the asset that margins the contract, such as "USDT"', hint)


def _position(section: PositionSection, asset: str) -> Position:
    return Position(
        symbol=section.symbol,
        side=Side(section.side),
        quantity=section.quantity,
        entry_price=section.entry_price,
        margin_mode=MarginMode(section.margin_mode),
        margin_asset=asset,
        margin=section.margin or 0.0,
    )
