"""`docker run` as the README has it: the composition in one line, as the proof runs it."""

import re
import shlex
from itertools import pairwise

from tests.deploy.around import hardening
from tests.deploy.reading import ROOT, bind, composed

README = (ROOT / "README.md").read_text(encoding="utf-8")
OURS = composed("compose.yaml")["services"]["position-monitor"]
(LINE,) = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
    if line.startswith("docker run ")
]
# The image says who it is; bounds and logs are the composition's.
LEFT_OUT = ("--user", "--memory", "--pids-limit")


def given(option: str) -> list[str]:
    """Return what an option was given, each time."""
    return [after for word, after in pairwise(LINE) if word == option]


def test_it_is_confined_as_composed() -> None:
    """Each option of the proof, but for what is left out on purpose; of /tmp the size."""
    for option in hardening():
        name, _, value = option.partition("=")
        if name in LEFT_OUT:
            continue
        assert name in LINE
        assert not value or value.partition(":size")[0] in given(name), option
    assert given("--restart") == [OURS["restart"]]
    assert given("--publish") == OURS["ports"]


def test_what_is_mounted_can_be_read_there() -> None:
    """Secrets one by one: their directory is 0700, and shown as a whole it keeps user 10001 out.

    Absolute, as engines before Docker 23 want it; with `--mount` a file that is missing is refused, not made.
    """
    secrets = [bind(f"$PWD/deploy/secrets/{name}", f"/run/secrets/{name}") for name in OURS["secrets"]]
    assert given("--mount") == [bind("$PWD/deploy/config", "/etc/position-monitor"), *secrets]
    assert given("--volume") == ["position-monitor:/data"]
