"""Whether an answer can be right: asked of the code that reads the configuration, so that both always agree."""

from pathlib import Path
from typing import Any

from monitor.binance.keys import Credentials
from monitor.cli.setup.answers import LISTEN
from monitor.config import Secret, SecretRef
from monitor.config.load import load_document
from monitor.config.pulse import judged_address
from monitor.config.secret import NAME_SHAPES, Fetched, Keeper, fetch
from monitor.errors import ConfigError, KeyRefusedError, Problem
from monitor.notify.apprise import build_channel

_SCHEMES = {"tgram": "telegram", "mailto": "email", "mailtos": "email", "ntfys": "ntfy"}
_LONGEST_NAME = 30


def trouble(key: str, value: object) -> Problem | None:
    """Return what is wrong with one value of the configuration, None if nothing is.

    Args:
        key: environment, account, symbol, side, quantity, entry_price, margin_mode, margin, listen or time_zone.
        value: as TOML decodes it.
    """
    position: dict[str, Any] = {
        "symbol": "BTCUSDT", "side": "LONG", "quantity": 1.0, "entry_price": 1.0, "margin_mode": "isolated",
        "margin": 1.0,
    }  # fmt: skip
    account: dict[str, Any] = {"name": "main", "positions": [position]}
    web = {"enabled": True, "listen": LISTEN, "token": {"file": "/token"}}
    document: dict[str, Any] = {"exchange": {}, "accounts": [account], "display": {}, "web": web}
    table, name = {
        "environment": (document["exchange"], key),
        "account": (account, "name"),
        "listen": (web, key),
        "time_zone": (document["display"], key),
    }.get(key, (position, key))
    table[name] = value
    if position["margin_mode"] == "cross":
        del position["margin"]
        account["balances"] = {"USDT": 1.0}
    try:
        load_document(document, "init")
    except ConfigError as error:
        return error.problems[0]
    return None


def channel_trouble(url: Secret) -> str:
    """Return why Apprise cannot use an address, without any of it; empty if it can."""
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
