"""What a key may do, of the many things the exchange says of it."""

from typing import NamedTuple

from monitor.binance.account_rows import KeyPermissions


class Permissions(NamedTuple):
    """What a key may do, by what there is to lose."""

    can_trade: bool  # anything, futures included
    can_withdraw: bool  # or send to other users
    can_transfer: bool  # between wallets of the same owner
    futures: bool  # trade them
    reading: bool
    ip_restricted: bool
    portfolio_margin: bool  # trade in a portfolio margin account

    @property
    def reads_only(self) -> bool:
        """Whether nothing can be lost by this key."""
        return not (self.can_trade or self.can_withdraw or self.can_transfer)


def permissions_of(row: KeyPermissions) -> Permissions:
    """Return what a key may do by what the exchange says of it."""
    trades = (
        row.enable_spot_and_margin_trading,
        row.enable_margin,
        row.enable_futures,
        row.enable_vanilla_options,
        row.enable_portfolio_margin_trading,
        row.enable_fix_api_trade,
    )
    return Permissions(
        can_trade=any(trades),
        can_withdraw=row.enable_withdrawals or row.enable_internal_transfer,
        can_transfer=row.permits_universal_transfer,
        futures=row.enable_futures,
        reading=row.enable_reading,
        ip_restricted=row.ip_restrict,
        portfolio_margin=row.enable_portfolio_margin_trading,
    )
