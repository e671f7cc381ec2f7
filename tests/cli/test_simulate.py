"""``simulate`` as a person calls it: before and after, in the order given, for every kind of wallet."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.charts import INSTALL
from monitor.cli.simulate import UNWATCHED
from monitor.config import load
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    Lot,
    MarginMode,
    Position,
    Side,
    Source,
)
from monitor.core.surroundings import FundsKnown, Surroundings
from monitor.notify.numbers import percent
from monitor.status import Holdings, Judged
from tests.cli.answering import answering
from tests.cli.made import NOW_MS
from tests.cli.test_offline import (
    COINS,
    DESIGN,
    HEDGE,
    KEYED,
    SHARED,
    call,
    daemon_answers,
    position,
    written,
)

BTC = ("--mark", "BTCUSDT=61000")
HELD = {
    "isolated": (DESIGN, BTC, "isolated:BTCUSDT:LONG"),
    "cross": (
        DESIGN + position("ETHUSDT", 4, 2900, "cross") + position("SOLUSDT", 100, 150, "cross"),
        (*BTC, "--mark", "ETHUSDT=2850", "--mark", "SOLUSDT=140"), "cross:USDT",
    ),
    "hedge": (HEDGE, ("--mark", "0GUSDT=1"), "cross:USDT"),
    "coin-m": (COINS, ("--mark", "BTCUSD_PERP=40000"), "cross:BTC"),
    "multi-assets": (SHARED, ("--mark", "BTCUSDT=19000", "--mark", "ETHUSDC=600"), "cross:multi"),
}  # fmt: skip


def simulated(tmp_path: Path, text: str, *args: str) -> dict[str, Any]:
    result = call("simulate", "--config", written(tmp_path, text), *args, "--json")
    assert result.exit_code == 0, result.output
    decoded: dict[str, Any] = json.loads(result.stdout)
    return decoded


def wallet(document: dict[str, Any], name: str, state: str = "after") -> dict[str, Any]:
    (one,) = (w for w in document[state]["wallets"] if w["wallet"] == name)
    return dict(one)


def leg(document: dict[str, Any], symbol: str, state: str = "after", side: str = "LONG") -> dict[str, Any]:
    (one,) = (p for p in document[state]["positions"] if (p["symbol"], p["side"]) == (symbol, side))
    return dict(one)


def refused(tmp_path: Path, text: str, *args: str) -> str:
    result = call("simulate", "--config", written(tmp_path, text), *args)
    assert result.exit_code == 2, result.output
    return result.stderr


# Nothing done, and prices


@pytest.mark.parametrize("kind", HELD)
def test_nothing_done_changes_nothing(tmp_path: Path, kind: str) -> None:
    """Before and after are the same, and what assess says."""
    text, marks, name = HELD[kind]
    document = simulated(tmp_path, text, *marks)
    assert document["before"] == document["after"]
    assessed = json.loads(call("assess", "--config", written(tmp_path, text), *marks, "--json").stdout)
    assert wallet(document, name) in assessed["wallets"]
    assert document["after"]["positions"] == assessed["positions"]
    assert document["operations"] == []


@pytest.mark.parametrize("kind", [kind for kind in HELD if kind != "multi-assets"])
@pytest.mark.parametrize("move", ["-5%", "-0.05", "+2.5%"])
def test_a_shock_is_what_assessing_at_the_moved_marks_says(tmp_path: Path, kind: str, move: str) -> None:
    """All marks by one fraction; percent and fractions are the same."""
    text, marks, _ = HELD[kind]
    document = simulated(tmp_path, text, *marks, "--shock", f"all={move}")
    factor = 1 + (float(move[:-1]) / 100 if move.endswith("%") else float(move))
    moved = []
    for one in marks[1::2]:
        symbol, _, price = one.partition("=")
        moved += ["--mark", f"{symbol}={float(price) * factor!r}"]
    assessed = json.loads(call("assess", "--config", written(tmp_path, text), *moved, "--json").stdout)
    assert document["after"]["wallets"] == assessed["wallets"]
    assert document["after"]["positions"] == assessed["positions"]


def test_a_shock_to_all_moves_collateral_that_is_no_quote_asset(tmp_path: Path) -> None:
    """BTC is worth a tenth less; USDT and USDC are not. One mark alone leaves it where it is, and says so."""
    text, marks, name = HELD["multi-assets"]
    every = simulated(tmp_path, text, *marks, "--shock", "all=-10%")
    apart = simulated(
        tmp_path, text, *marks, "--shock", "BTCUSDT=-10%", "--shock", "ETHUSDC=-10%", "--shock", "BTC=-10%"
    )
    assert wallet(every, name) == wallet(apart, name)
    # 0.2 BTC at 95 % of 18,000; 700 owed at the ask of 0.99495; 220 USDC less 1,200, owed at par.
    owed = 200 + 0.5 * (17100 - 20000)
    expected = 0.2 * 0.95 * 18000 + owed * 0.99495 + (220 + 20 * (540 - 600))
    assert wallet(every, name)["margin_balance"] == pytest.approx(expected)
    alone = simulated(tmp_path, text, *marks, "--shock", "BTCUSDT=-10%")
    assert alone["operations"][0]["notes"] == ["BTC as collateral stays where it is: --shock BTC=MOVE moves it"]
    back = simulated(tmp_path, text, *marks, "--shock", "BTC=-20%", "--shock", "BTC=+25%")
    assert wallet(back, name)["margin_balance"] == pytest.approx(wallet(back, name, "before")["margin_balance"])


def test_a_shock_and_its_opposite_bring_everything_back(tmp_path: Path) -> None:
    """A fifth down, a quarter up."""
    text, marks, name = HELD["cross"]
    document = simulated(tmp_path, text, *marks, "--shock", "all=-20%", "--shock", "all=+25%")
    for figure in ("cushion", "margin_ratio", "room"):
        assert wallet(document, name)[figure] == pytest.approx(wallet(document, name, "before")[figure])


@pytest.mark.parametrize(
    ("shock", "words"),
    [
        ("BTCUSDT=-5", "write -5%, or -0.05 for the same as a fraction"),
        ("BTCUSDT=5", "write 5%, or +0.05"),
        ("BTCUSDT=-100%", "above -100 %"),
        ("BTCUSDT=-150%", "above -100 %"),
        ("BTCUSDT=nan", "as in -5% or -0.05"),
        ("BTCUSDT=1e999%", "as in -5% or -0.05"),
        ("BTCUSDT=", "as in BTCUSDT=-5% or all=-10%"),
        ("-5%", "as in BTCUSDT=-5% or all=-10%"),
        ("ETHUSDT=-5%", "one of all, BTCUSDT"),
        ("BTC=-5%", "one of all, BTCUSDT"),
    ],
)
def test_wrong_shocks_are_named_with_the_fix(tmp_path: Path, shock: str, words: str) -> None:
    """A bare -5 could be percent or a fraction."""
    assert words in refused(tmp_path, DESIGN, *BTC, "--shock", shock)


# Margin


def test_margin_of_an_isolated_wallet_comes_out_of_the_cross_wallet(tmp_path: Path) -> None:
    """As on the exchange; what the cross wallet has not is paid in, and both are said."""
    document = simulated(tmp_path, DESIGN, *BTC, "--add-margin", "isolated:BTCUSDT:LONG=400")
    (done,) = document["operations"]
    assert (done["from_cross"], done["paid_in"], done["asset"]) == (400.0, 0.0, "USDT")
    assert wallet(document, "isolated:BTCUSDT:LONG")["wallet_balance"] == 1950.0
    assert wallet(document, "cross:USDT")["wallet_balance"] == 4600.0
    assert leg(document, "BTCUSDT")["liquidation_price"] < leg(document, "BTCUSDT", "before")["liquidation_price"]
    more = simulated(tmp_path, DESIGN, *BTC, "--add-margin", "BTCUSDT=6000USDT")
    assert (more["operations"][0]["from_cross"], more["operations"][0]["paid_in"]) == (5000.0, 1000.0)
    assert (
        "5000.00 USDT out of the account's own cross wallet and 1000.00 USDT paid in"
        in (more["operations"][0]["words"])
    )


@pytest.mark.parametrize("kind", HELD)
def test_margin_added_and_taken_out_again_changes_nothing(tmp_path: Path, kind: str) -> None:
    """In every kind of wallet, named as the outputs name it."""
    text, marks, name = HELD[kind]
    amount = "0.5BTC" if kind == "coin-m" else "40USDT"
    spoken = name.replace(":", " ")
    args = ("--add-margin", f"{spoken}={amount}", "--add-margin", f"{name}=-{amount}")
    document = simulated(tmp_path, text, *marks, *args)
    assert wallet(document, name)["margin_balance"] == pytest.approx(
        wallet(document, name, "before")["margin_balance"]
    )
    added = simulated(tmp_path, text, *marks, *args[:2])
    assert wallet(added, name)["cushion"] > wallet(added, name, "before")["cushion"]


def test_collateral_can_be_added_in_any_asset_that_has_a_rate(tmp_path: Path) -> None:
    """A tenth of a bitcoin counts 95 % of its price; an amount without its asset is refused."""
    text, marks, name = HELD["multi-assets"]
    document = simulated(tmp_path, text, *marks, "--add-margin", "cross=0.1BTC")
    gained = wallet(document, name)["margin_balance"] - wallet(document, name, "before")["margin_balance"]
    assert gained == pytest.approx(0.1 * 0.95 * 20000)
    assert "an amount with its asset, one of BTC, USDC, USDT" in refused(
        tmp_path, text, *marks, "--add-margin", "cross=100"
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("isolated:ETHUSDT:LONG=5", "wallets there are: by-hand/cross:USDT, by-hand/isolated:BTCUSDT:LONG"),
        ("BTCUSDT", "as in isolated:BTCUSDT:LONG=100"),
        ("BTCUSDT=0", "as in isolated:BTCUSDT:LONG=100"),
        ("BTCUSDT=lots", "as in isolated:BTCUSDT:LONG=100"),
        ("BTCUSDT=5BTC", "an amount of USDT"),
        ("BTCUSDT=-2000", "at most 1,550.00 USDT taken out: no more is there"),
        ("cross=-5000.01", "at most 5,000.00 USDT taken out: no more is there"),
        ("other/BTCUSDT=5", "wallets there are"),
    ],
)
def test_wrong_margins_are_named_with_the_fix(tmp_path: Path, given: str, words: str) -> None:
    """Exit code 2, with what there is."""
    assert words in refused(tmp_path, DESIGN, *BTC, "--add-margin", given)


TWO = DESIGN + DESIGN.replace('"by-hand"', '"other"')


def test_what_several_accounts_hold_must_be_named_in_full(tmp_path: Path) -> None:
    """Also where a wallet or a position would do for one account; --account leaves the others out."""
    both = "one of by-hand/isolated:BTCUSDT:LONG, other/isolated:BTCUSDT:LONG"
    assert both in refused(tmp_path, TWO, *BTC, "--add-margin", "BTCUSDT=5")
    legs = "one of by-hand/BTCUSDT:LONG, other/BTCUSDT:LONG"
    for option in ("--reduce", "--leverage"):
        assert legs in refused(tmp_path, TWO, *BTC, option, "BTCUSDT=1")
    assert legs in refused(tmp_path, TWO, *BTC, "--close", "BTCUSDT")
    document = simulated(tmp_path, TWO, *BTC, "--reduce", "other/BTCUSDT:long=0.1")
    assert [one["quantity"] for one in document["after"]["positions"]] == [0.5, 0.4]
    alone = simulated(tmp_path, TWO, *BTC, "--account", "other", "--reduce", "BTCUSDT=0.1")
    assert [one["account"] for one in alone["after"]["positions"]] == ["other"]
    assert "accounts known: by-hand, other" in refused(tmp_path, TWO, *BTC, "--account", "third")


def test_a_mark_that_only_another_account_needs_is_not_asked_for(tmp_path: Path) -> None:
    """With --account; one that nobody needs is refused."""
    text = (
        DESIGN
        + '[[accounts]]\nname = "other"\nbalances = { USDT = 9.0 }\n'
        + position("ETHUSDT", 1, 3000, "cross")
    )
    state = f'[state]\ndirectory = "{tmp_path / "s"}"\n'
    assert simulated(tmp_path, state + text, *BTC, "--account", "by-hand")["after"]["positions"]
    assert simulated(tmp_path, text, *BTC, "--mark", "ETHUSDT=3000", "--account", "by-hand")
    assert "symbols held: BTCUSDT, ETHUSDT" in refused(tmp_path, text, *BTC, "--mark", "XUSDT=1")
    missing = refused(tmp_path, state + text, *BTC)
    assert "no price of ETHUSDT" in missing
    assert "(a running daemon knows it, but no daemon is running on " in missing


# Quantities


def test_reducing_costs_fee_and_slippage_and_releases_margin(tmp_path: Path) -> None:
    """A quarter of an isolated position takes a quarter of its margin along; liquidation stays where it is."""
    document = simulated(tmp_path, DESIGN, *BTC, "--reduce", "BTCUSDT=25%")
    (done,) = document["operations"]
    price = 61000 * 0.9995
    assert done["quantity"] == 0.125
    assert done["fee"] == pytest.approx(0.125 * price * 0.0005)
    assert done["slippage"] == pytest.approx(0.125 * 61000 * 0.0005)
    assert done["realized"] == pytest.approx(0.125 * (price - 62000))
    assert done["released"] == pytest.approx(1550 / 4 + done["realized"] - done["fee"])
    assert done["put_back"] == 0.0
    assert wallet(document, "isolated:BTCUSDT:LONG")["wallet_balance"] == pytest.approx(1550 * 0.75)
    assert wallet(document, "cross:USDT")["wallet_balance"] == pytest.approx(5000 + done["released"])
    before = leg(document, "BTCUSDT", "before")["liquidation_price"]
    assert leg(document, "BTCUSDT")["liquidation_price"] == pytest.approx(before, rel=1e-9)
    assert any("--put-back" in note for note in done["notes"])


def test_what_is_put_back_moves_liquidation_away(tmp_path: Path) -> None:
    """The same with --put-back: released margin is in the wallet again."""
    document = simulated(tmp_path, DESIGN, *BTC, "--put-back", "--reduce", "BTCUSDT=25%")
    (done,) = document["operations"]
    assert done["put_back"] == done["released"] > 0
    assert wallet(document, "cross:USDT")["wallet_balance"] == pytest.approx(5000.0)
    assert leg(document, "BTCUSDT")["liquidation_price"] < 58_500
    assert done["notes"] == []


def test_operations_are_done_in_the_order_given(tmp_path: Path) -> None:
    """Reduced before a fall it fills at the present mark, after it at the lower one; options may alternate."""
    first = simulated(
        tmp_path, DESIGN, *BTC, "--reduce", "BTCUSDT=0.1", "--shock", "all=-2%", "--reduce=BTCUSDT=0.1"
    )
    prices = [one.get("notional") for one in first["operations"]]
    assert prices == [pytest.approx(6100.0), None, pytest.approx(5978.0)]
    assert [one["option"] for one in first["operations"]] == ["reduce", "shock", "reduce"]
    second = simulated(
        tmp_path, DESIGN, *BTC, "--shock", "all=-2%", "--reduce", "BTCUSDT=50%", "--reduce", "BTCUSDT=50%"
    )
    assert [one.get("quantity") for one in second["operations"]] == [None, 0.25, 0.125]


def test_closing_leaves_nothing_of_a_position(tmp_path: Path) -> None:
    """Its wallet is empty, and the rest of a cross wallet is judged without it."""
    text, marks, _ = HELD["cross"]
    document = simulated(tmp_path, text, *marks, "--close", "BTCUSDT", "--close", "SOLUSDT:LONG")
    assert leg(document, "BTCUSDT")["quantity"] == leg(document, "SOLUSDT")["quantity"] == 0.0
    assert wallet(document, "isolated:BTCUSDT:LONG")["wallet_balance"] == 0.0
    assert wallet(document, "cross:USDT")["maintenance_margin"] == pytest.approx(4 * 2850 * 0.004)
    assert leg(document, "BTCUSDT")["liquidation_price"] is None


def test_a_leg_of_a_hedge_is_named_by_its_side(tmp_path: Path) -> None:
    """Without one it is not known which to close; the leverage is the symbol's, so it is both legs'."""
    text, marks, _ = HELD["hedge"]
    assert "one of h/0GUSDT:LONG, h/0GUSDT:SHORT" in refused(tmp_path, text, *marks, "--close", "0GUSDT")
    document = simulated(tmp_path, text, *marks, "--reduce", "0GUSDT:SHORT=2500")
    assert leg(document, "0GUSDT", side="SHORT")["quantity"] == 80000.0
    both = simulated(tmp_path, text, *marks, "--leverage", "0GUSDT=5x")
    assert [one["side"] for one in both["operations"]] == ["LONG", "SHORT"]
    assert both["before"]["wallets"] == both["after"]["wallets"]


def test_of_many_assets_no_more_is_taken_out_than_there_is_of_each(tmp_path: Path) -> None:
    """What the others count does not come out as this one."""
    text, marks, name = HELD["multi-assets"]
    assert "at most 0.20 BTC taken out" in refused(tmp_path, text, *marks, "--add-margin", "cross=-0.21BTC")
    document = simulated(tmp_path, text, *marks, "--add-margin", "cross=-0.2BTC")
    assert wallet(document, name)["wallet_balance"] < wallet(document, name, "before")["wallet_balance"]


def test_what_is_closed_has_no_distance(tmp_path: Path) -> None:
    """Also beside the other leg of its hedge, whose liquidation is not its own."""
    text, marks, _ = HELD["hedge"]
    result = call("simulate", "--config", written(tmp_path, text), *marks, "--close", "0GUSDT:LONG")
    (row,) = (line for line in result.stdout.splitlines() if "LONG" in line and "-> 0" in line)
    assert row.endswith("% -> -")


def test_inverse_contracts_are_closed_in_their_coin(tmp_path: Path) -> None:
    """Fee and result are in coin: contracts x size / price."""
    text, marks, name = HELD["coin-m"]
    document = simulated(tmp_path, text, *marks, "--reduce", "BTCUSD_PERP=10000")
    (done,) = document["operations"]
    price = 40000 * 0.9995
    assert (done["asset"], done["notional"]) == ("BTC", pytest.approx(25.0))
    assert done["realized"] == pytest.approx(1e6 * (1 / 45000 - 1 / price))
    assert done["fee"] == pytest.approx(1e6 / price * 0.0005)
    gone = 101 + done["realized"] - done["fee"]
    assert wallet(document, name)["wallet_balance"] == pytest.approx(gone)
    assert "10,000 contracts" in done["words"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("BTCUSDT=0.6", "at most 0.5, which is held (--close BTCUSDT closes it)"),
        ("BTCUSDT=101%", "at most 100%"),
        ("BTCUSDT=0", "as in BTCUSDT=0.1"),
        ("BTCUSDT=-1", "as in BTCUSDT=0.1"),
        ("BTCUSDT=", "as in BTCUSDT=0.1"),
        ("BTCUSDT", "as in BTCUSDT=0.1"),
        ("BTCUSDT:SHORT=0.1", "positions there are: by-hand/BTCUSDT:LONG"),
        ("ETHUSDT=0.1", "positions there are: by-hand/BTCUSDT:LONG"),
    ],
)
def test_wrong_quantities_are_named_with_the_fix(tmp_path: Path, given: str, words: str) -> None:
    """Exit code 2, with what there is."""
    assert words in refused(tmp_path, DESIGN, *BTC, "--reduce", given)


def test_a_share_is_rounded_up_to_the_step_of_the_symbol(tmp_path: Path) -> None:
    """Where it is known; a quantity that is no multiple of it is kept and said to be none."""
    text = DESIGN + "[contracts.BTCUSDT]\nstep = 0.002\nleast_quantity = 0.01\n"
    share = simulated(tmp_path, text, *BTC, "--reduce", "BTCUSDT=25%")["operations"][0]
    assert (share["quantity"], share["notes"][0]) == (0.126, "rounded up to the step of 0.002")
    least = simulated(tmp_path, text, *BTC, "--reduce", "BTCUSDT=0.5%")["operations"][0]
    assert least["quantity"] == 0.01
    exact = simulated(tmp_path, text, *BTC, "--reduce", "BTCUSDT=0.1255")["operations"][0]
    assert exact["quantity"] == 0.1255
    assert exact["notes"][0] == "the exchange takes multiples of 0.002: 0.126 would be the next"


# Leverage


def test_leverage_of_an_isolated_position_sets_its_margin(tmp_path: Path) -> None:
    """Entry notional / leverage; the cross wallet has the difference."""
    document = simulated(tmp_path, DESIGN, *BTC, "--leverage", "BTCUSDT=10")
    assert wallet(document, "isolated:BTCUSDT:LONG")["wallet_balance"] == pytest.approx(3100.0)
    assert wallet(document, "cross:USDT")["wallet_balance"] == pytest.approx(3450.0)
    assert "as if opened so" in document["operations"][0]["words"]


def test_leverage_of_a_cross_position_changes_nothing_and_says_so(tmp_path: Path) -> None:
    """It decides what new orders need."""
    text, marks, name = HELD["cross"]
    document = simulated(tmp_path, text, *marks, "--leverage", "ETHUSDT=2")
    assert wallet(document, name) == wallet(document, name, "before")
    assert "nothing about liquidation" in document["operations"][0]["notes"][0]


def test_leverage_beyond_what_the_exchange_allows_is_noted(tmp_path: Path) -> None:
    """The tiers that came with the program know the most; zero, fractions and nonsense are refused."""
    document = simulated(tmp_path, DESIGN, *BTC, "--leverage", "BTCUSDT=500")
    assert re.search(r"allows at most \d+x", document["operations"][0]["notes"][-1])
    for wrong in ("BTCUSDT=0", "BTCUSDT=-3", "BTCUSDT=2.5x", "BTCUSDT=fast", "BTCUSDT"):
        assert "as in BTCUSDT=10" in refused(tmp_path, DESIGN, *BTC, "--leverage", wrong)


# Advice


def test_what_is_at_warning_afterwards_is_told_what_to_do(tmp_path: Path) -> None:
    """And following it in a further simulation ends the warning."""
    shock = ("--shock", "all=-2.6%")
    document = simulated(tmp_path, DESIGN, *BTC, *shock)
    (advice,) = document["advice"]
    assert (advice["wallet"], advice["level"]) == ("isolated:BTCUSDT:LONG", "critical")
    below = advice["prescription"]["remedies"][0]
    assert below["below"] == "warning"
    followed = simulated(tmp_path, DESIGN, *BTC, *shock, "--add-margin", f"BTCUSDT={below['add']}")
    assert wallet(followed, "isolated:BTCUSDT:LONG")["level"] == "notice"
    assert followed["advice"] == []
    cut = below["cuts"][0]
    reduced = simulated(tmp_path, DESIGN, *BTC, *shock, "--put-back", "--reduce", f"BTCUSDT={cut['quantity']}")
    assert wallet(reduced, "isolated:BTCUSDT:LONG")["level"] == "notice"
    text = call("simulate", "--config", written(tmp_path, DESIGN), *BTC, *shock).stdout
    assert "by-hand isolated BTCUSDT LONG is then at critical" in text
    assert f"add {below['add']:,.2f} USDT" in text


def test_what_a_shock_would_liquidate_is_told_what_it_takes_beforehand(tmp_path: Path) -> None:
    """Nothing can be done about a wallet that is gone; the same amounts before the fall let it live."""
    args = (*BTC, "--shock", "all=-5%")
    (advice,) = simulated(tmp_path, DESIGN, *args)["advice"]
    assert advice["liquidated"] is True
    add = advice["prescription"]["remedies"][0]["add"]
    lives = simulated(tmp_path, DESIGN, *BTC, "--add-margin", f"BTCUSDT={add}", "--shock", "all=-5%")
    assert wallet(lives, "isolated:BTCUSDT:LONG")["level"] == "notice"
    text = call("simulate", "--config", written(tmp_path, DESIGN), *args).stdout
    assert "ok -> liquidated" in text
    assert "by-hand isolated BTCUSDT LONG would be liquidated on the way; what it would take beforehand:" in text
    assert f"To do: add {add:,.2f} USDT" in text


@pytest.mark.parametrize("done", [("--leverage", "BTCUSDT=100"), ("--add-margin", "BTCUSDT=-1200")])
def test_where_no_price_moved_nothing_is_liquidated_on_the_way(tmp_path: Path, done: tuple[str, ...]) -> None:
    """It happens at once, and there is no time before it in which anything could be added."""
    shown = told(tmp_path, DESIGN, *BTC, *done)
    assert "by-hand isolated BTCUSDT LONG would be liquidated at once; what it would take besides:" in shown


def test_of_many_wallets_in_danger_the_nearest_are_told(tmp_path: Path) -> None:
    """Twenty in words, and how many more there are; all of them as JSON."""
    legs = [position(f"S{i}USDT", 10, 100, "isolated", f"margin = {100 + i / 10}") for i in range(23)]
    tables = [f"[brackets.S{i}USDT]\nrows = [[0, 100000, 0.01, 0]]\n" for i in range(23)]
    text = '[[accounts]]\nname = "many"\nbalances = { USDT = 1.0 }\n' + "".join(legs + tables)
    marks = [word for i in range(23) for word in ("--mark", f"S{i}USDT=100")]
    args = (*marks, "--shock", "all=-8.5%")
    assert len(simulated(tmp_path, text, *args)["advice"]) == 23
    shown = call("simulate", "--config", written(tmp_path, text), *args).stdout
    told = re.findall(r"many isolated S(\d+)USDT LONG is then at", shown)
    assert told == [str(i) for i in range(20)]
    assert re.search(r"3 more wallets at warning or worse; --json has what to do about each.", shown)


def test_people_see_before_and_after_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arrow where something changed, one value where nothing did; at any width."""
    monkeypatch.setenv("COLUMNS", "240")
    args = ("simulate", "--config", written(tmp_path, DESIGN), *BTC, "--put-back", "--reduce", "BTCUSDT=0.1")
    wide = call(*args).stdout
    for words in (
        "1. BTCUSDT LONG of by-hand reduced by 0.1 BTC (20 %) at 60,969.5", "Assumed cost together: 3.05 USDT fee",
        "0.5 -> 0.4", "1550.00 -> ", "65 % -> ", "5000.00 USDT  ",
    ):  # fmt: skip
        assert words in wide, words
    monkeypatch.setenv("COLUMNS", "80")
    narrow = call(*args).stdout.splitlines()
    assert any("isolated BTCUSDT LONG" in line and "->" in line for line in narrow)
    assert all(len(line) <= 80 for line in narrow if not line.startswith(("1.", "Assumed")))


