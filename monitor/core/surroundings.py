"""What is known around positions: what may be traded, waits in the order book, is paid soon, or can be moved.

Nothing here enters a reading. It is what advice, causes ahead and the checkup are made with, each part as old as
it says; a part that nobody told is absent, which never means "none".
"""

from collections.abc import Collection

import msgspec

from monitor.core.model import Lot, Market, Side, WaitingOrder


class LotsKnown(msgspec.Struct, frozen=True, tag=True):
    """What quantities orders of a market may have, by symbol; all symbols of it."""

    market: Market
    lots: dict[str, Lot]


class FundsKnown(msgspec.Struct, frozen=True, tag=True):
    """What an account could move, by margin asset; amounts in that asset, as its newest REST reply says."""

    account: str
    at_ms: int  # exchange time
    available: dict[str, float]  # availableBalance: what new positions or isolated wallets could take
    reserved: dict[str, float] = {}  # initial margin that open orders of isolated symbols hold back


class OrdersKnown(msgspec.Struct, frozen=True, tag=True):
    """The orders of an account that wait, plain and conditional; complete for ``symbols``."""

    account: str
    at_ms: int
    symbols: tuple[str, ...]
    orders: tuple[WaitingOrder, ...]


class AdlKnown(msgspec.Struct, frozen=True, tag=True):
    """Places in the queue for auto-deleveraging, 0 (last) to 4 (first), by symbol and side."""

    account: str
    at_ms: int
    quantiles: dict[str, dict[Side, int]]


class Funding(msgspec.Struct, frozen=True):
    """The next funding of a symbol. A positive rate is paid by LONG and received by SHORT."""

    rate: float  # fraction of the notional, as estimated now
    next_ms: int  # exchange time, Unix milliseconds
    interval_h: float = 8.0
    told_ms: int = 0  # exchange time at which it was known; filled in with the fact that tells it


class FundingKnown(msgspec.Struct, frozen=True, tag=True):
    """The next funding by symbol; of those named."""

    at_ms: int
    funding: dict[str, Funding]


class KeyKnown(msgspec.Struct, frozen=True, tag=True):
    """What the key of an account may do beside reading; told only where it is known."""

    account: str
    can_trade: bool
    can_withdraw: bool


Fact = LotsKnown | FundsKnown | OrdersKnown | AdlKnown | FundingKnown | KeyKnown


class Surroundings(msgspec.Struct, frozen=True):
    """All of it at one moment."""

    lots: dict[str, Lot] = {}  # of both markets
    funds: dict[str, FundsKnown] = {}  # by account
    orders: dict[str, OrdersKnown] = {}
    adl: dict[str, AdlKnown] = {}
    funding: dict[str, Funding] = {}  # by symbol
    keys: dict[str, KeyKnown] = {}

    def after(self, fact: Fact) -> "Surroundings":
        """Return what is known once this was told."""
        match fact:
            case LotsKnown(lots=lots):
                return msgspec.structs.replace(self, lots=self.lots | lots)
            case FundsKnown(account=account):
                return msgspec.structs.replace(self, funds=self.funds | {account: fact})
            case OrdersKnown(account=account):
                return msgspec.structs.replace(self, orders=self.orders | {account: fact})
            case AdlKnown(account=account):
                return msgspec.structs.replace(self, adl=self.adl | {account: fact})
            case FundingKnown(funding=funding, at_ms=at_ms):
                told = {name: msgspec.structs.replace(one, told_ms=at_ms) for name, one in funding.items()}
                return msgspec.structs.replace(self, funding=self.funding | told)
            case KeyKnown(account=account):
                return msgspec.structs.replace(self, keys=self.keys | {account: fact})

    def only(self, accounts: Collection[str]) -> "Surroundings":
        """Return what is known around these accounts, and around prices."""
        return msgspec.structs.replace(
            self,
            funds={name: known for name, known in self.funds.items() if name in accounts},
            orders={name: known for name, known in self.orders.items() if name in accounts},
            adl={name: known for name, known in self.adl.items() if name in accounts},
            keys={name: known for name, known in self.keys.items() if name in accounts},
        )
