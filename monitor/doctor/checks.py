"""Which checks a configuration calls for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from monitor.binance.endpoints import Endpoints, endpoints
from monitor.config import Secrets, Settings
from monitor.core.model import Market
from monitor.doctor.account import AREAS, check_account
from monitor.doctor.disk import Unwell, daemon_findings, disk_findings
from monitor.doctor.figures import ClientOf
from monitor.doctor.finding import Check, Finding, Report, State
from monitor.doctor.hosts import check_hosts
from monitor.doctor.local import channel_findings, configuration_findings, open_channels, secret_findings
from monitor.doctor.routes import check_routes
from monitor.doctor.web import web_findings
from monitor.errors import Problem
from monitor.notify.apprise import AppriseChannel
from monitor.ports import Clock

ORDER = (
    "configuration", "secrets", "clock", "hosts", "routes", *AREAS, "channels", "disk", "daemon", "web",
)  # fmt: skip

# Together with starting up below fifteen seconds, also where every host hangs.
LOCAL_S = 8.0
NETWORK_S = 11.0
ACCOUNT_S = 11.0
SEND_S = 11.0

# Sends a test message to each channel; returns by name why it failed, empty if it was accepted.
Send = Callable[[Sequence[AppriseChannel]], Awaitable[Mapping[str, str]]]


def checks_of(
    settings: Settings,
    secrets: Secrets,
    problems: tuple[Problem, ...],
    *,
    unusable: Iterable[Problem],
    environ: Mapping[str, str],
    clock: Clock,
    client_of: ClientOf,
    send: Send | None,
    unwell: Unwell = lambda _: (),
) -> list[Check]:
    """Return the checks, each independent of the others.

    Args:
        settings: the configuration.
        secrets: those that could be fetched.
        problems: what is wrong with the others.
        unusable: why the state directory cannot be used.
        environ: the environment.
        clock: for latencies and the offset to the exchange.
        client_of: makes a REST client of an account and its key.
        send: sends test messages; None to leave it out.
        unwell: says what is not well of a running daemon, by its answer to ``status``.
    """
    markets = sorted({one.market for one in settings.keyed} | {one.market for one in settings.accounts})
    return [
        Check("configuration", partial(_configuration, settings, secrets, problems), LOCAL_S),
        *(check for market in markets for check in _of_market(settings, market, clock)),
        *(
            Check(
                f"account {account.name}",
                partial(
                    check_account,
                    settings,
                    account,
                    secrets.account_keys.get(account.name),
                    _known(settings, account.market).private_stream,
                    client_of=client_of,
                    clock=clock,
                ),
                ACCOUNT_S,
                tuple((area, account.name, "see the hosts") for area in AREAS),
            )
            for account in settings.keyed
        ),
        Check("channels", partial(_channels, settings, secrets, send), SEND_S),
        Check("disk", partial(_disk, settings, environ, tuple(unusable), unwell), LOCAL_S, (_HANGING,)),
        Check("web", partial(_web, settings, secrets, environ), LOCAL_S),
    ]


_HANGING = ("daemon", "", "the disk hangs: the kernel log says why")


def _known(settings: Settings, market: Market) -> Endpoints:
    exchange = settings.exchange
    return endpoints(
        exchange.environment,
        market,
        rest_url=exchange.rest_url or "",
        market_stream_url=exchange.market_stream_url or "",
        private_stream_url=exchange.private_stream_url or "",
    )


def _of_market(settings: Settings, market: Market, clock: Clock) -> Iterable[Check]:
    known = _known(settings, market)
    mine = (p.symbol for one in settings.accounts if one.market is market for p in one.positions)
    watched = tuple(dict.fromkeys(mine))
    owed = (("hosts", market.value, "check the network"), ("clock", market.value, "see the hosts"))
    yield Check(f"{market.value} hosts", partial(check_hosts, market, known.rest, clock), NETWORK_S, owed)
    run = partial(check_routes, market, known.market_stream, watched, clock)
    yield Check(f"{market.value} routes", run, NETWORK_S, (("routes", market.value, "check the network"),))


async def _configuration(
    settings: Settings, secrets: Secrets, problems: tuple[Problem, ...], report: Report
) -> None:
    for finding in (*configuration_findings(settings), *secret_findings(settings, secrets, problems)):
        report(finding)


async def _channels(settings: Settings, secrets: Secrets, send: Send | None, report: Report) -> None:
    built, wrong = open_channels(settings, secrets)
    try:
        for finding in wrong:
            report(finding)
        outcomes = None if send is None else await send(tuple(built.values()))
        for finding in channel_findings(built, outcomes):
            report(finding)
    finally:
        for channel in built.values():
            channel.close()


async def _disk(
    settings: Settings, environ: Mapping[str, str], unusable: tuple[Problem, ...], unwell: Unwell, report: Report
) -> None:
    directory, history = settings.state_directory(environ), settings.history_path(environ)

    def look() -> list[Finding]:
        return [*disk_findings(directory, history, unusable), *daemon_findings(directory, unwell)]

    for finding in await asyncio.to_thread(look):
        report(finding)


async def _web(settings: Settings, secrets: Secrets, environ: Mapping[str, str], report: Report) -> None:
    for finding in await asyncio.to_thread(
        lambda: list(web_findings(settings, secrets, settings.state_directory(environ)))
    ):
        report(finding)


def healthy(found: Iterable[Finding]) -> bool:
    """Return whether nothing fails; what only warns, or cannot be known, does not count."""
    return all(one.state is not State.FAIL for one in found)
