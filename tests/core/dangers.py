"""Wallets in danger of every kind, by a seed: what remedies have to be right for.

Each wallet is given what leaves it a share of the way from entry to liquidation, mostly below a quarter of it and
sometimes below nothing, at marks that have gone against it. Every sixth notional is on a bracket bound or one
float beside it; steps are the exchange's, odd, coarse, with a least quantity, or not known.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from monitor.core.compile import compile_book, set_rates
from monitor.core.model import (
    MULTI_WALLET,
    PAR,
    AccountSnapshot,
    AssetRate,
    BracketTable,
    Lot,
    MarginMode,
    Market,
    Position,
    Side,
    SubjectKey,
    rate_symbols,
)
from monitor.core.moves import hourly_deviation
from monitor.core.risk import evaluate
from monitor.core.scene import KnownMoves
from monitor.core.settings import (
    DEFAULT_LEVELS,
    AdviceRules,
    AlertRules,
    EngineSettings,
    LevelRule,
    RulesOverride,
)
from monitor.core.trial import Case
from tests.core.strategies import Seeded, draw_table

KINDS = ("isolated", "single", "several", "hedge", "isolated coin", "cross coin", "multi")
_MINUTES = 120
_BASES = ("BTC", "ETH", "SOL", "XRP", "ADA")


class Danger(NamedTuple):
    """A case, and what is special about it."""

    case: Case
    traits: frozenset[str]


def draw_danger(source: Seeded, kind: str) -> Danger:
    """Return an account with a wallet of this kind, and others beside it."""
    traits = {kind}
    coin = kind.endswith("coin")
    isolated = kind.startswith("isolated")
    assets = ("BTC",) if coin else ("USDT", "USDC") if kind == "multi" else ("USDT",)
    count = source.whole(2, 4) if kind in ("several", "multi") else 1
    tables: dict[str, BracketTable] = {}
    marks: dict[str, float] = {}
    legs: list[Position] = []
    for base in _BASES[:count]:
        asset = source.pick(assets)
        symbol = f"{base}USD_PERP" if coin else f"{base}{asset}"
        tables[symbol] = draw_table(source, symbol, inverse=coin)
        mode = MarginMode.ISOLATED if isolated else MarginMode.CROSS
        hedged = kind == "hedge" or (not isolated and source.pick((False, False, False, True)))
        marks[symbol], added = _draw_legs(source, tables[symbol], (asset, mode), traits, hedged=hedged)
        legs += added
    balances = dict.fromkeys(assets, 0.0)
    rates: dict[str, AssetRate] = {}
    if kind == "multi":
        rates = _draw_rates(source, balances, marks)
    if isolated and source.pick((True, False)):
        other = f"{_BASES[-1]}USD_PERP" if coin else f"{_BASES[-1]}USDT"
        tables[other] = draw_table(source, other, inverse=coin)
        marks[other], beside = _draw_legs(
            source, tables[other], (assets[0], MarginMode.CROSS), set(), hedged=False
        )
        legs += beside
        traits.add("beside a cross wallet")
    account = AccountSnapshot(
        "main", balances, tuple(legs), Market.COINM if coin else Market.USDM, multi_assets=kind == "multi",
        hedge_mode=any(p.side is Side.SHORT for p in legs), rates=rates,
    )  # fmt: skip
    account = _endangered(source, account, tables, marks)
    settings = _draw_settings(source, account, traits)
    wallet = account.wallet_of(legs[0])
    corrections = {}
    if source.pick((True, False, False, False, False)):
        traits.add("corrected")
        size = abs(account.balances[assets[0]]) + legs[0].margin
        off = source.number(0.0, 0.002) * size, source.number(0.0, 0.002) * size
        corrections = {SubjectKey(account.account, wallet): off}
    case = Case(
        account=account,
        wallet=wallet,
        tables=tables,
        marks=marks,
        settings=settings,
        corrections=corrections,
        lots=_draw_lots(source, account, traits),
        moves=_draw_moves(source, marks, traits),
    )
    return Danger(case, frozenset(traits))


def _draw_legs(
    source: Seeded, table: BracketTable, backing: tuple[str, MarginMode], traits: set[str], *, hedged: bool
) -> tuple[float, list[Position]]:
    asset, mode = backing
    inverse = table.symbol.endswith("_PERP")
    floors = [bracket.floor for bracket in table.brackets[1:]] or [50.0 if inverse else 50_000.0]
    mark = math.pow(10.0, source.number(0.0 if inverse else -2.0, 5.0))
    contract = source.pick((10.0, 100.0)) if inverse else 1.0
    notional = source.pick(floors) * math.pow(10.0, source.number(-1.0, 1.0))
    if source.pick((True, False, False, False, False, False)):
        traits.add("bound")
        floor = source.pick(floors)
        exponent = math.ldexp(1.0, round(math.log2(mark if inverse else floor / mark)))
        quantity = floor * exponent / contract if inverse else exponent
        mark = exponent if inverse else floor / quantity
        mark = source.pick((mark, math.nextafter(mark, 0.0), math.nextafter(mark, math.inf)))
    else:
        amount = notional * mark / contract if inverse else notional / mark
        quantity = float(max(1, round(amount))) if inverse else float(f"{amount:.4g}")
    side = source.pick((Side.LONG, Side.SHORT))
    against = source.number(0.005, 0.3)
    entry = mark * (1.0 + against if side is Side.LONG else 1.0 - against)
    leg = Position(table.symbol, side, quantity, entry, mode, asset, 0.0, contract, inverse)
    if not hedged:
        return mark, [leg]
    traits.add("pair")
    other = Side.SHORT if side is Side.LONG else Side.LONG
    part = quantity * source.pick((source.number(0.2, 0.9), source.number(0.9, 1.0), 1.0))
    part = float(max(1, round(part))) if inverse else float(f"{part:.4g}")
    return mark, [
        leg,
        msgspec.structs.replace(leg, side=other, quantity=part, entry_price=mark * source.number(0.9, 1.1)),
    ]


def _draw_rates(source: Seeded, balances: dict[str, float], marks: dict[str, float]) -> dict[str, AssetRate]:
    """Add coins to balances, and rates to marks; some have moved since the account was seen."""
    rates = {"USDT": PAR, "USDC": AssetRate(0.9996, 1.0004, fixed=source.pick((True, False)))}
    if source.pick((True, False)):
        balances["ETH"] = source.number(0.01, 3.0)
        rates["ETH"] = AssetRate(2000.0 * 0.95, 2000.0 * 1.05)
    for asset, rate in rates.items():
        if not rate.fixed:
            moved = source.number(0.97, 1.03)
            marks |= dict(zip(rate_symbols(asset), (rate.bid * moved, rate.ask * moved), strict=True))
    return rates


def _endangered(
    source: Seeded, account: AccountSnapshot, tables: dict[str, BracketTable], marks: dict[str, float]
) -> AccountSnapshot:
    """Return the account with what leaves each wallet little of its way; money comes in the first asset."""
    book = compile_book([account], tables)
    prices = np.array([marks[name] for name in book.watched])
    set_rates(book, prices)
    readings = evaluate(book, prices)
    balances, positions = dict(account.balances), list(account.positions)
    for wallet, info in enumerate(book.wallets):
        rows = book.rows_of(wallet)
        if not rows:
            balances[info.asset] = source.pick((0.0, source.number(0.0, 1e4)))
            continue
        loss = max(0.0, -float(readings.unrealized_pnl[rows.start : rows.stop].sum()))
        loss = loss or 0.05 * float(readings.notional[rows.start : rows.stop].sum())
        share = source.pick((source.number(-0.1, 0.12), source.number(0.0, 0.22), source.number(0.0, 0.22)))
        if (
            wallet == 0
            and info.mode is MarginMode.CROSS
            and any(p.margin_mode is MarginMode.ISOLATED for p in positions)
        ):
            share = source.pick((share, source.number(0.2, 3.0)))  # one that can spare something
        needed = float(f"{loss * share / (1.0 - min(share, 0.9)) - float(readings.cushion[wallet]):.10g}")
        if info.mode is MarginMode.ISOLATED:
            i = next(i for i, p in enumerate(positions) if account.wallet_of(p) == info.key.wallet)
            positions[i] = msgspec.structs.replace(positions[i], margin=needed)
        else:
            asset = "USDT" if info.key.wallet == MULTI_WALLET else info.asset
            balances[asset] = balances.get(asset, 0.0) + needed
    return msgspec.structs.replace(account, balances=balances, positions=tuple(positions))


def _draw_lots(source: Seeded, account: AccountSnapshot, traits: set[str]) -> dict[str, Lot]:
    lots: dict[str, Lot] = {}
    for p in account.positions:
        if p.inverse:
            lots[p.symbol] = source.pick((Lot(1.0, 1.0), Lot(3.0, 6.0)))
            continue
        fine = float(f"1e{round(math.log10(p.quantity) - source.number(2.0, 5.0))}")
        kind = source.pick(("fine", "fine", "odd", "coarse", "least", "unknown"))
        traits.add(f"{kind} step")
        if kind == "fine":
            lots[p.symbol] = Lot(fine, fine)
        elif kind == "odd":
            odd = float(f"{7 * fine:.6g}")
            lots[p.symbol] = Lot(odd, odd)
        elif kind == "coarse":
            lots[p.symbol] = Lot(float(f"{p.quantity / source.number(1.5, 20.0):.2g}"))
        elif kind == "least":
            lots[p.symbol] = Lot(fine, float(f"{p.quantity * source.number(0.1, 0.9):.2g}"))
    return lots


def _draw_moves(source: Seeded, marks: dict[str, float], traits: set[str]) -> KnownMoves | None:
    if source.pick((True, False)):
        return None
    traits.add("moves")
    generator = np.random.default_rng(source.whole(0, 10**9))
    together = generator.normal(0.0, 0.001, (_MINUTES, 1))
    returns = together * source.number(0.0, 2.0) + generator.normal(0.0, 0.001, (_MINUTES, len(marks)))
    # In another order than a book has them.
    return KnownMoves(tuple(reversed(marks)), returns, hourly_deviation(returns))


def _draw_settings(source: Seeded, account: AccountSnapshot, traits: set[str]) -> EngineSettings:
    rules = AlertRules(dead_band=source.pick((0.25, 0.25, 0.1, 0.0)))
    if source.pick((True, False, False)):
        traits.add("distance")
        rules = msgspec.structs.replace(rules, levels=_with_distances(DEFAULT_LEVELS))
    overrides: tuple[RulesOverride, ...] = ()
    strict = AlertRules(_with_distances(DEFAULT_LEVELS), 0.25)
    if (kind := source.pick(("none", "none", "account", "symbol"))) != "none":
        traits.add(f"override of {kind}")
        symbol = source.pick([p.symbol for p in account.positions]) if kind == "symbol" else None
        overrides = (RulesOverride(strict, account.account if kind == "account" else None, symbol),)
    advice = AdviceRules(source.pick((0.0005, 0.0)), source.pick((0.0005, 0.002)))
    return EngineSettings(rules=rules, overrides=overrides, advice=advice)


def _with_distances(
    levels: Sequence[LevelRule],
) -> tuple[LevelRule, LevelRule, LevelRule, LevelRule]:
    found = [
        msgspec.structs.replace(rule, distance=distance, joint_distance=distance / 2)
        for rule, distance in zip(levels, (0.06, 0.03, 0.02, 0.01), strict=True)
    ]
    return found[0], found[1], found[2], found[3]
