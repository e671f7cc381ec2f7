"""Every figure means what its help says, under labels that never change, and what is not known has no series."""

import math
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from monitor import health
from monitor.core.account_view import AccountView
from monitor.core.model import Compared, Figure, Level
from monitor.core.view import OpenAlert
from monitor.health import Health, Trouble
from monitor.status import ConfigView, HeartbeatView, HistoryView, WebView
from monitor.web.families.family import PREFIX, Kind, rows_of, seen
from monitor.web.families.sources import excess
from monitor.web.families.table import FAMILIES, READ
from tests.cli import made
from tests.web.scraping import WELL, names, series_of, text_of, value

PINGED = HeartbeatView(
    "url", ok=True, reasons=(), pings=1, failures=2, told=0, last_ms=5000, failing=False, last_error=""
)
POSITION = {"account": "main", "symbol": "BTCUSDT", "side": "LONG"}


def feed(**changes: object) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": "usdm", "state": "live", "frames": 9, "dropped_old": 1, "duplicates": 2,
        "rejected": {"not_json": 3}, "connects": 4, "reconnects": 5, "rotations": 6,
    }  # fmt: skip
    return facts | changes


def followed(**changes: object) -> dict[str, Any]:
    stream = {"state": "open", "connects": 2, "reconnects": 1, "rotations": 0, "found_silent": 0}
    facts: dict[str, Any] = {
        "account": "main", "state": "following", "stream": stream, "rejected": {"unknown_event": 7},
        "reconciles": 8, "reconcile_age_s": 12.5, "used_weight": 40, "stream_missing_s": 0.0,
    }  # fmt: skip
    return facts | changes


def audited(*rows: Compared, at_ms: int = 1) -> AccountView:
    return AccountView(
        account="main", market="usdm", source="rest", as_of_ms=1, ok=True, reason="", positions=1,
        multi_assets=False, hedge_mode=False, untabled=(), audited_ms=at_ms, compared=rows, corrections={},
    )  # fmt: skip


def compared(ours: float | None, theirs: float | None, *, agrees: bool, figure: Figure) -> Compared:
    return Compared("main", "cross:USDT", "BTCUSDT", "LONG", figure, ours, theirs, 0.5, agrees)


# The table


def test_names_are_in_base_units_and_say_what_kind_they_are() -> None:
    """A counter ends with total and nothing else does; no name has a unit that is not a base one."""
    for one in FAMILIES:
        assert one.name.startswith(PREFIX)
        assert one.name.endswith("_total") == (one.kind is Kind.COUNTER), one.name
        words = set(one.name.split("_"))
        assert not words & {"ms", "milliseconds", "percent", "minutes", "hours", "count", "sum", "bucket"}, (
            one.name
        )
        assert not set(one.labels) & {"le", "quantile", "job", "instance"}, one.name


def test_every_family_has_a_name_of_its_own_and_says_what_it_means() -> None:
    """Help is a sentence, and names the unit where the name does not."""
    assert len({one.name for one in FAMILIES}) == len(FAMILIES)
    for one in FAMILIES:
        assert one.help.endswith("."), one.name
        assert len(one.help) > 10, one.name
        for unit, word in (("_seconds", "econds"), ("_ratio", "ratio")):
            assert unit not in one.name or word in one.help or "hare" in one.help, one.name


def test_every_series_has_exactly_the_labels_of_its_family() -> None:
    """Whatever the state: values are texts, one for each label."""
    status = made.state(
        engine=made.engine(accounts=(audited(compared(1, 2, agrees=False, figure=Figure.MARGIN_BALANCE)),)),
        feeds=(feed(),), accounts=(followed(),), job_deaths={"web": 1},
        heartbeat=PINGED,
    )  # fmt: skip
    found = seen(status, WELL, WELL)
    for one in READ:
        for values in rows_of(one, found):
            assert len(values) == len(one.labels), one.name
            assert all(isinstance(text, str) for text in values), one.name


# Positions and wallets


def test_a_position_has_the_figures_of_the_wallet_behind_it() -> None:
    """Ratio, room and level are the wallet's, distance and liquidation price its own."""
    found = series_of(text_of(made.state()))
    assert value(found, "margin_ratio", **POSITION) == 0.66
    assert value(found, "room_ratio", **POSITION) == 0.15
    assert value(found, "liquidation_distance_ratio", **POSITION) == 0.0146
    assert value(found, "liquidation_price", **POSITION) == 59136.55
    assert value(found, "level", **POSITION) == 2
    assert value(found, "cushion", account="main", wallet="isolated:BTCUSDT:LONG", asset="USDT") == 437.05


