"""Causes ahead as messages tell them, with content that would be markup somewhere."""

from monitor.core.model import Level
from monitor.core.notices import After, Cause, CauseKind

AT_MS = 1_780_000_000_000
NOW = After(margin_ratio=0.62, liquidation_price=59_136.5, distance=0.021, room=0.205)
FUNDING_SOON = Cause(
    CauseKind.FUNDING, "BTCUSDT", "LONG", "USDT", at_ms=AT_MS + 2_100_000, amount=-12.3, rate_before=0.0001,
    before=NOW, after=After(margin_ratio=0.64, liquidation_price=59_161.1, distance=0.0206, room=0.195),
    level=Level.WARNING,
)  # fmt: skip
FUNDING_LATER = Cause(
    CauseKind.FUNDING, asset="USDT", at_ms=AT_MS + 4 * 3_600_000, amount=-1_412.5, before=NOW,
    after=After(margin_ratio=0.6213, liquidation_price=59_138.2, distance=0.0209, room=0.204),
)  # fmt: skip
LOSES_A_LEG = Cause(
    CauseKind.ADL, "BTC_USDT<x>", "SHORT", "USDT", quantile=4, hedge=True,
    before=After(margin_ratio=0.3, room=0.5), level=Level.CRITICAL,
    after=After(margin_ratio=0.15, liquidation_price=58_000.0, distance=0.05, room=0.6),
)  # fmt: skip
NEXT_IN_QUEUE = Cause(CauseKind.ADL, "BTCUSDT", "LONG", "USDT", quantile=4)
COUNTS_LESS = Cause(
    CauseKind.COLLATERAL, asset="BTC", amount=-3_000.0, rate_before=0.95, rate_after=0.9,
    before=After(margin_ratio=0.55, room=0.3), after=After(margin_ratio=0.66, room=0.2), level=Level.WARNING,
)  # fmt: skip
NEXT_BRACKET = Cause(
    CauseKind.BRACKET, "BTCUSDT", "SHORT", "USDT", price=61_650.0, move=0.0206, rate_before=0.004,
    rate_after=0.005, required=1_200.0, beyond=1_275.0,
    before=After(liquidation_price=63_000.0, distance=0.043),
)  # fmt: skip
ALL_AHEAD = (FUNDING_LATER, NEXT_BRACKET)
