"""What the pages are made of: the daemon, as far as they need it."""

from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any, Protocol

from monitor.core.notices import Facts
from monitor.health import Health
from monitor.status import Status


class Watched(Protocol):
    """The running daemon. Everything here runs on its event loop and must be over in milliseconds."""

    def status(self) -> Status:
        """Return everything as it stands."""
        ...

    def health(self) -> Health:
        """Return whether the service does its work now, with what is wrong and where."""
        ...

    def readiness(self) -> Health:
        """Return whether it has begun to do its work, still does it, and is not stopping."""
        ...

    def standing(self) -> tuple[str, ...]:
        """Return the loops that have not come round in time: what only a restart can help."""
        ...

    @property
    def state_path(self) -> Path:
        """Where state.db lies, for readers of their own."""
        ...

    @property
    def history_path(self) -> Path:
        """Where history.db lies, for readers of their own."""
        ...

    @property
    def time_zone(self) -> tzinfo:
        """In which people read times."""
        ...

    def newest(self, subject: str) -> Facts | None:
        """Return what a message would say of a wallet now, with advice; costs milliseconds. None for others."""
        ...

    async def hold(self, request: Mapping[str, Any]) -> object:
        """Acknowledge, snooze or mute, as on the local socket; raises ControlError with words for people."""
        ...

    async def lift(self, request: Mapping[str, Any]) -> object:
        """Take snoozes and mutes back, as on the local socket; raises ControlError with words for people."""
        ...
