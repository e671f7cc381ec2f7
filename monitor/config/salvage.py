"""Channels of a configuration that cannot be used: who has to be told so can often still be read of it."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from monitor.config.channels import build_channels
from monitor.config.problems import Problems, sound_parts
from monitor.config.schema import ChannelSection
from monitor.config.settings import ChannelSettings

_ENVIRONMENTS = ("testnet", "live")
_WANTED = re.compile(r"\s*(\[\[\s*channels\s*\]\]|\[\s*exchange\s*\])")
_HEADING = re.compile(r"\s*\[")


def salvaged(text: str) -> tuple[str, tuple[ChannelSettings, ...]]:
    """Return the environment, empty where it is not known, and all channels that still have a name and an address.

    Of a channel, keys with mistakes are left out; of a text that is no TOML, each block is read alone, down to the
    line that breaks it. Never raises: what cannot be understood is not there.
    """
    whole = _parsed(text)
    documents = [_beginning(block) for block in _blocks(text)] if whole is None else [whole]
    raw = [sound_parts(ChannelSection, one) for document in documents for one in _channels(document)]
    usable = [one for one in raw if "name" in one and "url" in one]
    environments = [one for one in map(_environment, documents) if one is not None]
    # Where some of the text is lost, what it does not say may have stood there.
    default = "" if whole is None else _ENVIRONMENTS[0]
    return (
        next(iter(environments), default),
        build_channels(usable, Problems({"channels": usable}, "what is left of the configuration")),
    )


def block(text: str, name: str) -> dict[str, Any]:
    """Return what the lines of a section say that come before one that is no TOML. Never raises."""
    heading = re.compile(rf"\s*\[\s*{name}\s*\]")
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        if _HEADING.match(line):
            inside = heading.match(line) is not None
        elif inside:
            lines.append(line)
    return _beginning(lines)


def _environment(document: dict[str, Any]) -> str | None:
    """Return what a document says, empty if it is none; None if it says nothing."""
    exchange = document.get("exchange", {})
    found = exchange.get("environment") if isinstance(exchange, dict) else ""
    return found if found is None or found in _ENVIRONMENTS else ""


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):  # no TOML, or a number of thousands of digits
        return None


def _beginning(lines: list[str]) -> dict[str, Any]:
    """Return as many lines of a block as are TOML."""
    parsed = (_parsed("\n".join(lines[:count])) for count in range(len(lines), 0, -1))
    return next((one for one in parsed if one is not None), {})


def _channels(document: dict[str, Any]) -> list[Any]:
    found = document.get("channels")
    return found if isinstance(found, list) else []


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of [exchange] and of each [[channels]], up to the next heading."""
    block: list[str] | None = None
    for line in text.splitlines():
        if _HEADING.match(line) and block is not None:
            yield block
            block = None
        if _WANTED.match(line):
            block = []
        if block is not None:
            block.append(line)
    if block is not None:
        yield block
