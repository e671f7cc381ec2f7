"""The rest of the page: positions, marks, feeds, accounts, channels, messages, and what serves it."""

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.core.report import PositionView
from monitor.ledger import facts_of
from monitor.notify.numbers import grouped, money, percent, span
from monitor.notify.reach import within_reach
from monitor.notify.reasons import in_words
from monitor.notify.subjects import subject_name, wallet_name
from monitor.storage.outbox import OutboxRow, OutboxState
from monitor.web.page.markup import Html, table, tag
from monitor.web.page.seen import Seen, rank
from monitor.web.page.top import level_class
from monitor.web.page.words import NO_CHANNELS, channel_state, feed_line, is_deaf, process_of

ROWS = 30
MESSAGES = 8
_BECAME = {
    OutboxState.ACCEPTED: "accepted",
    OutboxState.PENDING: "waiting",
    OutboxState.REFUSED: "REFUSED",
    OutboxState.SUPERSEDED: "superseded",
    OutboxState.RESOLVED: "over before delivery",
}


def positions(seen: Seen) -> Html:
    """Return the positions nearest to their end."""
    found = sorted(seen.status.engine.positions, key=_order)
    assets = {(one.account, one.wallet): one.asset for one in seen.status.engine.wallets}
    shown = found[:ROWS]
    heads = (
        ("Position", ""), ("Distance", "num"), ("Liquidation", "num"), ("Level", ""), ("Mark", "num wide"),
        ("Entry", "num wide"), ("Quantity", "num wide"), ("Profit", "num wide"), ("Account", "wide"),
        ("Wallet", "wide"),
    )  # fmt: skip
    rows = [
        (
            f"{one.symbol} {one.side}",
            "none" if one.distance is None and one.liquidation_price is None else percent(one.distance),
            grouped(within_reach(one.liquidation_price, one.mark_price), "none"),
            tag("span", one.level, class_=f"word {level_class(one.level)}"),
            grouped(one.mark_price), grouped(one.entry_price), grouped(one.quantity),
            money(_plain(one.unrealized_pnl), assets.get((one.account, one.wallet), ""), commas=True),
            one.account, wallet_name(one.wallet, one.symbol),
        )
        for one in shown
    ]  # fmt: skip
    return _section(
        "positions", "Positions", table("Positions, the worst first", heads, rows) if rows else None,
        _more(len(found) - len(shown), "/api/v1/positions") if rows else tag("p", "No position."),
    )  # fmt: skip


def _plain(amount: float | None) -> float | None:
    return None if amount is None else amount + 0.0  # a negative zero is none for people


def _order(one: PositionView) -> tuple[float, float]:
    return (-rank(one.level), 2.0 if one.distance is None else one.distance)


def marks(seen: Seen) -> Html:
    """Return how fresh prices are, those that are not first."""
    symbols = sorted(seen.status.engine.symbols, key=lambda one: (one.data == "fresh", -(one.age_s or 1e9)))
    shown = symbols[:ROWS]
    heads = (("Symbol", ""), ("Data", ""), ("Age", "num"), ("Mark", "num"), ("Source", "wide"))
    rows = [
        (
            one.symbol,
            tag("span", one.data.upper() if one.data != "fresh" else "fresh", class_=f"word data-{one.data}"),
            "never" if one.age_s is None else span(one.age_s), grouped(one.mark), one.source or "none",
        )
        for one in shown
    ]  # fmt: skip
    return _section(
        "marks", "Prices", table("Prices, the oldest first", heads, rows) if rows else None,
        *(_feed(one) for one in seen.status.feeds), _more(len(symbols) - len(shown), "/api/v1/symbols"),
    )  # fmt: skip


def _feed(feed: object) -> Html | None:
    words = feed_line(feed)
    return tag("p", words, class_="small") if words else None


