"""What stands where the file of a database belongs, if it is not a file, and whose it is."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from monitor.errors import StoreError

_KINDS: Final = {
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_place(path: Path, *, made: bool = True) -> None:
    """Refuse a place at which something else than a file stands.

    Args:
        path: the place.
        made: the file may be made, also through a link that leads nowhere yet.

    Raises:
        StoreError: something else does, a link leads nowhere, or who only reads may not even look.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except PermissionError:
        if not made:
            cause = "it lies where only another user gets in"
            raise StoreError(str(path), "open", cause, "Ask as that user, or as root with sudo") from None
        return  # as below
    except OSError:
        _check_link(path, made=made)
        return  # opening it says what else there is to say
    if kind in _KINDS:
        hint = "Move it away: a file belongs there, and the daemon makes it"
        raise StoreError(str(path), "open", f"it is {_KINDS[kind]}", hint)


def leave_to_owner(descriptor: int, path: Path) -> None:
    """Give an open file to the owner of its directory, where root has made it: it would lock the service out."""
    if os.geteuid() != 0:
        return
    with suppress(OSError):  # a file system without owners locks nobody out
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _check_link(path: Path, *, made: bool) -> None:
    if not path.is_symlink():
        return
    target = Path(os.path.realpath(path))  # a circle of links ends in itself
    if not (made and target.parent.is_dir()):
        cause = f"it is a link to {target}, which is not there"
        raise StoreError(
            str(path), "open", cause, "Is its disk mounted? Make what it leads to, or move the link away"
        )
