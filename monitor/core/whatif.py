"""Accounts as they would be: after margin was added, a part was closed, another leverage was chosen.

Only amounts change here. What they mean for ratio and liquidation price is computed like everything else: by
compiling the changed account and evaluating it. Closing at market is assumed to fill at the mark, made worse by
the slippage, and to cost the taker fee of what is closed.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from monitor.core.model import AccountSnapshot, MarginMode, Position, Side
from monitor.core.settings import AdviceRules


class Closed(NamedTuple):
    """A part of a position that was closed; amounts in its margin asset."""

    account: AccountSnapshot  # afterwards; a position that was closed whole stays with quantity 0
    notional: float  # at the mark
    realized: float  # profit, at the price of the fill
    fee: float
    slippage: float  # what the fill lost beside one at the mark
    released: float  # margin of an isolated wallet that went to the cross wallet, with what was realized
    put_back: float  # of that, added to the isolated wallet again


def fill_price(position: Position, mark: float, rules: AdviceRules) -> float:
    """Return the price at which closing is assumed to fill: below the mark for a LONG, above it for a SHORT."""
    return mark * (1.0 - rules.slippage if position.side is Side.LONG else 1.0 + rules.slippage)


def value_of(position: Position, quantity: float, price: float) -> float:
    """Return the notional of a quantity, in the margin asset."""
    size = quantity * position.contract_size
    return size / price if position.inverse else size * price


def profit_of(position: Position, quantity: float, price: float) -> float:
    """Return the profit of closing a quantity at a price, in the margin asset."""
    size = quantity * position.contract_size
    change = 1.0 / position.entry_price - 1.0 / price if position.inverse else price - position.entry_price
    return size * change * (1.0 if position.side is Side.LONG else -1.0)


def add_margin(
    account: AccountSnapshot, wallet: str, amount: float, *, asset: str = "", moved: float = 0.0
) -> AccountSnapshot:
    """Return the account with more margin in a wallet, or less where the amount is negative.

    Args:
        account: as it is.
        wallet: its name, such as ``cross:USDT``, ``cross:multi`` or ``isolated:BTCUSDT:LONG``.
        amount: of the wallet's asset; in multi-assets mode of ``asset``.
        asset: what is added, where the wallet takes several; else not used.
        moved: of the amount, what comes out of the account's own cross wallet; the rest is paid in.

    Raises:
        KeyError: the account has no such wallet.
    """
    balances = dict(account.balances)
    legs = [p for p in account.positions if account.wallet_of(p) == wallet]
    if wallet.startswith("cross:"):
        name = asset or wallet.removeprefix("cross:")
        if not legs and name not in balances:
            raise KeyError(wallet)
        balances[name] = balances.get(name, 0.0) + amount
        return msgspec.structs.replace(account, balances=balances)
    if not legs:
        raise KeyError(wallet)
    leg = legs[0]
    if moved:
        balances[leg.margin_asset] = balances.get(leg.margin_asset, 0.0) - moved
    grown = msgspec.structs.replace(leg, margin=leg.margin + amount)
    return msgspec.structs.replace(_with(account, leg, grown), balances=balances)


def close(
    account: AccountSnapshot, position: Position, quantity: float, mark: float, rules: AdviceRules,
    *, put_back: bool = False,
) -> Closed:  # fmt: skip
    """Return the account after a part of a position was closed at market.

    A part of an isolated position takes its share of the margin with it: the wallet keeps exactly the remaining
    share, and what was released goes to the cross wallet together with what was realized, less the fee. So the
    loss is limited and the liquidation price hardly moves, unless that is put back.

    Args:
        account: as it is; it holds ``position``.
        position: one of its positions, the same object or an equal one.
        quantity: 0 < quantity <= the position's.
        mark: price, > 0.
        rules: assumed fee and slippage.
        put_back: of an isolated position, add what was released to its wallet again.

    Raises:
        KeyError: the account does not hold the position.
    """
    price = fill_price(position, mark, rules)
    realized = profit_of(position, quantity, price)
    fee = value_of(position, quantity, price) * rules.taker_fee
    slippage = abs(value_of(position, quantity, mark) - value_of(position, quantity, price))
    left = max(0.0, position.quantity - quantity)
    balances = dict(account.balances)
    margin, released, back = position.margin, 0.0, 0.0
    if position.margin_mode is MarginMode.ISOLATED:
        kept = position.margin * (left / position.quantity)
        released = position.margin - kept + realized - fee
        # A wallet that is closed is gone, and a loss beyond the share is the cross wallet's.
        back = max(0.0, released) if put_back and left > 0.0 else 0.0
        margin = kept + back
        paid = released - back
    else:
        paid = realized - fee
    asset = position.margin_asset
    if paid or asset in balances:
        balances[asset] = balances.get(asset, 0.0) + paid
    smaller = msgspec.structs.replace(position, quantity=left, margin=margin)
    after = msgspec.structs.replace(_with(account, position, smaller), balances=balances)
    return Closed(after, value_of(position, quantity, mark), realized, fee, slippage, released, back)


def with_leverage(account: AccountSnapshot, position: Position, leverage: float) -> AccountSnapshot:
    """Return the account as if a position had been opened with another leverage.

    An isolated wallet then holds the entry notional / leverage, and the cross wallet the difference. A cross
    position's leverage decides what new orders need, and nothing about liquidation.

    Raises:
        KeyError: the account does not hold the position.
        ValueError: the leverage is not above 0.
    """
    if not leverage > 0.0:
        raise ValueError("a leverage is above 0")
    chosen = msgspec.structs.replace(position, leverage=leverage)
    if position.margin_mode is MarginMode.CROSS:
        return _with(account, position, chosen)
    margin = value_of(position, position.quantity, position.entry_price) / leverage
    asset = position.margin_asset
    balances = dict(account.balances)
    balances[asset] = balances.get(asset, 0.0) + position.margin - margin
    after = _with(account, position, msgspec.structs.replace(chosen, margin=margin))
    return msgspec.structs.replace(after, balances=balances)


def shocked(marks: Mapping[str, float], moves: Mapping[str, float], everything: float = 0.0) -> dict[str, float]:
    """Return marks and rates moved by fractions: -0.05 is 5 % down.

    Args:
        marks: by name of ``Book.watched``.
        moves: by name, in place of ``everything``.
        everything: the move of all other names.
    """
    return {name: price * (1.0 + moves.get(name, everything)) for name, price in marks.items()}


def _with(account: AccountSnapshot, before: Position, after: Position) -> AccountSnapshot:
    positions = list(account.positions)
    try:
        positions[positions.index(before)] = after
    except ValueError:
        raise KeyError(f"{before.symbol} {before.side.value}") from None
    return msgspec.structs.replace(account, positions=tuple(positions))
