"""A finding in words: what it is with its figures, why it matters in one sentence, and what to do about it."""

from datetime import UTC

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Facts, FindingCode, Gap, GapKind, NoticeKind
from monitor.notify.findings import checkup_lines, gap_words, said
from monitor.notify.message import render
from monitor.ports import Message
from tests.notify.fakes import a_notice
from tests.notify.found import ONE_OF_EACH, found

STOP = "place a STOP_MARKET SELL close-position order at 60,070, or nearer to the mark price that triggers it"
ISOLATE = (
    "close it and open it again with 1,160.00 USDT of isolated margin, for the exchange does not change the mode"
    " of an open position (liquidation prices come nearer by that: place stops anew); or keep no more in this"
    " wallet than it may lose"
)
CROSS = (
    "cross margin, so its loss can take all 5,000.00 USDT of the wallet; isolated at 10x it would be 1,160.00 USDT"
)
WORDS = {
    FindingCode.USED_UP: (
        "the margin is used up: -150.00 USDT is left, and 312.00 USDT would have to be",
        "look at the exchange first: the margin is used up, and it may have liquidated already",
    ),
    FindingCode.LEVERAGE: (
        "leverage 20x, above 5x",
        "add 4,650.00 USDT to its margin, which makes it 5x",
    ),
    FindingCode.CROSS: (CROSS, ISOLATE),
    FindingCode.NO_STOP: (
        "has no stop-loss",
        STOP,
    ),
    FindingCode.STOP_BEYOND: (
        "its stop at 59,000 comes after the liquidation price 59,136.55",
        f"in place of it, {STOP}",
    ),
    FindingCode.STOP_TIGHT: (
        "its stop at 59,200 is 0.11 % before the liquidation price 59,136.55",
        f"in place of it, {STOP}",
    ),
    FindingCode.STOP_SIDE: (
        "its stop at 61,200 is on the wrong side of the mark 61,000",
        f"in place of it, {STOP}",
    ),
    FindingCode.STOP_IDLE: (
        "its trailing stop has not begun: it waits for 63,000, mark 61,000",
        STOP,
    ),
    FindingCode.STOP_LAST: (
        "its stop is triggered by the last price, not by the mark",
        f"in place of it, {STOP}",
    ),
    FindingCode.STOP_PARTIAL: (
        "its stops cover only 40 % of it",
        STOP,
    ),
    FindingCode.STOP_LIMIT: (
        "its stop becomes a limit order, which may stay unfilled",
        f"in place of it, {STOP}",
    ),
    FindingCode.CONCENTRATION: (
        "takes 26 % of the account's margin, more than 20 %",
        "close 0.111 BTC of it, or add money to the account",
    ),
    FindingCode.EXPOSURE: (
        "all positions together are worth 6.96x the account's margin, more than 3x",
        "close positions worth 23,950.01 USD, or add 7,957.05 USD",
    ),
    FindingCode.NEAR: (
        "liquidation is 3.1 % away and a typical day's move is 4.1 %",
        "add 318.45 USDT to its margin, or close it",
    ),
    FindingCode.AUTO_ADD: (
        "the exchange adds margin to it by itself",
        "switch auto-add margin off for BTCUSDT, and add by hand where you want to",
    ),
    FindingCode.TRADING_KEY: (
        "its key can trade and withdraw",
        "make a key that can only read, configure that one, and delete this one at the exchange",
    ),
}


@pytest.mark.parametrize("code", FindingCode)
def test_a_finding_is_said_with_its_figures_and_what_to_do(code: FindingCode) -> None:
    """Amounts to pay are rounded up; prices and quantities are such as an order takes."""
    one = said(ONE_OF_EACH[code])
    assert (one.what, one.do) == WORDS[code]


@pytest.mark.parametrize("code", FindingCode)
def test_why_it_matters_is_one_sentence(code: FindingCode) -> None:
    """Nobody reads an essay on a lock screen."""
    why = said(ONE_OF_EACH[code]).why
    assert 20 < len(why) < 130
    assert "." not in why
    assert why == why[0].lower() + why[1:]


@pytest.mark.parametrize("code", FindingCode)
def test_a_finding_of_which_little_is_known_is_said_all_the_same(code: FindingCode) -> None:
    """A message about trouble never fails over a figure."""
    bare = found(code, mark=None, liquidation_price=None, symbol="", side="", wallet="", asset="")
    one = said(bare)
    assert one.what
    assert one.do
    assert "None" not in f"{one.what}{one.do}{one.about}"


