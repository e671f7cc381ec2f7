"""Watches leveraged Binance futures positions and warns their owner while there is still time to act."""

__version__ = "0.1.0"
