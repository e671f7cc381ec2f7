"""What is told of an account: trouble with following it, the exchange's own words, and what changed. Pure.

Titles name the account and the figures; bodies list what there is, the worst first, bounded.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from monitor.core.model import Change, ChangeKind, Compared, Figure, ForcedOrder, Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.notify.away import away_title
from monitor.notify.causes import ahead_lines, ahead_title
from monitor.notify.findings import checkup_title
from monitor.notify.numbers import UNKNOWN, grouped, moment, percent, span
from monitor.notify.words import DETAIL_CHARS, TITLE_SYMBOLS, Line, clean, symbols_of, who

_MOST_LINES = 6  # of one message
_QUANTITY_FIGURES = 9
_NAMED_LEGS = 2
_SELF_EVIDENT = frozenset({"", "ORDER"})  # causes that add nothing to what happened
_FORCED: dict[str, tuple[str, str, Level]] = {
    ForcedOrder.LIQUIDATION.value: ("LIQUIDATED", "liquidated", Level.CRITICAL),
    ForcedOrder.ADL.value: ("AUTO-DELEVERAGED", "auto-deleveraged", Level.WARNING),
    ForcedOrder.SETTLEMENT.value: ("SETTLED", "settled", Level.WARNING),
}
_FORCED_UNKNOWN = ("CLOSED BY THE EXCHANGE", "closed by the exchange", Level.CRITICAL)
_FORCED_MEANING: dict[str, str] = {
    ForcedOrder.LIQUIDATION.value: "the exchange sells what the margin no longer carries",
    ForcedOrder.ADL.value: "taken to cover the liquidation of somebody else; a hedge may be open on one side now",
    ForcedOrder.SETTLEMENT.value: "the contract was delisted or delivered",
}


def change_words(change: Change) -> str:
    """Return a change in plain words, such as ``BTCUSDT LONG opened 0.5 at 61,000``; the account is left out."""
    text = _CHANGES[change.kind](change)
    if change.kind is ChangeKind.FORCED or change.cause in _SELF_EVIDENT:
        return text
    return f"{text} ({clean(change.cause)})"


def forced_level(facts: Facts) -> Level:
    """Return how a forced order must look at least."""
    return _forced_words(facts)[2]


def forced_word(facts: Facts) -> str:
    """Return what the exchange did, such as ``liquidated``."""
    return _forced_words(facts)[1]


def call_words(facts: Facts) -> str:
    """Return what the exchange says in its margin call beside what we say."""
    theirs, ours = (_ratio_of(facts.compared, side) for side in ("theirs", "ours"))
    words = [] if theirs is None else [f"margin ratio {percent(theirs)} there, {percent(ours)} here"]
    legs = [row for row in facts.compared if row.symbol] if theirs is None else []
    words += [_compared_words(row) for row in legs[:_NAMED_LEGS]]
    if len(legs) > _NAMED_LEGS:
        words.append(f"+{len(legs) - _NAMED_LEGS} more")
    return ", ".join(words) or "its figures are about another quantity than is known here"


_REASONS = {
    "rate_limit": "the exchange takes no more requests from this address for now (HTTP 429)",
    "ip_banned": "the exchange has banned this address for a while (HTTP 418)",
    "blocked": "the exchange takes no requests from this address for now",
}

# Titles


def _account_title(notice: Notice) -> str:
    facts, name = notice.facts, _account(notice)
    if facts.symbols:
        return f"ACCOUNT {name} - {_reason(facts)} for {symbols_of(facts, TITLE_SYMBOLS)}: NOT WATCHED"
    return f"ACCOUNT {name} cannot be followed - {_reason(facts)}"


def _account_back_title(notice: Notice) -> str:
    return f"ACCOUNT BACK - {_account(notice)}: {_over(notice)}"


def _drift_title(notice: Notice) -> str:
    rows = _worst_first(notice.facts.compared)
    what = _compared_words(rows[0]) if rows else "figures differ from the exchange's"
    return f"MODEL DRIFT - {_account(notice)} {what}{_more(len(rows) - 1)}"


def _drift_over_title(notice: Notice) -> str:
    return f"DRIFT OVER - {_account(notice)}: figures agree with the exchange's again"


def _call_title(notice: Notice) -> str:
    facts = notice.facts
    theirs, ours = (_ratio_of(facts.compared, side) for side in ("theirs", "ours"))
    if theirs is not None:
        ratio = f"margin ratio {percent(theirs)} there, {percent(ours)} here"
    else:
        ratio = "margin used up" if facts.liquidatable else f"margin ratio {percent(facts.margin_ratio)} here"
    far = "" if facts.distance is None else f", {percent(facts.distance)} from liquidation"
    return f"MARGIN CALL by the exchange - {_account(notice)} {who(facts)} - {ratio}{far}"


def _forced_title(notice: Notice) -> str:
    facts = notice.facts
    title = _forced_words(facts)[0]
    if not facts.changes:
        return f"{title} - {_account(notice)} {who(facts)} - check the exchange"
    change = facts.changes[0]
    return f"{title} - {_account(notice)} {_leg(change)} {_quantity(change.after)}{_at(change)}"


def _changed_title(notice: Notice) -> str:
    changes = notice.facts.changes
    what = change_words(changes[0]) if changes else "something"
    return f"CHANGED - {_account(notice)}: {what}{_more(len(changes) - 1)}"


def _brackets_title(notice: Notice) -> str:
    facts = notice.facts
    of = f" of {symbols_of(facts, TITLE_SYMBOLS)}" if facts.symbols else ""
    moved = f", {_moved_words(facts.moved[0])}{_more(len(facts.moved) - 1)}" if facts.moved else ""
    return f"BRACKETS - {_account(notice)}: new maintenance tiers{of}{moved}"


# Bodies


def _account_lines(notice: Notice) -> Iterator[Line]:
    facts = notice.facts
    yield Line("Account", _account(notice))
    yield Line("Reason", _reason(facts))
    if facts.detail:
        yield Line("To do", clean(facts.detail, DETAIL_CHARS))
    if facts.symbols:
        yield Line("Meaning", "without their tiers these positions have no level; the others keep being watched")
    elif facts.unseen:
        yield Line("Meaning", "nothing is known of its positions yet, so none of them is watched")
    else:
        yield Line("Meaning", "positions may have changed unseen; what is known keeps being watched")


def _account_back_lines(notice: Notice) -> Iterator[Line]:
    yield Line("Account", _account(notice))
    yield Line("Meaning", _over(notice))


def _drift_lines(notice: Notice) -> Iterator[Line]:
    yield Line("Account", _account(notice))
    yield Line("Meaning", "the more pessimistic value drives the levels until both agree")
    yield from _listed("Drift", [_compared_words(row) for row in _worst_first(notice.facts.compared)])


def _drift_over_lines(notice: Notice) -> Iterator[Line]:
    yield Line("Account", _account(notice))
    yield Line("Meaning", "our own figures drive the levels again")


def _forced_lines(notice: Notice) -> Iterator[Line]:
    facts = notice.facts
    yield Line("Account", _account(notice) + (f", wallet {clean(facts.wallet)}" if facts.wallet else ""))
    yield from _listed("Order", [change_words(change) for change in facts.changes])
    meaning = _FORCED_MEANING.get(_cause(facts), "the exchange closed it by itself")
    yield Line("Meaning", f"{meaning}; the order may still be filling: check the exchange")
    yield Line("Exchange time", moment(facts.event_ms) if facts.event_ms else UNKNOWN)


def _changed_lines(notice: Notice) -> Iterator[Line]:
    yield Line("Account", _account(notice))
    yield from _listed("Change", [change_words(change) for change in notice.facts.changes])


def _brackets_lines(notice: Notice) -> Iterator[Line]:
    yield Line("Account", _account(notice))
    yield from _listed("Moved", [_moved_words(row) for row in notice.facts.moved])
    yield Line("Meaning", "the exchange asks for another margin than before; levels follow the new tiers")


TITLES: dict[NoticeKind, Callable[[Notice], str]] = {
    NoticeKind.ACCOUNT: _account_title,
    NoticeKind.ACCOUNT_BACK: _account_back_title,
    NoticeKind.DRIFT: _drift_title,
    NoticeKind.DRIFT_OVER: _drift_over_title,
    NoticeKind.MARGIN_CALL: _call_title,
    NoticeKind.FORCED: _forced_title,
    NoticeKind.CHANGED: _changed_title,
    NoticeKind.CHECKUP: checkup_title,
    NoticeKind.BRACKETS: _brackets_title,
    NoticeKind.AHEAD: ahead_title,
    NoticeKind.AWAY: away_title,  # dated by when it is told
}
BODIES: dict[NoticeKind, Callable[[Notice], Iterator[Line]]] = {
    NoticeKind.ACCOUNT: _account_lines,
    NoticeKind.ACCOUNT_BACK: _account_back_lines,
    NoticeKind.DRIFT: _drift_lines,
    NoticeKind.DRIFT_OVER: _drift_over_lines,
    NoticeKind.FORCED: _forced_lines,
    NoticeKind.CHANGED: _changed_lines,
    NoticeKind.BRACKETS: _brackets_lines,
    NoticeKind.AHEAD: ahead_lines,
}


# Words


def _account(notice: Notice) -> str:
    """Return the account's name; a trouble closed late knows it only from its subject."""
    named = notice.facts.account
    if not named and notice.subject.startswith("/"):
        named = notice.subject.partition(":")[2]
    return clean(named) or "an account"


