"""``status``: what the running daemon knows, for people, for programs and for monitoring systems."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from monitor.cli.accounts import print_accounts
from monitor.cli.away import print_away
from monitor.cli.bridged import print_bridge, print_candidate
from monitor.cli.common import (
    WIDE,
    ConfigOption,
    JsonOption,
    console,
    counted,
    globals_of,
    guarded,
    print_json,
)
from monitor.cli.despite import told
from monitor.cli.first_remedy import first_remedy
from monitor.cli.reload import config_line
from monitor.cli.verdict import UNKNOWN, CheckOption, print_verdict, verdict, without_bars
from monitor.errors import ConfigError, ControlError, MonitorError, NotRunningError

if TYPE_CHECKING:
    import datetime as dt

    from rich.console import Console
    from rich.text import Text

    from monitor.config import WebSettings
    from monitor.core.view import SymbolView
    from monitor.status import Status

_ALERTS_SHOWN = 10
_OLD_S = 120.0  # the minute before the one in progress is never older


@guarded
def status(
    context: typer.Context,
    config: ConfigOption = None,
    check: CheckOption = False,
    json: JsonOption = False,
) -> int:
    """Show what the running daemon knows."""
    if check:
        try:
            code, text = verdict(decoded(told(context, config, {"command": "status"})[0]))
        except MonitorError as error:
            # Whatever the reason is, nobody watches as far as this can tell.
            code, text = UNKNOWN, _one_line(error)
        print_verdict("status", code, text)
        return code
    from monitor.control import ask

    try:
        document, settings = told(context, config, {"command": "status"})
    except NotRunningError as error:
        raise ControlError(why_silent(error)) from None
    if json or globals_of(context).json:
        print_json(in_words(document))
        return 0
    found = decoded(document)
    if settings is None:
        print_status(found, console(), None)
        return 0
    asked = partial(ask, settings.state_directory(os.environ))
    to_do = first_remedy(asked, document, found.engine.wallets)
    print_status(found, console(), settings.display.zone(), to_do.text if to_do else "", settings.web)
    return 0


def in_words(document: object) -> object:
    """Return the daemon's answer for programs: levels are words everywhere."""
    from monitor.ledger import hold_rows, incidents

    if not isinstance(document, dict):
        return document
    found = decoded(document).engine
    words = {"alerts": incidents(found.alerts), "holds": hold_rows(found.holds)}
    return document | {"engine": document["engine"] | words}


def decoded(document: object) -> "Status":
    """Return the daemon's answer as a value.

    Raises:
        ControlError: another version of this program answered.
    """
    import msgspec

    from monitor.status import Status

    try:
        return msgspec.convert(document, Status)
    except msgspec.ValidationError as error:
        raise ControlError(f"the daemon is of another version than this command: {error}") from None


def print_status(
    found: "Status",
    out: "Console",
    zone: "dt.tzinfo | None",
    to_do: str = "",
    listen: "WebSettings | None" = None,
) -> None:
    """Print it for people.

    Args:
        found: the answer.
        out: where to.
        zone: times are shown in.
        to_do: what to do first, if anything is.
        listen: where pages are to be served, told where they are not; a daemon itself tells it only once it does.
    """
    from rich.text import Text

    from monitor.cli.tables import position_table, wallet_table
    from monitor.web.page.words import process_of

    engine = found.engine
    out.print(
        Text.assemble(
            (f" {engine.environment.upper()} ", "reverse"),
            f"  {process_of(found)}",
        )
    )
    out.print()
    out.print(position_table(engine.positions, engine.wallets))
    out.print()
    out.print(wallet_table(engine.wallets))
    if to_do:
        out.print(to_do, style="bold", markup=False, highlight=False)
    out.print()
    _print_alerts(found, out, zone)
    _print_marks(found, out)
    for feed in found.feeds:
        _print_feed(feed, out)
    print_accounts(found, out, zone)
    out.print()
    _print_channels(found, out, zone)
    out.print()
    _print_rest(found, out)
    _print_web(found, out, listen)
    _print_troubles(found, out)
    print_away(found.away, out, zone)


def _print_alerts(found: "Status", out: "Console", zone: "dt.tzinfo | None") -> None:
    """Print what is open, by the numbers that `ack` takes, and what holds messages back, if anything is."""
    from monitor.cli.ledger import print_open
    from monitor.cli.quiet import print_in_force
    from monitor.ledger import incidents

    print_in_force(found.engine.holds, out, zone, found.now_ms)
    if not found.engine.alerts:
        return
    print_open(incidents(found.engine.alerts), out, zone, found.now_ms, limit=_ALERTS_SHOWN)
    out.print()


