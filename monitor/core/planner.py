"""From changes to notices: who is told what, and when an incident is over. Pure functions on ``SubjectState``.

An incident runs, for each channel, from the first notice until the level is below what the channel asked for.
It ends with one closing message there if an alert of it was delivered; an alert that was still on its way is
withdrawn, and should it have been accepted after all, the closing message follows.

``Told`` holds, for each channel, the level it knows of once something was delivered, else the one on its way;
``OK`` says that the incident is over there, and the entry only waits for the fate of a message in flight.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.core.model import Facts, Level, Notice, NoticeKind, SubjectState, Told
from monitor.core.settings import ChannelRule


class Plan(NamedTuple):
    """What follows from one change."""

    state: SubjectState
    notices: tuple[Notice, ...] = ()
    withdrawn: tuple[str, ...] = ()  # channels whose pending notices of this subject are given up


def begin(subject: str, at_ms: int) -> SubjectState:
    """Return the state of a subject that was just seen for the first time."""
    return SubjectState(subject, Level.OK, at_ms, 0, Level.OK)


def rise(
    state: SubjectState,
    level: Level,
    channels: Sequence[ChannelRule],
    at_ms: int,
    facts: Facts,
    *,
    kind: NoticeKind = NoticeKind.ALERT,
    quiet: bool = False,
) -> Plan:
    """Tell every channel that asked for ``level`` that it was reached.

    Args:
        state: before the change.
        level: reached now; above ``state.level``, or equal when the same trouble grew.
        channels: all of them.
        at_ms: our wall clock.
        facts: what the message may say.
        kind: ALERT, BLIND or STORAGE.
        quiet: the position was opened inside this level; no reminders until it worsens.
    """
    opening = state.level is Level.OK
    told = dict(state.told)
    asking = [channel.name for channel in channels if channel.min_level <= level]
    for name in asking:
        before = told.get(name)
        if before is None or not before.delivered:
            told[name] = Told(level, at_ms)
        else:
            # It knows of the level it was told before until it accepts this one. One whose closing message is
            # still on its way believes in the trouble, and is owed the end of this incident instead.
            told[name] = Told(level if before.level is Level.OK else before.level, at_ms, delivered=True)
    after = SubjectState(
        subject=state.subject,
        level=level,
        since_ms=at_ms if level is not state.level else state.since_ms,
        incident=state.incident + opening,
        peak=level if opening else max(level, state.peak),
        sequence=state.sequence + 1,
        quiet=quiet,
        told=told,
    )
    return Plan(after, tuple(_notice(after, name, kind, state.level, at_ms=at_ms, facts=facts) for name in asking))


def fall(
    state: SubjectState,
    level: Level,
    channels: Sequence[ChannelRule],
    at_ms: int,
    facts: Facts,
    *,
    kind: NoticeKind = NoticeKind.CLOSED,
) -> Plan:
    """Record a lower level, and close the incident on channels that did not ask for it any more."""
    told = dict(state.told)
    asked = {channel.name: channel.min_level for channel in channels}
    closed: list[str] = []
    withdrawn: list[str] = []
    for name, before in state.told.items():
        if before.level is Level.OK:
            continue
        if name not in asked:
            del told[name]  # the channel was taken out of the configuration
        elif level is not Level.OK and level >= asked[name]:
            told[name] = Told(min(level, before.level), before.at_ms, before.delivered)
        else:
            told[name] = Told(Level.OK, at_ms, before.delivered)
            (closed if before.delivered else withdrawn).append(name)
    after = msgspec.structs.replace(
        state, level=level, since_ms=at_ms, sequence=state.sequence + 1, told=told,
        quiet=state.quiet and level > Level.OK,
    )  # fmt: skip
    notices = tuple(_notice(after, name, kind, state.peak, at_ms=at_ms, facts=facts) for name in closed)
    return Plan(after, notices, tuple(withdrawn))


def remind(
    state: SubjectState,
    reminder_s: float | None,
    channels: Sequence[ChannelRule],
    at_ms: int,
) -> tuple[str, ...]:
    """Return the channels that are due to be told again.

    A channel whose alert is still being retried is not: the alert itself will arrive.
    """
    if reminder_s is None or state.quiet or state.level is Level.OK:
        return ()
    return tuple(
        channel.name
        for channel in channels
        if channel.min_level <= state.level
        and (told := state.told.get(channel.name)) is not None
        and told.delivered
        and told.level >= state.level
        and at_ms - told.at_ms >= reminder_s * 1000
    )


def reminders(
    state: SubjectState, due: Sequence[str], at_ms: int, facts: Facts, *, kind: NoticeKind = NoticeKind.REMINDER
) -> Plan:
    """Tell the ``due`` channels that the level still holds."""
    told = {**state.told, **dict.fromkeys(due, Told(state.level, at_ms, delivered=True))}
    after = msgspec.structs.replace(state, sequence=state.sequence + 1, told=told)
    return Plan(after, tuple(_notice(after, name, kind, state.level, at_ms=at_ms, facts=facts) for name in due))


def settle(
    state: SubjectState, channel: str, *, accepted: bool, at_ms: int, facts: Facts, kind: NoticeKind
) -> Plan:
    """Record the fate of a notice on a channel; ``kind`` and ``facts`` serve a late closing message."""
    before = state.told.get(channel)
    if before is None:
        return Plan(state)
    told = dict(state.told)
    if before.level is not Level.OK:
        if accepted:
            told[channel] = Told(state.level, before.at_ms, delivered=True)
        return Plan(msgspec.structs.replace(state, told=told))
    if before.delivered or not accepted:
        del told[channel]  # the closing message met its fate, or the withdrawn alert never arrived
        return Plan(msgspec.structs.replace(state, told=told))
    # The incident ended while this alert was in flight: whoever got it must hear the end too.
    told[channel] = Told(Level.OK, at_ms, delivered=True)
    after = msgspec.structs.replace(state, told=told, sequence=state.sequence + 1)
    return Plan(after, (_notice(after, channel, kind, state.peak, at_ms=at_ms, facts=facts),))


def _notice(
    after: SubjectState, channel: str, kind: NoticeKind, previous: Level, *, at_ms: int, facts: Facts
) -> Notice:  # fmt: skip
    return Notice(
        # A subject that vanished and came back counts from the start again: only the time keeps its keys apart
        # from the earlier ones, which the outbox remembers and would not take a second time.
        key=f"{after.subject}#{at_ms}.{after.sequence}",
        channel=channel,
        subject=after.subject,
        kind=kind,
        level=after.level,
        previous=previous,
        decided_ms=at_ms,
        incident=after.incident,
        facts=facts,
    )
