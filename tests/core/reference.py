"""The formulas once more: slow, in `Decimal` with 50 digits, from the definitions and the published closed forms.

Nothing is shared with ``monitor.core``: brackets are chosen by notional, prices stay prices (inverse contracts
use their own published form), and a liquidation price is looked for in every combination of brackets instead of
in a chain of lines.

Every figure carries ``terms``, the sum of the absolute values of what was added up to make it (through a
quotient: what an error of its parts makes of it). ``terms / |value|`` is the condition number, so an error of
``1e-9 * terms`` is a relative error of 1e-9 times the condition number.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from typing import NamedTuple

from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Side

ACCURACY = Decimal("1e-9")
LEAST = Decimal("0.3")  # of maintenance at entry, by which room is measured at the least
ZERO, ONE, TWO = Decimal(0), Decimal(1), Decimal(2)
# Far below any float64 figure, far above what 50 digits round.
_SAME = Decimal("1e-40")


class Figure(NamedTuple):
    """A value and the size of what it was made of; ``doubt`` if not even its existence is well conditioned."""

    value: Decimal
    terms: Decimal
    doubt: bool = False

    @property
    def condition(self) -> Decimal:
        """Return by how much a relative error of the inputs can grow."""
        return self.terms / abs(self.value) if self.value else Decimal("Infinity")

    def plus(self, other: "Figure", sign: int = 1) -> "Figure":
        return Figure(self.value + sign * other.value, self.terms + other.terms, self.doubt or other.doubt)

    def over(self, other: "Figure") -> "Figure":
        """Return the quotient; in doubt where the divisor is as good as zero."""
        value = self.value / other.value
        terms = (self.terms + abs(value) * other.terms) / abs(other.value)
        return Figure(value, terms, self.doubt or abs(other.value) <= ACCURACY * other.terms)

    def near(self, other: "Figure") -> bool:
        """Return whether the two cannot be told apart at the accuracy asked for."""
        return abs(self.value - other.value) <= ACCURACY * (self.terms + other.terms)


NOTHING = Figure(ZERO, ZERO)


def total(terms: Iterable[Decimal]) -> Figure:
    """Return the sum of the terms."""
    listed = list(terms)
    return Figure(sum(listed, ZERO), sum(map(abs, listed), ZERO))


class Tier(NamedTuple):
    """One row of a tier table."""

    floor: Decimal
    mmr: Decimal
    cum: Decimal


@dataclass(frozen=True, slots=True)
class Leg:
    """One position: direction +1 or -1, quantity in the base asset or in quote value of contracts if inverse."""

    symbol: str
    direction: int
    quantity: Decimal
    entry: Decimal
    inverse: bool
    tiers: tuple[Tier, ...]

    def notional(self, price: Decimal) -> Decimal:
        return self.quantity / price if self.inverse else self.quantity * price

    def bracket(self, price: Decimal) -> int:
        notional = self.notional(price)
        return max(i for i, tier in enumerate(self.tiers) if tier.floor <= notional or not i)

    def pnl(self, price: Decimal) -> Figure:
        if self.inverse:
            return total((self.direction * self.quantity / self.entry, -self.direction * self.quantity / price))
        return total((self.direction * self.quantity * price, -self.direction * self.quantity * self.entry))

    def maintenance(self, price: Decimal) -> Figure:
        tier = self.tiers[self.bracket(price)]
        return total((self.notional(price) * tier.mmr, -tier.cum))

    def border_prices(self) -> list[Decimal]:
        """Return the prices at which the bracket changes."""
        if not self.quantity:
            return []
        floors = [tier.floor for tier in self.tiers[1:]]
        return [self.quantity / floor if self.inverse else floor / self.quantity for floor in floors]


@dataclass(slots=True)
class LegFigures:
    """Figures of one position; roots in order of price."""

    notional: Figure
    pnl: Figure
    bracket: int
    maintenance: Figure
    roots: list[Figure] = field(default_factory=list)
    liquidation: Figure | None = None
    distance: Figure | None = None
    doubt: bool = False  # the number of roots, or which is the nearest
    edge: bool = False  # whether the ratio has reached 1


@dataclass(slots=True)
class WalletFigures:
    """Figures of one wallet and its positions; a ratio of None is infinite."""

    legs: list[LegFigures]
    balance: Figure
    maintenance: Figure
    cushion: Figure
    ratio: Figure | None
    room: Figure
    joint: Figure | None
    joint_doubt: bool


class WalletCase(NamedTuple):
    """What one wallet holds; ``names`` are symbol and side by leg."""

    name: str
    balance: Decimal
    legs: list[Leg]
    names: list[tuple[str, Side]]


def wallets_of(account: AccountSnapshot, tables: dict[str, BracketTable]) -> list[WalletCase]:
    """Return the wallets of an account: by asset with a balance or cross positions, and by isolated position."""
    cases: dict[str, WalletCase] = {}
    for asset, balance in account.balances.items():
        cases[f"cross:{asset}"] = WalletCase(f"cross:{asset}", Decimal(balance), [], [])
    for position in account.positions:
        # Tables are typed in as decimals, so the decimals are meant, not their nearest binary fractions.
        rows = tables[position.symbol].brackets
        leg = Leg(
            position.symbol,
            1 if position.side is Side.LONG else -1,
            Decimal(position.quantity) * Decimal(position.contract_size),
            Decimal(position.entry_price),
            position.inverse,
            tuple(Tier(Decimal(repr(r.floor)), Decimal(repr(r.mmr)), Decimal(repr(r.cum))) for r in rows),
        )
        if position.margin_mode is MarginMode.CROSS:
            name, balance = f"cross:{position.margin_asset}", 0.0
        else:
            name, balance = f"isolated:{position.symbol}:{position.side.value}", position.margin
        case = cases.setdefault(name, WalletCase(name, Decimal(balance), [], []))
        case.legs.append(leg)
        case.names.append((position.symbol, position.side))
    return list(cases.values())


def assess(balance: Decimal, legs: Sequence[Leg], marks: Sequence[Decimal]) -> WalletFigures:
    """Return all figures of one wallet at one mark for each leg; marks of one symbol must be equal."""
    with localcontext(Context(prec=50)):
        return _assess(balance, legs, marks)


def _assess(wallet_balance: Decimal, legs: Sequence[Leg], marks: Sequence[Decimal]) -> WalletFigures:
    pairs = list(zip(legs, marks, strict=True))
    figures = [
        LegFigures(total([leg.notional(mark)]), leg.pnl(mark), leg.bracket(mark), leg.maintenance(mark))
        for leg, mark in pairs
    ]
    wallet = total([wallet_balance])
    balance, required, at_entry = wallet, NOTHING, NOTHING
    for leg, figure in zip(legs, figures, strict=True):
        balance = balance.plus(figure.pnl)
        required = required.plus(figure.maintenance)
        at_entry = at_entry.plus(leg.maintenance(leg.entry))
    cushion = balance.plus(required, -1)
    exhausted = required.value > 0 and cushion.value <= 0
    on_the_edge = required.value > 0 and abs(cushion.value) <= ACCURACY * cushion.terms

    for symbol in {leg.symbol for leg in legs}:
        inside = [i for i, leg in enumerate(legs) if leg.symbol == symbol]
        rest = wallet
        for i, figure in enumerate(figures):
            if i not in inside:
                rest = rest.plus(figure.pnl).plus(figure.maintenance, -1)
        mark = marks[inside[0]]
        roots, doubt = liquidation_prices([legs[i] for i in inside], rest)
        nearest = min(roots, key=lambda root: abs(root.value - mark), default=None)
        gaps = sorted(abs(root.value - mark) for root in roots)
        if len(gaps) > 1 and gaps[1] - gaps[0] <= ACCURACY * sum(root.terms for root in roots):
            doubt = True  # either may pass for the nearest
        for i in inside:
            figures[i].roots, figures[i].liquidation = roots, nearest
            if exhausted:
                figures[i].distance = NOTHING
            elif nearest is not None:
                figures[i].distance = Figure(abs(mark - nearest.value) / mark, (mark + nearest.terms) / mark)
            figures[i].doubt = doubt
            figures[i].edge = on_the_edge

    joint, joint_doubt = _joint_distance(wallet, legs, marks, exhausted=exhausted)
    return WalletFigures(
        figures, balance, required, cushion,
        _ratio(required, balance), _room(cushion, wallet, at_entry, legs),
        joint, joint_doubt or on_the_edge,
    )  # fmt: skip


def _ratio(required: Figure, balance: Figure) -> Figure | None:
    if required.value <= 0:
        return NOTHING
    if balance.value <= 0:
        # Beside zero a rounded balance may be positive: any large ratio is as right as infinity.
        return Figure(ZERO, ZERO, doubt=True) if abs(balance.value) <= ACCURACY * balance.terms else None
    return required.over(balance)


def _room(cushion: Figure, wallet: Figure, required: Figure, legs: Sequence[Leg]) -> Figure:
    if not any(leg.quantity for leg in legs):
        return total([ONE])  # nothing held, nothing to lose
    least = Figure(required.value * LEAST, required.terms * LEAST)
    left = max(wallet.plus(required, -1), least, key=lambda figure: figure.value)
    if left.value <= 0:
        return Figure(ZERO, ZERO, doubt=abs(left.value) <= ACCURACY * left.terms)
    room = cushion.over(left)
    return Figure(min(room.value, ONE), room.terms, room.doubt)


def liquidation_prices(legs: Sequence[Leg], rest: Figure) -> tuple[list[Figure], bool]:
    """Return the 0 to 2 prices of one symbol at which the cushion is zero, and whether their number is in doubt.

    Args:
        legs: all positions in that symbol.
        rest: wallet balance + unrealized PnL - maintenance margin of all others (WB - TMM1 + UPNL1).
    """
    if not any(leg.quantity for leg in legs):
        return [], False

    def root(brackets: Sequence[int]) -> Figure | None:
        return _published_price(legs, brackets, rest)

    def cushion(price: Decimal) -> Figure:
        result = rest
        for leg in legs:
            result = result.plus(leg.pnl(price)).plus(leg.maintenance(price), -1)
        return result

    borders = sorted({price for leg in legs for price in leg.border_prices()})
    roots, doubt = _consistent_roots(root, [leg.bracket for leg in legs], borders)
    if len(legs) > 1:
        peak = max((cushion(price) for price in borders), key=lambda figure: figure.value, default=None)
        doubt = doubt or (peak is not None and abs(peak.value) <= ACCURACY * peak.terms)
    return roots, doubt


def _published_price(legs: Sequence[Leg], brackets: Sequence[int], rest: Figure) -> Figure | None:
    """Return the exchange's closed form with given brackets: USD-margined, or coin-margined if inverse."""
    tiers = [leg.tiers[bracket] for leg, bracket in zip(legs, brackets, strict=True)]
    cums = total([tier.cum for tier in tiers])
    rates = [leg.quantity * tier.mmr for leg, tier in zip(legs, tiers, strict=True)]
    exposure = [leg.direction * leg.quantity for leg in legs]
    if legs[0].inverse:
        numerator = total([*rates, *exposure])
        at_entry = [signed / leg.entry for leg, signed in zip(legs, exposure, strict=True)]
        denominator = rest.plus(cums).plus(total(at_entry))
    else:
        at_entry = [-signed * leg.entry for leg, signed in zip(legs, exposure, strict=True)]
        numerator = rest.plus(cums).plus(total(at_entry))
        denominator = total([*rates, *[-signed for signed in exposure]])
    return _quotient(numerator, denominator)


