"""``stress``: what large moves do, and the smallest that liquidates anything."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.answering import answering
from tests.cli.test_offline import DESIGN, KEYED, call, written
from tests.cli.test_simulate import HELD, answers, refused, simulated

MOVES = [-0.30, -0.20, -0.10, -0.05, -0.02, -0.01, 0.01, 0.02, 0.05, 0.10, 0.20, 0.30]


def stressed(tmp_path: Path, text: str, *args: str) -> dict[str, Any]:
    result = call("stress", "--config", written(tmp_path, text), *args, "--json")
    assert result.exit_code == 0, result.output
    decoded: dict[str, Any] = json.loads(result.stdout)
    return decoded


def liquidated(document: dict[str, Any]) -> set[str]:
    """Return the wallets that a simulation ends with liquidated."""
    return {
        f"{one['account']}/{one['wallet']}"
        for one in document["after"]["wallets"]
        if one.get("liquidatable") or (one["margin_ratio"] or 0.0) >= 1.0
    }


@pytest.mark.parametrize("kind", HELD)
def test_outcomes_are_those_of_simulated_shocks(tmp_path: Path, kind: str) -> None:
    """All marks together: levels, and what is liquidated."""
    text, marks, _ = HELD[kind]
    together = stressed(tmp_path, text, *marks)["together"]
    assert [one["move"] for one in together["moves"]] == MOVES
    for outcome in together["moves"]:
        document = simulated(tmp_path, text, *marks, "--shock", f"all={outcome['move'] * 100:g}%")
        gone = liquidated(document)
        assert set(outcome["liquidated"]) == gone
        levels = {f"{w['account']}/{w['wallet']}": w["level"] for w in document["after"]["wallets"]}
        told = {name: level for level, names in outcome["levels"].items() for name in names}
        assert told == {name: level for name, level in levels.items() if level != "ok" and name not in gone}


@pytest.mark.parametrize("kind", HELD)
def test_the_first_move_is_exact_from_both_sides(tmp_path: Path, kind: str) -> None:
    """Just before it nothing is liquidated, just beyond it is; down and up, all together."""
    text, marks, _ = HELD[kind]
    together = stressed(tmp_path, text, *marks)["together"]
    found = [one for one in (together["first_down"], together["first_up"]) if one is not None]
    assert found
    for first in found:
        beside = 1e-8 if first["move"] > 0 else -1e-8
        for factor, expected in ((1 - beside, set()), (1 + beside, set(first["wallets"]))):
            move = (1 + first["move"]) * factor - 1
            document = simulated(tmp_path, text, *marks, "--shock", f"all={move:.15f}")
            assert liquidated(document) == expected, (kind, first, factor)


@pytest.mark.parametrize("kind", ["cross", "hedge", "coin-m"])
def test_the_first_move_of_each_symbol_is_exact_from_both_sides(tmp_path: Path, kind: str) -> None:
    """Each symbol alone."""
    text, marks, _ = HELD[kind]
    checked = 0
    for one in stressed(tmp_path, text, *marks)["alone"]:
        for first in (one["first_down"], one["first_up"]):
            if first is None:
                continue
            beside = 1e-8 if first["move"] > 0 else -1e-8
            for factor, expected in ((1 - beside, set()), (1 + beside, set(first["wallets"]))):
                move = (1 + first["move"]) * factor - 1
                shock = f"{one['symbol']}={move * 100:.13f}%"
                assert liquidated(simulated(tmp_path, text, *marks, "--shock", shock)) == expected
            checked += 1
    assert checked


def test_one_symbol_alone_moves_collateral_in_its_coin(tmp_path: Path) -> None:
    """As levels have it: BTCUSDT falls together with the bitcoin that backs it."""
    text, marks, _ = HELD["multi-assets"]
    one = next(one for one in stressed(tmp_path, text, *marks)["alone"] if one["symbol"] == "BTCUSDT")
    first = one["first_down"]
    for factor, expected in ((1 + 1e-8, set()), (1 - 1e-8, {"multi/cross:multi"})):
        move = f"{((1 + first['move']) * factor - 1) * 100:.13f}%"
        document = simulated(tmp_path, text, *marks, "--shock", f"BTCUSDT={move}", "--shock", f"BTC={move}")
        assert liquidated(document) == expected
    shown = call("stress", "--config", written(tmp_path, text), *marks).stdout
    assert "What BTC counts as collateral moves along" in shown


def test_what_is_lost_is_at_most_what_is_in_a_wallet(tmp_path: Path) -> None:
    """Isolated margin caps the loss; a gain is negative."""
    text, marks, _ = HELD["isolated"]
    lost = {one["move"]: one["lost"] for one in stressed(tmp_path, text, *marks)["together"]["moves"]}
    assert lost[-0.01] == {"USDT": pytest.approx(305.0)}
    assert lost[-0.05] == lost[-0.30] == {"USDT": pytest.approx(1050.0)}
    assert lost[0.02] == {"USDT": pytest.approx(-610.0)}


def test_only_wallets_that_hold_a_symbol_are_told_with_it(tmp_path: Path) -> None:
    """A wallet that is in danger anyway is no outcome of another symbol's move."""
    text, _, _ = HELD["cross"]
    marks = ("--mark", "BTCUSDT=59500", "--mark", "ETHUSDT=2850", "--mark", "SOLUSDT=140")
    document = stressed(tmp_path, text, *marks)
    eth = next(one for one in document["alone"] if one["symbol"] == "ETHUSDT")
    assert all("by-hand/isolated:BTCUSDT:LONG" not in str(outcome) for outcome in eth["moves"])
    assert document["together"]["moves"][6]["levels"]  # and it is in danger


