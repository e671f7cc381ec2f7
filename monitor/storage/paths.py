"""Names of the files in a state directory; where history is kept is configured."""

from typing import Final

STATE_DB: Final = "state.db"
CONTROL_SOCKET: Final = "control.sock"
LOCK_FILE: Final = "lock"
