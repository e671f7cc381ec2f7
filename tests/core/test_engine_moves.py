"""Moves left in the engine: recorded from ticks, seeded, judged, told, kept, replayed."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from monitor.core.events import Closes, Event, Heartbeat, SettingsChanged, Snapshot, Ticks
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import AccountSnapshot, AssetRate, Level, MarkRange, Position, Side
from monitor.core.move_board import DOUBT_S, OLDEST_S
from monitor.core.moves import FLOOR, LEAST_RETURNS
from monitor.core.notices import NoticeKind
from monitor.core.report import WalletView
from monitor.core.settings import AlertRules, RulesOverride
from tests.core.builders import (
    BTC,
    ETH,
    SUBJECT,
    WALL_MS,
    Desk,
    account,
    cross,
    isolated,
    mark_at,
    plain,
)
from tests.core.strategies import usdt

ALERT, CLOSED = NoticeKind.ALERT, NoticeKind.CLOSED
HOURLY = 0.02
LAST = mark_at(0.55)  # a day of closes ends where the marks go on


def day(symbol: str = BTC, hourly: float = HOURLY, *, last: float = LAST, until_ms: int = WALL_MS, seed: int = 1,
        minutes: int = 1440) -> Closes:  # fmt: skip
    """Return a day of closes before a moment, with this typical move."""
    steps = np.random.default_rng(seed).normal(0.0, 1.0, minutes)
    steps *= hourly / math.sqrt(60) / steps.std()
    walk = last * np.exp(np.cumsum(steps[::-1])[::-1] * -1.0)
    return Closes(symbol, until_ms // MINUTE_MS * MINUTE_MS - minutes * MINUTE_MS, tuple(walk.tolist()))


def holding(*positions: Position, room: float = 0.55, usdt: float | None = None) -> Desk:
    """Return a desk with the standard position, which is opened well and then has this room."""
    desk = Desk()
    desk.hold(*(positions or (isolated(),)), usdt=usdt)
    desk.room(0.9)
    desk.room(room)
    return desk


def wallet(desk: Desk, place: int = 0) -> WalletView:
    return desk.engine.view(desk.now()).wallets[place]


def moves(desk: Desk) -> float | None:
    return wallet(desk).moves_left


def minute(desk: Desk, room: float) -> None:
    """Let a minute pass with a fresh mark at its end."""
    desk.wait(60.0)
    desk.room(room)
    desk.step(Heartbeat())


def test_moves_left_are_unknown_until_closes_come() -> None:
    """Then they are the distance in typical moves; a level they call for is an ordinary rise."""
    desk = holding()
    desk.beat()
    assert moves(desk) is None
    assert desk.levels() == []
    desk.step(day())
    assert desk.levels() == []  # hundreds come with a start: they are judged together
    desk.beat()
    distance = 1 - 90 / 0.99 / mark_at(0.55)
    assert moves(desk) == pytest.approx(distance / HOURLY, rel=0.15)  # the last half hour may have been livelier
    desk.step(day(hourly=0.03))
    desk.beat()
    assert desk.told() == [(ALERT, "warning")]
    [transition] = desk.transitions
    assert transition.facts.moves_left == moves(desk)
    assert transition.facts.moves_left is not None
    assert 1.0 < transition.facts.moves_left <= 2.0
    assert transition.facts.room == pytest.approx(0.55)


def test_marks_alone_make_moves_known_within_half_an_hour() -> None:
    """Where nothing can be asked for, the stream fills the minutes by itself."""
    desk = holding()
    for i in range(LEAST_RETURNS):
        minute(desk, 0.55 + 0.02 * (i % 2))
        assert moves(desk) is None
    minute(desk, 0.55)
    assert moves(desk) == pytest.approx(0.05 / (0.0019 * math.sqrt(60)), rel=0.2)


def test_where_prices_are_played_faster_than_time_goes_no_move_is_typical() -> None:
    """Neither from closes nor from marks, of no symbol and no wallet; said otherwise, they are known again."""
    desk = holding()
    settings = desk.settings
    desk.configure(msgspec.structs.replace(settings, typical_moves=False))
    desk.step(day(hourly=0.2))
    desk.beat()
    minute(desk, 0.55)
    view = desk.engine.view(desk.now())
    assert [one.typical_move for one in view.symbols] == [None]
    assert moves(desk) is None
    assert desk.levels() == []
    desk.configure(settings)
    minute(desk, 0.55)
    assert moves(desk) is not None


def test_a_level_of_moves_left_is_left_where_no_move_is_typical_any_more() -> None:
    """What was known before stands in for nothing: it was never a move of an hour."""
    desk = holding()
    desk.step(day(hourly=0.03))
    desk.beat()
    assert desk.told() == [(ALERT, "warning")]
    desk.configure(msgspec.structs.replace(desk.settings, typical_moves=False))
    for _ in range(8):
        minute(desk, 0.55)
    assert desk.levels() == ["warning", "notice"]  # of its room


def test_a_tick_moves_them_at_once() -> None:
    """The deviation changes once a minute, the cushion with every mark."""
    desk = holding(room=0.9)
    desk.step(day())
    desk.beat()
    before = moves(desk)
    desk.room(0.6)
    assert before is not None
    assert moves(desk) == pytest.approx(before * 0.6 / 0.9)


def test_an_extreme_that_was_coalesced_counts() -> None:
    """A mark at which too few moves were left was received, even if a later one hid it."""
    desk = holding(room=0.9)
    desk.step(day(hourly=0.03))
    desk.beat()
    assert desk.levels() == []
    low, back = mark_at(0.55), mark_at(0.9)
    desk.step(Ticks((desk.range(BTC, back, low=low),)))
    assert desk.levels() == ["warning"]
    [transition] = desk.transitions
    assert transition.facts.moves_left is not None
    assert transition.facts.moves_left <= 2.0


def test_a_level_on_moves_left_falls_by_dead_band_and_dwell() -> None:
    """As any other condition does."""
    desk = holding(room=0.4)
    desk.step(day(last=mark_at(0.4)))
    desk.beat()
    assert wallet(desk).level == "warning"
    at = desk.engine.view(desk.now()).positions[0].mark_price or 0.0

    def stay(seconds: int) -> None:
        for _ in range(seconds):
            desk.wait(1.0)
            desk.marks(**{BTC: at})
            desk.step(Heartbeat())

    desk.hold(isolated(margin=11.0))  # a move would be one of the market, and raise what is typical
    stay(400)
    assert 2.0 < (moves(desk) or 0.0) < 2.5
    assert wallet(desk).level == "warning"
    desk.hold(isolated(margin=12.4))
    stay(298)
    assert (moves(desk) or 0.0) > 2.5
    assert wallet(desk).level == "warning"
    stay(3)
    assert wallet(desk).level == "notice"  # by its room


def test_moves_left_count_only_within_their_room() -> None:
    """A position that has its whole way left is not alarmed about by a wild day."""
    desk = holding(room=0.9)
    desk.step(day(hourly=0.2))
    desk.beat()
    assert desk.levels() == []
    assert 0 < (moves(desk) or 0.0) < 1


def test_a_new_symbol_of_a_wallet_makes_it_unknown_but_clears_nothing() -> None:
    """What is not known enters no level and leaves none."""
    desk = Desk()
    desk.hold(cross(), usdt=10.0)
    desk.marks(**{BTC: mark_at(0.9), ETH: 100.0})
    desk.step(day(hourly=0.03))
    desk.room(0.55)
    desk.beat()
    assert wallet(desk).level == "warning"
    desk.hold(cross(), cross(ETH, quantity=0.001), usdt=10.0)
    desk.marks(**{ETH: 100.0})
    for _ in range(400):
        desk.wait(1.0)
        desk.marks(**{BTC: mark_at(0.55), ETH: 100.0})
        desk.step(Heartbeat())
    assert moves(desk) is None
    assert wallet(desk).level == "warning"
    desk.step(day(ETH, until_ms=desk.wall_ms))
    desk.step(day(hourly=0.001, until_ms=desk.wall_ms))
    desk.beat()
    assert moves(desk) is not None


def test_a_restart_clears_nothing_before_moves_are_known() -> None:
    """The level may have come from moves left, and an earlier run's minutes are gone."""
    first = holding()
    first.step(day(hourly=0.03))
    first.beat()
    assert first.levels() == ["warning"]
    desk = first.restarted()
    desk.hold(isolated())
    desk.stay(400, 0.55)
    assert (moves(desk), wallet(desk).level) == (None, "warning")
    desk.step(day(hourly=0.005, until_ms=desk.wall_ms))
    desk.stay(302, 0.55)
    assert wallet(desk).level == "notice"  # by its room
    desk.stay(302, 0.9)
    assert desk.told() == [(CLOSED, "ok")]


