"""Facts of wallets in danger that say what to do, one for each way a sentence may have to go."""

import msgspec

from monitor.core.model import Level
from monitor.core.notices import After, Cut, Facts, Prescription, Remedy
from tests.notify.fakes import some_facts

BTC, ETH, SOL = "BTCUSDT", "ETHUSDT", "SOLUSDT"


def a_cut(
    quantity: float, share: float, symbol: str = BTC, side: str = "LONG", *, put_back: float = 0.0,
    cost: float = 6.5,
) -> Cut:  # fmt: skip
    return Cut(symbol, side, quantity, share, notional=quantity * 59_500, cost=cost, put_back=put_back)


def plan(
    first: Remedy, *others: Remedy, asset: str = "USDT", isolated: bool = False, spare: float | None = None,
    limited_by: str = "", alone: After | None = None, assumed_step: bool = False,
) -> Prescription:  # fmt: skip
    return Prescription(
        asset, isolated, (first, *others), taker_fee=0.0005, slippage=0.0005, spare=spare, limited_by=limited_by,
        alone=alone, assumed_step=assumed_step,
    )  # fmt: skip


def warned(add: float | None = None, *cuts: Cut, lacking: float | None = None, cut: After | None = None) -> Remedy:
    """Return what ends a warning."""
    return Remedy(Level.WARNING, add=add, lacking=lacking, cuts=cuts, cut=cut)


def safe(add: float | None = None, *cuts: Cut, lacking: float | None = None) -> Remedy:
    """Return what ends a notice."""
    return Remedy(Level.NOTICE, add=add, lacking=lacking, cuts=cuts)


ISOLATED = plan(
    warned(
        234.01, a_cut(0.22, 0.44, put_back=119.012), lacking=0.0, cut=After(0.36, 58_420.4, 0.018, 0.25)
    ),
    safe(1_894.01, a_cut(0.432, 0.864, put_back=236.3, cost=25.7), lacking=944.01),
    isolated=True, spare=950.0, limited_by="warning", alone=After(0.397, 59_120.0, 0.006, 0.12),
)  # fmt: skip
LOW = some_facts(
    mark=59_500.0, distance=0.0061, margin_ratio=0.397, room=0.127, moves_left=1.4, margin_balance=300.0,
    maintenance_margin=119.0, cushion=181.0, environment="live",
)  # fmt: skip


def _of(facts: Facts, prescription: Prescription | None, **changes: object) -> Facts:
    return msgspec.structs.replace(facts, prescription=prescription, **changes)


def cross(positions: int = 1, **changes: object) -> Facts:
    return msgspec.structs.replace(
        LOW, **{"wallet": "cross:USDT", "margin_mode": "cross", "positions": positions, "joint_distance": 0.0052}
        | changes,
    )  # fmt: skip


