"""Coin-margined contracts and what their symbols tell; [contracts.SYMBOL]: contract sizes and order quantities."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from monitor.config.problems import Loc, Problems, fix_of, key_path, shown, shown_text
from monitor.config.schema import ContractsSection
from monitor.config.shipped import shipped_contract_size, shipped_contracts_date
from monitor.config.values import symbol_name
from monitor.core.model import Lot

COINM_SHAPE = 'a coin-margined contract, such as "BTCUSD_PERP" or "ETHUSD_261225"'

_DELIVERY = re.compile(r"[^_]+_([0-9]{2})([0-9]{2})([0-9]{2})")
_AT = dt.time(8, tzinfo=dt.UTC)
_COINM = re.compile(r"([0-9A-Z]{1,20})USD_(PERP|[0-9]{6})")


def coin_of(symbol: str) -> str | None:
    """Return the coin that margins a contract, such as ``BTC`` of ``BTCUSD_PERP``; None for other markets."""
    match = _COINM.fullmatch(symbol)
    return match[1] if match else None


def is_over(symbol: str, now_ms: int) -> bool:
    """Return whether a contract was delivered by ``now_ms``, or is of a day that no calendar has."""
    match = _DELIVERY.fullmatch(symbol)
    if match is None:
        return False
    year, month, day = (int(part) for part in match.groups())
    try:
        at = dt.datetime.combine(dt.date(2000 + year, month, day), _AT)
    except ValueError:
        return True
    return at.timestamp() * 1000 <= now_ms


class Contracts(NamedTuple):
    """What [contracts.SYMBOL] says, by symbol, without mistakes."""

    sizes: dict[str, float]  # US dollars of one coin-margined contract
    lots: dict[str, Lot]  # what quantities an order at market may have


def build_contracts(raw_contracts: Mapping[str, Any], problems: Problems) -> Contracts:
    """Return the contract sizes and order quantities of one's own; mistakes are recorded."""
    found = Contracts({}, {})
    for name, raw in raw_contracts.items():
        loc: Loc = ("contracts", name)
        fix = fix_of(symbol_name, name)
        if fix is not None:
            problems.add(loc, shown_text(name), 'a symbol, such as "BTCUSDT" or "BTCUSD_PERP"', fix)
        section = problems.check(ContractsSection, raw, loc)
        if section is None:
            continue
        if section.size is None and section.step is None and section.least_quantity is None:
            problems.add(loc, "nothing", "at least one of size and step")
        if section.size is not None and coin_of(name) is None and fix is None:
            problems.add(
                (*loc, "size"), shown(section.size), COINM_SHAPE, "contracts of other markets have no size"
            )
        elif section.size is not None:
            found.sizes[name] = section.size
        if (lot := _lot(name, section, loc, problems)) is not None:
            found.lots[name] = lot
    return found


def _lot(name: str, section: ContractsSection, loc: Loc, problems: Problems) -> Lot | None:
    whole = coin_of(name) is not None
    step = section.step
    if step is None and section.least_quantity is not None:
        if not whole:
            problems.add(
                (*loc, "step"), "nothing", "the step of quantities", "least_quantity alone does not tell it"
            )
            return None
        step = 1.0
    if step is None:
        return None
    if whole and not step.is_integer():
        hint = "coin-margined positions are counted in contracts, not in coins"
        problems.add((*loc, "step"), shown(step), "a whole number of contracts", hint)
        return None
    least = step if section.least_quantity is None else section.least_quantity
    if least < step:
        hint = f"the least that can be closed is one step; write {step:.12g}, or leave it out"
        problems.add((*loc, "least_quantity"), shown(least), f"the step, {step:.12g}, or more", hint)
        return None
    return Lot(step, least)


def contract_size(symbol: str, own: Mapping[str, float]) -> float:
    """Return the US dollars one contract is worth; one's own figure wins over the shipped rule."""
    return own.get(symbol) or shipped_contract_size(symbol)


def contract_warnings(held: tuple[str, ...], own: Contracts, *, any_symbol: bool) -> list[str]:
    """Return which figures of one's own nothing uses, and which sizes are not those of the exchange.

    Args:
        held: symbols of typed-in positions.
        own: what the file says.
        any_symbol: an account is followed by its key, so a lot of any symbol may be used.
    """
    useful = set(held) | (own.lots.keys() if any_symbol else set())
    unused = [
        f"contracts.{key_path((name,))} is not used: no typed-in position holds {name}"
        for name in dict.fromkeys((*own.sizes, *own.lots))
        if name not in useful
    ]
    return unused + [
        f"contracts.{key_path((name,))}.size = {size:.12g}, and a contract is of {usual:.12g} US dollars at the"
        f" exchange as of {shipped_contracts_date()}: leave it out, unless that has changed since"
        for name, size in own.sizes.items()
        if name in held and size != (usual := shipped_contract_size(name))
    ]
