"""Reads messages as services do: what a reader sees of HTML and of Markdown, and what a service would refuse."""

import unicodedata
from html.parser import HTMLParser

from markdown_it import MarkdownIt

from monitor.notify.message import MAX_CHARS, escape
from monitor.ports import Message


class _Reader(HTMLParser):
    """Collects what is seen; fails on a tag that is not allowed or not closed in order."""

    def __init__(self, allowed: frozenset[str], void: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._allowed = allowed
        self._void = void
        self.open: list[str] = []
        self.seen = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in self._allowed | self._void, tag
        assert not attrs
        if tag not in self._void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.seen += data


def seen_in_html(body: str) -> list[str]:
    """Return the lines a reader sees, of markup that Telegram takes once line breaks are its own."""
    return _seen(body, frozenset({"b"}), frozenset({"br"}))


def seen_in_markdown(body: str) -> list[str]:
    """Return the lines a reader of CommonMark sees: one list of items, bold labels, and no other markup."""
    html = MarkdownIt("commonmark").render(body)
    return _seen(html, frozenset({"ul", "li", "strong"}), frozenset())


def _seen(html: str, allowed: frozenset[str], void: frozenset[str]) -> list[str]:
    reader = _Reader(allowed, void)
    reader.feed(html)
    reader.close()
    assert not reader.open
    return [line.rstrip() for line in reader.seen.splitlines() if line.strip()]


def seen_in(message: Message) -> list[str]:
    """Return the lines a reader sees of a body in whichever format."""
    if message.format == "html":
        return seen_in_html(message.body)
    if message.format == "markdown":
        return seen_in_markdown(message.body)
    return [line.rstrip() for line in message.body.splitlines()]


def assert_fit(message: Message) -> None:
    """Fail on what a service would cut or refuse: length, lines, control marks, broken markup."""
    whole = escape(message.title, message.format) + message.body
    assert len(whole.encode("utf-16-le")) // 2 <= MAX_CHARS
    assert len(message.body.splitlines()) <= 20
    assert message.title
    assert message.body
    for char in message.title + message.body.replace("\n", ""):
        assert unicodedata.category(char)[0] != "C", repr(char)
        assert unicodedata.category(char) not in {"Zl", "Zp"}, repr(char)
    seen_in(message)
