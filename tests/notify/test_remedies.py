"""What to do, in words: each way a sentence may have to go, and no amount written smaller than it is."""

import re
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.layout import QUOTE_ASSETS
from monitor.core.model import Level
from monitor.core.notices import After, Cut, Facts, NoticeKind, Prescription, Remedy
from monitor.core.spare import AVAILABLE, BALANCE, WARNING
from monitor.notify.layout import form_of
from monitor.notify.message import render, render_group
from monitor.notify.plain import MOST_CHARS, plain
from monitor.notify.remedies import (
    MOST_LINES,
    base_of,
    bound_words,
    in_brief,
    pointer_lines,
    quantity_words,
    remedy_lines,
    source_words,
)
from monitor.notify.titles import headline
from monitor.ports import Message
from tests.notify import prescribed
from tests.notify.fakes import a_notice, some_facts
from tests.notify.markup import seen_in
from tests.notify.prescribed import ETH, SOL, a_cut, cross, plan, safe, warned

AT_MS = 1_780_000_000_000
FEES = "0.05 % fee and 0.05 % slippage assumed"
OUTSIDE = "transfer it in from outside: what the account holds counts already"
LOOK = "look at the exchange first: the margin is used up, and it may have liquidated already"


def told(facts: Facts) -> dict[str, str]:
    lines = list(remedy_lines(facts))
    assert len({line.label for line in lines}) == len(lines)
    return dict(lines)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("isolated", {
            "To do": "add 234.01 USDT, or reduce BTCUSDT LONG by 0.22 BTC (44 %) and put what that frees back"
                     " (up to 119.02 USDT), to get below warning",
            "To be safe": "add 1,894.01 USDT, or reduce by 0.432 BTC (86 %) and put up to 236.30 USDT back",
            "Adding": "the account has it: up to 950.00 USDT can be moved here (more would bring the cross wallet"
                      " to warning); to be safe 944.01 USDT is lacking",
            "Reducing": "alone it frees margin and hardly moves liquidation (59,136.55 -> 59,120; put back:"
                        f" 58,420.4); costs 6.50 USDT ({FEES})",
        }),
        ("without spare", {
            "Adding": "nothing in the account can be moved here (nothing more is free in the cross wallet), "
                      "234.01 USDT has to come from outside (to be safe 1,894.01 USDT)",
        }),
        ("of unknown spare", {
            "To be safe": "add 1,894.01 USDT or close it (0.5 BTC)",
            "Adding": "what lies elsewhere in the account does not help until it is moved here",
            "Reducing": "alone it frees margin and hardly moves liquidation (59,136.55 -> 59,120; put back:"
                        f" 58,420.4); costs 6.50 USDT ({FEES}); round up to what the exchange takes, its step is"
                        " not known",
        }),
        ("cross", {
            "To do": "add 412.50 USDT or reduce BTCUSDT LONG by 0.118 BTC (24 %) to get below warning",
            "To be safe": "add 633.10 USDT or reduce by 0.171 BTC (34 %)",
            "Adding": OUTSIDE,
            "Reducing": f"costs 6.50 USDT ({FEES})",
        }),
        ("of several positions", {
            "To do": "add 1,412.50 USDT or reduce ETHUSDT SHORT by 1.25 ETH (50 %) to get below warning",
            "To be safe": "add 3,100.00 USDT, or close ETHUSDT SHORT (2.5 ETH), close SOLUSDT SHORT (100 SOL) and"
                          " reduce BTCUSDT LONG by 0.12 BTC (24 %)",
            "Reducing": f"ETHUSDT SHORT helps most for its size; costs 3.21 USDT ({FEES})",
        }),
        ("of many cuts", {
            "To do": "close C0USDT SHORT, C1USDT SHORT, C2USDT SHORT and 6 more (position-monitor explain names"
                     " them) and reduce BTCUSDT LONG by 0.12 BTC (24 %), to get below warning",
            "To be safe": "close all 12 positions",
            "Adding": "no amount of margin is enough",
        }),
        ("coin-margined", {
            "To do": "add 0.004124 BTC or reduce BTCUSD_PERP LONG by 12 contracts (12 %) to get below warning",
            "To be safe": "add 0.01 BTC or reduce by 31 contracts (31 %)",
            "Reducing": f"costs 0.0000204 BTC ({FEES})",
        }),
        ("hedge", {
            "To do": "add 250.00 USDT or reduce BTCUSDT SHORT by 0.043 BTC (8.6 %) to get below warning",
            "To be safe": "add 700.00 USDT or reduce BTCUSDT SHORT by 0.118 BTC (24 %)",
        }),
        ("multi-assets", {
            "To be safe": "add 912.03 USDT, or close BTCUSDT LONG (0.5 BTC) and reduce ETHUSDC SHORT by 0.8 ETH"
                          " (36 %)",
            "Adding": f"{OUTSIDE}; another asset does as well, for what it counts as collateral",
        }),
        ("where adding is useless", {
            "To do": "reduce BTCUSDT LONG by 0.1 BTC (20 %) to get below warning",
            "To be safe": "close BTCUSDT LONG (0.5 BTC)",
            "Adding": "no amount of margin is enough",
        }),
        ("where no cut does it", {"To do": "add 80.00 USDT to get below warning", "Reducing": "no cut is enough"}),
        ("where nothing does it", {
            "To do": "close what this wallet holds: no margin added and no smaller cut is enough",
        }),
        ("with nothing left to do", {
            "To do": "nothing more is needed to get below warning",
            "To be safe": "add 33.00 USDT or reduce by 0.01 BTC (2.0 %)",
        }),
        ("used up", {
            "To do": LOOK,
            "If it is still open": "add 733.30 USDT or close BTCUSDT LONG (0.5 BTC) to get below warning",
        }),
        ("used up, isolated", {
            "To do": LOOK, "Adding": "the account has it: up to 900.00 USDT can be moved here",
        }),
        ("where the same is safe", {
            "To do, and to be safe": "add 300.00 USDT or close BTCUSDT LONG (0.5 BTC)",
            "Adding": "nothing in the account can be moved here (nothing more is free in the cross wallet), "
                      "300.00 USDT has to come from outside",
        }),
    ],
)  # fmt: skip
def test_the_lines_of_each_way(name: str, lines: dict[str, str]) -> None:
    """Both ways with their amounts first, then what each of them takes."""
    assert told(prescribed.EVERY[name]).items() >= lines.items()


