"""What a time was like in which nobody watched, compared with a reference that tries every end by itself."""

from decimal import Decimal
from itertools import product
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.away import CUT, Candle, Candles, Present, Review, needed
from monitor.core.compile import compile_book
from monitor.core.events import Away, Event
from monitor.core.minutes import MINUTE_MS
from monitor.core.model import AccountSnapshot, AssetRate, BracketTable, Level, Market, Side, Source, SubjectKey
from monitor.core.notices import NoticeKind, WorstAway
from monitor.core.risk import evaluate
from monitor.core.rules import compile_thresholds, conditions, reached
from monitor.core.settings import EngineSettings
from tests.core.builders import BTC, ETH, WALL_MS, Desk, account, cross, isolated, table
from tests.core.reference import ACCURACY, Figure, assess, wallets_of
from tests.core.strategies import Case, cases, coin

FIRST = WALL_MS // MINUTE_MS
ByMinute = dict[int, Candle]
FROM_MS = FIRST * MINUTE_MS + 20_000


def present(
    *accounts: AccountSnapshot,
    tables: dict[str, BracketTable] | None = None,
    deviations: dict[SubjectKey, float] | None = None,
    corrections: dict[SubjectKey, tuple[float, float]] | None = None,
) -> Present:
    known = {BTC: table(BTC), ETH: table(ETH)} if tables is None else tables
    return Present(accounts, known, EngineSettings(), corrections or {}, deviations or {})


def minutes(*ends: tuple[float, float] | None, first: int = FIRST) -> ByMinute:
    """Return candles of minutes that follow each other; None is a gap."""
    return {first + i: Candle(*end, end[1]) for i, end in enumerate(ends) if end is not None}


def review(now: Present, candles: dict[str, ByMinute], count: int, names: set[str] | None = None) -> Review:
    """Return the judgement of the first ``count`` minutes."""
    until_ms = FROM_MS + (count - 1) * MINUTE_MS
    columns = {name: Candles(range(FIRST, FIRST + count)) for name in candles}
    for name, found in candles.items():
        columns[name].put(found)
    made = Review(now, names or set(candles), columns, from_ms=FROM_MS, until_ms=until_ms)
    made.judge(made.minutes)
    return made


def only(made: Review) -> WorstAway:
    (one,) = made.worst()
    return one


def test_the_worst_minute_of_a_long_is_that_of_its_lowest_price() -> None:
    """The level it reached, when, at which price, and how near that was."""
    made = review(present(account(isolated())), {BTC: minutes((99, 101), (92, 100), (98, 99))}, 3)
    one = only(made)
    assert (one.subject, one.symbol, one.side) == (f"main/isolated:{BTC}:LONG", BTC, "LONG")
    assert one.level is Level.NOTICE or one.level > Level.NOTICE
    assert one.mark == 92
    assert one.distance == pytest.approx(1 - 90 / 0.99 / 92)
    assert one.at_ms == (FIRST + 1) * MINUTE_MS + 30_000
    assert one.margin_ratio == pytest.approx(0.92 / 2)


def test_the_worst_minute_of_a_short_is_that_of_its_highest_price() -> None:
    """The same candles, the other end."""
    made = review(present(account(isolated(side=Side.SHORT))), {BTC: minutes((99, 101), (92, 108), (98, 99))}, 3)
    assert only(made).mark == 108
    assert only(made).level >= Level.WARNING


def test_a_margin_that_was_used_up_is_said_to_be() -> None:
    """Infinity leaves no record; the word for it does."""
    one = only(review(present(account(isolated())), {BTC: minutes((80, 100))}, 1))
    assert (one.liquidatable, one.margin_ratio, one.distance) == (True, None, 0.0)
    assert one.level is Level.EMERGENCY


