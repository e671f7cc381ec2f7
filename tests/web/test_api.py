"""/api/v1 of a running daemon, asked over real sockets."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from docs.openapi import FILE
from monitor.core.model import Level
from monitor.status import Status
from monitor.storage import history_rows
from monitor.storage.history_reader import HistoryReader
from monitor.storage.history_rows import Row
from monitor.storage.paths import STATE_DB
from monitor.storage.state import StateReader
from monitor.web import recorded
from monitor.web.api import BASE, OPERATIONS
from monitor.web.shapes import Failure
from tests.web.stand import Stand, standing, until

DANGER = {"BTCUSDT": "59300"}


async def test_every_answer_has_the_shape_that_is_documented(tmp_path: Path) -> None:
    """Names, types and nothing missing, while an alert is open and was told."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        for operation in OPERATIONS:
            if operation.method == "GET":
                reply = await stand.ask(BASE + operation.path)
                assert reply.status == 200, operation.path
                assert reply.headers["content-type"] == "application/json"
                msgspec.json.decode(reply.text, type=operation.answer, strict=True)
        assert (await stand.ask(f"{BASE}/openapi.json")).text == FILE.read_text(encoding="utf-8")


async def test_figures_are_those_of_status(tmp_path: Path) -> None:
    """One snapshot for all; levels are words; fields are those of ``status --json``."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        whole = (await stand.ask(f"{BASE}/status")).json()
        assert list(whole) == [one.encode_name for one in msgspec.structs.fields(Status)]
        assert whole["engine"]["alerts"][0]["level"] == Level.EMERGENCY.label
        (isolated,) = (await stand.ask(f"{BASE}/wallets?min_level=warning")).json()["wallets"]
        assert isolated in whole["engine"]["wallets"]
        (position,) = (await stand.ask(f"{BASE}/positions?symbol=BTCUSDT&account=main")).json()["positions"]
        assert position["liquidation_price"] == pytest.approx(59136.5461847)
        assert len((await stand.ask(f"{BASE}/positions")).json()["positions"]) == 3
        assert (await stand.ask(f"{BASE}/alerts")).json()["open"] == whole["engine"]["alerts"]
        assert (await stand.ask(f"{BASE}/health")).json()["ok"] is True


async def test_a_balance_that_is_used_up_has_no_infinity(tmp_path: Path) -> None:
    """JSON has none: the margin ratio is null, and another field says why."""
    async with standing(tmp_path, prices={"BTCUSDT": "58000"}) as stand:
        reply = await stand.ask(f"{BASE}/wallets?min_level=emergency")
        (wallet,) = reply.json()["wallets"]
        assert (wallet["margin_ratio"], wallet["liquidatable"]) == (None, True)
        assert "nfinity" not in reply.text


async def test_whoever_acknowledges_sees_it_at_once_and_it_is_recorded(tmp_path: Path) -> None:
    """The next question knows of it, state.db says who asked, and a snooze can be taken back."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        ack = await stand.ask(f"{BASE}/holds", body={"kind": "ack", "targets": ["alert:1"], "why": "on it"})
        made = ack.json()
        assert (ack.status, made["recorded"], made["made"][0]["covers"][0]["number"]) == (200, True, 1)
        (alert,) = (await stand.ask(f"{BASE}/alerts")).json()["open"]
        assert (alert["held"]["kind"], alert["held"]["why"]) == ("ack", "on it")
        with StateReader(tmp_path / "s" / STATE_DB) as reader:
            assert [hold.by for hold in reader.holds()] == ["web 127.0.0.1"]
        wish = {"kind": "snooze", "targets": ["symbol:ETHUSDT"], "for_s": 600}
        assert (await stand.ask(f"{BASE}/holds", body=wish)).status == 200
        assert (await stand.ask(f"{BASE}/holds", body={"kind": "mute", "for_s": 60})).status == 200
        lifted = (await stand.ask(f"{BASE}/holds/lift", body={"target": "symbol:ETHUSDT"})).json()["lifted"]
        assert [one["target"] for one in lifted] == ["symbol:ETHUSDT"]
        holds = (await stand.ask(f"{BASE}/holds")).json()["holds"]
        assert {one["kind"] for one in holds} == {"ack", "mute"}


