"""Events of the private stream become values here, or are refused with a reason; nothing is lost silently.

Tolerant of what is new (unknown events, unknown fields), strict about what is used. An event that cannot be
believed comes out as :class:`Malformed`: whoever follows the account must then ask the exchange again, because
something changed and it is not known what. Listen keys, which these frames carry, never get into a value.
"""

from collections import Counter
from typing import Final, NoReturn

import msgspec

from monitor.binance.belief import (
    BAD_PRICE,
    NOT_JSON,
    UNREADABLE,
    WRONG_SHAPE,
    believable_amount,
    believable_price,
    believable_time,
)
from monitor.core.model import ForcedOrder, MarginCallLeg, MarginMode, Side
from monitor.errors import WireError

ACCOUNT_UPDATE: Final = "ACCOUNT_UPDATE"
CONFIG_UPDATE: Final = "ACCOUNT_CONFIG_UPDATE"
MARGIN_CALL: Final = "MARGIN_CALL"
ORDER_UPDATE: Final = "ORDER_TRADE_UPDATE"
ALGO_UPDATE: Final = "ALGO_UPDATE"
KEY_EXPIRED: Final = "listenKeyExpired"

# What a connection is asked for. Without KEY_EXPIRED among them it is not documented whether that one still comes.
EVENTS: Final = (ACCOUNT_UPDATE, CONFIG_UPDATE, MARGIN_CALL, ORDER_UPDATE, ALGO_UPDATE, KEY_EXPIRED)

REPLY: Final = "reply"  # to a control message
UNNAMED: Final = "unnamed"  # no event at all
OTHER: Final = "other"  # an event nobody here knows the name of

# Known and of no use: faster duplicates of fills, and what trading robots of the exchange do.
_UNUSED = frozenset({"TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE", "CONDITIONAL_ORDER_TRIGGER_REJECT"})

SLOTS: Final = ("BOTH", "LONG", "SHORT")
_MODES = {
    "isolated": MarginMode.ISOLATED,
    "ISOLATED": MarginMode.ISOLATED,
    "cross": MarginMode.CROSS,
    "crossed": MarginMode.CROSS,
    "CROSSED": MarginMode.CROSS,
    "CROSS": MarginMode.CROSS,
}
_FORCED = (
    ("autoclose-", ForcedOrder.LIQUIDATION),
    ("adl_autoclose", ForcedOrder.ADL),
    ("settlement_autoclose-", ForcedOrder.SETTLEMENT),
)
_LONGEST_NAME = 64


class BalanceRow(msgspec.Struct, frozen=True):
    """A margin asset as it is now."""

    asset: str
    wallet: float  # cross and isolated wallets together
    cross: float  # cross wallet balance


class LegRow(msgspec.Struct, frozen=True):
    """A position as it is now; amount 0 is one that is closed."""

    symbol: str
    slot: str  # BOTH, LONG or SHORT
    amount: float  # base asset or contracts, negative if short
    entry: float  # > 0 where there is an amount
    margin_mode: MarginMode
    margin: float  # isolated wallet balance, margin asset


class AccountUpdate(msgspec.Struct, frozen=True):
    """Balances and positions that are different now. What it does not name did not change."""

    event_ms: int
    at_ms: int  # when it happened, exchange clock
    cause: str  # ORDER, FUNDING_FEE, DEPOSIT, MARGIN_TYPE_CHANGE and others
    balances: tuple[BalanceRow, ...]
    legs: tuple[LegRow, ...]


class LeverageUpdate(msgspec.Struct, frozen=True):
    """The initial leverage of a symbol was changed."""

    event_ms: int
    at_ms: int
    symbol: str
    leverage: float


class ModeUpdate(msgspec.Struct, frozen=True):
    """Multi-assets mode was switched."""

    event_ms: int
    at_ms: int
    multi_assets: bool


class CallUpdate(msgspec.Struct, frozen=True):
    """The exchange's own margin call."""

    event_ms: int
    legs: tuple[MarginCallLeg, ...]
    cross_balance: float | None


class ForcedUpdate(msgspec.Struct, frozen=True):
    """An order the exchange itself placed was filled, in part or whole."""

    event_ms: int
    order: str  # client id and number: every deleveraging has the same client id
    symbol: str
    side: Side  # of the position that shrinks
    kind: ForcedOrder
    quantity: float  # filled so far, > 0
    price: float  # average; 0 where not known


