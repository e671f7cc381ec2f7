"""The client and the join against the emulator: its figures are made by other arithmetic."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from random import Random

import pytest

from monitor.binance.account_fetch import bracket_tables, fetch_account
from monitor.binance.endpoints import Environment
from monitor.binance.keys import Credentials
from monitor.binance.rest import RestClient
from monitor.binance.snapshot import contracts_of
from monitor.binance.weights import WeightBudget
from monitor.core.model import MULTI_WALLET, PAR, AssetRate, MarginMode, Market, Side
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings
from monitor.errors import KeyRefusedError, ListenKeyError
from tests.conftest import ManualClock
from tests.emulator.accounts import account_scenario

Make = Callable[..., RestClient]

SECRET = "secret"


@pytest.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[Emulator]:
    one = Emulator(clock, account_scenario(), EmulatorSettings())
    await one.start()
    await one.step()
    yield one
    await one.stop()


@pytest.fixture
async def make(clock: ManualClock, emulator: Emulator) -> AsyncIterator[Make]:
    """Return a function that makes a client of the emulator for a key."""
    budget = WeightBudget(clock)
    async with AsyncExitStack() as stack:

        def begin(
            key: str | None = "key",
            market: Market = Market.USDM,
            environment: Environment = Environment.TESTNET,
            secret: str = SECRET,
        ) -> RestClient:
            client = RestClient(
                market,
                environment,
                (emulator.base_http,),
                credentials=None if key is None else Credentials(key, secret),
                clock=clock,
                rng=Random(1),  # noqa: S311 - jitter
                budget=budget,
            )
            stack.push_async_callback(client.close)
            return client

        yield begin


async def test_every_endpoint_answers(emulator: Emulator, make: Make) -> None:
    """Whatever is asked is signed as it should be, and what comes back is read."""
    await emulator.accounts["main"].fill("BTCUSDT", "BUY", "0.4", fee=0)
    for market in (Market.USDM, Market.COINM):
        one = make(market=market)
        symbol = "BTCUSDT" if market is Market.USDM else "BTCUSD_PERP"
        info = await one.exchange_info()
        assert symbol in {row.symbol for row in info.symbols}
        assert await one.balance()
        assert {row.symbol for row in await one.leverage_brackets()} > {symbol}
        assert [row.symbol for row in await one.leverage_brackets(symbol)] == [symbol]
        assert not await one.position_mode()
        assert not await one.open_orders()
        assert not await one.open_algo_orders(symbol)
        assert not await one.force_orders()
        assert isinstance(await one.income(limit=10), tuple)
        assert isinstance(await one.adl_quantile(), tuple)
        assert await one.funding_info() == ()
        assert len(await one.mark_price_klines(symbol, limit=3)) == 3
        assert [tick.symbol for tick in await one.premium_index(symbol)] == [symbol]
        key = await one.create_listen_key()
        assert await one.create_listen_key() == key
        await one.keepalive_listen_key()
    usdm = make()
    assert not await usdm.multi_assets()
    assert {row.symbol for row in await usdm.asset_index()} == {"USDTUSD", "BTCUSD"}
    assert len(await usdm.asset_index("BTCUSD")) == 1


async def test_market_data_needs_no_key(make: Make) -> None:
    """A client without credentials still reads what is public."""
    one = make(key=None)
    assert await one.premium_index("BTCUSDT")
    assert (await one.server_time()) > 0


async def test_an_account_is_joined(emulator: Emulator, make: Make) -> None:
    """Leverage and margin type come from one endpoint, quantities and figures from two others."""
    main = emulator.accounts["main"]
    await main.fill("BTCUSDT", "BUY", "0.4", fee=0)
    await main.set_margin_type("ETHUSDT", "isolated")
    await main.fill("ETHUSDT", "SELL", 2, fee=0)
    reply = await fetch_account(make(), "mine", {})
    assert reply.consistent
    account = reply.snapshot
    btc, eth = sorted(account.positions, key=lambda one: one.symbol)
    assert (btc.symbol, btc.side, btc.quantity, btc.entry_price) == ("BTCUSDT", Side.LONG, 0.4, 60_000.0)
    assert (btc.margin_mode, btc.leverage, btc.margin_asset) == (MarginMode.CROSS, 20.0, "USDT")
    assert (eth.side, eth.quantity, eth.margin_mode) == (Side.SHORT, 2.0, MarginMode.ISOLATED)
    assert eth.margin > 0.0
    assert account.balances["USDT"] + eth.margin == pytest.approx(10_000.0)
    figures = {one.wallet: one for one in reply.figures.wallets}
    assert figures["cross:USDT"].marks == {"BTCUSDT": 60_000.0}
    assert figures["cross:USDT"].maintenance == pytest.approx(24_000 * 0.004)
    assert figures["isolated:ETHUSDT:SHORT"].margin_balance == pytest.approx(eth.margin)
    assert set(reply.leg_ms) == {("BTCUSDT", Side.LONG), ("ETHUSDT", Side.SHORT)}


async def test_hedged_legs_stay_apart(emulator: Emulator, make: Make) -> None:
    """LONG and SHORT of one symbol are two positions of one wallet."""
    hedge = emulator.accounts["hedge"]
    await hedge.fill("BTCUSDT", "BUY", "0.4", position_side="LONG", fee=0)
    await hedge.fill("BTCUSDT", "SELL", "0.1", position_side="SHORT", fee=0)
    reply = await fetch_account(make("hedge-key"), "hedged", {})
    assert reply.consistent
    assert reply.snapshot.hedge_mode
    assert {(one.side, one.quantity) for one in reply.snapshot.positions} == {(Side.LONG, 0.4), (Side.SHORT, 0.1)}


async def test_multi_assets_mode_is_one_wallet(emulator: Emulator, make: Make) -> None:
    """Its figures are in dollars; assets without an index are at par."""
    await emulator.accounts["multi"].fill("BTCUSDT", "BUY", "0.4", fee=0)
    reply = await fetch_account(make("multi-key"), "multi", {})
    account = reply.snapshot
    assert account.multi_assets
    assert account.rates["BTC"] == AssetRate(57_000.0, 63_000.0)
    assert account.rates.get("USDC", PAR) == PAR
    assert account.balances == {"BTC": 0.1, "USDC": 2_000.0, "USDT": 5_000.0}
    (wallet,) = reply.figures.wallets
    assert wallet.wallet == MULTI_WALLET
    assert wallet.margin_balance == pytest.approx(5_000 * 0.99 * 0.99 + 2_000 + 0.1 * 57_000)
    assert wallet.maintenance == pytest.approx(24_000 * 0.004 * 0.99 * 1.005)


async def test_a_coin_margined_account_is_joined(emulator: Emulator, make: Make) -> None:
    """Contract size and coin come from the rules, maintenance from the account, the rest from position risk."""
    await emulator.accounts["coin"].fill("BTCUSD_PERP", "BUY", 100, fee=0)
    one = make(market=Market.COINM)
    contracts = contracts_of(await one.exchange_info(), Market.COINM)
    reply = await fetch_account(one, "coin", contracts)
    assert reply.consistent
    (leg,) = reply.snapshot.positions
    assert (leg.symbol, leg.inverse, leg.contract_size, leg.margin_asset) == ("BTCUSD_PERP", True, 100.0, "BTC")
    assert (leg.quantity, leg.entry_price) == (100.0, 60_000.0)
    assert reply.figures.positions[0].maintenance == pytest.approx(100 * 100 / 60_000 * 0.004, abs=1e-8)
    (wallet,) = reply.figures.wallets
    assert wallet.marks["BTCUSD_PERP"] == pytest.approx(60_000.0, rel=1e-6)
    assert wallet.margin_balance == pytest.approx(1.0)


async def test_tiers_become_tables_of_the_account(emulator: Emulator, make: Make) -> None:
    """They are the account's own, with their date, and keep the rules of a table."""
    tiers = bracket_tables("mine", await make().leverage_brackets(), "2026-11-24")
    assert not tiers.faults
    table = next(one for one in tiers.tables if one.symbol == "BTCUSDT")
    assert (table.account, table.label) == ("mine", "exchange 2026-11-24")
    assert [row.mmr for row in table.brackets] == [0.004, 0.005, 0.01]


async def test_a_wrong_secret_is_refused_with_its_causes(make: Make) -> None:
    """Nobody has to guess what -1022 means."""
    with pytest.raises(KeyRefusedError, match="secret does not belong") as caught:
        await make(secret="other").account()
    assert caught.value.code == -1022
    assert not caught.value.retryable


async def test_an_expired_listen_key_is_told(emulator: Emulator, make: Make) -> None:
    """Keeping alive what is gone says so; a new one is made by asking for one."""
    with pytest.raises(ListenKeyError):
        await make().keepalive_listen_key()


async def test_a_key_that_only_reads_is_known_to(emulator: Emulator, make: Make) -> None:
    """On the live exchange the permissions endpoint answers; the testnet has none."""
    found = await make(environment=Environment.LIVE).api_restrictions()
    assert found is not None
    assert found.reads_only
    assert found.reading
    assert await make().api_restrictions() is None
