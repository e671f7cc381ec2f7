"""What figures come of may stand where nobody looks for it: below another header or an unknown one."""

from typing import Final

import pytest

from monitor.config import COMPUTED, RECORDED
from monitor.config.astray import ASIDE, is_figure_astray, is_place_astray
from monitor.config.load import load_text
from monitor.config.partly import partly_of
from monitor.config.schema import DocumentSection
from monitor.errors import ConfigError

TEXT: Final = """
[exchange]
environment = "testnet"
[[accounts]]
name = "by-hand"
balances = { USDT = 5000.0 }
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "isolated"
margin = 1550.0
[brackets.BTCUSDT]
rows = [[0, 1000000000, 0.02, 0]]
[alerts.warning]
room = 0.4
dwell = "1h"
[advice]
slippage = 0.01
[checkup]
most_exposure = 1.0
[state]
directory = "/kept/here"
"""
HEADERS: Final = {
    "[exchange]": ("[binance]", "[exchanges]", "[market]"),
    "[[accounts]]": ("[[account]]", "[[wallets]]", "[[portfolio]]", "[[my-accounts]]"),
    "[[accounts.positions]]": (
        "[[positions]]", "[[position]]", "[[account.positions]]", "[[accounts.position]]",
        "[[channels.positions]]",
    ),
    "[brackets.BTCUSDT]": ("[tiers.BTCUSDT]", "[bracket.BTCUSDT]", "[maintenance.BTCUSDT]", "[history.BTCUSDT]"),
    "[alerts.warning]": tuple(
        f"[{name}]"
        for name in (
            "warning", "warn", "levels.warning", "level.warning", "thresholds", "thresholds.warning",
            "rules.warning", "conditions", "limits.warning", "notifications.warning", "notifications",
            "alerts_warning", "alarm", "defaults.warning", "settings", "position-monitor", "display", "web",
            "log", "summary", "history", "heartbeat", "web.names", "display.time_zone", "heartbeat.url",
            "[channels]",
        )
    ),
    "[advice]": ("[fees]", "[costs]", "[display]", "[web]"),
    "[checkup]": ("[habits]", "[checks]", "[summary]", "[log]"),
    "[state]": ("[data]", "[storage]", "[states]", "[log]", "[history]"),
}  # fmt: skip
MISPLACED: Final = [(old, new) for old, others in HEADERS.items() for new in others]


def test_every_section_is_needed_or_known_to_be_needless() -> None:
    """Of a new one somebody has to say which: unknown, it would be needless without a look at its keys."""
    assert set(ASIDE) | COMPUTED == set(DocumentSection.model_fields)
    assert not set(ASIDE) & COMPUTED


@pytest.mark.parametrize(("old", "new"), MISPLACED, ids=lambda header: header)
def test_no_figure_is_made_without_what_stands_under_another_header(old: str, new: str) -> None:
    """The default would stand in for it, and the figure would be another one, told as right."""
    assert TEXT.count(old) == 1
    assert load_text(TEXT, "test").accounts
    with pytest.raises(ConfigError):
        partly_of(TEXT.replace(old, new), "test", COMPUTED)


@pytest.mark.parametrize(
    "line", ["room = 0.4", "[display]\nrom = 0.4", "[web]\nslipage = 0.1", "directory = '/x'"]
)
def test_no_figure_is_made_without_a_key_that_stands_elsewhere(line: str) -> None:
    """Misspelled or not, at the top or in a section that has no such key."""
    with pytest.raises(ConfigError):
        partly_of(f"{line}\n{TEXT}", "test", COMPUTED)


@pytest.mark.parametrize(
    "lines",
    [
        "[web]\nenabeld = true", "[web]\nlisten = 3\ntokn = { env = 'TOKEN' }", "[display]\ntimezone = 'UTC'",
        "[history]\npathe = '/x'\nkeep_rwa = '1d'", "[heartbeat]\nurl = { envv = 'PING' }\nintervall = '1m'",
        "[[channels]]\nname = 'a'\nurl = { fil = '/x' }\nmin_levl = 'warning'", "[log]\nlevle = 'info'",
        "[summary]\nenabld = true", "[channels]\nname = 'a'", "display = 3",
    ],
)  # fmt: skip
def test_a_misspelled_key_of_a_needless_section_is_its_own(lines: str) -> None:
    """Figures are the same with it."""
    settings, mistakes = partly_of(f"{lines}\n{TEXT}", "test", COMPUTED)
    right = load_text(TEXT, "test")
    assert mistakes is not None
    assert (settings.accounts, settings.own_tables, settings.state) == (
        right.accounts,
        right.own_tables,
        right.state,
    )
    assert settings.engine.rules == right.engine.rules
    assert (settings.engine.advice, settings.engine.checkup) == (right.engine.advice, right.engine.checkup)


def test_more_like_a_key_that_is_needed_is_astray() -> None:
    """Even where a key of its own section is not unlike it."""
    assert is_figure_astray({"channels": [{"escalate_after": "5m"}]})
    assert is_figure_astray({"channels": [{"escalat_after": "5m"}]})
    assert not is_figure_astray({"channels": [{"escalaton": True}]})
    assert not is_figure_astray({"display": {"time_zon": 1}, "channels": [{"nam": 1}]})


def test_a_key_of_thousands_of_parts_is_looked_through() -> None:
    """The parser takes it, so nothing behind it may fail on it."""
    deep = ".".join(["env"] * 5000)
    settings, mistakes = partly_of(f"web.token.{deep} = 1\n{TEXT}", "test", COMPUTED)
    assert settings.accounts
    assert mistakes is not None
    with pytest.raises(ConfigError):
        partly_of(f"web.token.{deep}.room = 1\n{TEXT}", "test", COMPUTED)


def test_a_place_that_is_written_cannot_be_astray() -> None:
    """Whatever nobody knows beside it; without it, an unknown section may be what names it."""
    unknown = {"thresholds": {"room": 1}, "directory": "/x"}
    assert not is_place_astray({**unknown, "state": {"directory": "/kept"}}, {"state"})
    assert is_place_astray({**unknown, "state": {"directory": "/kept"}}, RECORDED)
    assert is_place_astray({"thresholds": {"room": 1}}, {"state"})
    assert is_place_astray({"web": {"directory": "/x"}}, {"state"})
    assert not is_place_astray({"chanels": [{"nam": 1}], "web": {"enabeld": True}}, RECORDED)
    assert not is_place_astray(unknown, ())
