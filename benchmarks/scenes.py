"""What the measurements watch: a small account, and a thousand positions on two hundred symbols."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from random import Random

from benchmarks.exchange import Burst
from monitor.config.shipped import shipped_tables
from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Position, Side

SMALL = {"BTCUSDT": 60_000.0, "ETHUSDT": 2_500.0, "SOLUSDT": 150.0, "BNBUSDT": 600.0, "XRPUSDT": 2.0}
SMALL_CROSS = frozenset({"BNBUSDT", "XRPUSDT"})

MANY_SYMBOLS = 200
FALLING = 34  # of them
MANY_ACCOUNTS = 10
MANY_ISOLATED = 500
ARRAY_ROWS = 750

VALUE = 1_000.0  # of a position at entry, quote asset
LEVERAGE = 5.0
MMR_AT_MOST = 0.015
TREMBLE = 0.0005  # how far quiet prices move, a fraction
FALLS = (0.0, 0.11, 0.163, 0.186)  # of price: ok, notice, warning and emergency at five times leverage


def position(symbol: str, entry: float, mode: MarginMode) -> Position:
    """Return a long position of five times its margin."""
    margin = VALUE / LEVERAGE if mode is MarginMode.ISOLATED else 0.0
    return Position(symbol, Side.LONG, VALUE / entry, entry, mode, "USDT", margin)


def small_account() -> AccountSnapshot:
    """Return five positions: three isolated, two in one cross wallet."""
    modes = {symbol: MarginMode.CROSS if symbol in SMALL_CROSS else MarginMode.ISOLATED for symbol in SMALL}
    positions = tuple(position(symbol, entry, modes[symbol]) for symbol, entry in SMALL.items())
    return AccountSnapshot("main", {"USDT": VALUE}, positions)


@cache
def many_symbols() -> dict[str, float]:
    """Return two hundred symbols with a price each, of like tier tables, so that they reach levels alike."""
    rng = Random(2)
    others = [
        symbol
        for symbol, table in sorted(shipped_tables().items())
        if symbol not in SMALL and symbol.endswith("USDT") and table.brackets[0].mmr <= MMR_AT_MOST
    ]
    chosen = rng.sample(others, MANY_SYMBOLS - len(SMALL))
    return {**SMALL, **{symbol: round(10.0 ** rng.uniform(-3, 3), 6) for symbol in chosen}}


def many_accounts() -> tuple[AccountSnapshot, ...]:
    """Return ten accounts of a hundred positions each, five on every symbol, half of them isolated.

    The cross wallets are rich: no single symbol moves them.
    """
    accounts = []
    for number in range(MANY_ACCOUNTS):
        mine = [pair for i, pair in enumerate(many_symbols().items()) if (i + number) % 2 == 0]
        modes = (MarginMode.ISOLATED, MarginMode.CROSS)
        positions = tuple(position(*pair, modes[(i + number // 2) % 2]) for i, pair in enumerate(mine))
        accounts.append(AccountSnapshot(f"account-{number}", {"USDT": VALUE * 50}, positions))
    return tuple(accounts)


def tables_of(accounts: Sequence[AccountSnapshot]) -> tuple[BracketTable, ...]:
    """Return the shipped tier tables of everything the accounts hold."""
    held = dict.fromkeys(position.symbol for account in accounts for position in account.positions)
    return tuple(shipped_tables()[symbol] for symbol in held)


def singles() -> list[Burst]:
    """Return bursts of one mark, taking turns over the small account's symbols."""
    return [((symbol, trembling(entry, i)),) for i in range(7) for symbol, entry in SMALL.items()]


def arrays() -> list[Burst]:
    """Return whole markets, the small account's symbols scattered among the rows of others."""
    rng = Random(3)
    others = [symbol for symbol in sorted(shipped_tables()) if symbol not in SMALL][: ARRAY_ROWS - len(SMALL)]
    market = [*SMALL.items(), *((symbol, 10.0 ** rng.uniform(-4, 5)) for symbol in others)]
    rng.shuffle(market)
    return [[(symbol, trembling(price, i)) for symbol, price in market] for i in range(5)]


def together() -> list[Burst]:
    """Return bursts of one mark for each of two hundred symbols, as a stream sends them every second."""
    return [[(symbol, trembling(price, i)) for symbol, price in many_symbols().items()] for i in range(5)]


def crossings(count: int) -> tuple[list[Burst], int]:
    """Return as many such bursts, in each of which one more symbol reaches the next level, and all levels changed.

    Few symbols fall, so that within a hundred bursts they reach what amounts are made for. At most 102: every one
    of them has three levels to go.
    """
    symbols = list(many_symbols().items())
    isolated = Counter(
        leg.symbol
        for account in many_accounts()
        for leg in account.positions
        if leg.margin_mode is MarginMode.ISOLATED
    )
    changes = 0
    reached = [0] * len(symbols)
    bursts: list[Burst] = []
    for number in range(count):
        turn = _turn(number)
        reached[turn] += 1
        changes += isolated[symbols[turn][0]]
        bursts.append(
            [
                (symbol, trembling(price * (1.0 - FALLS[level]), number))
                for (symbol, price), level in zip(symbols, reached, strict=True)
            ]
        )
    return bursts, changes


def crossing(number: int) -> str:
    """Return the symbol that reaches another level in such a burst, counted from 0."""
    return list(many_symbols())[_turn(number)]


def _turn(number: int) -> int:
    return number * 37 % FALLING  # not in the order they are sent


def crash() -> list[Burst]:
    """Return a quiet burst, and one in which every symbol falls so far that all isolated positions are told of."""
    return [[(symbol, price * (1.0 - fall)) for symbol, price in many_symbols().items()] for fall in FALLS[:2]]


def trembling(price: float, step: int) -> float:
    """Return a price that moves without going anywhere."""
    return price * (1.0 - TREMBLE * (step % 3) / 3.0)
