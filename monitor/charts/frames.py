"""How the daemon and the process that draws talk: a length of four bytes, big-endian, and so many bytes.

The first frame of that process is a greeting, when it is ready to draw. From then on it answers each order, a
JSON object, with one frame: a PNG, nothing if there is too little to draw, or that the history cannot be read.
"""

import asyncio
from typing import BinaryIO, Final

from monitor.errors import WireError

READY: Final = b"ready"
UNREADABLE: Final = b"unreadable"
LARGEST: Final = 2**20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES: Final = 4


def framed(body: bytes) -> bytes:
    """Return a body with its length before it."""
    return len(body).to_bytes(_HEAD_BYTES, "big") + body


def read(stream: BinaryIO) -> bytes | None:
    """Return the next body from a blocking stream; None at its end, wherever that is."""
    head = stream.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        return None
    size = int.from_bytes(head, "big")
    body = stream.read(size)
    return body if len(body) == size else None


async def receive(stream: asyncio.StreamReader) -> bytes:
    """Return the next body.

    Raises:
        WireError: the stream ended, or what it holds is no frame of this protocol.
    """
    try:
        size = int.from_bytes(await stream.readexactly(_HEAD_BYTES), "big")
        if size > LARGEST:
            raise WireError("charts", "too_large")
        body = await stream.readexactly(size)
    except asyncio.IncompleteReadError:
        raise WireError("charts", "ended") from None
    if body and body not in (READY, UNREADABLE) and not body.startswith(_PNG):
        raise WireError("charts", "no_picture")
    return body
