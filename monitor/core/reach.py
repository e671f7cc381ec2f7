"""How far a price can go: liquidation prices beyond are true of the formula, and nobody can use them."""

MOST_TIMES = 10_000.0  # the mark; a liquidation price beyond that is shown as none


def within_reach(price: float | None, mark: float | None) -> float | None:
    """Return a liquidation price as people are shown it; None where there is none that a price could reach."""
    if price is None or mark is None or not price > MOST_TIMES * mark:
        return price
    return None
