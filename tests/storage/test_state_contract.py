"""What every state store promises; runs against the database and the fake."""

import asyncio

import msgspec
import pytest

from monitor.core.model import Level
from monitor.core.notices import Fate, NoticeKind
from monitor.errors import StoreError
from monitor.ports import Attempt, Rows, Stored
from monitor.storage.outbox import OutboxCount, OutboxState, Pending
from monitor.storage.statements import FIRST_REFUSED_KEPT, NEWEST_REFUSED_KEPT
from tests.conftest import ManualClock
from tests.storage.rows import OVER, Store, by_key, level_of, notice, numbered, reopen

TRIED = Attempt(1_780_000_000_000, 1_780_000_000_100, "http-401")


async def test_what_was_committed_is_there_when_opened_again(store: Store) -> None:
    """Levels and pending notices survive, notices oldest first, to the last field."""
    levels = (level_of("a/cross:USDT"), level_of("b/isolated:BTCUSDT:LONG", Level.EMERGENCY))
    late, early = notice("k2", decided_ms=200), notice("k1", subject="b/isolated:BTCUSDT:LONG")
    await store.commit(Rows(subjects=levels, notices=(late, early)))
    fates = (
        Fate("a/cross:USDT", "phone", "pending", 200, "k2"),
        Fate("b/isolated:BTCUSDT:LONG", "phone", "pending", 100, "k1"),
    )
    assert await reopen(store) == Stored(levels, (early, late), fates)


async def test_what_was_refused_of_what_goes_on_is_there_as_it_was(store: Store) -> None:
    """The newest on each channel: what is over, and what something else was told after, is not."""
    levels = (level_of("a/cross:USDT"), level_of("over", Level.OK))
    await store.commit(Rows(subjects=levels, notices=(notice("old"),)))
    newest = (notice("k2", decided_ms=300), notice("k1", channel="mail", decided_ms=200))
    await store.refused(["old"], "phone", TRIED)
    await store.commit(Rows(notices=(*newest, notice("end", subject="over"), notice("gone", subject="gone"))))
    for key, channel in (("k2", "phone"), ("k1", "mail"), ("end", "phone"), ("gone", "phone")):
        await store.refused([key], channel, TRIED)
    stored = await reopen(store)
    assert (stored.pending, stored.refused) == ((), newest[::-1])
    waits = notice("k3", decided_ms=250)
    await store.commit(Rows(notices=(waits,)))
    stored = await reopen(store)
    assert stored.refused == (newest[1],)
    assert stored.undelivered == (newest[1], waits)


async def test_notices_of_one_moment_keep_the_order_of_their_commit(store: Store) -> None:
    """A burst within one millisecond is sent in the order it was decided."""
    burst = tuple(notice(f"k{n}", subject=f"s{n}") for n in (3, 1, 2))
    await store.commit(Rows(notices=burst))
    assert (await reopen(store)).pending == burst


async def test_a_subject_has_one_row_its_newest(store: Store) -> None:
    """A level is replaced, not added."""
    await store.commit(Rows(subjects=(level_of("s", Level.NOTICE),)))
    await store.commit(Rows(subjects=(level_of("s", Level.CRITICAL),)))
    assert (await reopen(store)).subjects == (level_of("s", Level.CRITICAL),)


async def test_a_gone_subject_loses_its_row_but_not_its_notices(store: Store) -> None:
    """The last message about a closed position is still owed."""
    await store.commit(Rows(subjects=(level_of("a/cross:USDT"),)))
    await store.commit(Rows(gone=("a/cross:USDT", "never there"), notices=(notice("k1"),)))
    assert await reopen(store) == Stored((), (notice("k1"),))


async def test_committing_nothing_is_fine(store: Store) -> None:
    """Effects without rows cost nothing."""
    await store.commit(Rows())
    assert await reopen(store) == Stored((), ())


async def test_a_notice_supersedes_pending_ones_of_its_subject_and_channel_only(
    store: Store, clock: ManualClock
) -> None:
    """Nobody is sent yesterday's level; other channels and subjects are not affected."""
    await store.commit(Rows(notices=(notice("old"), notice("old", channel="mail"), notice("other", subject="s2"))))
    await store.commit(Rows(notices=(notice("new", decided_ms=101),)))
    rows = {(row.key, row.channel): row for row in await store.alerts()}
    assert rows["old", "phone"].state is OutboxState.SUPERSEDED
    assert rows["old", "phone"].settled_ms == clock.wall_ms()
    assert rows["old", "mail"].state is OutboxState.PENDING
    assert rows["other", "phone"].state is OutboxState.PENDING
    assert rows["new", "phone"].state is OutboxState.PENDING


