"""Bodies: labelled lines, the most telling first. Pure; escaping is left to whoever joins them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from itertools import chain, islice
from pathlib import PurePath
from shlex import quote

from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.notify import news, service
from monitor.notify.causes import cause_lines
from monitor.notify.connections import in_words
from monitor.notify.numbers import UNKNOWN, grouped, moment, money, moves, percent, span
from monitor.notify.remedies import MOST_LINES, pointer_lines, remedy_lines
from monitor.notify.words import (
    DETAIL_CHARS,
    FIRST_SEEN,
    HAPPENED,
    TITLE_SYMBOLS,
    Line,
    account_of,
    clean,
    environment,
    symbols_of,
    used_up,
)

_BODY_SYMBOLS = 20
_BODY_WALLETS = 5
_ADVICE_CHARS = 160
_STORAGE_CHARS = 300  # a path may be long
_ROOM = "see that its disk has room and that the service may write there; writing goes on by itself after that"
_BRIDGED = "marks come from REST every few seconds, and levels are judged on them"
_EASED = "better: nothing of this level holds at the moment; it ends once that has lasted on fresh marks"
_CORRECTED = "the exchange's own are worse than ours; the worse ones count until both agree"


def lines_of(notice: Notice, tz: tzinfo) -> Iterator[Line]:
    """Return the lines of a notice, caveats and notes aside; ``tz`` is shown beside UTC."""
    if notice.kind is NoticeKind.MARGIN_CALL:
        return _call_lines(notice, tz)
    if notice.kind in service.BODIES:
        return service.BODIES[notice.kind](notice.facts, tz)
    if notice.kind in news.BODIES:
        return news.BODIES[notice.kind](notice)
    if notice.kind in _BODIES:
        return _BODIES[notice.kind](notice.facts, tz)
    return wallet_lines(notice.facts, tz, pointer_lines(notice))


def wallet_lines(facts: Facts, tz: tzinfo, pointer: Iterable[Line] = ()) -> Iterator[Line]:
    """Yield everything known about a wallet: whose, how bad, how long, what to do, what is ahead, the details.

    ``pointer`` says where to look for what to do, if the facts do not.
    """
    yield from short_lines(facts)
    yield from pointer
    yield from cause_lines(facts)
    amounts = (("balance", facts.margin_balance), ("maintenance", facts.maintenance_margin))
    asset = clean(facts.asset)
    words = [
        f"{name} {money(value, asset, commas=True)}" for name, value in (*amounts, ("cushion", facts.cushion))
    ]
    yield Line("Wallet", ", ".join(words))
    if facts.brackets and not facts.brackets.startswith("exchange"):
        yield Line("Brackets", clean(facts.brackets))
    yield Line("Tick", _tick(facts, tz) + _assumption(facts))


def short_lines(facts: Facts, *, brief: bool = False) -> Iterator[Line]:
    """Yield what cannot be left out of a wallet's danger; ``brief``: of what to do, no more than the amounts."""
    yield Line("Account", account_of(facts) + _nearest(facts))
    if facts.reason == FIRST_SEEN:
        yield Line("Reminders", "none until it worsens: it was like this when first seen")
    if facts.reason == "passed":
        yield Line(
            "Meaning",
            "better figures again, but the exchange liquidates once the margin is used up; check it",
        )
    if facts.eased:
        yield Line("Now", _EASED)
    if facts.corrected:
        yield Line("Figures", _CORRECTED)
    yield Line("Margin ratio", f"{_ratio(facts)}, room left {percent(facts.room)}")
    yield Line("Distance", _distances(facts))
    yield Line("Liquidation price", _liquidation(facts))
    yield Line("How long", moves(facts.moves_left))
    yield from advice_lines(facts, brief=brief)


def advice_lines(facts: Facts, *, brief: bool = False) -> Iterator[Line]:
    """Yield what to do: amounts, then the sentences of ``Facts.advice``, the best first; four lines at most."""
    sentences = (Line("To do", clean(sentence, _ADVICE_CHARS)) for sentence in facts.advice)
    return islice(chain(remedy_lines(facts, brief=brief), sentences), MOST_LINES)


def _closed_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:
    if facts.mark is None and facts.margin_balance is None:  # nothing is left to describe
        yield Line("Account", account_of(facts))
        yield Line("Meaning", "this account no longer holds it; closed, reduced or liquidated: the exchange knows")
    else:
        yield from wallet_lines(facts, tz)


