"""The status page of a running daemon, as it is served: what it says, what its forms do, what it never holds."""

import asyncio
import datetime as dt
import re
import threading
from pathlib import Path

import msgspec
import pytest

from monitor.account_rows import account_rows
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.core.report import PositionView, WalletView
from monitor.health import DYING, Health, Trouble
from monitor.notify.words import Line
from monitor.status import ConfigView, Status
from monitor.storage.outbox import OutboxRow
from monitor.storage.state_reader import StateReader
from monitor.web.page import looked_up
from monitor.web.page.seen import Advice, Seen, legs_of, worst_first
from monitor.web.page.serve import document
from tests.web.stand import PATIENCE_S, TOKEN, Stand, standing, until

DANGER = {"BTCUSDT": "59300"}
HOSTILE = """<script>alert(1)</script>"'&</td>\u202e"""


async def logged_in(stand: Stand) -> str:
    """Log in as a browser does; return the form token of the page."""
    reply = await stand.ask("/login", token="", form={"token": TOKEN}, headers={"Origin": stand.url})
    assert reply.status == 303
    page = (await stand.ask("/", token="")).text
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert found is not None
    return found[1]


async def test_it_says_whether_it_watches_and_what_to_do_about_the_worst_wallet(tmp_path: Path) -> None:
    """The worst first, with its level as a word, the amounts of its alert, and what its figures are."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        page = (await stand.ask("/")).text
        assert '<h1>Watching - <span class="worst level-emergency">1 emergency</span></h1>' in page
        assert 'class="watch uneasy"' in page
        assert "<title>Watching. Emergency: main isolated BTCUSDT LONG - position-monitor</title>" in page
        first = page.partition("<article")[2].partition("</article>")[0]
        assert "EMERGENCY" in first
        assert "add 366.81 USDT, or reduce BTCUSDT LONG by 0.342 BTC" in first
        assert "<dd>59,136.55</dd>" in first
        assert "Room left <strong>5.7 %</strong>" in first
        assert page.index("EMERGENCY") < page.index("main cross USDT")


async def test_all_is_calm_only_where_no_wallet_is_in_danger(tmp_path: Path) -> None:
    """That somebody watches is no reason for green while a wallet is near its end."""
    async with standing(tmp_path) as stand:
        found = stand.daemon.status()
        calm = document(Seen(found, Health(), dt.UTC, worst=worst_first(found.engine.wallets)))
        assert "<h1>Watching</h1>" in calm
        assert 'class="watch good"' in calm
        wallets = [msgspec.structs.replace(one, level="critical") for one in found.engine.wallets]
        bad = document(Seen(found, Health(), dt.UTC, worst=wallets))
        assert f"{len(wallets)} critical</span></h1>" in bad
        assert 'class="watch good"' not in bad


async def test_what_is_still_being_read_is_not_told_to_be_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks while somebody else's first look is under way is not told that nothing was told."""
    asked, gate = threading.Event(), threading.Event()

    def slow(path: Path) -> StateReader:
        asked.set()
        gate.wait(PATIENCE_S)
        return StateReader(path)

    monkeypatch.setattr(looked_up, "StateReader", slow)
    async with standing(tmp_path) as stand, asyncio.TaskGroup() as group:
        first = group.create_task(stand.ask("/"))
        await until(asked.is_set)
        page = (await stand.ask("/")).text
        gate.set()
        await first
        assert "Nothing was told yet." not in page
        assert "cannot be read just now" in page


@pytest.mark.parametrize(
    "seconds", ["1_800", "\u0663\u0660\u0660", "1e3", "nan", "inf", " 1800", "+1800", "1800.5", ""]
)
async def test_what_no_button_sends_is_no_length_of_time(tmp_path: Path, seconds: str) -> None:
    """Python takes more for a number than a form of ours has."""
    async with standing(tmp_path) as stand:
        form = {"form_token": await logged_in(stand), "kind": "mute", "target": "all", "for_s": seconds}
        reply = await stand.ask("/hold", token="", form=form, headers={"Origin": stand.url})
        assert reply.status == 422
        assert not stand.daemon.status().engine.holds


