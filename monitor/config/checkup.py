"""[checkup], and what typed-in positions say of their stop-losses."""

from collections.abc import Iterator, Sequence
from typing import Any

from monitor.config.accounts import has_keys
from monitor.config.schema import CheckupSection
from monitor.config.values import stop_loss
from monitor.core.model import AccountSnapshot, Position, WaitingOrder
from monitor.core.settings import CheckupRules
from monitor.core.surroundings import OrdersKnown


def checkup_rules(
    section: CheckupSection, raw_accounts: Sequence[Any], accounts: Sequence[AccountSnapshot]
) -> CheckupRules:
    """Return the rules of a checkup.

    Args:
        section: as written.
        raw_accounts: all accounts as decoded from TOML; they were found sound.
        accounts: those that are typed in, made of them in the same order.
    """
    typed = (raw for raw in raw_accounts if not has_keys(raw))
    orders = (_orders(account, raw) for account, raw in zip(accounts, typed, strict=True))
    written = section.model_dump() | {"ignore": tuple(section.ignore)}
    return CheckupRules(**written, typed_orders=tuple(one for one in orders if one is not None))


def _orders(account: AccountSnapshot, raw: dict[str, Any]) -> OrdersKnown | None:
    """Return what an account says of its stops: for a symbol all there are, if each of its positions says so."""
    said = {(p.symbol, p.side): item.get("stop_loss") for p, item in _pairs(account, raw)}
    silent = {symbol for (symbol, _), value in said.items() if value is None}
    symbols = tuple(dict.fromkeys(symbol for symbol, _ in said if symbol not in silent))
    orders = tuple(
        _stop(position, price)
        for position, item in _pairs(account, raw)
        if (price := stop_loss(item.get("stop_loss", "none"))) is not None
    )
    return OrdersKnown(account.account, 0, symbols, orders) if symbols or orders else None


def _pairs(account: AccountSnapshot, raw: dict[str, Any]) -> Iterator[tuple[Position, dict[str, Any]]]:
    return zip(account.positions, raw.get("positions", ()), strict=True)


def _stop(position: Position, price: float) -> WaitingOrder:
    """Return a stop as it is meant to be: all of the position, at market, triggered by the mark."""
    return WaitingOrder(
        position.symbol, position.side, "STOP_MARKET", price, 0.0, closes=True, reduces=True, conditional=True,
        on_mark=True,
    )  # fmt: skip