def test_every_way_is_in_the_table() -> None:
    """A way somebody added has words that somebody wrote down."""
    (mark,) = [one for one in test_the_lines_of_each_way.pytestmark if one.name == "parametrize"]  # type: ignore[attr-defined]
    assert {case[0] for case in mark.args[1]} == set(prescribed.EVERY)


def test_nothing_is_said_of_a_wallet_that_needs_nothing() -> None:
    """Without a prescription there is nothing to do, unless the margin is used up: then one has to look."""
    assert told(some_facts()) == {}
    assert told(some_facts(prescription=Prescription("USDT", False, ()))) == {}
    assert told(some_facts(liquidatable=True, margin_ratio=None)) == {"To do": LOOK}
    assert told(some_facts(margin_ratio=1.0)) == {"To do": LOOK}


def test_the_same_amounts_are_said_once() -> None:
    """Read twice, they would be taken for two things to do; amounts that differ have a line each."""
    same = plan(warned(5.0, a_cut(0.1, 0.2)), safe(5.0, a_cut(0.1, 0.2)))
    lines = told(cross(prescription=same))
    assert lines["To do, and to be safe"] == "add 5.00 USDT or reduce BTCUSDT LONG by 0.1 BTC (20 %)"
    assert not {"To do", "To be safe"} & set(lines)
    used_up = told(cross(prescription=same, liquidatable=True))
    assert set(used_up) >= {"To do", "If it is still open, and to be safe"}
    assert not {"To be safe", "If it is still open"} & set(used_up)
    other = plan(warned(5.0, a_cut(0.1, 0.2)), safe(5.0, a_cut(0.3, 0.6)))
    assert set(told(cross(prescription=other))) >= {"To do", "To be safe"}


