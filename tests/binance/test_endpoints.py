from urllib.parse import urlsplit

import pytest

from monitor.binance import endpoints as at
from monitor.errors import ConfigError

ROWS = [("testnet", "usdm"), ("live", "usdm"), ("testnet", "coinm"), ("live", "coinm")]


@pytest.mark.parametrize(("environment", "market"), ROWS)
def test_every_stream_address_is_routed(environment: str, market: str) -> None:
    """No stream address lacks its route: without one it connects, acknowledges and stays silent."""
    row = at.endpoints(environment, market)
    for bases, route in ((row.market_stream, "/market"), (row.private_stream, "/private")):
        assert bases
        for base in bases:
            assert urlsplit(base).scheme == "wss"
            assert urlsplit(base).path == route
            assert urlsplit(at.bare_url(base)).path == f"{route}/ws"


@pytest.mark.parametrize(("environment", "market"), ROWS)
def test_rest_addresses_are_encrypted_and_bare(environment: str, market: str) -> None:
    """REST bases are https hosts without a path."""
    for url in at.endpoints(environment, market).rest:
        assert urlsplit(url).scheme == "https"
        assert urlsplit(url).path == ""


def test_the_newest_testnet_host_comes_first() -> None:
    """The test exchange has two names for its streams; the newer one is tried first. Live has one."""
    assert at.endpoints("testnet", "usdm").market_stream == (
        "wss://demo-fstream.binance.com/market",
        "wss://fstream.binancefuture.com/market",
    )
    assert at.endpoints("live", "usdm").market_stream == ("wss://fstream.binance.com/market",)


def test_no_testnet_row_names_a_live_host() -> None:
    """Play money and real money share no address."""
    for market in ("usdm", "coinm"):
        test, live = at.endpoints("testnet", market), at.endpoints("live", market)
        for kind in ("rest", "market_stream", "private_stream"):
            assert not set(getattr(test, kind)) & set(getattr(live, kind))


def test_an_override_replaces_all_candidates_of_its_kind() -> None:
    """A configured base is the only candidate; the other kinds keep theirs."""
    row = at.endpoints("live", "usdm", market_stream_url="wss://proxy.example/market/")
    assert row.market_stream == ("wss://proxy.example/market",)
    assert row.rest == ("https://fapi.binance.com",)
    row = at.endpoints("live", "usdm", rest_url="https://r.example", private_stream_url="wss://p.example/private")
    assert (row.rest, row.private_stream) == (("https://r.example",), ("wss://p.example/private",))


@pytest.mark.parametrize(("environment", "market"), [("mainnet", "usdm"), ("live", "spot")])
def test_an_unknown_row_is_a_configuration_error(environment: str, market: str) -> None:
    """What is not in the table is refused with what is."""
    with pytest.raises(ConfigError, match="testnet usdm"):
        at.endpoints(environment, market)


def test_streams_keep_symbols_outside_ascii_and_follow_a_bare_address() -> None:
    """A SUBSCRIBE spells them out, so the address itself names none."""
    assert at.mark_stream("币安人生USDT") == "币安人生usdt@markPrice@1s"
    assert at.bare_url("wss://host.example/market") == "wss://host.example/market/ws"
    assert at.bare_url("wss://host.example/market/") == "wss://host.example/market/ws"


def test_a_host_is_shown_without_user_and_password() -> None:
    """What goes into logs holds no secret that stood in an address."""
    assert at.host_of("wss://user:word@host.example:9443/market?x=y") == "host.example:9443"


def test_few_symbols_get_a_stream_each() -> None:
    """Streams are lower-case, sorted and without repetition; nothing watched needs no stream."""
    assert at.choose_streams(["ETHUSDT", "BTCUSDT", "ETHUSDT"]) == ("btcusdt@markPrice@1s", "ethusdt@markPrice@1s")
    assert at.choose_streams([]) == ()


def test_many_symbols_share_the_array() -> None:
    """Above the bound, and not at it, the all-market array is cheaper."""
    symbols = [f"C{i}USDT" for i in range(at.ALL_MARKET_ABOVE)]
    assert len(at.choose_streams(symbols)) == at.ALL_MARKET_ABOVE
    assert at.choose_streams([*symbols, "BTCUSDT"]) == ("!markPrice@arr@1s",)
    assert at.choose_streams(["A", "B"], all_market_above=1) == ("!markPrice@arr@1s",)
