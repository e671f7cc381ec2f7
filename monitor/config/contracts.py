"""Coin-margined contracts: what their symbols tell, and [contracts.SYMBOL], what one contract is worth."""

import re
from collections.abc import Mapping
from typing import Any

from monitor.config.problems import Loc, Problems, fix_of, key_path, shown_text
from monitor.config.schema import ContractsSection
from monitor.config.shipped import shipped_contract_size
from monitor.config.values import symbol_name

COINM_SHAPE = 'a coin-margined contract, such as "BTCUSD_PERP" or "ETHUSD_261225"'

_COINM = re.compile(r"([0-9A-Z]{1,20})USD_(PERP|[0-9]{6})")


def coin_of(symbol: str) -> str | None:
    """Return the coin that margins a contract, such as ``BTC`` of ``BTCUSD_PERP``; None for other markets."""
    match = _COINM.fullmatch(symbol)
    return match[1] if match else None


def build_sizes(raw_contracts: Mapping[str, Any], problems: Problems) -> dict[str, float]:
    """Return the contract sizes of one's own by symbol, in US dollars, those without mistakes."""
    sizes: dict[str, float] = {}
    for name, raw in raw_contracts.items():
        loc: Loc = ("contracts", name)
        fix = fix_of(symbol_name, name)
        if fix is not None or coin_of(name) is None:
            hint = fix or "contracts of other markets have no size"
            problems.add(loc, shown_text(name), COINM_SHAPE, hint)
        if (section := problems.check(ContractsSection, raw, loc)) is not None:
            sizes[name] = section.size
    return sizes


def contract_size(symbol: str, own: Mapping[str, float]) -> float:
    """Return the US dollars one contract is worth; one's own figure wins over the shipped rule."""
    return own.get(symbol) or shipped_contract_size(symbol)


def size_warnings(held: tuple[str, ...], own: Mapping[str, float]) -> list[str]:
    """Return which sizes of one's own nothing uses."""
    return [
        f"contracts.{key_path((name,))} is not used: no typed-in position holds {name}"
        for name in own
        if name not in held
    ]