def _quotient(numerator: Figure, denominator: Figure) -> Figure | None:
    if not denominator.value:
        return None
    result = numerator.over(denominator)
    return result._replace(doubt=result.doubt or abs(numerator.value) <= ACCURACY * numerator.terms)


def _consistent_roots(
    solve: Callable[[Sequence[int]], Figure | None],
    brackets_at: Sequence[Callable[[Decimal], int]],
    borders: Sequence[Decimal],
) -> tuple[list[Figure], bool]:
    """Solve with the brackets of every stretch between borders; keep what lies where its brackets are valid."""
    edges = [ZERO, *borders]
    roots: list[Figure] = []
    others: list[Figure] = []
    doubt = False
    for i, low in enumerate(edges):
        high = edges[i + 1] if i < len(borders) else None
        inside = low * TWO + ONE if high is None else (low + high) / TWO
        candidate = solve([at(inside) for at in brackets_at])
        if candidate is None:
            doubt = doubt or high is None
            continue
        # At both ends of the axis a root can slip over the edge of what exists; inside it only changes stretch.
        doubt = doubt or (candidate.doubt and (high is None or not low))
        valid = candidate.value > 0 and candidate.value >= low * (1 - _SAME)
        valid = valid and (high is None or candidate.value <= high * (1 + _SAME))
        (roots if valid else others).append(candidate)
    merged: list[Figure] = []
    for root in roots:
        twin = next((i for i, seen in enumerate(merged) if seen.near(root)), None)
        if twin is None:
            merged.append(root)
        elif merged[twin].terms < root.terms:
            merged[twin] = root
    # Beside a border the neighbouring brackets may be the ones a rounded root falls into.
    merged = [
        root._replace(terms=max([root.terms, *(other.terms for other in others if other.near(root))]))
        for root in merged
    ]
    merged.sort(key=lambda root: root.value)
    return merged, doubt or any(root.doubt for root in merged)


