"""Time as the emulator needs it: injected, so that tests own it."""

from typing import Protocol


class Clock(Protocol):
    """Wall time and waiting."""

    def wall_ms(self) -> int:
        """Return Unix time in milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; at once if not positive."""
        ...
