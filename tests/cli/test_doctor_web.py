"""``doctor``, ``check-config`` and ``status`` about [web]: its token, its address, and who listens there."""

import asyncio
import errno
import io
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from monitor.cli.root import app
from monitor.cli.status import print_status
from monitor.config import WebSettings, gather_secrets, load_text
from monitor.control import ControlServer, Lock
from monitor.doctor.finding import State
from monitor.doctor.web import address_finding, address_of, web_findings
from monitor.status import WebView
from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE
from tests.cli.made import state
from tests.ports import free_port

ACCOUNT = '[[accounts]]\nname = "main"\n'
LOCAL = "127.0.0.1"


def chosen(port: int, host: str = LOCAL) -> WebSettings:
    return WebSettings(enabled=True, host=host, port=port)


def test_an_address_that_nobody_uses_is_free(tmp_path: Path) -> None:
    """And stays so: nothing is left open by looking."""
    for host in (LOCAL, "::1"):
        one = chosen(free_port(), host)
        for _ in range(2):
            found = address_finding(one, tmp_path)
            assert (found.state, found.found) == (State.OK, f"{address_of(one)}: free")


def test_an_address_of_another_program_fails(tmp_path: Path) -> None:
    """With how to find it."""
    with socket.create_server((LOCAL, 0)) as other:
        found = address_finding(chosen(other.getsockname()[1]), tmp_path)
    assert found.state is State.FAIL
    assert "another program listens there" in found.found
    assert "ss -ltnp" in found.fix


def test_an_address_of_another_machine_fails(tmp_path: Path) -> None:
    """An address for documentation is nobody's."""
    found = address_finding(chosen(9757, "192.0.2.1"), tmp_path)
    assert (found.state, found.found) == (State.FAIL, "http://192.0.2.1:9757: this machine has no such address")


def test_an_address_that_may_not_be_used_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a port of the system's is refused to a user."""

    def refuse(*_args: object, **_named: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    found = address_finding(chosen(80), tmp_path)
    assert (found.state, found.found) == (State.FAIL, "http://127.0.0.1:80: permission denied")


@pytest.mark.parametrize("listens", [True, False])
async def test_the_running_daemon_is_asked_whether_it_is_who_listens(tmp_path: Path, *, listens: bool) -> None:
    """Its own address is fine although it is taken; one that it does not have is worth a word."""
    port = free_port()
    address = f"http://{LOCAL}:{port}" if listens else ""

    async def status(_request: Mapping[str, Any]) -> object:
        return {"web": {"address": address}}

    with Lock(tmp_path / LOCK_FILE):
        control = ControlServer(tmp_path / CONTROL_SOCKET, {"status": status})
        await control.start()
        found = await asyncio.to_thread(address_finding, chosen(port), tmp_path)
        await control.stop()
    if listens:
        assert (found.state, found.found) == (State.OK, f"{address}: the running daemon listens")
    else:
        assert found.state is State.WARN
        assert "a daemon runs that does not listen" in found.found


def test_where_nothing_is_served_nothing_is_said(tmp_path: Path) -> None:
    """Of a section that is off; once it is on, of its token by its place only."""
    off = load_text(ACCOUNT, "x")
    assert list(web_findings(off, gather_secrets(off, {})[0], tmp_path)) == []
    listen = f'listen = "{LOCAL}:{free_port()}"\n'
    bare = load_text(f"{ACCOUNT}[web]\nenabled = true\n{listen}", "x")
    token, _ = web_findings(bare, gather_secrets(bare, {})[0], tmp_path)
    assert token.found == "none: everybody on this machine may read, nobody may change"
    kept = load_text(f"{ACCOUNT}[web]\nenabled = true\n{listen}token = {{ env = 'WEB_TOKEN' }}\n", "x")
    secrets, _ = gather_secrets(kept, {"WEB_TOKEN": "hush-hush-hush-hush"})
    token, _ = web_findings(kept, secrets, tmp_path)
    assert (token.state, token.found) == (State.OK, "environment variable WEB_TOKEN")
    # One that cannot be had is told with the other secrets.
    assert [one.subject for one in web_findings(kept, gather_secrets(kept, {})[0], tmp_path)] == ["address"]


def test_check_config_names_the_address_and_what_is_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning: the program may be gone when the service starts, and the service watches without it."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    config = tmp_path / "config.toml"
    port = free_port()

    def check(*args: str) -> str:
        result = CliRunner().invoke(app, ["check-config", "--config", str(config), *args], env=dict(os.environ))
        assert result.exit_code == 0, result.output
        return result.stdout

    config.write_text(ACCOUNT)
    assert json.loads(check("--json"))["web"] is None
    config.write_text(f'{ACCOUNT}[web]\nenabled = true\nlisten = "{LOCAL}:{port}"\n')
    assert json.loads(check("--json"))["web"] == f"http://{LOCAL}:{port}"
    said = f"Status page, health and metrics: http://{LOCAL}:{port}, nothing can be changed there."
    assert said in check()
    with socket.create_server((LOCAL, port)):
        (warning,) = [one for one in json.loads(check("--json"))["warnings"] if one.startswith("web.")]
    assert warning.startswith(f"web.listen: http://{LOCAL}:{port}: another program listens there; find it")


def test_people_see_in_status_where_pages_are_and_who_was_refused() -> None:
    """Nothing where none are served; loudly where they cannot be."""
    assert "Web:" not in printed(None)
    view = WebView("http://127.0.0.1:9757", "", 2, 40, {"token": 3, "host": 1}, 1)
    assert "Web: http://127.0.0.1:9757; 40 requests, 4 refused, 1 slow client cut." in printed(view)
    view = WebView("", "", 0, 0, {}, 0)
    assert "Web: NOT LISTENING on http://127.0.0.1:9757: not yet; 0 requests" in printed(view)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (errno.EADDRINUSE, "another program listens there (find it with `ss -ltnp`, or choose another port"),
        (errno.EADDRNOTAVAIL, "this machine has no such address (listen on an address of this machine"),
        (errno.EACCES, "permission denied (ports below 1024 are the system's"),
        (errno.EMFILE, "too many open files (the log of the daemon says more)"),
    ],
)
def test_status_says_where_nothing_listens_and_what_to_do(reason: int, said: str) -> None:
    """As check-config and doctor do: the address, what is in its way, the fix."""
    line = printed(WebView("", os.strerror(reason), 0, 0, {}, 0))
    assert f"Web: NOT LISTENING on http://127.0.0.1:9757: {said}" in line


def printed(view: WebView | None) -> str:
    file = io.StringIO()
    print_status(state(web=view), Console(file=file, width=240), None, listen=WebSettings())
    return file.getvalue()
