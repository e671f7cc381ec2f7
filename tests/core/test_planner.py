"""Who is told what, when an incident is over, and for whom."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core import planner
from monitor.core.model import Level
from monitor.core.notices import Facts, Fate, NoticeKind, SubjectState, Told
from monitor.core.planner import Outcome, Plan
from monitor.core.settings import ChannelRule

FACTS = Facts(reason="why")
QUIET, PHONE, SIREN = (
    ChannelRule("quiet", Level.NOTICE),
    ChannelRule("phone", Level.WARNING),
    ChannelRule("siren", Level.CRITICAL),
)
ALL = (QUIET, PHONE, SIREN)


def new() -> SubjectState:
    return planner.begin("main/cross:USDT", 5)


def rise(state: SubjectState, level: Level, at_ms: int = 1000, *, quiet: bool = False) -> Plan:
    return planner.rise(state, level, ALL, at_ms, FACTS, quiet=quiet)


def fall(state: SubjectState, level: Level, at_ms: int = 9000) -> Plan:
    return planner.fall(state, level, ALL, at_ms, FACTS)


def settle(state: SubjectState, channel: str, *, accepted: bool = True, key: str = "") -> Plan:
    """The fate of the newest notice to a channel, or of an older one with this key."""
    awaited = state.told[channel].awaited if channel in state.told else "unknown"
    outcome = Outcome(channel, key or awaited, accepted, state.level)
    return planner.settle(state, outcome, 9500, FACTS, NoticeKind.CLOSED)


def delivered(state: SubjectState, *channels: str) -> SubjectState:
    for channel in channels:
        state = settle(state, channel).state
    return state


def names(plan: Plan) -> list[str]:
    return [notice.channel for notice in plan.notices]


def test_a_subject_begins_at_ease() -> None:
    """The first incident has number 1; before it there is none."""
    assert new() == SubjectState("main/cross:USDT", Level.OK, 5, 0, Level.OK)


@pytest.mark.parametrize(
    ("level", "told"),
    [
        (Level.NOTICE, ["quiet"]),
        (Level.WARNING, ["quiet", "phone"]),
        (Level.CRITICAL, ["quiet", "phone", "siren"]),
        (Level.EMERGENCY, ["quiet", "phone", "siren"]),
    ],
)
def test_a_level_is_told_to_the_channels_that_asked_for_it(level: Level, told: list[str]) -> None:
    """At or above a channel's least level, never below."""
    plan = rise(new(), level)
    assert names(plan) == told
    assert {notice.level for notice in plan.notices} == {level}
    assert {notice.previous for notice in plan.notices} == {Level.OK}
    assert {notice.kind for notice in plan.notices} == {NoticeKind.ALERT}
    assert plan.state.level is plan.state.peak is level
    assert (plan.state.incident, plan.state.since_ms) == (1, 1000)


def test_one_message_has_one_key_on_every_channel() -> None:
    """And the next message another, though it is decided in the same millisecond."""
    first = rise(new(), Level.CRITICAL)
    second = rise(first.state, Level.EMERGENCY)
    assert len({notice.key for notice in first.notices}) == 1
    assert len({notice.key for notice in (*first.notices, *second.notices)}) == 2


def test_a_subject_that_comes_back_does_not_repeat_its_keys() -> None:
    """The outbox takes a key once; a position opened again must not be silenced by its former alerts."""
    former = rise(new(), Level.CRITICAL, 1000).notices[0]
    again = rise(new(), Level.CRITICAL, 2000).notices[0]
    assert former.key != again.key


def test_worsening_is_told_within_the_incident() -> None:
    """The incident keeps its number, and remembers its worst level."""
    state = rise(new(), Level.WARNING).state
    plan = rise(state, Level.EMERGENCY, 2000)
    assert names(plan) == ["quiet", "phone", "siren"]
    assert {notice.previous for notice in plan.notices} == {Level.WARNING}
    assert {notice.incident for notice in plan.notices} == {1}
    assert (plan.state.peak, plan.state.since_ms) == (Level.EMERGENCY, 2000)
    lower = fall(plan.state, Level.NOTICE).state
    assert rise(lower, Level.WARNING).state.peak is Level.EMERGENCY


