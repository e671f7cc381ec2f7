"""The stream side: routed and unrouted websocket paths, subscriptions, pushes, pings and the end of connections.

Nothing here runs by itself: connections are read by the server's handlers, and everything that depends on time
happens in :meth:`StreamHub.tick`.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from aiohttp import WSCloseCode, WSMsgType, web

from monitor.emulator.clock import Clock
from monitor.emulator.control import Subscriptions
from monitor.emulator.faults import Faults
from monitor.emulator.listenkeys import ListenKeys
from monitor.emulator.market import Market
from monitor.emulator.settings import EmulatorSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Route = Literal["market", "public", "private", ""]

_SLOW_EVERY = 3  # streams without @1s: three times as slow
_CLOSE_WITHIN_S = 1.0


@dataclass(slots=True, eq=False)
class _Connection:
    ws: web.WebSocketResponse
    transport: asyncio.Transport
    route: Route
    subscriptions: Subscriptions
    opened_ms: int
    pinged_ms: int
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

    def __init__(self, market: Market, faults: Faults, clock: Clock, settings: EmulatorSettings) -> None:
        self._market = market
        self._faults = faults
        self._clock = clock
        self._settings = settings
        self.keys = ListenKeys(settings.listen_key_life_s)
        self._open: set[_Connection] = set()
        self._ticks = 0
        self.accepted = 0

    @property
    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._open)

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
        for one in list(self._open):
            await self._keep(one, now_ms)
        await self.expire_keys(now_ms)
        if not self._faults.silence:
            pushes: dict[str, list[str]] = {}
            for one in list(self._open):
                await self._push(one, pushes)
        self._ticks += 1

    async def publish(self, account: str, events: Sequence[dict[str, Any]]) -> None:
        """Push user events to the private connections that listen to the account's key."""
        key = self.keys.of(account, self._clock.wall_ms())
        for event in events:
            if key and not self._faults.loses_event():
                await self._tell(key, event)

    async def expire_keys(self, now_ms: int, *, all_of_them: bool = False) -> None:
        """End the listen keys whose time is over, or all, and say so; their connections stay open, unheard."""
        for key in self.keys.expired(now_ms, all_of_them=all_of_them):
            event = {"e": "listenKeyExpired", "E": now_ms + self._faults.skew_ms, "listenKey": key}
            if not self._faults.private_silent:
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

    def drop_all(self) -> None:
        """Cut every connection without a closing handshake."""
        for one in list(self._open):
            one.cut()

    async def close(self) -> None:
        """Close every connection in good order."""
        for one in list(self._open):
            await one.ws.close(code=WSCloseCode.GOING_AWAY)

    def _handler(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, route)

        return handle

    async def _serve(self, request: web.Request, route: Route) -> web.StreamResponse:
        """Answer one handshake and read the connection until it ends."""
        if self._faults.handshake_status:
            return web.Response(status=self._faults.handshake_status, headers=self._faults.headers())
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
        one = _Connection(ws, transport, route, subscriptions, now_ms, now_ms, asked=asked)
        await ws.prepare(request)
        self.accepted += 1
        if self._faults.accept_then_close:
            await ws.close(code=WSCloseCode.GOING_AWAY)
            return ws
        self._open.add(one)
        try:
            async for message in ws:
                await self._read(one, message.type, message.data)
        finally:
            self._open.discard(one)
        return ws

    async def _read(self, one: _Connection, kind: WSMsgType, data: str | bytes) -> None:
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
                await self._send(one, one.subscriptions.answer(data))

    async def _keep(self, one: _Connection, now_ms: int) -> None:
        if now_ms - one.opened_ms >= self._settings.connection_life_s * 1000:
            await one.ws.close(code=WSCloseCode.GOING_AWAY)
        elif one.unanswered_ms is not None and now_ms - one.unanswered_ms >= self._settings.pong_within_s * 1000:
            one.cut()
        elif now_ms - one.pinged_ms >= self._settings.ping_every_s * 1000:
            one.pinged_ms = now_ms
            one.unanswered_ms = now_ms if one.unanswered_ms is None else one.unanswered_ms
            await self._deliver(one, one.ws.ping())

    async def _push(self, one: _Connection, pushes: dict[str, list[str]]) -> None:
        if one.route != "market":  # mark prices exist on that route only; elsewhere the silence is the exchange's
            return
        for name in list(one.subscriptions.names):
            if name not in pushes:
                pushes[name] = self._events(name)
            for event in pushes[name]:
                await self._wrap(one, name, event)

    def _events(self, name: str) -> list[str]:
        """Return what one stream pushes at this tick: nothing for a name that does not exist."""
        subject, _, kind = name.partition("@")
        if name == "!assetIndex@arr":
            rows = [self._market.index_event(asset) for asset in self._market.assets.values()]
            return [_json(rows)] if rows else []
        if kind == "assetIndex":
            found = (asset for asset in self._market.assets.values() if subject == asset.symbol.lower())
            return [_json(self._market.index_event(asset)) for asset in found]
        return self._marks(subject, kind)

    def _marks(self, subject: str, kind: str) -> list[str]:
        slow = not kind.endswith("@1s")
        if slow and self._ticks % _SLOW_EVERY:
            return []
        if subject == "!markPrice" and kind in ("arr", "arr@1s"):
            return [_json(rows) for rows in self._market.stream_arrays(self._faults.muted)]
        pair = [self._market.stream_row(one) for one in self._market.coinm() if one.pair.lower() == subject]
        if pair and kind in ("markPrice", "markPrice@1s"):
            return [_json([row for row in pair if row["s"] not in self._faults.muted])]
        one = self._market.instruments.get(subject.upper())
        if one is None or subject != subject.lower() or kind not in ("markPrice", "markPrice@1s"):
            return []
        return [] if one.symbol in self._faults.muted else [_json(self._market.stream_row(one))]

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
