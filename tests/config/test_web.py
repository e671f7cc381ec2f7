"""[web]: where pages are served, and who may ask."""

import pytest

from monitor.config import SecretRef, WebSettings, gather_secrets, load_text
from monitor.config.secret import Keeper
from monitor.config.web import FEWEST_CHARS
from monitor.errors import ConfigError

ACCOUNT = '[[accounts]]\nname = "main"\n'
TOKEN = "token = { env = 'WEB_TOKEN' }\n"
REF = SecretRef(Keeper.ENV, "WEB_TOKEN")


def loaded(text: str) -> WebSettings:
    return load_text(f"{ACCOUNT}[web]\n{text}", "x").web


def test_nothing_is_served_unless_asked_for() -> None:
    """Off, and once it is on, for this machine only."""
    assert load_text(ACCOUNT, "x").web == WebSettings(enabled=False, host="127.0.0.1", port=9757)
    assert loaded("enabled = true\n") == WebSettings(enabled=True, host="127.0.0.1", port=9757)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.9.9.9:65535", "[::1]:9757"])
def test_loopback_needs_no_token(listen: str) -> None:
    """Who reads there is on this machine already."""
    found = loaded(f'enabled = true\nlisten = "{listen}"\n')
    assert f"{found.host}:{found.port}" == listen.replace("[", "").replace("]", "")


@pytest.mark.parametrize("listen", ["0.0.0.0:9757", "[::]:9757", "192.168.1.7:80", "[::ffff:192.168.1.7]:80"])
def test_any_other_address_needs_one(listen: str) -> None:
    """Refused as a whole, so that a start opens nothing that was meant to be closed; while it is off it waits."""
    text = f'listen = "{listen}"\n'
    with pytest.raises(ConfigError, match=r"web\.token: found nothing"):
        loaded(f"enabled = true\n{text}")
    assert loaded(text).token is None
    assert loaded(f"enabled = true\n{text}{TOKEN}").token == REF


def test_names_are_written_small() -> None:
    """As browsers send them."""
    assert loaded('names = ["Monitor.LAN", "nas"]\n').names == ("monitor.lan", "nas")


@pytest.mark.parametrize(
    ("token", "found"),
    [
        ("hush" * 3 + "hus", f"has fewer than {FEWEST_CHARS} characters"),
        ("hush hush hush hush hush", "is not a single word of ASCII characters"),
        ("hush-hush-hush-h\u00fcsh", "is not a single word of ASCII characters"),
    ],
)
def test_a_token_that_could_be_guessed_or_sent_wrongly_is_refused(token: str, found: str) -> None:
    """Said without a letter of it, with the way to make one."""
    settings = load_text(f"{ACCOUNT}[web]\nenabled = true\n{TOKEN}", "x")
    secrets, (problem,) = gather_secrets(settings, {"WEB_TOKEN": token})
    assert secrets.web_token is None
    assert (problem.path, problem.found) == ("web.token", f"environment variable WEB_TOKEN, which {found}")
    assert "openssl rand" in str(problem)
    assert "hush" not in str(problem)


def test_a_token_is_fetched_only_where_it_is_used() -> None:
    """A section that is off does not keep the service from starting."""
    off = load_text(f"{ACCOUNT}[web]\n{TOKEN}", "x")
    assert gather_secrets(off, {})[1] == ()
    on = load_text(f"{ACCOUNT}[web]\nenabled = true\n{TOKEN}", "x")
    assert [problem.path for problem in gather_secrets(on, {})[1]] == ["web.token"]
    secrets, problems = gather_secrets(on, {"WEB_TOKEN": "x" * FEWEST_CHARS})
    assert problems == ()
    assert secrets.web_token is not None
    assert secrets.web_token.reveal() == "x" * FEWEST_CHARS
