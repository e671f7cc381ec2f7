"""By which names a request may call this machine. Pure.

A page elsewhere can have its own name resolve to 127.0.0.1 and then read what it is answered, for a browser goes
by names (DNS rebinding). Such a request carries that name: what is not a name of this machine is refused.
"""

import ipaddress
import re
from collections.abc import Collection
from typing import Final

_LOOPBACK_NAMES: Final = frozenset({"localhost"})
_BRACKETED: Final = re.compile(r"\[([0-9A-Fa-f:.]{2,45})\](?::([0-9]{1,5}))?")
_PLAIN: Final = re.compile(r"([A-Za-z0-9_.-]{1,253})(?::([0-9]{1,5}))?")
_MOST_PORT: Final = 65535


def host_of(text: str) -> str | None:
    """Return the host of a Host header in small letters, without port and final dot; None if it is none.

    The port may be any: a tunnel or a container shows this port as another one, and no name is gained by it.
    """
    found = _BRACKETED.fullmatch(text) or _PLAIN.fullmatch(text)
    if found is None or int(found[2] or 0) > _MOST_PORT:
        return None
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(found[1]))
        except ValueError:
            return None
    return found[1].lower().removesuffix(".")


def url_of(host: str, port: int) -> str:
    """Return an address as a browser takes it; an IPv6 one is given without brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_ours(host: str, local: str, names: Collection[str]) -> bool:
    """Return whether a host of ``host_of`` is this machine.

    Args:
        host: as the request calls it.
        local: the address to which the connection came.
        names: that the owner gave it, in small letters.
    """
    if host in _LOOPBACK_NAMES or host in names:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or _bare(address) == _bare(ipaddress.ip_address(local))


def _bare(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> object:
    """Return an IPv4 address that is written as an IPv6 one as itself."""
    return getattr(address, "ipv4_mapped", None) or address
