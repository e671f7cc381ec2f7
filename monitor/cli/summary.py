"""What a demonstration came to: counts, the worst moments, where the files are, what to try next."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.cli.deeds import Deed, Followed, told
from monitor.cli.tables import level_text, wallet_name
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.core.view import EngineView
from monitor.notify.numbers import percent, span
from monitor.notify.times import local_time
from monitor.status import Status
from monitor.storage.outbox import OutboxRow, OutboxState

_LEVELS = tuple(level.label for level in Level if level is not Level.OK)


class Extreme(msgspec.Struct, frozen=True):
    """The worst value of one figure, a fraction, and whose it was."""

    value: float
    account: str
    wallet: str
    symbol: str
    at_ms: int


class Worst(msgspec.Struct):
    """The worst moments so far; each figure has its own."""

    margin_ratio: Extreme | None = None
    room: Extreme | None = None
    distance: Extreme | None = None

    def see(self, view: EngineView, at_ms: int) -> None:
        """Remember what is worse than before."""
        for wallet in view.wallets:
            who = (wallet.account, wallet.wallet, "", at_ms)
            if wallet.margin_ratio is not None and (
                self.margin_ratio is None or wallet.margin_ratio > self.margin_ratio.value
            ):
                self.margin_ratio = Extreme(wallet.margin_ratio, *who)
            if wallet.room is not None and (self.room is None or wallet.room < self.room.value):
                self.room = Extreme(wallet.room, *who)
        for position in view.positions:
            if position.distance is not None and (
                self.distance is None or position.distance < self.distance.value
            ):
                self.distance = Extreme(
                    position.distance, position.account, position.wallet, position.symbol, at_ms
                )


class ChannelSummary(msgspec.Struct, frozen=True):
    """Messages of one channel: accepted, attempts that failed, refused for good, still waiting."""

    channel: str
    sent: int
    failed: int
    refused: int
    pending: int


class Files(msgspec.Struct, frozen=True):
    """Where everything is."""

    config: str
    state: str
    history: str
    log: str


class Summary(msgspec.Struct, frozen=True):
    """The demonstration as ``demo --json`` prints it. ``_ms`` are Unix times, UTC.

    ``deeds`` are in the order in which they were done: for each the wallet, the amounts that the delivered notice
    advised (they are what was done: margin in the asset ``of``, or a quantity of the position ``of`` names), the
    level that was to end, after how many seconds it did, and the room that the wallet would have had then if
    nothing had been done. A demonstration without an end keeps the newest twenty.
    """

    complete: bool  # it was played to its end
    missing: tuple[str, ...]  # what it should have shown and did not
    elapsed_s: float
    ticks: int
    evaluations: int
    delivered: dict[str, int]  # alerts that a channel accepted, by level
    recovered: int  # all-clears that a channel accepted
    deeds: tuple[Deed, ...]  # what was advised, done and came of it
    channels: tuple[ChannelSummary, ...]
    worst: Worst
    history_rows: int
    history_dropped: int
    frame_to_commit: dict[str, float] | None
    note: str
    files: Files


def summarise(
    status: Status,
    rows: Iterable[OutboxRow],
    *,
    worst: Worst,
    elapsed_s: float,
    complete: bool,
    note: str,
    files: Files,
    followed: Followed,
) -> Summary:
    """Return what came of it.

    Args:
        status: of the daemon, after it drained.
        rows: the outbox; what was accepted before this start does not count.
        worst: collected on the way.
        elapsed_s: how long it ran, seconds.
        complete: it was played to its end.
        note: how it differs from real use.
        files: where everything is.
        followed: what was done as advised.
    """
    accepted = [
        row
        for row in rows
        if row.state is OutboxState.ACCEPTED and row.settled_ms is not None and row.settled_ms >= status.started_ms
    ]
    by_level = Counter(row.level.label for row in accepted if row.kind is NoticeKind.ALERT)
    recovered = sum(
        row.kind is NoticeKind.CLOSED and row.notice is not None and row.notice.facts.reason == "recovered"
        for row in accepted
    )
    missing = [f"no {level} alert was delivered" for level in _LEVELS if not by_level[level]]
    if not recovered:
        missing.append("no all-clear was delivered")
    ended = followed.ended(accepted)
    return Summary(
        complete=complete,
        missing=(*missing, *ended.shortcomings()),
        elapsed_s=round(elapsed_s, 3),
        ticks=status.ticks,
        evaluations=status.engine.evaluations,
        delivered={level: by_level[level] for level in _LEVELS},
        recovered=recovered,
        deeds=ended.deeds,
        channels=tuple(
            ChannelSummary(one["channel"], one["sent"], one["failed"], one["refused"], one["pending"])
            for one in status.channels
        ),
        worst=worst,
        history_rows=status.history.written,
        history_dropped=sum(status.history.dropped.values()),
        frame_to_commit=status.frame_to_commit,
        note=note,
        files=files,
    )


def next_steps(files: Files) -> tuple[str, ...]:
    """Return commands worth typing now."""
    config, folder = quote(files.config), quote(str(Path(files.config).parent))
    return (
        f"position-monitor history --config {config}",
        f"position-monitor demo --forever --state {folder}",
        f"position-monitor explain BTCUSDT --config {config}  # meanwhile, in another terminal",
    )


def print_summary(summary: Summary, out: Console, zone: dt.tzinfo | None) -> None:
    """Print it for people."""
    word = "Played to the end" if summary.complete else "Incomplete: stopped"
    out.print()
    out.print(Text(f"{word} after {span(summary.elapsed_s)}.", style="bold"))
    _print(out, (*_figures(summary), ("alerts delivered", _levels(summary))))
    out.print()
    if summary.deeds:
        newest = {deed.subject: deed for deed in summary.deeds}
        _print(out, [(deed.who, told(deed)) for deed in newest.values()])
        out.print()
    out.print(_channels(summary.channels))
    out.print()
    _print(out, _moments(summary.worst, zone))
    out.print()
    files = summary.files
    _print(
        out,
        (("config", files.config), ("state", files.state), ("history", files.history), ("log", files.log)),
    )
    out.print()
    out.print(Text(summary.note, style="dim"))
    out.print("Next:")
    for step in next_steps(files):
        out.print(Text(f"  {step}"), soft_wrap=True)
    if summary.missing:
        _say_missing(summary, out)


def _say_missing(summary: Summary, out: Console) -> None:
    style = "" if not summary.complete else "bold red"
    out.print()
    out.print(Text(f"Not shown: {'; '.join(summary.missing)}.", style=style))


def _figures(summary: Summary) -> tuple[tuple[str, str], ...]:
    latency = summary.frame_to_commit
    quick = "no alert was committed" if latency is None else (
        f"p50 {latency['p50_ms']:.1f} ms, p99 {latency['p99_ms']:.1f} ms, worst {latency['worst_ms']:.1f} ms"
    )  # fmt: skip
    lost = f", {summary.history_dropped} lost" if summary.history_dropped else ""
    return (
        ("marks", f"{summary.ticks} received, {summary.evaluations} evaluations of every wallet"),
        ("frame to commit", quick),
        ("history", f"{summary.history_rows} rows written{lost}"),
    )


def _print(out: Console, rows: Sequence[tuple[str, str | Text]]) -> None:
    """Print labelled lines; a long path is not broken, so that it can be copied."""
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        out.print(Text.assemble((f"{label:<{width}}  ", "dim"), text), soft_wrap=True)


def _levels(summary: Summary) -> Text:
    parts: list[str | Text] = []
    for level, count in summary.delivered.items():
        parts += [f"{count} ", level_text(level), ", "]
    return Text.assemble(*parts, f"{summary.recovered} ", Text("all-clear", "green"))


def _channels(channels: Sequence[ChannelSummary]) -> Table:
    table = _table("channel", "sent", "failed", "refused", "waiting")
    for one in channels:
        table.add_row(one.channel, str(one.sent), str(one.failed), str(one.refused), str(one.pending))
    return table


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column(first)
    for title in numbers:
        table.add_column(title, justify="right")
    return table


def _moments(worst: Worst, zone: dt.tzinfo | None) -> tuple[tuple[str, str], ...]:
    found = (
        ("highest margin ratio", worst.margin_ratio),
        ("lowest room", worst.room),
        ("smallest distance", worst.distance),
    )
    return tuple((label, "nothing known" if one is None else _moment(one, zone)) for label, one in found)


def _moment(one: Extreme, zone: dt.tzinfo | None) -> str:
    wallet = f"{one.account}: {wallet_name(one.wallet, one.symbol)}"
    return f"{percent(one.value)}  {f'{wallet} {one.symbol}'.rstrip()}  {local_time(one.at_ms, zone)}"
