"""A mistake in a part of the file that is not needed keeps nobody from what it has nothing to do with."""

from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import COMPUTED, RECORDED, Settings, load_partly, load_text
from monitor.config.partly import may_hide, partly_of
from monitor.errors import ConfigError

TEXT = """
[state]
directory = "/kept/here"
[history]
path = "/kept/there.db"
[display]
time_zone = "Europe/Rome"
[[accounts]]
name = "first"
balances = { USDT = 5000.0 }
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "cross"
[[accounts]]
name = "second"
api_key = { env = "KEY" }
api_secret = { env = "SECRET" }
[alerts.accounts.first.warning]
room = 0.3
[[channels]]
name = "phone"
url = { env = "PHONE" }
[[channels]]
name = "mail"
url = { env = "MAIL" }
"""
ELSEWHERE = {
    "web": ("[[channels]]", "[web]\nenabeld = true\n[[channels]]"),
    "display": ('"Europe/Rome"', '"Europe/Atlantis"'),
    "channel": ('{ env = "MAIL" }', '"https://literal"'),
    "key of a channel": ('{ env = "MAIL" }', '{ envv = "MAIL" }\nmin_levl = "warning"'),
}
COMPUTING = {
    "position": ("quantity = 0.5", "quantity = -0.5"),
    "rule": ("room = 0.3", "rom = 0.3"),
    "misspelled": ("[alerts.accounts", "[alrts.accounts"),
    "unknown": ("[[channels]]", "[chanels]\nx = 1\n[[channels]]"),
    "bracket": ("[display]", "[brackets.BTCUSDT]\nrows = [[0, 5, 0.004]]\n[display]"),
}


def partly(tmp_path: Path, text: str, needed: Collection[str]) -> tuple[Settings, ConfigError | None]:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_partly(path, {}, needed)


def spoiled(at: str) -> str:
    old, new = (ELSEWHERE | COMPUTING)[at]
    assert old in TEXT
    return TEXT.replace(old, new, 1)


@pytest.mark.parametrize("needed", [COMPUTED, RECORDED, {"state"}])
def test_a_file_without_mistakes_is_loaded_as_ever(tmp_path: Path, needed: Collection[str]) -> None:
    """Whatever is needed of it."""
    settings, mistakes = partly(tmp_path, TEXT, needed)
    assert settings == load_text(TEXT, str(tmp_path / "config.toml"))
    assert mistakes is None


@pytest.mark.parametrize("at", ELSEWHERE)
def test_figures_depend_on_no_mistake_elsewhere(tmp_path: Path, at: str) -> None:
    """Accounts and rules are those of the file, and what is wrong is handed back to be said."""
    settings, mistakes = partly(tmp_path, spoiled(at), COMPUTED)
    right = load_text(TEXT, "test")
    assert (settings.accounts, settings.keyed, settings.tables) == (right.accounts, right.keyed, right.tables)
    assert (settings.engine.rules, settings.engine.overrides) == (right.engine.rules, right.engine.overrides)
    assert mistakes is not None
    assert mistakes.problems


@pytest.mark.parametrize("at", COMPUTING)
def test_what_figures_come_of_has_to_be_right(tmp_path: Path, at: str) -> None:
    """A mistake there, or a section that is misspelled, is refused with all mistakes."""
    with pytest.raises(ConfigError):
        partly(tmp_path, spoiled(at), COMPUTED)


@pytest.mark.parametrize("at", [*ELSEWHERE, *COMPUTING])
def test_what_is_recorded_is_found_whatever_else_is_wrong(tmp_path: Path, at: str) -> None:
    """State and history lie where the file says; what is left of it counts as well."""
    settings, mistakes = partly(tmp_path, spoiled(at), RECORDED)
    assert mistakes is not None
    assert settings.state_directory({}) == Path("/kept/here")
    assert settings.history_path({}) == Path("/kept/there.db")
    assert "phone" in {one.name for one in settings.channels}


