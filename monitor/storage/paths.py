"""Names of the files in a state directory."""

from typing import Final

STATE_DB: Final = "state.db"
HISTORY_DB: Final = "history.db"
CONTROL_SOCKET: Final = "control.sock"
LOCK_FILE: Final = "lock"
