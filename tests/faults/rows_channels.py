"""Faults of the services that carry messages. The service itself sees everything; only telling is hard."""

from monitor.core.notices import NoticeKind
from tests.faults.rows import Act, Row
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
    Row("channel-500", GROUP, "The only channel answers HTTP 500", _phone(failing("http-500")), _phone_heals,
        channels=_ALONE, seen=False, late_s=60, told=None),
    Row("channel-429", GROUP, "The only channel answers 429 and asks for a pause", _throttles, _phone_heals,
        channels=_ALONE, seen=False, late_s=15, quick=True),
    Row("channel-hangs", GROUP, "The only channel never answers", _hangs, _phone_heals, channels=_ALONE,
        seen=False, late_s=75),
    Row("channel-answers-lost", GROUP, "The only channel takes every message, and its answers get lost",
        _answers_lost, _phone_heals, channels=_ALONE, late_s=75),
    Row("channel-refused", GROUP, "Connections to the only channel are refused", _phone(failing("refused")),
        _phone_heals, channels=_ALONE, seen=False, late_s=60),
    Row("channel-dns", GROUP, "The name of the only channel is not found", _phone(failing("dns")), _phone_heals,
        channels=_ALONE, seen=False, late_s=60),
    Row("channels-unreachable", GROUP, "Every channel is unreachable", _all_fail, _all_heal, seen=False, late_s=60,
        quick=True),
    Row("channel-fails-helped", GROUP, "One channel answers 503, another takes over after 30 s",
        _phone(failing("http-503")), _phone_heals, late_s=15),
    Row("channel-hangs-helped", GROUP, "One channel never answers, another takes over after 30 s", _hangs,
        _phone_heals, late_s=15, quick=True),
    Row("channel-revoked", GROUP, "One channel refuses for good (401), another takes over at once",
        _phone(failing("http-401", permanent=True)), _phone_heals, told=NoticeKind.CHANNEL, told_s=30, late_s=15,
        recovers=False, quick=True),
)  # fmt: skip
