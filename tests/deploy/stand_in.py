"""Make a stand-in for the pinned base, where no registry can be reached: needs root, debootstrap and an engine.

`python -m tests.deploy.stand_in PREFIX` takes a Debian 13 and a CPython installed below PREFIX (pyenv's, for one),
puts it where the official image has it and strips it as that one is. `make image-proof PROOF="--base TAG"` then
builds on it.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = (
    "ca-certificates,netbase,tzdata,libssl3t64,libffi8,libsqlite3-0,libreadline8t64,libbz2-1.0,liblzma5,zlib1g,"
    "libncursesw6,libuuid1,libgdbm6t64,libdb5.3t64,libexpat1"
)
# Of this machine, so that an index behind a proxy of its own can be reached.
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def install(prefix: Path, root: Path) -> None:
    """Copy a CPython to usr/local of a root, without tests and compiled files."""
    place = root / "usr" / "local"
    for name in ("bin", "lib"):
        shutil.copytree(prefix / name, place / name, symlinks=True, dirs_exist_ok=True)
    for path in sorted(place.rglob("*"), reverse=True):
        if path.is_dir() and path.name in {"test", "tests", "idle_test", "__pycache__"}:
            shutil.rmtree(path)
        elif path.suffix in {".pyc", ".a", ".pth"}:
            path.unlink()
    (real,) = (path for path in (place / "bin").glob("python3.??") if not path.is_symlink())
    (place / "bin" / "python3").unlink(missing_ok=True)
    (place / "bin" / "python3").symlink_to(real.name)
    shutil.copyfile(Path("/", CERTIFICATES), root / CERTIFICATES)


def run(*words: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Make the image, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.stand_in")
    parser.add_argument("prefix", type=Path, help="where a CPython 3.13 is installed")
    parser.add_argument("--tag", default="stand-in/python:3.13", help="the name of the image")
    parser.add_argument("--engine", default="docker", help="a program that takes Docker's words")
    parser.add_argument("--mirror", default="", help="where Debian's packages are, if not where debootstrap looks")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        mirror = [given.mirror] if given.mirror else []
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "trixie", str(root), *mirror)
        install(given.prefix, root)
        run("chroot", str(root), "ldconfig")
        run("chroot", str(root), "/usr/local/bin/python3", "-c", "import bz2, ctypes, lzma, sqlite3, ssl, venv")
        archive = Path(folder, "root.tar")
        run("tar", "--create", f"--directory={root}", f"--file={archive}", ".")
        run(given.engine, "import", str(archive), given.tag)
    sys.stdout.write(f"{given.tag}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
