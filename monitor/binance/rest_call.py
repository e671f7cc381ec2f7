"""One request to the exchange until it is answered or refused: weight, time, hosts, retries.

Every request takes its weight from the budget first. Signed ones carry the exchange's time, kept by the futures
time endpoint. What may pass by itself is repeated a bounded number of times; a host nobody answers at is left for
the next candidate.
"""

import asyncio
import ssl
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import aiohttp

from monitor.binance import rest_wire as wire
from monitor.binance.backoff import PauseBounds, pause_s
from monitor.binance.candidates import CandidateReport, Candidates
from monitor.binance.endpoints import Environment
from monitor.binance.keys import Credentials
from monitor.binance.rest_errors import FIREWALL, HTML, MAINTENANCE, REDIRECTED, classify
from monitor.binance.weights import LONGEST_WAIT_S, WeightBudget, told_weight
from monitor.errors import ClockError, RateLimitedError, RestError, TransientRestError, UnreachableError
from monitor.ports import Clock

if TYPE_CHECKING:
    from monitor.binance.futures_client import FuturesClient, RawReply

TIMEOUT: Final = "timeout"
DNS: Final = "dns"
TLS: Final = "tls"
CONNECT: Final = "connect"
CONNECTION: Final = "connection"
NO_KEY: Final = "no_key"

ATTEMPTS: Final = 4
BOUNDS: Final = PauseBounds(first_s=0.4, longest_s=5.0)
AT_ONCE_S: Final = 4.0  # what cannot wait is asked again after so long, rather than waited for
TIME_GOOD_FOR_S: Final = 3600.0
TIME_RETRY_S: Final = 60.0

_ELSEWHERE = frozenset({HTML, REDIRECTED, FIREWALL})  # another host may know better
_LATER = frozenset({MAINTENANCE, FIREWALL})  # takes longer than anybody should wait here

Api = Literal["fapi", "dapi", "sapi", "papi"]
Params = Mapping[str, str | int | None]


class Call(NamedTuple):
    """An endpoint and what one request to it costs."""

    api: Api
    path: str
    weight: int
    version: int = 1
    signed: bool = False
    method: Literal["get", "post", "put"] = "get"
    urgent: bool = False  # takes its weight before others, and more of it
    spare: bool = False  # takes only weight that nobody else needs, and does not wait for it

    @property
    def where(self) -> str:
        """The path, as errors name it."""
        return f"/{self.api}/v{self.version}/{self.path}"


class Answer(NamedTuple):
    """A body, and when it was asked for and came, our wall clock."""

    body: bytes
    sent_ms: int
    received_ms: int


