"""The exchange's books: what each wallet of each account is worth at given marks, in exact decimals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from monitor.emulator.brackets import Brackets
from monitor.emulator.liquidation import Leg, joint_distance, liquidation_prices, precise

_ZERO = Decimal(0)
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Position:
    """One leg held by an account. A LONG and a SHORT of one symbol may stand side by side (hedge mode).

    Attributes:
        account: name of the account.
        symbol: contract, such as ``BTCUSDT``.
        side: LONG or SHORT.
        quantity: base asset, > 0.
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
    """An account: its cross wallet balances by margin asset, and what it holds."""

    name: str
    balances: Mapping[str, Decimal]
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """One position at given marks. ``liquidation_price`` is the root nearest to the mark of all there are."""

    position: Position
    mark: Decimal
    notional: Decimal
    unrealized_pnl: Decimal
    maintenance_margin: Decimal
    liquidation_prices: tuple[Decimal, ...]

    @property
    def liquidation_price(self) -> Decimal | None:
        """Return the nearest liquidation price, or None."""
        return min(self.liquidation_prices, key=lambda price: abs(price - self.mark), default=None)


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


def figures(
    accounts: Iterable[Account], tables: Mapping[str, Brackets], marks: Mapping[str, Decimal]
) -> tuple[WalletFigures, ...]:
    """Return every wallet of every account at these marks: cross wallets first, then isolated, as given.

    Raises:
        KeyError: if a held symbol has no tiers or no mark.
    """
    result: list[WalletFigures] = []
    with precise():
        for account in accounts:
            cross: dict[str, list[_Held]] = {asset: [] for asset in account.balances}
            alone: list[_Held] = []
            for position in account.positions:
                held = (position, _leg(position, tables, marks))
                if position.margin_mode == "cross":
                    cross.setdefault(position.margin_asset, []).append(held)
                else:
                    alone.append(held)
            for asset, holdings in cross.items():
                balance = account.balances.get(asset, _ZERO)
                result.append(_wallet(account.name, f"cross:{asset}", asset, balance, holdings))
            for held in alone:
                one = held[0]
                result.append(_wallet(account.name, one.wallet, one.margin_asset, one.margin, [held]))
    return tuple(result)


def _leg(position: Position, tables: Mapping[str, Brackets], marks: Mapping[str, Decimal]) -> Leg:
    return Leg(
        sign=1 if position.side == "LONG" else -1,
        quantity=position.quantity,
        entry=position.entry,
        mark=marks[position.symbol],
        brackets=tables[position.symbol],
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
        positions=tuple(
            PositionFigures(
                position=one,
                mark=leg.mark,
                notional=leg.notional(leg.mark),
                unrealized_pnl=leg.pnl(leg.mark),
                maintenance_margin=leg.maintenance(leg.mark),
                liquidation_prices=roots[one.symbol],
            )
            for one, leg in holdings
        ),
    )
