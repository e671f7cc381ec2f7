"""[[channels]]: where alerts go."""

from monitor.config import ChannelSettings, SecretRef, load_text
from monitor.config.secret import Keeper
from monitor.core.model import Level
from monitor.core.settings import ChannelRule

TEXT = """
[[accounts]]
name = "main"
[[channels]]
name = "phone"
url = { env = "PHONE_URL" }
min_level = "critical"
format = "html"
[[channels]]
name = "mail"
url = { credential = "mail-url" }
[[channels]]
name = "desk"
url = { file = "~/desk-url" }
changes = true
"""


def test_channels_keep_the_place_of_their_secret() -> None:
    """What is not written has a default; the core is told no address and no format."""
    loaded = load_text(TEXT, "test.toml")
    assert loaded.channels == (
        ChannelSettings("phone", SecretRef(Keeper.ENV, "PHONE_URL"), Level.CRITICAL, "html"),
        ChannelSettings("mail", SecretRef(Keeper.CREDENTIAL, "mail-url"), Level.NOTICE, None),
        ChannelSettings("desk", SecretRef(Keeper.FILE, "~/desk-url"), changes=True),
    )
    assert loaded.engine.channels == (
        ChannelRule("phone", Level.CRITICAL),
        ChannelRule("mail", Level.NOTICE, summary=True),
        ChannelRule("desk", Level.NOTICE, changes=True),
    )
