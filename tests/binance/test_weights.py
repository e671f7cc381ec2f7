"""The weight budget: half of the limit, by the minute, in order, and silence while the exchange asks for it."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.weights import WeightBudget, WeightLedger
from monitor.errors import RateLimitedError
from tests.conftest import ManualClock, settle

MINUTE_MS = 60_000
START_MS = 1_780_000_020_000  # the beginning of a minute


def test_half_of_the_limit_is_left_to_others() -> None:
    """1200 of 2400 may be used; the next waits for the next minute."""
    ledger = WeightLedger()
    for _ in range(30):
        assert ledger.pause_s(40, START_MS, 0.0) == 0.0
        ledger.begin(40, START_MS)
    assert ledger.used(START_MS) == 1200
    assert ledger.pause_s(1, START_MS + 50_000, 0.0) == pytest.approx(10.5)
    assert (
        ledger.pause_s(1, START_MS + MINUTE_MS, 0.0) > 0.0
    )  # under way at the turn: not yet known where it counts
    assert ledger.pause_s(0, START_MS, 0.0) == 0.0


def test_the_reply_is_right_about_what_was_used() -> None:
    """It knows of other programs, and of weights that are not what was thought."""
    ledger = WeightLedger()
    ticket = ledger.begin(5, START_MS)
    ledger.end(ticket, 1190, START_MS)
    assert ledger.used(START_MS) == 1190
    assert ledger.pause_s(10, START_MS, 0.0) == 0.0
    assert ledger.pause_s(11, START_MS, 0.0) > 0.0
    ledger.end(ledger.begin(10, START_MS), 1200, START_MS)
    assert ledger.used(START_MS) == 1200


def test_what_is_under_way_comes_on_top() -> None:
    """A reply may have been counted before requests that left meanwhile."""
    ledger = WeightLedger()
    first, second = ledger.begin(5, START_MS), ledger.begin(40, START_MS)
    ledger.end(first, 100, START_MS)
    assert ledger.used(START_MS) == 140
    ledger.end(second, 140, START_MS)
    assert ledger.used(START_MS) == 140


def test_an_older_reply_that_comes_late_lowers_nothing() -> None:
    """Replies overtake each other; the higher figure of a minute is the newer."""
    ledger = WeightLedger()
    first, second = ledger.begin(5, START_MS), ledger.begin(40, START_MS)
    ledger.end(second, 45, START_MS)
    ledger.end(first, 5, START_MS)
    assert ledger.used(START_MS) == 45


def test_a_later_request_that_was_counted_first_lowers_nothing() -> None:
    """Requests overtake each other as well: the one sent last may tell the smaller figure."""
    ledger = WeightLedger()
    first, second = ledger.begin(5, START_MS), ledger.begin(40, START_MS)
    ledger.end(first, 45, START_MS)
    ledger.end(second, 40, START_MS)
    assert ledger.used(START_MS) == 45


def test_what_was_used_in_an_ended_minute_is_no_figure_of_the_next() -> None:
    """Such a reply may come after the turn; its request counts, what it says does not."""
    ledger = WeightLedger()
    first, second = ledger.begin(5, START_MS), ledger.begin(40, START_MS)
    ledger.end(first, 1100, START_MS)
    ledger.end(second, 1140, START_MS + MINUTE_MS)
    assert ledger.used(START_MS + MINUTE_MS) == 40


@given(
    st.lists(st.tuples(st.sampled_from([1, 5, 20, 40]), st.booleans()), min_size=1, max_size=60),
    st.randoms(use_true_random=False),
)
def test_replies_in_any_order_lose_no_weight(requests: list[tuple[int, bool]], chance: Random) -> None:
    """Many ask at once; the exchange counts them in one order, and replies come in another, or not at all."""
    ledger = WeightLedger(limit=400)
    waiting, under_way, counted = list(requests), [], []
    peak = total = 0
    for _ in range(4 * len(requests)):
        step = chance.choice(("send", "count", "reply"))
        if step == "send" and waiting and ledger.pause_s(waiting[0][0], START_MS, 0.0) == 0.0:
            weight, answered = waiting.pop(0)
            under_way.append((ledger.begin(weight, START_MS), weight, answered))
        elif step == "count" and under_way:
            ticket, weight, answered = under_way.pop(chance.randrange(len(under_way)))
            total += weight
            counted.append((ticket, total if answered else None))
        elif step == "reply" and counted:
            ticket, told = counted.pop(chance.randrange(len(counted)))
            ledger.end(ticket, told, START_MS)
        peak = max(peak, total)
        assert ledger.used(START_MS) >= total
    assert peak <= 200


def test_a_request_without_a_reply_counts_as_sent() -> None:
    """It may have arrived."""
    ledger = WeightLedger()
    ledger.end(ledger.begin(40, START_MS), None, START_MS)
    assert ledger.used(START_MS) == 40
    assert ledger.used(START_MS + MINUTE_MS) == 0


def test_a_request_heavier_than_all_that_is_allowed_goes_alone() -> None:
    """Else it would wait for ever."""
    ledger = WeightLedger(limit=20)
    assert ledger.pause_s(50, START_MS, 0.0) == 0.0
    ledger.begin(50, START_MS)
    assert ledger.pause_s(1, START_MS, 0.0) > 0.0


def test_a_block_is_never_shortened() -> None:
    """The longest that was asked for holds."""
    ledger = WeightLedger()
    ledger.block(100.0)
    ledger.block(50.0)
    assert ledger.pause_s(0, START_MS, 40.0) == 60.0
    assert ledger.pause_s(1, START_MS, 100.0) == 0.0


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 5, 10, 20, 30, 40, 50]), st.integers(0, 20_000), st.booleans()), max_size=80
    )
)
def test_no_minute_ever_sees_more_than_half(requests: list[tuple[int, int, bool]]) -> None:
    """Whatever is asked and whenever, counted as the exchange counts: by its own minutes."""
    ledger = WeightLedger(limit=200)
    counted: dict[int, int] = {}
    now_ms = START_MS
    for weight, gap_ms, answered in requests:
        now_ms += gap_ms
        while (pause_s := ledger.pause_s(weight, now_ms, 0.0)) > 0.0:
            now_ms += round(pause_s * 1000)
        ticket = ledger.begin(weight, now_ms)
        minute = now_ms // MINUTE_MS
        counted[minute] = counted.get(minute, 0) + weight
        ledger.end(ticket, counted[minute] if answered else None, now_ms)
    assert all(used <= 100 for used in counted.values())


async def test_waiters_go_in_the_order_they_came(clock: ManualClock) -> None:
    """A light request does not slip past a heavy one that waits."""
    budget = WeightBudget(clock, limit=100)
    went: list[int] = []

    async def ask(weight: int) -> None:
        ticket = await budget.take(weight)
        went.append(weight)
        budget.done(ticket)

    async with asyncio.TaskGroup() as group:
        for weight in (40, 30, 1, 20):
            group.create_task(ask(weight))
        await settle()
        assert went == [40]
        await clock.advance(60.5)
        assert went == [40, 30, 1]
        await clock.advance(60.5)
    assert went == [40, 30, 1, 20]


async def test_a_burst_of_refusals_makes_everybody_wait_to_the_second(clock: ManualClock) -> None:
    """Going on after a 429 turns it into a ban, whoever asked."""
    budget = WeightBudget(clock)
    budget.block(clock.mono_s() + 7.0)
    assert budget.blocked_until == clock.mono_s() + 7.0
    async with asyncio.TaskGroup() as group:
        task = group.create_task(budget.take(1))
        await clock.advance(6.9)
        assert not task.done()
        await clock.advance(0.1)
        await settle()
        assert task.done()
    assert budget.blocked_until is None


async def test_nobody_waits_for_the_end_of_a_ban(clock: ManualClock) -> None:
    """Who asks is told until when instead, and nothing is sent."""
    budget = WeightBudget(clock)
    until_s = clock.mono_s() + 3 * 86_400.0
    budget.block(until_s)
    with pytest.raises(RateLimitedError) as caught:
        await budget.take(1, "/fapi/v1/time")
    assert (caught.value.until_s, caught.value.where) == (until_s, "/fapi/v1/time")
    assert budget.used == 0


async def test_the_limit_is_what_the_exchange_says(clock: ManualClock) -> None:
    """6000 on the test exchange, 2400 on the live one, 2400 until known."""
    budget = WeightBudget(clock)
    assert budget.limit == 2400
    budget.set_limit(6000)
    for _ in range(60):
        budget.done(await budget.take(50))
    assert clock.slept == []
    assert budget.used == 3000


async def test_minutes_are_those_of_the_exchange(clock: ManualClock) -> None:
    """Ours may be off by a good part of one."""
    budget = WeightBudget(clock, limit=100)
    wall_ms = clock.wall_ms()
    budget.offset_ms = -(wall_ms % MINUTE_MS) + 30_000  # there, half a minute has passed
    budget.done(await budget.take(50))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(budget.take(1))
        await clock.advance(30.4)
        assert not task.done()
        await clock.advance(0.1)
        await settle()
        assert task.done()


async def test_giving_up_a_wait_lets_the_next_one_go(clock: ManualClock) -> None:
    """A cancelled request leaves nothing behind."""
    budget = WeightBudget(clock)
    budget.block(clock.mono_s() + 5.0)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(budget.take(1))
        second = group.create_task(budget.take(2))
        await settle()
        first.cancel()
        await settle()
        await clock.advance(5.0)
        await settle()
        assert second.done()
    assert budget.used == 2


def test_what_cannot_wait_may_use_what_is_left_to_others() -> None:
    """All of the limit and not more; a ban binds it too."""
    ledger = WeightLedger()
    ledger.end(ledger.begin(1, START_MS), 2390, START_MS)
    assert ledger.pause_s(10, START_MS, 0.0) > 0.0
    assert ledger.pause_s(10, START_MS, 0.0, urgent=True) == 0.0
    assert ledger.pause_s(11, START_MS, 0.0, urgent=True) > 0.0
    ledger.block(5.0)
    assert ledger.pause_s(1, START_MS, 1.0, urgent=True) == 4.0


async def test_what_cannot_wait_stands_in_no_line(clock: ManualClock) -> None:
    """Somebody heavy waits for the next minute, and it goes all the same, or says at once that it cannot."""
    budget = WeightBudget(clock)
    budget.done(await budget.take(1), 1195)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(budget.take(40))
        await settle()
        budget.done(budget.take_at_once(10, "marks"), 2395)
        assert not waiting.done()
        with pytest.raises(RateLimitedError, match="marks") as caught:
            budget.take_at_once(10, "marks")
        assert clock.mono_s() < caught.value.until_s <= clock.mono_s() + 61.0
        waiting.cancel()


def test_a_clock_that_was_ahead_holds_nobody_up() -> None:
    """The exchange's time, read anew, is an hour earlier: what is used counts to the end of this minute only."""
    ledger = WeightLedger()
    ahead_ms = START_MS + 60 * MINUTE_MS
    ledger.end(ledger.begin(10, ahead_ms), 1195, ahead_ms)
    assert ledger.used(START_MS) == 1195
    assert ledger.pause_s(21, START_MS, 0.0) > 0.0
    assert ledger.used(START_MS + MINUTE_MS) == 0
    assert ledger.pause_s(21, START_MS + MINUTE_MS, 60.0) == 0.0


