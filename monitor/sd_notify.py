"""What systemd is told: that the service is ready, lives, reloads, stops. A datagram each, on the socket it names.

Nothing here waits or fails: a service must not depend on who watches it.
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

import structlog

log = structlog.get_logger()

READY: Final = "READY=1"
RELOADING: Final = "RELOADING=1"
STOPPING: Final = "STOPPING=1"
WATCHDOG: Final = "WATCHDOG=1"
_STATUS_CHARS = 400


class Systemd:
    """The one who started this process.

    Args:
        address: of its socket: a path, or a name that begins with ``@``.
        watchdog_s: within which it wants to hear that the service lives, in seconds; None: it does not.
    """

    def __init__(self, address: str, watchdog_s: float | None = None) -> None:
        # "@" stands for the zero byte with which the kernel marks names that are no paths.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s
        self._failing = False

    def tell(self, *words: str) -> bool:
        """Send variables such as ``READY=1`` together; return whether they were taken."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.setblocking(False)
                channel.sendto("\n".join(words).encode(), self._address)
        except OSError as error:
            if not self._failing:
                log.warning("systemd.not_told", reason=os.strerror(error.errno or 0))
            self._failing = True
            return False
        self._failing = False
        return True


def status_line(text: str) -> str:
    """Return a line that ``systemctl status`` shows."""
    return f"STATUS={' '.join(text.split())[:_STATUS_CHARS]}"


def extend(seconds: float) -> str:
    """Return what lets a start take so much longer from now on, where it would take too long."""
    return f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}"


def monotonic(now_s: float) -> str:
    """Return when a reload began, on the machine's monotonic clock; it has to come with RELOADING."""
    return f"MONOTONIC_USEC={round(now_s * 1e6)}"


def from_environ(environ: Mapping[str, str], pid: int) -> Systemd | None:
    """Return who wants to be told, by the variables that systemd sets; None where nobody does.

    A watchdog that is meant for another process, such as the one that started this one, is none of ours.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    every_us = environ.get("WATCHDOG_USEC", "")
    mine = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
    wanted = mine and every_us.isascii() and every_us.isdigit() and int(every_us) > 0
    return Systemd(address, int(every_us) / 1e6 if wanted else None)
