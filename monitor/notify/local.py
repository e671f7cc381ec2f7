"""A channel that hands messages to a function of this process: the demo shows with it what would be sent."""

from collections.abc import Callable

from monitor.ports import Message


class LocalChannel:
    """Implements ``ports.Channel`` without a service; ``sink`` accepts at once, or raises DeliveryError."""

    def __init__(self, name: str, sink: Callable[[Message], None], fmt: str = "text") -> None:
        self._name = name
        self._sink = sink
        self._format = fmt

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._name

    @property
    def format(self) -> str:
        """``text`` unless another was asked for."""
        return self._format

    @property
    def takes_files(self) -> bool:
        """Pictures have no place in a terminal."""
        return False

    async def send(self, message: Message) -> None:
        """Hand the message over."""
        self._sink(message)

    def close(self) -> None:
        """Nothing to let go of."""
