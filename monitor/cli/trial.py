"""A test message on its way through several channels at once: what each answered, and what it is there for."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from rich.live import Live
from rich.text import Text

from monitor.cli.brief import short, span_of
from monitor.cli.common import console
from monitor.cli.tables import Column, FittedTable
from monitor.config.settings import ChannelSettings
from monitor.core.model import Level
from monitor.core.notices import Facts, Notice, NoticeKind
from monitor.errors import DeliveryError
from monitor.notify.message import render
from monitor.notify.numbers import span
from monitor.notify.reasons import in_words
from monitor.ports import Channel, Clock
from monitor.system_clock import SystemClock

_PICTURES_S = 0.1


class Outcome(NamedTuple):
    """What a channel answered; ``reason`` is a constant, empty if it accepted."""

    name: str
    reason: str
    took_s: float


class Trial:
    """Shows what came of it: a table that follows on a terminal, a line for each answer elsewhere.

    Args:
        tried: the channels that are tried.
        every: all that are configured, for what they do for each other.
        silent: print nothing.
        clock: for the time an answer takes.
    """

    def __init__(
        self,
        tried: Sequence[ChannelSettings],
        every: Sequence[ChannelSettings],
        *,
        silent: bool,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self._roles = {one.name: role(one, every) for one in tried}
        self._out = console()
        self._silent = silent
        self._live: Live | None = None
        self._answers: dict[str, Outcome] = {}
        self._started_s = 0.0

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What was answered so far, in the order of the configuration."""
        return tuple(self._answers[name] for name in self._roles if name in self._answers)

    @property
    def waiting(self) -> bool:
        """Whether an answer is still to come."""
        return len(self._answers) < len(self._roles)

    def __enter__(self) -> Self:
        self._started_s = self.clock.mono_s()
        if self._out.is_terminal and not self._silent:
            self._live = Live(self.table(), console=self._out, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self.draw()
            self._live.stop()
            for one in self.outcomes:
                if one.reason:
                    self._out.print(f"{one.name}: {in_words(one.reason)}", markup=False, soft_wrap=True)

    def answered(self, name: str, reason: str) -> None:
        """Take what a channel answered."""
        outcome = self._answers[name] = Outcome(name, reason, self.clock.mono_s() - self._started_s)
        if self._live is None and not self._silent:
            text = said(outcome, in_words(reason))
            self._out.print(f"{name}: {text} ({self._roles[name]})", markup=False, soft_wrap=True)

    def draw(self) -> None:
        """Show how it stands, where that is a picture."""
        if self._live is not None:
            self._live.update(self.table(), refresh=True)

    def table(self) -> FittedTable:
        """Return how it stands."""
        names = list(self._roles)
        return FittedTable(
            (
                Column("channel", names),
                Column("answer", [self._answer(name) for name in names]),
                Column("role", [self._roles[name] for name in names], 1),
            )
        )

    def _answer(self, name: str) -> Text:
        outcome = self._answers.get(name)
        if outcome is None:
            return Text(f"waiting, {self.clock.mono_s() - self._started_s:.0f} s", "yellow")
        return Text(said(outcome, short(outcome.reason)), "bold red" if outcome.reason else "green")


def said(outcome: Outcome, reason: str) -> str:
    """Return an answer in words, a failure in those of ``reason``, and how long it took."""
    return f"{reason if outcome.reason else 'accepted'} after {span_of(outcome.took_s * 1000)}"


def role(one: ChannelSettings, every: Sequence[ChannelSettings]) -> str:
    """Return what a channel is told, and which others stand in for it or it for them."""
    parts = [f"from {one.min_level.label} on"]
    if one.fallback:
        parts.append(f"{one.fallback} stands in after {span(one.fallback_after_s)}")
    if helped := [other.name for other in every if other.fallback == one.name]:
        parts.append(f"stands in for {', '.join(helped)}")
    if one.escalation:
        parts.append("escalation")
    if one.changes:
        parts.append("changes")
    if one.summary:
        parts.append("daily summary")
    return "; ".join(parts)


async def send_all(
    channels: Sequence[Channel],
    environment: str,
    *,
    level: Level | None = None,
    answered: Callable[[str, str], None] = lambda _name, _reason: None,
) -> dict[str, str]:
    """Send one test message to each channel, side by side; return by name why it failed, empty if accepted.

    Args:
        channels: where to.
        environment: stamped on the messages.
        level: as loud as this; None: as loud as a notice.
        answered: called with name and reason as each answers.
    """
    now_ms = SystemClock().wall_ms()
    outcomes = {channel.name: "" for channel in channels}

    async def send(channel: Channel) -> None:
        facts = Facts(environment=environment, detail=channel.name)
        notice = Notice(
            "test", channel.name, "/test", NoticeKind.TEST, Level.OK, Level.OK, now_ms, 0, facts
        )  # fmt: skip
        message = render(notice, fmt=channel.format, now_ms=now_ms)
        try:
            await channel.send(message if level is None else message._replace(level=level))
        except DeliveryError as error:
            outcomes[channel.name] = error.reason
        answered(channel.name, outcomes[channel.name])

    async with asyncio.TaskGroup() as group:
        for channel in channels:
            group.create_task(send(channel))
    return outcomes


async def show_all(channels: Sequence[Channel], environment: str, level: Level | None, trial: Trial) -> None:
    """Send one test message to each channel and show what is answered; return when all have answered."""
    async with asyncio.TaskGroup() as group:
        group.create_task(send_all(channels, environment, level=level, answered=trial.answered))
        while trial.waiting:
            trial.draw()
            await trial.clock.sleep(_PICTURES_S)
