"""What is told and what is remembered of it: notices with all they may say, and the states of subjects. Frozen.

Units are as in ``monitor.core.model``.
"""

from enum import StrEnum

import msgspec

from monitor.core.model import Change, Compared, Level


class DataState(StrEnum):
    """What is known about a symbol's mark; separate from any level."""

    FRESH = "fresh"
    SUSPECT = "suspect"
    BLIND = "blind"


class NoticeKind(StrEnum):
    """Why a message is sent."""

    ALERT = "alert"  # a level was reached or worsened
    REMINDER = "reminder"  # still there
    CLOSED = "closed"  # the incident ended
    BLIND = "blind"  # marks stopped arriving
    SIGHT = "sight"  # and came back
    STORAGE = "storage"  # a database cannot be written
    STORAGE_BACK = "storage_back"
    TEST = "test"  # somebody asked for it
    ACCOUNT = "account"  # an account cannot be followed
    ACCOUNT_BACK = "account_back"
    DRIFT = "drift"  # our figures are not the exchange's
    DRIFT_OVER = "drift_over"
    MARGIN_CALL = "margin_call"  # the exchange's own warning
    FORCED = "forced"  # the exchange liquidated, deleveraged or settled something
    CHANGED = "changed"  # positions, margins or modes of an account changed
    BRACKETS = "brackets"  # new maintenance tiers moved a liquidation price
    CHANNEL = "channel"  # a channel refuses messages, or has not delivered for long
    CHANNEL_BACK = "channel_back"
    STREAM = "stream"  # an account's private stream is missing
    STREAM_BACK = "stream_back"
    JOB = "job"  # a part of the service failed and was started anew, or the service ends
    JOB_BACK = "job_back"
    AHEAD = "ahead"  # something that is due would alone bring a wallet to a higher level
    CHECKUP = "checkup"  # a habit that leads to liquidations was found
    AWAY = "away"  # what it was like while nobody watched
    SUMMARY = "summary"  # once a day: the service is alive, and what the day was like


# What tells that something is over.
ENDINGS = frozenset(
    {
        NoticeKind.CLOSED, NoticeKind.SIGHT, NoticeKind.STORAGE_BACK, NoticeKind.ACCOUNT_BACK,
        NoticeKind.DRIFT_OVER, NoticeKind.CHANNEL_BACK, NoticeKind.STREAM_BACK, NoticeKind.JOB_BACK,
    }
)  # fmt: skip


class DayReport(msgspec.Struct, frozen=True):
    """What a day was like. The worst reading is the one with the least room; None where nothing was judged."""

    positions: int
    wallets: int
    accounts: int
    worst_level: Level
    worst_subject: str
    worst_ratio: float | None
    worst_room: float | None
    worst_moves: float | None
    worst_at_ms: int
    blind_s: float
    outages: int
    alerts: int  # incidents opened
    delivered: int
    undelivered: int
    holds: int
    since_ms: int


class WorstAway(msgspec.Struct, frozen=True):
    """The worst reading of one wallet in a time in which nobody watched; figures are of its worst position."""

    subject: str  # account and wallet
    level: Level  # the highest whose conditions were met
    at_ms: int  # the minute of the least room, exchange time
    symbol: str
    side: str
    mark: float | None
    liquidation_price: float | None
    distance: float | None
    joint_distance: float | None
    margin_ratio: float | None  # None where the margin was used up
    room: float | None
    liquidatable: bool = False


