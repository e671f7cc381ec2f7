"""Compiles accounts and tier tables into a ``Book``, and changes one; ``columns`` computes what fills it."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from monitor.core.book import Book, Floats, TierMatrix
from monitor.core.collateral import shared_wallets
from monitor.core.columns import fill_rows, fill_wallets, find_pairs, joint_branches, no_joint, with_columns
from monitor.core.layout import Layout
from monitor.core.model import (
    AccountSnapshot,
    BracketTable,
    Position,
    SubjectKey,
    rate_symbols,
)
from monitor.errors import BracketError


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def compile_book(accounts: Sequence[AccountSnapshot], tables: Mapping[str, BracketTable]) -> Book:
    """Return the columns of all accounts.

    Args:
        accounts: whole accounts, names unique.
        tables: tier table by symbol, or by ``table_key`` where an account has its own; each held symbol needs one.

    Raises:
        BracketError: a held symbol has no table.
    """
    layout = Layout(accounts)
    row_slot = np.array(layout.row_slot, dtype=np.intp)
    slot_wallet = np.array(layout.slot_wallet, dtype=np.intp)
    row_wallet = slot_wallet[row_slot] if layout.positions else np.zeros(0, dtype=np.intp)
    wallets = tuple(layout.wallets)
    keys = [
        table_of(wallets[wallet].key.account, position.symbol, tables)
        for wallet, position in zip(row_wallet.tolist(), layout.positions, strict=True)
    ]
    tiers, tier_of = _tier_matrix(keys, tables)
    symbols = tuple(sorted({position.symbol for position in layout.positions}))
    symbol_index = {symbol: i for i, symbol in enumerate(symbols)}
    rows = len(layout.positions)
    row_tier = np.array([tier_of[key] for key in keys], dtype=np.intp)
    depth = tiers.floors.shape[1]
    inverse = np.array([p.inverse for p in layout.positions], dtype=np.bool_)
    filled, starts = np.unique(row_slot, return_index=True)
    rated = [
        (slot, *rate_symbols(asset))
        for slot, (asset, rate) in enumerate(zip(layout.slot_asset, layout.slot_rate, strict=True))
        if not rate.fixed
    ]
    rates = tuple(sorted({name for _, *names in rated for name in names}))
    book = Book(
        symbols=symbols,
        symbol_index=symbol_index,
        positions=list(layout.positions),
        wallets=wallets,
        wallet_index={info.key: i for i, info in enumerate(wallets)},
        tiers=tiers,
        row_symbol=np.array([symbol_index[p.symbol] for p in layout.positions], dtype=np.intp),
        row_slot=row_slot,
        row_wallet=row_wallet,
        row_tier=row_tier,
        tier_offset=row_tier * depth,
        inverse=inverse,
        any_inverse=bool(inverse.any()),
        sign=np.ones(rows),
        size=np.zeros(rows),
        signed_size=np.zeros(rows),
        entry_x=np.ones(rows),
        signed_entry=np.zeros(rows),
        bounds=np.full((depth - 1, rows), np.inf),
        steps=np.full((depth - 1, rows), np.inf),
        entry_maintenance=np.zeros(rows),
        pairs=find_pairs(layout.positions, row_slot, 2 * depth),
        slot_balance=np.array(layout.slot_balance, dtype=np.float64),
        slot_bid=np.array([rate.bid for rate in layout.slot_rate], dtype=np.float64),
        slot_ask=np.array([rate.ask for rate in layout.slot_rate], dtype=np.float64),
        slot_wallet=slot_wallet,
        slot_assets=tuple(layout.slot_asset),
        rates=rates,
        rated_slots=np.array([slot for slot, _, _ in rated], dtype=np.intp),
        rated_bid=np.array([rates.index(bid) for _, bid, _ in rated], dtype=np.intp),
        rated_ask=np.array([rates.index(ask) for _, _, ask in rated], dtype=np.intp),
        filled_slots=filled.astype(np.intp),
        filled_starts=starts.astype(np.intp),
        exposed=np.zeros(len(wallets), dtype=np.bool_),
        wallet_slots=np.searchsorted(slot_wallet, np.arange(len(wallets))).astype(np.intp),
        wallet_rows=np.searchsorted(row_wallet, np.arange(len(wallets))).astype(np.intp),
        wallet_balance=np.zeros(len(wallets)),
        less_balance=np.zeros(len(wallets)),
        extra_maintenance=np.zeros(len(wallets)),
        corrected=False,
        room_scale=np.zeros(len(wallets)),
        hollow=np.zeros(len(wallets), dtype=np.bool_),
        joint=no_joint(),
        joint_wallets=np.zeros(0, dtype=np.intp),
        shared=shared_wallets(layout),
        parts=layout.parts,
    )
    fill_rows(book, np.arange(rows))
    fill_wallets(book)
    book.joint = with_columns(book, joint_branches(book))
    book.joint_wallets = np.unique(book.joint.wallets)
    return book


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def patch(book: Book, accounts: Sequence[AccountSnapshot]) -> bool:
    """Change quantities, entries, balances and rates in place where the shape is the same.

    Rates that move are the snapshots' until ``set_rates``, as in a compiled book.

    Args:
        book: to change.
        accounts: all accounts, in the order they were compiled in; those that are the same objects cost nothing.

    Returns:
        False if accounts, wallets or positions appeared, vanished or changed their kind; then nothing was changed
        and the book must be compiled anew.
    """
    if len(accounts) != len(book.parts):
        return False
    fresh = [
        (i, part, Layout([account]))
        for i, (part, account) in enumerate(zip(book.parts, accounts, strict=True))
        if account is not part.account
    ]
    if any(layout.parts[0].shape != part.shape for _, part, layout in fresh):
        return False
    changed: list[int] = []
    for i, part, layout in fresh:
        book.parts[i] = part._replace(account=layout.parts[0].account)
        slots = slice(part.first_slot, part.first_slot + len(layout.slot_balance))
        book.slot_balance[slots] = layout.slot_balance
        book.slot_bid[slots] = [rate.bid for rate in layout.slot_rate]
        book.slot_ask[slots] = [rate.ask for rate in layout.slot_rate]
        for row, position in enumerate(layout.positions, start=part.first_row):
            if position != book.positions[row]:
                book.positions[row] = position
                changed.append(row)
    if changed:
        fill_rows(book, np.array(changed, dtype=np.intp))
        # Only sizes and entries can have changed, so the choice of wallets and rows stands.
        book.joint = with_columns(book, book.joint)
    if fresh:
        fill_wallets(book)
    return True


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def amend(book: Book, positions: Mapping[int, Position], balances: Mapping[int, float]) -> None:
    """Change some rows and slots in place; rates stay as they are.

    Quicker than ``patch`` for whoever knows what changed, and unknown to it: a book is amended or patched.

    Args:
        book: to change.
        positions: by row; they differ from the row's in quantity, entry price and margin at most.
        balances: wallet balance by slot.
    """
    for slot, balance in balances.items():
        book.slot_balance[slot] = balance
    resized: list[int] = []
    for row, position in positions.items():
        before, book.positions[row] = book.positions[row], position
        if (position.quantity, position.entry_price) != (before.quantity, before.entry_price):
            resized.append(row)
    if resized:
        fill_rows(book, np.array(resized, dtype=np.intp))
        if book.joint.rows.size:
            book.joint = with_columns(book, book.joint)
    fill_wallets(book)


def set_rates(book: Book, marks: Floats) -> None:
    """Value collateral at these rates; one that is not known keeps its last value.

    Args:
        book: to change.
        marks: in the order of ``book.watched``, shape (s + number of rates,).
    """
    if not book.rated_slots.size:
        return
    rates = marks[len(book.symbols) :]
    for column, at in ((book.slot_bid, book.rated_bid), (book.slot_ask, book.rated_ask)):
        new = rates.take(at)
        column[book.rated_slots] = np.where(np.isnan(new), column[book.rated_slots], new)
    fill_wallets(book)


def with_funds(
    book: Book, *, balance: Floats | None = None, bid: Floats | None = None, ask: Floats | None = None
) -> Book:
    """Return the book as it would be with other funds; the original stays as it is.

    All other columns are shared with it: what is returned is for evaluating, not for changing.

    Args:
        book: as it is.
        balance: wallet balance by slot, shape (k,), in its asset; None: as it is.
        bid: rate by slot of what is owned, shape (k,); None: as it is.
        ask: rate by slot of what is owed or required, shape (k,); None: as it is.
    """
    changed = replace(
        book,
        slot_balance=book.slot_balance if balance is None else balance,
        slot_bid=book.slot_bid if bid is None else bid,
        slot_ask=book.slot_ask if ask is None else ask,
    )
    fill_wallets(changed)
    return changed


def with_rates(book: Book, marks: Floats) -> Book:
    """Return the book as it would be with collateral at these rates, see ``set_rates``; as ``with_funds``."""
    changed = with_funds(book, bid=book.slot_bid.copy(), ask=book.slot_ask.copy())
    set_rates(changed, marks)
    return changed


def copied(book: Book) -> Book:
    """Return a book that may be patched without changing the original."""
    pairs = replace(book.pairs, rising=book.pairs.rising.copy(), falling=book.pairs.falling.copy())
    copy = replace(book, pairs=pairs, positions=list(book.positions), parts=list(book.parts))
    for field in fields(book):
        if isinstance(column := getattr(book, field.name), np.ndarray):
            setattr(copy, field.name, column.copy())
    return copy


def correct(book: Book, corrections: Mapping[SubjectKey, tuple[float, float]]) -> None:
    """Take these amounts off the margin balance and add them to the maintenance margin, by wallet; >= 0 each.

    Wallets that are not named lose what corrections they had.
    """
    book.less_balance[:] = 0.0
    book.extra_maintenance[:] = 0.0
    for key, (less, extra) in corrections.items():
        wallet = book.wallet_index.get(key)
        if wallet is not None:
            book.less_balance[wallet], book.extra_maintenance[wallet] = less, extra
    book.corrected = bool(book.less_balance.any() or book.extra_maintenance.any())


def table_key(account: str, symbol: str) -> str:
    """Return the key of a tier table that only one account has; neither name can hold a slash."""
    return f"{account}/{symbol}"


def table_of(account: str, symbol: str, tables: Mapping[str, BracketTable]) -> str:
    """Return the key of the table that a symbol of an account has: its own, else the common one.

    Raises:
        BracketError: there is none.
    """
    for key in (table_key(account, symbol), symbol):
        if key in tables and tables[key].brackets:
            return key
    raise BracketError(symbol, 0, "no maintenance tier table")


def _tier_matrix(keys: Sequence[str], tables: Mapping[str, BracketTable]) -> tuple[TierMatrix, dict[str, int]]:
    held = sorted(set(keys))
    depth = max((len(tables[key].brackets) for key in held), default=1)
    floors = np.full((len(held), depth), np.inf)
    mmr = np.zeros((len(held), depth))
    cum = np.zeros((len(held), depth))
    for i, key in enumerate(held):
        rows = tables[key].brackets
        count = len(rows)
        floors[i, :count] = [bracket.floor for bracket in rows]
        mmr[i, :count] = [bracket.mmr for bracket in rows]
        cum[i, :count] = [bracket.cum for bracket in rows]
        mmr[i, count:] = mmr[i, count - 1]
        cum[i, count:] = cum[i, count - 1]
    labels = tuple(tables[key].label for key in held)
    return TierMatrix(floors, mmr, cum, labels), {key: i for i, key in enumerate(held)}
