"""Fault switches as data."""

from monitor.emulator.faults import Faults


def test_a_healthy_exchange_has_none() -> None:
    """The default refuses nothing."""
    faults = Faults()
    assert faults.rest("/fapi/v1/time") == 0
    assert faults.headers() == {}


def test_a_path_of_its_own_goes_before_the_star() -> None:
    """A status may be set for one path or for all."""
    faults = Faults(rest_status={"*": 503, "/fapi/v1/time": 429}, retry_after_s=3)
    assert (faults.rest("/fapi/v1/time"), faults.rest("/fapi/v1/ping")) == (429, 503)
    assert faults.headers() == {"Retry-After": "3"}