def _print_marks(found: "Status", out: "Console") -> None:
    from rich.text import Text

    from monitor.cli.tables import DATA_STYLES, Column, FittedTable
    from monitor.notify.numbers import percent, price, span

    symbols = found.engine.symbols
    out.print(
        FittedTable(
            (
                Column("symbol", [one.symbol for one in symbols]),
                Column("mark", [price(one.mark) for one in symbols], 1, right=True),
                Column("age", ["never" if one.age_s is None else span(one.age_s) for one in symbols], right=True),
                Column("data", [Text(one.data, DATA_STYLES.get(one.data, "")) for one in symbols]),
                Column("source", [one.source or "-" for one in symbols], 2),
                Column("tiers", [found.engine.brackets.get(one.symbol, "") for one in symbols], 3),
                Column("typical 1 h", [percent(one.typical_move) for one in symbols], 4, right=True),
                Column("made of", [_made_of(one) for one in symbols], 5),
            ),
            empty="No symbol is watched.",
        )
    )
    shipped = sorted({label for label in found.engine.brackets.values() if label.startswith("shipped")})
    if shipped:
        which = [symbol for symbol, label in found.engine.brackets.items() if label in shipped]
        out.print(f"Maintenance tiers: {', '.join(shipped)} ({', '.join(which)}).", markup=False)


def _print_feed(feed: Any, out: "Console") -> None:  # noqa: ANN401 - as it came from the daemon
    from monitor.web.page.words import feed_line

    if not (line := feed_line(feed)):
        return  # no position needs it
    out.print(line, markup=False)
    for one in feed.get("candidates", ()):
        print_candidate(one, out)
    if isinstance(bridge := feed.get("bridge"), dict):
        print_bridge(bridge, out)
    if isinstance(past := feed.get("past"), dict):
        _print_past(past, out)


def _print_past(past: dict[str, Any], out: "Console") -> None:
    """Say what is missing of the symbols' past; nothing where nothing is."""
    refused = ", ".join(f"{symbol} ({reason.replace('_', ' ')})" for symbol, reason in past["refused"].items())
    parts = (
        f"{counted(past['waiting'], 'symbol')} waiting" if past["waiting"] else "",
        f"no answer ({past['failing'].replace('_', ' ')}), asked again" if past["failing"] else "",
        f"refused: {refused}" if refused else "",
    )
    if any(parts):
        words = "; ".join(part for part in parts if part)
        out.print(f"  A day of minutes for typical moves: {words}. The stream fills them by itself.", markup=False)


def _made_of(one: "SymbolView") -> str:
    """Return what a typical move is made of, and how old that is where it is not of now."""
    from monitor.core.moves import LEAST_RETURNS
    from monitor.notify.numbers import span

    age_s = one.minutes_age_s
    if age_s is None:
        return "-"
    minutes = f"{one.minutes} min" if age_s < _OLD_S else f"{one.minutes} min, {span(age_s)} old"
    # Enough of them make none where the price does not move, or where no move is to be typical.
    return f"{minutes}, unused" if one.typical_move is None and one.minutes > LEAST_RETURNS else minutes


def _channel_state(one: Any, zone: "dt.tzinfo | None") -> "Text":  # noqa: ANN401 - as it came from the daemon
    """Return whether a channel delivers, and since when it does not."""
    from rich.text import Text

    from monitor.notify.times import local_time
    from monitor.web.page.words import channel_state, is_deaf

    style = "bold red" if one["broken"] else "yellow" if is_deaf(one) else "green"
    return Text(channel_state(one, lambda at_ms: local_time(at_ms, zone)), style)


def _print_channels(found: "Status", out: "Console", zone: "dt.tzinfo | None") -> None:
    from monitor.cli.brief import short
    from monitor.cli.tables import Column, FittedTable
    from monitor.notify.times import local_time
    from monitor.web.page.words import NO_CHANNELS, stranded_lines

    rows = found.channels
    out.print(
        FittedTable(
            (
                Column("channel", [one["channel"] for one in rows]),
                Column("sent", [str(one["sent"]) for one in rows], right=True),
                Column("waiting", [str(one["pending"]) for one in rows], right=True),
                Column(
                    "since", [local_time(one["oldest_ms"], zone) if one["oldest_ms"] else "-" for one in rows], 1
                ),
                Column("failed", [str(one["failed"]) for one in rows], 3, right=True),
                Column("refused", [str(one["refused"]) for one in rows], 4, right=True),
                Column("now", [_channel_state(one, zone) for one in rows]),
                Column("last error", [short(one["last_reason"]) or "-" for one in rows], 2),
                Column("instead", [found.fallbacks.get(one["channel"], "-") for one in rows], 5),
            ),
            empty=NO_CHANNELS,
        )
    )
    for line in stranded_lines(found):
        out.print(line, style="yellow", markup=False)


