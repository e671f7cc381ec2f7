"""``check-config``, ``assess``, ``explain``, ``replay`` and ``test-alert`` as a person calls them."""

import json
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.core.events import Event, Heartbeat, Restored, SettingsChanged, Snapshot, Subscribed, Ticks
from monitor.core.model import (
    PAR,
    AccountSnapshot,
    AssetRate,
    Bracket,
    BracketTable,
    MarginMode,
    MarkRange,
    Now,
    Position,
    Side,
    Source,
)
from monitor.core.settings import ChannelRule, EngineSettings
from monitor.journal import JournalWriter
from monitor.notify.reasons import in_words
from monitor.status import Holdings
from tests.cli.answering import answering
from tests.cli.made import NOW_MS

CROSS = """
[exchange]
environment = "live"
[[accounts]]
name = "official"
balances = { USDT = 1535443.01 }
"""

# Tables whose upper row is the one the published example uses, joined to a first row without a step.
TABLES = """
[brackets.ETHUSDT]
rows = [[0, 1410052.0833333333, 0.004, 0], [1410052.0833333333, 1e12, 0.1, 135365]]
[brackets.BTCUSDT]
rows = [[0, 776190.4761904762, 0.004, 0], [776190.4761904762, 1e12, 0.025, 16300]]
"""


def position(symbol: str, quantity: float, entry: float, mode: str, margin: str = "") -> str:
    return f"""
[[accounts.positions]]
symbol = "{symbol}"
side = "LONG"
quantity = {quantity}
entry_price = {entry}
margin_mode = "{mode}"
{margin}
"""


ETH = ("ETHUSDT", 3683.979, 1456.84)
BTC = ("BTCUSDT", 109.488, 32481.98)
MARKS = ("--mark", "ETHUSDT=1335.18", "--mark", "BTCUSDT=31967.27")


def call(*args: str) -> Result:
    return CliRunner().invoke(app, list(args))


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def assessed(tmp_path: Path, text: str, *marks: str) -> dict[str, Any]:
    result = call("assess", "--config", written(tmp_path, text), *marks, "--json")
    assert result.exit_code == 0, result.output
    decoded: dict[str, Any] = json.loads(result.stdout)
    return decoded


def test_assess_reproduces_the_published_cross_example(tmp_path: Path) -> None:
    """ETH 1,153.26 and BTC 26,316.89, account margin ratio 41.489 %."""
    text = CROSS + position(*ETH, "cross") + position(*BTC, "cross") + TABLES
    document = assessed(tmp_path, text, *MARKS)
    prices = {p["symbol"]: p["liquidation_price"] for p in document["positions"]}
    assert prices["ETHUSDT"] == pytest.approx(1153.25646, abs=5e-6)
    assert prices["BTCUSDT"] == pytest.approx(26316.89326, abs=5e-6)
    assert document["wallets"][0]["margin_ratio"] == pytest.approx(0.4148949, abs=5e-8)


@pytest.mark.parametrize(("leg", "expected"), [(ETH, 1114.78), (BTC, 18778.73)])
def test_assess_reproduces_the_published_isolated_examples(
    tmp_path: Path, leg: tuple[str, float, float], expected: float
) -> None:
    """The same balance behind one position alone."""
    text = CROSS + position(*leg, "isolated", "margin = 1535443.01") + TABLES
    mark = [m for m in MARKS if leg[0] in m]
    document = assessed(tmp_path, text, "--mark", *mark)
    assert round(float(str(document["positions"][0]["liquidation_price"])), 2) == expected


def test_assess_reproduces_the_small_published_example(tmp_path: Path) -> None:
    """500 behind a long of 1,000 at 50,000: 25,100.40, with the tiers as shipped, which is said."""
    text = CROSS + position("BTCUSDT", 0.02, 50000, "isolated", "margin = 500")
    document = assessed(tmp_path, text, "--mark", "BTCUSDT=50000")
    assert round(float(str(document["positions"][0]["liquidation_price"])), 2) == 25100.40
    assert document["shipped_brackets"] == {"BTCUSDT": "shipped 2026-09-29"}


