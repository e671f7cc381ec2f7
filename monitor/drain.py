"""Ending tasks in order: each gets a deadline, and what is late is named."""

import asyncio
from collections.abc import Awaitable, Sequence

import structlog

log = structlog.get_logger()


async def cancel(tasks: Sequence[asyncio.Task[None]], deadline_s: float) -> None:
    """Cancel tasks and wait for their end, not longer than ``deadline_s``."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=deadline_s)
        for task in late:
            log.warning("drain.late", job=task.get_name())


async def finish(tasks: Sequence[asyncio.Task[None]], deadline_s: float) -> None:
    """Wait for tasks that were told to end; cancel those that are late."""
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=deadline_s)
    for task in late:
        log.warning("drain.late", job=task.get_name())
        task.cancel()


async def close(name: str, closing: Awaitable[None], until_s: float) -> None:
    """Wait for what closes something, not longer than ``until_s`` of the loop's clock."""
    try:
        async with asyncio.timeout_at(until_s):
            await closing
    except TimeoutError:
        log.warning("drain.late", job=name)
