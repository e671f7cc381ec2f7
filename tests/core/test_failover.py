"""Which channels step in: for one that does not deliver, and for people who do not answer."""

from msgspec.structs import replace

from monitor.core.events import Heartbeat, Held
from monitor.core.holds import alert_target
from monitor.core.model import Level
from monitor.core.notices import Facts, Hold, HoldKind, Notice, NoticeKind
from monitor.core.settings import ChannelRule
from monitor.core.stand_ins import ESCALATION, FALLBACK
from tests.core.builders import Desk
from tests.core.test_engine import at_ease
from tests.core.test_holds import stay

ALERT, REMINDER, CLOSED = NoticeKind.ALERT, NoticeKind.REMINDER, NoticeKind.CLOSED
PHONE = ChannelRule("phone", Level.WARNING, fallback="mail", fallback_after_s=60.0)
MAIL = ChannelRule("mail", Level.EMERGENCY)
SIREN = ChannelRule("siren", Level.EMERGENCY, escalation=True)


def desk_of(*channels: ChannelRule, deliver: bool = False) -> Desk:
    return at_ease(Desk(channels=channels, deliver=deliver))


def about_wallet(desk: Desk, channel: str) -> list[Notice]:
    return [n for n in desk.notices if n.channel == channel and n.subject.startswith("main/")]


def kinds(desk: Desk, channel: str) -> list[tuple[NoticeKind, str, str]]:
    return [(n.kind, n.level.label, n.facts.via) for n in about_wallet(desk, channel)]


def test_another_channel_takes_over_what_is_not_delivered_in_time() -> None:
    """After fallback_after, not before, once, and it says for whom."""
    desk = desk_of(PHONE, MAIL)
    desk.room(0.19)
    stay(desk, 50, 0.19)
    assert kinds(desk, "mail") == []
    stay(desk, 10, 0.19)
    assert kinds(desk, "mail") == [(ALERT, "warning", f"{FALLBACK}phone")]
    stay(desk, 600, 0.19)
    assert len(about_wallet(desk, "mail")) == 1


def test_a_refusal_for_good_is_taken_over_at_the_next_heartbeat() -> None:
    """There is nothing to wait for."""
    desk = desk_of(PHONE, MAIL)
    (notice,) = desk.room(0.19).notices
    desk.result(notice, accepted=False)
    desk.beat()
    assert kinds(desk, "mail") == [(ALERT, "warning", f"{FALLBACK}phone")]


def test_what_was_delivered_in_time_is_taken_over_by_nobody() -> None:
    """Accepted on the first channel is enough."""
    desk = desk_of(PHONE, MAIL, deliver=True)
    desk.room(0.19)
    stay(desk, 600, 0.19)
    assert about_wallet(desk, "mail") == []


def test_reminders_do_not_put_the_takeover_off() -> None:
    """What the channel should know has waited since the first message it did not take."""
    phone = ChannelRule("phone", Level.WARNING, fallback="mail", fallback_after_s=600.0)
    desk = desk_of(phone, MAIL)
    desk.room(0.06)
    (alert,) = [n for n in desk.notices if n.channel == "phone"]
    desk.result(alert)
    stay(desk, 180, 0.06)
    assert [n.kind for n in about_wallet(desk, "phone")] == [ALERT, REMINDER]
    stay(desk, 400, 0.06)
    assert not [n for n in about_wallet(desk, "mail") if n.facts.via]
    stay(desk, 200, 0.06)
    # The mail channel asked for emergencies itself and has not delivered that alert either: it is left alone.
    assert len(about_wallet(desk, "mail")) == 1


