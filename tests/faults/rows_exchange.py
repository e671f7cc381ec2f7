"""Faults of the exchange and of the way to it: price streams, REST, private streams, all at once."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from monitor.core.notices import NoticeKind
from monitor.emulator.faults import EVERY, Malformed
from monitor.emulator.relay import Door, Relay
from tests.faults.incident import ACCOUNT, SYMBOL
from tests.faults.rows import Act, Row
from tests.faults.stage import World

STREAM, REST, PRIVATE, ALL, NETWORK = (
    "Price stream, REST well", "REST, streams well", "Private stream", "Stream and REST at once", "Network and clock",
)  # fmt: skip
_BLIND = (NoticeKind.BLIND,)
_ACCOUNT = (NoticeKind.ACCOUNT,)
_STREAM_GONE = (NoticeKind.STREAM,)
_OUT = "1415"  # taken out of the isolated margin: a margin ratio of 92 %
_BEFORE_S = 5.0
_BAN_MS = 45_000


async def _heal(world: World) -> None:
    """Take everything away that can be switched."""
    world.exchange.faults.heal()
    world.names_found.append(True)
    world.host.ahead_ms = 0
    for relay in (world.streams, world.rest):
        relay.heal()
        await relay.apply()


def _switched(*, drop: bool = False, **switches: Any) -> Act:  # noqa: ANN401 - values of the emulator's switches
    """Set switches of the emulator, and perhaps end the connections so that they act at once."""

    async def begin(world: World) -> None:
        _set(world, switches)
        if drop:
            world.exchange.drop_connections()

    return begin


def _set(world: World, switches: Mapping[str, Any]) -> None:
    for name, value in switches.items():
        assert hasattr(world.exchange.faults, name)
        setattr(world.exchange.faults, name, value)


def _door(door: Door, *, streams: bool = True, rest: bool = False, strand: bool = False) -> Act:
    """Change what becomes of new connections; those that are open end, or go dead."""

    async def begin(world: World) -> None:
        chosen = [*([world.streams] if streams else ()), *([world.rest] if rest else ())]
        for relay in chosen:
            relay.door = door
            await relay.apply()
            (relay.strand if strand else relay.reset)()

    return begin


def _once(act: str) -> Act:
    """Do something to the stream connections that are open."""

    async def begin(world: World) -> None:
        getattr(world.streams, act)()

    return begin


def _ways(relay: str, **values: float) -> Act:
    """Change what becomes of bytes that come from the exchange."""

    async def begin(world: World) -> None:
        chosen: Relay = getattr(world, relay)
        for name, value in values.items():
            setattr(chosen.to_client, name, value)

    return begin


def _withdrawn(before: Act) -> Act:
    """Bring danger about by the account's own doing, while the fault lasts: most of the margin is taken out."""

    async def begin(world: World) -> None:
        await before(world)
        await world.clock.sleep(_BEFORE_S)
        await world.exchange.accounts[ACCOUNT].add_margin(SYMBOL, f"-{_OUT}")
        world.exchange.note(world.clock.mono_s())

    return begin


async def _heal_and_pay(world: World) -> None:
    await _heal(world)
    await world.exchange.accounts[ACCOUNT].add_margin(SYMBOL, _OUT)


async def _ban(world: World) -> None:
    world.exchange.faults.banned_until_ms = world.clock.wall_ms() + _BAN_MS
    world.exchange.drop_connections()


async def _no_names(world: World) -> None:
    world.names_found.append(False)
    for relay in (world.streams, world.rest):
        relay.reset()


def _clock(ahead_ms: int) -> Act:
    async def begin(world: World) -> None:
        world.host.ahead_ms = ahead_ms

    return begin


async def _renewed_unsaid(world: World) -> None:
    world.exchange.faults.keys_expire_unsaid = True
    await world.exchange.expire_listen_keys()


_STREAM_ROWS = (
    Row("connections refused", STREAM, _door(Door.REFUSE), _heal, _BLIND),
    Row("connections reset at once", STREAM, _door(Door.RESET), _heal, _BLIND),
    Row("accepted, then closed", STREAM, _switched(drop=True, accept_then_close=True), _heal, _BLIND),
    Row("accepted, never answered", STREAM, _door(Door.MUTE), _heal, _BLIND),
    Row("open but dead, nothing arrives", STREAM, _door(Door.MUTE, strand=True), _heal, _BLIND),
    Row("dead once, new ones work", STREAM, _once("strand"), _heal),
    Row("cut in the middle of a frame", STREAM, _once("cut"), _heal),
    Row("ended without a closing handshake", STREAM, _once("finish"), _heal),
    Row("handshake: HTTP 403", STREAM, _switched(drop=True, handshake_status=403), _heal, _BLIND),
    Row("handshake: HTTP 429, wait 30 s", STREAM, _switched(drop=True, handshake_status=429, retry_after_s=30),
        _heal, _BLIND),
    Row("handshake: HTTP 503", STREAM, _switched(drop=True, handshake_status=503), _heal, _BLIND),
    Row("answered in plain text", STREAM, _door(Door.TEXT), _heal, _BLIND),
    Row("answered in TLS", STREAM, _door(Door.TLS), _heal, _BLIND),
    Row("answered with garbage", STREAM, _door(Door.GARBAGE), _heal, _BLIND),
    Row("acknowledged, then silent", STREAM, _switched(silence=True), _heal, _BLIND),
    Row("only pings", STREAM, _switched(ping_only=True), _heal, _BLIND),
    Row("one symbol missing", STREAM, _switched(muted={SYMBOL}), _heal, _BLIND),
    Row("price stands still, time goes on", STREAM, _switched(stuck={SYMBOL}), _heal, _BLIND, notice_s=90,
        late_s=75, lasts_s=90),
    Row("price and time stand still", STREAM, _switched(frozen={SYMBOL}), _heal, _BLIND),
    Row("price 5 % too high", STREAM, _switched(offset={SYMBOL: Decimal("1.05")}), _heal, _BLIND, notice_s=90,
        late_s=75, lasts_s=90),
    Row("every frame five times", STREAM, _switched(duplicates=4), _heal),
    Row("frames out of order", STREAM, _switched(reorder=4), _heal),
    Row("a third of the frames lost", STREAM, _switched(drop_share=0.3), _heal),
    Row("every other frame malformed", STREAM, _switched(malformed_every=2), _heal),
    Row("every frame malformed", STREAM, _switched(malformed_every=1), _heal, _BLIND),
    Row("every price not a number", STREAM, _switched(malformed_every=1, malformed=(Malformed.NAN,)), _heal,
        _BLIND),
    Row("speaks 5 s, silent 8 s, again and again", STREAM, _switched(gaps=(5, 8)), _heal),
    Row("reads nothing, answers no ping", STREAM, _switched(deaf=True), _heal),
    Row("subscription not acknowledged", STREAM, _switched(drop=True, ack_lost=True), _heal),
    Row("subscription refused", STREAM, _switched(drop=True, ack_refused=True), _heal, _BLIND),
    Row("100 bytes a second", STREAM, _ways("streams", bytes_per_s=100.0), _heal),
    Row("everything 4 s late", STREAM, _ways("streams", latency_s=4.0), _heal),
    Row("a byte wrong in each third piece", STREAM, _ways("streams", corrupt_share=0.3), _heal),
)  # fmt: skip

