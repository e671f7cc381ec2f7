import pytest

from monitor.errors import DeliveryError
from monitor.notify.retry import ThrottledError, asked_pause_s, pause_s


def test_pauses_double_to_two_minutes_and_stay_there() -> None:
    """An alert is tried for as long as it matters, never more than two minutes apart."""
    assert [pause_s(attempt, 1.0) for attempt in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    assert pause_s(10**9, 1.0) == 120


@pytest.mark.parametrize("rand", [0.0, 0.5, 1.0])
def test_jitter_takes_at_most_half(rand: float) -> None:
    """Channels that failed together spread out, but none returns at once."""
    assert 60 <= pause_s(8, rand) <= 120
    assert pause_s(8, rand) == 120 * (0.5 + rand / 2)


def test_only_a_service_that_named_a_time_is_left_alone_as_a_whole() -> None:
    """A named time holds back every message of the channel, an hour at most."""
    assert asked_pause_s(ThrottledError("tg", "http-429", retry_after_s=7.0)) == 7.0
    assert asked_pause_s(ThrottledError("tg", "http-429", retry_after_s=1e9)) == 3600.0
    assert asked_pause_s(DeliveryError("tg", "refused")) == 0.0
