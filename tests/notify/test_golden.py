"""Every kind of message in every format, word for word; see ``golden.py`` for how to renew the files."""

import pytest

from monitor.core.notices import NoticeKind
from tests.notify import golden
from tests.notify.markup import assert_fit, seen_in


@pytest.mark.parametrize("fmt", golden.FORMATS)
def test_messages_are_as_they_were_read_and_approved(fmt: str) -> None:
    """A change of words is a change of the product: it is seen in a diff, not found on a phone."""
    kept = golden.path_of(fmt).read_text(encoding="utf-8")
    assert golden.written(fmt).split("\n=== ") == kept.split("\n=== ")


@pytest.mark.parametrize("fmt", golden.FORMATS)
def test_kept_messages_are_such_as_services_take(fmt: str) -> None:
    """Length, lines, no control marks, markup that is known and closed."""
    for message in golden.messages(fmt).values():
        assert_fit(message)


@pytest.mark.parametrize("fmt", ["html", "markdown"])
def test_no_format_loses_or_adds_a_word(fmt: str) -> None:
    """What a reader sees of the markup is the text, line for line; only a cut may end it sooner."""
    plain = golden.messages("text")
    for name, message in golden.messages(fmt).items():
        expected = seen_in(plain[name])
        assert message.title == plain[name].title
        assert seen_in(message) == expected, name


def test_every_kind_of_notice_is_kept() -> None:
    """A new kind needs words that somebody has read."""
    assert {one.kind for one in golden._SINGLE.values()} == set(NoticeKind)
