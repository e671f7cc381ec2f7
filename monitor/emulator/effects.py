"""The switches and acts that faults are made of."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from monitor.emulator.certificate import bad_tls
from monitor.emulator.faults import Faults
from monitor.emulator.relay import Relay
from monitor.emulator.stage import Act, Effect, Stage, Switch
from monitor.emulator.streams import Route
from monitor.emulator.ways import Door

Side = Literal["rest", "market", "private"]
SIDES: tuple[Side, ...] = ("rest", "market", "private")


def switching(**switches: Any) -> Switch:  # noqa: ANN401  whatever a switch holds
    """Return what sets switches of the emulator; sets and mappings are added to."""

    def switch(stage: Stage, _: Effect) -> None:
        _set(stage.emulator.faults, switches)

    return switch


def drawn(make: Callable[[Stage, Effect], Mapping[str, Any]]) -> Switch:
    """Return what sets switches that depend on the stage or on parameters."""

    def switch(stage: Stage, effect: Effect) -> None:
        _set(stage.emulator.faults, make(stage, effect))

    return switch


def _set(faults: Faults, switches: Mapping[str, Any]) -> None:
    for name, value in switches.items():
        if isinstance(value, set | dict):
            getattr(faults, name).update(value)
        else:
            setattr(faults, name, value)


def retry_after(effect: Effect) -> dict[str, Any]:
    """Return the switch of the wait that is asked for, if the fault has one."""
    seconds = effect.values.get("retry_after_s")
    return {} if seconds is None else {"retry_after_s": round(seconds)}


def relay_of(stage: Stage, side: Side) -> Relay:
    """Return the relay of a side."""
    return {"rest": stage.rest, "market": stage.market, "private": stage.private}[side]


def door(shown: Door, *sides: Side) -> Switch:
    """Return what shows new connections of some sides a door."""

    def switch(stage: Stage, _: Effect) -> None:
        for side in sides:
            relay_of(stage, side).door = shown

    return switch


def ways(**switches: Any) -> Callable[[Side], Switch]:  # noqa: ANN401  a figure, or the name of a parameter
    """Return what sets both directions of a relay; a text stands for the parameter of that name."""

    def of(side: Side) -> Switch:
        def switch(stage: Stage, effect: Effect) -> None:
            relay = relay_of(stage, side)
            for way in (relay.to_client, relay.to_server):
                for name, value in switches.items():
                    setattr(way, name, effect.values[value] if isinstance(value, str) else value)

        return switch

    return of


def drip(side: Side) -> Switch:
    """Return what lets a side's bytes drip to the client."""

    def switch(stage: Stage, effect: Effect) -> None:
        relay_of(stage, side).to_client.bytes_per_s = effect.values["bytes_per_s"]

    return switch


def corrupt(side: Side) -> Switch:
    """Return what changes some of a side's bytes to the client."""

    def switch(stage: Stage, effect: Effect) -> None:
        relay_of(stage, side).to_client.corrupt_share = effect.values["share"]

    return switch


def at_once(do: Callable[[Relay], None], *sides: Side) -> Act:
    """Return what does something to the open connections of some sides."""

    async def act(stage: Stage, _: Effect) -> None:
        for side in sides:
            do(relay_of(stage, side))

    return act


def closing(route: Route | None) -> Act:
    """Return what closes the streams of a route, or all, in good order."""

    async def act(stage: Stage, _: Effect) -> None:
        await stage.emulator.close_connections(route)

    return act


async def drop_all(stage: Stage, _: Effect) -> None:
    """Cut every stream."""
    stage.emulator.drop_connections()


async def expire_keys(stage: Stage, _: Effect) -> None:
    """End every listen key, with the event."""
    await stage.emulator.expire_listen_keys()


async def expire_keys_unsaid(stage: Stage, _: Effect) -> None:
    """End every listen key, without the event."""
    await stage.emulator.expire_listen_keys(told=False)


async def lose_events(stage: Stage, effect: Effect) -> None:
    """Lose the next user events."""
    stage.emulator.faults.drop_events = round(effect.values["events"])


async def open_bad_tls(stage: Stage, _: Effect) -> None:
    """Open the port with the certificate nobody should accept."""
    await stage.open_tls(bad_tls())
