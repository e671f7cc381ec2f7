"""A key is judged by what was last said of it."""

import msgspec
import pytest

from monitor.binance.account_key import KeyGuard
from monitor.binance.account_values import AccountUnavailableError, Permissions
from tests.binance.account_fakes import TIMINGS, FakeRest
from tests.binance.exchange_model import ModelAccount
from tests.conftest import ManualClock

READS = Permissions(can_trade=False, can_withdraw=False)
TRADES = Permissions(can_trade=True, can_withdraw=False)
BUSY = AccountUnavailableError("timeout")


@pytest.fixture
def rest(clock: ManualClock) -> FakeRest:
    return FakeRest(ModelAccount(), clock)


def guard(rest: FakeRest, clock: ManualClock, *, refuse: bool = True) -> KeyGuard:
    return KeyGuard(rest, clock, refuse=refuse, timings=msgspec.structs.replace(TIMINGS))


async def test_only_a_key_never_judged_passes_without_an_answer(rest: FakeRest, clock: ManualClock) -> None:
    """It is asked about again after a minute; one that was found too able stays so until another answer."""
    one = guard(rest, clock)
    rest.errors["permissions"] = BUSY
    assert await one.excess() == ""
    await clock.advance(59.0)
    assert await one.excess() == ""
    assert rest.calls["permissions"] == 1
    rest.errors.clear()
    rest.may = TRADES
    await clock.advance(1.0)
    assert await one.excess() == "key_can_trade"
    rest.errors["permissions"] = BUSY
    for _ in range(3):
        await clock.advance(300.0)
        assert await one.excess() == "key_can_trade"
    rest.errors.clear()
    rest.may = None  # cannot be known any more
    assert await one.excess() == "key_can_trade"
    rest.may = READS
    assert await one.excess() == ""
    assert one.told_s == clock.mono_s()
    asked = rest.calls["permissions"]
    await clock.advance(3599.0)
    assert await one.excess() == ""
    assert one.told_s == clock.mono_s() - 3599.0
    assert rest.calls["permissions"] == asked


async def test_where_trading_keys_are_allowed_nothing_is_refused(rest: FakeRest, clock: ManualClock) -> None:
    """What the key may do is known all the same."""
    rest.may = Permissions(can_trade=True, can_withdraw=True)
    one = guard(rest, clock, refuse=False)
    assert await one.excess() == ""
    assert one.known == rest.may
    assert await guard(rest, clock).excess() == "key_can_withdraw"