class OrderUpdate(msgspec.Struct, frozen=True):
    """Any other order changed: nothing an account's figures depend on before it fills."""

    event_ms: int
    kind: str  # ORDER_TRADE_UPDATE or ALGO_UPDATE
    symbol: str
    status: str


class KeyExpired(msgspec.Struct, frozen=True):
    """The listen key's life is over: the connection stays open and silent."""


class Ignored(msgspec.Struct, frozen=True):
    """Nothing for us. ``kind`` is bounded: names nobody knows are all ``other``."""

    kind: str


class Malformed(msgspec.Struct, frozen=True):
    """A frame that cannot be believed; something may have changed."""

    kind: str
    reason: str


UserEvent = (
    AccountUpdate
    | LeverageUpdate
    | ModeUpdate
    | CallUpdate
    | ForcedUpdate
    | OrderUpdate
    | KeyExpired
    | Ignored
    | Malformed
)


class _Balance(msgspec.Struct):
    a: str
    wb: str | float
    cw: str | float


class _Leg(msgspec.Struct):
    s: str
    pa: str | float
    ep: str | float = 0.0
    mt: str = ""
    iw: str | float = 0.0
    ps: str = "BOTH"


class _Update(msgspec.Struct):
    m: str = ""
    B: list[_Balance] = []
    P: list[_Leg] = []


class _SymbolConfig(msgspec.Struct):
    s: str
    l: int | float  # noqa: E741 - the exchange's spelling


class _AccountConfig(msgspec.Struct):
    j: bool


class _Call(msgspec.Struct):
    s: str
    pa: str | float
    mp: str | float
    mm: str | float
    up: str | float
    ps: str = "BOTH"
    mt: str = ""
    iw: str | float = 0.0


class _Order(msgspec.Struct):
    s: str
    c: str = ""
    caid: str = ""
    S: str = ""
    ps: str = "BOTH"
    X: str = ""
    z: str | float = 0.0
    ap: str | float = 0.0
    i: int | str = 0


class _Frame(msgspec.Struct):
    e: str = ""
    E: int = 0
    T: int = 0
    a: _Update | None = None
    ac: _SymbolConfig | None = None
    ai: _AccountConfig | None = None
    p: list[_Call] | None = None
    cw: str | float | None = None
    o: _Order | None = None


class _Outside(msgspec.Struct):
    # What is needed to tell what a frame is; nothing in it can fail but the event's own fields.
    e: str | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    code: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_outside = msgspec.json.Decoder(_Outside).decode
_decode_frame = msgspec.json.Decoder(_Frame).decode

_USED = frozenset(EVENTS)


