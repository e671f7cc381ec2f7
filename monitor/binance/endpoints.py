"""Where the exchange lives: hosts, routes and stream names, as data. Nothing here opens a connection.

Stream bases carry their route (``/market`` or ``/private``). A live USD-margined connection without one is
accepted, acknowledged and kept alive, and never delivers a mark price; the test exchange still delivers on it, so
trying it out there proves nothing. What is published disagrees whether the coin-margined hosts have routes: there
the same hosts without one stand last, and a connection that stays silent is given up for the next by itself.
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
            "wss://demo-dstream.binance.com",
            "wss://dstream.binancefuture.com",
        ),
        private_stream=(
            "wss://demo-dstream.binance.com/private",
            "wss://dstream.binancefuture.com/private",
            "wss://demo-dstream.binance.com",
            "wss://dstream.binancefuture.com",
        ),
    ),
    (Environment.LIVE, Market.COINM): Endpoints(
        rest=("https://dapi.binance.com",),
        market_stream=(
            "wss://dstream.binance.com/market",
            "wss://fstream.binance.com/market",
            "wss://dstream.binance.com",
        ),
        private_stream=("wss://dstream.binance.com/private", "wss://dstream.binance.com"),
    ),
})  # fmt: skip

# The all-market array is about 150 KB a second (750 rows of some 200 bytes) and 0.2 ms to decode, whatever is
# watched; one symbol's stream is about 230 bytes a second and, frame handling included, some 10 microseconds. By
# traffic the array pays above 650 symbols, by processor time above 20. At 200 the separate frames still come to a
# third of the traffic, to less than half a percent of one core, and to 2 ms for the last of a burst; beyond, the
# array keeps that last one from waiting.
ALL_MARKET_ABOVE = 200

ALL_MARKET_STREAM = "!markPrice@arr@1s"
ASSET_INDEX_STREAM = "!assetIndex@arr"  # the rates of every asset, each second
CONTRACT_STREAM = "!contractInfo"  # speaks only when something about a contract changes


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


def is_rate(symbol: str) -> bool:
    """Return whether a watched name is a rate of an asset (``rate_symbols``) and not the mark of a contract."""
    return "@" in symbol


def stream_of(symbol: str) -> str:
    """Return the stream that carries a watched name alone, or with all others of its kind if it is a rate."""
    return ASSET_INDEX_STREAM if is_rate(symbol) else mark_stream(symbol)


def choose_streams(watched: Iterable[str], *, all_market_above: int = ALL_MARKET_ABOVE) -> tuple[str, ...]:
    """Return the streams that cover the watched names at the lower cost, sorted; none for no names.

    One stream for each symbol, or the all-market array above ``all_market_above`` symbols; beside them one for
    all rates. Since that bound lies far below the 1024 streams a connection may carry, one connection is always
    enough.
    """
    names = frozenset(watched)
    symbols = {name for name in names if not is_rate(name)}
    rates = {ASSET_INDEX_STREAM} if len(symbols) < len(names) else set()
    marks = {ALL_MARKET_STREAM} if len(symbols) > all_market_above else set(map(mark_stream, symbols))
    return tuple(sorted(marks | rates))


def private_urls(bases: Iterable[str], key: str) -> tuple[str, ...]:
    """Return the addresses of a private stream, the most trusted first; each holds the key, so never show them.

    Both forms are official. That with a query is the one others have seen deliver.
    """
    return tuple(url for base in bases for url in (f"{bare_url(base)}?listenKey={key}", f"{bare_url(base)}/{key}"))
