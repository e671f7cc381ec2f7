import pytest

from monitor.notify.layout import escape, fitted, form_of, room_beside, units
from monitor.notify.words import Line


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
