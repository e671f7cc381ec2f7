"""The positions that tests type in most, as the configuration has them."""

LONG_BTC = """\
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "isolated"
margin = 1550.0
"""


def cross(symbol: str, side: str, quantity: float, entry_price: float) -> str:
    """Return a position that the account's cross wallet backs."""
    return f"""\
[[accounts.positions]]
symbol = "{symbol}"
side = "{side}"
quantity = {quantity}
entry_price = {entry_price}
margin_mode = "cross"
"""
