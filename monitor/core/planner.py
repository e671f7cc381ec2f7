"""From changes to notices: who is told what, and when an incident is over. Pure functions on ``SubjectState``.

An incident runs, for each channel, from the first notice until the level is below what the channel asked for.
It ends with one closing message there if an alert of it was delivered; an alert that was still on its way is
withdrawn, and should it have been accepted after all, the closing message follows.
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
    incident = state.incident + opening
    sequence = state.sequence + 1
    notices = []
    for channel in channels:
        if channel.min_level > level:
            continue
        before = told.get(channel.name)
        told[channel.name] = Told(level, at_ms, before is not None and before.delivered)
        notices.append(
            Notice(
                _key(state.subject, incident, sequence), channel.name, state.subject, kind, level, state.level,
                at_ms, incident, facts,
            )
        )  # fmt: skip
    after = SubjectState(
        subject=state.subject,
        level=level,
        since_ms=at_ms if level is not state.level else state.since_ms,
        incident=incident,
        peak=level if opening else max(level, state.peak),
        sequence=sequence,
        quiet=quiet,
        told=told,
    )
    return Plan(after, tuple(notices))


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
    sequence = state.sequence + 1
    notices: list[Notice] = []
    withdrawn: list[str] = []
    for name, before in state.told.items():
        if before.level is Level.OK:
            continue
        if name not in asked:
            del told[name]  # the channel was taken out of the configuration
        elif level is not Level.OK and level >= asked[name]:
            told[name] = Told(min(level, before.level), before.at_ms, before.delivered)
        elif before.delivered:
            del told[name]
            notices.append(
                Notice(
                    _key(state.subject, state.incident, sequence), name, state.subject, kind, level, state.peak,
                    at_ms, state.incident, facts,
                )
            )  # fmt: skip
        else:
            told[name] = Told(Level.OK, at_ms)
            withdrawn.append(name)
    after = msgspec.structs.replace(
        state, level=level, since_ms=at_ms, sequence=sequence, told=told, quiet=state.quiet and level > Level.OK
    )
    return Plan(after, tuple(notices), tuple(withdrawn))


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
        and at_ms - told.at_ms >= reminder_s * 1000
    )


def reminders(
    state: SubjectState, due: Sequence[str], at_ms: int, facts: Facts, *, kind: NoticeKind = NoticeKind.REMINDER
) -> Plan:
    """Tell the ``due`` channels that the level still holds."""
    sequence = state.sequence + 1
    told = dict(state.told)
    notices = []
    for name in due:
        told[name] = Told(state.level, at_ms, delivered=True)
        notices.append(
            Notice(
                _key(state.subject, state.incident, sequence), name, state.subject, kind, state.level, state.level,
                at_ms, state.incident, facts,
            )
        )  # fmt: skip
    return Plan(msgspec.structs.replace(state, sequence=sequence, told=told), tuple(notices))


def settle(
    state: SubjectState, channel: str, *, accepted: bool, at_ms: int, facts: Facts, kind: NoticeKind
) -> Plan:
    """Record the fate of a notice on a channel; ``kind`` and ``facts`` serve a late closing message."""
    before = state.told.get(channel)
    if before is None:
        return Plan(state)
    told = dict(state.told)
    if before.level is not Level.OK:
        told[channel] = Told(before.level, before.at_ms, before.delivered or accepted)
        return Plan(msgspec.structs.replace(state, told=told))
    # The incident ended while this alert was in flight: whoever got it must hear the end too.
    del told[channel]
    if not accepted:
        return Plan(msgspec.structs.replace(state, told=told))
    sequence = state.sequence + 1
    closing = Notice(
        _key(state.subject, state.incident, sequence), channel, state.subject, kind, state.level, state.peak,
        at_ms, state.incident, facts,
    )  # fmt: skip
    return Plan(msgspec.structs.replace(state, told=told, sequence=sequence), (closing,))


def _key(subject: str, incident: int, sequence: int) -> str:
    return f"{subject}#{incident}.{sequence}"
