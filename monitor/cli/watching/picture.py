"""One picture of the running daemon, as wide and as high as there is space. Pure.

Numbers of an answer that is old are never shown as if they were new: above them stands how old they are, and they
lose their colours.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from monitor.cli.watching.layout import Want, shared_out
from monitor.cli.watching.parts import Look, Part, parts
from monitor.notify.numbers import span
from monitor.notify.times import local_time

Line = list[Segment]

_TERSE = 70  # columns below which the head leaves out what is nice to know
_TITLED = 2  # lines below its titles from which a table has them
_DIM = Style(dim=True)
_ALARM = "bold white on red"


class _Drawn(NamedTuple):
    """A part as lines: its head stays, its rows are cut from the end."""

    part: Part
    head: list[Line]
    rows: list[Line]
    total: int  # rows that there would be

    @property
    def whole(self) -> int:
        return len(self.head) + self.total

    def want(self, height: int) -> Want:
        least = max(len(self.head) + 2, int(height * self.part.share))
        return Want(self.part.rank, min(self.whole, least), self.whole, self.part.weight)

    def cut(self, lines: int) -> tuple[list[Line], int]:
        """Return so many lines, of which the last may be free for saying how many rows are missing: those."""
        space = lines - len(self.head)
        if space >= self.total:
            return [*self.head, *self.rows], 0
        if self.part.titled and space < _TITLED:  # a row says more than what stands above it
            shown = min(self.total, max(1, lines - 1))
            return self.rows[:shown], self.total - shown
        shown = max(0, space - 1)
        return [*self.head, *self.rows[:shown]][:lines], self.total - shown


class Picture:
    """What there is to see at one moment: as much as the terminal has lines for, or ``whole``."""

    def __init__(self, look: Look, *, whole: bool = False) -> None:
        self._look = look
        self._whole = whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, None if self._whole else options.height or console.height
        plain = options.update(width=width, height=None)
        top = self._top(console, plain)
        body = self._body(console, plain, None if height is None else max(0, height - len(top)))
        lines = [*top, *body]
        for line in lines if height is None else lines[:height]:
            yield from map(_harmless, line)
            yield Segment.line()

    def _top(self, console: Console, options: ConsoleOptions) -> list[Line]:
        """Return what stands above everything: that nobody answers, if so, and what is shown as of when."""
        look = self._look
        lines = [*_alarm(look, options.max_width), _head(look, options.max_width)]
        return [line for one in lines for line in _lines(console, options, one)]

    def _body(self, console: Console, options: ConsoleOptions, height: int | None) -> list[Line]:
        look = self._look
        drawn = [_draw(console, options, part, height) for part in parts(look, options.max_width)]
        drawn = [one for one in drawn if one.head or one.rows]
        if height is None:
            shares = [one.whole for one in drawn]
        else:
            wants = [one.want(height) for one in drawn]
            shares = shared_out(wants, height)
            if not all(shares):  # a line says what is not there
                shares = shared_out(wants, height - 1)
        shown = [(one, share) for one, share in zip(drawn, shares, strict=True) if share]
        hidden = [one.part.name for one, share in zip(drawn, shares, strict=True) if not share]
        used = sum(shares) + bool(hidden) + sum(one.part.apart for one, _ in shown)
        gaps = height is None or used <= height
        lines: list[Line] = []
        for one, share in shown:
            if gaps and one.part.apart:
                lines.append([])
            mine, missing = one.cut(share)
            lines += mine
            if missing and len(mine) < share:
                more = Text(f"and {missing} more{one.part.more}", style="dim")
                lines += _lines(console, options, _one_line(more))[: share - len(mine)]
        if hidden:
            lines += _lines(console, options, _one_line(Text(f"No line left for: {', '.join(hidden)}", "dim")))
        return [list(_faded(line)) for line in lines] if look.is_old else lines


def _draw(console: Console, options: ConsoleOptions, part: Part, height: int | None) -> _Drawn:
    head = [line for one in part.head for line in _lines(console, options, one)]
    most = part.total if height is None else min(part.total, height)
    rows = [line for one in part.rows(most) for line in _lines(console, options, one)]
    if part.titled:  # the first line of its table
        head, rows = [*head, *rows[:1]], rows[1:]
    total = max(len(rows), part.total) if part.titled else len(rows)
    return _Drawn(part, head, rows, total)


def _alarm(look: Look, width: int) -> list[Text]:
    """Return that no answer comes, as large as that is; nothing while answers come."""
    if not look.is_old:
        return []
    what = "nothing is known yet" if look.seen is None else f"what stands below is {span(look.age_s)} old"
    first = Text(f" NO ANSWER from the daemon: {what}".ljust(width), _ALARM, no_wrap=True, overflow="ellipsis")
    why = look.silent or f"the daemon takes its time, {span(look.waiting_s)} by now"
    return [first, Text(f"{why[:1].upper()}{why[1:]}. It is asked again and again.", "bold red")]


def _head(look: Look, width: int) -> Text:
    """Return one line: where, how it stands, as of when, and how to end this; as much as there is space for."""
    right = look.as_of() if look.seen is not None else local_time(look.now_ms, look.zone)
    if look.ago_s:
        right += f", {span(look.ago_s)} ago"
    if look.keys and width >= _TERSE:
        right += "  q ends"
    titles = look.titles()
    left = next((one for one in titles if one.cell_len < width - len(right)), None)
    if left is None:  # how it stands matters more than when: an answer that is late has a line of its own
        left, right = next((one for one in titles if one.cell_len <= width), titles[-1]), ""
    left.pad_right(max(0, width - left.cell_len - len(right)))
    left.append(right, "dim")
    return _one_line(left, width)


def _one_line(text: Text, width: int | None = None) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    if width is not None:
        text.truncate(width, overflow="ellipsis")
    return text


def _lines(console: Console, options: ConsoleOptions, one: RenderableType) -> list[Line]:
    return console.render_lines(one, options, pad=False)


def _harmless(segment: Segment) -> Segment:
    """Return a piece of text without what a terminal would take for an order: names come from elsewhere."""
    if segment.text.isprintable() or segment.control:
        return segment
    return segment._replace(text="".join(one if one.isprintable() else "?" for one in segment.text))


def _faded(line: Iterable[Segment]) -> Iterator[Segment]:
    """Return a line without its colours: they would make old numbers look like new ones."""
    for segment in line:
        yield Segment(segment.text, _DIM, segment.control)
