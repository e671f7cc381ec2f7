"""The running day on disk."""

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.core.model import Level
from monitor.core.notices import DayReport
from monitor.errors import StoreError
from monitor.storage.day_cache import FILE, DayCache
from monitor.storage.kept import SET_ASIDE

DAY = DayReport(
    positions=1, wallets=2, accounts=3, worst_level=Level.CRITICAL, worst_subject="main/cross:USDT",
    worst_ratio=0.7, worst_room=0.1, worst_moves=None, worst_at_ms=4, blind_s=5.5, outages=6,
    alerts=7, delivered=8, undelivered=9, holds=10, since_ms=11,
)  # fmt: skip


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """The newest of it, for its owner only."""
    cache = DayCache(tmp_path)
    assert cache.load() is None
    cache.save(DAY, 41)
    cache.save(DAY, 42)
    found = cache.load()
    assert found is not None
    assert (found.day, found.saved_ms) == (DAY, 42)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b'{"version":2}', b'{"version":1,"saved_ms":1,"day":{}}', b"\xff"])
def test_what_cannot_be_read_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    """A day is not worth failing for, nor worth deleting."""
    (tmp_path / FILE).write_bytes(content)
    with capture_logs() as logs:
        assert DayCache(tmp_path).load() is None
        assert DayCache(tmp_path).load() is None
    assert [entry["event"] for entry in logs] == ["day.cache_corrupt"]
    assert (tmp_path / f"{FILE}{SET_ASIDE}").read_bytes() == content


def test_one_of_a_newer_version_is_not_misread(tmp_path: Path) -> None:
    """Whatever else it holds."""
    cache = DayCache(tmp_path)
    cache.save(DAY, 42)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    assert cache.load() is None


def test_a_directory_in_its_place_is_told_and_done_without(tmp_path: Path) -> None:
    """Reading never raises; saving says why it cannot."""
    (tmp_path / FILE).mkdir()
    with capture_logs() as logs:
        assert DayCache(tmp_path).load() is None
    assert [entry["event"] for entry in logs] == ["day.cache_unreadable"]
    with pytest.raises(StoreError):
        DayCache(tmp_path).save(DAY, 42)


def test_an_earlier_corrupt_file_is_not_written_over(tmp_path: Path) -> None:
    """Whoever looks for the reason finds each of them."""
    for content in ("first", "second"):
        (tmp_path / "day.json").write_text(content, encoding="utf-8")
        assert DayCache(tmp_path).load() is None
    kept = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    assert kept == {"day.json.corrupt": "first", "day.json.corrupt-1": "second"}
