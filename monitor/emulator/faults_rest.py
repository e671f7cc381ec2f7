"""What can be wrong with answers of REST, and with what an account is told."""

from collections.abc import Iterable
from decimal import Decimal

from monitor.emulator.effects import drawn, expire_keys, expire_keys_unsaid, lose_events, retry_after, switching
from monitor.emulator.fault import RETRY, SHARE, Fault, Parameter, figures
from monitor.emulator.faults import EVERY
from monitor.emulator.faults_network import below_http, handshakes
from monitor.emulator.stage import Switch

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


def rest() -> list[Fault]:
    """Return the faults of REST."""

    def status(code: int) -> Switch:
        return drawn(lambda _, effect: {"rest_status": {EVERY: code}} | retry_after(effect))

    def premium(name: str) -> Switch:
        return drawn(lambda stage, _: {name: {stage.symbol}})

    retry = figures(retry_after_s=RETRY)
    truncated = '{"serverTime":17800000000'
    return [
        *below_http("rest", "rest", "REST"),
        Fault("rest-429", "rest", "REST answers 429 with Retry-After.", status(429), parameters=retry),
        Fault("rest-418", "rest", "REST answers 418 with Retry-After; streams go on.", status(418),
              parameters=retry),
        Fault("rest-500", "rest", "REST answers 500.", status(500)),
        Fault("rest-503", "rest", "REST answers 503.", status(503)),
        Fault("rest-html", "rest", "REST answers 502 with a page instead of JSON.", switching(html={EVERY: 502})),
        Fault("rest-html-200", "rest", "REST answers 200 with a page instead of JSON.",
              switching(html={EVERY: 200})),
        Fault("rest-hang", "rest", "REST requests are taken and never answered.", switching(rest_hang={EVERY})),
        Fault("rest-slow", "rest", "REST answers after a long while.",
              drawn(lambda _, effect: {"rest_delay_s": {EVERY: effect.values["delay_s"]}}),
              parameters=figures(delay_s=Parameter(5, 0.5, 30, "s"))),
        Fault("rest-truncated", "rest", "REST answers 200 with half of a JSON text.",
              switching(rest_body={EVERY: truncated})),
        Fault("rest-empty", "rest", "REST answers 200 without a body.", switching(rest_body={EVERY: ""})),
        Fault("rest-wrong-shape", "rest", "REST answers 200 with JSON of another shape.",
              switching(rest_body={EVERY: '[{"price":[]},null,7]'})),
        Fault("premium-missing", "rest", "One symbol is missing from the mark prices of REST.",
              premium("rest_missing")),
        Fault("premium-stuck", "rest", "One symbol's mark price in REST stands still while its time goes on.",
              premium("rest_stuck")),
        Fault("premium-frozen", "rest", "One symbol's mark price and time in REST stand still.",
              premium("rest_frozen")),
        Fault("premium-elsewhere", "rest", "One symbol's mark price in REST is off by a factor.",
              drawn(lambda stage, effect: {"rest_offset": {stage.symbol: Decimal(str(effect.values["factor"]))}}),
              parameters=figures(factor=Parameter(1.05, 0.9, 1.1, "times"))),
        Fault("premium-503", "rest", "The mark prices of REST answer 503; all else is well.",
              switching(rest_status=dict.fromkeys(PREMIUM_PATHS, 503))),
    ]  # fmt: skip


def accounts() -> list[Fault]:
    """Return the faults of private streams and signed requests."""

    def refused(paths: Iterable[str], status: int, code: int) -> Switch:
        return switching(rest_error=dict.fromkeys(paths, (status, code)))

    return [
        *below_http("private", "account", "private streams"),
        *handshakes("private", "account", "private streams"),
        Fault("private-silent", "account", "Private streams stay open, and no user event comes.",
              switching(private_silent=True)),
        Fault("events-lost", "account", "The next user events are lost.", act=lose_events,
              parameters=figures(events=Parameter(2, 1, 5, "events", whole=True))),
        Fault("events-lost-at-random", "account", "A share of user events is lost.",
              drawn(lambda _, effect: {"private_drop_share": effect.values["share"]}),
              parameters=figures(share=SHARE)),
        Fault("events-twice", "account", "Every user event comes several times.",
              drawn(lambda _, effect: {"private_duplicates": round(effect.values["more"])}),
              parameters=figures(more=Parameter(1, 1, 3, "times more", whole=True))),
        Fault("listen-key-expired", "account", "Every listen key expires, and an event says so.", act=expire_keys),
        Fault("listen-key-expired-unsaid", "account", "Every listen key expires, and nothing says so.",
              act=expire_keys_unsaid),
        Fault("listen-key-503", "account", "Listen keys can be neither had nor prolonged.",
              switching(rest_status=dict.fromkeys(LISTEN_KEY_PATHS, 503))),
        Fault("key-revoked", "account", "The exchange no longer knows the key: 401 with code -2015.",
              refused((*SIGNED_PATHS, *LISTEN_KEY_PATHS), 401, -2015)),
        Fault("timestamp-refused", "account", "Signed requests are outside of the exchange's time window: -1021.",
              refused(SIGNED_PATHS, 400, -1021)),
        Fault("account-503", "account", "Signed requests answer 503; marks are well.",
              switching(rest_status=dict.fromkeys(SIGNED_PATHS, 503))),
        Fault("account-html", "account", "Signed requests answer 200 with a page instead of JSON.",
              switching(html=dict.fromkeys(SIGNED_PATHS, 200))),
        Fault("account-hang", "account", "Signed requests are taken and never answered.",
              switching(rest_hang=set(SIGNED_PATHS))),
        Fault("account-wrong-shape", "account", "Signed requests answer 200 with JSON of another shape.",
              switching(rest_body=dict.fromkeys(SIGNED_PATHS, '{"assets":7,"positions":"none"}'))),
    ]  # fmt: skip