def test_a_channel_that_stepped_in_takes_part_until_the_end() -> None:
    """Rises and the closing message go there too, though it asked for emergencies only."""
    desk = desk_of(PHONE, MAIL)
    desk.room(0.19)
    stay(desk, 60, 0.19)
    (taken,) = about_wallet(desk, "mail")
    desk.result(taken)
    desk.room(0.09)
    desk.result(about_wallet(desk, "mail")[-1])
    stay(desk, 700, 0.9)
    assert [(kind, level) for kind, level, _ in kinds(desk, "mail")] == [
        (ALERT, "warning"),
        (ALERT, "critical"),
        (CLOSED, "ok"),
    ]
    desk.result(about_wallet(desk, "mail")[-1])
    desk.room(0.19)
    assert about_wallet(desk, "mail")[-1].kind is CLOSED  # the next incident is none of its business


def test_two_channels_that_help_each_other_do_not_send_in_circles() -> None:
    """Each is told once by itself, and the other has nothing to add."""
    one = ChannelRule("one", fallback="other", fallback_after_s=60.0)
    other = ChannelRule("other", fallback="one", fallback_after_s=60.0)
    desk = desk_of(one, other)
    desk.room(0.19)
    stay(desk, 600, 0.19)
    assert [len(about_wallet(desk, name)) for name in ("one", "other")] == [1, 1]


def test_what_happened_once_is_taken_over_too() -> None:
    """A liquidation that the phone refuses must reach somebody; then nothing of it is remembered."""
    desk = desk_of(ChannelRule("phone", fallback="mail"), MAIL)
    made = desk.engine._incidents
    made.announce("forced:main", NoticeKind.FORCED, desk.wall_ms, Facts(reason="liquidation"), level=Level.NOTICE,
                  channels=(desk.settings.channels[0],))  # fmt: skip
    desk.step(Heartbeat())
    (told,) = [n for n in desk.notices if n.kind is NoticeKind.FORCED]
    desk.result(told, accepted=False)
    desk.beat()
    taken = [n for n in desk.notices if n.kind is NoticeKind.FORCED and n.channel == "mail"]
    assert [n.facts.via for n in taken] == [f"{FALLBACK}phone"]
    desk.result(taken[0])
    assert not [subject for subject in desk.rows if subject.startswith("/told:")]


# Escalation


def acknowledge(desk: Desk) -> None:
    (alert,) = [one for one in desk.engine.open_alerts() if one.subject.startswith("main/")]
    hold = Hold("ack", HoldKind.ACK, alert_target(alert.number), desk.wall_ms, desk.wall_ms + 3_600_000)
    desk.step(Held(hold))


def test_what_nobody_acknowledges_is_escalated() -> None:
    """Critical for ten minutes: the siren is told, once, and that nobody answered."""
    desk = desk_of(ChannelRule("phone", Level.WARNING), SIREN, deliver=True)
    desk.room(0.09)
    stay(desk, 590, 0.09)
    assert kinds(desk, "siren") == []
    stay(desk, 10, 0.09)
    assert kinds(desk, "siren") == [(ALERT, "critical", ESCALATION)]
    stay(desk, 300, 0.09)
    assert len(about_wallet(desk, "siren")) == 1


def test_an_acknowledged_incident_is_not_escalated_until_it_worsens() -> None:
    """Somebody looks at it; an emergency goes to everybody at once."""
    desk = desk_of(ChannelRule("phone", Level.WARNING), SIREN, deliver=True)
    desk.room(0.09)
    acknowledge(desk)
    stay(desk, 1200, 0.09)
    assert kinds(desk, "siren") == []
    desk.room(0.06)
    assert kinds(desk, "siren") == [(ALERT, "emergency", "")]


def test_a_warning_is_never_escalated() -> None:
    """Only what is critical or worse, counted from when it became so without a break."""
    desk = desk_of(ChannelRule("phone", Level.WARNING), SIREN, deliver=True)
    desk.room(0.19)
    stay(desk, 900, 0.19)
    desk.room(0.09)
    stay(desk, 300, 0.09)
    stay(desk, 310, 0.19)  # left critical after its dwell
    desk.room(0.09)
    stay(desk, 590, 0.09)
    assert kinds(desk, "siren") == []
    stay(desk, 20, 0.09)
    assert kinds(desk, "siren") == [(ALERT, "critical", ESCALATION)]


