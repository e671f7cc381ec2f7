"""How high levels were of late."""

from monitor.core.heights import KEPT_MS, Heights
from monitor.core.model import Level

NOW = 1_780_000_000_000


def test_a_level_counts_from_when_it_was_reached_until_another_is() -> None:
    """Its beginning is part of a time, and what came before it is not."""
    heights = Heights()
    for at_ms, level in ((10, Level.CRITICAL), (20, Level.NOTICE), (30, Level.WARNING), (40, Level.OK)):
        heights.note("a", level, NOW + at_ms)
    found = [
        heights.highest("a", NOW + first, NOW + last) for first, last in ((0, 9), (0, 10), (25, 29), (25, 35))
    ]
    assert found == [Level.OK, Level.CRITICAL, Level.NOTICE, Level.WARNING]
    assert heights.highest("a", NOW + 45, NOW + 50) is Level.OK
    assert heights.highest("b", NOW, NOW + 50) is Level.OK


def test_room_is_bounded_and_what_is_forgotten_was_less() -> None:
    """A subject that changes for ever, and subjects that are gone for long."""
    heights = Heights()
    for n in range(1_000):
        heights.note("a", Level.EMERGENCY if n % 2 else Level.NOTICE, NOW + n)
    assert len(heights._levels["a"]) <= 64
    assert heights.highest("a", NOW, NOW + 900) is Level.NOTICE
    assert heights.highest("a", NOW, NOW + 999) is Level.EMERGENCY
    heights.note("a", Level.OK, NOW + 1_000)
    heights.note("b", Level.NOTICE, NOW + 1_001 + KEPT_MS)
    assert set(heights._levels) == {"b"}
