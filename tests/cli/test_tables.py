"""Tables of positions and wallets."""

import pytest
from rich.cells import cell_len
from rich.text import Text

from monitor.cli.tables import (
    Bar,
    Column,
    FittedTable,
    level_text,
    position_table,
    ratio_of,
    shortened,
    wallet_name,
    wallet_table,
)
from tests.cli.made import position, shown, wallet


def headers(line: str) -> list[str]:
    return line.split()


def test_a_wide_terminal_shows_everything() -> None:
    """From 160 columns on no column is left out."""
    lines = shown(position_table([position()], [wallet()]), 160)
    assert headers(lines[0]) == [
        "account", "wallet", "symbol", "side", "quantity", "entry", "mark", "liq.", "distance", "ratio", "room",
        "level",
    ]  # fmt: skip
    assert headers(lines[1]) == [
        "main", "isolated", "BTCUSDT", "LONG", "0.5", "62000", "60014.15", "59136.55", "1.5", "%", "66", "%",
        "━━━━━━╸···", "15", "%", "━╸········", "warning",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (120, ["account", "wallet", "symbol", "side", "mark", "liq.", "distance", "ratio", "room", "level"]),
        (80, ["account", "symbol", "side", "mark", "liq.", "distance", "ratio", "room", "level"]),
        (60, ["symbol", "side", "mark", "liq.", "distance", "ratio", "level"]),
        (50, ["symbol", "side", "liq.", "distance", "ratio", "level"]),
        (40, ["symbol", "side", "distance", "ratio", "level"]),
    ],
)
def test_what_matters_least_is_left_out_first(width: int, expected: list[str]) -> None:
    """A narrow terminal keeps symbol, side, distance, ratio and level, and no line is wider than it.

    The prices of mark and liquidation go after all else: room stands in the table of wallets as well.
    """
    lines = shown(position_table([position()], [wallet()]), width)
    assert headers(lines[0]) == expected
    assert len(lines) == 2
    assert all(cell_len(line) <= width for line in lines)


def test_what_must_stay_stays() -> None:
    """Columns of rank 0 are cut rather than left out."""
    table = FittedTable([Column("a", ["x" * 30]), Column("b", ["y" * 30])])
    assert [column.title for column in table.chosen(10)] == ["a", "b"]


def test_wallets_of_two_accounts_are_told_apart() -> None:
    """Two accounts may each have a wallet of the same name; each position shows its own."""
    legs = [position(account="a", wallet="cross:USDT"), position(account="b", wallet="cross:USDT")]
    backing = [
        wallet(account="a", wallet="cross:USDT", room=0.11),
        wallet(account="b", wallet="cross:USDT", room=0.77),
    ]
    lines = shown(position_table(legs, backing), 160)
    assert "11 %" in lines[1]
    assert "77 %" in lines[2]


@pytest.mark.parametrize("width", [50, 60, 80])
@pytest.mark.parametrize("names", [("a", "b"), ("binance-main-usdm-account-1", "binance-main-usdm-account-2")])
def test_with_several_accounts_each_row_says_whose_it_is(width: int, names: tuple[str, str]) -> None:
    """Other columns go first, then names are shortened so that they still differ."""
    legs = [position(account=name) for name in names]
    backing = [wallet(account=name) for name in names]
    for table in (position_table(legs, backing), wallet_table(backing, moves=False)):
        lines = shown(table, width)
        assert headers(lines[0])[0].startswith("acc")
        assert lines[1] != lines[2]
        assert all(cell_len(line) <= width for line in lines)
    alone = shown(position_table(legs[:1], backing[:1]), 40)
    assert "account" not in headers(alone[0])


def test_names_are_shortened_so_that_they_differ() -> None:
    """In the middle, or nearer to the end that tells them apart; what is short stays."""
    assert shortened(["account-of-alice-1", "account-of-alice-2", "b"], 9) == ["acco…ce-1", "acco…ce-2", "b"]
    assert shortened(["north-account-usdm", "south-account-usdm"], 9) == ["nort…usdm", "sout…usdm"]
    assert shortened(["account-xy-account", "account-xz-account"], 12) == ["ac…y-account", "ac…z-account"]
    assert shortened(["long-and-1-long-and-long", "long-and-2-long-and-long"], 9) == ["long…long"] * 2
    wallets = ["isolated BTCUSDT LONG", "isolated ETHUSDT SHORT"]
    assert shortened(wallets, 16, ends=True) == ["…ed BTCUSDT LONG", "…d ETHUSDT SHORT"]
    assert shortened(["account-of-alice"], 1) == ["acco…ice"]  # eight cells are the least