class Caller:
    """Requests to one market's hosts, for one account or for nobody in particular.

    Args:
        api: ``fapi`` or ``dapi``: whose time endpoint counts.
        environment: for the likely causes of a refused key.
        bases: candidates such as ``https://host``, the most trusted first.
        credentials: None for what needs no key.
        clock: time, and what pauses are made on.
        rng: chance for the jitter of pauses.
        budget: of the address, shared with everybody behind it.
        other_bases: where ``sapi`` and ``papi`` are asked; what it lacks is asked at the candidate in use.
        longest_block_s: how long a request waits where the exchange takes none from this address, seconds; who
            would have to wait longer is told at once, so that it can say why nothing comes.
    """

    def __init__(
        self,
        api: Literal["fapi", "dapi"],
        environment: Environment,
        bases: tuple[str, ...],
        *,
        credentials: Credentials | None,
        clock: Clock,
        rng: Random,
        budget: WeightBudget,
        other_bases: Mapping[str, str],
        longest_block_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._time = Call(api, "time", 1)
        self._environment = environment
        self._bases = bases
        self._hosts = Candidates(bases)
        self._credentials = credentials
        self._clock = clock
        self._rng = rng
        self._budget = budget
        self._other_bases = other_bases
        self._longest_block_s = longest_block_s
        self._clients: dict[int, FuturesClient] = {}
        self._at = 0
        self._offset_ms: int | None = None
        self._time_due_s = 0.0

    @property
    def offset_ms(self) -> int | None:
        """The exchange's clock minus ours; None until the first signed request."""
        return self._offset_ms

    @property
    def host(self) -> str:
        """The host in use, safe to show."""
        return self._hosts.host(self._at)

    def report(self) -> tuple[CandidateReport, ...]:
        """Return the latest outcome of each candidate."""
        return self._hosts.report()

    def exchange_ms(self) -> int:
        """Return the exchange's time as far as known, Unix milliseconds."""
        return self._clock.wall_ms() + (self._offset_ms or 0)

    async def close(self) -> None:
        """Close all connections; what of it was cancelled is made up for by calling it again."""
        for at, client in tuple(self._clients.items()):
            await client.close_connection()
            self._clients.pop(at, None)

    async def synchronise(self, *, urgent: bool = False) -> int:
        """Ask for the exchange's time; return its clock minus ours in milliseconds.

        Raises:
            RestError: there is no answer.
            WireError: the answer is no time.
        """
        ask = self.at_once if urgent else self.ask
        return self._take_time(await ask(self._time, {}))

    def _take_time(self, answer: Answer) -> int:
        server_ms = wire.server_time(answer.body, self._time.where).server_time
        self._offset_ms = round(server_ms - (answer.sent_ms + answer.received_ms) / 2)
        self._time_due_s = self._clock.mono_s() + TIME_GOOD_FOR_S
        self._budget.offset_ms = self._offset_ms
        return self._offset_ms

    async def ask(self, call: Call, params: Params) -> Answer:
        """Return the answer to a request.

        Raises:
            RestError: refused, or not answered after all attempts.
        """
        failures = 0
        while True:
            try:
                return await self._attempt(call, params)
            except ClockError:
                raise  # the attempt has looked at the time already
            except TransientRestError as error:
                failures += 1
                self._move_on(error)
                if failures >= ATTEMPTS or not self._passes(error):
                    raise
                if not isinstance(error, RateLimitedError):  # there the budget makes everybody wait
                    await self._clock.sleep(pause_s(0.0, failures, self._rng.random(), BOUNDS))

    async def once(self, call: Call, params: Params) -> Answer:
        """Return the answer to a request that is not worth repeating; raises like ``ask``."""
        if call.signed and self._offset_ms is None:
            await self.synchronise()
        return await self._attempt(call, params)

    async def at_once(self, call: Call, params: Params) -> Answer:
        """Return the answer to one request that waits for nothing and nobody; who failed is not asked next.

        Raises:
            RestError: refused, not answered within four seconds, or the weight of this minute is used up.
        """
        try:
            async with asyncio.timeout(AT_ONCE_S):
                return await self._attempt(call._replace(urgent=True), params)
        except TimeoutError:
            error: TransientRestError = UnreachableError(call.where, TIMEOUT)
        except TransientRestError as caught:
            error = caught
        self._move_on(error)
        raise error

    async def _attempt(self, call: Call, params: Params) -> Answer:
        """Return the answer to one request in the exchange's time, which is measured anew if it was wrong."""
        if not call.signed:
            return await self._send(call, params)
        if self._credentials is None:
            raise RestError(call.where, NO_KEY, hint="This needs an API key")
        await self._keep_time()
        try:
            return await self._send(call, params)
        except ClockError:
            self._time_due_s = 0.0  # until it is known
        self._take_time(await self._send(self._time, {}))
        return await self._send(call, params)

    def _passes(self, error: TransientRestError) -> bool:
        """Whether it may be over before anybody loses patience; nobody waits here for the end of a ban."""
        if isinstance(error, RateLimitedError):
            return error.until_s - self._clock.mono_s() <= self._longest_block_s
        return error.reason not in _LATER

    async def _keep_time(self) -> None:
        if self._offset_ms is not None and self._clock.mono_s() < self._time_due_s:
            return
        if self._offset_ms is None:
            self._take_time(await self._send(self._time, {}))
            return
        self._time_due_s = self._clock.mono_s() + TIME_RETRY_S
        try:
            self._take_time(await self._send(self._time, {}))
        except TransientRestError:
            return  # the old offset is good for a while yet, and -1021 tells when it is not

    async def _send(self, call: Call, params: Params) -> Answer:
        futures = call.api in {"fapi", "dapi"}
        if not futures:
            self._budget.check_apart(call.api, call.where)
        # What is asked elsewhere is neither counted nor forbidden here.
        counted = futures or call.api not in self._other_bases
        ticket = await self._ticket(call) if counted else None
        at = self._at
        used = None
        try:
            sent_ms = self._clock.wall_ms()
            reply = await self._request(call, dict(params))
            received_ms = self._clock.wall_ms()
            if futures:
                used = told_weight(reply.used_weight)
        finally:
            if ticket is not None:
                self._budget.done(ticket, used)
        error = classify(
            call.where,
            reply.status,
            reply.body,
            retry_after=reply.retry_after,
            now=self._clock.now(),
            environment=self._environment,
        )
        if isinstance(error, RateLimitedError) and futures:
            self._budget.block(error.until_s, error.reason)
        elif isinstance(error, RateLimitedError):
            self._budget.block_apart(call.api, error.until_s)
        if error is not None:
            raise error
        if futures:
            self._hosts.record(at, "live", self._clock.wall_ms())
        return Answer(reply.body, sent_ms, received_ms)

    async def _ticket(self, call: Call) -> int:
        if call.urgent:
            return self._budget.take_at_once(call.weight, call.where)
        if call.spare:
            return self._budget.take_spare(call.weight, call.where)
        return await self._budget.take(call.weight, call.where, self._longest_block_s)

    async def _request(self, call: Call, data: dict[str, str | int | None]) -> "RawReply":
        # Not one of these is chained: their texts may hold the whole address, signature included.
        client = self._client()
        try:
            return await _requested(client, call, data)
        except TimeoutError:
            reason = TIMEOUT
        except aiohttp.ClientConnectorDNSError:
            reason = DNS
        except (aiohttp.ClientSSLError, ssl.SSLError):
            reason = TLS
        except aiohttp.ClientConnectorError:
            reason = CONNECT
        except (aiohttp.ClientError, OSError):
            reason = CONNECTION
        raise UnreachableError(call.where, reason)

    def _client(self) -> "FuturesClient":
        at = self._at % len(self._bases)
        if at not in self._clients:
            # Imported here: it takes a good part of a second, and --version needs none of it.
            from monitor.binance.futures_client import FuturesClient  # noqa: PLC0415

            base = self._bases[at]
            self._clients[at] = FuturesClient(base, self._credentials, self.exchange_ms, self._other_bases)
        return self._clients[at]

    def _move_on(self, error: TransientRestError) -> None:
        if isinstance(error, UnreachableError) or error.reason in _ELSEWHERE:
            self._hosts.record(self._at, "refused", self._clock.wall_ms(), error.reason)
            self._at = (self._at + 1) % len(self._bases)


async def _requested(client: "FuturesClient", call: Call, data: dict[str, str | int | None]) -> "RawReply":
    reply: RawReply
    match call.api:
        case "fapi":
            reply = await client._request_futures_api(  # noqa: SLF001 - the documented way to what it has no name for
                call.method, call.path, call.signed, call.version, data=data
            )
        case "dapi":
            reply = await client._request_futures_coin_api(  # noqa: SLF001 - same
                call.method, call.path, call.signed, call.version, data=data
            )
        case "sapi":
            reply = await client._request_margin_api(call.method, call.path, call.signed, data=data)  # noqa: SLF001
        case "papi":
            reply = await client._request_papi_api(call.method, call.path, call.signed, data=data)  # noqa: SLF001
    return reply
