"""From changes to notices: who is told what, and when an incident is over. Pure functions on ``SubjectState``.

An incident runs, for each channel, from the first notice until the level is below what the channel asked for.
It ends with one closing message there if an alert of it was delivered; an alert that was still on its way is
withdrawn, and should it have been accepted after all, the closing message follows.

``Told`` holds, for each channel, the level it knows of once something was delivered, else the one on its way;
``OK`` says that the incident is over there, and the entry only waits for the fate of a message in flight.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Facts, Fate, Notice, NoticeKind, SubjectState, Told
from monitor.core.settings import ChannelRule

# How soon a channel that refused a notice for good is tried again: addresses get mended while it runs.
REFUSED_S = 300.0
# A wall clock set back further than this would put reminders off for as long.
_CLOCK_STEP_MS = 60_000


class Plan(NamedTuple):
    """What follows from one change."""

    state: SubjectState
    notices: tuple[Notice, ...] = ()
    withdrawn: tuple[str, ...] = ()  # channels whose pending notices of this subject are given up


class Outcome(NamedTuple):
    """What a channel did with a notice: took it, or refused it for good."""

    channel: str
    key: str
    accepted: bool
    level: Level = Level.OK  # of the notice; ok is the end of an incident


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
    number: int = 0,
    held: bool = False,
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
        number: of the incident, if this opens one.
        held: a person asked for quiet about no worse than this; it is recorded and told once that is over.
    """
    opening = state.level is Level.OK
    told = dict(state.told)
    asking = [] if held else [c.name for c in channels if asked_level(c, told.get(c.name)) <= level]
    after = SubjectState(
        subject=state.subject,
        level=level,
        since_ms=at_ms if level is not state.level else state.since_ms,
        incident=state.incident + opening,
        peak=level if opening else max(level, state.peak),
        sequence=state.sequence + 1,
        quiet=quiet,
        breached=(facts.liquidatable and not facts.assumed) or (state.breached and not opening),
        number=number if opening else state.number,
        loud_ms=0 if level < Level.CRITICAL else (state.loud_ms or at_ms),
    )
    key = key_of(after, at_ms)
    for name in asking:
        before = told.get(name)
        if before is None:
            told[name] = Told(level, at_ms, awaited=key, waiting_ms=at_ms)
            continue
        over = before.level is Level.OK
        # It knows of the level it was told before until it accepts this one. One whose closing message is still on
        # its way believes in the trouble, and is owed the end of this incident instead.
        known = before.level if before.delivered and not over else level
        waiting_ms = at_ms if over else (before.waiting_ms or at_ms)
        told[name] = Told(
            known, at_ms, before.delivered, awaited=key, waiting_ms=waiting_ms,
            uncertain=before.uncertain and not over, lent=None if over else before.lent,
        )  # fmt: skip
    after = msgspec.structs.replace(after, told=told)
    return Plan(
        after, tuple(notice_of(after, name, kind, state.level, at_ms=at_ms, facts=facts) for name in asking)
    )


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
    asked = {channel.name: asked_level(channel, state.told.get(channel.name)) for channel in channels}
    closed: list[str] = []
    withdrawn: list[str] = []
    after = msgspec.structs.replace(
        state, level=level, since_ms=at_ms, sequence=state.sequence + 1,
        quiet=state.quiet and level > Level.OK, loud_ms=state.loud_ms if level >= Level.CRITICAL else 0,
    )  # fmt: skip
    key = key_of(after, at_ms)
    for name, before in state.told.items():
        if before.level is Level.OK:
            continue
        if name not in asked:
            # The channel was taken out of the configuration. Should it come back, this alert is no news any more.
            del told[name]
            if before.awaited:
                withdrawn.append(name)
        elif level is not Level.OK and level >= asked[name]:
            told[name] = msgspec.structs.replace(before, level=min(level, before.level))
        elif before.delivered or before.uncertain:
            # Who may have heard the alert hears the end: one too many is a smaller harm than none.
            told[name] = Told(Level.OK, at_ms, delivered=True, awaited=key, waiting_ms=at_ms)
            closed.append(name)
        else:
            # Of what was refused nothing is on its way any more: nobody would ever settle the entry.
            del told[name]
            if before.awaited:
                told[name] = Told(Level.OK, at_ms, awaited=before.awaited)
            withdrawn.append(name)
    after = msgspec.structs.replace(after, told=told)
    notices = tuple(notice_of(after, name, kind, state.peak, at_ms=at_ms, facts=facts) for name in closed)
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
        if asked_level(channel, told := state.told.get(channel.name)) <= state.level
        and _is_due(state, told, reminder_s, at_ms)
    )


