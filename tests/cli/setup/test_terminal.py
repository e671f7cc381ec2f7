"""``init`` as a first user meets it: a real process on a real terminal."""

import os
import stat
import tomllib
from pathlib import Path

import pytest

from tests.cli.setup.service import taking
from tests.cli.setup.terminal import Terminal

HUSH = "hush-not-told"
KEY, SECRET = f"k{'e' * 62}y", f"s{'t' * 62}t"
TYPED = [
    ("testnet or live", "\n"), ("key or typed", "typed\n"), ("Symbol", "btcusdt\n"), ("LONG or SHORT", "short\n"),
    ("Quantity", "0.5\n"), ("Entry price", "62,000\n"), ("isolated or cross", "\n"), ("Margin", "1550\n"),
    ("Address (hidden)", "json://127.0.0.1:9/hush-not-told\n"), ("Ping address (hidden)", "\n"),
    ("yes or no", "yes\n"), ("Time zone", "UTC\n"), ("Write these files?", "\n"),
]  # fmt: skip
KEYED = [
    ("testnet or live", "\n"), ("key or typed", "\n"), ("API key (hidden)", f"{KEY}\n"),
    ("API secret (hidden)", f"{SECRET}\n"), ("usdm or coinm", "\n"), ("Address (hidden)", "\n"),
]  # fmt: skip

