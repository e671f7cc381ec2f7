"""Build the image and run it as the composition does: `make image-proof`, PROOF="--base IMAGE" for another base.

Prints each step of the Dockerfile with its time, then what was seen; the exit code is 1 unless all is as it has to
be. Needs a container engine that takes Docker's words. Exchange and receiver are local: the containers
reach them on loopback (the network of the host).
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from monitor.errors import MonitorError
from tests import blocking
from tests.deploy.around import Around, hardening, surroundings
from tests.deploy.engine import CLOCK, Engine, RefusedError
from tests.deploy.reading import ROOT, bind

NAME: Final = "position-monitor-proof"
BARE: Final = f"{NAME}-bare"
VOLUME: Final = f"{NAME}-data"
PATIENCE_S: Final = 60.0
STUCK_S: Final = 60.0  # what the image has
DRAINED_S: Final = 5.0
CHECKED_S: Final = 10.0  # the timeout of the health check
# Every program of the distribution: no shell, no tool. What is left that can be started is Python.
WITHOUT_PROGRAMS: Final = f"""
FROM {NAME}
USER 0
RUN ["/usr/local/bin/python3", "-c", "import shutil; [shutil.rmtree(p) for p in ('/usr/bin', '/usr/sbin')]"]
USER 10001:10001
"""
# Asked inside of a container, of its first process.
FIRST = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/1/status").read().splitlines() if ":\\t" in line)
facts = {key: status[key].split()[0] for key in ("Name", "Uid", "Gid", "CapEff", "NoNewPrivs")}
facts["command"] = open("/proc/1/cmdline").read().split("\\0")[:-1]
facts["shell"] = os.path.exists("/bin/sh")
print(json.dumps(facts))
"""


