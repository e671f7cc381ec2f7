"""An account as an exchange keeps it, small enough to be obviously right: each change is also told as an event."""

from collections.abc import Iterable

import msgspec

from monitor.binance.account_state import Contract
from monitor.binance.user_wire import AccountUpdate, BalanceRow, LegRow, LeverageUpdate
from monitor.core.model import AccountSnapshot, MarginMode, Position, Side, Source

START_MS = 1_780_000_000_000

CONTRACTS = {
    "BTCUSDT": Contract("USDT"),
    "ETHUSDT": Contract("USDT"),
    "BTCUSDC": Contract("USDC"),
    "BTCUSD_PERP": Contract("BTC", 100.0, inverse=True),
}


class Reply(msgspec.Struct):
    """A REST reply."""

    snapshot: AccountSnapshot
    leg_ms: dict[tuple[str, Side], int]
    asset_ms: dict[str, int]


class _Leg(msgspec.Struct):
    amount: float = 0.0
    entry: float = 0.0
    isolated: bool = False
    margin: float = 0.0
    at_ms: int = 0


class ModelAccount:
    """The truth."""

    def __init__(self, *, hedge: bool = False, now_ms: int = START_MS) -> None:
        self.hedge = hedge
        self.now_ms = now_ms
        self.legs: dict[tuple[str, str], _Leg] = {}
        self.balances = {"USDT": 1000.0}
        self.asset_ms = {"USDT": now_ms}
        self.leverage: dict[str, float] = dict.fromkeys(CONTRACTS, 20.0)

    def slots(self) -> tuple[str, ...]:
        return ("LONG", "SHORT") if self.hedge else ("BOTH",)

    def trade(
        self, symbol: str, slot: str, amount: float, entry: float, *, isolated: bool, fee: float
    ) -> AccountUpdate:
        """Have this amount from now on; 0 closes it."""
        self.now_ms += 1
        asset = CONTRACTS[symbol].margin_asset
        margin = abs(amount) * 5.0 if isolated else 0.0
        self.legs[symbol, slot] = _Leg(amount, entry if amount else 0.0, isolated, margin, self.now_ms)
        return self._told("ORDER", [asset], fee, [(symbol, slot)])

    def funding(self, symbol: str, slot: str, paid: float) -> AccountUpdate:
        """Pay: out of the isolated margin, named then, or out of the balance, and no position is named."""
        self.now_ms += 1
        leg = self.legs.get((symbol, slot))
        asset = CONTRACTS[symbol].margin_asset
        if leg is not None and leg.amount and leg.isolated:
            leg.margin -= paid
            leg.at_ms = self.now_ms
            return self._told("FUNDING_FEE", [asset], 0.0, [(symbol, slot)])
        return self._told("FUNDING_FEE", [asset], paid, [])

    def deposit(self, asset: str, value: float) -> AccountUpdate:
        self.now_ms += 1
        return self._told("DEPOSIT", [asset], -value, [])

    def lever(self, symbol: str, leverage: float) -> LeverageUpdate:
        self.now_ms += 1
        self.leverage[symbol] = leverage
        return LeverageUpdate(self.now_ms + 1, self.now_ms, symbol, leverage)

    def _told(
        self, cause: str, assets: Iterable[str], paid: float, legs: Iterable[tuple[str, str]]
    ) -> AccountUpdate:
        rows = []
        for asset in assets:
            self.balances[asset] = self.balances.get(asset, 0.0) - paid
            self.asset_ms[asset] = self.now_ms
            rows.append(BalanceRow(asset, self.balances[asset], self.balances[asset]))
        named = tuple(
            LegRow(
                symbol,
                slot,
                leg.amount,
                leg.entry,
                MarginMode.ISOLATED if leg.isolated else MarginMode.CROSS,
                leg.margin,
            )
            for symbol, slot in legs
            for leg in (self.legs[symbol, slot],)
        )
        return AccountUpdate(self.now_ms + 1, self.now_ms, cause, tuple(rows), named)

    def snapshot(self) -> AccountSnapshot:
        positions = []
        for (symbol, slot), leg in sorted(self.legs.items()):
            if leg.amount:
                facts = CONTRACTS[symbol]
                by_sign = Side.SHORT if leg.amount < 0 else Side.LONG
                positions.append(
                    Position(
                        symbol, by_sign if slot == "BOTH" else Side(slot), abs(leg.amount), leg.entry,
                        MarginMode.ISOLATED if leg.isolated else MarginMode.CROSS, facts.margin_asset, leg.margin,
                        facts.contract_size, facts.inverse, self.leverage[symbol],
                    )
                )  # fmt: skip
        return AccountSnapshot(
            "main", dict(self.balances), tuple(positions), as_of_ms=self.now_ms, source=Source.REST,
            hedge_mode=self.hedge,
        )  # fmt: skip

    def reply(self) -> Reply:
        account = self.snapshot()
        times = {
            (leg.symbol, leg.side): self.legs[leg.symbol, leg.side.value if self.hedge else "BOTH"].at_ms
            for leg in account.positions
        }
        return Reply(account, times, dict(self.asset_ms))


def content(account: AccountSnapshot | None) -> tuple[object, ...]:
    """What two states are compared by: everything but when and where from."""
    assert account is not None
    return account.positions, account.balances, account.multi_assets, account.hedge_mode


def on_wire(event: AccountUpdate | LeverageUpdate) -> dict[str, object]:
    """Return the frame an exchange tells an event with."""
    head: dict[str, object] = {"E": event.event_ms, "T": event.at_ms}
    if isinstance(event, LeverageUpdate):
        return {"e": "ACCOUNT_CONFIG_UPDATE", **head, "ac": {"s": event.symbol, "l": event.leverage}}
    balances = [{"a": row.asset, "wb": str(row.wallet), "cw": str(row.cross), "bc": "0"} for row in event.balances]
    legs = [
        {"s": leg.symbol, "ps": leg.slot, "pa": str(leg.amount), "ep": str(leg.entry), "up": "0",
         "mt": leg.margin_mode.value, "iw": str(leg.margin)}
        for leg in event.legs
    ]  # fmt: skip
    return {"e": "ACCOUNT_UPDATE", **head, "a": {"m": event.cause, "B": balances, "P": legs}}
