"""Grids of moves: a rung is what assessing there says, and moves that liquidate are exact from both sides."""

from collections.abc import Mapping

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core import ladder
from monitor.core.changed_moves import ChangedMoves, Measured, silent, typical_days
from monitor.core.compile import compile_book
from monitor.core.ladder import Grid, collateral_of, losses, priced, revalued
from monitor.core.model import (
    MULTI_WALLET,
    AccountSnapshot,
    AssetRate,
    BracketTable,
    Level,
    MarginMode,
    Position,
    Side,
    SubjectKey,
    rate_symbols,
)
from monitor.core.moves import moves_left
from monitor.core.risk import evaluate
from monitor.core.rules import compile_thresholds, conditions, reached
from monitor.core.scene import KnownMoves
from monitor.core.settings import EngineSettings
from monitor.core.wallet_moves import cushion_deltas, cushion_deviations
from monitor.core.whatif import add_margin, shocked
from tests.core.checker import marks_of
from tests.core.strategies import Case, Seeded, build_table, cases, coin, draw_case, merge, usdt
from tests.core.test_collateral import Case as MultiCase
from tests.core.test_collateral import draw_multi, multis

SETTINGS = EngineSettings()
BESIDE = 1e-7
moves = st.floats(-0.9, 3.0)


def grid_of(case: Case) -> Grid:
    return Grid(case.accounts, case.tables, case.marks, SETTINGS)


def many(seed: int, accounts: int = 4) -> Case:
    source = Seeded(seed)
    return merge([draw_case(source, f"a{i}", symbols=4) for i in range(accounts)])


def assessed(
    accounts: tuple[AccountSnapshot, ...], tables: Mapping[str, BracketTable], marks: Mapping[str, float]
) -> tuple[list[int], list[float]]:
    """Return levels and margin ratios by wallet as ``assess`` makes them: compiled for these marks alone."""
    book = compile_book(accounts, tables)
    readings = evaluate(book, marks_of(book, dict(marks)))
    hit = conditions(book, compile_thresholds(book, SETTINGS), readings)
    return reached(hit).tolist(), readings.margin_ratio.tolist()


@settings(max_examples=60, deadline=None)
@given(cases(), moves)
def test_a_rung_is_what_assessing_there_says(case: Case, move: float) -> None:
    """Levels and ratios of all together moved equal those of a book compiled for the moved marks."""
    rung = grid_of(case).at(move)
    levels, ratios = assessed(case.accounts, case.tables, shocked(case.marks, {}, move))
    assert rung.levels.tolist() == levels
    assert rung.readings.margin_ratio.tolist() == ratios


@settings(max_examples=60, deadline=None)
@given(cases(), moves, st.integers(0, 9))
def test_a_rung_of_one_symbol_moves_that_one_alone(case: Case, move: float, which: int) -> None:
    """All other marks stay as they are."""
    grid = grid_of(case)
    symbol = grid.book.symbols[which % len(grid.book.symbols)]
    levels, ratios = assessed(case.accounts, case.tables, shocked(case.marks, {symbol: move}))
    rung = grid.at(move, symbol)
    assert (rung.levels.tolist(), rung.readings.margin_ratio.tolist()) == (levels, ratios)


@settings(max_examples=60, deadline=None)
@given(multis(), moves)
def test_in_multi_assets_mode_collateral_moves_along(case: MultiCase, move: float) -> None:
    """All together: coins fall as well, what contracts are quoted in does not. One symbol: coins of its own."""
    account, tables, marks = case
    grid = Grid((account,), tables, marks, SETTINGS)
    coins = collateral_of(account)
    assert not coins & {"USDT", "USDC"}
    moved = revalued(account, dict.fromkeys(coins, 1.0 + move))
    levels, ratios = assessed((moved,), tables, shocked(marks, {}, move))
    rung = grid.at(move)
    assert (rung.levels.tolist(), rung.readings.margin_ratio.tolist()) == (levels, ratios)
    symbol = grid.book.symbols[0]
    own = revalued(account, dict.fromkeys(coins & {symbol[:3]}, 1.0 + move))
    alone = grid.at(move, symbol)
    levels, ratios = assessed((own,), tables, shocked(marks, {symbol: move}))
    assert (alone.levels.tolist(), alone.readings.margin_ratio.tolist()) == (levels, ratios)


