import contextlib
import gc
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance import belief
from monitor.binance.wire import (
    Ack,
    ContractChanged,
    MarkDecoder,
    NextFunding,
    Refusal,
    decode_premium_index,
    decode_server_time,
)
from monitor.core.model import MarkTick, Now, Source, rate_symbols
from monitor.errors import WireError

NOW = Now(1_780_000_000_000, 42.0)
BTC = {
    "e": "markPriceUpdate", "E": NOW.wall_ms - 20, "s": "BTCUSDT", "p": "61000.10", "ap": "61000.10",
    "i": "61001.2", "P": "61002.3", "r": "0.0001", "T": 1_780_000_800_000, "st": 1,
}  # fmt: skip
TICK = MarkTick("BTCUSDT", 61000.10, NOW.wall_ms - 20, 42.0, Source.STREAM)
WATCHED = frozenset({"BTCUSDT", "ETHUSDT", "币安人生USDT"})


def row(**changes: object) -> dict[str, object]:
    return {**BTC, **changes}


def pack(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_single_payload_becomes_a_tick() -> None:
    """Text and bytes are read alike; fields nobody needs are ignored."""
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(pack(BTC), NOW) == [TICK]
    assert decoder.decode(json.dumps(BTC), NOW) == [TICK]
    assert decoder.decode(b" \n" + pack(row(new_field={"a": [1]})), NOW) == [TICK]
    assert decoder.rejected == {}
    assert decoder.last_error is None


def test_an_array_yields_the_watched_rows_only() -> None:
    """Rows of symbols nobody watches are passed over without being counted."""
    decoder = MarkDecoder(WATCHED)
    eth = row(s="ETHUSDT", p="2900")
    frame = decoder.decode(pack([row(s="XRPUSDT", p="NaN"), BTC, eth]), NOW)
    assert frame == [TICK, MarkTick("ETHUSDT", 2900.0, NOW.wall_ms - 20, 42.0)]
    assert decoder.decode(b"  " + pack([BTC]), NOW) == [TICK]
    assert decoder.decode(b"[]", NOW) == []
    assert decoder.rejected == {}


def test_a_combined_wrapper_is_unwrapped_once() -> None:
    """Both shapes are read inside a wrapper; a wrapper or a reply inside a wrapper is no payload."""
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(pack({"stream": "btcusdt@markPrice@1s", "data": BTC}), NOW) == [TICK]
    assert decoder.decode(pack({"stream": "!markPrice@arr@1s", "data": [BTC]}), NOW) == [TICK]
    assert decoder.rejected == {}
    for inner in ({"data": BTC}, {"result": None, "id": 1}, 5, None, "x"):
        assert decoder.decode(pack({"stream": "s", "data": inner}), NOW) == []
    assert decoder.rejected == {"wrong_shape": 5}


def test_symbols_outside_ascii_are_read() -> None:
    """Escaped or plain, a symbol is the same."""
    decoder = MarkDecoder(WATCHED)
    value = row(s="币安人生USDT")
    for frame in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        ticks = decoder.decode(frame, NOW)
        assert isinstance(ticks, list)
        assert ticks[0].symbol == "币安人生USDT"


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"result": None, "id": 1}, Ack(1)),
        ({"result": ["btcusdt@markPrice@1s"], "id": 3}, Ack(3)),
        ({"result": None, "id": "x"}, Ack("x")),
        ({"code": 2, "msg": "Invalid request"}, Refusal(2, "Invalid request")),
        ({"code": 0}, Refusal(0, "")),
        ({"error": {"code": 3, "msg": "Invalid JSON"}, "id": 7}, Refusal(3, "Invalid JSON")),
        ({"error": {}}, Refusal(None, "")),
    ],
)
def test_replies_to_control_messages_are_told_apart(frame: object, expected: object) -> None:
    """An acknowledgement and a refusal are neither data nor faults."""
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(pack(frame), NOW) == expected
    assert decoder.rejected == {}