def test_trouble_that_grew_keeps_its_beginning() -> None:
    """Told again at the same level, it is since then that it lasts."""
    state = rise(new(), Level.CRITICAL, 1000).state
    plan = rise(state, Level.CRITICAL, 4000)
    assert names(plan) == ["quiet", "phone", "siren"]
    assert (plan.state.since_ms, plan.state.incident) == (1000, 1)


def test_a_new_incident_has_a_new_peak() -> None:
    """What an earlier incident reached does not count."""
    state = fall(delivered(rise(new(), Level.EMERGENCY).state, "quiet"), Level.OK).state
    plan = rise(state, Level.NOTICE)
    assert (plan.state.incident, plan.state.peak) == (2, Level.NOTICE)


# The end


def test_an_incident_ends_for_each_channel_below_what_it_asked_for() -> None:
    """The siren hears the end when the level leaves critical, the others later; each exactly once."""
    state = delivered(rise(new(), Level.CRITICAL).state, "quiet", "phone", "siren")
    ends = []
    for level in (Level.WARNING, Level.NOTICE, Level.OK):
        plan = fall(state, level)
        ends.append([(n.channel, n.kind, n.level, n.previous) for n in plan.notices])
        assert plan.withdrawn == ()
        state = plan.state
    assert ends == [
        [("siren", NoticeKind.CLOSED, Level.WARNING, Level.CRITICAL)],
        [("phone", NoticeKind.CLOSED, Level.NOTICE, Level.CRITICAL)],
        [("quiet", NoticeKind.CLOSED, Level.OK, Level.CRITICAL)],
    ]


def test_a_channel_that_asks_for_everything_hears_the_end_at_ok() -> None:
    """No incident goes on at ease, whatever the least level."""
    chatty = (ChannelRule("chatty", Level.OK),)
    state = planner.rise(new(), Level.NOTICE, chatty, 1, FACTS).state
    plan = planner.fall(delivered(state, "chatty"), Level.OK, chatty, 2, FACTS)
    assert names(plan) == ["chatty"]


def test_an_alert_that_was_not_delivered_is_withdrawn_at_the_end() -> None:
    """Nobody needs to hear the end of what he never heard of."""
    state = delivered(rise(new(), Level.CRITICAL).state, "phone")
    plan = fall(state, Level.OK)
    assert names(plan) == ["phone"]
    assert plan.withdrawn == ("quiet", "siren")


def test_a_withdrawn_alert_that_was_accepted_is_closed_late() -> None:
    """It was in flight: whoever got it hears the end too, once."""
    state = fall(rise(new(), Level.CRITICAL).state, Level.OK).state
    plan = settle(state, "phone")
    assert [(n.channel, n.kind, n.level, n.previous) for n in plan.notices] == [
        ("phone", NoticeKind.CLOSED, Level.OK, Level.CRITICAL)
    ]
    assert plan.notices[0].key not in {n.key for n in rise(new(), Level.CRITICAL).notices}
    after = settle(plan.state, "phone")  # that closing message was accepted
    assert after.notices == ()
    assert "phone" not in after.state.told
    assert settle(after.state, "phone") == Plan(after.state)


def test_a_withdrawn_alert_that_was_refused_is_over() -> None:
    """Nothing more is said or remembered."""
    state = fall(rise(new(), Level.WARNING).state, Level.OK).state
    plan = settle(state, "phone", accepted=False)
    assert plan.notices == ()
    assert "phone" not in plan.state.told


def test_an_incident_ends_for_good_where_its_only_alert_was_refused() -> None:
    """Nothing is on its way there that would ever settle what was remembered of it."""
    state = settle(rise(new(), Level.WARNING).state, "phone", accepted=False).state
    plan = fall(state, Level.OK)
    assert "phone" not in names(plan)
    assert "phone" not in plan.state.told


def test_a_channel_that_was_removed_hears_nothing_more() -> None:
    """It is forgotten at the next change."""
    state = delivered(rise(new(), Level.WARNING).state, "quiet", "phone")
    plan = planner.fall(state, Level.OK, (QUIET,), 2, FACTS)
    assert names(plan) == ["quiet"]
    assert "phone" not in plan.state.told


