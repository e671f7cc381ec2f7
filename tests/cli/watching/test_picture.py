"""Pictures: what fits, what comes first, and that old numbers never look like new ones."""

import datetime as dt
import io
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from monitor.cli.tables import FittedTable
from monitor.cli.watching.parts import Look, parts
from monitor.cli.watching.past import Past
from monitor.cli.watching.picture import Picture
from monitor.cli.watching.session import seen_of
from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.core.view import OpenAlert
from monitor.status import Status
from tests.cli.made import NOW_MS, channel, engine, position, shown, state, symbol, wallet
from tests.cli.watching.looks import look

NAMES = st.text(min_size=1, max_size=30)
LEVELS = st.sampled_from(["ok", "notice", "warning", "critical", "emergency", "unknown"])
SUBJECT = "main/isolated:BTCUSDT:LONG"


def lines_of(made: Look, width: int, height: int) -> list[str]:
    """What a terminal of this size would show, blanks and all."""
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    options = console.options.update(width=width, height=height)
    rows = Console.render_lines(console, Picture(made), options.update(height=None), pad=False)
    return ["".join(one.text for one in row) for row in rows]


def lines_of_table(table: FittedTable, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    return ["".join(one.text for one in row) for row in console.render_lines(table, pad=False)]


def crowd(count: int, level: str = "warning") -> Status:
    return state(
        engine=engine(
            wallets=tuple(
                wallet(account=f"a{n}", wallet=f"isolated:S{n}USDT:LONG", room=n / 100, level=level)
                for n in range(count)
            ),
            positions=tuple(
                position(account=f"a{n}", wallet=f"isolated:S{n}USDT:LONG", symbol=f"S{n}USDT")
                for n in range(count)
            ),
            alerts=tuple(
                OpenAlert(n, f"a{n}/isolated:S{n}USDT:LONG", Level.WARNING, NOW_MS, (f"S{n}USDT",))
                for n in range(count)
            ),
        )
    )


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    names = draw(st.lists(NAMES, max_size=12, unique=True))
    wallets, positions = [], []
    for name in names:
        key = f"isolated:{name}:LONG"
        level, room = draw(LEVELS), draw(st.none() | st.floats(-5.0, 1.0))
        ratio = draw(st.none() | st.floats(0.0, 1e6))
        wallets.append(wallet(account=name, wallet=key, room=room, level=level, margin_ratio=ratio))
        for _ in range(draw(st.integers(0, 2))):
            mark = draw(st.none() | st.floats(1e-8, 1e8))
            positions.append(position(account=name, wallet=key, symbol=name, mark_price=mark, level=level))
    symbols = tuple(
        symbol(symbol=name, data=draw(st.sampled_from(["fresh", "suspect", "blind"])), age_s=draw(
            st.none() | st.floats(0.0, 1e9))) for name in names
    )  # fmt: skip
    alerts = tuple(OpenAlert(n, f"{name}/x", Level.CRITICAL, NOW_MS, (name,)) for n, name in enumerate(names))
    mute = Hold("m", HoldKind.MUTE, "all", NOW_MS, NOW_MS + 60_000, why=draw(NAMES))
    return state(
        engine=engine(
            wallets=tuple(wallets), positions=tuple(positions), symbols=symbols, alerts=alerts,
            holds=(mute,) * draw(st.integers(0, 1)),
        ),
        channels=tuple(channel(channel=name, failing=draw(st.booleans())) for name in names[:3]),
        stranded=dict.fromkeys(names[:2], 3),
        unseen=tuple(names[:1]),
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    found=st.none() | statuses(), width=st.integers(1, 220), height=st.integers(1, 70), old=st.booleans(),
    to_do=st.text(max_size=300), silent=st.text(max_size=200), notes=st.lists(st.text(max_size=80), max_size=2),
)  # fmt: skip
def test_a_picture_fits_any_terminal(
    *, found: Status | None, width: int, height: int, old: bool, to_do: str, silent: str, notes: list[str]
) -> None:
    """No line is wider, no more lines than there are, and nothing in it gives the terminal orders."""
    changes: dict[str, Any] = {
        "is_old": old,
        "to_do": to_do,
        "silent": silent,
        "notes": tuple(notes),
        "keys": True,
    }
    made = look(found, **changes) if found else look(**changes, seen=None)
    lines = lines_of(made, width, height)
    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60), width=st.integers(60, 200), height=st.integers(8, 60), old=st.booleans())
def test_the_most_endangered_come_first_and_the_rest_is_counted(
    *, count: int, width: int, height: int, old: bool
) -> None:
    """Rows that are shown and rows that are said to be missing are all there are, from the worst on."""
    lines = lines_of(look(crowd(count), is_old=old, silent="gone"), width, height)
    shown_rows = [line for line in lines if re.match(r"warning +(a\d+ +)?S\d+USDT ", line)]
    assert [int(re.search(r"S(\d+)USDT", row)[1]) for row in shown_rows] == list(range(len(shown_rows)))  # type: ignore[index]
    missing = [int(one[1]) for line in lines if (one := re.match(r"and (\d+) more that are better off", line))]
    assert shown_rows
    assert len(shown_rows) + sum(missing) == count


