from monitor.core.model import Level
from monitor.notify.local import LocalChannel
from monitor.ports import Channel, Message


async def test_a_local_channel_hands_messages_over_at_once() -> None:
    """The demo shows what a service would have been sent, in order."""
    seen: list[Message] = []
    local = LocalChannel("here", seen.append, "markdown")
    channel: Channel = local
    message = Message("title", "body", "markdown", Level.WARNING)
    await channel.send(message)
    channel.close()
    assert (channel.name, channel.format, seen) == ("here", "markdown", [message])