class UserDecoder:
    """Frames of a private stream into events. ``seen`` counts them by kind, ``rejected`` by reason."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()

    def decode(self, raw: bytes, wall_ms: int) -> UserEvent:
        """Return what one frame says, bare or in a combined wrapper. Never raises.

        Args:
            raw: the frame.
            wall_ms: our wall clock, exchange time as far as known, to refuse events from the future.
        """
        kind = UNNAMED
        try:
            body = raw
            outside = _outside(body)
            if outside.e is msgspec.UNSET and isinstance(outside.data, msgspec.Raw):
                body = bytes(outside.data)
                outside = _outside(body)
            if not isinstance(outside.e, str):
                return self._ignored(outside)
            kind = outside.e if outside.e in _USED or outside.e in _UNUSED else OTHER
            self.seen[kind] += 1
            return _event(body, kind, wall_ms) if kind in _USED else Ignored(kind)
        except WireError as error:
            self.rejected[error.reason] += 1
            return Malformed(kind, error.reason)

    def _ignored(self, outside: _Outside) -> Ignored:
        answers = (outside.result, outside.error, outside.code)
        if all(part is msgspec.UNSET for part in answers):
            raise WireError(UNNAMED, WRONG_SHAPE)
        self.seen[REPLY] += 1
        return Ignored(REPLY)


def _outside(raw: bytes) -> _Outside:
    try:
        return _decode_outside(raw)
    except UNREADABLE as error:
        _refuse(UNNAMED, error)


def _refuse(kind: str, error: Exception) -> NoReturn:
    # Not chained: a frame may hold a listen key, and so may what a decoder says about it.
    reason = WRONG_SHAPE if isinstance(error, msgspec.ValidationError | RecursionError) else NOT_JSON
    raise WireError(kind, reason) from None


def _event(raw: bytes, kind: str, wall_ms: int) -> UserEvent:
    try:
        frame = _decode_frame(raw)
    except UNREADABLE as error:
        _refuse(kind, error)
    if kind == KEY_EXPIRED:
        return KeyExpired()  # whenever that was, the connection is silent now
    event_ms = believable_time(frame.E, wall_ms, kind)
    at_ms = believable_time(frame.T, wall_ms, kind) if frame.T else event_ms
    match kind:
        case "ACCOUNT_UPDATE" if frame.a is not None:
            balances = tuple(_balance(row) for row in frame.a.B)
            return AccountUpdate(
                event_ms, at_ms, frame.a.m[:_LONGEST_NAME], balances, tuple(_leg(row) for row in frame.a.P)
            )
        case "ACCOUNT_CONFIG_UPDATE" if frame.ac is not None:
            leverage = believable_amount(frame.ac.l, kind)
            return LeverageUpdate(event_ms, at_ms, _name(frame.ac.s, kind), leverage)
        case "ACCOUNT_CONFIG_UPDATE" if frame.ai is not None:
            return ModeUpdate(event_ms, at_ms, frame.ai.j)
        case "MARGIN_CALL" if frame.p is not None:
            cross = None if frame.cw is None else believable_amount(frame.cw, kind)
            return CallUpdate(event_ms, tuple(_called(row) for row in frame.p), cross)
        case "ORDER_TRADE_UPDATE" | "ALGO_UPDATE" if frame.o is not None:
            return _order(frame.o, kind, event_ms)
    raise WireError(kind, WRONG_SHAPE)


def _name(value: str, kind: str) -> str:
    if not 0 < len(value) <= _LONGEST_NAME:
        raise WireError(kind, WRONG_SHAPE)
    return value


def _balance(row: _Balance) -> BalanceRow:
    where = ACCOUNT_UPDATE
    return BalanceRow(_name(row.a, where), believable_amount(row.wb, where), believable_amount(row.cw, where))


def _leg(row: _Leg) -> LegRow:
    where = ACCOUNT_UPDATE
    mode = _MODES.get(row.mt)
    if row.ps not in SLOTS or mode is None:
        raise WireError(where, WRONG_SHAPE)
    amount = believable_amount(row.pa, where)
    entry = believable_price(row.ep, where) if amount else 0.0
    return LegRow(_name(row.s, where), row.ps, amount, entry, mode, believable_amount(row.iw, where))


def _called(row: _Call) -> MarginCallLeg:
    where = MARGIN_CALL
    mode = _MODES.get(row.mt)
    if row.ps not in SLOTS or mode is None:
        raise WireError(where, WRONG_SHAPE)
    amount = believable_amount(row.pa, where)
    return MarginCallLeg(
        symbol=_name(row.s, where),
        side=side_of(row.ps, amount),
        quantity=abs(amount),
        margin_mode=mode,
        mark=believable_price(row.mp, where),
        maintenance=believable_amount(row.mm, where),
        unrealized_pnl=believable_amount(row.up, where),
        isolated_margin=believable_amount(row.iw, where),
    )


def side_of(slot: str, amount: float) -> Side:
    """Return the direction of a position: what hedge mode calls it, else the sign of its amount."""
    if slot == "BOTH":
        return Side.SHORT if amount < 0 else Side.LONG
    return Side(slot)


def forced_kind(client: str) -> ForcedOrder | None:
    """Return why the exchange placed an order itself, by the order's client id; None if it did not."""
    return next((which for start, which in _FORCED if client.startswith(start)), None)


def forced_name(client: str, number: int | str) -> str:
    """Return the name of such an order: every deleveraging has the same client id."""
    return f"{client}/{number}"[: 2 * _LONGEST_NAME]


def _order(row: _Order, kind: str, event_ms: int) -> ForcedUpdate | OrderUpdate:
    symbol, client = _name(row.s, kind), row.c or row.caid
    forced = forced_kind(client)
    filled = believable_amount(row.z, kind)
    if forced is None or filled <= 0.0:
        return OrderUpdate(event_ms, kind, symbol, row.X[:_LONGEST_NAME])
    if row.ps not in SLOTS or (row.ps == "BOTH" and row.S not in {"BUY", "SELL"}):
        raise WireError(kind, WRONG_SHAPE)
    side = side_of(row.ps, 1.0 if row.S == "SELL" else -1.0)
    price = believable_amount(row.ap, kind)
    if price < 0.0:
        raise WireError(kind, BAD_PRICE)
    order = forced_name(client, row.i)
    return ForcedUpdate(event_ms, order, symbol, side, forced, filled, price)
