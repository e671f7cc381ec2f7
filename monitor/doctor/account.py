"""Whether an account can be followed by its key: the key itself, what it may do, modes, tiers, streams, figures.

Nothing is changed. A listen key is made or prolonged, which the daemon does as well, and never deleted: other
programs of the account may listen to it.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from monitor.binance.endpoints import host_of, private_urls
from monitor.binance.snapshot import AccountReply
from monitor.binance.transport import ConnectSettings, open_stream, receive
from monitor.config import AccountKey, KeyedAccount, Settings, shipped_tables
from monitor.core.model import Market
from monitor.doctor.figures import Client, ClientOf, Comparison, compare
from monitor.doctor.finding import Finding, Report, State
from monitor.doctor.hosts import wait_until
from monitor.doctor.judge import judge_figures, judge_mode, judge_permissions, judge_tables
from monitor.errors import (
    FeedError,
    KeyRefusedError,
    PortfolioMarginError,
    RateLimitedError,
    RestError,
    UnreachableError,
    WireError,
)
from monitor.notify.connections import WORDS
from monitor.ports import Clock

AREAS: Final = ("key", "permissions", "mode", "brackets", "streams", "figures", "orders")
STAYS_OPEN_S = 1.0

_TRADED = {Market.USDM: "BTCUSDT", Market.COINM: "BTCUSD_PERP"}  # where nothing is held

_CONNECT = ConnectSettings(open_timeout_s=5.0, close_timeout_s=0.5)


async def check_account(
    settings: Settings,
    keyed: KeyedAccount,
    key: AccountKey | None,
    private_bases: Sequence[str],
    report: Report,
    *,
    client_of: ClientOf,
    clock: Clock,
) -> None:
    """Report on everything about one account.

    Args:
        settings: the configuration.
        keyed: the account.
        key: what signs its requests; None if it could not be had.
        private_bases: addresses of its private stream with their route.
        report: takes the findings.
        client_of: makes its REST client.
        clock: our own.
    """
    if key is None:
        report(Finding("key", keyed.name, State.UNKNOWN, "it could not be had", "see its secrets"))
        _not_looked_at(keyed.name, AREAS[1:], report)
        return
    try:
        client = client_of(keyed, key)
    except KeyRefusedError as error:
        report(Finding("key", keyed.name, State.FAIL, _said(error), _fix(error, clock)))
        _not_looked_at(keyed.name, AREAS[1:], report)
        return
    try:
        reply = await _first_call(client, keyed, clock, report)
        if reply is not None:
            await asyncio.gather(
                _permissions(client, settings, keyed, report),
                _tables_and_figures(client, settings, keyed, reply, clock, report),
                _stream(client, keyed, private_bases, clock, report),
                _orders(client, keyed, reply, clock, report),
            )
    finally:
        await client.close()


async def _first_call(client: Client, keyed: KeyedAccount, clock: Clock, report: Report) -> AccountReply | None:
    """Fetch the account; None if that failed, which was reported with all that depends on it."""
    try:
        reply = await client.account()
    except (RestError, WireError) as error:
        area, state = "key", State.FAIL
        if isinstance(error, UnreachableError):
            state = State.UNKNOWN  # the hosts fail; about the key this says nothing
        elif isinstance(error, PortfolioMarginError):
            report(Finding("key", keyed.name, State.OK, "signed calls work"))
            area = "mode"
        report(Finding(area, keyed.name, state, _said(error), _fix(error, clock)))
        _not_looked_at(keyed.name, [one for one in AREAS if one not in {"key", area}], report)
        return None
    report(Finding("key", keyed.name, State.OK, "signed calls work"))
    report(judge_mode(reply.snapshot))
    return reply


def _not_looked_at(name: str, areas: Sequence[str], report: Report) -> None:
    for area in areas:
        report(Finding(area, name, State.UNKNOWN, "not looked at: the account cannot be asked"))


async def _permissions(client: Client, settings: Settings, keyed: KeyedAccount, report: Report) -> None:
    try:
        may = await client.permissions()
    except (RestError, WireError):
        may = None
    environment = settings.exchange.environment
    report(judge_permissions(keyed.name, environment, may, allowed=keyed.allow_trading_key))


async def _orders(client: Client, keyed: KeyedAccount, reply: AccountReply, clock: Clock, report: Report) -> None:
    """Whether orders can be read: only what advice and the checkup say is the poorer without them."""
    symbols = [leg.symbol for leg in reply.snapshot.positions]
    try:
        await client.around(symbols[0] if symbols else _TRADED[keyed.market])
    except (RestError, WireError) as error:
        words = f"{_said(error)}; stop-losses are not seen"
        report(Finding("orders", keyed.name, State.WARN, words, _fix(error, clock)))
        return
    words = "waiting orders, stops among them, and ADL places can be read"
    report(Finding("orders", keyed.name, State.OK, words))


async def _tables_and_figures(  # noqa: PLR0917 - what is compared, and where it is said
    client: Client, settings: Settings, keyed: KeyedAccount, reply: AccountReply, clock: Clock, report: Report
) -> None:
    own = {table.symbol: table for table in settings.own_tables}
    try:
        found = await compare(client, reply, own, settings.engine.audit)
    except (RestError, WireError) as error:
        report(Finding("brackets", keyed.name, State.FAIL, _said(error), _fix(error, clock)))
        report(Finding("figures", keyed.name, State.UNKNOWN, "not compared: there are no tiers"))
        return
    for finding in judge_tables(reply.snapshot, found.tables, own, shipped_tables()):
        report(finding)
    report(_figures(keyed.name, found))


def _figures(name: str, found: Comparison) -> Finding:
    if not found.consistent and found.audit.drifting:
        return Finding("figures", name, State.UNKNOWN, "the account changes too fast to compare", "try again")
    return judge_figures(name, found.audit)


async def _stream(client: Client, keyed: KeyedAccount, bases: Sequence[str], clock: Clock, report: Report) -> None:
    try:
        listen_key = await client.create_listen_key()
    except (RestError, WireError) as error:
        report(Finding("streams", keyed.name, State.FAIL, f"no listen key: {_said(error)}", _fix(error, clock)))
        return
    # Of the two forms of an address the first is enough: what is wrong with a key, neither form shows.
    urls = [private_urls((base,), listen_key)[0] for base in bases]
    troubles = await asyncio.gather(*(_stays_open(url, clock) for url in urls))
    working = [host_of(url) for url, trouble in zip(urls, troubles, strict=True) if not trouble]
    for url, trouble in zip(urls, troubles, strict=True):
        if trouble:
            fix = (
                "another address serves instead" if working else "check the network; [exchange] private_stream_url"
            )
            state = State.WARN if working else State.FAIL
            report(Finding("streams", keyed.name, state, f"{host_of(url)} {trouble}", fix))
    if working:
        hosts = ", ".join(dict.fromkeys(working))
        words = f"{hosts} takes a listen key and stays open; silence proves nothing on an idle account"
        report(Finding("streams", keyed.name, State.OK, words))


async def _stays_open(url: str, clock: Clock) -> str:
    """Return what is wrong with a private stream, empty if it opens and stays so; nothing of its key."""
    try:
        connection = await open_stream(url, _CONNECT, clock.wall_ms())
    except FeedError as error:
        return WORDS.get(error.reason, error.reason)
    try:
        async with asyncio.timeout(STAYS_OPEN_S):
            await receive(connection, host_of(url))
    except TimeoutError:
        return ""  # open and silent, as it is on an idle account
    except FeedError as error:
        return WORDS.get(error.reason, error.reason)
    finally:
        await connection.close()
    return ""


_REASONS = {
    "connect": "nothing listens there, or the way is blocked",
    "connection": "the connection broke",
    "timeout": "no answer in time",
    "dns": "the name of the host cannot be found",
    "tls": "the certificate or the encryption is not accepted",
    "rate_limit": "no more requests are taken from this address for now (HTTP 429)",
    "ip_banned": "this address is banned for a while (HTTP 418)",
    "blocked": "no requests are taken from this address for now",
}


def _said(error: RestError | WireError) -> str:
    """Return what went wrong; the hint stands apart."""
    if isinstance(error, WireError):
        return f"an answer cannot be believed: {error}"
    number = f" ({error.code})" if error.code is not None else ""
    return f"{error.where}: {_REASONS.get(error.reason, error.reason.replace('_', ' '))}{number}"


def _fix(error: RestError | WireError, clock: Clock) -> str:
    if isinstance(error, RateLimitedError):
        return wait_until(clock.wall_ms(), max(0.0, error.until_s - clock.mono_s()))
    hint = getattr(error, "hint", "")
    if hint:
        return str(hint)
    if isinstance(error, KeyRefusedError):
        return "make a new key that can read, for this environment, and allow this machine's address"
    return "see the hosts"
