"""An owner who reads what arrived, does it once, and is told what came of it."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from monitor.cli.deeds import Amount, Deed
from monitor.cli.owner import Owner, restored
from monitor.cli.stage import compressed
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import (
    Cut,
    Facts,
    Notice,
    NoticeKind,
    Prescription,
    Remedy,
    SubjectState,
    Told,
    Transition,
)
from monitor.emulator.ledger import Account
from monitor.emulator.live import LiveAccount, accounts_of
from monitor.emulator.market import Market
from monitor.emulator.scenario import demo_scenario
from tests.conftest import ManualClock

D = Decimal
ALONE, SHARED = "isolated/isolated:BTCUSDT:LONG", "cross/cross:USDT"
LOW_S = 20.0  # both wallets are in danger


class Place:
    """The accounts of the demonstration at its worst, their owner, and what they were told."""

    def __init__(self, clock: ManualClock) -> None:
        scenario = compressed(demo_scenario(), 45.0)
        self.clock = clock
        self.market = Market(scenario.instruments)
        self.market.tick(clock.wall_ms())
        self.market.tick(clock.wall_ms() + round(LOW_S * 1000))
        self.first: dict[str, Account] = {one.name: one for one in scenario.accounts}
        self.accounts = accounts_of(scenario.accounts, self.market, clock.wall_ms, self._publish)
        self.done: list[Deed] = []
        self.events: list[Any] = []
        followed = {name: self.accounts[name] for name in ("isolated", "cross")}
        self.owner = Owner(followed, "phone", self.market, clock, reaction_s=3.0, did=self.done.append)

    async def _publish(self, account: str, events: Sequence[Any]) -> None:
        self.events += events

    @property
    def alone(self) -> LiveAccount:
        return self.accounts["isolated"]

    @property
    def shared(self) -> LiveAccount:
        return self.accounts["cross"]


@pytest.fixture
def place(clock: ManualClock) -> Place:
    return Place(clock)


def margin(add: float | None = 400.0) -> Prescription:
    return Prescription("USDT", isolated=True, remedies=(Remedy(Level.WARNING, add=add),))


def cuts(*quantities: tuple[str, float]) -> Prescription:
    made = tuple(Cut(symbol, "LONG", quantity, 0.5, 1.0, 1.0) for symbol, quantity in quantities)
    return Prescription("USDT", isolated=False, remedies=(Remedy(Level.WARNING, cuts=made),))


def alert(
    subject: str, prescription: Prescription | None, *, kind: NoticeKind = NoticeKind.ALERT,
    level: Level = Level.EMERGENCY, channel: str = "phone", symbol: str = "BTCUSDT",
) -> Notice:  # fmt: skip
    account, _, wallet = subject.partition("/")
    facts = Facts(account=account, wallet=wallet, symbol=symbol, side="LONG", prescription=prescription)
    return Notice(f"{subject}#1", channel, subject, kind, level, Level.OK, 0, 1, facts)


def arrived(subject: str, *, delivered: bool = True, awaited: str = "") -> Effects:
    known = Told(Level.EMERGENCY, 0, delivered=delivered, awaited=awaited)
    state = SubjectState(subject, Level.EMERGENCY, 0, 1, Level.EMERGENCY, told={"phone": known})
    return Effects(subjects=(state,))


async def read(place: Place, *effects: Effects) -> None:
    """Have the owner hear of all that and go on for long enough to act."""
    for one in effects:
        place.owner.hear(one)
    async with asyncio.TaskGroup() as group:
        acting = group.create_task(place.owner.act())
        await place.clock.advance(10.0)
        acting.cancel()


async def test_the_amount_of_the_notice_goes_into_the_isolated_wallet(place: Place) -> None:
    """What was advised is moved, to the last digit, out of the funds beside it."""
    await read(place, Effects(notices=(alert(ALONE, margin(412.51)),)), arrived(ALONE))
    assert place.alone.held("BTCUSDT", "LONG").wallet == D("1962.51")
    assert place.alone.holdings.cross["USDT"] == D("587.49")
    (deed,) = place.owner.deeds
    assert place.done == [deed]
    assert (deed.what, deed.advised, deed.below) == ("margin added", (Amount(412.51, "USDT"),), "warning")
    assert (deed.account, deed.subject, deed.who) == ("isolated", ALONE, "isolated BTCUSDT LONG")


async def test_what_is_shared_is_reduced_position_by_position(place: Place) -> None:
    """Every cut is made, in its order, and at market."""
    advice = cuts(("SOLUSDT", 200.0), ("ETHUSDT", 1.25))
    await read(place, Effects(notices=(alert(SHARED, advice, symbol="SOLUSDT"),)), arrived(SHARED))
    assert place.shared.held("SOLUSDT", "LONG").amount == 0
    assert place.shared.held("ETHUSDT", "LONG").amount == D("3.75")
    assert place.owner.deeds[0].amounts == "SOLUSDT LONG by 200 SOL, ETHUSDT LONG by 1.25 ETH"


async def test_nothing_is_done_before_the_message_arrived_and_was_read(place: Place) -> None:
    """A notice that is decided, on its way, or was refused, is not read; reading takes its time."""
    async with asyncio.TaskGroup() as group:
        acting = group.create_task(place.owner.act())
        place.owner.hear(Effects(notices=(alert(ALONE, margin()),)))
        place.owner.hear(arrived(ALONE, delivered=False, awaited="x"))
        place.owner.hear(arrived(ALONE, awaited="x"))
        place.owner.hear(arrived(ALONE, delivered=False))
        await place.clock.advance(10.0)
        assert not place.owner.deeds
        place.owner.hear(arrived(ALONE))
        await place.clock.advance(2.9)
        assert not place.owner.deeds
        await place.clock.advance(0.2)
        assert len(place.owner.deeds) == 1
        acting.cancel()


@pytest.mark.parametrize(
    "notice",
    [
        alert(ALONE, margin(), level=Level.CRITICAL),
        alert(ALONE, margin(), kind=NoticeKind.REMINDER),
        alert(ALONE, margin(), channel="log"),
        alert("hedge/cross:USDT", margin()),
    ],
)
async def test_other_messages_are_left_alone(place: Place, notice: Notice) -> None:
    """Only an emergency, told on the channel that is read, about an account of one's own, is acted upon."""
    await read(place, Effects(notices=(notice,)), arrived(notice.subject))
    assert not place.owner.deeds
    assert not place.owner.without_advice


