"""What may be asked about quiet, and what is answered."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import pytest

from monitor import commands
from monitor.commands import Answer, Commands, Wish, holds_for, listed
from monitor.core.events import Held, Lifted
from monitor.core.holds import Holds
from monitor.core.incidents import Effects
from monitor.core.model import Level
from monitor.core.notices import Hold, HoldKind
from monitor.errors import ControlError

NOW_MS = 1_780_000_000_000
HOUR_S = 3600.0


class Alert(NamedTuple):
    number: int
    subject: str
    level: Level
    symbols: tuple[str, ...] = ()
    since_ms: int = NOW_MS - 60_000


BTC = Alert(17, "main/isolated:BTCUSDT:LONG", Level.CRITICAL, ("BTCUSDT",))
CROSS = Alert(18, "main/cross:USDT", Level.WARNING, ("ETHUSDT", "SOLUSDT"))


class FakeEngine:
    """Holds as the engine keeps them, and alerts as they are given."""

    def __init__(self, alerts: Sequence[Alert] = (BTC, CROSS)) -> None:
        self.alerts = tuple(alerts)
        self.kept = Holds()

    def decide(self, event: Held | Lifted) -> Effects:
        if isinstance(event, Held):
            self.kept.make(event.hold, {alert.subject: alert.level for alert in self.alerts})
        else:
            self.kept.lift(event.target, NOW_MS)
        return Effects(holds=self.kept.take())

    def commands(self, *, recorded: bool | None = True) -> Commands:
        async def written() -> bool:
            if recorded is None:
                await asyncio.Event().wait()
            return bool(recorded)

        return Commands(
            alerts=lambda: self.alerts,
            holds=self.kept.active,
            symbols=lambda: ("BTCUSDT", "DOGEUSDT"),
            decide=self.decide,
            recorded=written,
            now_ms=lambda: NOW_MS,
        )


def asking(kind: str, *targets: str, for_s: float = HOUR_S, **more: object) -> dict[str, Any]:
    return {"command": "hold", "kind": kind, "targets": list(targets), "for_s": for_s, "by": "uid 7", **more}


def wish(kind: HoldKind, *targets: str, for_s: float = HOUR_S) -> Wish:
    return Wish(kind, targets, for_s)


async def test_the_answer_says_what_is_covered_at_which_level_and_until_when() -> None:
    """It is the engine's word: the hold as it was made, with the levels known then."""
    engine = FakeEngine()
    answer = await engine.commands().hold(asking("snooze", "symbol:ETHUSDT", why="hedged"))
    [made] = answer.made
    assert (made.kind, made.target, made.until_ms) == (HoldKind.SNOOZE, "symbol:ETHUSDT", NOW_MS + 3_600_000)
    assert (made.why, made.by) == ("hedged", "uid 7")
    assert [(one.number, one.subject, one.level, one.symbols) for one in made.covers] == [
        (18, "main/cross:USDT", "warning", ("ETHUSDT", "SOLUSDT"))
    ]
    assert answer.recorded
    assert answer.daemon
    assert [hold.target for hold in engine.kept.active()] == ["symbol:ETHUSDT"]


async def test_everything_open_is_acknowledged_one_by_one() -> None:
    """What crosses later was not seen: acknowledging all is one for each alert that is open now."""
    engine = FakeEngine()
    answer = await engine.commands().hold(asking("ack", "all"))
    assert [one.target for one in answer.made] == ["alert:17", "alert:18"]
    assert [len(one.covers) for one in answer.made] == [1, 1]
    with pytest.raises(ControlError, match="no alert is open"):
        await FakeEngine(()).commands().hold(asking("ack", "all"))


async def test_a_mute_covers_all_that_is_open_the_worst_first() -> None:
    """Everything there is, each at its own level."""
    [made] = (await FakeEngine((CROSS, BTC)).commands().hold(asking("mute", "all"))).made
    assert [(one.number, one.level) for one in made.covers] == [(17, "critical"), (18, "warning")]


async def test_what_has_no_open_alert_is_covered_by_nothing() -> None:
    """A snoozed symbol that is calm holds nothing back, and the answer does not pretend it does."""
    [made] = (await FakeEngine().commands().hold(asking("snooze", "symbol:DOGEUSDT"))).made
    assert made.covers == ()


def test_what_was_not_known_when_it_was_made_is_not_covered() -> None:
    """An alert that opened since is told, so the answer must not claim it."""
    hold = Hold("k", HoldKind.MUTE, "all", NOW_MS, NOW_MS + 1, levels={BTC.subject: BTC.level})
    assert [one.number for one in commands.granted(hold, (BTC, CROSS)).covers] == [17]


async def test_one_unknown_number_changes_nothing_and_the_error_lists_what_is_open() -> None:
    """All or nothing; whoever mistyped sees the numbers, the worst first."""
    engine = FakeEngine((CROSS, BTC))
    with pytest.raises(ControlError) as caught:
        await engine.commands().hold(asking("ack", "alert:17", "alert:71"))
    assert str(caught.value) == (
        "alert 71 is not open; open: 17 (main isolated BTCUSDT LONG, critical), 18 (main cross USDT, warning)"
    )
    assert engine.kept.active() == ()


def test_a_long_list_is_cut() -> None:
    """A market-wide fall opens hundreds."""
    many = [Alert(number, f"a/{number}", Level.WARNING) for number in range(1, 12)]
    assert listed(many).endswith("8 (a 8, warning) and 3 more")
    assert listed(()) == "no alert is open"


