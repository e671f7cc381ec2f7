"""Which hosts could serve a feed, and what became of each."""

from collections.abc import Sequence

import msgspec

from monitor.binance.endpoints import bare_url, host_of


class CandidateReport(msgspec.Struct, frozen=True):
    """The latest outcome of one base address."""

    base: str  # with its route, without user and password
    outcome: str = "untried"  # untried, live, lost (delivered, then ended) or refused (never delivered)
    reason: str = ""  # a short constant
    detail: str = ""
    at_ms: int = 0  # our wall clock; 0 while untried


class Candidates:
    """Ordered base addresses, the most trusted first. Indexes wrap around."""

    def __init__(self, bases: Sequence[str]) -> None:
        """Take at least one base.

        Raises:
            ValueError: there is none.
        """
        if not bases:
            raise ValueError("a feed needs at least one base address")
        self._bases = tuple(bases)
        self._reports = [CandidateReport(_shown(base)) for base in bases]

    def url(self, index: int) -> str:
        """Return the address to connect to; may hold a password, so never show it."""
        return bare_url(self._bases[index % len(self._bases)])

    def host(self, index: int) -> str:
        """Return host and port, safe to show."""
        return host_of(self._bases[index % len(self._bases)])

    def record(self, index: int, outcome: str, at_ms: int, reason: str = "", detail: str = "") -> None:
        """Note what became of a candidate."""
        at = index % len(self._bases)
        self._reports[at] = CandidateReport(self._reports[at].base, outcome, reason, detail, at_ms)

    def report(self) -> tuple[CandidateReport, ...]:
        """Return the latest outcome of each, in order."""
        return tuple(self._reports)


def _shown(base: str) -> str:
    scheme, _, rest = base.partition("://")
    _, _, path = rest.partition("/")
    return f"{scheme}://{host_of(base)}/{path.partition('?')[0]}".rstrip("/")
