"""The arithmetic of moves left, line by line."""

from typing import Any

import pytest

from monitor.cli.move_steps import Moves
from monitor.cli.steps import Explainer, Input, Step
from monitor.core.book import Book
from monitor.core.compile import compile_book
from monitor.core.model import Position
from monitor.core.risk import Readings
from tests.core.builders import BTC, ETH, account, cross, isolated, readings_of, table


def status(*moves: tuple[str, float | None], wallets: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    symbols = [
        {"symbol": name, "typical_move": move, "minutes": 1439, "minutes_age_s": 12.0} for name, move in moves
    ]
    return {"engine": {"symbols": symbols, "wallets": wallets}}


def of(*positions: Position, usdt: float | None = None) -> tuple[Book, Readings]:
    tables = {position.symbol: table(position.symbol) for position in positions}
    book = compile_book((account(*positions, usdt=usdt),), tables)
    return book, readings_of(book)


def lines(book: Book, readings: Readings, known: dict[str, Any]) -> dict[str, Step]:
    return {step.name: step for step in Moves(book, readings, known).steps(0)}


def test_one_position_s_moves_left_are_worked_out() -> None:
    """Everything of it can be checked by hand: 100 of notional at 1 % maintenance, a cushion of 9."""
    got = lines(*of(isolated()), status((BTC, 0.02)))
    assert got["BTCUSDT typical move"].value == 0.02
    assert got["BTCUSDT typical move"].source == "1439 min, newest 12 s old"
    assert got["  cushion gains"].value == pytest.approx(99.0)
    assert got["hourly deviation"] == Step("hourly deviation", "|99| x 0.02", 1.98, "USDT")
    assert got["moves left"].arithmetic == "9 / 1.98"
    assert got["moves left"].value == pytest.approx(9 / 1.98)


def test_of_several_prices_the_daemon_knows_how_they_moved_together() -> None:
    """Its own deviation is taken; the cushion is that of the marks given."""
    wallet = {"account": "main", "wallet": "cross:USDT", "cushion": 20.0, "moves_left": 8.0}
    got = lines(*of(cross(), cross(ETH), usdt=12.0), status((BTC, 0.02), (ETH, 0.03), wallets=(wallet,)))
    assert {name for name in got if name.endswith("typical move")} == {
        "BTCUSDT typical move", "ETHUSDT typical move"
    }  # fmt: skip
    assert got["hourly deviation"].value == 2.5
    assert "daemon" in got["hourly deviation"].source
    assert got["moves left"].value == pytest.approx(10.0 / 2.5)


def test_what_is_not_known_is_named() -> None:
    """One price without a typical move leaves the wallet without moves; a daemon of before has none."""
    older: dict[str, Any] = {"engine": {"symbols": []}}
    for known in (status((BTC, 0.02), (ETH, None)), status((BTC, 0.02)), older):
        got = lines(*of(cross(), cross(ETH), usdt=12.0), known)["moves left"]
        assert got.value is None
        assert "ETHUSDT" in got.arithmetic
    young = lines(*of(cross(), cross(ETH), usdt=12.0), status((BTC, 0.02), (ETH, 0.03)))["moves left"]
    assert (young.value, "too few minutes" in young.arithmetic) == (None, True)


def test_moves_that_nobody_wants_to_know_are_not_missing() -> None:
    """A thousand minutes are there, and by the configuration no move is typical."""
    step = next(
        step
        for step in Moves(*of(isolated()), status((BTC, None)), wanted=False).steps(0)
        if step.name == "moves left"
    )
    assert step.arithmetic == (
        "not known: BTCUSDT: `typical_moves = false` in [exchange], for no move there is typical"
    )
    assert "fewer than 30 returns" in lines(*of(isolated()), status((BTC, None)))["moves left"].arithmetic


def test_a_cushion_that_is_used_up_has_no_moves_left() -> None:
    """Not a negative number of them, whatever prices do."""
    assert lines(*of(isolated(margin=0.5)), status((BTC, 0.02)))["moves left"].value == 0.0


def test_they_close_an_explanation() -> None:
    """After the joint distance, and only with a daemon."""
    book, readings = of(isolated())
    inputs = {BTC: Input(100.0, "given", None)}
    (plain,) = Explainer(book, readings, inputs, {}).explain(BTC)
    more = Moves(book, readings, status((BTC, 0.02))).steps
    (longer,) = Explainer(book, readings, inputs, {}, more).explain(BTC)
    assert longer.steps[: len(plain.steps)] == plain.steps
    assert longer.steps[-1].name == "moves left"


def test_what_room_is_measured_by_is_said() -> None:
    """By what was left at entry; where that is next to nothing, by a share of maintenance. Both can be checked."""

    def room(balance: float) -> Step:
        book, readings = of(cross(), usdt=balance)
        inputs = {BTC: Input(100.0, "given", None)}
        (explained,) = Explainer(book, readings, inputs, {"main": "config"}).explain(BTC)
        return next(step for step in explained.steps if step.name == "room")

    ordinary, hollow = room(2.0), room(1.15)
    assert (ordinary.arithmetic, ordinary.value) == ("1 / (2 - 1 maintenance at entry), at most 1", 1.0)
    assert hollow.arithmetic == "0.15 / (0.3 x 1 maintenance at entry), at most 1"
    assert hollow.value == pytest.approx(0.5)
