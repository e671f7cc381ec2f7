"""The same fall for every fault, and what was true of it by the exchange's own exact arithmetic."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from monitor.core.model import Level
from monitor.core.settings import DEFAULT_LEVELS
from monitor.emulator.brackets import Brackets
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account, Position
from monitor.emulator.liquidation import Leg
from monitor.emulator.market import Instrument
from monitor.emulator.prices import PricePath
from monitor.emulator.scenario import BRACKET_ROWS, Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.ports import Clock

ACCOUNT = "main"
SYMBOL = "BTCUSDT"
OTHER = "ETHUSDT"  # held too, and never in danger
SECRET = "secret-of-main"
CALM = Decimal(62_000)
_NOISE = 0.00003

# Seconds after the fault began, and the price. Room 0.4, 0.15, 0.085, 0.05, 0.045: notice, warning, critical and
# emergency within 25 s, half a minute of it, and back to safety.
FALL: tuple[tuple[float, str], ...] = (
    (5, "61990"), (10, "60282"), (17, "59566"), (23, "59380"), (30, "59279.7"), (34, "59265.4"), (60, "59265.4"),
    (75, "61700"), (80, "61900"),
)  # fmt: skip
FAULT_S = 45.0  # how long a fault lasts, unless its row says otherwise
WINDOW_S = 150.0  # what is counted ends so long after the fault began


class Truth(NamedTuple):
    """What the account's worst wallet was at one tick (monotonic seconds)."""

    at_s: float
    level: Level


class Exchange(Emulator):
    """The local exchange, with a record of how endangered the account truly was at each tick."""

    def __init__(self, clock: Clock, played: Scenario, settings: EmulatorSettings) -> None:
        super().__init__(clock, played, settings)
        self.truth: list[Truth] = []
        self._time = clock

    async def step(self) -> None:
        """Tick, and note what was true from then on."""
        at_s = self._time.mono_s()
        await super().step()
        self.note(at_s)

    def note(self, at_s: float) -> None:
        """Record the present level of the isolated wallet, computed in decimals."""
        held = next((one for one in self.accounts[ACCOUNT].account.positions if one.symbol == SYMBOL), None)
        if held is None:
            self.truth.append(Truth(at_s, Level.OK))
            return
        table = self.market.tables[SYMBOL]
        leg = Leg(1, held.quantity, held.entry, self.market.marks[SYMBOL], table, Decimal(0))
        needed = leg.maintenance(leg.mark)
        balance = held.margin + leg.pnl(leg.mark)
        room = (balance - needed) / (held.margin - leg.maintenance(leg.entry))
        self.truth.append(Truth(at_s, level_of(room, needed / balance)))

    def breathe(self) -> None:
        """Let the price move a little with every tick, as prices do."""
        path = PricePath(((0.0, CALM),), noise=_NOISE, seed=SYMBOL)
        self.market.instruments[SYMBOL] = replace(self.market.instruments[SYMBOL], path=path)

    def fall(self, symbol: str = SYMBOL, path: Sequence[tuple[float, str]] = FALL) -> None:
        """Let the price of a symbol take this path, counted from now."""
        from_s = self.elapsed_s
        points = [(0.0, CALM), (max(from_s, 0.001), CALM)]
        points += [(from_s + after_s, Decimal(price)) for after_s, price in path]
        one = self.market.instruments[symbol]
        path_ = PricePath(tuple(points), noise=_NOISE, seed=symbol)
        self.market.instruments[symbol] = replace(one, path=path_)


def level_of(room: Decimal, ratio: Decimal) -> Level:
    """Return the level that room and margin ratio alone amount to, by the product's default conditions."""
    reached = [Level.OK]
    for rule in DEFAULT_LEVELS:
        close = rule.room is not None and room <= Decimal(str(rule.room))
        high = rule.margin_ratio is not None and ratio >= Decimal(str(rule.margin_ratio))
        if close or (high and room <= Decimal(str(rule.margin_ratio_room))):
            reached.append(rule.level)
    return max(reached)


def scenario() -> Scenario:
    """Return two positions of one account: an isolated long that will fall, and a short in the cross wallet."""
    long = Position(ACCOUNT, SYMBOL, "LONG", Decimal("0.5"), CALM, "isolated", Decimal(1_550))
    short = Position(ACCOUNT, OTHER, "SHORT", Decimal(2), Decimal(3_000), "cross")
    account = Account(
        ACCOUNT,
        {"USDT": Decimal(5_000)},
        (long, short),
        credentials=Credentials(f"{ACCOUNT}-key", SECRET),
        isolated=frozenset({SYMBOL}),
    )
    return Scenario(
        instruments=(_contract(SYMBOL, "BTC", str(CALM)), _contract(OTHER, "ETH", "3000")), accounts=(account,)
    )


def _contract(symbol: str, base: str, price: str) -> Instrument:
    path = PricePath(((0.0, Decimal(price)),))
    return Instrument(symbol, base, path, Brackets.from_rows(symbol, BRACKET_ROWS[symbol]))
