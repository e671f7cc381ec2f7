"""Readings in the shape people and programs get them: facts for messages, rows for history, JSON for commands."""

import math
from collections.abc import Collection, Sequence

import msgspec
import numpy as np

from monitor.core.book import Book, Floats
from monitor.core.marks import MarkBoard
from monitor.core.model import Level, Sample
from monitor.core.notices import After, Facts
from monitor.core.risk import Readings


class WalletView(msgspec.Struct, frozen=True):
    """One wallet as ``assess`` and ``status`` show it; amounts in ``asset``, ratios are fractions."""

    account: str
    wallet: str
    margin_mode: str
    asset: str
    wallet_balance: float
    margin_balance: float | None
    maintenance_margin: float | None
    cushion: float | None
    margin_ratio: float | None
    room: float | None
    joint_distance: float | None
    moves_left: float | None
    level: str
    liquidatable: bool | msgspec.UnsetType = msgspec.UNSET  # True where the balance is used up


class PositionView(msgspec.Struct, frozen=True):
    """One position as ``assess`` and ``status`` show it; its level is its wallet's."""

    account: str
    wallet: str
    symbol: str
    side: str
    quantity: float
    entry_price: float
    mark_price: float | None
    notional: float | None
    unrealized_pnl: float | None
    maintenance_margin: float | None
    liquidation_price: float | None
    distance: float | None
    level: str


UNKNOWN = "unknown"  # in place of a level: never judged, for want of marks
_LABELS = tuple(level.label for level in Level)


def wallet_views(
    book: Book, readings: Readings, levels: Sequence[int], moves_left: Floats | None = None
) -> tuple[WalletView, ...]:
    """Return all wallets, in the book's order; ``levels`` and ``moves_left`` by wallet, None if none is known."""
    count = len(book.wallets)
    return tuple(
        WalletView(
            account=info.key.account,
            wallet=info.key.wallet,
            margin_mode=info.mode.value,
            asset=info.asset,
            wallet_balance=wallet_balance,
            margin_balance=margin_balance,
            maintenance_margin=maintenance_margin,
            cushion=cushion,
            margin_ratio=margin_ratio,
            room=room,
            joint_distance=joint_distance,
            moves_left=left,
            level=level,
            liquidatable=True if used_up else msgspec.UNSET,
        )
        for (
            info, wallet_balance, margin_balance, maintenance_margin, cushion, margin_ratio, room, joint_distance,
            left, level, used_up,
        ) in zip(
            book.wallets,
            book.wallet_balance.tolist(),
            numbers(readings.margin_balance),
            numbers(readings.maintenance_margin),
            numbers(readings.cushion),
            numbers(readings.margin_ratio),
            numbers(readings.room),
            numbers(readings.joint_distance),
            [None] * count if moves_left is None else numbers(moves_left),
            _levels(readings, levels, count),
            np.isposinf(readings.margin_ratio).tolist(),
            strict=True,
        )
    )  # fmt: skip


def position_views(book: Book, readings: Readings, levels: Sequence[int]) -> tuple[PositionView, ...]:
    """Return all positions, in the book's order; ``levels`` by wallet."""
    names = _levels(readings, levels, len(book.wallets))
    return tuple(
        PositionView(
            account=book.wallets[wallet].key.account,
            wallet=book.wallets[wallet].key.wallet,
            symbol=position.symbol,
            side=position.side.value,
            quantity=position.quantity,
            entry_price=position.entry_price,
            mark_price=mark_price,
            notional=notional,
            unrealized_pnl=unrealized_pnl,
            maintenance_margin=maintenance_margin,
            liquidation_price=liquidation_price,
            distance=distance,
            level=names[wallet],
        )
        for (
            position, wallet, mark_price, notional, unrealized_pnl, maintenance_margin, liquidation_price,
            distance,
        ) in zip(
            book.positions,
            book.row_wallet.tolist(),
            numbers(readings.marks),
            numbers(readings.notional),
            numbers(readings.unrealized_pnl),
            numbers(readings.position_maintenance),
            numbers(readings.liquidation_price),
            numbers(readings.distance),
            strict=True,
        )
    )  # fmt: skip


