"""What commands say of a wallet with several prices is what the daemon says: it tells how they move together."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.cli.held import find_held
from monitor.cli.remedy_steps import as_json
from monitor.config import load
from monitor.config.load import load_text
from monitor.core.events import Closes, Heartbeat, Learnt, SettingsChanged, Snapshot
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import Level, Lot, Market
from monitor.core.notices import Prescription
from monitor.core.scene import KnownMoves
from monitor.core.surroundings import LotsKnown
from monitor.errors import ControlError
from monitor.status import MOST_NAMES, Holdings, joint_moves
from tests.cli.answering import serving
from tests.cli.made import state
from tests.cli.test_offline import call, position, written
from tests.core.builders import PHONE, WALL_MS, Desk

SHARED = (
    """
[[accounts]]
name = "main"
balances = { USDT = 9000.0 }
"""
    + position("BTCUSDT", 2, 60000, "cross")
    + position("ETHUSDT", 30, 3000, "cross")
)
MARKS = {"BTCUSDT": 59000.0, "ETHUSDT": 2950.0}


def watching(text: str, wild: float = 0.03) -> Desk:
    """Return an engine that watches what is typed in, with a day of closes that move together."""
    settings = load_text(text, "test")
    desk = Desk(accounts=("main",))
    engine = msgspec.structs.replace(settings.engine, channels=(PHONE,), accounts=("main",))
    desk.step(SettingsChanged(engine, settings.tables))
    lots = {"BTCUSDT": Lot(0.001, 0.001), "ETHUSDT": Lot(0.001, 0.001)}
    desk.step(Learnt(LotsKnown(Market.USDM, lots)))
    desk.step(Snapshot(settings.accounts[0]))
    desk.marks(**MARKS)
    steps = np.random.default_rng(5).normal(0.0, wild / np.sqrt(60), 1440)
    first = WALL_MS // MINUTE_MS * MINUTE_MS - 1440 * MINUTE_MS
    for name, mark in MARKS.items():
        desk.step(Closes(name, first, tuple((mark * np.exp(-np.cumsum(steps)[::-1])).tolist())))
    desk.marks(**MARKS)
    desk.step(Heartbeat())
    return desk


@contextmanager
def running(desk: Desk, directory: Path) -> Iterator[None]:
    """Answer commands as the daemon does."""

    async def status(_request: Mapping[str, Any]) -> object:
        return state(engine=desk.engine.view(desk.now()))

    async def holdings(_request: Mapping[str, Any]) -> object:
        return Holdings(*desk.engine.holdings(), desk.engine.surroundings)

    async def moves(request: Mapping[str, Any]) -> object:
        return joint_moves(request.get("names"), *desk.engine.moves())

    with serving(directory, {"status": status, "holdings": holdings, "moves": moves}):
        yield


def told(desk: Desk) -> Prescription:
    """Return what the last alert asked for."""
    found = [one.facts.prescription for one in desk.notices if one.facts.prescription is not None]
    return found[-1]


def asked(tmp_path: Path, text: str, *words: str) -> Any:  # noqa: ANN401 - JSON
    result = call(*words, "--config", written(tmp_path, text), "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_explain_and_simulate_ask_for_what_the_alert_asks_for(tmp_path: Path) -> None:
    """Moves left alone make it a warning; both commands give the amounts of the alert, exactly."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n{SHARED}'
    desk = watching(text)
    view = desk.engine.view(desk.now()).wallets[0]
    assert view.level == Level.WARNING.label
    alert = told(desk)
    assert (alert.remedies[0].add or 0.0) > 1000.0
    with running(desk, tmp_path / "s"):
        document = asked(tmp_path, text, "simulate")
        (explained,) = asked(tmp_path, text, "explain", "BTCUSDT")
        shown = call("explain", "BTCUSDT", "--config", written(tmp_path, text)).stdout
        enough = asked(tmp_path, text, "simulate", "--add-margin", f"cross={alert.remedies[0].add}")
        less = asked(tmp_path, text, "simulate", "--add-margin", f"cross={(alert.remedies[0].add or 0) - 0.01}")
        cut = alert.remedies[0].cuts[0]
        reduced = asked(tmp_path, text, "simulate", "--reduce", f"{cut.symbol}={cut.quantity}")
    (advice,) = document["advice"]
    assert advice["prescription"] == explained["prescription"]
    assert explained["prescription"] == json.loads(json.dumps(as_json(alert)))
    assert (advice["held"], advice["ends"], advice["moves_known"]) == ("warning", False, True)
    assert "nothing more is needed to get below warning" not in shown
    assert "the daemon keeps warning; it does not end like this" in shown
    assert document["after"]["wallets"][0]["moves_left"] == pytest.approx(view.moves_left)
    assert [one["advice"][0]["ends"] for one in (enough, less, reduced)] == [True, False, True]


