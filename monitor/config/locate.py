"""Which file is the configuration, and its text."""

import os
from collections.abc import Mapping
from pathlib import Path

from monitor import places
from monitor.errors import ConfigError, Problem

VARIABLE = places.VARIABLE
SYSTEM_CONFIG = Path(places.SYSTEM_CONFIG)


def find_config(cli: Path | None, environ: Mapping[str, str]) -> Path:
    """Return which file to read: --config, else $POSITION_MONITOR_CONFIG, else the user's, else the machine's.

    A file asked for by name is returned whether it exists or not, so that it cannot be passed over.

    Raises:
        ConfigError: none was named and none is in the usual places.
    """
    if cli is not None:
        return cli
    if named := environ.get(VARIABLE):
        return Path(named)
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
        ConfigError: it is missing, cannot be read, or is not UTF-8 text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else "it cannot be read"
        raise ConfigError(str(path), [Problem(str(path), reason, "a readable TOML file", _ways())]) from None
    except ValueError:  # a NUL in the path
        raise ConfigError("configuration", [Problem("path", "no path", "a TOML file", _ways())]) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(
            f"{path}, line {line}", "bytes that are not UTF-8", "UTF-8 text", "save the file as UTF-8"
        )
        raise ConfigError(str(path), [problem]) from None


def _ways() -> str:
    return (
        "`position-monitor init` writes one; or name one with --config PATH or"
        f" ${VARIABLE}, or put it at ~/.config/position-monitor/config.toml or {SYSTEM_CONFIG}"
    )
