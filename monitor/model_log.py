"""What our model of the exchange got wrong, as lines of the log: once on each edge."""

from collections.abc import Sequence

import structlog

from monitor.core.model import Compared
from monitor.core.releases import Release

log = structlog.get_logger()


class ModelLog:
    """Remembers what it logged."""

    def __init__(self) -> None:
        self._drifting: dict[str, frozenset[tuple[str, str, str]]] = {}  # figures by account
        self._unassumed: set[tuple[str, str]] = set()  # accounts and symbols of failed assumptions

    def drift(self, account: str, drifting: Sequence[Compared]) -> None:
        """Log each figure once while it does not agree, and that all agree again."""
        figures = frozenset((row.wallet, row.symbol, row.figure.value) for row in drifting)
        before = self._drifting.get(account, frozenset())
        for row in drifting:
            if (row.wallet, row.symbol, row.figure.value) not in before:
                log.warning(
                    "model.drift", account=account, wallet=row.wallet, symbol=row.symbol, figure=row.figure.value,
                    ours=row.ours, theirs=row.theirs, tolerance=row.tolerance,
                )  # fmt: skip
        if before and not figures:
            log.info("model.agrees", account=account)
        self._drifting[account] = figures

    def releases(self, found: Sequence[Release]) -> None:
        """Log that a partial close did not leave what amounts to reduce are computed with, once a symbol."""
        for one in found:
            about = (one.account, one.symbol)
            if not one.as_assumed and about not in self._unassumed:
                self._unassumed.add(about)
                log.warning(
                    "model.assumption_failed", account=one.account, symbol=one.symbol, side=one.side.value,
                    expected=one.expected, left=one.left, asset=one.asset,
                )  # fmt: skip
