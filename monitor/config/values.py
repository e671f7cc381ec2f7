"""Single values of the file: each function returns what it is given, converted, or refuses it with the fix."""

import ipaddress
import math
import re
import zoneinfo
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from monitor.config import durations
from monitor.config.problems import mistake, nearest, seems_secret
from monitor.config.secret import NAME_SHAPES, Keeper, SecretRef
from monitor.core.notices import FindingCode

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
SYMBOL = re.compile(r"[^\W_]{1,40}(_[0-9A-Z]{1,10})?")
ASSET = re.compile(r"[A-Z0-9]{1,20}")
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_PORT_DIGITS = 5
_MOST_PORT = 65535
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
FRACTIONS = "fractions: 0.20 is 20 %"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise mistake("write it in quotes" if isinstance(value, (int, float)) else "")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise mistake("")
    try:
        return float(value)
    except OverflowError:
        raise mistake("") from None


def plain_name(value: object) -> str:
    """Return a name for people: of an account or a channel."""
    if not NAME.fullmatch(text := _text(value)):
        raise mistake("letters, digits, dot, dash and underscore; 64 at most")
    return text


def symbol_name(value: object) -> str:
    """Return the value if it has the form of a symbol. Symbols may hold other scripts than Latin."""
    text = _text(value)
    if text != text.upper() and SYMBOL.fullmatch(text.upper()):
        raise mistake("" if seems_secret(text) else f'write "{text.upper()}"')
    if not SYMBOL.fullmatch(text):
        raise mistake("letters and digits only, as the exchange writes it")
    return text


def asset_name(value: object) -> str:
    """Return an asset in capitals."""
    text = _text(value)
    if not ASSET.fullmatch(text):
        alike = ASSET.fullmatch(text.upper()) and not seems_secret(text)
        raise mistake(f'write "{text.upper()}"' if alike else "")
    return text


