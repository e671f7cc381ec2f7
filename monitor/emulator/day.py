"""A day in the life of four accounts, as data: everything an exchange can do to a position, one thing at a time.

Walk it with ``async for name in day(emulator)``: each name stands for one thing that has just happened and has
been pushed, with small moves of all marks and indices in between. No time passes in it; whoever walks it may let
some pass between the names.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any

from monitor.emulator.brackets import Brackets
from monitor.emulator.collateral import Collateral
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator

SECRET = "secret-of-the-day"  # noqa: S105  signs for all four accounts; their keys are "<name>-key"

_CENT = Decimal("0.01")
_LARGEST_MOVE = 0.0008  # of a mark, from one step to the next
_BEYOND = Decimal("0.9985")  # a mark this far past a liquidation price
_SEED = 20261124

_ROWS = (
    (0, 20_000, "0.004", 0, 125),
    (20_000, 100_000, "0.005", 20, 100),
    (100_000, 500_000, "0.01", 520, 50),
    (500_000, 5_000_000, "0.025", 8_020, 20),
)
_CHANGED_ROWS = (
    (0, 10_000, "0.005", 0, 100),
    (10_000, 100_000, "0.0075", 25, 75),
    (100_000, 5_000_000, "0.02", 1_275, 25),
)
# Rates above the clearance fee: a wallet at its end still has something, and a partial liquidation saves the rest.
_STEEP_ROWS = ((0, 10_000, "0.03", 0, 30), (10_000, 5_000_000, "0.05", 200, 20))
_COIN_ROWS = (
    (0, "0.1", "0.004", 0, 125),
    ("0.1", 1, "0.005", "0.0001", 100),
    (1, 100, "0.01", "0.0051", 50),
)
_PRICES = {
    "BTCUSDT": "60000",
    "ETHUSDT": "3000",
    "ETHUSDC": "3001",
    "SOLUSDT": "150",
    "BTCUSD_PERP": "60010",
    "ETHUSD_PERP": "3002",
}
_INDICES = {"USDT": ("0.9995", "0.01", "0.005"), "BTC": ("59990", "0.05", "0.05")}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens.

    Attributes:
        account: to whom; empty for the exchange itself.
        call: an operation of the account, or ``crash``, ``recover`` or ``set_brackets``.
        arguments: of the operation, by position; ``options`` by name.
    """

    account: str
    call: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what happened, for people."""
        words = [
            self.account or "exchange",
            self.call,
            *(str(one) for one in self.arguments if isinstance(one, str)),
        ]
        return " ".join(words)


def _s(account: str, call: str, *arguments: object, **options: object) -> Step:
    return Step(account, call, arguments, options)


_LONG = {"position_side": "LONG"}
_SHORT = {"position_side": "SHORT"}

STEPS: tuple[Step, ...] = (
    # One-way, single-asset: a cross long that grows, shrinks and flips, beside an isolated one.
    _s("main", "fill", "BTCUSDT", "BUY", "0.2"),
    _s("main", "fill", "BTCUSDT", "BUY", "0.15"),
    _s("main", "set_margin_type", "ETHUSDT", "isolated"),
    _s("main", "set_leverage", "ETHUSDT", 10),
    _s("main", "fill", "ETHUSDT", "SELL", "4"),
    _s("main", "add_margin", "ETHUSDT", "150.5"),
    _s("main", "fill", "ETHUSDT", "BUY", "1.5"),
    _s("main", "set_leverage", "BTCUSDT", 50),
    _s("main", "place_stop", "BTCUSDT", "SELL", "55000", close_position=True),
    _s("main", "transfer", "USDT", "1234.56"),
    # Hedge mode: both sides of one symbol in one wallet.
    _s("hedge", "fill", "ETHUSDT", "BUY", "10", **_LONG),
    _s("hedge", "fill", "ETHUSDT", "SELL", "6", **_SHORT),
    _s("hedge", "fill", "BTCUSDT", "SELL", "0.1", **_SHORT),
    # Several assets, first apart, then together.
    _s("multi", "fill", "BTCUSDT", "BUY", "0.4"),
    _s("multi", "fill", "ETHUSDC", "SELL", "3"),
    _s("multi", "set_multi_assets", on=True),
    # Coin-margined: money in coin.
    _s("coin", "fill", "BTCUSD_PERP", "BUY", "150"),
    _s("coin", "set_margin_type", "ETHUSD_PERP", "isolated"),
    _s("coin", "fill", "ETHUSD_PERP", "SELL", "200"),
    _s("coin", "fill", "ETHUSD_PERP", "BUY", "50"),
    # Funding, three minutes in a row.
    *(
        _s(account, "funding", rate)
        for rate in ("0.0001", "-0.00005", "0.000375")
        for account in ("main", "hedge", "multi", "coin")
    ),
    # Money moves.
    _s("main", "add_margin", "ETHUSDT", "-50"),
    _s("main", "transfer", "USDT", "-500"),
    _s("multi", "transfer", "BTC", "0.05"),
    _s("multi", "transfer", "USDC", "-250"),
    _s("coin", "transfer", "BTC", "0.01"),
    _s("coin", "add_margin", "ETHUSD_PERP", "0.02"),
    # New tiers for everybody.
    _s("", "set_brackets", "BTCUSDT", _CHANGED_ROWS),
    _s("main", "fill", "BTCUSDT", "SELL", "0.1"),
    _s("multi", "fill", "BTCUSDT", "BUY", "0.1"),
    # Flips: a cross one, an isolated one, a coin-margined one.
    _s("main", "fill", "BTCUSDT", "SELL", "0.4"),
    _s("main", "fill", "ETHUSDT", "BUY", "5"),
    _s("coin", "fill", "BTCUSD_PERP", "SELL", "400"),
    # Modes, off and on again.
    _s("multi", "set_multi_assets", on=False),
    _s("multi", "set_multi_assets", on=True),
    # A symbol crashes through its liquidation price; half is taken, then the rest holds.
    _s("main", "fill", "SOLUSDT", "BUY", "600"),
    _s("", "crash", "main", "SOLUSDT"),
    _s("main", "margin_call"),
    _s("main", "liquidate", "SOLUSDT", "0.5"),
    _s("main", "liquidate", "SOLUSDT", "0.25"),
    _s("", "recover", "SOLUSDT"),
    # Others are liquidated too, and a profitable short is reduced for it.
    _s("hedge", "adl", "ETHUSDT", "2", **_SHORT),
    _s("multi", "adl", "ETHUSDC", "1"),
    _s("coin", "liquidate", "ETHUSD_PERP", "0.5"),
    # Closing.
    _s("main", "fill", "SOLUSDT", "SELL", "225"),
    _s("hedge", "fill", "ETHUSDT", "SELL", "10", **_LONG),
    _s("coin", "fill", "ETHUSD_PERP", "BUY", "75"),
    _s("main", "fill", "ETHUSDT", "SELL", "2.5"),
)


def day_scenario() -> Scenario:
    """Return the exchange the day is played on: four accounts with money and without positions."""
    return Scenario(
        instruments=tuple(_instrument(symbol, price) for symbol, price in _PRICES.items()),
        accounts=(
            _account("main", {"USDT": "12000"}),
            _account("hedge", {"USDT": "6000"}, hedge_mode=True),
            _account("multi", {"USDT": "9000", "USDC": "4000", "BTC": "0.2"}),
            _account("coin", {"BTC": "0.5", "ETH": "2"}, market="coinm"),
        ),
        assets=tuple(
            Collateral(asset, _still(index), Decimal(bid), Decimal(ask))
            for asset, (index, bid, ask) in _INDICES.items()
        ),
    )


async def day(emulator: Emulator) -> AsyncIterator[str]:
    """Play the day on an exchange made from :func:`day_scenario`; yield a name after each thing that happened."""
    luck = Random(_SEED)
    for number, step in enumerate(STEPS):
        _drift(emulator, luck)
        await emulator.step()
        yield f"{number} marks"
        await _do(emulator, step)
        yield f"{number} {step.name}"


async def _do(emulator: Emulator, step: Step) -> None:
    if step.account:
        await getattr(emulator.accounts[step.account], step.call)(*step.arguments, **step.options)
    elif step.call == "set_brackets":
        await emulator.set_brackets(*step.arguments)
    else:
        symbol = step.arguments[-1]
        price = (
            Decimal(_PRICES[symbol]) if step.call == "recover" else _past_liquidation(emulator, *step.arguments)
        )
        emulator.market.set_price(symbol, price)
        await emulator.step()


def _past_liquidation(emulator: Emulator, account: str, symbol: str) -> Decimal:
    """Return a mark just past the liquidation price of an account's long."""
    for wallet in emulator.accounts[account].figures():
        for one in wallet.positions:
            if one.position.symbol == symbol and one.liquidation_price is not None:
                return _cents(one.liquidation_price * _BEYOND)
    raise LookupError(symbol)


