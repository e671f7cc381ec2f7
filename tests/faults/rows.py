"""The faults as rows of the table: what goes wrong, how it is told, and what is promised all the same."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from monitor.core.notices import NoticeKind
from tests.faults.incident import FAULT_S
from tests.faults.stage import World

Act = Callable[[World], Awaitable[None]]


async def nothing(_world: World) -> None:
    """Leave all as it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One scripted incident.

    Attributes:
        name: what goes wrong, short.
        group: the heading it stands under.
        begin: brings the fault about.
        end: takes it away.
        signs: kinds of notices that tell of it; empty: nothing has to be noticed.
        notice_s: promised time until the first of them is decided, seconds.
        seen: marks keep coming, from anywhere, while it lasts; else a fall can only be told once it is over.
        late_s: promised time from the emergency, or from the end of a fault without sight, to somebody's screen.
        lasts_s: how long it lasts.
        channels: by name, those the service has.
        messages: at most so many are sent on any channel.
        fall: the price falls; else ``begin`` brings the danger about by itself.
    """

    name: str
    group: str
    begin: Act = nothing
    end: Act = nothing
    signs: tuple[NoticeKind, ...] = ()
    notice_s: float = 15.0
    seen: bool = True
    late_s: float = 10.0
    lasts_s: float = FAULT_S
    channels: tuple[str, ...] = ("phone", "mail")
    messages: int = 12
    fall: bool = True


BASELINE = Row("no fault", "Baseline")
