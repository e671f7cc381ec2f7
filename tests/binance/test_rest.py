"""The client against a server that checks signatures itself and misbehaves when told to; the clock is ours."""

import asyncio
import hashlib
import hmac
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from random import Random
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from monitor.binance import rest_call
from monitor.binance.account_fetch import fetch_account
from monitor.binance.account_rest import AccountClient
from monitor.binance.account_values import AccountUnavailableError
from monitor.binance.endpoints import Environment, endpoints
from monitor.binance.keys import Credentials
from monitor.binance.rest import RestClient
from monitor.binance.rest_call import Call, Caller
from monitor.binance.weights import WeightBudget
from monitor.core.model import Market
from monitor.errors import (
    ClockError,
    KeyRefusedError,
    PortfolioMarginError,
    RateLimitedError,
    RestError,
    TransientRestError,
    UnreachableError,
    WireError,
)
from tests.conftest import ManualClock, settle

T = TypeVar("T")
Json = Any
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

KEY = "the-api-key"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
CONFIG = {"dualSidePosition": False, "multiAssetsMargin": False}
PAGE = "<!DOCTYPE html><html><body>Sorry</body></html>"


def refusal(status: int, code: int, text: str = "", **headers: str) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status, headers=headers)


class Exchange:
    """Answers ``queued`` responses first, then properly. ``ahead_ms`` is its clock before ours."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.ahead_ms = 0
        self.asked: list[str] = []
        self.raw: list[str] = []
        self.queued: list[web.Response | float] = []
        self.replies: dict[str, Json] = {"/fapi/v1/accountConfig": CONFIG}
        self.used = 1
        self.base = ""
        self.page = False  # answers everything with a page for people
        self.failing_time = 0  # answers so many questions for the time with one
        self.agents: set[str] = set()

    def count(self, path: str) -> int:
        return self.asked.count(path)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.raw.append(request.raw_path)
        self.agents.add(request.headers.get("User-Agent", ""))
        asks_time = request.path.endswith("/time")
        if self.page or (asks_time and self.failing_time):
            self.failing_time -= not self.page
            return web.Response(text=PAGE, content_type="text/html")
        if asks_time:
            return web.json_response({"serverTime": self.clock.wall_ms() + self.ahead_ms})
        if self.queued:
            answer = self.queued.pop(0)
            if isinstance(answer, web.Response):
                return answer
            await asyncio.sleep(answer)  # noqa: TID251 - a server that hangs for real
        bad = self.unsigned(request) if "signature" in request.query else None
        if bad is not None:
            return bad
        if request.path not in self.replies:
            return web.Response(status=404, text=PAGE, content_type="text/html")
        return web.json_response(self.replies[request.path], headers={"X-MBX-USED-WEIGHT-1M": str(self.used)})

    def unsigned(self, request: web.Request) -> web.Response | None:
        payload, _, signature = request.raw_path.partition("?")[2].rpartition("&signature=")
        made = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if signature != made or request.headers.get("X-MBX-APIKEY") != KEY:
            return refusal(400, -1022)
        behind_ms = self.clock.wall_ms() + self.ahead_ms - int(request.query["timestamp"])
        if behind_ms <= -1000 or behind_ms > int(request.query["recvWindow"]):
            return refusal(400, -1021)
        return None


@pytest.fixture
async def exchange(clock: ManualClock) -> AsyncIterator[Exchange]:
    one = Exchange(clock)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


Make = Callable[..., RestClient]


@pytest.fixture
async def make(clock: ManualClock, exchange: Exchange) -> AsyncIterator[Make]:
    """Return a function that makes a client; all share one budget."""
    shared = WeightBudget(clock)
    async with AsyncExitStack() as stack:

        def begin(
            *bases: str,
            environment: Environment = Environment.LIVE,
            market: Market = Market.USDM,
            budget: WeightBudget = shared,
        ) -> RestClient:
            client = RestClient(
                market,
                environment,
                bases or (exchange.base,),
                credentials=Credentials(KEY, SECRET),
                clock=clock,
                rng=Random(1),  # noqa: S311 - jitter
                budget=budget,
            )
            stack.push_async_callback(client.close)
            return client

        yield begin


async def run(clock: ManualClock, work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine does, moving the clock to the next sleeper whenever there is one."""
    async with asyncio.timeout(60):
        task = asyncio.get_running_loop().create_task(work)
        while not task.done():
            await settle(1)
            wake = clock.next_wake()
            if wake is not None:
                await clock.advance(wake - clock.mono_s())
        return await task


