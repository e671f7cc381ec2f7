"""``leverage`` as a person calls it: without anything, with a configuration, and beside a running daemon."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.core.model import AccountSnapshot, Bracket, BracketTable, MarginMode, Position, Side, Source
from monitor.status import Holdings
from tests.by_hand import LONG_BTC, cross
from tests.cli.answering import answering
from tests.cli.made import NOW_MS

HELD = (
    """
[exchange]
environment = "live"
[[accounts]]
name = "by-hand"
balances = { USDT = 5000.0 }
"""
    + LONG_BTC
    + cross("ETHUSDT", "SHORT", 4.0, 2900.0)
)
COINS = """
[brackets.BTCUSD_PERP]
rows = [[0, 5, 0.004, 0, 125], [5, 10, 0.005, 0.005, 100]]
"""
KEYED = """
[exchange]
environment = "testnet"
[[accounts]]
name = "main"
api_key = { env = "MAIN_KEY" }
api_secret = { env = "MAIN_SECRET" }
"""


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration in any usual place, no daemon."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    for name in ("POSITION_MONITOR_CONFIG", "STATE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def call(*args: str) -> Result:
    return CliRunner().invoke(app, ["leverage", *args], env={"COLUMNS": "80"})


def tables(*args: str) -> list[dict[str, Any]]:
    result = call(*args, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["tables"]
    return found


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(f'[state]\ndirectory = "{tmp_path / "state"}"\n{text}', encoding="utf-8")
    return str(path)


def rung(table: dict[str, Any], leverage: float) -> dict[str, Any]:
    (found,) = [one for one in table["rungs"] if one["leverage"] == leverage]
    return dict(found)


def test_a_symbol_needs_no_configuration() -> None:
    """Shipped tiers, 10,000 USDT, beside the rule of thumb: 5x 20 %, 10x 10 %, 20x 5 %, 50x 2 %, 125x 0.8 %."""
    (table,) = tables("BTCUSDT")
    thumbs = {one["leverage"]: round(one["rule_of_thumb"], 4) for one in table["rungs"]}
    assert {5: 0.2, 10: 0.1, 20: 0.05, 50: 0.02, 125: 0.008}.items() <= thumbs.items()
    assert (table["size"], table["asset"], table["brackets"]) == (10_000.0, "USDT", "shipped 2026-09-29")
    assert rung(table, 20)["long"]["move"] == pytest.approx((0.05 - 0.004) / 0.996)
    assert rung(table, 20)["long"]["usual_days"] is None
    assert table["daily_move"] is None


def test_it_fits_a_terminal_of_80_columns() -> None:
    """With all that is asked for, no row is broken or cut."""
    lines = call(
        "BTCUSDT", "--mark", "BTCUSDT=61000", "--daily-move", "3%", "--size", "5000000"
    ).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    header = next(line for line in lines if line.startswith("leverage"))
    for title in ("thumb", "LONG", "SHORT", "off by", "usual in", "in a day"):
        assert title in header
    twenty = next(line for line in lines if line.lstrip().startswith("20x"))
    assert "4.28 %" in twenty
    assert "…" not in call("BTCUSDT", "--daily-move", "3%").stdout


def test_what_was_asked_for_stays_where_it_is_narrow() -> None:
    """A mark given makes liquidation prices, for which other columns go, and their explanation with them."""
    plain, asked = (
        call("BTCUSDT", "--daily-move", "3%", *mark).stdout for mark in ((), ("--mark", "BTCUSDT=61000"))
    )
    assert "LONG liq. / SHORT liq." in asked
    assert "58182.73 / 63794.82" in asked
    assert plain.count("after call") == 2
    assert "after call" not in asked


def test_sizes_make_tables_of_their_own() -> None:
    """5,000,000 at 20x is nearer than 10,000, and 75x is not offered for it, which is said."""
    small, large = tables("BTCUSDT", "--size", "10000", "--size", "5000000")
    assert rung(large, 20)["short"]["move"] < rung(small, 20)["short"]["move"]
    assert (small["most_leverage"], large["most_leverage"]) == (150.0, 50.0)
    assert large["rungs"][-1]["leverage"] == 50.0
    text = call("BTCUSDT", "--size", "5000000").stdout
    assert "up to 50x for this size; 75x only below 3,000,000.00 USDT" in text


def test_a_size_for_which_no_leverage_is_left() -> None:
    """The highest tier allows 1x: there is nothing to list, and that is said."""
    result = call("BTCUSDT", "--size", "1500000000", "--mark", "BTCUSDT=60000", "--daily-move", "3%")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "No leverage above 1x is allowed" in words
    assert "2x only below 1,200,000,000.00 USDT" in words


def test_the_daily_move_is_what_one_gives() -> None:
    """With the time and the chance, and how they are made; a chance below 1 % is not told to people."""
    (table,) = tables("BTCUSDT", "--daily-move", "3%")
    assert (table["daily_move"], table["daily_move_from"]) == (pytest.approx(0.03), "--daily-move")
    assert rung(table, 20)["short"]["usual_days"] == pytest.approx(2.2299, abs=1e-4)
    text = call("BTCUSDT", "--daily-move", "3 %").stdout
    words = " ".join(text.split())
    assert "2.2 d" in text
    assert "< 1 %" in text
    assert "32 % have been liquidated" in words
    assert "2 * (1 - Phi(" in words
    assert "fatter tails" in words


def test_without_a_daily_move_the_ways_to_give_one_are_told() -> None:
    """Unknown is said, not guessed."""
    words = " ".join(call("BTCUSDT").stdout.split())
    assert "unknown for BTCUSDT" in words
    assert "--daily-move 3%" in words
    assert "`position-monitor run`" in words


@pytest.mark.parametrize("bad", ["3", "0%", "-1%", "101%", "nan%", "%", "three"])
def test_a_daily_move_is_a_percentage(bad: str) -> None:
    """3 could be 3 % or 300 %: it is asked for."""
    result = call("BTCUSDT", f"--daily-move={bad}")
    assert result.exit_code == 2
    assert "as in 3%" in result.stderr


@pytest.mark.parametrize("size", ["0", "-5", "nan", "inf", "1800000000"])
def test_a_size_is_above_zero_and_within_the_tiers(size: str) -> None:
    """Where the tiers end is told."""
    result = call("BTCUSDT", f"--size={size}")
    assert result.exit_code == 2
    assert "below 1,800,000,000.00 USDT" in result.stderr


@pytest.mark.parametrize(
    ("typed", "meant"), [("BTCUSD", "BTCUSDT"), ("btcusdt", "BTCUSDT"), ("ETHUDST", "ETHUSDT")]
)
def test_an_unknown_symbol_suggests_a_near_one(typed: str, meant: str) -> None:
    """The error names what was typed and what was probably meant."""
    result = call(typed)
    assert result.exit_code == 2
    assert f'"{typed}"' in result.stderr
    assert f'did you mean "{meant}"?' in result.stderr


def test_a_coin_margined_symbol_needs_tiers_of_ones_own(tmp_path: Path) -> None:
    """None are shipped; with a table in the configuration it works, one coin where no size is given."""
    refused = call("BTCUSD_PERP")
    assert refused.exit_code == 2
    assert "[brackets.SYMBOL]" in refused.stderr
    position = (
        '[[accounts]]\nname = "c"\nmarket = "coinm"\nbalances = { BTC = 1.0 }\n[[accounts.positions]]\n'
        'symbol = "BTCUSD_PERP"\nside = "LONG"\nquantity = 200\nentry_price = 62000.0\nmargin_mode = "isolated"\n'
        "margin = 0.05\n"
    )
    config = written(tmp_path, position + COINS)
    (table,) = tables("BTCUSD_PERP", "--config", config)
    assert (table["asset"], table["size"], table["most_leverage"]) == ("BTC", 1.0, 125.0)
    # Inverse: a LONG loses more coins the deeper it falls, and is liquidated sooner than a SHORT.
    assert rung(table, 10)["long"]["move"] == pytest.approx(1 - 1.004 / 1.1)
    (held,) = tables("--config", config)
    assert held["size"] == pytest.approx(200 * 100 / 62000)


def test_held_positions_are_shown_at_their_own_size_with_their_leverage(tmp_path: Path) -> None:
    """From the entry price, in their direction, so that the marked row has the liquidation price of `assess`."""
    config = written(tmp_path, HELD)
    bitcoin, ether = tables("--config", config)
    assert (bitcoin["account"], bitcoin["side"], bitcoin["size"]) == ("by-hand", "LONG", 31_000.0)
    (mine,) = [one for one in bitcoin["rungs"] if one["chosen"]]
    assert mine["leverage"] == 20.0
    assert mine["short"] is None
    result = CliRunner().invoke(app, ["assess", "--config", config, "--json", "--mark", "BTCUSDT=61000",
                                      "--mark", "ETHUSDT=2900"])  # fmt: skip
    assessed = {one["symbol"]: one["liquidation_price"] for one in json.loads(result.stdout)["positions"]}
    assert mine["long"]["price"] == pytest.approx(assessed["BTCUSDT"])
    assert not any(one["chosen"] for one in ether["rungs"])  # typed in as cross: nobody knows what was chosen
    text = call("--config", config).stdout
    assert "<- yours" in text
    assert "It is cross" in text


def test_symbol_or_configuration_is_needed(tmp_path: Path) -> None:
    """Neither is an error that says so; a configuration without positions as well."""
    result = call()
    assert result.exit_code == 2
    assert "a symbol, such as BTCUSDT, which needs none" in result.stderr
    empty = written(tmp_path, '[[accounts]]\nname = "a"\nbalances = { USDT = 1.0 }\n')
    assert "no position that is held" in call("--config", empty).stderr


def test_a_configuration_that_was_named_must_be_right(tmp_path: Path) -> None:
    """It is not passed over because the symbol would do without."""
    assert call("BTCUSDT", "--config", str(tmp_path / "missing.toml")).exit_code == 2


def test_what_belongs_to_a_symbol_is_refused_without_one(tmp_path: Path) -> None:
    """Sizes and prices of held positions are theirs."""
    config = written(tmp_path, HELD)
    assert "held positions have theirs" in call("--config", config, "--size", "5").stderr
    assert "from their entry prices" in call("--config", config, "--mark", "BTCUSDT=61000").stderr
    assert "a price of ETHUSDT" in call("BTCUSDT", "--mark", "ETHUSDT=3000").stderr


def test_a_mark_gives_liquidation_prices() -> None:
    """Without one there are moves only."""
    (table,) = tables("BTCUSDT", "--mark", "BTCUSDT=60000")
    assert rung(table, 20)["long"]["price"] == pytest.approx(60_000 * (0.95 / 0.996))
    assert (table["price"], tables("BTCUSDT")[0]["price"]) == (60_000.0, None)


def test_every_leverage_on_demand() -> None:
    """From 2x to 150x."""
    assert len(tables("BTCUSDT", "--every")[0]["rungs"]) == 149


def answers(typical: float | None) -> dict[str, object]:
    """What a daemon says that follows an account by its key."""
    leg = Position("BTCUSDT", Side.LONG, 0.5, 62_000.0, MarginMode.CROSS, "USDT", leverage=25.0)
    main = AccountSnapshot("main", {"USDT": 2000.0}, (leg,), as_of_ms=NOW_MS, source=Source.REST)
    rows = (Bracket(0.0, 50_000.0, 0.01, 0.0, 50.0), Bracket(50_000.0, 1e6, 0.02, 500.0, 25.0))
    table = BracketTable("BTCUSDT", rows, "exchange", "2026-11-20", "main")
    symbol = {"symbol": "BTCUSDT", "data": "fresh", "mark": 61_000.0, "age_s": 0.4, "source": "stream",
              "typical_move": typical}  # fmt: skip
    status = {"engine": {"symbols": [symbol], "accounts": [{"account": "main", "corrections": {}}]}}
    return {"status": status, "holdings": Holdings((main,), {"main/BTCUSDT": table})}


def test_a_running_daemon_knows_tiers_mark_and_typical_move(tmp_path: Path) -> None:
    """The account's own tiers, the mark, and the hourly move times the root of 24."""
    config = written(tmp_path, KEYED)
    with answering(tmp_path / "state", answers(0.005)):
        (named,) = tables("BTCUSDT", "--config", config)
        (given,) = tables("BTCUSDT", "--config", config, "--daily-move", "5%", "--mark", "BTCUSDT=50000")
        (held,) = tables("--config", config)
        text = call("--config", config).stdout
    assert (named["brackets"], named["most_leverage"]) == ("exchange 2026-11-20 of main", 50.0)
    assert (named["price"], named["price_from"]) == (61_000.0, "daemon")
    assert named["daily_move"] == pytest.approx(0.005 * 24**0.5)
    assert named["daily_move_from"] == "the running daemon"
    assert (given["daily_move"], given["price"]) == (pytest.approx(0.05), 50_000.0)
    assert [one["leverage"] for one in held["rungs"] if one["chosen"]] == [25.0]
    assert (held["price"], held["price_from"], held["margin_mode"]) == (62_000.0, "entry", "cross")
    assert "the running daemon" in text