REFUSED = [
    (b"", "not_json"),
    (b"hello", "not_json"),
    (b"\xff\xfe", "not_json"),
    (b"{'e': 1}", "not_json"),
    (pack(BTC)[:-1], "truncated"),
    (pack(BTC)[:40], "truncated"),
    (pack([BTC])[:-1], "truncated"),
    (pack(BTC).replace(b'"61000.10"', b"NaN"), "not_json"),
    (pack(BTC).replace(b'"s": "BTCUSDT"', b'"s": "\xff"'), "not_json"),
    (b"{}", "wrong_shape"),
    (b"5", "wrong_shape"),
    (b"null", "wrong_shape"),
    (b'"markPriceUpdate"', "wrong_shape"),
    (pack(row(s=5)), "wrong_shape"),
    (pack(row(E="soon")), "wrong_shape"),
    (pack(row(p=None)), "wrong_shape"),
    (pack(row(p=[1])), "wrong_shape"),
    (pack(BTC).replace(b'"61000.10"', b"1e999"), "wrong_shape"),
    (b'{"data":' * 2000 + b"1" + b"}" * 2000, "wrong_shape"),
    (b"[" * 100_000 + b"]" * 100_000, "wrong_shape"),
    (pack(row(e="aggTrade")), "wrong_event"),
    (pack(row(s="XRPUSDT")), "unknown_symbol"),
    (pack(row(st=2)), "other_market"),
    (pack(row(p="")), "bad_price"),
    (pack(row(p="12,5")), "bad_price"),
    (pack(row(p="1_0")), "bad_price"),
    (pack(row(p=" 1")), "bad_price"),
    (pack(row(p="\uff11")), "bad_price"),
    (pack({k: v for k, v in BTC.items() if k != "p"}), "bad_price"),
    (pack(row(p="NaN")), "nan_price"),
    (pack(row(p="-nan")), "nan_price"),
    (pack(row(p="Infinity")), "infinite_price"),
    (pack(row(p="-inf")), "infinite_price"),
    (pack(row(p="1e999")), "infinite_price"),
    (pack(row(p="0.00000000")), "zero_price"),
    (pack(row(p="-0")), "zero_price"),
    (pack(row(p="1e-999")), "zero_price"),
    (pack(row(p=0)), "zero_price"),
    (pack(row(p="-1.5")), "negative_price"),
    (pack(row(p=-1)), "negative_price"),
    (pack(row(p="1e16")), "absurd_price"),
    (pack(row(E=0)), "absurd_time"),
    (pack(row(E=-5)), "absurd_time"),
    (pack(row(E=1_546_300_799_999)), "absurd_time"),
    (pack({k: v for k, v in BTC.items() if k != "E"}), "absurd_time"),
    (pack(row(E=NOW.wall_ms + 60_001)), "future_time"),
    (pack(row(E=10**25)), "future_time"),
]


@pytest.mark.parametrize(("raw", "reason"), REFUSED, ids=[f"{r}-{i}" for i, (_, r) in enumerate(REFUSED)])
def test_what_cannot_be_believed_is_refused_with_a_reason(raw: bytes, reason: str) -> None:
    """Each kind of bad frame yields no tick and adds one to its own counter."""
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(raw, NOW) == []
    assert decoder.rejected == {reason: 1}
    assert decoder.last_error is not None
    assert decoder.last_error.reason == reason


def test_half_a_surrogate_pair_is_refused() -> None:
    """Text that is no valid Unicode is refused like bytes that are no valid UTF-8."""
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode('{"s":"\udc80"}', NOW) == []
    assert decoder.rejected == {"not_json": 1}


@pytest.mark.parametrize(
    "bad",
    [
        {"s": 5},
        {"p": None},
        {"p": "NaN"},
        {"p": "-1"},
        {"E": "x"},
        {"E": 0},
        {"e": "trade"},
        {"st": 2},
        {"st": "1"},
    ],
)
def test_a_bad_row_does_not_lose_the_good_ones(bad: dict[str, object]) -> None:
    """Rows before and after a bad one arrive, and the bad one is counted."""
    decoder = MarkDecoder(WATCHED)
    eth = row(s="ETHUSDT", p=2900.5)
    frame = decoder.decode(pack([BTC, row(s="币安人生USDT", **bad) if "s" not in bad else row(**bad), eth]), NOW)
    assert isinstance(frame, list)
    assert [(tick.symbol, tick.mark) for tick in frame] == [("BTCUSDT", 61000.10), ("ETHUSDT", 2900.5)]
    assert decoder.rejected.total() == 1


