"""Channels are found in a configuration that cannot be used, however it came to that."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.config.salvage import salvaged
from monitor.config.secret import Keeper, SecretRef
from monitor.core.model import Level

TEXT = """
[exchange]
environment = "live"

[[channels]]
name = "phone"
url = { credential = "phone" }
min_level = "warning"

[[accounts]]
name = "main"

[[ channels ]]  # the second
name = "mail"
url = { env = "MAIL_URL" }

[web]
enabled = true
"""


def names(text: str) -> list[str]:
    return [one.name for one in salvaged(text)[1]]


def test_a_sound_configuration_gives_what_it_says() -> None:
    """Environment, and channels with everything that they have."""
    environment, channels = salvaged(TEXT)
    assert environment == "live"
    assert [one.name for one in channels] == ["phone", "mail"]
    assert channels[0].url == SecretRef(Keeper.CREDENTIAL, "phone")
    assert channels[0].min_level is Level.WARNING


def test_mistakes_elsewhere_hide_no_channel() -> None:
    """Unknown sections and impossible values, which keep the service from starting."""
    assert names(TEXT + '[nonsense]\nx = 1\n[state]\ndirectory = 7\n[alerts.warning]\nroom = "no"\n') == [
        "phone",
        "mail",
    ]


def test_a_mistake_in_a_channel_leaves_the_rest_of_it() -> None:
    """A misspelled level or key, a fallback that is nobody: it can be reached all the same."""
    spoiled = TEXT.replace('"warning"', '"wrning"\nmin_levl = 1\nfallback = "nobody"')
    assert names(spoiled) == ["phone", "mail"]


def test_a_channel_without_an_address_is_none() -> None:
    """A literal address is none either: it was never used, and does not belong into this file."""
    assert names(TEXT.replace("{ credential = ", "[").replace('"phone" }', '"phone"]')) == ["mail"]
    assert names(TEXT.replace('{ env = "MAIL_URL" }', '"json://example/"')) == ["phone"]


def test_of_a_text_that_is_no_toml_each_block_is_read_alone() -> None:
    """A quote that was not closed costs what follows it in its own block."""
    environment, channels = salvaged(TEXT.replace('name = "main"', 'name = "main'))
    assert environment == "live"
    assert [one.name for one in channels] == ["phone", "mail"]
    assert names(TEXT.replace('name = "mail"', 'name = "mail')) == ["phone"]
    assert names(TEXT.replace('MAIL_URL" }', 'MAIL_URL" }\nmin_level = "')) == ["phone", "mail"]


def test_an_environment_nobody_knows_is_not_told() -> None:
    """A message must not say testnet where it might be live; without the section it is the default."""
    assert salvaged(TEXT.replace('"live"', '"lve"'))[0] == ""
    assert salvaged(TEXT.replace('"live"', '"live'))[0] == ""
    assert salvaged('[[channels]]\nname = "a"\n')[0] == "testnet"
    assert salvaged("exchange = 3")[0] == ""
    assert salvaged("")[0] == "testnet"


@given(st.text(alphabet='[]channels\n "={}.x1', max_size=200) | st.text(max_size=200))
def test_nothing_that_can_stand_in_a_file_is_an_error(text: str) -> None:
    """Whatever somebody saved half-way."""
    environment, channels = salvaged(f"{text}\n{TEXT}")
    assert environment in {"", "testnet", "live"}
    assert isinstance(channels, tuple)
