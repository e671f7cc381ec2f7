"""[[accounts]]: what a person typed in becomes snapshots."""

import pytest

from monitor.config import KeyedAccount, SecretRef, Settings, load_text, shipped_tables
from monitor.config.positions import margin_asset_of
from monitor.config.secret import Keeper
from monitor.core.model import AccountSnapshot, MarginMode, Market, Position, Side, Source
from monitor.errors import ConfigError

TEXT = """
[[accounts]]
name = "main"
balances = { USDT = 5000, USDC = 0 }
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000
margin_mode = "isolated"
margin = 1550
[[accounts.positions]]
symbol = "ETHUSDC"
side = "SHORT"
quantity = 4
entry_price = 2900.5
margin_mode = "cross"
[[accounts]]
name = "second"
market = "usdm"
multi_assets = false
[[accounts.positions]]
symbol = "BTCUSDT_261225"
side = "LONG"
quantity = 1
entry_price = 62000
margin_mode = "isolated"
margin = 1550
margin_asset = "USDC"
"""


def problems_of(text: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        load_text(text, "test.toml")
    return [(problem.path, str(problem)) for problem in caught.value.problems]


def test_positions_become_snapshots() -> None:
    """Whole numbers count as numbers; the margin asset follows the symbol unless it is given."""
    isolated, cross = MarginMode.ISOLATED, MarginMode.CROSS
    assert load_text(TEXT, "test.toml").accounts == (
        AccountSnapshot(
            "main",
            {"USDT": 5000.0, "USDC": 0.0},
            (
                Position("BTCUSDT", Side.LONG, 0.5, 62000.0, isolated, "USDT", 1550.0),
                Position("ETHUSDC", Side.SHORT, 4.0, 2900.5, cross, "USDC"),
            ),
            source=Source.GIVEN,
        ),
        AccountSnapshot(
            "second", {}, (Position("BTCUSDT_261225", Side.LONG, 1.0, 62000.0, isolated, "USDC", 1550.0),)
        ),
    )


def test_hedge_mode_has_both_sides_of_a_symbol() -> None:
    """LONG and SHORT of one symbol stand side by side."""
    text = TEXT.replace('"ETHUSDC"', '"BTCUSDT"').replace('"cross"', '"isolated"\nmargin = 5')
    assert [p.side for p in load_text(text, "x").accounts[0].positions] == [Side.LONG, Side.SHORT]


@pytest.mark.parametrize(
    ("symbol", "asset"),
    [
        ("BTCUSDT", "USDT"),
        ("BTCUSDC", "USDC"),
        ("ETHBTC", "BTC"),
        ("BTCUSDT_261225", "USDT"),
        ("BTCUSD1", "USD1"),
        ("龙虾USDT", "USDT"),
        ("USDT", None),
        ("BTCUSD_PERP", None),
        ("BTCEUR", None),
    ],
)
def test_the_margin_asset_by_the_symbols_ending(symbol: str, asset: str | None) -> None:
    """The ending tells, also before a delivery date; where it does not, nothing is guessed."""
    assert margin_asset_of(symbol) == asset


def test_every_shipped_symbol_tells_its_margin_asset() -> None:
    """Nobody has to type the asset of a symbol the exchange lists."""
    assert [symbol for symbol in shipped_tables() if margin_asset_of(symbol) is None] == []


def test_keys_come_in_pairs() -> None:
    """A key without its secret, or the other way round, is told where the other is missing."""
    for given, missing in (("api_key", "api_secret"), ("api_secret", "api_key")):
        found = problems_of(f'[[accounts]]\nname = "a"\n{given} = {{ env = "A" }}\n')
        assert [path for path, _ in found] == [f"accounts[0].{missing}"]


def test_a_literal_key_is_refused_and_not_repeated() -> None:
    """The error says how to refer to it instead."""
    found = problems_of('[[accounts]]\nname = "a"\napi_key = "hush"\napi_secret = ["hush"]\n')
    assert sum("a literal secret" in text for _, text in found) == 2
    assert "hush" not in str(found)


def test_an_assets_balance_is_asked_for_once() -> None:
    """Several cross positions in one asset need one balance; the ones there are named."""
    more = '\n[[accounts.positions]]\nsymbol = "XRPUSDC"\nside = "LONG"\nquantity = 1\nentry_price = 1\n'
    text = (
        TEXT.replace(", USDC = 0", "").split('[[accounts]]\nname = "second"')[0] + more + 'margin_mode = "cross"'
    )
    ((path, message),) = problems_of(text)
    assert path == "accounts[0].balances"
    assert 'amounts of "USDT"' in message
    assert "{ USDC = 5000.0 }" in message


def test_one_mistake_in_a_position_does_not_hide_another() -> None:
    """A wrong quantity leaves the symbol, the side and the margin to be judged."""
    text = TEXT.replace("quantity = 4", "quantity = -4").replace('"ETHUSDC"', '"ETHUSDCC"')
    text = text.replace('margin_mode = "cross"', 'margin_mode = "cross"\nmargin = 3')
    assert [path.rpartition(".")[2] for path, _ in problems_of(text)] == ["symbol", "quantity", "margin"]


def test_a_misspelled_margin_is_told_once() -> None:
    """The unknown key explains why the right one is missing."""
    assert [
        path for path, _ in problems_of(TEXT.replace("margin = 1550\nmargin_asset", "margn = 1\nmargin_asset"))
    ] == ["accounts[1].positions[0].margn"]


def test_a_position_that_is_no_table() -> None:
    """It is refused where it stands."""
    assert [path for path, _ in problems_of('[[accounts]]\nname = "a"\npositions = [1]\n')] == [
        "accounts[0].positions[0]"
    ]


KEYED = """
[[accounts]]
name = "main"
api_key = { env = "KEY" }
api_secret = { credential = "secret" }
[[accounts]]
name = "by-hand"
[[accounts]]
name = "coins"
market = "coinm"
api_key = { env = "KEY" }
api_secret = { file = "~/secret.pem" }
allow_trading_key = true
"""


def keyed(rest: str = "") -> Settings:
    return load_text(KEYED + rest, "test.toml")


def test_keys_are_kept_as_references() -> None:
    """One key may follow both markets; accounts typed in stay apart, and the engine expects all of them."""
    settings, key = keyed(), SecretRef(Keeper.ENV, "KEY")
    assert settings.keyed == (
        KeyedAccount("main", Market.USDM, key, SecretRef(Keeper.CREDENTIAL, "secret")),
        KeyedAccount("coins", Market.COINM, key, SecretRef(Keeper.FILE, "~/secret.pem"), allow_trading_key=True),
    )
    assert [account.account for account in settings.accounts] == ["by-hand"]
    assert settings.engine.accounts == ("main", "by-hand", "coins")
    assert settings.symbols == ()


def test_names_are_unique_across_keyed_and_typed_accounts() -> None:
    """Alerts and history know an account by its name."""
    found = problems_of(KEYED.replace('"by-hand"', '"main"'))
    assert [path for path, _ in found] == ["accounts[1].name"]


def test_a_key_that_may_trade_is_warned_about_on_the_live_exchange() -> None:
    """On the testnet it harms nobody; only the account that allows it is named."""
    live = keyed('[exchange]\nenvironment = "live"\n').warnings
    (warning,) = (text for text in live if "allow_trading_key" in text)
    assert warning.startswith("account coins: allow_trading_key is on")
    assert not any("allow_trading_key" in text for text in keyed().warnings)


def test_only_typed_in_accounts_are_told_to_be_empty() -> None:
    """What an account with keys holds is not known here."""
    assert [text for text in keyed().warnings if "no positions" in text] == [
        "account by-hand has no positions: nothing of it is watched"
    ]


COINS = """
[[accounts]]
name = "coins"
market = "coinm"
balances = { BTC = 0.5 }
[[accounts.positions]]
symbol = "BTCUSD_PERP"
side = "LONG"
quantity = 200
entry_price = 62000
margin_mode = "cross"
[[accounts.positions]]
symbol = "ETHUSD_261225"
side = "SHORT"
quantity = 30
entry_price = 2900
margin_mode = "isolated"
margin = 0.2
[brackets.BTCUSD_PERP]
rows = [[0, 5, 0.004, 0], [5, 10, 0.005, 0.005]]
[brackets.ETHUSD_261225]
rows = [[0, 75, 0.01, 0]]
"""


def test_coin_margined_positions_become_inverse_ones() -> None:
    """Quantities in contracts, the coin as margin asset, the size of a contract by the shipped rule."""
    (account,) = load_text(COINS, "test.toml").accounts
    cross, isolated = MarginMode.CROSS, MarginMode.ISOLATED
    assert account.market is Market.COINM
    assert account.balances == {"BTC": 0.5}
    assert account.positions == (
        Position("BTCUSD_PERP", Side.LONG, 200.0, 62000.0, cross, "BTC", contract_size=100.0, inverse=True),
        Position(
            "ETHUSD_261225", Side.SHORT, 30.0, 2900.0, isolated, "ETH", 0.2, contract_size=10.0, inverse=True
        ),
    )


def test_one_mistake_in_a_coin_margined_position_does_not_hide_another() -> None:
    """Symbol, quantity and balance are told together."""
    text = COINS.replace('"ETHUSD_261225"', '"ETHUSD"').replace("= 200", "= 0.2").replace("{ BTC", "{ ETH")
    assert [path for path, _ in problems_of(text)] == [
        "accounts[0].balances",
        "accounts[0].positions[0].quantity",
        "accounts[0].positions[1].symbol",
    ]


def test_a_tier_table_near_the_symbol_is_suggested() -> None:
    """The table may be there under another name; none of a contract with a shipped table is meant."""
    ((path, text),) = problems_of(COINS.replace("[brackets.BTCUSD_PERP]", "[brackets.BTCUSD_PREP]"))
    assert path == "accounts[0].positions[0].symbol"
    assert 'did you mean "BTCUSD_PREP"? or give them as' in text
    assert "[brackets.BTCUSD_PERP] rows = [[floor, cap, mmr, cum], ...], with floor, cap and cum in BTC" in text
