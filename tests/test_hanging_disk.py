"""A disk that hangs as the service is told to stop: it ends all the same, after everybody was told."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import aiosqlite
import pytest
from structlog.testing import capture_logs

from monitor.storage import kept
from tests.notify.fakes import FakeChannel
from tests.test_app import exchange, running, settings_of, until

PATIENCE_S = 60.0


class Disk:
    """Hangs from the moment it is told to, until the test is over."""

    def __init__(self) -> None:
        self.hangs = False
        self.asked = threading.Event()  # something waits for it
        self.mended = threading.Event()
        self.threads: set[threading.Thread] = set()  # of databases

    def wait(self) -> None:
        if self.hangs:
            self.asked.set()
            assert self.mended.wait(PATIENCE_S)

    async def mend(self) -> None:
        """Have it go on, and wait for what waited for it: threads tell the loop, which must still be there."""
        self.mended.set()
        for thread in self.threads:
            await asyncio.to_thread(thread.join, PATIENCE_S)
            assert not thread.is_alive()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    made = Disk()
    replace, commit = kept.replace, aiosqlite.Connection.commit

    def replaced(path: Path, content: bytes, spare_bytes: int = 0) -> None:
        made.wait()
        replace(path, content, spare_bytes)

    async def committed(self: aiosqlite.Connection) -> None:
        made.threads.add(self._thread)
        await self._execute(made.wait)  # type: ignore[no-untyped-call]
        await commit(self)

    monkeypatch.setattr(kept, "replace", replaced)
    monkeypatch.setattr(aiosqlite.Connection, "commit", committed)
    yield made
    made.mended.set()


async def test_it_ends_after_an_alert_was_sent_whatever_waits_for_the_disk(tmp_path: Path, disk: Disk) -> None:
    """Databases, the day, accounts and moves: each is given its time, and what is late is named."""
    channel = FakeChannel()
    async with exchange() as market:
        with capture_logs() as logs:
            async with running(settings_of(market.config(tmp_path / "s")), channel) as watch:
                await until(lambda: watch.level() == "ok")
                disk.hangs = True
                market.price("59300")
                await until(lambda: watch.level() == "emergency" and disk.asked.is_set())
            # The daemon is over, and the disk hangs still.
            assert not disk.mended.is_set()
        assert len(channel.accepted) == 1
        assert "drain.late" in [entry["event"] for entry in logs]
        assert "daemon.stopped" in [entry["event"] for entry in logs]
        await disk.mend()