def test_a_minute_without_one_of_its_prices_says_nothing_about_a_wallet() -> None:
    """Not even how the others fell: what is missing may have risen."""
    now = present(account(cross(BTC), cross(ETH), usdt=40.0))
    candles = {BTC: minutes((100, 100), (50, 100), (90, 100)), ETH: minutes((100, 100), None, (95, 100))}
    made = review(now, candles, 3)
    assert only(made).at_ms == FROM_MS + 2 * MINUTE_MS - 1
    assert [bool(made.samples([minute])) for minute in made.minutes] == [True, False, True]
    assert review(now, {BTC: candles[BTC]}, 3).worst() == ()


def test_wallets_that_hold_nothing_of_what_was_missed_are_left_alone() -> None:
    """They were watched; and what a wallet needs besides is named by what it holds."""
    now = present(account(isolated(), isolated(ETH)), account(cross(BTC), cross(ETH), name="two", usdt=50.0))
    assert needed(now, {BTC}) == {BTC: Market.USDM, ETH: Market.USDM}
    candles = {BTC: minutes((99, 99)), ETH: minutes((99, 99))}
    assert [one.subject for one in review(now, candles, 1, {ETH}).worst()] == [
        f"main/isolated:{ETH}:LONG", "two/cross:USDT",
    ]  # fmt: skip
    assert needed(present(account(isolated())), {ETH}) == {}


def test_both_ends_of_a_hedged_pair_are_judged() -> None:
    """Its level is the higher of both; its reading the one that leaves it less."""
    pair = (cross(BTC, quantity=1.0), cross(BTC, side=Side.SHORT, quantity=0.5))
    now = present(account(*pair, usdt=12.0))
    assert only(review(now, {BTC: minutes((85, 130))}, 1)).mark == 85
    assert only(review(now, {BTC: minutes((85, 130))}, 1)).level > Level.OK
    assert only(review(now, {BTC: minutes((99, 130))}, 1)).level is Level.OK


def test_a_hedged_pair_may_be_worse_at_the_end_that_leaves_it_more() -> None:
    """Where it gains next to what it requires: more is left there, and of it more is required."""
    pair = (cross(BTC, quantity=47.0, entry=10.0), cross(BTC, side=Side.SHORT, quantity=46.0, entry=10.0))
    one = only(review(present(account(*pair, usdt=11.8)), {BTC: minutes((3.2258, 18.28))}, 1))
    assert (one.mark, one.level) == (3.2258, Level.CRITICAL)
    assert one.margin_ratio == pytest.approx(0.6, abs=0.01)


def test_the_rows_of_a_minute_lie_within_it_and_within_the_time() -> None:
    """They say where they come from, and never replace a row of what was seen."""
    made = review(present(account(isolated())), {BTC: minutes((99, 99), (91.5, 95), (99, 99))}, 3)
    rows = [made.samples([minute]) for minute in made.minutes]
    assert [one[0].at_ms for one in rows] == [
        FIRST * MINUTE_MS + 30_000, (FIRST + 1) * MINUTE_MS + 30_000, FROM_MS + 2 * MINUTE_MS - 1,
    ]  # fmt: skip
    assert {sample.source for one in rows for sample in one} == {Source.BACKFILL}
    wallet, position = rows[1]
    assert (wallet.symbol, wallet.level, position.mark) == ("", Level.EMERGENCY, 91.5)
    assert wallet.room == pytest.approx((0.99 * 91.5 - 90) / 9)


def test_the_exchanges_worse_figures_count_here_too() -> None:
    """As they do for every tick."""
    key = SubjectKey("main", f"isolated:{BTC}:LONG")
    candles = {BTC: minutes((98, 98))}
    alone = only(review(present(account(isolated())), candles, 1))
    corrected = only(review(present(account(isolated()), corrections={key: (6.5, 0.0)}), candles, 1))
    assert alone.level is Level.OK < corrected.level


def test_moves_left_count_as_they_are_known_now() -> None:
    """A cushion of three and a usual hourly change of two is a warning; without that it is none."""
    key = SubjectKey("main", f"isolated:{BTC}:LONG")
    candles = {BTC: minutes((94, 94))}
    known = only(review(present(account(isolated()), deviations={key: 2.0}), candles, 1))
    assert only(review(present(account(isolated())), candles, 1)).level < known.level