def test_no_useless_line_stands_where_nothing_does_it() -> None:
    """That no amount helps is said once; the price of a cut that nobody makes not at all."""
    assert set(told(prescribed.HOPELESS)) == {"To do"}
    assert set(told(prescribed.CALM)) == {"To do", "To be safe"}
    assert set(told(prescribed.UNCUT)) == {"To do", "To be safe", "Adding", "Reducing"}


def test_in_brief_there_are_amounts_and_nothing_else() -> None:
    """Also where one target is all there is: a message that tells of others has no room for explanations."""
    one = some_facts(prescription=plan(warned(5.0, a_cut(0.1, 0.2))))
    assert [line.label for line in remedy_lines(one, brief=True)] == ["To do"]
    assert [line.label for line in remedy_lines(prescribed.WARNED, brief=True)] == ["To do", "To be safe"]


def test_a_cut_that_leaves_liquidation_where_it_is_says_so() -> None:
    """Within one bracket, a part of an isolated position takes exactly its share of the margin along."""
    same = msgspec.structs.replace(prescribed.ISOLATED, alone=After(0.39, prescribed.LOW.liquidation_price))
    words = told(some_facts(prescription=same))["Reducing"]
    assert words.startswith("alone it frees margin and leaves liquidation at 59,136.55 (put back: 58,420.4); ")


def test_what_several_assets_cost_is_no_sum() -> None:
    """Fees are paid in each position's own; only the rates are said."""
    two = plan(warned(5.0, a_cut(1.0, 1.0), a_cut(1.0, 0.5, "ETHUSDC")))
    words = told(cross(2, wallet="cross:multi", prescription=two))["Reducing"]
    assert words == f"BTCUSDT LONG helps most for its size; {FEES}"


def test_both_sides_of_a_symbol_are_taken_down_in_turns() -> None:
    """One alone would leave the other without its hedge; the first sentence says it already."""
    both = a_cut(0.22, 0.44), a_cut(0.2, 0.5, side="SHORT")
    lines = told(cross(2, prescription=plan(warned(234.01, *both))))
    assert lines["To do"] == (
        "add 234.01 USDT, or reduce BTCUSDT LONG by 0.22 BTC (44 %) and reduce BTCUSDT SHORT by 0.2 BTC (50 %)"
        " in turns, to get below warning"
    )
    assert "take both sides of BTCUSDT down in turns, some of each at a time" in lines["Reducing"]


def test_positions_that_hold_against_each_other_are_taken_down_in_turns() -> None:
    """No one of them helps most, and whoever closed one alone would be nearer to liquidation."""
    cuts = a_cut(0.22, 0.44), a_cut(1.5, 0.45, ETH, "SHORT")
    both = msgspec.structs.replace(warned(234.01, *cuts), evenly=2)
    lines = told(cross(2, prescription=plan(both)))
    assert lines["To do"] == (
        "add 234.01 USDT, or reduce BTCUSDT LONG by 0.22 BTC (44 %) and reduce ETHUSDT SHORT by 1.5 ETH (45 %)"
        " in turns, to get below warning"
    )
    assert lines["Reducing"].startswith(
        "take BTCUSDT LONG and ETHUSDT SHORT down in turns, some of each at a time: each holds against the others"
    )
    assert "helps most" not in lines["Reducing"]
    assert " in turns" not in in_brief(cross(2, prescription=plan(both)))


@pytest.mark.parametrize(("closed", "words"), [(0, "take the 4 positions"), (1, "take the last 4 positions")])
def test_of_many_that_are_taken_down_in_turns_there_is_a_count(closed: int, words: str) -> None:
    cuts = [a_cut(1.0, 1.0, SOL) for _ in range(closed)] + [a_cut(1.0, 0.5, f"C{i}USDT") for i in range(4)]
    many = msgspec.structs.replace(warned(1.0, *cuts), evenly=4)
    reducing = told(cross(5, prescription=plan(many)))["Reducing"]
    assert f"{words} down in turns" in reducing
    assert ("SOLUSDT LONG helps most for its size" in reducing) is (closed > 0)


