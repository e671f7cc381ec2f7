"""A drill through the real engine, ledger and delivery, on a clock that is faster than any."""

import asyncio
from collections import Counter

import pytest
from structlog.testing import capture_logs

from monitor.cli import rehearsal
from monitor.cli.rehearsal import Rehearsal, Try, quickened
from monitor.cli.scenarios import LEVELS, SCENARIOS, Holding
from monitor.core.model import Level, Side
from monitor.core.notices import NoticeKind
from monitor.core.settings import ChannelRule
from monitor.errors import DeliveryError
from monitor.notify.numbers import money
from monitor.ports import Channel, Message
from monitor.storage.outbox import OutboxRow, OutboxState
from tests.conftest import ManualClock
from tests.notify.fakes import FakeChannel
from tests.storage.fakes import MemoryState

ALERT, CLOSED = NoticeKind.ALERT, NoticeKind.CLOSED
RULES = (ChannelRule("phone", Level.WARNING), ChannelRule("log"))


async def played(
    clock: ManualClock,
    name: str,
    *channels: Channel,
    rules: tuple[ChannelRule, ...] = RULES,
    speed: float = 60.0,
) -> tuple[list[OutboxRow], list[str | Try]]:
    """Play a scenario; return the ledger it left and what was told of it."""
    told: list[str | Try] = []
    drill = Rehearsal(
        SCENARIOS[name], quickened(rules, speed, 600.0), channels, MemoryState(clock), clock, speed=speed,
        told=told.append,
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        playing = group.create_task(drill.run())
        while not playing.done():
            await clock.advance(0.25)
            await asyncio.wait({playing}, timeout=0)
    return playing.result(), told


def answered(told: list[str | Try], channel: str) -> list[Try]:
    return [one for one in told if isinstance(one, Try) and one.channel == channel and one.took_s is not None]


def kinds(rows: list[OutboxRow], channel: str) -> list[tuple[NoticeKind, Level]]:
    return [(row.kind, row.level) for row in rows if row.channel == channel and row.state is OutboxState.ACCEPTED]


EXPECTED = {
    "fall": [(ALERT, Level.WARNING), (ALERT, Level.CRITICAL), (ALERT, Level.EMERGENCY), (CLOSED, Level.OK)],
    "spike": [(ALERT, Level.EMERGENCY), (CLOSED, Level.OK)],
    "blind": [(NoticeKind.BLIND, Level.CRITICAL), (NoticeKind.SIGHT, Level.OK)],
    "flap": [(ALERT, Level.WARNING), (CLOSED, Level.OK)],
}


@pytest.mark.parametrize("speed", [60.0, 120.0])
@pytest.mark.parametrize("name", EXPECTED)
async def test_each_scenario_tells_what_it_says(clock: ManualClock, name: str, speed: float) -> None:
    """Whatever the built-in levels are, a drill reaches every level it names, ends, and says DRILL."""
    phone, notes = FakeChannel("phone"), FakeChannel("log")
    began_s = clock.mono_s()
    with capture_logs():
        rows, told = await played(clock, name, phone, notes, speed=speed)
    assert kinds(rows, "phone") == EXPECTED[name]
    assert all(title.startswith("DRILL") for title in phone.titles)
    assert [one.message for one in answered(told, "phone")] == phone.accepted
    assert [one for one in told if isinstance(one, str)] == [step.words for step in SCENARIOS[name].steps]
    assert answered(told, "phone")[-1].at_s < SCENARIOS[name].minutes * 60 / speed, "the end is part of the story"
    assert clock.mono_s() - began_s < SCENARIOS[name].minutes * 60 / speed + 10.0
    if name == "fall":
        assert kinds(rows, "log")[0] == (ALERT, Level.NOTICE)


async def test_messages_of_a_drill_say_what_to_do(clock: ManualClock) -> None:
    """As those of a real incident: amounts in the alert, from funds of the account, in steps of the symbol."""
    phone = FakeChannel("phone")
    with capture_logs():
        rows, _ = await played(clock, "fall", phone, rules=RULES[:1])
    alerts = [row for row in rows if row.kind is ALERT]
    assert len(alerts) == 3
    for row in alerts:
        assert row.notice is not None
        advice = row.notice.facts.prescription
        assert advice is not None
        assert not advice.assumed_step
        first = advice.remedies[0]
        assert first.add is not None
        assert first.lacking == 0
        assert money(first.add, "USDT") in phone.accepted[alerts.index(row)].body
        steps = first.cuts[0].quantity / 0.001
        assert steps == pytest.approx(round(steps))


def test_positions_of_drills_are_whole_steps() -> None:
    """A power of ten that is about as fine as the exchange's, and about the same stake for all."""
    for scenario in SCENARIOS.values():
        lots = scenario.lots()
        for one in scenario.account().positions:
            steps = one.quantity / lots[one.symbol].step
            assert steps == pytest.approx(round(steps), rel=1e-12)
            assert one.quantity * one.entry_price == pytest.approx(10_000.0, rel=0.005)
            assert one.margin == pytest.approx(one.quantity * one.entry_price / 20)
            assert 100 <= steps <= 1000


@pytest.mark.parametrize("speed", [60.0, 120.0])
async def test_a_market_that_falls_is_told_in_groups(clock: ManualClock, speed: float) -> None:
    """Twenty incidents, each with its end, in a handful of messages; what was not sent was replaced."""
    phone = FakeChannel("phone")
    with capture_logs():
        rows, told = await played(clock, "market", phone, rules=RULES[:1], speed=speed)
    accepted = Counter(kinds(rows, "phone"))
    assert accepted[CLOSED, Level.OK] == 20
    assert accepted[ALERT, Level.EMERGENCY] == 3
    assert {row.state for row in rows} <= {OutboxState.ACCEPTED, OutboxState.SUPERSEDED}
    assert "EMERGENCY" in " ".join(phone.titles)
    assert 4 <= len(phone.accepted) <= 9
    assert answered(told, "phone")[-1].at_s < SCENARIOS["market"].minutes * 60 / speed


async def test_what_a_channel_answers_is_shown_as_it_is(clock: ManualClock) -> None:
    """A refusal is told with its reason, and the ledger knows it too."""
    bad = FakeChannel("phone", script=[DeliveryError("phone", "http-401", permanent=True)] * 9)
    with capture_logs():
        rows, told = await played(clock, "spike", bad, rules=RULES[:1], speed=120.0)
    assert {one.reason for one in answered(told, "phone")} == {"http-401"}
    assert rows[0].state is OutboxState.REFUSED


async def test_a_channel_that_hangs_does_not_keep_a_drill(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after a time, and its messages are not accepted."""
    monkeypatch.setattr(rehearsal, "DRAIN_S", 0.1)
    stuck = FakeChannel("phone")
    stuck.hold()
    with capture_logs():
        rows, told = await played(clock, "spike", stuck, rules=RULES[:1], speed=120.0)
    assert answered(told, "phone") == []
    assert [row.state for row in rows if row.kind is NoticeKind.ALERT] == [OutboxState.PENDING]


async def test_a_stand_in_takes_over_in_a_drill(clock: ManualClock) -> None:
    """With shortened times, so that it can be seen; the message says for whom."""
    rules = (ChannelRule("phone", Level.WARNING, fallback="mail"), ChannelRule("mail", Level.EMERGENCY))
    bad = FakeChannel("phone", script=[DeliveryError("phone", "refused")] * 99)
    mail = FakeChannel("mail")
    with capture_logs():
        await played(clock, "flap", bad, mail, rules=rules)
    assert any("WARNING" in title for title in mail.titles)


def test_waiting_times_are_divided_and_have_floors() -> None:
    """A slow service must not look like a broken one; who is not part of the drill stands in for nobody."""
    rules = (ChannelRule("phone", fallback="mail", fallback_after_s=1200.0), ChannelRule("sms", fallback="phone"))
    settings = quickened(rules, 60.0, 6000.0)
    assert [(one.fallback, one.fallback_after_s) for one in settings.channels] == [("", 20.0), ("phone", 8.0)]
    assert settings.escalate_after_s == 100.0
    assert quickened(rules, 60.0, 60.0).escalate_after_s == 12.0
    assert [one.dwell_s for one in settings.rules.levels] == [one.dwell_s / 60 for one in LEVELS]
    assert settings.environment == "drill"


def test_a_path_is_followed_to_its_end() -> None:
    """Straight between two points, nothing where there are no marks, and the last for ever."""
    one = Holding("X", Side.LONG, 100.0, ((0.0, 1.0), (1.0, 1.0), (2.0, 0.9), (3.0, None), (5.0, 0.8)))
    assert [one.mark(minute) for minute in (0.0, 1.5, 2.0, 2.5, 3.0, 4.9, 5.0, 99.0)] == [
        100.0, pytest.approx(95.0), 90.0, 90.0, None, None, 80.0, 80.0,
    ]  # fmt: skip


def test_every_script_fits_into_a_minute() -> None:
    """At the usual speed, with what the last messages take."""
    assert all(one.minutes <= 50.0 for one in SCENARIOS.values())
    assert all(one.steps[-1].minute < one.minutes for one in SCENARIOS.values())


async def test_a_message_is_a_message(clock: ManualClock) -> None:
    """What is watched is what is sent."""
    shown: list[Try] = []
    channel = rehearsal.Watched(FakeChannel("phone", "html"), clock, shown.append)
    await channel.send(Message("t", "b", "html", Level.NOTICE))
    assert (channel.name, channel.format) == ("phone", "html")
    assert [one.took_s is None for one in shown] == [True, False]
