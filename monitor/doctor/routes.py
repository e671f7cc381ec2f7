"""Whether the addresses of market streams deliver: a mark must arrive, for a connection alone proves nothing."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from monitor.binance.endpoints import bare_url, host_of, mark_stream
from monitor.binance.transport import ConnectSettings, open_stream, receive, send
from monitor.binance.wire import MarkDecoder, Refusal
from monitor.core.model import Market
from monitor.doctor.finding import Finding, Report, State
from monitor.errors import FeedError
from monitor.notify.connections import WORDS
from monitor.ports import Clock

KNOWN = {Market.USDM: "BTCUSDT", Market.COINM: "BTCUSD_PERP"}  # traded for as long as there were such contracts
MOST_WATCHED = 20
DATA_WITHIN_S = 5.0  # after the subscription; marks come each second

_CONNECT = ConnectSettings(open_timeout_s=5.0, close_timeout_s=0.5)
_NETWORK = "check the network, a firewall or a proxy; then [exchange] market_stream_url"


class Delivery(NamedTuple):
    """What one address did."""

    base: str
    after_s: float | None  # from connecting to the first mark; None if none came
    silent: tuple[str, ...]  # watched symbols of which no mark came
    trouble: str  # why none came, in words

    @property
    def delivers(self) -> bool:
        """Whether any mark came."""
        return self.after_s is not None


async def check_routes(
    market: Market, bases: Sequence[str], watched: Iterable[str], clock: Clock, report: Report
) -> None:
    """Report on each address of a market's streams.

    Args:
        market: whose.
        bases: addresses with their route, the most trusted first.
        watched: symbols of positions typed in; a well-known one is asked for as well.
        clock: for latencies.
        report: takes the findings.
    """
    symbols = tuple(watched)[:MOST_WATCHED]
    found = await asyncio.gather(*(try_route(market, base, symbols, clock) for base in bases))
    working = any(one.delivers for one in found)
    for one in found:
        report(judge(market, one, working=working))


async def try_route(market: Market, base: str, watched: Sequence[str], clock: Clock) -> Delivery:
    """Connect, subscribe and wait until every watched symbol spoke, or for five seconds."""
    symbols = dict.fromkeys((KNOWN[market], *watched))
    decoder = MarkDecoder(frozenset(symbols), market)
    began_s, first_s = clock.mono_s(), None
    heard: set[str] = set()
    trouble = ""
    connection = None
    try:
        connection = await open_stream(bare_url(base), _CONNECT, clock.wall_ms())
        request = {"method": "SUBSCRIBE", "params": [mark_stream(symbol) for symbol in symbols], "id": 1}
        await send(connection, msgspec.json.encode(request).decode(), host_of(base))
        async with asyncio.timeout(DATA_WITHIN_S):
            while first_s is None or not heard.issuperset(watched):
                frame = decoder.decode(await receive(connection, host_of(base)), clock.now())
                if isinstance(frame, Refusal):
                    trouble = f"refuses the subscription: {frame.text[:60]}"
                elif isinstance(frame, list) and frame:
                    heard.update(tick.symbol for tick in frame)
                    first_s = clock.mono_s() if first_s is None else first_s
    except TimeoutError:
        trouble = trouble or f"connects and then delivers nothing within {DATA_WITHIN_S:.0f} s"
    except FeedError as error:
        trouble = WORDS.get(error.reason, f"{error.reason} {error.detail}".strip())
    finally:
        if connection is not None:
            await connection.close()
    if decoder.last_error is not None and first_s is None:
        trouble += f"; what came is refused: {decoder.last_error.reason}"
    silent = tuple(symbol for symbol in watched if symbol not in heard)
    return Delivery(base, None if first_s is None else first_s - began_s, silent, trouble)


def judge(market: Market, one: Delivery, *, working: bool) -> Finding:
    """Return the finding about one address; ``working``: an address of the same market delivers."""
    where = f"{market.value} {shown(one.base)}"
    if one.after_s is None:
        state = State.WARN if working else State.FAIL
        fix = "another address serves instead" if working else _NETWORK
        if "delivers nothing" in one.trouble and not working:
            fix = "its route may be wrong: a market stream address ends with /market; " + _NETWORK
        return Finding("routes", where, state, one.trouble, fix)
    if one.silent:
        names = ", ".join(one.silent)
        words = f"delivers, but no mark of {names} within {DATA_WITHIN_S:.0f} s"
        return Finding("routes", where, State.WARN, words, f"check that {names} is still traded on this exchange")
    return Finding("routes", where, State.OK, f"first mark after {one.after_s:.1f} s")


def shown(base: str) -> str:
    """Return host and route of an address; without user and password."""
    _, _, rest = base.partition("://")
    _, slash, route = rest.partition("/")
    return f"{host_of(base)}{slash}{route.partition('?')[0]}".rstrip("/")
