"""Rows of few symbols out of a large array, and when that is left to the full decoder."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance.pick import LEAST_BYTES, MOST_SYMBOLS, RowPicker
from monitor.binance.wire import MarkDecoder
from monitor.core.model import Now
from tests.binance.test_wire import NOW, row

ROWS = [row(s=f"T{i}USDT", p=f"{i + 1}.50000000") for i in range(200)]
WATCHED = frozenset({"T3USDT", "T77USDT", "T199USDT"})


def pack(rows: object) -> bytes:
    """Pack as the exchange does, without blanks."""
    return json.dumps(rows, separators=(",", ":"), ensure_ascii=False).encode()


def picked(picker: RowPicker, raw: bytes) -> list[tuple[str, str]] | None:
    rows = picker.pick(raw)
    return None if rows is None else [(symbol, json.loads(text)["p"]) for symbol, text in rows]


def without(symbol: str) -> list[dict[str, object]]:
    return [one for one in ROWS if one["s"] != symbol]


def test_the_rows_of_the_symbols_come_in_the_order_of_the_array() -> None:
    """First, middle and last row, wherever they stand."""
    expected = [("T3USDT", "4.50000000"), ("T77USDT", "78.50000000"), ("T199USDT", "200.50000000")]
    assert picked(RowPicker(WATCHED), pack(ROWS)) == expected
    assert picked(RowPicker(WATCHED), pack(ROWS[::-1])) == expected[::-1]


def test_rows_that_moved_are_found_again() -> None:
    """A little, as prices gain digits; far, as listings come and go; and a shorter array."""
    picker = RowPicker(WATCHED)
    picker.pick(pack(ROWS))
    for rows in ([{**one, "p": f"9{one['p']}"} for one in ROWS], ROWS[::-1], ROWS[77:] + ROWS[:78], ROWS):
        found = picked(picker, pack(rows))
        assert found is not None
        assert {symbol for symbol, _ in found} == WATCHED
    few = [one for one in ROWS if one["s"] in WATCHED] + ROWS[100:150]
    assert picked(picker, pack(few)) is not None


def test_a_symbol_that_another_one_ends_or_begins_with_is_not_mistaken_for_it() -> None:
    """The quotation marks belong to what is looked for."""
    rows = [row(s="1000T3USDT"), row(s="T3USDT_270326"), *ROWS]
    assert picked(RowPicker(frozenset({"T3USDT"})), pack(rows)) == [("T3USDT", "4.50000000")]


def test_symbols_of_other_scripts_are_found() -> None:
    """Some contracts have Chinese names."""
    rows = [*ROWS, row(s="币安人生USDT", p="5.0")]
    assert picked(RowPicker(frozenset({"币安人生USDT"})), pack(rows)) == [("币安人生USDT", "5.0")]


@pytest.mark.parametrize(
    ("symbols", "raw"),
    [
        (WATCHED, pack(without("T77USDT"))),
        (WATCHED, pack(ROWS)[:-1]),
        (WATCHED, pack(ROWS[:30])),
        (WATCHED, json.dumps(ROWS).encode()),
        (frozenset(str(one["s"]) for one in ROWS[: MOST_SYMBOLS + 1]), pack(ROWS)),
    ],
    ids=["missing", "cut", "small", "spelled otherwise", "many"],
)
def test_what_is_unusual_is_left_to_the_full_decoder(symbols: frozenset[str], raw: bytes) -> None:
    """Nothing is concluded from what cannot be found, and nothing is tried where it does not pay."""
    assert RowPicker(symbols).pick(raw) is None


def nested(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"u": {"s": "T77USDT"}, **rows[0]}, *rows[1:]]


def nested_before(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"u": {"a": 1}, **one} for one in rows]


def nested_after(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**one, "u": {"a": 1}} for one in rows]


def other_event_within(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"u": {"e": "other", "s": "T77USDT"}, **rows[0]}, *rows[1:]]


def wrong_type(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**one, "E": "soon"} if one["s"] == "T5USDT" else one for one in rows]


def unchanged(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    return rows


@pytest.mark.parametrize(
    "change", [unchanged, nested, nested_before, nested_after, other_event_within, wrong_type]
)
def test_the_decoder_yields_the_same_with_and_without_picking(
    change: Callable[[list[dict[str, object]]], list[dict[str, object]]],
) -> None:
    """Whatever new shape the exchange gives its rows, a mark is never taken from the wrong place."""
    rows = change(ROWS)
    raw = pack(rows)
    assert len(raw) > LEAST_BYTES
    fast, full = MarkDecoder(WATCHED), MarkDecoder(WATCHED)
    assert fast.decode(raw, NOW) == full.decode(json.dumps(rows).encode(), NOW) != []


def test_a_watched_row_that_cannot_be_read_is_counted_and_the_others_survive() -> None:
    """Picking changes nothing about what is refused."""
    rows = [{**one, "E": "soon"} if one["s"] == "T77USDT" else one for one in ROWS]
    rows = [{**one, "p": "NaN"} if one["s"] == "T3USDT" else one for one in rows]
    decoder = MarkDecoder(WATCHED)
    ticks = decoder.decode(pack(rows), NOW)
    assert isinstance(ticks, list)
    assert [tick.symbol for tick in ticks] == ["T199USDT"]
    assert decoder.rejected == {"wrong_shape": 1, "nan_price": 1}


def test_picking_follows_the_symbols_that_are_watched() -> None:
    """The set may be replaced between frames."""
    decoder = MarkDecoder(frozenset({"T3USDT"}))
    for symbol in ("T3USDT", "T150USDT"):
        decoder.watched = frozenset({symbol})
        ticks = decoder.decode(pack(ROWS), NOW)
        assert isinstance(ticks, list)
        assert [tick.symbol for tick in ticks] == [symbol]


@given(st.integers(0, 30_000), st.binary(min_size=1, max_size=4))
def test_no_damage_breaks_the_decoder(at: int, damage: bytes) -> None:
    """Nor does it make a mark of a symbol nobody watches."""
    raw = bytearray(pack(ROWS))
    at %= len(raw)
    raw[at : at + len(damage)] = damage
    ticks = MarkDecoder(WATCHED).decode(bytes(raw), Now(NOW.wall_ms, 1.0))
    assert isinstance(ticks, list)
    assert {tick.symbol for tick in ticks} <= WATCHED