def test_rates_of_collateral_move_as_their_asset_did() -> None:
    """From what they are now backwards; one without candles stays, one with a gap leaves its wallet unjudged."""
    held = AccountSnapshot(
        "main", {"BTC": 0.1, "USDC": 1.0}, (cross(),), multi_assets=True,
        rates={"BTC": AssetRate(90.0, 110.0), "USDC": AssetRate(0.99, 1.01)}, source=Source.REST,
    )  # fmt: skip
    now = present(held)
    rates = ["BTCUSD@bid", "BTCUSD@ask"]
    assert set(needed(now, {BTC})) == {BTC, *rates, "USDCUSD@bid", "USDCUSD@ask"}
    last = {FIRST + 1: Candle(80_000, 80_000, 80_000)}
    moved = {name: {FIRST: Candle(40_000, 80_000, 80_000), **last} for name in rates}
    flat = minutes((100, 100), (100, 100))
    one = only(review(now, {BTC: flat, **moved}, 2))
    assert one.at_ms == FIRST * MINUTE_MS + 30_000
    assert one.margin_ratio == pytest.approx(1.0 / (0.1 * 45 + 0.99))
    still = only(review(now, {BTC: flat}, 2))
    assert still.margin_ratio == pytest.approx(1.0 / (0.1 * 90 + 0.99))
    assert only(review(now, {BTC: flat, **dict.fromkeys(rates, last)}, 2)).at_ms == FROM_MS + MINUTE_MS - 1


def _reference(case: Case, candles: dict[str, ByMinute]) -> dict[str, tuple[Figure, Figure]]:
    """Return lowest cushion and its room by wallet, trying every end of every symbol of every minute.

    Either has the terms of the largest that were tried: any of two that cannot be told apart may pass for it.
    """
    found: dict[str, tuple[Figure, Figure]] = {}
    for one in case.accounts:
        for wallet in wallets_of(one, case.tables):
            symbols = sorted({leg.symbol for leg in wallet.legs})
            if not symbols or not any(leg.quantity for leg in wallet.legs):
                continue
            for minute in candles[symbols[0]]:
                for ends in product(*((candles[s][minute].low, candles[s][minute].high) for s in symbols)):
                    marks = dict(zip(symbols, map(Decimal, ends), strict=True))
                    figures = assess(wallet.balance, wallet.legs, [marks[leg.symbol] for leg in wallet.legs])
                    name = f"{one.account}/{wallet.name}"
                    here = figures.cushion, figures.room
                    cushion, room = found.get(name, here)
                    found[name] = _lower(cushion, here[0]), _lower(room, here[1])
    return found


def _lower(one: Figure, other: Figure) -> Figure:
    return min(one, other)._replace(terms=max(one.terms, other.terms), doubt=one.doubt or other.doubt)


def _levels(now: Present, candles: dict[str, ByMinute]) -> dict[str, int]:
    """Return the highest level of each wallet at any combination of ends, one price for each symbol at a time."""
    book = compile_book(now.accounts, now.tables)
    limits = compile_thresholds(book, now.settings)
    highest = np.zeros(len(book.wallets), dtype=np.int8)
    for minute in candles[book.symbols[0]]:
        for ends in product(*((candles[s][minute].low, candles[s][minute].high) for s in book.symbols)):
            highest = np.maximum(highest, reached(conditions(book, limits, evaluate(book, np.array(ends)))))
    return {str(info.key): int(level) for info, level in zip(book.wallets, highest, strict=True)}


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases(accounts=2, symbols=2), st.integers(0, 1_000))
def test_any_time_is_as_bad_as_its_worst_end(case: Case, seed: int) -> None:
    """No end of any price of any minute is worse than what is found, and what is found is one of them.

    Small books with hedged pairs, cross and isolated wallets, linear and inverse contracts.
    """
    random = Random(seed)  # noqa: S311  # reproducible, not secret
    candles: dict[str, ByMinute] = {}
    for symbol, mark in case.marks.items():
        ends = [sorted(mark * random.uniform(0.7, 1.3) for _ in range(2)) for _ in range(2)]
        candles[symbol] = minutes(*((low, high) for low, high in ends))
    now = present(*case.accounts, tables=case.tables)
    made = review(now, candles, 2)
    worst = {one.subject: one for one in made.worst()}
    expected = _reference(case, candles)
    highest = _levels(now, candles)
    assert set(worst) == set(expected)
    rows = [sample for sample in made.samples(made.minutes) if not sample.symbol]
    for subject, (cushion, room) in expected.items():
        of_wallet = [row for row in rows if f"{row.account}/{row.wallet}" == subject]
        lowest = min(row.cushion for row in of_wallet if row.cushion is not None)
        assert abs(Decimal(lowest) - cushion.value) <= ACCURACY * cushion.terms
        found = worst[subject].room
        assert found is not None
        assert room.doubt or abs(Decimal(found) - room.value) <= ACCURACY * room.terms
        assert worst[subject].level == max(row.level for row in of_wallet)
        assert worst[subject].level <= highest[subject]


