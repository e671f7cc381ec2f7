"""The exchange's bytes become values here, or are refused with a reason.

Tolerant of what is new (unknown fields, extra rows), strict about what is used: a price that is not a finite,
positive, plausible number and a time that cannot be are stopped at this border. JSON decoders let ``"NaN"`` and
``"Infinity"`` pass as numbers, and every comparison with NaN is false, so no alert would ever fire on one.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from monitor.binance.pick import RowPicker
from monitor.core.model import Market, MarkTick, Now, Source
from monitor.errors import WireError

NOT_JSON: Final = "not_json"
TRUNCATED: Final = "truncated"
WRONG_SHAPE: Final = "wrong_shape"
WRONG_EVENT: Final = "wrong_event"
UNKNOWN_SYMBOL: Final = "unknown_symbol"
OTHER_MARKET: Final = "other_market"
BAD_PRICE: Final = "bad_price"
BAD_AMOUNT: Final = "bad_amount"
NAN_PRICE: Final = "nan_price"
INFINITE_PRICE: Final = "infinite_price"
ZERO_PRICE: Final = "zero_price"
NEGATIVE_PRICE: Final = "negative_price"
ABSURD_PRICE: Final = "absurd_price"
ABSURD_TIME: Final = "absurd_time"
FUTURE_TIME: Final = "future_time"

MARK_EVENT: Final = "markPriceUpdate"

FUTURE_TOLERANCE_MS = 60_000  # clocks differ by less; a mark from beyond would outrank all that honestly follow
EARLIEST_MS = 1_546_300_800_000  # 2019-01-01: there were no such futures before
HIGHEST_PRICE = 1e15  # no contract comes near; beyond it a notional could overflow

# What ``st`` may say on a row of ours; 0 stands for a row without it. Published examples of coin-margined rows
# carry a 1 although 2 is their number, and symbols of the two markets never share a name, so it is not held
# against them: a wrong guess here would blind.
_OWN_MARKET = {Market.USDM: frozenset({0, 1}), Market.COINM: frozenset({0, 1, 2})}

# ASCII digits only: float() alone would also take "1_0", " 1 " and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[+-]?nan", re.IGNORECASE)
_INFINITY = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)  # all that msgspec raises on foreign bytes


class Ack(msgspec.Struct, frozen=True):
    """The exchange took a control message. Proves nothing about data."""

    id: int | str | None


class Refusal(msgspec.Struct, frozen=True):
    """The exchange refused a control message; ``code`` is its number, or None."""

    code: int | None
    text: str


Frame = list[MarkTick] | Ack | Refusal


class _Row(msgspec.Struct, gc=False):
    # Everything has a default and the price stays text: rows nobody watches (nearly all of an array) must cost
    # neither a conversion nor a validation error.
    e: str = ""
    E: int = 0
    s: str = ""
    p: str | float = ""
    st: int = 0


class _Fault(msgspec.Struct):
    code: int | None = None
    msg: str = ""


class _Object(msgspec.Struct, gc=False):
    # A mark, a combined wrapper and a control reply in one type: one decode for each frame, whatever it is.
    e: str = ""
    E: int = 0
    s: str = ""
    p: str | float = ""
    st: int = 0
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: int | str | None = None
    code: int | None = None
    msg: str = ""
    error: _Fault | None = None


class _Premium(msgspec.Struct, gc=False):
    symbol: str
    markPrice: str | float  # noqa: N815 - the exchange's spelling
    time: int


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's spelling


_decode_object = msgspec.json.Decoder(_Object).decode
_decode_row = msgspec.json.Decoder(_Row).decode
_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_premium = msgspec.json.Decoder(_Premium).decode
_decode_server_time = msgspec.json.Decoder(_ServerTime).decode


def believable_price(value: str | float, where: str) -> float:
    """Return a price as the exchange spells it (text or number) as a float, in the quote asset.

    Raises:
        WireError: not a number, NaN, infinite, zero, negative, or beyond 1e15; ``where`` is named.
    """
    if isinstance(value, str):
        if _NUMBER.fullmatch(value) is None:
            reason = BAD_PRICE
            if _NOT_A_NUMBER.fullmatch(value):
                reason = NAN_PRICE
            elif _INFINITY.fullmatch(value):
                reason = INFINITE_PRICE
            raise WireError(where, reason)
        value = float(value)
    if 0.0 < value <= HIGHEST_PRICE:
        return value
    if value == 0.0:
        raise WireError(where, ZERO_PRICE)
    if value < 0.0:
        raise WireError(where, NEGATIVE_PRICE)
    raise WireError(where, INFINITE_PRICE if value == float("inf") else ABSURD_PRICE)


def believable_amount(value: str | float, where: str) -> float:
    """Return a quantity or an amount of money, of either sign or 0, as the exchange spells it, as a float.

    Raises:
        WireError: not a number, NaN, infinite, or beyond 1e15 either way; ``where`` is named.
    """
    if isinstance(value, str):
        if _NUMBER.fullmatch(value) is None:
            raise WireError(where, BAD_AMOUNT)
        value = float(value)
    if not -HIGHEST_PRICE <= value <= HIGHEST_PRICE:
        raise WireError(where, BAD_AMOUNT)
    return value


def believable_time(event_ms: int, wall_ms: int | None, where: str) -> int:
    """Return an exchange time, Unix milliseconds.

    Args:
        event_ms: what the exchange says.
        wall_ms: our clock; None leaves the future unchecked.
        where: what the error names.

    Raises:
        WireError: before 2019, or more than 60 s ahead of our clock.
    """
    if event_ms < EARLIEST_MS:
        raise WireError(where, ABSURD_TIME)
    if wall_ms is not None and event_ms > wall_ms + FUTURE_TOLERANCE_MS:
        raise WireError(where, FUTURE_TIME)
    return event_ms


def _unreadable(raw: bytes, where: str, error: Exception) -> WireError:
    if isinstance(error, msgspec.ValidationError | RecursionError):
        return WireError(where, WRONG_SHAPE)
    text = raw.strip()
    closing = {b"{": b"}", b"[": b"]"}.get(text[:1])
    return WireError(where, TRUNCATED if closing and not text.endswith(closing) else NOT_JSON)


class MarkDecoder:
    """Frames of the mark price streams into ticks of the watched symbols.

    ``watched`` may be replaced between frames. ``rejected`` counts refused frames and rows by reason, and
    ``last_error`` is the newest refusal, a new value each time and without its traceback.
    """

    def __init__(self, watched: frozenset[str], market: str = Market.USDM) -> None:
        self.watched = watched
        self.rejected: Counter[str] = Counter()
        self.last_error: WireError | None = None
        self._where = f"{market} mark"
        self._own = _OWN_MARKET[Market(market)]
        self._picker = RowPicker(watched)

    def decode(self, raw: bytes | str, now: Now) -> Frame:
        """Return the believable marks of one frame, or what it replies to a control message. Never raises.

        Takes a single payload, an array, and either of them in a combined wrapper. A refused frame or row is
        counted; the good rows of an array survive the bad ones.

        Args:
            raw: the frame.
            now: when it arrived: wall time to judge its event time, monotonic time to stamp the ticks.
        """
        if isinstance(raw, str):
            raw = raw.encode(errors="surrogatepass")  # half a surrogate pair then fails as the bad UTF-8 it is
        try:
            if raw[:1] == b"[":
                return self._array(raw, now)
            return self._object(raw, now)
        except WireError as error:
            self._reject(error)
            return []

    def _object(self, raw: bytes, now: Now, *, unwrapped: bool = False) -> Frame:
        try:
            frame = _decode_object(raw)
        except _UNREADABLE as error:
            if raw.lstrip()[:1] == b"[":
                return self._array(raw, now)
            raise _unreadable(raw, self._where, error) from error
        if frame.e:
            if frame.s not in self.watched and frame.e == MARK_EVENT:
                raise WireError(self._where, UNKNOWN_SYMBOL)
            return [self._tick(frame, now)]
        if isinstance(frame.data, msgspec.Raw) and not unwrapped:
            return self._payload(bytes(frame.data), now)
        if frame.result is not msgspec.UNSET:
            return Ack(frame.id)
        if frame.error is not None:
            return Refusal(frame.error.code, frame.error.msg)
        if frame.code is not None:
            return Refusal(frame.code, frame.msg)
        raise WireError(self._where, WRONG_SHAPE)

    def _payload(self, raw: bytes, now: Now) -> list[MarkTick]:
        if raw[:1] == b"[":
            return self._array(raw, now)
        inner = self._object(raw, now, unwrapped=True)
        if isinstance(inner, list):
            return inner
        raise WireError(self._where, WRONG_SHAPE)

    def _array(self, raw: bytes, now: Now) -> list[MarkTick]:
        rows = self._picked(raw)
        if rows is None:
            watched = self.watched
            try:
                rows = [row for row in _decode_rows(raw) if row.s in watched]
            except _UNREADABLE:
                rows = [row for row in self._one_by_one(raw) if row.s in watched]
        ticks = []
        for row in rows:
            try:
                ticks.append(self._tick(row, now))
            except WireError as error:
                self._reject(error)
        return ticks

    def _picked(self, raw: bytes) -> list[_Row] | None:
        if self._picker.symbols is not self.watched:
            self._picker = RowPicker(self.watched)
        parts = self._picker.pick(raw)
        if parts is None:
            return None
        rows = []
        for symbol, part in parts:
            try:
                row = _decode_row(part)
            except _UNREADABLE:
                return None
            if row.s != symbol or row.e != MARK_EVENT:
                return None  # not the row but something within one
            rows.append(row)
        return rows

    def _one_by_one(self, raw: bytes) -> Iterable[_Row]:
        # Slow, for arrays with a bad row only: finds which rows are good.
        try:
            parts = _decode_raws(raw)
        except _UNREADABLE as error:
            raise _unreadable(raw, self._where, error) from error
        rows = []
        for part in parts:
            try:
                rows.append(_decode_row(part))
            except _UNREADABLE as error:
                self._reject(_unreadable(bytes(part), self._where, error))
        return rows

    def _tick(self, row: _Row | _Object, now: Now) -> MarkTick:
        if row.e != MARK_EVENT:
            raise WireError(self._where, WRONG_EVENT)
        if row.st not in self._own:
            raise WireError(self._where, OTHER_MARKET)
        event_ms = believable_time(row.E, now.wall_ms, self._where)
        return MarkTick(row.s, believable_price(row.p, self._where), event_ms, now.mono_s)

    def _reject(self, error: WireError) -> None:
        self.rejected[error.reason] += 1
        # A fresh one: what was raised keeps its traceback, and with it the whole frame, for as long as it lives.
        self.last_error = WireError(error.where, error.reason, error.detail)


def decode_premium_index(
    body: bytes,
    seen_s: float,
    *,
    wall_ms: int | None = None,
    on_reject: Callable[[WireError], None] | None = None,
) -> list[MarkTick]:
    """Return the marks of a premium index reply: one object, or an array of which bad rows are left out.

    Args:
        body: the reply.
        seen_s: when it arrived, our monotonic clock.
        wall_ms: our wall clock, to refuse times from the future; None leaves that unchecked.
        on_reject: told about each row left out.

    Raises:
        WireError: the body as a whole, or its only object, cannot be believed.
    """
    where = "premium index"
    if not body.lstrip().startswith(b"["):
        return [_premium(body, seen_s, wall_ms, where)]
    try:
        parts = _decode_raws(body)
    except _UNREADABLE as error:
        raise _unreadable(body, where, error) from error
    ticks = []
    for part in parts:
        try:
            ticks.append(_premium(bytes(part), seen_s, wall_ms, where))
        except WireError as error:
            if on_reject is not None:
                on_reject(error)
    return ticks


def _premium(raw: bytes, seen_s: float, wall_ms: int | None, where: str) -> MarkTick:
    try:
        row = _decode_premium(raw)
    except _UNREADABLE as error:
        raise _unreadable(raw, where, error) from error
    event_ms = believable_time(row.time, wall_ms, where)
    return MarkTick(row.symbol, believable_price(row.markPrice, where), event_ms, seen_s, Source.REST)


def decode_server_time(body: bytes) -> int:
    """Return the exchange's time, Unix milliseconds, > 0.

    Raises:
        WireError: the body does not say a time.
    """
    where = "server time"
    try:
        server_ms = _decode_server_time(body).serverTime
    except _UNREADABLE as error:
        raise _unreadable(body, where, error) from error
    if server_ms <= 0:
        raise WireError(where, ABSURD_TIME)
    return server_ms
