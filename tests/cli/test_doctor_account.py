"""What ``doctor`` finds out about an account followed by its key."""

from collections.abc import AsyncIterator

import pytest

from monitor.binance.account_fetch import Tiers
from monitor.binance.permissions import Permissions
from monitor.binance.snapshot import AccountReply
from monitor.config import AccountKey, Secret, Settings, load_text, shipped_tables
from monitor.core.model import (
    AccountSnapshot,
    Bracket,
    BracketTable,
    ExchangeFigures,
    MarginMode,
    Position,
    PositionFigures,
    Side,
    Source,
    WalletFigures,
)
from monitor.doctor import account
from monitor.doctor.finding import Finding, State
from monitor.doctor.judge import judge_permissions, judge_tables
from monitor.emulator.server import Emulator
from monitor.errors import (
    KeyRefusedError,
    MonitorError,
    PortfolioMarginError,
    RateLimitedError,
    RestError,
    UnreachableError,
)
from monitor.system_clock import SystemClock
from tests.emulator.conftest import small_scenario

CLOCK = SystemClock()
TEXT = """
[[accounts]]
name = "main"
api_key = { env = "MAIN_KEY" }
api_secret = { env = "MAIN_SECRET" }
"""
KEY = AccountKey(Secret("key"), Secret("a-secret-of-mine"))
LEG = Position("BTCUSDT", Side.LONG, 1.0, 60_000.0, MarginMode.CROSS, "USDT")
TABLE = BracketTable("BTCUSDT", (Bracket(0.0, 1e9, 0.01, 0.0),), "exchange", "2026-11-24", "main")
READS = Permissions(
    can_trade=False, can_withdraw=False, can_transfer=False, futures=False, reading=True, ip_restricted=True,
    portfolio_margin=False,
)  # fmt: skip


def reply(*, maintenance: float = 600.0, consistent: bool = True) -> AccountReply:
    snapshot = AccountSnapshot("main", {"USDT": 9000.0}, (LEG,), as_of_ms=1, source=Source.REST, hedge_mode=True)
    marks = {"BTCUSDT": 60_000.0}
    figures = ExchangeFigures(
        1,
        (PositionFigures("BTCUSDT", Side.LONG, 60_000.0, maintenance, None, quotes_liquidation=False),),
        (WalletFigures("cross:USDT", marks, 9000.0, maintenance),),
    )
    return AccountReply(snapshot, figures, {}, {}, consistent)


