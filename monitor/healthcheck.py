"""Asks the running daemon whether it is well: for Docker, systemd and scripts, which ask each half minute.

It costs little more than starting Python: the standard library only, and of that as little as will do. A daemon
that hangs, whatever the reason, is not well: after two seconds nobody waits any longer.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

from monitor import places
from monitor.storage.paths import CONTROL_SOCKET

WITHIN_S = 2.0
MOST_NAMES = 5  # of what is wrong, on the one line


class Wanted:
    """What is asked for.

    Args:
        config: file that says where state lies; None: the usual places are tried.
        ready: whether readiness is asked for instead of health.
        json: whether a program reads the answer.
    """

    def __init__(self, config: str | None = None, *, ready: bool = False, json: bool = False) -> None:
        self.config, self.ready, self.json = config, ready, json


def wanted_by(words: Sequence[str]) -> Wanted | None:
    """Return what a command line asks for; None where it is another command, asks for help, or holds a mistake."""
    found, asked, rest = Wanted(), False, list(words)
    while rest:
        word = rest.pop(0)
        if word == "healthcheck" and not asked:
            asked = True
        elif word == "--json":
            found.json = True
        elif word == "--ready" and asked:
            found.ready = True
        elif word == "--config" and rest:
            found.config = rest.pop(0)
        elif word.startswith("--config="):
            found.config = word.removeprefix("--config=")
        else:
            return None
    return found if asked else None


def check(wanted: Wanted, environ: Mapping[str, str]) -> int:
    """Print how the daemon does, on one line or as JSON, and return 0 if it is well and 1 if not."""
    troubles = asked(wanted, environ)
    well, unwell = ("ready", "not ready") if wanted.ready else ("healthy", "not healthy")
    if wanted.json:
        # As /healthz and /readyz answer.
        words = (well, unwell) if wanted.ready else ("ok", "failing")
        line = json.dumps({"status": words[bool(troubles)], "troubles": troubles})
    else:
        line = f"{unwell}: {'; '.join(map(_spoken, troubles))}" if troubles else well
    sys.stdout.write(f"{line}\n")
    return int(bool(troubles))


def asked(wanted: Wanted, environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Return what is not well, each with a reason and names: what the daemon says, or why it says nothing."""
    where = ""
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, WITHIN_S)
    try:
        where = state_directory(wanted.config, environ)
        answer = json.loads(_ask(f"{where}/{CONTROL_SOCKET}"))
        if "error" in answer:
            return [_trouble(f"the daemon does not say: {answer['error']}")]
        found = answer["ok"]["readiness" if wanted.ready else "health"]
        return [_trouble(one["reason"], [*one["names"]]) for one in found["troubles"]]
    except TimeoutError:
        return [_trouble(f"the daemon on {where} does not answer within {WITHIN_S:.0f} s")]
    except (FileNotFoundError, ConnectionRefusedError) as error:
        return [_trouble(f"no daemon is running on {where}" if where else _words(error))]
    except PermissionError as error:
        return [_trouble(f"{where}: only the daemon's user and root may ask" if where else _words(error))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [_trouble(f"the daemon on {where} cannot be asked: {_words(error)}" if where else _words(error))]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def state_directory(config: str | None, environ: Mapping[str, str]) -> str:
    """Return where the daemon's state lies.

    A supervisor that made a directory has a daemon in it, and then no configuration is read.

    Raises:
        OSError: the configuration cannot be read.
        ValueError: it is no TOML.
    """
    given = places.given_directory(environ)
    if config is None and given and os.path.exists(f"{given}/{CONTROL_SOCKET}"):  # noqa: PTH110 - see places.py
        return given
    return places.state_directory(_configured(config or environ.get(places.VARIABLE), environ), environ)


def _configured(named: str | None, environ: Mapping[str, str]) -> str | None:
    """Return what the configuration says of it; None if it says nothing, or there is none."""
    for place in (named,) if named else (places.user_config(environ), places.SYSTEM_CONFIG):
        try:
            with open(place, "rb") as file:  # noqa: PTH123 - see places.py
                text = file.read().decode("utf-8-sig")
        except (FileNotFoundError, NotADirectoryError):
            if named:
                raise
            continue
        return places.written_directory(text)
    return None


def _ask(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(b'{"command":"health"}\n')
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def _give_up(_number: int, _frame: object) -> None:
    raise TimeoutError


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _trouble(reason: str, names: Sequence[str] = ()) -> dict[str, object]:
    return {"reason": reason, "names": list(names)}


def _spoken(trouble: Mapping[str, object]) -> str:
    names = trouble["names"]
    if not isinstance(names, list) or not names:
        return str(trouble["reason"])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{trouble['reason']} ({', '.join(map(str, names[:MOST_NAMES]))}{more})"
