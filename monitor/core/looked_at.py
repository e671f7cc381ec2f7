"""What a checkup looks at, and one account of it from all sides. Pure."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.core.book import Book
from monitor.core.layout import QUOTE_ASSETS
from monitor.core.model import AccountSnapshot, MarginMode, Position, Side, Source, SubjectKey
from monitor.core.moves import moves_left
from monitor.core.notices import Finding, FindingCode
from monitor.core.report import number
from monitor.core.risk import Readings, evaluate_rows
from monitor.core.scene import Scene
from monitor.core.settings import AdviceRules, CheckupRules
from monitor.core.stops import Place, apart, stops_by_leg
from monitor.core.surroundings import OrdersKnown, Surroundings

DOLLARS = "USD"  # what amounts of an account are in that holds several quote assets, each worth one
HOURS = 24.0  # of a day
OLDEST_MS = 1_800_000  # orders that were told longer ago are not known any more; they are told each ten minutes


class Seen(NamedTuple):
    """All that a checkup looks at."""

    accounts: tuple[AccountSnapshot, ...]
    book: Book  # compiled of them
    readings: Readings  # at the newest marks
    typical: Mapping[str, float]  # standard deviation of the log return of one hour, by symbol; absent: not known
    moves_left: Mapping[SubjectKey, float]  # of wallets; absent: not known
    around: Surroundings
    rules: CheckupRules
    advice: AdviceRules = AdviceRules()
    assumed: frozenset[str] = frozenset()  # symbols without a mark, whose entry prices stand in
    now_ms: int = 0  # exchange time; 0: what is known of orders is of now


def seen_of(scene: Scene, around: Surroundings, now_ms: int) -> Seen:
    """Return what a checkup of the running engine looks at, at a wall time."""
    book, settings = scene.book, scene.settings
    typical = zip(scene.moves.names, scene.moves.typical.tolist(), strict=True)
    left = zip(book.wallets, moves_left(scene.readings.cushion, scene.deviation).tolist(), strict=True)
    return Seen(
        accounts=tuple(scene.accounts.values()),
        book=book,
        readings=scene.readings,
        typical={name: move for name, move in typical if not math.isnan(move)},
        moves_left={info.key: moves for info, moves in left if not math.isnan(moves)},
        around=msgspec.structs.replace(around, lots=settings.lots | around.lots),
        rules=settings.checkup,
        advice=settings.advice,
        assumed=frozenset(book.symbols) - scene.marks.keys(),
        now_ms=now_ms,
    )


class Leg(NamedTuple):
    """One position with its row."""

    account: AccountSnapshot
    position: Position
    row: int
    wallet: int
    place: Place | None  # None: its mark, or one that its wallet needs, is not known

    @property
    def isolated(self) -> bool:
        """Whether it has a wallet of its own."""
        return self.position.margin_mode is MarginMode.ISOLATED

    @property
    def hedged_with(self) -> tuple[int, str]:
        """What the other leg of a hedge has in common with it."""
        return self.wallet, self.position.symbol


class AccountSeen:
    """One account: its legs, what all of its margin is, and what is known of its orders.

    Legs of wallets whose margin is used up stand apart: they may be gone already.
    """

    def __init__(self, seen: Seen, account: AccountSnapshot, legs: tuple[Leg, ...], ends: "DayEnds") -> None:
        self.seen = seen
        self.account = account
        self.used_up = tuple(
            leg for leg in legs if leg.place is not None and not seen.readings.cushion[leg.wallet] > 0.0
        )
        gone = {leg.row for leg in self.used_up}
        self.legs = tuple(leg for leg in legs if leg.row not in gone)
        self.ends = ends
        self.orders = _orders(seen, account.account)
        self.stops = stops_by_leg(() if self.orders is None else self.orders.orders)
        self._told = frozenset(() if self.orders is None else self.orders.symbols)
        sums = self._margins()
        self.margins = {unit: total for unit, total in sums.items() if total > 0.0}
        self.owing = frozenset(unit for unit, total in sums.items() if total <= 0.0)
        self._sides: dict[tuple[int, str], set[Side]] = {}
        for leg in legs:
            self._sides.setdefault(leg.hedged_with, set()).add(leg.position.side)
        of_side = ({leg.position.symbol for leg in legs if leg.position.side is side} for side in Side)
        self._both = set.intersection(*of_side)

    @property
    def typed(self) -> bool:
        """Whether it is typed in."""
        return self.account.source is Source.GIVEN

    def looks_for(self, code: FindingCode) -> bool:
        """Return whether a finding of a code is told; what its owner lives with bounds no advice either."""
        return code.value not in self.seen.rules.ignore

    def orders_known(self, leg: Leg) -> bool:
        """Return whether it is known what waits for a leg: all orders of its symbol, or at least a stop of it."""
        return leg.position.symbol in self._told or (leg.position.symbol, leg.position.side) in self.stops

    def is_hedged(self, leg: Leg) -> bool:
        """Return whether the same wallet holds the other direction of the symbol too."""
        return len(self._sides[leg.hedged_with]) > 1

    def has_other_side(self, leg: Leg) -> bool:
        """Return whether the account holds the other direction of the symbol, in whatever wallet."""
        return leg.position.symbol in self._both

    def notional(self, leg: Leg) -> float:
        """Return a leg's notional in what its wallet is counted in."""
        return self.worth(leg, float(self.seen.readings.notional[leg.row]))

    def worth(self, leg: Leg, amount: float) -> float:
        """Return an amount of a leg's margin asset in what its wallet is counted in."""
        return amount * float(self.seen.book.slot_ask[self.seen.book.row_slot[leg.row]])

    def margin_of(self, leg: Leg) -> float | None:
        """Return the margin balance of all the account that is counted like a leg; None where not known."""
        return self.margins.get(self.unit(leg))

    def unit(self, leg: Leg) -> str:
        """Return what a leg's share of the account is counted in."""
        return _unit(self.seen.book.wallets[leg.wallet].asset)

    def _margins(self) -> dict[str, float]:
        """Return the margin balance of the account by what it is counted in; NaN where it is not known.

        With one wallet used up nobody knows what the account still has.
        """
        sums: dict[str, float] = {}
        if self.used_up:
            return sums
        for i, info in enumerate(self.seen.book.wallets):
            if info.key.account == self.account.account:
                unit = _unit(info.asset)
                sums[unit] = sums.get(unit, 0.0) + float(self.seen.readings.margin_balance[i])
        return sums

    def found(
        self, code: FindingCode, leg: Leg, *, value: float | None = None, limit: float | None = None,
        price: float | None = None, remedy: float | None = None,
    ) -> Finding:  # fmt: skip
        """Return a finding about a position."""
        position, info, place = leg.position, self.seen.book.wallets[leg.wallet], leg.place
        return Finding(
            f"{code.value}/{self.account.account}/{position.symbol}/{position.side.value}", code,
            self.account.account, info.key.wallet, position.symbol, position.side.value, isolated=leg.isolated,
            value=value, limit=limit, price=price, mark=None if place is None else place.mark,
            liquidation_price=None if place is None else place.liquidation, remedy=remedy, asset=info.asset,
            typed=self.typed,
        )  # fmt: skip