def test_a_short_is_stopped_by_buying() -> None:
    """Nearer to the mark is as good; "at 62,000 or lower" would be a trigger that the mark has met already."""
    one = said(found(FindingCode.NO_STOP, side="SHORT", remedy=62_000.0))
    order = "place a STOP_MARKET BUY close-position order"
    assert one.do == f"{order} at 62,000, or nearer to the mark price that triggers it"


def test_where_no_stop_fits_none_is_proposed() -> None:
    """At the very end only less of the position helps, or more margin."""
    one = said(found(FindingCode.NO_STOP, remedy=None))
    assert one.do == "close a part of it, or add margin: before the liquidation price there is no room for a stop"


def test_a_part_that_is_in_order_is_said() -> None:
    """So that nobody replaces the wrong one."""
    assert (
        said(found(FindingCode.STOP_LAST, value=0.7)).what
        == "only 70 % of it has a stop that the mark price triggers"
    )
    assert (
        said(found(FindingCode.STOP_LIMIT, value=0.7)).what
        == "only 70 % of it has a stop that closes it at market"
    )


def test_a_position_that_only_its_gains_keep_has_no_figure_of_leverage() -> None:
    """It is above any limit."""
    one = said(found(FindingCode.LEVERAGE, value=None, limit=5.0, remedy=21.0))
    assert one.what == "nothing of its own margin is left, only gains keep it: a leverage above 5x"


def test_a_chosen_leverage_is_lowered_at_the_exchange() -> None:
    """It is nothing that money changes."""
    one = said(found(FindingCode.LEVERAGE, isolated=False, value=20.0, limit=5.0, remedy=None))
    assert one.do == "choose 5x for BTCUSDT, so that what you open next cannot be larger"


def test_where_more_margin_would_be_too_large_a_part_all_say_the_same_cut() -> None:
    """One amount removes them all; a hedge is reduced on both sides, and a cross position has no margin to set."""
    cut = {"quantity": 0.094, "margin": 1000.0}
    part = "close 0.094 BTC of it and then bring its margin to 1,000.00 USDT"
    lower = found(FindingCode.LEVERAGE, value=20.0, limit=5.0, remedy=4650.0, **cut)
    assert said(lower).do == f"{part}: all of it at 5x would be too large a part of the account"
    near = found(FindingCode.NEAR, value=0.03, limit=0.04, remedy=318.0, **cut)
    assert said(near).do == f"{part}: more margin alone would be too large a part of the account"
    assert said(found(FindingCode.CONCENTRATION, value=0.26, limit=0.2, remedy=0.05, **cut)).do == part
    cross = found(FindingCode.LEVERAGE, isolated=False, value=20.0, limit=5.0, quantity=0.094)
    assert said(cross).do == (
        "choose 5x for BTCUSDT and close 0.094 BTC of it: all of it at 5x would be too large a part of the account"
    )
    assert said(found(FindingCode.CONCENTRATION, quantity=0.5)).do == "close it"
    hedge = found(FindingCode.CONCENTRATION, value=0.26, limit=0.2, remedy=None)
    assert said(hedge).do == "close a part of it and as much of its other side, or add money to the account"


def test_a_typed_in_stop_that_should_have_been_triggered_sends_to_the_exchange() -> None:
    """Perhaps the position is gone; only if it is not, another stop helps."""
    one = said(found(FindingCode.STOP_SIDE, value=0.0, price=61_200.0, remedy=60_070.0, typed=True))
    assert one.what == "its stop at 61,200 should have been triggered: the mark is 61,000"
    assert one.do == (
        f"look at the exchange: if the position is closed, take it out of the configuration; if not, {STOP}"
    )


def test_the_leverage_of_a_cross_position_is_said_to_be_assumed_where_it_is() -> None:
    """Nobody chose it; and where isolated margin would be a fault of its own it is not proposed."""
    cross = {"isolated": False, "value": 5000.0, "limit": 1160.0}
    guess = said(found(FindingCode.CROSS, remedy=5.0, assumed=True, **cross))
    assert guess.what.endswith("; isolated at 5x, its leverage is not known, it would be 1,160.00 USDT")
    alone = said(found(FindingCode.CROSS, remedy=None, **cross))
    assert alone.what.endswith(" of the wallet, and its own margin is 1,160.00 USDT")
    unknown = said(found(FindingCode.CROSS, remedy=None, assumed=True, **cross))
    assert unknown.what == "cross margin, so its loss can take all 5,000.00 USDT of the wallet"
    assert alone.do == "keep no more in this wallet than it may lose, or close a part of it"


