"""Every fault the stage can play: its name, what it does, and with which parameters.

A fault either lasts until it is undone, or is a moment with lasting consequences (a connection that ends). A few
are a matter of the addresses a client is given; these cannot be switched on under a running client.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from monitor.emulator.faults import EVERY, Faults, Malformed
from monitor.emulator.relay import Door, Relay
from monitor.emulator.stage import UNRESOLVABLE, Act, Effect, Stage, Switch
from monitor.emulator.streams import Route

Group = Literal["connection", "data", "rest", "account", "clock"]
GROUPS: tuple[Group, ...] = ("connection", "data", "rest", "account", "clock")
Addresses = Callable[[Stage], tuple[str, ...]]
Side = Literal["rest", "market", "private"]

PREMIUM_PATHS = ("/fapi/v1/premiumIndex", "/dapi/v1/premiumIndex")
LISTEN_KEY_PATHS = ("/fapi/v1/listenKey", "/dapi/v1/listenKey")
SIGNED_PATHS = (
    "/fapi/v3/account",
    "/fapi/v3/balance",
    "/fapi/v3/positionRisk",
    "/fapi/v2/positionRisk",
    "/fapi/v1/accountConfig",
    "/fapi/v1/symbolConfig",
    "/fapi/v1/leverageBracket",
    "/fapi/v1/multiAssetsMargin",
    "/fapi/v1/positionSide/dual",
    "/fapi/v1/openOrders",
    "/fapi/v1/openAlgoOrders",
    "/fapi/v1/forceOrders",
    "/fapi/v1/income",
    "/fapi/v1/adlQuantile",
    "/dapi/v1/account",
    "/dapi/v1/balance",
    "/dapi/v1/positionRisk",
    "/dapi/v2/leverageBracket",
    "/dapi/v1/positionSide/dual",
    "/dapi/v1/openOrders",
    "/dapi/v1/openAlgoOrders",
    "/dapi/v1/forceOrders",
    "/dapi/v1/income",
    "/dapi/v1/adlQuantile",
)


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
        addresses: the market stream candidates of a client that is to meet it, first to last; None for the usual.
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


def _faults(**switches: Any) -> Switch:  # noqa: ANN401  whatever a switch holds
    """Return what sets switches of the emulator; sets and mappings are added to."""

    def switch(stage: Stage, _: Effect) -> None:
        _set(stage.emulator.faults, switches)

    return switch


def _drawn(make: Callable[[Stage, Effect], Mapping[str, Any]]) -> Switch:
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


def _relay(stage: Stage, side: Side) -> Relay:
    return {"rest": stage.rest, "market": stage.market, "private": stage.private}[side]


def _door(door: Door, *sides: Side) -> Switch:
    def switch(stage: Stage, _: Effect) -> None:
        for side in sides:
            _relay(stage, side).door = door

    return switch


def _ways(**switches: Any) -> Callable[[Side], Switch]:  # noqa: ANN401  a figure, or the name of a parameter
    """Return what sets both directions of a relay; a text stands for the parameter of that name."""

    def of(side: Side) -> Switch:
        def switch(stage: Stage, effect: Effect) -> None:
            relay = _relay(stage, side)
            for way in (relay.to_client, relay.to_server):
                for name, value in switches.items():
                    setattr(way, name, effect.values[value] if isinstance(value, str) else value)

        return switch

    return of


def _drip(side: Side) -> Switch:
    def switch(stage: Stage, effect: Effect) -> None:
        _relay(stage, side).to_client.bytes_per_s = effect.values["bytes_per_s"]

    return switch


def _corrupt(side: Side) -> Switch:
    def switch(stage: Stage, effect: Effect) -> None:
        _relay(stage, side).to_client.corrupt_share = effect.values["share"]

    return switch


def _at(do: Callable[[Relay], None], *sides: Side) -> Act:
    async def act(stage: Stage, _: Effect) -> None:
        for side in sides:
            do(_relay(stage, side))

    return act


def _closing(route: Route | None) -> Act:
    async def act(stage: Stage, _: Effect) -> None:
        await stage.emulator.close_connections(route)

    return act


async def _drop_all(stage: Stage, _: Effect) -> None:
    stage.emulator.drop_connections()


async def _expire(stage: Stage, _: Effect) -> None:
    await stage.emulator.expire_listen_keys()


async def _expire_unsaid(stage: Stage, _: Effect) -> None:
    await stage.emulator.expire_listen_keys(told=False)


async def _lose_events(stage: Stage, effect: Effect) -> None:
    stage.emulator.faults.drop_events = round(effect.values["events"])


def _is(**parameters: Parameter) -> Mapping[str, Parameter]:
    return MappingProxyType(parameters)


_RETRY = Parameter(10, 1, 60, "s", whole=True)
_SHARE = Parameter(0.3, 0.05, 0.9, "of 1")
_ALL_SIDES: tuple[Side, ...] = ("rest", "market", "private")


def _side(side: Side, group: Group, what: str) -> list[Fault]:
    """Return what can go wrong below HTTP on one side."""
    bytes_per_s = Parameter(200, 20, 2_000, "bytes/s", whole=True)
    return [
        Fault(f"{side}-refused", group, f"The port of {what} is closed: connections are refused.",
              _door(Door.REFUSE, side)),
        Fault(f"{side}-reset-on-accept", group, f"Connections to {what} are accepted and reset.",
              _door(Door.RESET, side)),
        Fault(f"{side}-closed-on-accept", group, f"Connections to {what} are accepted and closed without a byte.",
              _door(Door.FINISH, side)),
        Fault(f"{side}-never-answers", group, f"Connections to {what} are accepted and never answered.",
              _door(Door.MUTE, side)),
        Fault(f"{side}-half-open", group,
              f"Open connections to {what} go dead on both sides without a FIN; new ones work.",
              act=_at(Relay.strand, side)),
        Fault(f"{side}-black-hole", group,
              f"Open connections to {what} go dead without a FIN, and new ones are never answered.",
              _door(Door.MUTE, side), _at(Relay.strand, side)),
        Fault(f"{side}-held", group, f"Bytes to and from {what} wait in the network, and arrive in one burst.",
              _ways(held=True)(side)),
        Fault(f"{side}-drip", group, f"What comes from {what} drips slowly and falls behind.", _drip(side),
              parameters=_is(bytes_per_s=bytes_per_s)),
        Fault(f"{side}-latency", group, f"Bytes to and from {what} are under way for long.",
              _ways(latency_s="latency_s")(side), parameters=_is(latency_s=Parameter(1, 0.05, 8, "s"))),
        Fault(f"{side}-cut", group, f"Open connections to {what} end in the middle of what they carry.",
              act=_at(Relay.cut, side)),
        Fault(f"{side}-fin", group, f"Open connections to {what} end with a FIN and no closing frame.",
              act=_at(Relay.finish, side)),
        Fault(f"{side}-reset", group, f"Open connections to {what} are reset.", act=_at(Relay.reset, side)),
        Fault(f"{side}-corrupt", group, f"Some bytes from {what} are changed on the way.", _corrupt(side),
              parameters=_is(share=_SHARE)),
        Fault(f"{side}-speaks-tls", group, f"The port of {what} answers plain clients with a TLS alert.",
              _door(Door.TLS, side)),
        Fault(f"{side}-plain-text", group, f"The port of {what} answers in text that is neither TLS nor HTTP.",
              _door(Door.TEXT, side)),
        Fault(f"{side}-garbage", group, f"The port of {what} answers with random bytes.",
              _door(Door.GARBAGE, side)),
    ]  # fmt: skip


def _handshakes(route: Route, group: Group, what: str) -> list[Fault]:
    """Return how handshakes of one route are refused, and how its connections end in good order."""

    def refused(status: int) -> Switch:
        return _drawn(
            lambda _, effect: {
                "handshake_status": status,
                "handshake_routes": {route},
                "retry_after_s": round(effect.values.get("retry_after_s", 0)),
            }
        )

    return [
        Fault(f"{route}-handshake-429", group, f"Handshakes of {what} are answered 429 with Retry-After.",
              refused(429), parameters=_is(retry_after_s=_RETRY)),
        Fault(f"{route}-handshake-403", group, f"Handshakes of {what} are answered 403, as by a firewall.",
              refused(403)),
        Fault(f"{route}-handshake-503", group, f"Handshakes of {what} are answered 503.", refused(503)),
        Fault(f"{route}-accept-then-close", group, f"Handshakes of {what} succeed, and a closing frame follows.",
              _faults(accept_then_close=True, handshake_routes={route})),
        Fault(f"{route}-day-end", group, f"Every connection of {what} is closed in good order, as after 24 hours.",
              act=_closing(route)),
    ]  # fmt: skip


def _connections() -> list[Fault]:
    def banned(status: int) -> Switch:
        return _drawn(
            lambda _, effect: {
                "banned_until_ms": effect.began_ms + round(effect.values["ban_s"] * 1000),
                "ban_handshake": status,
            }
        )

    ban = _is(ban_s=Parameter(120, 5, 300, "s", whole=True))
    everything = "REST and streams"
    return [
        *_side("market", "connection", "market streams"),
        *_handshakes("market", "connection", "market streams"),
        Fault("network-down", "connection", f"Connections to {everything} are refused, and open ones are dead.",
              _door(Door.REFUSE, *_ALL_SIDES), _at(Relay.strand, *_ALL_SIDES)),
        Fault("network-black-hole", "connection", f"Nothing passes to {everything}, and nothing says so.",
              _door(Door.MUTE, *_ALL_SIDES), _at(Relay.strand, *_ALL_SIDES)),
        Fault("network-blink", "connection", f"Every connection to {everything} is reset once.",
              act=_at(Relay.reset, *_ALL_SIDES)),
        Fault("streams-dropped", "connection", "The exchange cuts every stream without a closing frame.",
              act=_drop_all),
        Fault("exchange-gone", "connection", "The exchange cuts every connection and request without an answer.",
              _faults(refuse_connections=True), _drop_all),
        Fault("no-pongs", "connection",
              "The exchange answers neither pings nor requests of a client; data goes on.",
              _faults(deaf=True)),
        Fault("ack-lost", "connection", "Subscriptions take effect, but are never acknowledged.",
              _faults(ack_lost=True)),
        Fault("ack-refused", "connection", "Subscriptions are answered with an error and take no effect.",
              _faults(ack_refused=True)),
        Fault("ip-ban", "connection", "The address is banned: REST and handshakes answer 418 with Retry-After.",
              banned(418), _drop_all, ban),
        Fault("ip-ban-403", "connection", "The address is banned: REST answers 418, handshakes 403.",
              banned(403), _drop_all, ban),
        Fault("dns-failure", "connection", "The host name of the first stream address does not resolve.",
              addresses=lambda stage: (f"ws://{UNRESOLVABLE}/market", stage.base_market_ws)),
        Fault("tls-to-plain-port", "connection", "The first stream address asks for TLS of a port without.",
              addresses=lambda stage: (stage.base_market_ws.replace("ws:", "wss:", 1), stage.base_market_ws)),
    ]  # fmt: skip


def _data() -> list[Fault]:
    def one(name: str) -> Switch:
        return _drawn(lambda stage, _: {name: {stage.symbol}})

    every = Parameter(3, 1, 20, "frames", whole=True)

    def malformed(kinds: tuple[Malformed, ...]) -> Switch:
        return _drawn(
            lambda _, effect: {"malformed": kinds, "malformed_every": max(1, round(effect.values["every"]))}
        )

    said = {
        Malformed.TRUNCATED: "half of itself",
        Malformed.NOT_JSON: "a page instead of JSON",
        Malformed.WRONG_SHAPE: "JSON of another shape",
        Malformed.EMPTY: "empty",
        Malformed.BINARY: "bytes that are no text",
        Malformed.HUGE: "several megabytes long",
        Malformed.NAN: "told with a price of NaN",
        Malformed.INFINITE: "told with a price of Infinity",
        Malformed.NEGATIVE: "told with a negative price",
        Malformed.ZERO: "told with a price of zero",
        Malformed.TEXT: "told with a price in letters",
        Malformed.FUTURE: "told with an event time a year ahead",
        Malformed.UNKNOWN: "about symbols nobody trades",
    }
    return [
        Fault("silence", "data", "Streams stay open and acknowledged, and no data comes.", _faults(silence=True)),
        Fault("ping-only", "data", "Pings go on at every tick, and no data comes.", _faults(ping_only=True)),
        Fault("symbol-missing", "data", "One symbol is missing from every stream.", one("muted")),
        Fault("price-stuck", "data", "One symbol's stream price stands still while event times go on.",
              one("stuck")),
        Fault("prices-stuck", "data", "All stream prices stand still while event times go on.",
              _faults(stuck={EVERY})),
        Fault("time-frozen", "data", "One symbol's stream price and event time stand still.", one("frozen")),
        Fault("times-frozen", "data", "All stream prices and event times stand still.", _faults(frozen={EVERY})),
        Fault("price-elsewhere", "data", "One symbol's stream price is off by a factor.",
              _drawn(lambda stage, effect: {"offset": {stage.symbol: Decimal(str(effect.values["factor"]))}}),
              parameters=_is(factor=Parameter(1.05, 0.9, 1.1, "times"))),
        Fault("duplicates", "data", "Every market frame comes several times.",
              _drawn(lambda _, effect: {"duplicates": round(effect.values["more"])}),
              parameters=_is(more=Parameter(1, 1, 5, "times more", whole=True))),
        Fault("reordering", "data", "Market frames of some ticks come in another order, older after newer.",
              _drawn(lambda _, effect: {"reorder": round(effect.values["ticks"])}),
              parameters=_is(ticks=Parameter(3, 2, 6, "ticks", whole=True))),
        Fault("frames-lost", "data", "A share of market frames is lost.",
              _drawn(lambda _, effect: {"drop_share": effect.values["share"]}), parameters=_is(share=_SHARE)),
        Fault("gaps", "data", "Market data comes for some ticks, then stays away for some, and so on.",
              _drawn(lambda _, effect: {"gaps": (round(effect.values["with"]), round(effect.values["without"]))}),
              parameters=MappingProxyType({"with": Parameter(5, 1, 20, "ticks", whole=True),
                                           "without": Parameter(5, 1, 20, "ticks", whole=True)})),
        Fault("malformed", "data", "Some market frames are malformed, in every way in turn.",
              malformed(tuple(Malformed)), parameters=_is(every=every)),
        *(Fault(f"malformed-{kind}", "data", f"Some market frames are {said[kind]}.", malformed((kind,)),
                parameters=_is(every=every)) for kind in Malformed),
    ]  # fmt: skip


def _rest() -> list[Fault]:
    def status(code: int) -> Switch:
        return _drawn(
            lambda _, effect: {
                "rest_status": {EVERY: code},
                "retry_after_s": round(effect.values.get("retry_after_s", 0)),
            }
        )

    def premium(name: str) -> Switch:
        return _drawn(lambda stage, _: {name: {stage.symbol}})

    retry = _is(retry_after_s=_RETRY)
    truncated = '{"serverTime":17800000000'
    return [
        *_side("rest", "rest", "REST"),
        Fault("rest-429", "rest", "REST answers 429 with Retry-After.", status(429), parameters=retry),
        Fault("rest-418", "rest", "REST answers 418 with Retry-After; streams go on.", status(418),
              parameters=retry),
        Fault("rest-500", "rest", "REST answers 500.", status(500)),
        Fault("rest-503", "rest", "REST answers 503.", status(503)),
        Fault("rest-html", "rest", "REST answers 502 with a page instead of JSON.", _faults(html={EVERY: 502})),
        Fault("rest-html-200", "rest", "REST answers 200 with a page instead of JSON.",
              _faults(html={EVERY: 200})),
        Fault("rest-hang", "rest", "REST requests are taken and never answered.", _faults(rest_hang={EVERY})),
        Fault("rest-slow", "rest", "REST answers after a long while.",
              _drawn(lambda _, effect: {"rest_delay_s": {EVERY: effect.values["delay_s"]}}),
              parameters=_is(delay_s=Parameter(5, 0.5, 30, "s"))),
        Fault("rest-truncated", "rest", "REST answers 200 with half of a JSON text.",
              _faults(rest_body={EVERY: truncated})),
        Fault("rest-empty", "rest", "REST answers 200 without a body.", _faults(rest_body={EVERY: ""})),
        Fault("rest-wrong-shape", "rest", "REST answers 200 with JSON of another shape.",
              _faults(rest_body={EVERY: '[{"price":[]},null,7]'})),
        Fault("premium-missing", "rest", "One symbol is missing from the mark prices of REST.",
              premium("rest_missing")),
        Fault("premium-stuck", "rest", "One symbol's mark price in REST stands still while its time goes on.",
              premium("rest_stuck")),
        Fault("premium-frozen", "rest", "One symbol's mark price and time in REST stand still.",
              premium("rest_frozen")),
        Fault("premium-elsewhere", "rest", "One symbol's mark price in REST is off by a factor.",
              _drawn(lambda stage, effect: {"rest_offset": {stage.symbol: Decimal(str(effect.values["factor"]))}}),
              parameters=_is(factor=Parameter(1.05, 0.9, 1.1, "times"))),
        Fault("premium-503", "rest", "The mark prices of REST answer 503; all else is well.",
              _faults(rest_status=dict.fromkeys(PREMIUM_PATHS, 503))),
    ]  # fmt: skip


def _accounts() -> list[Fault]:
    def refused(paths: Iterable[str], status: int, code: int) -> Switch:
        return _faults(rest_error=dict.fromkeys(paths, (status, code)))

    return [
        *_side("private", "account", "private streams"),
        *_handshakes("private", "account", "private streams"),
        Fault("private-silent", "account", "Private streams stay open, and no user event comes.",
              _faults(private_silent=True)),
        Fault("events-lost", "account", "The next user events are lost.", act=_lose_events,
              parameters=_is(events=Parameter(2, 1, 5, "events", whole=True))),
        Fault("events-lost-at-random", "account", "A share of user events is lost.",
              _drawn(lambda _, effect: {"private_drop_share": effect.values["share"]}),
              parameters=_is(share=_SHARE)),
        Fault("events-twice", "account", "Every user event comes several times.",
              _drawn(lambda _, effect: {"private_duplicates": round(effect.values["more"])}),
              parameters=_is(more=Parameter(1, 1, 3, "times more", whole=True))),
        Fault("listen-key-expired", "account", "Every listen key expires, and an event says so.", act=_expire),
        Fault("listen-key-expired-unsaid", "account", "Every listen key expires, and nothing says so.",
              act=_expire_unsaid),
        Fault("listen-key-503", "account", "Listen keys can be neither had nor prolonged.",
              _faults(rest_status=dict.fromkeys(LISTEN_KEY_PATHS, 503))),
        Fault("key-revoked", "account", "The exchange no longer knows the key: 401 with code -2015.",
              refused((*SIGNED_PATHS, *LISTEN_KEY_PATHS), 401, -2015)),
        Fault("timestamp-refused", "account", "Signed requests are outside of the exchange's time window: -1021.",
              refused(SIGNED_PATHS, 400, -1021)),
        Fault("account-503", "account", "Signed requests answer 503; marks are well.",
              _faults(rest_status=dict.fromkeys(SIGNED_PATHS, 503))),
        Fault("account-html", "account", "Signed requests answer 200 with a page instead of JSON.",
              _faults(html=dict.fromkeys(SIGNED_PATHS, 200))),
        Fault("account-hang", "account", "Signed requests are taken and never answered.",
              _faults(rest_hang=set(SIGNED_PATHS))),
        Fault("account-wrong-shape", "account", "Signed requests answer 200 with JSON of another shape.",
              _faults(rest_body=dict.fromkeys(SIGNED_PATHS, '{"assets":7,"positions":"none"}'))),
    ]  # fmt: skip


def _clocks() -> list[Fault]:
    def skewed(sign: int) -> Switch:
        return _drawn(lambda _, effect: {"skew_ms": sign * round(effect.values["skew_s"] * 1000)})

    skew = _is(skew_s=Parameter(30, 0.5, 3_600, "s"))
    return [
        Fault("clock-ahead", "clock", "The exchange's clock is ahead of ours.", skewed(1), parameters=skew),
        Fault("clock-behind", "clock", "The exchange's clock is behind ours.", skewed(-1), parameters=skew),
    ]


CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {one.name: one for one in (*_connections(), *_data(), *_rest(), *_accounts(), *_clocks())}
)
"""Every fault by name, in the order of the groups."""