# A running daemon


def answers(*, moves: bool = False, around: Surroundings | None = None) -> dict[str, object]:
    """Return what a daemon says, with typical moves and with what it knows around positions."""
    found = daemon_answers()
    status: Any = found["status"]
    if moves:
        for one, move in zip(status["engine"]["symbols"], (0.01, 0.012, 0.012), strict=True):
            one["typical_move"] = move
        status["engine"]["wallets"] = [
            {"account": "main", "wallet": "cross:multi", "cushion": 2000.0, "moves_left": 10.0}
        ]
    if around is not None:
        holdings: Any = found["holdings"]
        found["holdings"] = msgspec.structs.replace(holdings, surroundings=around)
    return found


def test_the_daemon_tells_what_followed_accounts_hold(tmp_path: Path) -> None:
    """Positions, marks and rates are its own; a given mark wins."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    with answering(tmp_path / "s", answers()):
        document = simulated(tmp_path, text, "--shock", "all=-10%")
        given = simulated(tmp_path, text, "--mark", "BTCUSDT=18000")
        rate = simulated(tmp_path, text, "--mark", "BTCUSD@bid=20000", "--mark", "BTCUSD@ask=20000")
        assert "BTCUSD@ask, BTCUSD@bid" in refused(tmp_path, text, "--mark", "ETHUSD@bid=1")
    # 1000 USDT less 500, and 0.1 BTC at its bid; then 950 more lost and the bid a tenth lower.
    assert wallet(document, "cross:multi", "before")["margin_balance"] == pytest.approx(500 + 1805)
    assert wallet(document, "cross:multi")["margin_balance"] == pytest.approx(500 - 950 + 1624.5)
    assert leg(given, "BTCUSDT")["mark_price"] == 18000.0
    assert wallet(rate, "cross:multi")["margin_balance"] == pytest.approx(500 + 2000)
    assert refused(tmp_path, text).count("followed by key (main)") == 1


def test_moves_left_are_known_where_the_daemon_measured_them(tmp_path: Path) -> None:
    """Shocked together they scale with the prices; after a part was closed they are not known."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    with answering(tmp_path / "s", answers(moves=True)):
        shocked = simulated(tmp_path, text, "--shock", "all=-1%")
        closed = simulated(tmp_path, text, "--reduce", "BTCUSDT=50%")
        shown = call("simulate", "--config", written(tmp_path, text), "--reduce", "BTCUSDT=50%").stdout
    before = wallet(shocked, "cross:multi", "before")
    assert before["moves_left"] == pytest.approx(before["cushion"] / 200.0)
    assert wallet(shocked, "cross:multi")["moves_left"] == pytest.approx(
        wallet(shocked, "cross:multi")["cushion"] / (200.0 * 0.99)
    )
    assert wallet(closed, "cross:multi")["moves_left"] is None
    assert "-> unknown" in shown


