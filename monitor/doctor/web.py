"""[web]: whether its token can be read and its address can be listened on. Nothing stays open."""

import errno
import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitor.config import Secrets, Settings, WebSettings
from monitor.control import ask, is_running
from monitor.doctor.finding import Finding, State
from monitor.errors import ControlError
from monitor.storage.paths import LOCK_FILE
from monitor.web.hosts import url_of

AREA = "web"


def web_findings(settings: Settings, secrets: Secrets, directory: Path) -> Iterator[Finding]:
    """Yield what is to say about the web interface; nothing where none is configured. Blocks for a second at most.

    Args:
        settings: the configuration.
        secrets: those that could be fetched; why others could not is told elsewhere.
        directory: the state directory, by which a running daemon is asked whether it is who listens.
    """
    chosen = settings.web
    if not chosen.enabled:
        return
    if chosen.token is None:
        yield Finding(AREA, "token", State.OK, "none: everybody on this machine may read, nobody may change")
    elif secrets.web_token is not None:
        yield Finding(AREA, "token", State.OK, chosen.token.spoken)
    yield address_finding(chosen, directory)


def address_finding(chosen: WebSettings, directory: Path) -> Finding:
    """Return whether the address is free, or our own daemon listens on it."""
    address = address_of(chosen)
    told = _told(directory)
    if told is not None and told.get("address") == address:
        return Finding(AREA, "address", State.OK, f"{address}: the running daemon listens")
    reason = _unusable(chosen)
    if reason is not None:
        why, fix = in_the_way(os.strerror(reason))
        return Finding(AREA, "address", State.FAIL, f"{address}: {why}", fix)
    if told is not None:
        fix = "a change of address needs a restart"
        return Finding(
            AREA, "address", State.WARN, f"{address}: free, but a daemon runs that does not listen", fix
        )
    return Finding(AREA, "address", State.OK, f"{address}: free")


def in_the_way(reason: str) -> tuple[str, str]:
    """Return why an address cannot be listened on, in words, and the fix.

    Args:
        reason: as the operating system puts it, which is what a daemon tells too.
    """
    if reason == os.strerror(errno.EADDRINUSE):
        fix = "find it with `ss -ltnp`, or choose another port for listen in [web]"
        return "another program listens there", fix
    if reason == os.strerror(errno.EADDRNOTAVAIL):
        fix = "listen on an address of this machine (`ip address`), such as 127.0.0.1"
        return "this machine has no such address", fix
    if reason == os.strerror(errno.EACCES):
        return reason.lower(), "ports below 1024 are the system's; choose another one for listen in [web]"
    return reason.lower(), "the log of the daemon says more"


def address_of(chosen: WebSettings) -> str:
    """Return it as a browser takes it, and as a daemon tells it."""
    return url_of(str(ipaddress.ip_address(chosen.host)), chosen.port)


def _told(directory: Path) -> dict[str, Any] | None:
    """Return what a running daemon says of its web server, empty if it has none; None if no daemon answers."""
    try:
        if not is_running(directory / LOCK_FILE):
            return None
        status = ask(directory, {"command": "status"}, timeout_s=1.0)
    except ControlError:
        return None
    found = status.get("web") if isinstance(status, dict) else None
    return found if isinstance(found, dict) else {}


def _unusable(chosen: WebSettings) -> int | None:
    """Return the number of the error with which the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
    try:
        # As the daemon does it: what a closed connection leaves behind is in nobody's way.
        with socket.create_server((chosen.host, chosen.port), family=family):
            return None
    except OSError as error:
        return error.errno or errno.EINVAL
