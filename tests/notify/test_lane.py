"""One channel's way out, where a service likes some messages and not others."""

import pytest
from msgspec.structs import replace

from monitor.errors import DeliveryError
from monitor.ports import Message
from tests.conftest import ManualClock, settle
from tests.notify.fakes import FakeChannel, a_notice, some_facts
from tests.notify.test_delivery import running


class Picky(FakeChannel):
    """Takes nothing that speaks of one symbol."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    async def send(self, message: Message) -> None:
        self.tried.append(message)
        if "DOGE" in message.title + message.body:
            raise DeliveryError(self.name, self.reason)
        self.accepted.append(message)


@pytest.mark.parametrize("reason", ["http-400", "smtp-554", "rejected"])
async def test_a_notice_that_a_service_does_not_like_holds_up_no_other(clock: ManualClock, reason: str) -> None:
    """A message about several is taken apart, and the one in question is still tried."""
    picky = Picky(reason)
    async with running(clock, picky) as rig:
        poison = replace(
            a_notice(subject="main/isolated:DOGEUSDT:LONG"), facts=some_facts(symbol="DOGEUSDT", wallet="DOGEUSDT")
        )
        others = [a_notice(subject=f"main/isolated:C{i}USDT:LONG") for i in range(4)]
        rig.delivery.offer([poison, *others], recorded=True)
        for _ in range(400):
            await clock.advance(1.0)
            await settle()
        (stats,) = rig.delivery.stats()
        assert (stats.notices, stats.pending) == (4, 1)
        before = len(picky.tried)
        await clock.advance(130.0)
        assert len(picky.tried) > before
