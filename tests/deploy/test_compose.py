"""The compositions: hardened, pinned, reachable from this machine only, and all that they name is there."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from monitor.cli.root import app
from monitor.config import load_text
from tests.deploy.reading import DEPLOY, PINNED, composed, stages

ALONE = ("compose.yaml",)
MONITORED = ("compose.yaml", "compose.monitoring.yaml")
BOTH = pytest.mark.parametrize("names", [ALONE, MONITORED], ids=["alone", "monitored"])
SERVICE = "position-monitor"
DRAINED_S = 5  # at the latest, as the README promises
CONFIG = (DEPLOY / "config" / "config.toml").read_text(encoding="utf-8")


def services(names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = composed(*names)["services"]
    return found


def works(command: list[str]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run([*command, "version"], capture_output=True, check=False, timeout=60).returncode == 0


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@BOTH
def test_every_service_is_hardened(names: tuple[str, ...]) -> None:
    """Nothing to write to but what is named, no rights, bounds on what it takes, and logs that end."""
    for name, one in services(names).items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[1-9]\d*:\d+", one["user"]), name
        assert one["mem_limit"], name
        assert one["pids_limit"], name
        assert one["restart"] == "unless-stopped", name
        assert one["healthcheck"]["test"][0] == "CMD", name
        assert one["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert [each.partition(":")[0] for each in one["tmpfs"]] == ["/tmp"], name  # noqa: S108 - of the container
        assert not one.keys() & {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"}, name


@BOTH
def test_every_image_is_pinned_or_built_here(names: tuple[str, ...]) -> None:
    """By version and digest; ours is built from this checkout, whatever a registry has by its name."""
    for name, one in services(names).items():
        if name == SERVICE:
            assert (DEPLOY / one["build"]).resolve() == DEPLOY.parent
            assert one["pull_policy"] == "build"
        else:
            assert PINNED.fullmatch(one["image"]), name


@BOTH
def test_nothing_is_published_beyond_this_machine(names: tuple[str, ...]) -> None:
    """Every published port is one of loopback; Prometheus publishes none and is in the internal network only."""
    whole = composed(*names)
    for name, one in whole["services"].items():
        for port in one.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
    if "prometheus" in whole["services"]:
        assert "ports" not in whole["services"]["prometheus"]
        (network,) = whole["services"]["prometheus"]["networks"]
        assert whole["networks"][network]["internal"] is True


@BOTH
def test_what_is_mounted_is_there(names: tuple[str, ...]) -> None:
    """Files and directories of this checkout, read only; volumes that are declared."""
    whole = composed(*names)
    for name, one in whole["services"].items():
        for mount in one["volumes"]:
            if isinstance(mount, dict):
                assert mount["read_only"] is True
                assert (DEPLOY / mount["source"]).is_dir(), name
                continue
            source, _, target = mount.partition(":")
            if source.startswith("."):
                assert (DEPLOY / source).exists(), mount
                assert target.endswith(":ro"), mount
            else:
                assert source in whole["volumes"], mount


@BOTH
def test_secrets_are_declared_and_stay_out_of_the_checkout(names: tuple[str, ...]) -> None:
    """Each that a service gets is a file of the directory that git ignores."""
    whole = composed(*names)
    given = {secret for one in whole["services"].values() for secret in one.get("secrets", ())}
    assert given == whole["secrets"].keys()
    for name, one in whole["secrets"].items():
        assert one == {"file": f"./secrets/{name}"}
    assert "/deploy/secrets/" in (DEPLOY.parent / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_service_gets_the_secrets_of_its_configuration() -> None:
    """Those it names, and, commented out in all places, those of an account followed by its key."""
    given = services(ALONE)[SERVICE]["secrets"]
    named = re.findall(r'^[^#\n]*"/run/secrets/([a-z-]+)"', CONFIG, re.MULTILINE)
    assert sorted(named) == sorted(given)
    commented = re.findall(r'^# .*"/run/secrets/([a-z-]+)"', CONFIG, re.MULTILINE)
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    for name in commented:
        assert f"# - {name}\n" in text
        assert f"# {name}: {{ file: ./secrets/{name} }}\n" in text


@pytest.mark.parametrize("by_key", [False, True], ids=["as written", "with a key"])
def test_the_configuration_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_key: bool) -> None:
    """As written, and with what is commented out in place of the account that is typed in."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    text = CONFIG
    if by_key:
        block = re.search(r"(?:#   .*\n)+", text)
        assert block is not None
        rest = text[text.index("[[channels]]") :]
        text = text[: block.start()] + block[0].replace("#   ", "") + rest
    secrets = {
        "telegram-url": "tgram://123456789:not-a-real-token-of-any-bot-000000/1", "web-token": "w" * 48,
        "binance-key": "k" * 64, "binance-secret": "s" * 64,
    }  # fmt: skip
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text(text.replace("/run/secrets", str(tmp_path)), encoding="utf-8")
    result = CliRunner().invoke(app, ["check-config", "--config", str(path)])
    assert result.exit_code == 0, result.output
    assert ("followed by key: main" in result.output) is by_key


