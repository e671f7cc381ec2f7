"""The exchange's books: what each wallet of each account is worth at given marks, in exact decimals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from monitor.emulator.brackets import Brackets
from monitor.emulator.collateral import Rate
from monitor.emulator.credentials import Credentials, Permissions
from monitor.emulator.liquidation import Leg, joint_distance, liquidation_prices, precise
from monitor.emulator.multi import Pool, PooledLeg

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Position:
    """One leg held by an account. A LONG and a SHORT of one symbol may stand side by side (hedge mode).

    Attributes:
        account: name of the account.
        symbol: contract, such as ``BTCUSDT``.
        side: LONG or SHORT.
        quantity: base asset, > 0; contracts of a coin-margined one.
        entry: entry price, quote asset.
        margin_mode: isolated or cross.
        margin: isolated wallet balance, margin asset; 0 with cross.
        margin_asset: what the margin is paid in.
    """

    account: str
    symbol: str
    side: Literal["LONG", "SHORT"]
    quantity: Decimal
    entry: Decimal
    margin_mode: Literal["isolated", "cross"]
    margin: Decimal = _ZERO
    margin_asset: str = "USDT"

    @property
    def wallet(self) -> str:
        """Name of the wallet that backs it."""
        if self.margin_mode == "cross":
            return f"cross:{self.margin_asset}"
        return f"isolated:{self.symbol}:{self.side}"


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its cross wallet balances by margin asset, what it holds, and how it is set up.

    Attributes:
        name: name of the account.
        balances: cross wallet balance by asset; what isolated positions hold is not part of it.
        positions: what it holds.
        market: which of the two markets the account is on.
        multi_assets: all assets back all cross positions, in dollars.
        hedge_mode: LONG and SHORT are kept apart; without it a symbol has one net position.
        credentials: what signs its requests; without them nobody can read it.
        permissions: what its key may do.
        leverage: initial leverage by symbol, else :data:`DEFAULT_LEVERAGE`.
        isolated: symbols whose next position is isolated; held isolated positions need not be named.
        auto_add: symbols with automatic margin replenishment.
        notional_coef: factor of the bracket bounds and amounts by symbol, for accounts with adjusted brackets.
    """

    name: str
    balances: Mapping[str, Decimal]
    positions: tuple[Position, ...]
    market: Literal["usdm", "coinm"] = "usdm"
    multi_assets: bool = False
    hedge_mode: bool = False
    credentials: Credentials | None = None
    permissions: Permissions = Permissions()  # noqa: RUF009  frozen
    leverage: Mapping[str, int] = field(default_factory=dict)
    isolated: frozenset[str] = frozenset()
    auto_add: frozenset[str] = frozenset()
    notional_coef: Mapping[str, Decimal] = field(default_factory=dict)


DEFAULT_LEVERAGE = 20


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """One position at given marks. ``liquidation_price`` is the root nearest to the mark of all there are.

    Sizes and profits are in the margin asset. ``linked_prices`` are the roots with the collateral of the same
    underlying moving along; only in multi-assets mode, elsewhere those of ``liquidation_prices``.
    """

    position: Position
    mark: Decimal
    notional: Decimal
    unrealized_pnl: Decimal
    maintenance_margin: Decimal
    liquidation_prices: tuple[Decimal, ...]
    linked_prices: tuple[Decimal, ...]

    @property
    def liquidation_price(self) -> Decimal | None:
        """Return the nearest liquidation price, or None."""
        return min(self.liquidation_prices, key=lambda price: abs(price - self.mark), default=None)

    @property
    def linked_liquidation_price(self) -> Decimal | None:
        """Return the nearest liquidation price if the collateral of the same underlying moves along, or None."""
        return min(self.linked_prices, key=lambda price: abs(price - self.mark), default=None)


@dataclass(frozen=True, slots=True)
class WalletFigures:
    """One wallet at given marks, in its asset. Ratios, room and the joint distance are fractions."""

    account: str
    wallet: str
    asset: str
    wallet_balance: Decimal
    margin_balance: Decimal
    maintenance_margin: Decimal
    entry_maintenance: Decimal  # maintenance margin with every mark at its entry price
    joint_distance: Decimal | None
    positions: tuple[PositionFigures, ...]

    @property
    def cushion(self) -> Decimal:
        """Return what is left to lose."""
        return self.margin_balance - self.maintenance_margin

    @property
    def margin_ratio(self) -> Decimal:
        """Return maintenance margin / margin balance; 1 is liquidation, infinity a balance used up."""
        if self.maintenance_margin <= 0:
            return _ZERO
        if self.margin_balance <= 0:
            return Decimal("Infinity")
        return self.maintenance_margin / self.margin_balance

    @property
    def room(self) -> Decimal:
        """Return the share of the way from entry to liquidation still left, at most 1."""
        way = self.wallet_balance - self.entry_maintenance
        return min(_ONE, self.cushion / way) if way > 0 else _ZERO


_Held = tuple[Position, Leg]


