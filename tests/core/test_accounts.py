"""Accounts that are followed by key: audits, calls, forced orders, departures, changes and lost sight of them."""

from collections.abc import Callable

import msgspec
import pytest

from monitor.core.audit import audit
from monitor.core.changes import changes
from monitor.core.compile import compile_book, correct
from monitor.core.engine import Engine
from monitor.core.events import (
    AccountState,
    Event,
    Heartbeat,
    MarginCall,
    OrderForced,
    Reconciled,
    Restored,
    SettingsChanged,
    Snapshot,
    TablesChanged,
    Ticks,
)
from monitor.core.model import (
    AccountSnapshot,
    ChangeKind,
    ExchangeFigures,
    Figure,
    ForcedOrder,
    Level,
    MarginCallLeg,
    MarginMode,
    PositionFigures,
    Side,
    Source,
    WalletFigures,
)
from monitor.core.notices import NoticeKind
from monitor.core.risk import both_roots, evaluate
from monitor.core.settings import AuditRules, ChannelRule, EngineSettings
from tests.core.builders import BTC, PHONE, SUBJECT, Desk, cross, followed, isolated, mark_at, plain, table
from tests.core.checker import marks_of

TABLES = {BTC: table()}
CLOSED, FORCED, ACCOUNT, BACK = NoticeKind.CLOSED, NoticeKind.FORCED, NoticeKind.ACCOUNT, NoticeKind.ACCOUNT_BACK
DRIFT, OVER, CALL = NoticeKind.DRIFT, NoticeKind.DRIFT_OVER, NoticeKind.MARGIN_CALL


def figures(
    held: AccountSnapshot, mark: float = 95.0, *, required: float = 1.0, less: float = 0.0, moved: float = 0.0
) -> ExchangeFigures:
    """Return what an exchange would say, made by our own pass and then bent."""
    book = compile_book((held,), TABLES)
    now = evaluate(book, marks_of(book, {BTC: mark}))
    return ExchangeFigures(
        5,
        tuple(
            PositionFigures(
                p.symbol, p.side, mark, float(now.position_maintenance[row]) * required,
                float(now.liquidation_price[row]) + moved,
            )
            for row, p in enumerate(book.positions)
        ),
        tuple(
            WalletFigures(
                info.key.wallet, {BTC: mark}, float(now.margin_balance[i]) - less,
                float(now.maintenance_margin[i]) * required,
            )
            for i, info in enumerate(book.wallets)
            if book.exposed[i]
        ),
    )  # fmt: skip


def watched(level_room: float = 0.9) -> Desk:
    desk = Desk()
    desk.follow(isolated(), source=Source.REST)
    desk.room(level_room)
    return desk


# Audit


@pytest.mark.parametrize("inverse", [False, True])
def test_figures_of_our_own_agree(*, inverse: bool) -> None:
    """What one pass made agrees with what the next makes, linear or inverse, and corrects nothing."""
    held = followed(isolated(), usdt=5.0)
    if inverse:
        coins = msgspec.structs.replace(cross(), inverse=True, contract_size=100.0, margin_asset="BTC")
        held = AccountSnapshot("main", {"BTC": 0.5}, (coins,), source=Source.REST)
    found = audit(held, figures(held), TABLES, AuditRules())
    assert len(found.compared) == 4
    assert not found.drifting
    assert not found.corrections


@pytest.mark.parametrize(
    ("planted", "figure", "correction"),
    [
        ({"required": 2.0}, Figure.MAINTENANCE_MARGIN, (0.0, 0.95)),
        ({"less": 1.5}, Figure.MARGIN_BALANCE, (1.5, 0.0)),
        ({"moved": 1.0}, Figure.LIQUIDATION_PRICE, (0.99, 0.0)),
    ],
)
def test_a_planted_difference_is_found(
    planted: dict[str, float], figure: Figure, correction: tuple[float, float]
) -> None:
    """A wrong bracket, balance or price: both figures are named, and the difference goes into the corrections."""
    held = followed(isolated())
    found = audit(held, figures(held, **planted), TABLES, AuditRules())
    assert {row.figure for row in found.drifting} == {figure}
    assert all(row.ours != row.theirs for row in found.drifting)
    ((_, amounts),) = found.corrections.items()
    assert amounts == pytest.approx(correction)


