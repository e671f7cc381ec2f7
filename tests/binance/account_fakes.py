"""REST, a tier cache and a follower to try: fakes that behave."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from monitor.binance.account import AccountFollower
from monitor.binance.account_rows import AdlQuantile, AlgoOrder, OpenOrder
from monitor.binance.account_state import Contract
from monitor.binance.account_values import AccountTimings, AccountUnavailableError, FullReply, Permissions
from monitor.binance.around_orders import OpenOrders
from monitor.binance.user_wire import AccountUpdate, ForcedUpdate, LeverageUpdate
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    ExchangeFigures,
    Market,
    PositionFigures,
    Side,
    WalletFigures,
)
from monitor.core.surroundings import FundsKnown
from monitor.errors import StoreError
from monitor.system_clock import SystemClock
from tests.binance.exchange_model import CONTRACTS, ModelAccount, on_wire
from tests.binance.stand_in import PATIENCE_S, Recorder, Session, StandIn, until
from tests.conftest import ManualClock, settle

T = TypeVar("T")

TIMINGS = AccountTimings(open_timeout_s=30.0, ping_interval_s=300.0, ping_timeout_s=300.0)
DAY = "2026-11-24"


def table(symbol: str, mmr: float = 0.005, as_of: str = DAY) -> BracketTable:
    return BracketTable(symbol, (Bracket(0.0, 1e9, mmr, 0.0),), "exchange", as_of, "main")


class FakeReply(msgspec.Struct):
    snapshot: AccountSnapshot
    figures: ExchangeFigures
    leg_ms: dict[tuple[str, Side], int]
    asset_ms: dict[str, int]
    consistent: bool = True
    funds: FundsKnown | None = None


def _figures(account: AccountSnapshot) -> ExchangeFigures:
    """Return figures of everything; nobody here computes any."""
    wallets = {account.wallet_of(one) for one in account.positions} | {f"cross:{one}" for one in account.balances}
    return ExchangeFigures(
        account.as_of_ms,
        tuple(PositionFigures(one.symbol, one.side, 100.0, 1.0, 50.0) for one in account.positions),
        tuple(WalletFigures(wallet, {}, 10.0, 1.0) for wallet in sorted(wallets)),
    )


class FakeRest:
    """Answers from a model account, unless told to fail. ``errors`` holds by method what the next calls raise."""

    def __init__(self, model: ModelAccount, clock: ManualClock) -> None:
        self.model = model
        self.clock = clock
        self.calls: Counter[str] = Counter()
        self.errors: dict[str, AccountUnavailableError] = {}
        self.known: dict[str, Contract] = dict(CONTRACTS)
        self.brackets = {symbol: table(symbol) for symbol in CONTRACTS}
        self.consistent = True
        self.alive = False
        self.made = 0
        self.asked: Callable[[], Awaitable[None]] | None = None  # runs while the account is being asked for
        self.skew_ms = 0
        self.may: Permissions | None = None
        self.forced: list[ForcedUpdate] = []
        self.funds: FundsKnown | None = None
        self.plain: list[OpenOrder] = []
        self.conditional: list[AlgoOrder] = []
        self.unread: frozenset[str] = frozenset()
        self.places: list[AdlQuantile] = []
        self.asked_of: list[str | None] = []  # whose orders were asked for

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        error = self.errors.get(name) or self.errors.get("*")
        if error is not None:
            raise error

    async def create_listen_key(self) -> str:
        self._call("create_listen_key")
        self.made += not self.alive
        self.alive = True
        return f"SECRETKEY{self.made}"

    async def keep_listen_key(self) -> bool:
        self._call("keep_listen_key")
        return self.alive

    async def contracts(self) -> Mapping[str, Contract]:
        self._call("contracts")
        return dict(self.known)

    async def tables(self) -> Sequence[BracketTable]:
        self._call("tables")
        return tuple(self.brackets.values())

    async def account(self) -> FullReply:
        self._call("account")
        self.model.now_ms = max(self.model.now_ms, self.exchange_ms())
        reply = self.model.reply()
        if self.asked is not None:
            await self.asked()
        figures = _figures(reply.snapshot)
        return FakeReply(reply.snapshot, figures, reply.leg_ms, reply.asset_ms, self.consistent, self.funds)

    async def forced_orders(self, symbol: str, since_ms: int) -> Sequence[ForcedUpdate]:
        self._call("forced_orders")
        return [order for order in self.forced if order.symbol == symbol and order.event_ms >= since_ms]

    async def open_orders(self, symbol: str | None) -> OpenOrders:
        self._call("open_orders")
        self.asked_of.append(symbol)
        plain = tuple(row for row in self.plain if symbol in {None, row.symbol})
        conditional = tuple(row for row in self.conditional if symbol in {None, row.symbol})
        return OpenOrders(plain, conditional, self.unread & {symbol, ""} if symbol else self.unread)

    async def adl(self) -> Sequence[AdlQuantile]:
        self._call("adl")
        return tuple(self.places)

    async def permissions(self) -> Permissions | None:
        self._call("permissions")
        return self.may

    def exchange_ms(self) -> int:
        return self.clock.wall_ms() + self.skew_ms

    def used_weight(self) -> int | None:
        return 42


class FakeCache:
    """A disk that may be full."""

    def __init__(self, *tables: BracketTable) -> None:
        self.kept: tuple[BracketTable, ...] = tables
        self.full = False
        self.saves = 0

    def load(self) -> Sequence[BracketTable]:
        return self.kept

    def save(self, tables: Sequence[BracketTable]) -> None:
        self.saves += 1
        if self.full:
            raise StoreError("brackets.json", "save", "no space")
        self.kept = tuple(tables)


class Bench:
    """A follower with everything around it."""

    def __init__(self, clock: ManualClock, server: StandIn) -> None:
        self.clock = clock
        self.server = server
        self.model = ModelAccount()
        self.rest = FakeRest(self.model, clock)
        self.cache = FakeCache()
        self.inbox = Recorder()
        self.refuse_trading_key = False
        self.follower = self.make()

    def make(self, **changes: object) -> AccountFollower:
        self.follower = AccountFollower(
            "main",
            Market.USDM,
            [self.server.base.replace("/market", "/private")],
            rest=self.rest,
            cache=self.cache,
            inbox=self.inbox,
            clock=self.clock,
            rng=random.Random(7),  # noqa: S311 - jitter
            refuse_trading_key=self.refuse_trading_key,
            timings=msgspec.structs.replace(TIMINGS, **changes),
        )
        return self.follower

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(job.run)) for job in self.follower.jobs()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.inbox.events if isinstance(event, kind)]

    def reconciles(self) -> int:
        return self.follower.stats().reconciles

    async def session(self, number: int = 0) -> Session:
        """Wait for the session; where a connection ended late, more time has to pass until it is made anew."""
        for _ in range(200):
            if len(self.server.sessions) > number:
                break
            await SystemClock().sleep(0.005)
        await self.reach(lambda: len(self.server.sessions) > number)
        return self.server.sessions[number]

    async def started(self) -> Session:
        """Wait for the stream and for the reconcile its opening asks for; return the session."""
        session = await self.session()
        await until(lambda: self.follower.stats().stream.state == "open" and self.reconciles() >= 1)
        await self.reach(lambda: self.reconciles() == 2)
        return session

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps, with the sockets working in between."""
        end_s = self.clock.mono_s() + seconds
        while (left_s := end_s - self.clock.mono_s()) > 1e-9:
            await self.clock.advance(min(0.5, left_s))
        await settle()

    async def reach(self, condition: Callable[[], bool]) -> None:
        """Let time pass until the condition holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await self.pass_time(0.1)

    def change(self, made: Callable[[ModelAccount], AccountUpdate | LeverageUpdate]) -> dict[str, object]:
        """Change the account now; return the frame that tells it."""
        self.model.now_ms = max(self.model.now_ms, self.rest.exchange_ms())
        return on_wire(made(self.model))


async def _run(run: Callable[[], Awaitable[None]]) -> None:
    await run()
