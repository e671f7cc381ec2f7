"""Labelled lines as text, HTML or Markdown, within the length that services take. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from monitor.notify.words import Line

MAX_CHARS = 4096  # Telegram's limit, title included; the smallest of the services that matter
MOST_LINES = 20  # of a body: more is read by nobody in danger
CAPTION_CHARS = 1024  # what Telegram takes beside a picture, title included
_JOIN_CHARS = 32  # what a service may add to join title and body
# Beside a picture, which shows how it came to this, and where there is much else to say, an alert can do without
# them; the first is missed least.
_LEAST_TELLING = ("More", "Tick", "Wallet", "Account", "Brackets", "Reducing")  # the title names the account, too


class Form(NamedTuple):
    """How one format writes a line."""

    name: str
    escape: Callable[[str], str]
    line: str  # of label and text, both escaped
    end: str  # between lines

    def written(self, line: Line) -> str:
        """Return one line, without its end."""
        return self.line.format(label=self.escape(line.label), text=self.escape(line.text))

    def cost(self, written: str) -> int:
        """Return what a line and its end take of the room."""
        return units(written) + len(self.end)


def form_of(fmt: str) -> Form:
    """Return the form of ``text``, ``html`` or ``markdown``; text for all else: no alert is lost to a format."""
    return _FORMS.get(fmt, _FORMS["text"])


def escape(text: str, fmt: str) -> str:
    """Return ``text`` with everything escaped that ``fmt`` (text, html or markdown) would read as markup."""
    return form_of(fmt).escape(text)


def units(text: str) -> int:
    """Return the length as Telegram counts it: in UTF-16 code units."""
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)  # noqa: PLR2004 - beyond one code unit


def room_beside(title: str, form: Form) -> int:
    """Return how many units a body may have beside this title."""
    return MAX_CHARS - _JOIN_CHARS - units(form.escape(title))


def fitted(lines: Iterable[Line], form: Form, room: int) -> str:
    """Join the lines that fit, first ones first; a line is taken whole or not at all, so no markup breaks."""
    taken: list[str] = []
    for line in lines:
        text = form.written(line)
        room -= form.cost(text)
        if room < 0:
            break
        taken.append(text)
    return form.end.join(taken)


def within(lines: Iterable[Line]) -> list[Line]:
    """Return lines without the least telling, as many as have to go for there to be no more than 20."""
    kept = list(lines)
    for label in _LEAST_TELLING:
        if len(kept) <= MOST_LINES:
            break
        kept = [line for line in kept if line.label != label]
    return kept


def captioned(lines: Sequence[Line], form: Form, title: str) -> str:
    """Return lines as a caption: without the least telling, as many as have to go; empty where that is not enough.

    Args:
        lines: all that there is to say.
        form: how they are written.
        title: what stands before them.
    """
    room = CAPTION_CHARS - _JOIN_CHARS - units(form.escape(title))
    for count in range(len(_LEAST_TELLING) + 1):
        kept = [form.written(line) for line in lines if line.label not in _LEAST_TELLING[:count]]
        if sum(map(form.cost, kept)) <= room:
            return form.end.join(kept)
    return ""


def _escape_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_markdown(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_[]<>#|~&" else char for char in text)


_FORMS = {
    "text": Form("text", str, "{label}: {text}", "\n"),
    "html": Form("html", _escape_html, "<b>{label}:</b> {text}", "<br>\n"),
    "markdown": Form("markdown", _escape_markdown, "- **{label}:** {text}", "\n"),
}