def test_either_root_of_a_hedge_agrees() -> None:
    """The exchange may show the lower price or the upper one."""
    held = followed(cross(quantity=1.0), cross(side=Side.SHORT, quantity=0.5), usdt=20.0)
    book = compile_book((held,), TABLES)
    now = evaluate(book, marks_of(book, {BTC: 100.0}))
    roots = [root for root in both_roots(book, now, 0) if root is not None]
    assert roots
    for root in roots:
        said = ExchangeFigures(5, (PositionFigures(BTC, Side.LONG, 100.0, None, root),))
        assert not audit(held, said, TABLES, AuditRules()).drifting


@pytest.mark.parametrize(("off", "agrees"), [(0.0009, True), (0.0011, False)])
def test_a_tenth_of_a_percent_is_tolerated(off: float, *, agrees: bool) -> None:
    """Of the exchange's maintenance margin, on either side."""
    held = followed(isolated())
    for sign in (1, -1):
        assert (
            audit(held, figures(held, required=1 + sign * off), TABLES, AuditRules()).drifting == () or not agrees
        )
        assert (
            bool(audit(held, figures(held, required=1 + sign * off), TABLES, AuditRules()).drifting) is not agrees
        )


@pytest.mark.parametrize(("mark", "off"), [(100.0, 0.05), (92.0, 0.05 * (92.0 - 90.0 / 0.99))])
def test_a_liquidation_price_may_differ_by_the_smaller_tolerance(mark: float, off: float) -> None:
    """0.05 % of the mark, or 5 % of the distance where that is less."""
    held = followed(isolated())
    limit = min(0.0005 * mark, off)
    for share, agrees in ((0.9, True), (1.1, False)):
        found = audit(held, figures(held, mark, moved=-limit * share), TABLES, AuditRules())
        assert bool(found.drifting) is not agrees


@pytest.mark.parametrize("planted", [{"required": r, "less": b, "moved": m} for r in (0.5, 1.0, 3.0)
                                     for b in (-2.0, 0.0, 2.0) for m in (-3.0, 0.0, 2.0)])  # fmt: skip
def test_corrections_are_never_the_more_optimistic(planted: dict[str, float]) -> None:
    """Ratio, room and distance are at least as bad as ours, and as what the exchange says."""
    held = followed(isolated())
    said = figures(held, **planted)
    found = audit(held, said, TABLES, AuditRules())
    book = compile_book((held,), TABLES)
    at = int(book.row_wallet[0])
    marks = marks_of(book, {BTC: 95.0})
    before = evaluate(book, marks)
    correct(book, found.corrections)
    after = evaluate(book, marks)
    theirs, place = said.wallets[0], said.positions[0]
    assert theirs.maintenance is not None
    assert theirs.margin_balance is not None
    assert place.liquidation_price is not None
    slack = 1e-9
    assert after.room[at] <= before.room[at] + slack
    assert after.distance[0] <= before.distance[0] + slack
    assert after.margin_ratio[at] >= before.margin_ratio[at] - slack
    assert after.margin_ratio[at] >= theirs.maintenance / theirs.margin_balance - slack
    assert after.distance[0] <= max(0.0, 95.0 - place.liquidation_price) / 95.0 + slack


