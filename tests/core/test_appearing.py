"""When a finding is told: once, after it lasted, with what appeared beside it, and never again after a restart."""

from collections.abc import Iterable

import msgspec
import pytest

from monitor.core.appearing import APART_S, EVERY_S, FOUND_PREFIX, GONE_S, LASTING_S, TOGETHER_S, Appearing
from monitor.core.checkup import Checkup
from monitor.core.events import Held, Learnt, Restored
from monitor.core.incidents import Incidents
from monitor.core.model import Level, Now, Position, Source
from monitor.core.notices import Finding, FindingCode, Gap, GapKind, Hold, HoldKind, Notice, NoticeKind
from monitor.core.settings import ChannelRule, CheckupRules
from monitor.core.surroundings import KeyKnown, OrdersKnown
from tests.core.builders import BTC, PHONE, WALL_MS, Desk, isolated
from tests.core.checked import RULES, stop
from tests.core.strategies import Seeded

HOURS_S = 3600.0
AUTO, NO_STOP, CROSS, USED_UP = (
    Finding(f"{code.value}/main/{BTC}/LONG", code, "main", symbol=BTC, side="LONG")
    for code in (FindingCode.AUTO_ADD, FindingCode.NO_STOP, FindingCode.CROSS, FindingCode.USED_UP)
)


class Watch:
    """Looks at what it is given as time passes, and forgets nothing across restarts but what is not recorded."""

    def __init__(
        self, rows: Iterable[object] = (), *, channels: tuple[ChannelRule, ...] = (PHONE,), at_s: float = 0.0
    ) -> None:
        self.incidents = Incidents()
        self.incidents.channels = channels
        self.incidents.restore(rows)  # type: ignore[arg-type]  # rows of an earlier watch
        self.appearing = Appearing(self.incidents)
        self.rows: dict[str, object] = {row.subject: row for row in rows}  # type: ignore[attr-defined]
        self.told: list[tuple[str, ...]] = []
        self.notices: list[Notice] = []
        self.at_s = at_s
        self.ours: tuple[str, ...] = ("main",)
        self.silent: tuple[str, ...] = ()
        self.gaps: tuple[Gap, ...] = ()

    def see(self, *findings: Finding, seconds: float = EVERY_S) -> None:
        """Let time pass with these findings, a look each EVERY_S."""
        for _ in range(round(seconds / EVERY_S)):
            now = Now(WALL_MS + round(self.at_s * 1000), self.at_s)
            assert self.appearing.is_due(now)
            self.appearing.look(
                Checkup(findings, self.gaps), now, environment="testnet", ours=self.ours, silent=self.silent
            )
            effects = self.incidents.take()
            self.rows |= {state.subject: state for state in effects.subjects}
            for subject in effects.gone:
                self.rows.pop(subject, None)
            self.notices += effects.notices
            self.told += [tuple(one.code.value for one in notice.facts.findings) for notice in effects.notices]
            self.at_s += EVERY_S

    def restarted(self) -> "Watch":
        """Return the watch of the next run: another monotonic clock, and what was recorded."""
        return Watch(tuple(self.rows.values()), channels=tuple(self.incidents.channels), at_s=5.0)


def test_a_finding_is_told_once_after_it_lasted() -> None:
    """Not sooner, and not again however long it lasts."""
    watch = Watch()
    watch.see(AUTO, seconds=LASTING_S)
    assert watch.told == []
    watch.see(AUTO)
    assert watch.told == [("auto_add",)]
    watch.see(AUTO, seconds=24 * HOURS_S)
    assert len(watch.told) == 1
    (notice,) = watch.notices
    assert (notice.kind, notice.level, notice.facts.account) == (NoticeKind.CHECKUP, Level.NOTICE, "main")


def test_what_is_gone_for_seconds_is_not_told_again() -> None:
    """A stop is replaced: there is none for a moment."""
    watch = Watch()
    for _ in range(30):
        watch.see(seconds=60)
        watch.see(NO_STOP, seconds=EVERY_S)
    assert watch.told == []
    watch.see(NO_STOP, seconds=LASTING_S + EVERY_S)
    for _ in range(30):
        watch.see(seconds=EVERY_S)
        watch.see(NO_STOP, seconds=LASTING_S + 60)
    assert watch.told == [("no_stop",)]


def test_a_finding_that_was_dealt_with_is_new_when_it_comes_back() -> None:
    """The stop was cancelled again."""
    watch = Watch()
    watch.see(NO_STOP, seconds=APART_S)
    watch.see(seconds=GONE_S + EVERY_S)
    assert not any(FOUND_PREFIX in subject for subject in watch.rows)
    watch.see(NO_STOP, seconds=APART_S)
    assert watch.told == [("no_stop",), ("no_stop",)]