def test_without_positions_there_are_no_series_of_positions() -> None:
    """What was closed is not 0: it is gone, and so is its wallet."""
    status = made.state(engine=made.engine(wallets=(), positions=()))
    found = series_of(text_of(status))
    for name in ("margin_ratio", "liquidation_distance_ratio", "room_ratio", "moves_left", "level", "cushion"):
        assert names(found, name) == set()


def test_a_used_up_balance_is_an_infinite_ratio() -> None:
    """So that every threshold is above it; JSON says null and liquidatable there."""
    gone = made.wallet(margin_ratio=None, liquidatable=True, level="emergency", cushion=-3.0)
    status = made.state(engine=made.engine(wallets=(gone,), positions=(made.position(level="emergency"),)))
    text = text_of(status)
    found = series_of(text)
    assert value(found, "margin_ratio", **POSITION) == math.inf
    assert value(found, "level", **POSITION) == 4
    assert 'margin_ratio{account="main",side="LONG",symbol="BTCUSDT"} +Inf\n' in text


def test_what_is_not_known_has_no_series() -> None:
    """Neither 0 nor NaN: both would be taken for a figure."""
    dim = made.wallet(margin_ratio=None, room=None, moves_left=None, cushion=None, level="unknown")
    blind = made.position(distance=None, liquidation_price=None, mark_price=None, level="unknown")
    status = made.state(
        engine=made.engine(
            wallets=(dim,), positions=(blind,), symbols=(made.symbol(mark=None, age_s=None, data="blind"),)
        ),
        frame_to_commit=None,
    )
    text = text_of(status)
    found = series_of(text)
    for name in (
        "margin_ratio", "room_ratio", "moves_left", "liquidation_distance_ratio", "liquidation_price", "level",
        "cushion", "mark_age_seconds", "mark_price", "frame_to_commit_seconds", "outbox_oldest_age_seconds",
        "heartbeat_last_accepted_timestamp_seconds", "drifting",
    ):  # fmt: skip
        assert names(found, name) == set(), name
        assert f"# TYPE position_monitor_{name} " not in text
    assert value(found, "mark_data_state", symbol="BTCUSDT") == 2
    assert "NaN" not in text


def test_a_cross_wallet_has_series_of_its_own_beside_those_of_its_positions() -> None:
    """Both positions show its ratio; an isolated wallet has none, for it is its position."""
    cross = made.wallet(wallet="cross:USDT", margin_mode="cross", margin_ratio=0.5, level="notice", moves_left=3.0)
    legs = [made.position(wallet="cross:USDT", symbol=name, level="notice") for name in ("BTCUSDT", "ETHUSDT")]
    lone = made.position(account="other")
    status = made.state(engine=made.engine(wallets=(cross, made.wallet(account="other")), positions=(*legs, lone)))
    found = series_of(text_of(status))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert value(found, "margin_ratio", account="main", symbol=symbol, side="LONG") == 0.5
        assert value(found, "moves_left", account="main", symbol=symbol, side="LONG") == 3
    where = {"account": "main", "wallet": "cross:USDT"}
    assert value(found, "wallet_margin_ratio", **where) == 0.5
    assert value(found, "wallet_level", **where) == 1
    assert value(found, "wallet_joint_distance_ratio", **where) == 0.0094
    for name in ("wallet_margin_ratio", "wallet_room_ratio", "wallet_moves_left", "wallet_level"):
        assert names(found, name) == {frozenset(where.items())}


@pytest.mark.parametrize("odd", ['a"b', "a\\b", "a\nb", "ü 币安", "a{b=c},d", "a#b", " "])
def test_odd_names_arrive_as_they_are(odd: str) -> None:
    """Whatever an account is called, its series is its own, in both formats."""
    status = made.state(
        engine=made.engine(wallets=(made.wallet(account=odd),), positions=(made.position(account=odd),))
    )
    found = series_of(text_of(status))
    assert value(found, "margin_ratio", account=odd, symbol="BTCUSDT", side="LONG") == 0.66
    opened = text_string_to_metric_families(text_of(status, open_=True))  # type: ignore[no-untyped-call]
    (ratio,) = (one for one in opened if one.name == "position_monitor_margin_ratio")
    assert [sample.labels["account"] for sample in ratio.samples] == [odd]


def test_a_series_that_is_there_twice_is_told_once() -> None:
    """Prometheus would refuse or drop what is told twice."""
    status = made.state(engine=made.engine(positions=(made.position(), made.position(distance=0.5))))
    assert value(series_of(text_of(status)), "liquidation_distance_ratio", **POSITION) == 0.0146


