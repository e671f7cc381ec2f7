"""Ends the process once nobody has said for too long that it lives; for where nobody outside would end it.

A thread of the interpreter itself waits for that. It needs neither Python nor its lock, so that nothing holds
it up that holds up the service. In a container nothing else could: no signal from within ends the first process.
"""

import faulthandler
import os
from typing import Final

VARIABLE: Final = "POSITION_MONITOR_END_WHEN_STUCK"
# Loops are asked a third as often, and a busy machine must not be taken for one that hangs.
LEAST_S: Final = 5.0
# Longer is more likely a slip than a wish, and no thread waits for ever.
MOST_S: Final = 86400.0
# Until databases are opened: a file that is read may be one of a network that does not answer.
LOADING_WITHIN_S: Final = 180.0
# More than a drain takes by far, and closing databases on a slow disk.
STOPPING_WITHIN_S: Final = 60.0
_STDERR: Final = 2


class DeadMan:
    """The one of this process: there can be no second. It waits from the first word on.

    It ends the process with code 1, and tells on stderr where each thread was: files, lines, functions, no values.

    Args:
        within_s: how long nothing may be said, in seconds.
    """

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._out = _never_waiting(_STDERR)

    def lives(self) -> bool:
        """Note that the service lives: the time begins anew; return as ``within``."""
        return self.within(self.within_s)

    def within(self, seconds: float) -> bool:
        """Have the next word come within so many seconds, for what takes longer or must not; or be the end.

        Returns:
            Whether it waits for that. Each word takes a thread, and where the system has none left nothing waits
            until a later one.
        """
        try:
            faulthandler.dump_traceback_later(seconds, exit=True, file=self._out)
        except RuntimeError:
            return False
        return True


def _never_waiting(number: int) -> int:
    """Return another descriptor for what one writes to, on which writing never waits; that one if there is none.

    Whoever does not read what the service logs may be what it stands still for.
    """
    try:
        return os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return number
