"""HTML put together so that nothing from outside can become part of it: what is not ``Html`` is escaped. Pure."""

from collections.abc import Iterable
from html import escape

from monitor.notify.words import clean

_MOST_CHARS = 400
_VOID = frozenset({"br", "input", "link", "meta", "hr"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(element: str, /, *children: str | None, **attributes: str | bool | None) -> Html:
    """Return an element. Attributes of None or False are left out; ``_`` in a name is ``-``, or ends it."""
    parts = [
        f" {_name(key)}" if value is True else f' {_name(key)}="{escape(_visible(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    opening = f"<{element}{''.join(parts)}>"
    return Html(opening if element in _VOID else f"{opening}{joined(children)}</{element}>")


def joined(children: Iterable[str | None]) -> Html:
    """Return one after the other; None is nothing."""
    return Html("".join(one if isinstance(one, Html) else text(one) for one in children if one is not None))


def text(value: str) -> Html:
    """Return what came from outside: on one line, without control marks, and never as markup."""
    if len(value) <= _MOST_CHARS and value.isprintable() and "  " not in value:
        return Html(escape(value))
    before, after = value[:1].isspace(), value[-1:].isspace()  # beside other elements blanks mean something
    return Html(f"{' ' * before}{escape(clean(value, most=_MOST_CHARS))}{' ' * after}")


def table(caption: str, heads: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]]) -> Html:
    """Return a table that scrolls by itself where it is too wide; the first cell of a row is its heading.

    Args:
        caption: what it is, for those who do not see it.
        heads: title and class of each column, such as "num", "wide" where it may go on a narrow screen, or both.
        rows: cells, as many as there are heads.
    """
    columns = list(heads)
    head = tag("tr", *(tag("th", title, scope="col", class_=kind or None) for title, kind in columns))
    body = [_row(columns, list(row)) for row in rows]
    whole = tag("table", tag("caption", caption, class_="unseen"), tag("thead", head), tag("tbody", *body))
    return tag("div", whole, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _row(columns: list[tuple[str, str]], cells: list[str]) -> Html:
    first, *others = zip(columns, cells, strict=True)
    return tag(
        "tr",
        tag("th", first[1], scope="row", class_=first[0][1] or None),
        *(tag("td", cell, class_=kind or None) for (_, kind), cell in others),
    )


def _visible(value: str) -> str:
    """Return an attribute's value without marks that change what others look like; of any length."""
    return value if value.isprintable() else clean(value, most=len(value))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
