import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.charts.frames import LARGEST, READY, UNREADABLE, framed, read, receive
from monitor.errors import WireError

PNG = b"\x89PNG\r\n\x1a\nand more"


def a_stream(content: bytes) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    stream.feed_data(content)
    stream.feed_eof()
    return stream


@given(st.lists(st.binary(max_size=50)), st.integers(0, 6))
def test_frames_come_out_as_they_went_in(bodies: list[bytes], cut: int) -> None:
    """Whole ones, whatever they hold; one that is cut off is the end."""
    content = b"".join(map(framed, bodies))
    stream = io.BytesIO(content + framed(b"never whole")[:cut])
    assert [read(stream) for _ in bodies] == bodies
    assert read(stream) is None


async def test_the_daemon_takes_pictures_and_known_words() -> None:
    """In the order in which they were sent."""
    bodies = [READY, b"", PNG, UNREADABLE]
    stream = a_stream(b"".join(map(framed, bodies)))
    assert [await receive(stream) for _ in bodies] == bodies


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ended"),
        (b"\0\0", "ended"),
        (framed(PNG)[:-1], "ended"),
        (framed(b"GIF89a"), "no_picture"),
        ((LARGEST + 1).to_bytes(4, "big"), "too_large"),
        (b"Traceback (most recent call last):", "too_large"),
    ],
)
async def test_anything_else_is_an_error(content: bytes, reason: str) -> None:
    """What the process says is not believed because it is ours; and never does it fill the memory."""
    with pytest.raises(WireError) as caught:
        await receive(a_stream(content))
    assert (caught.value.where, caught.value.reason) == ("charts", reason)