def test_drift_is_told_once_rules_and_ends() -> None:
    """Until a clean reconcile the worse figure decides; another figure is news, and it is repeated in time.

    A figure near its tolerance that comes and goes is one drift: it is over after two minutes without one.
    """
    desk = watched()
    held = followed(isolated())
    effects = desk.step(Reconciled(held, figures(held, less=8.0)))
    assert effects.drifting
    assert desk.told(subject="/drift:main") == [(DRIFT, "warning")]
    assert desk.told(subject=SUBJECT) != []
    assert desk.step(Reconciled(held, figures(held, less=8.0))).notices == ()
    desk.step(Reconciled(held, figures(held, less=8.0, required=2.0)))
    assert desk.told(subject="/drift:main") == [(DRIFT, "warning")] * 2
    desk.wait(7201.0)
    desk.step(Heartbeat())
    assert desk.told(subject="/drift:main") == [(DRIFT, "warning")] * 3
    for planted in ({}, {"less": 8.0}, {}):
        desk.step(Reconciled(held, figures(held, **planted)))
        desk.beat(60)
    assert desk.told(subject="/drift:main")[3:] == []
    assert desk.engine.view(desk.now()).accounts[0].corrections == {}
    desk.beat(60)
    assert desk.told(subject="/drift:main")[3:] == [(OVER, "ok")]


def test_a_reply_that_says_a_part_ends_no_drift_about_the_rest() -> None:
    """What moved while it was asked for is neither resolved nor found anew; a whole reply decides."""
    desk = watched()
    held = followed(isolated())
    desk.step(Reconciled(held, figures(held, less=8.0, required=2.0)))
    accounts = desk.engine._accounts
    whole = accounts.corrections()
    assert whole
    part = msgspec.structs.replace(figures(held), wallets=())
    part = msgspec.structs.replace(
        part, positions=tuple(msgspec.structs.replace(p, quotes_liquidation=False) for p in part.positions)
    )
    desk.step(Reconciled(held, part))
    assert accounts.corrections() == whole
    assert {row.figure for row in accounts.views()[0].compared if not row.agrees} >= {Figure.MARGIN_BALANCE}
    desk.beat(130)
    assert OVER not in [n.kind for n in desk.notices]
    desk.step(Reconciled(held, figures(held)))
    assert accounts.corrections() == {}


def test_a_correction_shrinks_with_what_it_was_found_for() -> None:
    """Who reduces as told is not alarmed with the amounts of the larger position, and what is gone leaves none."""
    desk = watched()
    desk.step(Reconciled(followed(isolated()), figures(followed(isolated()), required=2.0)))
    accounts = desk.engine._accounts
    ((key, (less, extra)),) = accounts.corrections().items()
    assert extra > 0
    small = msgspec.structs.replace(isolated(), quantity=0.1, margin=1.0)
    desk.step(Snapshot(followed(small), "ORDER"))
    assert accounts.corrections().keys() == {key}
    assert accounts.corrections()[key] == pytest.approx((less / 10, extra / 10))
    desk.step(Snapshot(followed(), "ORDER"))
    assert accounts.corrections() == {}


def test_a_position_just_opened_does_not_hide_its_wallet() -> None:
    """Until its first mark comes, the mark of the reply that showed it stands in; its silence goes on counting."""
    desk = watched()
    wallet = cross(BTC), cross("ETHUSDT")
    held, both = (
        msgspec.structs.replace(followed(*legs), balances={"USDT": 50.0}) for legs in (wallet[:1], wallet)
    )
    desk.step(Snapshot(held))
    desk.marks(BTCUSDT=100.0)
    desk.step(Snapshot(both))
    name = "cross:USDT"
    assert {w.wallet: w.level for w in desk.engine.view(desk.now()).wallets}[name] == "unknown"
    mark = PositionFigures("ETHUSDT", Side.LONG, 99.0, None, None, quotes_liquidation=False)
    desk.step(Reconciled(both, ExchangeFigures(5, (mark,))))
    views = {p.symbol: p for p in desk.engine.view(desk.now()).positions if p.wallet == name}
    assert views["ETHUSDT"].mark_price == 99.0
    assert {s.symbol: s.source for s in desk.engine.view(desk.now()).symbols}["ETHUSDT"] == "rest"
    assert desk.engine.view(desk.now()).wallets[0].margin_ratio is not None
    desk.beat(14)
    assert [n.kind for n in desk.notices].count(NoticeKind.BLIND) == 1


