"""The units of systemd: clean, sandboxed, and in agreement with the program they start."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor import app as daemon
from monitor.beat import PATIENCE_S
from monitor.cli.common import MISUSED
from monitor.cli.report_failure import CREDENTIALS, config_of
from monitor.cli.report_failure import PATIENCE_S as REPORT_S
from monitor.cli.root import app
from monitor.cli.setup.places import system_place
from monitor.notify.apprise import SEND_TIMEOUT_S

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
PLAIN, TEMPLATE, FAILED = (
    "position-monitor.service",
    "position-monitor@.service",
    "position-monitor-failed@.service",
)
PROGRAM = "/opt/position-monitor/bin/position-monitor"
MOST_EXPOSED = 1.5
# An instance of each, as verify and security want to see it.
INSTANCES = {PLAIN: PLAIN, TEMPLATE: "position-monitor@second.service", FAILED: f"position-monitor-failed@{PLAIN}"}
_UNITS_OF_TIME = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}


def settings(name: str) -> dict[str, list[str]]:
    """Return the values of a unit by key, in the order of the file."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)([a-z]*)", text)
    assert match is not None
    return float(match[1]) * _UNITS_OF_TIME[match[2]]


def commands(name: str) -> list[list[str]]:
    found = settings(name)
    return [shlex.split(line) for key in ("ExecStart", "ExecReload") for line in found.get(key, ())]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A directory with the units, of which the program is one that is there on every machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    for name in INSTANCES:
        text = (UNITS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(PROGRAM, "/bin/true"), encoding="utf-8")
    return tmp_path


def analysed(installed: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [shutil.which("systemd-analyze") or "", *words],
        capture_output=True, text=True, check=False, timeout=60, cwd=installed,
        env={"SYSTEMD_UNIT_PATH": f"{installed}:", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.parametrize("name", INSTANCES)
def test_systemd_finds_nothing_wrong(installed: Path, name: str) -> None:
    """No unknown key, no missing unit, no word: also a warning would be a line."""
    done = analysed(installed, "verify", INSTANCES[name])
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_finds_what_is_wrong(installed: Path) -> None:
    """So that the test above can fail."""
    unit = installed / PLAIN
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSeconds="))
    assert "WatchdogSeconds" in analysed(installed, "verify", PLAIN).stderr


@pytest.mark.parametrize("name", INSTANCES)
def test_the_sandbox_is_tight(installed: Path, name: str) -> None:
    """Whatever is loosened shows in this figure: 1.5 of 10 at most."""
    unit = installed / INSTANCES[name]
    unit.write_text((installed / name).read_text())
    done = analysed(installed, "security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


def test_the_template_is_the_plain_unit_with_other_paths() -> None:
    """Nothing of the sandbox is forgotten in one of the two."""
    plain, template = settings(PLAIN), settings(TEMPLATE)
    assert [value.replace("%i", "config") for value in template["ExecStart"]] == plain["ExecStart"]
    assert [value.replace("%i", "config") for value in template["ExecReload"]] == plain["ExecReload"]
    for key in ("ExecStart", "ExecReload", "Description", "StateDirectory"):
        del plain[key], template[key]
    assert plain == template


def test_what_tells_of_the_end_is_as_tight() -> None:
    """It has every restriction that the service has; it sets no priority, so it may not."""
    plain, failed = settings(PLAIN), settings(FAILED)
    first = list(plain).index("NoNewPrivileges")
    sandbox = {key: value for key, value in list(plain.items())[first:] if key != "WantedBy"}
    sandbox["SystemCallFilter"] = [one for one in sandbox["SystemCallFilter"] if one != "setpriority"]
    assert {key: failed.get(key) for key in sandbox} == sandbox


@pytest.mark.parametrize("name", INSTANCES)
def test_commands_exist_with_these_options(name: str) -> None:
    """Each is one that the program has."""
    for program, command, *words in commands(name):
        assert program == PROGRAM
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0
        for word in words:
            assert not word.startswith("--") or word in result.output


def test_it_is_not_started_again_where_that_cannot_help() -> None:
    """The exit code of a configuration that cannot be used; everything else is worth another start."""
    found = settings(PLAIN)
    assert found["RestartPreventExitStatus"] == [str(MISUSED)]
    assert found["Restart"] == ["always"]
    # As fast as it can fail, it reaches the limit: else nobody would be told.
    assert seconds(found["RestartSec"][0]) * int(found["StartLimitBurst"][0]) < seconds(
        found["StartLimitIntervalSec"][0]
    )


def test_the_watchdog_is_more_patient_than_the_judge_of_the_loops() -> None:
    """It is fed at a third of this; a loop that is slow once must not cost a restart."""
    found = settings(PLAIN)
    assert found["Type"] == ["notify"]
    assert seconds(found["WatchdogSec"][0]) / 3 < PATIENCE_S
    assert seconds(found["WatchdogSec"][0]) >= PATIENCE_S


def test_a_stop_leaves_time_for_the_drain() -> None:
    """All its deadlines in a row, and some for closing; and only the main process hears of it."""
    found = settings(PLAIN)
    parts = ("INPUT", "COMMIT", "COMMIT", "SEND", "HISTORY")
    drain_s = sum(getattr(daemon, f"DRAIN_{part}_S") for part in parts)
    assert seconds(found["TimeoutStopSec"][0]) >= 2 * drain_s
    assert found["KillMode"] == ["mixed"]


def test_the_report_has_time_to_try_until_it_gives_up() -> None:
    """Its own patience, one more attempt, and the start of the program."""
    assert seconds(settings(FAILED)["TimeoutStartSec"][0]) >= REPORT_S + SEND_TIMEOUT_S + 60


def test_paths_are_those_that_init_writes() -> None:
    """Configuration, state and credentials of the plain unit and of one of several."""
    for instance, name in ((None, PLAIN), ("second", TEMPLATE)):
        place, found = system_place(instance), settings(name)
        assert found["ExecStart"][0].replace("%i", "second").endswith(f"--config {place.config}")
        assert place.state == f"/var/lib/{found['StateDirectory'][0].replace('%i', 'second')}"
        assert config_of(place.unit) == place.config
    assert settings(FAILED)["LoadCredential"] == [f"{CREDENTIALS.rstrip('_')}:{system_place(None).secrets}"]
    assert found["OnFailure"] == ["position-monitor-failed@%N.service"]


def test_secrets_are_readable_by_nobody_else() -> None:
    """Directories and core files are where they could get out."""
    for name in (PLAIN, TEMPLATE):
        assert settings(name)["StateDirectoryMode"] == ["0700"]
        assert settings(name)["UMask"] == ["0077"]
    for name in INSTANCES:
        assert settings(name)["LimitCORE"] == ["0"]
    assert settings(FAILED)["ConfigurationDirectoryMode"] == ["0700"]


def test_there_is_no_timer() -> None:
    """Systemd's own watchdog asks; a timer would be one more thing that can stand still."""
    assert not list(UNITS.glob("*.timer"))
