from monitor.binance.feed_values import DEFAULT_TIMINGS, FeedStats


def test_a_feed_is_given_up_before_its_owner_is_told() -> None:
    """A second connection and a reconnect both come before 15 s of blindness; rotation before 24 hours."""
    assert DEFAULT_TIMINGS.standby_after_s < DEFAULT_TIMINGS.stall_after_s < 15.0
    assert DEFAULT_TIMINGS.first_data_timeout_s < 15.0
    assert DEFAULT_TIMINGS.rotate_after_s + DEFAULT_TIMINGS.open_timeout_s < 24 * 3600.0


def test_control_messages_stay_under_the_limit() -> None:
    """Ten messages a second break a connection; half of that leaves room for pings and pongs."""
    assert 1.0 / DEFAULT_TIMINGS.control_gap_s <= 5.0


def test_values_are_frozen() -> None:
    """What a feed tells of itself cannot be changed by who reads it."""
    assert FeedStats.__struct_config__.frozen
    assert type(DEFAULT_TIMINGS).__struct_config__.frozen
