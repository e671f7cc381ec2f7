"""What fuzzing found once, each with the smallest input that showed it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.binance import rest_wire
from monitor.binance.account_rows import Account, AccountConfig
from monitor.binance.backoff import penalty_s, retry_after_s
from monitor.binance.pick import RowPicker
from monitor.binance.snapshot import build_usdm
from monitor.binance.weights import told_weight
from monitor.errors import JournalError, WireError
from monitor.journal import FORMAT, Header, read_journal
from monitor.notify.overheard import asked_pause_s
from monitor.storage.holes_cache import HolesCache, KeptOutage
from monitor.storage.outbox import to_hold, to_notice, to_subject
from tests.binance.test_snapshot import leg, risk
from tests.fuzz.samples import NOW_MS, packed
from tests.fuzz.shell_targets import answered

DAY_WITHOUT_END = f"Mon, {'9' * 20} Jun 2026 20:00:00 GMT"


def test_a_date_that_no_calendar_has_asks_for_no_pause() -> None:
    """In Retry-After, of the exchange or of a notification service, such a day of the month was no ValueError."""
    assert retry_after_s(DAY_WITHOUT_END, NOW_MS) == 0.0
    assert penalty_s(429, DAY_WITHOUT_END, NOW_MS) == 30.0
    assert asked_pause_s(429, {"Retry-After": DAY_WITHOUT_END, "Date": "Mon, 29 Jun 2026 20:00:00 GMT"}) == 0.0


@pytest.mark.parametrize("header", ["9" * 5_000, "", "-1", "1.5", "\u0b29" * 5_000, None])
def test_a_used_weight_that_is_no_weight_is_not_told(header: str | None) -> None:
    """Python refuses to convert thousands of digits, and that ended the request with an error nobody expects."""
    assert told_weight(header) is None


def test_a_used_weight_is_told() -> None:
    """As the exchange writes it."""
    assert told_weight("2399") == 2399


def test_a_limit_without_end_is_refused() -> None:
    """Half of a weight of four hundred digits is no number any more."""
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 10**400}
    row = {"symbol": "A", "marginAsset": "B", "baseAsset": "C", "quoteAsset": "D", "contractType": "PERPETUAL"}
    body = packed({"rateLimits": [limit], "symbols": [row]})
    with pytest.raises(WireError):
        rest_wire.exchange_info(body, "exchangeInfo")
    left_out: list[rest_wire.LeftOut] = []
    assert rest_wire.exchange_info(body, "exchangeInfo", left_out.append).weight_per_minute is None
    assert len(left_out) == 1


def test_an_id_that_no_database_takes_is_refused() -> None:
    """Identifiers are 64 bits everywhere but in JSON."""
    row = {"incomeType": "FUNDING_FEE", "income": "1", "asset": "USDT", "time": 1, "tranId": 2**64}
    with pytest.raises(WireError):
        rest_wire.income(packed([row]), "income")
    assert rest_wire.income(packed([{**row, "tranId": 2**63 - 1}]), "income")[0].tran_id == 2**63 - 1


def test_rows_are_picked_only_out_of_a_plain_array() -> None:
    """One bracket too many at the front, and the whole of it is no array of rows."""
    rows = packed([{"s": f"T{number}USDT", "p": "1"} for number in range(500)])
    picker = RowPicker(frozenset({"T1USDT"}))
    assert picker.pick(rows) is not None
    assert picker.pick(b"[" + rows + b"]") is None


@pytest.mark.parametrize("line", [b"\xed\xa0\x80", b'{"now":"\xff"}', b"[" * 5_000, b'{"now":' * 5_000])
@pytest.mark.parametrize("place", ["head", "entry"])
def test_a_damaged_journal_names_its_line(line: bytes, place: str, tmp_path: Path) -> None:
    """Bad UTF-8 and brackets without end are no DecodeError."""
    head = msgspec.json.encode(Header(FORMAT, "1"))
    path = tmp_path / "journal"
    path.write_bytes(b"\n".join([line, b""] if place == "head" else [head, line, b""]))
    with pytest.raises(JournalError, match=f"line {1 if place == 'head' else 2}"):
        list(read_journal(path))


@pytest.mark.parametrize("request_line", [b'{"command":"\xff"}', b"[" * 5_000, b'{"command":' * 5_000])
def test_every_request_on_the_local_socket_is_answered(request_line: bytes) -> None:
    """Whoever sent it was left without an answer, or the task died."""
    answer: dict[str, Any] = json.loads(asyncio.run(answered({}, request_line + b"\n")))
    assert answer == {"error": "a request is one JSON object on one line"}


@pytest.mark.parametrize("header", ["40\x1c", "\x1d40", " 40 ", "\u0664\u0660"])
def test_seconds_are_read_as_they_are_recognised(header: str) -> None:
    """What is stripped before looking for digits is stripped before reading them."""
    assert retry_after_s(header, NOW_MS) == 40.0


@pytest.mark.parametrize("sides", [("BOTH", "BOTH"), ("LONG", "BOTH")])
def test_a_position_that_stands_twice_in_a_reply_is_refused(sides: tuple[str, str]) -> None:
    """Two rows about one position, one of them short: the account's side of it was found nowhere."""
    config = AccountConfig(dual_side_position=False, multi_assets_margin=False)
    held = risk(amount=5.0)
    rows = [leg(amount=amount, position_side=side) for amount, side in zip((3.0, 5.0), sides, strict=True)]
    total = Account(0.0, 0.0, 0.0, (), tuple(rows))
    with pytest.raises(WireError, match="said_twice"):
        build_usdm("main", total, [held], config, [], asset_index=None, at_ms=NOW_MS)
    with pytest.raises(WireError, match="said_twice"):
        build_usdm("main", total, [held, held], config, [], asset_index=None, at_ms=NOW_MS)


def test_a_time_nobody_watched_that_is_damaged_is_set_aside(tmp_path: Path) -> None:
    """A digit too many asked for more minutes than there is memory."""
    sound = KeptOutage(NOW_MS - 600_000, NOW_MS, ["BTCUSDT"], restarted=True, cut=False, told=False, tries=0)
    HolesCache(tmp_path).save([sound])
    assert HolesCache(tmp_path).load() == [sound]
    for from_ms, until_ms in ((-(10**17), NOW_MS), (NOW_MS, 10**17), (NOW_MS, NOW_MS - 1), (1, NOW_MS)):
        HolesCache(tmp_path).save([sound, msgspec.structs.replace(sound, from_ms=from_ms, until_ms=until_ms)])
        assert HolesCache(tmp_path).load() == []
        assert (tmp_path / "away.json.corrupt").exists()


def test_a_row_of_brackets_without_end_costs_no_other_row() -> None:
    """It was no DecodeError, and reading the database ended with it."""
    assert (to_notice("[" * 5_000), to_subject('{"a":' * 5_000), to_hold("[" * 5_000)) == (None, None, None)
