"""Contracts on stocks and commodities, and when their markets are closed: then a silent mark may be in order.

Asked only where a symbol is silent and REST shows it unmoved. What cannot be known is open: then silence is told.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

import structlog

from monitor.binance.market_rows import ExchangeInfo, TradingSchedule
from monitor.errors import RestError, WireError
from monitor.ports import Clock

log = structlog.get_logger()

TRADIFI: Final = "TRADIFI_PERPETUAL"
CLOSED: Final = "NO_TRADING"
GOOD_FOR_S: Final = 6 * 3600.0  # kinds and sessions; they are told for about a week
RETRY_S: Final = 300.0  # where there was no answer, or none that helps


class SessionSource(Protocol):
    """What is asked: ``rest.RestClient``."""

    async def exchange_info(self) -> ExchangeInfo:
        """Return the contracts."""
        ...

    async def trading_schedule(self) -> TradingSchedule:
        """Return the sessions of about a week."""
        ...

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        ...


class Sessions:
    """Which contracts' markets are closed now. ``wanted`` says that somebody needs to know.

    Args:
        rest: who is asked; needs no key.
        clock: time.
        on_rules: told the market's rules whenever they were asked for.
    """

    def __init__(
        self, rest: SessionSource, clock: Clock, on_rules: Callable[[ExchangeInfo], None] | None = None
    ) -> None:
        self.wanted = False
        self._rest = rest
        self._clock = clock
        self._on_rules = on_rules
        self._kinds: Mapping[str, str] = {}  # what a contract is on, of those whose markets close
        self._schedule: TradingSchedule | None = None
        self._due_s = 0.0

    def closed(self, symbols: Collection[str]) -> frozenset[str]:
        """Return those whose market is surely closed at this moment, as far as was learned."""
        if self._schedule is None:
            return frozenset()
        now_ms = self._rest.exchange_ms()
        shut = {
            kind
            for kind, market in self._schedule.market_schedules.items()
            if any(one.start_time <= now_ms < one.end_time and one.type == CLOSED for one in market.sessions)
        }
        return frozenset(symbol for symbol in symbols if self._kinds.get(symbol) in shut)

    async def learn(self) -> None:
        """Ask for kinds and sessions if that is due; nothing is known where there is no answer."""
        self.wanted = False
        if self._clock.mono_s() < self._due_s:
            return
        self._due_s = self._clock.mono_s() + RETRY_S
        try:
            info = await self._rest.exchange_info()
            if self._on_rules is not None:
                self._on_rules(info)
            kinds = {row.symbol: row.underlying_type for row in info.symbols if row.contract_type == TRADIFI}
            if kinds:
                self._schedule = await self._rest.trading_schedule()
        except (RestError, WireError) as error:
            log.info("sessions.unknown", reason=error.reason)
            return
        self._kinds = kinds
        self._due_s = self._clock.mono_s() + GOOD_FOR_S
