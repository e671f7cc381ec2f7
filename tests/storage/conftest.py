"""The state store in both its shapes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.ports import Stored
from monitor.storage.state import SqliteState
from tests.conftest import ManualClock
from tests.storage.fakes import MemoryState
from tests.storage.rows import Store


@pytest.fixture(params=["sqlite", "memory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    made: Store = SqliteState(tmp_path / "state.db", clock) if request.param == "sqlite" else MemoryState(clock)
    assert await made.open() == Stored((), ())
    yield made
    await made.close()