def test_cuts_that_bring_liquidation_nearer_half_way_say_so() -> None:
    one = msgspec.structs.replace(warned(1.0, a_cut(0.5, 1.0), a_cut(1.0, 0.5, ETH, "SHORT")), nearer=True)
    words = "half way through, a smaller move of all prices liquidates than now: go on to the end"
    assert words in told(cross(2, prescription=plan(one)))["Reducing"]
    other = msgspec.structs.replace(one, nearer=False)
    assert "half way" not in told(cross(2, prescription=plan(other)))["Reducing"]


@pytest.mark.parametrize(
    ("spare", "limited_by", "said"),
    [
        (0.0, AVAILABLE, True),
        (0.0, WARNING, True),
        (0.0, BALANCE, False),
        (12.0, AVAILABLE, False),
        (None, "", False),
    ],
)
def test_margin_that_the_cross_wallet_may_keep_is_not_promised(
    spare: float | None, limited_by: str, *, said: bool
) -> None:
    """What a cut frees goes there first: an empty one lets it go, one with positions of its own may not."""
    plan = msgspec.structs.replace(prescribed.ISOLATED, spare=spare, limited_by=limited_by)
    lines = told(msgspec.structs.replace(prescribed.WARNED, prescription=plan))
    assert ("the cross wallet has nothing to spare and may keep what is freed" in lines["Reducing"]) is said


@pytest.mark.parametrize(
    ("sharers", "words"),
    [
        (0, "up to 950.00 USDT can be moved here (more"),
        (1, "up to 950.00 USDT can be moved here or to the other wallet in danger, but only once"),
        (3, "up to 950.00 USDT can be moved here or to each of 3 other wallets in danger, but only once"),
    ],
)
def test_money_that_others_need_as_well_is_there_once(sharers: int, words: str) -> None:
    shared = msgspec.structs.replace(prescribed.ISOLATED, sharers=sharers)
    facts = msgspec.structs.replace(prescribed.WARNED, prescription=shared)
    assert words in told(facts)["Adding"]


@pytest.mark.parametrize("below", list(Level)[1:])
def test_each_target_has_its_words(below: Level) -> None:
    """What the amounts are for stands behind them, whichever level they end."""
    facts = some_facts(prescription=plan(Remedy(below, add=1.0)))
    aim = "to be safe" if below is Level.NOTICE else f"to get below {below.label}"
    assert told(facts)["To do"] == f"add 1.00 USDT {aim}"


def test_money_that_the_exchange_did_not_grant_is_told_with_its_condition() -> None:
    """Of a typed-in account with cross positions: these keep their initial margin, which nobody typed in."""
    for spare, words in (
        (900.0, "the account has it: up to 900.00 USDT can be moved here, if the exchange lets it: it keeps what"),
        (100.0, ", if the exchange lets it: it keeps what cross positions need at their leverage, "),
        (0.0, "nothing in the account can be moved here"),
    ):
        plan = msgspec.structs.replace(prescribed.ISOLATED, spare=spare, limited_by="", sharers=0, granted=False)
        first = msgspec.structs.replace(plan.remedies[0], lacking=max(0.0, (plan.remedies[0].add or 0.0) - spare))
        assert words in source_words(plan, first)
        granted = msgspec.structs.replace(plan, granted=True)
        assert "if the exchange lets it" not in source_words(granted, first)
        assert ("if the exchange lets it" in source_words(plan, first)) is (spare > 0.0)


def test_every_bound_has_words() -> None:
    """What limits a transfer is said in words, and one of another version is not lost."""
    assert all(" " in bound_words(bound) for bound in (BALANCE, AVAILABLE, WARNING))
    assert bound_words("new_rule") == "new rule"
    assert bound_words("") == ""


