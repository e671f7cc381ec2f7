"""Other people's clients, unmodified, understand the emulator: only addresses are changed."""

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from monitor.emulator.server import Emulator
from monitor.system_clock import SystemClock
from tests.conftest import settle
from tests.emulator.accounts import account_scenario
from tests.emulator.conftest import Json

D = Decimal


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An exchange in real time, since the clients read the machine's clock, with something of everything on it."""
    one = Emulator(SystemClock(), account_scenario())
    await one.start()
    await one.step()
    main, coin = one.accounts["main"], one.accounts["coin"]
    await main.fill("BTCUSDT", "BUY", "0.4", fee=0)
    await main.liquidate("BTCUSDT", "0.25")
    await main.set_margin_type("ETHUSDT", "isolated")
    await main.fill("ETHUSDT", "SELL", 2, fee=0)
    await main.place_order("BTCUSDT", "SELL", "0.1", 70_000, reduce_only=True)
    await main.place_stop("BTCUSDT", "SELL", 50_000, close_position=True)
    await main.funding("0.0001")
    await coin.fill("BTCUSD_PERP", "BUY", 100)
    yield one
    await one.stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, five seconds at most."""
    async with asyncio.timeout(60):
        while not condition():
            await settle(1)


def imported(name: str) -> Json:
    """Return a library, or skip where it is absent."""
    with warnings.catch_warnings():
        # python-binance imports the legacy half of the websockets library; others warn of their own age.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return pytest.importorskip(name)


@pytest.fixture
async def python_binance(emulator: Emulator) -> AsyncIterator[Json]:
    client = imported("binance").AsyncClient("key", "secret")
    client.FUTURES_URL = f"{emulator.base_http}/fapi"
    client.FUTURES_COIN_URL = f"{emulator.base_http}/dapi"
    client.MARGIN_API_URL = f"{emulator.base_http}/sapi"
    yield client
    await client.close_connection()


async def test_python_binance_usdm(emulator: Emulator, python_binance: Json) -> None:
    """Its own signing, parsing and error check do the rest."""
    one = python_binance
    assert abs((await one.futures_time())["serverTime"] - emulator.rest.now_ms()) < 5_000
    assert await one.futures_ping() == {}
    assert (await one.futures_exchange_info())["symbols"][0]["symbol"] == "BTCUSDT"
    assert (await one.futures_mark_price(symbol="BTCUSDT"))["markPrice"] == "60000.00000000"
    assert len(await one.futures_mark_price()) == 3
    assert len(await one.futures_mark_price_klines(symbol="BTCUSDT", interval="1m", limit=3)) == 3
    assert await one.futures_v1_get_funding_info() == []
    assert len(await one.futures_v1_get_asset_index()) == 2
    assert [row["symbol"] for row in await one.futures_position_information()] == ["BTCUSDT", "ETHUSDT"]
    assert len(await one.futures_position_information(version=2)) == 3
    assert [row["symbol"] for row in (await one.futures_account(version=3))["positions"]] == ["BTCUSDT", "ETHUSDT"]
    assert (await one.futures_account_balance())[0]["asset"] == "USDT"
    assert (await one.futures_leverage_bracket(symbol="BTCUSDT"))["brackets"][0]["notionalFloor"] == 0
    assert len(await one.futures_leverage_bracket()) == 3
    assert (await one.futures_symbol_config(symbol="ETHUSDT"))[0]["marginType"] == "ISOLATED"
    assert (await one.futures_account_config())["multiAssetsMargin"] is False
    assert (await one.futures_liquidation_orders())[0]["clientOrderId"].startswith("autoclose-")
    assert [row["symbol"] for row in await one.futures_adl_quantile_estimate()] == ["BTCUSDT", "ETHUSDT"]
    assert "FUNDING_FEE" in {row["incomeType"] for row in await one.futures_income_history()}
    assert (await one.futures_get_open_orders(symbol="BTCUSDT"))[0]["status"] == "NEW"
    assert (await one.futures_get_open_orders(conditional=True))[0]["algoStatus"] == "NEW"
    assert (await one.futures_get_open_algo_orders())[0]["closePosition"] is True
    assert await one.futures_get_multi_assets_mode() == {"multiAssetsMargin": False}
    assert await one.futures_get_position_mode() == {"dualSidePosition": False}
    key = await one.futures_stream_get_listen_key()
    await one.futures_stream_keepalive(key)
    assert await one.futures_stream_get_listen_key() == key
    await one.futures_stream_close(key)
    assert (await one.get_account_api_permissions())["enableReading"] is True


async def test_python_binance_coinm(python_binance: Json) -> None:
    """The other market's methods, and the ones it lacks through its own request function."""
    one = python_binance
    assert "serverTime" in await one.futures_coin_time()
    assert (await one.futures_coin_exchange_info())["symbols"][0]["contractSize"] == 100
    held = [row for row in await one.futures_coin_position_information() if row["positionAmt"] != "0"]
    assert [(row["symbol"], row["positionAmt"]) for row in held] == [("BTCUSD_PERP", "100")]
    assert (await one.futures_coin_account())["assets"][0]["asset"] == "BTC"
    assert (await one.futures_coin_account_balance())[0]["asset"] == "BTC"
    assert (await one.futures_coin_leverage_bracket())[0]["brackets"][0]["qtyCap"] == 5
    assert (await one.futures_coin_mark_price())[0]["pair"] == "BTCUSD"
    assert await one.futures_coin_liquidation_orders() == []
    assert await one.futures_coin_get_open_orders() == []
    assert len(await one.futures_coin_income_history()) == 1
    assert await one.futures_coin_get_position_mode() == {"dualSidePosition": False}
    assert (await one.futures_coin_v1_get_adl_quantile())[0]["symbol"] == "BTCUSD_PERP"
    assert await one.futures_coin_v1_get_funding_info() == []
    assert await one._request_futures_coin_api("get", "openAlgoOrders", True, data={}) == []
    key = await one.futures_coin_stream_get_listen_key()
    await one.futures_coin_stream_keepalive(key)
    await one.futures_coin_stream_close(key)