def _is_due(state: SubjectState, told: Told | None, reminder_s: float | None, at_ms: int) -> bool:
    if told is None:
        return True  # it was configured after the others were told, or somebody had asked for quiet
    if told.level is Level.OK:
        return True  # it knows of an earlier incident only, for somebody had asked for quiet
    if told.refused:
        interval_s = REFUSED_S if reminder_s is None else min(reminder_s, REFUSED_S)
    elif told.awaited and (not told.delivered or told.level < state.level):
        return False
    elif told.level < state.level:
        return True  # it worsened while somebody had asked for quiet
    elif reminder_s is None or state.quiet or not told.delivered:
        return False
    else:
        interval_s = reminder_s
    elapsed_ms = at_ms - told.at_ms
    return elapsed_ms >= interval_s * 1000 or elapsed_ms < -_CLOCK_STEP_MS


def reminders(
    state: SubjectState, due: Sequence[str], at_ms: int, facts: Facts, *, kind: NoticeKind = NoticeKind.REMINDER,
    decided_ms: int | None = None,
) -> Plan:  # fmt: skip
    """Tell the ``due`` channels that the level still holds; for one that never heard of it, it is an alert.

    ``decided_ms``, our wall clock, is of what is told, where that was decided for others before.
    """
    told = dict(state.told)
    kinds = {}
    after = msgspec.structs.replace(state, sequence=state.sequence + 1)
    key = key_of(after, at_ms)
    for name in due:
        before = told.get(name)
        heard = before is not None and before.delivered and before.level >= state.level
        kinds[name] = kind if heard or kind is not NoticeKind.REMINDER else NoticeKind.ALERT
        if before is None or before.level is Level.OK:
            told[name] = Told(
                state.level, at_ms, before is not None and before.delivered, awaited=key, waiting_ms=at_ms
            )
        else:
            told[name] = msgspec.structs.replace(
                before, level=before.level if before.delivered else state.level, at_ms=at_ms, refused=False,
                awaited=key, waiting_ms=before.waiting_ms or at_ms,
            )  # fmt: skip
    after = msgspec.structs.replace(after, told=told)
    notices = (notice_of(after, name, kinds[name], state.level, at_ms=at_ms, facts=facts) for name in due)
    if decided_ms is not None:
        notices = (msgspec.structs.replace(notice, decided_ms=decided_ms) for notice in notices)
    return Plan(after, tuple(notices))


# Outcomes


def reconcile(state: SubjectState, fates: Mapping[str, Fate]) -> SubjectState:
    """Return a restored state with what the outbox knows better.

    A crash can fall between recording an outcome in the outbox and in the state. A channel whose notice is in
    no table any more is forgotten, so that it is told; one that refused is due at once: a restart is when
    addresses have been mended.

    Args:
        state: as stored.
        fates: by channel, of the newest notice of this subject.
    """
    told = {
        name: known
        for name, before in state.told.items()
        if (known := _reconciled(state, before, fates.get(name))) is not None
    }
    return msgspec.structs.replace(state, told=told)


def _reconciled(state: SubjectState, before: Told, fate: Fate | None) -> Told | None:
    """Return what is known of one channel after a restart; None if it is forgotten."""
    # What was handed on from another channel was decided before this one was told.
    newest = fate is not None and (fate.decided_ms >= before.at_ms or fate.key == before.awaited)
    current = fate if newest else None
    fated = "" if current is None else current.state
    if before.level is Level.OK:
        return _reconciled_end(before, fate, refused=before.refused or (fated == "refused" and before.delivered))
    if fated == "accepted":
        return Told(state.level, before.at_ms, delivered=True, lent=before.lent)
    if before.refused or fated == "refused":
        return msgspec.structs.replace(before, at_ms=0, refused=True, awaited="")
    if fated == "pending":
        # Whether it was being sent when the earlier run ended is not known.
        return msgspec.structs.replace(before, uncertain=not before.delivered)
    return msgspec.structs.replace(before, awaited="") if before.delivered else None


def _reconciled_end(before: Told, fate: Fate | None, *, refused: bool) -> Told | None:
    """Return what is known of a channel where the incident was over; a refused entry is owed the end at once."""
    if refused:
        return Told(Level.OK, 0, before.delivered, refused=True)
    if fate is None or fate.key != before.awaited or fate.state == "pending":
        return before
    if fate.heard and not before.delivered:
        # Withdrawn when the incident ended, and accepted all the same.
        return Told(Level.OK, 0, delivered=True, refused=True)
    return None  # the closing message met its fate, or the withdrawn alert never arrived


def mended(state: SubjectState, channels: Collection[str]) -> SubjectState:
    """Return a state by which these channels, which send otherwise now, are due at once where they refused.

    What they took, or have yet to answer, stays as it is: nothing of that is told again.
    """
    told = {
        name: msgspec.structs.replace(before, at_ms=0) if before.refused and name in channels else before
        for name, before in state.told.items()
    }
    return msgspec.structs.replace(state, told=told)


