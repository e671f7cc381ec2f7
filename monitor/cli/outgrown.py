"""Positions that outgrow their tiers, as a line of arithmetic."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.cli.steps import Step
    from monitor.core.book import Book
    from monitor.core.outgrown import Outgrown


def outgrown_steps(book: "Book", row: int, found: "tuple[Outgrown, ...]") -> "Iterator[Step]":
    """Yield that the position of a row outgrows its tiers, where it does."""
    from monitor.cli.steps import Step
    from monitor.config.outgrown import outgrown_words

    position, key = book.positions[row], book.wallets[int(book.row_wallet[row])].key
    mine = (*key, position.symbol, position.side.value)
    for one in found:
        if (one.account, one.wallet, one.symbol, one.side) == mine:
            yield Step("beyond the tiers", outgrown_words(one), one.notional, one.asset)
