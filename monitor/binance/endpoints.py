"""Where the exchange lives: hosts, routes and stream names, as data. Nothing here opens a connection.

Stream bases always carry their route (``/market`` or ``/private``). A live connection without one is accepted,
acknowledged and kept alive, and never delivers a mark price; the test exchange still delivers on it, so trying it
out there proves nothing.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec

from monitor.core.model import Market
from monitor.errors import ConfigError, Problem


class Environment(StrEnum):
    """Which exchange: play money or real money."""

    TESTNET = "testnet"
    LIVE = "live"


class Endpoints(msgspec.Struct, frozen=True):
    """Ordered candidates of one environment and market, the most trusted first. No trailing slashes."""

    rest: tuple[str, ...]
    market_stream: tuple[str, ...]
    private_stream: tuple[str, ...]


# The second host of each pair is the older name of the same service. Coin-margined marks are also published on
# the USD-margined host, which is why it closes those rows.
ENDPOINTS: Mapping[tuple[Environment, Market], Endpoints] = MappingProxyType({
    (Environment.TESTNET, Market.USDM): Endpoints(
        rest=("https://demo-fapi.binance.com", "https://testnet.binancefuture.com"),
        market_stream=("wss://demo-fstream.binance.com/market", "wss://fstream.binancefuture.com/market"),
        private_stream=("wss://demo-fstream.binance.com/private", "wss://fstream.binancefuture.com/private"),
    ),
    (Environment.LIVE, Market.USDM): Endpoints(
        rest=("https://fapi.binance.com",),
        market_stream=("wss://fstream.binance.com/market",),
        private_stream=("wss://fstream.binance.com/private",),
    ),
    (Environment.TESTNET, Market.COINM): Endpoints(
        rest=("https://demo-dapi.binance.com", "https://testnet.binancefuture.com"),
        market_stream=(
            "wss://demo-dstream.binance.com/market",
            "wss://dstream.binancefuture.com/market",
            "wss://demo-fstream.binance.com/market",
        ),
        private_stream=("wss://demo-dstream.binance.com/private", "wss://dstream.binancefuture.com/private"),
    ),
    (Environment.LIVE, Market.COINM): Endpoints(
        rest=("https://dapi.binance.com",),
        market_stream=("wss://dstream.binance.com/market", "wss://fstream.binance.com/market"),
        private_stream=("wss://dstream.binance.com/private",),
    ),
})  # fmt: skip

# The all-market array is about 150 KB a second (750 rows of some 200 bytes) and 0.2 ms to decode, whatever is
# watched; one symbol's stream is about 230 bytes a second and, frame handling included, some 10 microseconds. By
# traffic the array pays above 650 symbols, by processor time above 20. At 200 the separate frames still come to a
# third of the traffic, to less than half a percent of one core, and to 2 ms for the last of a burst; beyond, the
# array keeps that last one from waiting.
ALL_MARKET_ABOVE = 200

ALL_MARKET_STREAM = "!markPrice@arr@1s"


def endpoints(
    environment: str,
    market: str,
    *,
    rest_url: str = "",
    market_stream_url: str = "",
    private_stream_url: str = "",
) -> Endpoints:
    """Return the candidates of an environment and market; an override replaces all candidates of its kind.

    Args:
        environment: ``testnet`` or ``live``.
        market: ``usdm`` or ``coinm``.
        rest_url: base such as ``https://host``; empty for the built-in candidates.
        market_stream_url: base with its route, such as ``wss://host/market``; ``/ws`` is appended.
        private_stream_url: base with its route, such as ``wss://host/private``.

    Raises:
        ConfigError: there is no such environment or market.
    """
    key = (environment, market)
    known = {(str(env), str(mkt)): row for (env, mkt), row in ENDPOINTS.items()}
    if key not in known:
        allowed = ", ".join(" ".join(pair) for pair in known)
        raise ConfigError("exchange", [Problem("exchange.environment", " ".join(key), allowed)])
    row = known[key]
    return Endpoints(
        rest=_override(rest_url) or row.rest,
        market_stream=_override(market_stream_url) or row.market_stream,
        private_stream=_override(private_stream_url) or row.private_stream,
    )


def _override(url: str) -> tuple[str, ...]:
    return (url.rstrip("/"),) if url else ()


def bare_url(base: str) -> str:
    """Return the address that delivers nothing until a SUBSCRIBE names streams."""
    return f"{base.rstrip('/')}/ws"


def host_of(url: str) -> str:
    """Return host and port of a URL, without user, password, path and query: safe to log and to show."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def mark_stream(symbol: str) -> str:
    """Return the name of a symbol's one-second mark price stream, as a SUBSCRIBE spells it (not encoded)."""
    return f"{symbol.lower()}@markPrice@1s"


def choose_streams(watched: Iterable[str], *, all_market_above: int = ALL_MARKET_ABOVE) -> tuple[str, ...]:
    """Return the streams that cover the watched symbols at the lower cost, sorted; none for no symbols.

    One stream for each symbol, or the all-market array above ``all_market_above`` symbols. Since that bound lies
    far below the 1024 streams a connection may carry, one connection is always enough.
    """
    symbols = sorted(set(watched))
    if len(symbols) > all_market_above:
        return (ALL_MARKET_STREAM,)
    return tuple(mark_stream(symbol) for symbol in symbols)
