"""New files: all or none, readable by nobody else at any moment, and nothing there is overwritten."""

import errno
import os
import signal
import stat
from pathlib import Path

import pytest

from monitor.cli.setup.files import FilesError, NewFile, foresee, write_all
from monitor.errors import ConfigError
from tests.storage.damage import another_users

HUSH = "hush-not-told-4711\n"


def wanted(root: Path) -> list[NewFile]:
    home = root / "etc" / "position-monitor"
    return [
        NewFile(home / "credentials" / "channel-url", HUSH, 0o600, 0o700, secret=True),
        NewFile(root / "unit.d" / "credentials.conf", "[Service]\n", 0o644, 0o755),
        NewFile(home / "config.toml", "a = 1\n", 0o644, 0o755),
    ]


def fine(_path: Path) -> None: ...


def everything_in(root: Path) -> list[str]:
    return sorted(str(one.relative_to(root)) for one in root.rglob("*"))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077, 0o177, 0o777])
def test_modes_are_right_under_any_umask(tmp_path: Path, umask: int) -> None:
    """Neither more nor less may be read than is meant, files and directories."""
    before = os.umask(umask)
    try:
        write_all(wanted(tmp_path), fine, None)
    finally:
        os.umask(before)
    for one in wanted(tmp_path):
        assert mode_of(one.path) == one.mode
        assert one.path.read_text() == one.text
    home = tmp_path / "etc" / "position-monitor"
    assert (mode_of(home), mode_of(home / "credentials"), mode_of(tmp_path / "unit.d")) == (0o755, 0o700, 0o755)
    assert everything_in(tmp_path) == [
        "etc", "etc/position-monitor", "etc/position-monitor/config.toml", "etc/position-monitor/credentials",
        "etc/position-monitor/credentials/channel-url", "unit.d", "unit.d/credentials.conf",
    ]  # fmt: skip


def test_nobody_else_reads_a_secret_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before its mode is set either, with the most careless umask there is."""
    seen: list[int] = []
    real = os.fchmod

    def spy(descriptor: int, mode: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", spy)
    before = os.umask(0)
    try:
        write_all(wanted(tmp_path), fine, None)
    finally:
        os.umask(before)
    assert seen == [0o600, 0o600, 0o600]


def test_what_is_refused_before_it_has_its_name_leaves_nothing(tmp_path: Path) -> None:
    """The text is checked where it stands, with its mode and beside the others; then all goes, directories too."""
    looked_at: list[str] = []

    def refuse(path: Path) -> None:
        looked_at.append(path.read_text())
        assert everything_in(tmp_path)
        raise ConfigError("init", [])

    with pytest.raises(ConfigError):
        write_all(wanted(tmp_path), refuse, None)
    assert looked_at == ["a = 1\n"]
    assert everything_in(tmp_path) == []


@pytest.mark.parametrize("call", ["open", "fsync", "link", "mkdir", "fchmod"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_failure_anywhere_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, nth: int
) -> None:
    """Whatever fails, the second time or the third: what stood there before stands there again."""
    old = wanted(tmp_path)
    write_all([old[0], old[2]], fine, None)
    (tmp_path / "etc/position-monitor/config.toml").write_text("old = 1\n")
    before = everything_in(tmp_path)
    real, count = getattr(os, call), 0

    def fail(*args: object, **options: object) -> object:
        nonlocal count
        count += "descriptor" not in options and (call != "open" or "dir_fd" in options)
        if count >= nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **options)

    monkeypatch.setattr(os, call, fail)
    if call == "mkdir" and nth > 1:
        pytest.skip("one directory is missing")
    with pytest.raises(FilesError, match="no space left on device; nothing was written"):
        write_all(old, fine, "bak")
    monkeypatch.undo()
    assert everything_in(tmp_path) == before
    assert (tmp_path / "etc/position-monitor/config.toml").read_text() == "old = 1\n"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there is refused, a link to nowhere as well, and nothing else is written."""
    plan = wanted(tmp_path)
    plan[2].path.parent.mkdir(parents=True)
    plan[2].path.symlink_to("nowhere")
    before = everything_in(tmp_path)
    for keep in (False, False):
        with pytest.raises(ConfigError, match="a file that is there already"):
            foresee(plan[2].path, [plan[0].path], keep=keep)
    with pytest.raises(ConfigError, match="--force keeps it"):
        write_all(plan, fine, None)
    assert everything_in(tmp_path) == before


def test_one_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Between the look and the name: the name is given only where there is none."""
    plan = wanted(tmp_path)

    def meanwhile(_path: Path) -> None:
        plan[2].path.write_text("another's\n")

    with pytest.raises(ConfigError, match="a file that is there already"):
        write_all(plan, meanwhile, None)
    assert plan[2].path.read_text() == "another's\n"
    assert not plan[0].path.exists()
    assert not plan[1].path.exists()


def test_what_was_there_is_kept_under_another_name(tmp_path: Path) -> None:
    """As often as it happens, each under a name of its own."""
    plan = wanted(tmp_path)
    write_all(plan, fine, None)
    first = write_all(plan, fine, "bak-1")
    again = write_all(plan, fine, "bak-1")
    assert [one.name for one in first] == ["channel-url.bak-1", "credentials.conf.bak-1", "config.toml.bak-1"]
    assert [one.name for one in again] == [
        "channel-url.bak-1-2",
        "credentials.conf.bak-1-2",
        "config.toml.bak-1-2",
    ]
    assert {mode_of(one) for one in first} == {0o600, 0o644}


def test_secrets_do_not_follow_links(tmp_path: Path) -> None:
    """A directory of secrets that is a symbolic link leads to where somebody else wants them."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    plan = wanted(tmp_path)
    plan[0].path.parent.parent.mkdir(parents=True)
    plan[0].path.parent.symlink_to(elsewhere)
    with pytest.raises(FilesError, match="symbolic link"):
        write_all(plan, fine, None)
    assert list(elsewhere.iterdir()) == []


def test_directories_of_others_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who owns a directory, or can write in it, can put another file in the place of ours."""
    plan = wanted(tmp_path)
    folder = plan[2].path.parent
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(FilesError, match="others can write in this directory"):
        write_all(plan, fine, None)
    folder.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(FilesError, match="belongs to another user"):
        write_all(plan, fine, None)
    monkeypatch.undo()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and its like are heard once all is undone, never between two files."""
    heard: list[int] = []
    before = signal.signal(number, lambda one, _: heard.append(one)) if number != signal.SIGINT else None

    def interrupt(_path: Path) -> None:
        signal.raise_signal(number)
        assert heard == []

    try:
        with pytest.raises(KeyboardInterrupt):
            write_all(wanted(tmp_path), interrupt, None)
    finally:
        if before is not None:
            signal.signal(number, before)
    assert everything_in(tmp_path) == []
    assert heard == ([] if number == signal.SIGINT else [number])


def test_without_hard_links_names_are_given_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    plan = wanted(tmp_path)
    write_all(plan, fine, None)
    assert [one.path.read_text() for one in plan] == [one.text for one in plan]
    with pytest.raises(ConfigError):
        write_all(plan, fine, None)


def test_where_this_user_does_not_get_in_is_foreseen(tmp_path: Path) -> None:
    """Whether a directory is there is not known then, which is no reason for a trace."""
    with another_users(tmp_path / "root") as root:
        config = root / "x" / "config.toml"
        with pytest.raises(FilesError, match=r"root/x: permission denied; nothing was written"):
            foresee(config, [root / "x" / "secrets" / "web-token"], keep=False)
