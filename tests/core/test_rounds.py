"""A checkup in parts finds what one of everything at once finds."""

import msgspec
import pytest

from monitor.core import rounds
from monitor.core.checkup import Checkup, check
from monitor.core.events import Snapshot
from monitor.core.looked_at import seen_of
from monitor.core.notices import NoticeKind
from monitor.core.rounds import Round
from monitor.core.scene import Scene
from monitor.core.settings import CheckupRules
from monitor.core.surroundings import Surroundings
from tests.core.builders import ETH, Desk, account, cross, followed, isolated

NAMES = tuple(f"a{i}" for i in range(7))


def held(*names: str) -> Desk:
    """Return a desk at which each account has habits of its own, and no orders are known of some."""
    desk = Desk(accounts=names)
    desk.configure(msgspec.structs.replace(desk.settings, checkup=CheckupRules(experience="beginner")))
    for i, name in enumerate(names):
        legs = (isolated(margin=10.0 + i), *((cross(ETH),) if i % 2 else ()))
        desk.step(Snapshot(account(*legs, name=name, usdt=100.0 + i)))
    return desk


def scene_of(desk: Desk) -> Scene:
    return desk.engine._facts.scene(desk.now())


def whole(desk: Desk) -> Checkup:
    return check(seen_of(scene_of(desk), Surroundings(), desk.wall_ms))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_parts_find_what_the_whole_does(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """In the same order, gaps too, and no part looks at more positions than it should."""
    monkeypatch.setattr(rounds, "IN_A_BEAT", size)
    desk = held(*NAMES)
    scene = scene_of(desk)
    one, found, parts = Round(scene), None, 0
    while found is None:
        before = set(one.looked_at)
        found = one.go_on(scene, Surroundings(), desk.wall_ms)
        parts += 1
        new = [scene.accounts[name] for name in one.looked_at - before]
        assert len(new) == 1 or sum(len(account.positions) for account in new) <= size
    assert found == whole(desk)
    assert {finding.account for finding in found.findings} == set(NAMES)
    assert found.gaps
    assert one.looked_at == set(NAMES)
    assert (parts == 1) == (size == 100)


def test_an_account_that_ends_meanwhile_is_not_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found of it before is left out, and what comes later is waited for until the next time."""
    monkeypatch.setattr(rounds, "IN_A_BEAT", 1)
    desk = held("a", "b", "c")
    one = Round(scene_of(desk))
    assert one.go_on(scene_of(desk), Surroundings(), desk.wall_ms) is None
    assert one.looked_at == {"a"}
    later = held("b", "d")
    found = one.go_on(scene_of(later), Surroundings(), desk.wall_ms)
    assert found is not None
    assert {finding.account for finding in found.findings} == {"b"}
    assert {gap.account for gap in found.gaps} <= {"b"}
    assert "d" not in one.looked_at


def test_nobody_is_a_checkup_of_nothing() -> None:
    """A service without accounts has nothing to say."""
    desk = Desk(accounts=())
    assert Round(scene_of(desk)).go_on(scene_of(desk), Surroundings(), desk.wall_ms) == Checkup((), ())


def test_a_daemon_with_many_positions_looks_at_some_with_each_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """And tells all of it together, once."""
    looked = []

    def counted(seen: object) -> Checkup:
        looked.append([one.account for one in seen.accounts])  # type: ignore[attr-defined]
        return check(seen)  # type: ignore[arg-type]

    monkeypatch.setattr(rounds, "IN_A_BEAT", 2)
    monkeypatch.setattr(rounds, "check", counted)
    desk = Desk(accounts=NAMES)
    desk.configure(msgspec.structs.replace(desk.settings, checkup=CheckupRules()))
    for name in NAMES:
        desk.step(Snapshot(followed(msgspec.structs.replace(isolated(), auto_add_margin=True), name=name)))
    desk.marks(BTCUSDT=100.0)
    desk.beat(300)
    assert {len(names) for names in looked} == {1, 2}
    assert looked[:4] == [["a0", "a1"], ["a2", "a3"], ["a4", "a5"], ["a6"]]
    told = [notice for notice in desk.notices if notice.kind is NoticeKind.CHECKUP]
    assert len(told) == 1
    assert {finding.account for finding in told[0].facts.findings} == set(NAMES)