def test_steps_and_funds_of_the_daemon_count(tmp_path: Path) -> None:
    """A share is rounded to the step that the exchange told."""
    around = Surroundings(lots={"BTCUSDT": Lot(0.01)}, funds={"main": FundsKnown("main", 1, {"USDT": 50.0})})
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    with answering(tmp_path / "s", answers(around=around)):
        document = simulated(tmp_path, text, "--reduce", "BTCUSDT=33%", "--add-margin", "cross=10USDT")
    assert document["operations"][0]["quantity"] == 0.17


def test_a_daemon_of_another_version_is_named(tmp_path: Path) -> None:
    """Rather than figures made of what it did not mean."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    found = answers() | {"holdings": {"accounts": "none"}}
    with answering(tmp_path / "s", found):
        assert "another version" in refused(tmp_path, text)
    assert isinstance(answers()["holdings"], Holdings)


# The ladder


@pytest.mark.parametrize("kind", HELD)
def test_a_ladder_has_41_rungs_and_marks_liquidation(tmp_path: Path, kind: str) -> None:
    """Each rung as a simulated shock of that size has it."""
    text, marks, name = HELD[kind]
    document = simulated(tmp_path, text, *marks, "--ladder")
    ladder = document["ladder"]
    assert [rung["move"] for rung in ladder["rungs"]] == [round(step / 100, 2) for step in range(-20, 21)]
    for place in (3, 15, 20, 37):
        rung = ladder["rungs"][place]
        shocked = simulated(tmp_path, text, *marks, "--shock", f"all={rung['move'] * 100:g}%")
        one = next(w for w in rung["wallets"] if w["wallet"] == name)
        after = wallet(shocked, name)
        assert one["level"] == after["level"]
        assert one["room"] == pytest.approx(after["room"])
        assert one["margin_ratio"] == pytest.approx(after["margin_ratio"])
        assert one.get("liquidated", False) == bool(after.get("liquidatable") or (after["margin_ratio"] or 0) >= 1)


def test_a_ladder_of_one_symbol_shows_where_it_liquidates(tmp_path: Path) -> None:
    """Grid, marks and the exact move in the table; the first rung beyond is marked, as is the present."""
    text, marks, _ = HELD["cross"]
    args = ("--ladder", "-10%:+10%:2%", "--ladder-symbol", "BTCUSDT")
    result = call("simulate", "--config", written(tmp_path, text), *marks, *args)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "by-hand isolated BTCUSDT LONG: liquidated at -3.055 %" in lines
    assert not any(line.startswith("by-hand cross USDT:") for line in lines)
    (marked,) = (line for line in lines if "<- liquidation at -3.055 %" in line)
    assert marked.split()[:3] == ["-4", "%", "58560"]
    (now,) = (line for line in lines if line.rstrip().endswith("<- now"))
    assert now.split()[:3] == ["0", "%", "61000"]
    (edge,) = simulated(tmp_path, text, *marks, *args)["ladder"]["edges"]
    assert 61000 * (1 + edge["down"]) == pytest.approx(59136.5461847)
    assert edge["up"] is None


def test_a_ladder_after_a_shock_says_where_its_moves_start(tmp_path: Path) -> None:
    """They are counted from the marks that were simulated, and none of those is called the present one."""
    args = (*BTC, "--ladder", "-5%:+5%:1%")
    shocked = told(tmp_path, DESIGN, *args, "--shock", "all=-1%")
    assert "The moves of the ladder are counted from the marks after --shock, not from those of now." in shocked
    assert " 0 % 60390 " in shocked
    assert shocked.count("<- after --shock") == 1
    assert "<- now" not in shocked
    assert "liquidated at the marks after --shock" in told(tmp_path, DESIGN, *args, "--shock", "all=-4%")
    for done in ((), ("--add-margin", "BTCUSDT=10")):
        here = told(tmp_path, DESIGN, *args, *done)
        assert "<- now" in here
        assert "--shock" not in here


def test_a_ladder_says_which_collateral_moves_along(tmp_path: Path) -> None:
    """All coins with all marks; one symbol's own with that symbol, none with another's."""
    text, marks, _ = HELD["multi-assets"]
    words = "What BTC counts as collateral moves along."
    for symbol, expected in (((), True), (("BTCUSDT",), True), (("ETHUSDC",), False)):
        args = ("--ladder", "-1%:1%:1%", *(("--ladder-symbol", *symbol) if symbol else ()))
        shown = call("simulate", "--config", written(tmp_path, text), *marks, *args).stdout
        assert (words in shown) is expected


def test_a_ladder_names_the_symbols_of_a_wallet_with_several(tmp_path: Path) -> None:
    """Marks and liquidation prices each, as far as the terminal is wide."""
    text, marks, _ = HELD["cross"]
    shown = call("simulate", "--config", written(tmp_path, text), *marks, "--ladder", "-1%:1%:1%").stdout
    assert "ETHUSDT LONG mark" in shown
    assert "SOLUSDT LONG mark" in shown


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--ladder", "5%"), "as in -20%:+20%:1%"),
        (("--ladder", "-5:5:1"), "write -5%"),
        (("--ladder", "5%:-5%:1%"), "FROM below TO"),
        (("--ladder", "-5%:5%:0%"), "a STEP above 0"),
        (("--ladder", "-5%:5%:-1%"), "a STEP above 0"),
        (("--ladder", "-100%:5%:1%"), "above -100 %"),
        (("--ladder", "-5%:5%:0.01%"), "at most 401"),
        (("--ladder-symbol", "ETHUSDT"), "symbols held: BTCUSDT"),
        (("--picture", "a.svg"), "ends with .png"),
        (("--picture", "/nowhere/at/all/a.png"), "a file that can be written"),
    ],
)
def test_wrong_ladders_are_named_with_the_fix(tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    """Exit code 2; an option may follow a ladder without a value."""
    if "--picture" in args:
        pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")
    assert words in refused(tmp_path, DESIGN, *BTC, *args)


def test_a_ladder_can_stand_without_its_value_anywhere(tmp_path: Path) -> None:
    """At the end, and before another option."""
    for args in ((*BTC, "--ladder"), ("--ladder", *BTC), ("--ladder", "-0.01:0.01:0.01", *BTC)):
        document = simulated(tmp_path, DESIGN, *args)
        assert len(document["ladder"]["rungs"]) == (3 if "-0.01:0.01:0.01" in args else 41)
    assert "ladder" not in simulated(tmp_path, DESIGN, *BTC)


def test_the_picture_is_a_png_of_the_same_ladder(tmp_path: Path) -> None:
    """Beside the table; a ladder is made where none was asked for."""
    pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")
    path = tmp_path / "ladder.png"
    document = simulated(tmp_path, DESIGN, *BTC, "--picture", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(document["ladder"]["rungs"]) == 41


def test_without_matplotlib_a_picture_is_refused_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with nothing else: the ladder itself needs none."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    words = refused(tmp_path, DESIGN, *BTC, "--picture", str(tmp_path / "a.png"))
    assert INSTALL in words
    assert simulated(tmp_path, DESIGN, *BTC, "--ladder")["ladder"]


def test_tiers_that_came_with_the_program_are_named(tmp_path: Path) -> None:
    """On standard error, as assess does; own ones are not."""
    result = call("simulate", "--config", written(tmp_path, DESIGN), *BTC)
    assert result.stderr.splitlines() == [
        "Maintenance tiers came with the program: BTCUSDT (shipped 2026-09-29).", UNWATCHED
    ]  # fmt: skip
    text, marks, _ = HELD["multi-assets"]
    assert call("simulate", "--config", written(tmp_path, text), *marks).stderr == f"{UNWATCHED}\n"


def test_only_accounts_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    """Without a daemon nothing is known of what is followed by key."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    assert "position-monitor run" in refused(tmp_path, text)