def test_rows_that_are_no_objects_do_not_lose_the_good_ones() -> None:
    """Anything may stand between two good rows."""
    decoder = MarkDecoder(WATCHED)
    raw = b'[null, 7, [1], "x", {"s": "\xff"}, ' + pack(BTC) + b"]"
    assert decoder.decode(raw, NOW) == [TICK]
    assert decoder.rejected == {"wrong_shape": 4, "not_json": 1}


def test_limits_themselves_are_accepted() -> None:
    """Exactly 60 s ahead, exactly 2019 and the highest price pass."""
    decoder = MarkDecoder(WATCHED)
    for change in ({"E": NOW.wall_ms + 60_000}, {"E": 1_546_300_800_000}, {"p": "1e15"}, {"p": "0.00000001"}):
        assert decoder.decode(pack(row(**change)), NOW) != []
    assert decoder.rejected == {}


def test_numbers_may_stand_without_quotes() -> None:
    """A price is text today; a plain number is read as well."""
    decoder = MarkDecoder(WATCHED)
    for value, expected in ((61000, 61000.0), (61000.5, 61000.5), ("+6.1e4", 61000.0), (".5", 0.5), ("5.", 5.0)):
        ticks = decoder.decode(pack(row(p=value)), NOW)
        assert isinstance(ticks, list)
        assert ticks[0].mark == expected


def test_a_row_without_a_market_is_ours() -> None:
    """The market mark is newer than the stream; only a row that names another market is filtered."""
    without = {k: v for k, v in BTC.items() if k != "st"}
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(pack(without), NOW) == [TICK]
    assert decoder.decode(pack([row(st=2), BTC]), NOW) == [TICK]
    assert decoder.rejected == {"other_market": 1}
    coin = MarkDecoder(frozenset({"BTCUSD_PERP"}), "coinm")
    assert coin.decode(pack([row(s="BTCUSD_PERP", st=2), row(st=1)]), NOW) != []
    assert coin.decode(pack([row(s="BTCUSD_PERP", st=3)]), NOW) == []


def test_the_watched_symbols_can_be_replaced() -> None:
    """From the next frame on the new set counts."""
    decoder = MarkDecoder(frozenset())
    assert decoder.decode(pack([BTC]), NOW) == []
    decoder.watched = WATCHED
    assert decoder.decode(pack([BTC]), NOW) == [TICK]


@pytest.mark.parametrize(
    ("market", "name", "symbol"),
    [
        ("usdm", "mark_price_stream", "BTCUSDT"),
        ("usdm", "mark_price_stream_for_all_market", "BTCUSDT"),
        ("coinm", "mark_price_stream", "BTCUSD_201225"),
        ("coinm", "mark_price_of_all_symbols_of_a_pair", "BTCUSD_201225"),
    ],
)
def test_published_stream_payloads_are_read(shared: Path, market: str, name: str, symbol: str) -> None:
    """Every example of a mark price frame yields its mark."""
    raw = (shared / "payloads" / market / "streams" / f"{name}.json").read_bytes()
    decoder = MarkDecoder(frozenset({symbol}), market)
    frame = decoder.decode(raw, NOW)
    assert isinstance(frame, list)
    assert [(tick.symbol, tick.mark > 0) for tick in frame] == [(symbol, True)]
    assert decoder.rejected == {}


def test_other_published_payloads_yield_no_mark(shared: Path) -> None:
    """Frames of other streams are never misread as marks."""
    for path in sorted((shared / "payloads").glob("*/streams/*.json")):
        if "mark_price" not in path.name:
            frame = MarkDecoder(frozenset({"BTCUSDT", "ADAUSD", *RATES})).decode(path.read_bytes(), NOW)
            assert not isinstance(frame, list) or {tick.symbol for tick in frame} <= set(RATES)


