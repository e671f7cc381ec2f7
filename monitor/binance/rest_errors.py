"""What a refusal means: one pure function from a reply to a typed error. Its text never gets into the error."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from monitor.binance.backoff import (
    BANNED,
    BANNED_PAUSE_S,
    LONGEST_PENALTY_S,
    RATE_LIMITED,
    RATE_LIMITED_PAUSE_S,
    retry_after_s,
)
from monitor.binance.belief import UNREADABLE
from monitor.binance.endpoints import Environment
from monitor.core.model import Now
from monitor.errors import (
    AccountStateError,
    ClockError,
    KeyRefusedError,
    ListenKeyError,
    PortfolioMarginError,
    RateLimitedError,
    RestError,
    TransientRestError,
)

# Reasons, good as labels.
RATE_LIMIT: Final = "rate_limit"
IP_BANNED: Final = "ip_banned"
CLOCK: Final = "clock"
BAD_SIGNATURE: Final = "bad_signature"
BAD_KEY: Final = "bad_key"
KEY_REFUSED: Final = "key_refused"
WRONG_KEY_TYPE: Final = "wrong_key_type"
NO_LISTEN_KEY: Final = "no_listen_key"
KEY_LOCKED: Final = "key_locked"
IN_LIQUIDATION: Final = "in_liquidation"
INACTIVE: Final = "inactive_account"
COOLING_OFF: Final = "cooling_off"
PORTFOLIO_MARGIN: Final = "portfolio_margin"
BUSY: Final = "busy"
MAINTENANCE: Final = "maintenance"
UNAVAILABLE: Final = "unavailable"
OUTCOME_UNKNOWN: Final = "outcome_unknown"
HTML: Final = "html"
NO_JSON: Final = "no_json"
REDIRECTED: Final = "redirected"
FIREWALL: Final = "firewall"
RESTRICTED: Final = "restricted_location"
NOT_FOUND: Final = "not_found"
INVALID_SYMBOL: Final = "invalid_symbol"
INVALID_REQUEST: Final = "invalid_request"
REFUSED: Final = "refused"

TOO_MANY_REQUESTS: Final = -1003
NO_SUCH_PATH: Final = 404

PORTFOLIO_HINT: Final = (
    "This is a portfolio margin account. Its risk is one figure over all its markets, which the futures endpoints "
    "do not give, so it is not followed: take its key out of the configuration"
)

_Kind = tuple[type[RestError], str, str]  # error, reason, hint

_CODES: Mapping[int, _Kind] = MappingProxyType(
    {
        -1000: (TransientRestError, BUSY, ""),
        -1001: (TransientRestError, BUSY, ""),
        -1006: (TransientRestError, OUTCOME_UNKNOWN, ""),
        -1007: (TransientRestError, OUTCOME_UNKNOWN, ""),
        -1008: (TransientRestError, BUSY, ""),
        -1016: (TransientRestError, MAINTENANCE, ""),
        -1109: (TransientRestError, MAINTENANCE, ""),
        239999: (TransientRestError, MAINTENANCE, ""),
        -5028: (TransientRestError, OUTCOME_UNKNOWN, ""),
        -1021: (ClockError, CLOCK, "The clock of this machine is off: have it kept by NTP"),
        -1125: (ListenKeyError, NO_LISTEN_KEY, ""),
        -1022: (KeyRefusedError, BAD_SIGNATURE, ""),
        -2014: (KeyRefusedError, BAD_KEY, ""),
        -2015: (KeyRefusedError, KEY_REFUSED, ""),
        -4056: (KeyRefusedError, WRONG_KEY_TYPE, ""),
        -2017: (
            AccountStateError,
            KEY_LOCKED,
            "The exchange has locked the API keys of this account: log in there and see why",
        ),
        -2023: (AccountStateError, IN_LIQUIDATION, "The exchange is liquidating this account"),
        -4109: (
            AccountStateError,
            INACTIVE,
            "The futures account is not active: transfer funds into its futures wallet first",
        ),
        -4192: (AccountStateError, COOLING_OFF, "The account is in its cooling-off period, which its owner began"),
        -1121: (RestError, INVALID_SYMBOL, ""),
    }
)
_STATUSES: Mapping[int, _Kind] = MappingProxyType(
    {
        401: (KeyRefusedError, KEY_REFUSED, ""),
        403: (TransientRestError, FIREWALL, ""),
        404: (RestError, NOT_FOUND, ""),
        408: (TransientRestError, OUTCOME_UNKNOWN, ""),
        451: (RestError, RESTRICTED, "The exchange does not serve the place this program runs at"),
    }
)
_PORTFOLIO_CODES = frozenset({-21001, -21002, -21003})
_PORTFOLIO_WORDS = re.compile(r"portfolio\s+margin|unified\s+account", re.IGNORECASE)
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_INVALID = range(-1199, -1099)  # something about the request itself
_FIRST_ERROR_STATUS = 300
_FIRST_CLIENT_STATUS = 400
_FIRST_SERVER_STATUS = 500
_FORBIDDEN = 403


class _Fault(msgspec.Struct):
    code: int | None = None
    msg: str = ""


_decode_fault = msgspec.json.Decoder(_Fault, strict=False).decode


def is_html(body: bytes) -> bool:
    """Return whether a body is a page for people: what gateways and firewalls answer."""
    return body.lstrip()[:1] == b"<"


def classify(
    where: str, status: int, body: bytes, *, retry_after: str | None, now: Now, environment: Environment
) -> RestError | None:
    """Return what a reply means if it is no answer, None if it is one.

    Args:
        where: the endpoint's path.
        status: of the HTTP reply.
        body: its bytes.
        retry_after: its ``Retry-After`` header.
        now: our clocks, to say until when a limit holds.
        environment: for the likely causes of a refused key.
    """
    if is_html(body) and status not in {RATE_LIMITED, BANNED}:
        return TransientRestError(where, FIREWALL if status == _FORBIDDEN else HTML, status=status)
    if status < _FIRST_ERROR_STATUS:
        return None
    code, text = _fault(body)
    if status in {RATE_LIMITED, BANNED} or code == TOO_MANY_REQUESTS:
        banned = status == BANNED or _BANNED_UNTIL.search(text) is not None
        until_s = now.mono_s + _wait_s(text, retry_after, now.wall_ms, banned=banned)
        reason = IP_BANNED if banned else RATE_LIMIT
        return RateLimitedError(where, reason, until_s=until_s, code=code, status=status)
    if code in _PORTFOLIO_CODES or _PORTFOLIO_WORDS.search(text):
        return PortfolioMarginError(where, PORTFOLIO_MARGIN, code=code, status=status, hint=PORTFOLIO_HINT)
    kind, reason, hint = _kind(code, status)
    if kind is KeyRefusedError:
        hint = key_hint(reason, environment)
    return kind(where, reason, code=code, status=status, hint=hint)


def _fault(body: bytes) -> tuple[int | None, str]:
    try:
        fault = _decode_fault(body)
    except UNREADABLE:
        return None, ""
    return fault.code, fault.msg


def _wait_s(text: str, retry_after: str | None, wall_ms: int, *, banned: bool) -> float:
    """Return how long to stay away: what the reply asks for, to the second, or what is usual."""
    told_s = retry_after_s(retry_after, wall_ms)
    until = _BANNED_UNTIL.search(text)
    if until is not None:
        told_s = max(told_s, min((int(until.group(1)) - wall_ms) / 1000.0, LONGEST_PENALTY_S))
    if told_s > 0.0:
        return told_s
    return BANNED_PAUSE_S if banned else RATE_LIMITED_PAUSE_S


def _kind(code: int | None, status: int) -> _Kind:
    if code is not None and code in _CODES:
        return _CODES[code]
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= _FIRST_SERVER_STATUS:
        return TransientRestError, UNAVAILABLE, ""
    if status < _FIRST_CLIENT_STATUS:
        return TransientRestError, REDIRECTED, ""
    invalid = code is not None and code in _INVALID
    return RestError, INVALID_REQUEST if invalid else REFUSED, ""


_ELSEWHERE_HINT = (
    "Something answers in the exchange's place: check rest_url, a proxy or a firewall; "
    "`position-monitor doctor` shows which host"
)
_NETWORK_HINT = "Check the network, its name service and a proxy; `position-monitor doctor` shows which host"
_WAIT_HINT = "The exchange is asked again until it answers; its status page may say how long this takes"
_TODO = {
    HTML: _ELSEWHERE_HINT,
    NO_JSON: _ELSEWHERE_HINT,
    REDIRECTED: _ELSEWHERE_HINT,
    FIREWALL: _ELSEWHERE_HINT,
    BUSY: _WAIT_HINT,
    UNAVAILABLE: _WAIT_HINT,
    MAINTENANCE: _WAIT_HINT,
    OUTCOME_UNKNOWN: _WAIT_HINT,
    "timeout": _NETWORK_HINT,
    "dns": _NETWORK_HINT,
    "tls": "Check the machine's clock, and whether a proxy replaces certificates",
    "connect": _NETWORK_HINT,
    "connection": _NETWORK_HINT,
}
_MINUTE_S = 60.0


def todo(error: RestError, wait_s: float = 0.0, now_ms: int | None = None) -> str:
    """Return what to do about a refusal, or that waiting is all there is to do.

    Args:
        error: as the exchange, or the way to it, gave it.
        wait_s: how long the exchange asks to stay away, seconds; 0 if it does not.
        now_ms: our wall clock, to say until when that is; None where what is said is not kept.
    """
    if isinstance(error, RateLimitedError):
        minutes = max(1, math.ceil(wait_s / _MINUTE_S))
        length = f"for about {minutes} min more"
        if now_ms is not None:
            at = datetime.fromtimestamp(now_ms / 1000 + wait_s, UTC)
            length = f"until {at:%H:%M:%S} UTC or later (for about {minutes} min)"
        return (
            f"The exchange takes no requests from this address {length}; they go on by "
            "themselves. Something behind this address asks it too often"
        )
    return error.hint or _TODO.get(error.reason, str(error))


def key_hint(reason: str, environment: Environment) -> str:
    """Return the likely causes of a refused key, the likeliest first."""
    if environment is Environment.TESTNET:
        other = "it is a live key while the environment is testnet (keys for it are made in demo trading)"
    else:
        other = "it is a key of demo trading while the environment is live"
    match reason:
        case "bad_signature":
            return (
                "Likely causes: the secret does not belong to this key; the secret was cut off or has a line too "
                "many; an RSA or Ed25519 key was given the secret of another kind"
            )
        case "bad_key":
            return f"Likely causes: the key was cut off or has a character too many; {other}"
        case "wrong_key_type":
            return "The exchange does not take this type of key here: make an HMAC, RSA or Ed25519 key for futures"
        case _:
            portfolio = (
                "" if environment is Environment.TESTNET else "; the account was switched to portfolio margin"
            )
            return (
                f"Likely causes: the key was mistyped or stands in the secret's place; {other}; reading or "
                "futures are not enabled for it; this machine's address is not on its IP list; it was deleted"
                f"{portfolio}"
            )
