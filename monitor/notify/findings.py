"""What a checkup found, in words: what it is, why it matters in one sentence, and what to do about it. Pure.

What could not be looked at is said beside it: nothing found is only worth as much as what was looked at.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from typing import NamedTuple

from monitor.core.notices import Facts, Finding, FindingCode, Gap, GapKind, Notice
from monitor.notify.numbers import UNKNOWN, enough, grouped, money, percent
from monitor.notify.remedies import LOOK_FIRST, quantity_words
from monitor.notify.subjects import wallet_name
from monitor.notify.words import Line, clean

_MOST = 4  # findings of a message that are told whole
_GAP_SYMBOLS = 5
_LONG = "LONG"
_DOLLARS = ("", "USD")  # what nearly every account is counted in
_STOPS = {_LONG: "SELL", "SHORT": "BUY"}


class Said(NamedTuple):
    """A finding in words; none of them ends with a full stop."""

    about: str  # a position, a wallet or the account itself
    what: str
    why: str
    do: str


def said(finding: Finding) -> Said:
    """Return a finding in words."""
    what, why, do = _WORDS[finding.code]
    return Said(_about(finding), what(finding), why, do(finding))


def gap_words(gap: Gap) -> str:
    """Return what could not be looked at and why, such as ``stops of BTCUSDT: its orders are not known yet``."""
    names = [clean(symbol) for symbol in gap.symbols[:_GAP_SYMBOLS]]
    more = len(gap.symbols) - len(names)
    symbols = ", ".join(names) + (f" +{more} more" if more else "")
    what, typed, followed = _GAPS[gap.kind]
    return f"{what}{f' of {symbols}' if symbols else ''}: {typed if gap.typed else followed}"


def checkup_title(notice: Notice) -> str:
    """Return what a lock screen shows."""
    found = notice.facts.findings
    if not found:
        return "CHECKUP - something was found"
    first = said(found[0])
    where = f"{clean(found[0].account)} {first.about}".strip()
    return f"CHECKUP - {where}: {first.what}" + (f", +{len(found) - 1} more" if len(found) > 1 else "")


def checkup_lines(facts: Facts, tz: tzinfo) -> Iterator[Line]:  # noqa: ARG001 - one signature for every body
    """Yield the first findings whole, and the others by name."""
    accounts = {finding.account for finding in facts.findings}
    for finding in facts.findings[:_MOST]:
        one = said(finding)
        yield Line("Found", f"{_where(finding, several=len(accounts) > 1)}: {one.what}")
        yield Line("Why", one.why)
        yield Line("To do", one.do)
    rest = facts.findings[_MOST:]
    if rest:
        yield Line("Also", _names(rest, several=len(accounts) > 1))
    yield Line("Meaning", "nothing has happened; position-monitor checkup shows all that is found")


def _names(findings: Sequence[Finding], *, several: bool) -> str:
    parts = [f"{_where(one, several=several)} ({one.code.value.replace('_', ' ')})" for one in findings[:_MOST]]
    more = len(findings) - len(parts)
    return ", ".join(parts) + (f" +{more} more" if more else "")


def _where(finding: Finding, *, several: bool) -> str:
    """Return what a finding is about; of several accounts, or where it is about all of one, with its name."""
    about = _about(finding)
    return f"{clean(finding.account)} {about}".strip() if several or not about else about


def _about(finding: Finding) -> str:
    if finding.symbol:
        return f"{clean(finding.symbol)} {clean(finding.side)}".strip()
    return clean(wallet_name(finding.wallet)) if finding.wallet else ""


# What was found


def _times(value: float | None) -> str:
    return UNKNOWN if value is None else f"{grouped(value, figures=3)}x"


def _used_up(finding: Finding) -> str:
    left = _money(finding, finding.value)
    return f"the margin is used up: {left} is left, and {_money(finding, finding.limit)} would have to be"


def _leverage(finding: Finding) -> str:
    if finding.value is None:
        return f"nothing of its own margin is left, only gains keep it: a leverage above {_times(finding.limit)}"
    return f"leverage {_times(finding.value)}, above {_times(finding.limit)}"


def _cross(finding: Finding) -> str:
    risk = f"cross margin, so its loss can take all {_money(finding, finding.value)} of the wallet"
    if finding.remedy is None and finding.assumed:
        return risk
    if finding.remedy is None:
        return f"{risk}, and its own margin is {_money(finding, finding.limit)}"
    guess = ", its leverage is not known," if finding.assumed else ""
    leverage = f"{_times(finding.remedy)}{guess}"
    return f"{risk}; isolated at {leverage} it would be {_money(finding, finding.limit)}"


def _beyond(finding: Finding) -> str:
    return (
        f"its stop at {grouped(finding.price)} comes after the liquidation price "
        f"{grouped(finding.liquidation_price, 'none')}"
    )


def _tight(finding: Finding) -> str:
    before = UNKNOWN
    if finding.price is not None and finding.liquidation_price:
        before = percent(abs(finding.price / finding.liquidation_price - 1.0))
    return (
        f"its stop at {grouped(finding.price)} is {before} before the liquidation price "
        f"{grouped(finding.liquidation_price, 'none')}"
    )


def _wrong_side(finding: Finding) -> str:
    if finding.typed:
        return (
            f"its stop at {grouped(finding.price)} should have been triggered: the mark is {grouped(finding.mark)}"
        )
    return f"its stop at {grouped(finding.price)} is on the wrong side of the mark {grouped(finding.mark)}"


def _idle(finding: Finding) -> str:
    return f"its trailing stop has not begun: it waits for {grouped(finding.price)}, mark {grouped(finding.mark)}"


def _partly(finding: Finding, rest: str) -> str:
    return f"only {percent(finding.value)} of it has a stop that {rest}" if finding.value else ""


def _last(finding: Finding) -> str:
    return (
        _partly(finding, "the mark price triggers") or "its stop is triggered by the last price, not by the mark"
    )


def _limit(finding: Finding) -> str:
    return _partly(finding, "closes it at market") or "its stop becomes a limit order, which may stay unfilled"


def _concentration(finding: Finding) -> str:
    what = "takes" if finding.isolated else "at its leverage takes"
    return f"{what} {percent(finding.value)} of the account's margin, more than {percent(finding.limit)}"


def _exposure(finding: Finding) -> str:
    counted = clean(finding.asset)
    if finding.value is None:
        return "positions are held, and all wallets of the account together owe as much as they have, or more"
    which = "together" if counted in _DOLLARS else f"in {counted}"
    return (
        f"all positions {which} are worth {_times(finding.value)} the account's margin, more than "
        f"{_times(finding.limit)}"
    )


def _near(finding: Finding) -> str:
    together = "" if finding.symbol else ", all prices together,"
    return (
        f"liquidation is {percent(finding.value)} away{together} and a typical day's move is "
        f"{percent(finding.limit)}"
    )


def _key(finding: Finding) -> str:
    return "its key can trade and withdraw" if finding.value else "its key can trade"


# What to do


def _place_stop(finding: Finding) -> str:
    order = f"a STOP_MARKET {_STOPS.get(finding.side, '')} close-position order".replace("  ", " ")
    if finding.remedy is None and finding.mark is not None:
        return "close a part of it, or add margin: before the liquidation price there is no room for a stop"
    if finding.remedy is None:
        return f"place {order} triggered by the mark price, before the liquidation price"
    return f"place {order} at {grouped(finding.remedy)}, or nearer to the mark price that triggers it"


def _replace_stop(finding: Finding) -> str:
    return _place_stop(finding).replace("place ", "in place of it, place ", 1)


def _side_stop(finding: Finding) -> str:
    if not finding.typed:
        return _replace_stop(finding)
    return (
        "look at the exchange: if the position is closed, take it out of the configuration; if not, "
        f"{_place_stop(finding)}"
    )


def _less(finding: Finding) -> str:
    """Return what to close, and the margin of the rest, where more margin alone would be too much of it."""
    if finding.isolated and finding.margin is None:
        return "close it"
    part = f"close {quantity_words(finding.quantity or 0.0, finding.symbol, finding.asset)} of it"
    if finding.margin is None:
        return part
    return f"{part} and then bring its margin to {enough(finding.margin, clean(finding.asset))}"


def _lower_leverage(finding: Finding) -> str:
    limit = _times(finding.limit)
    if finding.quantity is not None:
        choose = "" if finding.isolated else f"choose {limit} for {clean(finding.symbol)} and "
        return f"{choose}{_less(finding)}: all of it at {limit} would be too large a part of the account"
    if finding.remedy is None:
        return f"choose {limit} for {clean(finding.symbol)}, so that what you open next cannot be larger"
    where = "its margin" if finding.isolated else "the wallet"
    return f"add {enough(finding.remedy, clean(finding.asset))} to {where}, which makes it {limit}"


def _isolate(finding: Finding) -> str:
    if finding.remedy is None:
        return "keep no more in this wallet than it may lose, or close a part of it"
    return (
        f"close it and open it again with {_money(finding, finding.limit)} of isolated margin, for the exchange "
        "does not change the mode of an open position (liquidation prices come nearer by that: place "
        "stops anew); or keep no more in this wallet than it may lose"
    )


def _close_part(finding: Finding) -> str:
    if finding.quantity is not None:
        return _less(finding)
    if finding.remedy is None:
        return "close a part of it and as much of its other side, or add money to the account"
    part = quantity_words(finding.remedy, finding.symbol, finding.asset)
    return f"close {part} of it, or add money to the account"


def _close_some(finding: Finding) -> str:
    if finding.remedy is None or finding.margin is None:
        return "close positions, or add money to the account"
    asset = clean(finding.asset)
    return f"close positions worth {enough(finding.remedy, asset)}, or add {enough(finding.margin, asset)}"


def _move_away(finding: Finding) -> str:
    if finding.quantity is not None:
        return f"{_less(finding)}: more margin alone would be too large a part of the account"
    if not finding.remedy:
        return "close a part of it, or add margin"
    where = "its margin" if finding.isolated else f"the {clean(finding.asset)} wallet"
    return f"add {enough(finding.remedy, clean(finding.asset))} to {where}, or close it"


def _plain(text: str) -> Callable[[Finding], str]:
    return lambda _finding: text


def _money(finding: Finding, value: float | None) -> str:
    return money(value, clean(finding.asset), commas=True)


_WORDS: dict[FindingCode, tuple[Callable[[Finding], str], str, Callable[[Finding], str]]] = {
    FindingCode.USED_UP: (
        _used_up,
        "from here on the exchange takes the position over and closes it",
        _plain(LOOK_FIRST),
    ),
    FindingCode.LEVERAGE: (
        _leverage,
        "the higher the leverage, the smaller the move that takes all of the margin",
        _lower_leverage,
    ),
    FindingCode.CROSS: (
        _cross,
        "one position that goes wrong takes what you meant to keep for others, and a stop can slip or be refused",
        _isolate,
    ),
    FindingCode.NO_STOP: (
        _plain("has no stop-loss"),
        "while you sleep nothing but the liquidation itself ends a loss",
        _place_stop,
    ),
    FindingCode.STOP_BEYOND: (
        _beyond,
        "the exchange liquidates first, so this stop is never triggered",
        _replace_stop,
    ),
    FindingCode.STOP_TIGHT: (
        _tight,
        "a stop is filled after it is triggered and worse, and by then the exchange may have liquidated",
        _replace_stop,
    ),
    FindingCode.STOP_SIDE: (
        _wrong_side,
        "a loss does not meet it any more, and nothing else ends one",
        _side_stop,
    ),
    FindingCode.STOP_IDLE: (
        _idle,
        "until the price was there, nothing limits the loss",
        _place_stop,
    ),
    FindingCode.STOP_LAST: (
        _last,
        "liquidation follows the mark, and the last price may not have been there when the mark is",
        _replace_stop,
    ),
    FindingCode.STOP_PARTIAL: (
        lambda finding: f"its stops cover only {percent(finding.value)} of it",
        "the rest runs on to liquidation",
        _place_stop,
    ),
    FindingCode.STOP_LIMIT: (
        _limit,
        "in a fast move the price passes the limit, and the position stays open",
        _replace_stop,
    ),
    FindingCode.CONCENTRATION: (
        _concentration,
        "a single wrong position should never decide about the account",
        _close_part,
    ),
    FindingCode.EXPOSURE: (
        _exposure,
        "markets fall together, and a small common move is then a large part of the account",
        _close_some,
    ),
    FindingCode.NEAR: (
        _near,
        "an ordinary day is enough to be liquidated",
        _move_away,
    ),
    FindingCode.AUTO_ADD: (
        _plain("the exchange adds margin to it by itself"),
        "its loss is no longer capped: it takes the cross wallet's money bit by bit",
        lambda finding: (
            f"switch auto-add margin off for {clean(finding.symbol)}, and add by hand where you want to"
        ),
    ),
    FindingCode.TRADING_KEY: (
        _key,
        "whoever gets hold of it can open positions in your name, and watching needs no such right",
        _plain("make a key that can only read, configure that one, and delete this one at the exchange"),
    ),
}
# What is missing; why it is where the account is typed in, and where it is followed by its key.
_GAPS: dict[GapKind, tuple[str, str, str]] = {
    GapKind.ORDERS: (
        "stops",
        'say `stop_loss = PRICE`, or "none", beside each typed-in position',
        "its waiting orders are not known yet",
    ),
    GapKind.MARKS: ("figures", "no price; give --mark SYMBOL=PRICE or start the daemon", "no mark price yet"),
    GapKind.MOVES: (
        "how far a typical day goes",
        "only a running daemon knows, after half an hour",
        "not known yet, or the price does not move",
    ),
    GapKind.KEY: ("what the key may do", "there is none", "the exchange has not told; the testnet never does"),
    GapKind.LEVERAGE: (
        "the share of the margin",
        "cross margin without a leverage; say `leverage = N` beside it",
        "cross margin, and its leverage is not known",
    ),
    GapKind.MARGIN: ("habits, and shares of the account,", "its margin is used up", "its margin is used up"),
}
