"""Compiling accounts into columns, and patching them."""

import copy
from collections.abc import Sequence
from dataclasses import fields

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.compile import compile_book, patch
from monitor.core.model import AccountSnapshot, BracketTable, MarginMode, Position, Side, SubjectKey
from monitor.core.risk import evaluate
from monitor.errors import BracketError
from tests.core.checker import check, marks_of
from tests.core.strategies import Case, Drawn, build_table, cases

CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
LONG, SHORT = Side.LONG, Side.SHORT
TABLES = {
    symbol: build_table(symbol, [(0.0, "0.01"), (1000.0, "0.02"), (5000.0, "0.05")][:depth])
    for symbol, depth in (("AUSDT", 3), ("BUSDT", 2), ("CUSDC", 1), ("DUSD_PERP", 3), ("EUSD_PERP", 3))
}


def leg(symbol: str, side: Side = LONG, mode: MarginMode = CROSS, quantity: float = 1.0) -> Position:
    inverse = symbol.endswith("_PERP")
    asset = "BTC" if inverse else symbol[-4:]
    return Position(symbol, side, quantity, 100.0, mode, asset, 10.0, 10.0 if inverse else 1.0, inverse)


ACCOUNT = AccountSnapshot(
    "main",
    {"USDT": 1000.0, "BNB": 3.0},
    (
        leg("BUSDT"), leg("AUSDT", SHORT, ISOLATED), leg("CUSDC"), leg("AUSDT", SHORT),
        leg("AUSDT", LONG, ISOLATED), leg("AUSDT", LONG),
    ),
)  # fmt: skip
COIN = AccountSnapshot("coin", {"BTC": 1.0}, (leg("DUSD_PERP", SHORT), leg("DUSD_PERP"), leg("EUSD_PERP", SHORT)))


def assert_same(one: object, other: object, where: str = "book") -> None:
    """Compare two books column by column, down into pairs, joint groups and tiers."""
    assert type(one) is type(other), where
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)
    elif hasattr(one, "__dataclass_fields__"):
        for field in fields(one):  # type: ignore[arg-type]  # any dataclass
            assert_same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, tuple) and hasattr(one, "_fields"):
        for name in one._fields:
            assert_same(getattr(one, name), getattr(other, name), f"{where}.{name}")
    else:
        assert one == other, where


def test_wallets_are_cross_by_asset_then_isolated_by_leg() -> None:
    """Every asset with a balance or a cross position is a wallet, and every isolated leg."""
    book = compile_book([ACCOUNT, COIN], TABLES)
    assert [str(info.key) for info in book.wallets] == [
        "main/cross:BNB",
        "main/cross:USDC",
        "main/cross:USDT",
        "main/isolated:AUSDT:LONG",
        "main/isolated:AUSDT:SHORT",
        "coin/cross:BTC",
    ]
    assert [(info.mode, info.asset) for info in book.wallets[2:4]] == [(CROSS, "USDT"), (ISOLATED, "USDT")]
    assert book.wallet_balance.tolist() == [3.0, 0.0, 1000.0, 10.0, 10.0, 1.0]
    assert book.wallet_index[SubjectKey("main", "cross:USDT")] == 2


def test_rows_are_sorted_by_wallet_then_symbol_then_side() -> None:
    """The rows of a wallet stand together, a LONG before its SHORT."""
    book = compile_book([ACCOUNT, COIN], TABLES)
    rows = [[(book.positions[i].symbol, book.positions[i].side) for i in book.rows_of(w)] for w in range(6)]
    assert rows == [
        [],
        [("CUSDC", LONG)],
        [("AUSDT", LONG), ("AUSDT", SHORT), ("BUSDT", LONG)],
        [("AUSDT", LONG)],
        [("AUSDT", SHORT)],
        [("DUSD_PERP", LONG), ("DUSD_PERP", SHORT), ("EUSD_PERP", SHORT)],
    ]
    assert book.row_wallet.tolist() == [1, 2, 2, 2, 3, 4, 5, 5, 5]
    assert book.filled_slots.tolist() == [1, 2, 3, 4, 5]
    assert book.filled_starts.tolist() == [0, 1, 4, 5, 6]
    assert book.exposed.tolist() == [False, True, True, True, True, True]


