"""``test-alert``: send one message through the configured channels and say what each answered."""

import asyncio
import os
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import (
    FAILED,
    ConfigOption,
    JsonOption,
    console,
    globals_of,
    guarded,
    load,
    misuse,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from monitor.ports import Channel, Message


@guarded
def alert(
    context: typer.Context,
    channel: Annotated[
        list[str] | None, typer.Option("--channel", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> int:
    """Send a test message through every configured channel."""
    from monitor.cli.wiring import build_channels
    from monitor.notify.reasons import in_words

    settings = load(context, config)
    known = {c.name for c in settings.channels}
    for name in channel or ():
        if name not in known:
            raise misuse("--channel", repr(name), f"configured channels: {', '.join(sorted(known)) or 'none'}")
    if not known:
        raise misuse("channels", "none in the configuration", "at least one [[channels]] with name and url")
    built = build_channels(settings, os.environ).channels
    chosen = [c for c in built if not channel or c.name in channel]
    try:
        outcomes = asyncio.run(send_all(chosen, settings.exchange.environment))
    finally:
        for one in built:
            one.close()
    if json or globals_of(context).json:
        print_json({name: reason or "accepted" for name, reason in outcomes.items()})
    else:
        out = console()
        for name, reason in outcomes.items():
            out.print(f"{name}: {in_words(reason) if reason else 'accepted'}", markup=False)
    return FAILED if any(outcomes.values()) else 0


async def send_all(channels: "Sequence[Channel]", environment: str) -> dict[str, str]:
    """Send one test message to each channel, side by side; return by name why it failed, empty if accepted."""
    from monitor.core.model import Level
    from monitor.core.notices import Facts, Notice, NoticeKind
    from monitor.errors import DeliveryError
    from monitor.notify.message import render
    from monitor.system_clock import SystemClock

    now_ms = SystemClock().wall_ms()
    outcomes: dict[str, str] = {channel.name: "" for channel in channels}

    async def send(channel: "Channel", message: "Message") -> None:
        try:
            await channel.send(message)
        except DeliveryError as error:
            outcomes[channel.name] = error.reason

    async with asyncio.TaskGroup() as group:
        for channel in channels:
            facts = Facts(environment=environment, detail=channel.name)
            notice = Notice(
                "test", channel.name, "/test", NoticeKind.TEST, Level.OK, Level.OK, now_ms, 0, facts
            )  # fmt: skip
            group.create_task(send(channel, render(notice, fmt=channel.format, now_ms=now_ms)))
    return outcomes
