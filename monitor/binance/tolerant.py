"""What of the lists that REST replies with can be believed: the rest is left out, counted, and logged once."""

from typing import TypeVar

import structlog

from monitor.binance.rest_wire import Decode, DecodeSome, LeftOut

T = TypeVar("T")

log = structlog.get_logger()

_MOST_TOLD = 1000  # rows that are logged


class Tolerant:
    """Remembers what the replies to one client were taken without.

    ``rows_left_out`` counts it.
    """

    def __init__(self) -> None:
        self._left_out: dict[str, tuple[LeftOut, ...]] = {}  # by endpoint, of its latest reply
        self._told: set[tuple[str, str, str]] = set()  # endpoints, symbols and fields logged
        self.rows_left_out = 0

    def left_out(self, path: str) -> frozenset[str]:
        """Return the symbols that an endpoint's latest reply was taken without; an unreadable one is empty."""
        return frozenset(row.symbol for row in self._left_out.get(path, ()))

    def rows(self, decode: DecodeSome[T]) -> Decode[T]:
        """Return a decoder that takes a list without the rows that cannot be believed, and logs each once."""

        def tolerant(body: bytes, where: str) -> T:
            found: list[LeftOut] = []
            rows = decode(body, where, found.append)
            self._left_out[where.rpartition("/")[2]] = tuple(found)
            self.rows_left_out += len(found)
            for row in found:
                about = (where, row.symbol, row.field)
                if about not in self._told and len(self._told) < _MOST_TOLD:
                    self._told.add(about)
                    log.warning(
                        "rest.row_left_out", endpoint=where, symbol=row.symbol, field=row.field, reason=row.reason
                    )
            return rows

        return tolerant
