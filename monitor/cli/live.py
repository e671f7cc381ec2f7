"""The demonstration as it runs: a live view where there is a terminal, plain lines where there is none."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.text import Text

from monitor.cli.tables import STYLES, position_table, ratio_of, wallet_name
from monitor.core.model import Level
from monitor.core.notices import Facts, Transition
from monitor.core.report import WalletView
from monitor.notify.numbers import percent, price, span
from monitor.notify.times import local_time
from monitor.status import Status

ALERTS_SHOWN = 12  # where the terminal is high enough
PROGRESS_EVERY_S = 5.0
_CLOCK_CELLS = len("14:02:10")
_TERSE = 70  # columns below which the header leaves out what is nice to know


class Delivered(NamedTuple):
    """A message as a channel took it, or, with who in place of the channel, what was done about one."""

    at_ms: int
    channel: str
    title: str
    level: Level


class Frame(NamedTuple):
    """Everything one picture shows."""

    elapsed_s: float
    duration_s: float | None  # None: for ever
    status: Status
    alerts: Sequence[Delivered]  # oldest first
    notes: tuple[str, ...]  # how it differs from real use, what it goes on with
    zone: dt.tzinfo | None


class Watcher(Protocol):
    """Who is shown what happens."""

    def transition(self, transition: Transition) -> None:
        """A level changed."""
        ...

    def delivered(self, alert: Delivered) -> None:
        """A message went out."""
        ...

    def did(self, deed: Delivered) -> None:
        """Somebody did something about it; the channel is who."""
        ...

    def remarked(self, text: str) -> None:
        """There is something to say about the demonstration itself, which pictures have among their notes."""
        ...

    def picture(self, frame: Frame) -> None:
        """Time passed."""
        ...

    def close(self) -> None:
        """It is over."""
        ...


class PlainLines:
    """One line for each change and each message, and now and then one that says how far it is."""

    def __init__(self, out: Console, zone: dt.tzinfo | None) -> None:
        self._out = out
        self._zone = zone
        self._due_s = PROGRESS_EVERY_S

    def transition(self, transition: Transition) -> None:
        """Print the change with the figures behind it."""
        facts = transition.facts
        self._line(
            transition.at_ms,
            f"{transition.previous.label} -> {transition.level.label}  {facts.account}: "
            f"{_who(facts)}: ratio {percent(facts.margin_ratio)}, room {percent(facts.room)}, "
            f"mark {price(facts.mark)}, distance {percent(facts.distance)}",
            STYLES[transition.level.label],
        )

    def delivered(self, alert: Delivered) -> None:
        """Print what went to which channel."""
        self._line(alert.at_ms, f"sent to {alert.channel}: {alert.title}")

    def did(self, deed: Delivered) -> None:
        """Print what was done."""
        self._line(deed.at_ms, f"{deed.channel}: {deed.title}", STYLES[deed.level.label])

    def remarked(self, text: str) -> None:
        """Print it."""
        self._out.print(text, markup=False, soft_wrap=True)

    def picture(self, frame: Frame) -> None:
        """Print progress when it is due."""
        if frame.elapsed_s < self._due_s:
            return
        while self._due_s <= frame.elapsed_s:
            self._due_s += PROGRESS_EVERY_S
        status = frame.status
        whole = "" if frame.duration_s is None else f" of {span(frame.duration_s)}"
        self._line(
            status.now_ms,
            f"{span(frame.elapsed_s)}{whole}: {status.ticks} ticks, {status.engine.evaluations} evaluations; "
            f"{_worst(status.engine.wallets)}",
        )

    def close(self) -> None:
        """Nothing is held."""

    def _line(self, at_ms: int, text: str, style: str = "") -> None:
        line = Text.assemble(f"{local_time(at_ms, self._zone)}  ", (text, style))
        self._out.print(line, soft_wrap=True)


class LiveView:
    """The whole terminal, drawn anew with every picture."""

    def __init__(self, out: Console) -> None:
        self._live = Live(console=out, screen=True, auto_refresh=False, vertical_overflow="crop")
        self._live.start()

    def transition(self, transition: Transition) -> None:
        """Nothing: the next picture shows it."""

    def delivered(self, alert: Delivered) -> None:
        """Nothing: the next picture shows it."""

    def did(self, deed: Delivered) -> None:
        """Nothing: the next picture shows it."""

    def remarked(self, text: str) -> None:
        """Nothing: the next picture shows it."""

    def picture(self, frame: Frame) -> None:
        """Draw."""
        self._live.update(Picture(frame), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


class Picture:
    """One picture, as wide and as high as there is space."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        frame = self._frame
        engine = frame.status.engine
        header = _header(frame, options.max_width)
        positions = position_table(engine.positions, engine.wallets)
        # Blank lines, the two titles, and one line that the cursor needs.
        taken = len(header) + len(engine.positions) + 5
        space = max(1, min(ALERTS_SHOWN, (options.height or console.height) - taken))
        yield Group(*header, Text(), positions, Text(), *_alerts(frame, space, options.max_width))


