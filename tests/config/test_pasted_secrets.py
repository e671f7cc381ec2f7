"""Whoever pastes a token into the wrong place of the file does not find it in the log afterwards."""

import pytest

from monitor.config.load import load_text
from monitor.errors import ConfigError

TOKEN = "secr7tok3n9876543210"
ACCOUNT = '[[accounts]]\nname = "main"\nbalances = { USDT = 5.0 }\n'
KEYED = '[[accounts]]\nname = "k"\napi_key = { env = "A" }\napi_secret = { env = "B" }\n'
CHANNEL = '[[channels]]\nname = "t"\nurl = { env = "A" }\n'
POSITION = '[[accounts.positions]]\nside = "LONG"\nquantity = 1.0\nentry_price = 1.0\nmargin_mode = "cross"\n'
PLACES = {
    "a key at the top": f"{TOKEN} = 1\n{ACCOUNT}",
    "a header": f"{ACCOUNT}[{TOKEN}]\nx = 1",
    "a key of an account": f"{KEYED}{TOKEN} = 1",
    "a name": ACCOUNT.replace("main", f"{TOKEN}/"),
    "a name beside a mistake": f"{ACCOUNT.replace('main', TOKEN)}x = 1",
    "a market": f'{KEYED}market = "{TOKEN}"',
    "an asset": ACCOUNT.replace("USDT", TOKEN),
    "a symbol": f'{ACCOUNT}{POSITION}symbol = "{TOKEN}"',
    "an account of rules": f"{ACCOUNT}[alerts.accounts.{TOKEN}.warning]\nroom = 0.3",
    "a fallback": f'{ACCOUNT}{CHANNEL}fallback = "{TOKEN}"',
    "a format": f'{ACCOUNT}{CHANNEL}format = "{TOKEN}"',
    "the name of a channel": f"{ACCOUNT}{CHANNEL}".replace('"t"', f'"{TOKEN}:x"'),
    "a kind": f'{ACCOUNT}[heartbeat]\nkind = "{TOKEN}"',
    "a user": f'{ACCOUNT}[web]\nlisten = "{TOKEN[:6]}@127.0.0.1:1"',
    "the path of an address": f'{ACCOUNT}[exchange]\nrest_url = "http://x.example/{TOKEN[:12]}"',
    "a header twice": f"{ACCOUNT}[{TOKEN}]\n[{TOKEN}]",
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES)
def test_no_mistake_repeats_a_token(text: str) -> None:
    """Neither what was found, nor its place, nor the fix, in capitals or not."""
    with pytest.raises(ConfigError) as caught:
        load_text(text, "test")
    said = str(caught.value).lower()
    assert TOKEN[:6] not in said
