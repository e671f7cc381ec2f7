"""What follows the writing: tests, and the next commands."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.cli.common import FAILED, complain, console
from monitor.cli.setup.answers import WEB_TOKEN, Answers, InVariable
from monitor.cli.setup.places import Place
from monitor.cli.setup.write import Written
from monitor.config import find_config
from monitor.doctor.finding import Finding, State
from monitor.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

_UNITS = (Path("/etc/systemd/system"), Path("/usr/local/lib/systemd/system"), Path("/usr/lib/systemd/system"))
_STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red", State.UNKNOWN: "magenta"}


def finish(
    answers: Answers, place: Place, written: Written, *, test: bool, silent: bool
) -> tuple[dict[str, object], int]:
    """Try what was written, say what is next, and return the document of it with the exit code."""
    out = console()
    if not silent:
        _say_written(out, place, written)
    channels: dict[str, str] = {}
    findings: list[Finding] = []
    skipped: list[str] = []
    failed = False
    if test:
        try:
            channels, findings, skipped = _tests(answers, place, written, out, silent=silent)
        except KeyboardInterrupt:
            complain("stopped before the tests were over; the files are written")
            failed = True
    failed |= any(channels.values()) or any(one.state is State.FAIL for one in findings)
    steps = next_commands(place, failed=failed, anew=bool(written.kept))
    if not silent:
        _say_next(out, answers, place, steps, channels)
    document: dict[str, object] = {
        "config": str(place.config),
        "written": [str(path) for path in written.files],
        "kept": [str(path) for path in written.kept],
        "environment": answers.environment,
        "channels": {name: reason or "accepted" for name, reason in channels.items()},
        "findings": findings,
        "not_tested": skipped,
        "warnings": list(written.settings.warnings),
        "next": steps,
    }
    return document, FAILED if failed else 0


def _tests(
    answers: Answers, place: Place, written: Written, out: "Console", *, silent: bool
) -> tuple[dict[str, str], list[Finding], list[str]]:
    from monitor.cli.setup.trying import try_accounts, try_channels

    environ = place.environ(os.environ)
    skipped = [
        f"{name}: the variable {source.name} is not set here"
        for name, source in answers.sources()
        if isinstance(source, InVariable) and source.name not in os.environ
    ]
    channels: dict[str, str] = {}
    findings: list[Finding] = []
    if skipped:
        for one in skipped if not silent else ():
            out.print(f"Not tested: {one}.", markup=False)
        return channels, findings, skipped
    if written.settings.channels:
        if not silent:
            out.print("\nSending a test message ...")
        try:
            channels = try_channels(written.settings, environ, silent=silent)
        except ConfigError as error:  # what a variable holds was not looked at before
            complain(str(error))
            channels = {one.name: "unusable" for one in written.settings.channels}
    if written.settings.keyed:
        if not silent:
            out.print("\nAsking the exchange with the key ...")
        findings = try_accounts(written.settings, environ)
        for finding in findings if not silent else ():
            _say_finding(out, finding)
    return channels, findings, skipped


def next_commands(place: Place, *, failed: bool, anew: bool = False) -> list[str]:
    """Return what to type next, in order.

    Args:
        place: where it was written.
        failed: a test did; then it is to be repeated first.
        anew: there was a configuration before, with which a service may run: credentials change when it starts.
    """
    named = "" if _is_usual(place.config) else f" --config {shlex.quote(str(place.config))}"
    if not place.system:
        return [f"position-monitor doctor --send{named}"] * failed + [f"position-monitor run{named}"]
    unit = place.unit.removesuffix(".service")
    template = f"{unit.partition('@')[0]}@.service" if "@" in unit else place.unit
    here = any((directory / template).exists() for directory in _UNITS)
    again = f"sudo position-monitor doctor --send{named}"
    return [
        *([again] if failed else []),
        *([] if here else ["sudo cp systemd/*.service /etc/systemd/system/"]),
        "sudo systemctl daemon-reload",
        *([f"sudo systemctl enable {unit}", f"sudo systemctl restart {unit}"] if anew else [_start(unit)]),
        f"sudo position-monitor status{named if '@' in unit else ''}",
    ]


def _start(unit: str) -> str:
    return f"sudo systemctl enable --now {unit}"


def _is_usual(config: Path) -> bool:
    try:
        return find_config(None, os.environ).absolute() == config
    except ConfigError:
        return False


def _say_written(out: "Console", place: Place, written: Written) -> None:
    out.print("Written:")
    for path in written.files:
        mine = " (secret)" if path.parent == place.secrets else ""
        out.print(f"  {path}{mine}", markup=False, soft_wrap=True)
    for path in written.kept:
        out.print(f"  kept what was there: {path}", markup=False, soft_wrap=True)
    for warning in written.settings.warnings:
        out.print(f"Warning: {warning}", markup=False)


def _say_finding(out: "Console", one: Finding) -> None:
    from rich.text import Text

    line = Text.assemble("  ", (one.state.value, _STYLES[one.state]), f" {one.area}: {one.found}")
    out.print(line)
    if one.fix and one.state is not State.OK:
        out.print(Text(f"  do: {one.fix}"), soft_wrap=True)


def _say_next(out: "Console", answers: Answers, place: Place, steps: list[str], channels: dict[str, str]) -> None:
    if any(channels.values()):
        where = place.secrets
        out.print(
            f"\nThe test message did not arrive. The files are written: put the right address in {where}, or run"
            " init again with --force.",
            markup=False,
        )
    out.print("\nNext:")
    for step in steps:
        out.print(f"  {step}", markup=False, soft_wrap=True)
    if answers.web_token is not None:
        token = place.secrets / f"{place.prefix}{WEB_TOKEN}"
        out.print(
            f"\nStatus page, once it runs: http://{answers.listen}, with the token in {token}", soft_wrap=True
        )
    out.print("\n`position-monitor help` tells the rest.", markup=False)