@settings(max_examples=100, deadline=None)
@given(st.floats(-0.95, 20.0), st.dictionaries(st.sampled_from("ABCD"), st.floats(1e-3, 1e5), min_size=1))
def test_a_shock_and_its_opposite_change_nothing(move: float, marks: dict[str, float]) -> None:
    """s, then -s / (1 + s)."""
    back = shocked(shocked(marks, {}, move), {}, -move / (1.0 + move))
    assert back == pytest.approx(marks, rel=1e-12)
    account = AccountSnapshot("m", {"BTC": 1.0}, (), multi_assets=True, rates={"BTC": AssetRate(9.5, 10.5)})
    there = revalued(account, {"BTC": 1.0 + move})
    again = revalued(there, {"BTC": 1.0 - move / (1.0 + move)})
    assert again.rates["BTC"].bid == pytest.approx(9.5, rel=1e-12)
    assert again.rates["BTC"].ask == pytest.approx(10.5, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(cases(), st.floats(1e-2, 1e6), st.integers(0, 20))
def test_margin_added_and_taken_again_changes_nothing(case: Case, amount: float, which: int) -> None:
    """In every kind of wallet; where it came out of the account's own cross wallet as well."""
    book = compile_book(case.accounts, case.tables)
    key = book.wallets[which % len(book.wallets)].key
    (account,) = (one for one in case.accounts if one.account == key.account)
    moved = amount / 2 if key.wallet.startswith("isolated:") else 0.0
    there = add_margin(account, key.wallet, amount, moved=moved)
    again = add_margin(there, key.wallet, -amount, moved=-moved)
    assert again.balances == pytest.approx(account.balances, rel=1e-9, abs=1e-9)
    for before, after in zip(account.positions, again.positions, strict=True):
        assert after.margin == pytest.approx(before.margin, rel=1e-9, abs=1e-9)
        assert msgspec.structs.replace(after, margin=0.0) == msgspec.structs.replace(before, margin=0.0)


def exact(grid: Grid, wallet: int, edge: float, symbol: str = "") -> bool:
    """Return whether the wallet is liquidated just beyond the edge and not just before it."""
    factor, outward = 1.0 + edge, BESIDE if edge > 0 else -BESIDE
    before = grid.at(factor * (1.0 - outward) - 1.0, symbol)
    beyond = grid.at(factor * (1.0 + outward) - 1.0, symbol)
    return bool(beyond.liquidated[wallet] and not before.liquidated[wallet])


def test_moves_that_liquidate_are_exact_from_both_sides() -> None:
    """All together, over generated books: just before it no wallet's edge liquidates it, just beyond it does."""
    checked = 0
    for seed in range(130):
        grid = grid_of(many(seed))
        now, edges = grid.at(0.0), grid.edges()
        for way in (edges.down, edges.up):
            for wallet, edge in enumerate(way.tolist()):
                if now.liquidated[wallet]:
                    assert edge == 0.0
                elif not np.isnan(edge):
                    assert exact(grid, wallet, edge), (seed, wallet, edge)
                    checked += 1
    assert checked > 400


def test_the_nearer_edge_is_the_joint_distance() -> None:
    """Found by evaluating, and by the formula of every tick."""
    checked = 0
    for seed in range(50):
        grid = grid_of(many(seed))
        now, edges = grid.at(0.0), grid.edges()
        nearer = np.fmin(np.abs(edges.down), np.abs(edges.up))
        joint = now.readings.joint_distance
        for wallet in np.flatnonzero(grid.book.exposed & ~now.liquidated).tolist():
            if np.isnan(nearer[wallet]):
                assert not joint[wallet] < 1000
                continue
            scale = 1.0 + nearer[wallet]
            assert nearer[wallet] == pytest.approx(joint[wallet], rel=1e-6, abs=1e-7 * scale), (seed, wallet)
            checked += 1
    assert checked > 200


def test_moves_of_one_symbol_are_exact_from_both_sides() -> None:
    """Each symbol alone, in each wallet that holds it, both ways."""
    checked = 0
    for seed in range(60):
        grid = grid_of(many(seed))
        now = grid.at(0.0)
        for one in grid.alone():
            for edge in (one.down, one.up):
                if now.liquidated[one.wallet]:
                    assert edge == 0.0
                elif not np.isnan(edge):
                    assert exact(grid, one.wallet, edge, one.symbol), (seed, one)
                    checked += 1
    assert checked > 200


def test_moves_in_multi_assets_mode_are_exact_from_both_sides() -> None:
    """With collateral that moves along, all together and each symbol alone."""
    checked = 0
    for seed in range(60):
        account, tables, marks = draw_multi(Seeded(seed))
        grid = Grid((account,), tables, marks, SETTINGS)
        if grid.at(0.0).liquidated[0]:
            continue
        edges = grid.edges()
        found = [("", edges.down[0]), ("", edges.up[0])]
        found += [(one.symbol, edge) for one in grid.alone() for edge in (one.down, one.up)]
        for symbol, edge in found:
            if not np.isnan(edge):
                assert exact(grid, 0, float(edge), symbol), (seed, symbol, edge)
                checked += 1
    assert checked > 80


def test_roots_of_the_readings_are_verified_and_never_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they hold a few evaluations do; where they are wrong the result is the same, and takes a search."""
    grids = [grid_of(many(seed)) for seed in range(12)]
    account, tables, marks = draw_multi(Seeded(1))
    grids.append(Grid((account,), tables, marks, SETTINGS))
    evaluations: list[int] = []
    for grid in grids:
        turns = max(len({grid.book.positions[r].symbol for r in grid.book.rows_of(w)})
                    for w in range(len(grid.book.wallets)))  # fmt: skip
        monkeypatch.setattr(grid, "_evaluate", _counting(grid, evaluations))
        right = grid.alone()
        assert len(evaluations) <= 1 + 7 * turns
        lower, upper = grid._roots()
        monkeypatch.setattr(grid, "_roots", lambda low=lower, high=upper: (low * 0.97, high * 1.01))
        evaluations.clear()
        for one, other in zip(right, grid.alone(), strict=True):
            assert other.down == pytest.approx(one.down, rel=1e-6, nan_ok=True)
            assert other.up == pytest.approx(one.up, rel=1e-6, nan_ok=True)
        evaluations.clear()


def _counting(grid: Grid, evaluations: list[int]) -> object:
    real = grid._evaluate

    def counting(*args: object) -> object:
        evaluations.append(1)
        return real(*args)  # type: ignore[arg-type]

    return counting


def test_one_symbol_alone_agrees_with_its_liquidation_price() -> None:
    """A long is liquidated by a fall to its liquidation price, and by no rise."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    account = AccountSnapshot("m", {}, (usdt("BTCUSDT", Side.LONG, 0.5, 62000.0, 1550.0),))
    grid = Grid((account,), {"BTCUSDT": table}, {"BTCUSDT": 61000.0}, SETTINGS)
    (one,) = grid.alone()
    price = grid.at(0.0).readings.liquidation_price[0]
    assert 61000.0 * (1.0 + one.down) == pytest.approx(price, rel=1e-12)
    assert np.isnan(one.up)


def test_a_hedge_is_liquidated_both_ways() -> None:
    """100,000 long and 82,500 short at 1 with 11,000 behind both, as computed by hand: 0.609 and 1.315."""
    table = build_table("0GUSDT", [(0.0, "0.005")])
    legs = (usdt("0GUSDT", Side.LONG, 100000.0, 1.0), usdt("0GUSDT", Side.SHORT, 82500.0, 1.0))
    grid = Grid((AccountSnapshot("h", {"USDT": 11000.0}, legs),), {"0GUSDT": table}, {"0GUSDT": 1.0}, SETTINGS)
    (one,) = grid.alone()
    # Down: 11000 - 17500 d = 912.5 (1 - d); up: 11000 + 17500 u = 912.5 (1 + u) is never met.
    assert one.down == pytest.approx(-(11000 - 912.5) / (17500 - 912.5))
    assert np.isnan(one.up)


def test_an_inverse_long_falls_with_its_price() -> None:
    """Contracts in coin: the edge is a move of the price, not of its reciprocal."""
    table = build_table("BTCUSD_PERP", [(0.0, "0.01")])
    account = AccountSnapshot("c", {"BTC": 1.0}, (coin(Side.LONG, 1000.0, 50000.0),))
    grid = Grid((account,), {"BTCUSD_PERP": table}, {"BTCUSD_PERP": 50000.0}, SETTINGS)
    # 1 + 2 - 1e5/p = 0.01 * 1e5/p, so p = 1.01e5 / 3.
    assert grid.edges().down[0] == pytest.approx(1.01e5 / 3 / 50000 - 1)
    assert grid.alone()[0].down == pytest.approx(1.01e5 / 3 / 50000 - 1)


def test_a_ladder_compiles_one_book(monkeypatch: pytest.MonkeyPatch) -> None:
    """41 rungs of 1,000 positions, and where each is liquidated: marks change, columns do not."""
    compiled = []

    def counting(*args: object) -> object:
        compiled.append(1)
        return compile_book(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(ladder, "compile_book", counting)
    names = [f"S{i}USDT" for i in range(1000)]
    legs = tuple(usdt(name, Side.LONG, 1.0, 100.0, 20.0) for name in names)
    tables = {name: build_table(name, [(0.0, "0.005"), (5000.0, "0.01")]) for name in names}
    grid = Grid((AccountSnapshot("m", {}, legs),), tables, dict.fromkeys(names, 100.0), SETTINGS)
    rungs = [grid.at(step / 100.0) for step in range(-20, 21)]
    grid.edges()
    assert [int(rung.liquidated.sum()) for rung in rungs[:2]] == [1000, 0]
    assert compiled == [1]


def test_what_is_lost_is_the_wallet_or_the_change() -> None:
    """A liquidated wallet loses what is in it and no more; another what its positions lose."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    legs = (usdt("BTCUSDT", Side.LONG, 0.5, 60000.0, 1500.0), usdt("BTCUSDT", Side.SHORT, 0.1, 60000.0, 3000.0))
    grid = Grid((AccountSnapshot("m", {}, legs),), {"BTCUSDT": table}, {"BTCUSDT": 60000.0}, SETTINGS)
    before, after = grid.at(0.0), grid.at(-0.10)
    assert after.liquidated.tolist() == [True, False]
    # The long of 0.5 would be 3,000 down and has 1,500; the short of 0.1 gains 600.
    assert losses(grid.book, before, after) == {"USDT": pytest.approx(1500.0 - 600.0)}
    assert losses(grid.book, after, grid.at(-0.11)) == {"USDT": pytest.approx(-60.0)}


def test_rates_are_those_of_the_marks() -> None:
    """What the daemon knows of a rate goes in; a fixed one stays, one without a mark keeps its own."""
    rates = {"BTC": AssetRate(1.0, 2.0), "ETH": AssetRate(3.0, 4.0), "USDT": AssetRate(1.0, 1.0, fixed=True)}
    account = AccountSnapshot("m", {"BTC": 1.0}, (), multi_assets=True, rates=rates)
    bid, ask = rate_symbols("BTC")
    got = priced(account, {bid: 10.0, ask: 11.0, rate_symbols("USDT")[0]: 5.0})
    assert got.rates == rates | {"BTC": AssetRate(10.0, 11.0)}
    assert priced(account, {}) is account


# Moves left


def changed(
    account: AccountSnapshot, other: AccountSnapshot, measured: Measured, move: float = 0.0
) -> tuple[float, float]:
    """Return moves left of the first wallet of two states of an account."""
    tables = {p.symbol: build_table(p.symbol, [(0.0, "0.005")]) for p in account.positions}
    marks = {p.symbol: p.entry_price for p in account.positions}
    book = compile_book((account,), tables)
    readings = evaluate(book, marks_of(book, marks))
    known = ChangedMoves(book, readings, measured)
    there = compile_book((other,), tables)
    after = evaluate(there, marks_of(there, shocked(marks, {}, move)))
    return float(known.left(book, readings)[0]), float(known.left(there, after)[0])


def test_moves_left_of_one_symbol_follow_from_its_typical_move() -> None:
    """Half the quantity has twice the moves, more margin more of them."""
    account = AccountSnapshot("m", {"USDT": 1000.0}, (usdt("AUSDT", Side.LONG, 10.0, 100.0),))
    measured = Measured({"AUSDT": 0.01}, {})
    half = AccountSnapshot("m", {"USDT": 1000.0}, (usdt("AUSDT", Side.LONG, 5.0, 100.0),))
    before, after = changed(account, half, measured)
    # (1000 - 5) / (1000 * 0.995 * 0.01), and (1000 - 2.5) over half of it.
    assert before == pytest.approx(995 / 9.95)
    assert after == pytest.approx(997.5 / 4.975)
    assert np.isnan(changed(account, half, Measured({}, {}))[0])


def test_moves_left_of_several_symbols_are_known_where_all_changed_alike() -> None:
    """More margin, all prices moved together: the measured deviation still tells. A part closed: it does not."""
    legs = (usdt("AUSDT", Side.LONG, 10.0, 100.0), usdt("BUSDT", Side.SHORT, 5.0, 100.0))
    account = AccountSnapshot("m", {"USDT": 1000.0}, legs)
    measured = Measured({"AUSDT": 0.01, "BUSDT": 0.02}, {SubjectKey("m", "cross:USDT"): 20.0})
    richer = msgspec.structs.replace(account, balances={"USDT": 1500.0})
    before, after = changed(account, richer, measured)
    assert before == pytest.approx(992.5 / 20.0)
    assert after == pytest.approx(1492.5 / 20.0)
    _, fallen = changed(account, account, measured, -0.10)
    assert fallen == pytest.approx((1000 - 100 + 50 - 6.75) / 18.0)
    smaller = msgspec.structs.replace(account, positions=(legs[0], msgspec.structs.replace(legs[1], quantity=1.0)))
    assert np.isnan(changed(account, smaller, measured)[1])
    gone = msgspec.structs.replace(account, positions=(legs[0], msgspec.structs.replace(legs[1], quantity=0.0)))
    assert changed(account, gone, measured)[1] == pytest.approx(995 / 9.95)  # one symbol is left


@pytest.mark.parametrize("seed", range(20))
def test_moves_left_of_changed_wallets_are_what_the_daemon_would_find(seed: int) -> None:
    """Whatever was closed, added or moved, with gaps in the minutes and without; too few minutes: not known."""
    random = np.random.default_rng(seed)
    names = tuple(f"{letter}USDT" for letter in "ABCD")
    sides = [Side.LONG if up else Side.SHORT for up in random.integers(0, 2, 4)]
    legs = tuple(usdt(name, side, 10.0, 100.0) for name, side in zip(names, sides, strict=True))
    account = AccountSnapshot("m", {"USDT": 2000.0}, legs)
    kept = [msgspec.structs.replace(leg, quantity=float(random.integers(0, 11))) for leg in legs]
    other = msgspec.structs.replace(account, positions=tuple(kept))
    returns = random.normal(0.0, 0.001, (200, 4))
    returns[random.random((200, 4)) < random.choice([0.0, 0.05, 0.9])] = np.nan
    typical = np.full(4, 0.01)
    known = KnownMoves(names[::-1], returns, typical)
    tables = {name: build_table(name, [(0.0, "0.005")]) for name in names}
    book, there = compile_book((account,), tables), compile_book((other,), tables)
    marks = dict.fromkeys(names, 100.0)
    measured = Measured(dict.fromkeys(names, 0.01), {})
    changed_moves = ChangedMoves(book, evaluate(book, marks_of(book, marks)), measured, known)
    after = evaluate(there, marks_of(there, shocked(marks, {}, float(random.uniform(-0.1, 0.1)))))
    moves = known.of(there.watched)
    deviation = cushion_deviations(there, cushion_deltas(there, after), moves.returns, typical)
    got = changed_moves.left(there, after)
    assert got == pytest.approx(moves_left(after.cushion, deviation), nan_ok=True)


def test_moves_left_that_are_not_known_are_silent_only_where_they_decide() -> None:
    """Within the room of their conditions, and for the levels asked about; beyond, nothing is missing."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    account = AccountSnapshot("m", {"USDT": 10.0}, (usdt("BTCUSDT", Side.LONG, 0.5, 62000.0, 1550.0),))
    at = {
        mark: Grid((account,), {"BTCUSDT": table}, {"BTCUSDT": mark}, SETTINGS)
        for mark in (61000.0, 59500.0, 61900.0)
    }

    def found(mark: float, moves: KnownMoves | None, below: Level) -> list[bool]:
        grid = at[mark]
        return list(silent(grid.book, grid.limits, grid.at(0.0).readings, moves, below)[grid.book.exposed])

    knows = KnownMoves(("BTCUSDT",), np.empty((0, 1)), np.array([0.01]))
    lacks = KnownMoves(("BTCUSDT",), np.empty((0, 1)), np.array([np.nan]))
    for mark, moves, below, expected in (
        (59500.0, None, Level.WARNING, True),
        (59500.0, lacks, Level.WARNING, True),
        (59500.0, knows, Level.WARNING, False),
        (61900.0, None, Level.NOTICE, False),  # room 0.96
        (61000.0, None, Level.WARNING, True),  # room 0.65, within the dead band of 0.6
        (61000.0, None, Level.CRITICAL, False),
    ):
        assert found(mark, moves, below) == [expected]


def test_of_a_hollow_wallet_moves_left_that_are_not_known_are_always_silent() -> None:
    """Nothing was left at entry, so that they count whatever the room is."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    account = AccountSnapshot("m", {}, (usdt("BTCUSDT", Side.LONG, 0.5, 62000.0, 100.0),))
    grid = Grid((account,), {"BTCUSDT": table}, {"BTCUSDT": 65000.0}, SETTINGS)
    readings = grid.at(0.0).readings
    assert readings.room[0] == 1.0
    assert grid.book.hollow[0]
    assert silent(grid.book, grid.limits, readings, None, Level.EMERGENCY)[0]


def test_moves_left_raise_the_level_of_a_rung() -> None:
    """A rung is judged by all conditions; without a daemon by those that are left."""
    table = build_table("BTCUSDT", [(0.0, "0.004")])
    account = AccountSnapshot("m", {}, (usdt("BTCUSDT", Side.LONG, 0.5, 62000.0, 1550.0),))
    held, tables, marks = (account,), {"BTCUSDT": table}, {"BTCUSDT": 61000.0}
    plain = Grid(held, tables, marks, SETTINGS)
    known = ChangedMoves(plain.book, plain.at(0.0).readings, Measured({"BTCUSDT": 0.02}, {}))
    wild = Grid(held, tables, marks, SETTINGS, left=known.left)
    assert plain.at(-0.01).levels[0] == Level.NOTICE
    rung = wild.at(-0.01)
    assert rung.levels[0] > Level.NOTICE
    assert rung.left is not None
    assert rung.left[0] < 2.0


def test_typical_days() -> None:
    """A day is sqrt(24) typical hours; what is not known is not counted."""
    assert typical_days(-0.0957, 0.01) == pytest.approx(0.1006 / 0.01 / 24**0.5, rel=1e-3)
    assert typical_days(-0.1, None) is None
    assert typical_days(-0.1, 0.0) is None
    assert typical_days(-1.0, 0.01) is None


def test_multi_assets_wallets_of_several_accounts_move_together() -> None:
    """Each account's collateral moves with its own wallet, and comes back."""
    legs = (Position("BTCUSDT", Side.LONG, 0.5, 20000.0, MarginMode.CROSS, "USDT"),)
    rates = {"BTC": AssetRate(19000.0, 21000.0, fixed=True)}
    one, other = (
        AccountSnapshot(name, {"USDT": 500.0, "BTC": coins}, legs, multi_assets=True, rates=rates)
        for name, coins in (("one", 0.05), ("other", 0.2))
    )
    grid = Grid(
        (one, other), {"BTCUSDT": build_table("BTCUSDT", [(0.0, "0.008")])}, {"BTCUSDT": 20000.0}, SETTINGS
    )
    first = grid.at(0.0)
    assert [info.key.wallet for info in grid.book.wallets] == [MULTI_WALLET] * 2
    edges = grid.edges()
    assert edges.down[1] < edges.down[0] < 0
    again = grid.at(0.0)
    assert again.readings.cushion.tolist() == first.readings.cushion.tolist()
    assert exact(grid, 0, float(edges.down[0]))
    assert exact(grid, 1, float(edges.down[1]))