def index(**changes: object) -> dict[str, object]:
    row = {"e": "assetIndexUpdate", "E": NOW.wall_ms - 20, "s": "BTCUSD", "i": "60000", "b": "0.05", "a": "0.05",
           "B": "57000.5", "A": "63000.5", "q": "0.01", "g": "0.01", "Q": "59400", "G": "60600"}  # fmt: skip
    return {**row, **changes}


RATES = rate_symbols("BTC")


def test_asset_indexes_become_two_rates_each() -> None:
    """Bid and ask of a watched asset travel as marks; assets nobody watches are passed over."""
    decoder = MarkDecoder(frozenset({"BTCUSDT", *RATES}))
    for frame in ([index(s="ETHUSD", B="NaN"), index()], index()):
        assert decoder.decode(pack(frame), NOW) == [
            MarkTick("BTCUSD@bid", 57000.5, NOW.wall_ms - 20, 42.0),
            MarkTick("BTCUSD@ask", 63000.5, NOW.wall_ms - 20, 42.0),
        ]
    assert decoder.decode(pack([BTC]), NOW) == [TICK]
    assert decoder.rejected == {}


def test_published_asset_indexes_are_read(shared: Path) -> None:
    """The example frame yields the asset's rates."""
    raw = (shared / "payloads/usdm/streams/asset_index.json").read_bytes()
    decoder = MarkDecoder(frozenset(rate_symbols("ADA")))
    frame = decoder.decode(raw, NOW)
    assert isinstance(frame, list)
    assert [(tick.symbol, tick.mark) for tick in frame] == [("ADAUSD@bid", 0.24716207), ("ADAUSD@ask", 0.30208698)]


@pytest.mark.parametrize(
    ("bad", "reason", "left"),
    [
        ({"B": "0"}, "zero_price", 3),
        ({"A": "Infinity"}, "infinite_price", 3),
        ({"E": 5}, "absurd_time", 2),
        ({"B": [1]}, "wrong_shape", 2),
    ],
)
def test_a_bad_rate_is_refused_alone(bad: dict[str, object], reason: str, left: int) -> None:
    """The other rates of the same frame survive."""
    decoder = MarkDecoder(frozenset({*RATES, *rate_symbols("ETH")}))
    frame = decoder.decode(pack([index(**bad), index(s="ETHUSD")]), NOW)
    assert isinstance(frame, list)
    assert len(frame) == left
    assert set(decoder.rejected) == {reason}


def test_rates_nobody_watches_are_no_marks() -> None:
    """Without a watched rate a frame of indexes is an array without watched rows, and nothing is refused."""
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(pack([index()]), NOW) == []
    assert decoder.decode(pack(index()), NOW) == []
    assert decoder.rejected == {}


@pytest.mark.parametrize(("market", "symbol"), [("usdm", "IOTAUSDT"), ("coinm", "APTUSD_PERP")])
def test_published_contract_changes_are_read(shared: Path, market: str, symbol: str) -> None:
    """With tiers in it the tiers changed; bare or in a wrapper, watched or not."""
    raw = (shared / "payloads" / market / "streams/contract_info_stream.json").read_bytes()
    decoder = MarkDecoder(WATCHED, market)
    for frame in (raw, b'{"stream":"!contractInfo","data":' + raw + b"}"):
        assert decoder.decode(frame, NOW) == ContractChanged(symbol, has_brackets=True)
    assert decoder.rejected == {}


def test_a_contract_may_change_without_its_tiers() -> None:
    """Then none stand in the event."""
    decoder = MarkDecoder(WATCHED)
    event = {"e": "contractInfo", "E": NOW.wall_ms, "s": "BTCUSDT", "cs": "TRADING"}
    assert decoder.decode(pack(event), NOW) == ContractChanged("BTCUSDT", has_brackets=False)
    assert decoder.decode(pack({**event, "bks": "?"}), NOW) == []
    assert decoder.rejected == {"wrong_shape": 1}


