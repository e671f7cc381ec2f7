"""How mistakes are said."""

import datetime as dt

import pytest

from monitor.config.problems import (
    Problems,
    key_path,
    listed,
    named,
    nearest,
    shown,
    shown_address,
    sound_parts,
    without_secrets,
)
from monitor.config.schema import DocumentSection, PositionSection
from monitor.errors import ConfigError


@pytest.mark.parametrize(
    ("loc", "path"),
    [
        ((), ""),
        (("accounts", 0, "positions", 1, "quantity"), "accounts[0].positions[1].quantity"),
        (("brackets", "龙虾USDT"), 'brackets."龙虾USDT"'),
        (("a.b", "c"), '"a.b".c'),
        (("x" * 41,), '"' + "x" * 37 + '..."'),
        (("a\nb",), '"a\\nb"'),
        (("accounts", 1, "1234567890abcdefghij", "x"), "accounts[1].(a key that may be a secret, not shown).x"),
    ],
)
def test_a_place_is_written_as_in_the_file(loc: tuple[str | int, ...], path: str) -> None:
    """Lists by number, unusual keys in quotes, long ones cut, always one line."""
    assert key_path(loc) == path


TOKEN = "7123456789:AAEkq3vJ_x-Z0"
BOOK = {
    "accounts": [
        {"name": "main"},
        {"name": "by-hand", "positions": [{"symbol": "BTCUSDT"}, {"symbol": "x" * 41}, {"symbol": 3}, 4]},
        {"name": "a\nb", "positions": [{"symbol": "mailto://me:pass@host"}]},
        {"name": "me:pass@host", "positions": [{"symbol": TOKEN}]},
    ],
    "log": {"name": "x"},
}


@pytest.mark.parametrize(
    ("loc", "about"),
    [
        (("accounts", 1, "positions", 0, "quantity"), "by-hand BTCUSDT"),
        (("accounts", 1, "positions", 0), "by-hand BTCUSDT"),
        (("accounts", 1, "positions", 0, "symbol"), "by-hand"),
        (("accounts", 0, "name"), ""),
        (("accounts", 1, "positions", 1, "side"), "by-hand"),
        (("accounts", 1, "positions", 2, "side"), "by-hand"),
        (("accounts", 1, "positions", 3), "by-hand"),
        (("accounts", 1, "positions", 9, "side"), "by-hand"),
        (("accounts", 2, "positions", 0, "side"), ""),
        (("accounts", 3, "positions", 0, "side"), ""),
        (("log", "level"), ""),
        (("accounts",), ""),
    ],
)
def test_a_place_in_a_list_has_its_name_beside_it(loc: tuple[str | int, ...], about: str) -> None:
    """Nobody counts positions from 0; what is too long, an address or the place itself is left out."""
    assert named(BOOK, loc) == about
    problems = Problems(BOOK, "test.toml")
    problems.add(loc, "2", "3")
    with pytest.raises(ConfigError) as caught:
        problems.raise_any()
    (problem,) = caught.value.problems
    assert (problem.path, problem.about) == (key_path(loc), about)
    assert str(problem) == f"{key_path(loc)}{f' ({about})' if about else ''}: found 2; allowed: 3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (-1, "-1"),
        (0.5, "0.5"),
        (float("inf"), "inf"),
        (10**400, "a number with very many digits"),
        ("half", '"half"'),
        ("x" * 50, '"' + "x" * 37 + '..."'),
        ('a"\x1b', '"a\\"\\u001b"'),
        ("\ud800", '"\\ud800"'),
        ("mailto://me:pass@host", "text with an address in it (not shown)"),
        ("me:pass@gmail.com", "text with an address in it (not shown)"),
        (TOKEN, "text that may be a secret (not shown)"),
        (f"bot {TOKEN}, and more", "text that may be a secret (not shown)"),
        ("2f1c7a6e-3b0e-4c1d-9d1e-0a1b2c3d4e5f", "text that may be a secret (not shown)"),
        ("1000000BABYDOGEUSDT", '"1000000BABYDOGEUSDT"'),
        ("var/lib/position-monitor/2/history.db", '"var/lib/position-monitor/2/history.db"'),
        ("no digits in these many words", '"no digits in these many words"'),
        ([1, 2], "a list of 2"),
        ({"a": 1}, "a table"),
        (dt.date(2026, 1, 1), "a date or a time"),
        (None, "nothing"),
    ],
)
def test_what_was_found_is_short_and_safe(value: object, text: str) -> None:
    """Scalars are shown, shortened and on one line; the inside of tables and lists is not."""
    assert shown(value) == text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("wss://host/market", '"wss://host/market"'),
        ("https://me:pass@host", "an address with a user or a query (not shown)"),
        ("https://host/?token=1", "an address with a user or a query (not shown)"),
        ("wss://host:443/fapi/v1/ws/", '"wss://host:443/fapi/v1/ws/"'),
        ("http://host", '"http://host"'),
        ("http://host/abc123def", '"http://host/..."'),
        (f"http://host/market/{TOKEN}", '"http://host/..."'),
        (f"http://{TOKEN}.example", "an address that may hold a secret (not shown)"),
        (TOKEN, "text that may be a secret (not shown)"),
        ("host", '"host"'),
    ],
)
def test_an_address_of_the_exchange_is_shown_without_secrets(address: str, text: str) -> None:
    """Only addresses with a place for a secret are held back."""
    assert shown_address(address) == text


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("cannot declare ('channels',) twice", "cannot declare ('channels',) twice"),
        (f"cannot declare ('{TOKEN}',) twice", "cannot declare ('(not shown)',) twice"),
        ("cannot declare ('a', 'tgram://b/1') twice", "cannot declare ('a', '(not shown)') twice"),
    ],
)
def test_a_parser_repeats_no_secret(sentence: str, said: str) -> None:
    """It quotes keys of the file, and somebody may have pasted a token there."""
    assert without_secrets(sentence) == said


