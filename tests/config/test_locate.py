"""Which file is the configuration, and its text."""

from pathlib import Path

import pytest

from monitor.config import find_config, locate
from monitor.config.locate import read_config
from monitor.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory, and a machine-wide place that is not the real one."""
    monkeypatch.setattr(locate, "SYSTEM_CONFIG", tmp_path / "etc" / "config.toml")
    return tmp_path


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    return path


def test_the_order_of_places(home: Path) -> None:
    """The machine's file, then the user's, then XDG's, then the variable, then the option."""
    environ = {"HOME": str(home)}
    system = put(home / "etc" / "config.toml")
    assert find_config(None, environ) == system
    users = put(home / ".config" / "position-monitor" / "config.toml")
    assert find_config(None, environ) == users
    xdg = put(home / "xdg" / "position-monitor" / "config.toml")
    environ["XDG_CONFIG_HOME"] = "relative"
    assert find_config(None, environ) == users
    environ["XDG_CONFIG_HOME"] = str(home / "xdg")
    assert find_config(None, environ) == xdg
    environ["POSITION_MONITOR_CONFIG"] = "/named"
    assert find_config(None, environ) == Path("/named")
    assert find_config(Path("given"), environ) == Path("given")


def test_no_file_anywhere_names_the_places_and_the_ways(home: Path) -> None:
    """The error says where it looked and how to give one."""
    with pytest.raises(ConfigError) as caught:
        find_config(None, {"HOME": str(home)})
    (problem,) = caught.value.problems
    assert str(home / ".config" / "position-monitor" / "config.toml") in problem.path
    assert str(home / "etc" / "config.toml") in problem.path
    assert "--config PATH" in problem.hint
    assert "$POSITION_MONITOR_CONFIG" in problem.hint


def test_a_file_out_of_reach_is_not_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot even be looked at is chosen, so that reading it tells why."""
    put(home / "etc" / "config.toml")

    def refuse(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    assert find_config(None, {"HOME": str(home)}) == home / ".config" / "position-monitor" / "config.toml"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a directory, or an impossible path: named, with the reason."""
    for path, reason in ((tmp_path / "none.toml", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError, match=reason) as caught:
            read_config(path)
        assert caught.value.problems[0].path == str(path)
        assert "--config PATH" in caught.value.problems[0].hint
    with pytest.raises(ConfigError, match="no path"):
        read_config(Path("a\0b"))


def test_a_system_that_gives_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is named all the same."""

    def refuse(_path: Path) -> bytes:
        raise OSError("odd")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "x")


def test_a_file_that_is_no_utf8_names_the_line(tmp_path: Path) -> None:
    """The first bad byte is found by its line."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"[log]\n# caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert caught.value.problems[0].path == f"{path}, line 2"
    assert "UTF-8" in caught.value.problems[0].hint