@pytest.mark.parametrize(
    ("symbol", "asset", "words"),
    [
        ("BTCUSDT", "USDT", "2 BTC"),
        ("BTCUSDT", "USD", "2 BTC"),
        ("ETHUSDC", "USDT", "2 ETH"),
        ("BTCFDUSD", "USDT", "2 BTC"),
        ("BTCUSDT_261225", "USDT", "2 BTC"),
        ("1000PEPEUSDT", "USDT", "2 1000PEPE"),
        ("BTCUSD_PERP", "BTC", "2 contracts"),
        ("BTCUSD_PERP", "", "2 contracts"),
        ("BNBUSD_261225", "BNB", "2 contracts"),
        ("ETHBTC", "BTC", "2 ETH"),
        ("ODD", "USDT", "2"),
        ("", "", "2"),
    ],
)
def test_a_quantity_says_what_it_counts(symbol: str, asset: str, words: str) -> None:
    """The base asset where the symbol says it, contracts where they are coin-margined, else a bare number."""
    assert quantity_words(2.0, symbol, asset) == words


def test_one_contract_is_one() -> None:
    """Not one contracts; and a table of quotes does not shorten a coin's name."""
    assert quantity_words(1.0, "BTCUSD_PERP", "BTC") == "1 contract"
    assert {base_of(f"BTC{quote}", quote) for quote in QUOTE_ASSETS} == {"BTC"}


# Titles, groups, plain text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (prescribed.ONE_CROSS, "add 412.50 USDT or reduce by 0.118 BTC"),
        (prescribed.WARNED, "add 234.01 USDT, or reduce by 0.22 BTC and put up to 119.02 USDT back"),
        (prescribed.HEDGE, "add 250.00 USDT or reduce BTCUSDT SHORT by 0.043 BTC"),
        (prescribed.SEVERAL, "add 1,412.50 USDT or reduce ETHUSDT SHORT by 1.25 ETH"),
        (prescribed.COINS, "add 0.004124 BTC or reduce by 12 contracts"),
        (prescribed.UNCUT, "add 80.00 USDT"),
        (prescribed.MANY, "close or reduce 10 positions"),
        (prescribed.CALM, ""),
        (prescribed.HOPELESS, ""),
        (prescribed.USED_UP, ""),
        (some_facts(), ""),
    ],
)
def test_a_title_has_the_amounts(facts: Facts, words: str) -> None:
    """The position is named where it could be another one; what takes more words is left to the body."""
    assert in_brief(facts) == words
    assert headline(a_notice(facts=facts)).endswith(
        f" - {words}" if words else headline(a_notice(facts=facts))[-9:]
    )


def test_a_title_has_amounts_whole_or_not_at_all() -> None:
    """Whatever room there is, no amount is cut: half of one is another amount."""
    for facts in prescribed.EVERY.values():
        notice = a_notice(facts=facts)
        words = in_brief(facts)
        for most in range(60, 240):
            title = headline(notice, most)
            assert len(title) <= most
            assert not words or title.endswith(words) or "add" not in title


def test_others_of_a_group_have_their_amounts_in_their_line() -> None:
    """Whoever holds the second worst wallet reads what to do as well; of the worst there are two lines."""
    notices = [
        a_notice("w1", level=Level.CRITICAL, facts=prescribed.WARNED),
        a_notice("w2", facts=prescribed.ONE_CROSS),
        a_notice("w3", facts=prescribed.MANY),
    ]
    lines = render_group(notices, fmt="text", now_ms=AT_MS).body.splitlines()
    assert sum(line.startswith(("To do: ", "To be safe: ")) for line in lines) == 2
    assert not any(line.startswith(("Adding", "Reducing")) for line in lines)
    row = next(line for line in lines if line.startswith("WARNING 66 %"))
    assert row.endswith("0.61 % from liquidation - add 412.50 USDT or reduce by 0.118 BTC")


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
@pytest.mark.parametrize("name", list(prescribed.EVERY))
def test_the_first_sentence_is_whole_in_every_form(fmt: str, name: str) -> None:
    """In each markup, and in the short text that a service gets which refuses that."""
    facts = prescribed.EVERY[name]
    message = render(a_notice(facts=facts), fmt=fmt, now_ms=AT_MS)
    first = next(remedy_lines(facts))
    sentence = f"{first.label}: {first.text}"
    assert sentence in seen_in(message)
    simpler = plain(message) or message
    assert sentence in [line.removeprefix("- ") for line in simpler.body.splitlines()]
    assert len(simpler.body) <= MOST_CHARS or simpler is message