def test_the_published_signature_comes_out() -> None:
    """The one example of a signature that the exchange documents."""
    payload = (
        "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
        "&timestamp=1591702613943"
    )
    made = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
    assert made == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


async def test_requests_are_signed_in_the_exchanges_time(exchange: Exchange, make: Make) -> None:
    """One request for the time, then signed ones; the signature stands last."""
    assert (await make().account_config()).dual_side_position is False
    assert exchange.asked == ["/fapi/v1/time", "/fapi/v1/accountConfig"]
    assert "&signature=" in exchange.raw[1]
    assert exchange.raw[1].rpartition("&")[2].startswith("signature=")
    assert all("Mozilla" not in agent for agent in exchange.agents)


async def test_symbols_of_any_script_are_signed_as_sent(exchange: Exchange, make: Make) -> None:
    """The signature is over the percent-encoded text: there are contracts with Chinese names."""
    exchange.replies["/fapi/v1/symbolConfig"] = [
        {"symbol": "币安人生USDT", "marginType": "CROSSED", "leverage": 5}
    ]
    (row,) = await make().symbol_config("币安人生USDT")
    assert row.symbol == "币安人生USDT"
    assert f"symbol={quote('币安人生USDT')}" in exchange.raw[-1]


@pytest.mark.parametrize("ahead_ms", [3_000, -3_000, 86_400_000])
async def test_a_clock_that_is_off_is_measured_before_the_first_request(
    exchange: Exchange, make: Make, ahead_ms: int
) -> None:
    """Whatever ours shows, requests carry the exchange's time."""
    exchange.ahead_ms = ahead_ms
    one = make()
    assert await one.account_config()
    assert one.offset_ms == ahead_ms
    assert exchange.count("/fapi/v1/accountConfig") == 1


async def test_a_clock_that_moved_is_measured_again_once(
    clock: ManualClock, exchange: Exchange, make: Make
) -> None:
    """Three seconds off since: -1021, one look at the time, and the same request succeeds."""
    one = make()
    await one.account_config()
    exchange.ahead_ms = -3_000
    assert await one.account_config()
    assert exchange.asked[2:] == ["/fapi/v1/accountConfig", "/fapi/v1/time", "/fapi/v1/accountConfig"]
    assert clock.slept == []


async def test_a_clock_that_stays_wrong_is_told(exchange: Exchange, make: Make) -> None:
    """Measured once and refused again: no endless round."""
    exchange.queued = [refusal(400, -1021), refusal(400, -1021)]
    with pytest.raises(ClockError, match="NTP"):
        await make().account_config()
    assert exchange.count("/fapi/v1/accountConfig") == 2
    assert exchange.count("/fapi/v1/time") == 2


async def test_the_time_is_looked_at_again_each_hour(clock: ManualClock, exchange: Exchange, make: Make) -> None:
    """Clocks drift."""
    one = make()
    for _ in range(3):
        await one.account_config()
        await clock.advance(1_801.0)
    assert exchange.count("/fapi/v1/time") == 2


