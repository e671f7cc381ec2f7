"""What one who asks may take: connections, bytes and seconds. And what became of those who asked."""

from collections import Counter
from typing import Final, NamedTuple


class Limits(NamedTuple):
    """Far above what a browser, a scraper and a script need together, and far below what would hurt marks.

    A connection answers one request and closes, so its longest life is a limit on everything it can do, reading
    the answer slowly included.
    """

    connections: int = 64
    from_one: int = 48  # of them from one address, so that one elsewhere cannot keep the owner out
    head_s: float = 10.0  # until the head of the request is there
    body_s: float = 10.0  # from then until its body is
    handler_s: float = 10.0
    handlers: int = 4  # that run at a time; others wait within ``handler_s``
    linger_s: float = 1.0  # what still comes of a body that nobody wanted is read, so that the answer arrives
    life_s: float = 40.0
    line_bytes: int = 4096  # of the request line, and of each header
    head_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    wrong_tokens: int = 10  # told so within a minute; then it is said that there were too many


LIMITS: Final = Limits()


class Tally:
    """Counts since the start. Reasons are the words of ``Why`` and nothing that came from outside."""

    def __init__(self) -> None:
        self.connections = 0  # that are open
        self.requests = 0  # whose head was understood
        self.refused: Counter[str] = Counter()  # by reason
        self.slow = 0  # cut, because they took too long
