"""Whether somebody watches and could be told."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.account_values import DEFAULT_ACCOUNT_TIMINGS
from monitor.commit import COMMIT_TIMEOUT_S
from monitor.core.engine import Engine
from monitor.core.events import Distrusted, Heartbeat, SettingsChanged, Snapshot, Subscribed, Ticks
from monitor.core.model import MarkRange, Now, Source
from monitor.core.settings import EngineSettings, FreshnessRules
from monitor.health import (
    ACCOUNTS,
    DYING,
    HANDED_ON_WITHIN_S,
    HISTORY,
    MARKS,
    OVERDUE,
    OVERDUE_S,
    RECONCILED_WITHIN_S,
    STANDING,
    STATE,
    STREAM,
    STREAM_WITHIN_S,
    UNKNOWN,
    UNREACHABLE,
    Health,
    Trouble,
    Vitals,
    health,
    vitals_of,
    without_history,
)
from monitor.status import Status
from tests.cli.made import NOW_MS, channel, engine, state, symbol
from tests.core.builders import account, isolated, table

LATE_MS = NOW_MS - round(OVERDUE_S * 1000)
LATE = {"pending": 1, "oldest_ms": LATE_MS, "failing": True}


class Followed(msgspec.Struct, frozen=True):
    """As the daemon has it; over its socket it is a table."""

    account: str
    reconcile_age_s: float | None
    stream_missing_s: float = 0.0
    stream_trouble: str = ""


def reasons(**changes: object) -> tuple[str, ...]:
    """Return what is wrong with a status that is well but for these changes."""
    found = health(vitals_of(state(**changes)))
    assert found.ok is not bool(found.reasons)
    assert found.reasons == tuple(one.reason for one in found.troubles)
    assert all(one.names for one in found.troubles)
    return found.reasons


def troubles(**changes: object) -> dict[str, tuple[str, ...]]:
    """Return the names of what is wrong, by reason."""
    return dict(health(vitals_of(state(**changes))).troubles)


def test_a_service_that_watches_and_can_tell_is_well() -> None:
    """Levels do not matter: they are told by alerts."""
    assert health(vitals_of(state())) == Health()


def test_with_nothing_watched_there_is_nothing_to_miss() -> None:
    """An account without positions needs no marks; a service without channels tells its log."""
    assert reasons(engine=engine(symbols=()), channels=()) == ()


@pytest.mark.parametrize("data", ["suspect", "blind"])
def test_every_symbol_has_to_have_fresh_marks(data: str) -> None:
    """One of many is enough to miss a fall."""
    symbols = (symbol(), symbol(symbol="ETHUSDT", data=data))
    assert reasons(engine=engine(symbols=symbols)) == (MARKS,)


@pytest.mark.parametrize("age_s", [None, RECONCILED_WITHIN_S + 0.001])
@pytest.mark.parametrize("as_table", [True, False])
def test_every_followed_account_has_to_be_reconciled_lately(age_s: float | None, as_table: bool) -> None:  # noqa: FBT001
    """Marks of positions that are no more prove nothing."""
    rows: list[Any] = [Followed("a", RECONCILED_WITHIN_S), Followed("b", age_s)]
    accounts = tuple(msgspec.to_builtins(row) if as_table else row for row in rows)
    assert reasons(accounts=accounts[:1]) == ()
    assert reasons(accounts=accounts) == (ACCOUNTS,)


def test_the_limits_fit_what_they_are_about() -> None:
    """Three intervals of reconciling at rest."""
    assert 3 * DEFAULT_ACCOUNT_TIMINGS.reconcile_every_s == RECONCILED_WITHIN_S


def test_the_database_has_to_take_writes() -> None:
    """What cannot be written is lost to a crash."""
    assert reasons(unwritable={"state": "full"}) == (STATE,)


def test_a_message_that_waits_is_overdue_after_five_minutes() -> None:
    """Until then it is merely being retried."""
    waiting = channel(pending=1, oldest_ms=LATE_MS + 1, failing=True)
    assert reasons(channels=(waiting, channel(channel="mail"))) == ()
    late = channel(**LATE)
    assert reasons(channels=(late, channel(channel="mail"))) == (OVERDUE,)


@pytest.mark.parametrize(
    ("mail", "fallbacks", "expected"),
    [
        ({}, {"phone": "mail"}, ()),
        ({"failing": True}, {"phone": "mail"}, (OVERDUE,)),
        (LATE, {"phone": "mail"}, (OVERDUE,)),
        (LATE, {"phone": "mail", "mail": "desk"}, ()),
        ({}, {"phone": "gone"}, (OVERDUE,)),
        ({}, {"phone": "phone"}, (OVERDUE,)),
        (LATE, {"phone": "mail", "mail": "phone"}, (OVERDUE,)),
    ],
)
def test_what_a_stand_in_delivers_is_not_overdue(
    mail: dict[str, Any], fallbacks: dict[str, str], expected: tuple[str, ...]
) -> None:
    """The channel that takes over has to work itself, or the one that takes over for it; a circle helps nobody."""
    channels = (channel(**LATE), channel(channel="mail", **mail), channel(channel="desk"))
    assert reasons(channels=channels, fallbacks=fallbacks) == expected


def test_somebody_has_to_be_reachable() -> None:
    """Where every channel refused the last message, nobody hears of the next; one that works is enough."""
    refusing = channel(refused=1, failing=True)
    assert reasons(channels=(refusing,)) == (UNREACHABLE,)
    assert reasons(channels=(refusing, channel(channel="mail"))) == ()
    retried = channel(channel="mail", pending=1, oldest_ms=NOW_MS, failing=True)
    assert reasons(channels=(refusing, retried)) == ()


def test_a_job_that_died_counts_for_a_while() -> None:
    """What was started anew and runs is well again."""
    assert reasons(job_deaths={"feed": 3}) == ()
    assert reasons(job_deaths={"feed": 3}, dying=("feed",)) == (DYING,)


def test_all_reasons_are_told_in_constant_words() -> None:
    """They go to somebody else's service: no name of a symbol, an account or a channel is in them."""
    said = reasons(
        engine=engine(symbols=(symbol(data="blind"),)), accounts=(Followed("main", None, 99.0),),
        channels=(channel(**LATE),), dying=("feed",), unseen=("lost",), standing=("decide",),
        unwritable={"state": "full", "history": "full"},
    )  # fmt: skip
    assert said == (MARKS, UNKNOWN, ACCOUNTS, STREAM, STATE, HISTORY, OVERDUE, UNREACHABLE, DYING, STANDING)
    assert not any(name in " ".join(said) for name in ("BTCUSDT", "main", "phone", "feed", "lost", "decide"))