async def test_within_one_commit_the_last_notice_of_a_subject_and_channel_wins(store: Store) -> None:
    """An alert and the message that closes it in one step leave the closing one, whatever their times."""
    await store.commit(Rows(notices=(notice("alert", decided_ms=9), notice("closed", decided_ms=8))))
    assert (await reopen(store)).pending == (notice("closed", decided_ms=8),)


async def test_committing_a_notice_again_changes_nothing(store: Store) -> None:
    """Neither a second row, nor a settled one made pending, nor a newer one superseded."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.commit(Rows(notices=(notice("k2"),)))
    before = await store.alerts()
    await store.commit(Rows(notices=(notice("k1"),)))
    assert await store.alerts() == before
    await store.accepted(["k2"], "phone", Attempt(5, 5))
    await store.commit(Rows(notices=(notice("k2"),)))
    assert (await reopen(store)).pending == ()


async def test_a_failed_attempt_leaves_the_row_due(store: Store) -> None:
    """Attempts are counted, with the time of the first and the last and why the last one failed."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.attempted(["k1"], "phone", Attempt(1000, 1000, "timeout"))
    await store.attempted(["k1"], "phone", Attempt(2000, 2000, "http 500"))
    row = (await by_key(store))["k1"]
    assert (row.attempts, row.first_attempt_ms, row.last_attempt_ms) == (2, 1000, 2000)
    assert (row.last_reason, row.state, row.settled_ms) == ("http 500", OutboxState.PENDING, None)
    assert (await reopen(store)).pending == (notice("k1"),)


async def test_an_accepted_notice_is_not_pending_any_more(store: Store) -> None:
    """The attempt that worked counts, and the trouble before it stays on record."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.attempted(["k1"], "phone", Attempt(1000, 1000, "timeout"))
    await store.accepted(["k1"], "phone", Attempt(2000, 2000))
    row = (await by_key(store))["k1"]
    assert (row.state, row.settled_ms, row.attempts) == (OutboxState.ACCEPTED, 2000, 2)
    assert (row.first_attempt_ms, row.last_attempt_ms, row.last_reason) == (1000, 2000, "timeout")
    assert (await reopen(store)).pending == ()


async def test_a_refused_notice_is_given_up_with_its_reason(store: Store) -> None:
    """What the service will never take is not tried again."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.refused(["k1"], "phone", Attempt(1000, 1000, "unknown chat"))
    row = (await by_key(store))["k1"]
    assert (row.state, row.settled_ms, row.last_reason) == (OutboxState.REFUSED, 1000, "unknown chat")
    assert (await reopen(store)).pending == ()


async def test_resolving_gives_up_pending_notices_of_a_subject_on_a_channel(
    store: Store, clock: ManualClock
) -> None:
    """An incident that ended before anybody was told leaves nothing to send."""
    await store.commit(Rows(notices=(notice("k1"), notice("k1", channel="mail"), notice("k2", subject="s2"))))
    await store.commit(Rows(over=OVER))
    rows = {(row.key, row.channel): row for row in await store.alerts()}
    assert rows["k1", "phone"].state is OutboxState.RESOLVED
    assert rows["k1", "phone"].settled_ms == clock.wall_ms()
    assert rows["k1", "mail"].state is OutboxState.PENDING
    assert rows["k2", "phone"].state is OutboxState.PENDING


async def test_an_alert_committed_with_the_end_of_the_incident_before_it_stays_due(store: Store) -> None:
    """One incident ends and the next begins in one commit: resolving comes first, and superseding after it."""
    await store.commit(Rows(notices=(notice("k1"),)))
    await store.commit(
        Rows(over=OVER, subjects=(level_of("a/cross:USDT"),), notices=(notice("k2", decided_ms=200),))
    )
    rows = await by_key(store)
    assert (rows["k1"].state, rows["k2"].state) == (OutboxState.RESOLVED, OutboxState.PENDING)
    assert (await reopen(store)).pending == (notice("k2", decided_ms=200),)


async def test_the_same_commit_again_resolves_none_of_its_own_notices(store: Store) -> None:
    """A commit that was given up may have succeeded all the same; repeating it takes nothing back."""
    rows = Rows(over=OVER, subjects=(level_of("a/cross:USDT"),), notices=(notice("k1"),))
    await store.commit(rows)
    await store.commit(rows)
    assert (await reopen(store)).pending == (notice("k1"),)