def _reason(facts: Facts) -> str:
    lasting = "" if facts.mark_age_s is None else f" for {span(facts.mark_age_s)}"
    if not facts.reason:
        return "the reason is unknown"
    return _REASONS.get(facts.reason, clean(facts.reason).replace("_", " ")) + lasting


def _over(notice: Notice) -> str:
    if notice.facts.reason == "no maintenance tiers" or notice.subject.startswith("/tiers:"):
        return "every position has maintenance tiers again"
    return "it can be followed again"


def _more(count: int) -> str:
    return f" +{count} more" if count > 0 else ""


def _listed(label: str, texts: Sequence[str]) -> Iterator[Line]:
    """Yield a line for each, and one that counts those there is no room for."""
    shown = texts if len(texts) <= _MOST_LINES else texts[: _MOST_LINES - 1]
    yield from (Line(label, text) for text in shown)
    if len(texts) > len(shown):
        yield Line("More", f"{len(texts) - len(shown)} like these")


def _worst_first(rows: Sequence[Compared]) -> list[Compared]:
    return sorted(rows, key=_excess, reverse=True)


def _excess(row: Compared) -> float:
    """Return by how many tolerances the two figures differ; infinite where one of them does not exist."""
    if row.ours is None or row.theirs is None or row.tolerance <= 0:
        return math.inf
    return abs(row.ours - row.theirs) / row.tolerance


