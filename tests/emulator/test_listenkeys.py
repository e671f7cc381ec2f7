"""Listen keys and their lives."""

from monitor.emulator.listenkeys import ListenKeys


def test_one_active_key_for_each_account() -> None:
    """Asking again gives the same key and prolongs it; another account has another."""
    keys = ListenKeys(60)
    first = keys.create("a", 0)
    assert keys.create("a", 59_999) == first
    assert keys.of("a", 100_000) == first
    assert keys.create("b", 0) != first


def test_a_key_ends() -> None:
    """After its life it is nobody's, cannot be prolonged, and the next is a new one."""
    keys = ListenKeys(60)
    first = keys.create("a", 0)
    assert keys.keep_alive("a", 30_000)
    assert keys.expired(89_999) == []
    assert keys.of("a", 90_000) == ""
    assert keys.expired(90_000) == [first]
    assert not keys.keep_alive("a", 90_001)
    assert keys.create("a", 90_002) != first


def test_keys_can_be_closed_or_ended() -> None:
    """By their owner without a word, or all at once with their names."""
    keys = ListenKeys(60)
    keys.create("a", 0)
    keys.close("a")
    assert keys.of("a", 1) == ""
    two = [keys.create("a", 1), keys.create("b", 1)]
    assert keys.expired(2, all_of_them=True) == two
