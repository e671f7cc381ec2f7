"""Fetching the secrets the settings refer to."""

from pathlib import Path

import pytest

from monitor.config import Settings, gather_secrets, load_text, resolve, resolve_secrets
from monitor.errors import ConfigError
from tests.storage.damage import another_users

TEXT = """
[[accounts]]
name = "by-hand"
[[accounts]]
name = "main"
api_key = { env = "KEY" }
api_secret = { file = "~/secret.pem" }
[[accounts]]
name = "coins"
market = "coinm"
api_key = { env = "KEY" }
api_secret = { env = "SECRET" }
[[channels]]
name = "phone"
url = { env = "PHONE_URL" }
[[channels]]
name = "mail"
url = { credential = "mail-url" }
[[channels]]
name = "desk"
url = { file = "~/desk-url" }
"""
LABEL = "PRIVATE " + "KEY"
PEM = f"-----BEGIN {LABEL}-----\nhushMC4CAQAwBQYDK2VwBCIEIHUSH\nhushline==\n-----END {LABEL}-----"


def settings() -> Settings:
    return load_text(TEXT, "test.toml")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Everything there: addresses, keys, an HMAC secret and a private key; files end with a line break."""
    for name, content in (("mail-url", "hush://mail-url"), ("desk-url", "hush://desk-url"), ("secret.pem", PEM)):
        (tmp_path / name).write_text(f"{content}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    return {
        "PHONE_URL": "hush://phone",
        "KEY": "hushKey",
        "SECRET": " hushSecret\n",
        "HOME": str(tmp_path),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }


def test_channels_get_their_own_address(tmp_path: Path, environ: dict[str, str]) -> None:
    """Fetched by channel; careless keeping is a warning with the key path."""
    (tmp_path / "desk-url").chmod(0o644)
    secrets = resolve_secrets(settings(), environ)
    assert {name: secret.reveal() for name, secret in secrets.channel_urls.items()} == {
        "phone": "hush://phone",
        "mail": "hush://mail-url",
        "desk": "hush://desk-url",
    }
    (warning,) = secrets.warnings
    assert warning.startswith("channels[2].url (desk): file ~/desk-url can be read by every user")


def test_the_directory_of_credentials_can_be_given(tmp_path: Path, environ: dict[str, str]) -> None:
    """It wins over the environment."""
    environ["CREDENTIALS_DIRECTORY"] = ""
    assert resolve_secrets(settings(), environ, tmp_path).channel_urls.keys() == {"phone", "mail", "desk"}


def test_root_finds_those_of_the_machine(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands that need them work by hand as well; without them it is said that there is no directory."""
    del environ["CREDENTIALS_DIRECTORY"]
    monkeypatch.setattr(resolve, "SYSTEM_CREDENTIALS", tmp_path)
    assert resolve_secrets(settings(), environ, accounts=False).channel_urls
    monkeypatch.setattr(resolve, "SYSTEM_CREDENTIALS", tmp_path / "not-here")
    with pytest.raises(ConfigError, match=r"no \$CREDENTIALS_DIRECTORY"):
        resolve_secrets(settings(), environ, accounts=False)


