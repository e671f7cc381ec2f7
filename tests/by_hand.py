"""The position that tests type in most, as the configuration has it."""

LONG_BTC = """\
[[accounts.positions]]
symbol = "BTCUSDT"
side = "LONG"
quantity = 0.5
entry_price = 62000.0
margin_mode = "isolated"
margin = 1550.0
"""
