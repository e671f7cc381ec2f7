"""Whether somebody watches and could be told."""

from typing import Any

import msgspec
import pytest

from monitor.binance.account_values import DEFAULT_ACCOUNT_TIMINGS
from monitor.health import (
    ACCOUNTS,
    DYING,
    DYING_S,
    MARKS,
    OVERDUE,
    OVERDUE_S,
    RECONCILED_WITHIN_S,
    STATE,
    UNREACHABLE,
    Health,
    Trouble,
    health,
    verdict,
    vitals_of,
)
from monitor.status import Status
from monitor.supervise import WINDOW_S
from tests.cli.made import NOW_MS, channel, engine, state, symbol

LATE_MS = NOW_MS - round(OVERDUE_S * 1000)
LATE = {"pending": 1, "oldest_ms": LATE_MS, "failing": True}


class Followed(msgspec.Struct, frozen=True):
    """As the daemon has it; over its socket it is a table."""

    account: str
    reconcile_age_s: float | None


def reasons(**changes: object) -> tuple[str, ...]:
    """Return what is wrong with a status that is well but for these changes."""
    verdict = health(vitals_of(state(**changes)))
    assert verdict.ok is not bool(verdict.reasons)
    return verdict.reasons


def test_a_service_that_watches_and_can_tell_is_well() -> None:
    """Levels do not matter: they are told by alerts."""
    assert health(vitals_of(state())) == Health(ok=True)


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
    """Three intervals of reconciling at rest; as long as the supervisor looks back."""
    assert 3 * DEFAULT_ACCOUNT_TIMINGS.reconcile_every_s == RECONCILED_WITHIN_S
    assert DYING_S == WINDOW_S


def test_the_database_has_to_take_writes() -> None:
    """What cannot be written is lost to a crash."""
    assert reasons(state_ok=False) == (STATE,)


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
    ago_ms = round(DYING_S * 1000)
    assert reasons(job_deaths={"feed": 3}, died_ms={"feed": NOW_MS - ago_ms}) == ()
    assert reasons(job_deaths={"feed": 3}, died_ms={"feed": NOW_MS - ago_ms + 1}) == (DYING,)


def test_all_reasons_are_told_in_constant_words() -> None:
    """They go to somebody else's service: no name of a symbol, an account or a channel is in them."""
    said = reasons(
        engine=engine(symbols=(symbol(data="blind"),)), accounts=(Followed("main", None),), state_ok=False,
        channels=(channel(**LATE),), died_ms={"feed": NOW_MS},
    )  # fmt: skip
    assert said == (MARKS, ACCOUNTS, STATE, OVERDUE, UNREACHABLE, DYING)
    assert not any(name in " ".join(said) for name in ("BTCUSDT", "main", "phone", "feed"))


def test_the_verdict_is_the_same_on_the_other_side_of_the_socket() -> None:
    """A command that asks the daemon comes to the same conclusion."""
    found = state(accounts=(Followed("a", 1.0),), channels=(channel(**LATE), channel(channel="mail")))
    there = msgspec.convert(msgspec.json.decode(msgspec.json.encode(found)), Status)
    assert health(vitals_of(there)) == health(vitals_of(found)) == verdict([Trouble(OVERDUE, ("phone",))])
