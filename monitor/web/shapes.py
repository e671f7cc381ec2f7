"""What the JSON interface takes and gives: field names are those of the commands' ``--json``.

Ratios are fractions, amounts are in the asset named beside them, ``_ms`` are Unix milliseconds, ``_s`` seconds.
What is not known or not there is null; where a balance is used up the margin ratio is null and ``liquidatable``
true.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from monitor.commands import LONGEST_S, MOST_TARGETS, SHORTEST_S, WHY_CHARS
from monitor.core.account_view import AccountView
from monitor.core.notices import HoldKind
from monitor.core.report import PositionView, WalletView
from monitor.core.view import EngineView, SymbolView
from monitor.errors import Problem
from monitor.ledger import HoldRow, IncidentRow, ToldRow
from monitor.status import Status
from monitor.storage.history_rows import MOST_ROWS, Row

LATEST_MS: Final = 10**15
ROWS: Final = 1000

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Moment = Annotated[int, Meta(ge=0, le=LATEST_MS, description="Unix milliseconds")]
Limit = Annotated[int, Meta(ge=1, le=MOST_ROWS, description="most rows; the newest win")]
LevelWord = Literal["ok", "notice", "warning", "critical", "emergency"]


class Failure(msgspec.Struct, frozen=True):
    """Why there is no answer. ``problems`` names each mistake of the request, if that is why."""

    error: str
    problems: tuple[Problem, ...] = ()


# What is asked. A field that is not given is any.


class Query(msgspec.Struct, frozen=True):
    """Takes no parameters."""


class WalletQuery(Query, frozen=True):
    """Which wallets. One that was never judged is at no level, and is there whatever level is asked for."""

    account: Name = ""
    min_level: LevelWord = "ok"


class PositionQuery(WalletQuery, frozen=True):
    """Which positions."""

    symbol: Name = ""


class ToldQuery(Query, frozen=True):
    """Which messages."""

    number: Annotated[int, Meta(ge=0, le=LATEST_MS, description="of an incident; 0 is any")] = 0
    channel: Name = ""
    symbol: Name = ""
    since_ms: Moment = 0
    limit: Limit = ROWS


class HistoryQuery(Query, frozen=True):
    """Which rows of history. ``since_ms`` is included, ``until_ms`` is not."""

    symbol: Name = ""
    account: Name = ""
    wallet: Name = ""
    since_ms: Moment = 0
    until_ms: Moment = LATEST_MS
    rows: Literal["samples", "minutes"] = "samples"
    limit: Limit = ROWS
    cursor: Annotated[
        str, Meta(pattern="^[0-9]{1,15}-[0-9]{1,5}$", description="``next`` of the answer before this one")
    ] = ""


_Alert = "alert:[0-9]{1,15}"
_Symbol = "symbol:[^:]{1,60}"
Why = Annotated[str, Meta(max_length=WHY_CHARS, description="kept with it, for whoever looks later")]
AlertTarget = Annotated[str, Meta(pattern=f"^({_Alert}|all)$")]
Targets = Annotated[tuple[AlertTarget, ...], Meta(min_length=1, max_length=MOST_TARGETS)]
QuietTarget = Annotated[str, Meta(pattern=f"^({_Alert}|{_Symbol})$")]
QuietTargets = Annotated[tuple[QuietTarget, ...], Meta(min_length=1, max_length=MOST_TARGETS)]


class Ack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="ack"):
    """Seen: no reminders and no escalation until it gets worse. "all" is each alert that is open now."""

    targets: Targets
    for_s: Annotated[float, Meta(ge=SHORTEST_S, le=LONGEST_S[HoldKind.ACK])] = 12 * 3600.0
    why: Why = ""


class Snooze(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="snooze"):
    """The same for alerts and symbols, and for new alerts that are no worse."""

    targets: QuietTargets
    for_s: Annotated[float, Meta(ge=SHORTEST_S, le=LONGEST_S[HoldKind.SNOOZE])]
    why: Why = ""


class Mute(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mute"):
    """The same for everything."""

    targets: Annotated[tuple[Literal["all"], ...], Meta(min_length=1, max_length=1)] = ("all",)
    for_s: Annotated[float, Meta(ge=SHORTEST_S, le=LONGEST_S[HoldKind.MUTE])]
    why: Why = ""


Wish = Ack | Snooze | Mute


class Lift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take snoozes and mutes back: those of one target, or with "all" every one."""

    target: Annotated[str, Meta(pattern=f"^({_Alert}|{_Symbol}|all)$")]