def test_figures_that_hover_around_a_limit_are_told_once() -> None:
    """A price did that, and nobody."""
    watch = Watch()
    for _ in range(20):
        watch.see(CROSS, seconds=HOURS_S)
        watch.see(seconds=HOURS_S)
    assert watch.told == [("cross",)]
    watch.see(seconds=7 * HOURS_S)
    watch.see(CROSS, seconds=HOURS_S)
    assert watch.told == [("cross",)] * 2


def test_several_at_once_are_one_message_with_the_worst_first() -> None:
    """What appears a little later is waited for."""
    watch = Watch()
    watch.see(CROSS, AUTO, seconds=40)
    watch.see(CROSS, AUTO, NO_STOP, seconds=LASTING_S + EVERY_S)
    assert watch.told == [("no_stop", "cross", "auto_add")]


def test_it_is_not_waited_for_ever() -> None:
    """Something that comes and goes all the time holds back nothing."""
    watch = Watch()
    for _ in range(20):
        watch.see(AUTO, NO_STOP, seconds=EVERY_S)
        watch.see(AUTO, seconds=EVERY_S)
    assert watch.told == [("auto_add",)]
    late = Watch()
    late.see(AUTO, seconds=LASTING_S - EVERY_S)
    late.see(AUTO, NO_STOP, seconds=TOGETHER_S)
    assert late.told == []
    late.see(AUTO, NO_STOP, seconds=3 * EVERY_S)
    assert late.told == [("auto_add",)]


def test_messages_are_apart() -> None:
    """The second of two that come one after the other waits; together with a third one."""
    watch = Watch()
    watch.see(AUTO, seconds=LASTING_S + EVERY_S)
    watch.see(AUTO, NO_STOP, seconds=APART_S - LASTING_S - 5 * EVERY_S)
    watch.see(AUTO, NO_STOP, CROSS, seconds=LASTING_S + 4 * EVERY_S)
    assert watch.told == [("auto_add",)]
    watch.see(AUTO, NO_STOP, CROSS, seconds=60)
    assert watch.told == [("auto_add",), ("no_stop", "cross")]


def test_a_restart_tells_nothing_again() -> None:
    """Also not what was not there in the first moments of the next run."""
    watch = Watch()
    watch.see(NO_STOP, AUTO, seconds=HOURS_S)
    after = watch.restarted()
    after.see(seconds=60)
    after.see(NO_STOP, AUTO, seconds=HOURS_S)
    assert after.told == []
    after.see(seconds=HOURS_S)
    after.see(NO_STOP, seconds=HOURS_S)
    assert after.told == [("no_stop",)]


def test_what_cannot_be_looked_at_is_not_gone() -> None:
    """Orders are not known yet, marks are missing, an account has said nothing: all as it was."""
    watch = Watch()
    watch.see(NO_STOP, seconds=HOURS_S)
    watch.gaps = (Gap("main", GapKind.ORDERS, (BTC,)),)
    watch.see(seconds=HOURS_S)
    watch.gaps = ()
    watch.see(NO_STOP, seconds=HOURS_S)
    watch.silent = ("main",)
    watch.see(seconds=HOURS_S)
    watch.silent = ()
    watch.see(NO_STOP, seconds=HOURS_S)
    assert watch.told == [("no_stop",)]


def test_a_short_gap_does_not_begin_anew_what_has_lasted() -> None:
    """Two minutes of a finding are two minutes with a moment of blindness in them."""
    watch = Watch()
    watch.see(NO_STOP, seconds=60)
    watch.gaps = (Gap("main", GapKind.ORDERS, (BTC,)),)
    watch.see(seconds=EVERY_S)
    watch.gaps = ()
    watch.see(NO_STOP, seconds=60)
    assert watch.told == [("no_stop",)]


def test_an_account_that_was_taken_out_of_the_configuration_is_forgotten() -> None:
    """Its findings are not kept for ever."""
    watch = Watch()
    watch.see(CROSS, seconds=HOURS_S)
    watch.ours = ()
    watch.see(seconds=EVERY_S)
    assert not any(FOUND_PREFIX in subject for subject in watch.rows)


def test_nobody_who_asks_for_more_than_notices_is_told() -> None:
    """It is quiet; and who asks for them later is told then."""
    watch = Watch(channels=(ChannelRule("pager", Level.CRITICAL),))
    watch.see(NO_STOP, seconds=HOURS_S)
    assert watch.told == []
    watch.incidents.channels = (PHONE, ChannelRule("pager", Level.CRITICAL))
    watch.see(NO_STOP, seconds=EVERY_S)
    assert [notice.channel for notice in watch.notices] == ["phone"]


