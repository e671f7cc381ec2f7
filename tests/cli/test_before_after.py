"""Two states side by side, where a terminal has no space for all of them."""

from typing import Any

import pytest

from monitor.cli.before_after import State, wallet_changes
from monitor.core.report import WalletView
from tests.cli.made import shown, wallet

LONG_NAME = "isolated:ETHUSD_PERP:SHORT"


def table(before: dict[str, Any], after: dict[str, Any], width: int) -> list[str]:
    """Return the lines of three wallets of two accounts, of which the second is changed."""
    others: list[WalletView] = [
        wallet(account="hedge", wallet="cross:USDT", level="notice"),
        wallet(account="coins", wallet=LONG_NAME, level="ok"),
    ]
    states = (
        State((others[0], wallet(account="net0", wallet="cross:USDT", **one), others[1]), ())
        for one in (before, after)
    )
    return shown(wallet_changes(*states), width)


ROOM = ({"level": "critical", "room": 0.08}, {"level": "warning", "room": 0.14})
BOTH = (ROOM[0] | {"margin_ratio": 0.80}, ROOM[1] | {"margin_ratio": 0.78})
ALL = (BOTH[0] | {"joint_distance": 0.031}, BOTH[1] | {"joint_distance": 0.042})


@pytest.mark.parametrize("changes", [ROOM, BOTH, ALL])
@pytest.mark.parametrize("width", [80, 90, 120, 160])
def test_what_changed_with_a_level_is_shown(changes: tuple[dict[str, Any], dict[str, Any]], width: int) -> None:
    """Ratio and room stay on eighty columns where they changed: names give way, and what did not change."""
    lines = table(*changes, width)
    assert max(map(len, lines)) <= width
    (row,) = (line for line in lines if line.startswith("net0"))
    assert "8.0 % -> 14 %" in row
    assert "critical -> warning" in row
    assert ("80 % -> 78 %" in row) is (changes is not ROOM)
    assert len({line.split()[0] for line in lines[1:]}) == 3
    assert any("ETHUSD_PERP SHORT" in line for line in lines)


@pytest.mark.parametrize("width", [60, 70])
def test_where_one_figure_has_space_it_is_one_that_changed(width: int) -> None:
    """A level that fell with the room alone is shown with it, not with a ratio that stayed."""
    lines = table(*ROOM, width)
    assert max(map(len, lines)) <= width
    assert "room" in lines[0]
    assert any("8.0 % -> 14 %" in line for line in lines)


def test_names_are_whole_where_nothing_would_be_gained() -> None:
    """What is worth a shorter name is a figure that changed."""
    same = {"level": "warning"}
    for width in (60, 70, 80):
        assert any("isolated ETHUSD_PERP SHORT" in line for line in table(same, same, width))


def test_small_amounts_have_the_digits_that_tell_them_apart() -> None:
    """A cent is a lot of a wallet that holds three of them; of a thousand it is nothing."""
    before = {"wallet_balance": 0.031, "margin_balance": 0.0129, "maintenance_margin": 1000.001}
    (row,) = (
        line
        for line in table(before, before | {"margin_balance": 0.0071, "maintenance_margin": 1000.002}, 200)
        if line.startswith("net0")
    )
    assert "0.0129 -> 0.0071 USDT" in row
    assert "1000.00 USDT" in row
    assert row.count(" -> ") == 1