def test_the_page_is_where_it_is_published_and_asked_for() -> None:
    """One port in the configuration, the composition and Prometheus, which calls the service by its name."""
    web = load_text(CONFIG, "deploy/config/config.toml").web
    assert web.enabled
    assert services(ALONE)[SERVICE]["ports"] == [f"127.0.0.1:{web.port}:{web.port}"]
    scraped = yaml.safe_load((DEPLOY / "monitoring" / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = scraped["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"{SERVICE}:{web.port}"]}]
    assert SERVICE in web.names
    token = Path(job["authorization"]["credentials_file"])
    assert web.token is not None
    assert str(token) == web.token.name
    assert token.name in services(MONITORED)["prometheus"]["secrets"]


def test_files_of_prometheus_and_grafana_are_where_they_look_for_them() -> None:
    """The rules beside the configuration that names them, the dashboards where the provider looks."""
    seen = {
        target.removesuffix(":ro"): DEPLOY / source
        for name in ("prometheus", "grafana")
        for source, _, target in (mount.partition(":") for mount in services(MONITORED)[name]["volumes"])
    }
    scraped = yaml.safe_load(seen["/etc/prometheus/prometheus.yml"].read_text(encoding="utf-8"))
    for rules in scraped["rule_files"]:
        assert f"/etc/prometheus/{rules}" in seen
    (provider,) = (seen["/etc/grafana/provisioning"] / "dashboards").iterdir()
    for one in yaml.safe_load(provider.read_text(encoding="utf-8"))["providers"]:
        assert any(seen[one["options"]["path"]].iterdir())
    (source,) = (seen["/etc/grafana/provisioning"] / "datasources").iterdir()
    (prometheus,) = yaml.safe_load(source.read_text(encoding="utf-8"))["datasources"]
    assert prometheus["url"] == "http://prometheus:9090"


def test_health_is_asked_as_the_image_does() -> None:
    """The composition repeats it, because images of the OCI format have none."""
    (check,) = [one for one in stages()[1] if one.word == "HEALTHCHECK"]
    ours = services(ALONE)[SERVICE]["healthcheck"]
    assert ours["test"] == ["CMD", *check.array]
    for key in ("interval", "timeout", "start_period", "retries"):
        assert f"--{key.replace('_', '-')}={ours[key]} " in check.text


def test_it_is_given_time_to_drain() -> None:
    """Before it is killed."""
    assert seconds(services(ALONE)[SERVICE]["stop_grace_period"]) > DRAINED_S


@BOTH
def test_compose_itself_accepts_them(names: tuple[str, ...]) -> None:
    """Where it is installed."""
    command = next((words for words in (["docker", "compose"], ["docker-compose"]) if works(words)), None)
    if command is None:
        pytest.skip("docker compose is not installed")
    files = [word for name in names for word in ("--file", name)]
    done = subprocess.run(
        [*command, *files, "config", "--quiet"],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
