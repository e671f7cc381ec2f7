"""How prices moved of late, on disk."""

import errno
import os
import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from monitor.core.minutes import DAY, MINUTE_MS, MinuteCloses
from monitor.errors import StoreError
from monitor.storage.kept import SET_ASIDE
from monitor.storage.moves_cache import FILE, MovesCache

M0 = 29_666_666 * MINUTE_MS


def closes(*values: float, name: str = "BTCUSDT", first_ms: int = M0) -> MinuteCloses:
    return MinuteCloses(name, first_ms, np.array(values))


def written(closes_of: bytes = b"\0\0\x80\x3f", first_ms: int = M0, version: int = 1, **more: object) -> bytes:
    names = [{"name": "BTCUSDT", "first_ms": first_ms, "closes": closes_of, **more}]
    return msgspec.json.encode({"version": version, "environment": "live", "names": names})


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    """For its owner only, gaps included, and prices to what a return can tell."""
    cache = MovesCache(tmp_path, "live")
    assert cache.load() == ()
    cache.save([closes(62000.1, 0.0, 62000.2), closes(0.00001234, name="PEPEUSDT")])
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    bitcoin, other = MovesCache(tmp_path, "live").load()
    assert (bitcoin.name, bitcoin.first_ms, other.name) == ("BTCUSDT", M0, "PEPEUSDT")
    np.testing.assert_allclose(bitcoin.closes, [62000.1, 0.0, 62000.2], rtol=1e-7)
    np.testing.assert_allclose(other.closes, [0.00001234], rtol=1e-7)


def test_prices_of_another_environment_are_no_prices_of_this_one(tmp_path: Path) -> None:
    """Those of the testnet move otherwise."""
    MovesCache(tmp_path, "testnet").save([closes(1.0)])
    assert MovesCache(tmp_path, "live").load() == ()
    assert len(MovesCache(tmp_path, "testnet").load()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff", b'{"version":1,"environment":"live","names":[{}]}', written(version=2),
        written(b""), written(b"\0\0\x80"), written(b"\0\0\x80\x3f" * (DAY + 1)), written(first_ms=M0 + 1),
        written(first_ms=-MINUTE_MS), written(first_ms=10**17), written(b"\0\0\x80\xbf"), written(b"\0\0\x80\x7f"),
        written(b"\0\0\xc0\x7f"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_set_aside_and_told(tmp_path: Path, content: bytes) -> None:
    """It is not worth failing for, nor worth deleting; a figure that cannot be is damage."""
    (tmp_path / FILE).write_bytes(content)
    with capture_logs() as logs:
        assert MovesCache(tmp_path, "live").load() == ()
        assert MovesCache(tmp_path, "live").load() == ()
    assert [entry["event"] for entry in logs] == ["moves.cache_corrupt"]
    assert (tmp_path / f"{FILE}{SET_ASIDE}").read_bytes() == content


def test_what_is_sound_is_read(tmp_path: Path) -> None:
    """The file that the damage of the others is made of."""
    (tmp_path / FILE).write_bytes(written())
    (one,) = MovesCache(tmp_path, "live").load()
    assert one.closes.tolist() == [1.0]


def test_a_directory_in_its_place_is_told_and_done_without(tmp_path: Path) -> None:
    """Reading never raises; saving says why it cannot."""
    (tmp_path / FILE).mkdir()
    with capture_logs() as logs:
        assert MovesCache(tmp_path, "live").load() == ()
    assert [entry["event"] for entry in logs] == ["moves.cache_unreadable"]
    with pytest.raises(StoreError):
        MovesCache(tmp_path, "live").save([closes(1.0)])


@pytest.mark.parametrize("moment", ["sync", "name"])
def test_what_could_not_be_written_takes_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Of a disk that is full the databases beside it need what is left; what was kept before still is."""
    cache = MovesCache(tmp_path, "live")
    cache.save([closes(1.0)])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    place = {"sync": (os, "fsync"), "name": (Path, "replace")}[moment]
    monkeypatch.setattr(*place, full)
    with pytest.raises(StoreError):
        cache.save([closes(2.0)])
    assert [one.name for one in tmp_path.iterdir()] == [FILE]
    assert cache.load()[0].closes.tolist() == [1.0]


def test_on_a_disk_that_is_nearly_full_it_is_not_written_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert that cannot be committed is worse than a start without moves."""
    free = os.statvfs(tmp_path)
    nearly = os.statvfs_result([*free[:4], 2**20 // free.f_frsize, *free[5:]])
    monkeypatch.setattr(os, "statvfs", lambda _: nearly)
    with pytest.raises(StoreError, match="No space left"):
        MovesCache(tmp_path, "live").save([closes(1.0)])
    assert list(tmp_path.iterdir()) == []