async def test_a_burst_of_429_is_waited_out_to_the_second(
    clock: ManualClock, exchange: Exchange, make: Make
) -> None:
    """Twice refused, each time until the moment it was asked to stay away, then answered."""
    exchange.queued = [refusal(429, -1003, **{"Retry-After": "7"}), refusal(429, -1003, **{"Retry-After": "11"})]
    begun_s = clock.mono_s()
    assert await run(clock, make().account_config())
    assert clock.mono_s() - begun_s == pytest.approx(18.0)
    assert exchange.count("/fapi/v1/accountConfig") == 3


async def test_who_has_to_say_why_nothing_comes_is_told_of_a_long_limit_at_once(
    clock: ManualClock, exchange: Exchange
) -> None:
    """By its own refusal and by another's; what passes in seconds is waited out."""
    budget = WeightBudget(clock)
    one = RestClient(
        Market.USDM, Environment.LIVE, (exchange.base,), credentials=Credentials(KEY, SECRET), clock=clock,
        rng=Random(1), budget=budget, longest_block_s=10.0,  # noqa: S311 - jitter
    )  # fmt: skip
    account = AccountClient("main", one, budget, clock)
    try:
        exchange.queued = [refusal(429, -1003)]
        for _ in range(2):
            with pytest.raises(AccountUnavailableError) as caught:
                await account.contracts()
            assert (caught.value.reason, caught.value.wait_s) == ("rate_limit", 30.0)
            assert "UTC" in caught.value.hint
        assert exchange.count("/fapi/v1/exchangeInfo") == 1
        await clock.advance(30.0)
        exchange.queued = [refusal(429, -1003, **{"Retry-After": "7"})]
        assert await run(clock, one.account_config())
    finally:
        await one.close()


async def test_a_ban_silences_every_client_until_it_ends(
    clock: ManualClock, exchange: Exchange, make: Make
) -> None:
    """One 418 with Retry-After: nothing is sent by anybody, the error says until when, and then all is well."""
    exchange.queued = [refusal(418, -1003, **{"Retry-After": "300"})]
    one, other = make(), make(market=Market.COINM)
    exchange.replies["/dapi/v1/exchangeInfo"] = {"rateLimits": [], "symbols": []}
    with pytest.raises(RateLimitedError) as caught:
        await one.account_config()
    assert caught.value.until_s == pytest.approx(clock.mono_s() + 300.0)
    sent = len(exchange.asked)
    for client in (one.account_config(), other.exchange_info()):
        with pytest.raises(RateLimitedError):
            await client
    assert len(exchange.asked) == sent
    await clock.advance(300.0)
    assert await one.account_config()
    assert await other.exchange_info()


async def test_a_ban_is_read_from_its_text_as_well(clock: ManualClock, exchange: Exchange, make: Make) -> None:
    """It may come without the header."""
    until_ms = clock.wall_ms() + 3_600_000
    text = f"Way too many requests; IP(1.2.3.4) banned until {until_ms}. Please use the websocket."
    exchange.queued = [refusal(418, -1003, text)]
    with pytest.raises(RateLimitedError) as caught:
        await make().account_config()
    assert caught.value.until_s == pytest.approx(clock.mono_s() + 3600.0)
    assert "1.2.3.4" not in str(caught.value)


async def test_used_weight_of_the_reply_holds_back_the_next(
    clock: ManualClock, exchange: Exchange, make: Make
) -> None:
    """Somebody else behind the address has used the half: wait for the next minute."""
    one = make()
    exchange.used = 1_196
    await one.account_config()
    begun_s = clock.mono_s()
    await run(clock, one.account_config())
    assert 0.5 <= clock.mono_s() - begun_s <= 60.5


async def test_the_limit_comes_from_the_exchange(clock: ManualClock, exchange: Exchange, make: Make) -> None:
    """The test exchange allows more."""
    budget = WeightBudget(clock)
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    exchange.replies["/fapi/v1/exchangeInfo"] = {"rateLimits": [limit], "symbols": []}
    await make(budget=budget).exchange_info()
    assert budget.limit == 6000


