"""The arithmetic of an account: what a fill, a fee, a funding payment or a transfer does to wallets and positions.

State only: no time, no events, no prices but those handed in. Wallet balances and entry prices are kept with
eight decimals, as the exchange keeps them, so that what travels on the wire is exact.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from monitor.emulator.liquidation import precise
from monitor.emulator.prices import on_wire

PositionSide = Literal["BOTH", "LONG", "SHORT"]
OrderSide = Literal["BUY", "SELL"]

_ZERO = Decimal(0)


class OperationError(ValueError):
    """The exchange would refuse this."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What a position's money is reckoned with.

    Attributes:
        symbol: its name.
        asset: margin asset.
        size: quote asset in one contract of a coin-margined one; 0 for any other.
    """

    symbol: str
    asset: str
    size: Decimal = _ZERO

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Return a notional, margin asset."""
        return quantity * self.size / price if self.size else quantity * price

    def profit(self, amount: Decimal, entry: Decimal, price: Decimal) -> Decimal:
        """Return the profit of a signed amount between two prices, margin asset."""
        return amount * self.size * (1 / entry - 1 / price) if self.size else amount * (price - entry)

    def average(self, first: tuple[Decimal, Decimal], second: tuple[Decimal, Decimal]) -> Decimal:
        """Return the entry price of two lots of quantity and price."""
        (held, entry), (more, price) = first, second
        if self.size:
            return (held + more) / (held / entry + more / price)
        return (held * entry + more * price) / (held + more)


@dataclass(slots=True)
class Holding:
    """A position as the exchange keeps it; amount 0 is one that was closed.

    Attributes:
        contract: of what.
        side: BOTH, or LONG or SHORT in hedge mode.
        amount: base asset or contracts, negative if short.
        entry: entry price, 0 without a position.
        isolated: whether it has a wallet of its own.
        wallet: that wallet's balance.
        realized: all profit ever realized on it.
        updated_ms: when it last changed.
    """

    contract: Contract
    side: PositionSide
    isolated: bool
    amount: Decimal = _ZERO
    entry: Decimal = _ZERO
    wallet: Decimal = _ZERO
    realized: Decimal = _ZERO
    updated_ms: int = 0

    @property
    def sign(self) -> int:
        """Return +1 for a long, -1 for a short, 0 for none."""
        return (self.amount > 0) - (self.amount < 0)

    def profit(self, mark: Decimal) -> Decimal:
        """Return the unrealized profit at a mark, margin asset."""
        return self.contract.profit(self.amount, self.entry, mark) if self.amount else _ZERO


@dataclass(frozen=True, slots=True)
class Filled:
    """What a fill did: realized profit, and margin that left the isolated wallet; margin asset."""

    realized: Decimal
    released: Decimal
    closed: Decimal  # quantity


@dataclass(slots=True)
class Holdings:
    """All wallets and positions of one account.

    Attributes:
        cross: cross wallet balance by asset.
        held: by symbol and position side; closed ones stay, with amount 0.
    """

    cross: dict[str, Decimal] = field(default_factory=dict)
    held: dict[tuple[str, PositionSide], Holding] = field(default_factory=dict)

    def balance(self, asset: str) -> Decimal:
        """Return the wallet balance of an asset: the cross wallet and every isolated one."""
        alone = (one.wallet for one in self.held.values() if one.contract.asset == asset)
        return self.cross.get(asset, _ZERO) + sum(alone, _ZERO)

    def open(self) -> list[Holding]:
        """Return what is held."""
        return [one for one in self.held.values() if one.amount]

    def fill(
        self,
        one: Holding,
        side: OrderSide,
        quantity: Decimal,
        price: Decimal,
        *,
        leverage: int,
        fee: Decimal = _ZERO,
    ) -> Filled:
        """Open, increase, reduce, close or flip a position.

        A reducing fill realizes profit into the cross wallet and leaves the isolated wallet with the remaining
        share; an opening one moves value / leverage into it. The fee is paid by the cross wallet.

        Raises:
            OperationError: a LONG or SHORT of hedge mode would be reduced below 0, or the cross wallet cannot
                pay the isolated margin; nothing has changed then.
        """
        asset = one.contract.asset
        with precise():
            change = quantity if side == "BUY" else -quantity
            closing = min(quantity, abs(one.amount)) if one.amount * change < 0 else _ZERO
            opening = quantity - closing
            if opening and one.side != "BOTH" and (one.side == "LONG") != (side == "BUY"):
                raise OperationError(f"{one.contract.symbol} {one.side}: reduced by more than is held")
            closed = closing if side == "BUY" else -closing
            realized = on_wire(one.contract.profit(-closed, one.entry, price)) if closing else _ZERO
            kept = on_wire(one.wallet * (abs(one.amount) - closing) / abs(one.amount)) if one.amount else _ZERO
            released = one.wallet - kept
            margin = on_wire(one.contract.value(opening, price) / leverage) if one.isolated else _ZERO
            cross = self.cross.get(asset, _ZERO) + realized + released - margin - on_wire(fee)
            if margin and cross < 0:
                raise OperationError(f"{one.contract.symbol}: margin is insufficient")
            self.cross[asset] = cross
            one.amount += closed
            one.wallet = kept + margin
            one.realized += realized
            if not one.amount:
                one.entry = _ZERO
            if opening:
                held = abs(one.amount)
                one.entry = on_wire(one.contract.average((held, one.entry), (opening, price)) if held else price)
                one.amount += change - closed
        return Filled(realized, released, closing)

    def pay(self, asset: str, amount: Decimal, one: Holding | None = None) -> Decimal:
        """Add an amount (negative takes it away) to an isolated wallet or the cross wallet; return it rounded."""
        exact = on_wire(amount)
        if one is not None and one.isolated:
            one.wallet += exact
        else:
            self.cross[asset] = self.cross.get(asset, _ZERO) + exact
        return exact

    def move_margin(self, one: Holding, amount: Decimal) -> Decimal:
        """Move an amount from the cross wallet to an isolated one, or back if negative; return it rounded.

        Raises:
            OperationError: the position is not isolated or not there, or a wallet would fall below 0.
        """
        exact, asset = on_wire(amount), one.contract.asset
        left = self.cross.get(asset, _ZERO) - exact
        if not one.isolated or not one.amount:
            raise OperationError(f"{one.contract.symbol} {one.side}: no isolated position")
        if (exact > 0 and left < 0) or one.wallet + exact < 0:
            raise OperationError(f"{one.contract.symbol} {one.side}: margin is insufficient")
        self.cross[asset] = left
        one.wallet += exact
        return exact
