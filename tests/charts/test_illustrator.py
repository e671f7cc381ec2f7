import asyncio
import gc
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.charts import INSTALL, illustrator
from monitor.charts.illustrator import Charts
from monitor.core.model import Level
from monitor.core.settings import AlertRules, EngineSettings, LevelRule, RulesOverride
from monitor.ports import Illustrator
from tests.charts.records import NOW_MS, WALLET, a_notice, samples, write
from tests.conftest import ManualClock

PNG = b"\x89PNG\r\n\x1a\nand more"
# A process that speaks as ours does, and does to the third order and later what it was told to.
STAND_IN = f"""
import os, sys, time
def out(body):
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body)
    sys.stdout.buffer.flush()
def orders():
    while head := sys.stdin.buffer.read(4):
        yield sys.stdin.buffer.read(int.from_bytes(head, "big"))
what = sys.argv[1]
if what == "never ready":
    sys.exit(1)
out(b"who" if what == "rude" else b"ready")
if what == "chatty":
    out({PNG!r})
for order in orders():
    if what == "hangs":
        time.sleep(3600)
    elif what == "dies":
        os._exit(1)
    elif what == "writes garbage":
        os.write(1, b"Traceback (most recent call last):")
    elif what == "draws nothing":
        out(b"")
    elif what == "cannot read":
        out(b"unreadable")
    elif what == "says its environment":
        out({PNG!r} + repr(dict(os.environ)).encode())
    elif what == "repeats":
        out({PNG!r} + order)
    else:
        out({PNG!r})
"""


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process stands in for one with matplotlib."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: object())
    monkeypatch.setattr(illustrator, "find_spec", lambda _name: object())


