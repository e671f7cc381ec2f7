"""Quiet through a whole daemon: asked on its socket, kept on disk, taken up by the next one."""

import asyncio
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from monitor.cli.root import app
from monitor.control import ask
from monitor.core.notices import HoldKind
from monitor.storage.paths import STATE_DB
from monitor.storage.state_reader import StateReader
from tests.notify.fakes import FakeChannel
from tests.test_app import exchange, running, settings_of, until

CRITICAL, EMERGENCY = "59420", "59300"  # of the one position; liquidation at 59136.55


def command(state: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, f"--config={state.parent / 'config.toml'}"])


async def asked(state: Path, **request: object) -> Any:  # noqa: ANN401 - JSON
    return await asyncio.to_thread(ask, state, {"command": "hold", **request})


async def test_what_was_acknowledged_stays_so_over_restarts_until_it_worsens(tmp_path: Path) -> None:
    """On disk before it is answered; made without a daemon it is known to the next; worse is told all the same."""
    state = tmp_path / "s"
    first, second = FakeChannel(), FakeChannel()
    with capture_logs():
        async with exchange(CRITICAL) as market:
            text = market.config(state)
            settings = settings_of(text)
            async with running(settings, first):
                await until(lambda: bool(first.accepted))
                answer = await asked(state, kind="ack", targets=["alert:1"], for_s=3600.0, why="seen")
                with StateReader(state / STATE_DB) as reader:
                    [kept] = reader.holds()
            # No daemon runs: the same commands write to its database.
            (tmp_path / "config.toml").write_text(text)
            shown = await asyncio.to_thread(command, state, "snooze", "BTCUSDT", "2h")
            async with running(settings, second) as watch:
                await until(lambda: watch.level() == "critical")
                alert = watch.daemon.status().engine.alerts[0]
                market.price(EMERGENCY)
                await until(lambda: bool(second.accepted))
                left = watch.daemon.status().engine.holds
    assert answer["recorded"] is True
    assert answer["made"][0]["covers"][0]["level"] == "critical"
    assert (kept.kind, kept.target, kept.why) == (HoldKind.ACK, "alert:1", "seen")
    assert kept.by.startswith("uid ")
    assert shown.exit_code == 0, shown.output
    assert "the next one will know" in shown.stdout
    assert alert.number == 1
    assert alert.held is not None
    assert "EMERGENCY" in second.accepted[0].title
    assert [hold.kind for hold in left] == [HoldKind.SNOOZE]  # worse than acknowledged: seen no more