@dataclass(frozen=True, slots=True)
class Terms:
    """What wallets are reckoned with.

    Attributes:
        tables: tiers by symbol.
        marks: mark prices by symbol, quote asset.
        contracts: quote asset in one contract, by coin-margined symbol.
        bases: base asset by symbol; where it is missing nothing is linked to it.
        rates: dollars by asset, for multi-assets mode.
    """

    tables: Mapping[str, Brackets]
    marks: Mapping[str, Decimal]
    contracts: Mapping[str, Decimal] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    rates: Mapping[str, Rate] = field(default_factory=dict)


def figures(
    accounts: Iterable[Account],
    tables: Mapping[str, Brackets],
    marks: Mapping[str, Decimal],
    *,
    contracts: Mapping[str, Decimal] | None = None,
    bases: Mapping[str, str] | None = None,
    rates: Mapping[str, Rate] | None = None,
) -> tuple[WalletFigures, ...]:
    """Return every wallet of every account at these marks: cross wallets first, then isolated, as given.

    The arguments are those of :class:`Terms`.

    Raises:
        KeyError: if a held symbol has no tiers or no mark.
    """
    terms = Terms(tables, marks, contracts or {}, bases or {}, rates or {})
    with precise():
        return tuple(wallet for account in accounts for wallet in _wallets(account, terms))


def _wallets(account: Account, terms: Terms) -> list[WalletFigures]:
    cross: dict[str, list[_Held]] = {asset: [] for asset in account.balances}
    alone: list[_Held] = []
    for position in account.positions:
        held = (position, _leg(account, position, terms))
        if position.margin_mode == "cross":
            cross.setdefault(position.margin_asset, []).append(held)
        else:
            alone.append(held)
    result = []
    if account.multi_assets:
        result.append(_pooled(account, [held for holdings in cross.values() for held in holdings], terms))
    else:
        for asset, holdings in cross.items():
            balance = account.balances.get(asset, _ZERO)
            result.append(_wallet(account.name, f"cross:{asset}", asset, balance, holdings))
    for held in alone:
        one = held[0]
        result.append(_wallet(account.name, one.wallet, one.margin_asset, one.margin, [held]))
    return result


def _leg(account: Account, position: Position, terms: Terms) -> Leg:
    table = terms.tables[position.symbol]
    coefficient = account.notional_coef.get(position.symbol)
    return Leg(
        sign=1 if position.side == "LONG" else -1,
        quantity=position.quantity,
        entry=position.entry,
        mark=terms.marks[position.symbol],
        brackets=table if coefficient is None else table.scaled(coefficient),
        contract=terms.contracts.get(position.symbol, _ZERO),
    )


def _wallet(account: str, name: str, asset: str, balance: Decimal, holdings: Sequence[_Held]) -> WalletFigures:
    legs = [leg for _, leg in holdings]
    roots: dict[str, tuple[Decimal, ...]] = {}
    for symbol in {one.symbol for one, _ in holdings}:
        own = [leg for one, leg in holdings if one.symbol == symbol]
        others = [leg for one, leg in holdings if one.symbol != symbol]
        funds = balance + sum((leg.pnl(leg.mark) - leg.maintenance(leg.mark) for leg in others), _ZERO)
        roots[symbol] = liquidation_prices(own, funds)
    return WalletFigures(
        account=account,
        wallet=name,
        asset=asset,
        wallet_balance=balance,
        margin_balance=balance + sum((leg.pnl(leg.mark) for leg in legs), _ZERO),
        maintenance_margin=sum((leg.maintenance(leg.mark) for leg in legs), _ZERO),
        entry_maintenance=sum((leg.maintenance(leg.entry) for leg in legs), _ZERO),
        joint_distance=joint_distance(legs, balance),
        positions=tuple(_position(one, leg, roots[one.symbol], roots[one.symbol]) for one, leg in holdings),
    )


def _pooled(account: Account, holdings: Sequence[_Held], terms: Terms) -> WalletFigures:
    legs = [PooledLeg(leg, one.symbol, one.margin_asset, terms.bases.get(one.symbol, "")) for one, leg in holdings]
    pool = Pool(account.balances, legs, terms.rates)
    alone: dict[str, tuple[Decimal, ...]] = {}
    linked: dict[str, tuple[Decimal, ...]] = {}
    for symbol in {one.symbol for one, _ in holdings}:
        mark = terms.marks[symbol]
        alone[symbol] = tuple(mark * root for root in pool.liquidation_factors(symbol, linked=False))
        linked[symbol] = tuple(mark * root for root in pool.liquidation_factors(symbol, linked=True))
    return WalletFigures(
        account=account.name,
        wallet="cross:multi",
        asset="USD",
        wallet_balance=pool.wallet_balance(),
        margin_balance=pool.equity(),
        maintenance_margin=pool.maintenance(),
        entry_maintenance=pool.entry_maintenance(),
        joint_distance=pool.joint_distance(),
        positions=tuple(_position(one, leg, alone[one.symbol], linked[one.symbol]) for one, leg in holdings),
    )


def _position(one: Position, leg: Leg, alone: tuple[Decimal, ...], linked: tuple[Decimal, ...]) -> PositionFigures:
    return PositionFigures(
        position=one,
        mark=leg.mark,
        notional=leg.notional(leg.mark),
        unrealized_pnl=leg.pnl(leg.mark),
        maintenance_margin=leg.maintenance(leg.mark),
        liquidation_prices=alone,
        linked_prices=linked,
    )
