"""Which file is the configuration, and its text."""

import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from monitor import places
from monitor.errors import ConfigError, Problem

VARIABLE = places.VARIABLE
SYSTEM_CONFIG = Path(places.SYSTEM_CONFIG)
# Tens of thousands of positions; a service that reads it again must not stand still over it.
MOST_BYTES = 4_000_000


def find_config(cli: Path | None, environ: Mapping[str, str]) -> Path:
    """Return which file to read: --config, else $POSITION_MONITOR_CONFIG, else the user's, else the machine's.

    A file asked for by name is returned whether it exists or not, so that it cannot be passed over. ``~/`` is the
    home: no shell sees to that behind an equals sign.

    Raises:
        ConfigError: none was named and none is in the usual places.
    """
    if named := environ.get(VARIABLE, "") if cli is None else str(cli):
        return Path(places.at_home(named, environ))
    for place in (Path(places.user_config(environ)), SYSTEM_CONFIG):
        try:
            place.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            pass  # it is there and out of reach: reading it says why, instead of passing it over
        return place
    tried = f"{places.user_config(environ)} or {SYSTEM_CONFIG}"
    problem = Problem(tried, "no file", "a configuration file", _ways())
    raise ConfigError("configuration", [problem])


def read_config(path: Path) -> str:
    """Return the text of a configuration file.

    Raises:
        ConfigError: it is missing, cannot be read, is no regular file or a very large one, or is not UTF-8 text.
    """
    try:
        content = _content(path)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "it cannot be read"
        hint = _access(path) if isinstance(error, PermissionError) else _ways()
        raise ConfigError(str(path), [Problem(str(path), reason, "a readable TOML file", hint)]) from None
    except ValueError:  # a NUL in the path
        raise ConfigError("configuration", [Problem("path", "no path", "a TOML file", _ways())]) from None
    if content is None or len(content) > MOST_BYTES:
        found = "no regular file" if content is None else f"more than {MOST_BYTES // 1_000_000} MB"
        raise ConfigError(str(path), [Problem(str(path), found, "a readable TOML file", _ways())])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(
            f"{path}, line {line}", "bytes that are not UTF-8", "UTF-8 text", "save the file as UTF-8"
        )
        raise ConfigError(str(path), [problem]) from None


def _content(path: Path) -> bytes | None:
    """Return what is in a file, cut behind ``MOST_BYTES``; None if it is a pipe, a device or the like."""
    with open(path, "rb", opener=_without_waiting) as file:
        return file.read(MOST_BYTES + 1) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _without_waiting(path: str, flags: int) -> int:
    return places.without_waiting(path, flags)


def _access(path: Path) -> str:
    """Return what makes a file readable that is there and is not."""
    try:
        found = path.stat()
    except OSError:
        return "it lies where only another user gets in: ask as that user, or as root with sudo"
    mode = f"its mode is {stat.S_IMODE(found.st_mode):04o}"
    if found.st_uid == os.geteuid():
        return f"{mode}: `chmod u+r` it"
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = str(found.st_uid)
    ask = "as root, with sudo" if found.st_uid == 0 else f"as {owner}, or as root with sudo"
    return f"it is {owner}'s, and {mode}: ask {ask}"


def _ways() -> str:
    return (
        "`position-monitor init` writes one; or name one with --config PATH or"
        f" ${VARIABLE}, or put it at ~/.config/position-monitor/config.toml or {SYSTEM_CONFIG}"
    )
