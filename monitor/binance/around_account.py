"""What is known around the positions of one account: orders that wait, funds, ADL places, what the key may do.

All of it is second to following the account: it is asked for with weight that nobody else needs, by a job of its
own, and a part that fails is asked again later and ends nothing. What did not change is not posted again, but for
a sign every ten minutes that it is still so.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec
import structlog

from monitor.binance.account_rows import AdlQuantile
from monitor.binance.account_values import AccountUnavailableError, Permissions
from monitor.binance.around_orders import OpenOrders, waiting_orders
from monitor.binance.around_values import (
    DEFAULT_AROUND_TIMINGS,
    AroundRest,
    AroundTimings,
    Part,
    PartStats,
)
from monitor.binance.weights import NOT_SPARED
from monitor.core.events import Learnt
from monitor.core.model import AccountSnapshot, Side
from monitor.core.surroundings import AdlKnown, FundsKnown, KeyKnown, OrdersKnown
from monitor.ports import Clock, Inbox, Job

log = structlog.get_logger()

UNREAD: Final = "unread_orders"  # some cannot be believed, so what there is of their symbols is not known
MOST_ALONE: Final = 39  # symbols asked for one by one; from 40 on all together cost less
_MOST_ADL = 4

FundsOrOrdersOrAdl = TypeVar("FundsOrOrdersOrAdl", FundsKnown, OrdersKnown, AdlKnown)


class _Asked(NamedTuple):
    """What became of asking for orders."""

    error: AccountUnavailableError | None
    answered: bool  # at least about one symbol, and nothing keeps the others from being asked for
    unread: bool  # some cannot be believed


class AccountAround:
    """Told what is held, it finds out what is around it.

    Args:
        account: its name.
        rest: what is asked; it spares weight for others itself.
        inbox: takes what becomes known.
        clock: time.
        timings: how often.
    """

    def __init__(
        self,
        account: str,
        rest: AroundRest,
        *,
        inbox: Inbox,
        clock: Clock,
        timings: AroundTimings = DEFAULT_AROUND_TIMINGS,
    ) -> None:
        self._account = account
        self._rest = rest
        self._inbox = inbox
        self._clock = clock
        self._timings = timings
        self._held: AccountSnapshot | None = None
        self._orders, self._adl, self._funds, self._key = (Part(timings) for _ in range(4))
        self._stirred: set[str] = set()  # symbols whose orders may be others now
        self._soon_s = 0.0  # when they are asked for
        self._hurried_s = 0.0  # when that last happened
        self._in_a_row = 0
        self._found: dict[str, tuple[int, OpenOrders]] = {}  # when and what was told of each symbol
        self._posted: dict[type, tuple[float, FundsKnown | OrdersKnown | AdlKnown]] = {}
        self._may: KeyKnown | None = None
        self._not_before_s = 0.0

    def job(self) -> Job:
        """Return what must run beside following the account."""
        return Job(f"account-{self._account}-around", self._run)

    def stats(self) -> dict[str, PartStats]:
        """Return how old each part is."""
        now_s = self._clock.mono_s()
        parts = {"funds": self._funds, "orders": self._orders, "adl": self._adl, "key": self._key}
        return {name: part.stats(now_s) for name, part in parts.items()}

    # What following the account tells.

    def described(self, account: AccountSnapshot) -> None:
        """Take what is held now."""
        before = {} if self._held is None else _legs(self._held)
        after = _legs(account)
        self._held = account
        changed = {symbol for symbol, _ in before.items() ^ after.items()}
        for gone in self._found.keys() - after.keys():
            del self._found[gone]
        if changed:
            # The side that is held decides which orders work against it, and it may be another now.
            self._post_orders()
            self.stir(*changed)
        if not after and AdlKnown in self._posted:
            self._post(AdlKnown(self._account, self._rest.exchange_ms(), {}))

    def stir(self, *symbols: str) -> None:
        """Have the orders of these asked for soon: something happened to one of them, or to a position."""
        now_s, timings = self._clock.mono_s(), self._timings
        if not self._stirred:
            # An account that trades all the time is asked about ever less often, at last as often as any.
            if now_s - self._hurried_s > timings.every_s:
                self._in_a_row = 0
            calm_s = min(timings.soon_s * 2.0 ** min(self._in_a_row, 16), timings.every_s)
            self._soon_s = max(now_s + timings.soon_s, self._hurried_s + calm_s)
        self._stirred.update(symbols)

    def funds(self, found: FundsKnown | None) -> None:
        """Take what could be moved, as each description of the account by REST says."""
        now_s = self._clock.mono_s()
        if found is None:
            self._funds.failed(now_s, "not_told")
            return
        self._funds.told(now_s, 0.0)
        self._post(found)

    def key(self, may: Permissions | None, told_s: float) -> None:
        """Take what the key may do, where that is known, and when it was told."""
        if may is None:
            return
        self._key.told(told_s, 0.0)
        known = KeyKnown(self._account, may.can_trade, may.can_withdraw)
        if known != self._may:
            self._may = known
            self._inbox.post(Learnt(known))

    def wait(self, until_s: float) -> None:
        """Ask nothing before a time, monotonic: what is more important is not answered either."""
        self._not_before_s = until_s

    # What is asked.

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(self._timings.look_s)
            await self._look()

    async def _look(self) -> None:
        if self._held is None or self._clock.mono_s() < self._not_before_s:
            return
        symbols = {leg.symbol for leg in self._held.positions}
        self._stirred &= symbols
        now_s = self._clock.mono_s()
        regular = now_s >= self._orders.due_s
        hurried = bool(self._stirred) and now_s >= self._soon_s and now_s >= self._orders.not_before_s
        if symbols and (regular or hurried):
            # The oldest first: where there is weight for some only, it is not always the same that are asked for.
            wanted = sorted(symbols if regular else self._stirred, key=lambda name: (self._told_ms(name), name))
            await self._ask_orders(wanted, regular=regular)
        if symbols and self._clock.mono_s() >= self._adl.due_s:
            await self._ask_adl()

    async def _ask_orders(self, symbols: list[str], *, regular: bool) -> None:
        now_s = self._clock.mono_s()
        other = {symbol: self._found[symbol] for symbol in self._stirred & self._found.keys()}
        if self._stirred:
            self._stirred = set()
            self._in_a_row += not regular
            self._hurried_s = now_s
        asked = await (self._fetch_each(symbols) if len(symbols) <= MOST_ALONE else self._fetch_all(symbols))
        for symbol, before in other.items():
            # Something happened to them since they were told, and nobody says what: they are not known.
            if self._found.get(symbol) is before:
                del self._found[symbol]
        self._post_orders()
        if asked.error is not None and not asked.answered:
            self._note_failure(self._orders, "orders", asked.error)
            return
        due_s = now_s + self._timings.every_s if regular else self._orders.due_s
        lacking = asked.error.reason if asked.error is not None else UNREAD if asked.unread else ""
        self._note_answer(self._orders, "orders", max(0.0, due_s - self._clock.mono_s()), lacking)

    async def _fetch_each(self, symbols: list[str]) -> _Asked:
        """Ask symbol by symbol: one that is refused does not keep the others from it, two in a row do."""
        error, in_a_row = None, 0
        answered = unread = False
        for symbol in symbols:
            at_ms = self._rest.exchange_ms()
            try:
                found = await self._rest.open_orders(symbol)
            except AccountUnavailableError as caught:
                error, in_a_row = caught, in_a_row + 1
                if in_a_row > 1 or caught.fatal or caught.wait_s > 0.0:
                    # The rest of them is as old as it is: asked for when the exchange allows it.
                    return _Asked(caught, answered=False, unread=unread)
                continue
            answered, in_a_row = True, 0
            unread = self._take(symbol, at_ms, found) or unread
        return _Asked(error, answered or error is None, unread)

    async def _fetch_all(self, symbols: list[str]) -> _Asked:
        at_ms = self._rest.exchange_ms()
        try:
            found = await self._rest.open_orders(None)
        except AccountUnavailableError as error:
            return _Asked(error, answered=False, unread=False)
        unread = [self._take(symbol, at_ms, found) for symbol in symbols]
        return _Asked(None, answered=True, unread=any(unread))

    def _take(self, symbol: str, at_ms: int, found: OpenOrders) -> bool:
        """Keep what was told of a symbol; return whether some of it cannot be believed."""
        if found.unread & {symbol, ""}:
            self._found.pop(symbol, None)
            return True
        plain = tuple(row for row in found.plain if row.symbol == symbol)
        conditional = tuple(row for row in found.conditional if row.symbol == symbol)
        self._found[symbol] = (at_ms, OpenOrders(plain, conditional))
        return False

    def _told_ms(self, symbol: str) -> int:
        return self._found[symbol][0] if symbol in self._found else 0

    def _post_orders(self) -> None:
        if self._held is None or not (self._found or OrdersKnown in self._posted):
            return
        orders = [order for _, found in self._found.values() for order in waiting_orders(found, self._held)]
        at_ms = min((at_ms for at_ms, _ in self._found.values()), default=self._rest.exchange_ms())
        symbols = tuple(sorted(self._found))
        orders.sort(key=lambda one: (one.symbol, one.side, one.price, one.kind, one.quantity))
        self._post(OrdersKnown(self._account, at_ms, symbols, tuple(orders)))

    async def _ask_adl(self) -> None:
        at_ms = self._rest.exchange_ms()
        try:
            rows = await self._rest.adl()
        except AccountUnavailableError as error:
            self._note_failure(self._adl, "adl", error)
            return
        self._note_answer(self._adl, "adl", self._timings.every_s)
        if self._held is not None:
            self._post(AdlKnown(self._account, at_ms, places(rows, self._held)))

    # What is posted and said.

    def _post(self, fact: FundsOrOrdersOrAdl) -> None:
        """Post what changed, and what did not after a while: else nobody could tell it from what is not known."""
        now_s = self._clock.mono_s()
        posted_s, before = self._posted.get(type(fact), (0.0, None))
        if before is not None and now_s - posted_s < self._timings.renew_s:
            first, second = (msgspec.structs.replace(one, at_ms=0) for one in (before, fact))
            if first == second:
                return
        self._posted[type(fact)] = (now_s, fact)
        self._inbox.post(Learnt(fact))

    def _note_answer(self, part: Part, name: str, every_s: float, lacking: str = "") -> None:
        before = part.told(self._clock.mono_s(), every_s, lacking)
        if lacking and lacking != before:
            log.warning("account.around_lacking", account=self._account, part=name, reason=lacking)
        elif not lacking and before not in {"", NOT_SPARED}:
            log.info("account.around_back", account=self._account, part=name)

    def _note_failure(self, part: Part, name: str, error: AccountUnavailableError) -> None:
        now_s = self._clock.mono_s()
        if error.reason == NOT_SPARED:
            part.not_spared(now_s, error.reason, error.wait_s)
        elif part.failed(now_s, error.reason, self._timings.longest_s if error.fatal else error.wait_s):
            log.warning(
                "account.around_failed", account=self._account, part=name, reason=error.reason, hint=error.hint
            )


def _legs(account: AccountSnapshot) -> dict[str, tuple[tuple[Side, float], ...]]:
    """Return what is held of each symbol."""
    found: dict[str, tuple[tuple[Side, float], ...]] = {}
    for leg in account.positions:
        found[leg.symbol] = (*found.get(leg.symbol, ()), (leg.side, leg.quantity))
    return found


def places(rows: Iterable[AdlQuantile], account: AccountSnapshot) -> dict[str, dict[Side, int]]:
    """Return the place in the queue of each position; one of which nothing believable is told is left out.

    Without hedge mode the place is under ``BOTH`` by the documentation, and replies were seen with it under the
    side: the nearer to the front counts.
    """
    told: Mapping[str, Mapping[str, int]] = {row.symbol: row.adl_quantile for row in rows}
    found: dict[str, dict[Side, int]] = {}
    for leg in account.positions:
        row = told.get(leg.symbol, {})
        names = (leg.side.value,) if account.hedge_mode else (leg.side.value, "BOTH")
        known = [row[name] for name in names if name in row and 0 <= row[name] <= _MOST_ADL]
        if known:
            found.setdefault(leg.symbol, {})[leg.side] = max(known)
    return found
