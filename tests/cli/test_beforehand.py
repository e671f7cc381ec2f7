"""What it takes before prices move, what happens on the way, and commands that show both."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_offline import DESIGN, call, position, written
from tests.cli.test_simulate import BTC, HELD, leg, refused, simulated, told, wallet

NAME = "isolated:BTCUSDT:LONG"
PAIR = (
    '[[accounts]]\nname = "pair"\nbalances = { USDT = 2034.3 }\n'
    + position("BTCUSDT", 0.5, 62000, "cross")
    + position("ETHUSDT", 4, 2900, "cross").replace("LONG", "SHORT")
)
PAIR_MARKS = ("--mark", "BTCUSDT=59700", "--mark", "ETHUSDT=3035")
USED_UP = "here the margin of by-hand isolated BTCUSDT LONG is used up"
WOULD_HAVE = "what follows is of a wallet that it would have closed"


def commands(tmp_path: Path, text: str, *args: str) -> list[str]:
    """Return the commands that a simulation names."""
    shown = call("simulate", "--config", written(tmp_path, text), *args)
    assert shown.exit_code == 0, shown.output
    return [line.strip().removeprefix("Try: ") for line in shown.stdout.splitlines() if "Try: " in line]


def tried(command: str) -> dict[str, Any]:
    """Return what a command that was named shows."""
    result = call(*shlex.split(command)[1:], "--json")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def lives(document: dict[str, Any]) -> bool:
    """Return whether no wallet is liquidated, at any moment, nor at warning in the end."""
    fallen = [note for one in document["operations"] for note in one["notes"] if "is used up" in note]
    levels = {one["level"] for one in document["after"]["wallets"]}
    return not fallen and all(one["ends"] for one in document["advice"]) and levels <= {"ok", "notice"}


# Before prices move


@pytest.mark.parametrize(("shock", "quantity"), [("all=-3.06%", 0.160), ("all=-4%", 0.229)])
def test_what_is_reduced_beforehand_is_enough_afterwards_and_a_step_less_is_not(
    tmp_path: Path, shock: str, quantity: float
) -> None:
    """It fills at the price before the fall, at which a part frees more and loses less than after it."""
    (advice,) = simulated(tmp_path, DESIGN, *BTC, "--shock", shock)["advice"]
    (cut,) = advice["prescription"]["remedies"][0]["cuts"]
    assert cut["quantity"] == quantity
    assert cut["notional"] == pytest.approx(quantity * 61000)
    assert advice["beforehand"]
    for less, room in ((0.0, True), (0.001, False)):
        reduce = ("--put-back", "--reduce", f"BTCUSDT={quantity - less:.3f}")
        document = simulated(tmp_path, DESIGN, *BTC, *reduce, "--shock", shock)
        assert (wallet(document, NAME)["room"] >= 0.25) is room


@pytest.mark.parametrize(
    ("text", "args"),
    [
        (DESIGN, (*BTC, "--shock", "all=-3.06%")),
        (DESIGN, (*BTC, "--shock", "all=-4%")),
        (DESIGN, (*BTC, "--add-margin", "BTCUSDT=100", "--shock", "all=-2%", "--shock", "all=-3%")),
        (DESIGN, (*BTC, "--shock", "all=-5%", "--shock", "all=+6%")),
        (DESIGN, (*BTC, "--shock", "all=-5%", "--shock", "all=+2.5%")),
        (DESIGN, (*BTC, "--shock", "all=-4%", "--add-margin", "BTCUSDT=1000")),
        (DESIGN, (*BTC, "--reduce", "BTCUSDT=10%", "--shock", "all=-4%")),
        (DESIGN, (*BTC, "--shock", "all=-4%", "--reduce", "BTCUSDT=10%")),
        (PAIR, (*PAIR_MARKS, "--shock", "BTCUSDT=-1.2%")),
        (PAIR, (*PAIR_MARKS, "--shock", "BTCUSDT=-7.05%", "--shock", "all=0.17%")),
        (PAIR, (*PAIR_MARKS, "--shock", "all=-8.88%", "--shock", "all=6.54%")),
        (PAIR, (*PAIR_MARKS, "--shock", "ETHUSDT=4.36%", "--shock", "all=-6.08%")),
        (HELD["coin-m"][0], (*HELD["coin-m"][1], "--shock", "all=-30%")),
        (HELD["multi-assets"][0], (*HELD["multi-assets"][1], "--shock", "all=-20%")),
    ],
    ids=lambda one: " ".join(one[2:]) if isinstance(one, tuple) else "",
)
def test_each_command_that_is_named_does_it_first_and_lets_the_wallet_live(
    tmp_path: Path, text: str, args: tuple[str, ...]
) -> None:
    """Before the first shock, with all else as it was asked; nothing is liquidated and then rescued."""
    named = commands(tmp_path, text, *args)
    assert len(named) == 2
    (advice, *_) = simulated(tmp_path, text, *args)["advice"]
    assert advice["beforehand"]
    for command in named:
        words = shlex.split(command)
        first = next(i for i, word in enumerate(words) if word == "--shock")
        name = f"{advice['account']}/"
        places = [i for i, word in enumerate(words) if word.startswith(name)]
        assert places
        assert max(places) < first
        assert [word for word in args if word.startswith("all=")] == [w for w in words if w.startswith("all=")]
        assert lives(tried(command)), command


def test_no_more_is_asked_for_than_the_end_does_of_a_wallet_that_lives_to_see_it(tmp_path: Path) -> None:
    """Where prices come back a little, what leaves warning there is enough to live where they were lowest."""
    plans = [
        simulated(tmp_path, DESIGN, *BTC, *shocks)["advice"][0]["prescription"]["remedies"][0]
        for shocks in (("--shock", "all=-4%", "--shock", "all=+0.5%"), ("--shock", "all=-3.52%"))
    ]
    assert plans[0]["add"] == plans[1]["add"]
    assert [cut["quantity"] for cut in plans[0]["cuts"]] == [cut["quantity"] for cut in plans[1]["cuts"]]


def test_what_helps_at_one_moment_and_harms_at_another_is_reduced_in_turns(tmp_path: Path) -> None:
    """A long that loses in the end and a short that loses first: less of both, and no more than it takes."""
    shocks = ("--shock", "ETHUSDT=4.36%", "--shock", "all=-6.08%")
    (advice,) = simulated(tmp_path, PAIR, *PAIR_MARKS, *shocks)["advice"]
    (remedy, *_) = advice["prescription"]["remedies"]
    long, short = remedy["cuts"]
    assert remedy["evenly"] == 2
    assert long["share"] == pytest.approx(short["share"], abs=0.003)
    assert long["share"] < 1.0
    less = [
        word
        for cut, step in ((long, 0.002), (short, 0.02))
        for word in ("--reduce", f"{cut['symbol']}:{cut['side']}={cut['quantity'] - step:.3f}")
    ]
    (then,) = simulated(tmp_path, PAIR, *PAIR_MARKS, *less, *shocks)["advice"]
    assert not then["ends"]


@pytest.mark.parametrize(
    "shocks",
    [("all=-4%",), ("all=-5%", "all=+2.5%"), ("BTCUSDT=-7.05%", "all=0.17%"), ("all=-8.88%", "all=6.54%")],
    ids=" ".join,
)
@pytest.mark.parametrize(("text", "marks"), [(DESIGN, BTC), (PAIR, PAIR_MARKS)], ids=["isolated", "pair"])
def test_what_is_to_be_safe_lives_as_well(
    tmp_path: Path, text: str, marks: tuple[str, ...], shocks: tuple[str, ...]
) -> None:
    """Amounts of which that is not so are not named."""
    falls = [word for shock in shocks for word in ("--shock", shock)]
    (advice,) = simulated(tmp_path, text, *marks, *falls)["advice"]
    for remedy in advice["prescription"]["remedies"][1:]:
        named = f"{advice['account']}/{advice['wallet']}"
        cuts = [
            word
            for cut in remedy["cuts"]
            for word in ("--reduce", f"{cut['symbol']}:{cut['side']}={cut['quantity']!r}")
        ]
        for way in (("--add-margin", f"{named}={remedy['add']!r}"), ("--put-back", *cuts)):
            assert lives(simulated(tmp_path, text, *marks, *way, *falls))


def test_what_is_to_be_safe_is_left_out_where_the_rest_could_not_be_done_then(tmp_path: Path) -> None:
    """Of 0.229 less there are 0.2 to be closed later; of 0.378 less there are not."""
    args = (*BTC, "--shock", "all=-4%", "--reduce", "BTCUSDT=0.2")
    (advice,) = simulated(tmp_path, DESIGN, *args)["advice"]
    (remedy,) = advice["prescription"]["remedies"]
    assert remedy["cuts"][0]["quantity"] == 0.229
    assert "To be safe" not in told(tmp_path, DESIGN, *args)
    assert all(lives(tried(command)) for command in commands(tmp_path, DESIGN, *args))


def test_less_of_a_pair_is_closed_beforehand_than_all_of_it(tmp_path: Path) -> None:
    """After the fall closing everything was the only way; before it there is more to lose, and more that helps."""
    args = (*PAIR_MARKS, "--shock", "BTCUSDT=-1.2%")
    (advice,) = simulated(tmp_path, PAIR, *args)["advice"]
    shares = [cut["share"] for cut in advice["prescription"]["remedies"][0]["cuts"]]
    assert min(shares) < 1.0


def test_what_is_at_warning_and_lives_is_told_what_to_do_then(tmp_path: Path) -> None:
    """Nothing is too late for it: amounts are those after the fall, and so are the commands."""
    (advice,) = simulated(tmp_path, DESIGN, *BTC, "--shock", "all=-2.6%")["advice"]
    assert not advice["beforehand"]
    for command in commands(tmp_path, DESIGN, *BTC, "--shock", "all=-2.6%"):
        words = shlex.split(command)
        assert words.index("--shock") < max(words.index(w) for w in words if w.startswith("by-hand/"))


# On the way


def test_a_wallet_that_is_rescued_after_it_fell_is_said_to_be_gone(tmp_path: Path) -> None:
    """The exchange does not wait for the next operation, and what it would take is told."""
    args = (*BTC, "--shock", "all=-4%", "--add-margin", "BTCUSDT=1000")
    document = simulated(tmp_path, DESIGN, *args)
    assert document["operations"][0]["notes"] == [f"{USED_UP}: the exchange would liquidate it, and {WOULD_HAVE}"]
    (advice,) = document["advice"]
    assert (advice["liquidated"], advice["liquidated_by"], advice["ends"]) == (False, 1, False)
    shown = told(tmp_path, DESIGN, *args)
    assert f"{USED_UP}: the exchange would liquidate it, and {WOULD_HAVE}" in shown
    assert "by-hand isolated BTCUSDT LONG would be liquidated on the way; what it would take beforehand:" in shown


def test_what_comes_last_has_nothing_that_follows(tmp_path: Path) -> None:
    """The table and the advice say it already."""
    shown = told(tmp_path, DESIGN, *BTC, "--add-margin", "BTCUSDT=10", "--shock", "all=-5%")
    assert "is used up" not in shown
    (advice,) = simulated(tmp_path, DESIGN, *BTC, "--add-margin", "BTCUSDT=10", "--shock", "all=-5%")["advice"]
    assert advice["liquidated_by"] == 2


def test_what_was_used_up_to_begin_with_is_looked_at_on_the_exchange_first(tmp_path: Path) -> None:
    """A rise afterwards makes no wallet ok again that the exchange has closed."""
    args = ("--mark", "BTCUSDT=59000", "--shock", "all=+3%")
    shown = told(tmp_path, DESIGN, *args)
    begin = "As it is, the margin of by-hand isolated BTCUSDT LONG is used up: look at the exchange first."
    assert f"{begin} W{WOULD_HAVE[1:]}" in shown
    assert "Ends an alert of emergency after 30 min: yes" in shown
    assert "unless the exchange has closed it" in shown
    (advice,) = simulated(tmp_path, DESIGN, *args)["advice"]
    assert (advice["used_up"], advice["liquidated_by"]) == (True, 0)
    assert begin not in told(tmp_path, DESIGN, "--mark", "BTCUSDT=59000")
    assert "look at the exchange first" in told(tmp_path, DESIGN, "--mark", "BTCUSDT=59000")


def test_an_alert_of_a_wallet_that_falls_on_the_way_is_not_said_to_end(tmp_path: Path) -> None:
    """It was at warning to begin with, and is well in the end."""
    args = ("--mark", "BTCUSDT=59500", "--shock", "all=-2%", "--shock", "all=+8%")
    shown = told(tmp_path, DESIGN, *args)
    assert "Ends an alert of warning after 30 min: no, it would be liquidated first" in shown
    (advice,) = simulated(tmp_path, DESIGN, *args)["advice"]
    assert not advice["ends"]


@pytest.mark.parametrize(
    "then",
    [("--leverage", "BTCUSDT=60", "--shock", "all=-1%"), ("--reduce", "BTCUSDT=0.4")],
    ids=" ".join,
)
def test_nothing_is_called_enough_beforehand_that_is_not(tmp_path: Path, then: tuple[str, ...]) -> None:
    """Margin that leverage takes away again saves nothing, and what is closed first cannot be closed later."""
    args = (*BTC, "--shock", "all=-4%", *then)
    (advice,) = simulated(tmp_path, DESIGN, *args)["advice"]
    assert (advice["on_the_way"], advice["beforehand"], advice["prescription"]) == (True, False, None)
    assert "by-hand isolated BTCUSDT LONG would be liquidated on the way, by operation 1." in told(
        tmp_path, DESIGN, *args
    )
    assert commands(tmp_path, DESIGN, *args) == []


@pytest.mark.parametrize(
    ("first", "then", "number"),
    [((), (), 1), ((), ("--shock", "all=-1%"), 1), (("--shock", "all=-1%"), (), 2)],
    ids=["alone", "before a move", "after one"],
)
def test_what_is_done_and_liquidates_at_once_is_no_fall(
    tmp_path: Path, first: tuple[str, ...], then: tuple[str, ...], number: int
) -> None:
    """No price had to move for it, whether one moves as well or not."""
    args = (*BTC, *first, "--add-margin", "BTCUSDT=-1200", *then)
    shown = told(tmp_path, DESIGN, *args)
    assert "by-hand isolated BTCUSDT LONG would be liquidated at once; what it would take besides:" in shown
    (advice,) = simulated(tmp_path, DESIGN, *args)["advice"]
    assert (advice["on_the_way"], advice["liquidated_by"]) == (False, number)


def test_of_many_that_fall_three_are_named(tmp_path: Path) -> None:
    """And how many more there are."""
    legs = [position(f"S{i}USDT", 10, 100, "isolated", "margin = 100") for i in range(5)]
    tables = [f"[brackets.S{i}USDT]\nrows = [[0, 100000, 0.01, 0]]\n" for i in range(5)]
    text = '[[accounts]]\nname = "many"\nbalances = { USDT = 1.0 }\n' + "".join(legs + tables)
    marks = [word for i in range(5) for word in ("--mark", f"S{i}USDT=100")]
    shown = told(tmp_path, text, *marks, "--shock", "all=-20%", "--shock", "all=+1%")
    assert (
        "S2USDT LONG and 2 more wallets is used up: the exchange would liquidate them, and what follows" in shown
    )
    gone = told(tmp_path, text, *(w.replace("=100", "=80") for w in marks), "--shock", "all=+1%")
    assert "What follows is of wallets that it would have closed." in gone


# Leverage


def test_leverage_that_takes_more_than_the_cross_wallet_has_is_refused(tmp_path: Path) -> None:
    """As taking out too much is, with what is lacking and how to pay it in."""
    words = refused(tmp_path, DESIGN, *BTC, "--leverage", "BTCUSDT=4")
    assert "1,200.00 USDT is lacking" in words
    asked = (*BTC, "--add-margin", "by-hand/cross:USDT=1200.00USDT", "--leverage", "BTCUSDT=4")
    assert "--add-margin by-hand/cross:USDT=1200.00USDT before it pays that in" in words
    document = simulated(tmp_path, DESIGN, *asked)
    assert wallet(document, "cross:USDT")["wallet_balance"] == pytest.approx(0.0)
    assert leg(document, "BTCUSDT")["quantity"] == 0.5


# Commands


def test_a_way_of_many_parts_has_no_command(tmp_path: Path) -> None:
    """Nobody reads a line of seven closings; what is added has its command all the same."""
    legs = [position(f"S{i}USDT", 10, 100, "cross") for i in range(9)]
    tables = [f"[brackets.S{i}USDT]\nrows = [[0, 100000, 0.01, 0]]\n" for i in range(9)]
    text = '[[accounts]]\nname = "many"\nbalances = { USDT = 1000.0 }\n' + "".join(legs + tables)
    args = [word for i in range(9) for word in ("--mark", f"S{i}USDT=100")]
    for move, count in (("-12%", 2), ("-35%", 1)):
        (advice,) = simulated(tmp_path, text, *args, "--shock", f"all={move}")["advice"]
        assert (len(advice["prescription"]["remedies"][0]["cuts"]) > 6) is (count == 1)
        assert len(commands(tmp_path, text, *args, "--shock", f"all={move}")) == count


def test_a_cut_after_one_that_was_not_put_back_has_its_command_too(tmp_path: Path) -> None:
    """Putting back would change the cut that was asked for: what this one frees is added by itself."""
    args = ("--mark", "BTCUSDT=60000", "--reduce", "BTCUSDT=10%", "--shock", "all=-1%")
    named = commands(tmp_path, DESIGN, *args)
    assert len(named) == 2
    assert all("--put-back" not in command for command in named)
    assert re.search(r"--reduce \S+ --add-margin \S+$", named[1])
    assert all(lives(tried(command)) for command in named)