def _orders(seen: Seen, account: str) -> OrdersKnown | None:
    """Return what is known of an account's orders: told by the exchange not long ago, else typed in."""
    typed = (one for one in seen.rules.typed_orders if one.account == account)
    told = seen.around.orders.get(account)
    if told is not None and (not seen.now_ms or seen.now_ms - told.at_ms <= OLDEST_MS):
        return told
    return next(typed, None)


class DayEnds:
    """What a typical day's move would make of each position; evaluated once, and only where it is asked for."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._moved: dict[bool, Readings] = {}
        self._changed: dict[tuple[int, bool], dict[str, float]] = {}
        self._least: dict[int, list[tuple[float, str]]] = {}

    def cushion(self, leg: Leg, *, upward: bool) -> float:
        """Return the cushion of a leg's wallet after such a move of its symbol alone, in the wallet's asset."""
        changes = self._changes(leg.wallet, upward=upward)
        return float(self._seen.readings.cushion[leg.wallet]) + changes[leg.position.symbol]

    def least_beside(self, leg: Leg) -> float:
        """Return the least cushion of a leg's wallet after a move of any other symbol of it, either way, or none.

        Symbols whose typical move is not known take no part.
        """
        if leg.wallet not in self._least:
            lowest: dict[str, float] = {}
            for upward in (False, True):
                for symbol, change in self._changes(leg.wallet, upward=upward).items():
                    lowest[symbol] = min(lowest.get(symbol, 0.0), change)  # the smaller is 0 where it is not known
            self._least[leg.wallet] = sorted((change, symbol) for symbol, change in lowest.items())[:2]
        beside = (change for change, symbol in self._least[leg.wallet] if symbol != leg.position.symbol)
        return float(self._seen.readings.cushion[leg.wallet]) + next(beside, 0.0)

    def needed(self, leg: Leg, *, upward: bool, anew: bool = False) -> float:
        """Return the margin that a leg, isolated, has to have to outlast such a move, in its asset.

        Args:
            leg: the position.
            upward: the direction of the move.
            anew: as if it were opened at its mark.
        """
        then = self._after(upward=upward)
        begun = float(self._seen.readings.unrealized_pnl[leg.row]) if anew else 0.0
        return float(then.position_maintenance[leg.row] - then.unrealized_pnl[leg.row]) + begun

    def _after(self, *, upward: bool) -> Readings:
        if upward not in self._moved:
            book, root = self._seen.book, math.sqrt(HOURS)
            hourly = [self._seen.typical.get(position.symbol, math.nan) for position in book.positions]
            move = np.array(hourly) * (root if upward else -root)
            self._moved[upward] = evaluate_rows(book, self._seen.readings.marks * np.exp(move))
        return self._moved[upward]

    def _changes(self, wallet: int, *, upward: bool) -> dict[str, float]:
        """Return what such a move of each symbol of a wallet, by itself, changes of its cushion."""
        if (wallet, upward) not in self._changed:
            book, now, then = self._seen.book, self._seen.readings, self._after(upward=upward)
            changes: dict[str, float] = {}
            for row in book.rows_of(wallet):
                before = float(now.unrealized_pnl[row] - now.position_maintenance[row])
                after = float(then.unrealized_pnl[row] - then.position_maintenance[row])
                symbol = book.positions[row].symbol
                changes[symbol] = changes.get(symbol, 0.0) + after - before
            self._changed[wallet, upward] = changes
        return self._changed[wallet, upward]


def day_move(hourly: float, *, upward: bool) -> float:
    """Return a typical day's move as a fraction of the mark; moves of an hour add up by the root of time.

    Args:
        hourly: standard deviation of the log return of one hour, >= 0.
        upward: the price rises; a fall of the same log return is the smaller fraction.
    """
    move = hourly * math.sqrt(HOURS)
    return math.expm1(move) if upward else -math.expm1(-move)


def legs_of(seen: Seen) -> dict[str, tuple[Leg, ...]]:
    """Return the positions that are held, by account."""
    book, readings = seen.book, seen.readings
    accounts = {account.account: account for account in seen.accounts}
    legs: dict[str, list[Leg]] = {}
    assumed = {int(book.row_wallet[i]) for i, p in enumerate(book.positions) if p.symbol in seen.assumed}
    for row, position in enumerate(book.positions):
        wallet = int(book.row_wallet[row])
        name = book.wallets[wallet].key.account
        if not position.quantity > 0.0 or name not in accounts:
            continue
        place = None
        if not math.isnan(readings.cushion[wallet]) and wallet not in assumed:
            liquidation = number(readings.liquidation_price[row])
            place = Place(position.side, float(readings.marks[row]), liquidation, apart(seen.advice))
        legs.setdefault(name, []).append(Leg(accounts[name], position, row, wallet, place))
    return {name: tuple(found) for name, found in legs.items()}


def _unit(asset: str) -> str:
    """Return in what the share of an asset in an account is counted: quote assets are worth a dollar each."""
    return DOLLARS if asset in QUOTE_ASSETS or asset == DOLLARS else asset
