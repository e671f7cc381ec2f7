"""What is ahead of positions that stand first in the queue for auto-deleveraging.

When the insurance fund cannot take over a liquidation, the exchange closes positions of those who profit most with
the most leverage, at about the mark and without a fee, whatever their owners want. Whoever holds one side alone
loses a position; whoever holds both loses one leg of a hedge, and what was none is a bet from then on.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from monitor.core.ahead import FRESH_MS, Due, Moment, higher, known
from monitor.core.book import Book, Floats
from monitor.core.compile import copied, patch, with_funds
from monitor.core.model import AccountSnapshot, Level, MarginMode
from monitor.core.notices import Cause, CauseKind
from monitor.core.report import after_of, worst_row
from monitor.core.risk import Readings, evaluate_rows
from monitor.core.settings import AdviceRules
from monitor.core.surroundings import AdlKnown
from monitor.core.whatif import close

NEAR_FRONT: Final = 3  # of 4
_MOST_LEGS: Final = 4  # of one wallet that are judged, the largest first
_FREE: Final = AdviceRules(taker_fee=0.0, slippage=0.0)

Deviations = Callable[[Book, Readings], Floats]  # of each wallet's one-hour change of cushion, shape (w,)


class _Leg(NamedTuple):
    row: int
    quantile: int
    hedge: bool


def queue_ahead(
    moment: Moment, adl: Mapping[str, AdlKnown], deviations: Deviations | None = None, least: int = NEAR_FRONT
) -> Iterator[Due]:
    """Yield the positions near the front of the queue; of four places the fourth is the first to be closed.

    For a leg of a hedge within one cross wallet ``before`` and ``after`` are the wallet with it and without it,
    closed at the mark. A hedge of isolated positions is told as one, and each of its wallets stays as it is.

    Args:
        moment: how everything stands.
        adl: places by account; what is old is left out.
        deviations: what the cushion of a changed book does in an hour, since a hedge that is gone held it still;
            None: as for the present one.
        least: the lowest place that is yielded.
    """
    legs = _legs(moment, adl, least)
    open_ = [leg for leg in legs if leg.hedge and _is_cross(moment.book, leg.row)]
    found: dict[int, Cause] = {}
    for turn in _turns(moment, open_):
        found |= _without(moment, turn, deviations)
    for leg in legs:
        position, wallet = moment.book.positions[leg.row], int(moment.book.row_wallet[leg.row])
        cause = Cause(
            CauseKind.ADL, position.symbol, position.side.value, position.margin_asset, quantile=leg.quantile,
            hedge=leg.hedge,
        )  # fmt: skip
        yield Due(wallet, found.get(leg.row, cause))


def _legs(moment: Moment, adl: Mapping[str, AdlKnown], least: int) -> list[_Leg]:
    book = moment.book
    judged = known(moment)[book.row_wallet]
    current = {name: one.quantiles for name, one in adl.items() if abs(moment.now_ms - one.at_ms) <= FRESH_MS}
    held: dict[tuple[str, str], set[str]] = {}
    accounts = [info.key.account for info in book.wallets]
    rows = [
        (row, accounts[int(book.row_wallet[row])], position)
        for row, position in enumerate(book.positions)
        if position.quantity > 0
    ]
    for _, account, position in rows:
        held.setdefault((account, position.symbol), set()).add(position.side.value)
    found = []
    for row, account, position in rows:
        quantile = current.get(account, {}).get(position.symbol, {}).get(position.side, 0)
        if judged[row] and quantile >= least:
            found.append(_Leg(row, quantile, len(held[account, position.symbol]) > 1))
    return found


def _is_cross(book: Book, row: int) -> bool:
    return book.positions[row].margin_mode is MarginMode.CROSS


def _turns(moment: Moment, legs: list[_Leg]) -> Iterator[list[_Leg]]:
    """Yield legs, at most one of each wallet at a time: what closes in one wallet leaves the others alone."""
    by_wallet: dict[int, list[_Leg]] = {}
    for leg in sorted(legs, key=lambda leg: -float(moment.readings.notional[leg.row])):
        by_wallet.setdefault(int(moment.book.row_wallet[leg.row]), []).append(leg)
    for turn in range(min(_MOST_LEGS, max(map(len, by_wallet.values()), default=0))):
        yield [mine[turn] for mine in by_wallet.values() if turn < len(mine)]


def _without(moment: Moment, legs: list[_Leg], deviations: Deviations | None) -> dict[int, Cause]:
    """Return the causes of these legs by row, from one evaluation of the book without all of them."""
    book, readings = moment.book, moment.readings
    accounts: dict[str, AccountSnapshot] = {part.account.account: part.account for part in book.parts}
    for leg in legs:
        name = book.wallets[int(book.row_wallet[leg.row])].key.account
        position, mark = book.positions[leg.row], float(readings.marks[leg.row])
        accounts[name] = close(accounts[name], position, position.quantity, mark, _FREE).account
    changed = copied(book)
    if not patch(changed, tuple(accounts.values())):
        return {}
    # A patch counts collateral as the snapshots had it.
    changed = with_funds(changed, bid=book.slot_bid, ask=book.slot_ask)
    after = evaluate_rows(changed, readings.marks)
    levels = higher(moment, changed, after, None if deviations is None else deviations(changed, after))
    found = {}
    for leg in legs:
        wallet, position = int(book.row_wallet[leg.row]), book.positions[leg.row]
        worst = worst_row(changed, after, wallet)  # of what stays: how near it is is told as of now, too
        found[leg.row] = Cause(
            CauseKind.ADL, position.symbol, position.side.value, position.margin_asset, quantile=leg.quantile,
            hedge=True, before=after_of(book, readings, wallet, row=worst),
            after=after_of(changed, after, wallet, row=worst),
            level=Level(int(levels[wallet])),
        )  # fmt: skip
    return found