DESIGN = """
[[accounts]]
name = "by-hand"
balances = { USDT = 5000.0 }
""" + position("BTCUSDT", 0.5, 62000.0, "isolated", "margin = 1550.0")


def test_assess_prints_the_documented_document(tmp_path: Path) -> None:
    """Keys, their order and the figures of the contract."""
    document = assessed(tmp_path, DESIGN, "--mark", "BTCUSDT=61000")
    assert list(document)[:3] == ["as_of", "wallets", "positions"]
    cross, isolated = document["wallets"]
    assert cross == {
        "account": "by-hand", "wallet": "cross:USDT", "margin_mode": "cross", "asset": "USDT",
        "wallet_balance": 5000.0, "margin_balance": 5000.0, "maintenance_margin": 0.0, "cushion": 5000.0,
        "margin_ratio": 0.0, "room": 1.0, "joint_distance": None, "moves_left": None, "level": "ok",
    }  # fmt: skip
    assert list(isolated) == list(cross)
    assert isolated["margin_ratio"] == pytest.approx(0.1162, abs=5e-5)
    assert isolated["room"] == pytest.approx(0.6508, abs=5e-5)
    assert isolated["joint_distance"] == pytest.approx(0.0305, abs=5e-5)
    (one,) = document["positions"]
    assert list(one) == [
        "account", "wallet", "symbol", "side", "quantity", "entry_price", "mark_price", "notional",
        "unrealized_pnl", "maintenance_margin", "liquidation_price", "distance", "level",
    ]  # fmt: skip
    assert one["liquidation_price"] == pytest.approx(59136.55, abs=5e-3)


def test_a_used_up_balance_has_no_number_and_says_so(tmp_path: Path) -> None:
    """JSON has no infinity: null, with liquidatable beside it."""
    document = assessed(tmp_path, DESIGN, "--mark", "BTCUSDT=58000")
    isolated = document["wallets"][1]
    assert isolated["margin_ratio"] is None
    assert isolated["liquidatable"] is True
    assert isolated["level"] == "emergency"
    assert document["positions"][0]["distance"] == 0


def test_assess_for_people_shows_the_same(tmp_path: Path) -> None:
    """A table without a terminal is plain text."""
    result = call("assess", "--config", written(tmp_path, DESIGN), "--mark", "BTCUSDT=61000")
    assert result.exit_code == 0
    assert "59136.55" in result.stdout
    assert "shipped 2026-09-29" in result.stderr


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        ((), "no price of BTCUSDT"),
        (("--mark", "BTCUSDT=61000", "--mark", "ETHUSDT=1"), "symbols held: BTCUSDT"),
        (("--mark", "BTCUSDT"), "as in BTCUSDT=61000"),
        (("--mark", "BTCUSDT=nan"), "above 0"),
        (("--mark", "BTCUSDT=-1"), "above 0"),
        (("--mark", "BTCUSDT=much"), "above 0"),
        (("--mark", "BTCUSDT=1_000"), "above 0"),
        (("--mark", "=1000"), "above 0"),
        (("--mark", "BTCUSDT= 1"), "above 0"),
        (("--mark", "BTCUSDT=61000", "--mark", "BTCUSDT=60000"), "found two prices of BTCUSDT"),
    ],
)
def test_wrong_marks_are_named_with_the_fix(tmp_path: Path, marks: tuple[str, ...], words: str) -> None:
    """Exit code 2 and one line that says what to give."""
    result = call("assess", "--config", written(tmp_path, DESIGN), *marks)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_symbol_without_brackets_is_named_with_the_ways_to_give_them(tmp_path: Path) -> None:
    """Exit code 2."""
    result = call("assess", "--config", written(tmp_path, DESIGN.replace("BTCUSDT", "NEWUSDT")))
    assert result.exit_code == 2
    assert "NEWUSDT" in result.stderr
    assert "[brackets.NEWUSDT]" in result.stderr