def test_what_is_not_known_is_said() -> None:
    """Before the first mark nothing is claimed; a position that cannot be liquidated has no price for it."""
    unknown = position(mark_price=None, liquidation_price=None, distance=None)
    assert shown(position_table([unknown], []), 160)[1].count("unknown") == 5
    safe = shown(position_table([position(liquidation_price=None, distance=None)], [wallet()]), 160)[1].split()
    assert "none" in safe
    assert "-" in safe


def test_a_wallet_that_was_never_judged_says_so() -> None:
    """Its level is unknown in both tables, and nothing is drawn as if it were calm."""
    blank = wallet(level="unknown", margin_ratio=None, room=None, cushion=None, joint_distance=None)
    assert shown(wallet_table([blank]), 160)[1].endswith("unknown")
    leg = position(level="unknown", mark_price=None, liquidation_price=None, distance=None)
    assert shown(position_table([leg], [blank]), 160)[1].endswith("unknown")


def test_a_used_up_balance_is_no_ratio() -> None:
    """A wallet whose balance is used up says so and fills the bar."""
    gone = wallet(margin_ratio=None, liquidatable=True, level="emergency", room=0.0)
    assert ratio_of(gone) == "used up"
    assert "━━━━━━━━━━" in shown(wallet_table([gone]), 160)[1]
    assert ratio_of(None) == "unknown"


def test_wallets_fit_too() -> None:
    """The table of wallets keeps wallet, ratio and level in 60 columns."""
    lines = shown(wallet_table([wallet(joint_distance=None)]), 60)
    assert headers(lines[0]) == ["wallet", "cushion", "ratio", "room", "level"]
    wide = shown(wallet_table([wallet(joint_distance=None)]), 160)
    assert headers(wide[0]) == [
        "account",
        "wallet",
        "balance",
        "maintenance",
        "cushion",
        "joint",
        "ratio",
        "room",
        "moves",
        "level",
    ]
    alone = shown(wallet_table([wallet()], moves=False), 160)
    assert "moves" not in headers(alone[0])


def test_moves_left_are_shown_as_far_as_known() -> None:
    """Unknown is a word of its own; beyond a hundred the figure says nothing more."""
    cases = {None: "unknown", 0.0: "0.0", 1.84: "1.8", 250.0: "> 100"}
    for left, words in cases.items():
        assert shown(wallet_table([wallet(moves_left=left)]), 160)[1].split("  ")[-2].strip() == words


def test_an_empty_table_says_what_is_missing() -> None:
    """A table without rows is a sentence, not a bare header."""
    assert shown(position_table([], []), 80) == ["No positions are watched."]
    assert shown(wallet_table([]), 80) == ["No wallets are watched."]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (None, "····"),
        (0.0, "····"),
        (0.001, "╸···"),
        (0.5, "━━··"),
        (0.62, "━━╸·"),
        (1.0, "━━━━"),
        (7.0, "━━━━"),
        (-1.0, "····"),
    ],
)
def test_a_bar_is_read_without_colour(fraction: float | None, text: str) -> None:
    """Filled and empty differ in shape, and what is not zero never looks like zero."""
    assert Bar(fraction, "ok", cells=4).text.plain == text


def test_levels_have_their_own_colours() -> None:
    """Each level looks different; a word nobody knows is shown as it is."""
    styles = {str(level_text(level).style) for level in ("ok", "notice", "warning", "critical", "emergency")}
    assert len(styles) == 5
    assert str(level_text("unknown").style) not in styles
    assert level_text("odd") == Text("odd")


def test_wallet_names_are_for_people() -> None:
    """An isolated wallet beside its symbol need not repeat it."""
    assert wallet_name("isolated:BTCUSDT:LONG", "BTCUSDT") == "isolated"
    assert wallet_name("isolated:BTCUSDT:LONG") == "isolated BTCUSDT LONG"
    assert wallet_name("cross:USDT", "BTCUSDT") == "cross USDT"
