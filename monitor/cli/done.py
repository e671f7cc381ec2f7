"""One operation of "what if" that was done: what it was, in words and in amounts."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.cli.named import NamedPosition, NamedWallet
from monitor.core.model import Position
from monitor.core.whatif import Closed
from monitor.notify.numbers import grouped, money, percent
from monitor.notify.remedies import quantity_words
from monitor.notify.subjects import wallet_name


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation that was done; amounts in ``asset``, each absent where it does not apply."""

    option: str
    given: str
    words: str
    notes: tuple[str, ...]
    account: str = ""
    wallet: str = ""
    symbol: str = ""
    side: str = ""
    asset: str = ""
    quantity: float | None = None  # closed
    notional: float | None = None  # of it, at the mark
    realized: float | None = None
    fee: float | None = None  # assumed
    slippage: float | None = None  # assumed
    released: float | None = None  # margin that left an isolated wallet
    put_back: float | None = None
    from_cross: float | None = None  # of margin added, out of the account's own cross wallet
    paid_in: float | None = None  # of margin added, from outside


def leg_words(position: Position) -> str:
    """Return what a position is called, such as ``BTCUSDT LONG``."""
    return f"{position.symbol} {position.side.value}"


def margin_words(meant: NamedWallet, asset: str, amount: float, moved: float) -> str:
    """Return where margin went and came from; ``moved`` passed between the account's own wallets."""
    where = f"{wallet_name(meant.wallet)} of {meant.account}"
    if amount < 0.0:
        to = ", which go to the account's cross wallet" if moved else ""
        return f"{money(-amount, asset)} taken out of {where}{to}"
    words = f"{money(amount, asset)} added to {where}"
    if not moved:
        return f"{words}, paid in from outside"
    outside = f" and {money(amount - moved, asset)} paid in from outside" if amount > moved else ""
    return f"{words}: {money(moved, asset)} out of the account's own cross wallet{outside}"


def closing_words(one: NamedPosition, quantity: float, price: float, closed: Closed, *, isolated: bool) -> str:
    """Return what was closed at which price, and what that costs."""
    position, asset = one.position, one.position.margin_asset
    whole = quantity >= position.quantity
    part = "" if whole else f" ({percent(quantity / position.quantity)})"
    words = (
        f"{leg_words(position)} of {one.account} {'closed,' if whole else 'reduced by'} "
        f"{quantity_words(quantity, position.symbol, asset)}{part} at {grouped(price)}: "
        f"realizes {money(closed.realized, asset)}, costs {money(closed.fee, asset)} fee and "
        f"{money(closed.slippage, asset)} slippage"
    )
    if isolated:
        words += f", releases {money(closed.released, asset)}"
        if closed.put_back:
            words += f", {money(closed.put_back, asset)} of it put back"
    return words


class Total(NamedTuple):
    """What operations cost together, in one asset."""

    asset: str
    fee: float
    slippage: float


def totals(done: Sequence[Done]) -> list[Total]:
    """Return costs by asset."""
    assets = dict.fromkeys(one.asset for one in done if one.fee is not None)
    return [
        Total(
            asset,
            sum(one.fee or 0.0 for one in done if one.asset == asset),
            sum(one.slippage or 0.0 for one in done if one.asset == asset),
        )
        for asset in assets
    ]
