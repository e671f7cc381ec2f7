"""States of subjects, and the effects that collect while one event is handled."""

import pytest

from monitor.core.incidents import Effects, Incidents
from monitor.core.model import Level
from monitor.core.notices import Facts, Fate, NoticeKind, SubjectState, Told
from monitor.core.planner import Outcome
from monitor.core.settings import ChannelRule

SUBJECT = "main/isolated:BTCUSDT:LONG"
ALERT, GONE = Facts(reason="alert"), Facts(reason="gone")


def incidents(*names: str) -> Incidents:
    made = Incidents()
    made.channels = tuple(ChannelRule(name) for name in names or ("phone",))
    return made


def rise(made: Incidents, level: Level, at_ms: int = 1000) -> Effects:
    made.rise(made.begin(SUBJECT, at_ms), level, at_ms, ALERT)
    return made.take()


def accept(made: Incidents, channel: str = "phone", *, accepted: bool = True, at_ms: int = 5000) -> Effects:
    """The fate of the newest notice to a channel, of this subject or of the one it was before it vanished."""
    told = next((told for told in tolds(made) if channel in told), {})
    key, level = (told[channel].awaited, told[channel].level) if told else ("unknown", Level.OK)
    outcome = Outcome(channel, key, accepted, level)
    made.settle(SUBJECT, outcome, at_ms, Facts(reason="recovered"), kind=NoticeKind.CLOSED)
    return made.take()


def tolds(made: Incidents) -> list[dict[str, Told]]:
    state = made.get(SUBJECT)
    left = made._leaving.get(SUBJECT)
    return ([state.told] if state else []) + ([left[0].told] if left else [])


def test_effects_are_handed_over_once() -> None:
    """What was taken is not taken again."""
    made = incidents()
    effects = rise(made, Level.WARNING)
    assert len(effects.notices) == 1
    assert [state.level for state in effects.subjects] == [Level.WARNING]
    assert [(t.level, t.previous, t.incident, t.at_ms) for t in effects.transitions] == [
        (Level.WARNING, Level.OK, 1, 1000)
    ]
    assert made.take() == Effects()


def test_a_subject_is_recorded_when_it_is_first_seen() -> None:
    """That is what tells a restart from a position opened inside a condition."""
    made = incidents()
    state = made.begin(SUBJECT, 7)
    assert made.take().subjects == (state,)
    assert made.begin(SUBJECT, 8) is state
    assert made.take() == Effects()
    assert made.get(SUBJECT) is state
    assert made.get("main/other") is None
    assert made.subjects() == (SUBJECT,)


def test_what_was_restored_is_known_and_not_written_again() -> None:
    """It came from the database."""
    made = incidents()
    state = SubjectState(SUBJECT, Level.WARNING, 1, 3, Level.WARNING, 9)
    made.restore([state])
    assert made.take() == Effects()
    assert made.begin(SUBJECT, 5) is state
    made.rise(state, Level.CRITICAL, 6, ALERT)
    assert made.take().subjects[0].incident == 3


def test_only_the_last_state_of_a_step_is_recorded() -> None:
    """One row for each subject."""
    made = incidents()
    made.rise(made.begin(SUBJECT, 1), Level.WARNING, 1, ALERT)
    made.rise(made.begin(SUBJECT, 1), Level.CRITICAL, 1, ALERT)
    effects = made.take()
    assert [state.level for state in effects.subjects] == [Level.CRITICAL]
    assert len(effects.notices) == 2


def test_the_same_trouble_growing_is_no_transition() -> None:
    """A message, but no change of level."""
    made = incidents()
    rise(made, Level.CRITICAL)
    effects = rise(made, Level.CRITICAL, 2000)
    assert effects.transitions == ()
    assert len(effects.notices) == 1


def test_a_fall_closes_or_withdraws() -> None:
    """By what was delivered."""
    made = incidents("phone", "siren")
    rise(made, Level.CRITICAL)
    assert accept(made).subjects[0].told["phone"] == Told(Level.CRITICAL, 1000, delivered=True)
    made.fall(made.begin(SUBJECT, 0), Level.OK, 2000, Facts())
    effects = made.take()
    assert [(n.channel, n.kind) for n in effects.notices] == [("phone", NoticeKind.CLOSED)]
    assert effects.withdrawn == ((SUBJECT, "siren"),)


def test_reminders_are_notices_without_a_transition() -> None:
    """The level did not change."""
    made = incidents()
    rise(made, Level.CRITICAL)
    accept(made)
    made.remind(made.begin(SUBJECT, 0), ["phone"], 9000, ALERT)
    effects = made.take()
    assert [n.kind for n in effects.notices] == [NoticeKind.REMINDER]
    assert effects.transitions == ()


def test_a_result_that_changes_nothing_writes_nothing() -> None:
    """No row without a reason, and strangers are passed over."""
    made = incidents()
    rise(made, Level.WARNING)
    accept(made)
    assert accept(made) == Effects()
    assert accept(made, "nobody") == Effects()
    assert accept(incidents()) == Effects()


def test_what_vanished_is_closed_as_gone() -> None:
    """One closing message, never an all-clear; the row goes once that arrived, for a crash must not forget it."""
    made = incidents()
    rise(made, Level.CRITICAL)
    accept(made)
    made.vanish(SUBJECT, 3000, GONE)
    effects = made.take()
    assert [(n.kind, n.facts.reason, n.level) for n in effects.notices] == [(NoticeKind.CLOSED, "gone", Level.OK)]
    assert effects.gone == ()
    assert [state.level for state in effects.subjects] == [Level.OK]
    assert [t.level for t in effects.transitions] == [Level.OK]
    assert made.get(SUBJECT) is None
    assert accept(made) == Effects(gone=(SUBJECT,))