class After(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a wallet would be like once something was done; price and distance are of one of its positions."""

    margin_ratio: float | None = None
    liquidation_price: float | None = None
    distance: float | None = None
    room: float | None = None
    symbol: str = ""  # of that position: the wallet's worst then, unless another one is asked about
    side: str = ""


class Cut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a position to close at market; amounts in the position's margin asset."""

    symbol: str
    side: str
    quantity: float  # a multiple of the symbol's step
    share: float  # of the position; 1 closes it
    notional: float  # at the mark
    cost: float  # assumed fee and slippage
    put_back: float = 0.0  # of an isolated wallet: what the cut releases, counted on to be added again


class Remedy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What brings a wallet below a level, such that the level ends: add this, or make these cuts.

    Either alone is enough. The cuts are in order; each but the last closes its position.
    Where two are of both sides of a symbol, they are made in turns, some of each at a time; so are the last
    ``evenly`` of them, which are of all positions that are left.
    """

    below: Level
    add: float | None = None  # margin, in the wallet's asset, rounded up; None: no amount does it
    lacking: float | None = None  # of it, what has to come from outside the account; None where not known
    added: After | None = None
    cuts: tuple[Cut, ...] = ()  # none: no cut does it
    cut: After | None = None
    evenly: int = 0
    nearer: bool = False  # half way through them liquidation by a move of all prices is nearer than before


class Prescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to do about a wallet in danger, at the marks of the same notice."""

    asset: str
    isolated: bool
    remedies: tuple[Remedy, ...]  # below warning first, then below notice
    taker_fee: float = 0.0  # assumed
    slippage: float = 0.0
    spare: float | None = None  # the most that can be added from what lies in the account; None where not known
    limited_by: str = ""  # which bound that is, a short constant
    alone: After | None = None  # of an isolated wallet: the first remedy's cut, with nothing put back
    assumed_step: bool = False  # the symbol's step is not known
    granted: bool = True  # False: the exchange did not say what can be moved, and keeps what positions need
    sharers: int = 0  # other isolated wallets in danger that the same money could be moved to


class CauseKind(StrEnum):
    """What is ahead of a wallet, whatever its prices do."""

    FUNDING = "funding"
    BRACKET = "bracket"
    COLLATERAL = "collateral"
    ADL = "adl"


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something due, and what it alone would do; amounts in the wallet's asset."""

    kind: CauseKind
    symbol: str = ""
    side: str = ""
    asset: str = ""
    at_ms: int = 0  # when it is due, exchange time; 0 where no time is set
    amount: float | None = None  # of money; negative is paid
    price: float | None = None  # mark at which it happens
    move: float | None = None  # share of the mark, or of the collateral's value, until then
    rate_before: float | None = None  # maintenance margin rate, what collateral counts, or the rate of funding
    rate_after: float | None = None
    required: float | None = None  # maintenance margin of the position at the bound of the bracket
    beyond: float | None = None  # and 5 % beyond it
    quantile: int | None = None  # for auto-deleveraging, 0 to 4
    hedge: bool = False  # the other side of the symbol is held as well
    before: After | None = None
    after: After | None = None
    level: Level = Level.OK  # that the wallet would have, where that is higher than the one it has


class FindingCode(StrEnum):
    """What a checkup finds."""

    USED_UP = "used_up"  # nothing of the margin is left
    LEVERAGE = "leverage"  # above what a beginner should use
    CROSS = "cross"  # where isolated would cap the loss
    NO_STOP = "no_stop"
    STOP_BEYOND = "stop_beyond"  # the liquidation price comes first
    STOP_TIGHT = "stop_tight"  # so near before the liquidation price that it may not be filled in time
    STOP_SIDE = "stop_side"  # on the wrong side of the mark
    STOP_IDLE = "stop_idle"  # a trailing stop that waits for a better price before it begins
    STOP_LAST = "stop_last"  # triggered by the last price, while the mark liquidates
    STOP_PARTIAL = "stop_partial"
    STOP_LIMIT = "stop_limit"  # becomes a limit order that may stay unfilled
    CONCENTRATION = "concentration"  # margin of one position
    EXPOSURE = "exposure"  # all positions together
    NEAR = "near"  # liquidation within one typical day's move
    AUTO_ADD = "auto_add"  # the exchange tops the isolated wallet up
    TRADING_KEY = "trading_key"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One habit that leads to liquidations. ``key`` is the same as long as it is about the same thing.

    What ``value``, ``limit`` and ``remedy`` are depends on the code, see ``monitor.core.checkup``.
    """

    key: str
    code: FindingCode
    account: str
    wallet: str = ""
    symbol: str = ""
    side: str = ""
    isolated: bool = False
    value: float | None = None  # what was found, in the unit of the code
    limit: float | None = None  # what it was held against
    price: float | None = None  # that triggers the order it is about
    mark: float | None = None
    liquidation_price: float | None = None
    remedy: float | None = None  # the figure of what to do about it
    quantity: float | None = None  # to close instead, where more margin would be too large a part of the account
    margin: float | None = None  # that the rest of it then has to have
    assumed: bool = False  # its leverage is not known, and that of the configuration stands in
    typed: bool = False  # it is typed in
    asset: str = ""


class GapKind(StrEnum):
    """What a checkup needs and is not known."""

    ORDERS = "orders"
    MARKS = "marks"
    MOVES = "moves"  # how far prices typically move
    KEY = "key"  # what the key may do
    LEVERAGE = "leverage"  # of cross positions; what their share of the margin is
    MARGIN = "margin"  # some of it; where it is used up habits do not matter any more


class Gap(msgspec.Struct, frozen=True, omit_defaults=True):
    """What could not be checked of an account; never the same as nothing found."""

    account: str
    kind: GapKind
    symbols: tuple[str, ...] = ()
    typed: bool = False  # the account is typed in


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything a message may say; raw numbers, rounded only when rendered."""

    environment: str = ""  # testnet, live or drill
    account: str = ""
    wallet: str = ""
    asset: str = ""
    margin_mode: str = ""
    symbol: str = ""  # of the wallet's worst position
    side: str = ""
    positions: int = 0  # how many positions the wallet backs
    mark: float | None = None
    liquidation_price: float | None = None
    distance: float | None = None
    joint_distance: float | None = None
    margin_ratio: float | None = None  # None with liquidatable=True: the balance is used up
    liquidatable: bool = False
    room: float | None = None
    moves_left: float | None = None
    margin_balance: float | None = None
    maintenance_margin: float | None = None
    cushion: float | None = None
    event_ms: int = 0  # exchange time of the oldest mark that went in
    mark_age_s: float | None = None  # its age when this was decided
    mark_source: str = ""
    brackets: str = ""  # label of the tier table, such as "shipped 2026-09-29"
    symbols: tuple[str, ...] = ()  # of a feed notice
    wallets: tuple[str, ...] = ()  # that a blind feed leaves unjudged or judged on old marks
    assumed: tuple[str, ...] = ()  # symbols without any mark, whose entry prices stand in
    compared: tuple[Compared, ...] = ()  # of a drift: what does not agree; of a margin call: theirs beside ours
    changes: tuple[Change, ...] = ()  # of a changed account or a forced order
    moved: tuple[
        tuple[str, str, float | None, float | None], ...
    ] = ()  # symbol, side, liquidation price before, after
    eased: bool = False  # of a reminder: the level is kept, and none of its conditions holds at the moment
    corrected: bool = False  # the exchange's own, worse figures went in: ours do not agree with it
    reason: str = ""  # a short constant: how an incident ended, why a feed is blind
    detail: str = ""
    advice: tuple[str, ...] = ()  # what to do, a sentence each, the best first
    prescription: Prescription | None = None  # of a wallet at warning or worse
    ahead: tuple[Cause, ...] = ()  # the most telling first
    findings: tuple[Finding, ...] = ()  # of a checkup
    via: str = ""  # why this channel is told: "escalation", or "fallback:" and the channel it stands in for
    day: DayReport | None = None  # of a summary
    bridged: bool = False  # of a blind feed: marks of all its symbols come from REST meanwhile
    away: tuple[WorstAway, ...] = ()  # the worst first
    from_ms: int = 0  # bounds of that time, exchange time
    until_ms: int = 0
    ends: bool = False  # of a part that failed: it is not started anew, the service ends
    unseen: bool = False  # of an account that cannot be followed: nothing is known of it
    undescribed: bool = False  # of a missing private stream: REST does not describe the account either
    path: str = ""  # of a database: its file


class Notice(msgspec.Struct, frozen=True):
    """One message to one channel. ``key`` is the same on every channel that gets the same message."""

    key: str  # unique together with channel
    channel: str
    subject: str
    kind: NoticeKind
    level: Level
    previous: Level
    decided_ms: int  # our wall clock
    incident: int
    facts: Facts
    number: int = 0  # of the incident among all, what people call it by; 0 where it has none


class Transition(msgspec.Struct, frozen=True):
    """A change of level of one subject."""

    subject: str
    level: Level
    previous: Level
    at_ms: int
    incident: int
    facts: Facts


class Told(msgspec.Struct, frozen=True):
    """What one channel was told in the present incident."""

    level: Level
    at_ms: int
    delivered: bool = False
    refused: bool = False  # the newest notice to it was refused for good; it is told again later
    awaited: str = ""  # key of the newest notice to it that has met no fate yet
    waiting_ms: int = 0  # since when something it should know has not been accepted there; 0: it knows all
    uncertain: bool = False  # not known to be delivered, and perhaps it was: cut off, timed out
    lent: Level | None = None  # drawn in for another channel's sake: it takes part from this level on
    handed: bool = False  # the channel is no more, and others were told in its place


class HoldKind(StrEnum):
    """How a person asked for quiet."""

    ACK = "ack"  # seen: no reminders and no escalation until it worsens
    SNOOZE = "snooze"  # the same until a time, for an incident or a symbol
    MUTE = "mute"  # the same for everything


class Hold(msgspec.Struct, frozen=True):
    """A person's wish for quiet. Nothing worse than what was known when it was made is ever held back."""

    key: str  # unique
    kind: HoldKind
    target: str  # "alert:17" (an incident's number), "symbol:BTCUSDT" or "all"
    made_ms: int
    until_ms: int
    why: str = ""
    by: str = ""  # whose wish, such as "uid 1000"
    levels: dict[str, Level] = {}  # by subject, what was known when it was made; ok where not named
    ended_ms: int | None = None
    ended: str = ""  # a short constant: expired, lifted, worsened or over


class Fate(msgspec.Struct, frozen=True):
    """What became of the newest notice of a subject on a channel, as the outbox knows it."""

    subject: str
    channel: str
    state: str  # pending, accepted, refused, superseded or resolved
    decided_ms: int
    key: str = ""
    heard: bool = False  # an alert of its incident was accepted there, this one or an earlier one


class SubjectState(msgspec.Struct, frozen=True):
    """What must survive a restart about one subject."""

    subject: str
    level: Level
    since_ms: int
    incident: int  # counts the incidents of this subject; 0 before the first
    peak: Level
    sequence: int = 0  # notices decided so far; makes keys unique
    quiet: bool = False  # opened inside its level: told once, no reminders until it worsens
    breached: bool = False  # the margin was used up in this incident: what follows is no recovery
    number: int = 0  # of the present or last incident, among the incidents of all subjects
    loud_ms: int = 0  # since when it has been critical or worse without a break; 0 while it is not
    told: dict[str, Told] = {}  # by channel; entries outlive the incident until their fate is known