def test_inverse_contracts_are_worst_at_their_low_end() -> None:
    """A long of contracts that are settled in coin; its candles come from its own market."""
    held = AccountSnapshot("main", {"BTC": 0.05}, (coin(Side.LONG, 50.0, 50_000.0),), Market.COINM)
    now = present(held, tables={"BTCUSD_PERP": table("BTCUSD_PERP")})
    assert needed(now, {"BTCUSD_PERP"}) == {"BTCUSD_PERP": Market.COINM}
    one = only(review(now, {"BTCUSD_PERP": minutes((40_000, 60_000), (39_000, 45_000))}, 2))
    assert one.mark == 39_000
    figures = assess(Decimal("0.05"), wallets_of(held, now.tables)[0].legs, [Decimal(39_000)])
    assert one.room == pytest.approx(float(figures.room.value))


# Telling


def worst(level: Level = Level.CRITICAL, **changes: object) -> WorstAway:
    one = WorstAway(
        f"main/isolated:{BTC}:LONG", level, WALL_MS - 600_000, BTC, "LONG", 91.5, 90.9, 0.007, 0.007, 0.61, 0.06
    )
    return msgspec.structs.replace(one, **changes)


def away(*found: WorstAway, lasted_s: float = 2220.0, **changes: object) -> Away:
    event = Away(WALL_MS - round(lasted_s * 1000), WALL_MS, found, restarted=True)
    return msgspec.structs.replace(event, **changes)


def told(event: Event, desk: Desk | None = None) -> list[tuple[NoticeKind, Level]]:
    desk = desk or Desk(deliver=False)
    return [(notice.kind, notice.level) for notice in desk.step(event).notices]