def test_an_end_that_only_rest_saw_is_not_called_one_by_hand() -> None:
    """Streams are lost in crashes, which is when liquidations happen."""
    for cause, source, reason in (
        ("ORDER", Source.STREAM, "closed_by_hand"),
        ("reconcile", Source.REST, "gone"),
        ("ADJUSTMENT", Source.STREAM, "gone"),
    ):
        desk = watched()
        desk.room(0.09)
        gone = msgspec.structs.replace(followed(), source=source)
        desk.step(Snapshot(gone, cause))
        desk.beat(3)
        (notice,) = [n for n in desk.notices if n.subject == SUBJECT and n.kind is NoticeKind.CLOSED]
        assert notice.facts.reason == reason


# Margin calls


def call(quantity: float = 1.0, maintenance: float = 0.95, symbol: str = BTC) -> MarginCall:
    legs = (MarginCallLeg(symbol, Side.LONG, quantity, MarginMode.ISOLATED, 95.0, maintenance, -5.0, 10.0),)
    return MarginCall("main", 5, legs)


def test_a_call_is_told_once_in_five_minutes() -> None:
    """For each wallet; figures that agree open no drift."""
    desk = watched()
    for seconds in (0.0, 299.0, 1.0):
        desk.wait(seconds)
        desk.step(call())
    assert desk.told() == [(CALL, "critical")] * 2
    assert len({notice.subject for notice in desk.notices}) == 2


def test_a_call_that_knows_worse_rules_until_the_next_reconcile() -> None:
    """Its figures are a second opinion about the same quantity, and say nothing about another."""
    desk = watched()
    desk.step(call(quantity=2.0, maintenance=9.0))
    assert desk.told(subject="/drift:main") == []
    desk.step(call(maintenance=9.0))
    assert desk.told(subject="/drift:main") == [(DRIFT, "warning")]
    assert desk.engine.view(desk.now()).accounts[0].corrections
    held = followed(isolated())
    desk.step(Reconciled(held, figures(held)))
    assert not desk.engine.view(desk.now()).accounts[0].corrections
    desk.beat(120)
    assert desk.told(subject="/drift:main") == [(DRIFT, "warning"), (OVER, "ok")]


def test_a_call_about_what_is_not_watched_is_told() -> None:
    """Without tiers, or before the position is known, the exchange's warning is all there is."""
    desk = watched()
    desk.follow(isolated(), isolated("DOGEUSDT"))
    desk.step(call(symbol="DOGEUSDT"))
    (notice,) = [n for n in desk.notices if n.kind is CALL]
    assert (notice.facts.symbol, notice.facts.wallet) == ("DOGEUSDT", "isolated:DOGEUSDT:LONG")


# Forced orders and departures


def forced(kind: ForcedOrder = ForcedOrder.LIQUIDATION, quantity: float = 1.0, order: str = "x-1") -> OrderForced:
    return OrderForced("main", order, BTC, Side.LONG, kind, quantity, 90.0, 7)


@pytest.mark.parametrize("first", ["order", "account"])
@pytest.mark.parametrize(
    ("kind", "level", "reason"),
    [
        (ForcedOrder.LIQUIDATION, "emergency", "liquidated"),
        (ForcedOrder.ADL, "critical", "deleveraged"),
        (ForcedOrder.SETTLEMENT, "warning", "settled"),
    ],
)
def test_either_order_of_events_tells_how_it_ended(first: str, kind: ForcedOrder, level: str, reason: str) -> None:
    """The order and the loss of the position make one ending, told once, and the order is told by itself."""
    desk = watched(0.09)
    steps: list[Callable[[], object]] = [lambda: desk.step(forced(kind)), desk.follow]
    for step in steps if first == "order" else steps[::-1]:
        step()
        desk.wait(0.5)
    desk.beat(4)
    (end,) = [n for n in desk.notices if n.kind is CLOSED]
    assert end.facts.reason == reason
    assert [n.level.label for n in desk.notices if n.kind is FORCED] == [level]


