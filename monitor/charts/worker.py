"""The process that draws: orders in, pictures out, until its input ends. Started by ``illustrator``.

A process of its own, because matplotlib holds the interpreter's lock for as long as a picture takes, and no tick
may wait for that. It has no secrets: no channel, no key, and an environment of a few names.
"""

import os
import sys
from typing import BinaryIO

import msgspec

from monitor.charts import frames
from monitor.charts.series import MINUTE_MS, Order, Point, Series, find
from monitor.core.model import Level
from monitor.errors import StoreError

NICE = 10


def main() -> None:
    """Serve standard input and output."""
    os.nice(NICE)  # what decides and sends goes first
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(orders: BinaryIO, pictures: BinaryIO) -> None:
    """Answer orders until there are no more."""
    from monitor.charts.draw import draw  # noqa: PLC0415 - heavy; orders are known without it

    draw(_sample())  # what the first picture would have to wait for: fonts
    _write(pictures, frames.READY)
    while (order := frames.read(orders)) is not None:
        try:
            series = find(msgspec.json.decode(order, type=Order))
        except StoreError:
            _write(pictures, frames.UNREADABLE)
            continue
        _write(pictures, b"" if series is None else draw(series))


def _write(pictures: BinaryIO, body: bytes) -> None:
    pictures.write(frames.framed(body))
    pictures.flush()


def _sample() -> Series:
    points = tuple(Point(minute * MINUTE_MS, 0.5, 0.1, Level.NOTICE) for minute in range(5))
    return Series("sample", points, joint=False, limits=((Level.WARNING, 0.65),))


if __name__ == "__main__":
    main()
