"""Whether an answer can be right: asked of the code that reads the configuration, so that both always agree."""

from pathlib import Path
from typing import Any

from monitor.binance.keys import Credentials
from monitor.cli.setup.answers import LISTEN, TypedPosition
from monitor.config import Secret, SecretRef
from monitor.config.contracts import COINM_SHAPE, coin_of, contract_size, is_over
from monitor.config.load import load_document
from monitor.config.outgrown import find_outgrown
from monitor.config.problems import fix_of, nearest, shown_text
from monitor.config.pulse import judged_address
from monitor.config.schema import SYMBOL_SHAPE
from monitor.config.secret import NAME_SHAPES, Fetched, Keeper, fetch
from monitor.config.shipped import shipped_tables
from monitor.config.values import symbol_name
from monitor.core.brackets import validate_table
from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Market, Position, Side
from monitor.core.whatif import value_of
from monitor.errors import ConfigError, KeyRefusedError, Problem
from monitor.system_clock import SystemClock

_SCHEMES = {"tgram": "telegram", "mailto": "email", "mailtos": "email", "ntfys": "ntfy"}
_LONGEST_NAME = 30
_SOME_SYMBOL = "BTCUSDT"
_SOME_ROWS = [[0, 1e18, 0.004, 0]]


def market_of(symbol: str) -> str:
    """Return the market of a symbol as the configuration calls it."""
    return "usdm" if coin_of(symbol) is None else "coinm"


def trouble(key: str, value: object, symbol: str = _SOME_SYMBOL) -> Problem | None:
    """Return what is wrong with one value of the configuration, None if nothing is.

    Args:
        key: environment, account, symbol, side, quantity, entry_price, margin_mode, margin, listen or time_zone.
        value: as TOML decodes it.
        symbol: of the position, which says what is allowed of its other values.
    """
    coin = coin_of(value if key == "symbol" and isinstance(value, str) else symbol)
    position: dict[str, Any] = {
        "symbol": symbol, "side": "LONG", "quantity": 1.0, "entry_price": 1.0, "margin_mode": "isolated",
        "margin": 1.0,
    }  # fmt: skip
    account: dict[str, Any] = {"name": "main", "positions": [position]}
    web = {"enabled": True, "listen": LISTEN, "token": {"file": "/token"}}
    document: dict[str, Any] = {"exchange": {}, "accounts": [account], "display": {}, "web": web}
    if coin is not None:
        account["market"] = "coinm"
    table, name = {
        "environment": (document["exchange"], key),
        "account": (account, "name"),
        "listen": (web, key),
        "time_zone": (document["display"], key),
    }.get(key, (position, key))
    table[name] = value
    if position["margin_mode"] == "cross":
        del position["margin"]
        account["balances"] = {coin or "USDT": 1.0}
    if coin is not None or symbol not in shipped_tables():
        document["brackets"] = {position["symbol"]: {"rows": _SOME_ROWS}}
    try:
        load_document(document, "init")
    except ConfigError as error:
        return error.problems[0]
    return None


def symbol_trouble(symbol: str, market: str | None, *, tiers: bool) -> Problem | None:
    """Return what is wrong with the symbol of a position, None if nothing is.

    Args:
        symbol: in capitals.
        market: that was asked for, None for that of the symbol.
        tiers: whether tiers of one's own come with it.
    """
    alike = f'did you mean "{symbol}_PERP"?' if coin_of(f"{symbol}_PERP") else ""
    if market == "coinm" and coin_of(symbol) is None:
        return Problem("symbol", f"{shown_text(symbol)}, not a coin-margined contract", COINM_SHAPE, alike)
    if market_of(symbol) == "usdm" and symbol not in shipped_tables() and (alike or not tiers):
        if (form := fix_of(symbol_name, symbol)) is not None:
            return Problem("symbol", shown_text(symbol), SYMBOL_SHAPE, form)
        found = f"{shown_text(symbol)}, a symbol without known tiers"
        return Problem(
            "symbol", found, "another symbol, or --tier with it", alike or nearest(symbol, shipped_tables())
        )
    if is_over(symbol, SystemClock().wall_ms()):
        found = f"{shown_text(symbol)}, whose delivery is past or of no such day"
        return Problem("symbol", found, "a contract that is traded", "its name ends with its delivery as YYMMDD")
    return trouble("symbol", symbol, symbol)