_REST_ROWS = (
    Row("HTTP 500", REST, _switched(rest_status={EVERY: 500}), _heal),
    Row("HTML instead of JSON", REST, _switched(html={EVERY: 200}), _heal),
    Row("HTTP 429, wait 30 s", REST, _switched(rest_status={EVERY: 429}, retry_after_s=30), _heal),
    Row("never answers", REST, _switched(rest_hang={EVERY}), _heal),
    Row("8 s for each answer", REST, _switched(rest_delay_s={EVERY: 8.0}), _heal),
    Row("JSON of another shape", REST, _switched(rest_body={EVERY: '{"what": ["ever"]}'}), _heal),
    Row("connections refused", REST, _door(Door.REFUSE, streams=False, rest=True), _heal),
    Row("its prices 5 % too high", REST, _switched(rest_offset={SYMBOL: Decimal("1.05")}), _heal),
    Row("its prices stand still", REST, _switched(rest_frozen={SYMBOL}), _heal),
)  # fmt: skip

_PRIVATE_ROWS = (
    Row("silent; margin taken out", PRIVATE, _withdrawn(_switched(private_silent=True)), _heal_and_pay, late_s=45,
        fall=False),
    Row("handshake: HTTP 403; margin taken out", PRIVATE,
        _withdrawn(_switched(drop=True, handshake_status=403, handshake_routes={"private"})), _heal_and_pay,
        late_s=45, fall=False),
    Row("listen key ended unsaid; margin taken out", PRIVATE, _withdrawn(_renewed_unsaid), _heal_and_pay, late_s=45,
        fall=False),
    Row("all events lost, REST refuses for 20 s; margin taken out", PRIVATE,
        _withdrawn(_switched(private_silent=True, next_statuses=[500] * 20)), _heal_and_pay, late_s=60, fall=False),
    Row("every event three times; margin taken out", PRIVATE, _withdrawn(_switched(private_duplicates=2)),
        _heal_and_pay, fall=False),
    Row("works, REST hangs; margin taken out", PRIVATE, _withdrawn(_switched(rest_hang={EVERY})), _heal_and_pay,
        fall=False),
)  # fmt: skip

_ALL_ROWS = (
    Row("connections refused", ALL, _door(Door.REFUSE, rest=True), _heal, _BLIND, seen=False, late_s=75),
    Row("accepted, never answered", ALL, _door(Door.MUTE, rest=True, strand=True), _heal, _BLIND, seen=False,
        late_s=75),
    Row("HTTP 418: banned", ALL, _ban, _heal, _BLIND, seen=False, late_s=130),
    Row("HTTP 503 everywhere", ALL, _switched(drop=True, handshake_status=503, rest_status={EVERY: 503}), _heal,
        _BLIND, seen=False, late_s=75),
    Row("stream silent, REST 429", ALL, _switched(silence=True, rest_status={EVERY: 429}, retry_after_s=20), _heal,
        _BLIND, seen=False, late_s=75),
    Row("stream stuck, REST hangs", ALL, _switched(frozen={EVERY}, rest_hang={EVERY}), _heal, _BLIND, seen=False,
        late_s=75),
    Row("unreachable until the fall is over", ALL, _door(Door.REFUSE, rest=True), _heal, _BLIND, seen=False,
        late_s=150, lasts_s=100),
)  # fmt: skip

_NETWORK_ROWS = (
    Row("no name is found (DNS)", NETWORK, _no_names, _heal, _BLIND, seen=False, late_s=75),
    Row("our clock an hour ahead", NETWORK, _clock(3_600_000), _heal),
    Row("our clock an hour behind", NETWORK, _clock(-3_600_000), _heal),
    Row("the exchange's clock a minute ahead", NETWORK, _switched(skew_ms=60_000), _heal),
)  # fmt: skip

ROWS = (*_STREAM_ROWS, *_REST_ROWS, *_PRIVATE_ROWS, *_ALL_ROWS, *_NETWORK_ROWS)
