"""What to do about a wallet in danger, in words: what to add, what to reduce, and what each of them takes. Pure.

A sentence names both ways, for either alone is enough. Amounts are never written smaller than they are, and no
sentence is cut: it is taken whole or not at all.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import islice

from monitor.core.layout import QUOTE_ASSETS
from monitor.core.model import MULTI_WALLET, Level
from monitor.core.notices import Cut, Facts, Notice, NoticeKind, Prescription, Remedy
from monitor.core.spare import AVAILABLE, BALANCE, WARNING
from monitor.notify.numbers import at_most, enough, exact, grouped, percent
from monitor.notify.words import Line, clean, is_drill, used_up

MOST_LINES = 4
TO_DO = "To do"  # how the label of what to do begins
_BRIEF_LINES = 2  # in a message that tells of others as well
_CUTS_NAMED = 3
_CLOSED_WITH_AMOUNTS = 2
_TITLE_CUTS = 2
_CENT = 0.01
_DELIVERY = re.compile(r"_[0-9]{6}$")
_QUOTES = sorted(QUOTE_ASSETS, key=len, reverse=True)

LOOK_FIRST = "look at the exchange first: the margin is used up, and it may have liquidated already"
_NO_AMOUNT = "close what this wallet holds: no margin added and no smaller cut is enough"
_EXPLAIN = "position-monitor explain"
_NOTHING = "nothing more is needed"
_NEARER = "half way through, a smaller move of all prices liquidates than now: go on to the end"
_OTHER_ASSETS = "another asset does as well, for what it counts as collateral"
_POINTED = (NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.MARGIN_CALL)


class _Style(Enum):
    """How much a sentence says of a cut."""

    FULL = 0  # position, amount, share of it
    AGAIN = 1  # the same without what the sentence before has said
    TITLE = 2  # the amount, and the position where the title is about another one


# Why no more can be moved into a wallet from what lies in the account.
_BOUNDS = {
    BALANCE: "nothing more is free in the cross wallet",
    AVAILABLE: "the exchange lets no more be moved",
    WARNING: "more would bring the cross wallet to warning",
}


def remedy_lines(facts: Facts, *, brief: bool = False) -> Iterator[Line]:
    """Yield what to do about a wallet, at most four lines, the first of them enough to act on.

    Args:
        facts: of a wallet; those without a prescription say nothing, unless the margin is used up.
        brief: no more than the amounts, in two lines.
    """
    return islice(_lines(facts, brief=brief), _BRIEF_LINES if brief else MOST_LINES)


def pointer_lines(notice: Notice) -> Iterator[Line]:
    """Yield where the amounts are, of a wallet in danger whose notice was made without them."""
    command = _command(notice)
    if command and not _has_amounts(notice.facts) and not notice.facts.advice:
        yield Line(TO_DO, f"add margin or reduce: {command}, with this service's --config, says how much")


def more_lines(notice: Notice) -> Iterator[Line]:
    """Yield the command that shows how the amounts of a notice came about, and what to type to try them."""
    if (command := _command(notice)) and _has_amounts(notice.facts):
        yield Line("More", command)


def _command(notice: Notice) -> str:
    """Return what to paste for all there is to know of a wallet in danger; empty for any other notice."""
    symbol = clean(notice.facts.symbol)
    in_danger = notice.kind in _POINTED and notice.level >= Level.WARNING and not is_drill(notice.facts)
    return f"{_EXPLAIN} {symbol}" if symbol and in_danger else ""


def _has_amounts(facts: Facts) -> bool:
    return facts.prescription is not None and bool(facts.prescription.remedies)


def lacks_amounts(notice: Notice) -> bool:
    """Return whether a notice of a wallet in danger was made without amounts."""
    return notice.facts.prescription is None and next(pointer_lines(notice), None) is not None


def needs_nothing(plan: Prescription) -> bool:
    """Return whether a wallet is, at these marks, where its level ends by itself."""
    return bool(plan.remedies) and is_reached(plan.remedies[0])


def in_brief(facts: Facts) -> str:
    """Return the amounts for a title, such as ``add 412.50 USDT or reduce by 0.118 BTC``; empty without any.

    The position is that of the title, unless another is named. What cannot be said in a few words is left to the
    body.
    """
    plan = facts.prescription
    if plan is None or not plan.remedies or used_up(facts):
        return ""
    first = plan.remedies[0]
    if is_reached(first):
        return ""
    if len(first.cuts) <= _TITLE_CUTS:
        cutting = _cutting(first, plan, facts, _Style.TITLE)
    else:
        cutting = f"close or reduce {len(first.cuts)} positions"
    return _joined(_add_words(first, plan), cutting)


def quantity_words(quantity: float, symbol: str, asset: str) -> str:
    """Return a quantity with what it counts, such as ``0.118 BTC`` or ``12 contracts``; bare where not known.

    Args:
        quantity: a multiple of the symbol's step.
        symbol: such as ``BTCUSDT``, ``BTCUSDT_261225`` or ``BTCUSD_PERP``.
        asset: that the position's wallet is in, ``USD`` in multi-assets mode.
    """
    digits = exact(quantity)
    if is_inverse(symbol, asset):
        return f"{digits} contract" if quantity == 1 else f"{digits} contracts"
    return f"{digits} {base_of(symbol, asset)}".rstrip()


def is_inverse(symbol: str, asset: str) -> bool:
    """Return whether a symbol is coin-margined, so that its quantity counts contracts."""
    return symbol.endswith("USD_PERP") or symbol.startswith(f"{asset}USD_")


def base_of(symbol: str, asset: str) -> str:
    """Return what one unit of a linear contract is, such as ``BTC``; empty where the symbol does not say."""
    name = _DELIVERY.sub("", clean(symbol))
    quote = next((quote for quote in (asset, *_QUOTES) if _quoted_in(symbol, quote)), "")
    return name.removesuffix(quote) if quote else ""


def _quoted_in(symbol: str, asset: str) -> bool:
    return bool(asset) and _DELIVERY.sub("", clean(symbol)).endswith(asset)


def source_words(plan: Prescription, remedy: Remedy) -> str:
    """Return where the margin of a remedy can come from."""
    if not plan.isolated:
        return "transfer it in from outside: what the account holds counts already"
    if plan.spare is None or remedy.lacking is None:
        return "what lies elsewhere in the account does not help until it is moved here"
    there = at_most(plan.spare, clean(plan.asset))
    if remedy.lacking <= 0:
        return f"the account has it: up to {there} can be moved here{_shared(plan)}{_condition(plan)}"
    outside = f"{enough(remedy.lacking, clean(plan.asset))} has to come from outside"
    here = f"{there if plan.spare > 0 else 'nothing'} in the account can be moved here{_shared(plan)}{_why(plan)}"
    return f"{here}{_condition(plan) if plan.spare > 0 else ''}, {outside}"


def _shared(plan: Prescription) -> str:
    """Return that the money is there once, where others need it as well."""
    if plan.sharers <= 0 or not plan.spare:
        return ""
    others = "the other wallet" if plan.sharers == 1 else f"each of {plan.sharers} other wallets"
    return f" or to {others} in danger, but only once"


def _condition(plan: Prescription) -> str:
    """Return what may keep money from being moved, where the exchange did not say what can be."""
    return (
        "" if plan.granted else ", if the exchange lets it: it keeps what cross positions need at their leverage"
    )


def bound_words(limited_by: str) -> str:
    """Return why no more can be moved, in words."""
    return _BOUNDS.get(limited_by, clean(limited_by).replace("_", " "))


def _why(plan: Prescription) -> str:
    return f" ({words})" if (words := bound_words(plan.limited_by)) else ""


def both_sides(plan: Prescription) -> list[str]:
    """Return the symbols that a remedy reduces on both sides: one alone would undo a hedge."""
    found: dict[str, None] = {}
    for remedy in plan.remedies:
        symbols = [clean(cut.symbol) for cut in remedy.cuts]
        found |= dict.fromkeys(symbol for symbol in symbols if symbols.count(symbol) > 1)
    return list(found)


def cost_words(plan: Prescription, cuts: Sequence[Cut]) -> str:
    """Return what cuts are assumed to cost; only at which rates, where that is in several assets."""
    rates = f"{percent(plan.taker_fee)} fee and {percent(plan.slippage)} slippage assumed"
    asset = clean(plan.asset)
    if any(not is_inverse(cut.symbol, asset) and not _quoted_in(cut.symbol, asset) for cut in cuts):
        return rates
    cost = sum(cut.cost for cut in cuts)
    amount = enough(cost, asset)
    if 0.0 < cost < _CENT / 2 and "USD" in asset:
        amount = f"less than {amount}"
    return f"costs {amount} ({rates})"


def _lines(facts: Facts, *, brief: bool) -> Iterator[Line]:
    label = TO_DO
    if used_up(facts):
        yield Line(label, LOOK_FIRST)
        label = "If it is still open"
    plan = facts.prescription
    if plan is None or not plan.remedies:
        return
    first, *others = plan.remedies
    ways = _ways(first, plan, facts, _Style.FULL)
    same = [remedy for remedy in others if ways and _ways(remedy, plan, facts, _Style.FULL) == ways]
    if same:  # said twice, it would be read as two things to do
        yield Line("".join((label, *(f", and {_aim(remedy)}" for remedy in same))), ways)
    else:
        yield Line(label, f"{ways or _NO_AMOUNT}{_aim_after(ways, first)}")
    for remedy in others:
        if remedy in same:
            continue
        if ways := _ways(remedy, plan, facts, _Style.AGAIN):
            yield Line(_aim(remedy).capitalize(), ways)
    if brief:
        return
    for name, words in (("Adding", _adding(plan, facts)), ("Reducing", _reducing(plan, facts))):
        if words:
            yield Line(name, words)


def _aim(remedy: Remedy) -> str:
    return "to be safe" if remedy.below <= Level.NOTICE else f"to get below {remedy.below.label}"


def _aim_after(ways: str, remedy: Remedy) -> str:
    """Return what the ways are for, set off where the last of them has parts."""
    if not ways:
        return ""
    return f"{',' if ', ' in ways or ' and ' in ways else ''} {_aim(remedy)}"


def _ways(remedy: Remedy, plan: Prescription, facts: Facts, style: _Style) -> str:
    """Return both ways of one remedy, or the one there is; empty where there is none."""
    if is_reached(remedy):
        return _NOTHING
    return _joined(_add_words(remedy, plan), _cutting(remedy, plan, facts, style))


def is_reached(remedy: Remedy) -> bool:
    """Return whether what a remedy is for is reached as things are."""
    return remedy.add is not None and remedy.add <= 0


def _joined(adding: str, cutting: str) -> str:
    # A comma, where "and" would else leave open what belongs to which way.
    comma = "," if adding and " and " in cutting else ""
    return f"{comma} or ".join(part for part in (adding, cutting) if part)


def _add_words(remedy: Remedy, plan: Prescription) -> str:
    return "" if remedy.add is None else f"add {enough(remedy.add, clean(plan.asset))}"


def _cutting(remedy: Remedy, plan: Prescription, facts: Facts, style: _Style) -> str:
    """Return what to close, what to reduce and what to put back; of many to close, how many there are."""
    cuts, asset = remedy.cuts, clean(plan.asset)
    in_turns = style is not _Style.TITLE and (remedy.evenly > 0 or _is_of_both(cuts))
    whole = [cut for cut in cuts if cut.share >= 1]
    words = _closing(whole, asset, facts, style)
    for cut in cuts:
        if cut.share < 1:
            name = _name(cut, facts, style)
            part = "" if style is _Style.TITLE else f" ({percent(cut.share)})"
            amount = quantity_words(cut.quantity, cut.symbol, asset)
            turns = " in turns" if in_turns and cut is cuts[-1] else ""
            words.append(f"reduce {name}{' ' if name else ''}by {amount}{part}{turns}")
    if (back := sum(cut.put_back for cut in cuts)) > 0:
        # What is freed lies between two cents: no more than it can be put back, and no less may be.
        most = f"up to {enough(back, asset)}"
        words.append(f"put what that frees back ({most})" if style is _Style.FULL else f"put {most} back")
    return _listed(words)


def _is_of_both(cuts: Sequence[Cut]) -> bool:
    """Return whether the last two cuts are of both sides of a symbol."""
    return len(cuts) > 1 and cuts[-1].symbol == cuts[-2].symbol


def _closing(whole: Sequence[Cut], asset: str, facts: Facts, style: _Style) -> list[str]:
    if len(whole) > _CLOSED_WITH_AMOUNTS and len(whole) == facts.positions:
        return [f"close all {len(whole)} positions"]
    if len(whole) <= _CLOSED_WITH_AMOUNTS:
        return [
            f"close {_name(cut, facts, style) or 'it'} ({quantity_words(cut.quantity, cut.symbol, asset)})"
            for cut in whole
        ]
    names = [_name(cut, facts, _Style.FULL) for cut in whole[:_CUTS_NAMED]]
    more = len(whole) - len(names)
    rest = [f"{more} more ({_EXPLAIN} names them)"] if more else []
    return [f"close {_listed([*names, *rest])}"]


def _name(cut: Cut, facts: Facts, style: _Style) -> str:
    """Return the position of a cut; empty where a sentence can be about no other."""
    known = facts.positions <= 1 and (cut.symbol, cut.side) == (facts.symbol, facts.side)
    if known and style is not _Style.FULL:
        return ""
    return f"{clean(cut.symbol)} {clean(cut.side)}".strip()


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _adding(plan: Prescription, facts: Facts) -> str:
    """Return what to know of adding: that it is useless, or where the margin can come from."""
    first, last = plan.remedies[0], plan.remedies[-1]
    if first.add is None:
        return "no amount of margin is enough" if first.cuts else ""
    if is_reached(first):
        return ""
    text = source_words(plan, first)
    more = _add_words(last, plan) != _add_words(first, plan)
    if plan.isolated and plan.spare is not None and more and (last.lacking or 0.0) > 0:
        lacking = f"{_aim(last)} {enough(last.lacking, clean(plan.asset))}"
        return f"{text} ({lacking})" if (first.lacking or 0.0) > 0 else f"{text}{_why(plan)}; {lacking} is lacking"
    return f"{text}; {_OTHER_ASSETS}" if facts.wallet == MULTI_WALLET else text


def _reducing(plan: Prescription, facts: Facts) -> str:
    """Return what to know of a cut: what it does by itself, which position it is of and why, what it costs."""
    first = plan.remedies[0]
    if not first.cuts:
        return "no cut is enough" if first.add is not None and not is_reached(first) else ""
    parts = [_released(first, plan, facts)]
    if facts.positions > 1 and first.evenly < len(first.cuts):
        parts.append(f"{_name(first.cuts[0], facts, _Style.FULL)} helps most for its size")
    if names := both_sides(plan)[:_CUTS_NAMED]:
        parts.append(f"take both sides of {_listed(names)} down in turns, some of each at a time")
    parts += [_evenly(plan, facts), _NEARER if any(remedy.nearer for remedy in plan.remedies) else ""]
    parts.append(cost_words(plan, first.cuts))
    if plan.assumed_step and any(cut.share < 1 for remedy in plan.remedies for cut in remedy.cuts):
        parts.append("round up to what the exchange takes, its step is not known")
    return "; ".join(part for part in parts if part)


def _evenly(plan: Prescription, facts: Facts) -> str:
    """Return which positions of several symbols to reduce in turns, and why; empty where there are none."""
    remedy = next((one for one in plan.remedies if one.evenly), None)
    if remedy is None:
        return ""
    cuts = remedy.cuts[-remedy.evenly :]
    names = _listed([_name(cut, facts, _Style.FULL) for cut in cuts])
    if len(cuts) > _CUTS_NAMED:
        names = f"the {'' if len(cuts) == len(remedy.cuts) else 'last '}{len(cuts)} positions"
    return f"take {names} down in turns, some of each at a time: each holds against the others"


def _released(first: Remedy, plan: Prescription, facts: Facts) -> str:
    """Return why the margin that a cut of an isolated position releases has to go back."""
    if plan.alone is None or not any(cut.put_back > 0 for cut in first.cuts):
        return ""
    before, alone = grouped(facts.liquidation_price, "none"), grouped(plan.alone.liquidation_price, "none")
    back = "" if first.cut is None else f"put back: {grouped(first.cut.liquidation_price, 'none')}"
    # What is freed goes to the cross wallet first, which may need it for positions of its own.
    kept = plan.spare == 0 and plan.limited_by in (AVAILABLE, WARNING)
    but = "; the cross wallet has nothing to spare and may keep what is freed" if kept else ""
    if alone == before:
        return f"alone it frees margin and leaves liquidation at {before}{back and f' ({back})'}{but}"
    return f"alone it frees margin and hardly moves liquidation ({before} -> {alone}{back and f'; {back}'}){but}"