def test_a_time_is_told_at_the_level_of_its_worst_wallet() -> None:
    """Once, and nothing of the present follows from it."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    assert told(away(worst(), worst(Level.OK, subject="main/cross:USDT")), desk) == [
        (NoticeKind.AWAY, Level.CRITICAL)
    ]
    facts = desk.notices[-1].facts
    assert [one.level for one in facts.away] == [Level.CRITICAL]
    assert (facts.from_ms, facts.until_ms, facts.reason) == (WALL_MS - 2_220_000, WALL_MS, "restarted")
    assert desk.rows[f"main/isolated:{BTC}:LONG"].level is Level.OK
    assert desk.engine.open_alerts() == ()
    desk.beat(5)
    assert [n.kind for n in desk.notices] == [NoticeKind.AWAY]


def test_nothing_is_told_of_a_time_in_which_all_stayed_ok() -> None:
    """Peace of mind is in the status; a message is not needed for it."""
    assert told(away(worst(Level.OK))) == []
    assert told(away()) == []


def test_what_could_not_be_looked_up_is_told_of_a_long_time() -> None:
    """Ten minutes, with positions held; of less only together with what is known."""
    desk = Desk()
    desk.hold(isolated())
    assert told(away(unknown=(ETH,)), desk) == [(NoticeKind.AWAY, Level.NOTICE)]
    assert told(away(unknown=(ETH,), lasted_s=599.0), desk) == []
    assert told(away(unknown=(ETH,))) == []
    assert told(away(worst(), unknown=(ETH,), lasted_s=99.0), desk) == [(NoticeKind.AWAY, Level.CRITICAL)]
    assert desk.notices[-1].facts.symbols == (ETH,)


def seen(from_s: float, until_s: float, *found: WorstAway) -> Away:
    """Return a time in which this run had no marks of the stream, in seconds from the beginning."""
    return Away(WALL_MS + round(from_s * 1000), WALL_MS + round(until_s * 1000), found)


def test_what_was_told_meanwhile_is_not_told_again() -> None:
    """REST stood in, and the level was as high as the candles say; what nobody heard of is told."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    desk.wait(300.0)
    desk.room(0.15)
    reached_s = 300.0
    assert desk.notices[-1].level is Level.WARNING
    desk.wait(300.0)
    assert told(seen(200, 500, worst(Level.WARNING)), desk) == []
    assert told(seen(400, 500, worst(Level.WARNING)), desk) == []  # it was so all the while
    assert told(seen(200, 500, worst(Level.CRITICAL)), desk) == [(NoticeKind.AWAY, Level.CRITICAL)]
    assert told(seen(100, reached_s - 20, worst(Level.WARNING)), desk) == [(NoticeKind.AWAY, Level.WARNING)]
    other = worst(Level.NOTICE, subject="main/cross:USDT")
    (notice,) = desk.step(seen(200, 500, worst(Level.WARNING), other)).notices
    assert [one.subject for one in notice.facts.away] == ["main/cross:USDT"]
    again = msgspec.structs.replace(seen(200, 500, worst(Level.WARNING, at_ms=WALL_MS)), restarted=True)
    assert told(again, desk) == [(NoticeKind.AWAY, Level.WARNING)]


def test_a_moment_that_was_told_is_not_told_of_another_symbols_time_again() -> None:
    """Symbols return one after the other, and a cross wallet holds several of them."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    assert told(away(worst()), desk) == [(NoticeKind.AWAY, Level.CRITICAL)]
    later = away(worst(), worst(Level.NOTICE, subject="main/cross:USDT"), lasted_s=2300.0)
    assert told(later, desk) == [(NoticeKind.AWAY, Level.NOTICE)]
    assert told(later, desk) == []
    assert told(away(worst(Level.EMERGENCY)), desk) == [(NoticeKind.AWAY, Level.EMERGENCY)]
    assert told(away(worst(Level.EMERGENCY, at_ms=WALL_MS - 60_000)), desk) == [(NoticeKind.AWAY, Level.EMERGENCY)]


def test_a_margin_that_was_used_up_unseen_is_told_though_the_level_was_as_high() -> None:
    """The highest level is far from all that there is to know."""
    desk = Desk()
    desk.hold(isolated())
    desk.room(0.9)
    desk.wait(300.0)
    desk.room(0.05)
    desk.wait(300.0)
    assert desk.notices[-1].level is Level.EMERGENCY
    assert told(seen(200, 500, worst(Level.EMERGENCY)), desk) == []
    over = worst(Level.EMERGENCY, liquidatable=True)
    assert told(seen(200, 500, over), desk) == [(NoticeKind.AWAY, Level.EMERGENCY)]
    desk.room(-0.1)
    assert told(seen(200, 500, over), desk) == []


def test_many_wallets_are_named_and_a_few_described() -> None:
    """A message has room for so much; a cut is said."""
    desk = Desk(deliver=False)
    many = [worst(subject=f"main/isolated:C{i}USDT:LONG") for i in range(500)]
    (notice,) = desk.step(away(*many, cut=True)).notices
    assert (len(notice.facts.away), len(notice.facts.wallets)) == (8, 192)
    assert notice.facts.detail == CUT
