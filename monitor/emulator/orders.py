"""Orders as records, and the rows in which REST and the private stream tell them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from monitor.emulator.holdings import OrderSide, PositionSide
from monitor.emulator.prices import on_wire

Row = dict[str, Any]

_ZERO = Decimal(0)


def amount(value: Decimal) -> str:
    """Return an amount of money as on the wire: eight decimals."""
    return f"{on_wire(value):f}"


def plain(value: Decimal) -> str:
    """Return a quantity or price as on the wire: no digits that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True)
class Order:
    """A plain order, or the one with which the exchange closes a position.

    Attributes:
        number: order id.
        client: client order id; ``autoclose-...`` for a liquidation, ``adl_autoclose`` for an auto-deleveraging.
        kind: LIMIT, MARKET or LIQUIDATION.
        status: NEW, PARTIALLY_FILLED, FILLED or CANCELED.
        execution: what happened last: NEW, TRADE, CALCULATED or CANCELED.
        filled: quantity done so far; ``last`` of it just now, at ``average``.
        fee: commission of the last execution, margin asset.
        realized: profit realized by the last execution, margin asset.
        maker: whether the last execution was on the maker's side.
        size: quote asset in one contract of a coin-margined order, whose rows name the pair; 0 for any other.
    """

    number: int
    client: str
    symbol: str
    pair: str
    side: OrderSide
    position_side: PositionSide
    quantity: Decimal
    created_ms: int
    updated_ms: int
    kind: str = "LIMIT"
    price: Decimal = _ZERO
    reduce_only: bool = False
    status: str = "NEW"
    execution: str = "NEW"
    filled: Decimal = _ZERO
    last: Decimal = _ZERO
    average: Decimal = _ZERO
    fee: Decimal = _ZERO
    fee_asset: str = "USDT"
    realized: Decimal = _ZERO
    trade: int = 0
    maker: bool = False
    size: Decimal = _ZERO

    @property
    def coinm(self) -> bool:
        """Say whether it is on the coin-margined market."""
        return bool(self.size)

    def event(self) -> Row:
        """Return the ``o`` of an ORDER_TRADE_UPDATE."""
        row: Row = {
            "s": self.symbol, "c": self.client, "S": self.side, "o": self.kind, "f": self._in_force(),
            "q": plain(self.quantity), "p": plain(self.price), "ap": plain(self.average), "sp": "0",
            "x": self.execution, "X": self.status, "i": self.number, "l": plain(self.last),
            "z": plain(self.filled),
            "L": plain(self.average if self.last else _ZERO), "T": self.updated_ms, "t": self.trade, "b": "0",
            "a": "0", "m": self.maker, "R": self.reduce_only, "wt": "CONTRACT_PRICE", "ot": self.kind,
            "ps": self.position_side, "cp": False, "rp": amount(self.realized), "pP": False, "si": 0, "ss": 0,
            "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0, "er": "0",
        }  # fmt: skip
        if self.last:
            row |= {"N": self.fee_asset, "n": amount(self.fee)}
        return row | ({"ma": self.fee_asset} if self.coinm else {})

    def open_row(self) -> Row:
        """Return its row among the open orders."""
        return self._row() | {
            "activatePrice": "0",
            "priceRate": "0",
            "priceProtect": False,
            "priceMatch": "NONE",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "goodTillDate": 0,
        }

    def force_row(self) -> Row:
        """Return its row among the forced orders."""
        row = self._row() | {"pair": self.pair, "type": "LIMIT", "origType": "LIMIT"}
        return row | ({"goodTillDate": 0, "priceProtect": False} if self.coinm else {})

    def _row(self) -> Row:
        row: Row = {
            "orderId": self.number,
            "symbol": self.symbol,
            "status": self.status,
            "clientOrderId": self.client,
            "price": plain(self.price),
            "avgPrice": plain(self.average),
            "origQty": plain(self.quantity),
            "executedQty": plain(self.filled),
            "cumQuote": plain(on_wire(self.filled * (self.size or self.average))),
            "cumBase": plain(self._base()),
            "timeInForce": self._in_force(),
            "type": self.kind,
            "reduceOnly": self.reduce_only,
            "closePosition": False,
            "side": self.side,
            "positionSide": self.position_side,
            "stopPrice": "0",
            "workingType": "CONTRACT_PRICE",
            "origType": self.kind,
            "time": self.created_ms,
            "updateTime": self.updated_ms,
        }
        return row | ({"pair": self.pair} if self.coinm else {})

    def _base(self) -> Decimal:
        if self.size:
            return on_wire(self.filled * self.size / self.average) if self.average else _ZERO
        return self.filled

    def _in_force(self) -> str:
        return "IOC" if self.kind == "LIQUIDATION" else "GTC"


