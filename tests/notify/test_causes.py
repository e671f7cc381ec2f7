"""What is ahead in words: short, dated, with figures that can be told apart."""

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import After, Cause, CauseKind, Notice, NoticeKind
from monitor.notify.causes import ahead_lines, ahead_title, cause_line, cause_lines, funding_rate, shift
from monitor.notify.message import render
from tests.notify.coming import (
    AT_MS,
    COUNTS_LESS,
    FUNDING_LATER,
    FUNDING_SOON,
    LOSES_A_LEG,
    NEXT_BRACKET,
    NEXT_IN_QUEUE,
)
from tests.notify.fakes import a_notice, some_facts


def said(cause: Cause, at_ms: int = AT_MS) -> str:
    return ": ".join(cause_line(cause, at_ms))


def of(cause: Cause, **changes: object) -> Cause:
    return msgspec.structs.replace(cause, **changes)


def told(*causes: Cause) -> Notice:
    return a_notice(kind=NoticeKind.AHEAD, level=Level.NOTICE, decided_ms=AT_MS, facts=some_facts(ahead=causes))


def test_funding_says_when_how_much_at_which_rate_and_what_it_does() -> None:
    """In one line."""
    assert said(FUNDING_SOON) == (
        "Funding in 35 min: pays 12.30 USDT (rate 0.0100 %), ratio 62 % -> 64 %, "
        "liquidation price 59,136.5 -> 59,161.1: WARNING then"
    )


def test_whose_liquidation_price_changes_is_said_where_a_wallet_holds_several_positions() -> None:
    """In its alerts and in notices of what is ahead; a wallet's only position is no news."""
    before, after = (
        After(margin_ratio=ratio, liquidation_price=price, symbol="ETHUSDT", side="SHORT")
        for ratio, price in ((0.62, 3_078.9), (0.64, 3_075.2))
    )
    cause = of(FUNDING_SOON, before=before, after=after)
    for positions, words in (
        (1, " liquidation price 3,078.9 "),
        (2, " liquidation price of ETHUSDT SHORT 3,078.9 "),
    ):
        facts = some_facts(ahead=(cause,), positions=positions)
        (line,) = cause_lines(facts)
        assert words in line.text
        notice = msgspec.structs.replace(told(cause), facts=facts)
        assert any(words in one.text for one in ahead_lines(notice))


def test_funding_of_several_positions_names_no_rate() -> None:
    """There is a rate for each of them; without a change of level none is named."""
    text = said(FUNDING_LATER)
    assert text.startswith(
        "Funding in 4 h 0 min: pays 1,412.50 USDT (several positions), ratio 62.0 % -> 62.1 %, "
    )
    assert not text.endswith("then")


def test_a_time_that_cannot_be_counted_from_is_given_as_the_time_of_day() -> None:
    """No mark came yet, or the message is about a moment after it."""
    assert said(FUNDING_SOON, 0).startswith("Funding at 21:01 UTC: ")
    assert said(FUNDING_SOON, FUNDING_SOON.at_ms + 1).startswith("Funding at 21:01 UTC: ")


def test_what_was_made_for_other_figures_says_the_money_alone() -> None:
    """Nothing of ratio or level."""
    assert said(of(FUNDING_SOON, before=None, after=None, level=Level.OK)) == (
        "Funding in 35 min: pays 12.30 USDT (rate 0.0100 %)"
    )
    assert "brings 12.30 USDT" in said(of(FUNDING_SOON, amount=12.3))


def test_a_bracket_says_that_nothing_jumps_at_its_bound() -> None:
    """How far it is, in which direction, from which rate to which."""
    assert said(NEXT_BRACKET) == (
        "Next bracket: BTCUSDT SHORT at 61,650, 2.1 % up: maintenance rate 0.40 % -> 0.50 %; "
        "nothing jumps there, but from there on it takes more"
    )
    assert ", 2.1 % down: " in said(of(NEXT_BRACKET, move=-0.0206))
    assert " at 61,650: maintenance" in said(of(NEXT_BRACKET, move=None))


def test_collateral_says_what_it_counts_and_what_a_cut_would_do() -> None:
    """A fall of its index is another sentence, with the positions that fall along."""
    assert said(COUNTS_LESS) == "Collateral: BTC counts 95 %; if cut to 90 %, ratio 55 % -> 66 %: WARNING then"
    fall = of(COUNTS_LESS, move=-0.1, rate_after=None)
    assert said(fall) == "Collateral: if BTC falls 10 %, ratio 55 % -> 66 %: WARNING then"
    assert said(of(fall, symbol="BTCUSDT")).startswith("Collateral: if BTC falls 10 % and BTCUSDT with it, ")