def _print_rest(found: "Status", out: "Console") -> None:
    latency = found.frame_to_commit
    quick = (
        ""
        if latency is None
        else f", frame to commit p50 {latency['p50_ms']:.1f} ms, p99 {latency['p99_ms']:.1f} ms"
    )
    lost = ", ".join(f"{rows} lost ({reason})" for reason, rows in found.history.dropped.items() if rows)
    out.print(
        f"{found.ticks} marks ({found.coalesced} joined another), {found.engine.evaluations} evaluations, "
        f"{found.commits} commits{quick}.",
        markup=False,
    )
    out.print(
        f"History: {found.history.written} rows written, {found.history.queued} waiting"
        f"{f', {lost}' if lost else ''}; {found.history.path}",
        markup=False, soft_wrap=out.width >= WIDE,
    )  # fmt: skip
    _print_health(found, out)


def _print_troubles(found: "Status", out: "Console") -> None:
    if (config := found.config) is not None and (line := config_line(config, found.now_ms)):
        out.print(line, style="bold red" if config.problems else "", markup=False)
    if not found.state_ok:
        out.print("state.db cannot be written: alerts may be repeated or lost to a crash.", style="bold red")
    for job, deaths in found.job_deaths.items():
        out.print(f"Job {job} was started anew {deaths} times.", style="yellow", markup=False)


def _print_health(found: "Status", out: "Console") -> None:
    from monitor.health import health, vitals_of
    from monitor.notify.numbers import span

    verdict = health(vitals_of(found))
    if not verdict.ok:
        out.print(f"Not well: {'; '.join(verdict.reasons)}.", style="bold red", markup=False)
    _print_watchdog(found, out)
    heart = found.heartbeat
    if heart is None:
        return
    ago = "none yet" if heart.last_ms is None else f"the last {span((found.now_ms - heart.last_ms) / 1000)} ago"
    failed = f", {heart.failures} not accepted" if heart.failures else ""
    trouble = f"; NOT TAKEN: {heart.last_error.replace('_', ' ')}" if heart.failing else ""
    out.print(
        f"Heartbeat ({heart.kind}): {heart.pings} pings, {ago}{failed}{trouble}.",
        style="red" if heart.failing else None, markup=False, highlight=False,
    )  # fmt: skip


def _print_watchdog(found: "Status", out: "Console") -> None:
    from monitor.notify.numbers import span

    dog = found.watchdog
    if dog is None or (dog.within_s is None and dog.ends_s is None):
        return
    ago = "never" if dog.last_ms is None else f"the last time {span((found.now_ms - dog.last_ms) / 1000)} ago"
    still = f"; STANDING STILL: {', '.join(dog.standing)}" if dog.standing else ""
    who = [] if dog.within_s is None else [f"of systemd ({span(dog.within_s)})"]
    who += [] if dog.ends_s is None else [f"that ends the service by itself ({span(dog.ends_s)})"]
    out.print(
        f"Watchdog {' and '.join(who)}: fed {counted(dog.fed, 'time')}, {ago}{still}.",
        style="bold red" if dog.standing else None, markup=False, highlight=False,
    )  # fmt: skip


def _print_web(found: "Status", out: "Console", listen: "WebSettings | None") -> None:
    web = found.web
    if web is None:
        return
    refused = sum(web.refused.values())
    words = f"{counted(web.requests, 'request')}, {refused} refused, {counted(web.slow, 'slow client')} cut"
    where = web.address or _not_listening(web.why_not, listen)
    out.print(f"Web: {where}; {words}.", style="red" if web.why_not else None, markup=False, highlight=False)


def _not_listening(why_not: str, listen: "WebSettings | None") -> str:
    from monitor.doctor.web import address_of, in_the_way

    wanted = "" if listen is None else f" on {address_of(listen)}"
    if not why_not:
        return f"NOT LISTENING{wanted}: not yet"
    why, fix = in_the_way(why_not)
    return f"NOT LISTENING{wanted}: {why} ({fix})"


def why_silent(error: MonitorError) -> str:
    """Return in one line why no daemon answered, and what to do where none runs."""
    if isinstance(error, NotRunningError):
        return f"{error}; start it with `position-monitor run`"
    return _one_line(error)


def _one_line(error: MonitorError) -> str:
    text = str(error)
    if isinstance(error, ConfigError):
        text = f"{error.source}: {counted(len(error.problems), 'problem')} in the configuration, see check-config"
    return without_bars(text)