def test_an_end_that_did_not_arrive_is_owed_by_the_next_incident() -> None:
    """A new alert takes the place of a closing message on its way; should neither arrive, the last word does."""
    state = delivered(rise(new(), Level.WARNING).state, "phone")
    state = fall(state, Level.OK).state
    state = rise(state, Level.CRITICAL).state  # replaces the closing message that still waited
    plan = fall(state, Level.OK)
    assert names(plan) == ["phone"]
    assert plan.withdrawn == ("quiet", "siren")


def test_an_end_that_arrived_is_owed_nothing() -> None:
    """The next incident begins with an empty record."""
    state = delivered(rise(new(), Level.WARNING).state, "phone")
    state = delivered(fall(state, Level.OK).state, "phone")
    plan = fall(rise(state, Level.CRITICAL).state, Level.OK)
    assert plan.notices == ()
    assert set(plan.withdrawn) == {"quiet", "phone", "siren"}


def test_the_fate_of_a_message_nobody_remembers_changes_nothing() -> None:
    """A result for a channel without an entry is of an incident long over."""
    state = rise(new(), Level.NOTICE).state
    assert settle(state, "siren") == Plan(state)


# Reminders


def due(state: SubjectState, at_ms: int, reminder_s: float | None = 60.0) -> tuple[str, ...]:
    return planner.remind(state, reminder_s, ALL, at_ms)


def test_reminders_are_due_an_interval_after_the_last_word() -> None:
    """To the millisecond, on each channel that took the alert."""
    state = delivered(rise(new(), Level.CRITICAL, 1000).state, "quiet", "siren")
    assert due(state, 60_999) == ()
    assert due(state, 61_000) == ("quiet", "siren")


def test_a_reminder_counts_as_a_word() -> None:
    """The next one is due an interval later."""
    state = delivered(rise(new(), Level.CRITICAL, 1000).state, "phone")
    plan = planner.reminders(state, due(state, 61_000), 61_000, FACTS)
    assert [(n.channel, n.kind, n.level, n.previous, n.incident) for n in plan.notices] == [
        ("phone", NoticeKind.REMINDER, Level.CRITICAL, Level.CRITICAL, 1)
    ]
    assert due(plan.state, 120_999) == ()
    assert due(plan.state, 121_000) == ("phone",)
    assert plan.state.since_ms == 1000


def test_an_alert_that_is_still_on_its_way_is_not_reminded_of() -> None:
    """It will arrive itself; the same holds for one that worsened what was delivered."""
    state = rise(new(), Level.WARNING).state
    assert due(state, 10**9) == ()
    state = rise(delivered(state, "phone"), Level.CRITICAL, 2000).state
    assert due(state, 10**9) == ()
    assert due(settle(state, "phone", accepted=False).state, 10**9) == ("phone",)  # refused: told again
    assert due(delivered(state, "phone"), 10**9) == ("phone",)


def test_a_level_nobody_accepted_is_not_known_for_having_fallen_to_it() -> None:
    """Warned, the emergency still on its way, and meanwhile it is only critical."""
    state = delivered(rise(new(), Level.WARNING).state, "phone")
    state = fall(rise(state, Level.EMERGENCY).state, Level.CRITICAL).state
    assert due(state, 10**9) == ()
    assert due(delivered(state, "phone"), 10**9) == ("phone",)


def test_reminders_go_on_at_a_lower_level() -> None:
    """What was delivered at a higher one is known."""
    state = delivered(rise(new(), Level.CRITICAL, 1000).state, "phone", "siren")
    state = fall(state, Level.WARNING, 2000).state
    assert due(state, 61_000) == ("phone",)


def test_no_reminders_where_none_are_wanted() -> None:
    """Not without an interval, not at ease, not in an incident that a position was opened into."""
    state = delivered(rise(new(), Level.CRITICAL).state, "phone")
    assert due(state, 10**9, None) == ()
    assert due(fall(state, Level.OK).state, 10**9) == ()
    assert due(delivered(rise(new(), Level.CRITICAL, quiet=True).state, "phone"), 10**9) == ()


def test_a_quiet_incident_speaks_when_it_worsens() -> None:
    """And stays quiet as long as it only gets better."""
    state = delivered(rise(new(), Level.CRITICAL, quiet=True).state, "phone")
    assert due(fall(state, Level.WARNING).state, 10**9) == ()
    assert not fall(state, Level.OK).state.quiet
    worse = rise(state, Level.EMERGENCY).state
    assert due(delivered(worse, "phone"), 10**9) == ("phone",)