def test_the_queue_says_who_goes_first_and_that_a_hedge_loses_a_leg() -> None:
    """A single position may be closed; of a hedge the other leg stays, at the figures of being alone."""
    assert said(NEXT_IN_QUEUE) == (
        "Queue: BTCUSDT LONG is first in the queue (4 of 4) to be auto-deleveraged: "
        "a sharp move may close it against your will"
    )
    assert said(LOSES_A_LEG).endswith(
        "a sharp move may take this leg and leave the other alone, ratio 30 % -> 15 %, "
        "liquidation price none -> 58,000: CRITICAL then"
    )
    assert " is at 3 of 4 in the queue (4 is closed first) " in said(of(NEXT_IN_QUEUE, quantile=3))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (0.62, 0.64, "62 % -> 64 %"),
        (0.62, 0.6213, "62.0 % -> 62.1 %"),
        (0.62, 0.6203, "62.00 % -> 62.03 %"),
        (0.62, 0.62003, "62.000 % -> 62.003 %"),
        (0.62, 0.6200001, "62 %"),
        (0.99996, 0.99999, "99.996 % -> 99.999 %"),
        (0.5, None, "50 % -> unknown"),
    ],
)
def test_a_change_is_written_with_the_decimals_that_tell_it(before: float, after: float | None, text: str) -> None:
    """And what is short of 100 % never reads as it."""
    assert shift(before, after) == text


def test_absurd_figures_are_written_too() -> None:
    """Whatever a float can be."""
    for absurd in (1e300, float("inf"), float("nan"), -1e308):
        assert shift(absurd, absurd)
        assert shift(0.5, absurd)


def test_a_ratio_of_one_or_more_is_a_margin_used_up() -> None:
    """Not a percentage beside others."""
    for ratio in (None, 1.0, 1.7):
        assert "ratio 62 % -> margin used up" in said(of(FUNDING_SOON, after=After(margin_ratio=ratio)))


def test_a_rate_has_the_decimals_the_exchange_shows() -> None:
    """Four, whatever its sign."""
    assert [funding_rate(rate) for rate in (0.0001, -0.000025, 0.02, None, float("nan"))] == [
        "0.0100 %", "-0.0025 %", "2.0000 %", "unknown", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("cause", [FUNDING_SOON, LOSES_A_LEG, COUNTS_LESS, NEXT_BRACKET, NEXT_IN_QUEUE])
def test_a_notice_of_its_own_says_what_it_means_and_what_can_be_done(cause: Cause) -> None:
    """Whose it is first; the line an alert has; then how the wallet stands."""
    lines = list(ahead_lines(told(cause)))
    assert [line.label for line in lines[2:]] == ["Now", "Meaning", "To do"]
    assert lines[1] == cause_line(cause, AT_MS)
    assert lines[2].text == "margin ratio 82 %, room left 7.0 %, 2.1 % from liquidation"
    assert ahead_title(told(cause)).startswith("AHEAD - by-hand BTCUSDT LONG - ")


def test_its_title_tells_the_story_to_a_lock_screen() -> None:
    """What, when, how much, and the level it brings; it looks like news and not like danger."""
    message = render(told(FUNDING_SOON), fmt="text", now_ms=AT_MS)
    assert message.title == (
        "AHEAD - by-hand BTCUSDT LONG - funding in 35 min pays 12.30 USDT (rate 0.0100 %): WARNING then - TESTNET"
    )
    assert message.level is Level.NOTICE


def test_an_alert_has_three_lines_of_it_between_what_to_do_and_the_amounts() -> None:
    """However many there are."""
    facts = some_facts(ahead=(FUNDING_SOON, FUNDING_LATER, NEXT_BRACKET, NEXT_IN_QUEUE), event_ms=AT_MS)
    assert [line.label for line in cause_lines(facts)] == [
        "Funding in 35 min", "Funding in 4 h 0 min", "Next bracket",
    ]  # fmt: skip
    body = render(a_notice(facts=facts), fmt="text", now_ms=AT_MS).body.splitlines()
    labels = [line.partition(": ")[0] for line in body]
    assert labels.index("How long") < labels.index("Funding in 35 min") < labels.index("Wallet")
    assert "Queue" not in labels


@pytest.mark.parametrize("kind", CauseKind)
def test_nothing_known_of_a_cause_is_still_a_line(kind: CauseKind) -> None:
    """A message about trouble never fails over a figure."""
    assert all(cause_line(Cause(kind), AT_MS))
    assert ahead_title(told(Cause(kind)))
    assert ahead_title(told()) == "AHEAD - by-hand BTCUSDT LONG"
