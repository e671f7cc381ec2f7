"""/api/v1: what the daemon knows and recorded, as JSON; and quiet for what somebody has seen.

What is known comes from the snapshot that all pages share, what was recorded is read in a thread: marks wait for
neither. Failures have one shape, see ``shapes.Failure``.
"""

import datetime as dt
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from monitor.commands import Answer
from monitor.core.model import Level
from monitor.errors import ControlError, StoreError
from monitor.health import Health
from monitor.ledger import hold_rows, incidents
from monitor.status import Status
from monitor.web import openapi, recorded
from monitor.web.asking import AskedWronglyError, answered, asked, body_of, failed, must_be_known
from monitor.web.context import Context, Handler, Route
from monitor.web.operation import Asked, Operation
from monitor.web.shapes import (
    Accounts,
    Channels,
    EngineDocument,
    HealthAnswer,
    History,
    HistoryQuery,
    HoldsInForce,
    Lift,
    OpenAlerts,
    PositionQuery,
    Positions,
    StatusDocument,
    Symbols,
    ToldAlerts,
    ToldQuery,
    TroubleRow,
    WalletQuery,
    Wallets,
    Wish,
)

BASE: Final = "/api/v1"


async def _status(ask: Asked) -> object:
    return document(ask.context.snapshot())


async def _wallets(ask: Asked) -> object:
    found = ask.context.snapshot()
    query: WalletQuery = ask.query
    must_be_known("account", query.account, account_names(found))
    wanted = [
        one for one in found.engine.wallets
        if query.account in {"", one.account} and _reaches(one.level, query.min_level)
    ]  # fmt: skip
    return Wallets(as_of(found), tuple(wanted))


async def _positions(ask: Asked) -> object:
    found = ask.context.snapshot()
    query: PositionQuery = ask.query
    must_be_known("account", query.account, account_names(found))
    must_be_known("symbol", query.symbol, [one.symbol for one in found.engine.symbols])
    wanted = [
        one for one in found.engine.positions
        if query.account in {"", one.account} and query.symbol in {"", one.symbol}
        and _reaches(one.level, query.min_level)
    ]  # fmt: skip
    return Positions(as_of(found), tuple(wanted))


async def _symbols(ask: Asked) -> object:
    found = ask.context.snapshot()
    return Symbols(as_of(found), found.engine.symbols)


async def _accounts(ask: Asked) -> object:
    found = ask.context.snapshot()
    return Accounts(as_of(found), found.engine.accounts, found.accounts, found.unseen)


async def _channels(ask: Asked) -> object:
    found = ask.context.snapshot()
    return Channels(as_of(found), found.channels, dict(found.fallbacks))


async def _alerts(ask: Asked) -> object:
    found = ask.context.snapshot()
    return OpenAlerts(as_of(found), incidents(found.engine.alerts), hold_rows(found.engine.holds))


async def _told(ask: Asked) -> object:
    found, path = ask.context.snapshot(), ask.context.watched.state_path
    query: ToldQuery = ask.query
    return await ask.context.recorded(lambda: recorded.told(path, query, found))


async def _holds(ask: Asked) -> object:
    found = ask.context.snapshot()
    return HoldsInForce(as_of(found), hold_rows(found.engine.holds))


async def _history(ask: Asked) -> object:
    path = ask.context.watched.history_path
    query: HistoryQuery = ask.query
    return await ask.context.recorded(lambda: recorded.history(path, query))


async def _health(ask: Asked) -> object:
    well, ready = ask.context.watched.health(), ask.context.watched.readiness()
    return HealthAnswer(well.ok, ready.ok, troubles(well), troubles(ready))


async def _hold(ask: Asked) -> object:
    wish: Wish = ask.body
    request = {
        "kind": type(wish).__name__.lower(), "targets": list(wish.targets), "for_s": wish.for_s, "why": wish.why,
        "by": by(ask.request),
    }  # fmt: skip
    answer = await ask.context.watched.hold(request)
    ask.context.changed()
    return answer


