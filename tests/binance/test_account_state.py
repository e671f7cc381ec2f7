import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor.binance.account_state import ABSENCE_MS, LAG_MS, Applied, TrackedAccount
from monitor.binance.user_wire import AccountUpdate, BalanceRow, LegRow, LeverageUpdate
from monitor.core.model import MarginMode, Side, Source
from tests.binance.exchange_model import CONTRACTS, START_MS, ModelAccount, Reply, content

SYMBOLS = st.sampled_from(sorted(CONTRACTS))
AMOUNTS = st.sampled_from([0.0, 0.0, 1.0, 2.5, -1.0, -0.25])
MONEY = st.sampled_from([0.0, 0.125, -3.5, 100.0])
PRICES = st.sampled_from([100.0, 60000.5, 0.0625])


def row(amount: float, symbol: str = "BTCUSDT", slot: str = "BOTH", **changes: object) -> LegRow:
    leg = LegRow(symbol, slot, amount, 100.0 if amount else 0.0, MarginMode.CROSS, 0.0)
    return msgspec.structs.replace(leg, **changes)


def update(at_ms: int, *legs: LegRow, usdt: float | None = None, cause: str = "ORDER") -> AccountUpdate:
    balances = () if usdt is None else (BalanceRow("USDT", usdt, usdt),)
    return AccountUpdate(at_ms + 1, at_ms, cause, balances, legs)


@pytest.fixture
def model() -> ModelAccount:
    return ModelAccount()


@pytest.fixture
def tracked(model: ModelAccount) -> TrackedAccount:
    """A long of 1 BTCUSDT on cross margin, known by REST."""
    model.trade("BTCUSDT", "BOTH", 1.0, 100.0, isolated=False, fee=0.0)
    account = TrackedAccount(CONTRACTS)
    account.merge(model.reply())
    return account


def amounts(account: TrackedAccount) -> dict[str, float]:
    assert account.snapshot is not None
    sign = {Side.LONG: 1.0, Side.SHORT: -1.0}
    return {leg.symbol: sign[leg.side] * leg.quantity for leg in account.snapshot.positions}


def test_nothing_is_known_before_the_first_reply() -> None:
    """An event alone says nothing of the rest of the account."""
    account = TrackedAccount(CONTRACTS)
    assert account.apply(update(START_MS, row(1.0))) == Applied(changed=False)
    assert account.snapshot is None


def test_the_first_reply_is_no_finding(model: ModelAccount) -> None:
    """All of it is new and none of it unannounced."""
    model.trade("BTCUSDT", "BOTH", 1.0, 100.0, isolated=True, fee=1.0)
    account = TrackedAccount(CONTRACTS)
    merge = account.merge(model.reply())
    assert merge == (True, False, ())
    assert account.unannounced == ()
    assert account.snapshot == model.snapshot()


def test_what_an_event_does_not_name_stays(tracked: TrackedAccount) -> None:
    """Funding on cross margin tells a balance; the position is not gone."""
    assert tracked.apply(update(START_MS + 5, usdt=999.0, cause="FUNDING_FEE")).changed
    assert amounts(tracked) == {"BTCUSDT": 1.0}
    assert tracked.snapshot is not None
    assert tracked.snapshot.balances == {"USDT": 999.0}
    assert (tracked.snapshot.as_of_ms, tracked.snapshot.source) == (START_MS + 5, Source.STREAM)


def test_amount_zero_closes(tracked: TrackedAccount) -> None:
    """And closing what is not there changes nothing: coin-margined events name all symbols."""
    assert tracked.apply(update(START_MS + 5, row(0.0), row(0.0, "ETHUSDT"))).changed
    assert amounts(tracked) == {}
    assert not tracked.apply(update(START_MS + 6, row(0.0), row(0.0, "ETHUSDT"))).changed


def test_a_flip_is_one_position(tracked: TrackedAccount) -> None:
    """In one-way mode the changed sign replaces the long by a short."""
    assert tracked.apply(update(START_MS + 5, row(-3.0))) == Applied(changed=True)
    assert amounts(tracked) == {"BTCUSDT": -3.0}