@pytest.mark.parametrize(
    "trouble",
    [
        refusal(400, -1001),
        refusal(503, -1000, "Unknown error, please check your request or try again later."),
        web.Response(status=503, text="Service Unavailable."),
        refusal(503, -1008),
        web.Response(status=502, text=PAGE, content_type="text/html"),
        web.Response(status=200, text=PAGE, content_type="text/html"),
        web.Response(status=408),
    ],
    ids=["internal", "unknown", "unavailable", "throttled", "gateway", "page", "backend"],
)
async def test_what_passes_by_itself_is_repeated(
    clock: ManualClock, exchange: Exchange, make: Make, trouble: web.Response
) -> None:
    """After a pause that is not the same for everybody."""
    exchange.queued = [trouble]
    assert await run(clock, make().account_config())
    assert exchange.count("/fapi/v1/accountConfig") == 2
    assert len(clock.slept) == 1
    assert 0.2 <= clock.slept[0] <= 0.4


async def test_pages_instead_of_replies_end_in_one_error(
    clock: ManualClock, exchange: Exchange, make: Make
) -> None:
    """A bounded number of attempts with growing pauses, then an error that can be repeated later."""
    exchange.queued = [web.Response(status=200, text=PAGE, content_type="text/html") for _ in range(9)]
    with pytest.raises(TransientRestError, match=r"/fapi/v1/accountConfig: html \(HTTP 200\)"):
        await run(clock, make().account_config())
    assert exchange.count("/fapi/v1/accountConfig") == 4
    assert clock.slept == sorted(clock.slept)


@pytest.mark.parametrize("code", [-1121, -1102, -2015, -1022, -2014, -4056])
async def test_what_cannot_pass_is_not_repeated(exchange: Exchange, make: Make, code: int) -> None:
    """Asking the same again changes nothing."""
    exchange.queued = [refusal(400, code)]
    with pytest.raises(RestError) as caught:
        await make().account_config()
    assert caught.value.code == code
    assert not caught.value.retryable
    assert exchange.count("/fapi/v1/accountConfig") == 1


@pytest.mark.parametrize(
    ("environment", "cause"),
    [(Environment.LIVE, "demo trading"), (Environment.TESTNET, "live key")],
)
async def test_a_refused_key_comes_with_its_likely_causes(
    exchange: Exchange, make: Make, environment: Environment, cause: str
) -> None:
    """The other exchange's key, a missing permission, the IP list: -2015 is all of them."""
    exchange.queued = [refusal(401, -2015, "Invalid API-key, IP, or permissions for action, request ip: 1.2.3.4")]
    with pytest.raises(KeyRefusedError) as caught:
        await make(environment=environment).account_config()
    text = str(caught.value)
    assert cause in text
    assert "futures" in text
    assert "IP list" in text
    assert "1.2.3.4" not in text


async def test_a_portfolio_margin_account_is_told_from_a_wrong_key(exchange: Exchange, make: Make) -> None:
    """The futures endpoints refuse its key like any other; its own endpoint does not."""
    exchange.queued = [refusal(401, -2015)]
    exchange.replies["/papi/v1/account"] = {"uniMMR": "5167.9", "accountStatus": "NORMAL"}
    with pytest.raises(PortfolioMarginError, match="not followed"):
        await make().account_config()


@pytest.mark.parametrize("cut", [b"", b"{", b"[]", b'{"dualSidePosition":true}'])
async def test_replies_that_cannot_be_believed_name_the_endpoint(
    exchange: Exchange, make: Make, cut: bytes
) -> None:
    """Half a reply is no reply."""
    exchange.queued = [web.Response(body=cut, content_type="application/json")]
    with pytest.raises(WireError, match="/fapi/v1/accountConfig"):
        await make().account_config()


