"""The plainest form of a message, for a service that refuses how it is written. Pure."""

import html
import re

from monitor.ports import Message

MOST_CHARS = 1000
_TAG = re.compile(r"</?[a-z][^<>]*>")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CUT = "\n..."


def plain(message: Message) -> Message | None:
    """Return the message as short text without markup or picture; None if that is what it is already."""
    body = message.body
    if message.format == "html":
        body = html.unescape(_TAG.sub("", body))
    elif message.format == "markdown":
        body = _ESCAPED.sub(r"\1", body.replace("**", ""))
    if len(body) > MOST_CHARS:
        body = body[: MOST_CHARS - len(_CUT)].rpartition("\n")[0] + _CUT
    simpler = message._replace(body=body, format="text", chart=None)
    return None if simpler == message._replace(chart=None) else simpler
