"""What a process holds, read from outside and from within, and whether it grew."""

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec

from monitor.app import Daemon
from tests.fuzz.bounds import kept

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_ENDS: Final = 3  # readings at each end that are compared


_HIRED: Final = ("asyncio_", "worker-")


class Reading(msgspec.Struct, frozen=True):
    """A process at one moment."""

    at_s: float  # since the start
    rss: int  # bytes
    tasks: int
    files: int  # open descriptors, sockets among them
    sockets: int
    threads: int  # beside those of the loop's executor, which hires as work comes, up to a bound of its own
    objects: int  # that the garbage collector knows
    entries: int  # in all containers that the service reaches
    queued: int  # rows, messages and events that wait
    frames: int
    alerts: int  # messages taken by the channel
    reconnects: int
    rotations: int


class Bounds(NamedTuple):
    """How much more there may be at the end than after the warm-up."""

    rss: float = 0.05  # fractions
    objects: float = 0.05
    entries: float = 0.05
    objects_beside: int = 2_000  # absolute, for what is small in all
    entries_beside: int = 200
    tasks: int = 1  # of the moment: a message being sent, a reply being read
    files: int = 2
    threads: int = 1
    queued: int = 5_000


BOUNDS: Final = Bounds()


def read(daemon: Daemon, at_s: float, alerts: int) -> Reading:
    """Return what this process, and the service in it, hold now."""
    gc.collect()
    status = daemon.status()
    feeds = [feed for feed in status.feeds if hasattr(feed, "frames")]
    waiting = [int(str(value)) for one in status.channels for name, value in one.items() if name == "pending"]
    links = _links()
    return Reading(
        at_s=at_s,
        rss=int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE,
        tasks=len(asyncio.all_tasks()),
        files=len(links),
        sockets=sum(link.startswith("socket:") for link in links),
        threads=sum(not one.name.startswith(_HIRED) for one in threading.enumerate()),
        objects=len(gc.get_objects()),
        entries=kept(daemon),
        queued=status.history.queued + sum(waiting),
        frames=sum(feed.frames for feed in feeds),
        alerts=alerts,
        reconnects=sum(feed.reconnects for feed in feeds),
        rotations=sum(feed.rotations for feed in feeds),
    )


def _links() -> list[str]:
    links = []
    for entry in os.scandir("/proc/self/fd"):
        try:
            links.append(str(Path(entry.path).readlink()))
        except OSError:
            continue  # the one this listing itself is read through
    return links


def grown(readings: Sequence[Reading], warm_s: float, bounds: Bounds = BOUNDS) -> list[str]:
    """Return what there is more of at the end than after the warm-up, beyond the bounds; empty if nothing is.

    The medians of the first and the last three readings are compared, for at any moment something is on its way.

    Args:
        readings: in order of time.
        warm_s: readings before are not looked at; at least two must be left.
        bounds: what is allowed.
    """
    warm = [one for one in readings if one.at_s >= warm_s]
    if len(warm) < 2:
        return ["too short to be judged: fewer than two readings after the warm-up"]
    count = min(_ENDS, len(warm) // 2)

    def ends(of: Callable[[Reading], int]) -> tuple[float, float]:
        return median(map(of, warm[:count])), median(map(of, warm[-count:]))

    problems = []
    for name, value, share, beside in (
        ("resident memory", lambda one: one.rss, bounds.rss, 0),
        ("objects", lambda one: one.objects, bounds.objects, bounds.objects_beside),
        ("entries in containers", lambda one: one.entries, bounds.entries, bounds.entries_beside),
        ("tasks", lambda one: one.tasks, 0.0, bounds.tasks),
        ("open files", lambda one: one.files, 0.0, bounds.files),
        ("threads", lambda one: one.threads, 0.0, bounds.threads),
    ):
        start, end = ends(value)
        if end > start * (1.0 + share) + beside:
            problems.append(f"{name}: {start:,.0f} after the warm-up, {end:,.0f} at the end")
    most = max(one.queued for one in warm)
    if most > bounds.queued:
        problems.append(f"queues: {most:,} waited at once")
    return problems


def ratio(readings: Sequence[Reading], warm_s: float) -> float:
    """Return resident memory at the end by that after the warm-up."""
    warm = [one for one in readings if one.at_s >= warm_s]
    return warm[-1].rss / warm[0].rss if warm else 0.0