async def test_an_emergency_that_was_over_before_it_arrived_is_left_alone(place: Place) -> None:
    """Nobody acts on what is no more."""
    gone = alert(ALONE, None, kind=NoticeKind.CLOSED, level=Level.OK)
    await read(place, Effects(notices=(alert(ALONE, margin()),)), Effects(notices=(gone,)), arrived(ALONE))
    assert not place.owner.deeds


@pytest.mark.parametrize("advice", [None, margin(None), cuts()])
async def test_an_emergency_without_amounts_is_remembered(place: Place, advice: Prescription | None) -> None:
    """Nothing is made up where nothing was advised."""
    await read(place, Effects(notices=(alert(ALONE, advice),)), arrived(ALONE))
    assert not place.owner.deeds
    assert list(place.owner.without_advice) == ["isolated BTCUSDT LONG"]


async def test_what_the_exchange_refuses_is_said(place: Place) -> None:
    """More than there is cannot be added: the deed says why, and nothing has changed."""
    await read(place, Effects(notices=(alert(ALONE, margin(1000.01)),)), arrived(ALONE))
    assert place.owner.deeds[0].refused == "BTCUSDT BOTH: margin is insufficient"
    assert place.alone.held("BTCUSDT", "LONG").wallet == 1550


async def test_the_end_is_noted_with_what_would_have_been(place: Place) -> None:
    """A level below the one that was to end clears it, once; the untouched room is that of the account before."""
    await place.alone.add_margin("BTCUSDT", 10)
    before = place.alone.figures()
    await read(place, Effects(notices=(alert(ALONE, margin()),)), arrived(ALONE))
    (deed,) = place.owner.deeds

    def fallen(level: Level, after_ms: int) -> Effects:
        at_ms = deed.at_ms + after_ms
        return Effects(transitions=(Transition(ALONE, level, Level.EMERGENCY, at_ms, 1, Facts()),))

    place.owner.hear(fallen(Level.WARNING, 1000))
    assert place.owner.deeds[0].cleared_s is None
    untouched = next(wallet.room for wallet in before if wallet.wallet == "isolated:BTCUSDT:LONG")
    place.owner.hear(fallen(Level.NOTICE, 3250))
    assert deed.cleared_s == 3.25
    assert deed.room_without == pytest.approx(float(untouched), rel=1e-12)
    assert untouched < D("0.09")
    place.owner.hear(fallen(Level.OK, 9000))
    assert deed.cleared_s == 3.25


async def test_a_new_round_begins_as_the_first(place: Place) -> None:
    """Margin that was added and positions that were cut, in part or whole, are as they were, to the last digit."""
    await read(
        place,
        Effects(notices=(alert(ALONE, margin()), alert(SHARED, cuts(("SOLUSDT", 200.0), ("ETHUSDT", 1.25))))),
        arrived(ALONE),
        arrived(SHARED),
    )
    assert len(place.owner.deeds) == 2
    await place.owner.begin_anew()
    for name in ("isolated", "cross"):
        now, first = place.accounts[name].account, place.first[name]
        assert (now.balances, sorted(now.positions, key=str)) == (
            first.balances,
            sorted(first.positions, key=str),
        ), name


async def test_what_is_as_at_first_is_not_touched(place: Place) -> None:
    """Nothing is traded for nothing."""
    for name, live in place.accounts.items():
        await restored(live, place.first[name])
        assert live.account.positions == place.first[name].positions
        assert not live.incomes
    assert not place.events


async def test_an_owner_is_busy_from_the_decision_to_the_end_of_the_danger(place: Place) -> None:
    """Also while the message is on its way, is read, and while the exchange has done it and no level fell yet."""
    assert not place.owner.is_busy()
    place.owner.hear(Effects(notices=(alert(ALONE, margin()),)))
    assert place.owner.is_busy()
    place.owner.hear(arrived(ALONE))
    assert place.owner.is_busy()
    async with asyncio.TaskGroup() as group:
        acting = group.create_task(place.owner.act())
        await place.clock.advance(1.0)
        assert place.owner.is_busy()
        assert not place.owner.deeds
        await place.clock.advance(5.0)
        assert place.owner.deeds
        assert place.owner.is_busy()
        over = Transition(ALONE, Level.NOTICE, Level.EMERGENCY, place.clock.wall_ms(), 1, Facts())
        place.owner.hear(Effects(transitions=(over,)))
        assert not place.owner.is_busy()
        acting.cancel()


async def test_an_owner_who_was_refused_waits_for_nothing(place: Place) -> None:
    """What the exchange did not do will not end the danger."""
    await read(place, Effects(notices=(alert(ALONE, margin(9e9)),)), arrived(ALONE))
    assert place.owner.deeds[0].refused
    assert not place.owner.is_busy()
