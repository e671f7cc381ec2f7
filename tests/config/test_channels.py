"""[[channels]]: where alerts go."""

import pytest

from monitor.config import ChannelSettings, SecretRef, load_text
from monitor.config.secret import Keeper
from monitor.core.model import Level
from monitor.core.settings import ChannelRule
from monitor.errors import ConfigError

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


HELPERS = """
[[accounts]]
name = "main"
[alerts]
escalate_after = "20m"
[[channels]]
name = "phone"
url = { env = "PHONE_URL" }
fallback = "mail"
fallback_after = "90s"
[[channels]]
name = "mail"
url = { env = "MAIL_URL" }
chart = false
[[channels]]
name = "siren"
url = { env = "SIREN_URL" }
escalation = true
[[channels]]
name = "bell"
url = { env = "BELL_URL" }
escalation = true
min_level = "warning"
"""


def test_channels_may_step_in_for_each_other_and_for_people() -> None:
    """One that is there for escalation is called for emergencies besides, unless it asks for more itself."""
    loaded = load_text(HELPERS, "test.toml")
    phone, mail, siren, bell = loaded.engine.channels
    assert (phone.fallback, phone.fallback_after_s, phone.escalation) == ("mail", 90.0, False)
    assert (mail.fallback, mail.fallback_after_s, mail.min_level) == ("", 120.0, Level.NOTICE)
    assert (siren.escalation, siren.min_level) == (True, Level.EMERGENCY)
    assert (bell.escalation, bell.min_level) == (True, Level.WARNING)
    assert [one.chart for one in loaded.channels] == [True, False, True, True]
    assert loaded.engine.escalate_after_s == 1200.0


@pytest.mark.parametrize(
    ("old", "new", "path", "words"),
    [
        ('fallback = "mail"', 'fallback = "mial"', "channels[0].fallback", 'another channel: "mail"'),
        ('fallback = "mail"', 'fallback = "phone"', "channels[0].fallback", "another channel"),
        ('fallback = "mail"\n', "", "channels[0].fallback_after", "only with fallback"),
        ('"90s"', '"1s"', "channels[0].fallback_after", 'from "10s" to "1h"'),
        ('"90s"', '"2h"', "channels[0].fallback_after", 'from "10s" to "1h"'),
        ('"20m"', '"30s"', "alerts.escalate_after", 'from "1m" to "1d"'),
        ('"20m"', '"2d"', "alerts.escalate_after", 'from "1m" to "1d"'),
    ],
)
def test_help_that_cannot_come_is_a_mistake(old: str, new: str, path: str, words: str) -> None:
    """A fallback to nobody or to itself, and times that help nobody, are named with what is allowed."""
    with pytest.raises(ConfigError) as caught:
        load_text(HELPERS.replace(old, new), "test.toml")
    (problem,) = caught.value.problems
    assert problem.path == path
    assert words in problem.allowed
