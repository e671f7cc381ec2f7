"""Which requests are answered: pure decisions about what came, without reading a body. ``middleware`` asks them.

Reading on loopback needs no token as long as none is configured. Once one is, everything but the login does. What
changes something needs a configured token always: every user and every program of this machine reaches loopback. A
browser sends a session's cookie along whoever made it ask, so a change also has to come from a page of ours.
"""

import hashlib
import hmac
from collections.abc import Collection
from enum import Enum, StrEnum
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from monitor.web.context import Access
from monitor.web.hosts import host_of, is_ours

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
METHODS: Final = ("GET", "HEAD", "POST")
# "none" is somebody who typed the address or loads the answer to a form again; it comes from no page.
_OUR_SITE: Final = frozenset({"same-origin", "none"})
_CHARSETS: Final = frozenset({"", "utf-8", "utf8"})


class Why(StrEnum):
    """Why something was not answered as asked; what it is counted by."""

    METHOD = "method"
    TARGET = "target"
    HOST = "host"
    TOKEN = "token"  # noqa: S105 - a word
    THROTTLED = "throttled"
    READ_ONLY = "read_only"
    ORIGIN = "origin"
    CONTENT = "content_type"
    FORM = "form_token"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    FULL = "full"
    SLOW = "slow"
    BUSY = "busy"
    UNKNOWN = "unknown"
    FAILED = "failed"


class Refusal(NamedTuple):
    """An answer instead of the one asked for. ``words`` are constant: nothing of the request is repeated."""

    status: HTTPStatus
    why: Why
    words: str


_FOREIGN: Final = Refusal(HTTPStatus.FORBIDDEN, Why.ORIGIN, "this comes from another site")


class Proof(Enum):
    """What a request showed of knowing the token."""

    NOTHING = "nothing"
    WRONG = "wrong"
    TOKEN = "token"  # noqa: S105 - a word
    SESSION = "session"


class Asked(NamedTuple):
    """What decides of a request's head. Of headers, all that came under the name."""

    method: str
    target: str  # as it was sent
    local: str  # the address to which the connection came
    hosts: tuple[str, ...]
    authorizations: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()  # Sec-Fetch-Site
    modes: tuple[str, ...] = ()  # Sec-Fetch-Mode
    content_type: str = ""  # in small letters, without parameters
    charset: str = ""  # that it names, in small letters
    encodings: tuple[str, ...] = ()  # Content-Encoding


def misdirected(asked: Asked, names: Collection[str]) -> Refusal | None:
    """Return why a request is not one for this server, whatever it wants."""
    if asked.method not in METHODS:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, Why.METHOD, "GET, HEAD or POST")
    # Whole addresses are for proxies; a second host in them would be one that nobody checked.
    if not asked.target.startswith("/") or asked.target.startswith("//"):
        return Refusal(HTTPStatus.BAD_REQUEST, Why.TARGET, "ask for a path")
    host = host_of(asked.hosts[0]) if len(asked.hosts) == 1 else None
    if host is None:
        return Refusal(HTTPStatus.BAD_REQUEST, Why.HOST, "one Host header is needed")
    if not is_ours(host, asked.local, names):
        words = "this machine is not known by that name; add it to names in [web]"
        return Refusal(HTTPStatus.MISDIRECTED_REQUEST, Why.HOST, words)
    return None


def proof(authorizations: Collection[str], token: str, *, session: bool) -> Proof:
    """Return what a request shows of the configured token; an Authorization decides alone, if there is one."""
    if not authorizations:
        return Proof.SESSION if session else Proof.NOTHING
    kind, _, given = next(iter(authorizations)).partition(" ")
    right = len(authorizations) == 1 and kind.lower() == "bearer" and is_token(given.strip(), token)
    return Proof.TOKEN if right else Proof.WRONG


def is_token(given: str, token: str) -> bool:
    """Return whether two tokens are the same, in a time that tells neither length nor letters."""
    return hmac.compare_digest(_digest(given), _digest(token))


def unproven(access: Access, shown: Proof, *, token: bool) -> Refusal | None:
    """Return why a request may not do what its route does.

    Args:
        access: of the route.
        shown: what the request showed.
        token: whether one is configured.
    """
    if access is Access.OPEN:
        return None
    if not token:
        words = "nothing can be changed here as long as [web] has no token"
        return Refusal(HTTPStatus.FORBIDDEN, Why.READ_ONLY, words) if access is Access.CHANGE else None
    if shown in {Proof.TOKEN, Proof.SESSION}:
        return None
    return Refusal(HTTPStatus.UNAUTHORIZED, Why.TOKEN, "a token is needed: Authorization: Bearer ...")


def fetched(asked: Asked, *, page: bool) -> Refusal | None:
    """Return why a GET is not answered: a page elsewhere makes a browser ask, for work that it cannot even read.

    A link that leads from there to a page is followed.
    """
    if set(asked.sites) <= _OUR_SITE or (page and asked.modes == ("navigate",)):
        return None
    return _FOREIGN


def foreign(asked: Asked, shown: Proof) -> Refusal | None:
    """Return why a POST is not taken to come from a page of ours or from a program that holds the token."""
    refusal = _FOREIGN
    if len(asked.origins) > 1 or len(asked.sites) > 1:
        return refusal
    if asked.sites and asked.sites[0] not in _OUR_SITE:
        return refusal
    if asked.origins and not _is_own_origin(asked.origins[0], asked.hosts[0]):
        return refusal
    # Every browser says where a POST comes from; who does not is a program, and has to show the token itself.
    if not asked.origins and not asked.sites and shown is not Proof.TOKEN:
        return refusal
    return None


def unreadable(asked: Asked, *, form: bool) -> Refusal | None:
    """Return why what a POST carries is not read. Another site's form cannot say that it is JSON."""
    plain = not asked.encodings and asked.charset in _CHARSETS
    if asked.content_type == (FORM if form else JSON) and plain:
        return None
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Why.CONTENT, f"send {FORM if form else JSON}, as it is")


def _is_own_origin(origin: str, host: str) -> bool:
    """Return whether an origin is that of the host which was asked.

    Not its scheme: whoever ends TLS in front of this server makes it another one.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    plain = parts.scheme in {"http", "https"} and origin == f"{parts.scheme}://{parts.netloc}"
    return plain and parts.netloc.lower() == host.lower()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
