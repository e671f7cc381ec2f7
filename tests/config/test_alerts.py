"""[alerts]: changes of the default rules."""

import msgspec
import pytest

from monitor.config import Settings, load_text
from monitor.core.model import Level
from monitor.core.settings import DEFAULT_LEVELS, AlertRules, LevelRule
from monitor.errors import ConfigError

ACCOUNT = """
[[accounts]]
name = "main"
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000
margin_mode = "isolated"
margin = 1550
"""


def loaded(alerts: str) -> Settings:
    return load_text(ACCOUNT + alerts, "test.toml")


def paths(alerts: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(alerts)
    return [problem.path for problem in caught.value.problems]


def rule(rules: AlertRules, level: Level) -> LevelRule:
    return rules.levels[level - 1]


def test_without_a_word_the_defaults_hold() -> None:
    """No [alerts], or an empty one, changes nothing."""
    assert loaded("").engine.rules == AlertRules()
    assert loaded("[alerts]\n[alerts.warning]\n").engine.rules == AlertRules()


def test_what_is_said_replaces_only_that() -> None:
    """Every condition, companion and duration can be set; the rest of the level stays."""
    rules = loaded(
        "[alerts]\ndead_band = 0.1\n[alerts.warning]\nroom = 0.3\nmoves_left = 3\nmoves_left_room = 0.7\n"
        'margin_ratio = 0.5\nmargin_ratio_room = 1\ndistance = 0.05\njoint_distance = 0.04\nreminder = "1h"\n'
        'dwell = "0s"\n[alerts.critical]\ndistance = 0.02\n'
    ).engine.rules
    assert rules.dead_band == 0.1
    assert rule(rules, Level.WARNING) == LevelRule(
        Level.WARNING,
        room=0.3,
        moves_left=3.0,
        moves_left_room=0.7,
        margin_ratio=0.5,
        margin_ratio_room=1.0,
        distance=0.05,
        joint_distance=0.04,
        reminder_s=3600.0,
        dwell_s=0.0,
    )
    assert rule(rules, Level.CRITICAL) == msgspec.structs.replace(DEFAULT_LEVELS[2], distance=0.02)
    assert rule(rules, Level.EMERGENCY) == DEFAULT_LEVELS[3]


@pytest.mark.parametrize("off", ["false", '"none"'])
def test_conditions_and_reminders_can_be_switched_off(off: str) -> None:
    """False switches a condition off; a reminder also takes the word none."""
    rules = loaded(f"[alerts.critical]\nroom = false\nmoves_left = false\nreminder = {off}\n").engine.rules
    critical = rule(rules, Level.CRITICAL)
    assert (critical.room, critical.moves_left, critical.reminder_s) == (None, None, None)
    assert critical.margin_ratio == 0.80


def test_overrides_are_complete_rules_over_the_global_ones() -> None:
    """An account's and a symbol's rules start from [alerts], not from the defaults."""
    settings = loaded(
        "[alerts.notice]\nroom = 0.55\n[alerts.accounts.main]\ndead_band = 0.5\n"
        "[alerts.accounts.main.warning]\nroom = 0.4\n[alerts.symbols.BTCUSDT.notice]\nroom = false\n"
    )
    account, symbol = settings.engine.overrides
    assert (account.account, account.symbol, symbol.account, symbol.symbol) == ("main", None, None, "BTCUSDT")
    assert account.rules.dead_band == 0.5
    assert rule(account.rules, Level.NOTICE).room == 0.55
    assert rule(account.rules, Level.WARNING).room == 0.4
    assert rule(symbol.rules, Level.NOTICE).room is None
    assert settings.engine.rules.dead_band == symbol.rules.dead_band == 0.25


@pytest.mark.parametrize(
    ("alerts", "path"),
    [
        ("[alerts.critical]\nroom = 0.2\n", "alerts.critical.room"),
        ("[alerts.warning]\nmoves_left = 0.9\n", "alerts.warning.moves_left"),
        ("[alerts.emergency]\nmargin_ratio = 0.7\n", "alerts.emergency.margin_ratio"),
        ("[alerts.emergency]\nmargin_ratio = 0.8\n", "alerts.emergency.margin_ratio"),
        ("[alerts.notice]\ndistance = 0.01\n[alerts.emergency]\ndistance = 0.02\n", "alerts.emergency.distance"),
        (
            "[alerts.notice]\njoint_distance = 0.01\n[alerts.warning]\njoint_distance = 0.01\n",
            "alerts.warning.joint_distance",
        ),
    ],
)
def test_each_level_is_worse_than_the_one_before(alerts: str, path: str) -> None:
    """Levels without the condition are skipped; equal is not worse."""
    assert paths(alerts) == [path]


def test_switching_a_level_off_frees_its_neighbours() -> None:
    """A condition is compared with the nearest level that has it."""
    rules = loaded("[alerts.critical]\nroom = false\n[alerts.emergency]\nroom = 0.15\n").engine.rules
    assert rule(rules, Level.EMERGENCY).room == 0.15


def test_an_order_broken_above_is_not_told_again_below() -> None:
    """An override that says nothing about the broken condition is not blamed for it."""
    alerts = "[alerts.critical]\nroom = 0.3\n[alerts.accounts.main.notice]\ndistance = 0.05\n"
    assert paths(alerts) == ["alerts.critical.room"]


def test_a_level_with_a_mistake_is_not_compared() -> None:
    """What somebody meant to write is not known, so nothing is concluded from it."""
    assert paths("[alerts.warning]\nroom = 20\n[alerts.critical]\nroom = 0.3\n") == ["alerts.warning.room"]


def test_a_level_that_could_never_be_left_is_warned_about() -> None:
    """Room ends at 1; a dead band that reaches beyond keeps the level for ever."""
    warnings = loaded(
        "[alerts.notice]\nroom = 0.9\n[alerts.accounts.main.notice]\nroom = 0.8\n"
        "[alerts.symbols.BTCUSDT.notice]\nroom = 0.7\n"
    ).warnings
    stuck = [text.split(" ")[0] for text in warnings if "never above 1" in text]
    assert stuck == ["alerts.notice.room", "alerts.accounts.main.notice.room"]


OFF = "".join(
    f"[alerts.{level}]\nroom = false\nmoves_left = false\nmargin_ratio = false\n"
    for level in ("notice", "warning", "critical", "emergency")
)


def unreached(alerts: str) -> list[str]:
    return [text for text in loaded(alerts).warnings if "are off" in text]


def test_a_level_without_conditions_is_warned_about() -> None:
    """It can never be reached; any one condition is enough."""
    assert unreached("[alerts.notice]\nroom = false\n") == [
        "alerts.notice: all its conditions are off: it can never be reached"
    ]
    assert unreached("[alerts.warning]\nroom = false\nmargin_ratio = false\n") == []  # moves_left is left
    assert unreached("[alerts.notice]\nroom = false\ndistance = 0.1\n") == []


def test_rules_without_any_condition_are_warned_about() -> None:
    """No position could ever cause an alert; that is said once, and once for an override of its own."""
    (warning,) = unreached(OFF + "[alerts.accounts.main]\ndead_band = 0.1\n")
    assert warning == (
        "alerts: all conditions of all levels are off: no alert about positions is ever sent, except where an"
        " account or a symbol has rules of its own"
    )
    mine = OFF.replace("[alerts.", "[alerts.symbols.BTCUSDT.")
    (warning,) = unreached(mine)
    assert warning.startswith("alerts.symbols.BTCUSDT: all conditions of all levels are off")
    inherited = unreached("[alerts.notice]\nroom = false\n[alerts.accounts.main.critical]\nroom = false\n"
                          "moves_left = false\nmargin_ratio = false\n")  # fmt: skip
    assert [text.split(":")[0] for text in inherited] == ["alerts.notice", "alerts.accounts.main.critical"]


def test_overrides_that_are_no_tables_are_refused() -> None:
    """Each where it stands, and the others are still read."""
    assert paths("[alerts]\nsymbols = 3\n[alerts.accounts]\nmain = 3\n") == [
        "alerts.symbols",
        "alerts.accounts.main",
    ]


def test_an_account_with_keys_may_hold_any_symbol() -> None:
    """A rule for a symbol nobody typed in is taken without a word; accounts with keys have rules as others do."""
    keyed = '[[accounts]]\nname = "keyed"\napi_key = { env = "A" }\napi_secret = { env = "B" }\n'
    rules = "[alerts.symbols.XRPUSDT.warning]\nroom = 0.3\n[alerts.accounts.keyed.warning]\nroom = 0.25\n"
    settings = loaded(keyed + rules)
    assert [(o.account, o.symbol, rule(o.rules, Level.WARNING).room) for o in settings.engine.overrides] == [
        ("keyed", None, 0.25),
        (None, "XRPUSDT", 0.3),
    ]
    assert not any("XRPUSDT" in text for text in settings.warnings)
    assert paths(rules) == ["alerts.symbols.XRPUSDT", "alerts.accounts.keyed"]
