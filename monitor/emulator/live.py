"""An account that lives: each operation changes the books, then pushes the events the exchange would push."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

from monitor.emulator.books import Books
from monitor.emulator.brackets import Number, exact
from monitor.emulator.holdings import Filled, Holding, OperationError, OrderSide, PositionSide
from monitor.emulator.ledger import Account
from monitor.emulator.market import Market
from monitor.emulator.orders import AlgoOrder, Order
from monitor.emulator.prices import on_wire

Row = dict[str, Any]
Publish = Callable[[str, Sequence[Row]], Awaitable[None]]

_ZERO = Decimal(0)
_FEE = Decimal("0.0005")  # of the value, a taker's
_CLEARANCE = Decimal("0.0125")  # of the value, on a liquidation


class LiveAccount(Books):
    """The handle of an account: ``await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.5")``.

    Every operation returns once its events are with the connections that listen. Quantities, prices and amounts
    may be given as text, Decimal, int or float (read as a person would). What the exchange would refuse raises
    :class:`OperationError` and changes nothing.
    """

    def __init__(self, account: Account, market: Market, now_ms: Callable[[], int], publish: Publish) -> None:
        super().__init__(account, market, now_ms)
        self._publish = publish

    async def fill(
        self,
        symbol: str,
        side: OrderSide,
        quantity: Number,
        price: Number | None = None,
        *,
        position_side: PositionSide = "BOTH",
        fee: Number | None = None,
        reduce_only: bool = False,
    ) -> Filled:
        """Trade at market: open, increase, reduce, close or flip.

        Args:
            symbol: a contract of the account's market.
            side: BUY or SELL.
            quantity: base asset, or contracts, > 0.
            price: quote asset; the mark if left out.
            position_side: LONG or SHORT in hedge mode, else BOTH.
            fee: commission, margin asset; 0.05 % of the value if left out.
            reduce_only: what the order says; it is not enforced.
        """
        order = self._order(symbol, side, exact(quantity), position_side, kind="MARKET", reduce_only=reduce_only)
        at = self.market.marks[symbol] if price is None else exact(price)
        return await self._execute(order, order.quantity, at, None if fee is None else exact(fee))

    async def funding(self, rate: Number | Mapping[str, Number]) -> None:
        """Settle funding at a rate, or at one for each symbol named: longs pay a positive one, shorts get it."""
        for one in self.holdings.open():
            symbol = one.contract.symbol
            if self.instrument(symbol).delivered:
                continue
            due = exact(rate.get(symbol, 0)) if isinstance(rate, Mapping) else exact(rate)
            paid = -one.sign * one.contract.value(abs(one.amount), self.market.marks[symbol]) * due
            asset, at_ms = one.contract.asset, self.stamp()
            paid = self.holdings.pay(asset, paid, one)
            if not paid:
                continue
            self.book_income("FUNDING_FEE", paid, asset, at_ms, symbol)
            changed = [one] if one.isolated else []
            await self._push(self.account_update("FUNDING_FEE", at_ms, {asset: paid}, changed, symbol))

    async def transfer(self, asset: str, value: Number) -> None:
        """Pay into the cross wallet, or out of it if negative."""
        change = exact(value)
        if change < 0 and self.holdings.cross.get(asset, _ZERO) + change < 0:
            raise OperationError(f"{asset}: the balance is insufficient")
        at_ms = self.stamp()
        change = self.holdings.pay(asset, change)
        self.book_income("TRANSFER", change, asset, at_ms)
        await self._push(self.account_update("DEPOSIT" if change > 0 else "WITHDRAW", at_ms, {asset: change}))

    async def add_margin(self, symbol: str, value: Number, position_side: PositionSide = "BOTH") -> None:
        """Add margin to an isolated position from the cross wallet, or take it back if negative."""
        one = self.holding(symbol, position_side)
        self.holdings.move_margin(one, exact(value))
        at_ms = self.stamp()
        await self._push(self.account_update("MARGIN_TRANSFER", at_ms, {one.contract.asset: _ZERO}, [one]))

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change the initial leverage of a symbol."""
        held = [self.holdings.held.get((symbol, side)) for side in self.sides]
        if leverage < self.leverage(symbol) and any(
            one is not None and one.amount and one.isolated for one in held
        ):
            raise OperationError(f"{symbol}: an isolated position keeps its leverage or raises it")
        self.instrument(symbol)
        self._leverage[symbol] = leverage
        await self._push(self.event("ACCOUNT_CONFIG_UPDATE", self.stamp(), ac={"s": symbol, "l": leverage}))

    async def set_margin_type(self, symbol: str, mode: Literal["isolated", "cross"]) -> None:
        """Change the margin type of a symbol nothing is held of."""
        if any(one.amount for (held, _), one in self.holdings.held.items() if held == symbol):
            raise OperationError(f"{symbol}: there is a position")
        if mode == "isolated" and self._account.multi_assets:
            raise OperationError(f"{symbol}: no isolated margin in multi-assets mode")
        contract = self.contract(symbol)
        if mode == "isolated":
            self._isolated.add(symbol)
        else:
            self._isolated.discard(symbol)
        changed = [self.holding(symbol, side) for side in self.sides]
        at_ms = self.stamp()
        await self._push(self.account_update("MARGIN_TYPE_CHANGE", at_ms, {contract.asset: _ZERO}, changed))

    async def set_multi_assets(self, on: bool) -> None:  # noqa: FBT001  a mode is on or off
        """Enter or leave multi-assets mode."""
        if self._account.market == "coinm" or any(one.isolated for one in self.holdings.open()):
            raise OperationError("no multi-assets mode with isolated positions or on the coin-margined market")
        self._account = replace(self._account, multi_assets=on)
        await self._push(self.event("ACCOUNT_CONFIG_UPDATE", self.stamp(), ai={"j": on}))

    def set_hedge_mode(self, on: bool) -> None:  # noqa: FBT001  a mode is on or off
        """Change the position mode; the exchange has no event for it."""
        if self.holdings.open():
            raise OperationError("the position mode stands while there are positions")
        self.holdings.held.clear()
        self._account = replace(self._account, hedge_mode=on)

    def set_auto_add(self, symbol: str, on: bool) -> None:  # noqa: FBT001  a mode is on or off
        """Turn automatic margin replenishment of a symbol on or off; the exchange has no event for it."""
        self.instrument(symbol)
        others = self._account.auto_add - {symbol}
        self._account = replace(self._account, auto_add=others | {symbol} if on else others)

    async def liquidate(
        self,
        symbol: str,
        share: Number = 1,
        price: Number | None = None,
        *,
        position_side: PositionSide = "BOTH",
    ) -> Filled:
        """Liquidate a share of a position, 0 < share <= 1, at the mark if no price is given.

        The clearance fee takes no more than the wallet has; what is lost beyond it the insurance fund pays.
        """
        one = self.holding(symbol, position_side)
        step = Decimal(self.instrument(symbol).step) if not one.contract.size else Decimal(1)
        quantity = abs(one.amount)
        if exact(share) != 1:
            quantity = (quantity * exact(share)).quantize(step, ROUND_DOWN)
        at = self.market.marks[symbol] if price is None else exact(price)
        return await self._force(one, quantity, at, f"autoclose-{self._now_ms()}{self.number()}")

    async def adl(
        self,
        symbol: str,
        quantity: Number,
        price: Number | None = None,
        *,
        position_side: PositionSide = "BOTH",
    ) -> Filled:
        """Auto-deleverage a quantity of a position, without a fee, at the mark if no price is given."""
        at = self.market.marks[symbol] if price is None else exact(price)
        return await self._force(self.holding(symbol, position_side), exact(quantity), at, "adl_autoclose")

    async def margin_call(self) -> None:
        """Send the exchange's own margin call for everything held."""
        await self._push(self.margin_call_event(self.stamp()))

    async def place_order(
        self,
        symbol: str,
        side: OrderSide,
        quantity: Number,
        price: Number,
        *,
        position_side: PositionSide = "BOTH",
        reduce_only: bool = False,
    ) -> int:
        """Leave a limit order in the book; return its id."""
        order = self._order(
            symbol, side, exact(quantity), position_side, kind="LIMIT", reduce_only=reduce_only, price=exact(price)
        )
        self.orders[order.number] = order
        await self._push(self._order_event(order))
        return order.number

    async def fill_order(self, number: int, quantity: Number | None = None, fee: Number | None = None) -> Filled:
        """Fill an open order at its price, whole or in part."""
        order = self.orders[number]
        part = order.quantity - order.filled if quantity is None else exact(quantity)
        return await self._execute(order, part, order.price, None if fee is None else exact(fee))

    async def cancel_order(self, number: int) -> None:
        """Cancel an open order."""
        gone = replace(self.orders.pop(number), status="CANCELED", execution="CANCELED", last=_ZERO,
                       updated_ms=self.stamp())  # fmt: skip
        await self._push(self._order_event(gone))

    async def place_stop(
        self,
        symbol: str,
        side: OrderSide,
        trigger: Number,
        quantity: Number = 0,
        *,
        position_side: PositionSide = "BOTH",
        kind: str = "STOP_MARKET",
        price: Number = 0,
        reduce_only: bool = False,
        close_position: bool = False,
        working: str = "CONTRACT_PRICE",
    ) -> int:
        """Place a conditional order; return its id. ``price`` is the limit of one that is none at market."""
        self.holding(symbol, position_side)
        number, at_ms = self.number(), self.stamp()
        stop = AlgoOrder(
            number, f"stop-{number}", symbol, side, position_side, kind, exact(quantity), exact(trigger), at_ms,
            at_ms, price=exact(price), reduce_only=reduce_only, close_position=close_position, working=working,
        )  # fmt: skip
        self.algos[number] = stop
        await self._push(self.event("ALGO_UPDATE", at_ms, o=stop.event()))
        return number

    async def end_stop(self, number: int, status: str = "CANCELED") -> None:
        """End a conditional order: CANCELED, TRIGGERED, FINISHED, REJECTED or EXPIRED."""
        stop = replace(self.algos.pop(number), status=status, updated_ms=self.stamp())
        await self._push(self.event("ALGO_UPDATE", stop.updated_ms, o=stop.event()))

    def _order(
        self,
        symbol: str,
        side: OrderSide,
        quantity: Decimal,
        position_side: PositionSide,
        *,
        kind: str,
        reduce_only: bool = False,
        price: Decimal = _ZERO,
        client: str = "",
    ) -> Order:
        if quantity <= 0:
            raise OperationError(f"{symbol}: a quantity is above 0")
        self.holding(symbol, position_side)
        number, at_ms, one = self.number(), self.stamp(), self.instrument(symbol)
        return Order(
            number, client or f"order-{number}", symbol, one.pair, side, position_side, quantity, at_ms, at_ms,
            kind=kind, price=price, reduce_only=reduce_only, fee_asset=one.contract.asset, size=one.contract.size,
        )  # fmt: skip

    def _order_event(self, order: Order) -> Row:
        return self.event("ORDER_TRADE_UPDATE", order.updated_ms, o=order.event())

    async def _execute(self, order: Order, quantity: Decimal, price: Decimal, fee: Decimal | None) -> Filled:
        """Fill a part of an order, new or in the book."""
        one = self.holding(order.symbol, order.position_side)
        cost = on_wire(one.contract.value(quantity, price) * _FEE if fee is None else fee)
        done = self.holdings.fill(one, order.side, quantity, price, leverage=self.leverage(order.symbol), fee=cost)
        new = order.number not in self.orders
        forced = order.kind == "LIQUIDATION"
        filled = order.filled + quantity
        at_ms = self.stamp()
        told = replace(
            order,
            updated_ms=at_ms,
            status="FILLED" if filled >= order.quantity else "PARTIALLY_FILLED",
            execution="CALCULATED" if forced else "TRADE",
            filled=filled,
            last=quantity,
            average=price,
            fee=cost,
            realized=done.realized,
            trade=self.number(),
            maker=order.kind == "LIMIT",
        )
        if not new:
            self.orders[order.number] = told
            if filled >= order.quantity:
                del self.orders[order.number]
        asset = one.contract.asset
        self.book_income("REALIZED_PNL", done.realized, asset, at_ms, order.symbol, trade=told.trade)
        self.book_income(
            "INSURANCE_CLEAR" if forced else "COMMISSION", -cost, asset, at_ms, order.symbol, trade=told.trade
        )
        if forced:
            self.forced.append(told)
        events = [self._order_event(order)] if new else []
        events += [self._trade_lite(told)] if not forced else []
        events += [self.account_update("ORDER", at_ms, {asset: _ZERO}, [one]), self._order_event(told)]
        await self._push(*events)
        return done

    async def _force(self, one: Holding, quantity: Decimal, price: Decimal, client: str) -> Filled:
        if not 0 < quantity <= abs(one.amount):
            raise OperationError(f"{one.contract.symbol} {one.side}: not that much is held")
        symbol, asset = one.contract.symbol, one.contract.asset
        side: OrderSide = "SELL" if one.amount > 0 else "BUY"
        profit = one.contract.profit(one.sign * quantity, one.entry, price)
        before = self.holdings.cross.get(asset, _ZERO)
        funds = (one.wallet * quantity / abs(one.amount) if one.isolated else before) + profit
        rate = _ZERO if client.startswith("adl") else _CLEARANCE
        fee = min(one.contract.value(quantity, price) * rate, max(_ZERO, funds)).quantize(
            Decimal("1e-8"), ROUND_DOWN
        )
        order = self._order(symbol, side, quantity, one.side, kind="LIQUIDATION", price=price, client=client)
        done = await self._execute(order, quantity, price, fee)
        # An isolated position loses no more than its margin; a cross wallet that holds nothing else is made good.
        alone = one.isolated or not any(
            other.amount for other in self.holdings.held.values() if other.contract.asset == asset
        )
        floor = before if one.isolated else _ZERO
        short = floor - self.holdings.cross[asset]
        if short > 0 and alone:
            at_ms = self.stamp()
            self.holdings.pay(asset, short)
            self.book_income("INSURANCE_CLEAR", short, asset, at_ms, symbol)
            await self._push(self.account_update("INSURANCE_CLEAR", at_ms, {asset: short}))
        return done

    def _trade_lite(self, order: Order) -> Row:
        row = order.event()
        facts = {key: row[key] for key in ("s", "q", "p", "m", "c", "S", "L", "l", "t", "i")}
        return {"e": "TRADE_LITE", "E": order.updated_ms + 1, "T": order.updated_ms} | facts

    async def _push(self, *events: Row) -> None:
        await self._publish(self.name, events)


def accounts_of(
    accounts: Iterable[Account], market: Market, now_ms: Callable[[], int], publish: Publish
) -> dict[str, LiveAccount]:
    """Return the live accounts of a scenario by name."""
    return {one.name: LiveAccount(one, market, now_ms, publish) for one in accounts}