def test_a_moment_back_over_the_end_of_a_minute_begins_no_minute_anew() -> None:
    """The exchange's time is measured again and again, a few milliseconds apart."""
    ledger = WeightLedger()
    ledger.end(ledger.begin(10, START_MS - 5), 700, START_MS - 5)
    ledger.end(ledger.begin(10, START_MS + 2), 10, START_MS + 2)
    assert [ledger.used(START_MS + ms) for ms in (2, -3, 4)] == [10, 10, 10]


async def test_what_can_wait_leaves_weight_to_everybody_else(clock: ManualClock) -> None:
    """It goes while less than 30 % of the limit is used, and says at once that it does not."""
    budget = WeightBudget(clock)
    budget.done(await budget.take(1), 710)
    budget.done(budget.take_spare(10, "orders"), 720)
    with pytest.raises(RateLimitedError, match="orders: no_weight_to_spare") as caught:
        budget.take_spare(1, "orders")
    assert clock.mono_s() + 5.0 <= caught.value.until_s <= clock.mono_s() + 61.0
    budget.done(await budget.take(5), 725)  # whoever needs it goes all the same
    await clock.advance(caught.value.until_s - clock.mono_s())
    budget.done(budget.take_spare(1, "orders"), 1)


async def test_what_can_wait_goes_before_nobody(clock: ManualClock) -> None:
    """While somebody stands in line for weight, or none is to be asked, it is not sent."""
    budget = WeightBudget(clock)
    budget.done(await budget.take(1), 1199)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(budget.take(40))
        await settle()
        with pytest.raises(RateLimitedError, match="no_weight_to_spare"):
            budget.take_spare(0, "intervals")
        waiting.cancel()
    budget.take_spare(0, "intervals")
    budget.block(clock.mono_s() + 100.0)
    with pytest.raises(RateLimitedError) as caught:
        budget.take_spare(0, "intervals")
    assert caught.value.until_s == clock.mono_s() + 100.0