def test_the_verdict_is_the_same_on_the_other_side_of_the_socket() -> None:
    """A command that asks the daemon comes to the same conclusion."""
    found = state(accounts=(Followed("a", 1.0),), channels=(channel(**LATE), channel(channel="mail")))
    there = msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), Status)
    assert health(vitals_of(there)) == health(vitals_of(found)) == Health((Trouble(OVERDUE, ("phone",)),))


# Where


def test_every_trouble_says_where() -> None:
    """For those who may see what is watched; in the order of what is asked, each with all its names."""
    found = troubles(
        engine=engine(
            symbols=(symbol(data="blind"), symbol(symbol="ETHUSDT"), symbol(symbol="XUSDT", data="suspect"))
        ),
        accounts=(Followed("a", None), Followed("b", 1.0), Followed("c", 1.0, STREAM_WITHIN_S)),
        channels=(channel(**LATE), channel(channel="mail", failing=True)), dying=("feed",), unseen=("d",),
        unwritable={"state": "full", "history": "full"}, standing=("decide", "commit"),
    )  # fmt: skip
    assert found == {
        MARKS: ("BTCUSDT", "XUSDT"),
        UNKNOWN: ("d",),
        ACCOUNTS: ("a",),
        STREAM: ("c",),
        STATE: ("state",),
        HISTORY: ("history",),
        OVERDUE: ("phone",),
        UNREACHABLE: ("phone", "mail"),
        DYING: ("feed",),
        STANDING: ("decide", "commit"),
    }


def test_an_account_that_was_never_seen_is_one_trouble_and_not_two() -> None:
    """That it was not reconciled goes without saying."""
    assert troubles(accounts=(Followed("a", None),), unseen=("a",)) == {UNKNOWN: ("a",)}


@pytest.mark.parametrize("as_table", [True, False])
@pytest.mark.parametrize(
    ("missing_s", "why", "dead"),
    [
        (0.0, "", False),
        (STREAM_WITHIN_S - 0.001, "", False),
        (STREAM_WITHIN_S, "", True),
        (0.0, "silent", True),
        (0.0, "not_open", True),
    ],
)
def test_a_private_stream_is_dead_once_it_is_missing_too_long_or_found_silent(
    as_table: bool, missing_s: float, why: str, dead: bool  # noqa: FBT001
) -> None:  # fmt: skip
    """However well REST stands in for it. One that is made anew within seconds is no trouble."""
    row: Any = Followed("a", 1.0, missing_s, why)
    accounts = (msgspec.to_builtins(row) if as_table else row,)
    assert reasons(accounts=accounts) == ((STREAM,) if dead else ())