def test_explain_shows_every_line_and_stands_at_the_result(tmp_path: Path) -> None:
    """Inputs with their source, the formula, the result, and nothing left at it."""
    config = written(tmp_path, DESIGN)
    result = call("explain", "BTCUSDT", "--config", config, "--mark", "BTCUSDT=61000", "--json")
    assert result.exit_code == 0, result.output
    (document,) = json.loads(result.stdout)
    steps = {step["name"]: step for step in document["steps"]}
    assert steps["mark price"]["source"] == "given"
    assert steps["maintenance margin"]["arithmetic"] == "30500 x 0.004 - 0"
    assert "shipped 2026-09-29" in steps["bracket"]["source"]
    assert steps["liquidation price"]["value"] == pytest.approx(59136.5461847)
    assert steps["  cushion there"]["value"] == 0
    text = call("explain", "BTCUSDT", "--config", config, "--mark", "BTCUSDT=61000").stdout
    for name in ("notional", "margin ratio", "room", "formula", "liquidation price", "distance"):
        assert name in text


def test_explain_has_no_negative_zero(tmp_path: Path) -> None:
    """At its entry price a short has made nothing, which has no sign."""
    text = DESIGN.replace('"LONG"', '"SHORT"')
    words = ("explain", "BTCUSDT", "--config", written(tmp_path, text), "--mark", "BTCUSDT=62000")
    document = call(*words, "--json").stdout
    assert "-0.0," not in document
    assert "-0 " not in call(*words).stdout
    steps = {step["name"]: step["value"] for step in json.loads(document)[0]["steps"]}
    assert str(steps["unrealized PnL"]) == "0.0"
    assert steps["  cushion there"] == 0


HEDGE = (
    '[[accounts]]\nname = "h"\nbalances = { USDT = 11000.0 }\n'
    + position("0GUSDT", 100000, 1, "cross")
    + position("0GUSDT", 82500, 1, "cross").replace("LONG", "SHORT")
)


def test_explain_shows_both_roots_of_a_hedge(tmp_path: Path) -> None:
    """LONG 100,000 and SHORT 82,500 at 1 with 11,000: liquidated near 0.609 and near 1.315."""
    result = call("explain", "0GUSDT", "--config", written(tmp_path, HEDGE), "--mark", "0GUSDT=1", "--json")
    first, second = json.loads(result.stdout)
    assert (first["side"], second["side"]) == ("LONG", "SHORT")
    steps = {step["name"]: step["value"] for step in first["steps"]}
    assert steps["liquidation price"] == pytest.approx(1.31538, abs=1e-5)
    assert steps["liquidation the other way"] == pytest.approx(0.60896, abs=1e-5)


def test_explain_needs_a_symbol_that_is_held(tmp_path: Path) -> None:
    """Exit code 2 and the symbols that are."""
    result = call("explain", "ETHUSDT", "--config", written(tmp_path, DESIGN))
    assert result.exit_code == 2
    assert "symbols held: BTCUSDT" in result.stderr


def test_explain_without_a_mark_and_without_a_daemon_says_what_to_give(tmp_path: Path) -> None:
    """The state directory is empty: nobody can be asked."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + DESIGN
    result = call("explain", "BTCUSDT", "--config", written(tmp_path, text))
    assert result.exit_code == 2
    assert "--mark BTCUSDT=PRICE" in result.stderr


COINS = """
[[accounts]]
name = "coins"
market = "coinm"
balances = { BTC = 101 }
[[accounts.positions]]
symbol = "BTCUSD_PERP"
side = "LONG"
quantity = 100000
entry_price = 45000
margin_mode = "cross"
[brackets.BTCUSD_PERP]
rows = [[0, 5, 0.004, 0], [5, 10, 0.005, 0.005], [10, 20, 0.01, 0.055], [20, 50, 0.025, 0.355],
    [50, 100, 0.05, 1.605], [100, 200, 0.1, 6.605], [200, 400, 0.125, 11.605], [400, 1000, 0.15, 21.605]]