async def eventually(true: Callable[[], bool]) -> None:
    """Return once a process of its own did something, of which nothing here is told."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.005)  # noqa: TID251 - as above


class Rig:
    """Charts with their job as a task."""

    def __init__(self, tmp_path: Path, clock: ManualClock, what: str, **more: Any) -> None:  # noqa: ANN401
        command = (sys.executable, "-c", STAND_IN, what)
        more = {"settings": EngineSettings(), "wait_s": 10.0, "command": command, **more}
        self.charts = Charts(tmp_path / "history.db", tmp_path / "cache", clock, **more)
        (job,) = self.charts.jobs()
        assert job.name == "charts"
        self.task = asyncio.ensure_future(job.run())  # noqa: TID251 - a test stands in for the app

    async def ready(self) -> None:
        """Return once the process greeted."""
        await eventually(lambda: self.charts._orders is not None)

    async def failed(self, clock: ManualClock, times: int = 1) -> None:
        """Return once the process ended so many times and a pause began."""
        await eventually(lambda: len(clock.slept) >= times)


@asynccontextmanager
async def drawing(tmp_path: Path, clock: ManualClock, what: str = "", **more: Any) -> AsyncIterator[Rig]:  # noqa: ANN401
    rig = Rig(tmp_path, clock, what, **more)
    try:
        yield rig
    finally:
        rig.task.cancel()
        with suppress(asyncio.CancelledError):
            await rig.task
        gc.collect()  # a pipe left open would be a warning, and so an error, here


async def test_a_picture_arrives(tmp_path: Path, clock: ManualClock) -> None:
    """Once the process is ready; before that there is none, at once."""
    async with drawing(tmp_path, clock) as rig:
        port: Illustrator = rig.charts
        assert await port.picture(a_notice()) is None
        await rig.ready()
        assert await port.picture(a_notice()) == PNG
        assert rig.charts.drawn == 1


async def test_the_channels_of_one_notice_share_a_picture(tmp_path: Path, clock: ManualClock) -> None:
    """Whether they ask while it is drawn or after; only a few are kept."""
    async with drawing(tmp_path, clock) as rig:
        await rig.ready()
        both = await asyncio.gather(*(rig.charts.picture(a_notice()) for _ in range(2)))
        assert both == [PNG, PNG]
        assert await rig.charts.picture(a_notice()) == PNG
        assert rig.charts.drawn == 1
        for number in range(10):
            assert await rig.charts.picture(a_notice(f"other{number}")) == PNG
        assert len(rig.charts._kept) == 4


async def test_one_is_drawn_at_a_time(tmp_path: Path, clock: ManualClock) -> None:
    """Who asks for another meanwhile does not queue."""
    async with drawing(tmp_path, clock) as rig:
        await rig.ready()
        pictures = await asyncio.gather(*(rig.charts.picture(a_notice(key)) for key in ("k1", "k2")))
        assert pictures == [PNG, None]


async def test_a_picture_that_is_late_is_there_for_the_next_attempt(tmp_path: Path, clock: ManualClock) -> None:
    """Nobody waits for it, and it is not drawn twice."""
    async with drawing(tmp_path, clock, wait_s=0.0) as rig:
        await rig.ready()
        assert await rig.charts.picture(a_notice()) is None
        await eventually(lambda: rig.charts.drawn == 1)
        assert await rig.charts.picture(a_notice()) == PNG
        assert rig.charts.drawn == 1


@pytest.mark.parametrize(
    ("what", "reason"),
    [("dies", "ended"), ("writes garbage", "too_large"), ("hangs", "timeout")],
)
async def test_trouble_while_drawing_costs_one_picture(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, what: str, reason: str
) -> None:
    """The message goes without, one line is logged however often it happens, and the process is started anew."""
    if what == "hangs":
        monkeypatch.setattr(illustrator, "DRAW_S", 0.05)
    async with drawing(tmp_path, clock, what) as rig:
        with capture_logs() as logs:
            for times in (1, 2):
                await rig.ready()
                process = rig.charts._process
                assert await rig.charts.picture(a_notice(f"k{times}")) is None
                await rig.failed(clock, times)
                assert process is not None
                assert process.returncode is not None
                assert await rig.charts.picture(a_notice("while away")) is None
                await clock.advance(clock.slept[-1])
        assert [(entry["event"], entry["reason"]) for entry in logs] == [("charts.failing", reason)]
        assert clock.slept == [1.0, 10.0]
        # What comes next works again.
        rig.charts._command = (sys.executable, "-c", STAND_IN, "")
        await rig.ready()
        await rig.charts.picture(a_notice("k3"))
        await rig.failed(clock, 3)
        monkeypatch.setattr(illustrator, "DRAW_S", 30.0)
        await clock.advance(clock.slept[-1])
        await rig.ready()
        with capture_logs() as logs:
            assert await rig.charts.picture(a_notice("k4")) == PNG
        assert [entry["event"] for entry in logs] == ["charts.back"]


@pytest.mark.parametrize(
    ("what", "reason"), [("never ready", "ended"), ("rude", "no_picture"), ("chatty", "unasked")]
)
async def test_a_process_that_does_not_behave_is_ended(
    tmp_path: Path, clock: ManualClock, what: str, reason: str
) -> None:
    """And tried again after pauses that grow."""
    async with drawing(tmp_path, clock, what) as rig:
        with capture_logs() as logs:
            for times, pause_s in enumerate((1.0, 10.0, 60.0, 300.0, 300.0), 1):
                await rig.failed(clock, times)
                assert clock.slept[-1] == pause_s
                await clock.advance(pause_s)
        assert [(entry["event"], entry["reason"]) for entry in logs] == [("charts.failing", reason)]


async def test_a_command_that_cannot_be_started_is_no_disaster(tmp_path: Path, clock: ManualClock) -> None:
    """It is tried again, and messages go without pictures."""
    with capture_logs() as logs:
        async with drawing(tmp_path, clock, command=("/nowhere/python",)) as rig:
            await rig.failed(clock)
            assert await rig.charts.picture(a_notice()) is None
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("charts.failing", "cannot_start")]


async def test_nothing_to_draw_is_no_trouble(tmp_path: Path, clock: ManualClock) -> None:
    """A wallet that is new has no history; one that cannot be read is said once."""
    for what, said in (("draws nothing", []), ("cannot read", [("charts.failing", "history")])):
        with capture_logs() as logs:
            async with drawing(tmp_path, clock, what) as rig:
                await rig.ready()
                for key in ("k1", "k2"):
                    assert await rig.charts.picture(a_notice(key)) is None
                assert rig.charts._orders is not None
        assert [(entry["event"], entry["reason"]) for entry in logs] == said


async def test_without_matplotlib_there_is_no_process(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is over at once, with one line; pictures are none."""
    monkeypatch.setattr(illustrator, "find_spec", lambda _name: None)
    with capture_logs() as logs:
        async with drawing(tmp_path, clock) as rig:
            await rig.task
            assert rig.charts._process is None
            assert await rig.charts.picture(a_notice()) is None
    assert [(entry["event"], entry["reason"], entry["hint"]) for entry in logs] == [
        ("charts.off", "not_installed", INSTALL)
    ]


async def test_closing_ends_the_process_and_the_job(tmp_path: Path, clock: ManualClock) -> None:
    """Also while it hangs over a picture; harmless when repeated, and nothing is logged."""
    with capture_logs() as logs:
        async with drawing(tmp_path, clock, "hangs", wait_s=0.0) as rig:
            await rig.ready()
            assert await rig.charts.picture(a_notice()) is None
            rig.charts.close()
            rig.charts.close()
            async with asyncio.timeout(60):
                await rig.task
            assert rig.charts._process is not None
            assert rig.charts._process.returncode is not None
            assert await rig.charts.picture(a_notice("k2")) is None
    assert logs == []


