"""Faults of the services that carry messages. The service itself sees everything; only telling is hard."""

from tests.faults.rows import Act, Row, nothing
from tests.faults.service import Trouble, failing, limited
from tests.faults.stage import World

GROUP = "Channels"
_ALONE = ("phone",)


def _phone(trouble: Trouble) -> Act:
    async def begin(world: World) -> None:
        world.phone.trouble = trouble

    return begin


async def _phone_heals(world: World) -> None:
    world.phone.trouble = None
    world.phone.hangs = world.phone.takes_and_hangs = False


async def _throttles(world: World) -> None:
    world.phone.trouble = limited(world.host.mono_s() + 45.0)


async def _hangs(world: World) -> None:
    world.phone.hangs = True


async def _answers_lost(world: World) -> None:
    world.phone.takes_and_hangs = True


async def _all_fail(world: World) -> None:
    world.phone.trouble = failing("unreachable")
    world.mail.trouble = failing("unreachable")


async def _all_heal(world: World) -> None:
    await _phone_heals(world)
    world.mail.trouble = None


ROWS = (
    Row("HTTP 500", GROUP, _phone(failing("http-500")), _phone_heals, channels=_ALONE, seen=False, late_s=45),
    Row("HTTP 429, asks for a pause", GROUP, _throttles, _phone_heals, channels=_ALONE, seen=False, late_s=15),
    Row("hangs, time-out", GROUP, _hangs, _phone_heals, channels=_ALONE, seen=False, late_s=60),
    Row("takes messages, answers get lost", GROUP, _answers_lost, _phone_heals, channels=_ALONE, late_s=60),
    Row("connection refused", GROUP, _phone(failing("refused")), _phone_heals, channels=_ALONE, seen=False,
        late_s=45),
    Row("its name cannot be found (DNS)", GROUP, _phone(failing("dns")), _phone_heals, channels=_ALONE, seen=False,
        late_s=45),
    Row("every channel unreachable", GROUP, _all_fail, _all_heal, seen=False, late_s=45),
    Row("fails for a while, another takes over", GROUP, _phone(failing("http-503")), _phone_heals),
    Row("refuses for good, another takes over", GROUP, _phone(failing("http-401", permanent=True)), nothing),
)  # fmt: skip
