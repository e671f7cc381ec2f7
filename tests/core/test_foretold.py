"""What is told of what is ahead: when, to whom, once each, and which lines an alert has of it."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor.core.ahead import Due
from monitor.core.counsel import LOOKS
from monitor.core.events import Held, Learnt, Snapshot, TablesChanged, Ticks
from monitor.core.foretold import (
    AHEAD_PREFIX,
    MOST_LINES,
    REFRESH_S,
    WITHIN_MS,
    most_telling,
    worth_a_line,
    worth_a_notice,
)
from monitor.core.model import Level, MarkRange, Position, Side, Source, rate_symbols
from monitor.core.notices import After, Cause, CauseKind, Hold, HoldKind, Notice, NoticeKind
from monitor.core.settings import ChannelRule, CheckupRules
from monitor.core.surroundings import AdlKnown, Funding, FundingKnown
from tests.core.builders import BTC, ETH, WALL_MS, Desk, cross, isolated, mark_at, table
from tests.core.strategies import build_table
from tests.core.test_ahead import of
from tests.core.test_collateral import multi, rate
from tests.core.test_engine_moves import day

HOUR_MS = 3_600_000
HOUR_S = 3600.0
AT_MS = WALL_MS + 2 * HOUR_MS  # when funding is due
NEAR = 0.502  # a room that half a per mille of the notional takes below that of a notice
RATE = 0.0005
MANY = tuple(f"A{i}USDT" for i in range(LOOKS + 2))
QUIET = (ChannelRule("quiet"), ChannelRule("phone", Level.WARNING))


def desk_of(*positions: Position, channels: Sequence[ChannelRule] = QUIET, usdt: float | None = None) -> Desk:
    """Return a desk with these positions that looks for no habits."""
    desk = Desk(channels=channels)
    desk.configure(msgspec.structs.replace(desk.settings, checkup=CheckupRules(enabled=False)))
    desk.hold(*(positions or (isolated(),)), usdt=usdt)
    return desk


def look(desk: Desk, room: float = NEAR, *, after_s: float = REFRESH_S) -> None:
    """Let time pass, with a fresh mark and a look ahead at its end."""
    desk.wait(after_s - 1.0)
    desk.room(room)
    desk.beat()


def learn_funding(desk: Desk, rate: float = RATE, *, at_ms: int = AT_MS, symbol: str = BTC) -> None:
    desk.step(Learnt(FundingKnown(desk.wall_ms, {symbol: Funding(rate, at_ms)})))


def learn_places(desk: Desk, quantile: int = 4, *, side: Side = Side.SHORT) -> None:
    desk.step(Learnt(AdlKnown("main", desk.wall_ms, {BTC: {side: quantile}})))


def go(desk: Desk, until_ms: int) -> None:
    """Let time pass until a moment, without a look."""
    desk.wait((until_ms - desk.wall_ms) / 1000)


def told(desk: Desk) -> list[Notice]:
    return [notice for notice in desk.notices if notice.kind is NoticeKind.AHEAD]


def causes(desk: Desk) -> list[CauseKind]:
    return [cause.kind for notice in told(desk) for cause in notice.facts.ahead]


# Funding


def test_funding_that_alone_raises_the_level_is_told_within_the_hour_and_once() -> None:
    """Not an hour and a minute before, then at the next look, to those who asked for notices."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS - 90_000)
    learn_funding(desk)
    look(desk)
    assert told(desk) == []
    for _ in range(58):
        learn_funding(desk)
        look(desk)
    (notice,) = told(desk)
    assert (notice.channel, notice.level, notice.subject[:12]) == ("quiet", Level.NOTICE, "/told:ahead:")
    (cause,) = notice.facts.ahead
    assert (cause.kind, cause.level, cause.at_ms) == (CauseKind.FUNDING, Level.NOTICE, AT_MS)
    assert notice.facts.room == pytest.approx(NEAR)
    assert 0 <= AT_MS - WITHIN_MS - notice.decided_ms + 60_000 <= 60_000
    assert [kind for kind, _ in desk.told("quiet")] == [NoticeKind.AHEAD]