def test_an_older_event_is_ignored_for_what_is_known_better(tracked: TrackedAccount) -> None:
    """Each position and asset by itself: the rest of a late event still counts."""
    tracked.apply(update(START_MS + 10, row(2.0)))
    late = update(START_MS + 9, row(5.0), row(1.0, "ETHUSDT"), usdt=900.0)
    assert tracked.apply(late).changed
    assert amounts(tracked) == {"BTCUSDT": 2.0, "ETHUSDT": 1.0}
    assert tracked.snapshot is not None
    assert tracked.snapshot.balances == {"USDT": 900.0}


def test_an_older_event_is_ignored_for_an_asset_too(tracked: TrackedAccount) -> None:
    """Its newest known balance stays."""
    tracked.apply(update(START_MS + 10, usdt=800.0))
    assert not tracked.apply(update(START_MS + 9, usdt=900.0)).changed
    assert tracked.snapshot is not None
    assert tracked.snapshot.balances == {"USDT": 800.0}


def test_a_reply_holds_all_changes_of_its_moment(tracked: TrackedAccount, model: ModelAccount) -> None:
    """An event of the very time a reply gives for a position is in it already, and comes too late to change it."""
    told = update(START_MS + 10, row(2.0))
    tracked.apply(told)
    model.now_ms = START_MS + 9
    model.trade("BTCUSDT", "BOTH", 3.0, 100.0, isolated=False, fee=0.0)
    tracked.merge(model.reply())
    assert not tracked.apply(told).changed
    assert amounts(tracked) == {"BTCUSDT": 3.0}


def test_events_of_one_moment_count_in_their_order(tracked: TrackedAccount) -> None:
    """Several may share a time of change; the time of the event tells which is newer."""
    first, second = update(START_MS + 10, row(2.0)), update(START_MS + 10, row(3.0))
    second = msgspec.structs.replace(second, event_ms=first.event_ms + 1)
    for event in (first, second, first):
        tracked.apply(event)
    assert amounts(tracked) == {"BTCUSDT": 3.0}


def test_a_new_position_gets_the_facts_of_its_contract(tracked: TrackedAccount) -> None:
    """Margin asset and contract size are not in the event; leverage is asked for."""
    opened = row(-4.0, "BTCUSD_PERP", margin_mode=MarginMode.ISOLATED, margin=0.5)
    assert tracked.apply(update(START_MS + 5, opened)) == (True, "new_position")
    assert tracked.snapshot is not None
    leg = next(leg for leg in tracked.snapshot.positions if leg.symbol == "BTCUSD_PERP")
    assert (leg.margin_asset, leg.contract_size, leg.inverse, leg.margin) == ("BTC", 100.0, True, 0.5)
    assert (leg.side, leg.leverage) == (Side.SHORT, None)


def test_an_unknown_symbol_asks_rest(tracked: TrackedAccount, model: ModelAccount) -> None:
    """Without its facts it cannot be followed; the rest of the event counts, and REST brings it unsuspected."""
    assert tracked.apply(update(START_MS + 5, row(1.0, "NEWUSDT"), usdt=1.0)) == (True, "unknown_symbol")
    assert amounts(tracked) == {"BTCUSDT": 1.0}
    reply = model.reply()
    new = msgspec.structs.replace(reply.snapshot.positions[0], symbol="NEWUSDT", quantity=1.0)
    reply.snapshot = msgspec.structs.replace(
        reply.snapshot, positions=(*reply.snapshot.positions, new), balances={"USDT": 1.0}
    )
    reply.leg_ms["NEWUSDT", Side.LONG] = reply.asset_ms["USDT"] = START_MS + 5
    assert tracked.merge(reply) == (True, False, ())
    assert amounts(tracked) == {"BTCUSDT": 1.0, "NEWUSDT": 1.0}


def test_margin_type_and_leverage_change(tracked: TrackedAccount) -> None:
    """Isolated margin is the wallet of the position; back on cross it is none."""
    isolated = row(1.0, margin_mode=MarginMode.ISOLATED, margin=7.0)
    tracked.apply(update(START_MS + 5, isolated, cause="MARGIN_TYPE_CHANGE"))
    tracked.apply(LeverageUpdate(START_MS + 7, START_MS + 6, "BTCUSDT", 50.0))
    assert tracked.snapshot is not None
    leg = tracked.snapshot.positions[0]
    assert (leg.margin_mode, leg.margin, leg.leverage) == (MarginMode.ISOLATED, 7.0, 50.0)
    tracked.apply(update(START_MS + 8, row(1.0, margin=7.0), cause="MARGIN_TYPE_CHANGE"))
    tracked.apply(LeverageUpdate(START_MS + 6, START_MS + 5, "BTCUSDT", 3.0))
    leg = tracked.snapshot.positions[0]
    assert (leg.margin_mode, leg.margin, leg.leverage) == (MarginMode.CROSS, 0.0, 50.0)


