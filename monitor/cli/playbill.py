"""What a drill shows while it runs and when it is over: each step, each message, and what channels answered."""

import asyncio
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from rich.console import Group
from rich.live import Live
from rich.text import Text

from monitor.cli.brief import short, span_of
from monitor.cli.common import console, counted
from monitor.cli.rehearsal import Try
from monitor.cli.scenarios import DWELL_MIN, Scenario
from monitor.cli.tables import STYLES
from monitor.core.notices import NoticeKind
from monitor.core.settings import ChannelRule
from monitor.notify.numbers import span
from monitor.notify.reasons import in_words
from monitor.ports import Clock
from monitor.storage.outbox import OutboxRow, OutboxState

_PICTURES_S = 0.1
_TAKEN = len("00:00  ")
# What the drill itself found out may be decided when it is over.
_ABOUT_CHANNELS = (NoticeKind.CHANNEL, NoticeKind.CHANNEL_BACK)

Result = TypeVar("Result")


class Playbill:
    """Follows a drill: a picture that grows on a terminal, a line for each step and answer elsewhere.

    Args:
        scenario: what is played.
        rules: of the channels that take part.
        speed: minutes of the story in a minute.
        silent: print nothing.
        clock: for what is under way.
    """

    def __init__(
        self, scenario: Scenario, rules: Sequence[ChannelRule], speed: float, *, silent: bool, clock: Clock
    ) -> None:
        self._scenario = scenario
        self._rules = rules
        self._speed = speed
        self._silent = silent
        self._clock = clock
        self._out = console()
        self._live: Live | None = None
        self._began_s = clock.mono_s()
        self._rows: list[tuple[float, str] | Try] = []

    def __enter__(self) -> Self:
        self._began_s = self._clock.mono_s()
        if self._silent:
            return self
        for line in self._head():
            self._out.print(line, soft_wrap=not self._out.is_terminal)
        if self._out.is_terminal:
            self._live = Live(self.picture(), console=self._out, auto_refresh=False, vertical_overflow="visible")
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)
            self._live.stop()

    @property
    def tries(self) -> list[Try]:
        """All messages so far, with what became of them."""
        return [row for row in self._rows if isinstance(row, Try)]

    def told(self, what: str | Try) -> None:
        """Take a step of the script, or a message that is handed over or answered."""
        if isinstance(what, str):
            self._rows.append((self._clock.mono_s() - self._began_s, what))
        elif what.took_s is None:
            self._rows.append(what)
            return
        else:
            under_way = what._replace(took_s=None, reason="")
            self._rows[self._rows.index(under_way)] = what
        if self._live is None and not self._silent:
            self._out.print(self._line(what if isinstance(what, Try) else self._rows[-1]), soft_wrap=True)

    async def watching(self, drill: Coroutine[Any, Any, Result]) -> Result:
        """Run a drill, and draw it meanwhile."""
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(drill)
            while not playing.done():
                if self._live is not None:
                    self._live.update(self.picture(), refresh=True)
                await asyncio.wait({playing}, timeout=_PICTURES_S)
        return playing.result()

    def picture(self) -> Group:
        """Return how it stands."""
        lines = [self._line(row, self._out.width) for row in self._rows]
        return Group(*lines, Text(self._course(), style="dim"))

    def problems(self, rows: Sequence[OutboxRow]) -> tuple[str, ...]:
        """Return what went wrong, in words; empty if each message was accepted.

        Args:
            rows: the ledger that the drill left.
        """
        found = []
        for rule in self._rules:
            mine = [row for row in rows if row.channel == rule.name]
            lost = [row for row in mine if row.state is not OutboxState.ACCEPTED and row.attempts]
            waiting = [
                row for row in mine
                if row.state is OutboxState.PENDING and not row.attempts and row.kind not in _ABOUT_CHANNELS
            ]  # fmt: skip
            if lost:
                reasons = ", ".join(dict.fromkeys(in_words(row.last_reason) for row in lost if row.last_reason))
                found.append(
                    f"{rule.name}: {counted(len(lost), 'message')} not accepted: {reasons or 'no answer'}"
                )
            if waiting:
                found.append(f"{rule.name}: {counted(len(waiting), 'message')} not sent in time")
        if not self.tries:
            asked = ", ".join(f"{rule.name} is told from {rule.min_level.label} on" for rule in self._rules)
            found.append(f"nothing of this scenario is for these channels: {asked}")
        return tuple(found)

    def document(self, problems: Sequence[str]) -> dict[str, object]:
        """Return the outcome as a program reads it."""
        return {
            "scenario": self._scenario.name,
            "speed": self._speed,
            "messages": [
                {
                    "at_s": round(one.at_s, 3), "channel": one.channel, "title": one.message.title,
                    "level": one.message.level.label, "accepted": one.took_s is not None and not one.reason,
                    "reason": one.reason, "took_s": None if one.took_s is None else round(one.took_s, 3),
                }
                for one in self.tries
            ],
            "problems": problems,
        }  # fmt: skip

    def _head(self) -> list[Text]:
        story_s = self._scenario.minutes * 60
        names = ", ".join(rule.name for rule in self._rules)
        return [
            Text.assemble(("DRILL", "reverse"), f"  {self._scenario.name}: {self._scenario.words}"),
            Text(
                f"To {names}. {span(story_s)} told in {span(story_s / self._speed)}: fallback, escalation and "
                f"pace are quicker, the dwell time is {span(DWELL_MIN * 60 / self._speed)}, no reminders.",
                style="dim",
            ),
        ]

    def _course(self) -> str:
        gone_s, lasts_s = self._clock.mono_s() - self._began_s, self._scenario.minutes / self._speed * 60
        under_way = sum(one.took_s is None for one in self.tries)
        sent = sum(one.took_s is not None and not one.reason for one in self.tries)
        left = f"{gone_s:.0f} s of {lasts_s:.0f} s" if gone_s < lasts_s else "the script is over"
        return f"{left}; {counted(sent, 'message')} accepted, {under_way} under way"

    def _line(self, row: tuple[float, str] | Try, width: int | None = None) -> Text:
        """Return one row; cut to ``width``, so that what a channel answered is never lost."""
        if not isinstance(row, Try):
            line = Text.assemble(f"{_clock(row[0])}  ", (row[1], "italic"))
            if width is not None:
                line.truncate(width, overflow="ellipsis")
            return line
        answer = self._answer(row)
        before, title = f"  > {row.channel}: ", Text(row.message.title, STYLES[row.message.level.label])
        if width is not None:
            space = width - _TAKEN - len(before) - answer.cell_len - 2
            title.truncate(max(space, 10), overflow="ellipsis")
        return Text.assemble(f"{_clock(row.at_s)}  ", before, title, "  ", answer)

    def _answer(self, row: Try) -> Text:
        if row.took_s is None:
            return Text(f"waiting, {self._clock.mono_s() - self._began_s - row.at_s:.0f} s", "yellow")
        took = span_of(row.took_s * 1000)
        return (
            Text(f"{short(row.reason)} after {took}", "bold red")
            if row.reason
            else Text(f"accepted after {took}", "green")
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02}:{rest:02}"