def test_doubt_ends_where_moves_never_become_known() -> None:
    """A price that does not move would hold its wallet for ever."""
    first = holding()
    first.step(day(hourly=0.03))
    first.beat()
    desk = first.restarted()
    desk.hold(isolated())
    desk.stay(2, 0.55)
    desk.wait(DOUBT_S)
    desk.stay(303, 0.55)
    assert wallet(desk).level == "notice"  # by its room


def test_typical_moves_keep_while_marks_are_missing_and_grow_old() -> None:
    """A blind symbol's moves are shown with their age; after hours they say nothing any more."""
    desk = holding()
    desk.step(day())
    desk.beat()
    known = moves(desk)
    desk.wait(3580.0)
    desk.beat(20)
    assert moves(desk) == known
    view = desk.engine.view(desk.now()).symbols[0]
    assert view.data == "blind"
    assert view.minutes_age_s == pytest.approx(3601.0, abs=61.0)
    desk.wait(OLDEST_S - 3600.0 + 61.0)
    desk.step(Heartbeat())
    assert moves(desk) is None
    assert desk.engine.view(desk.now()).symbols[0].typical_move is None


def test_the_view_shows_typical_moves_and_what_they_are_made_of() -> None:
    """By symbol: the move, how many minutes, how old the newest is."""
    desk = holding()
    view = desk.engine.view(desk.now()).symbols[0]
    assert (view.typical_move, view.minutes, view.minutes_age_s) == (None, 0, None)
    desk.step(day())
    desk.beat()
    view = desk.engine.view(desk.now()).symbols[0]
    assert view.typical_move == pytest.approx(HOURLY, rel=0.15)
    assert view.minutes == 1439  # a day, of which the minute in progress is one
    assert view.minutes_age_s is not None
    assert 0 <= view.minutes_age_s < 60


