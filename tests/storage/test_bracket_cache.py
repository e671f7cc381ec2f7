import json
import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.core.model import Bracket, BracketTable
from monitor.errors import StoreError
from monitor.storage.bracket_cache import BracketCache

TABLES = (
    BracketTable(
        "BTCUSDT",
        (Bracket(0.0, 50_000.0, 0.004, 0.0, 125.0), Bracket(50_000.0, 250_000.0, 0.005, 50.0, 100.0)),
        "exchange",
        "2026-11-24",
        "main",
    ),
    BracketTable("币安人生USDT", (Bracket(0.0, 5_000.0, 0.01, 0.0),), "exchange", "2026-11-23", "main"),
)


def test_what_was_saved_is_there_again(tmp_path: Path) -> None:
    """Date, origin and account included; nothing saved is nothing loaded."""
    cache = BracketCache(tmp_path, "main")
    assert cache.load() == ()
    cache.save(TABLES)
    assert BracketCache(tmp_path, "main").load() == TABLES
    cache.save(TABLES[:1])
    assert cache.load() == TABLES[:1]
    assert [path.name for path in tmp_path.iterdir()] == ["brackets-main.json"]


def test_a_file_of_an_earlier_version_knows_no_leverage(tmp_path: Path) -> None:
    """Its rows have four figures, and are tiers all the same."""
    cache = BracketCache(tmp_path, "main")
    tables = [{"symbol": "A", "brackets": [[0, 5, 0.1, 0]]}]
    cache.path.write_bytes(json.dumps({"version": 1, "account": "main", "tables": tables}).encode())
    assert cache.load() == (BracketTable("A", (Bracket(0.0, 5.0, 0.1, 0.0, None),)),)


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """Also where an earlier attempt left its file open to others."""
    cache = BracketCache(tmp_path, "main")
    (tmp_path / "brackets-main.json.new").write_text("old")
    (tmp_path / "brackets-main.json.new").chmod(0o644)
    cache.save(TABLES)
    assert stat.S_IMODE(cache.path.stat().st_mode) == 0o600


def test_accounts_do_not_share_a_file(tmp_path: Path) -> None:
    """A name that could leave the directory does not."""
    names = ["main", "../main", "a/b", "", "x" * 300, "名"]
    caches = [BracketCache(tmp_path, name) for name in names]
    assert len({cache.path for cache in caches}) == len(names)
    for cache in caches:
        assert cache.path.parent == tmp_path
        cache.save(TABLES)
        assert cache.load() == TABLES


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        json.dumps({"version": 2, "account": "main", "tables": []}).encode(),
        json.dumps({"version": 1, "account": "other", "tables": []}).encode(),
        json.dumps(
            {"version": 1, "account": "main", "tables": [{"symbol": "A", "brackets": [[0, 5, 1.5, 9]]}]}
        ).encode(),
        json.dumps(
            {"version": 1, "account": "main", "tables": [{"symbol": "A", "brackets": [[0, 5, 0.1, 0, 1e9]]}]}
        ).encode(),
    ],
)
def test_a_corrupt_file_is_set_aside(tmp_path: Path, content: bytes) -> None:
    """It is told, kept for whoever wants to know, and the next save is unharmed; wrong tiers are corrupt too."""
    cache = BracketCache(tmp_path, "main")
    cache.path.write_bytes(content)
    with capture_logs() as logs:
        assert cache.load() == ()
    assert [entry["event"] for entry in logs] == ["brackets.cache_corrupt"]
    assert (tmp_path / "brackets-main.json.corrupt").read_bytes() == content
    cache.save(TABLES)
    assert cache.load() == TABLES


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """What cannot be opened is as good as nothing."""
    cache = BracketCache(tmp_path, "main")
    cache.path.mkdir()
    with capture_logs() as logs:
        assert cache.load() == ()
    assert [entry["event"] for entry in logs] == ["brackets.cache_unreadable"]


def test_a_failed_save_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to do, and what was kept is still whole."""
    cache = BracketCache(tmp_path, "main")
    cache.save(TABLES)

    def full(descriptor: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="save failed"):
        cache.save(TABLES[:1])
    monkeypatch.undo()
    assert cache.load() == TABLES
    cache.save(TABLES[:1])
    assert cache.load() == TABLES[:1]