def test_a_channel_that_raised_its_least_level_is_not_reminded() -> None:
    """Settings of now decide."""
    state = delivered(rise(new(), Level.WARNING).state, "phone")
    assert planner.remind(state, 60.0, (ChannelRule("phone", Level.CRITICAL),), 10**9) == ()


# Any order of things

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("level"), st.sampled_from(list(Level))),
        st.tuples(st.just("accept"), st.sampled_from(["quiet", "phone", "siren"])),
        st.tuples(st.just("refuse"), st.sampled_from(["quiet", "phone", "siren"])),
    ),
    max_size=30,
)


@given(STEPS)
def test_each_channel_hears_a_balanced_story(steps: list[tuple[str, Level | str]]) -> None:
    """Where at most one message a channel is on its way, no alert stays unclosed, nothing is closed unheard.

    The model: a channel holds at most one waiting message, a newer one replaces it, a withdrawal removes it.
    """
    state = new()
    waiting: dict[str, NoticeKind] = {}
    heard: dict[str, list[NoticeKind]] = {channel.name: [] for channel in ALL}
    keys = set()

    def take(plan: Plan) -> SubjectState:
        for name in plan.withdrawn:
            waiting.pop(name, None)  # none where it was refused
        for notice in plan.notices:
            assert (notice.key, notice.channel) not in keys
            keys.add((notice.key, notice.channel))
            waiting[notice.channel] = notice.kind
        return plan.state

    steps = [*steps, ("level", Level.OK), *[("accept", channel.name) for channel in ALL]]
    for at_ms, (what, value) in enumerate(steps):
        if isinstance(value, Level):
            if value > state.level:
                state = take(rise(state, value, at_ms))
            elif value < state.level:
                state = take(fall(state, value, at_ms))
        elif (kind := waiting.pop(value, None)) is not None:
            if what == "accept":
                heard[value].append(kind)
            state = take(settle(state, value, accepted=what == "accept"))
    for story in heard.values():
        ends = [i for i, kind in enumerate(story) if kind is NoticeKind.CLOSED]
        assert 0 not in ends
        assert all(story[i - 1] is NoticeKind.ALERT for i in ends)
    refused = any(what == "refuse" for what, _ in steps)
    for name, story in heard.items():
        assert not story or refused or story[-1] is NoticeKind.CLOSED
        assert state.told.get(name, Told(Level.OK, 0)).level is Level.OK


def ended(*, delivered: bool = False) -> SubjectState:
    told = Told(Level.OK, 500, delivered=delivered, awaited="k#400.1")
    return msgspec.structs.replace(planner.begin("s", 0), incident=1, number=7, told={"phone": told})


@pytest.mark.parametrize("state", ["accepted", "superseded", "resolved"])
def test_an_alert_accepted_after_all_is_owed_its_end_after_a_restart(state: str) -> None:
    """The incident ended while it was under way, and the process before anything could follow from its fate.

    It may be the newest notice, or an earlier one of the same incident that the newest had superseded.
    """
    heard = Fate("s", "phone", state, 400, "k#400.1", heard=True)
    after = planner.reconcile(ended(), {"phone": heard})
    assert planner.owed(after, 1_780_000_000_000) == ("phone",)


def test_a_withdrawn_alert_that_never_arrived_is_forgotten() -> None:
    """Also where another incident's notice is the newest in the outbox, its fate is not taken for this one's."""
    missed = Fate("s", "phone", "resolved", 400, "k#400.1")
    assert planner.reconcile(ended(), {"phone": missed}).told == {}
    other = Fate("s", "phone", "accepted", 400, "k#300.1", heard=True)
    assert planner.reconcile(ended(), {"phone": other}) == ended()
    due = Fate("s", "phone", "pending", 400, "k#400.1")
    assert planner.reconcile(ended(), {"phone": due}) == ended()


def test_an_end_that_was_accepted_is_over_after_a_restart() -> None:
    """It is told once."""
    told = Fate("s", "phone", "accepted", 400, "k#400.1", heard=True)
    assert planner.reconcile(ended(delivered=True), {"phone": told}).told == {}