def test_a_position_of_the_other_mode_asks_rest(tracked: TrackedAccount) -> None:
    """No event tells a change of the position mode; a position side of the other one does."""
    assert tracked.apply(update(START_MS + 5, row(1.0, "ETHUSDT", "LONG"))).ask == "other_position_mode"


def test_a_lagging_reply_does_not_undo_an_event(tracked: TrackedAccount, model: ModelAccount) -> None:
    """What the stream told later than the reply's own time of change stays, and the lag is told."""
    reply = model.reply()
    tracked.apply(model.trade("BTCUSDT", "BOTH", 2.0, 100.0, isolated=False, fee=1.0))
    reply.snapshot = msgspec.structs.replace(reply.snapshot, as_of_ms=model.now_ms + 500)
    assert tracked.merge(reply) == (False, True, ())
    assert content(tracked.snapshot) == content(model.snapshot())


def test_a_reply_that_contradicts_for_a_minute_is_right(tracked: TrackedAccount, model: ModelAccount) -> None:
    """No lag lasts so long: then the stream is what is wrong."""
    reply = model.reply()
    tracked.apply(update(START_MS + 50, row(9.0)))
    reply.snapshot = msgspec.structs.replace(reply.snapshot, as_of_ms=START_MS + 50 + LAG_MS)
    assert tracked.merge(reply).changed
    assert amounts(tracked) == {"BTCUSDT": 1.0}


def test_a_change_no_event_told_is_found(tracked: TrackedAccount, model: ModelAccount) -> None:
    """A position that grew, one that closed, a balance: each is named until its event comes after all."""
    grown = model.trade("BTCUSDT", "BOTH", 2.0, 100.0, isolated=False, fee=1.0)
    assert tracked.merge(model.reply()).unannounced == ("BTCUSDT BOTH", "USDT")
    assert content(tracked.snapshot) == content(model.snapshot())
    assert not tracked.apply(grown).changed
    assert list(tracked.unannounced) == []
    model.trade("BTCUSDT", "BOTH", 0.0, 0.0, isolated=False, fee=0.0)
    model.now_ms += ABSENCE_MS + 10
    assert tracked.merge(model.reply()).unannounced == ("BTCUSDT BOTH",)
    assert list(tracked.unannounced) == ["BTCUSDT BOTH"]
    tracked.forget_unannounced()
    assert list(tracked.unannounced) == []


def test_figures_printed_differently_are_no_change(tracked: TrackedAccount, model: ModelAccount) -> None:
    """A difference beyond the exchange's decimals is rounding."""
    model.balances["USDT"] += 1e-9
    model.asset_ms["USDT"] += 100
    assert tracked.merge(model.reply()).unannounced == ()


def test_a_change_of_mode_comes_by_rest(tracked: TrackedAccount, model: ModelAccount) -> None:
    """Modes and rates are taken as they are in the reply, and told as a change."""
    reply = model.reply()
    reply.snapshot = msgspec.structs.replace(reply.snapshot, multi_assets=True)
    assert tracked.merge(reply).changed
    assert tracked.snapshot is not None
    assert tracked.snapshot.multi_assets
    new = AccountUpdate(START_MS + 9, START_MS + 8, "DEPOSIT", (BalanceRow("BTC", 1.0, 1.0),), ())
    assert tracked.apply(new) == (True, "new_asset")


