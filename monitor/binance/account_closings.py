"""What the exchange closed by itself and no event told: streams are lost in crashes, which is when it happens."""

from typing import Final

import structlog

from monitor.binance.account_values import AccountRest, AccountUnavailableError
from monitor.binance.user_wire import ForcedUpdate
from monitor.core.events import OrderForced
from monitor.core.model import AccountSnapshot
from monitor.ports import Inbox

log = structlog.get_logger()

_MOST_ASKED: Final = 3  # symbols, of what the exchange itself closed; each costs a weight of 20
_LOOK_BACK_MS: Final = 60_000


async def tell_closings(rest: AccountRest, before: AccountSnapshot, after: AccountSnapshot, inbox: Inbox) -> None:
    """Ask for the orders by which the exchange closed some of what shrank, and post them; never raises."""
    now = {(leg.symbol, leg.side): leg.quantity for leg in after.positions}
    shrunk = {leg.symbol for leg in before.positions if now.get((leg.symbol, leg.side), 0.0) < leg.quantity}
    for symbol in sorted(shrunk)[:_MOST_ASKED]:
        try:
            orders = await rest.forced_orders(symbol, before.as_of_ms - _LOOK_BACK_MS)
        except AccountUnavailableError as error:
            log.warning("account.closings_unknown", account=after.account, reason=error.reason)
            return
        for order in orders:
            inbox.post(forced(after.account, order))


def forced(account: str, order: ForcedUpdate) -> OrderForced:
    """Return an order of the exchange's own as the event it is for an account."""
    return OrderForced(
        account, order.order, order.symbol, order.side, order.kind, order.quantity, order.price, order.event_ms
    )