def test_the_first_sentence_is_whole_beside_long_names_and_caveats() -> None:
    """Late, unrecorded, in another channel's place, with the longest names: amounts stand far from the cut."""
    name = "&" * 80
    facts = msgspec.structs.replace(
        prescribed.WARNED, account=name, wallet=name, brackets=name, detail="&" * 400, via=f"fallback:{name}"
    )
    message = render(a_notice(facts=facts), fmt="html", now_ms=AT_MS + 10**9, unrecorded=True)
    first = form_of("html").written(next(remedy_lines(facts)))
    assert first in message.body
    cut = plain(Message(message.title, message.body, "html", message.level))
    assert cut is not None
    assert next(remedy_lines(facts)).text in cut.body


# Where the amounts are, if not here


@pytest.mark.parametrize(
    ("kind", "level", "changes", "pointed"),
    [
        (NoticeKind.ALERT, Level.WARNING, {}, True),
        (NoticeKind.REMINDER, Level.EMERGENCY, {}, True),
        (NoticeKind.MARGIN_CALL, Level.WARNING, {}, True),
        (NoticeKind.ALERT, Level.NOTICE, {}, False),
        (NoticeKind.CLOSED, Level.WARNING, {}, False),
        (NoticeKind.ALERT, Level.WARNING, {"environment": "drill"}, False),
        (NoticeKind.ALERT, Level.WARNING, {"symbol": ""}, False),
        (NoticeKind.ALERT, Level.WARNING, {"advice": ("do this",)}, False),
        (NoticeKind.ALERT, Level.WARNING, {"prescription": prescribed.ISOLATED}, False),
        (NoticeKind.ALERT, Level.WARNING, {"prescription": Prescription("USDT", False, ())}, True),
    ],
)
def test_who_was_left_without_amounts_reads_where_they_are(
    kind: NoticeKind, level: Level, changes: dict[str, object], *, pointed: bool
) -> None:
    """Only of a real danger, and only where nothing else is advised."""
    notice = a_notice(kind=kind, level=level, facts=some_facts(**changes))
    where = "position-monitor explain BTCUSDT, with this service's --config, says how much"
    words = f"To do: add margin or reduce: {where}"
    assert [f"{line.label}: {line.text}" for line in pointer_lines(notice)] == [words] * pointed
    assert (words in render(notice, fmt="text", now_ms=AT_MS).body) is pointed


@pytest.mark.parametrize(
    ("kind", "level", "changes", "told"),
    [
        (NoticeKind.ALERT, Level.WARNING, {}, True),
        (NoticeKind.REMINDER, Level.EMERGENCY, {}, True),
        (NoticeKind.MARGIN_CALL, Level.WARNING, {}, True),
        (NoticeKind.CLOSED, Level.OK, {}, False),
        (NoticeKind.ALERT, Level.WARNING, {"environment": "drill"}, False),
        (NoticeKind.ALERT, Level.WARNING, {"symbol": ""}, False),
        (NoticeKind.ALERT, Level.WARNING, {"prescription": None}, False),
    ],
)
def test_a_message_with_amounts_ends_with_the_command_that_shows_more(
    kind: NoticeKind, level: Level, changes: dict[str, object], *, told: bool
) -> None:
    """Bare, so that it can be pasted; the first to go where there is little room, as beside a picture."""
    facts = msgspec.structs.replace(prescribed.ONE_CROSS, **changes)
    notice = msgspec.structs.replace(a_notice(kind=kind, level=level, facts=facts), number=7)
    last = "More: position-monitor explain BTCUSDT"
    message = render(notice, fmt="text", now_ms=AT_MS)
    assert (message.body.splitlines()[-1] == last) is told
    assert ("More: " in message.body) is told
    several = render_group([notice, notice], fmt="text", now_ms=AT_MS).body.splitlines()
    assert (several[-1] == last) is told