def test_samples_of_wallets_carry_moves_left() -> None:
    """History can show them; rows of positions have none of their own."""
    desk = holding()
    desk.step(day())
    desk.stay(2, 0.5)
    desk.stay(2, 0.45)
    mine = [sample for sample in desk.samples if sample.at_ms == desk.samples[-1].at_ms]
    assert {(sample.symbol, sample.moves_left is None) for sample in mine} == {("", False), (BTC, True)}
    assert mine[0].moves_left == moves(desk)


def test_a_quiet_market_is_floored() -> None:
    """A day that hardly moved promises little about the next hour."""
    desk = holding()
    desk.step(day(hourly=1e-6))
    desk.beat()
    distance = 1 - 90 / 0.99 / mark_at(0.55)
    assert moves(desk) == pytest.approx(distance / FLOOR)


def test_a_price_at_rest_is_unknown() -> None:
    """A closed session: nothing is judged by how calm it is."""
    desk = holding()
    desk.step(Closes(BTC, WALL_MS - 1440 * MINUTE_MS, (100.0,) * 1440))
    desk.beat()
    assert moves(desk) is None


def multi_desk() -> Desk:
    desk = Desk()
    desk.step(
        Snapshot(
            AccountSnapshot(
                "main", {"USDT": 5.0, "BTC": 0.05}, (usdt(ETH, Side.LONG, 1.0, 100.0),), multi_assets=True,
                rates={"BTC": AssetRate(95.0, 105.0), "USDT": AssetRate(0.9999, 1.0001)},
            )
        )
    )  # fmt: skip
    return desk