def test_who_wants_quiet_is_told_afterwards() -> None:
    """A habit lasts; the message about it can wait."""
    watch = Watch()
    watch.incidents.hold(Hold("h", HoldKind.MUTE, "all", WALL_MS, WALL_MS + 3_600_000))
    watch.see(NO_STOP, seconds=HOURS_S)
    assert watch.told == []
    watch.incidents.holds.expire(WALL_MS + 3_600_001)
    watch.see(NO_STOP, seconds=EVERY_S)
    assert watch.told == [("no_stop",)]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_and_goes_messages_are_apart_and_nothing_is_told_twice(seed: int) -> None:
    """A random walk of three findings, with restarts: what is told again was away for as long as it has to be."""
    source = Seeded(seed)
    watch, present = Watch(), set[Finding]()
    last_seen: dict[str, float] = {}
    since: dict[str, float] = {}
    elapsed_s, told_s = 0.0, -APART_S
    told: set[str] = set()
    for _ in range(600):
        if source.whole(0, 60) == 0:
            watch = watch.restarted()
            told_s = -APART_S  # when the last message was is not recorded
            since = dict.fromkeys(since, elapsed_s)
        if source.whole(0, 5) == 0:
            present ^= {source.pick((AUTO, NO_STOP, CROSS))}
        before = len(watch.told)
        watch.see(*present)
        for one in present:
            if elapsed_s - last_seen.get(one.key, -1e9) > EVERY_S:
                since[one.key] = elapsed_s
        for codes in watch.told[before:]:
            assert elapsed_s - told_s >= APART_S
            told_s = elapsed_s
            for one in present:
                if one.code.value in codes:
                    assert elapsed_s - since[one.key] >= LASTING_S
                    assert one.key not in told
                    told.add(one.key)
        for one in present:
            last_seen[one.key] = elapsed_s
        for key in list(told):
            if elapsed_s - last_seen[key] >= GONE_S and not key.startswith("cross"):
                told.discard(key)
        elapsed_s += EVERY_S


# In the engine


def _desk(rules: CheckupRules = RULES, **changes: object) -> Desk:
    desk = Desk(channels=(PHONE,))
    desk.configure(msgspec.structs.replace(desk.settings, checkup=rules))
    _hold(desk, **changes)
    return desk


def _hold(desk: Desk, **changes: object) -> None:
    leg: Position = msgspec.structs.replace(isolated(margin=50.0), **changes)
    desk.follow(leg, usdt=1000.0, source=Source.REST)
    desk.marks(**{BTC: 100.0})
    desk.step(Learnt(KeyKnown("main", can_trade=False, can_withdraw=False)))


def _found(desk: Desk) -> list[tuple[str, ...]]:
    return [
        tuple(one.code.value for one in notice.facts.findings)
        for notice in desk.notices
        if notice.kind is NoticeKind.CHECKUP
    ]


def _stay(desk: Desk, seconds: int) -> None:
    for _ in range(seconds // 2):
        desk.wait(1.0)
        desk.marks(**{BTC: 100.0})
        desk.beat()


def test_the_engine_tells_what_appears_and_not_what_is_unknown() -> None:
    """Before orders are known nothing is said of stops; an account that cancels its stop hears of it once."""
    desk = _desk()
    _stay(desk, 400)
    assert _found(desk) == []
    desk.step(Learnt(OrdersKnown("main", WALL_MS, (BTC,), (stop(80.0),))))
    _stay(desk, 400)
    assert _found(desk) == []
    desk.step(Learnt(OrdersKnown("main", WALL_MS, (BTC,), ())))
    _stay(desk, 400)
    assert _found(desk) == [("no_stop",)]
    successor = desk.restarted()
    _hold(successor)
    successor.step(Learnt(OrdersKnown("main", WALL_MS, (BTC,), ())))
    _stay(successor, 400)
    assert _found(successor) == []


def test_switched_off_nothing_is_told() -> None:
    """The command still finds it."""
    desk = _desk(CheckupRules(enabled=False), auto_add_margin=True)
    _stay(desk, 400)
    assert _found(desk) == []
    told = _desk(auto_add_margin=True)
    _stay(told, 400)
    assert _found(told) == [("auto_add",)]


def test_a_late_memory_is_no_reason_to_tell_again() -> None:
    """The database opened only after the start."""
    desk = _desk(auto_add_margin=True)
    _stay(desk, 400)
    rows = tuple(desk.rows.values())
    late = _desk(auto_add_margin=True)
    _stay(late, 60)
    late.step(Restored(rows, late=True))
    _stay(late, 400)
    assert _found(late) == []


def test_a_mute_covers_it() -> None:
    """Like changes and summaries."""
    desk = _desk(auto_add_margin=True)
    desk.step(Held(Hold("h", HoldKind.MUTE, "all", WALL_MS, WALL_MS + 86_400_000)))
    _stay(desk, 400)
    assert _found(desk) == []


def test_that_the_margin_is_used_up_is_told_by_alerts_and_forgets_no_finding_beside_it() -> None:
    """A quiet notice two minutes later would say that nothing has happened."""
    watch = Watch()
    watch.see(NO_STOP, seconds=LASTING_S + 30.0)
    assert watch.told == [("no_stop",)]
    watch.gaps = (Gap("main", GapKind.MARGIN, (BTC,)),)
    watch.see(USED_UP, seconds=HOURS_S)
    watch.gaps = ()
    watch.see(NO_STOP, seconds=HOURS_S)
    assert watch.told == [("no_stop",)]
