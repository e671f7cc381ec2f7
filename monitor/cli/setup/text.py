"""The configuration as text: small, commented, and read back as what was answered."""

import json
from collections.abc import Iterator, Mapping

from monitor.cli.setup.answers import (
    API_KEY,
    API_SECRET,
    CHANNEL_URL,
    HEARTBEAT_URL,
    WEB_TOKEN,
    Answers,
    KeyPair,
    TypedPosition,
)
from monitor.config import SecretRef


def quoted(text: str) -> str:
    """Return text as a TOML string on one line."""
    # JSON escapes the same way, but leaves alone one character that TOML does not take as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def configuration(answers: Answers, refs: Mapping[str, SecretRef], kept_in: str, state: str | None) -> str:
    """Return the configuration.

    Args:
        answers: what it says.
        refs: where each secret is kept, or would be, by its name.
        kept_in: a sentence on where the secrets are.
        state: the state directory; None leaves the usual one.
    """
    parts = [
        *_head(kept_in),
        *_exchange(answers),
        *(_followed(answers, refs) if isinstance(answers.holding, KeyPair) else _typed(answers, answers.holding)),
        *_channel(answers, refs),
        *_heartbeat(answers, refs),
        *_web(answers, refs),
        *_rest(answers, state),
    ]
    return "\n".join(parts) + "\n"


def _head(kept_in: str) -> Iterator[str]:
    yield "# The configuration of position-monitor, as `position-monitor init` wrote it. What is not here has its"
    yield "# default: config.example.toml shows every key there is, and `position-monitor help config` tells more."
    yield "# `position-monitor check-config` tells every mistake in it at once."
    yield f"# No secret stands in this file. {kept_in}"


def _exchange(answers: Answers) -> Iterator[str]:
    yield ""
    yield "[exchange]"
    yield f'environment = {quoted(answers.environment)} # "testnet" or "live"; stamped on every message'


def _followed(answers: Answers, refs: Mapping[str, SecretRef]) -> Iterator[str]:
    yield ""
    yield "# Followed by its key, which should be able to read and nothing else. The exchange says what it holds."
    yield "[[accounts]]"
    yield f"name = {quoted(answers.account)}"
    yield f'market = {quoted(answers.market)} # "usdm", or "coinm" for coin-margined contracts'
    yield f"api_key = {_ref(refs[API_KEY])}"
    yield f"api_secret = {_ref(refs[API_SECRET])}"


def _typed(answers: Answers, position: TypedPosition) -> Iterator[str]:
    isolated, coins = position.margin_mode == "isolated", answers.market == "coinm"
    yield ""
    yield "# Typed in: it knows nothing of trades, transfers and funding made since. More may follow it."
    yield "[[accounts]]"
    yield f"name = {quoted(answers.account)}"
    if coins:
        yield f"market = {quoted(answers.market)} # coin-margined: balances and margin are in coins"
    if not isolated:
        balance = f"{{ {position.margin_asset} = {position.margin!r} }}"
        yield f"balances = {balance} # cross wallet balance by margin asset"
    yield ""
    yield "[[accounts.positions]]"
    yield f"symbol = {quoted(position.symbol)}"
    yield f'side = {quoted(position.side)} # "LONG" or "SHORT"'
    if coins:
        yield f"quantity = {position.quantity:.0f} # contracts, a whole number"
    else:
        yield f"quantity = {position.quantity!r} # base asset, above 0"
    yield f"entry_price = {position.entry_price!r}"
    yield f'margin_mode = {quoted(position.margin_mode)} # "isolated" or "cross"'
    if isolated:
        yield f"margin = {position.margin!r} # the isolated wallet balance, in {position.margin_asset}"
    yield from _contract(position)


def _contract(position: TypedPosition) -> Iterator[str]:
    bare = position.symbol.isascii() and position.symbol.replace("_", "").isalnum()
    symbol = position.symbol if bare else quoted(position.symbol)
    asset = position.margin_asset
    if position.rows:
        yield ""
        yield f"# Maintenance tiers as the exchange shows them: floor, cap, rate and amount, in {asset}."
        yield "# It changes them now and then, and nothing here follows that."
        yield f"[brackets.{symbol}]"
        yield "rows = ["
        yield from (f"    [{', '.join(map(_plain, row))}]," for row in position.rows)
        yield "]"
    if position.contract_size is not None:
        yield ""
        yield "# US dollars of one contract."
        yield f"[contracts.{symbol}]"
        yield f"size = {position.contract_size!r}"


def _plain(value: float) -> str:
    text = f"{value:.15g}"
    return text if float(text) == value and "e" not in text else repr(value)


def _channel(answers: Answers, refs: Mapping[str, SecretRef]) -> Iterator[str]:
    yield ""
    yield "# Where alerts go: an Apprise address, see https://appriseit.com/services/. Without one, to the log."
    if answers.channel is None:
        yield "#"
        yield "#   [[channels]]"
        yield '#   name = "telegram"'
        yield f"#   url = {_ref(refs[CHANNEL_URL])}"
        return
    yield "[[channels]]"
    yield f"name = {quoted(answers.channel_name)}"
    yield f"url = {_ref(refs[CHANNEL_URL])}"
    yield '# min_level = "notice" # "notice" (the default), "warning", "critical" or "emergency"'


def _heartbeat(answers: Answers, refs: Mapping[str, SecretRef]) -> Iterator[str]:
    yield ""
    yield "# Somebody else has to notice when this machine is gone: pinged while all is well."
    if answers.heartbeat is None:
        yield "#"
        yield "#   [heartbeat]"
        yield f"#   url = {_ref(refs[HEARTBEAT_URL])}"
        return
    yield "[heartbeat]"
    yield f"url = {_ref(refs[HEARTBEAT_URL])}"


def _web(answers: Answers, refs: Mapping[str, SecretRef]) -> Iterator[str]:
    yield ""
    yield "# The status page, health, metrics and the JSON interface."
    yield "[web]"
    if answers.web_token is None:
        yield "# enabled = false"
        return
    yield "enabled = true"
    yield f"listen = {quoted(answers.listen)}"
    yield f"token = {_ref(refs[WEB_TOKEN])}"


def _rest(answers: Answers, state: str | None) -> Iterator[str]:
    yield ""
    yield "[display]"
    zone = quoted(answers.time_zone)
    yield f'time_zone = {zone} # of messages and the terminal: "local", "UTC" or a name such as "Europe/Rome"'
    if state is not None:
        yield ""
        yield "# Named, so that commands of other users than the service's find it."
        yield "[state]"
        yield f"directory = {quoted(state)}"


def _ref(ref: SecretRef) -> str:
    return f"{{ {ref.keeper.value} = {quoted(ref.name)} }}"
