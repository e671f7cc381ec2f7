"""The scripted market of the demonstration: a fall into danger and back, and who holds what in it.

Prices stay low long enough for two owners to do what they are advised; the third wallet is saved by the market.
Pure data. Prices were chosen backwards from the room each wallet should have left at each break point; a test
walks the path with the ledger and holds them to it.
"""

from dataclasses import dataclass
from decimal import Decimal

from monitor.emulator.brackets import Brackets
from monitor.emulator.collateral import Collateral
from monitor.emulator.ledger import Account, Position
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath

DemoPosition = Position  # the demonstration writes its configuration from these


@dataclass(frozen=True, slots=True)
class Scenario:
    """What an emulator plays.

    Attributes:
        instruments: what is traded, with price paths.
        accounts: who holds what at first; told only to who signs with an account's credentials.
        duration_s: when it is over, in seconds from the first tick.
        assets: what counts as collateral in multi-assets mode, with paths of their indices; others count 1.
    """

    instruments: tuple[Instrument, ...]
    accounts: tuple[Account, ...] = ()
    duration_s: float = 0.0
    assets: tuple[Collateral, ...] = ()

    @property
    def positions(self) -> tuple[DemoPosition, ...]:
        """Return every position of every account."""
        return tuple(position for account in self.accounts for position in account.positions)


DURATION_S = 45.0
HELD_UNTIL_S = 29.0  # so long prices stay low, where without their owner two wallets would be in danger
CALM_FROM_S = 33.0  # every wallet is safe from here to the end

# Floor, cap, maintenance rate, maintenance amount, highest leverage: the tiers such positions can reach.
BRACKET_ROWS: dict[str, tuple[tuple[int, int, str, int, int], ...]] = {
    "BTCUSDT": (
        (0, 300_000, "0.004", 0, 150),
        (300_000, 800_000, "0.005", 300, 100),
        (800_000, 3_000_000, "0.0065", 1_500, 75),
        (3_000_000, 12_000_000, "0.01", 12_000, 50),
    ),
    "ETHUSDT": (
        (0, 300_000, "0.004", 0, 150),
        (300_000, 800_000, "0.005", 300, 100),
        (800_000, 3_000_000, "0.0065", 1_500, 75),
        (3_000_000, 12_000_000, "0.01", 12_000, 50),
    ),
    "SOLUSDT": (
        (0, 50_000, "0.005", 0, 100),
        (50_000, 400_000, "0.0065", 75, 75),
        (400_000, 1_000_000, "0.01", 1_475, 50),
        (1_000_000, 4_000_000, "0.02", 11_475, 25),
    ),
    "0GUSDT": (
        (0, 5_000, "0.015", 0, 50),
        (5_000, 10_000, "0.02", 25, 25),
        (10_000, 25_000, "0.025", 75, 20),
        (25_000, 62_500, "0.05", 700, 10),
        (62_500, 125_000, "0.1", 3_825, 5),
        (125_000, 250_000, "0.125", 6_950, 4),
    ),
    "XAUUSDT": (
        (0, 50_000, "0.005", 0, 100),
        (50_000, 400_000, "0.0065", 75, 75),
    ),
}

_NOISE = 0.00003  # of the price: enough to look alive, too little to cross a threshold twice

