import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.binance import user_wire as wire
from monitor.binance.user_wire import (
    AccountUpdate,
    BalanceRow,
    CallUpdate,
    ForcedUpdate,
    Ignored,
    KeyExpired,
    LegRow,
    LeverageUpdate,
    Malformed,
    ModeUpdate,
    OrderUpdate,
    UserDecoder,
)
from monitor.core.model import ForcedOrder, MarginCallLeg, MarginMode, Side

NOW_MS = 1_780_000_000_000
KEY = "Zk3yQm9wLWxpc3Rlbi1rZXk"


def update(**a: object) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12345678", "bc": "50.12345678"}],
        "P": [
            {"s": "BTCUSDT", "pa": "-10", "ep": "6563.86000", "bep": "6563.6", "cr": "-45.04000000",
             "up": "-1423.15600000", "mt": "isolated", "iw": "6570.42511771", "ps": "SHORT"}
        ],
    }  # fmt: skip
    return {"e": "ACCOUNT_UPDATE", "E": NOW_MS + 1, "T": NOW_MS, "a": {**facts, **a}}


def read(value: object, decoder: UserDecoder | None = None) -> wire.UserEvent:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (decoder or UserDecoder()).decode(raw, NOW_MS)


def test_an_account_update_names_what_changed() -> None:
    """Balances and positions as they are now; unknown fields are ignored."""
    event = update()
    event |= {"i": "SfsR", "new": {"x": [1]}}
    event["a"] |= {"S": "BTCUSDT", "new": None}
    event["a"]["B"][0]["new"] = 1
    assert read(event) == AccountUpdate(
        NOW_MS + 1,
        NOW_MS,
        "ORDER",
        (BalanceRow("USDT", 122624.12345678, 100.12345678),),
        (LegRow("BTCUSDT", "SHORT", -10.0, 6563.86, MarginMode.ISOLATED, 6570.42511771),),
    )


def test_both_wrappers_read_alike() -> None:
    """The name of a combined stream is the listen key: it goes nowhere."""
    decoder = UserDecoder()
    event = read({"stream": KEY, "data": update()}, decoder)
    assert event == read(update())
    assert KEY not in repr((event, decoder.seen, decoder.rejected))


def test_funding_on_cross_positions_names_no_position() -> None:
    """An update without positions is complete; nothing in it closes one."""
    event = update(m="FUNDING_FEE")
    del event["a"]["P"]
    found = read(event)
    assert isinstance(found, AccountUpdate)
    assert (found.cause, found.legs, len(found.balances)) == ("FUNDING_FEE", (), 1)


def test_amount_zero_is_a_closed_position() -> None:
    """Then there is no entry price, whatever stands there."""
    row = {"s": "ETHUSDT", "pa": "0", "ep": "0.00000", "mt": "cross", "iw": "0", "ps": "BOTH"}
    found = read(update(P=[row]))
    assert isinstance(found, AccountUpdate)
    assert found.legs == (LegRow("ETHUSDT", "BOTH", 0.0, 0.0, MarginMode.CROSS, 0.0),)


def test_configuration_changes_are_told_apart() -> None:
    """Leverage by symbol, multi-assets mode for the account."""
    base = {"e": "ACCOUNT_CONFIG_UPDATE", "E": NOW_MS + 2, "T": NOW_MS}
    assert read({**base, "ac": {"s": "币安人生USDT", "l": 25}}) == LeverageUpdate(
        NOW_MS + 2, NOW_MS, "币安人生USDT", 25.0
    )
    assert read({**base, "ai": {"j": True}}) == ModeUpdate(NOW_MS + 2, NOW_MS, multi_assets=True)