"""


def explained(tmp_path: Path, text: str, symbol: str, *marks: str) -> list[dict[str, dict[str, Any]]]:
    result = call("explain", symbol, "--config", written(tmp_path, text), *marks, "--json")
    assert result.exit_code == 0, result.output
    return [{step["name"]: step for step in one["steps"]} for one in json.loads(result.stdout)]


def test_explain_of_an_inverse_contract_has_the_inverse_arithmetic(tmp_path: Path) -> None:
    """Notional, profit and formula in coin: contracts x size / mark, and reciprocals of prices."""
    (long,) = explained(tmp_path, COINS, "BTCUSD_PERP", "--mark", "BTCUSD_PERP=40000")
    assert long["notional"]["arithmetic"] == "100000 x 100 / 40000"
    assert (long["notional"]["value"], long["notional"]["unit"]) == (250.0, "BTC")
    assert long["unrealized PnL"]["arithmetic"] == "100000 x 100 x (1/45000 - 1/40000)"
    assert long["unrealized PnL"]["value"] == pytest.approx(1e7 * (1 / 45000 - 1 / 40000))
    assert long["contract size"]["value"] == 100.0
    assert long["formula"]["arithmetic"].startswith("sum q (mmr + side) / (")
    # The formula's own words at the bracket that holds there: 12.5 % and 11.605 BTC.
    worth = (101 + 11.605) / 100 + 100000 / 45000
    assert long["liquidation price"]["value"] == pytest.approx(100000 * 1.125 / worth)
    assert long["  cushion there"]["value"] == 0
    short = explained(tmp_path, COINS.replace("LONG", "SHORT"), "BTCUSD_PERP", "--mark", "BTCUSD_PERP=40000")[0]
    assert short["unrealized PnL"]["arithmetic"] == "-100000 x 100 x (1/45000 - 1/40000)"


SHARED = """
[[accounts]]
name = "multi"
multi_assets = true
balances = { USDT = 200, USDC = 220, BTC = 0.2 }
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 20000
margin_mode = "cross"
[[accounts.positions]]
symbol = "ETHUSDC"
side = "LONG"
quantity = 20
entry_price = 600
margin_mode = "cross"
[brackets.BTCUSDT]
rows = [[0, 100000, 0.008, 0]]
[brackets.ETHUSDC]
rows = [[0, 100000, 0.01, 0]]
[collateral.USDT]
index = 0.99
bid_buffer = 0.01
ask_buffer = 0.005
[collateral.BTC]
index = 20000
bid_buffer = 0.05
ask_buffer = 0.05
"""


def test_explain_of_a_multi_assets_account_counts_each_asset(tmp_path: Path) -> None:
    """Positions in their margin asset, then each asset in dollars at bid or ask; the parts add up."""
    marks = ("--mark", "BTCUSDT=19000", "--mark", "ETHUSDC=600")
    (leg,) = explained(tmp_path, SHARED, "BTCUSDT", *marks)
    assert (leg["unrealized PnL"]["value"], leg["unrealized PnL"]["unit"]) == (-500.0, "USDT")
    assert leg["USDT equity"]["arithmetic"] == "200 - 500"
    assert leg["USDT value"]["arithmetic"] == "-300 x 0.99495 (ask, while owed)"
    assert leg["BTC value"]["arithmetic"] == "0.2 x 19000 (bid, while owned)"
    assert leg["USDT maintenance"]["arithmetic"] == "76 x 0.99495 (ask)"
    values = sum(leg[f"{asset} value"]["value"] for asset in ("USDT", "USDC", "BTC"))
    assert (leg["margin balance"]["value"], leg["margin balance"]["unit"]) == (pytest.approx(values), "USD")
    required = leg["USDT maintenance"]["value"] + leg["USDC maintenance"]["value"]
    assert leg["wallet maintenance"]["value"] == pytest.approx(required)
    assert "wallet balance" not in leg


def test_explain_shows_the_nearer_price_at_which_collateral_moves_along(tmp_path: Path) -> None:
    """With others fixed, and with the coin that is collateral falling as well: nothing is left at either."""
    config = written(tmp_path, SHARED)
    words = ("explain", "BTCUSDT", "--config", config, "--mark", "BTCUSDT=20000", "--mark", "ETHUSDC=600")
    steps = json.loads(call(*words, "--json").stdout)[0]["steps"]
    left = [step for step in steps if step["name"] == "  cushion there"]
    assert [(step["value"], step["unit"]) for step in left] == [(0.0, "USD")] * 2
    named = {step["name"]: step for step in steps}
    fixed, along = named["liquidation price"]["value"], named["with BTC collateral"]["value"]
    assert fixed < along < 20000
    # 0.2 BTC at 95 % and a long of 0.5: what is owed counts at the ask.
    price = along
    owed = 200 + 0.5 * (price - 20000)
    nothing = owed * 0.99495 + 220 + 0.2 * 19000 * price / 20000 - 0.5 * price * 0.008 * 0.99495 - 120
    assert nothing == pytest.approx(0, abs=1e-6)
    assert named["linked distance"]["value"] == pytest.approx((20000 - along) / 20000)


KEYED = """
[[accounts]]
name = "main"
api_key = { env = "MAIN_KEY" }
api_secret = { env = "MAIN_SECRET" }
"""


def test_assess_of_followed_accounts_only_says_that_it_cannot(tmp_path: Path) -> None:
    """Exit code 2, the names, and where they are shown instead."""
    result = call("assess", "--config", written(tmp_path, KEYED))
    assert result.exit_code == 2
    assert "only accounts followed by key (main)" in result.stderr
    assert "position-monitor status" in result.stderr
    both = call("assess", "--config", written(tmp_path, DESIGN + KEYED), "--mark", "BTCUSDT=61000")
    assert both.exit_code == 0
    assert "Not assessed, because followed by key: main" in both.stderr


def test_explain_of_a_followed_account_needs_a_daemon(tmp_path: Path) -> None:
    """Without one only typed-in positions are known, and the error says so."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    result = call("explain", "BTCUSDT", "--config", written(tmp_path, text))
    assert result.exit_code == 2
    assert "followed by key (main)" in result.stderr
    assert "position-monitor run" in result.stderr
    typed = ("explain", "BTCUSDT", "--config", written(tmp_path, text + DESIGN), "--mark", "BTCUSDT=61000")
    assert call(*typed).exit_code == 0
    assert "followed by key (main)" in call(*typed).stderr