def test_others_than_root_are_told_of_sudo(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's credentials are there, and only root gets in: that there is no directory would be no help."""
    del environ["CREDENTIALS_DIRECTORY"]
    with another_users(tmp_path / "credentials") as machine:
        monkeypatch.setattr(resolve, "SYSTEM_CREDENTIALS", machine)
        with pytest.raises(ConfigError, match=r"permission denied.*ask as root, with sudo"):
            resolve_secrets(settings(), environ, accounts=False)


def test_accounts_get_their_key_and_secret(environ: dict[str, str]) -> None:
    """Blanks around a secret go, the lines of a private key stay; typed-in accounts have none."""
    keys = resolve_secrets(settings(), environ).account_keys
    assert {name: (key.key.reveal(), key.secret.reveal()) for name, key in keys.items()} == {
        "main": ("hushKey", PEM),
        "coins": ("hushKey", "hushSecret"),
    }


def test_secrets_do_not_print_themselves(environ: dict[str, str]) -> None:
    """Neither addresses nor keys, however the whole is shown."""
    secrets = resolve_secrets(settings(), environ)
    assert "hush" not in repr(secrets) + str(secrets) + repr(secrets.account_keys["main"])


def test_what_is_not_needed_is_not_asked_for(environ: dict[str, str]) -> None:
    """A test alert needs no key, following an account no channel."""
    keyless = {name: value for name, value in environ.items() if name not in {"KEY", "SECRET"}}
    channels = resolve_secrets(settings(), keyless, accounts=False)
    assert (len(channels.channel_urls), dict(channels.account_keys)) == (3, {})
    environ |= {"CREDENTIALS_DIRECTORY": "", "PHONE_URL": ""}
    accounts = resolve_secrets(settings(), environ, channels=False)
    assert (dict(accounts.channel_urls), set(accounts.account_keys)) == ({}, {"main", "coins"})


def test_every_secret_that_is_missing_is_told() -> None:
    """All of them at once, each with its place in the file and the fix."""
    with pytest.raises(ConfigError) as caught:
        resolve_secrets(settings(), {"HOME": "/nonexistent", "PHONE_URL": ""})
    assert [problem.path for problem in caught.value.problems] == [
        "accounts[1].api_key",
        "accounts[1].api_secret",
        "accounts[2].api_key",
        "accounts[2].api_secret",
        "channels[0].url",
        "channels[1].url",
        "channels[2].url",
    ]
    assert all(problem.hint for problem in caught.value.problems)
    assert [problem.about for problem in caught.value.problems] == [
        "main", "main", "coins", "coins", "phone", "mail", "desk",
    ]  # fmt: skip
    assert caught.value.source == "test.toml"


def test_one_missing_secret_does_not_keep_the_others(environ: dict[str, str]) -> None:
    """What could be had is there beside what is wrong; half a key is none."""
    del environ["SECRET"], environ["PHONE_URL"]
    secrets, problems = gather_secrets(settings(), environ)
    assert (set(secrets.account_keys), set(secrets.channel_urls)) == ({"main"}, {"mail", "desk"})
    assert [problem.path for problem in problems] == ["accounts[2].api_secret", "channels[0].url"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KEY", "hush hush", "not a single word"),
        ("KEY", PEM, "not a single word"),
        ("SECRET", "hush\nhush", "not a single word"),
        ("SECRET", "-----BEGIN PUBLIC KEY-----\nhush\n-----END PUBLIC KEY-----", "no RSA or Ed25519 private key"),
        ("SECRET", PEM.replace(LABEL, "EC " + LABEL), "no RSA or Ed25519 private key"),
        ("SECRET", PEM.replace(LABEL, "ENCRYPTED " + LABEL), "with a passphrase"),
        (
            "SECRET",
            PEM.replace(LABEL, "RSA " + LABEL).replace("hushMC", "Proc-Type: 4,ENCRYPTED\nhush"),
            "with a passphrase",
        ),
        ("SECRET", PEM.replace("\n", "\\n"), "without its line breaks"),
        ("SECRET", PEM.replace("\n", " "), "without its line breaks"),
    ],
)
def test_what_can_be_no_key_is_told_before_the_exchange_refuses_it(
    environ: dict[str, str], name: str, value: str, told: str
) -> None:
    """The place and the fix, and nothing of what stands there."""
    _, problems = gather_secrets(settings(), environ | {name: value}, channels=False)
    assert problems
    for problem in problems:
        assert problem.path.endswith("api_key" if name == "KEY" else "api_secret")
        assert told in problem.found
        assert f"environment variable {name}, which is" in problem.found
        assert problem.hint
        assert "hush" not in str(problem)


@pytest.mark.parametrize("secret", [PEM.replace(LABEL, "RSA " + LABEL), f"Bag Attributes\n{PEM}", "hush/+=-_."])
def test_secrets_of_every_kind_are_taken(environ: dict[str, str], secret: str) -> None:
    """RSA in its older form, a key with text before it, and whatever characters an HMAC secret has."""
    keys = resolve_secrets(settings(), environ | {"SECRET": secret}, channels=False).account_keys
    assert keys["coins"].secret.reveal() == secret
