"""Where configuration and state lie. The standard library only: a health check pays for nothing else."""

import os
from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "POSITION_MONITOR_CONFIG"
SYSTEM_CONFIG: Final = "/etc/position-monitor/config.toml"
SYSTEM_CREDENTIALS: Final = "/etc/position-monitor/credentials"
_PROGRAM: Final = "position-monitor"


def at_home(path: str, environ: Mapping[str, str]) -> str:
    """Return the path with a leading ``~/`` replaced by $HOME, or by the user's entry where that is not set."""
    home = environ.get("HOME", "")
    if path.startswith("~/") and home:
        return os.path.join(home, path[2:])  # noqa: PTH118 - pathlib costs a health check milliseconds
    # Of a user without a home it stays as it is; opening it fails with the path in the error.
    return os.path.expanduser(path)  # noqa: PTH111 - same


def user_config(environ: Mapping[str, str]) -> str:
    """Return where a user's own configuration is; the machine's is ``SYSTEM_CONFIG``."""
    return f"{_base('XDG_CONFIG_HOME', '~/.config', environ)}/{_PROGRAM}/config.toml"


def state_directory(configured: str | None, environ: Mapping[str, str]) -> str:
    """Return where state lives: as configured, else $STATE_DIRECTORY, else below $XDG_STATE_HOME."""
    if configured is not None:
        return at_home(configured, environ)
    return given_directory(environ) or f"{_base('XDG_STATE_HOME', '~/.local/state', environ)}/{_PROGRAM}"


def written_directory(text: str) -> str | None:
    """Return the state directory that a configuration names, mistakes elsewhere or not; None without one.

    Raises:
        ValueError: it is no TOML.
    """
    import tomllib  # noqa: PLC0415 - in a container nobody needs it

    try:
        state = tomllib.loads(text).get("state")
    except RecursionError:
        raise ValueError("lists or tables are nested too deeply") from None
    directory = state.get("directory") if isinstance(state, dict) else None
    return directory if isinstance(directory, str) and directory else None


def seeming_directory(text: str) -> str | None:
    """Return the state directory that a text seems to name which is no TOML any more; None without one."""
    import re  # noqa: PLC0415 - of a file without mistakes nobody needs it

    value = r"""directory\s*=\s*(["'])(.*?)(?:\1|$)"""
    in_section = {
        "[state]": value,
        # A dotted key, or a table in one line, which belong to no other table only above the first header.
        "": rf"""state\s*(?:\.|=\s*\{{(?:(?:[^"'#]|"[^"]*"|'[^']*')*,)?)\s*{value}""",
    }
    section = ""
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("["):
            section = "".join(word.partition("#")[0].split())
        elif section in in_section and (found := re.match(in_section[section], word)):
            return found[2] or None
    return None


def given_directory(environ: Mapping[str, str]) -> str:
    """Return the state directory that a supervisor made; empty if there is none."""
    # systemd separates several directories by colons; the unit's first one is ours.
    return environ.get("STATE_DIRECTORY", "").split(":")[0]


def without_waiting(path: str, flags: int) -> int:
    """Open a file for ``open``; a pipe is opened at once, whether somebody writes to it or not."""
    return os.open(path, flags | os.O_NONBLOCK)


def _base(variable: str, otherwise: str, environ: Mapping[str, str]) -> str:
    base = environ.get(variable, "")
    return base if base.startswith("/") else at_home(otherwise, environ)
