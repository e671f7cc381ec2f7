"""A container engine by its command line, and how long what it is asked takes."""

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monitor.system_clock import SystemClock

CLOCK = SystemClock()
_NAMED = re.compile(r"#(\d+) (\[.+\] .+)")
_ENDED = re.compile(r"#(\d+) (?:DONE ([0-9.]+)s|(CACHED))")


class Done(NamedTuple):
    """A command that ended, and what it printed."""

    code: int
    out: str
    err: str
    took_s: float


class RefusedError(Exception):
    """The engine could not do what was asked; the text is its own."""


async def called(*words: str, stdin: str = "", environ: Mapping[str, str] | None = None) -> Done:
    """Run a command to its end."""
    began_s = CLOCK.mono_s()
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environ or {})},
    )  # fmt: skip
    out, err = await process.communicate(stdin.encode())
    return Done(process.returncode or 0, out.decode(), err.decode(), CLOCK.mono_s() - began_s)


class Engine:
    """Docker, or what takes the same words.

    Args:
        program: its command.
    """

    def __init__(self, program: str) -> None:
        self._program = program

    async def tried(self, *words: str, stdin: str = "") -> Done:
        """Run one of its commands, whatever comes of it."""
        return await called(self._program, *words, stdin=stdin, environ={"DOCKER_BUILDKIT": "1"})

    async def do(self, *words: str, stdin: str = "") -> Done:
        """Run one of its commands, which has to succeed.

        Raises:
            RefusedError: with the end of what it said.
        """
        done = await self.tried(*words, stdin=stdin)
        if done.code:
            said = (done.err or done.out).strip().splitlines()[-20:]
            raise RefusedError(f"{self._program} {' '.join(words[:2])}: exit code {done.code}\n" + "\n".join(said))
        return done

    async def look(self, what: str) -> dict[str, Any]:
        """Return what it knows of a container or an image."""
        found: list[dict[str, Any]] = json.loads((await self.do("inspect", what)).out)
        return found[0]

    async def build(self, context: Path, tag: str, more: Sequence[str]) -> Iterator[str]:
        """Build an image from nothing; return a line for each step of its Dockerfile, with the time it took."""
        done = await self.do("build", "--no-cache", "--progress", "plain", "--tag", tag, *more, str(context))
        return _steps(done.err + done.out)


def _steps(log: str) -> Iterator[str]:
    """Return the steps of a build in the order in which they ended."""
    names: dict[str, str] = {}
    for line in log.splitlines():
        if ended := _ENDED.match(line):
            name = names.get(ended[1], "")
            if name and not name.startswith("[internal]"):
                yield f"{float(ended[2] or 0):6.1f} s  {name[:150]}"
        elif (named := _NAMED.match(line)) and named[1] not in names:
            names[named[1]] = named[2]
