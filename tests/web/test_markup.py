"""What comes from outside never becomes part of the page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.web.page.markup import Html, table, tag, text

HOSTILE = """<img src=x onerror=alert(1)>"'&\u202e\x00"""


def test_children_and_attributes_are_escaped_and_markup_is_not() -> None:
    """Only what was made by ``tag`` is taken as it is."""
    made = tag("p", HOSTILE, tag("b", "x"), title='"><script>')
    assert "<img" not in made
    assert "<script>" not in made
    assert made.endswith("<b>x</b></p>")
    assert "\u202e" not in tag("p", title=HOSTILE)
    assert '"&gt;' not in made.partition(">")[0]


def test_attributes_are_left_out_or_bare() -> None:
    """None and False are nothing, True has no value; names of Python become those of HTML."""
    assert tag("input", hidden=True, id=None, required=False, aria_label="a", class_="b") == (
        '<input hidden aria-label="a" class="b">'
    )


@given(st.text())
def test_any_text_is_text(value: str) -> None:
    """Whatever it is: no bracket, no quote, no control or direction mark is left of it."""
    made = text(value)
    assert not set(made) & set("<>\"'")
    assert not set(made) & {"\x00", "\n", "\x1b", "\u202e"}


def test_blanks_between_elements_stay() -> None:
    """Words beside an element are not glued to it."""
    assert tag("p", "Room ", tag("b", "5 %"), " left") == "<p>Room <b>5 %</b> left</p>"
    assert text(" a\nb ") == " a b "


def test_a_table_names_its_rows_and_columns_for_those_who_do_not_see_it() -> None:
    """A caption, headings with a scope, and a region that a keyboard reaches to scroll."""
    made = table("Things", (("Name", ""), ("Size", "num")), [("a", "1")])
    assert '<caption class="unseen">Things</caption>' in made
    assert '<th scope="col" class="num">Size</th>' in made
    assert '<th scope="row">a</th><td class="num">1</td>' in made
    assert 'tabindex="0"' in made


def test_a_row_that_does_not_fit_its_table_is_a_mistake() -> None:
    """A cell too few would move all others under the wrong heading."""
    with pytest.raises(ValueError, match="shorter"):
        table("Things", (("Name", ""), ("Size", "num")), [("a",)])
    assert isinstance(table("Things", (("Name", ""),), []), Html)