def test_what_only_the_daemon_knows_is_named_while_it_is_down(tmp_path: Path) -> None:
    """Nothing is passed over in silence; a symbol still works."""
    config = written(tmp_path, KEYED)
    result = call("--config", config)
    assert result.exit_code == 2
    assert "followed by key (main)" in result.stderr
    both = written(tmp_path, KEYED + HELD.replace('[exchange]\nenvironment = "live"\n', ""))
    assert "Not shown: what is followed by key (main)" in " ".join(call("--config", both).stdout.split())
    assert tables("BTCUSDT", "--config", both)[0]["brackets"] == "shipped 2026-09-29"


def test_a_typical_move_that_is_not_known_yet_is_unknown(tmp_path: Path) -> None:
    """The daemon says null until it has seen half an hour."""
    config = written(tmp_path, KEYED)
    with answering(tmp_path / "state", answers(None)):
        (table,) = tables("BTCUSDT", "--config", config)
    assert (table["daily_move"], table["daily_move_from"]) == (None, "")


def test_a_coin_alone_is_taken_for_its_contract() -> None:
    """Not for another one that looks alike; lower case as well."""
    for word in ("BTC", "btcusdt", "btc"):
        assert 'did you mean "BTCUSDT"?' in call(word).stderr


def test_a_size_may_have_commas() -> None:
    assert tables("BTCUSDT", "--size", "5,000,000") == tables("BTCUSDT", "--size", "5000000")
    assert "an amount above 0" in call("BTCUSDT", "--size", "5,00").stderr


def test_a_time_of_less_than_a_minute_is_not_no_time() -> None:
    """At the most leverage, where a day moves far."""
    shown = call("BTCUSDT", "--daily-move", "50%").stdout
    row = next(line for line in shown.splitlines() if line.split()[:1] == ["125x"])
    assert "< 1 min" in row
    assert " 0 min" not in shown


def test_help_says_of_which_symbols_prices_are_taken() -> None:
    """Not of those held: they are counted from their entry prices, and a price of them is refused."""
    words = " ".join(call("--help").stdout.split())
    assert "Price of a symbol named; what is held has its own." in words
    assert "once for each symbol held" not in words
