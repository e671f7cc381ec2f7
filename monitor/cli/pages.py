"""Markdown in a terminal, with tables in which no word is cut."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_GAP = 1  # cells between columns
_INDENT = 2


class _WholeWords(TableElement):
    """A table as wide as there is space; where its words do not fit side by side, a paragraph for each row."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        heads = (
            [] if self.header is None or self.header.row is None else [c.content for c in self.header.row.cells]
        )
        rows = [] if self.body is None else [[cell.content for cell in row.cells] for row in self.body.rows]
        widths = _widths(list(zip(heads, *rows, strict=True)), options.max_width - _GAP * (len(heads) - 1))
        if not widths:
            yield from _paragraphs(heads, rows)
            return
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for head, width in zip(heads, widths, strict=True):
            table.add_column(head, width=width)
        for row in rows:
            table.add_row(*row)
        yield table


class Page(Markdown):
    """Markdown whose tables keep their words whole."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "table_open": _WholeWords}


def _widths(columns: Sequence[Sequence[Text]], space: int) -> list[int]:
    """Return the cells of each column; nothing where their longest words do not fit side by side.

    What is left beyond these is shared; who lacks less than a share takes no more.
    """
    needed = [max(cell.cell_len for cell in column) for column in columns]
    widths = [max(map(_longest_word, column)) for column in columns]
    spare = space - sum(widths)
    if spare < 0:
        return []
    lacking = [need - width for need, width in zip(needed, widths, strict=True)]
    by_need = sorted(range(len(columns)), key=lacking.__getitem__)
    for sharers, column in zip(range(len(columns), 0, -1), by_need, strict=True):
        more = min(spare // sharers, lacking[column])
        widths[column] += more
        spare -= more
    return widths


def _longest_word(cell: Text) -> int:
    return max((cell_len(word) for word in cell.plain.split()), default=0)


def _paragraphs(heads: Sequence[Text], rows: Sequence[Sequence[Text]]) -> Iterator[Text | Padding]:
    for name, *cells in rows:
        words = [Text.assemble(head, " ", cell) for head, cell in zip(heads[1:], cells, strict=True) if cell.plain]
        yield Text(name.plain, "bold")
        yield Padding(Text("; ").join(words), (0, 0, 0, _INDENT))
