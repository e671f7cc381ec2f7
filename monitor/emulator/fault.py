"""What a fault is: a name, what it does to a stage, and with which figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

from monitor.emulator.stage import Act, Effect, Stage, Switch

Group = Literal["connection", "data", "rest", "account", "clock"]
GROUPS: tuple[Group, ...] = ("connection", "data", "rest", "account", "clock")
Addresses = Callable[[Stage], tuple[str, ...]]


class Parameter(NamedTuple):
    """A figure of a fault: what it is if nothing is said, and the range a random script draws it from."""

    usual: float
    least: float
    most: float
    unit: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong.

    Attributes:
        name: its constant name.
        group: what it is about.
        does: what it does, in a line.
        switch: sets what lasts.
        act: done once, when it begins, after the switches are set.
        parameters: its figures by name.
        addresses: of a fault that is a matter of addresses, the market stream candidates to give to a client,
            first to last, once it is applied; else None.
    """

    name: str
    group: Group
    does: str
    switch: Switch | None = None
    act: Act | None = None
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: MappingProxyType({}))
    addresses: Addresses | None = None

    @property
    def lasts(self) -> bool:
        """Say whether there is something to undo."""
        return self.switch is not None

    @property
    def scripted(self) -> bool:
        """Say whether it can be switched on under a running client."""
        return self.addresses is None

    async def apply(self, stage: Stage, **values: float) -> None:
        """Make it happen, with these parameters or the usual ones.

        Raises:
            ValueError: it has no such parameter.
        """
        strange = values.keys() - self.parameters.keys()
        if strange:
            raise ValueError(f"{self.name} has no parameter {', '.join(sorted(strange))}")
        usual = {name: one.usual for name, one in self.parameters.items()}
        effect = Effect(stage.clock.wall_ms(), usual | values, self.switch)
        if self.switch is not None:
            await stage.put_on(self.name, effect)
        if self.act is not None:
            await self.act(stage, effect)

    async def undo(self, stage: Stage) -> None:
        """Switch it off; connections it ended, or left half-open, stay as they are."""
        await stage.take_off(self.name)


def figures(**parameters: Parameter) -> Mapping[str, Parameter]:
    """Return the figures of a fault by name."""
    return MappingProxyType(parameters)


RETRY = Parameter(10, 1, 60, "s", whole=True)
SHARE = Parameter(0.3, 0.05, 0.9, "of 1")