# What is answered.


def _with(base: type[msgspec.Struct], name: str, doc: str, **types: object) -> Any:  # noqa: ANN401 - made here
    """Return a struct with the fields of another one, some of them of other types."""
    fields: list[Any] = []
    for one in msgspec.structs.fields(base):
        kind = types.get(one.name, one.type)
        if one.required:
            fields.append((one.name, kind))
        elif one.default is not msgspec.NODEFAULT:
            fields.append((one.name, kind, one.default))
        else:
            fields.append((one.name, kind, msgspec.field(default_factory=one.default_factory)))
    return msgspec.defstruct(name, fields, frozen=True, namespace={"__doc__": doc}, module=__name__)


_Figures = tuple[dict[str, Any], ...]

EngineDocument = _with(
    EngineView, "EngineDocument", EngineView.__doc__ or "",
    alerts=tuple[IncidentRow, ...], holds=tuple[HoldRow, ...],
)  # fmt: skip
StatusDocument = _with(
    Status, "StatusDocument", Status.__doc__ or "",
    engine=EngineDocument, feeds=_Figures, accounts=_Figures, channels=_Figures,
)  # fmt: skip


class Wallets(msgspec.Struct, frozen=True):
    """Wallets as they stood, in the order of the configuration."""

    as_of: str  # UTC
    wallets: tuple[WalletView, ...]


class Positions(msgspec.Struct, frozen=True):
    """Positions as they stood; a position's level is its wallet's."""

    as_of: str
    positions: tuple[PositionView, ...]


class Symbols(msgspec.Struct, frozen=True):
    """Watched symbols and rates of collateral as they stood."""

    as_of: str
    symbols: tuple[SymbolView, ...]


class Accounts(msgspec.Struct, frozen=True):
    """Accounts as they stood."""

    as_of: str
    accounts: tuple[AccountView, ...]
    following: _Figures  # how following those with a key goes
    unseen: tuple[str, ...]  # of which nothing is known yet


class Channels(msgspec.Struct, frozen=True):
    """What channels did since the start."""

    as_of: str
    channels: _Figures
    fallbacks: dict[str, str]  # which one takes over what a channel does not deliver


class OpenAlerts(msgspec.Struct, frozen=True):
    """Incidents under way, the worst first, and wishes for quiet in force."""

    as_of: str
    open: tuple[IncidentRow, ...]
    holds: tuple[HoldRow, ...]


class ToldAlerts(msgspec.Struct, frozen=True):
    """Messages with what became of them, the newest first. ``incomplete`` says why the newest are missing."""

    alerts: tuple[ToldRow, ...]
    incomplete: str | None = None


class HoldsInForce(msgspec.Struct, frozen=True):
    """Wishes for quiet in force."""

    as_of: str
    holds: tuple[HoldRow, ...]


class History(msgspec.Struct, frozen=True):
    """Recorded rows, oldest first. ``next`` is the cursor for those before them; null: there are none."""

    rows: tuple[Row, ...]
    next: str | None


class TroubleRow(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where: symbols, accounts, channels, databases, jobs."""

    reason: str
    names: tuple[str, ...]


class HealthAnswer(msgspec.Struct, frozen=True):
    """Whether the service does its work, and whether it has begun to. The status is 200 either way."""

    ok: bool
    ready: bool
    troubles: tuple[TroubleRow, ...]
    not_ready: tuple[TroubleRow, ...]
