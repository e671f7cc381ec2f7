"""From nothing to a running service on a fresh Debian root, by the README's words, and all that ends it.

python -m tests.service [--suite trixie] [--base DIR] [--bind PATH]: as root, with debootstrap, systemd-container.
Prints each command with its time and a table of what was shown; the exit code is 1 unless all of it was.
"""

# ruff: noqa: S607 - tools of the system, where the path has them

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.service.container import Container, Row, local, made
from tests.service.story import Story

ROOT = Path(__file__).parents[2]
# Where a machine says how its package index is reached: the root is given the same.
_PASSED = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "no_proxy")


def main() -> int:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--mirror", default="", help="where Debian's packages are, if not where debootstrap looks")
    parser.add_argument("--base", type=Path, help="a root of that suite, kept for the next time")
    parser.add_argument("--bind", action="append", default=[], help="a path that the root sees, read-only")
    parser.add_argument("--verbose", action="store_true", help="print what each command prints")
    chosen = parser.parse_args()
    if os.geteuid() != 0 or not all(map(shutil.which, ("debootstrap", "systemd-nspawn", "nsenter"))):
        sys.stderr.write("root, debootstrap and systemd-container are needed\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="position-monitor-boot-") as scratch:
        base = chosen.base or Path(scratch) / "base"
        first = made(base, chosen.suite, chosen.mirror)
        if first.code:
            sys.stderr.write(first.output)
            return 1
        root = Path(scratch) / "root"
        local(["cp", "--archive", "--reflink=auto", str(base), str(root)])
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 debian\n")
        (root / "etc/hostname").write_text("debian\n")
        _copy_source(root / "root/source")
        environ = {name: value for name, value in os.environ.items() if name.startswith(_PASSED)}
        environ |= {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
        }
        with Container(root, chosen.bind, environ, verbose=chosen.verbose) as container:
            container.done.insert(0, first)
            story = Story(container, (ROOT / "README.md").read_text(encoding="utf-8"))
            story.play()
    _print(container, story.rows)
    return 0 if all(row.holds for row in story.rows) else 1


def _copy_source(target: Path) -> None:
    """Copy what is under version control, as somebody who cloned it has it."""
    target.mkdir(parents=True)
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    packed = subprocess.run(
        ["tar", "--create", "--null", "--files-from=-", "--ignore-failed-read"],
        cwd=ROOT, input=files, capture_output=True, check=False,
    )  # fmt: skip
    subprocess.run(["tar", "--extract", f"--directory={target}"], input=packed.stdout, check=True)


def _print(container: Container, rows: list[Row]) -> None:
    write = sys.stdout.write
    write("\n| command | seconds | exit code |\n|---|---|---|\n")
    for done in container.done:
        line = " ".join(done.command.split()).replace("|", "\\|")
        write(f"| `{line[:160]}` | {done.took_s:.1f} | {done.code} |\n")
    write("\n| shown | holds | seconds | seen |\n|---|---|---|---|\n")
    for row in rows:
        seen = " ".join(row.seen.split()).replace("|", "\\|")[:300]
        write(f"| {row.what} | {'yes' if row.holds else '**NO**'} | {row.took_s:.1f} | {seen} |\n")


if __name__ == "__main__":
    sys.exit(main())