def without_mark(view: PositionView) -> PositionView:
    """Return a position whose symbol has no mark; figures made with an assumed one are not shown as its own."""
    return msgspec.structs.replace(
        view, mark_price=None, notional=None, unrealized_pnl=None, maintenance_margin=None,
        liquidation_price=None, distance=None,
    )  # fmt: skip


def _levels(readings: Readings, levels: Sequence[int], count: int) -> list[str]:
    """Return the level of each wallet; see ``_level``."""
    return [_level(readings, wallet, levels) for wallet in range(count)]


def _level(readings: Readings, wallet: int, levels: Sequence[int]) -> str:
    """Return a wallet's level; what cannot be judged is not ok, but keeps a level it reached before."""
    if levels[wallet] == Level.OK and math.isnan(readings.cushion[wallet]):
        return UNKNOWN
    return _LABELS[levels[wallet]]


def worst_row(book: Book, readings: Readings, wallet: int) -> int | None:
    """Return the row of a wallet that is nearest to its liquidation price, else the one that requires most."""
    rows = book.rows_of(wallet)
    if len(rows) <= 1:
        return rows.start if rows else None
    distance = readings.linked_distance[rows.start : rows.stop]
    if np.isnan(distance).all() or not np.nanmax(distance) > 0:
        return rows.start + int(np.argmax(np.nan_to_num(readings.position_maintenance[rows.start : rows.stop])))
    return rows.start + int(np.nanargmin(distance))


def after_of(book: Book, readings: Readings, wallet: int, *, row: int | None = None) -> After:
    """Return what a wallet is like in a reading; price and distance of a row, else of its worst position."""
    row = worst_row(book, readings, wallet) if row is None else row
    return After(
        margin_ratio=number(readings.margin_ratio[wallet]),
        liquidation_price=None if row is None else number(readings.liquidation_price[row]),
        distance=None if row is None else number(readings.distance[row]),
        room=number(readings.room[wallet]),
        symbol="" if row is None else book.positions[row].symbol,
        side="" if row is None else book.positions[row].side.value,
    )


def wallet_facts(
    book: Book, readings: Readings, board: MarkBoard, wallet: int, *, now_s: float, environment: str,
    moves_left: float = math.nan,
) -> Facts:  # fmt: skip
    """Return what a message may say about a wallet; ``moves_left`` is NaN where not known."""
    info = book.wallets[wallet]
    row = worst_row(book, readings, wallet)
    marks = [mark for r in book.rows_of(wallet) if (mark := board.newest(book.positions[r].symbol)) is not None]
    oldest = min(marks, key=lambda mark: mark.seen_s, default=None)
    ratio = float(readings.margin_ratio[wallet])
    return Facts(
        environment=environment,
        account=info.key.account,
        wallet=info.key.wallet,
        asset=info.asset,
        margin_mode=info.mode.value,
        symbol="" if row is None else book.positions[row].symbol,
        side="" if row is None else book.positions[row].side.value,
        positions=len(book.rows_of(wallet)),
        mark=None if row is None else number(readings.marks[row]),
        liquidation_price=None if row is None else number(readings.liquidation_price[row]),
        distance=None if row is None else number(readings.distance[row]),
        joint_distance=number(readings.joint_distance[wallet]),
        margin_ratio=number(ratio),
        liquidatable=ratio >= 1,
        room=number(readings.room[wallet]),
        moves_left=number(moves_left),
        margin_balance=number(readings.margin_balance[wallet]),
        maintenance_margin=number(readings.maintenance_margin[wallet]),
        cushion=number(readings.cushion[wallet]),
        event_ms=0 if oldest is None else oldest.event_ms,
        mark_age_s=None if oldest is None else max(0.0, now_s - oldest.seen_s),
        mark_source="" if oldest is None else oldest.source.value,
        brackets="" if row is None else book.brackets_label(row),
        corrected=bool(book.less_balance[wallet] or book.extra_maintenance[wallet]),
        assumed=tuple(
            sorted({s for r in book.rows_of(wallet) if board.newest(s := book.positions[r].symbol) is None})
        ),
    )