COINS = [
    ("Contracts of", "20,000\n"), ("Entry price", "62,000\n"), ("isolated or cross", "cross\n"),
    ("Balance of the cross wallet, in BTC", "5\n"), ("Tier 1", "5 0.4%\n"),
]  # fmt: skip


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Of a user of whom nothing is there yet."""
    (tmp_path / "home").mkdir()
    return {
        "HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip


def test_a_conversation_ends_in_a_configuration_that_works(tmp_path: Path, environ: dict[str, str]) -> None:
    """Wrong answers are asked again, secrets are not shown, the message arrives, the next command is named."""
    with taking() as (url, sent), Terminal(["init"], environ) as terminal:
        for question, keys in TYPED[:2]:
            terminal.answer(question, keys)
        terminal.answer("Symbol", "btcusdx\n")
        terminal.wait_for('did you mean "BTCUSDT"?')
        for question, keys in TYPED[2:4]:
            terminal.answer(question, keys)
        terminal.answer("Quantity", "some\n")
        terminal.wait_for("a number above 0")
        for question, keys in TYPED[4:8]:
            terminal.answer(question, keys)
        terminal.answer("Address (hidden)", f"{HUSH}\n")
        terminal.wait_for("an address that Apprise refuses")
        terminal.answer("Address (hidden)", f"{url}\n")
        arguments = Path(f"/proc/{terminal.pid}/cmdline")
        assert HUSH not in (arguments.read_text() if arguments.exists() else "")
        for question, keys in TYPED[9:]:
            terminal.answer(question, keys)
        assert terminal.end() == 0, terminal.shown
    assert HUSH not in terminal.shown
    assert len(sent) == 1
    assert "  position-monitor run\n" in terminal.shown
    home = tmp_path / "home/.config/position-monitor"
    position = tomllib.loads((home / "config.toml").read_text())["accounts"][0]["positions"][0]
    assert (position["symbol"], position["side"], position["quantity"]) == ("BTCUSDT", "SHORT", 0.5)
    assert (home / "secrets/channel-url").read_text() == f"{url}\n"
    assert stat.S_IMODE((home / "secrets/channel-url").stat().st_mode) == 0o600
    too_wide = [line for line in terminal.shown.split("\n") if len(line) > 80 and str(home) not in line]
    assert not too_wide


def test_coins_are_asked_for_in_their_own_words(tmp_path: Path, environ: dict[str, str]) -> None:
    """Contracts and the coin in place of coins and dollars, and the tiers, as far as the position needs them."""
    words = ["init", "--no-test", "--environment", "testnet", "--typed", "--no-channel", "--time-zone", "UTC"]
    with Terminal(words, environ) as terminal:
        terminal.answer("Symbol", "btcusd\n")
        terminal.wait_for('"BTCUSD_PERP"?')
        terminal.answer("Symbol", "btcusd_perp\n")
        terminal.answer("LONG or SHORT", "\n")
        terminal.answer("Contracts of 100 US dollars", "0.5\n")
        terminal.wait_for("a whole number of")
        for question, keys in COINS:
            terminal.answer(question, keys)
        terminal.answer("Tier 2", "\n")
        terminal.wait_for("the tier of the position is missing")
        terminal.answer("Tier 2", "50=0.5 %\n")
        terminal.answer("Tier 3", "\n")
        for question, keys in [("Ping address", "\n"), ("yes or no", "\n"), ("Write these", "\n")]:
            terminal.answer(question, keys)
        assert terminal.end() == 0, terminal.shown
    document = tomllib.loads((tmp_path / "home/.config/position-monitor/config.toml").read_text())
    assert document["accounts"][0]["market"] == "coinm"
    assert document["accounts"][0]["balances"] == {"BTC": 5.0}
    assert document["brackets"]["BTCUSD_PERP"]["rows"] == [[0, 5, 0.004, 0], [5, 50, 0.005, 0.005]]


@pytest.mark.parametrize("more", [True, False])
def test_tiers_that_end_before_liquidation_are_asked_for_once_more(
    tmp_path: Path, environ: dict[str, str], *, more: bool
) -> None:
    """One tier further is what is needed; where there is none, Enter again is taken, and a warning told."""
    words = ["init", "--no-test", "--environment", "testnet", "--typed", "--no-channel", "--time-zone", "UTC"]
    given = ["--symbol", "BTCUSD_PERP", "--side", "LONG", "--quantity", "200", "--entry", "62000"]
    rest = ["--margin-mode", "isolated", "--margin", "0.05"]
    with Terminal([*words, *given, *rest], environ) as terminal:
        terminal.answer("Tier 1", "0.33 0.4%\n")
        terminal.answer("Tier 2", "\n")
        terminal.wait_for("it is worth 0.3711 BTC at 53894.4")
        terminal.answer("Tier 2", "1 0.5%\n" if more else "\n")
        for question, keys in [("Tier 3", "\n")] * more + [
            ("Ping address", "\n"), ("yes or no", "\n"), ("Write these", "\n"),
        ]:  # fmt: skip
            terminal.answer(question, keys)
        assert terminal.end() == 0, terminal.shown
    assert ("Warning: brackets.BTCUSD_PERP.rows" in terminal.shown) is not more
    document = tomllib.loads((tmp_path / "home/.config/position-monitor/config.toml").read_text())
    assert len(document["brackets"]["BTCUSD_PERP"]["rows"]) == 1 + more


def test_a_key_is_asked_for_hidden(tmp_path: Path, environ: dict[str, str]) -> None:
    """What cannot be one is asked for again; nothing of it is shown, and each is in a file of its own."""
    with Terminal(["init", "--no-test", "--time-zone", "UTC"], environ) as terminal:
        for question, keys in KEYED[:2]:
            terminal.answer(question, keys)
        terminal.answer("API key (hidden)", f"{HUSH} {HUSH}\n")
        terminal.wait_for("a key is letters and digits in one line")
        terminal.answer("API key (hidden)", f"{KEY}\n")
        terminal.answer("API secret (hidden)", f"{tmp_path}/{HUSH}\n")
        terminal.wait_for("this file cannot be read")
        for question, keys in [*KEYED[3:], ("Ping address", "\n"), ("yes or no", "\n"), ("Write these", "\n")]:
            terminal.answer(question, keys)
        assert terminal.end() == 0, terminal.shown
    assert not any(secret in terminal.shown for secret in (HUSH, KEY, SECRET))
    secrets = tmp_path / "home/.config/position-monitor/secrets"
    assert {one.name: one.read_text().strip() for one in secrets.iterdir()} == {
        "api-key": KEY, "api-secret": SECRET
    }  # fmt: skip


@pytest.mark.parametrize("place", range(len(TYPED)))
def test_ctrl_c_at_any_question_leaves_nothing(tmp_path: Path, environ: dict[str, str], place: int) -> None:
    """Exit code 1, one sentence, no traceback, no file and no directory."""
    _stop_at(place, TYPED, "\x03", environ)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("place", [2, 3, 5])
def test_ctrl_c_at_a_hidden_question_leaves_nothing(tmp_path: Path, environ: dict[str, str], place: int) -> None:
    """The same where the terminal shows nothing of what is typed."""
    _stop_at(place, KEYED, "\x03", environ)
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("place", [0, 2, 8])
def test_the_end_of_input_leaves_nothing(tmp_path: Path, environ: dict[str, str], place: int) -> None:
    """Ctrl-D, at a question and at a hidden one."""
    _stop_at(place, TYPED, "\x04", environ)
    assert list((tmp_path / "home").iterdir()) == []


def test_no_is_taken_for_an_answer(tmp_path: Path, environ: dict[str, str]) -> None:
    """Nothing is written unless it is wanted in the end."""
    _stop_at(len(TYPED) - 1, TYPED, "no\n", environ)
    assert list((tmp_path / "home").iterdir()) == []


def _stop_at(place: int, questions: list[tuple[str, str]], keys: str, environ: dict[str, str]) -> None:
    with Terminal(["init"], environ) as terminal:
        for question, answer in questions[:place]:
            terminal.answer(question, answer)
        terminal.answer(questions[place][0], keys)
        assert terminal.end() == 1, terminal.shown
    assert "nothing was written" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert not any(secret in terminal.shown for secret in (HUSH, KEY, SECRET))
