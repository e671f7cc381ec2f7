"""What REST tells of a coin-margined account; amounts in contracts, money in coin."""

from typing import Any

from monitor.emulator.orders import amount, plain
from monitor.emulator.views import Line, View, asset_row

Row = dict[str, Any]

_MOST_CONTRACTS = "1000"


class CoinView(View):
    """An account at one moment, as the other market tells it."""

    def position_risk_row(self, line: Line) -> Row:
        """Return a row of position risk: of every contract, held or not."""
        one, symbol = line.holding, line.holding.contract.symbol
        return {
            "symbol": symbol,
            "positionAmt": plain(one.amount),
            "entryPrice": plain(one.entry) if one.amount else "0.0",
            "breakEvenPrice": plain(one.entry) if one.amount else "0.0",
            "markPrice": amount(line.mark),
            "unRealizedProfit": amount(line.profit),
            "liquidationPrice": "0" if line.liquidation is None else amount(line.liquidation),
            "leverage": str(self.account.leverage(symbol)),
            "maxQty": _MOST_CONTRACTS,
            "marginType": "isolated" if one.isolated else "cross",
            "isolatedMargin": amount(one.wallet + line.profit) if one.isolated else "0.00000000",
            "isAutoAddMargin": "true" if symbol in self.state.auto_add else "false",
            "positionSide": one.side,
            "notionalValue": amount(line.notional),
            "isolatedWallet": amount(one.wallet),
            "updateTime": one.updated_ms,
        }

    def account_row(self) -> Row:
        """Return the account: assets by coin, positions, no totals."""
        return {
            "assets": [asset_row(one) for one in self.assets()],
            "positions": [self._position(line) for line in self.lines(every=True)],
            "canDeposit": True,
            "canTrade": True,
            "canWithdraw": True,
            "feeTier": 2,
            "updateTime": 0,
        }

    def balance(self) -> list[Row]:
        """Return the balances."""
        return [
            {
                "accountAlias": "SgsR",
                "asset": one.asset,
                "balance": amount(one.balance),
                "withdrawAvailable": amount(one.available),
                "crossWalletBalance": amount(one.cross),
                "crossUnPnl": amount(one.cross_profit),
                "availableBalance": amount(one.available),
                "updateTime": one.updated_ms,
            }
            for one in self.assets()
        ]

    def _position(self, line: Line) -> Row:
        one, symbol = line.holding, line.holding.contract.symbol
        return {
            "symbol": symbol,
            "positionAmt": plain(one.amount),
            "initialMargin": amount(line.position_margin + line.order_margin),
            "maintMargin": amount(line.maintenance),
            "unrealizedProfit": amount(line.profit),
            "positionInitialMargin": amount(line.position_margin),
            "openOrderInitialMargin": amount(line.order_margin),
            "leverage": str(self.account.leverage(symbol)),
            "isolated": one.isolated,
            "positionSide": one.side,
            "entryPrice": plain(one.entry) if one.amount else "0.0",
            "breakEvenPrice": plain(one.entry) if one.amount else "0.0",
            "maxQty": _MOST_CONTRACTS,
            "updateTime": one.updated_ms,
            "notionalValue": amount(line.notional),
            "isolatedWallet": amount(one.wallet),
        }
