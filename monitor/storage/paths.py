"""Where the daemon keeps its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitor.errors import ConfigError, Problem

STATE_DB: Final = "state.db"
HISTORY_DB: Final = "history.db"
CONTROL_SOCKET: Final = "control.sock"
LOCK_FILE: Final = "lock"

_APPLICATION: Final = "position-monitor"


def state_dir(environ: Mapping[str, str]) -> Path:
    """Return the state directory; it need not exist yet.

    ``STATE_DIRECTORY`` is set by systemd and wins; several directories are separated by colons, ours is the
    first. Otherwise the XDG rules hold: a relative ``XDG_STATE_HOME`` counts as unset.

    Raises:
        ConfigError: no variable tells where it could be.
    """
    first = environ.get("STATE_DIRECTORY", "").split(":")[0]
    if first:
        return Path(first)
    xdg = environ.get("XDG_STATE_HOME", "")
    if xdg and Path(xdg).is_absolute():
        return Path(xdg) / _APPLICATION
    home = environ.get("HOME", "")
    if not home:
        problem = Problem(
            path="STATE_DIRECTORY",
            found="nothing",
            allowed="the path of a directory",
            hint="set STATE_DIRECTORY, XDG_STATE_HOME or HOME",
        )
        raise ConfigError("environment", [problem])
    return Path(home) / ".local" / "state" / _APPLICATION