def _compared_words(row: Compared) -> str:
    about = f"{clean(row.symbol)} {clean(row.side)}".strip() or clean(row.wallet)
    here, there = grouped(row.ours, "none"), grouped(row.theirs, "none")
    return f"{about} {row.figure.value} {here} here, {there} at the exchange".lstrip()


def _ratio_of(rows: Sequence[Compared], side: str) -> float | None:
    """Return the margin ratio of a wallet from its two compared figures, None if they are not both there."""
    known = {row.figure: row.ours if side == "ours" else row.theirs for row in rows if not row.symbol}
    maintenance, balance = known.get(Figure.MAINTENANCE_MARGIN), known.get(Figure.MARGIN_BALANCE)
    return None if maintenance is None or balance is None or balance <= 0 else maintenance / balance


def _cause(facts: Facts) -> str:
    return facts.changes[0].cause if facts.changes else facts.reason


def _forced_words(facts: Facts) -> tuple[str, str, Level]:
    return _FORCED.get(_cause(facts), _FORCED_UNKNOWN)


def _moved_words(row: tuple[str, str, float | None, float | None]) -> str:
    symbol, side, before, after = row
    leg = f"{clean(symbol)} {clean(side)}".strip()
    return f"{leg} liquidation price {grouped(before, 'none')} -> {grouped(after, 'none')}"


def _leg(change: Change) -> str:
    return f"{clean(change.symbol)} {clean(change.side)}".strip()


def _quantity(value: float | None) -> str:
    return grouped(value, figures=_QUANTITY_FIGURES)


def _at(change: Change) -> str:
    return "" if change.price is None else f" at {grouped(change.price)}"


def _opened(change: Change) -> str:
    return f"{_leg(change)} opened {_quantity(change.after)}{_at(change)}"


def _closed(change: Change) -> str:
    entry = "" if change.price is None else f", entry {grouped(change.price)}"
    return f"{_leg(change)} closed, was {_quantity(change.before)}{entry}"


def _resized(change: Change) -> str:
    entry = "" if change.price is None else f", entry now {grouped(change.price)}"
    return f"{_leg(change)} {change.kind.value} {_quantity(change.before)} -> {_quantity(change.after)}{entry}"


def _flipped(change: Change) -> str:
    other = {"LONG": "SHORT ", "SHORT": "LONG "}.get(change.side, "")
    turned = f"{other}{_quantity(change.before)} -> {clean(change.side)} {_quantity(change.after)}"
    return f"{clean(change.symbol)} turned {turned}{_at(change)}"


def _leverage(change: Change) -> str:
    return f"{_leg(change)} leverage {grouped(change.before)}x -> {grouped(change.after)}x"


def _margin_mode(change: Change) -> str:
    before, after = ("isolated" if value else "cross" for value in (change.before, change.after))
    return f"{_leg(change)} margin mode {before} -> {after}"


def _margin(change: Change) -> str:
    amounts = f"{_quantity(change.before)} -> {_quantity(change.after)} {clean(change.asset)}"
    return f"{_leg(change)} margin {amounts}".rstrip()


def _balance(change: Change) -> str:
    return f"{clean(change.asset)} balance {_quantity(change.before)} -> {_quantity(change.after)}".lstrip()


def _mode(change: Change) -> str:
    return f"{change.kind.value} turned {'on' if change.after else 'off'}"


def _forced(change: Change) -> str:
    done = _FORCED.get(change.cause, _FORCED_UNKNOWN)[1]
    return f"{_leg(change)} {done} {_quantity(change.after)}{_at(change)}"


_CHANGES: dict[ChangeKind, Callable[[Change], str]] = {
    ChangeKind.OPENED: _opened,
    ChangeKind.CLOSED: _closed,
    ChangeKind.INCREASED: _resized,
    ChangeKind.REDUCED: _resized,
    ChangeKind.FLIPPED: _flipped,
    ChangeKind.LEVERAGE: _leverage,
    ChangeKind.MARGIN_MODE: _margin_mode,
    ChangeKind.MARGIN: _margin,
    ChangeKind.BALANCE: _balance,
    ChangeKind.MULTI_ASSETS: _mode,
    ChangeKind.HEDGE_MODE: _mode,
    ChangeKind.FORCED: _forced,
}
