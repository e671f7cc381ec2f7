"""What a picture is made of, what matters first: reasons, wallets, what to do, alerts, channels. Pure."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from monitor.account_rows import AccountRow, untabled_lines
from monitor.cli.brief import short
from monitor.cli.ledger import open_table
from monitor.cli.quiet import in_force
from monitor.cli.tables import (
    DATA_STYLES,
    STYLES,
    Column,
    FittedTable,
    account_column,
    distance_text,
    level_text,
    liquidation_text,
    moves_text,
    ratio_text,
    room_text,
    wallet_name,
)
from monitor.cli.watching.past import CELL_S, CELLS, Past, drawn
from monitor.core.notices import DataState, HoldKind
from monitor.core.report import PositionView, WalletView
from monitor.core.view import SymbolView
from monitor.ledger import incidents
from monitor.notify.numbers import price, span
from monitor.notify.times import days_differ, local_time
from monitor.notify.words import clean
from monitor.web.page import words
from monitor.web.page.seen import Seen, is_held, nearest

_ROOMY: Final = 100  # columns from which a blank line sets what to do apart
_TERSE: Final = 70  # columns below which figures are left out rather than that names are shortened
NOTICED_S: Final = 1.5  # an answer that is older is said to be
_CLOCK: Final = len("14:02:10")
_TRENDS: Final = {1: Text("▲", "green"), -1: Text("▼", "red"), 0: Text(" ")}


class Look(NamedTuple):
    """Everything one picture shows."""

    now_ms: int
    now_s: float  # monotonic, as ``past`` has it
    zone: dt.tzinfo | None
    past: Past
    seen: Seen | None = None  # the last answer
    age_s: float = 0.0  # since it was made
    is_old: bool = True  # none came when one should have
    silent: str = ""  # why the last question had no answer; empty if it had, or is still open
    waiting_s: float = 0.0  # for the answer to a question that is open
    to_do: str = ""  # about the worst wallet
    notes: tuple[str, ...] = ()
    keys: bool = False  # there is somebody who can press one

    @property
    def ago_s(self) -> float:
        """How long ago the last answer was made; 0 where that is too short to be said."""
        return self.age_s if self.age_s >= NOTICED_S else 0.0

    def as_of(self) -> str:
        """Return when the last answer was made."""
        if self.seen is None:
            return ""
        at_ms = self.seen.status.now_ms
        return local_time(at_ms, self.zone, day=days_differ(at_ms, self.now_ms, self.zone))

    def titles(self) -> list[Text]:
        """Return where it watches, whether it does, and the worst level; then shorter ones with what matters."""
        if self.seen is None:
            return [Text("position-monitor watch", "bold")]
        state, _ = words.state_of(self.seen)
        worst = words.worst_of(self.seen)
        # Of a while ago it is no promise any more that somebody watches.
        calm = "bold red" if state != words.WATCHING else "" if self.ago_s else "bold green"
        where = (f" {self.seen.status.engine.environment.upper()} ", "reverse")
        was = "was: " if self.is_old else ""
        does = (state, "" if self.is_old else calm)
        if worst is None:
            return [Text.assemble(where, " ", was, does), Text.assemble(was, does)]
        level = (worst[1], "" if self.is_old else STYLES.get(worst[0], ""))
        return [
            Text.assemble(where, " ", was, does, " - ", level),
            Text.assemble(was, does, " - ", level),
            Text.assemble(was, level, " - ", does),
        ]


class Part(NamedTuple):
    """One part of a picture; ``rows`` gives the first so many of ``total``, and may give fewer."""

    name: str  # what is missing is called where there is no line left for it
    rank: int
    rows: Callable[[int], Sequence[RenderableType]]
    total: int
    head: Sequence[Text] = ()
    titled: bool = False  # its rows are one table, whose first line is its titles
    more: str = ""  # behind how many rows are missing
    weight: int = 1  # lines it gets where others get one
    share: float = 0.0  # of all lines, which it gets before less important parts get any
    apart: bool = True  # a blank line goes before it where there is space


def parts(look: Look, width: int) -> list[Part]:
    """Return what there is to show in the order in which it stands on the screen."""
    seen = look.seen
    notes = [Text(clean(note, most=400), "yellow") for note in look.notes]
    if seen is None:
        return [_lines("notes", 3, notes)]
    return [
        # Of old answers it would claim what nobody knows.
        _lines("state", 1, [] if look.is_old else [Text(words.state_of(seen, look.ago_s)[1])], apart=False),
        _lines("what is wrong", 2, [Text(f"- {one}", "bold red") for one in words.reasons(seen)], apart=False),
        _lines("notes", 3, notes, apart=False),
        _wallets(look, seen, names=width < _TERSE),
        _lines(
            "what to do", 4, [Text(look.to_do, "bold")] if look.to_do else [], share=0.4, apart=width >= _ROOMY
        ),
        _alerts(look, seen),
        _lines("what is held back", 6, _quiet(look, seen)),
        _changes(look),
        _lines("channels", 7, _channels(seen)),
        _lines("accounts", 9, _accounts(seen), apart=False),
        _lines("feeds", 10, _feeds(seen), apart=False),
    ]


def _lines(name: str, rank: int, texts: Sequence[Text], *, share: float = 0.0, apart: bool = True) -> Part:
    return Part(name, rank, lambda _most: texts, len(texts), more=" lines", share=share, apart=apart)


def _wallets(look: Look, seen: Seen, *, names: bool) -> Part:
    """Return the wallets; ``names`` matter more than figures where there is no space for both."""
    held = [one for one in seen.worst if is_held(one)]
    if not held:
        return _lines("wallets", 0, [Text("No wallet backs a position.")])
    return Part(
        "wallets", 0, lambda most: [_wallet_table(look, seen, held[:most], names=names)], len(held),
        titled=True, more=" that are better off", weight=2, share=0.5,
    )  # fmt: skip


def _wallet_table(look: Look, seen: Seen, held: Sequence[WalletView], *, names: bool) -> FittedTable:
    near = [nearest(seen.legs.get((one.account, one.wallet), ())) for one in held]
    symbols = {one.symbol: one for one in seen.status.engine.symbols}
    marks = [_oldest(seen, one, symbols) for one in held]
    ends = [liquidation_text(one) if one else "-" for one in near]
    unsure = any(one is not None and one.data != DataState.FRESH.value for one in marks)
    return FittedTable(
        (
            Column("level", [_level(look, one) for one in held], least=9, yields=2),
            account_column([one.account for one in held], 8)._replace(yields=1),
            Column("position", [words.position_of(seen, one) for one in held], names=True),
            Column("wallet", [_mode(*one) for one in zip(held, near, strict=True)], 7, names=True),
            Column("room", [room_text(one) for one in held], right=True, least=7, yields=3),
            Column("", [_TRENDS[look.past.trend(one)] for one in held], least=1, yields=6),
            Column(f"last {span(CELLS * CELL_S)}", [_line(look, one) for one in held], 5, least=CELLS),
            Column("ratio", [ratio_text(one) for one in held], 1, right=True, least=7, worth=not names),
            Column("distance", [_distance(one) for one in near], right=True, least=11, yields=5),
            Column("liq.", ends, 2, right=True, least=8, worth=not names),
            Column("mark", [price(one.mark_price) if one else "-" for one in near], 4, right=True, least=8),
            Column("age", [_age(look, one) for one in marks], 0 if unsure else 3, right=True, least=5, yields=4),
            Column("moves", [moves_text(one) for one in held], 6, right=True, least=5),
        )
    )  # fmt: skip


def _mode(wallet: WalletView, near: PositionView | None) -> str:
    return wallet_name(wallet.wallet, near.symbol if near else "")


def _level(look: Look, wallet: WalletView) -> Text:
    text = level_text(wallet.level)
    if look.past.changed_lately(wallet, look.now_s):
        text.stylize("reverse")
    return text


def _line(look: Look, wallet: WalletView) -> Text:
    return Text(drawn(look.past.rooms(wallet, look.now_s)), room_text(wallet).style)


def _distance(position: PositionView | None) -> str:
    """Return how far away liquidation is, and where the price has to go for it."""
    if position is None:
        return "-"
    text, liquidation, mark = distance_text(position), position.liquidation_price, position.mark_price
    if text == "-" or liquidation is None or mark is None or not position.distance:
        return text
    return f"{text} {'down' if liquidation < mark else 'up'}"


def _oldest(seen: Seen, wallet: WalletView, symbols: dict[str, SymbolView]) -> SymbolView | None:
    """Return the mark of a wallet that is least to be trusted."""
    mine = [
        symbols[one.symbol] for one in seen.legs.get((wallet.account, wallet.wallet), ()) if one.symbol in symbols
    ]
    states = [one.value for one in (DataState.FRESH, DataState.SUSPECT, DataState.BLIND)]
    return max(
        mine,
        key=lambda one: (states.index(one.data) if one.data in states else 0, one.age_s is None, one.age_s or 0.0),
        default=None,
    )


def _age(look: Look, one: SymbolView | None) -> Text:
    """Return how old a mark is by now, and whether that is too old."""
    if one is None:
        return Text("-")
    age = "never" if one.age_s is None else span(one.age_s + look.age_s)
    if one.data == DataState.FRESH.value:
        return Text(age)
    word = words.BLIND if one.data == DataState.BLIND.value else one.data
    return Text(f"{word} {age}", DATA_STYLES.get(one.data, ""))


def _alerts(look: Look, seen: Seen) -> Part:
    rows = incidents(seen.status.engine.alerts)
    title = Text(words.alerts_title(len(rows)), "bold" if rows else "")
    if not rows:
        return _lines("alerts", 5, [title])
    now_ms = seen.status.now_ms
    return Part(
        f"alerts ({len(rows)})", 5, lambda most: [open_table(rows[:most], look.zone, now_ms)], len(rows),
        head=[title], titled=True,
    )  # fmt: skip


def _quiet(look: Look, seen: Seen) -> list[Text]:
    holds = [one for one in seen.status.engine.holds if one.kind is not HoldKind.ACK]  # an alert says that itself
    return [Text(line, "yellow") for line in in_force(holds, look.zone, seen.status.now_ms)]


def _channels(seen: Seen) -> list[Text]:
    """Return who can be told in one line, and a line for each channel that does not deliver."""
    found = seen.status
    if not found.channels:
        return [Text(words.NO_CHANNELS, "bold red")]
    rows = [(one, words.is_deaf(one) or bool(one["pending"])) for one in found.channels]
    fine = [one["channel"] for one, waits in rows if not waits]
    lines = [_channel(seen, one) for one, waits in rows if waits]
    lines += [Text(line, "yellow") for line in words.stranded_lines(found)]
    return [*lines, *([Text(f"Channels that are fine: {words.few(fine)}")] if fine else [])]


def _channel(seen: Seen, one: Any) -> Text:  # noqa: ANN401 - as it came from the daemon
    state = words.channel_state(one, seen.time)
    waits = f", {one['pending']} waiting" if one["pending"] else ""
    since = f" since {seen.time(one['oldest_ms'])}" if one["pending"] and one["oldest_ms"] else ""
    why = f", last error: {short(one['last_reason'])}" if words.is_deaf(one) and one["last_reason"] else ""
    stand_in = seen.status.fallbacks.get(one["channel"], "")
    instead = f", instead: {stand_in}" if words.is_deaf(one) and stand_in else ""
    style = "bold red" if one["broken"] else "yellow" if words.is_deaf(one) else ""
    return Text(f"Channel {one['channel']}: {state}{waits}{since}{why}{instead}", style)


def _accounts(seen: Seen) -> list[Text]:
    """Return how many accounts are followed, and a line for each that is not or whose figures differ."""
    rows = seen.followed
    bad = [one for one in rows if one.trouble or one.drifting]
    lines = [
        Text(
            f"Account {one.account}: {one.followed}{f', figures {one.figures}' if one.drifting else ''}",
            "bold red",
        )
        for one in bad
    ]
    lines += [Text(line, "bold red") for line in untabled_lines(rows)]
    fine = [_fine(one) for one in rows if one not in bad]
    return [*lines, *([Text(f"Accounts that are fine: {words.few(fine)}")] if fine else [])]


def _fine(row: AccountRow) -> str:
    """Return an account's name, and how long ago something was heard of it."""
    rest, _, stream = row.heard.partition(" / ")
    if not stream:
        return f"{row.account} ({row.followed})"
    return f"{row.account} (REST {_ago(rest)}, stream {_ago(stream)})"


def _ago(age: str) -> str:
    return age if age == "never" else f"{age} ago"


def _feeds(seen: Seen) -> list[Text]:
    lines = [words.feed_line(one) for one in seen.status.feeds]
    return [*(Text(line) for line in lines if line), Text(f"{words.process_of(seen.status)}.", "dim")]


def _changes(look: Look) -> Part:
    changes = look.past.changes
    since = "" if look.past.since_ms is None else f", since {local_time(look.past.since_ms, look.zone)}"
    rows = [
        Text.assemble(
            f"{local_time(one.at_ms, look.zone)[:_CLOCK]}  {one.what}: ",
            (_told(one.before, one.after), STYLES.get(one.after, "")),
            no_wrap=True, overflow="ellipsis",
        )
        for one in changes
    ]  # fmt: skip
    return Part(
        f"changes ({len(rows)})", 8, lambda most: rows[:most], len(rows),
        head=[Text(f"What changed{since}", "dim")] if rows else [], more=" before",
    )  # fmt: skip


def _told(before: str, after: str) -> str:
    if not after:
        return f"{before}, and gone now"
    return f"{before} -> {after}" if before else after