def test_closed_by_hand_waits_two_seconds() -> None:
    """Nothing is said before the order of a liquidation had its time to come."""
    desk = watched(0.09)
    desk.follow()
    desk.beat(1)
    assert CLOSED not in [n.kind for n in desk.notices]
    desk.beat(2)
    assert [n.facts.reason for n in desk.notices if n.kind is CLOSED] == ["closed_by_hand"]


def test_a_position_gone_during_a_restart_or_typed_out_is_gone() -> None:
    """Nobody here knows how."""
    later = watched(0.09).restarted()
    later.follow(source=Source.REST)
    by_hand = Desk()
    by_hand.hold(isolated())
    by_hand.room(0.09)
    by_hand.hold()
    for desk in (later, by_hand):
        assert [n.facts.reason for n in desk.notices if n.kind is CLOSED] == ["gone"]


@pytest.mark.parametrize(("before_s", "reason"), [(None, "reduced"), (3600.0, "recovered")])
def test_recovered_after_a_partial_liquidation_is_reduced(before_s: float | None, reason: str) -> None:
    """In the incident it happened in; one long before it has no part in it."""
    desk = watched(0.9 if before_s else 0.09)
    desk.step(forced(quantity=0.5))
    desk.wait(before_s or 0.0)
    desk.room(0.09)
    desk.stay(620, 0.9)
    assert [n.facts.reason for n in desk.notices if n.kind is CLOSED] == [reason]


def test_an_order_is_told_once_and_its_growth_recorded() -> None:
    """Fills of one order are one message; each growth is a change; announcements supersede none."""
    desk = watched()
    for quantity in (0.2, 0.2, 0.7):
        desk.step(forced(quantity=quantity))
    desk.step(forced(order="x-2"))
    told = [n for n in desk.notices if n.kind is FORCED]
    assert len(told) == len({n.subject for n in told}) == 2
    assert [c.after for c in desk.changes] == [0.2, 0.7, 1.0]
    assert desk.withdrawn == []


# Accounts that cannot be followed


def test_an_unfollowed_account_may_rise_and_never_fall() -> None:
    """Told once a reason, and once that it is back; until then nothing recovers."""
    desk = watched()
    for _ in range(2):
        desk.step(AccountState("main", False, "key refused"))
    desk.step(AccountState("main", False, "timeout"))
    assert desk.told() == [(ACCOUNT, "critical")] * 2
    desk.room(0.09)
    desk.stay(700, 0.9)
    assert desk.rows[SUBJECT].level is Level.CRITICAL
    assert not desk.engine.view(desk.now()).accounts[0].ok
    desk.step(AccountState("main", True))
    desk.stay(700, 0.9)
    assert desk.rows[SUBJECT].level is Level.OK
    assert desk.told(subject="/account:main")[-1] == (BACK, "ok")


def test_a_restored_trouble_closes_with_the_first_answer() -> None:
    """A stream alone does not prove it; a REST reply does, and a removed account has none."""
    desk = Desk()
    desk.step(AccountState("main", False, "key refused"))
    later = desk.restarted()
    later.follow(isolated(), source=Source.STREAM)
    assert later.told() == []
    later.follow(isolated(), source=Source.REST)
    assert later.told() == [(BACK, "ok")]
    desk.settings = EngineSettings(accounts=("other",), channels=(PHONE,))
    assert desk.restarted().told() == [(BACK, "ok")]


