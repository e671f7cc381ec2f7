"""A reload that gives channels another address: what they refused is told over it, and nothing else again."""

from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import planner
from monitor.core.events import DeliveryResult, Heartbeat, SettingsChanged, Snapshot
from monitor.core.model import Level
from monitor.core.notices import NoticeKind, SubjectState, Told
from monitor.core.settings import ChannelRule
from tests.core.builders import SUBJECT, Desk, isolated

TG, MAIL = ChannelRule("tg", Level.NOTICE), ChannelRule("mail", Level.NOTICE)
AT_MS = 1_780_000_000_000

Step = tuple[Literal["room", "accept", "refuse", "wait", "reload"], object]

_NAMES = st.sampled_from(["tg", "mail"])
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(st.just("room"), st.sampled_from([0.05, 0.15, 0.3, 0.9])),
        st.tuples(st.just("accept"), _NAMES),
        st.tuples(st.just("refuse"), _NAMES),
        st.tuples(st.just("wait"), st.sampled_from([1, 2, 70, 400])),
        st.tuples(st.just("reload"), st.frozensets(_NAMES)),
    ),
    max_size=20,
)


def desk_of(*channels: ChannelRule) -> Desk:
    desk = Desk(channels=channels or (TG, MAIL), deliver=False)
    desk.hold(isolated())
    desk.room(0.9)
    return desk


def reload(desk: Desk, *names: str) -> None:
    """Give these channels another address, and nothing else."""
    desk.step(SettingsChanged(desk.settings, desk.tables, (), names))


def answer(desk: Desk, channel: str, *, accepted: bool) -> None:
    """Let what waits for a channel meet its fate."""
    told = desk.rows[SUBJECT].told.get(channel)
    waiting = [one for one in desk.notices if one.channel == channel and told and one.key == told.awaited]
    for notice in waiting:
        desk.result(notice, accepted=accepted)


def story(desk: Desk, channel: str) -> list[tuple[int, NoticeKind, Level]]:
    """What a channel is told of the wallet, and when."""
    told = (one for one in desk.notices if (one.channel, one.subject) == (channel, SUBJECT))
    return [(one.decided_ms, one.kind, one.level) for one in told]


def test_what_was_refused_is_told_over_another_address_at_once() -> None:
    """As after a restart, not with the next reminder."""
    desk = desk_of(TG)
    desk.room(0.05)
    answer(desk, "tg", accepted=False)
    desk.beat(3)
    assert len(story(desk, "tg")) == 1
    reload(desk, "tg")
    desk.beat()
    assert [(kind, level) for _, kind, level in story(desk, "tg")] == [(NoticeKind.ALERT, Level.EMERGENCY)] * 2
    answer(desk, "tg", accepted=True)
    desk.beat(30)
    assert len(story(desk, "tg")) == 2


@pytest.mark.parametrize("vanishes", [False, True])
def test_an_end_that_was_refused_is_told_over_another_address_at_once(vanishes: bool) -> None:  # noqa: FBT001
    """Also that of a position that is gone."""
    desk = desk_of(TG)
    desk.room(0.05)
    answer(desk, "tg", accepted=True)
    if vanishes:
        desk.hold()
    else:
        desk.stay(400, 0.9)
    ending = story(desk, "tg")[-1]
    assert ending[1:] == (NoticeKind.CLOSED, Level.OK)
    answer(desk, "tg", accepted=False)
    desk.beat(3)
    assert story(desk, "tg")[-1] == ending
    reload(desk, "tg")
    desk.beat()
    assert [one[1] for one in story(desk, "tg")][-2:] == [NoticeKind.CLOSED] * 2
    answer(desk, "tg", accepted=True)
    assert "tg" not in desk.rows.get(SUBJECT, planner.begin(SUBJECT, 0)).told