def failure(reply: object) -> Failure:
    return msgspec.json.decode(reply.text, type=Failure, strict=True)  # type: ignore[attr-defined]


def test_what_is_answered_for_all_is_documented_for_each() -> None:
    """Whoever writes a client finds every status that it may meet."""
    paths = msgspec.json.decode(FILE.read_bytes())["paths"]
    shared = {"400", "401", "403", "405", "408", "417", "421", "429", "431", "503", "504"}
    for path, operations in paths.items():
        for method, one in operations.items():
            assert shared <= set(one["responses"]), (method, path)


async def test_a_query_that_is_wrong_is_refused_with_every_mistake(tmp_path: Path) -> None:
    """An ignored parameter would make a program believe an answer to something else."""
    async with standing(tmp_path) as stand:
        reply = await stand.ask(f"{BASE}/history?symbl=BTCUSDT&limit=0&limit=5&since_ms=-1&rows=days&cursor=1")
        assert reply.status == 400
        problems = failure(reply).problems
        assert [one.path for one in problems] == [
            "query", "query.limit", "query.limit", "query.since_ms", "query.rows", "query.cursor"
        ]  # fmt: skip
        assert problems[0].hint == 'did you mean "symbol"?'
        assert (await stand.ask(f"{BASE}/status?x=%1b[31m")).json()["problems"][0]["found"] == "'x'"


@pytest.mark.parametrize(
    "path",
    ["/wallets?account=mian", "/positions?symbol=BTCUSD", "/history?symbol=BTCUSD", "/history?wallet=x",
     "/alerts/told?channel=telegramm"],
)  # fmt: skip
async def test_a_name_that_is_not_there_is_no_empty_answer(tmp_path: Path, path: str) -> None:
    """Nothing where somebody misspelled a name would read as calm: it is a 404 that says what there is."""
    async with standing(tmp_path) as stand:
        await until(lambda: stand.daemon.status().history.written)
        reply = await stand.ask(BASE + path)
        assert reply.status == 404
        assert failure(reply).problems[0].allowed


@pytest.mark.parametrize(
    ("body", "status", "place"),
    [
        ({"kind": "ack"}, 422, "body"),
        ({"kind": "ack", "targets": ["alert:x"]}, 422, "body.targets[0]"),
        ({"kind": "mute", "for_s": 8 * 3600 + 1}, 422, "body.for_s"),
        ({"kind": "ack", "targets": ["alert:1"], "until": 5}, 422, "body"),
        ({"kind": "forever", "targets": ["alert:1"]}, 422, "body.kind"),
        ({"kind": "ack", "targets": ["alert:99"]}, 409, ""),
        ({"kind": "snooze", "targets": ["symbol:DOGEUSDT"], "for_s": 60}, 409, ""),
    ],
)
async def test_a_wish_that_cannot_be_granted_changes_nothing_and_says_where(
    tmp_path: Path, body: object, status: int, place: str
) -> None:
    """What cannot be understood is a 422 with its place, what is not there a 409 in words."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        reply = await stand.ask(f"{BASE}/holds", body=body)
        assert reply.status == status
        assert [one.path for one in failure(reply).problems] == ([place] if place else [])
        assert failure(reply).error
        assert not stand.daemon.status().engine.holds


async def test_what_is_no_json_or_not_for_this_path_is_told_so(tmp_path: Path) -> None:
    """One shape for every failure, whoever finds it."""
    async with standing(tmp_path) as stand:
        raw = {"Content-Type": "application/json"}
        async with stand.session.post(
            f"{stand.url}{BASE}/holds", data=b'{"kind":', headers={**raw, "Authorization": f"Bearer {stand.token}"}
        ) as reply:
            assert reply.status == 400
            msgspec.json.decode(await reply.read(), type=Failure, strict=True)
        cases = (("/nothing", "GET", 404), ("/holds/lift", "GET", 405), ("/status", "POST", 405),
                 ("/status", "TRACE", 405))  # fmt: skip
        for path, method, status in cases:
            found = await stand.ask(BASE + path, method=method)
            assert (found.status, failure(found).problems) == (status, ())
            assert (status == 405) == ("allow" in found.headers)


async def test_without_a_token_all_can_be_read_and_nothing_changed(tmp_path: Path) -> None:
    """Any program of this machine reaches loopback."""
    async with standing(tmp_path, token=False, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        assert (await stand.ask(f"{BASE}/status", token="")).status == 200
        reply = await stand.ask(f"{BASE}/holds", token="", body={"kind": "ack", "targets": ["all"]})
        assert reply.status == 403
        assert not stand.daemon.status().engine.holds


async def test_what_was_told_is_found_by_number_channel_and_symbol(tmp_path: Path) -> None:
    """As ``alerts --json`` prints it, the newest first, no more than asked for."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        stand.price("ETHUSDT", "3480")
        await until(lambda: len(stand.channel.accepted) > 1)
        newest, first = await told(stand, "channel=telegram"), await told(stand, "symbol=BTCUSDT")
        assert [row["subject"] for row in newest] == ["main/cross:USDT", "main/isolated:BTCUSDT:LONG"]
        assert [row["number"] for row in first] == [1]
        for query, rows in (("number=1", first), ("limit=1", newest[:1]),
                            (f"since_ms={newest[0]['decided_ms']}", newest[:1])):  # fmt: skip
            assert [row["key"] for row in await told(stand, query)] == [row["key"] for row in rows]
        assert (first[0]["kind"], first[0]["level"], first[0]["channel"]) == ("alert", "emergency", "telegram")


