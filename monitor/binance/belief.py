"""What of the exchange's figures can be believed.

A price that is not a finite, positive, plausible number and a time that cannot be are stopped at this border. JSON
decoders let ``"NaN"`` and ``"Infinity"`` pass as numbers, and every comparison with NaN is false, so no alert
would ever fire on one.
"""

import re
from typing import Final

import msgspec

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

FUTURE_TOLERANCE_MS = 60_000  # clocks differ by less; a mark from beyond would outrank all that honestly follow
EARLIEST_MS = 1_546_300_800_000  # 2019-01-01: there were no such futures before
HIGHEST_PRICE = 1e15  # no contract comes near; beyond it a notional could overflow

# ASCII digits only: float() alone would also take "1_0", " 1 " and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[+-]?nan", re.IGNORECASE)
_INFINITY = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)

UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)  # all that msgspec raises on foreign bytes


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


def unreadable(raw: bytes, where: str, error: Exception) -> WireError:
    """Return what to say of bytes a decoder raised ``error`` on: no JSON, cut off, or of another shape."""
    if isinstance(error, msgspec.ValidationError | RecursionError):
        return WireError(where, WRONG_SHAPE)
    text = raw.strip()
    closing = {b"{": b"}", b"[": b"]"}.get(text[:1])
    return WireError(where, TRUNCATED if closing and not text.endswith(closing) else NOT_JSON)


def amount_or_none(value: object) -> float | None:
    """Return an amount told as text or number; None for anything else, of what no reading hangs on."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(believable_amount(value, ""))
    except WireError:
        return None
