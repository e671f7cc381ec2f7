"""What commands say of symbols and prices that only a daemon knows, where none answers or it knows little yet."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import ControlError
from tests.cli.answering import answering, serving
from tests.cli.test_offline import DESIGN, KEYED, call, daemon_answers, position, written

COIN = """
[[accounts]]
name = "typed"
balances = { USDT = 2400 }
""" + position("0GUSDT", 20000, 1, "cross")
OTHER = ("--mark", "0GUSDT=1")
NO_DAEMON = "not known here: what is followed by key (main); no daemon is running on "
SIMULATE = ("simulate", *OTHER)
CALLS = {
    "explain": ("explain", "BTCUSDT"),
    "explain, an account yet to be seen": ("explain", "BTCUSD_PERP"),
    "stress, a mark": ("stress", "--mark", "BTCUSDT=60000"),
    "simulate, a mark": ("simulate", "--mark", "BTCUSDT=60000"),
    "simulate, a shock": (*SIMULATE, "--shock", "BTCUSDT=-5%"),
    "simulate, margin": (*SIMULATE, "--add-margin", "BTCUSDT=100"),
    "simulate, a part": (*SIMULATE, "--reduce", "BTCUSDT=25%"),
    "simulate, all of it": (*SIMULATE, "--close", "BTCUSDT"),
    "simulate, leverage": (*SIMULATE, "--leverage", "BTCUSDT=5"),
    "simulate, a ladder": (*SIMULATE, "--ladder-symbol", "BTCUSDT"),
}


def configured(tmp_path: Path, text: str) -> str:
    return written(tmp_path, f'[state]\ndirectory = "{tmp_path / "s"}"\n' + text)


@pytest.mark.parametrize("words", CALLS.values(), ids=CALLS)
def test_what_only_a_daemon_knows_is_no_slip_of_the_pen(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Beside a typed-in symbol an unknown one is one of an account that nobody shows, and why is said."""
    result = call(words[0], *words[1:], "--config", configured(tmp_path, COIN + KEYED))
    assert result.exit_code == 2
    assert NO_DAEMON in result.stderr
    assert "start `position-monitor run`" in result.stderr
    assert "did you mean" not in result.stderr


def test_a_name_in_lower_case_is_still_recognized(tmp_path: Path) -> None:
    """What is held under the same name is meant, whatever else is not known."""
    result = call("explain", "0gusdt", "--config", configured(tmp_path, COIN + KEYED))
    assert 'did you mean "0GUSDT"?' in result.stderr


def test_without_accounts_followed_by_key_a_slip_is_one(tmp_path: Path) -> None:
    """Everything that can be held is known."""
    result = call("explain", "BTCUST", "--config", configured(tmp_path, DESIGN))
    assert 'did you mean "BTCUSDT"?' in result.stderr


def test_an_account_that_the_daemon_has_yet_to_see_is_named(tmp_path: Path) -> None:
    """A symbol that is not held may be one of it."""
    text = KEYED + KEYED.replace("main", "coins").replace("MAIN", "COIN")
    with answering(tmp_path / "s", daemon_answers()):
        result = call("explain", "BTCUSD_PERP", "--config", configured(tmp_path, text))
    assert "what is followed by key (coins): the daemon has yet to see it" in result.stderr


async def _fails(_request: Mapping[str, Any]) -> object:
    raise ControlError("nothing came")


DAEMONS: dict[str, tuple[Mapping[str, Any], str]] = {
    "none": ({}, "but no daemon is running on"),
    "one that does not answer": ({"status": _fails}, "but nothing came; `position-monitor doctor` looks into it"),
}


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize("command", ["simulate", "stress"])
def test_a_price_that_is_missing_names_the_daemon_that_is_silent(
    tmp_path: Path, command: str, daemon: str
) -> None:
    """Not the price alone: a daemon that should know it does not answer."""
    handlers, words = DAEMONS[daemon]
    with serving(tmp_path / "s", handlers) if handlers else nullcontext():
        result = call(command, "--config", configured(tmp_path, COIN + KEYED))
    assert result.exit_code == 2
    assert "no price of 0GUSDT" in result.stderr
    assert words in result.stderr
