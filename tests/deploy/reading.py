"""What stands in the files an image is built and run with."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PINNED = re.compile(r"[a-z]+(?:/[a-z]+)?:v?[0-9][0-9a-z.-]*@sha256:[0-9a-f]{64}")


class Instruction(NamedTuple):
    """One of the Dockerfile, its lines joined and its comments left out."""

    word: str
    text: str

    @property
    def array(self) -> list[str]:
        """What it runs, where that is in exec form; a ValueError elsewhere."""
        found: list[str] = json.loads(self.text[self.text.index("[") :])
        return found


def bind(source: str, target: str) -> str:
    """Return what `--mount` is told for one file or directory of the host, which has to be there."""
    return f"type=bind,source={source},target={target},readonly"


def instructions() -> list[Instruction]:
    """Return those of the Dockerfile, in order."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    kept = "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", kept).splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in joined]


def stages() -> tuple[list[Instruction], list[Instruction]]:
    """Return the instructions of the stage that builds, and of the one that is kept."""
    every = instructions()
    first, last = (place for place, one in enumerate(every) if one.word == "FROM")
    return every[first:last], every[last:]


def composed(*names: str) -> dict[str, Any]:
    """Return compose files put together: sections by name, services by key."""
    whole: dict[str, Any] = {}
    for name in names:
        for section, found in yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8")).items():
            if not isinstance(found, dict):
                whole[section] = found
                continue
            for key, value in found.items():
                place = whole.setdefault(section, {}).setdefault(key, {})
                place.update(value)
    return whole
