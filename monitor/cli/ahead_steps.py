"""What is ahead of a position as lines of arithmetic. Every figure is of an evaluation; none is redone."""

from collections.abc import Iterator

import numpy as np

from monitor.cli.steps import Step
from monitor.core.ahead import (
    BEYOND,
    FRESH_MS,
    Due,
    Moment,
    brackets_ahead,
    collateral_ahead,
    funding_ahead,
    payments,
)
from monitor.core.book import Book
from monitor.core.deleveraging import queue_ahead
from monitor.core.model import Level
from monitor.core.notices import Cause
from monitor.core.report import number
from monitor.core.risk import Readings
from monitor.core.rules import compile_thresholds, conditions, reached
from monitor.core.settings import EngineSettings
from monitor.core.surroundings import Surroundings
from monitor.notify.causes import funding_rate, ratio_shift, shift
from monitor.notify.numbers import percent, span

_NOT_ASKED = "not known: a running daemon asks the exchange for it"
_ASKED = "not known yet: the running daemon asks the exchange for it, within a minute or so of its start"
_FIRST = 4  # in the queue for auto-deleveraging


class Ahead:
    """Puts what is ahead of wallets into steps.

    Args:
        book: the columns, with rates and corrections set.
        readings: the evaluation, made of them.
        settings: whose conditions count; those on moves left take no part.
        around: what is known around positions.
        now_ms: our wall clock.
        watched: a daemon answered, which is who asks the exchange.
    """

    def __init__(
        self, book: Book, readings: Readings, settings: EngineSettings, around: Surroundings, now_ms: int,
        *, watched: bool = False,
    ) -> None:  # fmt: skip
        self._around = around
        self._unasked = _ASKED if watched else _NOT_ASKED
        limits = compile_thresholds(book, settings)
        unknown = np.full(len(book.wallets), np.nan)
        self._here = Moment(
            book, readings, limits, reached(conditions(book, limits, readings)), unknown,
            ~np.isnan(readings.cushion), now_ms,
        )  # fmt: skip
        self._funding = list(funding_ahead(self._here, around.funding))
        self._brackets = list(brackets_ahead(self._here))
        self._collateral = list(collateral_ahead(self._here))
        self._queue = list(queue_ahead(self._here, around.adl))

    def steps(self, row: int) -> Iterator[Step]:
        """Yield funding, the next bracket, collateral and the place in the queue of a row of the book."""
        if np.isnan(self._here.readings.cushion[self._here.book.row_wallet[row]]):
            return
        yield from self._of_funding(row)
        yield from self._of_brackets(row)
        yield from self._of_collateral(row)
        yield from self._of_queue(row)

    def _of_funding(self, row: int) -> Iterator[Step]:
        book, position = self._here.book, self._here.book.positions[row]
        one = self._around.funding.get(position.symbol)
        if one is None:
            yield Step("next funding", self._unasked, None)
            return
        if (age_ms := abs(self._here.now_ms - one.told_ms)) > FRESH_MS:
            most, age = span(FRESH_MS / 1000), span(age_ms / 1000)
            yield Step("next funding", f"not known: what the exchange told is {age} old, more than {most}", None)
            return
        left_s = (one.next_ms - self._here.now_ms) / 1000
        if left_s <= 0:
            yield Step("next funding", "it is being settled", None)
            return
        rate = np.array([one.rate if symbol == position.symbol else 0.0 for symbol in book.symbols])
        paid = number(payments(book, self._here.readings, rate)[row])
        told = f"told {span((self._here.now_ms - one.told_ms) / 1000)} ago"
        notional = f"{float(self._here.readings.notional[row]):.12g} x {funding_rate(one.rate)}"
        sign = "a positive rate is paid by LONG and received by SHORT"
        yield Step("next funding", f"in {span(left_s)}: {notional}; {sign}", paid, position.margin_asset, told)
        for due in self._mine(self._funding, row):
            if due.at_ms == one.next_ms:
                yield Step("  of the wallet", "all its positions that are due then", due.amount, due.asset)
                yield from _figures(due)

    def _of_brackets(self, row: int) -> Iterator[Step]:
        position = self._here.book.positions[row]
        for due in self._mine(self._brackets, row):
            if (due.symbol, due.side) == (position.symbol, position.side.value):
                rates = f"maintenance rate {percent(due.rate_before)} -> {percent(due.rate_after)}"
                way = f"{percent(abs(due.move or 0.0))} {'up' if (due.move or 0.0) > 0 else 'down'}"
                yield Step("next bracket", f"at this price, {way}: {rates}; it is continuous there", due.price)
                yield Step("  required there", "", due.required, position.margin_asset)
                yield Step(f"  {percent(BEYOND)} beyond", "", due.beyond, position.margin_asset)
                return
        yield Step("next bracket", "none above the present notional", None)

    def _of_collateral(self, row: int) -> Iterator[Step]:
        for due in self._mine(self._collateral, row):
            if due.move is None:
                words = f"counts {percent(due.rate_before)}, then {percent(due.rate_after)}"
                yield Step(f"{due.asset} cut by 5 points", words, due.amount, "USD")
            else:
                along = f"; {due.symbol} with it" if due.symbol else ""
                yield Step(f"{due.asset} falls {percent(abs(due.move))}", f"its index{along}", due.amount, "USD")
            yield from _figures(due)

    def _of_queue(self, row: int) -> Iterator[Step]:
        book, position = self._here.book, self._here.book.positions[row]
        account = book.wallets[int(book.row_wallet[row])].key.account
        known = self._around.adl.get(account)
        if known is None or abs(self._here.now_ms - known.at_ms) > FRESH_MS:
            return
        place = known.quantiles.get(position.symbol, {}).get(position.side)
        if place is None:
            return
        words = f"{place} of {_FIRST} for auto-deleveraging: {_FIRST} is closed first, against the owner's will"
        yield Step("place in the queue", words, float(place))
        for due in self._mine(self._queue, row):
            if (due.symbol, due.side) == (position.symbol, position.side.value) and due.hedge:
                yield Step("  it is a hedge's leg", "the other leg would stay alone", None)
                yield from _figures(due)

    def _mine(self, found: list[Due], row: int) -> Iterator[Cause]:
        wallet = int(self._here.book.row_wallet[row])
        return (due.cause for due in found if due.wallet == wallet)


def _figures(cause: Cause) -> Iterator[Step]:
    """Yield what the wallet would be like."""
    before, after = cause.before, cause.after
    if before is None or after is None:
        return
    then = f"; {cause.level.label} then" if cause.level > Level.OK else ""
    yield Step("  ratio then", ratio_shift(before, after) + then, after.margin_ratio)
    yield Step("  room then", shift(before.room, after.room), after.room)
    whose = f"of {after.symbol} {after.side}, the wallet's worst position"
    yield Step("  liquidation price then", whose, after.liquidation_price)