def test_a_restart_tells_no_payment_again_and_the_next_one_is_told() -> None:
    """Eight hours later it is another one."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS // 2)
    learn_funding(desk)
    look(desk)
    assert len(told(desk)) == 1
    again = desk.restarted()
    again.hold(isolated())
    for _ in range(3):
        learn_funding(again)
        look(again)
    assert told(again) == []
    go(again, AT_MS + 8 * HOUR_MS - WITHIN_MS // 2)
    learn_funding(again, at_ms=AT_MS + 8 * HOUR_MS)
    look(again)
    assert [notice.facts.ahead[0].at_ms for notice in told(again)] == [AT_MS + 8 * HOUR_MS]


@pytest.mark.parametrize(("rate", "room"), [(-RATE, NEAR), (RATE, 0.7), (RATE, 0.45)])
def test_what_is_received_or_changes_no_level_is_not_told(rate: float, room: float) -> None:
    """Nor is what would bring a level that the wallet has already."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS // 2)
    learn_funding(desk, rate)
    look(desk, room)
    assert told(desk) == []


def test_a_rate_that_is_old_and_a_mark_that_is_old_say_nothing() -> None:
    """Ten minutes, and a few seconds."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS // 2)
    learn_funding(desk)
    look(desk, after_s=601.0)
    assert told(desk) == []
    learn_funding(desk)
    desk.wait(REFRESH_S)
    desk.beat()  # the newest mark is a minute old
    assert told(desk) == []
    look(desk)
    assert len(told(desk)) == 1


def test_everything_muted_is_told_nothing_and_not_later_either() -> None:
    """As changes are; what was asked to be quiet about is not news once the wish has ended."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS // 2)
    until_ms = desk.wall_ms + 300_000
    desk.step(Held(Hold("k", HoldKind.MUTE, "all", desk.wall_ms, until_ms)))
    for _ in range(10):
        learn_funding(desk)
        look(desk)
    assert desk.wall_ms > until_ms
    assert told(desk) == []


