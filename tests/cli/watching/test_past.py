"""What a watcher remembers."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.watching.past import CELL_S, CELLS, CHANGES, LATELY_S, Past, drawn
from monitor.cli.watching.session import seen_of
from monitor.status import Status
from tests.cli.made import NOW_MS, engine, state, wallet

BTC = wallet()


def at(room: float | None, level: str = "warning", **changes: object) -> Status:
    return state(engine=engine(wallets=(wallet(room=room, level=level),)), **changes)


def past(*answers: tuple[float, Status]) -> Past:
    made = Past()
    for at_s, found in answers:
        made.take(seen_of(found, dt.UTC), at_s)
    return made


@pytest.mark.parametrize(
    ("rooms", "trend"), [((0.2, 0.19), -1), ((0.19, 0.2), 1), ((0.2, 0.2001), 0), ((0.2,), 0), ((None, 0.2), 0)]
)
def test_the_arrow_is_about_the_look_before(rooms: tuple[float | None, ...], trend: int) -> None:
    """Up, down, or none where figures would not show it, and where there was no look before."""
    assert past(*((float(n), at(room)) for n, room in enumerate(rooms))).trend(BTC) == trend


def test_after_a_silence_nothing_is_compared() -> None:
    """What lies between was not seen; the next look begins anew, and the silence stands among the changes."""
    made = past((0.0, at(0.5)))
    made.missed(1.0)
    made.missed(2.0)
    made.take(seen_of(at(0.2), dt.UTC), 13.0)
    assert made.trend(BTC) == 0
    assert [(one.what, one.after) for one in made.changes] == [("the daemon", "answers again after 12 s")]


def test_another_process_is_noticed() -> None:
    """A daemon that was started anew between two looks left no silence."""
    made = past((0.0, at(0.5)), (1.0, at(0.5, pid=99)))
    assert [one.after for one in made.changes] == ["another process, 99"]


def test_changes_of_levels_come_and_go() -> None:
    """The newest first, with what it was before; a wallet that is gone and one that came are changes as well."""
    made = past(
        (0.0, at(0.5, "ok")), (1.0, at(0.1, "critical")), (2.0, state(engine=engine(wallets=(), positions=()))),
        (3.0, at(0.5, "ok")),
    )  # fmt: skip
    assert [(one.what, one.before, one.after) for one in made.changes] == [
        ("main BTCUSDT LONG", "", "ok"),
        ("main BTCUSDT LONG", "critical", ""),
        ("main BTCUSDT LONG", "ok", "critical"),
    ]
    assert {one.at_ms for one in made.changes} == {NOW_MS}


def test_the_first_answer_is_no_change() -> None:
    """Whoever begins to watch saw nothing before."""
    assert not past((0.0, at(0.1, "critical"))).changes


def test_a_level_that_changed_is_marked_for_a_while() -> None:
    """So that somebody who looks away for some seconds sees it."""
    made = past((0.0, at(0.5, "ok")), (1.0, at(0.1, "critical")))
    assert made.changed_lately(BTC, 1.0)
    assert not made.changed_lately(BTC, 1.0 + LATELY_S)
    assert not past((0.0, at(0.1, "critical"))).changed_lately(BTC, 0.0)


def test_a_line_has_the_lowest_of_each_stretch() -> None:
    """And nothing where nothing was seen."""
    made = past((0.0, at(0.5)), (4.0, at(0.3)), (8.0, at(0.4)), (2 * CELL_S, at(0.9)))
    assert made.rooms(BTC, 2 * CELL_S)[-3:] == [0.3, None, 0.9]
    assert made.rooms(wallet(account="nobody"), 0.0) == [None] * CELLS


def test_what_is_remembered_is_bounded() -> None:
    """However long somebody watches, and whatever comes and goes."""
    made = Past()
    for second in range(3000):
        level = ("ok", "critical")[second % 2]
        one = wallet(account=f"a{second % 7}", level=level, room=0.5)
        made.take(seen_of(state(engine=engine(wallets=(one,))), dt.UTC), float(second))
    assert len(made.changes) == CHANGES
    assert len(made._tracks) == 1
    steady = past(*((float(second), at(0.5)) for second in range(3000)))
    assert len(steady._tracks["main", BTC.wallet].cells) <= CELLS


@given(st.lists(st.none() | st.floats(-2.0, 2.0), max_size=40))
def test_a_drawn_line_has_a_character_each(rooms: list[float | None]) -> None:
    """Blanks where nothing was seen, and only there."""
    line = drawn(rooms)
    assert [one == " " for one in line] == [one is None for one in rooms]


def test_the_bottom_of_a_line_is_liquidation() -> None:
    """Not the lowest that was seen: calm looks calm, and the end looks like the end."""
    assert drawn([1.0, 0.5, 0.0, -0.3]) == "█▅▁▁"
    assert drawn([0.08, 0.08]) == "▄▄"