def test_a_daemon_that_cannot_tell_leaves_it_unknown(tmp_path: Path) -> None:
    """One of another version knows no such question: nothing is said to be enough."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n{SHARED}'
    desk = watching(text)

    async def status(_request: Mapping[str, Any]) -> object:
        return state(engine=desk.engine.view(desk.now()))

    async def holdings(_request: Mapping[str, Any]) -> object:
        return Holdings(*desk.engine.holdings(), desk.engine.surroundings)

    with serving(tmp_path / "s", {"status": status, "holdings": holdings}):
        (advice,) = asked(tmp_path, text, "simulate")["advice"]
        shown = call("simulate", "--config", written(tmp_path, text)).stdout
        explained = call("explain", "BTCUSDT", "--config", written(tmp_path, text)).stdout
    assert not advice["moves_known"]
    for words in (shown, explained):
        assert "nothing more is needed" not in words
        assert "an alert may ask for more" in words


def test_what_is_asked_of_many_names_comes_in_slices(tmp_path: Path) -> None:
    """An answer is about as many as marks can wait for; what was made anew meanwhile is asked for again."""
    count = MOST_NAMES + 5
    names = tuple(f"A{i:03}USDT" for i in range(count))
    legs = "".join(position(name, 1, 100, "cross") for name in names)
    tables = "".join(f"[brackets.{name}]\nrows = [[0, 1000000, 0.01, 0]]\n" for name in names)
    text = (
        f'[state]\ndirectory = "{tmp_path / "s"}"\n[[accounts]]\nname = "main"\nbalances = {{ USDT = 9e4 }}\n'
        f"{legs}{tables}"
    )
    settings = load(Path(written(tmp_path, text)), {})
    returns = np.random.default_rng(1).normal(0.0, 0.001, (60, count))
    returns[3, 4] = np.nan
    known = KnownMoves(names, returns, np.full(count, 0.01))
    made = iter((1.0, 2.0))
    sizes = []

    async def moves(request: Mapping[str, Any]) -> object:
        sizes.append(len(request["names"]))
        return joint_moves(request["names"], next(made, 3.0), known)

    async def status(_request: Mapping[str, Any]) -> object:
        return state()

    async def holdings(_request: Mapping[str, Any]) -> object:
        return Holdings(settings.accounts, {one.symbol: one for one in settings.tables})

    with serving(tmp_path / "s", {"status": status, "holdings": holdings, "moves": moves}):
        held = find_held(settings, ask_daemon=True)
    assert sizes == [MOST_NAMES, 5] * 2
    assert held.joint is not None
    assert np.array_equal(held.joint.of(names).returns, returns, equal_nan=True)


@pytest.mark.parametrize("names", [None, "BTCUSDT", ["A"] * (MOST_NAMES + 1)])
def test_too_much_at_once_is_refused(names: object) -> None:
    with pytest.raises(ControlError, match="at most 64"):
        joint_moves(names, 1.0, KnownMoves(("A",), np.zeros((2, 1)), np.zeros(1)))


def test_names_that_are_not_watched_are_left_out() -> None:
    told = joint_moves(["B", 7, "A"], 1.0, KnownMoves(("A",), np.array([[0.5], [0.25]]), np.zeros(1)))
    assert told.names == ("A",)
    assert np.frombuffer(told.returns).tolist() == [0.5, 0.25]
