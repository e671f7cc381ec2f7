"""Faults of the machine the service runs on, and of the service itself."""

from tests.faults.rows import Row
from tests.faults.stage import World

RESTARTS = "The service itself"


async def _halt(world: World) -> None:
    await world.halt()


async def _launch(world: World) -> None:
    await world.launch()


ROWS = (
    Row("stopped while the price falls, started again", RESTARTS, _halt, _launch, seen=False, late_s=15),
    Row("stopped until the fall is over", RESTARTS, _halt, _launch, seen=False, late_s=90, lasts_s=100),
)