def test_a_stream_may_be_missing_as_long_as_people_are_not_told() -> None:
    """The same minute; and longer than three attempts that each wait for a host that does not answer."""
    timings = DEFAULT_ACCOUNT_TIMINGS
    assert timings.complain_after_s == STREAM_WITHIN_S
    assert 3 * timings.open_timeout_s + sum(timings.pauses.first_s * 2**n for n in range(3)) < STREAM_WITHIN_S


def test_a_message_that_is_not_even_handed_to_its_channel_is_overdue_soon() -> None:
    """A commit is given up after a second and its messages leave without it: longer than that, nothing moves."""
    late_ms = round(HANDED_ON_WITHIN_S * 1000)
    assert COMMIT_TIMEOUT_S < HANDED_ON_WITHIN_S
    assert troubles(waiting_ms={"phone": NOW_MS - late_ms + 1}) == {}
    assert troubles(waiting_ms={"phone": NOW_MS - late_ms, "mail": NOW_MS}) == {OVERDUE: ("phone",)}
    late = (channel(**LATE), channel(channel="mail"))
    assert troubles(channels=late, waiting_ms={"phone": 0}) == {OVERDUE: ("phone",)}


def test_a_history_that_takes_no_writes_does_not_count_for_whoever_waits_for_alerts() -> None:
    """The owner was told and is still warned; nothing else is left out."""
    found = health(vitals_of(state(unwritable={"history": "full"})))
    assert found.reasons == (HISTORY,)
    assert without_history(found) == Health()
    found = health(vitals_of(state(unwritable={"history": "full", "state": "full"})))
    assert without_history(found) == Health((Trouble(STATE, ("state",)),))


# What may never happen

STEPS = st.lists(
    st.tuples(
        st.floats(0.0, 20.0),
        st.sampled_from(["BTCUSDT", "ETHUSDT", "rest", "beat", "distrust", "trust", "subscribe", "new"]),
    ),
    max_size=40,
)


@given(STEPS)
def test_no_sequence_of_events_leaves_it_well_while_a_symbol_is_not_fresh(steps: list[tuple[float, str]]) -> None:
    """Fresh is counted anew: the stream itself told a mark within three seconds, and nothing is wrong with it."""
    desk = Engine()
    now = Now(NOW_MS, 100.0)
    rules = FreshnessRules()
    holds = {"BTCUSDT": account(isolated())}
    desk.step(SettingsChanged(EngineSettings(accounts=("main", "two")), (table(), table("ETHUSDT"))), now)
    desk.step(Snapshot(holds["BTCUSDT"]), now)
    heard: dict[str, float] = {"BTCUSDT": -math.inf}
    wrong: set[str] = set()
    for pause_s, what in steps:
        now = Now(now.wall_ms + round(pause_s * 1000), now.mono_s + pause_s)
        match what:
            case "beat":
                desk.step(Heartbeat(), now)
            case "new":
                desk.step(Snapshot(account(isolated("ETHUSDT"), name="two")), now)
                heard.setdefault("ETHUSDT", -math.inf)
            case "subscribe":
                desk.step(Subscribed("usdm", tuple(heard), now.mono_s), now)
            case "distrust" | "trust":
                wrong = {"BTCUSDT"} if what == "distrust" else set()
                desk.step(Distrusted("usdm", dict.fromkeys(wrong, "stuck")), now)
            case _:
                source = Source.REST if what == "rest" else Source.STREAM
                name = "BTCUSDT" if what == "rest" else what
                mark = MarkRange(name, 100.0, 100.0, 100.0, now.wall_ms, now.mono_s, source)
                desk.step(Ticks((mark,)), now)
                if source is Source.STREAM and name in heard:
                    heard[name] = now.mono_s
        stale = {n for n, at_s in heard.items() if now.mono_s - at_s >= rules.suspect_after_s or n in wrong}
        found = health(Vitals(now.wall_ms, desk.stale(now), (), (), {}, unknown=desk.unknown()))
        assert set(dict(found.troubles).get(MARKS, ())) == stale
        assert found.ok is not bool(stale or "ETHUSDT" not in heard)
