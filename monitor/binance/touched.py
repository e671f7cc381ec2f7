"""What events changed while REST was asked, and which of the exchange's figures they leave comparable. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from monitor.binance.account_state import BOTH, Contract, LegKey
from monitor.binance.account_values import FullReply
from monitor.binance.user_wire import AccountUpdate
from monitor.core.events import Reconciled
from monitor.core.model import MULTI_WALLET, AccountSnapshot, ExchangeFigures, PositionFigures

_CROSS: Final = "cross:"


class Touched:
    """The legs and balances that events named since a request began."""

    def __init__(self) -> None:
        self.modes = False  # a mode was switched: no figure of the reply is sure to be of one moment
        self._legs: set[LegKey] = set()
        self._assets: set[str] = set()

    def __bool__(self) -> bool:
        return self.modes or bool(self._legs) or bool(self._assets)

    def add(self, event: AccountUpdate) -> None:
        """Note what an event changed."""
        self._legs.update((row.symbol, row.slot) for row in event.legs)
        self._assets.update(row.asset for row in event.balances)

    def comparable(
        self, reply: FullReply, contracts: Mapping[str, Contract], *, held_back: bool
    ) -> Reconciled | None:
        """Return what of the exchange's figures belongs to the account as that reply describes it, if anything.

        Args:
            reply: whole.
            contracts: static facts by symbol.
            held_back: it lags behind the private stream.
        """
        if not self:
            return Reconciled(reply.snapshot, reply.figures) if reply.consistent else None
        whole = reply.consistent and not held_back  # a reply that lags may do so in a part of it
        figures = self.left(reply.snapshot, reply.figures, contracts, whole=whole)
        return Reconciled(reply.snapshot, figures) if figures.positions or figures.wallets else None

    def left(
        self, account: AccountSnapshot, figures: ExchangeFigures, contracts: Mapping[str, Contract], *, whole: bool
    ) -> ExchangeFigures:
        """Return the figures that can be compared with the account of the same reply.

        The maintenance of a leg depends on that leg alone. What a wallet holds, and every liquidation price of it,
        depends on all its legs and its balance.

        Args:
            account: as the reply describes it.
            figures: of the reply.
            contracts: static facts by symbol.
            whole: all parts of the reply describe one moment; else only maintenance is left.
        """
        if self.modes:
            return ExchangeFigures(figures.at_ms)
        wallets = self._wallets(account, contracts)
        backing = {(one.symbol, one.side): account.wallet_of(one) for one in account.positions}

        def is_sure(wallet: str | None) -> bool:
            return whole and wallet not in wallets and not (None in wallets and str(wallet).startswith(_CROSS))

        positions = []
        for one in figures.positions:
            if {(one.symbol, BOTH), (one.symbol, one.side.value)} & self._legs:
                continue
            sure = is_sure(backing.get((one.symbol, one.side)))
            positions.append(one if sure else _without_liquidation(one))
        sure_wallets = tuple(one for one in figures.wallets if is_sure(one.wallet))
        return ExchangeFigures(figures.at_ms, tuple(positions), sure_wallets)

    def _wallets(self, account: AccountSnapshot, contracts: Mapping[str, Contract]) -> set[str | None]:
        """Return the wallets that are touched; None stands for any cross wallet."""
        found: set[str | None] = {
            account.wallet_of(one)
            for one in account.positions
            if {(one.symbol, BOTH), (one.symbol, one.side.value)} & self._legs
        }
        assets = set(self._assets)
        for symbol, _ in self._legs:  # one that the reply lacks may have been backed by its asset's cross wallet
            contract = contracts.get(symbol)
            if contract is None:
                found.add(None)
            else:
                assets.add(contract.margin_asset)
        found.update(MULTI_WALLET if account.multi_assets else f"{_CROSS}{asset}" for asset in assets)
        return found


def _without_liquidation(one: PositionFigures) -> PositionFigures:
    return msgspec.structs.replace(one, liquidation_price=None, quotes_liquidation=False)
