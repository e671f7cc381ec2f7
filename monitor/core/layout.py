"""In which order accounts stand in the columns of a book: wallets, slots and rows.

By account as given, cross wallets first, then isolated ones. In multi-assets mode an account has one cross wallet
with a slot for each asset; else a wallet has one slot.
"""

import re
from collections.abc import Iterable, Sequence

from monitor.core.book import Part, WalletInfo
from monitor.core.model import (
    MULTI_ASSET,
    MULTI_WALLET,
    PAR,
    AccountSnapshot,
    AssetRate,
    MarginMode,
    Position,
    Side,
    SubjectKey,
)

# Contracts are quoted in these: their prices against the dollar do not move with the market.
QUOTE_ASSETS = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD1", "U"})
_DELIVERY = re.compile(r"_[0-9]{6}$")


def underlying(position: Position) -> str:
    """Return the asset a linear contract is about, such as ``BTC`` of ``BTCUSDT`` and ``BTCUSDT_261225``."""
    return _DELIVERY.sub("", position.symbol).removesuffix(position.margin_asset)


class Layout:
    """The order of these accounts' wallets, slots and rows, and what each slot holds."""

    def __init__(self, accounts: Iterable[AccountSnapshot]) -> None:
        self.wallets: list[WalletInfo] = []
        self.positions: list[Position] = []
        self.row_slot: list[int] = []
        self.slot_wallet: list[int] = []
        self.slot_balance: list[float] = []
        self.slot_asset: list[str] = []
        self.slot_rate: list[AssetRate] = []
        self.parts: list[Part] = []
        for account in accounts:
            wallets, rows, slots = len(self.wallets), len(self.positions), len(self.slot_wallet)
            self._add(account)
            legs = tuple((p.symbol, p.side, p.inverse, p.contract_size) for p in self.positions[rows:])
            backing = tuple(slot - slots for slot in self.row_slot[rows:])
            assets = tuple(zip(self.slot_asset[slots:], (r.fixed for r in self.slot_rate[slots:]), strict=True))
            shape = (tuple(self.wallets[wallets:]), backing, legs, assets)
            self.parts.append(Part(account, shape, rows, slots))

    def _add(self, account: AccountSnapshot) -> None:
        cross: dict[str, list[Position]] = {asset: [] for asset in account.balances}
        isolated: list[Position] = []
        for position in account.positions:
            if position.margin_mode is MarginMode.CROSS:
                cross.setdefault(position.margin_asset, []).append(position)
            else:
                isolated.append(position)
        if account.multi_assets and cross:
            key = SubjectKey(account.account, MULTI_WALLET)
            self.wallets.append(WalletInfo(key, MarginMode.CROSS, MULTI_ASSET))
            for asset in sorted(cross):
                self._slot(asset, account.balances.get(asset, 0.0), cross[asset], account.rates.get(asset, PAR))
        else:
            for asset in sorted(cross):
                key = SubjectKey(account.account, f"cross:{asset}")
                self.wallets.append(WalletInfo(key, MarginMode.CROSS, asset))
                self._slot(asset, account.balances.get(asset, 0.0), cross[asset])
        for position in sorted(isolated, key=_leg_order):
            key = SubjectKey(account.account, position.wallet)
            self.wallets.append(WalletInfo(key, MarginMode.ISOLATED, position.margin_asset))
            self._slot(position.margin_asset, position.margin, [position])

    def _slot(self, asset: str, balance: float, legs: Sequence[Position], rate: AssetRate = PAR) -> None:
        """Add a slot to the newest wallet; a leg and its opposite stand side by side and are solved as a pair."""
        slot = len(self.slot_wallet)
        self.slot_wallet.append(len(self.wallets) - 1)
        self.slot_balance.append(balance)
        self.slot_asset.append(asset)
        self.slot_rate.append(rate)
        self.positions.extend(sorted(legs, key=_leg_order))
        self.row_slot.extend([slot] * len(legs))


def _leg_order(position: Position) -> tuple[str, bool]:
    return position.symbol, position.side is Side.SHORT