async def test_python_binance_reads_refusals(emulator: Emulator, python_binance: Json) -> None:
    """A code and a Retry-After arrive where it looks for them."""
    emulator.faults.next_statuses = [429]
    emulator.faults.retry_after_s = 7
    with pytest.raises(imported("binance.exceptions").BinanceAPIException) as refused:
        await python_binance.futures_account(version=3)
    assert (refused.value.code, refused.value.response.headers["Retry-After"]) == (-1003, "7")


async def test_ccxt_usdm(emulator: Emulator) -> None:
    """Its market table, and its own reading of positions, tiers, orders and history."""
    async with ccxt_client(emulator, "binanceusdm") as one:
        await one.load_markets()
        symbol = "BTC/USDT:USDT"
        assert one.market(symbol)["id"] == "BTCUSDT"
        assert abs(await one.fetch_time() - emulator.rest.now_ms()) < 5_000
        assert (await one.fetch_balance())["USDT"]["total"] > 0
        held = {row["symbol"]: row for row in await one.fetch_positions()}
        assert (held[symbol]["contracts"], held[symbol]["side"], held[symbol]["marginMode"]) == (
            0.3,
            "long",
            "cross",
        )
        assert held["ETH/USDT:USDT"]["marginMode"] == "isolated"
        ours = {leg.position.symbol: leg for wallet in emulator.figures() for leg in wallet.positions}
        price = ours["ETHUSDT"].liquidation_price
        assert price is not None
        assert held["ETH/USDT:USDT"]["liquidationPrice"] == pytest.approx(float(price), rel=1e-9)
        tiers = (await one.fetch_leverage_tiers())[symbol]
        assert [tier["maintenanceMarginRate"] for tier in tiers] == [0.004, 0.005, 0.01]
        assert (await one.fetch_leverages())[symbol]["longLeverage"] == 20
        assert (await one.fetch_margin_modes())["ETH/USDT:USDT"]["marginMode"] == "isolated"
        assert (await one.fetch_funding_rates())[symbol]["markPrice"] == 60_000
        assert (await one.fetch_mark_price(symbol))["markPrice"] == 60_000
        assert len(await one.fetch_mark_ohlcv(symbol, "1m", None, 3)) == 3
        assert [row["price"] for row in await one.fetch_open_orders(symbol)] == [70_000]
        (stop,) = await one.fetch_open_orders(symbol, None, None, {"trigger": True})
        assert stop["triggerPrice"] == 50_000
        assert len(await one.fetch_funding_history()) == 2
        assert len(await one.fetch_ledger()) >= 2
        assert len(await one.fetch_my_liquidations()) == 1
        assert (await one.fetch_position_mode())["hedged"] is False
        assert len(await one.fetch_positions_adl_rank()) == 2


async def test_ccxt_coinm(emulator: Emulator) -> None:
    """The same library on the other market."""
    async with ccxt_client(emulator, "binancecoinm") as one:
        await one.load_markets()
        symbol = "BTC/USD:BTC"
        assert one.market(symbol)["contractSize"] == 100
        (held,) = await one.fetch_positions()
        assert (held["symbol"], held["contracts"]) == (symbol, 100)
        assert (await one.fetch_balance())["BTC"]["total"] == pytest.approx(0.99991667, rel=1e-9)
        assert len((await one.fetch_leverage_tiers())[symbol]) == 3
        assert (await one.fetch_leverages())[symbol]["longLeverage"] == 20
        assert (await one.fetch_funding_rates())[symbol]["markPrice"] == 60_000
        assert await one.fetch_open_orders(symbol) == []