def test_what_is_refused_as_another_address_comes_is_told_over_it_at_once() -> None:
    """The refusal is known only after the settings that brought the address."""
    desk = desk_of(TG)
    desk.room(0.05)
    reload(desk, "tg")
    (notice,) = [one for one in desk.notices if one.subject == SUBJECT]
    desk.step(DeliveryResult(SUBJECT, notice.key, "tg", accepted=False, moved=True))
    desk.beat()
    assert len(story(desk, "tg")) == 2


def test_what_another_channel_refused_waits() -> None:
    """Its address is what it was."""
    desk = desk_of()
    desk.room(0.05)
    answer(desk, "tg", accepted=False)
    reload(desk, "mail")
    desk.beat(30)
    assert len(story(desk, "tg")) == len(story(desk, "mail")) == 1


def _played(steps: list[Step], *, reloads: bool) -> Desk:
    desk = desk_of()
    for what, value in steps:
        match what:
            case "room":
                desk.room(float(str(value)))
            case "wait":
                desk.beat(int(str(value)))
            case "reload":
                if reloads and isinstance(value, frozenset):
                    reload(desk, *value)
            case _:
                answer(desk, str(value), accepted=what == "accept")
    return desk


@settings(max_examples=30)
@given(STEPS)
def test_a_channel_whose_address_stays_hears_the_same_with_and_without_reloads(steps: list[Step]) -> None:
    """Word for word and at the same time, whatever the others refused; so nothing is told twice."""
    only_tg = [(what, value - {"mail"} if isinstance(value, frozenset) else value) for what, value in steps]
    assert story(_played(only_tg, reloads=True), "mail") == story(_played(only_tg, reloads=False), "mail")


@settings(max_examples=30)
@given(STEPS)
def test_a_channel_that_refused_nothing_hears_nothing_again(steps: list[Step]) -> None:
    """Also one that was given another address, and while something is on its way to it."""
    taking = [step for step in steps if step[0] != "refuse"]
    with_them, without = _played(taking, reloads=True), _played(taking, reloads=False)
    for name in ("tg", "mail"):
        assert story(with_them, name) == story(without, name)


TOLD = st.builds(
    Told,
    level=st.sampled_from(list(Level)),
    at_ms=st.integers(AT_MS - 2_000_000, AT_MS),
    delivered=st.booleans(),
    refused=st.booleans(),
    awaited=st.sampled_from(["", "key"]),
)


@given(st.sampled_from(list(Level)), st.dictionaries(_NAMES, TOLD), st.frozensets(_NAMES))
def test_just_what_was_refused_becomes_due(level: Level, told: dict[str, Told], names: frozenset[str]) -> None:
    """Of the channels named, in any state there can be; all else of it stays, and once is as good as twice."""
    before = msgspec.structs.replace(planner.begin(SUBJECT, 0), level=level, told=told)
    after = planner.mended(before, names)
    refused = {name for name in names & told.keys() if told[name].refused}
    assert {name for name in told if after.told[name] != told[name]} <= refused
    assert planner.mended(after, names) == after

    def due(state: SubjectState) -> set[str]:
        return {*planner.remind(state, None, (TG, MAIL), AT_MS), *planner.owed(state, AT_MS)}

    open_there = {name for name in refused if told[name].level is Level.OK or level is not Level.OK}
    assert due(after) == due(before) | open_there


def test_it_survives_a_crash_before_it_was_told() -> None:
    """What is due at once is recorded as such."""
    desk = desk_of(TG)
    desk.room(0.05)
    answer(desk, "tg", accepted=False)
    reload(desk, "tg")
    assert desk.rows[SUBJECT].told["tg"].at_ms == 0
    after = desk.restarted()
    after.step(Snapshot(desk.engine.accounts()[0]))
    after.room(0.05)
    after.step(Heartbeat())
    assert len(story(after, "tg")) == 1


def test_an_older_journal_names_no_channels() -> None:
    """Such a line is still read."""
    event = SettingsChanged(Desk().settings, ())
    document = msgspec.json.decode(msgspec.json.encode(event))
    del document["channels"]
    assert msgspec.convert(document, SettingsChanged, strict=False) == event