def outgrows(position: TypedPosition) -> str:
    """Return that a position is beyond the last of its own tiers before it is liquidated; empty if it is not."""
    market, mode = Market(market_of(position.symbol)), MarginMode(position.margin_mode)
    inverse = market is Market.COINM
    leg = Position(
        position.symbol, Side(position.side), position.quantity, position.entry_price, mode, position.margin_asset,
        position.margin, contract_size=_size_of(position.symbol, position.contract_size), inverse=inverse,
    )  # fmt: skip
    balances = {position.margin_asset: position.margin} if mode is MarginMode.CROSS else {}
    table = BracketTable(position.symbol, validate_table(position.symbol, position.rows))
    found = find_outgrown([AccountSnapshot("", balances, (leg,), market)], [table])
    return next((f"it is worth {one.notional:.4g} {one.asset} at {one.price:.6g}" for one in found), "")


def notional_of(symbol: str, quantity: float, entry_price: float, size: float | None) -> float:
    """Return the notional at entry, in what margins the contract.

    Args:
        symbol: of either market.
        quantity: base asset, or contracts.
        entry_price: above 0.
        size: US dollars of one coin-margined contract, None for what the program knows.
    """
    coin = coin_of(symbol)
    leg = Position(
        symbol, Side.LONG, quantity, entry_price, MarginMode.CROSS, coin or "",
        contract_size=_size_of(symbol, size), inverse=coin is not None,
    )  # fmt: skip
    return value_of(leg, quantity, entry_price)


def _size_of(symbol: str, size: float | None) -> float:
    return 1.0 if coin_of(symbol) is None else size or contract_size(symbol, {})


def channel_trouble(url: Secret) -> str:
    """Return why Apprise cannot use an address, without any of it; empty if it can."""
    from monitor.notify.apprise import build_channel  # half of what the questions would wait for

    try:
        build_channel("alerts", url.reveal()).close()
    except ConfigError as error:
        problem = error.problems[0]
        hint = f"; {problem.hint}" if problem.hint else ""
        return f"{problem.found}; what is needed is {problem.allowed}{hint}"
    return ""


def channel_name_of(url: Secret) -> str:
    """Return a name for the channel of an address: that of its service."""
    scheme = url.reveal().partition("://")[0].strip().lower()
    name = _SCHEMES.get(scheme, scheme)
    return name if name.isascii() and name.isalnum() and len(name) <= _LONGEST_NAME else "alerts"


def address_trouble(url: Secret) -> str:
    """Return why an address cannot be pinged, without any of it; empty if it can."""
    judged = judged_address(Fetched(secret=url), SecretRef(Keeper.CREDENTIAL, "url"))
    if judged.secret is not None:
        return ""
    return f"this {judged.found.partition(', which ')[2]}: {judged.fix}"


def key_trouble(key: Secret) -> str:
    """Return why an API key can be none; empty if it can."""
    return _refused(key.reveal(), "s")


def secret_trouble(secret: Secret) -> str:
    """Return why a secret or a private key can be none; empty if it can."""
    return _refused("k", secret.reveal())


def _refused(key: str, secret: str) -> str:
    try:
        Credentials(key, secret)
    except KeyRefusedError as error:
        return error.hint[:1].lower() + error.hint[1:]
    return ""


def variable_trouble(name: str) -> str:
    """Return why this can be no name of an environment variable; empty if it can."""
    return "" if NAME_SHAPES[Keeper.ENV].fullmatch(name) else "a name in capitals, such as TELEGRAM_URL"


def from_file(path: Path) -> Fetched:
    """Return the secret in a file of any path, or why there is none."""
    return fetch(SecretRef(Keeper.FILE, str(path)), {}, None)