async def told(stand: Stand, query: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (await stand.ask(f"{BASE}/alerts/told?{query}")).json()["alerts"]
    return rows


async def test_history_is_read_page_by_page_without_a_row_twice_or_none(tmp_path: Path) -> None:
    """Pages end within moments of which several rows are; together they are all there is."""
    async with standing(tmp_path) as stand:
        for price in ("61000", "60500", "60300"):
            stand.price("BTCUSDT", price)
            written = stand.daemon.status().history.written
            await until(lambda written=written: stand.daemon.status().history.written >= written + 2)
        until_ms = stand.daemon.status().now_ms
        whole = (await stand.ask(f"{BASE}/history?until_ms={until_ms}")).json()
        assert whole["next"] is None
        assert len(whole["rows"]) >= 4
        rows: list[object] = []
        cursor = ""
        for _ in whole["rows"]:
            page = (await stand.ask(f"{BASE}/history?until_ms={until_ms}&limit=1{cursor}")).json()
            rows = [*page["rows"], *rows]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert rows == whole["rows"]
        only = (await stand.ask(f"{BASE}/history?symbol=BTCUSDT&rows=minutes")).json()["rows"]
        assert {row["symbol"] for row in only} == {"BTCUSDT"}


async def test_a_cursor_has_no_more_read_than_there_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row costs a few, whatever somebody says that they have seen."""
    limits = []

    def read(*args: Any, limit: int, **rest: Any) -> list[Row]:  # noqa: ANN401 - as of the real one
        limits.append(limit)
        return history_rows.read(*args, limit=limit, **rest)

    monkeypatch.setattr(recorded, "read", read)
    async with standing(tmp_path) as stand:
        await until(lambda: stand.daemon.status().history.written >= 4)
        page = await stand.ask(f"{BASE}/history?cursor=999999999999999-99999&limit=1")
        assert page.status == 200
        assert len(page.json()["rows"]) <= 1
    with HistoryReader(tmp_path / "s" / "history.db") as reader:
        assert limits == [1 + len(reader.subjects()) + 1]


async def test_a_database_that_cannot_be_read_is_a_503_with_the_reason(tmp_path: Path) -> None:
    """The daemon goes on, and what it knows is told all the same."""
    async with standing(tmp_path) as stand:
        history = tmp_path / "s" / "history.db"
        await until(history.is_file)
        history.replace(tmp_path / "gone")
        reply = await stand.ask(f"{BASE}/history")
        assert (reply.status, "no such file" in failure(reply).error) == (503, True)
        assert (await stand.ask(f"{BASE}/status")).status == 200