def _drift(emulator: Emulator, luck: Random) -> None:
    """Move every mark and every index a little."""
    market = emulator.market
    for symbol, mark in list(market.marks.items()):
        market.set_price(symbol, _cents(mark * _factor(luck)))
    market.set_index("BTC", _cents(market.marks["BTCUSDT"] * Decimal("0.9996")))
    market.set_index("USDT", (Decimal("0.9995") * _factor(luck)).quantize(Decimal("0.000001")))


def _factor(luck: Random) -> Decimal:
    return 1 + Decimal(str(round(luck.uniform(-_LARGEST_MOVE, _LARGEST_MOVE), 6)))


def _cents(price: Decimal) -> Decimal:
    return price.quantize(_CENT, ROUND_HALF_EVEN)


def _still(price: str) -> PricePath:
    return PricePath(((0.0, Decimal(price)),))


def _instrument(symbol: str, price: str) -> Instrument:
    base = symbol[:3]
    if symbol.endswith("_PERP"):
        table = Brackets.from_rows(symbol, _COIN_ROWS)
        return Instrument(symbol, base, _still(price), table, quote="USD", kind="coinm")
    rows = _STEEP_ROWS if base == "SOL" else _ROWS
    return Instrument(symbol, base, _still(price), Brackets.from_rows(symbol, rows), quote=symbol[3:])


def _account(name: str, balances: Mapping[str, str], **setup: Any) -> Account:  # noqa: ANN401  fields of an account
    money = {asset: Decimal(amount) for asset, amount in balances.items()}
    return Account(name, money, (), credentials=Credentials(f"{name}-key", SECRET), **setup)
