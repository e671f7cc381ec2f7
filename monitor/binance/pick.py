"""A few rows out of a large array, without decoding the others.

An all-market array is 750 rows of which a small account needs five. The exchange sends them in about the same
order every second, so each row is looked for where it was last; what is found is then decoded like any other row.
The rest of the array is neither decoded nor judged, which is why anything unusual is left to the full decoder.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

MOST_SYMBOLS: Final = 50  # looking for more costs as much as decoding all
LEAST_BYTES: Final = 8192  # a smaller array is decoded as fast

# How far a row may have moved since the last frame: prices gain and lose digits, and a new listing is a row more.
_DRIFT_BYTES = 1024


class RowPicker:
    """Finds the rows of some symbols; remembers where they were.

    Args:
        symbols: to look for.
    """

    def __init__(self, symbols: frozenset[str]) -> None:
        self.symbols = symbols
        self._needles = {symbol: b'"s":' + msgspec.json.encode(symbol) for symbol in symbols}
        self._places = dict.fromkeys(symbols, 0)

    def pick(self, raw: bytes) -> Iterable[tuple[str, bytes]] | None:
        """Return each symbol with the text of its row, in the order of the array; None to decode all of it.

        None where that would not be slower, where the array does not begin and end like one, and where a symbol
        is not found: its row may be missing or only be spelled in another way, and telling these apart takes
        decoding.
        """
        if len(raw) < LEAST_BYTES or len(self.symbols) > MOST_SYMBOLS:
            return None
        if not (raw.startswith(b"[{") and raw.endswith(b"]")):
            return None
        rows = []
        for symbol, needle in self._needles.items():
            near = self._places[symbol]
            at = raw.find(needle, max(0, near - _DRIFT_BYTES), near + _DRIFT_BYTES)
            if at < 0:
                at = raw.find(needle)
                if at < 0:
                    return None
            self._places[symbol] = at
            rows.append((at, symbol, raw[raw.rfind(b"{", 0, at) : raw.find(b"}", at) + 1]))
        rows.sort()
        return [(symbol, row) for _, symbol, row in rows]