async def test_a_daemon_that_is_killed_leaves_no_process(tmp_path: Path, clock: ManualClock) -> None:
    """The end of its input is the end of it."""
    async with drawing(tmp_path, clock) as rig:
        await rig.ready()
        process = rig.charts._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(60):
            assert await process.wait() == 0


async def test_the_process_knows_no_secrets(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the environment, where addresses and keys may stand, it gets a few harmless names."""
    monkeypatch.setenv("TELEGRAM_URL", "tgram://not-a-real-token/42")
    monkeypatch.setenv("BINANCE_API_KEY", "not-a-real-key")
    async with drawing(tmp_path, clock, "says its environment") as rig:
        await rig.ready()
        answer = await rig.charts.picture(a_notice())
    assert answer is not None
    known = dict(eval(answer.removeprefix(PNG)))  # noqa: S307 - our own
    assert "MPLCONFIGDIR" in known
    assert known.keys() <= {*illustrator._ENVIRONMENT, "MPLCONFIGDIR", "MPLBACKEND", "OPENBLAS_NUM_THREADS"}
    assert known["OPENBLAS_NUM_THREADS"] == "1"
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert "TELEGRAM_URL" in os.environ


STRICT = AlertRules(
    levels=(
        LevelRule(Level.NOTICE, margin_ratio=0.3), LevelRule(Level.WARNING, margin_ratio=0.4),
        LevelRule(Level.CRITICAL), LevelRule(Level.EMERGENCY, margin_ratio=0.6),
    )
)  # fmt: skip
STRICT_LIMITS = [["notice", 0.3]]


async def test_an_order_says_what_the_notice_says(tmp_path: Path, clock: ManualClock) -> None:
    """Wallet, hours, figures of now, the zone, and the levels of its rules."""
    tz = timezone(timedelta(hours=5, minutes=30))
    settings = EngineSettings(overrides=(RulesOverride(STRICT, account="main"),))
    charts = Charts(tmp_path / "h.db", tmp_path, clock, settings=settings, tz=tz)
    order = charts._what(a_notice())
    assert (order.history, order.account, order.wallet) == (str(tmp_path / "h.db"), "main", WALLET)
    assert (order.now_ms, order.since_ms) == (NOW_MS, NOW_MS - 6 * 3_600_000)
    assert (order.symbol, order.side, order.distance, order.margin_ratio) == ("BTCUSDT", "LONG", 0.021, 0.82)
    assert (order.title, order.level, order.offset_s) == ("main · BTCUSDT LONG", Level.WARNING, 19_800)
    assert order.limits == ((Level.NOTICE, 0.3), (Level.WARNING, 0.4), (Level.EMERGENCY, 0.6))
    several = charts._what(a_notice(wallet="cross:USDT", positions=20, liquidatable=True))
    assert (several.symbol, several.distance, several.margin_ratio) == ("", 0.019, None)
    assert several.title == "main · cross:USDT · 20 positions"
    assert charts._what(a_notice(environment="drill")).title == "DRILL · main · BTCUSDT LONG"


def test_the_levels_drawn_are_those_of_the_wallet(tmp_path: Path, clock: ManualClock) -> None:
    """A symbol's rules before its account's before all others'; none where only the engine knows which hold."""
    override = RulesOverride(STRICT, symbol="BTCUSDT")
    facts = a_notice().facts
    usual = ((Level.WARNING, 0.65), (Level.CRITICAL, 0.8), (Level.EMERGENCY, 0.9))
    strict = ((Level.NOTICE, 0.3), (Level.WARNING, 0.4), (Level.EMERGENCY, 0.6))
    assert illustrator._limits(EngineSettings(), facts) == usual
    assert illustrator._limits(EngineSettings(overrides=(override,)), facts) == strict
    both = (override, RulesOverride(AlertRules(), account="main", symbol="BTCUSDT"))
    assert illustrator._limits(EngineSettings(overrides=both), facts) == usual
    several = a_notice(positions=2).facts
    assert illustrator._limits(EngineSettings(overrides=(override,)), several) == ()
    assert illustrator._limits(EngineSettings(), several) == usual


async def test_a_real_picture_of_a_real_history(tmp_path: Path, clock: ManualClock) -> None:
    """From history.db through the real process; the loop turns all the while."""
    pytest.importorskip("matplotlib", reason="the extra `charts` is not installed")
    await write(tmp_path / "history.db", clock, samples())
    async with drawing(tmp_path, clock, command=illustrator._COMMAND, wait_s=30.0, tz=UTC) as rig:
        await rig.ready()
        picture = await rig.charts.picture(a_notice())
        assert picture is not None
        assert len(picture) < 40_000
        assert picture.startswith(b"\x89PNG")
        assert await rig.charts.picture(a_notice("k2", account="nobody")) is None
