"""A Debian root that is booted in a container, and commands in it that are timed."""

# ruff: noqa: S607 - tools of the system, where the path has them

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from monitor.system_clock import SystemClock

PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,sudo,procps"
_BOOT_S = 60.0
_LOOK_S = 0.2


class Done(NamedTuple):
    """What a command came to."""

    command: str
    code: int
    output: str
    took_s: float


class Row(NamedTuple):
    """One line of the table: what was shown, whether it was, how long it took, and what was seen."""

    what: str
    holds: bool
    took_s: float
    seen: str


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on now."""
    with ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def made(base: Path, suite: str, mirror: str) -> Done:
    """Make a fresh root of a Debian suite where there is none."""
    if (base / "usr/bin/python3").exists():
        return Done(f"debootstrap {suite} (kept from before)", 0, "", 0.0)
    return local(
        [
            "debootstrap",
            "--variant=minbase",
            f"--include={PACKAGES}",
            suite,
            str(base),
            *([mirror] if mirror else []),
        ]
    )


def local(words: Sequence[str]) -> Done:
    """Run a command here."""
    clock = SystemClock()
    began_s = clock.mono_s()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return Done(" ".join(words), done.returncode, done.stdout + done.stderr, clock.mono_s() - began_s)


class Container:
    """A root that runs; ends with the block.

    Args:
        root: the directory, which is changed.
        binds: paths of this machine that are seen in it, read-only.
        environ: variables that commands in it get.
        verbose: print each command as it is run.
    """

    def __init__(self, root: Path, binds: Sequence[str], environ: dict[str, str], *, verbose: bool) -> None:
        self._root = root
        self._binds = binds
        self._environ = environ
        self._verbose = verbose
        self._process: subprocess.Popen[bytes] | None = None
        self._clock = SystemClock()
        self.done: list[Done] = []

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        self.halt()

    def boot(self) -> Done:
        """Boot it and wait until systemd says that it runs; code 1 if it does not."""
        began_s = self._clock.mono_s()
        shutil.rmtree(self._root / "run", ignore_errors=True)
        (self._root / "run").mkdir()
        binds = [f"--bind-ro={path}" for path in self._binds if Path(path).exists()]
        # The network is this machine's: the package index is reached by it, and the exchange is not asked.
        self._process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=read-only",
             "--hostname=debian",
             "--resolv-conf=copy-host", "--directory", str(self._root), *binds],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        while self._clock.mono_s() - began_s < _BOOT_S:
            if self._leader() and (state := self._run("systemctl is-system-running").output.strip()) in {
                "running", "degraded",
            }:  # fmt: skip
                return self._note(Done("systemd-nspawn --boot", 0, state, self._clock.mono_s() - began_s))
            self.wait(_LOOK_S)
        return self._note(Done("systemd-nspawn --boot", 1, "it does not come up", _BOOT_S))

    def halt(self) -> None:
        """Shut it down."""
        if self._process is not None:
            self._run("systemctl poweroff")
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def sh(self, command: str, timeout_s: float = 900.0) -> Done:
        """Run a command line as root, in the directory of the source."""
        return self._note(self._run(command, timeout_s))

    def until(self, command: str, timeout_s: float) -> Done:
        """Run a command until it succeeds; the time is how long that took."""
        began_s = self._clock.mono_s()
        while True:
            done = self._run(command)
            took_s = self._clock.mono_s() - began_s
            if done.code == 0 or took_s > timeout_s:
                return self._note(done._replace(took_s=took_s))
            self.wait(_LOOK_S)

    @staticmethod
    def wait(seconds: float) -> None:
        """Let time pass in the container; nothing here waits for anything else."""
        subprocess.run(["sleep", str(seconds)], check=True)

    def _run(self, command: str, timeout_s: float = 60.0) -> Done:
        began_s = self._clock.mono_s()
        entered = [
            "nsenter",
            "--target",
            self._leader(),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--cgroup",
        ]
        environ = [f"{name}={value}" for name, value in self._environ.items()]
        try:
            done = subprocess.run(
                [*entered, "env", "-i", "--chdir=/", *environ, "bash", "-c",
                 f"cd /root/source 2>/dev/null; {command}"],
                capture_output=True, text=True, check=False, timeout=timeout_s, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Done(command, 124, "timed out", timeout_s)
        return Done(command, done.returncode, done.stdout + done.stderr, self._clock.mono_s() - began_s)

    def _leader(self) -> str:
        if self._process is None:
            return ""
        found = subprocess.run(
            ["pgrep", "--parent", str(self._process.pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.split()[0] if found.stdout.split() else ""

    def _note(self, done: Done) -> Done:
        self.done.append(done)
        if self._verbose:
            sys.stdout.write(f"[{done.took_s:6.2f} s, {done.code}] {done.command}\n{done.output}")
            sys.stdout.flush()
        return done
