"""Who holds the followed accounts of the demonstration: reads messages, and does what they advise.

Amounts are those of the notice as it was delivered, taken as they stand: computing them is the monitor's business.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from monitor.cli.deeds import ADDED, REDUCED, Amount, Deed, Followed
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind, Prescription, Remedy
from monitor.core.settings import AlertRules
from monitor.emulator.books import Books
from monitor.emulator.holdings import OperationError, OrderSide
from monitor.emulator.ledger import Account, figures
from monitor.emulator.live import LiveAccount
from monitor.emulator.market import Market
from monitor.ports import Clock

_KEPT = 20  # deeds, and what could not be done; a demonstration without an end does two in each round


class Owner:
    """Does, once for each danger, what the message about it says: of the remedies that which asks for least.

    An isolated position is given margin, anything else is reduced.

    Args:
        accounts: those that are the owner's, by name.
        channel: on which messages are read.
        market: for what would have become of a wallet.
        clock: all time.
        reaction_s: from a message until its advice is followed.
        did: told of each deed as it is done.
        present: how a wallet is now, by subject: what a message asks that was decided without amounts.
    """

    def __init__(
        self,
        accounts: Mapping[str, LiveAccount],
        channel: str,
        market: Market,
        clock: Clock,
        *,
        reaction_s: float,
        did: Callable[[Deed], None],
        present: Callable[[str], Facts | None] = lambda _subject: None,
    ) -> None:
        self._present = present
        self.accounts = accounts
        self.deeds: deque[Deed] = deque(maxlen=_KEPT)
        # Wallets whose emergency came without anything that could be done.
        self.without_advice: deque[str] = deque(maxlen=_KEPT)
        self._channel = channel
        self._market = market
        self._clock = clock
        self._reaction_s = reaction_s
        self._did = did
        self._first = {name: one.account for name, one in accounts.items()}
        self._before: dict[str, Account] = {}  # by subject, the account as it was when its owner did something
        self._under_way: dict[str, Notice] = {}  # by subject, alerts that have not arrived yet
        self._arrived: asyncio.Queue[Notice] = asyncio.Queue()  # at most one of each wallet of a few accounts
        self._acting = False
        self._open: dict[str, Deed] = {}  # by subject, deeds that have not ended the danger yet

    def is_busy(self) -> bool:
        """Return whether a danger is under way about which something has to be done, or has yet to end it."""
        waiting = any(not deed.refused for deed in self._open.values())
        return bool(self._under_way or self._acting or waiting or not self._arrived.empty())

    def followed(self, rules: AlertRules) -> Followed:
        """Return all that was done, to be judged by the rules of levels."""
        return Followed(tuple(self.deeds), tuple(self.accounts), tuple(self.without_advice), self._channel, rules)

    def hear(self, effects: Effects) -> None:
        """Follow what was decided, what arrived, and which levels ended."""
        for notice in effects.notices:
            if notice.channel == self._channel and notice.facts.account in self.accounts:
                self._decided(notice)
        for state in effects.subjects:
            known = state.told.get(self._channel)
            if known is not None and known.delivered and not known.awaited and state.subject in self._under_way:
                self._arrived.put_nowait(self._under_way.pop(state.subject))
        for change in effects.transitions:
            deed = self._open.get(change.subject)
            if deed is not None and change.level < Level[deed.below.upper()]:
                del self._open[change.subject]
                deed.cleared_s = round((change.at_ms - deed.at_ms) / 1000, 3)
                deed.room_without = self._room_without(change.subject, deed)

    async def act(self) -> None:
        """Follow the advice of each message that arrives."""
        while True:
            notice = await self._arrived.get()
            self._acting = True
            await self._clock.sleep(self._reaction_s)
            await self._follow(notice)
            self._acting = False

    async def begin_anew(self) -> None:
        """Have every account as it was at first, with operations that any owner has; where it is calm."""
        for name, account in self.accounts.items():
            await restored(account, self._first[name])
        self._before.clear()
        self._open.clear()

    def _decided(self, notice: Notice) -> None:
        if notice.kind is NoticeKind.ALERT and notice.level is Level.EMERGENCY:
            self._under_way[notice.subject] = notice
        elif notice.kind is NoticeKind.CLOSED:
            self._under_way.pop(notice.subject, None)

    async def _follow(self, notice: Notice) -> None:
        facts = notice.facts
        now = self._present(notice.subject) if facts.prescription is None else None
        if now is not None:
            facts = msgspec.structs.replace(facts, prescription=now.prescription)
            notice = msgspec.structs.replace(notice, facts=facts)
        deed = _advice(notice, self._clock.wall_ms())
        if deed is None:
            self.without_advice.append(f"{facts.account} {facts.symbol} {facts.side}")
            return
        account = self.accounts[facts.account]
        self._before[notice.subject] = account.account
        self.deeds.append(deed)
        self._open[notice.subject] = deed
        try:
            await _do(account, deed)
        except OperationError as error:
            deed.refused = str(error)
        self._did(deed)

    def _room_without(self, subject: str, deed: Deed) -> float | None:
        """Return the room of a wallet now if nothing had been done, by the exchange's own figures."""
        market = self._market
        wallets = figures([self._before.pop(subject)], market.tables, market.marks)
        return next((float(one.room) for one in wallets if one.wallet == deed.wallet), None)


def _advice(notice: Notice, at_ms: int) -> Deed | None:
    """Return what a notice advises, as something to do; None if there is nothing in it that can be done."""
    facts, prescription = notice.facts, notice.facts.prescription
    if prescription is None:
        return None
    for remedy in prescription.remedies:
        what, amounts = _amounts(prescription, remedy)
        if amounts:
            return Deed(
                facts.account, facts.wallet, facts.symbol, facts.side, what, amounts, remedy.below.label,
                notice.key, at_ms,
            )  # fmt: skip
    return None


def _amounts(prescription: Prescription, remedy: Remedy) -> tuple[str, tuple[Amount, ...]]:
    if prescription.isolated:
        return ADDED, () if remedy.add is None else (Amount(remedy.add, prescription.asset),)
    return REDUCED, tuple(Amount(cut.quantity, f"{cut.symbol} {cut.side}") for cut in remedy.cuts)


async def _do(account: LiveAccount, deed: Deed) -> None:
    for amount in deed.advised:
        if deed.what == ADDED:
            await account.add_margin(deed.symbol, amount.value)
        else:
            symbol, _, side = amount.of.partition(" ")
            order: OrderSide = "SELL" if side == "LONG" else "BUY"
            await account.fill(symbol, order, amount.value, reduce_only=True)


async def restored(live: LiveAccount, first: Account) -> None:
    """Have an account hold again what it held at first: buy back what is missing, and move margin and money.

    What is bought back is bought at the price at which it was held, and what all of it cost is paid in again, so
    that nothing is left of it.
    """
    for one in first.positions:
        held = live.held(one.symbol, one.side)
        missing = one.quantity - abs(held.amount)
        if missing > 0:
            order: OrderSide = "BUY" if one.side == "LONG" else "SELL"
            await live.fill(one.symbol, order, missing, one.entry, position_side=held.side)
        if one.margin_mode == "isolated" and held.wallet != one.margin:
            await live.add_margin(one.symbol, one.margin - held.wallet, held.side)
    for asset, balance in first.balances.items():
        lost = balance - _cross(live, asset)
        if lost:
            await live.transfer(asset, lost)


def _cross(books: Books, asset: str) -> Decimal:
    return books.holdings.cross.get(asset, Decimal(0))