def say(text: str) -> None:
    """Print a line now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Proof:
    """What is to be seen, one after another.

    Args:
        engine: builds and runs.
        around: what the containers need.
    """

    def __init__(self, engine: Engine, around: Around) -> None:
        self._engine = engine
        self._around = around
        self.failed = 0

    def judge(self, what: str, seen: object, *, good: bool) -> None:
        """Print a verdict, and count it where it is bad."""
        self.failed += not good
        say(f"{'ok  ' if good else 'BAD '} {what}: {seen}")

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]], patience_s: float = PATIENCE_S) -> None:
        """Wait for something, and judge whether it came."""
        began_s = CLOCK.mono_s()
        while not (good := await holds()) and CLOCK.mono_s() - began_s < patience_s:
            await CLOCK.sleep(0.1)
        self.judge(what, f"after {CLOCK.mono_s() - began_s:.1f} s", good=good)

    async def start(self, image: str, *more: str, writable: bool = False) -> None:
        """Run a container in the background; health is asked every second instead of every thirty."""
        await self._engine.do(
            "run", "--detach", f"--name={NAME}", "--network=host", f"--volume={VOLUME}:/data",
            "--health-interval=1s", *hardening(writable=writable), *self._around.mounts(), *more, image,
        )  # fmt: skip

    async def is_(self, status: str) -> bool:
        """Return whether this is what the engine itself found of its health."""
        state = (await self._engine.look(NAME))["State"]
        return bool(state["Health"]["Status"] == status)

    async def healthy(self) -> bool:
        """Return whether it is well."""
        return await self.is_("healthy")

    async def ask(self, *words: str) -> str:
        """Run the program beside the running one, in its container."""
        return (await self._engine.do("exec", NAME, "/opt/position-monitor/bin/position-monitor", *words)).out

    async def python(self, code: str) -> str:
        """Run Python there."""
        return (await self._engine.do("exec", NAME, "/usr/local/bin/python3", "-c", code)).out

    async def log(self) -> str:
        """Return what the containers' program logged."""
        return (await self._engine.do("logs", NAME)).err

    async def end(self) -> None:
        """Stop it as engines do, without the time they would give it."""
        began_s = CLOCK.mono_s()
        await self._engine.do("kill", "--signal=TERM", NAME)
        code = int((await self._engine.do("wait", NAME)).out)
        took_s = CLOCK.mono_s() - began_s
        self.judge(
            "ends on SIGTERM", f"exit code {code} after {took_s:.1f} s", good=code == 0 and took_s < DRAINED_S
        )

    async def as_composed(self, image: str) -> None:
        """A life and a second one, in a root that cannot be written to."""
        say(f"\nAs composed ({' '.join(hardening())}):")
        await self.start(image)
        await self.until("healthy, as the engine finds with the health check of the image", self.healthy)
        await self.until("an alert reached its receiver", self._told)
        await self._facts()
        self.judge("warnings about secrets", log := await self._warnings(), good=not log)
        await self._health_fails_when_hung()
        await self._reload()
        first = json.loads(await self.ask("alerts", "--json"))["alerts"]
        await self.end()
        changed = (await self._engine.do("diff", NAME)).out.split("\n")
        said = sorted(line for line in changed if line)
        self.judge("written outside of /data and /tmp", said or "nothing", good=not _foreign(said))
        await self._engine.do("start", NAME)
        await self.until("healthy again after another start on the same volume", self.healthy)
        second = json.loads(await self.ask("alerts", "--json"))["alerts"]
        good = 0 < len(first) <= len(second)
        self.judge("alerts of the first life are known in the second", f"{len(first)}, {len(second)}", good=good)
        await self.end()
        await self._engine.do("rm", "--force", NAME)

    async def _told(self) -> bool:
        return self._around.told("BTCUSDT") > 0

    async def _warnings(self) -> list[str]:
        return [line for line in (await self.log()).splitlines() if "can be read by every user" in line]

    async def _facts(self) -> None:
        facts = json.loads(await self.python(FIRST))
        right = facts["Uid"] == "10001" and int(facts["CapEff"], 16) == 0 and facts["NoNewPrivs"] == "1"
        self.judge("its first process", facts, good=right and facts["command"][-1] == "run")
        used = (await self._engine.do("stats", "--no-stream", "--format={{.MemUsage}} {{.PIDs}}", NAME)).out
        say(f"     memory and processes: {used.strip()}")
        plain = min(
            [(await self._engine.do("exec", NAME, "/usr/local/bin/python3", "-c", "")).took_s for _ in "123"]
        )
        words = ("exec", NAME, "/opt/position-monitor/bin/position-monitor", "healthcheck")
        checks = [await self._engine.do(*words) for _ in "123"]
        took_s = min(check.took_s for check in checks)
        say(f"     health check: {took_s * 1000:.0f} ms by `exec`, of which an empty Python {plain * 1000:.0f} ms")
        self.judge("the health check says", checks[0].out.strip() or "nothing", good=True)

    async def _health_fails_when_hung(self) -> None:
        """A process that stands still answers nobody: the check says so in time, and the engine after three."""
        await self._engine.do("kill", "--signal=STOP", NAME)
        done = await self._engine.tried("exec", NAME, "/opt/position-monitor/bin/position-monitor", "healthcheck")
        seen = f"exit code {done.code} after {done.took_s:.1f} s: {(done.out + done.err).strip()}"
        self.judge("the health check while it stands still", seen, good=done.code == 1 and done.took_s < CHECKED_S)
        await self.until("unhealthy, as the engine finds", partial(self.is_, "unhealthy"))
        await self._engine.do("kill", "--signal=CONT", NAME)
        await self.until("healthy once it goes on", self.healthy)

    async def _reload(self) -> None:
        """What an editor puts in the place of the configuration is taken, or refused as a whole."""
        for extra, word in (('[display]\ntime_zone = "Europe/Rome"\n', "reloaded"), ("[nonsense]\n", "refused")):
            self._around.configure(extra)
            await self._engine.do("kill", "--signal=HUP", NAME)

            async def said(event: str = f'"config.{word}"') -> bool:
                return event in await self.log()

            await self.until(f"a configuration that is to be {word} is, on SIGHUP", said)
        self._around.configure()

    async def stuck(self, image: str, folder: Path) -> None:
        """One that blocks ends by itself, says where it was, and is started anew by the engine."""
        say("\nWith an event loop that is blocked (a signal has it sleep), started anew by the engine:")
        place = blocking.write(folder)
        await self.start(
            image, "--restart=unless-stopped", f"--mount={bind(str(place), '/blocking')}",
            "--env=PYTHONPATH=/blocking", "--env=BLOCKED_BY=asleep",
        )  # fmt: skip
        await self.until("healthy", self.healthy)
        first = json.loads(await self.ask("alerts", "--json"))["alerts"]
        # Not by the engine: after any signal of its own it takes what ends for stopped on purpose.
        await self.python("import os, signal; os.kill(1, signal.SIGUSR1)")
        await self.until("unhealthy, as the engine finds", partial(self.is_, "unhealthy"))

        async def restarted() -> bool:
            return int((await self._engine.look(NAME))["RestartCount"]) == 1

        await self.until("ended by itself, and started anew by the engine", restarted, 2 * STUCK_S)
        await self.until("healthy again", self.healthy)
        log = await self.log()
        lines = log[log.find("Timeout (") :].splitlines()
        where = next((line.strip() for line in lines if line.endswith(" in asleep")), "nothing")
        self.judge("the log says that its time was over", lines[:1], good=lines[:1] == ["Timeout (0:01:00)!"])
        self.judge("and where it was", where, good=where != "nothing")
        secrets = [name for name, value in self._around.secrets() if value in log]
        self.judge("secrets in the log", secrets or "none", good=not secrets)
        second = json.loads(await self.ask("alerts", "--json"))["alerts"]
        good = 0 < len(first) <= len(second)
        self.judge("alerts of the first life are known in the second", f"{len(first)}, {len(second)}", good=good)
        await self._engine.do("stop", NAME)
        state = (await self._engine.look(NAME))["State"]
        seen = f"{state['Status']}, exit code {state['ExitCode']}"
        self.judge("and stays stopped by `stop`", seen, good=seen == "exited, exit code 0")
        await self._engine.do("rm", "--force", NAME)

    async def writable(self, image: str) -> None:
        """In a root that could be written to, nothing is written either."""
        say("\nWith a root that can be written to:")
        await self.start(image, writable=True)
        await self.until("healthy", self.healthy)
        await self.ask("status")
        await self.ask("doctor", "--help")
        await self.end()
        said = sorted(line for line in (await self._engine.do("diff", NAME)).out.split("\n") if line)
        self.judge("written outside of /data and /tmp", said or "nothing", good=not _foreign(said))
        await self._engine.do("rm", "--force", NAME)

    async def without_programs(self) -> None:
        """The same without any program of the distribution."""
        say("\nWithout /usr/bin and /usr/sbin (no shell, no tool):")
        await self._engine.do("build", "--tag", BARE, "-", stdin=WITHOUT_PROGRAMS)
        await self.start(BARE)
        await self.until("healthy", self.healthy)
        shell = json.loads(await self.python(FIRST))["shell"]
        self.judge("a shell is there", shell, good=not shell)
        before = len(self._around.receiver.got)
        await self.ask("test-alert")
        told = len(self._around.receiver.got) - before
        self.judge("messages sent from there", told, good=told > 0)
        await self.end()
        await self._engine.do("rm", "--force", NAME)

    async def with_pictures(self, image: str) -> None:
        """The process that draws, and a picture that a command draws."""
        say("\nWith what draws pictures:")
        await self.start(image)
        await self.until("healthy", self.healthy)

        async def drawing() -> bool:
            return "fontlist" in await self.python("import os; print(os.listdir('/data/charts'))")

        await self.until("the process that draws has its fonts in /data", drawing)
        await self.ask(
            "simulate", "--mark", "BTCUSDT=60000", "--ladder", "-2%:2%:1%", "--picture", "/data/one.png"
        )
        size = int(await self.python("import os; print(os.stat('/data/one.png').st_size)"))
        self.judge("a picture", f"{size} bytes", good=size > 0)
        used = (await self._engine.do("stats", "--no-stream", "--format={{.MemUsage}} {{.PIDs}}", NAME)).out
        say(f"     memory and processes: {used.strip()}")
        failing = "charts.failing" in await self.log()
        self.judge("pictures fail", failing, good=not failing)
        await self.end()
        await self._engine.do("rm", "--force", NAME)