def test_what_the_exchange_lets_be_moved_is_spent_and_earned(tmp_path: Path) -> None:
    """Of 50 available the second 40 find 10 left; what a cut or a lower margin releases can be moved again."""
    held = Position("BTCUSDT", Side.LONG, 1.0, 60000.0, MarginMode.ISOLATED, "USDT", 6000.0)
    main = AccountSnapshot("main", {"USDT": 5000.0}, (held,), as_of_ms=NOW_MS, source=Source.REST)
    around = Surroundings(funds={"main": FundsKnown("main", NOW_MS, {"USDT": 50.0})})
    table = BracketTable("BTCUSDT", (Bracket(0.0, 1e9, 0.01, 0.0),), "exchange", "2026-11-20", "main")
    status = {
        "engine": {
            "symbols": [{"symbol": "BTCUSDT", "data": "fresh", "mark": 60000.0, "age_s": 0.4, "source": "stream"}],
            "accounts": [{"account": "main", "corrections": {}}],
        }
    }
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    forty = ("--add-margin", "BTCUSDT=40")
    found = {"status": status, "holdings": Holdings((main,), {"main/BTCUSDT": table}, around)}
    with answering(tmp_path / "s", found):
        twice = simulated(tmp_path, text, *forty, *forty)
        cut = simulated(tmp_path, text, *forty, "--reduce", "BTCUSDT=0.01", *forty)
        kept = simulated(tmp_path, text, *forty, "--put-back", "--reduce", "BTCUSDT=0.01", *forty)
        lower = simulated(tmp_path, text, *forty, "--leverage", "BTCUSDT=12", *forty)
    assert [one["from_cross"] for one in twice["operations"]] == [40.0, 10.0]
    assert [cut["operations"][place]["from_cross"] for place in (0, 2)] == [40.0, 40.0]
    assert [kept["operations"][place]["from_cross"] for place in (0, 2)] == [40.0, 10.0]
    assert [lower["operations"][place]["from_cross"] for place in (0, 2)] == [40.0, 40.0]