def test_where_some_have_no_amounts_one_line_says_where_all_of_them_are() -> None:
    """It is of any symbol, so the worst one's own would say nothing more."""
    worst = a_notice("w1", level=Level.CRITICAL, facts=prescribed.ONE_CROSS)
    lines = render_group([worst, a_notice("w2")], fmt="text", now_ms=AT_MS).body.splitlines()
    assert lines[-1].startswith("To do, others: position-monitor explain SYMBOL says how much")


def test_what_is_closed_whole_is_not_rounded_up() -> None:
    """That a step is not known matters only to who closes a part."""
    closed = plan(warned(5.0, a_cut(0.5, 1.0)), assumed_step=True)
    assert "round up" not in told(some_facts(prescription=closed))["Reducing"]
    part = plan(warned(5.0, a_cut(0.2, 0.4)), assumed_step=True)
    assert "round up" in told(some_facts(prescription=part))["Reducing"]


# Late


def test_a_late_alert_has_the_amounts_of_now() -> None:
    """Where they are known; else it says that they are of then."""
    notice = a_notice(facts=prescribed.ONE_CROSS)
    later = msgspec.structs.replace(prescribed.ONE_CROSS, prescription=plan(warned(999.0, a_cut(0.2, 0.4))))
    now = render(notice, fmt="text", now_ms=AT_MS + 60_000, now=later)
    assert "To do: add 999.00 USDT or reduce BTCUSDT LONG by 0.2 BTC (40 %) to get below warning" in now.body
    assert "add 999.00 USDT or reduce by 0.2 BTC" in now.title
    assert now.body.startswith("Delivery: 60 s late: decided 20:26:40 UTC; amounts to add or reduce are of now\n")
    then = render(notice, fmt="text", now_ms=AT_MS + 60_000, now=some_facts())
    assert "add 412.50 USDT" in then.body
    assert then.body.startswith(
        "Delivery: 60 s late: decided 20:26:40 UTC; amounts to add or reduce are of then\n"
    )
    soon = render(notice, fmt="text", now_ms=AT_MS, now=later)
    assert "add 412.50 USDT" in soon.body
    assumed = msgspec.structs.replace(later, assumed=("BTCUSDT",))
    assert "add 412.50 USDT" in render(notice, fmt="text", now_ms=AT_MS + 60_000, now=assumed).body


def test_a_late_group_has_them_as_well() -> None:
    """Of the worst and of each other whose wallet is known; who was left without gets them late."""
    later = msgspec.structs.replace(prescribed.ONE_CROSS, prescription=plan(warned(999.0)))
    notices = [a_notice("w1", level=Level.CRITICAL, facts=prescribed.WARNED), a_notice("w2", facts=cross())]
    message = render_group(notices, fmt="text", now_ms=AT_MS + 60_000, newest={"w1": later, "w2": later}.get)
    assert "To do: add 999.00 USDT to get below warning" in message.body
    assert " - add 999.00 USDT, and 1 more" in message.title
    assert message.body.splitlines()[-2].startswith("WARNING 40 %: ")
    assert " - add 999.00 USDT, now 66 %" in message.body.splitlines()[-2]
    assert "; amounts may be as old" in message.body.splitlines()[0]


# Amounts

AMOUNTS = st.floats(1e-9, 1e12) | st.integers(1, 10**12).map(lambda steps: steps / 10**6)
SOME_ASSET = st.sampled_from(["USDT", "USDC", "BTC", "ETH", "DOGE", "U"])
SOME_CUTS = st.lists(
    st.builds(
        Cut, st.sampled_from(["BTCUSDT", "ETHUSDC", "SOLUSDT"]), st.sampled_from(["LONG", "SHORT"]), AMOUNTS,
        st.floats(0.01, 1.0), st.just(1.0), AMOUNTS, st.just(0.0) | AMOUNTS,
    ),
    max_size=2,
)  # fmt: skip
NOISE = 2**-49
_AMOUNT = re.compile(r"(add|by|\(|back|up to|costs) ?([\d,]+(?:\.\d+)?) ?[A-Z]")


