"""Findings as a checkup makes them, one of each code, with figures that belong together."""

from typing import Any

from monitor.core.notices import Finding, FindingCode

_LEG: dict[str, Any] = {
    "account": "main", "wallet": "isolated:BTCUSDT:LONG", "symbol": "BTCUSDT", "side": "LONG", "isolated": True,
    "mark": 61_000.0, "liquidation_price": 59_136.546, "asset": "USDT",
}  # fmt: skip


def found(code: FindingCode, **changes: Any) -> Finding:  # noqa: ANN401 - fields of a finding
    """Return a finding about a position."""
    facts = _LEG | changes
    return Finding(f"{code.value}/{facts['account']}/{facts['symbol']}/{facts['side']}", code, **facts)


ONE_OF_EACH: dict[FindingCode, Finding] = {
    FindingCode.USED_UP: found(FindingCode.USED_UP, value=-150.0, limit=312.0),
    FindingCode.LEVERAGE: found(FindingCode.LEVERAGE, value=20.0, limit=5.0, remedy=4649.9981),
    FindingCode.CROSS: found(
        FindingCode.CROSS, wallet="cross:USDT", isolated=False, value=5000.0, limit=1160.0, remedy=10.0,
        symbol="ETHUSDT", side="SHORT", mark=2900.0, liquidation_price=4120.5,
    ),
    FindingCode.NO_STOP: found(FindingCode.NO_STOP, limit=1.0, remedy=60_070.0),
    FindingCode.STOP_BEYOND: found(FindingCode.STOP_BEYOND, value=0.0, limit=1.0, price=59_000.0, remedy=60_070.0),
    FindingCode.STOP_TIGHT: found(FindingCode.STOP_TIGHT, value=0.0, limit=1.0, price=59_200.0, remedy=60_070.0),
    FindingCode.STOP_SIDE: found(FindingCode.STOP_SIDE, value=0.0, limit=1.0, price=61_200.0, remedy=60_070.0),
    FindingCode.STOP_IDLE: found(FindingCode.STOP_IDLE, value=0.0, limit=1.0, price=63_000.0, remedy=60_070.0),
    FindingCode.STOP_LAST: found(FindingCode.STOP_LAST, value=0.0, limit=1.0, remedy=60_070.0),
    FindingCode.STOP_PARTIAL: found(FindingCode.STOP_PARTIAL, value=0.4, limit=1.0, remedy=60_070.0),
    FindingCode.STOP_LIMIT: found(FindingCode.STOP_LIMIT, value=0.0, limit=1.0, remedy=60_070.0),
    FindingCode.CONCENTRATION: found(FindingCode.CONCENTRATION, value=0.258, limit=0.2, remedy=0.111),
    FindingCode.EXPOSURE: Finding(
        "exposure/main/USD", FindingCode.EXPOSURE, "main", value=6.958, limit=3.0, asset="USD", remedy=23_950.001,
        margin=7957.041,
    ),
    FindingCode.NEAR: found(FindingCode.NEAR, value=0.0306, limit=0.041, remedy=318.4449),
    FindingCode.AUTO_ADD: found(FindingCode.AUTO_ADD),
    FindingCode.TRADING_KEY: Finding("trading_key/main/", FindingCode.TRADING_KEY, "main", value=1.0),
}  # fmt: skip
