"""What a row of the table is made of."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from monitor.core.notices import NoticeKind
from monitor.emulator.fault_script import CATALOGUE
from monitor.emulator.relay import Relay
from tests.faults.incident import ACCOUNT, FAULT_S, SYMBOL
from tests.faults.stage import World

Act = Callable[[World], Awaitable[None]]

PROMISED_S = 15.0  # silence is told within
NO_LIMIT_S = 600.0
_OUT = "1415"  # taken out of the isolated margin: a margin ratio of 92 %
_BEFORE_S = 5.0

# These are about new connections only.
_AT_THE_DOOR = (
    "-refused", "-on-accept", "-never-answers", "-speaks-tls", "-plain-text", "-garbage", "-handshake-429",
    "-handshake-403", "-handshake-503", "-accept-then-close", "ack-lost",
)  # fmt: skip


async def nothing(_world: World) -> None:
    """Leave all as it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One scripted incident.

    Attributes:
        name: constant and unique.
        group: the heading it stands under.
        does: what goes wrong, in a line.
        begin: brings the fault about.
        end: takes it away.
        told: the kind of notice that tells of it; None: nobody has to be told.
        told_s: promised time until that is decided, seconds from the fault.
        seen: the danger can be seen and told while the fault lasts; else only once it is over.
        late_s: promised time to somebody's screen, from the true emergency, or from the end of a fault in which
            it cannot be seen or told.
        lasts_s: how long the fault lasts.
        channels: by name, those the service has.
        most: at most so many messages reach any channel.
        recovers: all can be well again once it is over; else somebody has to do something, or say something.
        withdraw: danger does not come from a price, but from margin that the owner takes out meanwhile.
        quick: CI plays it each time.
    """

    name: str
    group: str
    does: str
    begin: Act = nothing
    end: Act = nothing
    told: NoticeKind | None = None
    told_s: float = PROMISED_S
    seen: bool = True
    late_s: float = 15.0
    lasts_s: float = FAULT_S
    channels: tuple[str, ...] = ("phone", "mail")
    most: int = 10
    recovers: bool = True
    withdraw: bool = False
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """What is promised beside one fault of the emulator's catalogue, as in :class:`Row`."""

    told: NoticeKind | None = None
    told_s: float = PROMISED_S
    seen: bool = True
    late_s: float = 15.0
    lasts_s: float = FAULT_S
    most: int = 10
    withdraw: bool = False
    quick: bool = False
    values: Mapping[str, float] = field(default_factory=dict)


def of_catalogue(name: str, group: str, expected: Expected) -> Row:
    """Return the row of a fault of the emulator's catalogue."""
    fault = CATALOGUE[name]
    ended = name.endswith(_AT_THE_DOOR)
    does = fault.does.rstrip(".") + ("; open ones end" if ended else "")

    async def begin(world: World) -> None:
        if fault.addresses is not None:
            await world.halt()
        await fault.apply(world.stage, **expected.values)
        if ended:
            _side(world, name).reset()
        if fault.addresses is not None:
            world.addresses = fault.addresses(world.stage)
            await world.launch()
        if expected.withdraw:
            await withdraw(world)

    async def end(world: World) -> None:
        await world.stage.heal()
        if expected.withdraw:
            await pay_back(world)

    return Row(
        name, group, does, begin, end, told=expected.told, told_s=expected.told_s,
        seen=expected.seen, late_s=expected.late_s, lasts_s=expected.lasts_s, most=expected.most,
        withdraw=expected.withdraw, quick=expected.quick,
    )  # fmt: skip


def _side(world: World, name: str) -> Relay:
    """Return the way a fault of one side is on."""
    sides = {"rest": world.stage.rest, "private": world.stage.private}
    return sides.get(name.partition("-")[0], world.stage.market)


async def withdraw(world: World) -> None:
    """Bring danger about by the owner's own doing."""
    await world.clock.sleep(_BEFORE_S)
    await world.exchange.accounts[ACCOUNT].add_margin(SYMBOL, f"-{_OUT}")
    world.exchange.note(world.clock.mono_s())


async def pay_back(world: World) -> None:
    """End that danger."""
    await world.exchange.accounts[ACCOUNT].add_margin(SYMBOL, _OUT)


BASELINE = Row("no-fault", "Without a fault", "The same fall, and nothing is wrong", quick=True)
