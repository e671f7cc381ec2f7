import pytest

from monitor.notify.layout import CAPTION_CHARS, captioned, escape, fitted, form_of, room_beside, units
from monitor.notify.words import Line
from tests.notify.golden import messages


def test_length_is_counted_as_telegram_counts_it() -> None:
    """Beyond the first plane a character is two units."""
    assert (units("a币"), units("\U0001f4a5")) == (2, 2)


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        ("text", "<a>&*_`[x]"),
        ("html", "&lt;a&gt;&amp;*_`[x]"),
        ("markdown", "\\<a\\>\\&\\*\\_\\`\\[x\\]"),
        ("rtf", "<a>&*_`[x]"),
    ],
)
def test_markup_is_escaped_for_the_format(fmt: str, text: str) -> None:
    """And for one that nobody knows, nothing is: it is sent as text."""
    assert escape("<a>&*_`[x]", fmt) == text


def test_a_line_fits_whole_or_not_at_all() -> None:
    """Half a line could be half an entity; what follows one that does not fit is left out too."""
    lines = [Line("a", "1"), Line("b", "&" * 9), Line("c", "3")]
    html = form_of("html")
    first = html.written(lines[0])
    whole = sum(html.cost(html.written(line)) for line in lines)
    assert fitted(lines, html, whole) == html.end.join(map(html.written, lines))
    assert fitted(lines, html, whole - 1) == html.end.join(map(html.written, lines[:2]))
    assert fitted(lines, html, html.cost(first)) == first
    assert not fitted(lines, html, html.cost(first) - 1)


def test_the_title_takes_its_share_as_it_will_be_joined() -> None:
    """Escaped, and with what a service puts between the two."""
    assert room_beside("", form_of("html")) - room_beside("&<", form_of("html")) == 9
    assert room_beside("", form_of("text")) < 4096


def test_a_caption_leaves_out_no_more_than_it_has_to() -> None:
    """What is missed least goes first; what somebody has to do stays, or there is no caption."""
    lines = [Line("To do", "x" * 600), Line("Wallet", "y" * 200), Line("Tick", "z" * 200), Line("Alert 1", "ack")]
    form = form_of("text")
    assert captioned(lines[:2], form, "t") == form.end.join(map(form.written, lines[:2]))
    assert captioned(lines, form, "t") == form.end.join(form.written(lines[i]) for i in (0, 1, 3))
    assert captioned(lines, form, "t" * 200) == form.end.join(form.written(lines[i]) for i in (0, 3))
    assert captioned([Line("To do", "x" * 1000)], form, "t") == ""
    rest = [Line("To do", "x" * 600), Line("Tick", "z" * 350), Line("More", "w" * 50)]
    assert captioned(rest, form, "t") == form.end.join(map(form.written, rest[:2]))


def test_alerts_with_amounts_are_one_message_with_their_picture() -> None:
    """On Telegram, which takes a thousand characters beside one: with all that there is to do."""
    alerts = {name: one for name, one in messages("html").items() if "To be safe" in one.body}
    alone = {name: one for name, one in alerts.items() if not name.startswith(("group", "late with"))}
    assert len(alone) >= 8
    for name, one in alone.items():
        assert one.caption, name
        assert units(one.title) + units(one.caption) < CAPTION_CHARS
        told = one.caption.split("<br>\n")
        whole = one.body.split("<br>\n")
        kept = [
            line for line in whole if line.startswith(("<b>To do", "<b>To be safe", "<b>Adding", "<b>Reducing"))
        ]
        assert kept
        assert all(line in told for line in kept), name
