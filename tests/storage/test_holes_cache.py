"""What has yet to be looked at, on disk."""

import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.errors import StoreError
from monitor.storage.holes_cache import FILE, HolesCache, KeptOutage
from monitor.storage.kept import SET_ASIDE

ONE = KeptOutage(1, 2, ["BTCUSDT"], restarted=True, cut=False, told=False, tries=1)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """For its owner only; nothing is written where there was nothing to keep."""
    cache = HolesCache(tmp_path)
    assert cache.load() == []
    cache.save([])
    assert not (tmp_path / FILE).exists()
    cache.save([ONE, ONE])
    assert HolesCache(tmp_path).load() == [ONE, ONE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    cache.save([])
    assert HolesCache(tmp_path).load() == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version":2,"outages":[]}', b'{"version":1,"outages":[{}]}', b"\xff"]
)
def test_what_cannot_be_read_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    """It is not worth failing for, nor worth deleting."""
    (tmp_path / FILE).write_bytes(content)
    with capture_logs() as logs:
        assert HolesCache(tmp_path).load() == []
        assert HolesCache(tmp_path).load() == []
    assert [entry["event"] for entry in logs] == ["away.cache_corrupt"]
    assert (tmp_path / f"{FILE}{SET_ASIDE}").read_bytes() == content


def test_a_directory_in_its_place_is_told_and_done_without(tmp_path: Path) -> None:
    """Reading never raises; saving says why it cannot."""
    (tmp_path / FILE).mkdir()
    with capture_logs() as logs:
        assert HolesCache(tmp_path).load() == []
    assert [entry["event"] for entry in logs] == ["away.cache_unreadable"]
    with pytest.raises(StoreError):
        HolesCache(tmp_path).save([ONE])
