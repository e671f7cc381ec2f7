"""From a text to Settings: everything right, or every mistake at once and nothing else raised."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config import (
    DisplaySettings,
    ExchangeSettings,
    HistorySettings,
    LogSettings,
    StateSettings,
    load,
    load_text,
)
from monitor.config.load import load_document
from monitor.core.model import Market
from monitor.core.settings import AuditRules, EngineSettings
from monitor.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
SMALLEST = '[[accounts]]\nname = "main"\n'

MANY = """
[log]
level = "loud"
[exchange]
environment = "live"
websocket = "wss://x/market"
[[channels]]
url = "hush://hush"
[[accounts]]
name = "main"
[[accounts.positions]]
margin_mode = "cross"
side = "UP"
symbol = "BTCUSDT"
quantity = -1
[[accounts]]
name = "main"
positions = [{ symbol = "x" }]
[alerts.emergency]
room = 7
[alerts.notice]
room = 50
[brackets.BTCUSDT]
rows = [[0, 1, 2, 3], [1, 2]]
[history]
keep_raw = 7
"""


def test_the_smallest_file_has_a_default_for_everything_else() -> None:
    """Only an account has to be named; what that means is warned about."""
    loaded = load_text(SMALLEST, "test.toml")
    assert loaded.exchange == ExchangeSettings("testnet", None, None, None)
    assert loaded.engine == EngineSettings(accounts=("main",))
    assert (loaded.history, loaded.log) == (HistorySettings(), LogSettings())
    assert (loaded.display, loaded.state) == (DisplaySettings(), StateSettings())
    assert loaded.warnings == (
        "account main has no positions: nothing of it is watched",
        "there are no [[channels]]: alerts go to the log only",
    )


def test_every_key_arrives() -> None:
    """What is written in the small sections is what Settings say."""
    loaded = load_text(
        SMALLEST
        + """
[exchange]
environment = "live"
rest_url = "https://proxy.example.com:8443/fapi/"
market_stream_url = "ws://127.0.0.1:8080/market/"
private_stream_url = "wss://proxy.example.com/a/private"
typical_moves = false
[history]
path = "/var/lib/history.db"
keep_raw = "1d"
keep_minutes = "30d"
[log]
level = "debug"
format = "json"
[display]
time_zone = "Europe/Rome"
[state]
directory = "~/state"
[audit]
tolerance = 0.01
liquidation_mark = 0.002
liquidation_distance = 0.1
[[channels]]
name = "phone"
url = { env = "PHONE_URL" }
""",
        "test.toml",
    )
    assert loaded.source == "test.toml"
    assert loaded.exchange == ExchangeSettings(
        "live",
        "https://proxy.example.com:8443/fapi",
        "ws://127.0.0.1:8080/market",
        "wss://proxy.example.com/a/private",
        typical_moves=False,
    )
    assert not loaded.engine.typical_moves
    assert loaded.engine.environment == "live"
    assert loaded.engine.audit == AuditRules(relative=0.01, liquidation_mark=0.002, liquidation_distance=0.1)
    assert loaded.history == HistorySettings("/var/lib/history.db", 86400.0, 30 * 86400.0)
    assert loaded.log == LogSettings("debug", "json")
    assert loaded.display == DisplaySettings("Europe/Rome")
    assert loaded.state == StateSettings("~/state")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_unencrypted_addresses_are_for_this_machine(host: str) -> None:
    """Every name of the loopback counts."""
    text = f'{SMALLEST}[exchange]\nrest_url = "http://{host}:1"\nmarket_stream_url = "ws://{host}:1/market"\n'
    assert load_text(text, "x").exchange.rest_url == f"http://{host}:1"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    """Sections in the order written, keys in the order written, what is missing last in its table."""
    with pytest.raises(ConfigError) as caught:
        load_text(MANY, "test.toml")
    assert [problem.path for problem in caught.value.problems] == [
        "log.level",
        "exchange.websocket",
        "channels[0].url",
        "channels[0].name",
        "accounts[0].positions[0].side",
        "accounts[0].positions[0].quantity",
        "accounts[0].positions[0].entry_price",
        "accounts[0].balances",
        "accounts[1].name",
        "accounts[1].positions[0].symbol",
        "accounts[1].positions[0].side",
        "accounts[1].positions[0].quantity",
        "accounts[1].positions[0].entry_price",
        "accounts[1].positions[0].margin_mode",
        "alerts.emergency.room",
        "alerts.notice.room",
        "brackets.BTCUSDT.rows[1]",
        "history.keep_raw",
    ]
    assert str(caught.value).startswith("test.toml: 18 problems\n  log.level: found")
    assert "hush" not in str(caught.value)


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    """The source is the path; a byte order mark, as some editors leave it, does no harm."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert load(path, {}).source == str(path)
    assert load(None, {"POSITION_MONITOR_CONFIG": str(path)}).source == str(path)


def test_the_example_loads() -> None:
    """The example has no mistake; the only warning is that the testnet's tiers differ."""
    loaded = load(EXAMPLE, {})
    (warning,) = loaded.warnings
    assert "the testnet's differ" in warning
    assert loaded.symbols == ("BTCUSDT", "ETHUSDT")


def uncommented() -> str:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    keys = [
        line
        for line in lines
        if line.startswith("# ") and " = " in line and line[2:].split(" = ")[0].isidentifier()
    ]
    assert len(keys) > 25
    return "\n".join(line[2:] if line in keys else line for line in lines)


def sections_in_comments() -> str:
    """The indented comments of the example that are TOML: from a table's heading to the end of its block."""
    taken: list[str] = []
    within = False
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        within = line.startswith("#   [") or (within and line.startswith("#  "))
        if within:
            taken.append(line[4:])
    return "\n".join(taken)


