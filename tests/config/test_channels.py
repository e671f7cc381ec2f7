"""[[channels]] and the secrets they need."""

from pathlib import Path

import pytest

from monitor.config import ChannelSettings, SecretRef, Settings, load_text, resolve_secrets
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
"""


def settings() -> Settings:
    return load_text(TEXT, "test.toml")


def test_channels_keep_the_place_of_their_secret() -> None:
    """Level and format have defaults; the core is told names and levels only."""
    loaded = settings()
    assert loaded.channels == (
        ChannelSettings("phone", SecretRef(Keeper.ENV, "PHONE_URL"), Level.CRITICAL, "html"),
        ChannelSettings("mail", SecretRef(Keeper.CREDENTIAL, "mail-url"), Level.NOTICE, None),
        ChannelSettings("desk", SecretRef(Keeper.FILE, "~/desk-url")),
    )
    assert loaded.engine.channels[:2] == (ChannelRule("phone", Level.CRITICAL), ChannelRule("mail", Level.NOTICE))


def test_secrets_are_fetched_by_channel(tmp_path: Path) -> None:
    """Each channel gets its own; careless keeping is a warning with the key path."""
    for name in ("mail-url", "desk-url"):
        (tmp_path / name).write_text(f"hush://{name}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o644)
    environ = {"PHONE_URL": "hush://phone", "HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(tmp_path)}
    secrets = resolve_secrets(settings(), environ)
    assert {name: secret.reveal() for name, secret in secrets.channel_urls.items()} == {
        "phone": "hush://phone",
        "mail": "hush://mail-url",
        "desk": "hush://desk-url",
    }
    assert "hush" not in repr(secrets)
    (warning,) = secrets.warnings
    assert warning.startswith("channels[2].url: file ~/desk-url can be read by every user")
    assert resolve_secrets(settings(), environ | {"CREDENTIALS_DIRECTORY": ""}, tmp_path).channel_urls.keys() == {
        "phone",
        "mail",
        "desk",
    }


def test_every_secret_that_is_missing_is_told() -> None:
    """All of them at once, each with its place and the fix."""
    with pytest.raises(ConfigError) as caught:
        resolve_secrets(settings(), {"HOME": "/nonexistent", "PHONE_URL": ""})
    assert [problem.path for problem in caught.value.problems] == [
        "channels[0].url",
        "channels[1].url",
        "channels[2].url",
    ]
    assert all(problem.hint for problem in caught.value.problems)
    assert caught.value.source == "test.toml"
