"""The exchange's bytes become values here, or are refused with a reason.

Tolerant of what is new (unknown fields, extra rows), strict about what is used.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from monitor.binance.belief import (
    ABSURD_TIME,
    OTHER_MARKET,
    UNKNOWN_SYMBOL,
    UNREADABLE,
    WRONG_EVENT,
    WRONG_SHAPE,
    amount_or_none,
    believable_price,
    believable_time,
    unreadable,
)
from monitor.binance.endpoints import is_rate
from monitor.binance.pick import RowPicker
from monitor.core.model import ASK, BID, Market, MarkTick, Now, Source
from monitor.errors import WireError

MARK_EVENT: Final = "markPriceUpdate"
INDEX_EVENT: Final = "assetIndexUpdate"
CONTRACT_EVENT: Final = "contractInfo"

# What ``st`` may say on a row of ours; 0 stands for a row without it. Published examples of coin-margined rows
# carry a 1 although 2 is their number, and symbols of the two markets never share a name, so it is not held
# against them: a wrong guess here would blind.
_OWN_MARKET = {Market.USDM: frozenset({0, 1}), Market.COINM: frozenset({0, 1, 2})}

# How an array of asset indexes is told from one of marks without decoding it: by the name of the event, which
# stands in its first row. Marks of every symbol there is outnumber the indexes a hundred to one.
_INDEX_MARK = f'"{INDEX_EVENT}"'.encode()
_FIRST_ROW_BYTES = 400

_FUNDING_WITHIN_MS = 7 * 86_400_000  # no contract waits longer for one


class Ack(msgspec.Struct, frozen=True):
    """The exchange took a control message. Proves nothing about data."""

    id: int | str | None


class Refusal(msgspec.Struct, frozen=True):
    """The exchange refused a control message; ``code`` is its number, or None."""

    code: int | None
    text: str


class ContractChanged(msgspec.Struct, frozen=True):
    """Something about a contract changed; its maintenance tiers if ``has_brackets``."""

    symbol: str
    has_brackets: bool


Frame = list[MarkTick] | Ack | Refusal | ContractChanged


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


class _IndexRow(msgspec.Struct, gc=False):
    e: str = ""
    E: int = 0
    s: str = ""
    B: str | float = ""  # bid rate: what one unit counts while it is owned
    A: str | float = ""  # ask rate: while it is owed


class _Contract(msgspec.Struct, gc=False):
    s: str
    bks: list[msgspec.Raw] | None = None  # only where they changed


class NextFunding(NamedTuple):
    """What is paid next for holding a contract."""

    rate: float  # fraction of the notional, as estimated now; LONG pays a positive one
    next_ms: int  # exchange time, Unix milliseconds


class _Premium(msgspec.Struct, gc=False):
    symbol: str
    markPrice: str | float  # noqa: N815 - the exchange's spelling
    time: int
    lastFundingRate: Any = None  # noqa: N815  no mark hangs on it
    nextFundingTime: Any = None  # noqa: N815


class _ServerTime(msgspec.Struct):
    serverTime: int  # noqa: N815 - the exchange's spelling


_decode_object = msgspec.json.Decoder(_Object).decode
_decode_row = msgspec.json.Decoder(_Row).decode
_decode_rows = msgspec.json.Decoder(list[_Row]).decode
_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_index_rows = msgspec.json.Decoder(list[_IndexRow]).decode
_decode_index_row = msgspec.json.Decoder(_IndexRow).decode
_decode_contract = msgspec.json.Decoder(_Contract).decode
_decode_premium = msgspec.json.Decoder(_Premium).decode
_decode_server_time = msgspec.json.Decoder(_ServerTime).decode


class MarkDecoder:
    """Frames of the mark price streams, and of the asset indexes, into ticks of the watched symbols.

    ``watched`` may be replaced between frames; names of rates (``monitor.core.model.rate_symbols``) among it are
    looked for in the asset indexes. ``rejected`` counts refused frames and rows by reason, and ``last_error`` is
    the newest refusal, a new value each time and without its traceback.
    """

    def __init__(self, watched: frozenset[str], market: str = Market.USDM) -> None:
        self.watched = watched
        self.rejected: Counter[str] = Counter()
        self.last_error: WireError | None = None
        self._where = f"{market} mark"
        self._own = _OWN_MARKET[Market(market)]

    @property
    def watched(self) -> frozenset[str]:
        """Whose marks, and which rates, are passed on."""
        return self._watched

    @watched.setter
    def watched(self, watched: frozenset[str]) -> None:
        self._watched = watched
        self._rates = {name for name in watched if is_rate(name)}
        self._marks = watched - self._rates
        self._picker = RowPicker(self._marks)

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
        except UNREADABLE as error:
            if raw.lstrip()[:1] == b"[":
                return self._array(raw, now)
            raise unreadable(raw, self._where, error) from error
        if frame.e:
            if frame.e != MARK_EVENT:
                return self._other(frame.e, raw, now)
            if frame.s not in self._marks:
                raise WireError(self._where, UNKNOWN_SYMBOL)
            return [self._tick(frame, now)]
        if isinstance(frame.data, msgspec.Raw) and not unwrapped:
            return self._payload(bytes(frame.data), now)
        return self._reply(frame)

    def _reply(self, frame: _Object) -> Ack | Refusal:
        if frame.result is not msgspec.UNSET:
            return Ack(frame.id)
        if frame.error is not None:
            return Refusal(frame.error.code, frame.error.msg)
        if frame.code is not None:
            return Refusal(frame.code, frame.msg)
        raise WireError(self._where, WRONG_SHAPE)

    def _other(self, event: str, raw: bytes, now: Now) -> Frame:
        try:
            if event == CONTRACT_EVENT:
                contract = _decode_contract(raw)
                return ContractChanged(contract.s, bool(contract.bks))
            if event == INDEX_EVENT:
                return self._rate_ticks([_decode_index_row(raw)], now)
        except UNREADABLE as error:
            raise unreadable(raw, event, error) from error
        raise WireError(self._where, WRONG_EVENT)

    def _payload(self, raw: bytes, now: Now) -> list[MarkTick] | ContractChanged:
        if raw[:1] == b"[":
            return self._array(raw, now)
        inner = self._object(raw, now, unwrapped=True)
        if isinstance(inner, list | ContractChanged):
            return inner
        raise WireError(self._where, WRONG_SHAPE)

    def _array(self, raw: bytes, now: Now) -> list[MarkTick]:
        if self._rates and raw.find(_INDEX_MARK, 0, _FIRST_ROW_BYTES) >= 0:
            return self._indexes(raw, now)
        rows = self._picked(raw)
        if rows is None:
            watched = self._marks
            try:
                rows = [row for row in _decode_rows(raw) if row.s in watched]
            except UNREADABLE:
                rows = [row for row in self._one_by_one(raw) if row.s in watched]
        ticks = []
        for row in rows:
            try:
                ticks.append(self._tick(row, now))
            except WireError as error:
                self._reject(error)
        return ticks

    def _picked(self, raw: bytes) -> list[_Row] | None:
        parts = self._picker.pick(raw)
        if parts is None:
            return None
        rows = []
        for symbol, part in parts:
            try:
                row = _decode_row(part)
            except UNREADABLE:
                return None
            if row.s != symbol or row.e != MARK_EVENT:
                return None  # not the row but something within one
            rows.append(row)
        return rows

    def _one_by_one(self, raw: bytes) -> Iterable[_Row]:
        # Slow, for arrays with a bad row only: finds which rows are good.
        rows = []
        for part in self._parts(raw):
            try:
                rows.append(_decode_row(part))
            except UNREADABLE as error:
                self._reject(unreadable(bytes(part), self._where, error))
        return rows

    def _parts(self, raw: bytes) -> list[msgspec.Raw]:
        try:
            return _decode_raws(raw)
        except UNREADABLE as error:
            raise unreadable(raw, self._where, error) from error

    def _indexes(self, raw: bytes, now: Now) -> list[MarkTick]:
        try:
            rows = _decode_index_rows(raw)
        except UNREADABLE:
            rows = []
            for part in self._parts(raw):
                try:
                    rows.append(_decode_index_row(part))
                except UNREADABLE as error:
                    self._reject(unreadable(bytes(part), self._where, error))
        return self._rate_ticks(rows, now)

    def _rate_ticks(self, rows: Iterable[_IndexRow], now: Now) -> list[MarkTick]:
        ticks = []
        for row in rows:
            for name, rate in ((row.s + BID, row.B), (row.s + ASK, row.A)):
                if name not in self._rates:
                    continue
                try:
                    event_ms = believable_time(row.E, now.wall_ms, INDEX_EVENT)
                    ticks.append(MarkTick(name, believable_price(rate, INDEX_EVENT), event_ms, now.mono_s))
                except WireError as error:
                    self._reject(error)
        return ticks

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
    funding: dict[str, NextFunding] | None = None,
) -> list[MarkTick]:
    """Return the marks of a premium index reply: one object, or an array of which bad rows are left out.

    Args:
        body: the reply.
        seen_s: when it arrived, our monotonic clock.
        wall_ms: our wall clock, to refuse times from the future; None leaves that unchecked.
        on_reject: told about each row left out.
        funding: takes the next funding of each symbol that has one; what cannot be believed of it is left out.

    Raises:
        WireError: the body as a whole, or its only object, cannot be believed.
    """
    where = "premium index"
    if not body.lstrip().startswith(b"["):
        return [_premium(body, seen_s, wall_ms, where, funding)]
    try:
        parts = _decode_raws(body)
    except UNREADABLE as error:
        raise unreadable(body, where, error) from error
    ticks = []
    for part in parts:
        try:
            ticks.append(_premium(bytes(part), seen_s, wall_ms, where, funding))
        except WireError as error:
            if on_reject is not None:
                on_reject(error)
    return ticks


def _premium(
    raw: bytes, seen_s: float, wall_ms: int | None, where: str, funding: dict[str, NextFunding] | None
) -> MarkTick:
    try:
        row = _decode_premium(raw)
    except UNREADABLE as error:
        raise unreadable(raw, where, error) from error
    event_ms = believable_time(row.time, wall_ms, where)
    tick = MarkTick(row.symbol, believable_price(row.markPrice, where), event_ms, seen_s, Source.REST)
    if funding is not None and (due := _next_funding(row, event_ms)) is not None:
        funding[row.symbol] = due
    return tick


def _next_funding(row: _Premium, event_ms: int) -> NextFunding | None:
    """Return what is paid next; delivery contracts write no rate, and 0 for the time."""
    rate = amount_or_none(row.lastFundingRate)
    next_ms = row.nextFundingTime
    if rate is None or not abs(rate) < 1.0 or isinstance(next_ms, bool) or not isinstance(next_ms, int):
        return None
    return NextFunding(rate, next_ms) if 0 < next_ms - event_ms <= _FUNDING_WITHIN_MS else None


def decode_server_time(body: bytes) -> int:
    """Return the exchange's time, Unix milliseconds, > 0.

    Raises:
        WireError: the body does not say a time.
    """
    where = "server time"
    try:
        server_ms = _decode_server_time(body).serverTime
    except UNREADABLE as error:
        raise unreadable(body, where, error) from error
    if server_ms <= 0:
        raise WireError(where, ABSURD_TIME)
    return server_ms
