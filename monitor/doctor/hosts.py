"""Which REST hosts answer, how fast, and how far our clock is from the exchange's."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import aiohttp

from monitor.binance.backoff import BANNED, RATE_LIMITED, penalty_s
from monitor.binance.belief import believable_time
from monitor.binance.endpoints import host_of
from monitor.binance.wire import decode_server_time
from monitor.core.model import Market
from monitor.doctor.finding import Finding, Report, State
from monitor.errors import WireError
from monitor.ports import Clock

TIME_PATH = {Market.USDM: "/fapi/v1/time", Market.COINM: "/dapi/v1/time"}
WITHIN_S = 5.0
SLOW_S = 1.0

# The exchange takes a request that is up to a second ahead and five behind. The daemon corrects its own by the
# measured difference, so more is tolerable; marks from more than a minute ahead of our clock are refused.
FINE_MS = 1000
MOST_MS = 30_000

_LARGEST_REPLY = 65536
_NTP = "let the machine keep time: timedatectl set-ntp true"
_TROUBLE = "wait: the exchange has trouble, and its status page may say how long; or a proxy answers in its place"
_NETWORK = "check the network, a firewall or a proxy; then [exchange] rest_url"


class Answer(NamedTuple):
    """What one host said when asked for its time."""

    base: str
    latency_s: float = 0.0  # there and back, on an open connection
    offset_ms: float | None = None  # its clock less ours; None where it told no time
    trouble: str = ""
    fix: str = ""  # where it is not the way there


async def check_hosts(market: Market, bases: Sequence[str], clock: Clock, report: Report) -> None:
    """Report on each REST host of a market, and on the clock by the first that answers."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as session:
        answers = await asyncio.gather(*(ask_time(session, market, base, clock) for base in bases))
    told = [one for one in answers if one.offset_ms is not None]
    for one in answers:
        report(judge_host(market, one, working=bool(told)))
    report(judge_clock(market, told[0] if told else None))


async def ask_time(session: aiohttp.ClientSession, market: Market, base: str, clock: Clock) -> Answer:
    """Ask a host for its time, twice: the second request finds the connection open and is the one that counts."""
    url = base.rstrip("/") + TIME_PATH[market]
    answer = Answer(base)
    for _ in range(2):
        sent_ms, sent_s = clock.wall_ms(), clock.mono_s()
        try:
            async with session.get(url, allow_redirects=False) as response:
                body = await response.content.read(_LARGEST_REPLY)
                status, kind = response.status, response.content_type
                stay_away_s = penalty_s(status, response.headers.get("Retry-After"), clock.wall_ms())
        except TimeoutError:
            return Answer(base, trouble=f"no answer within {WITHIN_S:.0f} s")
        except aiohttp.ClientError as error:
            return Answer(base, trouble=_words(error))
        took_s = clock.mono_s() - sent_s
        if status != 200:  # noqa: PLR2004 - the one that means fine
            words = _STATUS_WORDS.get(status, f"answers with HTTP {status}")
            fix = _TROUBLE if status >= 500 else ""  # noqa: PLR2004 - theirs, not ours
            if status in {RATE_LIMITED, BANNED}:
                fix = wait_until(clock.wall_ms(), stay_away_s)
            return Answer(base, took_s, trouble=words, fix=fix)
        try:
            server_ms = believable_time(decode_server_time(body), None, "server time")
        except WireError as error:
            page = "html" in kind or body.lstrip()[:1] == b"<"
            words = "answers with a page instead of data: a proxy, a login page of the network, or a block"
            return Answer(base, took_s, trouble=words if page else f"answers with what is no time: {error.reason}")
        answer = Answer(base, took_s, server_ms - (sent_ms + took_s * 500))
    return answer


def wait_until(now_ms: int, wait_s: float) -> str:
    """Return what to do where the exchange takes no requests from this address for ``wait_s`` seconds."""
    at = datetime.fromtimestamp(now_ms / 1000 + wait_s, UTC)
    return (
        f"wait until {at:%H:%M:%S} UTC at least, nothing here is wrong; then find what else uses the weight of "
        "this address: bots, other programs or machines behind it, a second monitor"
    )


def judge_host(market: Market, one: Answer, *, working: bool) -> Finding:
    """Return the finding about one host; ``working``: a host of the same market answers."""
    where = f"{market.value} {host_of(one.base)}"
    if one.offset_ms is None:
        state = State.WARN if working else State.FAIL
        fix = one.fix or ("another host serves instead" if working else _NETWORK)
        return Finding("hosts", where, state, one.trouble, fix)
    words = f"answers in {one.latency_s * 1000:.0f} ms"
    if one.latency_s > SLOW_S:
        return Finding("hosts", where, State.WARN, words, "slow: check what else uses the network")
    return Finding("hosts", where, State.OK, words)


def judge_clock(market: Market, one: Answer | None) -> Finding:
    """Return the finding about our clock."""
    if one is None or one.offset_ms is None:
        fix = "see the hosts; until then compare it with another clock"
        return Finding("clock", market.value, State.UNKNOWN, "no host told the exchange's time", fix)
    off_ms, doubt_ms = abs(one.offset_ms), one.latency_s * 500
    words = f"{off_ms / 1000:.2f} s {'behind' if one.offset_ms > 0 else 'ahead of'} the exchange's"
    words += f" (+- {doubt_ms / 1000:.2f} s)"
    if off_ms - doubt_ms <= FINE_MS:
        return Finding("clock", market.value, State.OK, words)
    if off_ms - doubt_ms <= MOST_MS:
        words += "; requests are corrected by it, times in messages and history are off"
        return Finding("clock", market.value, State.WARN, words, _NTP)
    words += f"; more than {MOST_MS // 1000} s is too much: marks may be taken for ones of the future"
    return Finding("clock", market.value, State.FAIL, words, _NTP)


_STATUS_WORDS = {
    403: "refuses (HTTP 403): a firewall, or not served in this country",
    418: "has banned this address for a while (HTTP 418): too many requests from it",
    429: "asks for fewer requests (HTTP 429)",
    451: "refuses (HTTP 451): not served in this country",
}


def _words(error: aiohttp.ClientError) -> str:
    kinds: tuple[tuple[type[aiohttp.ClientError], str], ...] = (
        (aiohttp.ClientConnectorDNSError, "the name of the host cannot be found"),
        (aiohttp.ClientSSLError, "the certificate or the encryption is not accepted"),
        (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached"),
        (aiohttp.ClientConnectorError, "cannot be connected to: nothing listens there, or the way is blocked"),
        (aiohttp.ServerDisconnectedError, "hangs up without an answer"),
        (aiohttp.InvalidURL, "the address cannot be used"),
    )
    return next((words for kind, words in kinds if isinstance(error, kind)), "the connection broke")