def test_published_premium_index_is_read(shared: Path) -> None:
    """One object or an array of them become REST marks."""
    usdm = (shared / "payloads/usdm/rest/mark_price.json").read_bytes()
    assert decode_premium_index(usdm, 3.0) == [
        MarkTick("BTCUSDT", 11793.63104562, 1597370495002, 3.0, Source.REST),
    ]
    coinm = (shared / "payloads/coinm/rest/index_price_and_mark_price.json").read_bytes()
    assert decode_premium_index(coinm, 3.0) == [
        MarkTick("BTCUSD_PERP", 11029.69574559, 1596094042000, 3.0, Source.REST),
    ]


@pytest.mark.parametrize("market", ["usdm", "coinm"])
def test_published_server_time_is_read(shared: Path, market: str) -> None:
    """The exchange's time comes in milliseconds."""
    body = (shared / "payloads" / market / "rest/check_server_time.json").read_bytes()
    assert decode_server_time(body) > 1_400_000_000_000


PREMIUM = {"symbol": "BTCUSDT", "markPrice": "61000.5", "time": NOW.wall_ms, "lastFundingRate": ""}


def test_a_bad_premium_row_is_told_and_left_out() -> None:
    """Good rows survive bad ones; whoever asked to hear of those does."""
    body = pack([PREMIUM, {**PREMIUM, "markPrice": "NaN"}, {"symbol": 5}, {**PREMIUM, "time": NOW.wall_ms * 2}])
    told: list[WireError] = []
    assert len(decode_premium_index(body, 1.0, wall_ms=NOW.wall_ms, on_reject=told.append)) == 1
    assert [error.reason for error in told] == ["nan_price", "wrong_shape", "future_time"]
    assert len(decode_premium_index(body, 1.0)) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"<html>", "not_json"),
        (b"[{", "truncated"),
        (b'{"symbol": "BTCUSDT"', "truncated"),
        (b'{"code": -1121, "msg": "Invalid symbol."}', "wrong_shape"),
        (pack({**PREMIUM, "markPrice": "0"}), "zero_price"),
        (pack({**PREMIUM, "time": 0}), "absurd_time"),
    ],
)
def test_an_unbelievable_premium_reply_is_an_error(body: bytes, reason: str) -> None:
    """A reply without any mark to save is refused with its reason."""
    with pytest.raises(WireError) as caught:
        decode_premium_index(body, 1.0)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("body", "reason"), [(b"{}", "wrong_shape"), (b'{"serverTime": 0}', "absurd_time"), (b"{", "truncated")]
)
def test_an_unbelievable_server_time_is_an_error(body: bytes, reason: str) -> None:
    """A time that is missing or not positive is refused."""
    with pytest.raises(WireError) as caught:
        decode_server_time(body)
    assert caught.value.reason == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("eEspPst"), inner, max_size=6),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "e": st.just("markPriceUpdate") | JSON,
        "E": st.integers(NOW.wall_ms - 5, NOW.wall_ms + 5) | JSON,
        "s": st.just("BTCUSDT") | JSON,
        "p": st.floats().map(str) | st.floats() | JSON,
        "st": st.integers(0, 3) | JSON,
        "data": JSON,
        "result": JSON,
        "error": JSON,
        "code": JSON,
    },
)


@given(st.binary(max_size=64) | (NEARLY | st.lists(NEARLY, max_size=4) | JSON).map(pack))
def test_no_bytes_break_the_decoder(raw: bytes) -> None:
    """Whatever arrives, every tick that comes out is believable, and nothing is raised but WireError by REST."""
    decoder = MarkDecoder(WATCHED)
    frame = decoder.decode(raw, NOW)
    if isinstance(frame, list):
        for tick in frame:
            assert tick.symbol in WATCHED
            assert math.isfinite(tick.mark)
            assert tick.mark > 0
            assert 1_546_300_800_000 <= tick.event_ms <= NOW.wall_ms + 60_000
    else:
        assert isinstance(frame, Ack | Refusal)
    for decode in (lambda: decode_premium_index(raw, 1.0), lambda: decode_server_time(raw)):
        with contextlib.suppress(WireError):
            decode()


@given(st.text(max_size=64))
def test_no_text_breaks_the_decoder(text: str) -> None:
    """Text frames are as safe as bytes, surrogates included."""
    MarkDecoder(WATCHED).decode(text, NOW)