def test_the_nearest_option() -> None:
    """Capitals do not matter; nothing near is nothing said."""
    assert nearest("Quantty", ["quantity", "side"]) == 'did you mean "quantity"?'
    assert nearest("xyz", ["quantity", "side"]) == ""


def test_long_lists_are_cut() -> None:
    """A reader is told how many more there are; an empty list says so."""
    assert listed(["a", "b"]) == '"a", "b"'
    assert listed([str(i) for i in range(14)]).endswith('"11" and 2 more')
    assert listed([]) == "none"


def test_the_sound_parts_of_a_table() -> None:
    """Keys that are fine stay to be judged with others; what is no table has none."""
    raw = {"symbol": "BTCUSDT", "quantity": -1, "unknown": 1}
    assert sound_parts(PositionSection, raw) == {"symbol": "BTCUSDT"}
    assert sound_parts(PositionSection, 3) == {}
    assert sound_parts(DocumentSection, {"log": {}}) == {"log": {}}


def test_problems_come_in_the_order_of_the_file() -> None:
    """Places that are not there come last in their table, and of one place in the order of finding."""
    problems = Problems({"b": [{"x": 1}, {"y": 1}], "a": {"z": 1}}, "test.toml")
    problems.raise_any()
    places: list[tuple[str | int, ...]] = [
        ("a", "z", "deeper"),
        ("new",),
        ("b", 1, "y"),
        ("b", 0, "missing"),
        ("b", 0, "x"),
        ("b", 7),
        ("a",),
    ]
    for place in places:
        problems.add(place, "this", "that")
    problems.add(("b", 0, "x"), "second", "that", "fix")
    with pytest.raises(ConfigError) as caught:
        problems.raise_any()
    assert [f"{p.path} {p.found}" for p in caught.value.problems] == [
        "b[7] this",
        "b[0].x this",
        "b[0].x second",
        "b[0].missing this",
        "b[1].y this",
        "a this",
        "a.z.deeper this",
        "new this",
    ]