def duration(value: object) -> float:
    """Return a duration, in seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise mistake('a unit is missing: "90s" is 90 seconds, "15m" 15 minutes')
    length_s = durations.seconds(value) if isinstance(value, str) else None
    if length_s is None:
        raise mistake("")
    return length_s


def positive_duration(value: object) -> float:
    """Return a duration above 0, in seconds."""
    if not (length_s := duration(value)):
        raise mistake("it has to be longer than nothing")
    return length_s


def reminder(value: object) -> float | Literal[False]:
    """Return an interval in seconds, or False for none."""
    return False if value is False or value == "none" else positive_duration(value)


def fraction(value: object) -> float:
    """Return a fraction above 0 and up to 1."""
    number = _number(value)
    if not 0.0 < number <= 1.0:
        raise mistake(FRACTIONS if number > 1.0 else "")
    return number


def condition(value: object) -> float | Literal[False]:
    """Return a fraction above 0 and up to 1, or False for switched off."""
    return False if value is False else fraction(value)


def multiple(value: object) -> float | Literal[False]:
    """Return a number above 0, or False for switched off."""
    if value is False:
        return False
    if not 0.0 < (number := _number(value)) <= 1000.0:  # noqa: PLR2004 - no price is a thousand hourly moves away
        raise mistake("")
    return number


def stop_loss(value: object) -> float | None:
    """Return the price that triggers a stop, None where there is said to be none."""
    if value == "none":
        return None
    if isinstance(value, str):
        raise mistake("a price without quotes, or none")
    if not 0.0 < (price := _number(value)) < math.inf:
        raise mistake("")
    return price


def finding_code(value: object) -> str:
    """Return the name of a finding of the checkup."""
    text = _text(value)
    codes = [code.value for code in FindingCode if code is not FindingCode.USED_UP]
    if text == FindingCode.USED_UP.value:
        raise mistake("that the margin is used up is no habit to live with")
    if text not in codes:
        raise mistake(nearest(text, codes))
    return text


def below_one(value: object) -> float:
    """Return a fraction from 0 to below 1."""
    if not 0.0 <= (number := _number(value)) < 1.0:
        raise mistake(FRACTIONS if number >= 1.0 else "")
    return number


def cost(value: object) -> float:
    """Return a fraction from 0 to a tenth: nobody takes more of a trade."""
    if not 0.0 <= (number := _number(value)) <= 0.1:  # noqa: PLR2004 - as the docstring says
        raise mistake("fractions: 0.0005 is 0.05 %" if number > 0.0 else "")
    return number


def absolute_path(value: object) -> str:
    """Return a path that does not depend on where the program is started."""
    text = _text(value)
    if not NAME_SHAPES[Keeper.FILE].fullmatch(text):
        raise mistake("a path that starts with / or ~/, so that it is the same wherever the program is started")
    return text


def time_zone(value: object) -> str:
    """Return a name of the time zone database, UTC or local."""
    text = _text(value)
    if text in {"local", "UTC"}:
        return text
    try:
        zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise mistake(nearest(text, zoneinfo.available_timezones())) from None
    return text


def time_of_day(value: object) -> int:
    """Return a time of day as minutes since midnight."""
    if not isinstance(value, str):
        raise mistake("write it in quotes")
    if (match := _TIME.fullmatch(value)) is None:
        raise mistake("hours and minutes of a day of 24 hours, such as 20:30")
    return int(match[1]) * 60 + int(match[2])


def secret_ref(value: object) -> SecretRef:
    """Return a reference to a secret; no refusal repeats any part of it."""
    if not isinstance(value, dict):
        raise mistake("a secret never stands in this file itself")
    if len(value) != 1:
        raise mistake("exactly one of env, file and credential")
    ((key, name),) = value.items()
    if key not in set(Keeper):
        raise mistake(nearest(str(key), set(Keeper)) or "exactly one of env, file and credential")
    keeper = Keeper(key)
    if not isinstance(name, str) or not NAME_SHAPES[keeper].fullmatch(name):
        raise mistake(_NAME_HINTS[keeper])
    return SecretRef(keeper, name)


_NAME_HINTS = {
    Keeper.ENV: "env takes the name of a variable: capitals, digits and underscores",
    Keeper.FILE: "file takes a path that starts with / or ~/",
    Keeper.CREDENTIAL: "credential takes a name: letters, digits, dot, dash and underscore",
}


def _address(value: object, scheme: str) -> SplitResult:
    text = _text(value)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise mistake("") from None
    if not host or port == 0 or re.search(r"[\s\x00-\x1f]", text):
        raise mistake("")
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise mistake("only scheme, host, port and path; nothing secret, no query")
    if parts.scheme != scheme and not (f"{parts.scheme}s" == scheme and is_loopback(host)):
        raise mistake(f"{scheme}://; unencrypted addresses are for this machine only")
    return parts


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen_address(value: object) -> str:
    """Return an address of this machine with a port, as it was written."""
    text = _text(value)
    host, port = split_address(text)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise mistake("an IP address, not a name, and a port behind a colon") from None
    if not 1 <= port <= _MOST_PORT:
        raise mistake(f"a port is from 1 to {_MOST_PORT}")
    return text


def split_address(value: str) -> tuple[str, int]:
    """Return host and port of ``host:port`` or ``[host]:port``; -1 is a port that is none."""
    host, _, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    return bare, int(port) if port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS else -1


def host_name(value: object) -> str:
    """Return a name of a machine in small letters, without a port."""
    text = _text(value).lower()
    if not _HOST_NAME.fullmatch(text):
        raise mistake("a name without a scheme, a path or a port")
    return text


def rest_url(value: object) -> str:
    """Return an https address without a slash at its end."""
    return _address(value, "https").geturl().rstrip("/")


def stream_url(value: object) -> str:
    """Return a wss address with its route, without a slash at its end."""
    parts = _address(value, "wss")
    route = parts.path.strip("/").split("/")
    if route == [""]:
        raise mistake(
            "the route is missing, such as /market or /private: an address without one connects,"
            " confirms the subscription and then stays silent"
        )
    if route[-1] in {"ws", "stream"}:
        raise mistake("/ws and /stream are appended by the program: end with the route, such as /market")
    return parts.geturl().rstrip("/")