def test_a_clock_that_was_far_ahead_keeps_nothing_quiet() -> None:
    """A time told days ahead is forgotten by the next payment that is due."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS // 2)
    learn_funding(desk)
    look(desk)
    (row,) = [row for row in desk.rows.values() if row.subject.startswith(AHEAD_PREFIX)]
    desk.rows[row.subject] = msgspec.structs.replace(row, since_ms=AT_MS + 9 * 86_400_000)
    again = desk.restarted()
    again.hold(isolated())
    learn_funding(again)
    look(again)
    assert len(told(again)) == 1


def test_what_was_told_of_funding_is_forgotten_after_a_day() -> None:
    """No row stays for each wallet that ever was."""
    desk = desk_of()
    go(desk, AT_MS - WITHIN_MS // 2)
    learn_funding(desk)
    look(desk)
    assert [subject for subject in desk.rows if subject.startswith(AHEAD_PREFIX)] != []
    desk.hold()
    desk.wait(25 * HOUR_S)
    desk.beat()
    assert [subject for subject in desk.rows if "ahead" in subject] == []


# Auto-deleveraging

HEDGE = (cross(quantity=10.0, entry=110.0), cross(side=Side.SHORT, quantity=10.0, entry=110.0))


def hedged() -> Desk:
    """Return a desk with a hedge that is well, and at a warning without its short: the day was a moving one."""
    desk = desk_of(*HEDGE, usdt=120.0)
    desk.marks(**{BTC: 100.0})
    desk.step(day(hourly=0.07, last=100.0))
    return desk


def calm(desk: Desk, seconds: float = REFRESH_S) -> None:
    """Let time pass, with a fresh mark at its end that is where it was."""
    desk.wait(seconds - 1.0)
    desk.marks(**{BTC: 100.0})
    desk.beat()


def test_a_hedge_at_the_front_of_the_queue_is_told_once_while_it_lasts() -> None:
    """Its long alone would be within two typical moves; hours, and a restart, tell nothing more."""
    desk = hedged()
    for _ in range(90):
        learn_places(desk)
        calm(desk)
    (notice,) = told(desk)
    (cause,) = notice.facts.ahead
    assert (cause.kind, cause.symbol, cause.side, cause.level) == (CauseKind.ADL, BTC, "SHORT", Level.WARNING)
    again = desk.restarted()
    again.hold(*HEDGE, usdt=120.0)
    again.marks(**{BTC: 100.0})
    again.step(day(hourly=0.07, last=100.0, until_ms=again.wall_ms))
    for _ in range(3):
        learn_places(again)
        calm(again)
    assert told(again) == []


def test_a_place_that_flickers_is_told_once_and_one_that_comes_back_after_an_hour_again() -> None:
    """The third place is none; what is not known meanwhile is not over."""
    desk = hedged()
    for quantile in (4, 3, 4, 2, 4):
        learn_places(desk, quantile)
        calm(desk, 600.0)
    assert len(told(desk)) == 1
    for _ in range(20):  # of old places nothing can be said
        calm(desk, 600.0)
    learn_places(desk)
    calm(desk)
    assert len(told(desk)) == 1
    for _ in range(8):
        learn_places(desk, 1)
        calm(desk, 600.0)
    learn_places(desk)
    calm(desk)
    assert len(told(desk)) == 2


def test_an_account_that_is_silent_after_a_restart_ends_nothing() -> None:
    """For hours nothing is known of what it holds; then the hedge is where it was."""
    desk = hedged()
    learn_places(desk)
    calm(desk)
    assert len(told(desk)) == 1
    again = desk.restarted()
    for _ in range(10):
        again.wait(900.0)
        again.beat()
    again.hold(*HEDGE, usdt=120.0)
    again.marks(**{BTC: 100.0})
    again.step(day(hourly=0.07, last=100.0, until_ms=again.wall_ms))
    for _ in range(3):
        learn_places(again)
        calm(again)
    assert told(again) == []


def test_a_single_position_in_the_queue_is_a_line_and_no_notice() -> None:
    """To lose it raises no level."""
    desk = desk_of(isolated(side=Side.SHORT))
    for _ in range(3):
        learn_places(desk)
        calm(desk)
    assert told(desk) == []
    (notice, *_) = desk.marks(**{BTC: 104.5}).notices
    assert [cause.kind for cause in notice.facts.ahead] == [CauseKind.ADL]


# Collateral


def test_a_cut_that_would_be_a_warning_is_told_once_for_each_asset() -> None:
    """The fall of an index is a price, which levels follow by themselves."""
    desk = desk_of()
    rates = {"BTC": rate(100.0), "ETH": rate(10.0)}
    snapshot = multi(cross(quantity=60.0), rates=rates, BTC=1.0, ETH=1.0)
    values = {name: value for asset, one in rates.items()
              for name, value in zip(rate_symbols(asset), (one.bid, one.ask), strict=True)}  # fmt: skip
    desk.step(Snapshot(snapshot))
    for _ in range(5):
        desk.wait(REFRESH_S - 1.0)
        marks = {BTC: 99.83} | values
        desk.step(Ticks(tuple(
            MarkRange(name, mark, mark, mark, desk.wall_ms, desk.mono_s, Source.STREAM)
            for name, mark in marks.items()
        )))  # fmt: skip
        desk.beat()
    assert causes(desk) == [CauseKind.COLLATERAL]
    assert told(desk)[0].facts.ahead[0].asset == "BTC"
    assert told(desk)[0].facts.ahead[0].move is None


# Lines of alerts


def funding_cause(**changes: object) -> Cause:
    known: dict[str, object] = {"amount": -1.0, "at_ms": AT_MS, "before": After(0.5), "after": After(0.5)}
    return Cause(CauseKind.FUNDING, **{**known, **changes})  # type: ignore[arg-type]  # fields of a cause


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (funding_cause(amount=-10.1), True),  # of a cushion of 999
        (funding_cause(amount=-9.9), False),
        (funding_cause(amount=-0.1, level=Level.NOTICE), True),
        (funding_cause(amount=50.0), False),
        (Cause(CauseKind.ADL, quantile=4), True),
        (Cause(CauseKind.ADL, quantile=3), False),
        (Cause(CauseKind.COLLATERAL, asset="BTC", level=Level.WARNING), True),
        (Cause(CauseKind.COLLATERAL, asset="BTC"), False),
        (Cause(CauseKind.COLLATERAL, asset="BTC", symbol=BTC, move=-0.1, level=Level.EMERGENCY), False),
        (Cause(CauseKind.COLLATERAL, asset="BTC", move=-0.1, level=Level.EMERGENCY), True),
    ],
)
def test_a_line_is_said_where_it_matters(cause: Cause, says: bool) -> None:  # noqa: FBT001 - a table
    """More than a hundredth of the cushion, a level, the first place; a fall of what positions are in is none."""
    here = of(cross())
    assert here.readings.cushion[0] == pytest.approx(999.0)
    assert worth_a_line(Due(0, cause), here) is says


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (funding_cause(level=Level.NOTICE), True),
        (funding_cause(level=Level.OK), False),
        (funding_cause(level=Level.NOTICE, at_ms=AT_MS + 1), False),
        (funding_cause(level=Level.NOTICE, at_ms=AT_MS - WITHIN_MS), False),
        (Cause(CauseKind.ADL, quantile=4, level=Level.WARNING), True),
        (Cause(CauseKind.ADL, quantile=4, level=Level.NOTICE), False),
        (Cause(CauseKind.ADL, quantile=3, level=Level.WARNING), False),
        (Cause(CauseKind.COLLATERAL, level=Level.WARNING), True),
        (Cause(CauseKind.COLLATERAL, level=Level.NOTICE), False),
        (Cause(CauseKind.COLLATERAL, level=Level.WARNING, move=-0.1), False),
        (Cause(CauseKind.BRACKET, level=Level.EMERGENCY), False),
    ],
)
def test_a_notice_is_for_what_alone_raises_a_level(cause: Cause, says: bool) -> None:  # noqa: FBT001 - a table
    """What is certain and dated from any level on, what may never come from warning on, prices never."""
    assert worth_a_notice(cause, AT_MS - WITHIN_MS) is says


@pytest.mark.parametrize(
    ("side", "price", "liquidation", "says"),
    [
        (Side.SHORT, 110.0, 120.0, True), (Side.SHORT, 121.0, 120.0, False), (Side.LONG, 110.0, 80.0, False),
        (Side.SHORT, 110.0, None, False),
    ],
)  # fmt: skip
def test_a_bracket_is_said_where_it_lies_before_liquidation(
    side: Side, price: float, liquidation: float | None, *, says: bool
) -> None:
    """The bound of a long is on the way to profit, and one beyond liquidation is never reached."""
    distance = None if liquidation is None else abs(liquidation / 100.0 - 1.0)
    cause = Cause(
        CauseKind.BRACKET, BTC, side.value, price=price, move=price / 100.0 - 1.0,
        before=After(liquidation_price=liquidation, distance=distance),
    )  # fmt: skip
    assert worth_a_line(Due(0, cause), of(cross())) is says


def test_the_most_telling_come_first_and_there_are_three_at_most() -> None:
    """By the level they bring, then by how certain they are, then by time."""
    late, soon = funding_cause(at_ms=2), funding_cause(at_ms=1)
    bracket = Cause(CauseKind.BRACKET, move=0.1)
    queue = Cause(CauseKind.ADL, quantile=4)
    cut = Cause(CauseKind.COLLATERAL, level=Level.WARNING)
    assert most_telling([bracket, queue, late, cut, soon]) == (cut, soon, late)
    assert most_telling([bracket, queue]) == (queue, bracket)
    assert len(most_telling([bracket] * 9)) == MOST_LINES


def test_an_alert_says_what_is_ahead_of_its_wallet_and_of_no_other() -> None:
    """Two isolated wallets; funding of one of them takes a twentieth of its cushion."""
    desk = desk_of(isolated(), isolated(ETH))
    learn_funding(desk, 0.004)
    desk.marks(**{BTC: mark_at(0.55), ETH: mark_at(0.55)})
    desk.beat()
    desk.marks(**{BTC: mark_at(0.499), ETH: mark_at(0.499)})
    lines = {n.facts.symbol: n.facts.ahead for n in desk.notices if n.kind is NoticeKind.ALERT}
    assert [cause.kind for cause in lines[BTC]] == [CauseKind.FUNDING]
    assert lines[ETH] == ()


def test_soon_after_the_start_an_alert_has_its_lines() -> None:
    """The first looks see nothing: accounts, marks and rates have yet to come."""
    desk = desk_of()
    desk.beat(3)
    learn_funding(desk, 0.004)
    desk.stay(6, 0.9)
    (notice, *_) = desk.room(0.499).notices
    assert [cause.kind for cause in notice.facts.ahead] == [CauseKind.FUNDING]


def test_lines_of_an_alert_are_of_its_own_figures() -> None:
    """The look before it was at another mark: what is paid, what it does and to which level are of this one."""
    desk = desk_of()
    learn_funding(desk, 0.004)
    look(desk, 0.9)
    (notice, *_) = desk.room(0.13).notices
    check_funded(notice, 0.13)
    assert notice.facts.ahead[0].level is Level.CRITICAL


def check_funded(notice: Notice, room: float) -> None:
    """Assert that a notice says of a payment what it is at its own mark."""
    (cause,) = notice.facts.ahead
    paid = 0.004 * mark_at(room)
    assert notice.facts.mark == pytest.approx(mark_at(room))
    assert cause.amount == pytest.approx(-paid)
    assert cause.before is not None
    assert cause.after is not None
    assert cause.before.margin_ratio == notice.facts.margin_ratio
    assert cause.before.room == notice.facts.room
    assert cause.after.room == pytest.approx((9.0 * room - paid) / (9.0 - paid))


def test_lines_of_an_alert_about_an_extreme_are_of_that() -> None:
    """Of ticks that were taken as one, the lowest raised the level."""
    desk = desk_of()
    learn_funding(desk, 0.004)
    look(desk, 0.9)
    (notice, *_) = desk.step(Ticks((desk.range(BTC, mark_at(0.7), low=mark_at(0.15)),))).notices
    check_funded(notice, 0.15)


def test_lines_of_an_alert_about_a_rate_of_collateral_are_of_that() -> None:
    """The lower end of rates that were taken as one raised the level; what it counts at the newest is more."""
    desk = Desk(channels=QUIET)
    desk.step(Snapshot(multi(cross(), BTC=1.0, rates={"BTC": rate(100.0)})))
    bid, ask = rate_symbols("BTC")
    desk.marks(**{BTC: 60.0, bid: 95.0, ask: 105.0})
    learn_funding(desk, 0.02)
    desk.beat(6)
    ranges = (desk.range(BTC, 60.0), desk.range(bid, 95.0, low=50.0), desk.range(ask, 105.0, low=55.0))
    (notice, *_) = desk.step(Ticks(ranges)).notices
    assert notice.level is Level.WARNING
    cause = next(one for one in notice.facts.ahead if one.kind is CauseKind.FUNDING)
    assert cause.kind is CauseKind.FUNDING
    assert cause.before is not None
    assert cause.before.margin_ratio == notice.facts.margin_ratio
    assert cause.after is not None


def test_a_wallet_that_is_first_seen_within_a_level_has_its_lines_at_once() -> None:
    """No look has seen it before, and nothing follows until it worsens."""
    desk = desk_of(cross(), usdt=1000.0)
    desk.step(TablesChanged("main", (build_table(BTC, [(0.0, "0.01"), (105.0, "0.02")]), table(ETH))))
    learn_funding(desk, -0.004)
    desk.marks(**{BTC: 104.6})
    desk.beat()
    (notice, *_) = desk.hold(cross(), isolated(side=Side.SHORT), usdt=1000.0).notices
    assert notice.facts.reason == "first seen"
    assert [cause.kind for cause in notice.facts.ahead] == [CauseKind.FUNDING, CauseKind.BRACKET]
    assert [cause.before is None for cause in notice.facts.ahead] == [False, False]


def test_lines_of_a_reminder_are_of_its_own_figures() -> None:
    """The wallet has moved on since the last look."""
    desk = desk_of(channels=(ChannelRule("phone"),))
    learn_funding(desk, 0.004)
    desk.room(0.9)
    desk.stay(100, 0.06)
    for room in (0.06, 0.055) * 5:
        desk.stay(45, room)
    reminders = [notice for notice in desk.notices if notice.kind is NoticeKind.REMINDER]
    assert reminders
    for notice in reminders:
        assert notice.facts.room is not None
        check_funded(notice, notice.facts.room)


def test_where_levels_rise_again_and_again_lines_are_of_the_last_look() -> None:
    """A look costs evaluations of all wallets: after some at once, figures of another mark are left out again."""
    desk = desk_of()
    desk.tables = tuple(map(table, MANY))
    desk.configure()
    desk.hold(*map(isolated, MANY))
    learn_funding(desk, 0.004)
    desk.marks(**dict.fromkeys(MANY, mark_at(0.9)))
    desk.beat(6)
    lines = []
    for name in MANY:
        learn_funding(desk, 0.004, symbol=name)
        (notice, *_) = desk.marks(**{name: mark_at(0.15)}).notices
        lines.append(any(cause.after is not None for cause in notice.facts.ahead))
    assert lines == [True] * LOOKS + [False] * (len(MANY) - LOOKS)
    desk.beat(1)
    (notice, *_) = desk.marks(**{MANY[-1]: mark_at(0.095)}).notices
    assert notice.facts.ahead[0].after is not None


@pytest.mark.parametrize(("symbols", "assets"), [(4, 2), (100, 20)])
def test_an_alert_does_not_wait_for_looks_at_very_much_collateral(symbols: int, assets: int) -> None:
    """Each asset takes evaluations of everything: for many of them, figures of another mark are left out."""
    names = tuple(f"A{i}USDT" for i in range(symbols))
    backing = {f"X{i}": rate(1.0) for i in range(assets)}
    desk = Desk(channels=QUIET)
    desk.tables = tuple(map(table, names))
    desk.configure()
    amounts = dict.fromkeys(backing, 0.01)
    held = multi(*map(cross, names), USDT=10.0 * symbols, rates=backing | {"USDT": rate(1.0)}, **amounts)
    desk.step(Snapshot(held))
    rates = dict.fromkeys((name for asset in (*backing, "USDT") for name in rate_symbols(asset)), 1.0)
    desk.marks(**dict.fromkeys(names, 100.0), **rates)
    desk.step(Learnt(FundingKnown(desk.wall_ms, dict.fromkeys(names, Funding(0.002, AT_MS)))))
    desk.beat(6)
    (notice, *_) = desk.marks(**dict.fromkeys(names, mark_at(0.15)), **rates).notices
    cause = next(one for one in notice.facts.ahead if one.kind is CauseKind.FUNDING)
    assert (cause.after is None) is (symbols == 100)


def test_a_payment_whose_time_has_passed_is_left_out_of_an_alert() -> None:
    """Even where it was ahead a moment ago."""
    desk = desk_of()
    go(desk, AT_MS - 100_000)
    learn_funding(desk, 0.004)
    look(desk, 0.55)
    assert desk.wall_ms < AT_MS
    go(desk, AT_MS)
    (notice, *_) = desk.room(0.499).notices
    assert notice.kind is NoticeKind.ALERT
    assert notice.facts.ahead == ()


def test_a_bracket_is_told_as_far_as_it_lies_from_the_mark_of_the_alert() -> None:
    """And no more once the mark has passed it."""
    desk = desk_of(isolated(side=Side.SHORT))
    desk.step(TablesChanged("main", (build_table(BTC, [(0.0, "0.01"), (105.0, "0.02")]), table(ETH))))
    calm(desk)
    (notice, *_) = desk.marks(**{BTC: 104.6}).notices
    (cause,) = notice.facts.ahead
    assert cause.kind is CauseKind.BRACKET
    assert cause.price == pytest.approx(105.0)
    assert cause.move == pytest.approx(105.0 / 104.6 - 1.0)
    (notice, *_) = desk.marks(**{BTC: 107.5}).notices
    assert notice.facts.ahead == ()


# Everything together


class Once(RuleBasedStateMachine):
    """Two wallets near a notice, a hedge, funding that comes and goes, restarts, wishes for quiet."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.told: list[tuple[str, int]] = []
        self.due_ms = AT_MS

    @initialize()
    def start(self) -> None:
        self.desk = desk_of(isolated(), isolated(ETH), channels=QUIET)

    @rule(seconds=st.sampled_from([1.0, 30.0, 61.0, 600.0, 2400.0]), room=st.sampled_from([0.49, NEAR, 0.53, 0.9]),
          rate=st.sampled_from([None, RATE, RATE * 3, -RATE]))  # fmt: skip
    def look(self, seconds: float, room: float, rate: float | None) -> None:
        self.desk.wait(seconds)
        while self.due_ms <= self.desk.wall_ms:
            self.due_ms += 8 * HOUR_MS
        self.desk.marks(**{BTC: mark_at(room), ETH: mark_at(NEAR)})
        if rate is not None:
            learn_funding(self.desk, rate, at_ms=self.due_ms)
            learn_funding(self.desk, rate, at_ms=self.due_ms, symbol=ETH)
        self.desk.beat()

    @rule()
    def restart(self) -> None:
        self.collect()
        self.desk = self.desk.restarted()
        self.desk.hold(isolated(), isolated(ETH))

    @rule(seconds=st.sampled_from([60, 4000]))
    def mute(self, seconds: int) -> None:
        desk = self.desk
        desk.step(Held(Hold(str(desk.wall_ms), HoldKind.MUTE, "all", desk.wall_ms, desk.wall_ms + seconds * 1000)))

    @rule()
    def leave_and_return(self) -> None:
        self.desk.hold(isolated())
        self.desk.hold(isolated(), isolated(ETH))

    def collect(self) -> None:
        for notice in told(self.desk):
            assert notice.channel == "quiet"
            (cause,) = notice.facts.ahead
            assert 0 < cause.at_ms - notice.decided_ms <= WITHIN_MS
            assert cause.level > Level.OK
            self.told.append((notice.facts.wallet, cause.at_ms))
        self.desk.notices = []

    @invariant()
    def nobody_is_told_a_payment_twice(self) -> None:
        """Of one wallet at one time."""
        self.collect()
        assert len(self.told) == len(set(self.told))


Once.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestOnce = Once.TestCase
