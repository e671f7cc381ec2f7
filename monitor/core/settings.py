"""Settings the core is told, filled by ``monitor.config``. Frozen; no run-time state."""

import msgspec

from monitor.core.model import Level, Lot
from monitor.core.surroundings import OrdersKnown


class LevelRule(msgspec.Struct, frozen=True):
    """Conditions of one level; any one that holds is enough, ``None`` switches a condition off.

    ``moves_left`` and ``margin_ratio`` count only while the room is at or below their companion ``..._room``.
    All but ``moves_left`` (a multiple of the typical hourly move) and the durations are fractions.
    """

    level: Level
    room: float | None = None
    moves_left: float | None = None
    moves_left_room: float = 1.0
    margin_ratio: float | None = None
    margin_ratio_room: float = 1.0
    distance: float | None = None
    joint_distance: float | None = None
    reminder_s: float | None = None  # None: no reminders
    dwell_s: float = 300.0  # how long every condition must be missed before the level is left


# Measured in docs/lead-time.md.
DEFAULT_LEVELS = (
    LevelRule(Level.NOTICE, room=0.50),
    LevelRule(
        Level.WARNING, room=0.20, moves_left=2.0, moves_left_room=0.6, margin_ratio=0.65, margin_ratio_room=0.6,
        reminder_s=7200.0, dwell_s=1800.0,
    ),
    LevelRule(
        Level.CRITICAL, room=0.10, moves_left=1.0, moves_left_room=0.4, margin_ratio=0.80, reminder_s=900.0,
        dwell_s=900.0,
    ),
    LevelRule(
        Level.EMERGENCY, room=0.07, moves_left=0.5, moves_left_room=0.25, margin_ratio=0.90, reminder_s=180.0,
        dwell_s=120.0,
    ),
)  # fmt: skip


class AlertRules(msgspec.Struct, frozen=True):
    """The four levels above ok, lowest first, and the dead band as a fraction of each condition's value."""

    levels: tuple[LevelRule, LevelRule, LevelRule, LevelRule] = DEFAULT_LEVELS
    dead_band: float = 0.25


class RulesOverride(msgspec.Struct, frozen=True):
    """Complete rules for the wallets of one account, or for wallets that hold one symbol (it wins)."""

    rules: AlertRules
    account: str | None = None
    symbol: str | None = None


class ChannelRule(msgspec.Struct, frozen=True):
    """What the core needs to know of a channel: never its address."""

    name: str
    min_level: Level = Level.NOTICE
    changes: bool = False  # is told of positions opened, closed and changed
    fallback: str = ""  # the channel that takes over what this one does not deliver
    fallback_after_s: float = 120.0
    escalation: bool = False  # is told what is critical and stays unacknowledged
    summary: bool = False  # is told once a day that the service is alive


class AuditRules(msgspec.Struct, frozen=True):
    """How far our figures may be from the exchange's, as fractions.

    A liquidation price may differ by the smaller of its two tolerances.
    """

    relative: float = 0.001  # of the value: maintenance margin, margin balance
    liquidation_mark: float = 0.0005  # of the mark price
    liquidation_distance: float = 0.05  # of the distance to liquidation


class FreshnessRules(msgspec.Struct, frozen=True):
    """Ages of a symbol's newest mark, in seconds, counted from the subscription or the last data frame.

    Blindness is promised to be told within 15 s; the heartbeat that notices it comes once a second.
    """

    suspect_after_s: float = 3.0
    blind_after_s: float = 13.5


class AdviceRules(msgspec.Struct, frozen=True):
    """What reducing is assumed to cost, fractions of the notional that is closed."""

    taker_fee: float = 0.0005
    slippage: float = 0.0005  # how much worse than the mark the fill is


class CheckupRules(msgspec.Struct, frozen=True):
    """What a habit has to be to become a finding. Fractions, unless said otherwise."""

    enabled: bool = True  # a quiet notice when a finding appears
    experience: str = "experienced"  # or "beginner"
    beginner_leverage: float = 5.0  # above it a beginner's position is a finding; a multiple
    largest_share: float = 0.20  # margin of one position, of the account
    most_exposure: float = 3.0  # all notionals together, as a multiple of the account's margin balance
    stop_share: float = 1.0  # of a position that a stop has to cover
    ignore: tuple[str, ...] = ()  # codes that are not looked for
    typed_orders: tuple[OrdersKnown, ...] = ()  # what typed-in accounts say of their stops


class EngineSettings(msgspec.Struct, frozen=True):
    """Everything the engine is configured with."""

    environment: str = "testnet"
    rules: AlertRules = AlertRules()
    overrides: tuple[RulesOverride, ...] = ()
    channels: tuple[ChannelRule, ...] = ()
    accounts: tuple[str, ...] = ()  # names that deliver snapshots; what was theirs is gone only once they did
    freshness: FreshnessRules = FreshnessRules()
    audit: AuditRules = AuditRules()
    advice: AdviceRules = AdviceRules()
    checkup: CheckupRules = CheckupRules()
    lots: dict[str, Lot] = {}  # typed in, by symbol; what the exchange tells wins
    typical_moves: bool = True  # False: the exchange plays prices faster than time goes, so that none are typical
    escalate_after_s: float = 600.0  # how long a critical incident may stay unacknowledged