def test_what_there_is_no_line_for_is_named() -> None:
    """A short terminal says what it does not show."""
    lines = shown(Picture(look(crowd(30))), 60, 15)
    assert lines[-1] == "No line left for: channels, feeds"
    assert shown(Picture(look(crowd(30))), 60, 8)[-1] == "No line left for: alerts (30), feeds"


def test_everything_is_shown_where_there_is_space() -> None:
    """Each figure of a wallet that status has, and which way the price has to go."""
    found = state(
        engine=engine(
            wallets=(wallet(moves_left=1.84),),
            alerts=(
                OpenAlert(
                    17, SUBJECT, Level.WARNING, NOW_MS - 60_000, ("BTCUSDT",),
                    Hold("k", HoldKind.ACK, "alert:17", NOW_MS, NOW_MS + 3_600_000),
                ),
            ),
            holds=(Hold("m", HoldKind.MUTE, "all", NOW_MS, NOW_MS + 1_800_000, why="asleep"),),
        ),
        channels=(
            channel(failing=True, since_ms=NOW_MS - 5000, pending=2, last_reason="timeout"),
            channel(channel="log"),
        ),
        fallbacks={"phone": "log"},
    )  # fmt: skip
    text = "\n".join(shown(Picture(look(found, to_do="To do about it: add 5 USDT.", keys=True)), 160, 50))
    assert text.splitlines()[0].startswith(" TESTNET  Watching - 1 warning  ")
    assert text.splitlines()[0].endswith("  20:26:40+00:00  q ends")
    row = next(line for line in text.splitlines() if line.startswith("warning"))
    assert row.split() == [
        "warning", "main", "BTCUSDT", "LONG", "isolated", "15", "%", "▆", "66", "%", "1.5", "%", "down",
        "59136.55", "60014.15", "0.4", "s", "1.8",
    ]  # fmt: skip
    assert "- not reached: phone" in text
    assert "To do about it: add 5 USDT." in text
    assert "Open alerts: 1" in text
    assert "acknowledged until 21:26:40+00:00" in text
    assert 'Muted until 20:56:40+00:00 (in 30 min): everything, "asleep".' in text
    assert "Channel phone: failing since 20:26:35, 2 waiting, last error: " in text
    assert ", instead: log" in text
    assert "Channels that are fine: log" in text
    assert "Accounts that are fine" not in text  # nothing is known of one


def test_a_short_position_ends_upward() -> None:
    """The direction is where liquidation lies, not what the side is called."""
    up = position(side="SHORT", liquidation_price=61000.0, distance=0.0164)
    assert "1.6 % up" in "\n".join(shown(Picture(look(state(engine=engine(positions=(up,))))), 100))


def test_a_position_without_a_liquidation_price_has_no_direction() -> None:
    """And one without a mark none either."""
    for leg in (position(liquidation_price=None, distance=None), position(mark_price=None, distance=None)):
        text = "\n".join(shown(Picture(look(state(engine=engine(positions=(leg,))))), 100))
        assert " down" not in text
        assert " up" not in text.replace(", up ", "")


def test_marks_that_are_not_fresh_are_told_however_narrow_it_is() -> None:
    """Their age stands in the row of the wallet that is judged by them."""
    blind = state(engine=engine(symbols=(symbol(data="blind", age_s=20.0),)))
    lines = shown(Picture(look(blind)), 60, 15)
    assert lines[0].startswith(" TESTNET  BLIND - 1 warning")
    assert lines[1] == "No fresh mark of BTCUSDT: the last mark came 20 s ago."
    assert any("BLIND 20 s" in line for line in lines)


@pytest.mark.parametrize("data", ["fresh", "suspect"])
@pytest.mark.parametrize("accounts", [1, 2])
def test_a_figure_is_whole_or_it_is_not_there(accounts: int, data: str) -> None:
    """Room 97.9 % that is cut to 9 is another room; names alone are shortened, once."""
    wallets = tuple(wallet(account=f"account-{n}", room=0.979, level="emergency") for n in range(accounts))
    legs = tuple(position(account=f"account-{n}", distance=0.0153) for n in range(accounts))
    marks = (symbol(data=data, age_s=37.0),)
    made = look(state(engine=engine(wallets=wallets, positions=legs, symbols=marks)))
    for width in range(1, 160):
        (table,) = next(one for one in parts(made, width) if one.name == "wallets").rows(9)
        assert isinstance(table, FittedTable)
        row = lines_of_table(table, width)[-1]
        left = re.sub(r"[^ ]*…[^ ]*( LONG)?", "", row)
        for one in sorted((str(column.cells[-1]) for column in table._columns), key=len, reverse=True):
            left = left.replace(one, "", 1) if one.strip() else left
        assert not left.strip(), (width, row)
        assert "……" not in row
        assert cell_len(row) <= width