def settle(state: SubjectState, outcome: Outcome, at_ms: int, facts: Facts, kind: NoticeKind) -> Plan:
    """Record the fate of a notice on a channel; ``kind`` and ``facts`` serve a late closing message."""
    before = state.told.get(outcome.channel)
    if before is None:
        return Plan(state)
    newest = outcome.key == before.awaited
    entry: Told | None
    if before.level is not Level.OK:
        entry = _settled(state, before, outcome, at_ms, newest=newest)
    elif before.delivered:
        if not newest:
            return Plan(state)  # an alert from before the end; the closing message is on its way
        # Accepted, the incident is over there; refused, whoever believes in it is still owed the end.
        entry = None if outcome.accepted else Told(Level.OK, at_ms, delivered=True, refused=True)
    elif outcome.accepted:
        # The incident ended while this alert was in flight: whoever got it must hear the end too.
        after = msgspec.structs.replace(state, sequence=state.sequence + 1)
        entry = Told(Level.OK, at_ms, delivered=True, awaited=key_of(after, at_ms), waiting_ms=at_ms)
        after = msgspec.structs.replace(after, told={**state.told, outcome.channel: entry})
        return Plan(after, (notice_of(after, outcome.channel, kind, state.peak, at_ms=at_ms, facts=facts),))
    elif newest:
        entry = None  # the withdrawn alert never arrived
    else:
        return Plan(state)
    told = {name: known for name, known in state.told.items() if name != outcome.channel}
    if entry is not None:
        told[outcome.channel] = entry
    return Plan(msgspec.structs.replace(state, told=told))


def _settled(state: SubjectState, before: Told, outcome: Outcome, at_ms: int, *, newest: bool) -> Told:
    """Return what is known of a channel in an incident that goes on there."""
    if not outcome.accepted:
        if not newest:
            return before  # a newer notice took its place and is tried by itself
        return msgspec.structs.replace(before, at_ms=at_ms, refused=True, awaited="")
    reached = state.level if outcome.level is Level.OK else min(state.level, outcome.level)
    if newest:
        return Told(reached, before.at_ms, delivered=True, lent=before.lent)
    if outcome.level is Level.OK:
        # The end of the incident before: what it was owed for that it has, and of this one it knows nothing yet.
        return msgspec.structs.replace(before, level=state.level, delivered=False)
    known = max(reached, before.level) if before.delivered else reached
    return msgspec.structs.replace(before, level=known, delivered=True)


def doubt(state: SubjectState, outcome: Outcome, at_ms: int, facts: Facts, kind: NoticeKind) -> Plan:
    """Record that a notice may have been delivered although its channel did not say so.

    It is still tried while its incident lasts; one that was given up meanwhile is closed as if it had arrived.
    """
    before = state.told.get(outcome.channel)
    if before is None or before.delivered or before.awaited != outcome.key:
        return Plan(state)
    if before.level is Level.OK:
        return settle(state, outcome, at_ms, facts, kind)
    told = {**state.told, outcome.channel: msgspec.structs.replace(before, uncertain=True)}
    return Plan(msgspec.structs.replace(state, told=told))


def is_untold(state: SubjectState) -> bool:
    """Return whether it was refused and nobody took it. That others have yet to answer helps nobody."""
    entries = [told for told in state.told.values() if not told.handed]
    return any(told.refused for told in entries) and not any(told.delivered for told in entries)


def again(state: SubjectState, channels: Sequence[ChannelRule], at_ms: int) -> tuple[str, ...]:
    """Return the channels that refused what happened once and are due to be told it again."""
    names = [channel.name for channel in channels]
    return tuple(
        name
        for name in names
        if name in state.told
        and state.told[name].refused
        and not 0 <= at_ms - state.told[name].at_ms < REFUSED_S * 1000
    )


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
    after = msgspec.structs.replace(state, sequence=state.sequence + 1)
    again = Told(Level.OK, at_ms, delivered=True, awaited=key_of(after, at_ms), waiting_ms=at_ms)
    after = msgspec.structs.replace(after, told={**state.told, **dict.fromkeys(channels, again)})
    notices = (notice_of(after, name, kind, state.peak, at_ms=at_ms, facts=facts) for name in channels)
    return Plan(after, tuple(notices))


def asked_level(channel: ChannelRule, told: Told | None) -> Level:
    """Return the least level a channel is told of: what it asked for, or what it was drawn in for."""
    if told is None or told.lent is None or told.level is Level.OK:
        return channel.min_level
    return min(channel.min_level, told.lent)


def key_of(after: SubjectState, at_ms: int) -> str:
    """Return what names the next notice of a subject, the same on every channel."""
    # A subject that vanished and came back counts from the start again: only the time keeps its keys apart from
    # the earlier ones, which the outbox remembers and would not take a second time.
    return f"{after.subject}#{at_ms}.{after.sequence}"


def notice_of(
    after: SubjectState, channel: str, kind: NoticeKind, previous: Level, *, at_ms: int, facts: Facts
) -> Notice:  # fmt: skip
    """Return one message of a subject whose state is ``after`` to one channel."""
    return Notice(
        key=key_of(after, at_ms),
        channel=channel,
        subject=after.subject,
        kind=kind,
        level=after.level,
        previous=previous,
        decided_ms=at_ms,
        incident=after.incident,
        facts=facts,
        number=after.number,
    )
