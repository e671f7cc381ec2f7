from urllib.parse import urlsplit

import pytest

from monitor.binance import endpoints as at
from monitor.core.model import rate_symbols
from monitor.errors import ConfigError

ROWS = [("testnet", "usdm"), ("live", "usdm"), ("testnet", "coinm"), ("live", "coinm")]


@pytest.mark.parametrize(("environment", "market"), ROWS)
def test_every_stream_address_is_routed(environment: str, market: str) -> None:
    """Without a route a connection may stay silent: only coin-margined hosts are tried so, after all others."""
    row = at.endpoints(environment, market)
    for bases, route in ((row.market_stream, "/market"), (row.private_stream, "/private")):
        paths = [urlsplit(base).path for base in bases]
        routed = [path for path in paths if path]
        assert routed
        assert set(routed) == {route}
        assert paths == routed + [""] * (len(paths) - len(routed))
        assert market == "coinm" or paths == routed
        for base, path in zip(bases, paths, strict=True):
            assert urlsplit(base).scheme == "wss"
            assert urlsplit(at.bare_url(base)).path == f"{path}/ws"
        assert len(set(bases)) == len(bases)


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


def test_rates_share_one_stream_beside_the_marks() -> None:
    """The names of rates are no contracts: they count for no bound and all come in the asset indexes."""
    rates = [*rate_symbols("BTC"), *rate_symbols("USDT")]
    assert at.choose_streams([*rates, "BTCUSDT"]) == ("!assetIndex@arr", "btcusdt@markPrice@1s")
    assert at.choose_streams(rates, all_market_above=1) == ("!assetIndex@arr",)
    assert at.choose_streams([*rates, "A", "B"], all_market_above=1) == ("!assetIndex@arr", "!markPrice@arr@1s")
    assert [at.stream_of(name) for name in (rates[0], "BTCUSDT")] == ["!assetIndex@arr", "btcusdt@markPrice@1s"]


def test_a_private_stream_has_two_forms_on_each_host() -> None:
    """The form others have seen deliver comes first; a base without a route is as good."""
    assert at.private_urls(["wss://a.example/private", "wss://b.example/"], "K1") == (
        "wss://a.example/private/ws?listenKey=K1",
        "wss://a.example/private/ws/K1",
        "wss://b.example/ws?listenKey=K1",
        "wss://b.example/ws/K1",
    )