async def _lift(ask: Asked) -> object:
    lift: Lift = ask.body
    answer = await ask.context.watched.lift({"target": lift.target})
    ask.context.changed()
    return answer


OPERATIONS: Final = (
    Operation("/status", "Everything the daemon knows.", StatusDocument, _status),
    Operation("/wallets", "What pays for a loss, with levels.", Wallets, _wallets, WalletQuery, named=True),
    Operation("/positions", "Positions.", Positions, _positions, PositionQuery, named=True),
    Operation("/symbols", "How fresh the marks are.", Symbols, _symbols),
    Operation("/accounts", "What is known of accounts.", Accounts, _accounts),
    Operation("/channels", "What channels delivered.", Channels, _channels),
    Operation("/alerts", "What is open.", OpenAlerts, _alerts),
    Operation(
        "/alerts/told", "What was told, and what became of it.", ToldAlerts, _told, ToldQuery, named=True,
        recorded=True,
    ),
    Operation("/holds", "Wishes for quiet in force.", HoldsInForce, _holds),
    Operation("/holds", "Acknowledge, snooze or mute.", Answer, _hold, body=Wish),
    Operation("/holds/lift", "Take snoozes and mutes back.", Answer, _lift, body=Lift),
    Operation(
        "/history", "Recorded margin ratios and distances.", History, _history, HistoryQuery, named=True,
        recorded=True,
    ),
    Operation("/health", "Whether the service does its work.", HealthAnswer, _health),
)  # fmt: skip


def routes(context: Context) -> Sequence[Route]:
    """Return the routes of the JSON interface, its description included."""
    text = openapi.encoded(BASE, OPERATIONS)

    async def described(_request: web.Request) -> web.Response:
        return answered(text)

    return (
        *(
            # What reads a database is bounded by its threads, and whatever hangs there keeps no place of others.
            Route(one.method, f"{BASE}{one.path}", _handler(context, one), one.access, in_turn=not one.recorded)
            for one in OPERATIONS
        ),
        Route("GET", f"{BASE}/openapi.json", described),
    )


def _handler(context: Context, operation: Operation) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        try:
            query = asked(request.query, operation.query)
            body = None if operation.body is None else body_of(await request.read(), operation.body)
            return answered(await operation.answers(Asked(context, request, query, body)))
        except AskedWronglyError as error:
            return failed(error.status, error.error, error.problems)
        except ControlError as error:
            return failed(HTTPStatus.CONFLICT, str(error))
        except StoreError as error:
            return failed(HTTPStatus.SERVICE_UNAVAILABLE, f"{error.cause}. {error.hint}")

    return handle


def document(found: Status) -> msgspec.Struct:
    """Return a status as ``status --json`` prints it: levels are words."""
    words = {"alerts": incidents(found.engine.alerts), "holds": hold_rows(found.engine.holds)}
    engine = EngineDocument(**_fields(found.engine) | words)
    made: msgspec.Struct = StatusDocument(**_fields(found) | {"engine": engine})
    return made


def as_of(found: Status) -> str:
    """Return when a snapshot was made, in UTC."""
    moment = dt.datetime.fromtimestamp(found.now_ms / 1000, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def account_names(found: Status) -> list[str]:
    """Return all accounts, those of which nothing is known yet included."""
    return [*(one.account for one in found.engine.accounts), *found.unseen]


def troubles(found: Health) -> tuple[TroubleRow, ...]:
    """Return what is wrong."""
    return tuple(TroubleRow(one.reason, one.names) for one in found.troubles)


def by(request: web.Request) -> str:
    """Return whose wish it is, for the record."""
    return f"web {request.remote or ''}".rstrip()


def _reaches(level: str, least: str) -> bool:
    """Return whether a level is at least another; what was never judged is not taken for calm."""
    found = Level.of(level)
    return found is None or found >= Level[least.upper()]


def _fields(value: msgspec.Struct) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
