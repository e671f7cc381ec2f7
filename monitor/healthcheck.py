"""Asks the running daemon whether it is well: for Docker, systemd and scripts, which ask each half minute.

It costs little more than starting Python: the standard library only, and of that as little as will do. A daemon
that hangs, whatever the reason, is not well: after two seconds nobody waits any longer.
"""

import errno
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from monitor import places
from monitor.storage.paths import CONTROL_SOCKET

WITHIN_S = 2.0
MOST_NAMES = 5  # of what is wrong, on the one line


class UnreadError(ValueError):
    """A configuration that does not say where state lies: it cannot be read, or is no TOML.

    Args:
        source: its path.
        why: in words.
        text: what is in it; empty where it cannot be read.
    """

    def __init__(self, source: str, why: str, text: str = "") -> None:
        super().__init__(f"{source}: {why}")
        self.source, self.text = source, text


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
    with suppress(OSError):  # where standard output is closed the exit code is still the answer
        sys.stdout.write(f"{line}\n")
    return int(bool(troubles))


def asked(wanted: Wanted, environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Return what is not well, each with a reason and names: what the daemon says, or why it says nothing."""
    where = ""
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, WITHIN_S)
    try:
        where = state_directory(wanted.config, environ)
        answer = _ask(where)
        said = [_trouble(f"the daemon does not say: {answer['error']}")] if "error" in answer else None
        return said or _troubles(answer, wanted)
    except UnreadError as unread:
        return _despite(unread, wanted, environ)
    except TimeoutError:
        return [_late(where)]
    except (FileNotFoundError, ConnectionRefusedError):
        return [_trouble(f"no daemon is running on {where}")]
    except PermissionError:
        return [_trouble(f"{where}: only the daemon's user and root may ask")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [_trouble(f"the daemon on {where} cannot be asked: {_words(error)}")]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def state_directory(config: str | None, environ: Mapping[str, str]) -> str:
    """Return where the daemon's state lies.

    A supervisor that made a directory has a daemon in it, and then no configuration is read.

    Raises:
        UnreadError: the configuration cannot be read, or is no TOML.
    """
    given = places.given_directory(environ)
    if config is None and given and os.path.exists(f"{given}/{CONTROL_SOCKET}"):  # noqa: PTH110 - see places.py
        return given
    named = places.at_home(config or environ.get(places.VARIABLE, ""), environ)
    return places.state_directory(_configured(named or None, environ), environ)


def _configured(named: str | None, environ: Mapping[str, str]) -> str | None:
    """Return what the configuration says of it; None if it says nothing, or there is none."""
    for place in (named,) if named else (places.user_config(environ), places.SYSTEM_CONFIG):
        text = ""
        try:
            with open(place, "rb", opener=places.without_waiting) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError(errno.EINVAL, "no regular file")  # noqa: TRY301 - told as others of the system are
                text = file.read().decode("utf-8-sig")
            return places.written_directory(text)
        except (FileNotFoundError, NotADirectoryError) as error:
            if named:
                raise UnreadError(place, _words(error)) from None
        except TimeoutError:
            raise
        except (OSError, ValueError) as error:
            # "At the end of document", by which nobody finds it in an editor.
            end = f"at line {text.count(chr(10)) + 1}, the end"
            raise UnreadError(place, _words(error).replace("at end of document", end), text) from None
    return None


def _despite(unread: UnreadError, wanted: Wanted, environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Return what is not well by the daemon that runs with this file, which goes on with what it read before.

    It is where the file seems to say, or where it is without a word of it; a daemon that runs with another file
    does not answer for it.
    """
    seeming = places.seeming_directory(unread.text)
    source = os.path.abspath(unread.source)  # noqa: PTH100 - see places.py
    for configured in (seeming, None) if seeming else (None,):
        where = places.state_directory(configured, environ)
        try:
            return _troubles(_ask(where, source), wanted)
        except TimeoutError:
            return [_late(where)]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return [_trouble(f"the daemon could not be asked, and may be well: {unread}")]


def _troubles(answer: Mapping[str, Any], wanted: Wanted) -> list[dict[str, object]]:
    found = answer["ok"]["readiness" if wanted.ready else "health"]
    return [_trouble(one["reason"], [*one["names"]]) for one in found["troubles"]]


def _ask(directory: str, source: str = "") -> Any:  # noqa: ANN401 - JSON
    """Return the answer of the daemon in a directory, with ``source`` only if it runs with this file."""
    request = {"command": "health", "source": source} if source else {"command": "health"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(f"{directory}/{CONTROL_SOCKET}")
        connection.sendall(json.dumps(request).encode() + b"\n")
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return json.loads(b"".join(parts))


def _give_up(_number: int, _frame: object) -> None:
    raise TimeoutError


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _late(where: str) -> dict[str, object]:
    who = f"the daemon on {where} does not answer" if where else "the configuration cannot be read"
    return _trouble(f"{who} within {WITHIN_S:.0f} s")


def _trouble(reason: str, names: Sequence[str] = ()) -> dict[str, object]:
    return {"reason": reason, "names": list(names)}


def _spoken(trouble: Mapping[str, object]) -> str:
    names = trouble["names"]
    if not isinstance(names, list) or not names:
        return str(trouble["reason"])
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"{trouble['reason']} ({', '.join(map(str, names[:MOST_NAMES]))}{more})"
