"""From changes to notices: who is told what, and when an incident is over. Pure functions on ``SubjectState``.

An incident runs, for each channel, from the first notice until the level is below what the channel asked for.
It ends with one closing message there if an alert of it was delivered; an alert that was still on its way is
withdrawn, and should it have been accepted after all, the closing message follows.

``Told`` holds, for each channel, the level it knows of once something was delivered, else the one on its way;
``OK`` says that the incident is over there, and the entry only waits for the fate of a message in flight.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Facts, Fate, Notice, NoticeKind, SubjectState, Told
from monitor.core.settings import ChannelRule

# How soon a channel that refused a notice for good is tried again: addresses get mended while it runs.
REFUSED_S = 900.0
# A wall clock set back further than this would put reminders off for as long.
_CLOCK_STEP_MS = 60_000


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
        breached=(facts.liquidatable and not facts.assumed) or (state.breached and not opening),
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
            told[name] = Told(min(level, before.level), before.at_ms, before.delivered, before.refused)
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
    """Return the channels that are due to be told, again or, where one came later, at all.

    A channel whose alert is still being retried is not due: the alert itself will arrive.
    """
    if state.level is Level.OK:
        return ()
    return tuple(
        channel.name
        for channel in channels
        if channel.min_level <= state.level and _is_due(state, state.told.get(channel.name), reminder_s, at_ms)
    )


def _is_due(state: SubjectState, told: Told | None, reminder_s: float | None, at_ms: int) -> bool:
    if told is None:
        return True  # it was configured after the others were told
    if told.level is Level.OK:
        return False
    if told.refused:
        interval_s = REFUSED_S if reminder_s is None else min(reminder_s, REFUSED_S)
    elif reminder_s is None or state.quiet or not told.delivered or told.level < state.level:
        return False
    else:
        interval_s = reminder_s
    elapsed_ms = at_ms - told.at_ms
    return elapsed_ms >= interval_s * 1000 or elapsed_ms < -_CLOCK_STEP_MS


def reminders(
    state: SubjectState, due: Sequence[str], at_ms: int, facts: Facts, *, kind: NoticeKind = NoticeKind.REMINDER
) -> Plan:
    """Tell the ``due`` channels that the level still holds; for one that never heard of it, it is an alert."""
    told = dict(state.told)
    kinds = {}
    for name in due:
        before = told.get(name)
        heard = before is not None and before.delivered and before.level >= state.level
        kinds[name] = kind if heard or kind is not NoticeKind.REMINDER else NoticeKind.ALERT
        known = before.level if before is not None and before.delivered else state.level
        told[name] = Told(known, at_ms, before is not None and before.delivered)
    after = msgspec.structs.replace(state, sequence=state.sequence + 1, told=told)
    notices = (_notice(after, name, kinds[name], state.level, at_ms=at_ms, facts=facts) for name in due)
    return Plan(after, tuple(notices))


def reconcile(state: SubjectState, fates: Mapping[str, Fate]) -> SubjectState:
    """Return a restored state with what the outbox knows better.

    A crash can fall between recording an outcome in the outbox and in the state. A channel whose notice is in
    no table any more is forgotten, so that it is told; one that refused is due at once: a restart is when
    addresses have been mended.

    Args:
        state: as stored.
        fates: by channel, of the newest notice of this subject.
    """
    told = dict(state.told)
    for name, before in state.told.items():
        fate = fates.get(name)
        current = fate is not None and fate.decided_ms >= before.at_ms
        if before.level is Level.OK:
            if before.refused or (current and fate is not None and fate.state == "refused" and before.delivered):
                told[name] = Told(Level.OK, 0, before.delivered, refused=True)
                continue
            settled = current and fate is not None and fate.state != "pending"
            if settled and (before.delivered or fate is None or fate.state != "accepted"):
                del told[name]  # the closing message met its fate, or the withdrawn alert never arrived
        elif current and fate is not None and fate.state == "accepted":
            told[name] = Told(state.level, before.at_ms, delivered=True)
        elif before.refused or (current and fate is not None and fate.state == "refused"):
            told[name] = Told(before.level, 0, before.delivered, refused=True)
        elif not before.delivered and not (current and fate is not None and fate.state == "pending"):
            del told[name]
    return msgspec.structs.replace(state, told=told)


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
        else:
            told[channel] = Told(before.level, at_ms, before.delivered, refused=True)
        return Plan(msgspec.structs.replace(state, told=told))
    if before.delivered and not accepted:
        told[channel] = Told(
            Level.OK, at_ms, delivered=True, refused=True
        )  # whoever believes in it is owed the end
        return Plan(msgspec.structs.replace(state, told=told))
    if before.delivered or not accepted:
        del told[channel]  # the closing message arrived, or the withdrawn alert never did
        return Plan(msgspec.structs.replace(state, told=told))
    # The incident ended while this alert was in flight: whoever got it must hear the end too.
    told[channel] = Told(Level.OK, at_ms, delivered=True)
    after = msgspec.structs.replace(state, told=told, sequence=state.sequence + 1)
    return Plan(after, (_notice(after, channel, kind, state.peak, at_ms=at_ms, facts=facts),))


def owed(state: SubjectState, at_ms: int) -> tuple[str, ...]:
    """Return the channels that refused the end of an incident and are due to be told it again."""
    return tuple(
        name
        for name, told in state.told.items()
        if told.level is Level.OK and told.refused and not 0 <= at_ms - told.at_ms < REFUSED_S * 1000
    )


def close_again(
    state: SubjectState, channels: Sequence[str], at_ms: int, facts: Facts, *, kind: NoticeKind
) -> Plan:
    """Tell these channels once more that the incident is over."""
    told = {**state.told, **dict.fromkeys(channels, Told(Level.OK, at_ms, delivered=True))}
    after = msgspec.structs.replace(state, sequence=state.sequence + 1, told=told)
    notices = (_notice(after, name, kind, state.peak, at_ms=at_ms, facts=facts) for name in channels)
    return Plan(after, tuple(notices))


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
