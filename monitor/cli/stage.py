"""What the demonstration needs before the curtain: a directory, a configuration in it, a script."""

import contextlib
import dataclasses
import json
import os
import secrets
import socket
import tempfile
from pathlib import Path

from monitor.cli.common import misuse
from monitor.control import PATH_LIMIT
from monitor.emulator.credentials import Credentials
from monitor.emulator.ledger import Account, Position
from monitor.emulator.scenario import BRACKET_ROWS, DURATION_S, Scenario
from monitor.storage.paths import CONTROL_SOCKET

CHANNELS = (("phone", "warning"), ("log", "notice"))
DWELL_S = 3.0
PACE_MINUTE_S = 5.0
TICK_S = 0.25
REACTION_S = 2.5  # from a message until its reader has done what it says
# Followed by key, as whoever has one does; what their owners do arrives by the private stream.
FOLLOWED = ("isolated", "cross")
LOOPBACK = "127.0.0.1"
CONFIG_NAME = "config.toml"
LOG_NAME = "demo.log"

_MARK = "# Written by `position-monitor demo`, and written anew by each demo in this directory."
_PREFIX = "position-monitor-demo-"
# Port 9 discards. In the demo itself messages stay in the process; the address is for `run` on these files.
_NOBODY = "json://127.0.0.1:9/"
_SECRET_BYTES = 32


def prepare(folder: Path | None) -> Path:
    """Return the directory of this demo, made if need be; without ``folder`` a fresh temporary one.

    Raises:
        ConfigError: the directory cannot be used, or holds something that no demo wrote.
    """
    if folder is None:
        made = Path(tempfile.mkdtemp(prefix=_PREFIX))
        if not _short(made):
            made.rmdir()
            made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
        return made
    chosen = folder.absolute()
    if not _short(chosen):
        longest = PATH_LIMIT - len(CONTROL_SOCKET) - 1
        raise misuse("--state", f"{len(os.fsencode(chosen))} characters", f"a path of at most {longest}")
    try:
        chosen.mkdir(parents=True, exist_ok=True, mode=0o700)
        strange = any(chosen.iterdir()) and not _ours(chosen / CONFIG_NAME)
    except OSError as error:
        reason = (error.strerror or "it cannot be used").lower()
        raise misuse("--state", str(chosen), "a directory that can be written", reason) from None
    if strange:
        hint = "levels of real positions must not be mixed with those of a demonstration"
        raise misuse("--state", f"{chosen}, which holds other files", "an empty directory, or one of a demo", hint)
    return chosen


def free_port(wanted: int) -> int:
    """Return this port of loopback, or one that the system picks where another program listens on it."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server((LOOPBACK, port)) as free:
            found: int = free.getsockname()[1]
            return found
    return wanted


def with_keys(scenario: Scenario) -> Scenario:
    """Return the scenario with keys for the accounts that are followed: new ones each time."""
    accounts = tuple(
        dataclasses.replace(one, credentials=Credentials(_random(), _random())) if one.name in FOLLOWED else one
        for one in scenario.accounts
    )
    return dataclasses.replace(scenario, accounts=accounts)


def write_config(
    folder: Path, scenario: Scenario, *, market_ws: str, rest: str, dwell_s: float, private_ws: str = "",
    web_port: int | None = None,
) -> Path:  # fmt: skip
    """Write the configuration of a user who holds what the scenario says; return its path.

    An account with credentials is followed by them, which go into files only their owner can read; any other is
    typed in. ``private_ws`` is the base of the private streams, needed for the former; with ``web_port`` the
    status page is served on loopback, for looking only.
    """
    lines = [
        _MARK,
        "[exchange]",
        'environment = "testnet"',
        f"rest_url = {json.dumps(rest)}",
        f"market_stream_url = {json.dumps(market_ws)}",
        *([f"private_stream_url = {json.dumps(private_ws)}"] if private_ws else []),
        "typical_moves = false  # what takes hours passes in seconds here: no such hour is typical",
        "",
        "[state]",
        f"directory = {json.dumps(str(folder), ensure_ascii=False)}",
        "",
        "[log]",
        'level = "info"',
    ]
    if web_port is not None:
        lines += ["", "[web]", "enabled = true", f'listen = "{LOOPBACK}:{web_port}"']
    for level in ("notice", "warning", "critical", "emergency"):
        lines += ["", f"[alerts.{level}]", f'dwell = "{dwell_s:g}s"  # shortened for the demonstration']
        lines += ["moves_left = false  # they are not known here"]
    for name, least in CHANNELS:
        lines += ["", "[[channels]]", f'name = "{name}"', f'min_level = "{least}"']
        lines += [f"url = {_kept(folder / f'{name}.url', f'{_NOBODY}{name}')}"]
    for account in scenario.accounts:
        lines += ["", "[[accounts]]", f"name = {json.dumps(account.name)}"]
        lines += (
            _typed_in(account)
            if account.credentials is None
            else _followed(folder, account.credentials, account.name)
        )
    for symbol in dict.fromkeys(position.symbol for position in scenario.positions):
        rows = ", ".join(f"[{floor}, {cap}, {mmr}, {cum}]" for floor, cap, mmr, cum, _ in BRACKET_ROWS[symbol])
        lines += ["", f"[brackets.{symbol}]", f"rows = [{rows}]"]
    path = folder / CONFIG_NAME
    _write(path, "\n".join(lines) + "\n")
    return path


def compressed(scenario: Scenario, seconds: float) -> Scenario:
    """Return the same story told in so many seconds."""
    scale = seconds / scenario.duration_s
    instruments = tuple(
        dataclasses.replace(
            one,
            path=dataclasses.replace(
                one.path, points=tuple((time_s * scale, price) for time_s, price in one.path.points)
            ),
        )
        for one in scenario.instruments
    )
    return dataclasses.replace(scenario, instruments=instruments, duration_s=seconds)


def scale_of(seconds: float | None) -> float:
    """Return by what factor a demonstration of so many seconds is longer than the written one."""
    return 1.0 if seconds is None else seconds / DURATION_S


def _followed(folder: Path, keys: Credentials, name: str) -> list[str]:
    return [
        f"api_key = {_kept(folder / f'{name}.key', keys.api_key)}",
        f"api_secret = {_kept(folder / f'{name}.secret', keys.secret)}",
    ]


def _typed_in(account: Account) -> list[str]:
    lines = []
    if account.balances:
        amounts = ", ".join(f"{asset} = {amount}" for asset, amount in account.balances.items())
        lines.append(f"balances = {{ {amounts} }}")
    for position in account.positions:
        lines += _position(position)
    return lines


def _position(position: Position) -> list[str]:
    lines = [
        "[[accounts.positions]]",
        f'symbol = "{position.symbol}"',
        f'side = "{position.side}"',
        f"quantity = {position.quantity}",
        f"entry_price = {position.entry}",
        f'margin_mode = "{position.margin_mode}"',
    ]
    return [*lines, f"margin = {position.margin}"] if position.margin_mode == "isolated" else lines


def _kept(path: Path, secret: str) -> str:
    """Put a secret into a file of its own; return how a configuration refers to it."""
    _write(path, f"{secret}\n")
    return f"{{ file = {json.dumps(str(path), ensure_ascii=False)} }}"


def _random() -> str:
    return secrets.token_hex(_SECRET_BYTES)


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _short(folder: Path) -> bool:
    return len(os.fsencode(folder / CONTROL_SOCKET)) <= PATH_LIMIT


def _ours(config: Path) -> bool:
    try:
        with config.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n") == _MARK
    except (OSError, UnicodeDecodeError):
        return False