# Sources


def test_what_was_not_taken_is_counted_by_where_and_why() -> None:
    """Feeds, private streams, the inbox and the history in one family, so that one panel shows all of it."""
    status = made.state(
        feeds=(feed(),), accounts=(followed(),), history=HistoryView("/h", 1, 2, {"overflow": 11}), coalesced=13
    )
    found = series_of(text_of(status))
    told = {
        tuple(sorted(labels)): value(found, "dropped_total", **dict(labels))
        for labels in names(found, "dropped_total")
    }
    by_place = {(dict(key)["where"], dict(key)["name"], dict(key)["reason"]): count for key, count in told.items()}
    assert by_place == {
        ("feed", "usdm", "old"): 1, ("feed", "usdm", "duplicate"): 2, ("feed", "usdm", "not_json"): 3,
        ("stream", "main", "unknown_event"): 7, ("inbox", "", "coalesced"): 13, ("history", "", "overflow"): 11,
    }  # fmt: skip


def test_connections_are_counted_and_what_is_not_wanted_is_not_down() -> None:
    """A feed without symbols is neither up nor down: an alert on 0 must not fire for it."""
    status = made.state(feeds=(feed(), feed(name="coinm", state="idle")), accounts=(followed(state="failing"),))
    found = series_of(text_of(status))
    assert value(found, "feed_up", feed="usdm") == 1
    assert names(found, "feed_up") == {frozenset({("feed", "usdm")})}
    assert value(series_of(text_of(made.state(feeds=(feed(state="lost"),)))), "feed_up", feed="usdm") == 0
    assert value(found, "account_followed", account="main") == 0
    assert value(found, "stream_up", account="main") == 1
    for what, count in (("connects", 4), ("reconnects", 5), ("rotations", 6)):
        assert value(found, f"feed_{what}_total", feed="usdm") == count
    for what, count in (("connects", 2), ("reconnects", 1), ("rotations", 0)):
        assert value(found, f"stream_{what}_total", account="main") == count
    assert value(found, "reconcile_age_seconds", account="main") == 12.5
    assert value(found, "rest_weight_used", account="main") == 40


def test_drift_is_the_worst_of_each_figure_in_tolerances_and_as_it_is() -> None:
    """Agreeing and not: the tolerance is 1; without a price on one side it is infinite, and no difference."""
    rows = (
        compared(10.0, 10.1, agrees=True, figure=Figure.MARGIN_BALANCE),
        compared(10.0, 11.5, agrees=False, figure=Figure.MARGIN_BALANCE),
        compared(None, None, agrees=True, figure=Figure.LIQUIDATION_PRICE),
    )
    found = series_of(text_of(made.state(engine=made.engine(accounts=(audited(*rows),)))))
    assert value(found, "drifting", account="main") == 1
    assert value(found, "drift_tolerance_ratio", account="main", figure="margin_balance") == 3
    assert value(found, "drift_absolute", account="main", figure="margin_balance") == 1.5
    assert value(found, "drift_tolerance_ratio", account="main", figure="liquidation_price") == 0
    assert names(found, "drift_absolute") == {frozenset({("account", "main"), ("figure", "margin_balance")})}
    one_sided = compared(None, 5.0, agrees=False, figure=Figure.LIQUIDATION_PRICE)
    assert excess(one_sided) == math.inf
    calm = audited(compared(10.0, 10.1, agrees=True, figure=Figure.MARGIN_BALANCE))
    assert (
        value(series_of(text_of(made.state(engine=made.engine(accounts=(calm,))))), "drifting", account="main")
        == 0
    )


def test_an_account_that_was_never_compared_does_not_drift_and_does_not_agree() -> None:
    """There is no series before the first comparison."""
    status = made.state(engine=made.engine(accounts=(audited(at_ms=0),)))
    assert names(series_of(text_of(status)), "drifting") == set()


# Messages


def test_notices_are_counted_by_what_became_of_them() -> None:
    """The unit is a notice, whatever its fate; messages are counted apart."""
    channel = made.channel(
        sent=2,
        notices=5,
        refused=3,
        superseded=4,
        failed=6,
        pending=1,
        oldest_ms=made.NOW_MS - 90_000,
        failing=True,
    )
    found = series_of(text_of(made.state(channels=(channel,))))
    for outcome, count in (("delivered", 5), ("refused", 3), ("superseded", 4)):
        assert value(found, "notifications_total", channel="phone", outcome=outcome) == count
    assert value(found, "messages_total", channel="phone") == 2
    assert value(found, "delivery_attempts_failed_total", channel="phone") == 6
    assert value(found, "outbox_pending", channel="phone") == 1
    assert value(found, "outbox_oldest_age_seconds", channel="phone") == 90
    assert value(found, "channel_failing", channel="phone") == 1
    assert value(found, "channel_broken", channel="phone") == 0