async def test_what_became_of_the_newest_notice_is_known_when_opened_again(
    store: Store, clock: ManualClock
) -> None:
    """A crash between the mark of a delivery and the level's next commit leaves the outcome in the outbox."""
    subjects = {"a": "accepted", "b": "refused", "c": "resolved", "d": "pending"}
    levels = tuple(level_of(name) for name in (*subjects, "silent"))
    await store.commit(
        Rows(subjects=levels, notices=[notice(f"{name}1", subject=name) for name in (*subjects, "gone")])
    )
    newer = [notice(f"{name}2", subject=name, decided_ms=200) for name in subjects]
    await store.commit(Rows(notices=[*newer, notice("a1", subject="a", channel="mail", decided_ms=50)]))
    await store.accepted(
        ["a1"], "phone", Attempt(clock.wall_ms(), clock.wall_ms())
    )  # an older one that was under way
    await store.accepted(["a2"], "phone", Attempt(clock.wall_ms(), clock.wall_ms()))
    await store.refused(["b2"], "phone", Attempt(clock.wall_ms(), clock.wall_ms(), "unknown chat"))
    await store.commit(Rows(over=(("c", "phone"),)))
    expected = [Fate(name, "phone", state, 200, f"{name}2", name == "a") for name, state in subjects.items()]
    assert (await reopen(store)).fates == (Fate("a", "mail", "pending", 50, "a1"), *expected)


async def test_a_fate_tells_whether_an_alert_of_its_incident_was_heard(store: Store, clock: ManualClock) -> None:
    """Of this incident, on this channel, and not its end: an earlier alert counts when the newest was given up."""
    levels = tuple(level_of(name) for name in ("a", "b", "c"))
    earlier = [msgspec.structs.replace(notice(f"{name}1", subject=name), incident=2) for name in ("a", "b", "c")]
    await store.commit(Rows(subjects=levels, notices=earlier))
    await store.accepted(["a1", "b1"], "phone", Attempt(clock.wall_ms(), clock.wall_ms()))
    newer = [notice("a2", subject="a"), msgspec.structs.replace(notice("b2", subject="b"), incident=2)]
    end = msgspec.structs.replace(notice("c2", subject="c"), incident=2, level=Level.OK, kind=NoticeKind.CLOSED)
    await store.commit(Rows(notices=[*newer, end]))
    await store.accepted(["c2"], "phone", Attempt(clock.wall_ms(), clock.wall_ms()))
    await store.commit(Rows(over=(("b", "phone"),)))
    heard = {fate.key: (fate.state, fate.heard) for fate in (await reopen(store)).fates}
    assert heard == {"a2": ("pending", False), "b2": ("resolved", True), "c2": ("accepted", False)}


@pytest.mark.parametrize("way", ["superseded", "resolved"])
async def test_an_acceptance_that_comes_late_is_recorded(store: Store, way: str) -> None:
    """The message was under way when its row was given up: somebody has read it."""
    await store.commit(Rows(notices=(notice("k1"),)))
    if way == "resolved":
        await store.commit(Rows(over=OVER))
    else:
        await store.commit(Rows(notices=(notice("k2"),)))
    await store.refused(["k1"], "phone", Attempt(900, 900, "gone"))
    assert (await by_key(store))["k1"].state.value == way
    await store.accepted(["k1"], "phone", Attempt(1000, 1000))
    assert (await by_key(store))["k1"].state is OutboxState.ACCEPTED


async def test_what_the_service_said_is_final(store: Store) -> None:
    """An accepted row stays accepted, a refused one refused, with their first facts."""
    await store.commit(Rows(notices=(notice("yes"), notice("no", subject="s2"))))
    await store.accepted(["yes"], "phone", Attempt(1, 1))
    await store.refused(["no"], "phone", Attempt(1, 1, "never"))
    before = await by_key(store)
    await store.accepted(["yes"], "phone", Attempt(2, 2))
    await store.refused(["yes"], "phone", Attempt(3, 3, "late"))
    await store.accepted(["no"], "phone", Attempt(4, 4))
    await store.commit(Rows(over=OVER))
    assert await by_key(store) == before