async def test_a_host_nobody_answers_at_is_left_for_the_next(
    clock: ManualClock, exchange: Exchange, make: Make
) -> None:
    """The report says what became of each."""
    one = make("http://127.0.0.1:9", exchange.base)
    assert await run(clock, one.account_config())
    dead, live = one.hosts()
    assert (dead.outcome, dead.reason) == ("refused", "connect")
    assert live.outcome == "live"
    assert one.host == exchange.base.removeprefix("http://")


async def test_no_host_at_all_is_an_error_without_an_address_in_it(clock: ManualClock, make: Make) -> None:
    """Signature, key and query show nowhere, not even in what caused it."""
    with pytest.raises(UnreachableError) as caught:
        await run(clock, make("http://127.0.0.1:9").account_config())
    assert caught.value.retryable
    assert caught.value.__cause__ is None
    assert len(clock.slept) == 3  # four attempts in all, the look at the time included
    assert "signature" not in repr(caught.value)
    assert KEY not in repr(caught.value)


async def test_a_server_that_hangs_is_given_up(
    clock: ManualClock, exchange: Exchange, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds in all; one here."""
    from monitor.binance import futures_client  # noqa: PLC0415 - heavy

    monkeypatch.setattr(futures_client, "TOTAL_TIMEOUT_S", 1.0)
    exchange.queued = [60.0]
    one = make()
    await one.server_time()
    assert await run(clock, one.account_config())
    assert exchange.count("/fapi/v1/accountConfig") == 2


async def test_a_redirect_is_not_followed(clock: ManualClock, exchange: Exchange, make: Make) -> None:
    """Key and signature go where they were meant to go and nowhere else."""
    exchange.queued = [web.Response(status=302, headers={"Location": "/elsewhere"}) for _ in range(4)]
    with pytest.raises(TransientRestError, match="redirected"):
        await run(clock, make().account_config())
    assert exchange.count("/elsewhere") == 0


async def test_rows_left_out_are_counted_and_told_once(exchange: Exchange, make: Make) -> None:
    """With endpoint, symbol and field; a later reply without the fault has none."""
    good = {"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5}
    one = make()
    with capture_logs() as logs:
        exchange.replies["/fapi/v1/symbolConfig"] = [good, good | {"symbol": "XUSDT", "leverage": -1}]
        for _ in range(2):
            assert [row.symbol for row in await one.symbol_config()] == ["BTCUSDT"]
        assert one.left_out("symbolConfig") == frozenset({"XUSDT"})
        assert one.rows_left_out == 2
        exchange.replies["/fapi/v1/symbolConfig"] = [good]
        await one.symbol_config()
        assert one.left_out("symbolConfig") == frozenset()
    assert [{**entry, "log_level": ""} for entry in logs] == [
        {
            "event": "rest.row_left_out",
            "endpoint": "/fapi/v1/symbolConfig",
            "symbol": "XUSDT",
            "field": "leverage",
            "reason": "bad_amount",
            "log_level": "",
        }
    ]


@pytest.mark.parametrize(("odd", "held"), [("XUSD", False), ("BTCUSD", True)])
async def test_a_rate_that_cannot_be_believed_matters_where_the_asset_is_held(
    exchange: Exchange, make: Make, odd: str, *, held: bool
) -> None:
    """At par a coin would count as a dollar: then the whole account is refused, and else nothing is lost."""
    amounts = {"marginBalance": "1", "maintMargin": "0", "crossUnPnl": "0"}
    assets = [
        {"asset": name, "walletBalance": "1", "crossWalletBalance": "1", **amounts} for name in ("USDT", "BTC")
    ]
    totals = {"totalMaintMargin": "0", "totalMarginBalance": "1", "totalWalletBalance": "1"}
    rates = {name: {"symbol": name, "index": "1", "bidRate": "1", "askRate": "1"} for name in ("XUSD", "BTCUSD")}
    rates[odd]["bidRate"] = "0"
    exchange.replies = {
        "/fapi/v1/accountConfig": CONFIG | {"multiAssetsMargin": True},
        "/fapi/v1/symbolConfig": [],
        "/fapi/v1/assetIndex": list(rates.values()),
        "/fapi/v3/positionRisk": [],
        "/fapi/v3/account": {**totals, "assets": assets, "positions": []},
    }
    if held:
        with pytest.raises(WireError, match="BTCUSD"):
            await fetch_account(make(), "main", {})
    else:
        assert "BTC" in (await fetch_account(make(), "main", {})).snapshot.rates


async def test_concurrent_requests_keep_their_own_replies(exchange: Exchange, make: Make) -> None:
    """The library keeps the last response for all; we do not read it there."""
    exchange.replies["/fapi/v1/symbolConfig"] = []
    one = make()
    await one.server_time()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.account_config()) for _ in range(5)]
        others = [group.create_task(one.symbol_config()) for _ in range(5)]
    assert all(task.result().can_trade for task in tasks)
    assert all(task.result() == () for task in others)


PERMISSIONS = {
    "ipRestrict": True,
    "enableReading": True,
    "enableFutures": False,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableSpotAndMarginTrading": False,
}


@pytest.mark.parametrize(
    ("change", "reads_only"),
    [
        ({}, True),
        ({"enableFutures": True}, False),
        ({"enableWithdrawals": True}, False),
        ({"enableInternalTransfer": True}, False),
        ({"permitsUniversalTransfer": True}, False),
        ({"enableFixApiTrade": True}, False),
    ],
)
async def test_what_a_key_may_do(
    exchange: Exchange, make: Make, change: dict[str, bool], *, reads_only: bool
) -> None:
    """Whatever could lose money counts."""
    exchange.replies["/sapi/v1/account/apiRestrictions"] = PERMISSIONS | change
    found = await make().api_restrictions()
    assert found is not None
    assert found.reads_only is reads_only
    assert found.ip_restricted


@pytest.mark.parametrize("status", [403, 404, 502])
async def test_permissions_that_cannot_be_known_are_none(exchange: Exchange, make: Make, status: int) -> None:
    """A proxy for futures has no such endpoint; the test exchange forbids it."""
    exchange.queued = [web.Response(status=status, text=PAGE, content_type="text/html")]
    assert await make().api_restrictions() is None
    assert await make(environment=Environment.TESTNET).api_restrictions() is None


@pytest.mark.parametrize("status", [418, 429])
async def test_a_ban_elsewhere_is_not_one_of_the_futures(
    clock: ManualClock, exchange: Exchange, make: Make, status: int
) -> None:
    """The other interfaces have limits of their own: they are left alone until the end of it, and only they."""
    shared = WeightBudget(clock)
    one, other = make(budget=shared), make(budget=shared)
    await one.account_config()
    path = "/sapi/v1/account/apiRestrictions"
    exchange.replies[path] = PERMISSIONS
    exchange.queued = [refusal(status, -1003, **{"Retry-After": "300"})]
    with pytest.raises(RateLimitedError):
        await one.api_restrictions()
    assert shared.blocked_until is None
    assert await one.account_config()
    for client in (one, other):
        with pytest.raises(RateLimitedError) as caught:
            await client.api_restrictions()
        assert caught.value.until_s == pytest.approx(clock.mono_s() + 300.0)
    assert exchange.count(path) == 1
    await clock.advance(300.0)
    assert await one.api_restrictions()


async def test_a_ban_of_the_futures_does_not_silence_another_host(clock: ManualClock, exchange: Exchange) -> None:
    """What a key may do is asked elsewhere, where nobody is banned; it is not counted here either."""
    budget = WeightBudget(clock)
    caller = Caller(
        "fapi",
        Environment.LIVE,
        (exchange.base,),
        credentials=Credentials(KEY, SECRET),
        clock=clock,
        rng=Random(1),  # noqa: S311 - jitter
        budget=budget,
        other_bases={"sapi": exchange.base},
    )
    await caller.synchronise()
    budget.block(clock.mono_s() + 300.0)
    exchange.replies["/sapi/v1/account/apiRestrictions"] = PERMISSIONS
    assert await caller.once(Call("sapi", "account/apiRestrictions", 5, signed=True), {})
    await caller.close()
    assert budget.used <= 1  # the look at the time


async def test_a_close_that_is_cancelled_is_made_up_for(
    clock: ManualClock, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever closes again closes what the first did not get to: no connection is left to nobody."""
    caller = Caller(
        "fapi", Environment.LIVE, (exchange.base,), credentials=None, clock=clock,
        rng=Random(1), budget=WeightBudget(clock), other_bases={},  # noqa: S311 - jitter
    )  # fmt: skip
    await caller.synchronise()
    (client,) = caller._clients.values()
    session, hangs = client.session, asyncio.Event()
    monkeypatch.setattr(session, "close", hangs.wait)
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(caller.close())
        await settle()
        closing.cancel()
    monkeypatch.undo()
    assert closing.cancelled()
    assert not session.closed
    await caller.close()
    assert session.closed
    await caller.close()  # and once more is fine


async def test_a_question_asked_once_finds_a_clock_that_moved(exchange: Exchange, make: Make) -> None:
    """The time is measured anew there as well."""
    one = make()
    exchange.replies["/sapi/v1/account/apiRestrictions"] = PERMISSIONS
    assert await one.api_restrictions()
    exchange.ahead_ms = -3_000
    assert await one.api_restrictions()
    assert one.offset_ms == -3_000


async def test_attempts_do_not_multiply(clock: ManualClock, exchange: Exchange, make: Make) -> None:
    """The look at the time before the first signed request is one of them, and one for a clock that moved too."""
    exchange.page = True
    with pytest.raises(TransientRestError, match="html"):
        await run(clock, make().account_config())
    assert exchange.count("/fapi/v1/time") == 4
    assert exchange.count("/fapi/v1/accountConfig") == 0
    exchange.page = False
    one = make()
    await one.account_config()
    exchange.asked.clear()
    exchange.queued = [refusal(400, -1021)]
    exchange.failing_time = 9
    assert await run(clock, one.account_config())
    assert len(exchange.asked) <= 5


async def test_permissions_are_asked_where_they_are_known(clock: ManualClock) -> None:
    """On the live exchange that is another host; with an address of one's own it is that one."""
    live = RestClient(
        Market.USDM,
        Environment.LIVE,
        endpoints("live", "usdm").rest,
        clock=clock,
        rng=Random(1),  # noqa: S311 - jitter
        budget=WeightBudget(clock),
    )
    client = live._caller._client()
    assert client.MARGIN_API_URL == "https://api.binance.com/sapi"
    assert client.PAPI_URL == "https://papi.binance.com/papi"
    assert client.FUTURES_URL == "https://fapi.binance.com/fapi"
    await live.close()


async def test_signed_requests_need_a_key(clock: ManualClock, exchange: Exchange) -> None:
    """Found before anything is sent."""
    one = RestClient(
        Market.USDM,
        Environment.LIVE,
        (exchange.base,),
        clock=clock,
        rng=Random(1),  # noqa: S311 - jitter
        budget=WeightBudget(clock),
    )
    with pytest.raises(RestError, match="API key"):
        await one.account()
    with pytest.raises(ValueError, match="not of this market"):
        await one.coin_account()
    assert exchange.asked == []


async def test_listen_keys_are_made_and_kept_by_the_key_alone(exchange: Exchange, make: Make) -> None:
    """No signature, no time."""
    exchange.replies["/fapi/v1/listenKey"] = {"listenKey": "abc"}
    one = make()
    assert (await one.create_listen_key()).listen_key == "abc"
    await one.keepalive_listen_key()
    assert exchange.raw == ["/fapi/v1/listenKey", "/fapi/v1/listenKey"]


async def test_candles_without_a_close_are_refused(exchange: Exchange, make: Make) -> None:
    """An average over what is missing would be wrong without a sign."""
    exchange.replies["/fapi/v1/markPriceKlines"] = [[1591256460000, "1", "2", "0.5", "1.5", "0"], [1591256520000]]
    with pytest.raises(WireError, match="close"):
        await make().mark_price_klines("BTCUSDT", limit=2)
    exchange.replies["/fapi/v1/markPriceKlines"] = [[1591256460000, "1", "2", "0.5", "1.5", "0"]]
    (candle,) = await make().mark_price_klines("BTCUSDT", limit=2)
    assert (candle.open_ms, candle.close) == (1591256460000, 1.5)


def test_the_library_is_not_imported_before_it_is_used() -> None:
    """``--version`` pays for none of it."""
    code = "import sys, monitor.binance.rest, monitor.binance.account_fetch; print('binance' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_the_error_text_has_no_body() -> None:
    """What the exchange writes may name addresses and keys."""
    error = RestError("/fapi/v1/account", "refused", code=-1, status=400)
    assert str(error) == "/fapi/v1/account: refused (HTTP 400, code -1)"


MARK = {"symbol": "BTCUSDT", "markPrice": "61000", "time": 1_780_000_000_000}


async def test_what_is_urgent_is_asked_once_and_elsewhere_next(
    exchange: Exchange, make: Make, clock: ManualClock
) -> None:
    """No pause, no second attempt, no place in a line: who asks will ask again; a dead host is left."""
    exchange.replies["/fapi/v1/premiumIndex"] = [MARK]
    exchange.replies["/fapi/v1/assetIndex"] = []
    budget = WeightBudget(clock)
    budget.done(await budget.take(1), 1300)
    one = make("http://127.0.0.1:9", exchange.base, budget=budget)
    with pytest.raises(UnreachableError):
        await one.premium_index(urgent=True)
    assert [tick.mark for tick in await one.premium_index(urgent=True)] == [61000.0]
    assert await one.asset_index(urgent=True) == ()
    assert await one.server_time(urgent=True) == clock.wall_ms()
    exchange.queued = [refusal(429, -1003, **{"Retry-After": "7"})]
    with pytest.raises(RateLimitedError):
        await one.premium_index("BTCUSDT", urgent=True)
    with pytest.raises(RateLimitedError) as caught:
        await one.premium_index("BTCUSDT", urgent=True)
    assert caught.value.until_s == clock.mono_s() + 7.0
    assert exchange.count("/fapi/v1/premiumIndex") == 2
    assert clock.slept == []


async def test_what_is_urgent_waits_for_no_answer(
    exchange: Exchange, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that takes the question and says nothing is not asked next."""
    monkeypatch.setattr(rest_call, "AT_ONCE_S", 0.05)
    exchange.queued = [0.5]
    one = make(exchange.base, "http://127.0.0.1:9")
    with pytest.raises(UnreachableError) as caught:
        await one.premium_index(urgent=True)
    assert caught.value.reason == "timeout"
    assert one.host == "127.0.0.1:9"


async def test_the_schedule_of_markets_that_close_is_read(exchange: Exchange, make: Make) -> None:
    """By the kind of what contracts are on; kinds and sessions nobody knows yet are taken as they are."""
    session = {"startTime": 1_761_724_800_000, "endTime": 1_761_744_600_000, "type": "NO_TRADING"}
    exchange.replies["/fapi/v1/tradingSchedule"] = {
        "updateTime": 1, "marketSchedules": {"EQUITY": {"sessions": [session]}, "MOON": {"sessions": []}}
    }  # fmt: skip
    found = await make().trading_schedule()
    assert found.market_schedules["EQUITY"].sessions[0].type == "NO_TRADING"
    assert found.market_schedules["MOON"].sessions == ()
