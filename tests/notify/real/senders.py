"""Channels as the product builds them, and messages to send."""

import apprise
import pytest

from monitor.core.model import Level
from monitor.errors import DeliveryError
from monitor.notify.apprise import AppriseChannel
from monitor.ports import Message

TOKEN = "123456789:not_a_real_token-not_a_real_token"
PASSWORD = "not-a-real-password"
# One grey pixel: services look at the first bytes of a picture.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c636800000082008177"
    "cd72b60000000049454e44ae426082"
)
TEXT = Message("CRITICAL <x> 82 % & a_b 币安人生USDT", "Mark: 1 < 2 & a_b*\n币: x", "text", Level.CRITICAL)
HTML = Message(TEXT.title, "<b>Mark:</b> 1 &lt; 2 &amp; a_b*<br>\n<b>币:</b> x", "html", Level.CRITICAL)


class Sending:
    """Makes channels, and remembers everything that a failure says of itself."""

    def __init__(self) -> None:
        self.channels: list[AppriseChannel] = []
        self.said: list[str] = []

    def channel(self, url: str, name: str = "it", *, send_timeout_s: float = 30.0) -> AppriseChannel:
        channel = AppriseChannel(name, url, send_timeout_s=send_timeout_s)
        self.channels.append(channel)
        return channel

    async def failure(self, channel: AppriseChannel, message: Message = TEXT) -> DeliveryError:
        """Return the error that a send must raise."""
        with pytest.raises(DeliveryError) as caught:
            await channel.send(message)
        error: BaseException | None = caught.value
        while error is not None:
            self.said += [str(error), repr(error), repr(vars(error))]
            error = error.__cause__ or error.__context__
        return caught.value


def plugin_of(channel: AppriseChannel) -> apprise.NotifyBase:
    """Return the service behind a channel."""
    assert channel._worker is not None
    return channel._worker._service[0]
