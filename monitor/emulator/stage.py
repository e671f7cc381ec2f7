"""An emulator with a relay in front of each of its sides, and the faults that are on it now.

A client that is to meet every fault is given the addresses of the stage, not of the emulator. Faults are put on
and taken off in any order: after each change everything is made healthy and what is still on is switched on again,
in one step, so that ending one fault never ends another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from types import TracebackType
from typing import Self

from monitor.emulator.clock import Clock
from monitor.emulator.relay import Relay
from monitor.emulator.scenario import Scenario
from monitor.emulator.server import Emulator
from monitor.emulator.settings import EmulatorSettings

UNRESOLVABLE = "nothing.invalid"  # RFC 6761: a name that no resolver knows

Switch = Callable[["Stage", "Effect"], None]
Act = Callable[["Stage", "Effect"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Effect:
    """One fault that is on.

    Attributes:
        began_ms: Unix milliseconds when it was put on.
        values: its parameters by name.
        switch: sets what it switches; called again at each change of what is on.
    """

    began_ms: int
    values: Mapping[str, float] = field(default_factory=dict)
    switch: Switch | None = None


class Stage:
    """What a fault script plays on. While it is in use, the switches of its emulator and relays are its own.

    Attributes:
        emulator: the exchange; whoever opens the stage runs or steps it.
        rest: the relay for REST.
        market: the relay for market streams.
        private: the relay for private streams.
        symbol: what faults of one symbol act on.
        clock: what the emulator and the relays live by.
    """

    def __init__(
        self, clock: Clock, scenario: Scenario, settings: EmulatorSettings | None = None, *, symbol: str = ""
    ) -> None:
        """Describe a stage.

        Args:
            clock: time; may run faster than the real one. Real time counts only where a peer does not read or
                does not close: it is cut after ``EmulatorSettings.send_within_s``, or 0.25 s, of real time.
            scenario: what the exchange plays.
            settings: how it behaves in health.
            symbol: what faults of one symbol act on; empty for the first of the scenario.
        """
        self.clock = clock
        self.emulator = Emulator(clock, scenario, settings)
        self.symbol = symbol or scenario.instruments[0].symbol
        self._effects: dict[str, Effect] = {}
        self._relays: tuple[Relay, ...] = ()
        self._tls: Relay | None = None
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Start the emulator and the relays."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self.stop()

    @property
    def rest(self) -> Relay:
        """Return the relay for REST; only after :meth:`start`."""
        return self._relays[0]

    @property
    def market(self) -> Relay:
        """Return the relay for market streams; only after :meth:`start`."""
        return self._relays[1]

    @property
    def private(self) -> Relay:
        """Return the relay for private streams; only after :meth:`start`."""
        return self._relays[2]

    @property
    def relays(self) -> tuple[Relay, ...]:
        """Return all relays; only after :meth:`start`."""
        return self._relays

    @property
    def base_http(self) -> str:
        """Return the REST base to give to clients."""
        return self.rest.base_http

    @property
    def base_market_ws(self) -> str:
        """Return the base of the market streams to give to clients."""
        return self.market.base_market_ws

    @property
    def base_private_ws(self) -> str:
        """Return the base of the private streams to give to clients."""
        return self.private.base_private_ws

    @property
    def base_tls_ws(self) -> str:
        """Return the base of the market streams on the port that speaks TLS; empty before :meth:`open_tls`."""
        return "" if self._tls is None else self._tls.base_market_ws

    @property
    def on(self) -> tuple[str, ...]:
        """Return the names of the faults that are on, oldest first."""
        return tuple(self._effects)

    async def start(self) -> None:
        """Start the emulator and the relays.

        Raises:
            OSError: a port cannot be had.
        """
        await self.emulator.start()
        self._relays = tuple(Relay(self.emulator.port, self.clock, seed=seed) for seed in range(3))
        for one in self._relays:
            await one.start()

    async def stop(self) -> None:
        """Stop the relays and the emulator; calling it twice is fine."""
        for one in (*self._relays, *([] if self._tls is None else [self._tls])):
            await one.stop()
        await self.emulator.stop()

    async def open_tls(self, context: SSLContext) -> None:
        """Open, or open anew, a port that speaks TLS; its address is :attr:`base_tls_ws`."""
        if self._tls is not None:
            await self._tls.stop()
        self._tls = Relay(self.emulator.port, self.clock, tls=context)
        await self._tls.start()

    async def put_on(self, name: str, effect: Effect) -> None:
        """Switch a fault on; one of the same name is replaced."""
        async with self._changing:
            self._effects.pop(name, None)
            self._effects[name] = effect
            await self._show()

    async def take_off(self, name: str) -> None:
        """Switch a fault off; fine if it is not on."""
        async with self._changing:
            if self._effects.pop(name, None) is not None:
                await self._show()

    async def heal(self) -> None:
        """Switch every fault off. Connections that faults ended, or left half-open, stay as they are."""
        async with self._changing:
            self._effects.clear()
            await self._show()

    async def _show(self) -> None:
        # Without a wait from here to the last switch: nobody sees health between two faults.
        self.emulator.faults.heal()
        for relay in self._relays:
            relay.heal()
        for effect in self._effects.values():
            if effect.switch is not None:
                effect.switch(self, effect)
        for relay in self._relays:
            await relay.apply()
