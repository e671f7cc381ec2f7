"""Alerts through the whole service: who steps in for whom, and that what a person asked for survives."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from monitor.core.events import Heartbeat
from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.core.settings import ChannelRule
from monitor.errors import DeliveryError
from monitor.notify.titles import headline
from monitor.storage.outbox import OutboxState
from monitor.storage.state import StateReader
from tests.conftest import ManualClock
from tests.core.builders import account, isolated, mark_at
from tests.test_app import exchange, pending, start, until
from tests.test_burst import World, watching

PHONE = ChannelRule("phone", Level.WARNING, fallback="mail", fallback_after_s=60.0)
MAIL = ChannelRule("mail", Level.EMERGENCY)


async def stay(world: World, seconds: int, room: float, step_s: int = 1) -> None:
    """Let time pass with a mark and a heartbeat each second, or less often."""
    for _ in range(seconds // step_s):
        world.marks([("BTCUSDT", mark_at(room))])
        world.inbox.post(Heartbeat())
        await world.advance(step_s)


async def test_what_one_channel_refuses_another_delivers_and_says_why(clock: ManualClock) -> None:
    """The token was revoked: a second later the mail has the alert, what is wrong with the phone, and the end."""
    async with watching(clock, [account(isolated())], (PHONE, MAIL)) as world:
        phone, mail = world.channels
        phone.script = [DeliveryError("phone", "http-401", permanent=True)] * 50
        await stay(world, 3, 0.9)
        await stay(world, 40, 0.19)
        assert phone.accepted == []
        (alert, *_) = mail.accepted
        assert "WARNING" in alert.title
        assert "phone" in alert.body
        told = " / ".join(message.title + message.body for message in mail.accepted)
        assert "http-401" in told or "token" in told
        await stay(world, 2000, 0.9, 2)
        titles = [message.title for message in mail.accepted]
        assert sum("RECOVERED" in title for title in titles) == 1, titles
        assert sum("not deliver" in title.lower() for title in titles) == 1, titles
        states = {(row.kind, row.channel): row.state for row in world.store.outbox.values()}
        assert states[NoticeKind.ALERT, "phone"] is OutboxState.REFUSED
        assert states[NoticeKind.ALERT, "mail"] is OutboxState.ACCEPTED
        assert states[NoticeKind.CLOSED, "mail"] is OutboxState.ACCEPTED


async def test_a_channel_that_hangs_is_helped_after_its_time(clock: ManualClock) -> None:
    """Nothing came back from the phone for a minute; when it does, it is late and says so."""
    async with watching(clock, [account(isolated())], (PHONE, MAIL)) as world:
        phone, mail = world.channels
        await stay(world, 3, 0.9)
        phone.hold()
        await stay(world, 55, 0.19)
        assert mail.accepted == []
        await stay(world, 10, 0.19)
        assert len(mail.accepted) == 1
        phone.release()
        await stay(world, 3, 0.19)
        assert len(phone.accepted) == 1
        assert len(mail.accepted) == 1


async def test_titles_fit_a_lock_screen(clock: ManualClock) -> None:
    """Whose, how bad, how far: the first words of the first message."""
    async with watching(clock, [account(isolated())], (ChannelRule("phone"),)) as world:
        await stay(world, 3, 0.9)
        await stay(world, 2, 0.05)
        row = world.rows("phone")[0]
        assert row.notice is not None
        assert world.channels[0].titles[0].startswith(headline(row.notice))


async def ask(config: Path, *words: str) -> Any:  # noqa: ANN401 - JSON
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", *words, "--config", str(config), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return msgspec.json.decode(out)


async def test_an_acknowledgement_outlives_the_process_that_took_it(tmp_path: Path) -> None:
    """Acknowledged by a command, killed, started again: the hold is in force and the ledger knows when."""
    state = tmp_path / "s"
    config = tmp_path / "config.toml"
    async with exchange("59300") as market:
        service = await start(tmp_path, market.config(state))
        await until(lambda: bool(pending(state)))
        answer = await ask(config, "ack", "1", "--why", "on it")
        assert [made["target"] for made in answer["made"]] == ["alert:1"]
        assert answer["recorded"]
        service.process.kill()
        assert await service.ends() == -signal.SIGKILL
        socket = state / "control.sock"
        socket.unlink()  # a leftover, made anew by whoever holds the lock
        service = await start(tmp_path, market.config(state))
        try:
            await until(socket.exists)
            status = await ask(config, "status")
            (hold,) = status["engine"]["holds"]
            assert (hold["kind"], hold["target"], hold["why"]) == ("ack", "alert:1", "on it")
            # A slow start may have more to tell, of marks or of the channel that nobody answers.
            (alert,) = [one for one in status["engine"]["alerts"] if one["subject"].startswith("by-hand/")]
            assert alert["level"] == "emergency"
            assert list(hold["levels"].values()) == ["emergency"]
            assert alert["held"]["key"] == hold["key"]
        finally:
            service.process.terminate()
            await service.ends()
    with StateReader(state / "state.db") as reader:
        (row,) = [one for one in reader.alerts() if one.subject.startswith("by-hand/")]
    assert row.acknowledged_ms == hold["made_ms"]
