"""The stream side: routed and unrouted websocket paths, subscriptions, pushes, pings and the end of connections.

Nothing here runs by itself: connections are read by the server's handlers, and everything that depends on time
happens in :meth:`StreamHub.tick`.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from aiohttp import WSCloseCode, WSMsgType, web

from monitor.emulator.clock import Clock
from monitor.emulator.collateral import Collateral
from monitor.emulator.control import Subscriptions
from monitor.emulator.faults import Faults, among
from monitor.emulator.listenkeys import ListenKeys
from monitor.emulator.market import Instrument, Market
from monitor.emulator.settings import EmulatorSettings
from monitor.emulator.stream_faults import FrameFaults, RowFaults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = Literal["market", "public", "private", ""]

_SLOW_EVERY = 3  # streams without @1s: three times as slow
_CLOSE_WITHIN_S = 0.25  # of real time; a peer behind a dead connection must not hold up a tick for long


@dataclass(slots=True, eq=False)
class _Connection:
    ws: web.WebSocketResponse
    transport: asyncio.Transport
    route: Route
    subscriptions: Subscriptions
    opened_ms: int
    pinged_ms: int
    frames: FrameFaults
    unanswered_ms: int | None = None  # when the oldest ping without a pong was sent
    recent_ms: deque[int] = field(default_factory=deque)  # control messages of the last second
    asked: dict[str, frozenset[str]] = field(default_factory=dict)  # listen keys of the query, with event types

    def hears(self, key: str, kind: str) -> bool:
        """Say whether it listens to a key's events of a kind; no kinds named stand for all."""
        wanted = self.asked.get(key)
        if wanted is not None and (not wanted or kind in wanted):
            return True
        names = self.subscriptions.names
        return key in names or f"{key}@{kind}" in names

    def cut(self) -> None:
        """End the connection without a closing handshake."""
        self.transport.abort()