class FakeClient:
    """An exchange that answers as told; an error in place of a value is raised."""

    def __init__(self, **told: object) -> None:
        self._told = {
            "account": reply(),
            "tiers": Tiers((TABLE,), ()),
            "permissions": READS,
            "listen_key": "listen",
            "around": None,
        } | told
        self.asked_around = ""
        self.closed = False

    def _answer(self, name: str) -> object:
        value = self._told[name]
        if isinstance(value, MonitorError):
            raise value
        return value

    async def tiers(self) -> Tiers:
        return self._answer("tiers")  # type: ignore[return-value]

    async def account(self) -> AccountReply:
        return self._answer("account")  # type: ignore[return-value]

    async def permissions(self) -> Permissions | None:
        return self._answer("permissions")  # type: ignore[return-value]

    async def around(self, symbol: str) -> None:
        self.asked_around = symbol
        self._answer("around")

    async def create_listen_key(self) -> str:
        return str(self._answer("listen_key"))

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
async def private(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The address of a private stream that opens and stays silent."""
    monkeypatch.setattr(account, "STAYS_OPEN_S", 0.1)
    emulator = Emulator(CLOCK, small_scenario())
    await emulator.start()
    yield emulator.base_private_ws
    await emulator.stop()


async def found_of(
    client: FakeClient, *bases: str, settings: Settings | None = None, key: AccountKey | None = KEY
) -> dict[str, list[Finding]]:
    settings = settings or load_text(TEXT, "test.toml")
    findings: list[Finding] = []
    await account.check_account(
        settings, settings.keyed[0], key, bases, findings.append, client_of=lambda *_: client, clock=CLOCK
    )
    by_area: dict[str, list[Finding]] = {}
    for one in findings:
        by_area.setdefault(one.area, []).append(one)
    return by_area


async def test_a_healthy_account(private: str) -> None:
    """Every area is looked at once, and the client is let go of."""
    client = FakeClient()
    found = await found_of(client, private)
    assert {area: [one.state for one in rows] for area, rows in found.items()} == {
        area: [State.OK] for area in account.AREAS
    }
    assert "hedge mode, single-asset mode, 1 position held" in found["mode"][0].found
    assert "silence proves nothing" in found["streams"][0].found
    assert client.asked_around == "BTCUSDT"
    assert "shipped" in found["brackets"][0].found
    assert client.closed


async def test_a_refused_key_says_why_and_nothing_else_is_looked_at(private: str) -> None:
    """The hint of the refusal is what to do; the rest is unknown, not fine."""
    refused = KeyRefusedError("/fapi/v3/account", "key_refused", code=-2015, status=401, hint="Is it a live key?")
    found = await found_of(FakeClient(account=refused), private)
    assert found["key"][0].state is State.FAIL
    assert "key refused (-2015)" in found["key"][0].found
    assert found["key"][0].fix == "Is it a live key?"
    assert {rows[0].state for area, rows in found.items() if area != "key"} == {State.UNKNOWN}
    assert set(found) == set(account.AREAS)


async def test_a_host_that_does_not_answer_says_nothing_about_the_key(private: str) -> None:
    """The hosts fail for it; the key is unknown."""
    found = await found_of(FakeClient(account=UnreachableError("/fapi/v3/account", "refused")), private)
    assert {one.state for rows in found.values() for one in rows} == {State.UNKNOWN}


async def test_a_limit_on_the_account_is_to_be_waited_for(private: str) -> None:
    """Until when, and not "see the hosts", which may well answer; in words."""
    limited = RateLimitedError("/fapi/v3/account", "rate_limit", until_s=CLOCK.mono_s() + 30.0, status=429)
    found = await found_of(FakeClient(account=limited), private)
    assert found["key"][0].state is State.FAIL
    assert "HTTP 429" in found["key"][0].found
    assert found["key"][0].fix.startswith("wait until ")
    lost = await found_of(FakeClient(account=UnreachableError("/fapi/v3/account", "connect")), private)
    assert lost["key"][0].found == "/fapi/v3/account: nothing listens there, or the way is blocked"


async def test_portfolio_margin_is_refused_as_a_mode(private: str) -> None:
    """The key works; the account is of a kind that is not followed."""
    error = PortfolioMarginError("/fapi/v3/account", "portfolio_margin", hint="It is not followed")
    found = await found_of(FakeClient(account=error), private)
    assert found["key"][0].state is State.OK
    assert (found["mode"][0].state, found["mode"][0].fix) == (State.FAIL, "It is not followed")


async def test_a_secret_that_could_not_be_had_leaves_everything_unknown() -> None:
    """Nobody is asked."""
    found = await found_of(FakeClient(), key=None)
    assert {one.state for rows in found.values() for one in rows} == {State.UNKNOWN}


async def test_a_secret_that_cannot_be_one_fails_without_being_shown() -> None:
    """As where a PEM is cut short."""

    def refuse(*_: object) -> FakeClient:
        raise KeyRefusedError("api key", "malformed_secret", hint="A secret is letters and digits")

    settings = load_text(TEXT, "test.toml")
    findings: list[Finding] = []
    await account.check_account(
        settings, settings.keyed[0], KEY, (), findings.append, client_of=refuse, clock=CLOCK
    )
    assert findings[0].state is State.FAIL
    assert "a-secret-of-mine" not in repr(findings)


async def test_figures_that_differ_fail(private: str) -> None:
    """With the worst of them."""
    found = await found_of(FakeClient(account=reply(maintenance=700.0)), private)
    assert found["figures"][0].state is State.FAIL
    assert "BTCUSDT LONG maintenance margin: 600, theirs 700" in found["figures"][0].found
    moving = await found_of(FakeClient(account=reply(maintenance=700.0, consistent=False)), private)
    assert moving["figures"][0].state is State.UNKNOWN


async def test_a_private_stream_that_cannot_be_opened_fails(private: str) -> None:
    """Alone; beside one that opens it is a warning. The listen key is not shown."""
    dead = "ws://127.0.0.1:9/private"
    alone = (await found_of(FakeClient(), dead))["streams"]
    assert [one.state for one in alone] == [State.FAIL]
    beside = (await found_of(FakeClient(listen_key="secret-listen-key"), dead, private))["streams"]
    assert [one.state for one in beside] == [State.WARN, State.OK]
    assert "secret-listen-key" not in repr(beside)


@pytest.mark.parametrize(
    ("environment", "may", "allowed", "state", "words"),
    [
        ("testnet", None, False, State.UNKNOWN, "cannot be known"),
        ("live", None, False, State.UNKNOWN, "cannot be known"),
        ("live", {}, False, State.OK, "may only read"),
        ("live", {"ip_restricted": False}, False, State.WARN, "from any address"),
        ("live", {"can_trade": True}, False, State.FAIL, "trade"),
        ("live", {"can_withdraw": True}, False, State.FAIL, "withdraw"),
        ("live", {"can_transfer": True}, False, State.WARN, "transfer"),
        ("live", {"can_trade": True}, True, State.WARN, "allow_trading_key is on"),
    ],
)
def test_what_a_key_may_do(
    environment: str,
    may: dict[str, bool] | None,
    allowed: bool,  # noqa: FBT001 - a case
    state: State,
    words: str,
) -> None:
    """A live key that can do more than read fails unless that is allowed; unknown is never fine."""
    known = None if may is None else READS._replace(**may)
    found = judge_permissions("main", environment, known, allowed=allowed)
    assert found.state is state
    assert words in found.found
    assert (state is State.OK) is not bool(found.fix)


def test_tiers_are_told_apart() -> None:
    """Those of the configuration win and are warned about where they differ; those held without any fail."""
    held = AccountSnapshot("main", {}, (LEG, Position("NEWUSDT", Side.LONG, 1.0, 1.0, MarginMode.CROSS, "USDT")))
    own = {"BTCUSDT": BracketTable("BTCUSDT", (Bracket(0.0, 1e9, 0.02, 0.0),))}
    found = judge_tables(held, {"BTCUSDT": TABLE}, own, shipped_tables())
    assert [one.state for one in found] == [State.FAIL, State.WARN, State.OK]
    assert "[brackets.NEWUSDT]" in found[0].fix
    assert "remove [brackets.BTCUSDT]" in found[1].fix
    same = judge_tables(held, {"BTCUSDT": shipped_tables()["BTCUSDT"]}, {}, shipped_tables())
    assert "shipped" not in same[-1].found


async def test_orders_that_cannot_be_read_are_a_warning(private: str) -> None:
    """Everything else of the account can be followed; what is missing without them is said."""
    refused = RestError("/fapi/v1/openAlgoOrders", "not_found", status=404)
    found = await found_of(FakeClient(around=refused), private)
    (one,) = found["orders"]
    assert (one.state, one.found) == (State.WARN, "/fapi/v1/openAlgoOrders: not found; stop-losses are not seen")
    assert {row.state for area, rows in found.items() for row in rows if area != "orders"} == {State.OK}