def _feed_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:
    yield Line("Symbols", symbols_of(facts, _BODY_SYMBOLS) or "all that positions need")
    if facts.reason:
        yield Line("Reason", clean(facts.reason, DETAIL_CHARS))
    if facts.bridged:
        if facts.event_ms:
            yield Line("Tick", f"by REST, exchange time {moment(facts.event_ms, tz)}")
    elif facts.event_ms or facts.mark_age_s is not None:
        yield Line("Tick", _tick(facts, tz))


def _blind_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:
    symbols, *others = _feed_lines(facts, tz)
    yield symbols
    if facts.bridged:
        yield Line("Bridged", _BRIDGED)
    yield from others
    if reason := clean(facts.detail):
        yield Line("Stream", in_words(reason))
    if facts.wallets:
        more = len(facts.wallets) - _BODY_WALLETS
        names = ", ".join(clean(wallet) for wallet in facts.wallets[:_BODY_WALLETS])
        yield Line("Wallets", names + (f" +{more} more" if more > 0 else ""))
    until = "the stream is back" if facts.bridged else "marks return"
    yield Line("Meaning", f"until {until}, levels of these wallets may rise but cannot fall")


def _sight_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:
    yield from _feed_lines(facts, tz)
    if facts.bridged:
        yield Line("Bridged", _BRIDGED)
        yield Line("Meaning", "not an all-clear: until the stream is back, levels may rise but cannot fall")


def _plain_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - one signature for every body
    yield Line("Environment", environment(facts))
    if facts.reason:
        yield Line("Reason", clean(facts.reason))


def _storage_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - one signature for every body
    yield Line("Environment", environment(facts))
    if facts.reason:
        yield Line("Reason", clean(facts.reason, _STORAGE_CHARS))
    if facts.reason in HAPPENED:  # it goes on: nothing is to do
        yield from (Line("Note", clean(words, _STORAGE_CHARS)) for words in facts.advice)
        return
    if facts.path:
        yield Line("File", clean(facts.path, _STORAGE_CHARS))
    yield Line("To do", clean("; ".join(facts.advice), _STORAGE_CHARS) or _ROOM)
    place = f"df -h {quote(clean(str(PurePath(facts.path).parent), _STORAGE_CHARS))} and " if facts.path else ""
    yield Line("Look", f"{place}position-monitor doctor, as the user of the service")


def _nearest(facts: Facts) -> str:
    worst = f"{clean(facts.symbol)} {clean(facts.side)}".strip()
    if not worst or (facts.positions <= 1 and facts.symbol in facts.wallet):
        return ""  # an isolated wallet has the name of its position
    return f"; nearest of {facts.positions} positions: {worst}" if facts.positions > 1 else f"; position {worst}"


def _liquidation(facts: Facts) -> str:
    text = grouped(facts.liquidation_price, "none" if facts.mark else UNKNOWN)
    source = " by REST" if facts.mark_source == "rest" else ""
    return f"{text}, mark {grouped(facts.mark)}{source}"


def _distances(facts: Facts) -> str:
    alone = "none" if facts.distance is None and facts.mark else percent(facts.distance)
    if facts.joint_distance is None or facts.positions <= 1:
        return alone
    return f"{alone}, all marks together {percent(facts.joint_distance)}"


def _assumption(facts: Facts) -> str:
    if not facts.assumed:
        return ""
    names = ", ".join(clean(symbol) for symbol in facts.assumed[:TITLE_SYMBOLS])
    return f"; no mark of {names} yet, entry prices stand in: the truth may be better or worse"


def _tick(facts: Facts, tz: tzinfo) -> str:
    age = "age unknown" if facts.mark_age_s is None else f"{span(facts.mark_age_s)} old when decided"
    return f"{age}, exchange time {moment(facts.event_ms, tz) if facts.event_ms else UNKNOWN}"


def _ratio(facts: Facts) -> str:
    if facts.liquidatable and facts.margin_ratio is None:
        return "margin used up"
    return percent(facts.margin_ratio) + (", margin used up" if used_up(facts) else "")


def _call_lines(notice: Notice, tz: tzinfo) -> Iterator[Line]:
    """Yield the exchange's figures, then ours; of the tables there is no room to speak."""
    yield Line("Exchange", news.call_words(notice.facts))
    lines = wallet_lines(notice.facts, tz, pointer_lines(notice))
    yield from (line for line in lines if line.label != "Brackets")


_BODIES: dict[NoticeKind, Callable[[Facts, tzinfo], Iterator[Line]]] = {
    NoticeKind.CLOSED: _closed_lines,
    NoticeKind.BLIND: _blind_lines,
    NoticeKind.SIGHT: _sight_lines,
    NoticeKind.STORAGE: _storage_lines,
    NoticeKind.STORAGE_BACK: _plain_lines,
    NoticeKind.TEST: _plain_lines,
}
