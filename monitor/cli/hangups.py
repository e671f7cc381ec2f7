"""What a SIGHUP asks for: to read the configuration again, or to end with the terminal that is closed."""

from collections.abc import Callable

from monitor import early

_LEAVES_S = 1.0


class Hangups:
    """Tells the two apart by whether the terminal is gone, and since when.

    Args:
        stop: begins the drain.
        reload: has the configuration read again.
        later: calls something so many seconds later, in the same thread.
    """

    def __init__(
        self,
        *,
        stop: Callable[[], None],
        reload: Callable[[], None],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        """Take over nothing yet."""
        self._stop = stop
        self._reload = reload
        self._later = later
        self._ended = False

    def hung_up(self) -> None:
        """Take a SIGHUP: with a terminal that went just now it is the end, else a reload."""
        self._end_if_abandoned()
        if self._ended:
            return
        self._reload()
        # A shell that ends tells its programs first, and loses the terminal then.
        if early.has_terminal():
            self._later(_LEAVES_S, self._end_if_abandoned)

    def look(self) -> None:
        """Look for the terminal from now on, as long as there is one to lose."""
        if self._ended or not early.has_terminal():
            return
        # The terminal may go first and the signal come behind it, so that one look is not enough.
        self._later(_LEAVES_S, self._outlive if early.is_abandoned() else self.look)

    def _outlive(self) -> None:
        if self._ended or not early.is_abandoned():
            self.look()
            return
        from monitor.logs import get_logger

        early.outlive_terminal()
        get_logger().info("daemon.outlives_terminal")

    def _end_if_abandoned(self) -> None:
        if self._ended or not early.is_abandoned():
            return
        from monitor.logs import get_logger

        self._ended = True
        get_logger().warning("daemon.terminal_gone")
        self._stop()
