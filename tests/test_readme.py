"""Every command of the README is one that works."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.charts import INSTALL
from monitor.cli.root import app
from monitor.cli.setup.answers import ALL_SECRETS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
]
AS_ROOT = [words[1:] if words[:1] == ["sudo"] else words for words in LINES]
OURS = [words[1:] for words in AS_ROOT if words and words[0] == "position-monitor"]
SMALLEST, KEYED, HELPERS = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
# Run by tests of their own against daemons and services, and by CI itself; here only their options are checked.
ELSEWHERE = {
    "run", "replay", "status", "history", "test-alert", "doctor", "audit", "drill", "alerts", "ack", "snooze",
    "mute", "unsnooze", "checkup", "init", "healthcheck", "watch",
}  # fmt: skip


@pytest.mark.parametrize("words", [w for w in OURS if w[0] not in ELSEWHERE], ids=" ".join)
def test_offline_commands_work_as_written(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the configuration that the README itself shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TELEGRAM_URL", "tgram://123456789:not-a-real-token-of-any-bot-000000/1")
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    (tmp_path / "config.toml").write_text(SMALLEST, encoding="utf-8")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("words", [w for w in OURS if w[0] in ELSEWHERE], ids=" ".join)
def test_other_commands_exist_with_these_options(words: list[str]) -> None:
    """The command's help names every option the README uses."""
    result = CliRunner().invoke(app, [words[0], "--help"])
    assert result.exit_code == 0
    for word in words:
        assert not word.startswith("--") or word in result.output


