"""One file for each mistake: where it is said to be, and what is said about it."""

from pathlib import Path

import pytest

from monitor.config import load
from monitor.errors import ConfigError

FOLDER = Path(__file__).parents[1] / "data" / "bad_config"

MISTAKES = [
    ("syntax", "line 2, column 8", "TOML"),
    ("syntax_at_end", "line 2, column 13", "TOML"),
    ("duplicate_key", "line 3, column 16", "TOML"),
    ("unterminated", "line 3, column 1", "TOML"),
    ("empty", "accounts", "nothing would be watched"),
    ("section_unknown", "alert", 'did you mean "alerts"?'),
    ("section_not_a_table", "exchange", "found text"),
    ("accounts_one_bracket", "accounts", "two brackets"),
    ("account_not_a_table", "accounts[0]", "a table"),
    ("account_unknown_key", "accounts[0].balance", 'did you mean "balances"?'),
    ("account_no_name", "accounts[0].name", "found nothing"),
    ("account_name", "accounts[0].name", "letters, digits"),
    ("account_name_number", "accounts[0].name", "write it in quotes"),
    ("account_twice", "accounts[1].name", "accounts[0] has it already"),
    ("market_unknown", "accounts[0].market", '"usdm" or "coinm"'),
    ("market_coinm", "accounts[0].positions[0].symbol", '"BTCUSDT", not a coin-margined contract'),
    ("usdm_coinm_symbol", "accounts[0].positions[0].symbol", 'give the account market = "coinm"'),
    ("coinm_without_brackets", "accounts[0].positions[0].symbol", "none of coin-margined contracts are shipped"),
    ("coinm_half_a_contract", "accounts[0].positions[0].quantity", "counted in contracts, not in coins"),
    ("coinm_balance_missing", "accounts[0].balances", "add the cross wallet balance in BTC"),
    ("coinm_multi_assets", "accounts[0].multi_assets", 'multi-assets mode is for market = "usdm"'),
    ("multi_assets", "accounts[0].positions[0].margin_mode", "in multi-assets mode"),
    ("multi_assets_margin", "accounts[0].positions[0].margin", "no margin with cross"),
    ("multi_assets_no_balance", "accounts[0].balances", "such as balances = { USDT = 5000.0, BTC = 0.1 }"),
    ("multi_assets_text", "accounts[0].multi_assets", "true or false"),
    ("account_key_alone", "accounts[0].api_secret", "api_key and api_secret together"),
    ("account_secret_alone", "accounts[0].api_key", "api_key and api_secret together"),
    ("account_literal_secret", "accounts[0].api_secret", "a literal secret"),
    (
        "account_keys_and_positions",
        "accounts[0].positions",
        "found a list of 1; allowed: no positions beside keys",
    ),
    ("account_keys_and_balances", "accounts[0].balances", "type positions in in an account without keys"),
    ("account_keys_and_multi_assets", "accounts[0].multi_assets", "the exchange tells it"),
    ("account_key_twice", "accounts[1].api_key", "accounts[0] has it already"),
    ("allow_trading_key_alone", "accounts[0].allow_trading_key", "this account has none"),
    ("allow_trading_key_text", "accounts[0].allow_trading_key", "true or false"),
    ("balance_negative", "accounts[0].balances.USDT", "0 or more"),
    ("balance_not_a_number", "accounts[0].balances.USDT", "found nan"),
    ("balance_asset", "accounts[0].balances.usdt", 'write "USDT"'),
    ("balance_missing", "accounts[0].balances", "balances = { USDT = 5000.0 }"),
    ("position_unknown_key", "accounts[0].positions[0].quantty", 'did you mean "quantity"?'),
    ("position_missing_key", "accounts[0].positions[0].entry_price", "found nothing"),
    ("position_not_a_list", "accounts[0].positions", "a list of tables"),
    ("quantity_negative", "accounts[0].positions[0].quantity", "above 0"),
    ("quantity_zero", "accounts[0].positions[0].quantity", "above 0"),
    ("quantity_text", "accounts[0].positions[0].quantity", "without quotes"),
    ("quantity_word", "accounts[0].positions[0].quantity", 'found "half"'),
    ("quantity_bool", "accounts[0].positions[0].quantity", "found true"),
    ("quantity_date", "accounts[0].positions[0].quantity", "a date or a time"),
    ("quantity_infinite", "accounts[0].positions[0].quantity", "found inf"),
    ("quantity_huge", "accounts[0].positions[0].quantity", "very many digits"),
    ("entry_price_zero", "accounts[0].positions[0].entry_price", "above 0"),
    ("side", "accounts[0].positions[0].side", 'did you mean "LONG"?'),
    ("margin_mode", "accounts[0].positions[0].margin_mode", 'did you mean "cross"?'),
    ("margin_with_cross", "accounts[0].positions[0].margin", "no margin with cross"),
    ("margin_missing", "accounts[0].positions[0].margin", "the isolated wallet balance"),
    ("margin_zero", "accounts[0].positions[0].margin", "above 0"),
    ("symbol_lower_case", "accounts[0].positions[0].symbol", 'write "BTCUSDT"'),
    ("symbol_form", "accounts[0].positions[0].symbol", "as the exchange writes it"),
    (
        "symbol_without_brackets",
        "accounts[0].positions[0].symbol",
        'did you mean "BTCUSDT"? or give them as [brackets.BTCUSTD]',
    ),
    ("margin_asset_unclear", "accounts[0].positions[0].margin_asset", "does not tell"),
    ("margin_asset_form", "accounts[0].positions[0].margin_asset", 'write "USDT"'),
    ("position_twice", "accounts[0].positions[1].side", "positions[0] is the first"),
    ("margin_modes_mixed", "accounts[0].positions[1].margin_mode", "one margin mode for each symbol"),
    ("environment", "exchange.environment", '"testnet" or "live"'),
    ("rest_url_plain", "exchange.rest_url", "for this machine only"),
    ("rest_url_no_host", "exchange.rest_url", "https://host"),
    ("rest_url_port", "exchange.rest_url", "https://host"),
    ("rest_url_user", "exchange.rest_url", "not shown"),
    ("rest_url_number", "exchange.rest_url", "write it in quotes"),
    ("stream_url_plain", "exchange.market_stream_url", "for this machine only"),
    ("stream_url_scheme", "exchange.market_stream_url", "wss://"),
    ("stream_url_no_route", "exchange.market_stream_url", "stays silent"),
    ("stream_url_ws", "exchange.market_stream_url", "appended by the program"),
    ("brackets_empty", "brackets.BTCUSDT.rows", "rows of four numbers"),
    ("brackets_three_columns", "brackets.BTCUSDT.rows[0]", "found a list of 3"),
    ("brackets_text", "brackets.BTCUSDT.rows[0][2]", "rows of four numbers"),
    ("brackets_first_floor", "brackets.BTCUSDT.rows[0]", "the first floor is 10, expected 0"),
    ("brackets_gap", "brackets.BTCUSDT.rows[1]", "floor is 400000, expected 300000"),
    ("brackets_cap", "brackets.BTCUSDT.rows[1]", "cap 300000 is not above floor 300000"),
    ("brackets_mmr_percent", "brackets.BTCUSDT.rows[1]", "0.004 is 0.4 %"),
    ("brackets_mmr_falls", "brackets.BTCUSDT.rows[1]", "mmr 0.004 is not above 0.004"),
    ("brackets_first_cum", "brackets.BTCUSDT.rows[0]", "cum is 5, expected 0"),
    ("brackets_cum", "brackets.BTCUSDT.rows[1]", "cum is 310, expected 300"),
    ("brackets_unknown_key", "brackets.BTCUSDT.row", 'did you mean "rows"?'),
    ("brackets_lower_case", "brackets.btcusdt", 'write "BTCUSDT"'),
    ("brackets_not_a_table", "brackets.BTCUSDT", "a table"),
    ("contracts_size_zero", "contracts.BTCUSD_PERP.size", "US dollars, above 0"),
    ("contracts_no_size", "contracts.BTCUSD_PERP.size", "found nothing"),
    ("contracts_unknown_key", "contracts.BTCUSD_PERP.coin", "one of size"),
    ("contracts_usdm_symbol", "contracts.BTCUSDT", "contracts of other markets have no size"),
    ("contracts_lower_case", "contracts.btcusd_perp", 'write "BTCUSD_PERP"'),
    ("contracts_not_a_table", "contracts.BTCUSD_PERP", "a table"),
    ("collateral_missing", "accounts[0].balances.BTC", "add [collateral.BTC] with index in US dollars"),
    ("collateral_missing_of_a_position", "accounts[0].positions", "add [collateral.BTC]"),
    ("collateral_lower_case", "collateral.usdt", 'write "USDT"'),
    ("collateral_no_index", "collateral.USDT.index", "US dollars, above 0"),
    ("collateral_index_zero", "collateral.USDT.index", "US dollars, above 0"),
    ("collateral_no_buffer", "collateral.USDT.ask_buffer", "from 0 to below 1"),
    ("collateral_buffer_percent", "collateral.USDT.bid_buffer", "0.20 is 20 %"),
    ("collateral_unknown_key", "collateral.USDT.haircut", "one of index, bid_buffer, ask_buffer"),
    ("collateral_not_a_table", "collateral.USDT", "a table"),
    ("dead_band", "alerts.dead_band", "0.20 is 20 %"),
    ("level_unknown", "alerts.warn", 'did you mean "warning"?'),
    ("level_not_a_table", "alerts.warning", "a table of conditions"),
    ("condition_unknown", "alerts.warning.rooms", 'did you mean "room"?'),
    ("room_percent", "alerts.notice.room", "fractions: 0.20 is 20 %"),
    ("room_huge", "alerts.notice.room", "very many digits"),
    ("room_zero", "alerts.notice.room", "above 0"),
    ("room_true", "alerts.notice.room", "or false"),
    ("room_not_a_number", "alerts.notice.room", "found nan"),
    ("moves_left_negative", "alerts.warning.moves_left", "above 0, or false"),
    ("room_order", "alerts.critical.room", "below 0.2, which is warning's"),
    ("room_order_lower", "alerts.warning.room", "above 0.1, which is critical's"),
    ("margin_ratio_order", "alerts.critical.margin_ratio", "above 0.65, which is warning's"),
    ("margin_ratio_order_lower", "alerts.critical.margin_ratio", "below 0.9, which is emergency's"),
    ("reminder_number", "alerts.critical.reminder", "a unit is missing"),
    ("reminder_word", "alerts.critical.reminder", 'or "none"'),
    ("reminder_zero", "alerts.critical.reminder", "longer than nothing"),
    ("dwell", "alerts.critical.dwell", 'such as "90s"'),
    ("override_unknown_account", "alerts.accounts.mian", 'did you mean "main"?'),
    ("override_unknown_symbol", "alerts.symbols.BTCUSDC", 'did you mean "BTCUSDT"?'),
    ("override_symbol_form", "alerts.symbols.btcusdt", 'write "BTCUSDT"'),
    ("override_not_a_table", "alerts.accounts.main", "a table"),
    ("override_unknown_level", "alerts.accounts.main.warn", 'did you mean "warning"?'),
    ("override_order", "alerts.symbols.BTCUSDT.notice.room", "above 0.2, which is warning's"),
    (
        "channel_literal_secret",
        "channels[0].url",
        'a literal secret; allowed: { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }',
    ),
    ("channel_no_url", "channels[0].url", "found nothing"),
    ("channel_unknown_key", "channels[0].level", 'did you mean "min_level"?'),
    ("channel_secret_kind", "channels[0].url", 'did you mean "env"?'),
    ("channel_secret_two", "channels[0].url", "exactly one of"),
    ("channel_secret_env", "channels[0].url", "the name of a variable"),
    ("channel_secret_file", "channels[0].url", "starts with / or ~/"),
    ("channel_secret_credential", "channels[0].url", "credential takes a name"),
    ("channel_secret_number", "channels[0].url", "credential takes a name"),
    ("channel_twice", "channels[1].name", "channels[0] has it already"),
    ("channel_level", "channels[0].min_level", 'did you mean "warning"?'),
    ("channel_format", "channels[0].format", '"markdown"'),
    ("channel_changes", "channels[0].changes", "true or false"),
    ("channel_not_a_table", "channels[0]", "found text"),
    ("channels_text", "channels", "found text"),
    ("audit_percent", "audit.tolerance", "0.20 is 20 %"),
    ("audit_zero", "audit.liquidation_mark", "above 0"),
    ("audit_unknown_key", "audit.liquidation_distnace", 'did you mean "liquidation_distance"?'),
    ("history_path", "history.path", "starts with / or ~/"),
    ("history_keep_raw", "history.keep_raw", 'such as "90s"'),
    ("history_keep_too_long", "history.keep_raw", 'such as "90s"'),
    ("history_keep_minutes", "history.keep_minutes", "at least as long as keep_raw"),
    ("history_keep_minutes_default", "history.keep_minutes", '"400d", the default'),
    ("log_level", "log.level", '"debug", "info"'),
    ("log_format", "log.format", 'did you mean "json"?'),
    ("time_zone", "display.time_zone", 'did you mean "Europe/Rome"?'),
    ("time_zone_offset", "display.time_zone", "write it in quotes"),
    ("state_directory", "state.directory", "starts with / or ~/"),
    ("number_too_long", "file", "a number that is too long"),
    ("nested_too_deep", "file", "nested too deeply"),
]


@pytest.mark.parametrize(("name", "path", "phrase"), MISTAKES)
def test_each_mistake_is_told_once_at_its_place(name: str, path: str, phrase: str) -> None:
    """A file with one mistake gives one problem, with the key path and words that lead to the fix."""
    with pytest.raises(ConfigError) as caught:
        load(FOLDER / f"{name}.toml", {})
    (problem,) = caught.value.problems
    assert problem.path == path
    assert phrase in str(problem)
    assert caught.value.source == str(FOLDER / f"{name}.toml")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_what_may_be_a_secret_is_never_repeated(path: Path) -> None:
    """In these files every misplaced secret says hush; no error does."""
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert "hush" not in str(caught.value) + repr(caught.value)


def test_every_file_is_expected() -> None:
    """No file of the folder lies there without an expectation."""
    assert sorted(name for name, _, _ in MISTAKES) == sorted(path.stem for path in FOLDER.glob("*.toml"))