def test_what_is_liquidated_already_is_said_and_not_counted_as_first(tmp_path: Path) -> None:
    """The next one is."""
    text, _, _ = HELD["cross"]
    marks = ("--mark", "BTCUSDT=59000", "--mark", "ETHUSDT=2850", "--mark", "SOLUSDT=140")
    document = stressed(tmp_path, text, *marks)
    assert document["liquidated_now"] == ["by-hand/isolated:BTCUSDT:LONG"]
    assert document["together"]["first_down"]["wallets"] == ["by-hand/cross:USDT"]
    shown = call("stress", "--config", written(tmp_path, text), *marks).stdout
    assert "by-hand isolated BTCUSDT LONG: look at the exchange first: the margin is used up" in shown
    assert "All marks together up: no move up to +1000 % liquidates any other." in shown
    only = call("stress", "--config", written(tmp_path, HELD["isolated"][0]), "--mark", "BTCUSDT=59000").stdout
    assert "look at the exchange first" in only
    assert "no move" not in only


def test_a_narrow_terminal_has_whole_figures_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves are left out and names shortened, no figure is cut and no level."""
    monkeypatch.setenv("COLUMNS", "60")
    text, marks, _ = HELD["cross"]
    shown = call("stress", "--config", written(tmp_path, text), *marks).stdout
    assert max(map(len, shown.splitlines())) <= 60
    cut = [line.rindex("\u2026") for line in shown.splitlines() if "\u2026" in line]
    assert max(cut, default=0) < shown.splitlines()[1].index(" -")
    assert "auto-deleveraging;" in shown.split()


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_keeps_the_moves_between_now_and_the_first_liquidation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """What is left out is further away, or says the same once more; where nothing liquidates the largest stays."""
    monkeypatch.setenv("COLUMNS", str(width))
    text, marks, _ = HELD["isolated"]
    shown = call("stress", "--config", written(tmp_path, text), *marks).stdout.splitlines()
    moves = shown[1].removeprefix("wallet").replace(" %", "").split()
    assert "-5" in moves
    assert "-1" in moves
    assert "-10" not in moves
    assert moves[-1] == "+30"
    levels = shown[2].split()[-len(moves) :]
    assert levels[moves.index("-5")] == "liq."
    assert levels[moves.index("-2")] == "notice"  # the last before liquidation
    assert levels[moves.index("-1")] == "notice"


def test_long_names_of_accounts_are_shortened_before_levels_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row still says whose it is."""
    monkeypatch.setenv("COLUMNS", "60")
    names = [f"binance-main-usdm-account-{i}" for i in (1, 2)]
    text = "".join(DESIGN.replace('"by-hand"', f'"{name}"') for name in names)
    out = call("stress", "--config", written(tmp_path, text), "--mark", "BTCUSDT=61000").stdout.splitlines()
    rows = [line for line in out if "…" in line]
    assert [row.split()[-5:] for row in rows] == [["liq.", "notice", "notice", "ok", "ok"]] * 2
    assert len({row.split()[0] for row in rows}) == 2


def test_people_see_tables_the_first_moves_and_what_is_not_modelled(tmp_path: Path) -> None:
    """Wallets by moves, symbols by moves, and a sentence for each way."""
    text, marks, _ = HELD["cross"]
    shown = call("stress", "--config", written(tmp_path, text), *marks).stdout
    lines = shown.splitlines()
    row = next(line for line in lines if line.startswith("by-hand isolated BTCUSDT LONG"))
    assert row.split()[4:8] == ["liq."] * 4
    assert "All marks together down: -3.055 % first liquidates by-hand isolated BTCUSDT LONG." in lines
    assert "All marks together up: no move up to +1000 % liquidates anything." in lines
    assert any(line.startswith("SOLUSDT alone: -") for line in lines)
    assert "Cascades are not modelled" in shown
    gains = next(line for line in lines if line.startswith("gain or loss, USDT")).split()
    assert {"-2,320", "+2,795"} <= set(gains)
    assert "typical days" not in shown


def test_typical_days_are_told_where_the_daemon_knows_them(tmp_path: Path) -> None:
    """A day is sqrt(24) hourly moves of the moved symbol, or of the largest position of the first wallet."""
    text = f'[state]\ndirectory = "{tmp_path / "s"}"\n' + KEYED
    with answering(tmp_path / "s", answers(moves=True)):
        document = stressed(tmp_path, text)
        shown = call("stress", "--config", written(tmp_path, text)).stdout
    first = document["together"]["first_down"]
    assert first["symbol"] == "BTCUSDT"
    assert 1 + first["move"] == pytest.approx(2.718281828 ** -(first["typical_days"] * 0.01 * 24**0.5))
    assert f"that is {first['typical_days']:.1f} typical days of BTCUSDT" in shown


def test_marks_and_accounts_are_asked_for_as_simulate_does(tmp_path: Path) -> None:
    """The same errors."""
    text, _, _ = HELD["isolated"]
    state = f'[state]\ndirectory = "{tmp_path / "s"}"\n'
    for args in ((), ("--mark", "BTCUSDT=1", "--account", "nobody"), ("--mark", "XUSDT=1", "--mark", "BTCUSDT=1")):
        result = call("stress", "--config", written(tmp_path, state + text), *args)
        assert result.exit_code == 2
        assert result.stderr == refused(tmp_path, state + text, *args)


def test_nothing_held_is_said(tmp_path: Path) -> None:
    """An account with money and no position cannot be liquidated."""
    text = '[[accounts]]\nname = "empty"\nbalances = { USDT = 5.0 }\n'
    assert call("stress", "--config", written(tmp_path, text)).stdout == "No positions are held.\n"
    assert stressed(tmp_path, text)["together"]["first_down"] is None
