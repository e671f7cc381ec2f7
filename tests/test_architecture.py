"""docs/architecture.md names what there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([\w/]+\.py)`", TEXT))


def test_modules_that_are_named_exist() -> None:
    """By the end of their path; one that was renamed or split is not looked for in vain."""
    there = {f"/{path.relative_to(ROOT)}" for part in ("monitor", "tests") for path in (ROOT / part).rglob("*.py")}
    assert NAMED
    assert [name for name in sorted(NAMED) if not any(path.endswith(f"/{name}") for path in there)] == []


@pytest.mark.parametrize("folder", ["monitor", "monitor/web"])
def test_modules_of_the_shell_and_of_the_web_interface_are_named(folder: str) -> None:
    """Whoever looks for where something is done finds it there."""
    ends = {name.rpartition("/")[2] for name in NAMED}
    modules = {path.name for path in (ROOT / folder).glob("*.py")} - {"__init__.py"}
    assert sorted(modules - ends) == []
