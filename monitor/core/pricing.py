"""Which prices wallets are judged at, and of which of them something is not known as it is now. Pure."""

from collections.abc import Collection

import numpy as np

from monitor.core.book import Book, Bools, Floats


def row_prices(book: Book, marks: Floats, blind: Bools) -> tuple[Floats, Bools]:
    """Return a price for each row, shape (n,), and the wallets in which one was assumed, shape (w,).

    A row's price is its mark. A symbol that has been silent from the start must not hide the fall of another in
    the same wallet. Once that is blindness, its positions stand in at their entry prices, which is said wherever
    it is told; a wallet without any mark stays unknown.

    Args:
        book: the columns.
        marks: by watched name, NaN where none came yet.
        blind: by watched name, whether its silence is blindness.
    """
    prices = marks.take(book.row_symbol)
    missing = np.isnan(prices)
    assumed = np.zeros(len(book.wallets), dtype=np.bool_)
    if missing.any():
        seen = np.zeros(len(book.wallets), dtype=np.bool_)
        seen[book.row_wallet[~missing]] = True
        stand_in = missing & blind[book.row_symbol] & seen[book.row_wallet]
        entries = np.array([position.entry_price for position in book.positions])
        prices = np.where(stand_in, entries, prices)
        assumed[book.row_wallet[stand_in]] = True
    return prices, assumed


def unsure_wallets(book: Book, silent: Bools, lost: Collection[str]) -> Bools:
    """Return the wallets of which something is not known as it is now, shape (w,).

    Args:
        book: the columns.
        silent: by watched name, whether its mark or rate is not fresh.
        lost: accounts that cannot be followed.
    """
    unsure = np.zeros(len(book.wallets), dtype=np.bool_)
    if silent.any():
        unsure[book.row_wallet[silent[book.row_symbol]]] = True
        rates = silent[len(book.symbols) :]
        unsure[book.slot_wallet[book.rated_slots[rates[book.rated_bid]]]] = True
    if lost:
        unsure |= np.array([info.key.account in lost for info in book.wallets], dtype=np.bool_)
    return unsure
