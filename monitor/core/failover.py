"""Which channels step in: for one that does not deliver, and for people who do not answer. Pure.

A channel that steps in takes part in the incident from then on, closing message included, from the level it was
drawn in for: ``Told.lent``.
"""

from collections.abc import Collection, Sequence

import msgspec

from monitor.core.model import Level
from monitor.core.notices import Facts, NoticeKind, SubjectState, Told
from monitor.core.planner import Plan, asked_level, key_of, notice_of
from monitor.core.settings import ChannelRule


def overdue(
    state: SubjectState, channels: Sequence[ChannelRule], at_ms: int
) -> tuple[tuple[str, str, Level], ...]:
    """Return who has to be told because another channel does not deliver: helper, the other, from which level.

    A channel is helped when it refused a notice for good, or when what it should know has waited longer than its
    ``fallback_after_s``. A helper that knows, or that is being told already, is left alone.
    """
    if state.level is Level.OK:
        return ()
    rules = {channel.name: channel for channel in channels}
    found: dict[str, tuple[str, Level]] = {}
    for name, told in state.told.items():
        rule = rules.get(name)
        helper = None if rule is None else rules.get(rule.fallback)
        if rule is None or helper is None or told.level is Level.OK or helper.name == name:
            continue
        late = bool(told.waiting_ms) and not 0 <= at_ms - told.waiting_ms < rule.fallback_after_s * 1000
        if (told.refused or late) and _is_ignorant(state, state.told.get(helper.name)):
            found.setdefault(helper.name, (name, min(asked_level(rule, told), state.level)))
    return tuple((helper, name, level) for helper, (name, level) in found.items())


def escalated(
    state: SubjectState, channels: Sequence[ChannelRule], after_s: float, at_ms: int
) -> tuple[tuple[str, Level], ...]:
    """Return the channels to be told because a critical incident has lasted unacknowledged for ``after_s``.

    One that a position was opened into is told once and not escalated.
    """
    lasting_ms = at_ms - state.loud_ms
    if not state.loud_ms or state.quiet or 0 <= lasting_ms < after_s * 1000:
        return ()
    return tuple(
        (channel.name, Level.CRITICAL)
        for channel in channels
        if channel.escalation and _is_ignorant(state, state.told.get(channel.name))
    )


def left(state: SubjectState, channels: Sequence[ChannelRule]) -> tuple[str, ...]:
    """Return which of those it is told to are no more, never took it, and have nobody in their place.

    Since when they are no more does not matter: for some time there may have been no channel at all.
    """
    names = {rule.name for rule in channels}
    return tuple(
        name for name, told in state.told.items() if name not in names and not told.delivered and not told.handed
    )


def heirs(state: SubjectState, before: Collection[str], channels: Sequence[ChannelRule]) -> tuple[str, ...]:
    """Return who is told of what happened once, in place of a channel that is no more.

    Those that came in its place, else all that are there; one that knows, or that is being told already, is left
    alone.
    """
    names = [rule.name for rule in channels]
    added = [name for name in names if name not in before]
    return tuple(name for name in added or names if name not in state.told)


def forsaken(state: SubjectState, channels: Sequence[ChannelRule]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the channels that are no more and have yet to deliver what a wallet's level is, and who asked for it.

    None of those that were told anything of the incident: these are told by themselves.
    """
    if state.level is Level.OK:
        return (), ()
    names = {rule.name for rule in channels}
    gone = tuple(
        name
        for name, told in state.told.items()
        if name not in names and (told.awaited or told.refused) and told.level > Level.OK and not told.handed
        and (not told.delivered or told.level < state.level)
    )  # fmt: skip
    if not gone:
        return (), ()
    asking = (rule.name for rule in channels if rule.min_level <= state.level and rule.name not in state.told)
    return gone, tuple(asking)


def handed(state: SubjectState, gone: Collection[str]) -> SubjectState:
    """Return a state by which others were told in place of these channels: nobody is for their sake once more."""
    told = {
        name: msgspec.structs.replace(before, handed=True) if name in gone else before
        for name, before in state.told.items()
    }
    return msgspec.structs.replace(state, told=told)


def back(state: SubjectState, channels: Sequence[ChannelRule]) -> SubjectState:
    """Return a state by which channels that are there again are told by themselves; at once what they refused."""
    names = {rule.name for rule in channels}
    told = {
        name: msgspec.structs.replace(before, handed=False, at_ms=0 if before.refused else before.at_ms)
        if before.handed and name in names
        else before
        for name, before in state.told.items()
    }
    return msgspec.structs.replace(state, told=told)


def refused_since(state: SubjectState, channels: Sequence[ChannelRule], since_ms: int) -> bool:
    """Return whether each of the channels that refused did so after a moment of our wall clock."""
    names = {rule.name for rule in channels}
    return all(told.at_ms >= since_ms for name, told in state.told.items() if name in names and told.refused)


def lend(
    state: SubjectState,
    channel: str,
    lent: Level,
    at_ms: int,
    facts: Facts,
    *,
    kind: NoticeKind = NoticeKind.ALERT,
) -> Plan:
    """Tell a channel that did not ask for it; from now on it takes part in the incident from level ``lent`` on."""
    before = state.told.get(channel)
    after = msgspec.structs.replace(state, sequence=state.sequence + 1)
    key = key_of(after, at_ms)
    if before is None or before.level is Level.OK:
        # One whose closing message is still on its way is owed the end of this incident instead.
        delivered = before is not None and before.delivered
        entry = Told(state.level, at_ms, delivered, awaited=key, lent=lent, waiting_ms=at_ms)
    else:
        entry = msgspec.structs.replace(
            before, at_ms=at_ms, refused=False, awaited=key, lent=min(lent, before.lent or lent),
            waiting_ms=before.waiting_ms or at_ms,
        )  # fmt: skip
    after = msgspec.structs.replace(after, told={**state.told, channel: entry})
    return Plan(after, (notice_of(after, channel, kind, state.level, at_ms=at_ms, facts=facts),))


def _is_ignorant(state: SubjectState, told: Told | None) -> bool:
    """Return whether a channel neither knows the present level nor is being told of it."""
    if told is None or told.level is Level.OK:
        return True
    return not told.awaited and not told.refused and (not told.delivered or told.level < state.level)