def test_an_account_without_any_margin_of_its_own_is_said_to_owe() -> None:
    """A multiple of nothing is no figure."""
    one = said(found(FindingCode.EXPOSURE, symbol="", side="", wallet="", value=None, limit=3.0, asset="USD"))
    assert (
        one.what == "positions are held, and all wallets of the account together owe as much as they have, or more"
    )
    assert one.do == "close positions, or add money to the account"


def test_prices_that_are_near_only_together_are_said_so() -> None:
    """The wallet is named, for no position is nearer than another."""
    together = found(FindingCode.NEAR, symbol="", side="", wallet="cross:USDT", value=0.02, limit=0.031)
    one = said(together)
    assert one.about == "cross USDT"
    assert one.what == "liquidation is 2.0 % away, all prices together, and a typical day's move is 3.1 %"


def test_what_was_not_looked_at_says_what_would_help() -> None:
    """Typed-in accounts can be told; of the others the exchange tells, or does not."""
    assert gap_words(Gap("a", GapKind.ORDERS, ("BTCUSDT",), typed=True)) == (
        'stops of BTCUSDT: say `stop_loss = PRICE`, or "none", beside each typed-in position'
    )
    assert gap_words(Gap("a", GapKind.ORDERS, ("BTCUSDT",))) == (
        "stops of BTCUSDT: its waiting orders are not known yet"
    )
    assert gap_words(Gap("a", GapKind.KEY)) == (
        "what the key may do: the exchange has not told; the testnet never does"
    )
    many = tuple(f"C{i}USDT" for i in range(8))
    assert gap_words(Gap("a", GapKind.MARKS, many)).startswith(
        "figures of C0USDT, C1USDT, C2USDT, C3USDT, C4USDT +3 "
    )
    assert all(gap_words(Gap("a", kind, typed=typed)) for kind in GapKind for typed in (True, False))


def _told(*codes: FindingCode, account: str = "main") -> Message:
    facts = Facts(environment="live", account=account, findings=tuple(ONE_OF_EACH[code] for code in codes))
    return render(
        a_notice("/told:checkup#1.1", kind=NoticeKind.CHECKUP, level=Level.NOTICE, facts=facts),
        fmt="text",
        now_ms=0,
    )


def test_the_title_is_the_worst_and_how_many_more() -> None:
    """Quiet, and with the account."""
    message = _told(FindingCode.NO_STOP, FindingCode.CROSS, FindingCode.AUTO_ADD)
    assert message.title == "CHECKUP - main BTCUSDT LONG: has no stop-loss, +2 more - LIVE"
    assert message.level is Level.NOTICE
    assert _told(FindingCode.TRADING_KEY).title == "CHECKUP - main: its key can trade and withdraw - LIVE"


def test_the_body_says_all_of_four_and_names_the_others() -> None:
    """Twenty lines are all there is."""
    body = _told(*(code for code in FindingCode if code is not FindingCode.USED_UP)).body.splitlines()
    assert body[:3] == [
        "Found: BTCUSDT LONG: leverage 20x, above 5x",
        "Why: the higher the leverage, the smaller the move that takes all of the margin",
        "To do: add 4,650.00 USDT to its margin, which makes it 5x",
    ]
    assert sum(line.startswith("Found: ") for line in body) == 4
    assert body[-2].startswith("Also: BTCUSDT LONG (stop tight), ")
    assert body[-2].endswith(" +7 more")
    assert body[-1] == "Meaning: nothing has happened; position-monitor checkup shows all that is found"


def test_of_several_accounts_each_finding_that_is_named_says_whose_it_is() -> None:
    """Two accounts may hold the same position; of one account its name is above."""
    stops = [found(FindingCode.NO_STOP, account=f"a{i}", symbol="ETHUSDT", side="SHORT") for i in range(6)]
    lines = dict(checkup_lines(Facts(findings=tuple(stops)), UTC))
    assert lines["Also"] == "a4 ETHUSDT SHORT (no stop), a5 ETHUSDT SHORT (no stop)"
    alone = tuple(msgspec.structs.replace(one, account="main") for one in stops)
    assert dict(checkup_lines(Facts(findings=alone), UTC))["Also"].startswith("ETHUSDT SHORT (no stop), ")