def samples(
    book: Book, readings: Readings, board: MarkBoard, moves_left: Floats | None = None, *,
    levels: Sequence[int], wallets: Sequence[int], at_ms: int,
) -> tuple[Sample, ...]:  # fmt: skip
    """Return the history rows of these wallets and of their positions, at the marks as they came.

    ``levels`` and ``moves_left`` are by wallet of the book; the latter is None if none is known.
    """
    found: list[Sample] = []
    for wallet in wallets:
        marks = [
            mark for r in book.rows_of(wallet) if (mark := board.newest(book.positions[r].symbol)) is not None
        ]
        source = marks[0].source.value if marks else ""
        found += rows(book, readings, moves_left, levels=levels, wallets=(wallet,), at_ms=at_ms, source=source)
    return tuple(found)


def seen_since(book: Book, board: MarkBoard, wallet: int, at_s: float) -> bool:
    """Return whether the newest mark of each of a wallet's positions came at ``at_s`` (monotonic) or later."""
    marks = [board.newest(book.positions[row].symbol) for row in book.rows_of(wallet)]
    return all(mark is not None and mark.seen_s >= at_s for mark in marks)


def rows(
    book: Book, readings: Readings, moves_left: Floats | None, *, levels: Sequence[int], wallets: Sequence[int],
    at_ms: int, source: str,
) -> tuple[Sample, ...]:  # fmt: skip
    """Return the history rows of these wallets and of their positions; ``source`` is that of the marks."""
    found = []
    for wallet in wallets:
        key = book.wallets[wallet].key
        level = int(levels[wallet])
        found.append(
            Sample(
                at_ms, key.account, key.wallet, "", "", source, level,
                number(readings.margin_ratio[wallet]), number(readings.room[wallet]), None,
                number(readings.joint_distance[wallet]), None, None, number(readings.margin_balance[wallet]),
                number(readings.maintenance_margin[wallet]), number(readings.cushion[wallet]),
                None if moves_left is None else number(moves_left[wallet]),
            )
        )  # fmt: skip
        for row in book.rows_of(wallet):
            position = book.positions[row]
            found.append(
                Sample(
                    at_ms, key.account, key.wallet, position.symbol, position.side.value, source, level,
                    None, None, number(readings.distance[row]), None, number(readings.marks[row]),
                    number(readings.liquidation_price[row]), None, number(readings.position_maintenance[row]),
                    None,
                )
            )  # fmt: skip
    return tuple(found)


def holders(book: Book, readings: Readings, levels: Sequence[int], symbols: Collection[str]) -> tuple[str, ...]:
    """Return the wallets that hold some of these names, for people, each with what is known of it.

    Args:
        book: the columns.
        readings: the newest, made of them.
        levels: by wallet.
        symbols: watched names: symbols, and rates of collateral.
    """
    backed = {
        int(book.slot_wallet[slot])
        for slot, bid, ask in zip(book.rated_slots, book.rated_bid, book.rated_ask, strict=True)
        if book.rates[bid] in symbols or book.rates[ask] in symbols
    }
    return tuple(
        f"{info.key.account}/{info.key.wallet} ({_level(readings, i, levels)})"
        for i, info in enumerate(book.wallets)
        if i in backed or any(book.positions[row].symbol in symbols for row in book.rows_of(i))
    )


def liquidation_prices(book: Book, readings: Readings, account: str) -> dict[tuple[str, str], float | None]:
    """Return them by symbol and side, of an account's positions in wallets that are known; None: there is none."""
    return {
        (position.symbol, position.side.value): number(readings.liquidation_price[row])
        for row, position in enumerate(book.positions)
        if book.wallets[int(book.row_wallet[row])].key.account == account
        and not np.isnan(readings.cushion[int(book.row_wallet[row])])
    }


def numbers(column: Floats) -> list[float | None]:
    """Return a column as ``number`` returns each of it, ten times as fast."""
    values: list[float | None] = column.tolist()
    for row in np.flatnonzero(~np.isfinite(column)).tolist():
        values[row] = None
    return values


def number(value: float) -> float | None:
    """Return a plain float, or None for NaN and infinity, which no file or message may contain."""
    return float(value) if math.isfinite(value) else None