def test_what_vanishes_at_ease_leaves_without_a_word() -> None:
    """Only its row goes, even if it was made in the same step."""
    made = incidents()
    made.begin(SUBJECT, 1)
    made.vanish(SUBJECT, 2, GONE)
    assert made.take() == Effects(gone=(SUBJECT,))


def test_alerts_in_flight_when_a_subject_vanished_are_closed_late_on_every_channel() -> None:
    """Each channel that accepted one after all hears that the position is gone."""
    made = incidents("phone", "siren", "mail")
    rise(made, Level.CRITICAL)
    made.vanish(SUBJECT, 3000, GONE)
    assert made.take().withdrawn == ((SUBJECT, "phone"), (SUBJECT, "siren"), (SUBJECT, "mail"))
    for channel in ("phone", "siren"):
        late = accept(made, channel)
        assert [(n.channel, n.kind, n.facts.reason) for n in late.notices] == [
            (channel, NoticeKind.CLOSED, "gone")
        ]
        assert late.gone == ()
        assert accept(made, channel).gone == ()  # its own fate
    assert accept(made, "mail", accepted=False) == Effects(gone=(SUBJECT,))
    assert accept(made, "mail") == Effects()


def test_an_alert_withdrawn_before_its_subject_vanished_is_closed_late_too() -> None:
    """The incident was over, the alert still in flight, and then the position went."""
    made = incidents()
    rise(made, Level.CRITICAL)
    made.fall(made.begin(SUBJECT, 0), Level.OK, 2000, Facts())
    made.vanish(SUBJECT, 3000, GONE)
    made.take()
    assert [n.facts.reason for n in accept(made).notices] == ["gone"]


def test_a_subject_that_came_back_does_not_hide_what_its_former_self_owes() -> None:
    """A late result finds the incident it belongs to."""
    made = incidents()
    rise(made, Level.CRITICAL)
    made.vanish(SUBJECT, 3000, GONE)
    made.begin(SUBJECT, 4000)
    made.take()
    assert [n.facts.reason for n in accept(made).notices] == ["gone"]


@pytest.mark.parametrize("fate", ["accepted", "pending"])
def test_a_crash_does_not_forget_that_the_end_of_what_vanished_is_owed(fate: str) -> None:
    """The alert was under way when its position was closed; what became of it, only the outbox knows."""
    first = incidents()
    (alert,) = rise(first, Level.CRITICAL).notices
    first.vanish(SUBJECT, 3000, GONE)
    (row,) = first.take().subjects
    known = Fate(SUBJECT, "phone", fate, alert.decided_ms, alert.key, heard=fate == "accepted")
    made = incidents()
    made.restore((row,), (known,))
    made.vanish(SUBJECT, 4000, GONE)  # its account answered
    made.take()
    if fate == "pending":  # and is sent again
        (late,) = accept(made).notices
    else:
        assert made.owed() == (SUBJECT,)
        made.close_again(SUBJECT, 1_780_000_000_000, Facts(), NoticeKind.CLOSED)
        (late,) = made.take().notices
    assert (late.kind, late.facts.reason) == (NoticeKind.CLOSED, "gone")
    assert accept(made) == Effects(gone=(SUBJECT,))
    assert made.owed() == ()


@pytest.mark.parametrize("fate", ["accepted", "pending"])
def test_the_refused_end_of_what_vanished_does_not_hide_what_came_back(fate: str) -> None:
    """Whoever is told of the new incident is owed the end of that one, heard of it or not."""
    made = incidents("phone", "mail")
    made.channels = (ChannelRule("phone"), ChannelRule("mail", Level.CRITICAL))
    rise(made, Level.CRITICAL)
    for channel in ("phone", "mail"):
        accept(made, channel)
    made.vanish(SUBJECT, 3000, GONE)
    for channel in ("phone", "mail"):
        accept(made, channel, accepted=False)
    rise(made, Level.NOTICE, 4000)
    if fate == "accepted":
        accept(made)
    made.close_again(SUBJECT, 1_780_000_000_000, Facts(), NoticeKind.CLOSED)
    assert [(n.kind, n.channel) for n in made.take().notices] == [(NoticeKind.CLOSED, "mail")]
    made.vanish(SUBJECT, 1_780_000_001_000, GONE)
    assert [(n.kind, n.channel) for n in made.take().notices] == [(NoticeKind.CLOSED, "phone")]
    assert accept(made, "mail").gone == ()
    assert accept(made, "phone") == Effects(gone=(SUBJECT,))


def test_an_end_that_arrives_late_is_not_told_twice() -> None:
    """It worsened again meanwhile, and was over again before anybody heard of that."""
    made = incidents()
    rise(made, Level.CRITICAL)
    accept(made)
    made.fall(made.begin(SUBJECT, 0), Level.OK, 2000, GONE)
    (end,) = made.take().notices
    rise(made, Level.WARNING, 3000)
    made.settle(SUBJECT, Outcome("phone", end.key, accepted=True), 4000, GONE, kind=NoticeKind.CLOSED)
    made.fall(made.begin(SUBJECT, 0), Level.OK, 5000, GONE)
    effects = made.take()
    assert (effects.notices, effects.withdrawn) == ((), ((SUBJECT, "phone"),))


def test_what_waits_for_a_channel_that_was_taken_out_ends_with_its_incident() -> None:
    """A channel that comes back after a month is not told that all is lost."""
    made = incidents("phone", "mail")
    rise(made, Level.CRITICAL)
    accept(made, "mail")
    made.channels = (ChannelRule("mail"),)
    made.fall(made.begin(SUBJECT, 0), Level.OK, 2000, GONE)
    effects = made.take()
    assert ([n.channel for n in effects.notices], effects.withdrawn) == (["mail"], ((SUBJECT, "phone"),))