def daemon_answers(*, less: float = 0.0) -> dict[str, object]:
    """What a daemon says that follows a multi-assets account with coin as collateral."""
    rates = {"USDT": PAR, "BTC": AssetRate(1.0, 1.0)}
    leg = Position("BTCUSDT", Side.LONG, 0.5, 20000.0, MarginMode.CROSS, "USDT")
    main = AccountSnapshot(
        "main", {"USDT": 1000.0, "BTC": 0.1}, (leg,), as_of_ms=NOW_MS, source=Source.REST, multi_assets=True,
        rates=rates,
    )  # fmt: skip
    table = BracketTable("BTCUSDT", (Bracket(0.0, 1e9, 0.01, 0.0),), "exchange", "2026-11-20", "main")
    corrections = {"cross:multi": (less, 0.0)} if less else {}
    status = {
        "engine": {
            "symbols": [
                {"symbol": "BTCUSDT", "data": "fresh", "mark": 19000.0, "age_s": 0.4, "source": "stream"},
                {"symbol": "BTCUSD@bid", "data": "fresh", "mark": 18050.0, "age_s": 0.7, "source": "stream"},
                {"symbol": "BTCUSD@ask", "data": "fresh", "mark": 19950.0, "age_s": 0.7, "source": "stream"},
            ],
            "accounts": [{"account": "main", "corrections": corrections}],
        }
    }
    return {"status": status, "holdings": Holdings((main,), {"main/BTCUSDT": table})}


