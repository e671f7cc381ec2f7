"""What becomes of new connections and of bytes at a relay."""

import asyncio
from enum import StrEnum


class Door(StrEnum):
    """What becomes of a new connection."""

    PASS = "pass"  # noqa: S105  no password: it goes through to the emulator
    REFUSE = "refuse"  # the port is closed
    RESET = "reset"  # accepted, then reset
    FINISH = "finish"  # accepted, then closed in good order, before a byte
    MUTE = "mute"  # accepted and never answered, whatever is sent
    TEXT = "text"  # answered in plain text that is neither HTTP nor TLS
    TLS = "tls"  # answered with a TLS alert, as plain clients are by a TLS server
    GARBAGE = "garbage"  # answered with random bytes


class Way:
    """What becomes of bytes in one direction, of every connection.

    Attributes:
        bytes_per_s: how fast they drip; 0 for no limit.
        latency_s: how long each piece waits; what arrives meanwhile travels with the next one.
        corrupt_share: share of pieces in which one byte is changed, 0 to 1.
    """

    def __init__(self) -> None:
        self.bytes_per_s = 0.0
        self.latency_s = 0.0
        self.corrupt_share = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def held(self) -> bool:
        """Say whether bytes wait; they travel on, none lost, once they no longer do."""
        return not self._flowing.is_set()

    @held.setter
    def held(self, value: bool) -> None:
        if value:
            self._flowing.clear()
        else:
            self._flowing.set()

    def heal(self) -> None:
        """Let bytes pass unchanged and at once."""
        self.bytes_per_s = self.latency_s = self.corrupt_share = 0.0
        self.held = False

    async def flowing(self) -> None:
        """Wait until bytes may travel."""
        while self.held:  # again: it may have been held anew before this task had its turn
            await self._flowing.wait()