def test_a_margin_call_carries_its_legs() -> None:
    """The capital spelling of the margin type; direction by sign in one-way mode."""
    row = {"s": "ETHUSDT", "ps": "BOTH", "pa": "-1.327", "mt": "CROSSED", "iw": "0", "mp": "187.17127",
           "up": "-1.166074", "mm": "1.614445"}  # fmt: skip
    leg = MarginCallLeg("ETHUSDT", Side.SHORT, 1.327, MarginMode.CROSS, 187.17127, 1.614445, -1.166074)
    call = {"e": "MARGIN_CALL", "E": NOW_MS, "cw": "3.16812045", "p": [row]}
    assert read(call) == CallUpdate(NOW_MS, (leg,), 3.16812045)
    del call["cw"]
    assert read(call) == CallUpdate(NOW_MS, (leg,), None)


def order(client: str, **changes: object) -> dict[str, Any]:
    row = {"s": "BTCUSDT", "c": client, "S": "SELL", "o": "LIQUIDATION", "x": "CALCULATED",
           "X": "PARTIALLY_FILLED", "z": "0.4", "ap": "61000.5", "i": 8886774, "ps": "BOTH"}  # fmt: skip
    return {"e": "ORDER_TRADE_UPDATE", "E": NOW_MS, "T": NOW_MS - 1, "o": {**row, **changes}}


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        ("autoclose-1234567890", ForcedOrder.LIQUIDATION),
        ("adl_autoclose", ForcedOrder.ADL),
        ("settlement_autoclose-77", ForcedOrder.SETTLEMENT),
    ],
)
def test_forced_orders_are_known_by_their_client_id(client: str, kind: ForcedOrder) -> None:
    """A sale shrinks the long; in hedge mode the position side says which one shrinks."""
    assert read(order(client)) == ForcedUpdate(
        NOW_MS, f"{client}/8886774", "BTCUSDT", Side.LONG, kind, 0.4, 61000.5
    )
    bought = read(order(client, S="BUY"))
    hedged = read(order(client, S="BUY", ps="SHORT"))
    assert isinstance(bought, ForcedUpdate)
    assert isinstance(hedged, ForcedUpdate)
    assert bought.side is hedged.side is Side.SHORT


def test_two_deleveragings_are_two_orders() -> None:
    """All of them carry the same client id; the number tells them apart."""
    first, second = read(order("adl_autoclose", i=1)), read(order("adl_autoclose", i=2))
    assert isinstance(first, ForcedUpdate)
    assert isinstance(second, ForcedUpdate)
    assert first.order != second.order


def test_other_orders_change_nothing() -> None:
    """Orders of the user, forced ones before their first fill, and conditional ones are seen and counted."""
    assert read(order("web_abc")) == OrderUpdate(NOW_MS, "ORDER_TRADE_UPDATE", "BTCUSDT", "PARTIALLY_FILLED")
    assert isinstance(read(order("autoclose-1", z="0", X="NEW")), OrderUpdate)
    algo = {"caid": "abc", "aid": 1, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BNBUSDT", "S": "SELL",
            "ps": "BOTH", "X": "REJECTED", "rm": "margin", "ai": "", "ap": "0", "q": "0.01"}  # fmt: skip
    decoder = UserDecoder()
    assert read({"e": "ALGO_UPDATE", "E": NOW_MS, "T": NOW_MS, "o": algo}, decoder) == OrderUpdate(
        NOW_MS, "ALGO_UPDATE", "BNBUSDT", "REJECTED"
    )
    assert decoder.seen == {"ALGO_UPDATE": 1}


def test_an_expired_key_is_not_repeated() -> None:
    """The event names the key; the value does not."""
    assert read({"e": "listenKeyExpired", "E": NOW_MS, "listenKey": KEY}) == KeyExpired()
    assert read({"e": "listenKeyExpired"}) == KeyExpired()