class StreamHub:
    """All stream connections."""

    def __init__(
        self, market: Market, faults: Faults, clock: Clock, settings: EmulatorSettings, rows: RowFaults
    ) -> None:
        self._market = market
        self._rows = rows
        self._faults = faults
        self._clock = clock
        self._settings = settings
        self.keys = ListenKeys(settings.listen_key_life_s)
        self._open: dict[_Connection, None] = {}  # in order: what is drawn for each must not depend on chance
        self._ticks = 0
        self.accepted = 0

    @property
    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._open)

    def connections_of(self, route: Route) -> int:
        """Return how many connections of one route are open."""
        return sum(one.route == route for one in self._open)

    def routes(self) -> list[web.RouteDef]:
        """Return the websocket paths: three routed families and the old unrouted one."""
        found: list[web.RouteDef] = []
        families: tuple[Route, ...] = ("market", "public", "private", "")
        for route in families:
            prefix = f"/{route}" if route else ""
            handler = self._handler(route)
            found += [web.get(f"{prefix}/{form}", handler) for form in ("ws", "ws/{names:.+}", "stream")]
        return found

    async def tick(self, now_ms: int) -> None:
        """End what is due to end, ping what is due a ping, and push the newest marks."""
        self._rows.tick()
        life_ms = self._settings.connection_life_s * 1000
        old = [one for one in self._open if now_ms - one.opened_ms >= life_ms]
        if old:
            await asyncio.gather(*(one.ws.close(code=WSCloseCode.GOING_AWAY) for one in old))
        for one in list(self._open):
            if one not in old:
                await self._keep(one, now_ms)
        await self.expire_keys(now_ms)
        if not self._faults.pauses(self._ticks):
            pushes: dict[str, list[str]] = {}
            for one in list(self._open):
                await self._push(one, pushes)
        self._ticks += 1

    async def publish(self, account: str, events: Sequence[dict[str, Any]]) -> None:
        """Push user events to the private connections that listen to the account's key."""
        key = self.keys.of(account, self._clock.wall_ms())
        for event in events:
            if key and not self._faults.loses_event():
                for _ in range(1 + self._faults.private_duplicates):
                    await self._tell(key, event)

    async def expire_keys(self, now_ms: int, *, all_of_them: bool = False, told: bool = True) -> None:
        """End the listen keys whose time is over, or all, and say so; their connections stay open, unheard."""
        told = told and not self._faults.private_silent and not self._faults.keys_expire_unsaid
        for key in self.keys.expired(now_ms, all_of_them=all_of_them):
            event = {"e": "listenKeyExpired", "E": now_ms + self._faults.skew_ms, "listenKey": key}
            if told:
                await self._tell(key, event)

    async def announce(self, name: str, event: dict[str, Any]) -> None:
        """Push one event of a market stream that speaks only when something happens."""
        for one in list(self._open):
            if one.route == "market" and name in one.subscriptions.names:
                await self._wrap(one, name, _json(event))

    async def _tell(self, key: str, event: dict[str, Any]) -> None:
        for one in list(self._open):
            if one.route == "private" and one.hears(key, event["e"]):
                await self._wrap(one, key, _json(event))

    async def send_raw(self, frame: str | bytes) -> None:
        """Send one frame as it is to every connection that subscribed to something; bytes as a binary frame."""
        for one in list(self._open):
            if one.subscriptions.names:
                await self._send(one, frame)

    def drop_all(self, route: Route | None = None) -> None:
        """Cut every connection, or those of one route, without a closing handshake."""
        for one in list(self._open):
            if route in (None, one.route):
                one.cut()

    async def close(self, route: Route | None = None) -> None:
        """Close every connection, or those of one route, in good order."""
        ending = [one for one in self._open if route in (None, one.route)]
        await asyncio.gather(*(one.ws.close(code=WSCloseCode.GOING_AWAY) for one in ending))

    def _handler(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, route)

        return handle

    async def _serve(self, request: web.Request, route: Route) -> web.StreamResponse:
        """Answer one handshake and read the connection until it ends."""
        refusal = self._refusal(route)
        if refusal is not None:
            return refusal
        combined = request.path.endswith("/stream")
        text = request.query.get("streams", "") if combined else request.match_info.get("names", "")
        names = dict.fromkeys(name for name in text.split("/") if name)
        if len(names) > self._settings.streams_per_connection:
            return web.Response(status=400)
        # Pings are handled by hand: only then can a connection that never answers ours be told from one that does.
        ws = web.WebSocketResponse(autoping=False, compress=False, timeout=_CLOSE_WITHIN_S)
        now_ms = self._clock.wall_ms()
        subscriptions = Subscriptions(combined, self._settings.streams_per_connection, names)
        asked = _listen_keys(request) if route == "private" else {}
        transport = cast("asyncio.Transport", request.transport)  # a request being handled has one
        frames = FrameFaults(self._faults)
        one = _Connection(ws, transport, route, subscriptions, now_ms, now_ms, frames, asked=asked)
        await ws.prepare(request)
        self.accepted += 1
        if self._faults.closes(route):
            await ws.close(code=WSCloseCode.GOING_AWAY)
            return ws
        self._open[one] = None
        try:
            async for message in ws:
                await self._read(one, message.type, message.data)
        finally:
            self._open.pop(one, None)
        return ws

    def _refusal(self, route: Route) -> web.Response | None:
        left_ms = self._faults.banned_until_ms - self._clock.wall_ms()
        if left_ms > 0:
            headers = {"Retry-After": str(-(-left_ms // 1000))}
            return web.Response(status=self._faults.ban_handshake, headers=headers)
        status = self._faults.handshake(route)
        return web.Response(status=status, headers=self._faults.headers()) if status else None

    async def _read(self, one: _Connection, kind: WSMsgType, data: str | bytes) -> None:
        if self._faults.deaf:
            return
        if kind is WSMsgType.PING:
            await self._deliver(one, one.ws.pong(data.encode() if isinstance(data, str) else data))
        elif kind is WSMsgType.PONG:
            one.unanswered_ms = None
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            now_ms = self._clock.wall_ms()
            while one.recent_ms and one.recent_ms[0] <= now_ms - 1000:
                one.recent_ms.popleft()
            one.recent_ms.append(now_ms)
            if len(one.recent_ms) > self._settings.control_per_s:
                await one.ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Too many requests")
            else:
                await self._answer(one, data)

    async def _answer(self, one: _Connection, data: str | bytes) -> None:
        if self._faults.ack_refused:
            await self._send(one, '{"code":2,"msg":"Invalid request: too many topics"}')
            return
        answer = one.subscriptions.answer(data)
        if not self._faults.ack_lost:
            await self._send(one, answer)

    async def _keep(self, one: _Connection, now_ms: int) -> None:
        if one.unanswered_ms is not None and now_ms - one.unanswered_ms >= self._settings.pong_within_s * 1000:
            one.cut()
        elif now_ms - one.pinged_ms >= self._settings.ping_every_s * 1000:
            one.pinged_ms = now_ms
            one.unanswered_ms = now_ms if one.unanswered_ms is None else one.unanswered_ms
            await self._deliver(one, one.ws.ping())
        elif self._faults.ping_only:
            await self._deliver(one, one.ws.ping())

    async def _push(self, one: _Connection, pushes: dict[str, list[str]]) -> None:
        if one.route != "market":  # mark prices exist on that route only; elsewhere the silence is the exchange's
            return
        frames: list[tuple[str, str]] = []
        for name in list(one.subscriptions.names):
            if name not in pushes:
                pushes[name] = self._events(name)
            frames += [(name, event) for event in pushes[name]]
        for frame in one.frames.out(frames, combined=one.subscriptions.combined):
            await self._send(one, frame)

    def _events(self, name: str) -> list[str]:
        """Return what one stream pushes at this tick: nothing for a name that does not exist."""
        subject, _, kind = name.partition("@")
        if name == "!assetIndex@arr":
            rows = [event for asset in self._market.assets.values() for event in self._index(asset)]
            return [_json(rows)] if rows else []
        if kind == "assetIndex":
            found = (asset for asset in self._market.assets.values() if subject == asset.symbol.lower())
            return [_json(event) for asset in found for event in self._index(asset)]
        return self._marks(subject, kind)

    def _index(self, asset: Collateral) -> list[dict[str, Any]]:
        """Return an asset's event, or nothing where its index is muted."""
        if among(self._faults.muted, asset.symbol):
            return []
        return [self._rows.stream(self._market.index_event(asset))]

    def _told(self, instruments: Iterable[Instrument]) -> list[dict[str, Any]]:
        """Return the events of those that are not muted."""
        return [
            self._rows.stream(self._market.stream_row(one))
            for one in instruments
            if not among(self._faults.muted, one.symbol)
        ]

    def _marks(self, subject: str, kind: str) -> list[str]:
        slow = not kind.endswith("@1s")
        if slow and self._ticks % _SLOW_EVERY:
            return []
        if subject == "!markPrice" and kind in ("arr", "arr@1s"):
            return [_json(rows) for part in self._market.array_parts() if (rows := self._told(part))]
        pair = [one for one in self._market.coinm() if one.pair.lower() == subject]
        if pair and kind in ("markPrice", "markPrice@1s"):
            return [_json(self._told(pair))]
        one = self._market.instruments.get(subject.upper())
        if one is None or subject != subject.lower() or kind not in ("markPrice", "markPrice@1s"):
            return []
        return [_json(row) for row in self._told([one])]

    async def _wrap(self, one: _Connection, name: str, event: str) -> None:
        wrapped = f'{{"stream":{json.dumps(name)},"data":{event}}}'
        await self._send(one, wrapped if one.subscriptions.combined else event)

    async def _send(self, one: _Connection, frame: str | bytes) -> None:
        await self._deliver(one, one.ws.send_str(frame) if isinstance(frame, str) else one.ws.send_bytes(frame))

    async def _deliver(self, one: _Connection, sending: Awaitable[None]) -> None:
        """Wait for a frame to leave; a peer that is gone or does not read is cut."""
        try:
            async with asyncio.timeout(self._settings.send_within_s):
                await sending
        except (TimeoutError, ConnectionError):
            one.cut()


def _listen_keys(request: web.Request) -> dict[str, frozenset[str]]:
    """Return the listen keys of a query, each with the event types that follow it."""
    found: dict[str, frozenset[str]] = {}
    newest = ""
    for name, value in request.query.items():
        if name == "listenKey":
            newest = value
            found[newest] = frozenset()
        elif name == "events" and newest:
            found[newest] |= frozenset(value.split("/"))
    return found


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