_PATHS: dict[str, tuple[tuple[float, str], ...]] = {
    # The isolated long: room 0.4, 0.15, 0.09, 0.048, and then at most 0.09 for as long as the owner needs: what
    # ends the danger is the margin that was advised, and not the market.
    "BTCUSDT": (
        (0, "62000"), (3, "61990"), (7, "60282"), (10, "59566"), (12, "59400"), (15, "59275"), (16, "59360"),
        (HELD_UNTIL_S, "59385"), (32, "61700"), (33, "61900"), (45, "61950"),
    ),
    # These two fall together: one wallet pays for both. Room 0.4, 0.15, 0.085, 0.05, and then at most 0.09.
    "ETHUSDT": (
        (0, "3000"), (4, "2998"), (9, "2930"), (13, "2890"), (15.5, "2880"), (18.5, "2870"), (19, "2878"),
        (HELD_UNTIL_S, "2880"), (32, "2985"), (33, "2995"), (45, "2998"),
    ),
    "SOLUSDT": (
        (0, "150"), (4, "149.9"), (9, "143.34"), (13, "140.836"), (15.5, "140.175"), (18.5, "139.934"),
        (19, "140.13"), (HELD_UNTIL_S, "140.21"), (32, "149.2"), (33, "149.8"), (45, "149.9"),
    ),
    # The lopsided hedge: as far as critical.
    "0GUSDT": (
        (0, "1"), (6, "0.998"), (11, "0.9026"), (15, "0.862"), (20, "0.8515"), (23, "0.8515"), (31, "0.985"),
        (33, "0.995"), (45, "0.997"),
    ),
    "XAUUSDT": ((0, "4100"), (45, "4102")),
    "BTCUSD_PERP": ((0, "62000"), (20, "59290"), (33, "61900"), (45, "61950")),
    "ETHUSD_PERP": ((0, "3000"), (22, "2870"), (33, "2995"), (45, "2998")),
}  # fmt: skip


def demo_accounts() -> tuple[Account, ...]:
    """Return who holds what: two isolated positions and funds beside them, a cross wallet of two, and a hedge."""
    return (
        Account(
            "isolated",
            {"USDT": Decimal(1_000)},
            (
                DemoPosition(
                    "isolated", "BTCUSDT", "LONG", Decimal("0.5"), Decimal(62_000), "isolated", Decimal(1_550)
                ),
                DemoPosition("isolated", "ETHUSDT", "SHORT", Decimal(2), Decimal(3_000), "isolated", Decimal(300)),
            ),
        ),
        Account(
            "cross",
            {"USDT": Decimal(3_000)},
            (
                DemoPosition("cross", "SOLUSDT", "LONG", Decimal(200), Decimal(150), "cross"),
                DemoPosition("cross", "ETHUSDT", "LONG", Decimal(5), Decimal(3_000), "cross"),
            ),
        ),
        Account(
            "hedge",
            {"USDT": Decimal(2_400)},
            (
                DemoPosition("hedge", "0GUSDT", "LONG", Decimal(20_000), Decimal(1), "cross"),
                DemoPosition("hedge", "0GUSDT", "SHORT", Decimal(8_000), Decimal(1), "cross"),
            ),
        ),
    )


def demo_scenario() -> Scenario:
    """Return the demonstration: 45 s through every level without a liquidation, the last 12 s safe."""
    return Scenario(
        instruments=(
            _instrument("BTCUSDT", "BTC", tick="0.1"),
            _instrument("ETHUSDT", "ETH"),
            _instrument("SOLUSDT", "SOL", step="0.01"),
            _instrument("0GUSDT", "0G", tick="0.0001", step="1"),
            Instrument("XAUUSDT", "XAU", _path("XAUUSDT"), _table("XAUUSDT"), kind="tradfi"),
            Instrument("BTCUSD_PERP", "BTC", _path("BTCUSD_PERP"), quote="USD", kind="coinm"),
            Instrument("ETHUSD_PERP", "ETH", _path("ETHUSD_PERP"), quote="USD", kind="coinm"),
        ),
        accounts=demo_accounts(),
        duration_s=DURATION_S,
    )


def _instrument(symbol: str, base: str, tick: str = "0.01", step: str = "0.001") -> Instrument:
    return Instrument(symbol, base, _path(symbol), _table(symbol), tick=tick, step=step)


def _table(symbol: str) -> Brackets:
    return Brackets.from_rows(symbol, BRACKET_ROWS[symbol])


def _path(symbol: str) -> PricePath:
    points = tuple((float(time_s), Decimal(price)) for time_s, price in _PATHS[symbol])
    return PricePath(points, noise=_NOISE, seed=symbol)
