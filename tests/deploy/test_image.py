"""The Dockerfile as far as it can be judged without an engine; `make image-proof` builds it and runs it."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from monitor import dead_man
from monitor.config.locate import SYSTEM_CONFIG, VARIABLE
from tests.deploy.reading import PINNED, ROOT, instructions, stages

BUILD, FINAL = stages()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def only(word: str) -> str:
    (found,) = [one.text for one in FINAL if one.word == word]
    return found


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only("ENV").split())


def test_both_stages_stand_on_one_base_that_is_pinned() -> None:
    """By version and digest, and another one can be given."""
    first = instructions()[0]
    assert first.word == "ARG"
    name, _, image = first.text.partition("=")
    assert PINNED.fullmatch(image)
    assert [one.text.split()[0] for one in instructions() if one.word == "FROM"] == [f"${{{name}}}"] * 2


def test_nothing_is_fetched_without_a_hash() -> None:
    """What pip takes from an index is compared with the lock files; everything else it takes from no index."""
    calls = [
        call
        for one in instructions()
        if one.word == "RUN"
        for call in one.text.split("&&")
        if re.search(r"\bpip\b.*\b(install|wheel|download)\b", call)
    ]
    assert len(calls) == 4
    for call in calls:
        assert "--require-hashes --only-binary :all:" in call or "--no-index" in call, call


def test_the_build_takes_what_the_project_asks_for() -> None:
    """The backend of the build is locked like everything else; so are both sets of dependencies."""
    asked = (ROOT / "requirements" / "build.in").read_text(encoding="utf-8").splitlines()
    assert [line for line in asked if not line.startswith("#")] == PROJECT["build-system"]["requires"]
    locked = (ROOT / "requirements" / "build.lock").read_text(encoding="utf-8")
    assert locked.startswith("hatchling==")
    for name in ("run", "charts"):
        assert (ROOT / "requirements" / f"{name}.lock").exists()


def test_the_last_stage_takes_only_what_runs() -> None:
    """No file of the checkout and no tool of the build gets there but the environment and the empty directory."""
    copied = [one.text for one in FINAL if one.word in {"COPY", "ADD"}]
    assert [text.rsplit(maxsplit=2)[1] for text in copied] == ["/opt/position-monitor", "/build/root"]
    assert all(text.startswith("--from=build ") for text in copied)
    (compiling,) = [one.array for one in FINAL if one.word == "RUN"]
    assert compiling[:3] == ["python3", "-m", "compileall"]


def test_it_needs_no_shell_to_run() -> None:
    """What is started, asked for health, and its arguments are in exec form; the program is the one installed."""
    (script,) = PROJECT["project"]["scripts"]
    program = f"/opt/position-monitor/bin/{script}"
    at = {one.word: one.array for one in FINAL if one.word in {"ENTRYPOINT", "CMD", "HEALTHCHECK"}}
    assert at == {"ENTRYPOINT": [program], "CMD": ["run"], "HEALTHCHECK": [program, "healthcheck"]}
    assert " CMD [" in only("HEALTHCHECK")


def test_it_runs_as_nobody_in_particular() -> None:
    """A number, so that an engine can tell that it is not root; nothing is built after it."""
    user, _, group = only("USER").partition(":")
    assert int(user) > 999
    assert int(group) > 999
    assert f"--chown={user}:{group}" in next(one.text for one in FINAL if "/build/root" in one.text)
    after = [one.word for one in FINAL]
    assert "RUN" not in after[after.index("USER") :]


def test_state_and_configuration_are_where_the_program_looks() -> None:
    """The volume is the state directory; the configuration is the machine's, whatever HOME is."""
    assert variables()["STATE_DIRECTORY"] == only("VOLUME")
    assert variables()[VARIABLE] == str(SYSTEM_CONFIG)


def test_it_ends_by_itself_when_it_stands_still() -> None:
    """Whatever it is run with: engines start anew what ends, and leave alone what is unhealthy."""
    assert float(variables()[dead_man.VARIABLE]) == 60.0
    assert "--end-when-stuck" not in str([one.text for one in FINAL])


def test_labels_say_what_the_project_says() -> None:
    """And name nobody."""
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', only("LABEL")))
    assert labels["title"] == PROJECT["project"]["name"]
    assert labels["description"] == PROJECT["project"]["description"]
    assert labels["licenses"] == PROJECT["project"]["license"]
    assert not labels.keys() & {"authors", "vendor"}


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    """Everything is ignored but what the Dockerfile copies, so no secret that lies about is in a layer."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {source for one in BUILD if one.word == "COPY" for source in one.text.split()[:-1]}
    locks = {source for source in copied if source.startswith("requirements/")}
    assert (copied - locks) | {"requirements/*.lock"} == sent
    assert rules[-1] == "**/__pycache__"


def test_hadolint_finds_nothing() -> None:
    """And nothing is kept from it."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "hadolint ignore" not in text
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(
        [program, "--no-color", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")