@dataclass(frozen=True, slots=True)
class AlgoOrder:
    """A conditional order, such as a stop.

    Attributes:
        kind: STOP, STOP_MARKET, TAKE_PROFIT, TAKE_PROFIT_MARKET or TRAILING_STOP_MARKET.
        quantity: 0 with ``close_position``.
        working: CONTRACT_PRICE or MARK_PRICE, which trigger it.
        status: NEW, CANCELED, TRIGGERED, FINISHED, REJECTED or EXPIRED.
    """

    number: int
    client: str
    symbol: str
    side: OrderSide
    position_side: PositionSide
    kind: str
    quantity: Decimal
    trigger: Decimal
    created_ms: int
    updated_ms: int
    price: Decimal = _ZERO
    close_position: bool = False
    reduce_only: bool = False
    working: str = "CONTRACT_PRICE"
    status: str = "NEW"

    def event(self) -> Row:
        """Return the ``o`` of an ALGO_UPDATE."""
        return {
            "caid": self.client, "aid": self.number, "at": "CONDITIONAL", "o": self.kind, "s": self.symbol,
            "S": self.side, "ps": self.position_side, "f": "GTC", "q": plain(self.quantity), "X": self.status,
            "ai": "", "ap": "0.00000", "aq": "0.00000", "act": "0", "tp": plain(self.trigger),
            "p": plain(self.price), "V": "EXPIRE_MAKER", "wt": self.working, "pm": "NONE",
            "cp": self.close_position, "pP": False, "R": self.reduce_only, "tt": 0, "gtd": 0, "rm": "",
        }  # fmt: skip

    def row(self) -> Row:
        """Return its row among the open conditional orders."""
        return {
            "algoId": self.number,
            "clientAlgoId": self.client,
            "algoType": "CONDITIONAL",
            "orderType": self.kind,
            "symbol": self.symbol,
            "side": self.side,
            "positionSide": self.position_side,
            "timeInForce": "GTC",
            "quantity": plain(self.quantity),
            "algoStatus": self.status,
            "actualOrderId": "",
            "actualPrice": "0.00000",
            "triggerPrice": plain(self.trigger),
            "price": plain(self.price),
            "icebergQuantity": None,
            "tpTriggerPrice": "0.000",
            "tpPrice": "0.000",
            "slTriggerPrice": "0.000",
            "slPrice": "0.000",
            "tpOrderType": "",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "workingType": self.working,
            "priceMatch": "NONE",
            "closePosition": self.close_position,
            "priceProtect": False,
            "reduceOnly": self.reduce_only,
            "createTime": self.created_ms,
            "updateTime": self.updated_ms,
            "triggerTime": 0,
            "goodTillDate": 0,
        }


@dataclass(frozen=True, slots=True)
class Income:
    """One booking in an account's history."""

    kind: str
    amount: Decimal
    asset: str
    time_ms: int
    number: int
    symbol: str = ""
    trade: int = 0

    def row(self) -> Row:
        """Return its row of the income history."""
        return {
            "symbol": self.symbol,
            "incomeType": self.kind,
            "income": amount(self.amount),
            "asset": self.asset,
            "info": str(self.trade) if self.trade else self.kind,
            "time": self.time_ms,
            "tranId": self.number,
            "tradeId": str(self.trade) if self.trade else "",
        }
