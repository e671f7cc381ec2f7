"""One account followed by its key: what REST says every half minute, and what the private stream says in between.

An event is applied the moment it arrives. A reconcile asks REST for everything, takes what is newer, and applies
once more what came while it was asked. Neither source is trusted alone: REST lags, and a stream may be dead
without a sign, which shows when REST tells what no event did.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

import structlog

from monitor.beat import Beat
from monitor.binance.account_closings import forced, tell_closings
from monitor.binance.account_contracts import Contracts
from monitor.binance.account_key import KeyGuard
from monitor.binance.account_pace import LEVERAGE, Pace
from monitor.binance.account_state import UNKNOWN_SYMBOL, Merge, TrackedAccount
from monitor.binance.account_tiers import Tiers
from monitor.binance.account_trouble import RestTrouble
from monitor.binance.account_values import (
    DEFAULT_ACCOUNT_TIMINGS,
    AccountRest,
    AccountStats,
    AccountTimings,
    AccountUnavailableError,
    FullReply,
    TierCache,
)
from monitor.binance.around_account import AccountAround
from monitor.binance.snapshot import UNKNOWN_CONTRACT
from monitor.binance.stream_watch import StreamWatch
from monitor.binance.touched import Touched
from monitor.binance.user_stream import KEY_EXPIRED, SILENT, UserStream
from monitor.binance.user_wire import (
    AccountUpdate,
    CallUpdate,
    ForcedUpdate,
    Ignored,
    KeyExpired,
    LeverageUpdate,
    Malformed,
    ModeUpdate,
    OrderUpdate,
    UserDecoder,
)
from monitor.core.events import AccountState, MarginCall, Reconciled, Snapshot
from monitor.core.model import AccountSnapshot, Market
from monitor.ports import Clock, Inbox, Job

log = structlog.get_logger()

STARTING: Final = "starting"
FOLLOWING: Final = "following"
FAILING: Final = "failing"
REFUSED: Final = "refused"

RECONCILE: Final = "reconcile"

_KEY_HINT = "make a key that can only read, or set allow_trading_key = true for this account"
_MOST_RECORDED = 10_000  # events during one reconcile; it takes seconds
_PATIENCE_S = 900.0  # with all that REST may be asked in one round, each of it waiting for its turn


class AccountFollower:
    """An account into an inbox. Implements ``ports.AccountSource``.

    Args:
        account: its name.
        market: of its contracts.
        bases: ordered addresses of the private stream, such as ``wss://host/private``; at least one.
        rest: what REST says of it.
        cache: keeps its maintenance tiers between runs.
        inbox: takes the events.
        clock: for all waiting and judging but that within the socket library.
        rng: chance for the jitter of pauses.
        refuse_trading_key: do not follow the account with a key that can trade or withdraw.
        heir: another one followed it in this run, whose complaints are over once this one has an answer.
        timings: how patient to be.
    """

    def __init__(
        self,
        account: str,
        market: Market,
        bases: Sequence[str],
        *,
        rest: AccountRest,
        cache: TierCache,
        inbox: Inbox,
        clock: Clock,
        rng: Random,
        refuse_trading_key: bool = False,
        heir: bool = False,
        timings: AccountTimings = DEFAULT_ACCOUNT_TIMINGS,
    ) -> None:
        self._account = account
        self._market = market
        self._rest = rest
        self._inbox = inbox
        self._clock = clock
        self._timings = timings
        self._tiers = Tiers(account, rest, cache, inbox, clock=clock, timings=timings)
        self._key = KeyGuard(rest, clock, refuse=refuse_trading_key, timings=timings)
        self._contracts = Contracts(account, rest, timings)
        self._around = AccountAround(account, rest, inbox=inbox, clock=clock)
        self._tracked = TrackedAccount({})
        self._last: AccountSnapshot | None = None
        self._decoder = UserDecoder()
        self._stream = UserStream(
            account, bases, keys=rest, take=self._take, gap=self._ask, clock=clock, rng=rng, timings=timings
        )
        self._malformed: set[str] = set()  # reasons logged
        self._wake = asyncio.Event()
        self._recorded: list[AccountUpdate | LeverageUpdate] | None = None  # while a reconcile is under way
        self._touched = Touched()  # by events since REST was last asked
        self._restless = False  # the last reply was not of one moment
        self._pace = Pace(timings)
        self._reconciled_ms: int | None = None
        self._suspected_s: float | None = None  # since when REST shows what no event told
        self._unproved = False  # the stream was found silent, and no event came since
        self._missing = False  # that the stream does not tell was logged
        self._heard = StreamWatch(account, timings.complain_after_s)
        self._rest_beat, self._watch_beat = Beat(_PATIENCE_S), Beat()
        self._trouble = RestTrouble(account, rng, timings, heir=heir)

    def jobs(self) -> Sequence[Job]:
        """Return what must run for this account: stream, REST, the watch that wakes both, what is around."""
        return [
            Job(f"account-{self._account}-stream", self._stream.run),
            Job(f"account-{self._account}-rest", self._run, self._rest_beat),
            Job(f"account-{self._account}-watch", self._watch, self._watch_beat),
            self._around.job(),
        ]

    def go_on_from(self, last: AccountSnapshot) -> None:
        """Take what is known of the account already: what differs from it is told. Before its jobs run."""
        self._last = last

    def refresh_brackets(self, symbol: str) -> None:
        """Fetch the tiers again soon: the exchange said that those of this symbol changed."""
        if self._tiers.request(symbol):
            self._wake.set()

    def stats(self) -> AccountStats:
        """Return what following the account has done so far."""
        now_s, snapshot = self._clock.mono_s(), self._tracked.snapshot
        return AccountStats(
            account=self._account,
            market=self._market.value,
            state=self._state(),
            reason=self._trouble.error.reason if self._trouble.error is not None else "",
            stream=self._stream.stats(),
            events=dict(self._decoder.seen),
            rejected=dict(self._decoder.rejected),
            reconciles=self._pace.count,
            reconciled_ms=self._reconciled_ms,
            reconcile_age_s=self._pace.age_s(now_s),
            used_weight=self._rest.used_weight(),
            permissions_known=self._key.known is not None,
            hedge_mode=snapshot is not None and snapshot.hedge_mode,
            multi_assets=snapshot is not None and snapshot.multi_assets,
            tables=len(self._tiers.known),
            tables_as_of=self._tiers.as_of,
            stream_missing_s=self._stream.missing_s(now_s),
            stream_trouble=self._heard.trouble,
            event_age_s=self._heard.event_age_s(now_s),
            around=self._around.stats(),
        )

    def _state(self) -> str:
        if self._trouble.error is not None:
            return REFUSED if self._trouble.fatal else FAILING
        return STARTING if self._pace.reconciled_s is None else FOLLOWING

    # The rhythm.

    async def _watch(self) -> None:
        while True:
            self._watch_beat.back(self._clock.mono_s() + self._timings.check_every_s)
            await self._clock.sleep(self._timings.check_every_s)
            self._stream.check(self._clock.mono_s())
            self._watch_stream()
            self._complain()  # also while an answer is waited for
            self._wake.set()

    async def _run(self) -> None:
        await self._tiers.restore()
        while True:
            self._wake.clear()
            self._rest_beat.back(self._clock.mono_s())
            begun_s = self._clock.mono_s()
            if begun_s >= self._trouble.embargo_s:
                try:
                    await self._work()
                except AccountUnavailableError as error:
                    self._failed(error, begun_s)
                else:
                    self._worked()
                if not self._trouble.fatal:
                    await self._stream.keep_alive(self._clock.mono_s())
            self._complain()
            await self._wake.wait()

    async def _work(self) -> None:
        """Do what is due now."""
        now_s = self._clock.mono_s()
        excess = await self._key.excess()
        self._around.key(self._key.known, self._key.told_s)
        if excess:
            self._stream.rest()
            raise AccountUnavailableError(excess, _KEY_HINT, fatal=True)
        self._tracked.contracts = await self._contracts.refresh(self._tracked.contracts, now_s)
        if self._tracked.snapshot is None:
            await self._await_tiers(now_s)
        self._stream.want()
        self._judge_stream(now_s)
        try:
            if now_s >= self._pace.due_s:
                await self._reconcile()
        except AccountUnavailableError:
            await self._refresh_tiers()
            raise
        await self._refresh_tiers()

    async def _await_tiers(self, now_s: float) -> None:
        """Have tiers before the account; without any it waits, for as long as it is silent about a failure."""
        if not self._tiers.known and self._trouble.lasts_s(now_s) < self._timings.complain_after_s:
            await self._tiers.begin(now_s)
        else:
            await self._tiers.refresh(now_s)

    async def _refresh_tiers(self) -> None:
        """Ask for tiers where that is due, after what is more urgent."""
        now_s = self._clock.mono_s()
        if await self._tiers.refresh(now_s):
            self._pace.due_s = now_s  # what was compared with the old ones proves nothing any more
            self._wake.set()

    def _ask(self, reason: str) -> None:
        """Have REST asked at once, or as soon as the last time is long enough ago."""
        self._pace.ask(reason, self._clock.mono_s())
        self._wake.set()

    # Asking REST.

    async def _reconcile(self) -> None:
        timings = self._timings
        self._recorded = []
        active = self._pace.begin(self._clock.mono_s())
        try:
            # An account that trades all the time would touch each of them.
            for attempt in range(1 if self._restless else timings.attempts):
                if attempt:
                    await self._clock.sleep(timings.attempt_gap_s)
                self._touched = Touched()
                asked_s = self._clock.mono_s()
                reply = await self._rest.account()
                self._restless = not reply.consistent or bool(self._touched)
                if not self._restless:
                    break
            # The first reply is compared with what an earlier run knew; after it every difference has its event.
            before, self._last = self._tracked.snapshot or self._last, None
            first = self._tracked.snapshot is None
            merge = self._tracked.merge(reply)
            for event in self._recorded:
                self._tracked.apply(event)
            if before is not None and (first or merge.unannounced) and self._tracked.snapshot is not None:
                await tell_closings(self._rest, before, self._tracked.snapshot, self._inbox)
            self._merged(reply, merge, asked_s, active=active)
        finally:
            self._recorded = None

    def _merged(self, reply: FullReply, merge: Merge, asked_s: float, *, active: bool) -> None:
        last_s = self._pace.reconciled_s
        snapshot = self._tracked.snapshot
        if snapshot is None:
            return
        self._tiers.need({position.symbol for position in snapshot.positions})
        self._inbox.post(Snapshot(snapshot, RECONCILE))
        self._around.described(snapshot)
        self._around.funds(reply.funds)
        # Between new tiers and their arrival here, a difference would be about the tiers.
        if not self._tiers.is_due(self._clock.mono_s()):
            contracts = self._tracked.contracts
            self._say(self._touched.comparable(reply, contracts, held_back=merge.held_back))
        # Since when events would have told: before that REST alone could know.
        open_s = self._stream.open_since_s
        if not merge.unannounced or open_s is None or last_s is None or open_s > last_s:
            if self._suspected_s is None:
                self._tracked.forget_unannounced()
        elif self._suspected_s is None:
            self._suspected_s = self._clock.mono_s()
        self._reconciled_ms = self._clock.wall_ms()
        proved = open_s is not None and not self._unproved
        self._pace.done(asked_s, held_back=merge.held_back, active=active, proved=proved)

    def _judge_stream(self, now_s: float) -> None:
        """Renew the stream when REST showed something that no event tells even late."""
        if self._suspected_s is None or now_s - self._suspected_s < self._timings.late_event_s:
            return
        self._suspected_s = None
        found = self._tracked.unannounced
        self._tracked.forget_unannounced()
        if found and self._stream.open_since_s is not None:
            self._unproved = True
            self._heard.found_silent(now_s)
            self._stream.renew(SILENT)

    # What the stream says.

    def _take(self, frame: bytes) -> None:
        event = self._decoder.decode(frame, self._rest.exchange_ms())
        match event:
            case AccountUpdate():
                self._touched.add(event)
                self._apply(event, event.cause)
            case LeverageUpdate():
                self._apply(event, LEVERAGE)
                self._ask(LEVERAGE)  # whether it moved margin too is not documented
            case ModeUpdate():
                self._touched.modes = True  # a reply that was asked for before may be of both modes
                self._ask("mode")
            case CallUpdate(event_ms=at_ms, legs=legs, cross_balance=cross):
                self._inbox.post(MarginCall(self._account, at_ms, legs, cross))
            case ForcedUpdate() | OrderUpdate():
                self._ordered(event)
            case KeyExpired():
                self._stream.renew(KEY_EXPIRED)
            case Malformed():
                if event.reason not in self._malformed:
                    self._malformed.add(event.reason)
                    log.warning(
                        "account.event_rejected", account=self._account, kind=event.kind, reason=event.reason
                    )
                self._ask("malformed")
        if not isinstance(event, KeyExpired | Malformed | Ignored):
            self._stream.prove()
            self._heard.event(self._clock.mono_s())
            self._unproved = False

    def _ordered(self, event: ForcedUpdate | OrderUpdate) -> None:
        self._around.stir(event.symbol)
        if isinstance(event, ForcedUpdate):
            self._inbox.post(forced(self._account, event))

    def _apply(self, event: AccountUpdate | LeverageUpdate, cause: str) -> None:
        if self._recorded is not None and len(self._recorded) < _MOST_RECORDED:
            self._recorded.append(event)
        applied, snapshot = self._tracked.apply(event), self._tracked.snapshot
        if applied.changed and snapshot is not None:
            self._inbox.post(Snapshot(snapshot, cause))
            self._around.described(snapshot)
            if self._tiers.need({position.symbol for position in snapshot.positions}):
                self._wake.set()
        if applied.ask:
            self._contracts.due = self._contracts.due or applied.ask == UNKNOWN_SYMBOL
            self._ask(applied.ask)

    # Trouble.

    def _failed(self, error: AccountUnavailableError, begun_s: float) -> None:
        self._trouble.failed(error, begun_s, self._clock.mono_s())
        self._contracts.due = self._contracts.due or error.reason == UNKNOWN_CONTRACT
        self._around.wait(self._trouble.embargo_s)
        self._pace.no_later(self._trouble.embargo_s)  # what failed may have been the reconcile

    def _watch_stream(self) -> None:
        """Tell that the private stream is missing or tells nothing, once, and that it is back."""
        now_s = self._clock.mono_s()
        missing_s = self._stream.missing_s(now_s)
        state = self._heard.judge(now_s, missing_s, is_open=self._stream.open_since_s is not None)
        if state is None:
            return
        self._inbox.post(state)
        if state.brief:
            return
        if not state.ok:
            self._missing = True
            log.warning(
                "account.stream_missing", account=self._account, reason=state.reason, missing_s=round(missing_s)
            )
        elif self._missing:
            self._missing = False
            log.info("account.stream_back", account=self._account)

    def _worked(self) -> None:
        self._say(self._trouble.worked(described=self._pace.reconciled_s is not None))

    def _complain(self) -> None:
        now_s = self._clock.mono_s()
        undescribed_s, deaf = self._pace.age_s(now_s) or 0.0, bool(self._stream.missing_s(now_s))
        self._say(self._trouble.complaint(now_s, undescribed_s, deaf=deaf))

    def _say(self, event: AccountState | Reconciled | None) -> None:
        if event is not None:
            self._inbox.post(event)
