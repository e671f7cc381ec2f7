"""An account that REST says nothing of: what is said of that, when, and how long nobody asks."""

from random import Random

from monitor.binance.account_trouble import RestTrouble
from monitor.binance.account_values import AccountTimings, AccountUnavailableError
from monitor.core.events import AccountState

TIMINGS = AccountTimings(complain_after_s=60.0, complain_undescribed_s=75.0, fatal_again_s=300.0)
TIMEOUT = AccountUnavailableError("timeout", "is the network up?")
BANNED = AccountUnavailableError("banned", wait_s=600.0)
REFUSED = AccountUnavailableError("key_refused", "make a new key", fatal=True)


def trouble(*, heir: bool = False) -> RestTrouble:
    return RestTrouble("main", Random(1), TIMINGS, heir=heir)  # noqa: S311 - pauses of a test


def test_a_failure_is_told_once_it_lasts_and_told_once() -> None:
    """A minute; what comes back sooner was none. Its end is told as well, once REST has described the account."""
    one = trouble()
    one.failed(TIMEOUT, 100.0, 101.0)
    assert one.complaint(159.9, 5.0, deaf=False) is None
    assert one.complaint(160.0, 5.0, deaf=False) == AccountState("main", False, "timeout", "is the network up?")
    one.failed(TIMEOUT, 165.0, 166.0)
    assert one.complaint(170.0, 5.0, deaf=False) is None
    assert (one.lasts_s(170.0), one.fatal) == (70.0, False)
    assert one.worked(described=False) is None
    assert one.worked(described=True) == AccountState("main", ok=True)
    assert one.worked(described=True) is None
    assert (one.error, one.lasts_s(200.0)) == (None, 0.0)


def test_what_lasts_anyway_is_told_at_once() -> None:
    """A key that is refused, a ban that is longer than the patience, an account that was described long ago."""
    refused, banned, old = trouble(), trouble(), trouble()
    refused.failed(REFUSED, 100.0, 100.0)
    banned.failed(BANNED, 100.0, 100.0)
    old.failed(TIMEOUT, 100.0, 100.0)
    assert refused.complaint(100.0, 0.0, deaf=False) is not None
    assert banned.complaint(100.0, 0.0, deaf=False) is not None
    assert old.complaint(100.0, 74.9, deaf=False) is None
    assert old.complaint(100.0, 75.0, deaf=False) is not None


def test_another_reason_is_told_anew() -> None:
    """Somebody may have to do something else about it."""
    one = trouble()
    one.failed(BANNED, 100.0, 100.0)
    assert one.complaint(100.0, 0.0, deaf=False) is not None
    one.failed(REFUSED, 110.0, 110.0)
    complaint = one.complaint(110.0, 0.0, deaf=False)
    assert complaint is not None
    assert (complaint.reason, complaint.fatal) == ("key_refused", True)


def test_that_the_stream_is_gone_as_well_is_told_beside_it() -> None:
    """Then nothing at all is known of the account; of a key that is refused it is no news."""
    one = trouble()
    one.failed(BANNED, 100.0, 100.0)
    complaint = one.complaint(100.0, 0.0, deaf=True)
    assert complaint is not None
    assert complaint.hint == "its private stream is not open either"
    one.failed(REFUSED, 110.0, 110.0)
    complaint = one.complaint(110.0, 0.0, deaf=True)
    assert complaint is not None
    assert complaint.hint == "make a new key"


def test_nobody_asks_for_as_long_as_the_exchange_says() -> None:
    """Or for five minutes where it will refuse again, or for a pause that grows with the failures."""
    one = trouble()
    one.failed(TIMEOUT, 100.0, 100.0)
    assert 100.0 < one.embargo_s < 120.0
    one.failed(BANNED, 120.0, 120.0)
    assert one.embargo_s == 720.0
    one.failed(REFUSED, 720.0, 721.0)
    assert one.embargo_s == 1021.0


def test_who_comes_after_another_says_that_it_follows_the_account() -> None:
    """The other one may have complained."""
    assert trouble(heir=True).worked(described=True) == AccountState("main", ok=True)
    assert trouble().worked(described=True) is None
