"""What systemd is told arrives on its socket, whatever address it has, and holds up or fails nothing."""

import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from monitor.sd_notify import READY, WATCHDOG, Systemd, from_environ, status_line

PID = 4711


class Listener:
    """The other end: a datagram socket as systemd has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """Return what arrived since the last call, a list of variables a datagram."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    one = Listener(str(tmp_path / "notify") if request.param == "path" else f"@{uuid4()}")
    yield one
    one.close()


def test_variables_arrive_together(listener: Listener) -> None:
    """On a path as on a name without one."""
    assert Systemd(listener.address).tell(READY, status_line("two\n words"))
    assert listener.heard() == [["READY=1", "STATUS=two words"]]


def test_a_socket_that_is_gone_or_full_is_said_once_and_fails_nothing(tmp_path: Path) -> None:
    """It is tried again with the next word."""
    systemd = Systemd(str(tmp_path / "gone"))
    with capture_logs() as logs:
        assert not systemd.tell(WATCHDOG)
        assert not systemd.tell(WATCHDOG)
        listener = Listener(str(tmp_path / "gone"))
        assert systemd.tell(WATCHDOG)
        assert listener.heard() == [["WATCHDOG=1"]]
        sent = 0
        while systemd.tell(WATCHDOG):
            sent += 1
        assert sent > 0
        listener.close()
    assert [entry["event"] for entry in logs] == ["systemd.not_told"] * 2


@pytest.mark.parametrize("variables", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:9"}])
def test_nobody_is_told_where_nobody_wants_to_know(variables: dict[str, str]) -> None:
    """Without a socket, or with one of a kind that is not known here."""
    assert from_environ(variables | {"WATCHDOG_USEC": "1000"}, PID) is None


@pytest.mark.parametrize(
    ("variables", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(PID)}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_a_watchdog_is_fed_if_it_is_ours(variables: dict[str, str], watchdog_s: float | None) -> None:
    """One for another process, or one that makes no sense, is left alone; readiness is told all the same."""
    systemd = from_environ({"NOTIFY_SOCKET": "/run/x", **variables}, PID)
    assert systemd is not None
    assert systemd.watchdog_s == watchdog_s
