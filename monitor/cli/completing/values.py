"""What may stand at a place: names from the configuration and numbers from the database, read cheaply.

Nothing is checked here, and the configuration is only taken apart, not understood: whoever waits for a shell waits
for milliseconds. What is odd is left out.
"""

import contextlib
import os
import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monitor import places

_PLAIN = re.compile(r"[\w.@%+-]{1,64}")
_LEVELS = ("notice", "warning", "critical", "emergency")
_OPEN = (
    "SELECT number, max(level), subject FROM outbox WHERE number > 0 AND ended_ms IS NULL"
    " GROUP BY number ORDER BY number DESC LIMIT 50"
)
_BUSY_S = 0.2
FILES = "files"
_PATHS = {"PATH", "FILE", "DIR", "FILE.png"}


class Value(NamedTuple):
    """Something that may stand there, and what it is."""

    text: str
    about: str = ""


class Known:
    """What the configuration and the database say; empty where they cannot be read.

    Args:
        config: as given on the line; None looks in the usual places.
        environ: the environment.
    """

    def __init__(self, config: str | None, environ: Mapping[str, str]) -> None:
        self._environ = environ
        usual = (environ.get(places.VARIABLE), places.user_config(environ), places.SYSTEM_CONFIG)
        named = places.at_home(config, environ) if config else None
        self._document: dict[str, Any] = {}
        for path in (named,) if named else usual:
            if path and Path(path).exists():
                with contextlib.suppress(OSError, ValueError):
                    self._document = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
                break

    def names(self, section: str) -> list[Value]:
        """Return the names in a list of tables."""
        return _plain((one.get("name") for one in self._tables(section)), "")

    def symbols(self) -> list[Value]:
        """Return the symbols typed in, and those with tables of their own."""
        typed = [
            position.get("symbol")
            for account in self._tables("accounts")
            for position in account.get("positions", [])
            if isinstance(position, dict)
        ]
        return _plain([*typed, *self._document.get("brackets", {})], "")

    def alerts(self) -> list[Value]:
        """Return the numbers of the open alerts, the newest first."""
        state = self._document.get("state", {}).get("directory")
        path = Path(places.state_directory(state if isinstance(state, str) else None, self._environ)) / "state.db"
        if not path.is_file():
            return []
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_S)) as database:
            rows = database.execute(_OPEN).fetchall()
        return [Value(str(number), f"{_level(level)}, {subject}") for number, level, subject in rows]

    def _tables(self, section: str) -> list[dict[str, Any]]:
        found = self._document.get(section, [])
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def values_for(command: str, name: str, metavar: str | None, known: Known) -> list[Value] | str:
    """Return what may stand for a parameter of a command, or ``FILES`` where any path may.

    Args:
        command: its name.
        name: of the parameter.
        metavar: of the parameter, which says what it takes.
        known: where names and numbers come from.
    """
    if metavar in _PATHS or (command, name) == ("replay", "file"):
        return FILES
    finder = FINDERS.get((command, name)) or FINDERS.get((ANY, name))
    return finder(known) if finder is not None else []


def _scenarios(_: Known) -> list[Value]:
    # Their scripts take long to load; a test holds these names against them.
    return [Value(name) for name in ("fall", "spike", "blind", "flap", "market")]


def _shells(_: Known) -> list[Value]:
    from monitor.cli.completing.shells import SCRIPTS

    return [Value(name) for name in SCRIPTS]


def _topics(_: Known) -> list[Value]:
    from monitor.cli.guide import topics

    return [Value(one.name, one.about) for one in topics()]


def _zones(_: Known) -> list[Value]:
    import zoneinfo

    return [Value(one) for one in ("local", *sorted(zoneinfo.available_timezones()))]


def _variables(_: Known) -> list[Value]:
    return [Value(one) for one in sorted(os.environ) if one.isupper()]


def _plain(found: Iterable[object], about: str) -> list[Value]:
    names = dict.fromkeys(one for one in found if isinstance(one, str) and _PLAIN.fullmatch(one))
    return [Value(one, about) for one in names]


def _level(number: object) -> str:
    known = isinstance(number, int) and 1 <= number <= len(_LEVELS)
    return _LEVELS[int(str(number)) - 1] if known else "open"


ANY = "*"  # in place of a command
FINDERS: Mapping[tuple[str, str], Callable[[Known], list[Value]]] = {
    (ANY, "account"): lambda known: known.names("accounts"),
    (ANY, "channel"): lambda known: known.names("channels"),
    (ANY, "level"): lambda _: [Value(one) for one in _LEVELS],
    (ANY, "symbol"): Known.symbols,
    (ANY, "symbols"): Known.symbols,
    ("simulate", "ladder_symbol"): Known.symbols,
    ("simulate", "close"): Known.symbols,
    ("ack", "numbers"): Known.alerts,
    ("alerts", "number"): Known.alerts,
    ("snooze", "targets"): lambda known: [*known.alerts(), *known.symbols()],
    ("unsnooze", "target"): lambda known: [*known.alerts(), *known.symbols()],
    ("drill", "scenario"): _scenarios,
    ("completion", "shell"): _shells,
    ("help", "topic"): _topics,
    ("init", "environment"): lambda _: [Value("testnet"), Value("live")],
    ("init", "market"): lambda _: [Value("usdm"), Value("coinm")],
    ("init", "side"): lambda _: [Value("LONG"), Value("SHORT")],
    ("init", "margin_mode"): lambda _: [Value("isolated"), Value("cross")],
    ("init", "account"): lambda _: [],
    ("init", "time_zone"): _zones,
    ("init", "api_key_env"): _variables,
    ("init", "api_secret_env"): _variables,
    ("init", "channel_url_env"): _variables,
    ("init", "heartbeat_url_env"): _variables,
}