@pytest.mark.parametrize(("kind", "longest_h"), [(HoldKind.ACK, 24), (HoldKind.SNOOZE, 24), (HoldKind.MUTE, 8)])
def test_nothing_is_silent_for_ever(kind: HoldKind, longest_h: int) -> None:
    """Each kind has a bound that the daemon keeps, whatever the command line let through."""
    target = "all" if kind is HoldKind.MUTE else "alert:17"
    [longest] = holds_for(wish(kind, target, for_s=longest_h * HOUR_S), (BTC,), (), NOW_MS)
    assert longest.until_ms - NOW_MS == longest_h * 3_600_000
    for wrong_s in (longest_h * HOUR_S + 1, 59.0, 0.0, -5.0, float("nan"), float("inf")):
        with pytest.raises(ControlError, match="nothing is silent for ever"):
            holds_for(wish(kind, target, for_s=wrong_s), (BTC,), (), NOW_MS)


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        (HoldKind.ACK, "symbol:BTCUSDT", "ack: not for"),
        (HoldKind.ACK, "17", "ack: not for"),
        (HoldKind.SNOOZE, "all", "snooze: not for"),
        (HoldKind.SNOOZE, "alert:", "alert  is not open"),
        (HoldKind.SNOOZE, "symbol:ETHUSD", "ETHUSD is not watched; watched: BTCUSDT"),
        (HoldKind.MUTE, "alert:17", "mute: not for"),
        (HoldKind.MUTE, "allx", "mute: not for"),
        (HoldKind.SNOOZE, f"symbol:{'x' * 5000}", "x{60} is not watched"),
    ],
)
def test_what_a_kind_is_not_for_is_refused(kind: HoldKind, target: str, said: str) -> None:
    """A wish that would hold nothing back must not look as if it did."""
    with pytest.raises(ControlError, match=said):
        holds_for(wish(kind, target), (BTC,), ("BTCUSDT",), NOW_MS)


@pytest.mark.parametrize("targets", [(), tuple(f"alert:{n}" for n in range(1001))])
def test_a_wish_has_some_targets_and_not_too_many(targets: tuple[str, ...]) -> None:
    """One request is one bounded piece of work."""
    with pytest.raises(ControlError, match="1 to 1000 targets"):
        holds_for(wish(HoldKind.ACK, *targets), (BTC,), (), NOW_MS)


def test_a_target_named_twice_is_held_once() -> None:
    """Keys are unique; so are holds."""
    assert len(holds_for(wish(HoldKind.ACK, "alert:17", "alert:17"), (BTC,), (), NOW_MS)) == 1


async def test_a_reason_has_a_bound() -> None:
    """It goes into the database and onto screens."""
    [made] = (await FakeEngine().commands().hold(asking("mute", "all", why="x" * 5000))).made
    assert len(made.why) == 200


@pytest.mark.parametrize(
    "request_", [{}, {"kind": "nap", "targets": [], "for_s": 1}, {"kind": "ack", "targets": "17", "for_s": 1}]
)
async def test_a_malformed_request_is_refused(request_: dict[str, Any]) -> None:
    """The socket is for programs too."""
    with pytest.raises(ControlError, match="cannot be understood"):
        await FakeEngine().commands().hold(request_)


async def test_what_is_not_on_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed commit, and one that takes too long, are no success; the hold is in force all the same."""
    monkeypatch.setattr(commands, "RECORD_TIMEOUT_S", 0.01)
    for recorded in (False, None):
        engine = FakeEngine()
        answer = await engine.commands(recorded=recorded).hold(asking("mute", "all"))
        assert not answer.recorded
        assert len(engine.kept.active()) == 1


async def test_snoozes_and_mutes_are_lifted_and_named() -> None:
    """Of one target, or all of them; an acknowledgement stays."""
    engine = FakeEngine()
    asked = engine.commands()
    for kind, target in (
        ("ack", "alert:17"),
        ("snooze", "alert:18"),
        ("snooze", "symbol:BTCUSDT"),
        ("mute", "all"),
    ):
        await asked.hold(asking(kind, target))
    one = await asked.lift({"command": "lift", "target": "alert:18"})
    assert [hold.target for hold in one.lifted] == ["alert:18"]
    rest = await asked.lift({"command": "lift", "target": "all"})
    assert [hold.target for hold in rest.lifted] == ["symbol:BTCUSDT", "all"]
    assert [hold.kind for hold in engine.kept.active()] == [HoldKind.ACK]
    assert (await asked.lift({"command": "lift", "target": "all"})).lifted == ()


async def test_lifting_what_is_not_there_names_what_is() -> None:
    """Whoever lifts a snooze of one alert under a mute must learn of the mute."""
    engine = FakeEngine()
    asked = engine.commands()
    with pytest.raises(ControlError, match=r"^alert 17 is not snoozed; nothing is$"):
        await asked.lift({"command": "lift", "target": "alert:17"})
    await asked.hold(asking("mute", "all"))
    await asked.hold(asking("ack", "alert:17"))
    with pytest.raises(ControlError, match=r"^alert 17 is not snoozed; in force: everything$"):
        await asked.lift({"command": "lift", "target": "alert:17"})


def test_an_answer_survives_the_socket() -> None:
    """What the command decodes is what the daemon answered."""
    hold = Hold("k", HoldKind.MUTE, "all", NOW_MS, NOW_MS + 1, levels={BTC.subject: BTC.level})
    answer = Answer(made=(commands.granted(hold, (BTC,)),), recorded=False)
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(answer)), Answer) == answer