def test_a_wallet_of_many_assets_knows_once_its_rates_do() -> None:
    """Rates take closes of their underlying; a rate that does not move takes no part and hides nothing."""
    desk = multi_desk()
    rates = {"BTCUSD@bid": 95.0, "BTCUSD@ask": 105.0, "USDTUSD@bid": 0.9999, "USDTUSD@ask": 1.0001}
    desk.marks(**{ETH: 100.0}, **rates)
    desk.step(day(ETH))
    desk.beat()
    assert moves(desk) is None
    for name in ("BTCUSD@bid", "BTCUSD@ask"):
        desk.step(day(name, seed=2))
    desk.beat()
    assert moves(desk) is None
    for name in ("USDTUSD@bid", "USDTUSD@ask"):
        desk.step(Closes(name, WALL_MS - 100 * MINUTE_MS, (1.0,) * 100))
    desk.beat()
    alone = wallet(desk).cushion
    assert alone is not None
    assert moves(desk) == pytest.approx(alone / (HOURLY * math.hypot(99.0, 0.05 * 95)), rel=0.2)


def test_settings_without_conditions_on_moves_are_not_touched_by_them() -> None:
    """Shown all the same."""
    levels = tuple(msgspec.structs.replace(rule, moves_left=None) for rule in AlertRules().levels)
    rules = msgspec.structs.replace(AlertRules(), levels=levels)
    desk = Desk(overrides=(RulesOverride(rules, account="main"),))
    desk.hold(isolated())
    desk.room(0.55)
    desk.step(day(hourly=0.05))
    desk.beat()
    assert desk.levels() == []
    assert moves(desk) is not None


def test_several_symbols_of_one_frame_end_their_minutes_together() -> None:
    """A market-wide frame is one event; a symbol that lags a minute is judged by its own."""
    desk = Desk()
    desk.hold(cross(), cross(ETH), usdt=40.0)
    rng = np.random.default_rng(5)
    for i in range(LEAST_RETURNS + 4):
        at_ms = WALL_MS // MINUTE_MS * MINUTE_MS + i * MINUTE_MS
        prices = {BTC: 100.0 * (1 + 0.001 * rng.normal()), ETH: 100.0 * (1 + 0.001 * rng.normal())}
        late = {BTC: 0, ETH: -2_000}  # its last mark is of the minute before
        desk.wait(60.0)
        desk.step(Ticks(tuple(MarkRange(s, p, p, p, at_ms + late[s], desk.mono_s) for s, p in prices.items())))
        desk.step(Heartbeat())
    views = {view.symbol: view for view in desk.engine.view(desk.now()).symbols}
    assert (views[BTC].minutes, views[ETH].minutes) == (LEAST_RETURNS + 3, LEAST_RETURNS + 4)
    assert moves(desk) is not None


def replay(events: Sequence[tuple[Event, float]]) -> list[bytes]:
    desk = Desk(deliver=False)
    effects = []
    for event, after_s in events:
        desk.wait(after_s)
        effects.append(plain(desk.step(event)))
    return effects


def test_a_journal_with_closes_gives_the_same_alerts() -> None:
    """They are events as all others are, and survive as JSON with their gaps."""
    gappy = day(hourly=0.03)
    gappy = msgspec.structs.replace(gappy, closes=(*gappy.closes[:700], 0.0, *gappy.closes[701:]))
    desk = Desk()
    events: list[tuple[Event, float]] = [
        (SettingsChanged(desk.settings, desk.tables), 0.0),
        (Snapshot(account(isolated())), 0.0),
        (Ticks((desk.range(BTC, mark_at(0.9)),)), 1.0),
        (gappy, 1.0),
        (Ticks((desk.range(BTC, mark_at(0.55)),)), 1.0),
        *((Heartbeat(), 1.0) for _ in range(3)),
    ]
    written = msgspec.json.encode([event for event, _ in events])
    again = msgspec.json.decode(written, type=list[Event])
    first = replay(events)
    assert first == replay([(event, after) for event, (_, after) in zip(again, events, strict=True)])
    assert any(b'"warning"' in one or f'"level":{Level.WARNING:d}'.encode() in one for one in first)
    assert SUBJECT.encode() in b"".join(first)
