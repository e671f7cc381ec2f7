"""Somebody else's reading of the OpenAPI document: all it allows and what it does not, asked of a real daemon.

``python -m tests.web.schema PATH-OF-SCHEMATHESIS [OPTION ...]``; see ``make schema``.
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.web.stand import TOKEN, be_patient, standing

EXAMPLES = 50


async def main(program: str, options: list[str]) -> int:
    """Return its exit code: 0 if the daemon keeps to its document, and never fails."""
    with tempfile.TemporaryDirectory() as folder:
        async with standing(Path(folder), prices={"BTCUSDT": "59300"}) as stand:
            be_patient(stand.daemon)
            await stand.until_told()
            words = (
                "run", f"{stand.url}/api/v1/openapi.json", "--url", stand.url, "--header",
                f"Authorization: Bearer {TOKEN}", "--checks", "all", "--continue-on-failure", "--no-color",
                "--generation-database", "none", "--max-examples", str(EXAMPLES), *options,
            )  # fmt: skip
            asking = await asyncio.create_subprocess_exec(program, *words, cwd=folder, stdin=subprocess.DEVNULL)
            return await asking.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(str(Path(sys.argv[1]).absolute()), sys.argv[2:])))
