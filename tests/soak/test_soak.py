"""Disconnects leave nothing behind: no memory, no task, no socket, no file."""

import asyncio
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from monitor.binance.transport import open_stream
from tests.conftest import settle
from tests.fuzz.run import aside, silent
from tests.soak.accelerated import Plan, Soak
from tests.soak.clock import DrivenClock
from tests.soak.exchange import Part, part_of
from tests.soak.market import Prices
from tests.soak.measure import Bounds, Reading, grown, ratio
from tests.soak.report import SoakResult, publish, section, table

MIB = 2**20
PLAN = Plan(
    hours=1 / 8, symbols=20, read_every_s=45.0, cut_every_s=90.0, outages=((320.0, 385.0, False),),
    fall_every_s=200.0, fall_s=90.0, fund_every_s=90.0, rotate_after_s=61.0, quantum_s=1.0,
)  # fmt: skip
STILL = Reading(0.0, 100 * MIB, 30, 30, 15, 5, 100_000, 5_000, 0, 0, 0, 0, 0)


async def test_disconnects_rotations_and_an_outage_leave_nothing_behind(tmp_path: Path) -> None:
    """Some minutes of the whole service on real sockets and databases, some alerts included."""
    with silent(), aside():
        ran = await Soak(PLAN, tmp_path).run()
    result = ran.result(PLAN, 135.0, 0.0)
    assert not result.problems(), table(ran.readings)
    assert ran.cuts >= 5
    assert result.readings[-1].rotations >= 3


async def test_a_connection_left_behind_at_each_reconnect_is_found_out(tmp_path: Path) -> None:
    """Each attempt opens one more and forgets it."""
    forgotten = []

    async def leaky(*arguments: Any) -> Any:  # noqa: ANN401 - as what it stands for
        forgotten.append(await open_stream(*arguments))
        return await open_stream(*arguments)

    plan = PLAN._replace(hours=0.04, symbols=6, read_every_s=18.0, cut_every_s=12.0, outages=())
    with silent(), aside(), mock.patch("monitor.binance.streams.open_stream", leaky):
        ran = await Soak(plan, tmp_path).run()
        for one in forgotten:
            await one.close()
    problems = ran.result(plan, 36.0, 0.0).problems()
    assert any(one.startswith("tasks") for one in problems), table(ran.readings)
    assert any(one.startswith("open files") for one in problems)


def some(**last: int) -> list[Reading]:
    """Return readings that stand still, but for what grows from hour to hour by a twelfth."""
    readings = []
    for hour in range(13):
        now = {name: getattr(STILL, name) + value * hour // 12 for name, value in last.items()}
        readings.append(msgspec.structs.replace(STILL, at_s=hour * 3_600.0, **now))
    return readings


def test_what_stands_still_has_not_grown() -> None:
    """And a little more memory is no leak."""
    assert grown(some(), 7_200.0) == []
    assert grown(some(rss=4 * MIB, objects=3_000), 7_200.0) == []
    assert ratio(some(), 7_200.0) == 1.0


@pytest.mark.parametrize(
    ("growth", "said"),
    [
        ({"rss": 9 * MIB}, "resident memory"),
        ({"objects": 20_000}, "objects"),
        ({"entries": 1_000}, "entries in containers"),
        ({"tasks": 6}, "tasks"),
        ({"files": 8}, "open files"),
        ({"threads": 6}, "threads"),
        ({"queued": 9_000}, "queues"),
    ],
)
def test_each_kind_of_growth_is_said(growth: dict[str, int], said: str) -> None:
    """By its name, and alone."""
    (problem,) = grown(some(**growth), 7_200.0)
    assert problem.startswith(said)


def test_a_peak_that_is_over_is_no_growth() -> None:
    """The ends are compared, three readings each: one that falls into a burst says nothing."""
    readings = some()
    readings[-1] = msgspec.structs.replace(readings[-1], tasks=60, files=90)
    assert grown(readings, 7_200.0) == []
    assert grown(readings, 7_200.0, Bounds(tasks=0, files=0)) == []


def test_too_short_a_run_is_not_judged_good() -> None:
    """Nothing after the warm-up proves nothing."""
    assert grown(some()[:3], 7_200.0) != []


def test_prices_are_the_same_for_one_and_for_all() -> None:
    """What REST says and what the streams say; those that act fall by the depth and come back."""
    prices = Prices(40, 600.0, 200.0)
    for time_s in (-90_000.0, 0.0, 100.0, 599.0, 86_399.0):
        marks = prices.at(time_s)
        assert [prices.one_at(number, time_s) for number in range(40)] == pytest.approx(marks, rel=1e-12)
    moves = [prices.one_at(1, float(second)) / prices.base(1) for second in range(600)]
    assert min(moves) == pytest.approx(0.958, abs=0.002)
    assert max(moves) == pytest.approx(1.0, abs=0.002)


async def test_driven_time_wakes_who_is_due_and_forgets_who_gave_up() -> None:
    """A day of cancelled sleeps is not kept."""
    clock = DrivenClock()
    clock.move(5.0)
    assert (clock.elapsed_s, clock.wall_ms()) == (5.0, DrivenClock().wall_ms() + 5_000)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(clock.sleep(10.0))
        given_up = [group.create_task(clock.sleep(9e6)) for _ in range(800)]
        await settle(2)
        for task in given_up:
            task.cancel()
        await settle(2)
        clock.move(1.0)
        assert len(clock._sleepers) == 1
        clock.move(9.0)
        await settle(2)
        assert waiting.done()


def test_the_section_shows_both_runs_hour_by_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what is wrong with one, if anything is."""
    good = SoakResult("accelerated", 200, 12.0, 7_200.0, 600.0, 3_600.0, tuple(some()), {}, {"storage": 0})
    bad = msgspec.structs.replace(good, kind="real", readings=tuple(some(threads=6)), deaths={"decide": 2})
    text = " ".join(section(good, bad).split())
    assert "Nothing grew." in text
    assert "threads: 6 after the warm-up, 10 at the end; job decide died 2 times" in text
    assert "| 12:00 |" in text
    page = tmp_path / "faults.md"
    monkeypatch.setattr("tests.soak.report.write_section.__defaults__", (page,))
    publish(good, None)
    assert "<!-- soak -->" in page.read_text()


def test_what_the_exchange_is_asked_for_reads_back() -> None:
    """One process tells the other on its command line."""
    part = Part(200, 900.0, 300.0, 240.0, ((10.0, 20.0),))
    assert part_of(msgspec.json.encode(part).decode()) == part
