"""What is known of an account, from two sources that overtake each other: the private stream and REST.

Every position and every asset carries the exchange time of its newest known change. An event about an older state
of it is ignored for it alone, and so is a REST reply that lags behind what the stream told. REST is right about
everything else: it is how a lost event comes to light.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec

from monitor.binance.user_wire import AccountUpdate, BalanceRow, LegRow, LeverageUpdate, side_of
from monitor.core.model import AccountSnapshot, MarginMode, Position, Side, Source

# REST lags behind the stream by seconds in a hurried market. What contradicts an event longer than this is right.
LAG_MS: Final = 60_000

# A position REST does not list has no time of change: it was closed before the reply, by clocks that agree so far.
ABSENCE_MS: Final = 2_000

UNKNOWN_SYMBOL: Final = "unknown_symbol"
NEW_ASSET: Final = "new_asset"
NEW_POSITION: Final = "new_position"
OTHER_MODE: Final = "other_position_mode"

_RELATIVE = 1e-9  # REST and stream print the same decimals
_ABSOLUTE = 1.5e-8
_LAST = 2**63

BOTH: Final = "BOTH"

LegKey = tuple[str, str]  # symbol, and BOTH, LONG or SHORT


class Contract(msgspec.Struct, frozen=True):
    """What never changes about a symbol."""

    margin_asset: str
    contract_size: float = 1.0  # quote value of one contract where inverse, else 1
    inverse: bool = False


class Reply(Protocol):
    """A whole account as REST described it at one moment."""

    @property
    def snapshot(self) -> AccountSnapshot:
        """The account; ``as_of_ms`` is the exchange time it was asked for."""
        ...

    @property
    def leg_ms(self) -> Mapping[tuple[str, Side], int]:
        """When each position last changed, exchange time; 0 where not said."""
        ...

    @property
    def asset_ms(self) -> Mapping[str, int]:
        """When each asset last changed, exchange time; 0 where not said."""
        ...


class Applied(NamedTuple):
    """What an event did."""

    changed: bool
    ask: str = ""  # why REST has to be asked, a short constant; empty if all is known


class Merge(NamedTuple):
    """What a REST reply did."""

    changed: bool
    held_back: bool  # it lags: something of it was older than what the stream told
    unannounced: tuple[str, ...]  # what it changed without an event having told, such as ``BTCUSDT BOTH``


class _Stamp(NamedTuple):
    at_ms: int
    event_ms: int  # _LAST after REST: events of the same moment are in it


_NEVER = _Stamp(0, 0)


class TrackedAccount:
    """The newest known state of one account. ``snapshot`` is None until the first merge.

    Args:
        contracts: static facts by symbol; may be replaced.
    """

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self.contracts = contracts
        self.snapshot: AccountSnapshot | None = None
        self._legs: dict[LegKey, Position] = {}
        self._balances: dict[str, float] = {}
        self._leg_stamps: dict[LegKey, _Stamp] = {}
        self._asset_stamps: dict[str, _Stamp] = {}
        self._leverage: dict[str, tuple[int, float]] = {}  # exchange time it was told, 0 by REST
        # What REST changed and no event told yet, with the time of the change known before. An event may still be
        # on its way.
        self._waiting: dict[LegKey | str, int] = {}

    @property
    def unannounced(self) -> tuple[str, ...]:
        """What REST changed and no event has told until now, sorted."""
        return _names(self._waiting)

    def forget_unannounced(self) -> None:
        """Draw a line: nothing before counts as unannounced any more."""
        self._waiting.clear()

    def apply(self, event: AccountUpdate | LeverageUpdate) -> Applied:
        """Take an event; does nothing before the first merge."""
        account = self.snapshot
        if account is None:
            return Applied(changed=False)
        if isinstance(event, LeverageUpdate):
            return self._lever(account, event)
        stamp = _Stamp(event.at_ms, event.event_ms)
        ask = ""
        for row in event.balances:
            self._heard(row.asset, stamp)
            if stamp >= self._asset_stamps.get(row.asset, _NEVER):
                ask = self._take_balance(account, row, stamp) or ask
        for leg in event.legs:
            key = (leg.symbol, leg.slot)
            self._heard(key, stamp)
            if stamp >= self._leg_stamps.get(key, _NEVER):
                ask = self._take_leg(account, leg, stamp) or ask
        return Applied(self._renew(account, stamp.at_ms, Source.STREAM), ask)

    def _heard(self, key: LegKey | str, stamp: _Stamp) -> None:
        if stamp.at_ms > self._waiting.get(key, _LAST):
            del self._waiting[key]

    def _take_balance(self, account: AccountSnapshot, row: BalanceRow, stamp: _Stamp) -> str:
        new = row.asset not in self._balances
        self._balances[row.asset] = row.cross
        self._asset_stamps[row.asset] = stamp
        return NEW_ASSET if new and row.cross and account.multi_assets else ""

    def _take_leg(self, account: AccountSnapshot, row: LegRow, stamp: _Stamp) -> str:
        key = (row.symbol, row.slot)
        self._leg_stamps[key] = stamp
        if not row.amount:
            self._legs.pop(key, None)
            return ""
        contract = self.contracts.get(row.symbol)
        if contract is None:
            return UNKNOWN_SYMBOL
        known = self._legs.get(key)
        leverage = self._leverage.get(row.symbol)
        self._legs[key] = Position(
            symbol=row.symbol,
            side=side_of(row.slot, row.amount),
            quantity=abs(row.amount),
            entry_price=row.entry,
            margin_mode=row.margin_mode,
            margin_asset=contract.margin_asset,
            margin=row.margin if row.margin_mode is MarginMode.ISOLATED else 0.0,
            contract_size=contract.contract_size,
            inverse=contract.inverse,
            leverage=None if leverage is None else leverage[1],
            auto_add_margin=known is not None and known.auto_add_margin,
        )
        if (row.slot != BOTH) is not account.hedge_mode:
            return OTHER_MODE
        return NEW_POSITION if known is None else ""

    def _lever(self, account: AccountSnapshot, event: LeverageUpdate) -> Applied:
        if event.at_ms < self._leverage.get(event.symbol, (0, 0.0))[0]:
            return Applied(changed=False)
        self._leverage[event.symbol] = (event.at_ms, event.leverage)
        for key, leg in self._legs.items():
            if leg.symbol == event.symbol:
                self._legs[key] = msgspec.structs.replace(leg, leverage=event.leverage)
        return Applied(self._renew(account, event.at_ms, Source.STREAM))

    def _renew(self, base: AccountSnapshot, at_ms: int, source: Source) -> bool:
        """Make the snapshot anew; return whether it differs in more than its time."""
        before = self.snapshot
        legs = tuple(self._legs[key] for key in sorted(self._legs))
        same = before is not None and (before.positions, before.balances) == (legs, self._balances)
        if same and base is before:
            return False
        as_of_ms = max(at_ms, base.as_of_ms)
        self.snapshot = msgspec.structs.replace(
            base, positions=legs, balances=dict(self._balances), as_of_ms=as_of_ms, source=source
        )
        return not same or before is None or _modes(before) != _modes(self.snapshot)

    def merge(self, reply: Reply) -> Merge:
        """Take a REST reply: it is right, except about what the stream has told newer things of."""
        first = self.snapshot is None
        tally = _Tally(reply.snapshot.as_of_ms)
        self._merge_legs(reply, tally)
        self._merge_balances(reply, tally)
        self._take_leverage(reply.snapshot, tally.asked_ms)
        changed = self._renew(reply.snapshot, tally.asked_ms, Source.REST)
        if first:
            return Merge(changed, held_back=False, unannounced=())
        self._waiting.update(tally.news)
        return Merge(changed, tally.held_back, _names(tally.news))

    def _merge_legs(self, reply: Reply, tally: "_Tally") -> None:
        hedged = reply.snapshot.hedge_mode
        theirs = {(leg.symbol, leg.side.value if hedged else BOTH): leg for leg in reply.snapshot.positions}
        times: dict[LegKey, int] = {}
        for (symbol, side), at_ms in reply.leg_ms.items():
            slot = (symbol, side.value if hedged else BOTH)
            times[slot] = max(at_ms, times.get(slot, 0))
        for key in {**self._legs, **theirs, **self._leg_stamps}:
            told = theirs.get(key)
            known = self._leg_stamps.get(key, _NEVER)
            differs = not _same_leg(self._legs.get(key), told)
            rest_ms = times.get(key, 0) or tally.asked_ms - ABSENCE_MS
            if tally.is_late(key, rest_ms, known, differs=differs):
                continue
            if told is None:
                self._legs.pop(key, None)
            else:
                self._legs[key] = told
            self._leg_stamps[key] = _Stamp(max(rest_ms, known.at_ms), _LAST)

    def _merge_balances(self, reply: Reply, tally: "_Tally") -> None:
        theirs = reply.snapshot.balances
        for asset in {**self._balances, **theirs}:
            known = self._asset_stamps.get(asset, _NEVER)
            differs = not _same(self._balances.get(asset, 0.0), theirs.get(asset, 0.0))
            rest_ms = reply.asset_ms.get(asset, 0) or tally.asked_ms - ABSENCE_MS
            if tally.is_late(asset, rest_ms, known, differs=differs):
                continue
            if asset in theirs:
                self._balances[asset] = theirs[asset]
            else:
                del self._balances[asset]
            self._asset_stamps[asset] = _Stamp(max(rest_ms, known.at_ms), _LAST)

    def _take_leverage(self, account: AccountSnapshot, asked_ms: int) -> None:
        for leg in account.positions:
            told_ms, _ = self._leverage.get(leg.symbol, (0, 0.0))
            if leg.leverage is not None and told_ms < asked_ms - ABSENCE_MS:
                self._leverage[leg.symbol] = (0, leg.leverage)
        for key, leg in self._legs.items():
            known = self._leverage.get(leg.symbol)
            if known is not None and known[1] != leg.leverage:
                self._legs[key] = msgspec.structs.replace(leg, leverage=known[1])


class _Tally:
    """What one merge finds."""

    def __init__(self, asked_ms: int) -> None:
        self.asked_ms = asked_ms
        self.held_back = False
        self.news: dict[LegKey | str, int] = {}  # with the time of the change known before

    def is_late(self, key: LegKey | str, rest_ms: int, known: _Stamp, *, differs: bool) -> bool:
        """Return whether REST lags behind the stream about one thing; note what that or a difference means."""
        if known.at_ms > rest_ms and self.asked_ms - known.at_ms < LAG_MS:
            self.held_back = self.held_back or differs
            return True
        if differs and rest_ms > known.at_ms:
            self.news[key] = known.at_ms
        return False


def _names(keys: Iterable[LegKey | str]) -> tuple[str, ...]:
    return tuple(sorted(key if isinstance(key, str) else " ".join(key) for key in keys))


def _modes(account: AccountSnapshot) -> tuple[object, ...]:
    return account.multi_assets, account.hedge_mode, account.rates


def _same(mine: float, theirs: float) -> bool:
    return abs(mine - theirs) <= max(_ABSOLUTE, _RELATIVE * max(abs(mine), abs(theirs)))


def _same_leg(mine: Position | None, theirs: Position | None) -> bool:
    """Whether two states of a position differ in nothing an event would have told."""
    if mine is None or theirs is None:
        return mine is theirs
    return (
        mine.side is theirs.side
        and mine.margin_mode is theirs.margin_mode
        and _same(mine.quantity, theirs.quantity)
        and _same(mine.margin, theirs.margin)
        and _same(mine.entry_price, theirs.entry_price)
    )
