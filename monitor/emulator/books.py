"""What the exchange knows of one account: wallets, positions, settings, orders, history, and its events' form."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from monitor.emulator.brackets import Brackets
from monitor.emulator.holdings import Contract, Holding, Holdings, OperationError, PositionSide
from monitor.emulator.ledger import DEFAULT_LEVERAGE, Account, Position, WalletFigures, figures
from monitor.emulator.market import Instrument, Market
from monitor.emulator.orders import AlgoOrder, Income, Order, amount, plain

Row = dict[str, Any]

_ZERO = Decimal(0)
_ALIAS = "SgsR"


class Books:
    """The live state of an account; begins as the scenario says.

    Attributes:
        market: what is traded, at which marks.
        holdings: wallets and positions.
        orders: open plain orders by id.
        algos: open conditional orders by id.
        forced: liquidation and auto-deleveraging orders, oldest first.
        incomes: bookings, oldest first.
        asset_ms: when each asset's balance last changed.
    """

    def __init__(self, account: Account, market: Market, now_ms: Callable[[], int]) -> None:
        self.market = market
        self.holdings = Holdings(dict(account.balances))
        self.orders: dict[int, Order] = {}
        self.algos: dict[int, AlgoOrder] = {}
        self.forced: list[Order] = []
        self.incomes: list[Income] = []
        self.asset_ms: dict[str, int] = {}
        # A script that holds LONG and SHORT of one symbol means hedge mode.
        symbols = [one.symbol for one in account.positions]
        self._account = replace(account, hedge_mode=account.hedge_mode or len(symbols) > len(set(symbols)))
        self._leverage = dict(account.leverage)
        self._isolated = set(account.isolated)
        self._now_ms = now_ms
        self._last_ms = 0
        self._numbers = 1_000_000
        for position in account.positions:
            self._take(position)

    @property
    def name(self) -> str:
        """Return the name of the account."""
        return self._account.name

    @property
    def account(self) -> Account:
        """Return the account as it stands now."""
        return replace(
            self._account,
            balances=dict(self.holdings.cross),
            positions=tuple(_position(self.name, one) for one in self.holdings.open()),
            leverage=dict(self._leverage),
            isolated=frozenset(self._isolated),
        )

    @property
    def sides(self) -> tuple[PositionSide, ...]:
        """Return the position sides a symbol has in this position mode."""
        return ("LONG", "SHORT") if self._account.hedge_mode else ("BOTH",)

    def instrument(self, symbol: str) -> Instrument:
        """Return a contract of the account's market.

        Raises:
            OperationError: there is none of this name.
        """
        one = self.market.instruments.get(symbol)
        if one is None or (one.kind == "coinm") != (self._account.market == "coinm"):
            raise OperationError(f"{symbol}: not traded on this market")
        return one

    def instruments(self) -> list[Instrument]:
        """Return every contract of the account's market."""
        return self.market.coinm() if self._account.market == "coinm" else self.market.usdm()

    def contract(self, symbol: str) -> Contract:
        """Return what positions of a symbol are reckoned with; OperationError as above."""
        return self.instrument(symbol).contract

    def leverage(self, symbol: str) -> int:
        """Return the initial leverage of a symbol."""
        return self._leverage.get(symbol, DEFAULT_LEVERAGE)

    def is_isolated(self, symbol: str) -> bool:
        """Say whether the margin type of a symbol is isolated; in multi-assets mode none is."""
        return symbol in self._isolated and not self._account.multi_assets

    def holding(self, symbol: str, side: PositionSide) -> Holding:
        """Return a position, open or not.

        Raises:
            OperationError: no such symbol, or the side does not fit the position mode.
        """
        if side not in self.sides:
            raise OperationError(f"{symbol}: {side} does not fit the position mode")
        found = self.holdings.held.get((symbol, side))
        if found is None:
            found = Holding(self.contract(symbol), side, self.is_isolated(symbol))
            self.holdings.held[symbol, side] = found
        if not found.amount:
            found.isolated = self.is_isolated(symbol)
        return found

    def brackets(self, symbol: str) -> Brackets | None:
        """Return the tiers that hold for this account: adjusted ones if it has a coefficient."""
        table = self.instrument(symbol).brackets
        coefficient = self._account.notional_coef.get(symbol)
        return table if table is None or coefficient is None else table.scaled(coefficient)

    def figures(self, tables: Mapping[str, Brackets] | None = None) -> tuple[WalletFigures, ...]:
        """Return every wallet at the newest marks; ``tables`` go before the market's own tiers."""
        market = self.market
        merged = market.tables | dict(tables or {})
        return figures(
            [self.account],
            merged,
            market.marks,
            contracts=market.contracts,
            bases=market.bases,
            rates=market.rates,
        )

    def stamp(self) -> int:
        """Return the time of a change: now, and later than every change before."""
        self._last_ms = max(self._now_ms(), self._last_ms + 1)
        return self._last_ms

    def number(self) -> int:
        """Return an id nothing else has."""
        self._numbers += 1
        return self._numbers

    def book_income(
        self, kind: str, value: Decimal, asset: str, at_ms: int, symbol: str = "", *, trade: int = 0
    ) -> None:
        """Write a booking into the history, unless it is 0."""
        if value:
            self.incomes.append(Income(kind, value, asset, at_ms, self.number(), symbol, trade))

    def event(self, kind: str, at_ms: int, **facts: object) -> Row:
        """Return a user event; it leaves the exchange a millisecond after it happened."""
        row: Row = {"e": kind, "T": at_ms, "E": at_ms + 1}
        if self._account.market == "coinm":
            row["i"] = _ALIAS
        return row | facts

    def account_update(
        self,
        reason: str,
        at_ms: int,
        changes: Mapping[str, Decimal],
        changed: Iterable[Holding] = (),
        symbol: str = "",
    ) -> Row:
        """Return an ACCOUNT_UPDATE.

        Args:
            reason: its ``m``.
            at_ms: when it happened.
            changes: by asset, what came or went other than profit and commission.
            changed: the positions that are different now.
            symbol: on funding, of what.
        """
        for asset in changes:
            self.asset_ms[asset] = at_ms
        moved = list(changed)
        for one in moved:
            one.updated_ms = at_ms
        if self._account.market == "coinm" and reason != "FUNDING_FEE":
            moved = [self.holding(one.symbol, side) for one in self.instruments() for side in self.sides]
        facts: Row = {
            "m": reason,
            "B": [
                {
                    "a": asset,
                    "wb": amount(self.holdings.balance(asset)),
                    "cw": amount(self.holdings.cross.get(asset, _ZERO)),
                    "bc": amount(change),
                }
                for asset, change in changes.items()
            ],
            "P": [self._position_row(one) for one in moved],
        }
        if symbol:
            facts["S"] = symbol
        return self.event("ACCOUNT_UPDATE", at_ms, a=facts)

    def margin_call_event(self, at_ms: int) -> Row:
        """Return a MARGIN_CALL that names every position."""
        calls, crossed = [], False
        for wallet in self.figures():
            for one in wallet.positions:
                held = self.held(one.position.symbol, one.position.side)
                crossed = crossed or not held.isolated
                calls.append(
                    {
                        "s": one.position.symbol,
                        "ps": held.side,
                        "pa": plain(held.amount),
                        "mt": "ISOLATED" if held.isolated else "CROSSED",
                        "iw": amount(held.wallet) if held.isolated else "0",
                        "mp": plain(one.mark),
                        "up": amount(one.unrealized_pnl),
                        "mm": amount(one.maintenance_margin),
                    }
                )
        facts: Row = {"cw": amount(sum(self.holdings.cross.values(), _ZERO))} if crossed else {}
        row = self.event("MARGIN_CALL", at_ms, **facts, p=calls)
        del row["T"]
        return row

    def held(self, symbol: str, side: Literal["LONG", "SHORT"]) -> Holding:
        """Return the position that is this leg of the figures, whatever the position mode."""
        return self.holdings.held[symbol, side if self._account.hedge_mode else "BOTH"]

    def _position_row(self, one: Holding) -> Row:
        return {
            "s": one.contract.symbol,
            "pa": plain(one.amount),
            "ep": plain(one.entry),
            "bep": plain(one.entry),
            "cr": amount(one.realized),
            "up": amount(one.profit(self.market.marks[one.contract.symbol])),
            "mt": "isolated" if one.isolated else "cross",
            "iw": amount(one.wallet),
            "ps": one.side,
        }

    def _take(self, position: Position) -> None:
        """Hold what the scenario says is held."""
        contract = self.contract(position.symbol)
        isolated = position.margin_mode == "isolated"
        side: PositionSide = position.side if self._account.hedge_mode else "BOTH"
        if isolated:
            self._isolated.add(position.symbol)
        signed = position.quantity if position.side == "LONG" else -position.quantity
        self.holdings.held[position.symbol, side] = Holding(
            contract, side, isolated, signed, position.entry, position.margin
        )


def _position(account: str, one: Holding) -> Position:
    return Position(
        account=account,
        symbol=one.contract.symbol,
        side="LONG" if one.amount > 0 else "SHORT",
        quantity=abs(one.amount),
        entry=one.entry,
        margin_mode="isolated" if one.isolated else "cross",
        margin=one.wallet,
        margin_asset=one.contract.asset,
    )