def test_the_example_shows_the_defaults() -> None:
    """What stands in comments, written out, changes no rule; only addresses and paths are examples."""
    written, default = load_text(uncommented(), "x"), load(EXAMPLE, {})
    assert written.engine == default.engine
    assert written.accounts == default.accounts
    assert (written.log, written.display) == (default.log, default.display)
    assert (written.history.keep_raw_s, written.history.keep_minutes_s) == (
        default.history.keep_raw_s,
        default.history.keep_minutes_s,
    )


def test_the_examples_sections_in_comments_load() -> None:
    """Accounts with keys, a coin-margined one and rates of collateral, written out beside the rest."""
    loaded = load_text(EXAMPLE.read_text(encoding="utf-8") + sections_in_comments(), "x")
    assert loaded.engine.accounts == ("by-hand", "main", "main-coins", "coins")
    assert [account.market for account in loaded.keyed] == [Market.USDM, Market.COINM]
    assert loaded.symbols == ("BTCUSDT", "ETHUSDT", "BTCUSD_PERP")
    assert [text for text in loaded.warnings if "testnet's differ" not in text] == [
        "collateral.BTC is not used: no typed-in account in multi-assets mode has BTC"
    ]


def test_the_example_has_every_key() -> None:
    """No key of the shape is missing from it."""
    from monitor.config import schema  # noqa: PLC0415 - only this test looks at the models

    text = EXAMPLE.read_text(encoding="utf-8")
    sections = [s for s in vars(schema).values() if isinstance(s, type) and issubclass(s, schema.Section)]
    keys = {key for section in sections for key in section.model_fields}
    assert {key for key in keys if key not in text} == set()


def test_importing_it_loads_nothing_heavy() -> None:
    """Commands that only look at the configuration start fast."""
    heavy = {"numpy", "aiohttp", "apprise", "binance", "websockets", "structlog"}
    code = f"import sys, monitor.config; print(sorted({heavy!r} & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


scalars = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.dates(),
    st.sampled_from(
        [
            "BTCUSDT",
            "LONG",
            "cross",
            "isolated",
            "main",
            "usdm",
            "coinm",
            "BTCUSD_PERP",
            "7d",
            "none",
            0.2,
            20,
            "wss://h/market",
        ]
    ),
    st.builds(lambda: {"env": "A"}),
    st.builds(lambda: [[0, 1, 0.1, 0]]),
    st.just(10**400),
)
keys = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            *("exchange", "accounts", "positions", "brackets", "alerts", "channels", "history", "log", "display"),
            *("name", "symbol", "side", "quantity", "entry_price", "margin_mode", "margin", "margin_asset", "url"),
            *(
                "symbols",
                "warning",
                "notice",
                "room",
                "dead_band",
                "reminder",
                "rows",
                "BTCUSDT",
                "main",
                "market",
            ),
            *("balances", "USDT", "api_key", "api_secret", "multi_assets", "environment", "market_stream_url"),
            *("keep_raw", "keep_minutes", "level", "format", "time_zone", "state", "directory", "path"),
            *("contracts", "size", "collateral", "index", "bid_buffer", "ask_buffer", "allow_trading_key"),
            *("audit", "tolerance", "changes", "BTCUSD_PERP", "BTC"),
            *("advice", "taker_fee", "slippage", "step", "least_quantity"),
        ]
    ),
)
nodes = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)


def only_config_errors(call: Callable[[], object]) -> None:
    told = "1 problem"
    try:
        call()
    except ConfigError as error:
        told = str(error)
    assert "problem" in told
    told.encode()  # can be printed


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, nodes, max_size=6))
def test_any_document_loads_or_is_a_config_error(document: dict[str, Any]) -> None:
    """Nothing a TOML file can hold raises anything else."""
    only_config_errors(lambda: load_document(document, "fuzz"))


def places(node: object) -> list[tuple[Any, Any]]:
    """Every container of the document with every key in it."""
    if isinstance(node, dict):
        return [(node, key) for key in node] + [place for value in node.values() for place in places(value)]
    if isinstance(node, list):
        return [(node, i) for i in range(len(node))] + [place for value in node for place in places(value)]
    return []


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_example_with_anything_anywhere(data: st.DataObject) -> None:
    """Any value in any place of a good file is taken or told."""
    document = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(document)
        container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
        container[key] = data.draw(nodes)
    only_config_errors(lambda: load_document(document, "fuzz"))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet='[]{}="\n. ax_1#,'))
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    """Whatever stands in the file, the answer has one form."""
    only_config_errors(lambda: load_text(text, "fuzz"))


@settings(max_examples=200, deadline=None)
@given(nodes, st.sampled_from(["api_key", "api_secret", "url"]))
def test_what_stands_in_a_secrets_place_is_never_repeated(node: object, key: str) -> None:
    """Whatever is typed where a secret's reference belongs, no error shows any text of it."""
    marked = mark(node)
    entry = {"name": "main", key: marked}
    document: dict[str, Any] = {"accounts": [{"name": "main"}]}
    document["channels" if key == "url" else "accounts"] = [entry]
    with pytest.raises(ConfigError) as caught:
        load_document(document, "fuzz")
    assert "hush" not in str(caught.value)


def mark(node: object) -> object:
    """Put a mark into every key and text, and leave no valid reference."""
    if isinstance(node, dict):
        return {f"hush{key}": mark(value) for key, value in node.items()}
    if isinstance(node, list):
        return [mark(value) for value in node]
    return f"hush{node}"
