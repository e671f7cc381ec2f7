"""A market of many symbols as functions of time, who holds what on it, and the configuration that watches it."""

import math
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np

from monitor.emulator.brackets import Brackets
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account, Position
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario

FOLLOWED: Final = "followed"
KEY, SECRET = "soak-key", "soak-secret"
TIERS: Final = [[0, 300_000, 0.004, 0, 125], [300_000, 800_000, 0.005, 300, 100]]
_ACTOR_EVERY: Final = 33  # one of so many symbols falls towards liquidation now and then
_DEPTH: Final = 0.042  # how far: a margin of 5 % is gone at 4.6 %
_WAVE: Final = 0.001


class Prices:
    """Marks of all symbols at any time, the same whoever asks: slow waves, and falls of those that act.

    Args:
        symbols: how many.
        fall_every_s: from one fall of an actor to its next.
        fall_s: how long one takes, there and back.
    """

    def __init__(self, symbols: int, fall_every_s: float, fall_s: float) -> None:
        self.names = tuple(f"S{number:03}USDT" for number in range(symbols))
        self._fall_every_s = fall_every_s
        self._fall_s = fall_s
        numbers = np.arange(symbols)
        self._base = 10.0 + numbers
        self._period = 1_800.0 + 37.0 * numbers
        self._acts = numbers % _ACTOR_EVERY == 1
        self._offset = (numbers * 797.0) % fall_every_s

    def base(self, number: int) -> float:
        """Return the price a symbol moves about."""
        return float(self._base[number])

    def acts(self, number: int) -> bool:
        """Return whether a symbol falls now and then."""
        return bool(self._acts[number])

    def at(self, time_s: float) -> Sequence[float]:
        """Return all marks at a time, seconds since the start, possibly before it."""
        wave = 1.0 + _WAVE * np.sin(2.0 * math.pi * time_s / self._period + self._offset)
        along = (time_s + self._offset) % self._fall_every_s
        share = np.clip(1.0 - np.abs(along / self._fall_s * 2.0 - 1.0), 0.0, 1.0)
        marks: list[float] = (self._base * wave * (1.0 - _DEPTH * share * self._acts)).tolist()
        return marks

    def one_at(self, number: int, time_s: float) -> float:
        """Return one mark; the same, to the last few digits."""
        wave = 1.0 + _WAVE * math.sin(2.0 * math.pi * time_s / self._period[number] + self._offset[number])
        along = (time_s + float(self._offset[number])) % self._fall_every_s
        share = max(0.0, 1.0 - abs(along / self._fall_s * 2.0 - 1.0)) if self._acts[number] else 0.0
        return float(self._base[number]) * wave * (1.0 - _DEPTH * share)


class _Path(PricePath):
    """One symbol of ``Prices`` as the emulator asks for it."""

    prices: Prices
    number: int

    def __init__(self, prices: Prices, number: int) -> None:
        super().__init__(((0.0, Decimal(1)),))
        object.__setattr__(self, "prices", prices)
        object.__setattr__(self, "number", number)

    def at(self, time_s: float, *, loop_s: float = 0.0) -> Decimal:
        return Decimal(f"{self.prices.one_at(self.number, time_s):.8f}")


def scenario(prices: Prices) -> Scenario:
    """Return the market with one account that is followed by its key: a cross wallet of three symbols."""
    instruments = tuple(
        Instrument(name, name.removesuffix("USDT"), _Path(prices, number), Brackets.from_rows(name, TIERS))
        for number, name in enumerate(prices.names)
    )
    held = tuple(
        Position(FOLLOWED, prices.names[number], "LONG", Decimal(10), Decimal(str(prices.base(number))), "cross")
        for number in range(2, 5)
    )
    account = Account(FOLLOWED, {"USDT": Decimal(5_000)}, held, credentials=Credentials(KEY, SECRET))
    return Scenario(instruments, (account,), duration_s=86_400.0)


def config(prices: Prices, folder: Path, *, rest: str, market: str, private: str) -> str:
    """Return a configuration: the followed account, and one typed in that holds every symbol."""
    (folder / "key").write_text(KEY)
    (folder / "secret").write_text(SECRET)
    (folder / "url").write_text("json://127.0.0.1:1/")
    positions = "\n".join(_position(prices, number) for number in range(len(prices.names)))
    rows = [row[:4] for row in TIERS]
    tables = "\n".join(f"[brackets.{name}]\nrows = {rows}" for name in prices.names)
    return f"""
[exchange]
environment = "testnet"
rest_url = "{rest}"
market_stream_url = "{market}"
private_stream_url = "{private}"
[state]
directory = "{folder}/state"
[[accounts]]
name = "{FOLLOWED}"
api_key = {{ file = "{folder}/key" }}
api_secret = {{ file = "{folder}/secret" }}
[[accounts]]
name = "typed"
balances = {{ USDT = 1000.0 }}
{positions}
[[channels]]
name = "phone"
min_level = "notice"
url = {{ file = "{folder}/url" }}
chart = false
{tables}
"""


def _position(prices: Prices, number: int) -> str:
    entry = prices.base(number)
    margin = 100.0 * entry * (0.05 if prices.acts(number) else 0.9)
    return f"""
[[accounts.positions]]
symbol = "{prices.names[number]}"
side = "LONG"
quantity = 100.0
entry_price = {entry}
margin_mode = "isolated"
margin = {margin}
"""
