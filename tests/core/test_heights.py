"""How high levels were of late."""

import pytest

from monitor.core import heights as module
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


def test_many_subjects_at_once_are_not_as_many_looks_at_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start brings each incident under way; what is over is still dropped before it is more than what is not."""
    looks: list[int] = []
    is_past = module._is_past

    def counted(at_ms: int, level: Level, now_ms: int) -> bool:
        looks.append(at_ms)
        return is_past(at_ms, level, now_ms)

    monkeypatch.setattr(module, "_is_past", counted)
    heights = Heights()
    for n in range(3_000):
        heights.note(f"s{n}", Level.WARNING, NOW + n)
    assert len(looks) <= 6_000
    for n in range(3_000):
        heights.note(f"s{n}", Level.OK, NOW + 3_000 + n)
    for n in range(3_001):
        heights.note(f"t{n}", Level.WARNING, NOW + 9_000 + KEPT_MS + n)
    assert len(heights._levels) <= 6_001
    heights.note("more", Level.WARNING, NOW + 20_000 + KEPT_MS)
    assert not [name for name in heights._levels if name.startswith("s")]
