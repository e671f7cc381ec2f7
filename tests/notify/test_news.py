"""Words about accounts: trouble, drift, margin calls, forced orders, changes, tiers."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.model import Change, ChangeKind, Compared, Figure, ForcedOrder, Level
from monitor.core.notices import Facts, NoticeKind
from monitor.notify.message import MAX_CHARS, escape, render
from monitor.notify.news import change_words
from monitor.ports import Message
from tests.notify.fakes import a_notice, some_facts

AT_MS = 1_780_000_000_000
NAME = "a<b>&é"
SYMBOL = "币安人生USDT"


def change(kind: ChangeKind, **fields: object) -> Change:
    known: dict[str, object] = {"symbol": "BTCUSDT", "side": "LONG", "cause": "ORDER"}
    return Change(AT_MS, "main", kind, **{**known, **fields})  # type: ignore[arg-type]  # each test names real fields


def compared(figure: Figure, ours: float | None, theirs: float | None, **fields: object) -> Compared:
    known: dict[str, object] = {"wallet": "cross:USDT", "symbol": "BTCUSDT", "side": "LONG", "tolerance": 10.0}
    return Compared(  # each test names real fields
        account="main", figure=figure, ours=ours, theirs=theirs, agrees=False, **{**known, **fields}  # type: ignore[arg-type]
    )  # fmt: skip


def told(
    kind: NoticeKind, *, fmt: str = "text", level: Level = Level.OK, subject: str = "s", **facts: object
) -> Message:
    given_facts = Facts(**{"environment": "testnet", "account": "main", **facts})  # type: ignore[arg-type]
    return render(a_notice(subject, kind=kind, level=level, facts=given_facts), fmt=fmt, now_ms=AT_MS)


OPENED = change(ChangeKind.OPENED, before=0.0, after=0.5, price=61_000.0)
LIQUIDATED = change(ChangeKind.FORCED, after=0.5, price=59_100.0, cause="liquidation")
DRIFT = compared(Figure.LIQUIDATION_PRICE, 59_136.5, 59_410.0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (OPENED, "BTCUSDT LONG opened 0.5 at 61,000"),
        (change(ChangeKind.CLOSED, before=0.5, after=0.0, price=61_000.0),
         "BTCUSDT LONG closed, was 0.5, entry 61,000"),
        (change(ChangeKind.INCREASED, before=0.5, after=0.8, price=61_000.0),
         "BTCUSDT LONG increased 0.5 -> 0.8, entry now 61,000"),
        (change(ChangeKind.REDUCED, before=0.8, after=0.5, cause="reconcile"),
         "BTCUSDT LONG reduced 0.8 -> 0.5 (reconcile)"),
        (change(ChangeKind.FLIPPED, before=0.8, after=0.5, price=61_000.0, side="SHORT"),
         "BTCUSDT turned LONG 0.8 -> SHORT 0.5 at 61,000"),
        (change(ChangeKind.LEVERAGE, before=10.0, after=125.0), "BTCUSDT LONG leverage 10x -> 125x"),
        (change(ChangeKind.MARGIN_MODE, before=1.0, after=0.0), "BTCUSDT LONG margin mode isolated -> cross"),
        (change(ChangeKind.MARGIN, before=1550.0, after=1800.25, asset="USDT"),
         "BTCUSDT LONG margin 1,550 -> 1,800.25 USDT"),
        (change(ChangeKind.BALANCE, symbol="", side="", asset="USDT", before=5000.0, after=4800.0,
                cause="FUNDING_FEE"), "USDT balance 5,000 -> 4,800 (FUNDING_FEE)"),
        (change(ChangeKind.HEDGE_MODE, symbol="", side="", before=0.0, after=1.0), "hedge mode turned on"),
        (change(ChangeKind.MULTI_ASSETS, symbol="", side="", before=1.0, after=0.0),
         "multi-assets mode turned off"),
        (LIQUIDATED, "BTCUSDT LONG liquidated 0.5 at 59,100"),
    ],
)  # fmt: skip
def test_a_change_in_plain_words(changed: Change, words: str) -> None:
    """What was, what is, and why where that is news; a price is named for what it is."""
    assert change_words(changed) == words


def test_every_kind_of_change_has_words() -> None:
    """Also where no figure is known."""
    for kind in ChangeKind:
        assert change_words(Change(0, "main", kind))


TIERS = "no maintenance tiers"


@pytest.mark.parametrize(
    ("kind", "facts", "title"),
    [
        (NoticeKind.ACCOUNT, {"reason": "the key was refused"},
         "ACCOUNT main cannot be followed - the key was refused"),
        (NoticeKind.ACCOUNT, {"reason": TIERS, "symbols": ("NEWUSDT",)},
         "ACCOUNT main - no maintenance tiers for NEWUSDT: NOT WATCHED"),
        (NoticeKind.ACCOUNT_BACK, {}, "ACCOUNT BACK - main: it can be followed again"),
        (NoticeKind.ACCOUNT_BACK, {"reason": TIERS},
         "ACCOUNT BACK - main: every position has maintenance tiers again"),
        (NoticeKind.DRIFT, {"compared": (compared(Figure.MARGIN_BALANCE, 100.0, 90.0, symbol="", side=""), DRIFT)},
         "MODEL DRIFT - main BTCUSDT LONG liquidation price 59,136.5 here, 59,410 at the exchange +1 more"),
        (NoticeKind.DRIFT_OVER, {}, "DRIFT OVER - main: figures agree with the exchange's again"),
        (NoticeKind.FORCED, {"changes": (LIQUIDATED,), "reason": "liquidation"},
         "LIQUIDATED - main BTCUSDT LONG 0.5 at 59,100"),
        (NoticeKind.CHANGED, {"changes": (OPENED, OPENED, OPENED)},
         "CHANGED - main: BTCUSDT LONG opened 0.5 at 61,000 +2 more"),
        (NoticeKind.BRACKETS, {"symbols": ("BTCUSDT",), "moved": (("BTCUSDT", "LONG", 59_136.5, None),)},
         "BRACKETS - main: new maintenance tiers of BTCUSDT, BTCUSDT LONG liquidation price 59,136.5 -> none"),
    ],
)  # fmt: skip
def test_titles_tell_the_whole_story(kind: NoticeKind, facts: dict[str, Any], title: str) -> None:
    """Account, what happened, figures, environment."""
    assert told(kind, **facts).title == f"{title} - TESTNET"


@pytest.mark.parametrize(
    ("cause", "words", "level"),
    [
        (ForcedOrder.LIQUIDATION, "LIQUIDATED", Level.CRITICAL),
        (ForcedOrder.ADL, "AUTO-DELEVERAGED", Level.WARNING),
        (ForcedOrder.SETTLEMENT, "SETTLED", Level.WARNING),
        ("something new", "CLOSED BY THE EXCHANGE", Level.CRITICAL),
    ],
)
def test_what_the_exchange_did_by_itself(cause: str, words: str, level: Level) -> None:
    """A liquidation looks like the failure it is, and so does what nobody foresaw."""
    message = told(NoticeKind.FORCED, changes=(change(ChangeKind.FORCED, after=0.5, price=1.0, cause=str(cause)),))
    assert message.title.startswith(f"{words} - main BTCUSDT LONG 0.5 at 1 ")
    assert message.level is level
    assert told(NoticeKind.FORCED, level=Level.EMERGENCY, reason=str(cause)).level is Level.EMERGENCY


@pytest.mark.parametrize(
    ("kind", "given", "level"),
    [
        (NoticeKind.ACCOUNT, Level.OK, Level.WARNING),
        (NoticeKind.ACCOUNT, Level.CRITICAL, Level.CRITICAL),
        (NoticeKind.DRIFT, Level.OK, Level.WARNING),
        (NoticeKind.MARGIN_CALL, Level.OK, Level.WARNING),
        (NoticeKind.CHANGED, Level.OK, Level.NOTICE),
        (NoticeKind.ACCOUNT_BACK, Level.OK, Level.OK),
    ],
)
def test_how_loud_each_is(kind: NoticeKind, given: Level, level: Level) -> None:
    """Not to see an account is never quiet; a change is never loud."""
    assert told(kind, level=given).level is level


def test_an_account_that_cannot_be_followed_says_what_to_do() -> None:
    """Why, what to do, and what that means; the hint stands there once."""
    assert told(NoticeKind.ACCOUNT, reason="the key was refused", detail="Allow futures").body.splitlines() == [
        "Account: main",
        "Reason: the key was refused",
        "To do: Allow futures",
        "Meaning: positions may have changed unseen; what is known keeps being watched",
    ]
    first = told(NoticeKind.ACCOUNT, reason="rate limited", unseen=True).body
    assert first.splitlines()[-1] == "Meaning: nothing is known of its positions yet, so none of them is watched"


def test_a_limit_of_the_exchange_is_said_in_words() -> None:
    """A constant of ours tells nobody anything."""
    title = told(NoticeKind.ACCOUNT, reason="rate_limit").title
    assert "the exchange takes no more requests from this address for now (HTTP 429)" in title
    assert "bad handshake" in told(NoticeKind.ACCOUNT, reason="bad_handshake").title


def test_a_trouble_closed_late_knows_its_account_from_its_subject() -> None:
    """The account is always named."""
    message = told(NoticeKind.ACCOUNT_BACK, subject="/tiers:main", account="", detail="/tiers:main")
    assert message.title == "ACCOUNT BACK - main: every position has maintenance tiers again - TESTNET"
    assert "Note" not in message.body


def test_a_margin_call_shows_the_exchanges_ratio_beside_ours() -> None:
    """Both ratios where the call tells enough for one; else its maintenance margin; else that it fits nothing."""

    def body(*rows: Compared) -> str:
        facts = some_facts(account="main", compared=rows)
        message = render(a_notice(kind=NoticeKind.MARGIN_CALL, facts=facts), fmt="text", now_ms=0)
        assert message.title.startswith("MARGIN CALL by the exchange - main BTCUSDT LONG - margin ratio 82 %") is (
            len(rows) != 2
        )  # fmt: skip
        return message.body.splitlines()[0]

    whole = {"symbol": "", "side": ""}
    both = (
        compared(Figure.MAINTENANCE_MARGIN, 80.0, 85.0, **whole),
        compared(Figure.MARGIN_BALANCE, 100.0, 100.0, **whole),
    )
    assert body(*both) == "Exchange: margin ratio 85 % there, 80 % here"
    assert body(compared(Figure.MAINTENANCE_MARGIN, 122.0, 125.0)) == (
        "Exchange: BTCUSDT LONG maintenance margin 122 here, 125 at the exchange"
    )
    assert body() == "Exchange: its figures are about another quantity than is known here"


def test_many_rows_are_counted_not_listed() -> None:
    """Worst first, six lines at most."""
    rows = tuple(compared(Figure.MARGIN_BALANCE, 100.0, 101.0 + n, wallet=f"w{n}", symbol="") for n in range(30))
    lines = told(NoticeKind.DRIFT, compared=rows).body.splitlines()
    assert lines[2] == "Drift: LONG margin balance 100 here, 130 at the exchange"
    assert lines[-1] == "More: 25 like these"
    assert len(lines) == 8


def test_an_alert_on_corrected_figures_says_so_in_one_line() -> None:
    """And an ordinary one does not."""
    said = "Figures: the exchange's own are worse than ours; the worse ones count until both agree"
    for corrected in (True, False):
        message = render(a_notice(facts=some_facts(corrected=corrected)), fmt="text", now_ms=0)
        assert (said in message.body.splitlines()) is corrected


GOLDEN = {
    "text": f"Account: {NAME}\nChange: {SYMBOL} LONG opened 0.5 at 61,000 (x_y<z>&)",
    "html": (
        "<b>Account:</b> a&lt;b&gt;&amp;é<br>\n"
        f"<b>Change:</b> {SYMBOL} LONG opened 0.5 at 61,000 (x_y&lt;z&gt;&amp;)"
    ),
    "markdown": (
        f"- **Account:** a\\<b\\>\\&é\n- **Change:** {SYMBOL} LONG opened 0.5 at 61,000 (x\\_y\\<z\\>\\&)".replace(
            "->", "-\\>"
        )
    ),
}


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_one_structure_three_formats(fmt: str) -> None:
    """What came from outside is escaped for the format; the title is plain text in each."""
    opened = change(ChangeKind.OPENED, symbol=SYMBOL, after=0.5, price=61_000.0, cause="x_y<z>&")
    message = told(NoticeKind.CHANGED, fmt=fmt, account=NAME, changes=(opened,))
    assert message.body == GOLDEN[fmt]
    assert message.title == f"CHANGED - {NAME}: {SYMBOL} LONG opened 0.5 at 61,000 (x_y<z>&) - TESTNET"


NEWS = [
    NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK, NoticeKind.DRIFT, NoticeKind.DRIFT_OVER, NoticeKind.MARGIN_CALL,
    NoticeKind.FORCED, NoticeKind.CHANGED, NoticeKind.BRACKETS,
]  # fmt: skip
ODD = st.text(st.sampled_from("<>&_*[]`\\# \n\r\x00币\U0001f4a5a{}"), max_size=600)
NUMBER = st.none() | st.floats()


@settings(max_examples=100, deadline=None)
@given(
    fmt=st.sampled_from(["text", "html", "markdown"]), kind=st.sampled_from(NEWS), odd=ODD, number=NUMBER,
    changed=st.sampled_from(ChangeKind), rows=st.integers(0, 12),
)  # fmt: skip
def test_any_content_stays_within_the_limit(  # noqa: PLR0917 - what is drawn
    fmt: str, kind: NoticeKind, odd: str, number: float | None, changed: ChangeKind, rows: int
) -> None:
    """At most 4096 units, on one line a title, whatever names and numbers there are."""
    one = Change(0, odd, changed, odd, odd, odd, number, number, number, odd)
    row = Compared(odd, odd, odd, odd, Figure.MARGIN_BALANCE, number, number, 0.0, agrees=False)
    facts = some_facts(
        account=odd, symbol=odd, side=odd, wallet=odd, reason=odd, detail=odd, symbols=(odd,) * rows,
        changes=(one,) * rows, compared=(row,) * rows, moved=((odd, odd, number, number),) * rows,
    )  # fmt: skip
    message = render(a_notice(kind=kind, facts=facts), fmt=fmt, now_ms=AT_MS + 10**6, unrecorded=True)
    assert len((escape(message.title, fmt) + message.body).encode("utf-16-le")) // 2 <= MAX_CHARS
    assert len(message.title.splitlines()) == 1
    assert len(message.body.splitlines()) <= 14
