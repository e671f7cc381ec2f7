"""Makes docs/demo.svg: one frame of the demonstration as it really ran. Called by `make picture`."""

import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from monitor.cli.live import Delivered, Frame, Picture, Watcher
from monitor.cli.show import OWNER, Show
from monitor.cli.stage import prepare
from monitor.core.model import Level
from monitor.core.notices import Transition

TARGET = Path(__file__).with_name("demo.svg")
WIDTH, HEIGHT = 132, 26
_RANKS = {level.label: int(level) for level in Level}  # a wallet that was never judged has none
DARK = TerminalTheme(
    (24, 26, 31), (220, 223, 228),
    [(40, 44, 52), (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221),
     (86, 182, 194), (220, 223, 228)],
)  # fmt: skip


class Recorder:
    """Keeps the most telling frame: most was done, wallets are at the most levels, and most of them in danger."""

    def __init__(self) -> None:
        self.best: Frame | None = None
        self._most = (0, 0, 0)

    def transition(self, transition: Transition) -> None:
        """Nothing: the frames show it."""

    def delivered(self, alert: Delivered) -> None:
        """Nothing: the frames show it."""

    def did(self, deed: Delivered) -> None:
        """Nothing: the frames show it."""

    def remarked(self, text: str) -> None:
        """Nothing: the frames show it."""

    def picture(self, frame: Frame) -> None:
        """Keep it if it is better than any before."""
        ranks = [_RANKS.get(wallet.level, 0) for wallet in frame.status.engine.wallets]
        done = sum(alert.channel == OWNER for alert in frame.alerts)
        rank = (done, len(set(ranks)), sum(ranks))
        if rank > self._most:
            self._most, self.best = rank, frame._replace(alerts=tuple(frame.alerts))

    def close(self) -> None:
        """Nothing is held."""


class Recorded(Show):
    """A demonstration nobody watches but the recorder."""

    recorder = Recorder()

    def _watcher(self, *, live: bool, stderr: bool) -> Watcher:  # noqa: ARG002
        return self.recorder


def main() -> None:
    """Run the demonstration and draw its most telling moment."""
    show = Recorded(prepare(None), seconds=None, forever=False)
    with show.logged():
        show.run(live=False, stderr=True)
    frame = Recorded.recorder.best
    if frame is None:
        raise SystemExit("the demonstration showed nothing")
    console = Console(record=True, width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
    console.print(Picture(frame))
    TARGET.write_text(document(console, "position-monitor demo"), encoding="utf-8")


def document(console: Console, title: str) -> str:
    """Return what a console recorded as a picture that asks nobody for anything, not even a font."""
    svg = console.export_svg(title=title, theme=DARK)
    return (
        re.sub(r"@font-face\s*{[^}]*}|<!--.*?-->", "", svg)
        .replace("Fira Code, ", "")
        .replace("https://www.textualize.io", "")
    )


if __name__ == "__main__":
    main()
