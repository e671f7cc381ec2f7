"""What can go wrong on the way to the exchange, and at its door."""

from monitor.emulator.effects import (
    SIDES,
    Side,
    at_once,
    closing,
    corrupt,
    door,
    drawn,
    drip,
    drop_all,
    open_bad_tls,
    retry_after,
    switching,
    ways,
)
from monitor.emulator.fault import RETRY, SHARE, Fault, Group, Parameter, figures
from monitor.emulator.relay import Relay
from monitor.emulator.stage import UNRESOLVABLE, Switch
from monitor.emulator.streams import Route
from monitor.emulator.ways import Door


def below_http(side: Side, group: Group, what: str) -> list[Fault]:
    """Return what can go wrong below HTTP on one side."""
    bytes_per_s = Parameter(200, 20, 2_000, "bytes/s", whole=True)
    return [
        Fault(f"{side}-refused", group, f"The port of {what} is closed: connections are refused.",
              door(Door.REFUSE, side)),
        Fault(f"{side}-reset-on-accept", group, f"Connections to {what} are accepted and reset.",
              door(Door.RESET, side)),
        Fault(f"{side}-closed-on-accept", group, f"Connections to {what} are accepted and closed without a byte.",
              door(Door.FINISH, side)),
        Fault(f"{side}-never-answers", group, f"Connections to {what} are accepted and never answered.",
              door(Door.MUTE, side)),
        Fault(f"{side}-half-open", group,
              f"Open connections to {what} go dead on both sides without a FIN; new ones work.",
              act=at_once(Relay.strand, side)),
        Fault(f"{side}-black-hole", group,
              f"Open connections to {what} go dead without a FIN, and new ones are never answered.",
              door(Door.MUTE, side), at_once(Relay.strand, side)),
        Fault(f"{side}-held", group, f"Bytes to and from {what} wait in the network, and arrive in one burst.",
              ways(held=True)(side)),
        Fault(f"{side}-drip", group, f"What comes from {what} drips slowly and falls behind.", drip(side),
              parameters=figures(bytes_per_s=bytes_per_s)),
        Fault(f"{side}-latency", group, f"Bytes to and from {what} are under way for long.",
              ways(latency_s="latency_s")(side), parameters=figures(latency_s=Parameter(1, 0.05, 8, "s"))),
        Fault(f"{side}-cut", group, f"Open connections to {what} end in the middle of what they carry.",
              act=at_once(Relay.cut, side)),
        Fault(f"{side}-fin", group, f"Open connections to {what} end with a FIN and no closing frame.",
              act=at_once(Relay.finish, side)),
        Fault(f"{side}-reset", group, f"Open connections to {what} are reset.", act=at_once(Relay.reset, side)),
        Fault(f"{side}-corrupt", group, f"Some bytes from {what} are changed on the way.", corrupt(side),
              parameters=figures(share=SHARE)),
        Fault(f"{side}-speaks-tls", group, f"The port of {what} answers plain clients with a TLS alert.",
              door(Door.TLS, side)),
        Fault(f"{side}-plain-text", group, f"The port of {what} answers in text that is neither TLS nor HTTP.",
              door(Door.TEXT, side)),
        Fault(f"{side}-garbage", group, f"The port of {what} answers with random bytes.",
              door(Door.GARBAGE, side)),
    ]  # fmt: skip


def handshakes(route: Route, group: Group, what: str) -> list[Fault]:
    """Return how handshakes of one route are refused, and how its connections end in good order."""

    def refused(status: int) -> Switch:
        return drawn(lambda _, effect: {"route_status": {route: status}} | retry_after(effect))

    return [
        Fault(f"{route}-handshake-429", group, f"Handshakes of {what} are answered 429 with Retry-After.",
              refused(429), parameters=figures(retry_after_s=RETRY)),
        Fault(f"{route}-handshake-403", group, f"Handshakes of {what} are answered 403, as by a firewall.",
              refused(403)),
        Fault(f"{route}-handshake-503", group, f"Handshakes of {what} are answered 503.", refused(503)),
        Fault(f"{route}-accept-then-close", group, f"Handshakes of {what} succeed, and a closing frame follows.",
              switching(route_close={route})),
        Fault(f"{route}-day-end", group, f"Every connection of {what} is closed in good order, as after 24 hours.",
              act=closing(route)),
    ]  # fmt: skip


def connections() -> list[Fault]:
    """Return the faults of market streams' connections, and of everything at once."""

    def banned(status: int) -> Switch:
        return drawn(
            lambda _, effect: {
                "banned_until_ms": effect.began_ms + round(effect.values["ban_s"] * 1000),
                "ban_handshake": status,
            }
        )

    ban = figures(ban_s=Parameter(120, 5, 300, "s", whole=True))
    everything = "REST and streams"
    return [
        *below_http("market", "connection", "market streams"),
        *handshakes("market", "connection", "market streams"),
        Fault("network-down", "connection", f"Connections to {everything} are refused, and open ones are dead.",
              door(Door.REFUSE, *SIDES), at_once(Relay.strand, *SIDES)),
        Fault("network-black-hole", "connection", f"Nothing passes to {everything}, and nothing says so.",
              door(Door.MUTE, *SIDES), at_once(Relay.strand, *SIDES)),
        Fault("network-blink", "connection", f"Every connection to {everything} is reset once.",
              act=at_once(Relay.reset, *SIDES)),
        Fault("streams-dropped", "connection", "The exchange cuts every stream without a closing frame.",
              act=drop_all),
        Fault("exchange-gone", "connection", "The exchange cuts every connection and request without an answer.",
              switching(refuse_connections=True), drop_all),
        Fault("no-pongs", "connection",
              "The exchange answers neither pings nor requests of a client; data goes on.",
              switching(deaf=True)),
        Fault("ack-lost", "connection", "Subscriptions take effect, but are never acknowledged.",
              switching(ack_lost=True)),
        Fault("ack-refused", "connection", "Subscriptions are answered with an error and take no effect.",
              switching(ack_refused=True)),
        Fault("ip-ban", "connection", "The address is banned: REST and handshakes answer 418 with Retry-After.",
              banned(418), drop_all, ban),
        Fault("ip-ban-403", "connection", "The address is banned: REST answers 418, handshakes 403.",
              banned(403), drop_all, ban),
        Fault("dns-failure", "connection", "The host name of the first stream address does not resolve.",
              addresses=lambda stage: (f"ws://{UNRESOLVABLE}/market", stage.base_market_ws)),
        Fault("tls-to-plain-port", "connection", "The first stream address asks for TLS of a port without.",
              addresses=lambda stage: (stage.base_market_ws.replace("ws:", "wss:", 1), stage.base_market_ws)),
        Fault("tls-bad-certificate", "connection",
              "The first stream address is TLS with an expired certificate, signed by itself.",
              act=open_bad_tls, addresses=lambda stage: (stage.base_tls_ws, stage.base_market_ws)),
    ]  # fmt: skip
