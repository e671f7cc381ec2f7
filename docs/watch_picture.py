"""Makes docs/watch.svg: what `watch` showed of a real demonstration. Called by `make picture`."""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from docs.picture import document
from monitor.cli.watching.parts import Look
from monitor.cli.watching.picture import Picture
from monitor.cli.watching.session import Session, Source
from monitor.config import load
from monitor.control import ask
from monitor.core.model import Level
from monitor.errors import MonitorError
from monitor.system_clock import SystemClock
from monitor.web.page.seen import rank

TARGET = Path(__file__).with_name("watch.svg")
WIDTH, HEIGHT = 132, 30
SECONDS = 120
READY_S = 30


class Recorder:
    """Draws the most telling look: something is to be done, wallets are at the most levels and in danger."""

    live = True
    keys: Sequence[int] = ()

    def __init__(self) -> None:
        self.best = ""
        self._most: tuple[float, ...] = ()

    def open(self) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is held."""

    def show(self, look: Look, document: object, error: MonitorError | None) -> None:  # noqa: ARG002
        """Draw it if it is better than any before."""
        self.pass_time(look)

    def pass_time(self, look: Look) -> None:
        """The same: what to do comes a little later than what it is about."""
        if look.seen is None or look.is_old or not look.to_do:
            return
        ranks = [rank(one.level) for one in look.seen.worst]
        telling = (float(len(set(ranks))), -abs(max(ranks) - Level.CRITICAL), sum(ranks))
        if telling >= self._most:
            console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
            console.print(Picture(look._replace(keys=True)))
            self._most, self.best = telling, document(console, "position-monitor watch")

    def ends(self, key: int) -> bool:  # noqa: ARG002
        """Nothing is read."""
        return False


def main() -> None:
    """Watch a demonstration and keep what was most telling."""
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "monitor", "demo", "--plain", "--seconds", str(SECONDS), "--state", folder]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:  # noqa: S603 - our own program
            try:
                watch(Path(folder), recorder)
            finally:
                demo.terminate()
    if not recorder.best:
        raise SystemExit("the demonstration showed nothing")
    TARGET.write_text(recorder.best, encoding="utf-8")


def watch(folder: Path, recorder: Recorder) -> None:
    """Watch the demonstration in a folder as the command does, once it is there."""
    asked = partial(ask, folder, {"command": "status"})
    for _ in range(READY_S):
        first = Session(Source(asked, None, None), recorder, SystemClock(), every_s=1.0, count=2)
        first.run()
        if first.answered:
            break
    source = Source(asked, load(folder / "config.toml", os.environ), None)
    Session(source, recorder, SystemClock(), every_s=1.0, count=SECONDS).run()


if __name__ == "__main__":
    main()