def test_only_legs_of_one_wallet_are_a_pair() -> None:
    """Isolated legs of a symbol have wallets of their own; the first of a pair gains when x rises."""
    book = compile_book([ACCOUNT, COIN], TABLES)
    legs = [
        tuple(book.positions[row].side for row in rows)
        for rows in zip(book.pairs.first.tolist(), book.pairs.second.tolist(), strict=True)
    ]
    assert book.pairs.first.tolist() == [1, 7]
    assert legs == [(LONG, SHORT), (SHORT, LONG)]
    assert book.sign.tolist() == [1, 1, -1, 1, 1, -1, -1, 1, 1]


def test_joint_branches_are_wallets_of_several_symbols_that_can_fall_that_way() -> None:
    """A wallet of longs alone cannot be liquidated by rising prices."""
    longs = AccountSnapshot("longs", {"USDT": 5.0}, (leg("AUSDT"), leg("BUSDT")))
    book = compile_book([ACCOUNT, longs], TABLES)
    joint = book.joint
    names = [str(book.wallets[w].key) for w in joint.wallets]
    assert names[: joint.falling] == ["main/cross:USDT", "longs/cross:USDT"]
    assert names[joint.falling :] == ["main/cross:USDT"]
    assert joint.side.tolist() == [1, 1, -1]
    assert joint.rows.tolist() == [1, 2, 3, 6, 7, 1, 2, 3]
    assert joint.starts.tolist() == [0, 3, 5]
    assert joint.branch_of.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert [str(book.wallets[w].key) for w in book.joint_wallets] == names[:2]


def test_short_tables_repeat_their_last_row_out_of_reach() -> None:
    """A table shorter than the longest one never leaves its last bracket."""
    book = compile_book([ACCOUNT], TABLES)
    tiers = book.tiers
    row = next(i for i, p in enumerate(book.positions) if p.symbol == "CUSDC")
    assert tiers.floors[book.row_tier[row]].tolist() == [0.0, np.inf, np.inf]
    assert tiers.mmr[book.row_tier[row]].tolist() == [0.01, 0.01, 0.01]
    readings = evaluate(book, marks_of(book, {"AUSDT": 100.0, "BUSDT": 100.0, "CUSDC": 1e15}))
    assert readings.bracket[row] == 0


def test_a_row_says_where_its_tiers_came_from() -> None:
    """The label of the table is the row's."""
    table = msgspec.structs.replace(TABLES["AUSDT"], origin="shipped", as_of="2026-09-29")
    book = compile_book([ACCOUNT], TABLES | {"AUSDT": table})
    labels = {p.symbol: book.brackets_label(row) for row, p in enumerate(book.positions)}
    assert labels == {"AUSDT": "shipped 2026-09-29", "BUSDT": "config", "CUSDC": "config"}


@pytest.mark.parametrize("tables", [{}, {"BUSDT": BracketTable("BUSDT", ())}])
def test_a_symbol_without_a_table_is_named(tables: dict[str, BracketTable]) -> None:
    """Nothing is guessed where tiers are missing, or empty."""
    account = AccountSnapshot("main", {}, (leg("BUSDT"),))
    with pytest.raises(BracketError, match="brackets of BUSDT, row 0: no maintenance tier table") as caught:
        compile_book([account], tables)
    assert caught.value.symbol == "BUSDT"


