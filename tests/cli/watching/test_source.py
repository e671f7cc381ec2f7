"""The daemon of a file that changes while somebody watches."""

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.watching.source import DaemonOf
from monitor.config import load
from monitor.errors import ConfigError, NotRunningError
from tests.cli.answering import answering, serving
from tests.cli.test_service import config_of

QUESTION = {"command": "status"}


def written(tmp_path: Path, state: str, more: str = "") -> Path:
    """Return the file, which is another one than before whatever the clock's resolution is."""
    path = Path(config_of(tmp_path, tmp_path / state))
    path.write_text(path.read_text() + more)
    before = path.stat().st_mtime_ns
    os.utime(path, ns=(before, before + len(more) + sum(map(ord, state)) * 1000))
    return path


def test_a_mistake_is_told_as_long_as_it_stands(tmp_path: Path) -> None:
    """Whoever repairs the file sees that it is repaired; whoever breaks it meanwhile that it is broken."""
    path = written(tmp_path, "s", "[nonsense]\n")
    source = DaemonOf(lambda: path)
    with answering(tmp_path / "s", {"status": 1}):
        source.ask(QUESTION)
        assert "1 problem in the configuration" in source.notes[0]
        written(tmp_path, "s")
        source.ask(QUESTION)
        assert source.notes == ()
        written(tmp_path, "s", "[nonsense]\n")
        source.ask(QUESTION)
        assert len(source.notes) == 1


def test_another_directory_is_asked_once_the_file_names_it(tmp_path: Path) -> None:
    """As other commands do; the old one belongs to nobody any more."""
    path = written(tmp_path, "old")
    source = DaemonOf(lambda: path)
    with answering(tmp_path / "old", {"status": "old"}), answering(tmp_path / "new", {"status": "new"}):
        assert source.ask(QUESTION) == "old"
        written(tmp_path, "new")
        assert source.ask(QUESTION) == "new"


def test_a_file_that_cannot_be_read_any_more_loses_no_daemon(tmp_path: Path) -> None:
    """It is asked where it was, and told for which file it is meant."""
    path = written(tmp_path, "s")
    source = DaemonOf(lambda: path)
    seen: list[Any] = []

    async def status(request: Mapping[str, Any]) -> object:
        seen.append(request.get("source"))
        return 1

    with serving(tmp_path / "s", {"status": status}):
        source.ask(QUESTION)
        path.write_text("[[[")
        source.ask(QUESTION)
        path.unlink()
        source.ask(QUESTION)
    assert seen == [None, str(path), str(path)]
    with pytest.raises(ConfigError):
        source.ask(QUESTION)


def test_times_keep_their_zone_while_the_file_holds_mistakes(tmp_path: Path) -> None:
    """Another zone between two looks would be another time."""
    path = written(tmp_path, "s", '[display]\ntime_zone = "UTC"\n')
    source = DaemonOf(lambda: path)
    assert source.read() is None
    before = source.zone
    assert before is not None
    assert before.utcoffset(dt.datetime(2026, 12, 1, tzinfo=dt.UTC)) == dt.timedelta(0)
    path.write_text("[[[")
    assert source.read() is not None
    assert source.zone is before


def test_a_file_that_stays_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look a second costs next to nothing; only a daemon that read it has it read again."""
    path = written(tmp_path, "s")
    count: list[object] = []

    def counting(path: Path, environ: Mapping[str, str]) -> object:
        count.append(path)
        return load(path, environ)

    monkeypatch.setattr("monitor.cli.watching.source.load", counting)
    source = DaemonOf(lambda: path)
    for _ in range(3):
        with pytest.raises(NotRunningError):
            source.ask(QUESTION)
    assert len(count) == 1
    source.read_again()
    for _ in range(3):
        source.read()
    assert len(count) == 2