# Alerts that are open


def test_nothing_after_the_command_is_no_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration comes from before the command, or from the usual places."""
    with_daemon = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    with answering(tmp_path / "s", answers()):
        result = call("--config", written(tmp_path, with_daemon), "simulate")
    assert result.exit_code == 0, result.output
    monkeypatch.chdir(tmp_path)
    assert call("simulate").exception is None or isinstance(call("simulate").exception, SystemExit)


@pytest.mark.parametrize(("amount", "ends"), [(131, False), (234, False), (234.01, True)])
def test_what_only_lowers_the_level_is_no_end_of_an_alert(tmp_path: Path, amount: float, *, ends: bool) -> None:
    """At notice by itself; but the level of warning is left beyond the dead band only, and that asks for more."""
    marks = ("--mark", "BTCUSDT=59500")
    document = simulated(tmp_path, DESIGN, *marks, "--add-margin", f"BTCUSDT={amount}")
    (advice,) = document["advice"]
    assert (advice["held"], advice["ends"], advice["dwell_s"]) == ("warning", ends, 1800.0)
    assert advice["level"] == "notice"
    shown = call("simulate", "--config", written(tmp_path, DESIGN), *marks, "--add-margin", f"BTCUSDT={amount}")
    if ends:
        assert "Ends an alert of warning after 30 min: yes, as far as is known" in shown.stdout
        assert "Try:" not in shown.stdout
    else:
        lacking = f"{234.01 - amount:.2f} USDT"
        assert f"Ends an alert of warning after 30 min: not yet, {lacking} lacking" in shown.stdout
        assert f"To do: add {lacking}" in shown.stdout


def test_where_no_move_is_typical_none_is_missing(tmp_path: Path) -> None:
    """The daemon learns none there, so its alerts ask for nothing more."""
    text = f"[exchange]\ntypical_moves = false\n{DESIGN}"
    args = ("--mark", "BTCUSDT=59500", "--add-margin", "BTCUSDT=300")
    (advice,) = simulated(tmp_path, text, *args)["advice"]
    assert (advice["ends"], advice["moves_known"]) == (True, True)
    words = call("explain", "BTCUSDT", "--config", written(tmp_path, text), *args[:2]).stdout
    assert "on moves left" not in words
    known = call("explain", "BTCUSDT", "--config", written(tmp_path, DESIGN), *args[:2]).stdout
    assert "on moves left" in known


def test_an_alert_that_the_daemon_keeps_open_counts_as_one(tmp_path: Path) -> None:
    """By the marks it is at notice; the daemon has it at critical still."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    found = answers()
    status: Any = found["status"]
    status["engine"]["wallets"] = [{"account": "main", "wallet": "cross:multi", "level": "critical"}]
    with answering(tmp_path / "s", found):
        (advice,) = simulated(tmp_path, text, "--add-margin", "cross=0.01USDT")["advice"]
        (over,) = simulated(tmp_path, text, "--add-margin", "cross=90000USDT")["advice"]
        (closed,) = simulated(tmp_path, text, "--close", "BTCUSDT")["advice"]
    assert (advice["held"], advice["dwell_s"]) == ("critical", 1800.0)
    assert over["ends"]
    assert (closed["ends"], closed["prescription"]) == (True, None)