def ccxt_client(emulator: Emulator, name: str) -> Json:
    """Return one of its exchanges that asks the emulator; spot currencies are nothing a futures key needs."""
    library = imported("ccxt.async_support")
    one = getattr(library, name)({"apiKey": "key", "secret": "secret", "options": {"fetchCurrencies": False}})
    for api, address in one.urls["api"].items():
        if api.startswith(("fapi", "dapi")):
            one.urls["api"][api] = f"{emulator.base_http}/{address.split('/', 3)[3]}"
    return one


SDK = "binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures"


def official(emulator: Emulator) -> Json:
    """Return the exchange's own client, pointed at the emulator."""
    library = imported(SDK)
    return library.DerivativesTradingUsdsFutures(
        library.ConfigurationRestAPI(api_key="key", api_secret="secret", base_path=emulator.base_http, retries=0),
        None,
        library.ConfigurationWebSocketStreams(stream_url=f"ws://127.0.0.1:{emulator.port}"),
    )


CALLS: tuple[tuple[str, dict[str, Json]], ...] = (
    ("check_server_time", {}),
    ("exchange_information", {}),
    ("mark_price", {}),
    ("mark_price", {"symbol": "BTCUSDT"}),
    ("mark_price_kline_candlestick_data", {"symbol": "BTCUSDT", "interval": "1m", "limit": 3}),
    ("get_funding_rate_info", {}),
    ("asset_index", {}),
    ("asset_index", {"symbol": "BTCUSD"}),
    ("account_information_v3", {}),
    ("futures_account_balance_v3", {}),
    ("futures_account_configuration", {}),
    ("symbol_configuration", {}),
    ("notional_and_leverage_brackets", {}),
    ("notional_and_leverage_brackets", {"symbol": "BTCUSDT"}),
    ("get_current_multi_assets_mode", {}),
    ("get_current_position_mode", {}),
    ("position_information_v2", {}),
    ("position_information_v3", {}),
    ("position_adl_quantile_estimation", {}),
    ("users_force_orders", {}),
    ("current_all_open_orders", {}),
    ("current_all_algo_open_orders", {}),
    ("get_income_history", {}),
    ("start_user_data_stream", {}),
    ("keepalive_user_data_stream", {}),
    ("close_user_data_stream", {}),
)


async def test_official_rest_models(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Every answer fits the typed model of the exchange's own client; it logs a warning where one does not."""
    client = official(emulator)
    with caplog.at_level(logging.WARNING):
        for name, arguments in CALLS:
            answer = await asyncio.to_thread(getattr(client.rest_api, name), **arguments)
            assert answer.data() is not None, name
    assert [record.getMessage() for record in caplog.records] == []


async def test_official_streams(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Its three routed connections subscribe, and every event becomes a typed model."""
    client = official(emulator)
    key = await asyncio.to_thread(lambda: client.rest_api.start_user_data_stream().data().listen_key)
    heard: list[tuple[str, Json]] = []
    connection = await client.websocket_streams.create_connection()
    try:
        for name, opening in (
            ("mark", connection.mark_price_stream(symbol="btcusdt", update_speed="1s")),
            ("marks", connection.mark_price_stream_for_all_market(update_speed="1s")),
            ("contract", connection.contract_info_stream()),
            ("index", connection.asset_index()),
            ("user", connection.user_data(key)),
        ):
            stream = await opening
            stream.on("message", lambda data, name=name: heard.append((name, data)))
        hub = emulator.streams
        await until(lambda: sum(len(one.subscriptions.names) for one in hub._open) == 5)
        main = emulator.accounts["main"]
        with caplog.at_level(logging.WARNING):
            await emulator.step()
            await emulator.set_brackets("BTCUSDT", [[0, 900_000, 0.01, 0, 50]])
            await main.fill("BTCUSDT", "SELL", "0.01")
            await main.funding({"BTCUSDT": "0.0001", "ETHUSDT": "0.0001"})
            await main.set_leverage("BTCUSDT", 5)
            await main.margin_call()
            await main.place_stop("BTCUSDT", "SELL", 40_000, "0.01")
            await main.liquidate("BTCUSDT", "0.5")
            await emulator.expire_listen_keys()
            await until(lambda: len(heard) == 4 + 4 + 2 + 1 + 1 + 1 + 3 + 1)
        by_name = dict(reversed(heard))
        assert by_name["mark"].p == "60000.00000000"
        assert len(by_name["marks"]) == 5
        assert by_name["contract"].bks[0].mmr == 0.01
        assert by_name["index"][0].s == "USDTUSD"
        kinds = [type(data.actual_instance).__name__ for name, data in heard if name == "user"]
        assert kinds == [
            "OrderTradeUpdate", "TradeLite", "AccountUpdate", "OrderTradeUpdate", "AccountUpdate", "AccountUpdate",
            "AccountConfigUpdate", "MarginCall", "AlgoUpdate", "OrderTradeUpdate", "AccountUpdate",
            "OrderTradeUpdate", "ListenKeyExpired",
        ]  # fmt: skip
        assert [record.getMessage() for record in caplog.records] == []
    finally:
        await connection.close_connection(close_session=True)