@pytest.mark.parametrize("words", [w for w in OURS if w[0] == "init" and "--yes" in w], ids=" ".join)
def test_a_first_configuration_is_written_as_shown(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With files of these names; nothing is sent here. What comes of it is accepted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    url = "tgram://123456789:not-a-real-token-of-any-bot-000000/1"
    monkeypatch.setenv("TELEGRAM_URL", url)
    for name, text in (("key", "k" * 64), ("secret", "s" * 64), ("telegram-url", url)):
        (tmp_path / name).write_text(text)
    result = CliRunner().invoke(app, [*words, "--no-test"])
    assert result.exit_code == 0, result.output
    assert "position-monitor run" in result.output
    assert CliRunner().invoke(app, ["check-config"]).exit_code == 0


def test_make_targets_exist() -> None:
    """The README names no target that the Makefile lacks."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [words[1] for words in LINES if words and words[0] == "make"]
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_nothing_is_installed_by_name() -> None:
    """From locks with hashes and from the sources: what has the name of the project on an index is not ours."""
    installed = [words[2:] for words in AS_ROOT if [Path(word).name for word in words[:2]] == ["pip", "install"]]
    locks = [words[2] for words in installed if words[:2] == ["--require-hashes", "--requirement"]]
    assert {words[-1] for words in installed} == {".", *locks}
    assert INSTALL.endswith(f"pip install --require-hashes --requirement {locks[1]}")
    for path in (ROOT / "monitor").rglob("*.py"):
        assert "install 'position-monitor" not in path.read_text(encoding="utf-8"), path


def test_what_docker_is_told_exists() -> None:
    """Compositions, the services they have, the commands asked for in them, arguments."""
    lines = [words for words in LINES if words and words[0] == "docker"]
    assert {words[1] for words in lines} == {"build", "compose", "run"}
    for words in lines:
        for name in (after for word, after in pairwise(words) if word == "--file"):
            assert f"{words[0]} {words[1]}" == "docker compose"
            assert (ROOT / name).exists(), name
        if "exec" in words:
            service, program, command, *_ = words[words.index("exec") + 1 :]
            assert f"\n  {service}:\n" in (ROOT / words[words.index("--file") + 1]).read_text(encoding="utf-8")
            assert program == "position-monitor"
            assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
        for argument in (after.partition("=")[0] for word, after in pairwise(words) if word == "--build-arg"):
            assert re.search(rf"^ARG {argument}=", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def test_files_and_links_exist() -> None:
    """No link into the repository is broken."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_places_within_it_exist() -> None:
    """Each link to a heading finds one, written as sites show it: lower case, dashes, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    there = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    named = set(re.findall(r"\]\(#([^)]+)\)", README))
    assert named
    assert named <= there


def test_the_configuration_shown_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest one that is of use."""
    monkeypatch.setenv("TELEGRAM_URL", "tgram://123456789:not-a-real-token-of-any-bot-000000/1")
    path = tmp_path / "config.toml"
    path.write_text(SMALLEST, encoding="utf-8")
    result = CliRunner().invoke(app, ["check-config", "--config", str(path)])
    assert result.exit_code == 0, result.output
    assert "1 account, 1 position, 1 channel." in result.output


def test_the_channels_that_help_each_other_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As written, in place of the one channel of the smallest configuration."""
    monkeypatch.setenv("TELEGRAM_URL", "tgram://123456789:not-a-real-token-of-any-bot-000000/1")
    monkeypatch.setenv("EMAIL_URL", "json://127.0.0.1:9/")
    monkeypatch.setenv("CALL_URL", "json://127.0.0.1:9/")
    monkeypatch.setenv("PING_URL", "https://hc-ping.example/not-a-real-check")
    path = tmp_path / "config.toml"
    path.write_text(SMALLEST.partition("[[channels]]")[0] + HELPERS, encoding="utf-8")
    result = CliRunner().invoke(app, ["check-config", "--config", str(path)])
    assert result.exit_code == 0, result.output
    assert "3 channels" in result.output


def test_the_account_with_a_key_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As written, once its secrets are where it says."""
    monkeypatch.setenv("BINANCE_API_KEY", "k" * 64)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    secret = tmp_path / ".config" / "position-monitor" / "secret"
    secret.parent.mkdir(parents=True)
    secret.write_text("s" * 64)
    secret.chmod(0o600)
    path = tmp_path / "config.toml"
    path.write_text(KEYED, encoding="utf-8")
    result = CliRunner().invoke(app, ["check-config", "--config", str(path)])
    assert result.exit_code == 0, result.output
    assert "1 account (followed by key: main)" in result.output


def test_the_service_is_installed_from_and_to_where_things_are() -> None:
    """What is copied is there, the program lies where the units start it, and no unit is named that is none."""
    units = {path.name for path in (ROOT / "systemd").glob("*.service")}
    program = "/opt/position-monitor/bin/position-monitor"
    copied = next(words for words in AS_ROOT if words[:1] == ["cp"] and words[-1] == "/etc/systemd/system/")
    assert {path.name for path in ROOT.glob(copied[1])} == units
    assert ["python3", "-m", "venv", "/opt/position-monitor"] in AS_ROOT
    assert ["ln", "-s", program, "/usr/local/bin/position-monitor"] in AS_ROOT
    assert all(f"ExecStart={program} " in (ROOT / "systemd" / name).read_text() for name in units)
    locks = {words[-1] for words in AS_ROOT if "--requirement" in words}
    assert locks
    assert all((ROOT / lock).is_file() for lock in locks)
    named = {re.sub("@.*", "@", words[-1]) for words in AS_ROOT if words[:1] == ["systemctl"] and len(words) > 2}
    assert named == {"position-monitor", "position-monitor@", "position-monitor-failed@"}
    assert {f"{name}.service" for name in named} == units


def test_a_credential_is_encrypted_in_place_of_the_one_that_init_writes() -> None:
    """The name of the credential is part of what is encrypted, and the unit asks for it by that name."""
    words = next(words for words in AS_ROOT if words[:1] == ["systemd-creds"])
    [name] = [word.removeprefix("--name=") for word in words if word.startswith("--name=")]
    assert words[-2:] == [f"/etc/position-monitor/credentials/{name}", f"/etc/credstore.encrypted/{name}"]
    assert f"LoadCredentialEncrypted={name}:{words[-1]}`" in README
    assert name in ALL_SECRETS