async def test_it_runs_nothing_but_its_own_script(tmp_path: Path) -> None:
    """No inline script, no inline style, nothing from elsewhere: the policy forbids all of it."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        await logged_in(stand)
        reply = await stand.ask("/", token="")
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert "unsafe" not in reply.headers["content-security-policy"]
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://", reply.text)
        assert re.findall(r"<script[^>]*>[^<]*", reply.text) == ['<script src="/static/page.js" defer>']
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', reply.text):
            assert (await stand.ask(path, token="")).status == 200


async def test_a_button_acknowledges_and_the_page_says_so_at_once(tmp_path: Path) -> None:
    """A form with the session's token; afterwards the alert is held, and what is told all the same is said."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        token = await logged_in(stand)
        form = {"form_token": token, "kind": "ack", "target": "alert:1", "for_s": "43200"}
        reply = await stand.ask("/hold", token="", form=form, headers={"Origin": stand.url})
        assert (reply.status, reply.headers["location"]) == (303, "/#alerts")
        page = (await stand.ask("/", token="")).text
        assert re.search(r"Acknowledged until [^<]*: alert 1\. Told all the same", page)
        assert "acknowledged until" in page
        assert 'id="ack-1"' not in page
        form = {"form_token": token, "kind": "mute", "target": "all", "for_s": "1800"}
        assert (await stand.ask("/hold", token="", form=form, headers={"Origin": stand.url})).status == 303
        assert "Muted until" in (await stand.ask("/", token="")).text
        lift = {"form_token": token, "target": "all"}
        assert (await stand.ask("/lift", token="", form=lift, headers={"Origin": stand.url})).status == 303
        assert "Taken back: everything." in (await stand.ask("/", token="")).text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"form_token": "0" * 64}, 403), ({"kind": "forever"}, 422), ({"for_s": "nan"}, 422),
        ({"for_s": "1"}, 422), ({"target": "alert:99"}, 409), ({"target": "<b>"}, 422),
    ],
)  # fmt: skip
async def test_a_form_that_is_not_ours_or_not_understood_changes_nothing(
    tmp_path: Path, change: dict[str, str], status: int
) -> None:
    """Each mistake has its answer in words, and nothing of what was sent comes back."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        form = {
            "form_token": await logged_in(stand),
            "kind": "ack",
            "target": "alert:1",
            "for_s": "43200",
        } | change
        reply = await stand.ask("/hold", token="", form=form, headers={"Origin": stand.url})
        assert reply.status == status
        assert "<b>" not in reply.text
        assert not stand.daemon.status().engine.holds


async def test_without_a_token_it_says_how_to_get_buttons(tmp_path: Path) -> None:
    """Looking is free on loopback; there is no form that could not work."""
    async with standing(tmp_path, token=False, prices=DANGER) as stand:
        await until(lambda: stand.daemon.status().engine.alerts)
        page = (await stand.ask("/", token="")).text
        assert "<form" not in page
        assert "configure a token in <code>[web]</code>" in page


async def test_blindness_is_said_first_and_beside_every_figure_that_is_old(tmp_path: Path) -> None:
    """A page that looks calm while nobody sees anything would be the worst there is."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        await stand.emulator.stop()
        await until(lambda: any(one.data == "blind" for one in stand.daemon.status().engine.symbols))
        await until(lambda: not stand.daemon.health().ok)
        stand.daemon._web._context.changed()
        page = (await stand.ask("/")).text
        assert "<h1>BLIND - <span" in page
        assert "No fresh mark of BTCUSDT" in page
        assert "BLIND: judged on marks that are up to" in page
        assert "<title>BLIND. Emergency" in page


