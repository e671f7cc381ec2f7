"""Which file is the configuration, and its text."""

import os
import pwd
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from monitor.config import find_config, locate
from monitor.config.locate import MOST_BYTES, read_config
from monitor.errors import ConfigError
from tests.storage.damage import another_users


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
    assert find_config(Path("~/given"), {"HOME": "/home/me"}) == Path("/home/me/given")
    assert find_config(None, {"HOME": "/home/me", "POSITION_MONITOR_CONFIG": "~/given"}) == Path("/home/me/given")


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


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe that nobody writes to would hold whoever reads it for ever, and a device need have no end."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "link"):
        with pytest.raises(ConfigError, match="no regular file") as caught:
            read_config(tmp_path / name)
        assert caught.value.problems[0].path == str(tmp_path / name)


def test_a_file_of_any_size_is_not_taken(tmp_path: Path) -> None:
    """No configuration is as large, and a service that reads it again would stand still over it."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * MOST_BYTES)
    assert len(read_config(path)) == MOST_BYTES
    with path.open("ab") as file:
        file.write(b"#")
    with pytest.raises(ConfigError, match="more than 4 MB"):
        read_config(path)


def test_a_file_in_a_directory_of_another_user(tmp_path: Path) -> None:
    """Nothing is known of it but that."""
    with another_users(tmp_path / "closed") as closed, pytest.raises(ConfigError) as caught:
        read_config(closed / "config.toml")
    assert caught.value.problems[0].hint.startswith("it lies where only another user gets in: ask as that user")


@pytest.mark.parametrize(
    ("me", "uid", "hint"),
    [
        (501, 501, "its mode is 0000: `chmod u+r` it"),
        (501, 0, "it is root's, and its mode is 0000: ask as root, with sudo"),
        (501, 502, "it is of502's, and its mode is 0000: ask as of502, or as root with sudo"),
        (501, 503, "it is 503's, and its mode is 0000: ask as 503, or as root with sudo"),
    ],
)
def test_a_file_that_this_user_may_not_read_says_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, me: int, uid: int, hint: str
) -> None:
    """Whose it is, by name where it has one, and its mode; the ways to another file would be no help."""
    path = put(tmp_path / "config.toml")

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    def named(found: int) -> SimpleNamespace:
        return SimpleNamespace(pw_name={0: "root", 502: "of502"}[found])

    there = SimpleNamespace(st_uid=uid, st_mode=stat.S_IFREG)
    monkeypatch.setattr(locate, "_content", refuse)
    monkeypatch.setattr(Path, "stat", lambda _path: there)
    monkeypatch.setattr(os, "geteuid", lambda: me)
    monkeypatch.setattr(pwd, "getpwuid", named)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert (caught.value.problems[0].found, caught.value.problems[0].hint) == ("permission denied", hint)


def test_a_system_that_gives_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path is named all the same."""

    def refuse(_path: Path) -> bytes:
        raise OSError("odd")

    monkeypatch.setattr(locate, "_content", refuse)
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
