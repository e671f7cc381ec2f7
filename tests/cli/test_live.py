"""The running demonstration: pictures and lines."""

import datetime as dt
import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from monitor.cli.live import Delivered, Frame, LiveView, Picture, PlainLines
from monitor.core.model import Level
from monitor.core.notices import Facts, Transition
from tests.cli.made import NOW_MS, engine, position, shown, state, wallet

NOTE = "dwell shortened to 3 s so that the all-clear fits into the demonstration"
LONG_TITLE = (
    "EMERGENCY 92 % - SOLUSDT LONG +1 more (cross:USDT) - 0.46 % from liquidation, all marks together - TESTNET"
)


def alert(number: int, channel: str = "phone", title: str = "") -> Delivered:
    return Delivered(NOW_MS + number * 1000, channel, title or f"WARNING {number}", Level.WARNING)


def frame(
    alerts: list[Delivered] | None = None, duration_s: float | None = 45.0, elapsed_s: float = 18.2
) -> Frame:
    legs = tuple(position(symbol=f"SYM{n}USDT") for n in range(6))
    status = state(engine=engine(positions=legs))
    return Frame(elapsed_s, duration_s, status, alerts or [], (NOTE,), dt.UTC)


@pytest.mark.parametrize(("width", "height"), [(60, 20), (80, 24), (120, 40), (200, 50)])
def test_a_picture_fits_the_terminal(width: int, height: int) -> None:
    """No line is wider than the terminal, and all lines fit above its last one."""
    alerts = [alert(n, title=LONG_TITLE + str(n)) for n in range(30)]
    lines = shown(Picture(frame(alerts)), width, height)
    assert len(lines) < height
    assert all(cell_len(line) <= width for line in lines)
    assert "TESTNET emulator" in lines[0]
    assert sum("SYM" in line for line in lines) == 6
    assert lines[-1].endswith("29") or lines[-1].endswith("…")
    assert lines[-1].startswith("20:27:09  phone  EMERGENCY")


def test_the_header_says_how_far_it_is() -> None:
    """Elapsed and whole time, counts and latency stand above; so does what differs from real use."""
    lines = shown(Picture(frame()), 100)
    assert lines[0] == "position-monitor demo   TESTNET emulator   18.2 s of 45 s  Ctrl-C stops"
    assert lines[1] == "400 ticks, 100 evaluations, frame to commit p50 2.3 ms p99 3.1 ms"
    assert lines[2] == NOTE
    assert lines[-1] == "none yet"


def test_for_ever_has_no_end() -> None:
    """Without an end only the elapsed time is shown, and before the first commit no latency."""
    endless = frame(duration_s=None, elapsed_s=125.0)
    endless = endless._replace(status=state(frame_to_commit=None))
    lines = shown(Picture(endless), 100)
    assert "  2 min  " in lines[0]
    assert lines[1] == "400 ticks, 100 evaluations"


def test_one_message_to_two_channels_is_one_line() -> None:
    """The same message on two channels is shown once; another message in between separates them."""
    both = [
        alert(1, "phone", "A"),
        alert(1, "log", "A"),
        alert(2, "log", "B"),
        alert(3, "log", "A"),
        alert(4, "log", "A"),
    ]
    lines = shown(Picture(frame(both)), 100)
    at = lines.index("Messages as they went out, and what was done")
    assert [line.split(maxsplit=1)[1] for line in lines[at + 1 :]] == [
        "phone, log  A", "log         B", "log         A", "log         A",
    ]  # fmt: skip


def plain(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_plain_lines_tell_changes_and_messages() -> None:
    """Without a terminal every transition and every message is one line, however long."""
    out = Console(file=io.StringIO(), width=40)
    lines = PlainLines(out, dt.UTC)
    facts = Facts(
        account="main", wallet="isolated:BTCUSDT:LONG", symbol="BTCUSDT", side="LONG", positions=1, mark=60014.15,
        margin_ratio=0.66, room=0.15, distance=0.0094,
    )  # fmt: skip
    lines.transition(Transition("main/x", Level.WARNING, Level.NOTICE, NOW_MS, 1, facts))
    crowd = Facts(account="main", wallet="cross:USDT", symbol="SOLUSDT", side="LONG", positions=3)
    lines.transition(Transition("main/y", Level.OK, Level.WARNING, NOW_MS, 1, crowd))
    lines.delivered(alert(0))
    lines.close()
    at, near, blank = "20:26:40+00:00", "distance 0.94 %", "room unknown, mark unknown, distance unknown"
    assert plain(out) == [
        f"{at}  notice -> warning  main: isolated BTCUSDT LONG: ratio 66 %, room 15 %, mark 60014.15, {near}",
        f"{at}  warning -> ok  main: cross USDT with SOLUSDT LONG +2 more: ratio unknown, {blank}",
        f"{at}  sent to phone: WARNING 0",
    ]


def test_what_was_done_stands_among_the_messages() -> None:
    """A line of its own that says who did what."""
    deed = Delivered(NOW_MS, "owner", "margin added: 412.50 USDT, as advised", Level.OK)
    out = Console(file=io.StringIO(), width=60)
    lines = PlainLines(out, dt.UTC)
    lines.did(deed)
    assert plain(out) == ["20:26:40+00:00  owner: margin added: 412.50 USDT, as advised"]
    picture = shown(Picture(frame([alert(0), deed])), 120, 40)
    assert "Messages as they went out, and what was done" in picture
    assert picture[-1] == "20:26:40  owner  margin added: 412.50 USDT, as advised"


def test_progress_is_told_every_five_seconds() -> None:
    """Between two lines of progress there are five seconds; after a pause one line is enough."""
    out = Console(file=io.StringIO(), width=200)
    lines = PlainLines(out, dt.UTC)
    for elapsed_s in (0.0, 4.9, 5.0, 5.1, 9.9, 17.0, 17.1):
        lines.picture(frame(elapsed_s=elapsed_s))
    told = plain(out)
    assert [line.split("  ")[1].split(":")[0] for line in told] == ["5 s of 45 s", "17 s of 45 s"]
    assert told[0].endswith("100 evaluations; worst main: isolated BTCUSDT LONG warning, ratio 66 %, room 15 %")


def test_progress_before_the_first_mark() -> None:
    """Nothing is claimed about wallets before there are marks."""
    out = Console(file=io.StringIO(), width=200)
    early = frame(elapsed_s=6.0, duration_s=None)
    PlainLines(out, dt.UTC).picture(early._replace(status=state(engine=engine(wallets=(wallet(room=None),)))))
    assert plain(out)[0].endswith("no marks yet")


def test_the_live_view_gives_the_terminal_back() -> None:
    """It draws on a screen of its own and leaves it at the end; NO_COLOR leaves no colour codes."""
    out = Console(
        file=io.StringIO(), width=100, height=30, force_terminal=True, no_color=True, legacy_windows=False
    )
    view = LiveView(out)
    facts = Facts()
    view.transition(Transition("a/b", Level.OK, Level.OK, NOW_MS, 1, facts))
    view.delivered(alert(1))
    view.did(alert(2))
    view.picture(frame([alert(1)]))
    view.close()
    assert isinstance(out.file, io.StringIO)
    text = out.file.getvalue()
    assert text.startswith("\x1b[?1049h")
    assert "\x1b[?1049l" in text
    assert "SYM5USDT" in text
    assert "\x1b[33m" not in text