def test_events_of_no_use_are_counted() -> None:
    """Known ones by name, all others together: foreign names cannot fill the memory."""
    decoder = UserDecoder()
    assert read({"e": "TRADE_LITE", "E": NOW_MS, "s": "BTCUSDT", "p": "x"}, decoder) == Ignored("TRADE_LITE")
    for number in range(3):
        assert read({"e": f"NEW_{number}", "o": 5, "a": "?"}, decoder) == Ignored("other")
    assert read({"result": None, "id": 1}, decoder) == Ignored("reply")
    assert decoder.seen == {"TRADE_LITE": 1, "other": 3, "reply": 1}
    assert decoder.rejected == {}


ROW = update()["a"]["P"][0]


@pytest.mark.parametrize(
    ("frame", "kind", "reason"),
    [
        (b"<html>", "unnamed", "not_json"),
        (b'{"e":"ACCOUNT_UPD', "unnamed", "not_json"),
        (b"\xff\xfe", "unnamed", "not_json"),
        (b"[1]", "unnamed", "wrong_shape"),
        (b"{}", "unnamed", "wrong_shape"),
        ({"e": "ACCOUNT_UPDATE", "E": NOW_MS, "T": NOW_MS}, "ACCOUNT_UPDATE", "wrong_shape"),
        ({**update(), "E": 5}, "ACCOUNT_UPDATE", "absurd_time"),
        ({**update(), "T": NOW_MS + 90_000}, "ACCOUNT_UPDATE", "future_time"),
        (update(B=[{"a": "USDT", "wb": "1", "cw": "NaN"}]), "ACCOUNT_UPDATE", "bad_amount"),
        (update(B=[{"a": "USDT", "wb": "1"}]), "ACCOUNT_UPDATE", "wrong_shape"),
        (update(P=[{**ROW, "pa": "Infinity"}]), "ACCOUNT_UPDATE", "bad_amount"),
        (update(P=[{**ROW, "pa": "1e30"}]), "ACCOUNT_UPDATE", "bad_amount"),
        (update(P=[{**ROW, "ep": "0"}]), "ACCOUNT_UPDATE", "zero_price"),
        (update(P=[{**ROW, "mt": "other"}]), "ACCOUNT_UPDATE", "wrong_shape"),
        (update(P=[{**ROW, "ps": "UP"}]), "ACCOUNT_UPDATE", "wrong_shape"),
        (update(P=[{**ROW, "s": ""}]), "ACCOUNT_UPDATE", "wrong_shape"),
        ({"e": "ACCOUNT_CONFIG_UPDATE", "E": NOW_MS}, "ACCOUNT_CONFIG_UPDATE", "wrong_shape"),
        ({"e": "MARGIN_CALL", "E": NOW_MS, "p": [{"s": "A"}]}, "MARGIN_CALL", "wrong_shape"),
        (order("autoclose-1", S="?"), "ORDER_TRADE_UPDATE", "wrong_shape"),
        (order("autoclose-1", ap="-5"), "ORDER_TRADE_UPDATE", "bad_price"),
    ],
)
def test_what_cannot_be_believed_is_said(frame: object, kind: str, reason: str) -> None:
    """One bad figure refuses the whole event: half of it would be a wrong account."""
    decoder = UserDecoder()
    assert read(frame, decoder) == Malformed(kind, reason)
    assert decoder.rejected == {reason: 1}


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_no_frame_raises(raw: bytes) -> None:
    """Whatever arrives, the decoder returns."""
    UserDecoder().decode(raw, NOW_MS)


FIELDS = ["e", "E", "T", "a", "ac", "ai", "p", "cw", "o", "data", "result"]
NAMES = st.sampled_from([*wire.EVENTS, "TRADE_LITE", "x"])


@given(
    st.dictionaries(st.sampled_from(FIELDS), st.none() | st.integers() | st.text() | st.lists(st.integers())),
    NAMES,
)
def test_no_event_raises(fields: dict[str, object], name: str) -> None:
    """Right names around wrong contents are refused, not raised."""
    decoder = UserDecoder()
    event = read({**fields, "e": name}, decoder)
    assert isinstance(event, wire.UserEvent)