def _foreign(changed: list[str]) -> list[str]:
    """Return what was changed beyond the places that mounts take."""
    mounts = ("/data", "/tmp", "/run", "/run/secrets", "/etc", "/etc/position-monitor")  # noqa: S108 - of the container
    return [one for one in changed if one[2:] not in mounts and not one[2:].startswith("/run/secrets/")]


async def prove(engine: Engine, base: str, more: list[str]) -> int:
    """Return how much was not as it has to be."""
    options = [f"--build-arg=PYTHON_IMAGE={base}"] if base else []
    for dependencies in ("charts", "run"):
        tag = NAME if dependencies == "run" else f"{NAME}-{dependencies}"
        began_s = CLOCK.mono_s()
        steps = await engine.build(ROOT, tag, [*options, f"--build-arg=DEPENDENCIES={dependencies}", *more])
        say(f"\nBuilt with DEPENDENCIES={dependencies} in {CLOCK.mono_s() - began_s:.0f} s:")
        for step in steps:
            say(step)
        size = (await engine.look(tag))["Size"]
        layers = (await engine.do("history", "--format={{.Size}} {{.CreatedBy}}", tag)).out.splitlines()
        ours = [line[:70] for line in layers if not line.startswith("0B")][:2]
        say(f"Size: {size / 1e6:.0f} MB, of which on top of the base: {'; '.join(ours)}")
    with tempfile.TemporaryDirectory() as folder:
        async with surroundings(Path(folder)) as around:
            proof = Proof(engine, around)
            await _clean(engine)
            try:
                await proof.as_composed(NAME)
                await proof.stuck(NAME, Path(folder))
                await proof.writable(NAME)
                await proof.without_programs()
                await proof.with_pictures(f"{NAME}-charts")
            except RefusedError:
                say((await engine.tried("logs", "--tail=20", NAME)).err)
                raise
            finally:
                await _clean(engine)
            return proof.failed


async def _clean(engine: Engine) -> None:
    await engine.tried("rm", "--force", NAME)
    await engine.tried("volume", "rm", "--force", VOLUME)


def main() -> int:
    """Prove it, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make image-proof", description="Build the image and run it.")
    parser.add_argument("--base", default="", help="another base image than the pinned one")
    parser.add_argument("--engine", default="docker", help="a program that takes Docker's words")
    parser.add_argument("--build", action="append", default=[], help="another option of `build`; may be repeated")
    given = parser.parse_args()
    try:
        failed = asyncio.run(prove(Engine(given.engine), given.base, given.build))
    except* (RefusedError, MonitorError, OSError) as group:
        for error in group.exceptions:
            sys.stderr.write(f"{error}\n")
        failed = 1
    say("\nAll as it has to be." if not failed else f"\n{failed} not as it has to be.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