def test_what_is_advised_can_be_pasted_and_ends_the_alert(tmp_path: Path) -> None:
    """Each way as a command; what it shows is that the alert ends."""
    path = written(tmp_path, DESIGN)
    shown = call("simulate", "--config", path, "--mark", "BTCUSDT=59500", "--add-margin", "BTCUSDT=10").stdout
    commands = [line.strip().removeprefix("Try: ") for line in shown.splitlines() if "Try: " in line]
    assert len(commands) == 2
    explained = call("explain", "BTCUSDT", "--config", path, "--mark", "BTCUSDT=59500", "--json").stdout
    lines = call("explain", "BTCUSDT", "--config", path, "--mark", "BTCUSDT=59500").stdout.splitlines()
    assert sum(line.startswith("Try: position-monitor simulate --config ") for line in lines) == 2
    commands += [step["arithmetic"] for step in json.loads(explained)[0]["steps"] if step["name"] == "try"]
    assert len(commands) == 4
    for command in commands:
        assert command.startswith(f"position-monitor simulate --config {path} --mark BTCUSDT=59500")
        (advice,) = json.loads(call(*shlex.split(command)[1:], "--json").stdout)["advice"]
        assert advice["ends"]


# As people type and as their terminals are


def test_amounts_are_taken_as_texts_show_them(tmp_path: Path) -> None:
    """Commas between thousands, where they are well-formed; nowhere else."""
    plainly = simulated(tmp_path, DESIGN, *BTC, "--add-margin", "BTCUSDT=1894.01")
    grouped = simulated(tmp_path, DESIGN, "--mark", "BTCUSDT=61,000", "--add-margin", "BTCUSDT=1,894.01")
    assert grouped["after"] == plainly["after"]
    for wrong in ("1,89.01", "1894,01", ",100", "1,,000", "12,34"):
        assert "WALLET=AMOUNT" in refused(tmp_path, DESIGN, *BTC, "--add-margin", f"BTCUSDT={wrong}")
    assert "a price above 0" in refused(tmp_path, DESIGN, "--mark", "BTCUSDT=61,00")


