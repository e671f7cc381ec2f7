from hypothesis import given
from hypothesis import strategies as st

from monitor.core.model import Level
from monitor.notify.message import escape
from monitor.notify.plain import MOST_CHARS, plain
from monitor.ports import Message


@given(text=st.text(alphabet="ab<>&*_\\#|~`.!()[]-1 币", max_size=60))
def test_markup_goes_and_the_words_stay(text: str) -> None:
    """What was escaped for a format reads as before it was."""
    for fmt, line in (("html", "<b>Mark:</b> {}<br>\nend"), ("markdown", "- **Mark:** {}\nend")):
        simple = plain(Message("t", line.format(escape(text, fmt)), fmt, Level.WARNING, b"picture"))
        assert simple is not None
        assert simple.body.removeprefix("- ") == f"Mark: {text}\nend"
        assert (simple.format, simple.chart) == ("text", None)


def test_a_long_body_loses_its_last_lines() -> None:
    """A service may have refused the length; whole lines stay."""
    simple = plain(Message("t", "\n".join(["line of text"] * 400), "text", Level.OK))
    assert simple is not None
    assert len(simple.body) <= MOST_CHARS
    assert set(simple.body.splitlines()) == {"line of text", "..."}


def test_what_is_plain_has_no_plainer_form() -> None:
    """So it is not sent twice."""
    assert plain(Message("t", "Mark: 1", "text", Level.OK, b"picture")) is None
