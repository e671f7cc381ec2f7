"""Telegram's Bot API on loopback, with the replies the real one gives."""

import re
from typing import Final

import pytest

from monitor.notify.apprise import AppriseChannel
from tests.notify.real.senders import TOKEN, Sending, plugin_of
from tests.notify.real.web_service import Got, Reply, WebService, as_json

CHAT: Final = 42
_TAGS: Final = re.compile(r"<(/?)([a-z]+)[^<>]*>")
_KNOWN: Final = frozenset({"b", "i", "u", "s", "a", "code", "pre"})


def refusal(status: int, description: str, **parameters: int) -> Reply:
    """Return a refusal as the Bot API words it."""
    more = {"parameters": parameters} if parameters else {}
    return as_json(status, {"ok": False, "error_code": status, "description": description} | more)


class BotApi(WebService):
    """Knows one token and one chat, and reads markup as strictly as Telegram does."""

    def channel(self, sending: Sending, patch: pytest.MonkeyPatch, more: str = "") -> AppriseChannel:
        """Return a Telegram channel whose Bot API is this one."""
        channel = sending.channel(f"tgram://{TOKEN}/{CHAT}/{more}", "tg")
        patch.setattr(type(plugin_of(channel)), "notify_url", f"http://127.0.0.1:{self.port}/bot")
        return channel

    @property
    def texts(self) -> list[str]:
        return [got.fields.get("text", got.fields.get("caption", "")) for got in self.got]

    @property
    def methods(self) -> list[str]:
        return [got.path.rpartition("/")[2] for got in self.got]

    def usual(self, got: Got) -> Reply:
        if got.path.rpartition("/")[0] != f"/bot{TOKEN}":
            return refusal(401, "Unauthorized")
        if str(got.fields["chat_id"]) != str(CHAT):
            return refusal(400, "Bad Request: chat not found")
        text = got.fields.get("text", got.fields.get("caption", ""))
        if got.fields.get("parse_mode") == "HTML" and (fault := _fault(text)) is not None:
            return refusal(400, f"Bad Request: can't parse entities: {fault}")
        return as_json(200, {"ok": True, "result": {"message_id": len(self.got), "chat": {"id": CHAT}}})


def _fault(text: str) -> str | None:
    """Return what Telegram's HTML parser would say against a text."""
    opened: list[str] = []
    for mark in _TAGS.finditer(text):
        tag = mark[2]
        if tag not in _KNOWN:
            return f'Unsupported start tag "{tag}" at byte offset {mark.start()}'
        if not mark[1]:
            opened.append(tag)
        elif not opened or opened.pop() != tag:
            return f"Unexpected end tag at byte offset {mark.start()}"
    if "<" in _TAGS.sub("", text):
        return "Unsupported start tag"
    return f'Can\'t find end tag corresponding to start tag "{opened[-1]}"' if opened else None
