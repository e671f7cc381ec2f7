"""What stands where the file of a database belongs, if it is not a file."""

import os
import stat
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
        StoreError: something else does, or a link leads nowhere.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        _check_link(path, made=made)
        return  # opening it says what else there is to say
    if kind in _KINDS:
        hint = "Move it away: a file belongs there, and the daemon makes it"
        raise StoreError(str(path), "open", f"it is {_KINDS[kind]}", hint)


def _check_link(path: Path, *, made: bool) -> None:
    if not path.is_symlink():
        return
    target = Path(os.path.realpath(path))  # a circle of links ends in itself
    if not (made and target.parent.is_dir()):
        cause = f"it is a link to {target}, which is not there"
        raise StoreError(
            str(path), "open", cause, "Is its disk mounted? Make what it leads to, or move the link away"
        )