@pytest.mark.parametrize("found", [state(), crowd(6)], ids=["one", "six"])
def test_the_smallest_terminal_shows_the_worst_level_and_whose_it_is(found: Status) -> None:
    """Twenty columns and five lines: what is nice to know goes first."""
    lines = lines_of(look(found, keys=True, to_do="To do: add 300 USDT."), 20, 5)
    assert re.match(r"Watching - \d warning$", lines[0])
    assert any(re.search(r"(BTC|S0)USDT LONG", line) for line in lines[1:])
    assert "Not sure of BTCUSDT." in lines_of(look(state(engine=engine(symbols=(symbol(data="suspect"),)))), 20, 5)


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (80, " TESTNET  BLIND - 1 emergency                             20:26:40+00:00  q ends"),
        (46, " TESTNET  BLIND - 1 emergency   20:26:40+00:00"),
        (40, "BLIND - 1 emergency       20:26:40+00:00"),
        (30, " TESTNET  BLIND - 1 emergency"),
        (20, "BLIND - 1 emergency"),
        (13, "1 emergency …"),
    ],
)
def test_the_first_line_keeps_the_worst_level_longest(width: int, head: str) -> None:
    """The time goes before it, and so does where."""
    bad = engine(wallets=(wallet(level="emergency"),), symbols=(symbol(data="blind", age_s=9.0),))
    assert lines_of(look(state(engine=bad), keys=True), width, 20)[0].rstrip() == head


@pytest.mark.parametrize("height", [1, 2, 3])
def test_a_table_without_space_for_its_titles_shows_the_worst(height: int) -> None:
    """Titles alone would say nothing."""
    lines = lines_of(look(crowd(6)), 80, height + 1)
    assert len(lines) == height + 1
    if height > 1:
        assert "S0USDT LONG" in lines[1]


def test_the_sentence_above_all_grows_old_with_the_answer() -> None:
    """Where looks are far apart none is late for long: what was so then is told as of then, and is not green."""
    old = look(age_s=22.0)
    lines = shown(Picture(old), 100)
    assert lines[1] == "All marks were fresh 22 s ago: the one symbol is BTCUSDT, the oldest mark was 0.4 s old."
    assert not any("green" in str(one.style) for one in old.titles()[0].spans)
    assert any("green" in str(one.style) for one in look(age_s=0.4).titles()[0].spans)
    blind = state(engine=engine(symbols=(symbol(data="blind", age_s=20.0),)))
    assert "the last mark came 42 s ago" in shown(Picture(look(blind, age_s=22.0)), 100)[1]


def test_ages_of_marks_grow_with_the_age_of_the_answer() -> None:
    """A mark that was 0.4 s old five seconds ago is not 0.4 s old."""
    lines = shown(Picture(look(age_s=5.0, is_old=True, silent="gone")), 100)
    assert any(" 5.4 s" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 160])
def test_old_numbers_are_said_to_be_old(width: int) -> None:
    """In the first line, with how old; why stands below it, and nothing claims that anybody watches."""
    old = look(age_s=75.0, is_old=True, silent="no daemon is running on /s; start it")
    lines = shown(Picture(old), width)
    assert lines[0].strip() == "NO ANSWER from the daemon: what stands below is 75 s old"
    assert " ".join(lines[1:3]).startswith("No daemon is running on /s; start it. It is asked again and again.")
    assert any("was: Watching" in line for line in lines)
    assert any("75 s ago" in line for line in lines)
    assert "All marks are fresh" not in "\n".join(lines)


def test_old_numbers_have_no_colours() -> None:
    """A red that is an hour old must not look like a red of now; only words about the silence have colours."""
    console = Console(width=100, height=30, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    rows = console.render_lines(Picture(look(age_s=75.0, is_old=True, silent="gone")), pad=False)
    styles = {one.style for row in rows[3:] for one in row if one.text.strip() and one.style is not None}
    assert styles
    assert all(style.color is None and style.bgcolor is None for style in styles)


def test_a_daemon_that_takes_its_time_is_told() -> None:
    """There is no error yet, and the numbers are old all the same."""
    text = "\n".join(shown(Picture(look(age_s=4.0, is_old=True, waiting_s=3.0)), 100))
    assert "The daemon takes its time, 3 s by now." in text


def test_without_any_answer_nothing_is_made_up() -> None:
    """The reason, the time, and notes."""
    lines = shown(
        Picture(look(seen=None, is_old=True, silent="no daemon is running", notes=("the file is wrong",))), 80
    )
    assert lines == [
        " NO ANSWER from the daemon: nothing is known yet",
        "No daemon is running. It is asked again and again.",
        "position-monitor watch                                            20:26:40+00:00",
        "", "the file is wrong",
    ]  # fmt: skip


def test_what_changed_stands_below() -> None:
    """With its time, what it was and what it is."""
    past = Past()
    calm, worse = (state(engine=engine(wallets=(wallet(level=level),))) for level in ("ok", "critical"))
    for at_s, found in ((0.0, calm), (1.0, worse)):
        past.take(seen_of(found, dt.UTC), at_s)
    assert "20:26:40  main BTCUSDT LONG: ok -> critical" in shown(Picture(look(worse, past)), 100)