def test_an_asset_tells_which_cross_wallet_is_meant(tmp_path: Path) -> None:
    """The account has one in USDC as well; without an asset it is ambiguous."""
    text = DESIGN.replace("USDT = 5000.0", "USDT = 5000.0, USDC = 100.0")
    for name in ("cross", "by-hand/cross"):
        document = simulated(tmp_path, text, *BTC, "--add-margin", f"{name}=100USDT")
        assert wallet(document, "cross:USDT")["wallet_balance"] == 5100.0
    assert "several are meant" in refused(tmp_path, text, *BTC, "--add-margin", "cross=100")
    assert "several are meant" in refused(tmp_path, text, *BTC, "--add-margin", "cross=100BNB")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--shock", "BTCUSDT=60000"), "a price goes in --mark"),
        (("--shock", "btcusdt=-5%"), 'did you mean "BTCUSDT"?'),
        (("--reduce", "btcusdt=0.1"), 'did you mean "BTCUSDT"?'),
        (("--close", "BTC"), 'did you mean "BTCUSDT"?'),
        (("--add-margin", "btcusdt=5"), 'did you mean "BTCUSDT"?'),
        (("--mark", "btcusdt=5"), 'did you mean "BTCUSDT"?'),
        (("--ladder-symbol", "btc"), 'did you mean "BTCUSDT"?'),
    ],
)
def test_a_slip_is_named(tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    """Lower case, a coin alone, a price where a move belongs."""
    assert words in refused(tmp_path, DESIGN, *BTC, *args)


def test_a_part_of_a_contract_is_none(tmp_path: Path) -> None:
    """Coin-margined positions are counted in whole ones."""
    marks = ("--mark", "BTCUSD_PERP=40000")
    assert "whole contracts" in refused(tmp_path, COINS, *marks, "--reduce", "BTCUSD_PERP=0.5")
    assert "Traceback" not in refused(tmp_path, COINS, *marks, "--reduce", "BTCUSD_PERP=1.5")


def test_a_reduced_position_keeps_the_step_that_is_assumed(tmp_path: Path) -> None:
    """0.5 less 0.281 are 0.219, so that steps of a thousandth are advised, not of a hundred-millionth."""
    document = simulated(tmp_path, DESIGN, "--mark", "BTCUSDT=59500", "--reduce", "BTCUSDT=0.281")
    assert leg(document, "BTCUSDT")["quantity"] == 0.219
    cuts = [
        cut for one in document["advice"] for remedy in one["prescription"]["remedies"] for cut in remedy["cuts"]
    ]
    assert cuts
    assert all(round(cut["quantity"], 3) == cut["quantity"] for cut in cuts)


def test_what_was_done_reads_as_said(tmp_path: Path) -> None:
    """One mark is named with its prices; what is closed whole is not closed by anything."""
    document = simulated(tmp_path, DESIGN, *BTC, "--shock", "all=-2.6%", "--close", "BTCUSDT")
    shock, closed = (one["words"] for one in document["operations"])
    assert shock == "BTCUSDT 61,000 -> 59,414, -2.6 %"
    assert closed.startswith("BTCUSDT LONG of by-hand closed, 0.5 BTC at ")


def test_with_several_accounts_rows_say_whose_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the terminal: three rows of the same wallet would tell nothing. Sentences end at blanks."""
    other = DESIGN.replace('"by-hand"', '"second"')
    args = (*BTC, "--shock", "all=-3%", "--reduce", "second/BTCUSDT=0.2")
    for width in (60, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        shown = call("simulate", "--config", written(tmp_path, DESIGN + other), *args).stdout
        rows = [line for line in shown.splitlines() if "isolated BTCUSDT LONG" in line and " -> " in line]
        assert {line.split()[0] for line in rows} == {"by-hand", "second"}
        told = [line for line in shown.splitlines() if "position-monitor simulate" not in line]
        assert max(map(len, told)) <= width
        words = {word for line in told for word in line.split()}
        assert {"slippage,", "proportion,"} <= words


def test_margin_that_was_used_up_before_was_not_used_up_on_the_way(tmp_path: Path) -> None:
    """Nothing was moved: the same first words as everywhere; after a fall, what it would have taken."""
    here = call("simulate", "--config", written(tmp_path, DESIGN), "--mark", "BTCUSDT=59000").stdout
    assert "To do: look at the exchange first: the margin is used up" in here
    assert "on the way" not in here
    path = written(tmp_path, DESIGN)
    for command in (("assess",), ("stress",), ("explain", "BTCUSDT")):
        assert "look at the exchange first" in call(*command, "--config", path, "--mark", "BTCUSDT=59000").stdout
    fallen = call("simulate", "--config", path, *BTC, "--shock", "all=-5%").stdout
    assert "would be liquidated on the way; what it would take beforehand" in fallen


def test_a_daemon_of_another_configuration_is_told_of(tmp_path: Path) -> None:
    """The file was changed and the daemon not started anew: its alerts are about something else."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + DESIGN
    settings = load(Path(written(tmp_path, text)), {})
    tables = {one.symbol: one for one in settings.tables}
    found = answers() | {"holdings": Holdings(settings.accounts, tables)}
    changed = text.replace("quantity = 0.5", "quantity = 0.4")
    renamed = text.replace('"by-hand"', '"mine"')
    words = "The running daemon has another configuration of "
    with answering(tmp_path / "s", found):
        for command in (("simulate",), ("stress",), ("explain", "BTCUSDT")):
            same = call(*command, "--config", written(tmp_path, text), *BTC)
            assert same.exit_code == 0, same.output
            assert words not in same.stderr
            assert f"{words}by-hand:" in call(*command, "--config", written(tmp_path, changed), *BTC).stderr
            checked = call("checkup", "--config", written(tmp_path, changed), *BTC)
            assert f"{words}by-hand:" in checked.stderr
            assert f"{words}mine, by-hand:" in call(*command, "--config", written(tmp_path, renamed), *BTC).stderr


def test_a_daemon_of_other_thresholds_or_costs_is_told_of(tmp_path: Path) -> None:
    """Amounts are found with those of the file, its alerts with its own; one that tells neither is not accused."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + DESIGN
    path = Path(written(tmp_path, text))
    settings = load(path, {})
    tables = {one.symbol: one for one in settings.tables}
    rules = settings.engine
    judged = Judged(rules.rules, rules.overrides, rules.advice)
    words = "The running daemon has another configuration of "
    changed = {
        "": "",
        "[alerts.warning]\nroom = 0.3": "[alerts]",
        "[alerts.symbols.BTCUSDT.warning]\nroom = 0.3": "[alerts]",
        "[alerts.accounts.by-hand]\ndead_band = 0.2": "[alerts]",
        "[advice]\nslippage = 0.002": "[advice]",
    }
    for known in (judged, None):
        found = answers() | {"holdings": Holdings(settings.accounts, tables, judged=known)}
        with answering(tmp_path / "s", found):
            for more, section in changed.items():
                for command in (("simulate",), ("stress",), ("explain", "BTCUSDT")):
                    said = call(*command, "--config", written(tmp_path, f"{text}\n{more}\n"), *BTC)
                    assert said.exit_code == 0, said.output
                    if section and known is not None:
                        assert f"{words}{section}:" in said.stderr
                    else:
                        assert words not in said.stderr


# What brings liquidation nearer

NET = (
    """
[[accounts]]
name = "net0"
balances = { USDT = 1000.0 }
"""
    + position("BTCUSDT", 1, 60500, "cross")
    + position("BTCUSDT", 1, 60100, "cross").replace("LONG", "SHORT")
)
NEARER = "what was done brings liquidation nearer"


def told(tmp_path: Path, text: str, *args: str) -> str:
    result = call("simulate", "--config", written(tmp_path, text), *args)
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


@pytest.mark.parametrize("shock", [(), ("--shock", "all=+0.5%")])
def test_a_leg_left_alone_is_told_to_be_nearer_to_liquidation(tmp_path: Path, shock: tuple[str, ...]) -> None:
    """Its room and its ratio are better than those of the hedge, and a small move is the end."""
    marks = ("--mark", "BTCUSDT=60000")
    closing = ("--close", "BTCUSDT:SHORT")
    shown = told(tmp_path, NET, *marks, *shock, *closing)
    (before,) = simulated(tmp_path, NET, *marks, *shock)["after"]["wallets"]
    (after,) = simulated(tmp_path, NET, *marks, *shock, *closing)["after"]["wallets"]
    assert after["room"] > before["room"]
    assert after["joint_distance"] < before["joint_distance"] / 10
    words = f"from {percent(before['joint_distance'])} away to {percent(after['joint_distance'])}."
    assert f"net0 cross USDT: {NEARER}, {words}" in shown


@pytest.mark.parametrize(
    "done",
    [
        ("--shock", "all=-2.6%"),
        ("--add-margin", "BTCUSDT=100"),
        ("--reduce", "BTCUSDT=25%"),
        ("--put-back", "--reduce", "BTCUSDT=25%"),
        ("--close", "BTCUSDT"),
        ("--leverage", "BTCUSDT=500"),
    ],
    ids=" ".join,
)
def test_what_brings_liquidation_no_nearer_is_not_told_so(tmp_path: Path, done: tuple[str, ...]) -> None:
    """A move of prices is none of our doing, a fee is next to nothing, and what is liquidated is called that."""
    assert NEARER not in told(tmp_path, DESIGN, *BTC, *done)


def test_more_leverage_and_margin_taken_out_bring_liquidation_nearer(tmp_path: Path) -> None:
    """Whatever level they leave."""
    assert f"by-hand isolated BTCUSDT LONG: {NEARER}, from 3.1 % away to " in told(
        tmp_path, DESIGN, *BTC, "--add-margin", "BTCUSDT=-600"
    )
    assert NEARER in told(tmp_path, DESIGN, "--mark", "BTCUSDT=62000", "--leverage", "BTCUSDT=50")