async def test_a_database_that_cannot_be_read_takes_no_page_along(tmp_path: Path) -> None:
    """It says that the messages cannot be read, and shows all else."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        for name in ("state.db", "history.db"):
            (tmp_path / "s" / name).rename(tmp_path / name)
        page = (await stand.ask("/")).text
        assert "state.db cannot be read just now." in page
        assert "EMERGENCY" in page


FROM_OUTSIDE = {
    "account", "wallet", "symbol", "side", "asset", "source", "environment", "channel", "subject", "name", "host",
    "reason", "last_reason", "data", "version",
}  # fmt: skip


def spoiled(value: object, key: str = "") -> object:
    """Return the same with every word that may come from outside as bad as it can be."""
    match value:
        case dict():
            return {name: spoiled(one, name) for name, one in value.items()}
        case list() | tuple():
            return [spoiled(one, key) for one in value]
        case str() if key in FROM_OUTSIDE:
            return f"{value}{HOSTILE}"
        case _:
            return value


def hostile(found: Status) -> Seen:
    """Return what a page is made of, with nothing in it that can be trusted."""
    status = msgspec.convert(spoiled(msgspec.to_builtins(found)), Status)
    worst = worst_first(status.engine.wallets)
    key = (worst[0].account, worst[0].wallet)
    told = [OutboxRow("k", HOSTILE, f"{HOSTILE}/x:{HOSTILE}:LONG", NoticeKind.ALERT, Level.WARNING, found.now_ms)]
    return Seen(
        status, Health((Trouble(DYING, (HOSTILE,)),)), zone=dt.UTC,
        advice={key: Advice((Line(HOSTILE, HOSTILE),), found.now_ms)}, told=told, form_token=HOSTILE,
        can_change=True, said=HOSTILE, followed=account_rows(status), worst=worst,
        legs=legs_of(status.engine.positions),
    )  # fmt: skip


async def test_names_and_words_from_outside_are_text_wherever_they_stand(tmp_path: Path) -> None:
    """An account, a symbol, a reason or a message may be called anything: it stays words."""
    async with standing(tmp_path, prices=DANGER) as stand:
        await stand.until_told()
        page = document(hostile(stand.daemon.status()))
    assert page.count("<script") == 1
    assert "alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    assert not re.search(r'"[^"<>]*"\'', page)
    assert page.count("<td") == page.count("</td>")


async def test_who_is_not_reached_and_a_refused_configuration_are_said_at_the_top(tmp_path: Path) -> None:
    """Whoever looks at night must not have to find it in a table."""
    async with standing(tmp_path) as stand:
        await until(lambda: stand.daemon.health().ok)
        found = stand.daemon.status()
    (channel,) = found.channels
    config = ConfigView(1, 0, 1, found.now_ms - 1000, ("alerts.warning.room: found 2; allowed: 0 to 1",))
    bad = msgspec.structs.replace(found, channels=({**channel, "broken": True, "failing": True},), config=config)
    top = document(Seen(bad, Health(), dt.UTC)).partition("</header>")[0]
    assert "not reached: telegram" in top
    assert "and the one before it holds: alerts.warning.room" in top
    assert "not reached" not in document(Seen(found, Health(), dt.UTC))


def test_the_worst_is_first_and_what_nobody_can_judge_is_not_taken_for_calm() -> None:
    """By level, then by what is left of the way; an unknown level stands above a notice."""

    def wallet(name: str, level: str, room: float | None) -> WalletView:
        return WalletView(name, "cross:USDT", "cross", "USDT", 1.0, 1.0, 0.5, 0.5, 0.5, room, None, None, level)

    given = [
        wallet("calm", "ok", 0.9), wallet("dark", "unknown", None), wallet("near", "notice", 0.4),
        wallet("bad", "critical", 0.09), wallet("worst", "critical", 0.05),
    ]  # fmt: skip
    assert [one.account for one in worst_first(given)] == ["worst", "bad", "dark", "near", "calm"]


def test_positions_know_their_wallet() -> None:
    """Two accounts may have wallets of one name."""

    def position(account: str) -> PositionView:
        return PositionView(account, "cross:USDT", "X", "LONG", 1.0, 1.0, 1.0, 1.0, 0.0, 0.1, None, None, "ok")

    assert {key: len(rows) for key, rows in legs_of([position("a"), position("b"), position("a")]).items()} == {
        ("a", "cross:USDT"): 2, ("b", "cross:USDT"): 1,
    }  # fmt: skip
