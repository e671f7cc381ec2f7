"""What one connection has been asked for, and the next control message that brings it to what is wanted."""

from collections.abc import Iterable

import msgspec

# One message may name many streams, and a connection may send ten a second, pings and pongs included.
STREAMS_PER_MESSAGE = 200


class Subscription:
    """The streams asked for on one connection. Acknowledgements are not waited for: they prove nothing."""

    def __init__(self) -> None:
        self.asked: set[str] = set()
        self._sent = 0

    def next_message(self, wanted: Iterable[str]) -> str | None:
        """Return the next control message as JSON text, counted as sent, or None if all is asked for.

        New streams come before old ones are given up, so that changing over leaves no gap.
        """
        target = set(wanted)
        for method, streams in (("SUBSCRIBE", target - self.asked), ("UNSUBSCRIBE", self.asked - target)):
            if streams:
                part = sorted(streams)[:STREAMS_PER_MESSAGE]
                if method == "SUBSCRIBE":
                    self.asked.update(part)
                else:
                    self.asked.difference_update(part)
                self._sent += 1
                return msgspec.json.encode({"method": method, "params": part, "id": self._sent}).decode()
        return None

    def repeat(self, streams: Iterable[str]) -> None:
        """Ask for these again with the next messages."""
        self.asked.difference_update(streams)
