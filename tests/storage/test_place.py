"""What stands where a database belongs is called what it is, by all who meet it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.control import Lock
from monitor.errors import StoreError
from monitor.storage.history_reader import HistoryReader
from monitor.storage.paths import LOCK_FILE, STATE_DB
from monitor.storage.place import check_place
from monitor.storage.state import SqliteState
from monitor.storage.state_reader import StateReader
from tests.conftest import ManualClock
from tests.storage.damage import another_users


def directory(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def astray(path: Path) -> None:
    path.symlink_to(path.parent / "unmounted" / "state.db")


@pytest.mark.parametrize(
    ("make", "cause", "hint"),
    [
        (directory, "it is a directory", "Move it away"),
        (pipe, "it is a pipe", "Move it away"),
        (bound, "it is a socket", "Move it away"),
        (astray, r"it is a link to .*unmounted/state.db, which is not there", "Is its disk mounted"),
    ],
)
async def test_what_is_no_file_is_called_what_it_is(
    tmp_path: Path, clock: ManualClock, make: Callable[[Path], None], cause: str, hint: str
) -> None:
    """Not "there is no such file", and no advice about a directory that is in order. Nothing hangs on a pipe."""
    path = tmp_path / STATE_DB
    make(path)
    with pytest.raises(StoreError, match=f"{cause}.*{hint}"):
        await SqliteState(path, clock).open()
    with pytest.raises(StoreError, match=f"{cause}.*{hint}"):
        StateReader(path)
    with pytest.raises(StoreError, match=f"{cause}.*{hint}"):
        HistoryReader(path)


async def test_once_it_is_moved_away_the_file_is_made(tmp_path: Path, clock: ManualClock) -> None:
    """The daemon tries again by itself."""
    path = tmp_path / STATE_DB
    directory(path)
    store = SqliteState(path, clock)
    with pytest.raises(StoreError):
        await store.open()
    path.rename(tmp_path / "elsewhere")
    await store.open()
    await store.close()


def test_a_link_to_where_a_file_can_be_made_is_in_order(tmp_path: Path) -> None:
    """Before the first start its file is not there; who only reads finds none."""
    path = tmp_path / STATE_DB
    path.symlink_to(tmp_path / "real.db")
    check_place(path)
    with pytest.raises(StoreError, match=r"it is a link to .*real\.db, which is not there"):
        StateReader(path)


async def test_where_only_another_user_gets_in(tmp_path: Path, clock: ManualClock) -> None:
    """Who asks without sudo is told so; the daemon is told what its system says, and tries again."""
    with another_users(tmp_path / "state") as state:
        with pytest.raises(StoreError, match=r"only another user gets in\. Ask as .* root with sudo"):
            StateReader(state / STATE_DB)
        with pytest.raises(StoreError, match="only another user gets in"):
            HistoryReader(state / STATE_DB)
        with pytest.raises(StoreError, match="Permission denied"):
            await SqliteState(state / STATE_DB, clock).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_what_root_makes_is_the_owner_of_the_directory_s(tmp_path: Path, clock: ManualClock) -> None:
    """Else a command of root's would lock a service out that runs as a user of its own."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 64321, 64322)
    with Lock(state / LOCK_FILE):
        store = SqliteState(state / STATE_DB, clock)
        await store.open()
        await store.close()
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in state.iterdir()}
    assert owners == {LOCK_FILE: (64321, 64322), STATE_DB: (64321, 64322)}