async def test_of_what_is_refused_and_told_anew_for_days_those_in_the_middle_go(store: Store) -> None:
    """How it began and how it stands is what people ask; nothing else loses a row, and none keeps an attempt."""
    others = (
        notice("mail", channel="mail"), numbered("later", 3, subject="a/cross:USDT"), notice("wait", subject="s2"),
    )  # fmt: skip
    await store.commit(Rows(notices=(notice("heard"),)))
    await store.accepted(["heard"], "phone", TRIED)
    count = FIRST_REFUSED_KEPT + NEWEST_REFUSED_KEPT + 3
    for n in range(count):
        await store.commit(Rows(notices=(notice(f"k{n}", decided_ms=200 + n),)))
        await store.refused([f"k{n}"], "phone", TRIED)
        if n == 0:
            await store.commit(Rows(notices=others))
            await store.refused(["mail"], "mail", TRIED)
            await store.refused(["later"], "phone", TRIED)
    gone = {f"k{n}" for n in range(FIRST_REFUSED_KEPT, FIRST_REFUSED_KEPT + 3)}
    kept = {f"k{n}" for n in range(count)} - gone
    assert set(await by_key(store)) == kept | {"heard", "mail", "later", "wait"}
    assert [len(await store.attempts(key, "phone")) for key in sorted(gone | {"k0"})] == [1, 0, 0, 0]
    await reopen(store)
    assert set(await by_key(store)) == kept | {"heard", "mail", "later", "wait"}


async def test_fates_of_notices_that_were_never_committed_are_passed_over(store: Store) -> None:
    """A notice sent unrecorded, while the disk was full, has no row to mark."""
    await store.attempted(["k"], "phone", Attempt(1, 1, "x"))
    await store.accepted(["k"], "phone", Attempt(1, 1))
    await store.refused(["k"], "phone", Attempt(1, 1, "x"))
    await store.commit(Rows(over=(("s", "phone"),)))
    assert await store.alerts() == []


async def test_the_newest_rows_come_first_up_to_the_limit(store: Store) -> None:
    """A list of alerts starts with the latest, also within one millisecond."""
    times = {"k1": 100, "k2": 300, "k3": 200, "k4": 300}
    await store.commit(Rows(notices=[notice(key, subject=key, decided_ms=at) for key, at in times.items()]))
    rows = await store.alerts(3)
    assert [row.key for row in rows] == ["k4", "k2", "k3"]
    assert rows[0].notice == notice("k4", subject="k4", decided_ms=300)
    assert (rows[0].kind, rows[0].level) == (NoticeKind.ALERT, Level.WARNING)


async def test_counts_by_channel_and_state_and_what_still_waits(store: Store) -> None:
    """A watchdog sees how many wait and since when."""
    assert await store.pending() == Pending(0, None)
    await store.commit(Rows(notices=(notice("k1"), notice("k1", channel="mail", decided_ms=50))))
    await store.commit(Rows(notices=(notice("k2", decided_ms=300), notice("k3", subject="s2", decided_ms=200))))
    assert await store.counts() == (
        OutboxCount("mail", OutboxState.PENDING, 1, 50),
        OutboxCount("phone", OutboxState.PENDING, 2, 200),
        OutboxCount("phone", OutboxState.SUPERSEDED, 1, 100),
    )
    assert await store.pending() == Pending(3, 50)


async def test_many_callers_at_once_do_not_mix(store: Store) -> None:
    """Commits and acceptances that overlap each take effect as a whole."""
    numbers = range(40)
    await store.commit(Rows(notices=[notice(f"a{n}", subject=f"s{n}") for n in numbers]))
    async with asyncio.TaskGroup() as group:
        for n in numbers:
            new = (notice(f"b{n}", subject=f"t{n}"),)
            group.create_task(store.commit(Rows(subjects=(level_of(f"t{n}"),), notices=new)))
            group.create_task(store.accepted([f"a{n}"], "phone", Attempt(n, n)))
            group.create_task(store.attempted([f"b{n}"], "phone", Attempt(n, n, "early")))
    assert (await store.counts())[0] == OutboxCount("phone", OutboxState.ACCEPTED, 40, 100)
    stored = await reopen(store)
    assert {state.subject for state in stored.subjects} == {f"t{n}" for n in numbers}
    assert {pending.key for pending in stored.pending} == {f"b{n}" for n in numbers}


async def test_a_closed_store_says_so_and_closing_twice_is_fine(store: Store) -> None:
    """No call is lost silently after the end."""
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="not open"):
        await store.commit(Rows(notices=(notice("k1"),)))
    with pytest.raises(StoreError, match="not open"):
        await store.alerts()