def test_a_removed_account_closes_its_troubles() -> None:
    """With the settings that do not name it any more."""
    desk = watched()
    desk.step(AccountState("main", False, "key refused"))
    desk.configure(EngineSettings(accounts=("other",), channels=(PHONE,)))
    assert desk.told(subject="/account:main") == [(ACCOUNT, "critical"), (BACK, "ok")]


# Changes


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (followed(), followed(isolated()), [ChangeKind.OPENED]),
        (followed(isolated()), followed(), [ChangeKind.CLOSED]),
        (followed(isolated()), followed(isolated(quantity=2.0)), [ChangeKind.INCREASED]),
        (followed(isolated()), followed(isolated(quantity=0.5)), [ChangeKind.REDUCED]),
        (followed(isolated()), followed(isolated(side=Side.SHORT)), [ChangeKind.FLIPPED]),
        (followed(isolated()), followed(isolated(margin=12.0)), [ChangeKind.MARGIN]),
        (followed(isolated()), followed(cross()), [ChangeKind.MARGIN_MODE]),
        (followed(usdt=1.0), followed(usdt=2.0), [ChangeKind.BALANCE]),
        (
            msgspec.structs.replace(followed(isolated()), hedge_mode=True),
            msgspec.structs.replace(followed(isolated(side=Side.SHORT)), hedge_mode=True),
            [ChangeKind.CLOSED, ChangeKind.OPENED],
        ),
        (followed(), msgspec.structs.replace(followed(), hedge_mode=True), [ChangeKind.HEDGE_MODE]),
        (followed(), msgspec.structs.replace(followed(), multi_assets=True), [ChangeKind.MULTI_ASSETS]),
        (
            followed(msgspec.structs.replace(isolated(), leverage=5.0)),
            followed(msgspec.structs.replace(isolated(), leverage=9.0)),
            [ChangeKind.LEVERAGE],
        ),
    ],
)
def test_every_kind_of_change(before: AccountSnapshot, after: AccountSnapshot, kinds: list[ChangeKind]) -> None:
    """One step of an account is named by what it did; the same account twice did nothing."""
    assert [change.kind for change in changes(before, after, "ORDER", 1)] == kinds
    assert changes(after, after, "ORDER", 1) == ()


def test_only_those_who_asked_are_told_of_changes() -> None:
    """Never of balances or funding, which history has all the same."""
    desk = Desk(channels=(PHONE, ChannelRule("diary", Level.EMERGENCY, changes=True)))
    desk.follow(isolated(), usdt=1.0)
    desk.follow(isolated(), usdt=2.0)
    desk.follow(isolated(margin=11.0), usdt=2.0, cause="FUNDING_FEE")
    assert desk.notices == []
    desk.follow(usdt=2.0)
    assert [(n.channel, n.kind) for n in desk.notices] == [("diary", NoticeKind.CHANGED)]
    assert [c.kind for c in desk.changes] == [ChangeKind.BALANCE, ChangeKind.MARGIN, ChangeKind.CLOSED]


def test_a_journal_of_it_all_replays_to_the_same() -> None:
    """Every new event through JSON and another engine: the same effects."""
    desk, held = Desk(deliver=False), followed(isolated())
    events: list[Event] = [
        SettingsChanged(desk.settings, desk.tables), Restored(()), Snapshot(held),
        Ticks((desk.range(BTC, mark_at(0.09)),)), Reconciled(held, figures(held, less=3.0)), call(maintenance=9.0),
        AccountState("main", False, "timeout"), forced(quantity=0.5), TablesChanged("main", (table(mmr=0.02),)),
        AccountState("main", True), Snapshot(followed(), "ORDER"), Heartbeat(),
    ]  # fmt: skip
    first, second = Engine(), Engine()
    for event in events:
        desk.wait(1.5)
        again = msgspec.json.decode(msgspec.json.encode(event), type=Event)
        assert plain(first.step(event, desk.now())) == plain(second.step(again, desk.now()))