def accounts(seen: Seen) -> Html:
    """Return what is known of accounts, those in trouble first."""
    found = sorted(seen.followed, key=lambda one: not (one.trouble or one.drifting))
    shown = found[:ROWS]
    heads = (
        ("Account", ""), ("Followed", ""), ("Positions", "num"), ("As of", "wide"), ("Figures", "wide"),
        ("Market", "wide"),
    )  # fmt: skip
    rows = [
        (
            one.account,
            tag("span", one.followed, class_="word bad" if one.trouble else "word"),
            "unknown" if one.positions is None else str(one.positions),
            seen.time(one.as_of_ms) if one.as_of_ms else "never", one.figures, one.market,
        )
        for one in shown
    ]  # fmt: skip
    return _section(
        "accounts", "Accounts", table("Accounts", heads, rows) if rows else tag("p", "No account."),
        _more(len(found) - len(shown), "/api/v1/accounts"),
    )  # fmt: skip


def channels(seen: Seen) -> Html:
    """Return who can be told."""
    heads = (
        ("Channel", ""), ("Now", ""), ("Sent", "num"), ("Waiting", "num"), ("Last error", "wide"),
        ("Instead", "wide"),
    )  # fmt: skip
    rows = [
        (
            one["channel"], _channel(seen, one), str(one["sent"]), str(one["pending"]),
            in_words(one["last_reason"]) or "none", seen.status.fallbacks.get(one["channel"], "none"),
        )
        for one in seen.status.channels
    ]  # fmt: skip
    none = tag("p", NO_CHANNELS, class_="bad")
    return _section("channels", "Channels", table("Channels", heads, rows) if rows else none)


def _channel(seen: Seen, one: Mapping[str, Any]) -> Html:
    return tag("span", channel_state(one, seen.time), class_="word bad" if is_deaf(one) else "word")


def told(seen: Seen) -> Html:
    """Return the last messages."""
    if seen.told is None:
        return _section("told", "Last messages", tag("p", "state.db cannot be read just now.", class_="bad"))
    heads = (("When", ""), ("What", ""), ("Whose", ""), ("Channel", "wide"), ("Became", ""))
    messages: dict[str, list[OutboxRow]] = {}
    for row in seen.told:
        messages.setdefault(row.key, []).append(row)
    rows = [
        (
            seen.time(row.decided_ms), tag("span", what(row), class_=f"word {level_class(row.level.label)}"),
            subject_name(row.subject, facts_of(row)), ", ".join(one.channel for one in same), became(same),
        )
        for same in list(messages.values())[:MESSAGES]
        for row in same[:1]
    ]  # fmt: skip
    none = tag("p", "Nothing was told yet.")
    return _section(
        "told", "Last messages", table("Last messages, the newest first", heads, rows) if rows else none
    )


def became(rows: Sequence[OutboxRow]) -> str:
    """Return what became of a message on its channels."""
    words = {_BECAME[row.state] for row in rows}
    return words.pop() if len(words) == 1 else ", ".join(f"{row.channel} {_BECAME[row.state]}" for row in rows)


def what(row: OutboxRow) -> str:
    """Return what a message was about."""
    kind = row.kind.value
    if kind == "alert":
        return row.level.label
    if kind == "reminder":
        return f"still {row.level.label}"
    if kind == "closed":
        return "closed" if row.level.label == "ok" else f"down to {row.level.label}"
    return kind.replace("_", " ")


def footer(seen: Seen) -> Html:
    """Return what serves this, and how it does."""
    status = seen.status
    latency = status.frame_to_commit
    quick = "" if latency is None else f" Frame to commit: p99 {latency['p99_ms']:.1f} ms."
    logout = None
    if seen.form_token:
        logout = tag(
            "form", tag("input", type="hidden", name="form_token", value=seen.form_token),
            tag("button", "Log out", type="submit", id="logout"), method="post", action="/logout",
        )  # fmt: skip
    return tag(
        "footer",
        tag("p", f"{process_of(status)}. {status.ticks} marks.{quick}"),
        tag("p", "For programs: ", tag("a", "/api/v1/status", href="/api/v1/status"), ", ",
            tag("a", "/api/v1/openapi.json", href="/api/v1/openapi.json"), ", ",
            tag("a", "/metrics", href="/metrics"), "."),
        logout, id="footer", data_part=True,
    )  # fmt: skip


def _section(name: str, title: str, *children: Html | None) -> Html:
    return tag("section", tag("h2", title), *children, id=name, data_part=True)


def _more(count: int, path: str) -> Html | None:
    return tag("p", f"and {count} more; {path} has all.") if count > 0 else None
