"""Contracts that are known outlast an exchange that does not answer."""

import pytest

from monitor.binance.account_contracts import Contracts
from monitor.binance.account_values import AccountUnavailableError
from tests.binance.account_fakes import TIMINGS, FakeRest
from tests.binance.exchange_model import CONTRACTS, ModelAccount
from tests.conftest import ManualClock


async def test_they_are_looked_up_once_and_when_one_is_unknown(clock: ManualClock) -> None:
    """Without any a failure is one of the account; with some it is tried again after a minute, or when told."""
    rest = FakeRest(ModelAccount(), clock)
    one = Contracts("main", rest, TIMINGS)
    rest.errors["contracts"] = AccountUnavailableError("busy")
    with pytest.raises(AccountUnavailableError):
        await one.refresh({}, 1.0)
    rest.errors.clear()
    known = await one.refresh({}, 1.5)
    assert known == CONTRACTS
    assert await one.refresh(known, 1e9) is known
    assert rest.calls["contracts"] == 2
    one.due = True
    rest.errors["contracts"] = AccountUnavailableError("banned", wait_s=90.0)
    assert await one.refresh(known, 10.0) is known
    assert await one.refresh(known, 99.0) is known
    assert rest.calls["contracts"] == 3
    rest.errors.clear()
    assert await one.refresh(known, 100.0) == CONTRACTS
    assert not one.due