def _changed(source: Drawn, account: AccountSnapshot) -> AccountSnapshot:
    """Return the account with other quantities, entries, balances and margins."""

    def moved(position: Position) -> Position:
        return msgspec.structs.replace(
            position,
            quantity=position.quantity * source.pick((1.0, 0.0, source.number(0.1, 10.0))),
            entry_price=position.entry_price * source.pick((1.0, source.number(0.5, 2.0))),
            margin=position.margin + source.pick((0.0, source.number(-100.0, 100.0))),
        )

    positions = tuple(map(moved, account.positions))
    balances = {
        asset: source.pick((amount, source.number(-9.0, 1e6))) for asset, amount in account.balances.items()
    }
    # A reversed order and a later time are no new shape.
    positions = source.pick((positions, positions[::-1]))
    return msgspec.structs.replace(account, positions=positions, balances=balances, as_of_ms=7)


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases(accounts=3), st.data())
def test_a_patched_book_is_a_fresh_one(case: Case, data: st.DataObject) -> None:
    """After any changes of amounts, several in a row, every column is what compiling would give."""
    source = Drawn(data.draw)  # type: ignore[arg-type]  # draws alike
    book = compile_book(case.accounts, case.tables)
    accounts = case.accounts
    for _ in range(2):
        accounts = tuple(_changed(source, account) for account in accounts)
        assert patch(book, accounts)
        assert_same(book, compile_book(accounts, case.tables))
    changed = case._replace(accounts=accounts)
    check(changed, book, evaluate(book, marks_of(book, case.marks)))


def test_a_patch_without_a_change_changes_nothing() -> None:
    """The same accounts patched in leave every column as it was."""
    book = compile_book([ACCOUNT, COIN], TABLES)
    before = copy.deepcopy(book)
    assert patch(book, [ACCOUNT, COIN])
    assert_same(book, before)


def test_readings_taken_before_a_patch_stay_as_they_were() -> None:
    """A patch works in place on the book and touches no reading."""
    book = compile_book([ACCOUNT, COIN], TABLES)
    readings = evaluate(book, np.full(len(book.symbols), 90.0))
    before = copy.deepcopy(readings)
    bigger = tuple(msgspec.structs.replace(p, quantity=p.quantity * 3) for p in ACCOUNT.positions)
    assert patch(book, [msgspec.structs.replace(ACCOUNT, positions=bigger), COIN])
    assert_same(readings, before, "readings")


def _with(*positions: Position, **balances: float) -> Sequence[AccountSnapshot]:
    return [msgspec.structs.replace(ACCOUNT, positions=positions, balances=balances or ACCOUNT.balances), COIN]


@pytest.mark.parametrize(
    "accounts",
    [
        pytest.param([ACCOUNT], id="an account vanished"),
        pytest.param([COIN, ACCOUNT], id="accounts in another order"),
        pytest.param([msgspec.structs.replace(ACCOUNT, account="other"), COIN], id="another name"),
        pytest.param(_with(*ACCOUNT.positions[1:]), id="a position vanished"),
        pytest.param(_with(*ACCOUNT.positions, leg("BUSDT", SHORT)), id="a position appeared"),
        pytest.param(_with(leg("BUSDT", SHORT), *ACCOUNT.positions[1:]), id="a side turned"),
        pytest.param(_with(leg("BUSDT", LONG, ISOLATED), *ACCOUNT.positions[1:]), id="cross became isolated"),
        pytest.param(_with(*ACCOUNT.positions, USDT=1.0), id="an asset vanished"),
        pytest.param(_with(*ACCOUNT.positions, USDT=1.0, BNB=3.0, FDUSD=1.0), id="an asset appeared"),
        pytest.param(
            [ACCOUNT, msgspec.structs.replace(COIN, positions=(
                msgspec.structs.replace(COIN.positions[0], contract_size=100.0), *COIN.positions[1:]))],
            id="another contract size",
        ),
        pytest.param([], id="nothing left"),
    ],
)  # fmt: skip
def test_a_new_shape_is_refused_and_changes_nothing(accounts: Sequence[AccountSnapshot]) -> None:
    """A patch that cannot hold the new content says so before it touches a column."""
    book = compile_book([ACCOUNT, COIN], TABLES)
    before = copy.deepcopy(book)
    assert not patch(book, accounts)
    assert_same(book, before)


def test_an_empty_book_can_be_patched() -> None:
    """Balances move in a book without positions."""
    account = AccountSnapshot("main", {"USDT": 1.0}, ())
    book = compile_book([account], {})
    assert patch(book, [msgspec.structs.replace(account, balances={"USDT": 2.0})])
    assert book.wallet_balance.tolist() == [2.0]
    assert patch(compile_book([], {}), [])