@pytest.mark.parametrize("less", [0.0, 25.0])
def test_explain_asks_the_daemon_what_a_followed_account_holds(tmp_path: Path, less: float) -> None:
    """Positions, tiers, marks, rates and corrections are the daemon's; nothing is typed in."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    with answering(tmp_path / "s", daemon_answers(less=less)):
        (leg,) = explained(tmp_path, text, "BTCUSDT")
        missing = call("explain", "ETHUSDT", "--config", written(tmp_path, text))
    assert leg["quantity"]["source"].startswith("exchange, ")
    assert leg["bracket"]["source"] == "tiers: exchange 2026-11-20"
    assert leg["mark price"]["source"] == "stream, 0.4 s old"
    assert leg["BTC value"]["value"] == pytest.approx(1805.0)
    assert leg["BTC value"]["source"] == "rate: stream, 0.7 s old"
    assert leg["margin balance"]["value"] == pytest.approx(1805 + 500 - less)
    assert ("the exchange's worse figures" in leg["margin balance"]["source"]) is bool(less)
    assert missing.exit_code == 2
    assert "symbols held: BTCUSDT" in missing.stderr


def test_explain_says_which_followed_account_the_daemon_has_yet_to_see(tmp_path: Path) -> None:
    """What is missing is named: nothing is passed over in silence."""
    text = (
        f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED + KEYED.replace("main", "other").replace("MAIN", "O")
    )
    with answering(tmp_path / "s", daemon_answers()):
        result = call("explain", "BTCUSDT", "--config", written(tmp_path, text))
    assert result.exit_code == 0
    assert "followed by key (other): the daemon has yet to see it" in result.stderr


def test_check_config_says_what_it_found(tmp_path: Path) -> None:
    """Fine is one line; warnings follow."""
    result = call("check-config", "--config", written(tmp_path, DESIGN))
    assert result.exit_code == 0
    assert "1 account, 1 position, 0 channels." in result.stdout
    assert "warning:" in result.stdout
    document = json.loads(call("--json", "check-config", "--config", written(tmp_path, DESIGN)).stdout)
    assert document["brackets"] == {"BTCUSDT": "shipped 2026-09-29"}


def channel(tmp_path: Path, name: str, url: str) -> str:
    secret = tmp_path / f"{name}.url"
    secret.touch(mode=0o600)
    secret.write_text(url, encoding="utf-8")
    return f'\n[[channels]]\nname = "{name}"\nurl = {{ file = "{secret}" }}\n'


def test_check_config_refuses_an_address_without_showing_it(tmp_path: Path) -> None:
    """Apprise must take it; the address is a secret."""
    text = DESIGN + channel(tmp_path, "odd", "nosuchservice://a-token-of-mine/x")
    result = call("check-config", "--config", written(tmp_path, text))
    assert result.exit_code == 2
    assert "odd" in result.stderr
    assert "a-token-of-mine" not in result.output
    started = call("run", "--config", written(tmp_path, text))
    assert started.exit_code == 2
    assert "a-token-of-mine" not in started.output


class Receiver(BaseHTTPRequestHandler):
    """Accepts a JSON notification."""

    bodies: list[dict[str, str]] = []  # noqa: RUF012 - one server at a time

    def do_POST(self) -> None:
        """Remember what was sent."""
        self.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


def test_test_alert_says_what_each_channel_answered(tmp_path: Path) -> None:
    """One accepts, one refuses: exit code 1, and both are told by name."""
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        text = DESIGN + channel(tmp_path, "good", f"json://127.0.0.1:{server.server_port}/")
        config = written(tmp_path, text + channel(tmp_path, "bad", "json://127.0.0.1:9/"))
        result = call("test-alert", "--config", config)
        alone = call("test-alert", "--config", config, "--channel", "good", "--json")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert result.exit_code == 1
    assert "good: accepted" in result.stdout
    assert "bad: connection refused" in result.stdout
    assert json.loads(alone.stdout) == {"good": "accepted"}
    assert "TEST" in Receiver.bodies[0]["title"].upper()


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("timeout", "timed out"),
        ("dns", "the name of the service cannot be found"),
        ("http-500", "the service refused the message: HTTP 500"),
        ("http-403", "the service refused the message: HTTP 403, the token or recipient is not allowed"),
        ("smtp-554", "the mail server refused the message: SMTP 554"),
        ("something-new", "something-new"),
    ],
)
def test_reasons_are_told_in_words(reason: str, words: str) -> None:
    """Programs get the constant; a person need not know it."""
    assert in_words(reason) == words


def test_test_alert_keeps_constants_for_programs(tmp_path: Path) -> None:
    """A refused connection is the constant in JSON."""
    text = DESIGN + channel(tmp_path, "bad", "json://127.0.0.1:9/")
    result = call("test-alert", "--config", written(tmp_path, text), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"bad": "refused"}


def test_test_alert_needs_a_channel(tmp_path: Path) -> None:
    """Unknown names and an empty list are misuse."""
    config = written(tmp_path, DESIGN)
    assert call("test-alert", "--config", config).exit_code == 2
    assert call("test-alert", "--config", config, "--channel", "x").exit_code == 2


def journal(path: Path) -> str:
    """A minute in which a wallet falls, and a level is reached."""
    leg = Position("BTCUSDT", Side.LONG, 0.5, 62000.0, MarginMode.ISOLATED, "USDT", 1550.0)
    brackets = (Bracket(0.0, 1e9, 0.004, 0.0),)
    settings = EngineSettings(channels=(ChannelRule("tg"),), accounts=("a",))
    events: list[Event] = [SettingsChanged(settings, (BracketTable("BTCUSDT", brackets),)), Restored(())]
    events += [Snapshot(AccountSnapshot("a", {}, (leg,))), Subscribed("usdm", ("BTCUSDT",), 100.0)]
    for second, price in enumerate((61900.0, 61900.0, 59200.0, 59200.0)):
        at_ms = 1_780_000_000_000 + second * 1000
        mark = MarkRange("BTCUSDT", price, price, price, at_ms, 100.0 + second)
        events += [Ticks((mark,)), Heartbeat()]
    writer = JournalWriter(path, "test")
    for number, event in enumerate(events):
        writer.record(event, Now(1_780_000_000_000 + number * 500, 100.0 + number / 2))
    writer.close()
    return str(path)


def test_replay_prints_levels_by_name(tmp_path: Path) -> None:
    """One object a line, in order; every level is the word that other documents use."""
    path = journal(tmp_path / "j.jsonl")
    result = call("replay", path, "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    changes = [line.get("transition") or line["notice"] for line in lines]
    assert {"transition", "notice", "at_ms"} == {key for line in lines for key in line}
    assert (changes[-1]["level"], changes[-1]["previous"]) == ("emergency", "ok")
    text = call("replay", path).stdout
    assert "ok -> emergency" in text
    assert text.splitlines()[-1] == "12 events, 1 transition, 1 notice."


def test_replay_of_something_else_is_a_clear_error(tmp_path: Path) -> None:
    """Exit code 1, the file and the line."""
    path = tmp_path / "j"
    path.write_text("hello\n", encoding="utf-8")
    result = call("replay", str(path))
    assert result.exit_code == 1
    assert "line 1" in result.stderr


_HEAVY = ("numpy", "rich", "apprise", "aiohttp", "pydantic", "websockets", "structlog")


@pytest.mark.parametrize(("word", "heavy"), [("--version", ("typer", *_HEAVY)), ("--help", _HEAVY)])
def test_the_version_and_help_cost_no_import(word: str, heavy: tuple[str, ...]) -> None:
    """Nothing heavy is loaded for them."""
    code = (
        f"import sys; sys.argv = ['position-monitor', {word!r}]\n"
        "from monitor.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "position-monitor " in out.splitlines()[0]
    assert out.splitlines()[-1] == "[]"


@pytest.mark.parametrize("args", [("--version",), ("--help",), ("run", "--help"), ("assess", "-h")])
def test_help_and_version_are_fine(args: tuple[str, ...]) -> None:
    """Exit code 0."""
    assert call(*args).exit_code == 0


@pytest.mark.parametrize("width", [60, 80])
def test_explain_keeps_figures_and_words_whole_on_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Words stand below the figure, and lines end at blanks."""
    monkeypatch.setenv("COLUMNS", str(width))
    path = written(tmp_path, DESIGN)
    shown = call("explain", "BTCUSDT", "--config", path, "--mark", "BTCUSDT=61000").stdout
    lines = [line for line in shown.splitlines() if "--config" not in line and str(tmp_path) not in line]
    assert max(map(len, lines)) <= width
    assert " 59136.5461847" in next(line for line in lines if line.startswith("liquidation price"))
    assert {"|61000", "59136.5461847|"} <= {word for line in lines for word in line.split()}


def test_small_figures_are_written_out(tmp_path: Path) -> None:
    """Nobody reads 7e-07."""
    text = CROSS + position("BTCUSDT", 0.0000007, 50000, "isolated", "margin = 0.01")
    shown = call("explain", "BTCUSDT", "--config", written(tmp_path, text), "--mark", "BTCUSDT=50000").stdout
    assert " 0.0000007 " in shown
    assert not re.search(r"[0-9]e-[0-9]", shown)
