"""The arithmetic of one position as lines of words. Every figure comes from the one evaluation; none is redone."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.columns import LEAST_AT_ENTRY
from monitor.core.layout import underlying
from monitor.core.model import MULTI_WALLET, Position, rate_symbols
from monitor.core.report import number
from monitor.core.risk import Readings, both_roots, evaluate_rows
from monitor.notify.reach import BEYOND, within_reach

FORMULA = "(balance + other PnL - other maintenance + sum cum - sum side q entry) / sum (q mmr - side q)"
INVERSE_FORMULA = (
    "sum q (mmr + side) / ((balance + other PnL - other maintenance + sum cum) / size + sum side q / entry), "
    "q in contracts of one size"
)
SHARED_FORMULA = "none is published: solved for the factor on the price at which nothing is left"

_ROUNDING = 1e-12


class Input(NamedTuple):
    """A price or a rate, where it came from and how old it is."""

    price: float
    source: str
    age_s: float | None

    @property
    def words(self) -> str:
        """Source and age, such as ``stream, 0.4 s old``."""
        return self.source if self.age_s is None else f"{self.source}, {self.age_s:.1f} s old"


class Step(msgspec.Struct, frozen=True):
    """One line of the arithmetic."""

    name: str
    arithmetic: str
    value: float | None
    unit: str = ""
    source: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """The arithmetic of one position."""

    account: str
    wallet: str
    symbol: str
    side: str
    steps: tuple[Step, ...]
    prescription: dict[str, Any] | None = None  # of its wallet, for programs; None where it is not known


class Explainer:
    """Puts one evaluation into words.

    Args:
        book: the columns, with rates and corrections set.
        readings: the evaluation, made of them.
        inputs: marks and rates that went in, by name.
        sources: where each account's positions and balances came from, by account name.
        more: further lines of a row.
    """

    def __init__(
        self,
        book: Book,
        readings: Readings,
        inputs: Mapping[str, Input],
        sources: Mapping[str, str],
        more: Callable[[int], Iterable[Step]] | None = None,
    ) -> None:
        self._book = book
        self._readings = readings
        self._inputs = inputs
        self._sources = sources
        self._more = more

    def explain(self, symbol: str) -> list[Explanation]:
        """Return the arithmetic of every position of a symbol."""
        return [
            Explanation(
                *self._book.wallets[int(self._book.row_wallet[row])].key,
                symbol,
                position.side.value,
                tuple(map(_unsigned_zero, self._steps(row))),
            )
            for row, position in enumerate(self._book.positions)
            if position.symbol == symbol
        ]

    def _steps(self, row: int) -> Iterator[Step]:
        yield from self._position(row)
        yield from self._others(row)
        yield from self._wallet(row)
        yield from self._liquidation(row)
        yield from self._together(row)
        if self._more is not None:
            yield from self._more(row)

    # One position, in its margin asset

    def _position(self, row: int) -> Iterator[Step]:
        book, readings, position = self._book, self._readings, self._book.positions[row]
        asset, source = position.margin_asset, self._source(row)
        given = self._inputs[position.symbol]
        notional, bracket, tier = (
            float(readings.notional[row]),
            int(readings.bracket[row]),
            int(book.row_tier[row]),
        )
        mmr, cum = float(book.tiers.mmr[tier][bracket]), float(book.tiers.cum[tier][bracket])
        yield Step("mark price", "", given.price, source=given.words)
        yield Step("contracts" if position.inverse else "quantity", "", position.quantity, source=source)
        if position.inverse:
            yield Step("contract size", "in the quote asset", position.contract_size, source=source)
        yield Step("entry price", "", position.entry_price, source=source)
        if book.wallets[int(book.row_wallet[row])].key.wallet != MULTI_WALLET:
            balance = float(book.wallet_balance[int(book.row_wallet[row])])
            yield Step("wallet balance", "", balance, asset, source)
        yield Step("notional", _notional_words(position, given.price), notional, asset)
        words = _bracket_words(book, tier, bracket)
        yield Step("bracket", words, bracket + 1, source=f"tiers: {book.brackets_label(row)}")
        maintenance = float(readings.position_maintenance[row])
        yield Step("maintenance margin", f"{_n(notional)} x {_n(mmr)} - {_n(cum)}", maintenance, asset)
        yield Step("unrealized PnL", _pnl_words(position, given.price), float(readings.unrealized_pnl[row]), asset)

    def _others(self, row: int) -> Iterator[Step]:
        for other in self._book.rows_of(int(self._book.row_wallet[row])):
            if other == row:
                continue
            leg, at = self._book.positions[other], self._inputs[self._book.positions[other].symbol]
            name = f"{leg.symbol} {leg.side.value}"
            pnl, maintenance = self._readings.unrealized_pnl[other], self._readings.position_maintenance[other]
            yield Step(f"  {name} PnL", f"at {_n(at.price)}", float(pnl), leg.margin_asset, at.words)
            yield Step(
                f"  {name} maintenance", "same wallet", float(maintenance), leg.margin_asset,
                f"tiers: {self._book.brackets_label(other)}",
            )  # fmt: skip

    # The wallet, in its asset

    def _wallet(self, row: int) -> Iterator[Step]:
        book, readings, wallet = self._book, self._readings, int(self._book.row_wallet[row])
        info, balance = book.wallets[wallet], float(book.wallet_balance[wallet])
        margin_balance, required = (
            float(readings.margin_balance[wallet]),
            float(readings.maintenance_margin[wallet]),
        )
        if info.key.wallet == MULTI_WALLET:
            slots = np.flatnonzero(book.slot_wallet == wallet).tolist()
            assets = [_Asset(book, readings, slot, self._inputs, self._source(row)) for slot in slots]
            for asset in assets:
                yield from asset.steps()
            worth = _sum([asset.value for asset in assets])
            parts = [asset.required for asset in assets if asset.rows]
        else:
            pnl = [float(readings.unrealized_pnl[r]) for r in book.rows_of(wallet)]
            worth = _sum([balance, *pnl])
            parts = [float(readings.position_maintenance[r]) for r in book.rows_of(wallet)]
        less, extra = float(book.less_balance[wallet]), float(book.extra_maintenance[wallet])
        lower = "less what the exchange's worse figures take off, see audit" if less else ""
        yield Step("margin balance", f"{worth} - {_n(less)}" if less else worth, margin_balance, info.asset, lower)
        if len(parts) > 1 or extra or info.key.wallet == MULTI_WALLET:
            higher = "with what the exchange's higher figure adds, see audit" if extra else ""
            words = _sum([*parts, extra] if extra else parts)
            yield Step("wallet maintenance", words, required, info.asset, higher)
        cushion, ratio = float(readings.cushion[wallet]), float(readings.margin_ratio[wallet])
        yield Step("cushion", f"{_n(margin_balance)} - {_n(required)}", cushion, info.asset)
        yield Step(
            "margin ratio", f"{_n(required)} / {_n(margin_balance)}, 1 is liquidation", number(ratio),
            "used up" if ratio == float("inf") else "",
        )  # fmt: skip
        yield Step("room", self._room(wallet, cushion), float(readings.room[wallet]))

    def _room(self, wallet: int, cushion: float) -> str:
        """Say what room is measured by: what was left at entry, or maintenance, where next to nothing was."""
        scale = float(self._book.room_scale[wallet])
        if not scale:
            return "nothing is required at entry, so there is no way to go"
        if self._book.hollow[wallet]:
            at_entry = 1.0 / (scale * LEAST_AT_ENTRY)
            return f"{_n(cushion)} / ({LEAST_AT_ENTRY:g} x {_n(at_entry)} maintenance at entry), at most 1"
        balance = float(self._book.wallet_balance[wallet])
        at_entry = balance - 1.0 / scale
        return f"{_n(cushion)} / ({_n(balance)} - {_n(at_entry)} maintenance at entry), at most 1"

    # The liquidation price, explained by standing at it: brackets there, and the cushion, which must be nothing

    def _liquidation(self, row: int) -> Iterator[Step]:
        book, readings, position = self._book, self._readings, self._book.positions[row]
        shared = book.wallets[int(book.row_wallet[row])].key.wallet == MULTI_WALLET
        roots = [root for root in both_roots(book, readings, row) if root is not None]
        if not roots:
            yield Step("liquidation price", "no price above 0 of this symbol alone brings the cushion to 0", None)
        else:
            words = SHARED_FORMULA if shared else INVERSE_FORMULA if position.inverse else FORMULA
            yield Step("formula", words, None, source="brackets are those at the liquidation price")
        chosen, mark = float(readings.liquidation_price[row]), float(readings.marks[row])
        for root in roots:
            name = "liquidation price" if root == chosen else "liquidation the other way"
            if within_reach(root, mark) is None:
                yield Step(name, BEYOND, None)
                continue
            yield from self._standing(name, "all else fixed; " if shared else "", row, root)
        if roots and within_reach(chosen, mark) is not None:
            yield Step("distance", f"|{_n(mark)} - {_n(chosen)}| / {_n(mark)}", float(readings.distance[row]))
        linked = float(readings.linked_distance[row])
        if shared and np.isnan(linked) and roots:
            base = underlying(position)
            yield Step(f"with {base} collateral", "no move of both by one factor brings the cushion to 0", None)
        elif shared and 0 < linked != readings.distance[row]:
            yield from self._linked(row, mark, linked)

    def _linked(self, row: int, mark: float, linked: float) -> Iterator[Step]:
        """Explain the nearer price at which collateral of the same underlying moves along."""
        base, wallet = underlying(self._book.positions[row]), int(self._book.row_wallet[row])
        # The distance does not say which way; the way is right on which nothing is left.
        price = min(
            (mark * (1 - linked), mark * (1 + linked)),
            key=lambda price: abs(self._there(row, price, base)[0].cushion[wallet]),
        )
        words = f"{base} collateral moves along, to {_n(price / mark)} of its value; "
        yield from self._standing(f"with {base} collateral", words, row, price, base)
        words = f"|{_n(mark)} - {_n(price)}| / {_n(mark)}: the one levels go by"
        yield Step("linked distance", words, linked)

    def _standing(self, name: str, words: str, row: int, price: float, base: str = "") -> Iterator[Step]:
        book, wallet = self._book, int(self._book.row_wallet[row])
        there, scale = self._there(row, price, base)
        brackets = ", ".join(
            f"{book.positions[r].side.value} in bracket {int(there.bracket[r]) + 1} "
            f"(mmr {_n(float(book.tiers.mmr[book.row_tier[r]][there.bracket[r]]))}, "
            f"cum {_n(float(book.tiers.cum[book.row_tier[r]][there.bracket[r]]))})"
            for r in self._legs(row)
        )
        yield Step(name, f"{words}{brackets}", price)
        left = float(there.cushion[wallet])
        left = 0.0 if abs(left) <= _ROUNDING * scale else left
        yield Step("  cushion there", "", left, book.wallets[wallet].asset)

    def _there(self, row: int, price: float, base: str) -> tuple[Readings, float]:
        """Return the evaluation at a price of the row's symbol, and what its cushion is a difference of.

        A rest this small beside that sum is what floats leave behind. Collateral in ``base`` moves along.
        """
        book, wallet = self._book, int(self._book.row_wallet[row])
        prices = self._readings.marks.copy()
        prices[self._legs(row)] = price
        if base:
            moved: Floats = book.slot_balance.copy()
            mine = [
                slot for slot, asset in enumerate(book.slot_assets)
                if asset == base and book.slot_wallet[slot] == wallet
            ]  # fmt: skip
            moved[mine] *= price / float(self._readings.marks[row])
            book = replace(book, slot_balance=moved)
        there = evaluate_rows(book, prices)
        scale = abs(float(book.wallet_balance[wallet])) + sum(
            float(there.notional[r] * book.slot_ask[book.row_slot[r]]) for r in book.rows_of(wallet)
        )
        return there, scale

    def _legs(self, row: int) -> list[int]:
        rows, symbol = self._book.rows_of(int(self._book.row_wallet[row])), self._book.positions[row].symbol
        return [r for r in rows if self._book.positions[r].symbol == symbol]

    def _together(self, row: int) -> Iterator[Step]:
        wallet = int(self._book.row_wallet[row])
        symbols = {self._book.positions[r].symbol for r in self._book.rows_of(wallet)}
        joint = number(self._readings.joint_distance[wallet])
        if self._book.wallets[wallet].key.wallet == MULTI_WALLET:
            words = f"{_marks(len(symbols))} of the wallet and its collateral moved by one factor"
            yield Step("joint distance", words, joint)
        elif len(symbols) > 1:
            yield Step("joint distance", f"{_marks(len(symbols))} of the wallet moved by one factor", joint)

    def _source(self, row: int) -> str:
        return self._sources.get(self._book.wallets[int(self._book.row_wallet[row])].key.account, "")


class _Asset:
    """One asset of a wallet in multi-assets mode."""

    def __init__(
        self, book: Book, readings: Readings, slot: int, inputs: Mapping[str, Input], source: str
    ) -> None:
        self._name = book.slot_assets[slot]
        self._source = source
        self._inputs = inputs
        self._rated = slot in book.rated_slots
        self.rows = np.flatnonzero(book.row_slot == slot).tolist()
        self._balance = float(book.slot_balance[slot])
        self._pnl = [float(readings.unrealized_pnl[row]) for row in self.rows]
        self._needed = [float(readings.position_maintenance[row]) for row in self.rows]
        self._equity = self._balance + sum(self._pnl)
        self._bid, self._ask = float(book.slot_bid[slot]), float(book.slot_ask[slot])
        self._owned = self._equity >= 0
        self.value = self._equity * (self._bid if self._owned else self._ask)
        self.required = sum(self._needed) * self._ask

    def steps(self) -> Iterator[Step]:
        """Yield balance, PnL, equity, value and requirement."""
        name = self._name
        yield Step(f"{name} balance", "", self._balance, name, self._source)
        if self.rows:
            yield Step(f"{name} PnL", _sum(self._pnl), sum(self._pnl), name)
            yield Step(f"{name} equity", _sum([self._balance, sum(self._pnl)]), self._equity, name)
        rate, why = (self._bid, "bid, while owned") if self._owned else (self._ask, "ask, while owed")
        words = f"{_n(self._equity)} x {_n(rate)} ({why})"
        yield Step(f"{name} value", words, self.value, "USD", self._rate_source(ask=not self._owned))
        if self.rows:
            words = f"({_sum(self._needed)}) x {_n(self._ask)} (ask)" if len(self.rows) > 1 else (
                f"{_n(self._needed[0])} x {_n(self._ask)} (ask)"
            )  # fmt: skip
            yield Step(f"{name} maintenance", words, self.required, "USD", self._rate_source(ask=True))

    def _rate_source(self, *, ask: bool) -> str:
        if not self._rated:
            return "at par" if self._bid == self._ask == 1.0 else "rate: configuration"
        given = self._inputs.get(rate_symbols(self._name)[ask])
        return f"rate: {given.words}" if given is not None else "rate: newest snapshot"


def _notional_words(position: Position, price: float) -> str:
    if position.inverse:
        return f"{_n(position.quantity)} x {_n(position.contract_size)} / {_n(price)}"
    return f"{_n(position.quantity)} x {_n(price)}"


def _pnl_words(position: Position, price: float) -> str:
    sign = "-" if position.side == "SHORT" else ""
    if position.inverse:
        return (
            f"{sign}{_n(position.quantity)} x {_n(position.contract_size)} x "
            f"(1/{_n(position.entry_price)} - 1/{_n(price)})"
        )
    return f"{sign}{_n(position.quantity)} x ({_n(price)} - {_n(position.entry_price)})"


def _bracket_words(book: Book, tier: int, bracket: int) -> str:
    floors = book.tiers.floors[tier]
    floor = float(floors[bracket])
    last = bracket + 1 >= len(floors) or float(floors[bracket + 1]) == float("inf")
    above = "" if last else f" < {_n(float(floors[bracket + 1]))}"
    rate, amount = float(book.tiers.mmr[tier][bracket]), float(book.tiers.cum[tier][bracket])
    return f"{_n(floor)} <= notional{above}: mmr {_n(rate)}, cum {_n(amount)}"


def _marks(count: int) -> str:
    return "the mark" if count == 1 else f"all {count} marks"


def _sum(parts: Sequence[float]) -> str:
    """Return a sum in words, such as ``5000 - 500 + 20``."""
    head, *rest = parts
    return " ".join([_n(head), *(f"{'-' if part < 0 else '+'} {_n(abs(part))}" for part in rest)])


def _unsigned_zero(step: Step) -> Step:
    return msgspec.structs.replace(step, value=0.0) if step.value == 0 else step


def plain_number(value: float, figures: int = 12) -> str:
    """Return a figure without an exponent, and never as -0."""
    text = f"{value or 0.0:.{figures}g}"
    return f"{Decimal(text):f}" if "e" in text else text


_n = plain_number
