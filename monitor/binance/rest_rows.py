"""What rows of REST have in common: the numbers that are believed, the spelling of names.

Tolerant of what is new (unknown fields, kinds and contract types), strict about what is used: a field without a
default has to be there, and every number is finite and plausible. Amounts are in the unit the exchange uses. What
anybody may ask for is in ``market_rows``, what takes a key in ``account_rows``; ``rest_wire`` decodes them.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from monitor.core.model import MarginMode

# No comparison holds for NaN, so the bounds stop it as well as infinity. An amount beyond 1e15 could overflow.
Amount = Annotated[float, Meta(ge=-1e15, le=1e15)]
Size = Annotated[float, Meta(ge=0.0, le=1e15)]
Price = Annotated[float, Meta(gt=0.0, le=1e15)]
Rate = Annotated[float, Meta(gt=0.0, lt=1.0)]
Millis = Annotated[int, Meta(ge=0, le=99_999_999_999_999)]  # Unix milliseconds; 0 where not said
# An id or a mark: JSON has longer ones, nothing else does.
Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Slot = Literal["BOTH", "LONG", "SHORT"]
MarginType = Literal["isolated", "ISOLATED", "cross", "CROSS", "crossed", "CROSSED"]


class Row(Struct, frozen=True, rename="camel"):
    """What all replies have in common: the exchange's spelling of names."""


def margin_mode(kind: MarginType) -> MarginMode:
    """Return the margin mode behind one of the exchange's spellings of it."""
    return MarginMode.ISOLATED if kind.lower() == "isolated" else MarginMode.CROSS