def _joint_distance(
    wallet: Figure, legs: Sequence[Leg], marks: Sequence[Decimal], *, exhausted: bool
) -> tuple[Figure | None, bool]:
    """Return the smallest |factor - 1| at which a common factor on all marks brings the cushion to zero."""
    if exhausted:
        return NOTHING, False
    held = [(leg, mark) for leg, mark in zip(legs, marks, strict=True) if leg.quantity]
    if not held:
        return None, False

    def factor(brackets: Sequence[int]) -> Figure | None:
        tiers = [leg.tiers[bracket] for (leg, _), bracket in zip(held, brackets, strict=True)]
        fixed = [tier.cum for tier in tiers]
        moving: list[Decimal] = []
        for (leg, mark), tier in zip(held, tiers, strict=True):
            now = leg.notional(mark)
            if leg.inverse:
                fixed.append(leg.direction * leg.quantity / leg.entry)
                moving += [now * leg.direction, now * tier.mmr]
            else:
                fixed.append(-leg.direction * leg.quantity * leg.entry)
                moving += [-now * leg.direction, now * tier.mmr]
        standing = wallet.plus(total(fixed))
        return _quotient(total(moving), standing) if held[0][0].inverse else _quotient(standing, total(moving))

    def bracket_at(leg: Leg, mark: Decimal) -> Callable[[Decimal], int]:
        return lambda scale: leg.bracket(mark * scale)

    borders = sorted({price / mark for leg, mark in held for price in leg.border_prices()})
    factors, doubt = _consistent_roots(factor, [bracket_at(leg, mark) for leg, mark in held], borders)
    if not factors:
        return None, doubt
    nearest = min(factors, key=lambda figure: abs(figure.value - 1))
    return Figure(abs(nearest.value - 1), nearest.terms + 1), doubt