class InOrder(RuleBasedStateMachine):
    """Every event arrives once, in order: the stream alone keeps the account equal to the truth."""

    @initialize(hedge=st.booleans())
    def start(self, hedge: bool) -> None:  # noqa: FBT001 - drawn
        self.model = ModelAccount(hedge=hedge)
        self.tracked = TrackedAccount(CONTRACTS)
        self.tracked.merge(self.model.reply())
        for symbol in CONTRACTS:
            self.handle(self.model.lever(symbol, 20.0))

    def handle(self, event: AccountUpdate | LeverageUpdate) -> None:
        self.tracked.apply(event)

    @rule(
        symbol=SYMBOLS, slot=st.integers(0, 1), lot=st.tuples(AMOUNTS, PRICES), isolated=st.booleans(), fee=MONEY
    )
    def trade(self, symbol: str, slot: int, lot: tuple[float, float], isolated: bool, fee: float) -> None:  # noqa: FBT001 - drawn
        slots = self.model.slots()
        name = slots[slot % len(slots)]
        amount, price = lot
        if name != "BOTH":
            amount = abs(amount) if name == "LONG" else -abs(amount)
        self.handle(self.model.trade(symbol, name, amount, price, isolated=isolated, fee=fee))

    @rule(symbol=SYMBOLS, slot=st.integers(0, 1), paid=MONEY)
    def fund(self, symbol: str, slot: int, paid: float) -> None:
        slots = self.model.slots()
        self.handle(self.model.funding(symbol, slots[slot % len(slots)], paid))

    @rule(asset=st.sampled_from(["USDT", "USDC", "BTC"]), value=MONEY)
    def deposit(self, asset: str, value: float) -> None:
        self.handle(self.model.deposit(asset, value))

    @rule(symbol=SYMBOLS, leverage=st.sampled_from([3.0, 20.0, 125.0]))
    def lever(self, symbol: str, leverage: float) -> None:
        self.handle(self.model.lever(symbol, leverage))

    @rule(ms=st.sampled_from([1, 500, 5_000, 100_000]))
    def wait(self, ms: int) -> None:
        self.model.now_ms += ms

    @rule()
    def reconcile(self) -> None:
        merge = self.tracked.merge(self.model.reply())
        assert merge.unannounced == ()
        assert not merge.held_back

    @invariant()
    def equal(self) -> None:
        assert content(self.tracked.snapshot) == content(self.model.snapshot())


class Lagging(InOrder):
    """REST answers with what was true up to two seconds ago, and undoes nothing."""

    @initialize(hedge=st.booleans())
    def start(self, hedge: bool) -> None:  # noqa: FBT001 - drawn
        self.past: list[Reply] = []
        super().start(hedge)

    def handle(self, event: AccountUpdate | LeverageUpdate) -> None:
        super().handle(event)
        self.past.append(self.model.reply())

    @rule(back=st.integers(0, 5))
    def reconcile_late(self, back: int) -> None:
        recent = [reply for reply in self.past if reply.snapshot.as_of_ms > self.model.now_ms - ABSENCE_MS]
        if recent:
            reply = recent[max(0, len(recent) - 1 - back)]
            snapshot = msgspec.structs.replace(reply.snapshot, as_of_ms=self.model.now_ms)
            assert self.tracked.merge(Reply(snapshot, reply.leg_ms, reply.asset_ms)).unannounced == ()


class Chaos(InOrder):
    """Events are lost, repeated and arrive in any order; a reconcile that does not lag ends equal to the truth."""

    @initialize(hedge=st.booleans())
    def start(self, hedge: bool) -> None:  # noqa: FBT001 - drawn
        self.sent: list[AccountUpdate | LeverageUpdate] = []
        super().start(hedge)

    def handle(self, event: AccountUpdate | LeverageUpdate) -> None:
        self.sent.append(event)

    @rule(pick=st.integers(0, 1000), times=st.integers(1, 2))
    def deliver(self, pick: int, times: int) -> None:
        for _ in range(times):
            self.tracked.apply(self.sent[pick % len(self.sent)])

    @rule()
    def reconcile(self) -> None:
        if not self.tracked.merge(self.model.reply()).held_back:
            assert self.facts()[0] == self.facts()[1]

    def facts(self) -> list[tuple[object, ...]]:
        # Leverage has no time of its own in a reply: it is right some seconds later, and enters no formula.
        found = []
        for account in (self.tracked.snapshot, self.model.snapshot()):
            assert account is not None
            legs = tuple(msgspec.structs.replace(leg, leverage=None) for leg in account.positions)
            found.append(content(msgspec.structs.replace(account, positions=legs)))
        return found

    @invariant()
    def equal(self) -> None:
        """Nothing is promised between reconciles."""

    def teardown(self) -> None:
        if hasattr(self, "tracked"):
            self.model.now_ms += ABSENCE_MS + 2
            assert not self.tracked.merge(self.model.reply()).held_back
            assert content(self.tracked.snapshot) == content(self.model.snapshot())


for _machine in (InOrder, Lagging, Chaos):
    _machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

TestInOrder = InOrder.TestCase
TestLagging = Lagging.TestCase
TestChaos = Chaos.TestCase