def _header(frame: Frame, width: int) -> list[Text]:
    status = frame.status
    clock = span(frame.elapsed_s) if frame.duration_s is None else _of(frame.elapsed_s, frame.duration_s)
    first = Text.assemble(
        ("position-monitor demo", "bold"),
        "  ",
        (f" {status.engine.environment.upper()} emulator ", "reverse"),
        f"  {clock}",
        ("  Ctrl-C stops" if width >= _TERSE else "", "dim"),
    )
    latency = status.frame_to_commit
    quick = (
        ""
        if latency is None
        else f", frame to commit p50 {latency['p50_ms']:.1f} ms p99 {latency['p99_ms']:.1f} ms"
    )
    second = Text(f"{status.ticks} ticks, {status.engine.evaluations} evaluations{quick}")
    lines = [first, second, *(Text(note, style="dim") for note in frame.notes)]
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return lines


def _alerts(frame: Frame, space: int, width: int) -> list[RenderableType]:
    title = Text("Messages as they went out, and what was done", style="dim")
    if not frame.alerts:
        return [title, Text("none yet")]
    rows = _joined(frame.alerts)[-space:]
    names = [", ".join(channels) for _, channels, _ in rows]
    widest = max(map(len, names))
    lines = []
    for (at_ms, _, alert), name in zip(rows, names, strict=True):
        moment = local_time(at_ms, frame.zone)[:_CLOCK_CELLS]
        line = Text.assemble(f"{moment}  {name:<{widest}}  ", (alert.title, STYLES[alert.level.label]))
        # Where it is narrow the title is cut, never the time or the channels.
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return [title, *lines]


def _joined(alerts: Sequence[Delivered]) -> list[tuple[int, list[str], Delivered]]:
    """Return alerts with the channels that got the same message one right after the other."""
    rows: list[tuple[int, list[str], Delivered]] = []
    for alert in alerts:
        if rows and rows[-1][2].title == alert.title and alert.channel not in rows[-1][1]:
            rows[-1][1].append(alert.channel)
        else:
            rows.append((alert.at_ms, [alert.channel], alert))
    return rows


def _of(elapsed_s: float, duration_s: float) -> str:
    return f"{min(elapsed_s, duration_s):.1f} s of {duration_s:g} s"


def _who(facts: Facts) -> str:
    worst = f"{facts.symbol} {facts.side}".strip()
    if facts.positions > 1:
        return f"{wallet_name(facts.wallet)} with {worst} +{facts.positions - 1} more"
    return f"{wallet_name(facts.wallet, facts.symbol)} {worst}".strip()


def _worst(wallets: Sequence[WalletView]) -> str:
    """Return the wallet with the least room, in words."""
    known = [wallet for wallet in wallets if wallet.room is not None]
    if not known:
        return "no marks yet"
    worst = min(known, key=lambda wallet: wallet.room or 0.0)
    return (
        f"worst {worst.account}: {wallet_name(worst.wallet)} {worst.level}, ratio {ratio_of(worst)}, "
        f"room {percent(worst.room)}"
    )
