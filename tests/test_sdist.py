"""The source archive: what it holds is enough to install, to build the image and to run the tests."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).parents[1]
NOT_PUBLISHED = {".ci/run", ".gitignore"}
ALWAYS = {"pyproject.toml"}  # the archive is not one without it: the builder adds it by itself


def members() -> set[str]:
    return {one.distribution_path for one in SdistBuilder(str(ROOT)).recurse_included_files()} | ALWAYS


def test_locks_and_what_the_image_is_built_with_are_members() -> None:
    """The README installs from them, and `docker build` works in the unpacked archive."""
    wanted = {
        ".dockerignore",
        "Dockerfile",
        *(f"requirements/{path.name}" for path in ROOT.glob("requirements/*")),
    }
    assert {"requirements/run.lock", "requirements/build.in"} <= wanted <= members()


def test_every_file_that_is_kept_is_a_member() -> None:
    """A directory that is new has to be named, or to be left out on purpose."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("what is kept is known to git only")
    kept = subprocess.run([git, "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    there = {name for name in kept.splitlines() if (ROOT / name).exists()}
    assert there - members() == NOT_PUBLISHED