def test_one_account_with_a_mistake_leaves_the_others(tmp_path: Path) -> None:
    """And none is made up where all are wrong."""
    settings, _ = partly(tmp_path, spoiled("position"), RECORDED)
    assert (settings.accounts, [one.name for one in settings.keyed]) == ((), ["second"])
    settings, _ = partly(tmp_path, spoiled("position").replace('{ env = "KEY" }', '"literal"'), RECORDED)
    assert (settings.accounts, settings.keyed, settings.engine.accounts) == ((), (), ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("directory =", "directroy ="), ('"/kept/here"', "7"), ("[state]", "[sate]"), ("[history]", "[histroy]"),
        ("path =", "pth ="), ('"/kept/here"', "/kept/here"), ('"/kept/there.db"', "/kept/there.db"),
        ("[state]", "[state"), ("[history]", "[history"), ("[state]", "[data]"), ("[state]", "[storage]"),
        ("[state]", "[display]"), ("[history]", "[database]"), ("[history]", "[web]"), ("[state]", ""),
        ("[state]", "[web.x]"), ("[state]\ndirectory", "[data]\ndir"),
    ],
)  # fmt: skip
def test_no_other_database_is_taken_for_the_one_that_is_meant(tmp_path: Path, old: str, new: str) -> None:
    """Where the file says where it is, and not in words that can be understood, it is refused."""
    with pytest.raises(ConfigError):
        partly(tmp_path, TEXT.replace(old, new, 1), RECORDED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("directory =", '"directory" ='), ("[state]", '["state"]'), ("[history]", '["history"]'),
        ("\n[state]", '\nnote = """\n[state]\ndirectory = "/elsewhere"\n"""\n[state]'),
        ("\n[state]", "\nnote = '''\n[history]\npath = '/elsewhere'\n'''\n[state]"),
        ("[history]", '[state]\ndirectory = "/elsewhere"\n[history]'),
        ("[state]", '[history]\npath = "/elsewhere"\n[state]'),
    ],
)  # fmt: skip
def test_a_text_that_is_no_toml_and_can_be_read_in_two_ways_is_refused(old: str, new: str) -> None:
    """A quoted key, lines within a string, a second answer: the first look at it finds another database."""
    assert old in TEXT
    broken = TEXT + "\n[web]\nenabled = = true\n"
    assert partly_of(broken, "test", RECORDED)[0].state.directory == "/kept/here"
    with pytest.raises(ConfigError):
        partly_of(broken.replace(old, new, 1), "test", RECORDED)


@pytest.mark.parametrize(
    ("old", "new", "hides"),
    [
        ('"Europe/Rome"', '"Europe/Atlantis"', True), ("[display]", "[dispaly]", True),
        ("[display]", "[display", True),
        ("[[channels]]", "[web]\nenabeld = true\n[[channels]]", False), ("room = 0.3", "rom = 0.3", False),
    ],
)  # fmt: skip
def test_a_section_may_say_more_than_was_read(old: str, new: str, *, hides: bool) -> None:
    """Where it holds the mistake, or nobody knows whose that is; not where it is another section's."""
    _, mistakes = partly_of(TEXT.replace(old, new, 1), "test", RECORDED)
    assert mistakes is not None
    assert may_hide("display", mistakes) is hides


def test_a_text_that_is_no_toml_says_where_databases_are(tmp_path: Path) -> None:
    """What stands there in lines of their own is read; figures are not made of it."""
    text = f"{TEXT}\n[web]\nenabled = = true\n"
    settings, mistakes = partly(tmp_path, text, RECORDED)
    assert mistakes is not None
    assert settings.history_path({}) == Path("/kept/there.db")
    assert settings.display.time_zone == "Europe/Rome"
    assert [one.name for one in settings.channels] == ["phone", "mail"]
    assert settings.accounts == ()
    with pytest.raises(ConfigError):
        partly(tmp_path, text, COMPUTED)
    usual, _ = partly(tmp_path, "= 1\n# directory = '/elsewhere'\n", RECORDED)
    assert usual.state_directory({"STATE_DIRECTORY": "/usual"}) == Path("/usual")


@given(at=st.integers(0, len(TEXT)), length=st.integers(0, 40), other=st.text(max_size=10))
def test_nothing_but_settings_or_mistakes_comes_of_any_text(at: int, length: int, other: str) -> None:
    """However a file was spoiled."""
    for needed in (COMPUTED, RECORDED):
        try:
            settings, mistakes = partly_of(TEXT[:at] + other + TEXT[at + length :], "test", needed)
        except ConfigError:
            continue
        assert mistakes is not None or settings.engine.accounts