def numbers_in(text: str) -> list[float]:
    return [float(found[1].replace(",", "")) for found in _AMOUNT.findall(text)]


class Drawn(NamedTuple):
    """A remedy, and the wallet it is of."""

    add: float | None
    cuts: list[Cut]
    lacking: float
    spare: float
    asset: str
    isolated: bool
    positions: int

    @property
    def lines(self) -> dict[str, str]:
        one = Remedy(Level.WARNING, add=self.add, lacking=self.lacking, cuts=tuple(self.cuts))
        whole = Prescription(self.asset, self.isolated, (one,), 5e-4, 5e-4, self.spare, "balance")
        return told(cross(self.positions, prescription=whole))


DRAWN = st.builds(
    Drawn, st.none() | AMOUNTS, SOME_CUTS, st.just(0.0) | AMOUNTS, st.just(0.0) | AMOUNTS, SOME_ASSET,
    st.booleans(), st.integers(1, 3),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(DRAWN)
def test_no_amount_is_written_smaller_than_it_is(drawn: Drawn) -> None:
    """Read back, each is enough; only the noise of floats is taken off, and no more than a step is put on."""
    wanted = [] if drawn.add is None else [drawn.add]
    wanted += [cut.quantity for cut in sorted(drawn.cuts, key=lambda cut: cut.share < 1)]
    if (back := sum(cut.put_back for cut in drawn.cuts)) > 0:
        wanted.append(back)
    if not drawn.cuts and drawn.add is None:
        return
    lines = drawn.lines
    read = numbers_in(lines["To do"])
    assert len(read) == len(wanted)
    for shown, exact in zip(read, wanted, strict=True):
        assert shown >= exact * (1 - NOISE)
        assert shown <= exact * (1 + 1e-9) + 0.01
    costs = re.findall(r"costs ([\d,]+\.\d+) ", lines.get("Reducing", ""))
    assert all(float(cost.replace(",", "")) >= sum(c.cost for c in drawn.cuts) * (1 - NOISE) for cost in costs)


@settings(max_examples=200, deadline=None)
@given(DRAWN)
def test_what_can_be_moved_is_there_and_what_is_lacking_is_enough(drawn: Drawn) -> None:
    """The one is rounded down, the other up."""
    if drawn.add is None or not drawn.isolated:
        return
    words = drawn.lines["Adding"]
    read = [float(number.replace(",", "")) for number in re.findall(r"([\d,]+\.\d+) [A-Z]", words)]
    if drawn.lacking > 0:
        assert read.pop() >= drawn.lacking * (1 - NOISE)
    assert words.startswith("nothing in") is (drawn.spare <= 0 < drawn.lacking)
    assert all(there <= drawn.spare * (1 + NOISE) for there in read)


@settings(max_examples=200, deadline=None)
@given(numbers=st.lists(st.floats(), min_size=8, max_size=8), isolated=st.booleans())
def test_whatever_the_figures_are_there_are_at_most_four_lines(numbers: list[float], *, isolated: bool) -> None:
    """Also of figures that no prescription should have: a message about trouble never fails over one."""
    a, b, c, d, e, f, g, h = numbers
    one = Remedy(Level.WARNING, add=a, lacking=b, cuts=(Cut("X", "LONG", c, d, e, f, g),), cut=After(a, b, c, d))
    facts = some_facts(prescription=Prescription("USDT", isolated, (one, one), h, g, f, "x", After(a, a, a, a)))
    lines = list(remedy_lines(facts))
    assert 1 <= len(lines) <= MOST_LINES
    assert not any("nan" in line.text or "inf " in line.text for line in lines)
    assert "nan" not in in_brief(facts)
