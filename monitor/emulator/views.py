"""What REST tells of a USD-margined account, all of one reply at the same marks."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from monitor.emulator.brackets import Brackets
from monitor.emulator.collateral import PAR
from monitor.emulator.holdings import Holding
from monitor.emulator.liquidation import precise
from monitor.emulator.live import LiveAccount
from monitor.emulator.orders import amount, plain

Row = dict[str, Any]

_ZERO = Decimal(0)
_ADL = 1


@dataclass(frozen=True, slots=True)
class Line:
    """A position, or a side with open orders only, at the newest mark; margin asset."""

    holding: Holding
    mark: Decimal
    notional: Decimal  # signed
    profit: Decimal
    maintenance: Decimal
    liquidation: Decimal | None
    position_margin: Decimal
    order_margin: Decimal
    bids: Decimal
    asks: Decimal


@dataclass(frozen=True, slots=True)
class AssetLine:
    """One asset of an account."""

    asset: str
    balance: Decimal
    cross: Decimal
    profit: Decimal
    cross_profit: Decimal
    maintenance: Decimal
    position_margin: Decimal
    cross_margin: Decimal  # the part of the position margin that cross positions need
    order_margin: Decimal
    updated_ms: int

    @property
    def available(self) -> Decimal:
        """Return what could be used for new positions."""
        return max(_ZERO, self.cross + self.cross_profit - self.cross_margin - self.order_margin)


class View:
    """An account at one moment. ``tables`` go before the tiers that are published."""

    def __init__(self, account: LiveAccount, tables: Mapping[str, Brackets]) -> None:
        self.account = account
        self.state = account.account
        self._legs = {}
        for wallet in account.figures(tables):
            for one in wallet.positions:
                held = account.held(one.position.symbol, one.position.side)
                self._legs[one.position.symbol, held.side] = one

    def lines(self, symbol: str = "", *, every: bool = False) -> list[Line]:
        """Return what is held or ordered, of one symbol or of all; with ``every`` all sides of all contracts."""
        account = self.account
        wanted = dict.fromkeys(key for key, one in account.holdings.held.items() if one.amount)
        wanted |= dict.fromkeys((one.symbol, one.position_side) for one in account.orders.values())
        if every:
            wanted = dict.fromkeys((one.symbol, side) for one in account.instruments() for side in account.sides)
        with precise():
            return [self._line(account.holding(*key)) for key in wanted if symbol in ("", key[0])]

    def assets(self) -> list[AssetLine]:
        """Return every asset the account could hold margin in."""
        lines = self.lines()
        if self.state.market == "coinm":
            known = dict.fromkeys([*self.state.balances, *(one.base for one in self.account.instruments())])
        else:
            indexed = self.account.market.assets
            known = dict.fromkeys(
                [*self.state.balances, *(one.quote for one in self.account.instruments()), *indexed]
            )
        with precise():
            return [
                self._asset(asset, [one for one in lines if one.holding.contract.asset == asset])
                for asset in known
            ]

    def position_risk(self, line: Line) -> Row:
        """Return a row of position risk, version 3."""
        return self._common(line) | {
            "markPrice": amount(line.mark),
            "entryPrice": plain(line.holding.entry),
            "breakEvenPrice": plain(line.holding.entry),
            "unRealizedProfit": amount(line.profit),
            "liquidationPrice": "0" if line.liquidation is None else amount(line.liquidation),
            "marginAsset": line.holding.contract.asset,
            "positionInitialMargin": amount(line.position_margin),
            "openOrderInitialMargin": _maybe(line.order_margin),
            "adl": _ADL,
            "bidNotional": _maybe(line.bids),
            "askNotional": _maybe(line.asks),
        }

    def position_risk_v2(self, line: Line) -> Row:
        """Return a row of position risk, version 2: with leverage and margin type, without maintenance."""
        row = self.position_risk(line)
        symbol = line.holding.contract.symbol
        names = ("symbol", "positionSide", "positionAmt", "entryPrice", "breakEvenPrice", "markPrice",
                 "unRealizedProfit", "liquidationPrice", "isolatedMargin", "notional", "isolatedWallet",
                 "updateTime")  # fmt: skip
        return {name: row[name] for name in names} | {
            "marginType": "isolated" if self.account.is_isolated(symbol) else "cross",
            "isAutoAddMargin": "true" if symbol in self.state.auto_add else "false",
            "leverage": str(self.account.leverage(symbol)),
            "maxNotionalValue": self.most(symbol),
        }

    def account_v3(self) -> Row:
        """Return the account: totals in USDT, or in dollars in multi-assets mode; assets; positions."""
        assets = self.assets()
        return self._totals(assets) | {
            "assets": [asset_row(one) for one in assets],
            "positions": [self._common(line) | {"unrealizedProfit": amount(line.profit)} for line in self.lines()],
        }

    def balance(self) -> list[Row]:
        """Return the balances."""
        return [
            {
                "accountAlias": "SgsR",
                "asset": one.asset,
                "balance": amount(one.balance),
                "crossWalletBalance": amount(one.cross),
                "crossUnPnl": amount(one.cross_profit),
                "availableBalance": amount(one.available),
                "maxWithdrawAmount": amount(min(one.available, max(_ZERO, one.cross))),
                "marginAvailable": True,
                "updateTime": one.updated_ms,
            }
            for one in self.assets()
        ]

    def symbol_config(self, symbol: str) -> Row:
        """Return leverage and margin type of a symbol."""
        return {
            "symbol": symbol,
            "marginType": "ISOLATED" if self.account.is_isolated(symbol) else "CROSSED",
            "isAutoAddMargin": symbol in self.state.auto_add,
            "leverage": self.account.leverage(symbol),
            "maxNotionalValue": self.most(symbol),
        }

    def most(self, symbol: str) -> str:
        """Return the largest notional allowed at the present leverage."""
        table = self.account.brackets(symbol)
        rows = () if table is None else table.rows
        fitting = [row.cap for row in rows if row.leverage >= self.account.leverage(symbol)]
        return plain(max(fitting, default=rows[0].cap if rows else _ZERO))

    def adl(self) -> list[Row]:
        """Return the place of every position in the queue for auto-deleveraging."""
        rows: dict[str, Row] = {}
        for line in self.lines():
            side = line.holding.side
            places = {"BOTH": 0} if side == "BOTH" else {"HEDGE": 0}
            place = rows.setdefault(line.holding.contract.symbol, {"LONG": 0, "SHORT": 0} | places)
            place["LONG" if line.notional > 0 else "SHORT"] = _ADL
        return [{"symbol": symbol, "adlQuantile": place} for symbol, place in rows.items()]

    def _line(self, one: Holding) -> Line:
        symbol = one.contract.symbol
        mark = self.account.market.marks[symbol]
        leg = self._legs.get((symbol, one.side))
        leverage = self.account.leverage(symbol)
        orders = [
            order
            for order in self.account.orders.values()
            if order.symbol == symbol and order.position_side == one.side and not order.reduce_only
        ]
        values = {"BUY": _ZERO, "SELL": _ZERO}
        for order in orders:
            values[order.side] += one.contract.value(order.quantity - order.filled, order.price)
        size = leg.notional if leg is not None else _ZERO
        return Line(
            holding=one,
            mark=mark,
            notional=one.sign * size,
            profit=leg.unrealized_pnl if leg is not None else _ZERO,
            maintenance=leg.maintenance_margin if leg is not None else _ZERO,
            liquidation=leg.liquidation_price if leg is not None else None,
            position_margin=size / leverage,
            order_margin=(values["BUY"] + values["SELL"]) / leverage,
            bids=values["BUY"],
            asks=values["SELL"],
        )

    def _asset(self, asset: str, lines: list[Line]) -> AssetLine:
        cross = [one for one in lines if not one.holding.isolated]
        holdings = self.account.holdings
        return AssetLine(
            asset=asset,
            balance=holdings.balance(asset),
            cross=holdings.cross.get(asset, _ZERO),
            profit=sum((one.profit for one in lines), _ZERO),
            cross_profit=sum((one.profit for one in cross), _ZERO),
            maintenance=sum((one.maintenance for one in lines), _ZERO),
            position_margin=sum((one.position_margin for one in lines), _ZERO),
            cross_margin=sum((one.position_margin for one in cross), _ZERO),
            order_margin=sum((one.order_margin for one in lines), _ZERO),
            updated_ms=self.account.asset_ms.get(asset, 0),
        )

    def _common(self, line: Line) -> Row:
        one = line.holding
        return {
            "symbol": one.contract.symbol,
            "positionSide": one.side,
            "positionAmt": plain(one.amount),
            "notional": _maybe(line.notional),
            "isolatedMargin": amount(one.wallet + line.profit) if one.isolated and one.amount else "0",
            "isolatedWallet": amount(one.wallet) if one.isolated and one.amount else "0",
            "initialMargin": amount(line.position_margin + line.order_margin),
            "maintMargin": amount(line.maintenance),
            "updateTime": one.updated_ms,
        }

    def _totals(self, assets: list[AssetLine]) -> Row:
        rates = self.account.market.rates
        multi = self.state.multi_assets
        counted = assets if multi else [one for one in assets if one.asset == "USDT"]

        def worth(name: str) -> str:
            values = ((getattr(one, name), rates.get(one.asset, PAR)) for one in counted)
            return amount(sum((rate.worth(value) if multi else value for value, rate in values), _ZERO))

        def cost(*names: str) -> str:
            total = _ZERO
            for one in counted:
                asked = sum((getattr(one, name) for name in names), _ZERO)
                total += asked * (rates.get(one.asset, PAR).ask if multi else 1)
            return amount(total)

        with precise():
            equity = sum(
                (
                    rates.get(one.asset, PAR).worth(one.balance + one.profit)
                    if multi
                    else one.balance + one.profit
                    for one in counted
                ),
                _ZERO,
            )
            return {
                "totalInitialMargin": cost("position_margin", "order_margin"),
                "totalMaintMargin": cost("maintenance"),
                "totalWalletBalance": worth("balance"),
                "totalUnrealizedProfit": worth("profit"),
                "totalMarginBalance": amount(equity),
                "totalPositionInitialMargin": cost("position_margin"),
                "totalOpenOrderInitialMargin": cost("order_margin"),
                "totalCrossWalletBalance": worth("cross"),
                "totalCrossUnPnl": worth("cross_profit"),
                "availableBalance": worth("available"),
                "maxWithdrawAmount": worth("available"),
            }


def asset_row(one: AssetLine) -> Row:
    """Return an asset's row of the account."""
    return {
        "asset": one.asset,
        "walletBalance": amount(one.balance),
        "unrealizedProfit": amount(one.profit),
        "marginBalance": amount(one.balance + one.profit),
        "maintMargin": amount(one.maintenance),
        "initialMargin": amount(one.position_margin + one.order_margin),
        "positionInitialMargin": amount(one.position_margin),
        "openOrderInitialMargin": amount(one.order_margin),
        "crossWalletBalance": amount(one.cross),
        "crossUnPnl": amount(one.cross_profit),
        "availableBalance": amount(one.available),
        "maxWithdrawAmount": amount(min(one.available, max(_ZERO, one.cross))),
        "updateTime": one.updated_ms,
    }


def _maybe(value: Decimal) -> str:
    """Return an amount, or the bare 0 the exchange writes where there is none."""
    return amount(value) if value else "0"
