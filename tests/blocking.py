"""Has a real process of the service stand still when told to, by SIGUSR1."""

from pathlib import Path

# Each is a way to stand still. Python loads a module of this name at its start, from where PYTHONPATH has it.
SITECUSTOMIZE = '''
import os
import re
import signal
import time


def asleep():
    """Block the event loop, where other threads run on."""
    time.sleep(3600)


def searching():
    """Block it in C, where no other thread runs either."""
    re.match("(a+)+$", "a" * 64 + "b")


def logging():
    """Block it because nobody reads what is logged."""
    os.write(2, bytes(1_000_000))


def deciding():
    """Have one loop wait for ever, the others run on. It is impatiently watched."""
    import asyncio
    import gc

    from monitor.beat import Beat
    from monitor.inbox import EngineInbox

    async def take(self):
        await asyncio.Event().wait()

    EngineInbox.take = take
    for beat in gc.get_objects():
        if isinstance(beat, Beat):
            beat.patience_s = min(beat.patience_s, 3.0)


def closing():
    """Have its end never come, and be watched impatiently."""
    import asyncio

    from monitor import watchdog
    from monitor.storage.state import SqliteState

    async def close(self):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

    SqliteState.close = close
    watchdog.STOPPING_WITHIN_S = 2.0


def block(_number, _frame):
    globals()[os.environ["BLOCKED_BY"]]()


signal.signal(signal.SIGUSR1, block)
'''


def write(folder: Path) -> Path:
    """Write it below a directory; return what PYTHONPATH has to be."""
    place = folder / "blocking"
    place.mkdir(mode=0o755)
    (place / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    return place