def test_the_siren_hears_the_end_of_what_it_was_called_for() -> None:
    """One closing message, when the level is below critical."""
    desk = desk_of(ChannelRule("phone", Level.WARNING), SIREN, deliver=True)
    desk.room(0.09)
    stay(desk, 600, 0.09)
    stay(desk, 400, 0.19)
    assert kinds(desk, "siren")[-1][:2] == (CLOSED, "warning")
    stay(desk, 700, 0.9)
    assert [kind for kind, *_ in kinds(desk, "siren")] == [ALERT, CLOSED]


# Channels that are deaf


def channel_notices(desk: Desk, channel: str) -> list[tuple[NoticeKind, str, str]]:
    about = (NoticeKind.CHANNEL, NoticeKind.CHANNEL_BACK)
    mine = [n for n in desk.notices if n.channel == channel and n.kind in about]
    return [(n.kind, n.facts.detail, n.facts.reason) for n in mine]


def test_a_channel_that_refuses_is_told_of_through_the_others() -> None:
    """At once, not through itself, once, and again when it is back."""
    desk = desk_of(ChannelRule("phone"), ChannelRule("desk"))
    phone, other = desk.room(0.19).notices
    desk.result(other)
    desk.result(phone, accepted=False)
    assert channel_notices(desk, "desk") == [(NoticeKind.CHANNEL, "phone", "rejected")]
    assert channel_notices(desk, "phone") == []
    for notice in tuple(desk.notices):
        if notice.kind is NoticeKind.CHANNEL:
            desk.result(notice)
    stay(desk, 310, 0.19)  # a refused alert is tried again after five minutes
    again = [n for n in about_wallet(desk, "phone") if n.decided_ms > phone.decided_ms]
    desk.result(again[0])
    assert channel_notices(desk, "desk")[-1] == (NoticeKind.CHANNEL_BACK, "phone", "")


def test_a_channel_that_takes_nothing_for_minutes_is_told_of_too() -> None:
    """Retries without end are no delivery."""
    desk = desk_of(ChannelRule("phone"), ChannelRule("desk"))
    _, other = desk.room(0.19).notices
    desk.result(other)
    stay(desk, 290, 0.19)
    assert channel_notices(desk, "desk") == []
    stay(desk, 20, 0.19)
    assert channel_notices(desk, "desk") == [(NoticeKind.CHANNEL, "phone", "overdue")]


def test_a_clock_that_is_set_back_puts_off_no_deaf_channel() -> None:
    """For as long as it was set back, the wall clock tells nothing of how long a channel has been silent."""
    desk = desk_of(ChannelRule("phone"), ChannelRule("desk"))
    desk.room(0.19)
    for notice in [n for n in desk.notices if n.channel == "desk"]:
        desk.result(notice)
    desk.beat()
    desk.wall_ms -= 3 * 3_600_000
    stay(desk, 290, 0.19)
    assert channel_notices(desk, "desk") == []
    stay(desk, 20, 0.19)
    assert channel_notices(desk, "desk") == [(NoticeKind.CHANNEL, "phone", "overdue")]


def test_trouble_of_a_channel_that_was_removed_is_over() -> None:
    """A new configuration without it closes it."""
    desk = desk_of(ChannelRule("phone"), ChannelRule("desk"))
    phone, _ = desk.room(0.19).notices
    desk.result(phone, accepted=False)
    (told,) = [n for n in desk.notices if n.kind is NoticeKind.CHANNEL]
    desk.result(told)
    desk.configure(replace(desk.settings, channels=(ChannelRule("desk"),)))
    assert channel_notices(desk, "desk")[-1][0] is NoticeKind.CHANNEL_BACK


def test_a_stranger_among_channels_is_no_trouble() -> None:
    """Left in the database by a run whose configuration still had it."""
    desk = desk_of(ChannelRule("phone"))
    (notice,) = desk.room(0.19).notices
    desk.result(replace(notice, channel="former"), accepted=False)
    assert [n for n in desk.notices if n.kind is NoticeKind.CHANNEL] == []