WARNED = _of(LOW, ISOLATED)
NO_SPARE = _of(
    LOW,
    plan(
        warned(234.01, a_cut(0.22, 0.44, put_back=119.012), lacking=234.01, cut=After(0.36, 58_420.4)),
        safe(1_894.01, a_cut(0.432, 0.864, put_back=236.3), lacking=1_894.01),
        isolated=True, spare=0.0, limited_by="balance", alone=After(0.397, 59_120.0),
    ),
)  # fmt: skip
UNKNOWN_SPARE = _of(
    LOW,
    plan(
        warned(234.01, a_cut(0.22, 0.44, put_back=119.012), cut=After(0.36, 58_420.4)),
        safe(1_894.01, a_cut(0.5, 1.0)), isolated=True, alone=After(0.397, 59_120.0), assumed_step=True,
    ),
)  # fmt: skip
ONE_CROSS = _of(
    cross(margin_ratio=0.66), plan(warned(412.5, a_cut(0.118, 0.236)), safe(633.1, a_cut(0.171, 0.342)))
)
SEVERAL = _of(
    cross(4, margin_ratio=0.83),
    plan(
        warned(1_412.5, a_cut(1.25, 0.5, ETH, "SHORT", cost=3.21), lacking=1_412.5),
        safe(
            3_100.0, a_cut(2.5, 1.0, ETH, "SHORT"), a_cut(100.0, 1.0, SOL, "SHORT"), a_cut(0.12, 0.24),
            lacking=3_100.0,
        ),
        spare=0.0,
    ),
)  # fmt: skip
MANY = _of(
    cross(12, margin_ratio=0.9),
    plan(
        warned(
            None, *(a_cut(100.0 + i, 1.0, f"C{i}USDT", "SHORT", cost=1.5) for i in range(9)), a_cut(0.12, 0.24)
        ),
        safe(None, *(a_cut(100.0 + i, 1.0, f"C{i}USDT", "SHORT", cost=1.5) for i in range(12))),
    ),
)  # fmt: skip
COINS = _of(
    cross(
        symbol="BTCUSD_PERP", wallet="cross:BTC", asset="BTC", margin_balance=0.0212, maintenance_margin=0.0141,
        cushion=0.0071, margin_ratio=0.665,
    ),
    plan(
        warned(0.00412345, a_cut(12.0, 0.12, "BTCUSD_PERP", cost=0.0000204)),
        safe(0.00999999, a_cut(31.0, 0.31, "BTCUSD_PERP", cost=0.000053)), asset="BTC",
    ),
)  # fmt: skip
HEDGE = _of(
    cross(2, side="SHORT", margin_ratio=0.7),
    plan(warned(250.0, a_cut(0.043, 0.086, side="SHORT")), safe(700.0, a_cut(0.118, 0.236, side="SHORT"))),
)
MULTI = _of(
    cross(2, wallet="cross:multi", asset="USD", margin_ratio=0.72),
    plan(
        warned(512.4, a_cut(0.1, 0.2)),
        safe(912.03, a_cut(0.5, 1.0), a_cut(0.8, 0.36, "ETHUSDC", "SHORT")),
        spare=0.0,
    ),
)
USELESS = _of(cross(3), plan(warned(None, a_cut(0.1, 0.2)), safe(None, a_cut(0.5, 1.0))))
UNCUT = _of(cross(3), plan(warned(80.0), safe(412.0)))
HOPELESS = _of(cross(3), plan(warned(), safe()))
CALM = _of(cross(), plan(warned(0.0), safe(33.0, a_cut(0.01, 0.02))))
USED_UP = _of(
    cross(margin_ratio=None, liquidatable=True, distance=0.0, room=0.0, moves_left=0.0),
    plan(warned(733.3, a_cut(0.5, 1.0)), safe(1_200.0, a_cut(0.5, 1.0)), spare=0.0),
)
BOTH_AT_ONCE = _of(
    LOW,
    plan(
        warned(300.0, a_cut(0.5, 1.0), lacking=300.0), safe(300.0, a_cut(0.5, 1.0), lacking=300.0),
        isolated=True, spare=0.0, limited_by="balance",
    ),
)  # fmt: skip
ALONE_USED_UP = _of(
    LOW,
    plan(warned(733.3, a_cut(0.5, 1.0), lacking=0.0), safe(1_200.0, a_cut(0.5, 1.0)), isolated=True, spare=900.0),
    margin_ratio=1.2, liquidatable=True, distance=0.0, room=0.0, moves_left=0.0,
)  # fmt: skip
EVERY = {
    "isolated": WARNED, "without spare": NO_SPARE, "of unknown spare": UNKNOWN_SPARE, "cross": ONE_CROSS,
    "of several positions": SEVERAL, "of many cuts": MANY, "coin-margined": COINS, "hedge": HEDGE,
    "multi-assets": MULTI, "where adding is useless": USELESS, "where no cut does it": UNCUT,
    "where nothing does it": HOPELESS, "with nothing left to do": CALM, "used up": USED_UP,
    "used up, isolated": ALONE_USED_UP, "where the same is safe": BOTH_AT_ONCE,
}  # fmt: skip