@given(st.integers(0, 400))
def test_a_frame_cut_anywhere_yields_nothing(cut: int) -> None:
    """No prefix of an array passes as a whole one."""
    raw = pack([BTC, row(s="ETHUSDT")])
    decoder = MarkDecoder(WATCHED)
    assert decoder.decode(raw[: min(cut, len(raw) - 1)], NOW) == []
    assert decoder.rejected.total() == 1


def test_reasons_are_short_constants() -> None:
    """Every reason is usable as a label of a metric."""
    reasons = {reason for _, reason in REFUSED}
    spelled = {value for name, value in vars(belief).items() if name.isupper() and isinstance(value, str)}
    assert reasons <= spelled
    assert all(reason.isidentifier() for reason in reasons)
    assert msgspec.json.encode(sorted(reasons))


NESTED = b"[" * 100_000
REFUSED_FRAMES = [
    b"{",
    b'{"e": 5}',
    NESTED,
    pack(row(p="NaN")),
    pack(row(E=1)),
    pack({"stream": "btcusdt@markPrice@1s", "data": {"data": 1}}),
    pack({"stream": "btcusdt@markPrice@1s", "data": row(p="-1")}),
    pack([row(p="0"), row(E="soon"), BTC]),
    b"[" + pack(BTC) + b",",
]


@pytest.mark.parametrize("raw", REFUSED_FRAMES, ids=range(len(REFUSED_FRAMES)))
def test_a_refused_frame_is_freed(raw: bytes) -> None:
    """Nothing holds on to the bytes once they are judged, not even the newest refusal, and no cycle does."""
    decoder = MarkDecoder(WATCHED)
    frame = bytearray(raw)
    with without_collection():
        for _ in range(3):
            copy = bytes(frame)
            held = sys.getrefcount(copy)
            decoder.decode(copy, NOW)
            assert sys.getrefcount(copy) == held
    error = decoder.last_error
    assert error is not None
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


def test_each_refusal_is_a_new_value() -> None:
    """Whoever compares can tell a second refusal for the same reason from the first."""
    decoder = MarkDecoder(WATCHED)
    decoder.decode(b"{", NOW)
    before = decoder.last_error
    decoder.decode(b"{", NOW)
    assert before is not None
    assert decoder.last_error is not before
    assert str(decoder.last_error) == str(before) == "usdm mark: truncated"


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_the_next_funding_stands_beside_the_marks() -> None:
    """Of each symbol that has one; delivery contracts write none, and what cannot be believed costs no mark."""
    row = {
        "markPrice": "100",
        "time": NOW.wall_ms,
        "lastFundingRate": "-0.00012",
        "nextFundingTime": NOW.wall_ms + 60,
    }
    rows = [
        row | {"symbol": "BTCUSDT"},
        row | {"symbol": "ETHUSDT", "lastFundingRate": 0.0001},
        row | {"symbol": "BTCUSDT_261225", "lastFundingRate": "", "nextFundingTime": 0},
        row | {"symbol": "AUSDT", "nextFundingTime": NOW.wall_ms},  # that was the last one
        row | {"symbol": "BUSDT", "nextFundingTime": NOW.wall_ms + 8 * 86_400_000},
        row | {"symbol": "CUSDT", "nextFundingTime": True},
        row | {"symbol": "DUSDT", "nextFundingTime": "soon"},
        row | {"symbol": "EUSDT", "lastFundingRate": "NaN"},
        row | {"symbol": "FUSDT", "lastFundingRate": "1.5"},
        row | {"symbol": "GUSDT", "lastFundingRate": [], "nextFundingTime": {}},
    ]
    funding: dict[str, NextFunding] = {}
    body = json.dumps(rows).encode()
    ticks = decode_premium_index(body, 1.0, wall_ms=NOW.wall_ms, funding=funding)
    assert len(ticks) == len(rows)
    assert funding == {
        "BTCUSDT": NextFunding(-0.00012, NOW.wall_ms + 60), "ETHUSDT": NextFunding(0.0001, NOW.wall_ms + 60)
    }  # fmt: skip
    assert len(decode_premium_index(body, 1.0)) == len(rows)