def test_open_alerts_are_counted_by_level_and_none_is_0() -> None:
    """A graph of them must not have holes."""
    alerts = tuple(OpenAlert(n, "main/x", level, 1, ()) for n, level in enumerate((Level.WARNING, Level.WARNING)))
    found = series_of(text_of(made.state(engine=made.engine(alerts=alerts))))
    assert {level.label: value(found, "alerts_open", level=level.label) for level in Level} == {
        "ok": 0, "notice": 0, "warning": 2, "critical": 0, "emergency": 0,
    }  # fmt: skip


# The service


def test_every_reason_of_trouble_is_0_or_1() -> None:
    """All that are known are always there, one that is new is there while it holds, and none says where."""
    bad = Health((Trouble(health.MARKS, ("BTCUSDT",)), Trouble("something new", ("x",))))
    text = text_of(made.state(), bad)
    found = series_of(text)
    assert value(found, "healthy") == 0
    assert value(found, "ready") == 1
    for reason in health.REASONS:
        assert value(found, "trouble", reason=reason) == float(reason == health.MARKS)
    assert value(found, "trouble", reason="something new") == 1


def test_all_constant_reasons_of_health_are_listed() -> None:
    """A reason that is added is 0 from the start, and not only there once it is needed."""
    words = {
        text for name, text in vars(health).items() if name.isupper() and isinstance(text, str) and " " in text
    }
    assert words == set(health.REASONS)


def test_a_database_that_takes_no_writes_is_0() -> None:
    """And 1 if it does."""
    found = series_of(text_of(made.state(unwritable={"state": "locked"})))
    assert value(found, "database_writable", database="state") == 0
    assert value(found, "database_writable", database="history") == 1
    found = series_of(text_of(made.state(unwritable={"history": "disk full"})))
    assert value(found, "database_writable", database="history") == 0
    assert value(series_of(text_of(made.state())), "database_writable", database="state") == 1


def test_durations_are_in_seconds() -> None:
    """What the status has in milliseconds is converted."""
    found = series_of(text_of(made.state()))
    assert value(found, "frame_to_commit_seconds", statistic="p99") == 0.0031
    assert value(found, "start_time_seconds") == (made.NOW_MS - 65_000) / 1000
    assert value(found, "build_info", version="0.1.0") == 1
    assert value(found, "exchange_info", environment="testnet") == 1


def test_a_refused_reload_is_told_until_one_is_taken() -> None:
    """And when the configuration in force was loaded."""
    refused = ConfigView(
        loaded_ms=5000, reloads=2, refused=1, last_refusal_ms=9000, problems=("channels[0].url: no",)
    )
    text = text_of(made.state(config=refused))
    found = series_of(text)
    assert value(found, "config_last_reload_successful") == 0
    assert value(found, "config_loaded_timestamp_seconds") == 5
    assert value(found, "config_last_refusal_timestamp_seconds") == 9
    assert value(found, "config_reloads_total", outcome="taken") == 2
    assert value(found, "config_reloads_total", outcome="refused") == 1
    assert "channels" not in text  # what was wrong is for the log and the status
    taken = series_of(text_of(made.state(config=ConfigView(loaded_ms=5000, reloads=3, refused=1))))
    assert value(taken, "config_last_reload_successful") == 1


def test_the_web_interface_counts_itself() -> None:
    """What it answered, and what it did not."""
    web = WebView("http://127.0.0.1:9757", "", connections=1, requests=2, refused={"token": 3}, slow=4)
    found = series_of(text_of(made.state(web=web)))
    assert value(found, "web_connections") == 1
    assert value(found, "web_requests_total") == 2
    assert value(found, "web_refused_total", reason="token") == 3
    assert value(found, "web_slow_total") == 4


def test_what_hangs_on_its_way_to_the_disk_is_told() -> None:
    """Before a channel has a notice, nothing of the channel's own would show that it waits."""
    status = made.state(waiting_ms={"phone": made.NOW_MS - 12_000}, standing=("commit",))
    found = series_of(text_of(status))
    assert value(found, "outbox_unhanded_age_seconds", channel="phone") == 12
    assert value(found, "loops_standing") == 1
