"""[heartbeat] and [summary]: how somebody learns that the service itself is alive."""

import pytest

from monitor.config import HeartbeatSettings, SecretRef, SummarySettings, gather_secrets, load_text
from monitor.config.secret import Keeper
from monitor.errors import ConfigError

ACCOUNT = '[[accounts]]\nname = "main"\n'
URL = "url = { env = 'HEARTBEAT_URL' }\n"
REF = SecretRef(Keeper.ENV, "HEARTBEAT_URL")


def channels(*lines: str) -> str:
    return "".join(
        f"[[channels]]\nname = \"c{i}\"\nurl = {{ env = 'C' }}\n{line}\n" for i, line in enumerate(lines)
    )


def told(text: str) -> list[str]:
    """Return the channels that get the summary."""
    return [rule.name for rule in load_text(ACCOUNT + text, "x").engine.channels if rule.summary]


def test_without_sections_there_is_a_summary_and_no_heartbeat() -> None:
    """A message on a channel of one's own costs nothing; an address to ping has to be somebody's."""
    loaded = load_text(ACCOUNT, "x")
    assert loaded.heartbeat is None
    assert loaded.summary == SummarySettings(enabled=True, at_minute=8 * 60)


def test_a_heartbeat_keeps_the_place_of_its_address() -> None:
    """What is not written has a default."""
    assert load_text(f"{ACCOUNT}[heartbeat]\n{URL}", "x").heartbeat == HeartbeatSettings(REF)
    text = f'{ACCOUNT}[heartbeat]\n{URL}kind = "uptime-kuma"\ninterval = "5m"\ntell_failure = false\n'
    assert load_text(text, "x").heartbeat == HeartbeatSettings(REF, "uptime-kuma", 300.0, tell_failure=False)


@pytest.mark.parametrize(("at", "minute"), [("00:00", 0), ("8:05", 485), ("23:59", 1439)])
def test_times_of_day_are_minutes(at: str, minute: int) -> None:
    """Of the whole day, with or without a leading zero."""
    assert load_text(f'{ACCOUNT}[summary]\nat = "{at}"\n', "x").summary.at_minute == minute


@pytest.mark.parametrize("at", ["24:00", "12:60", "-1:00", "8", "08:00:00", "٠٨:٠٠"])
def test_what_no_clock_shows_is_refused(at: str) -> None:
    """A time that never comes would be a summary that never comes."""
    with pytest.raises(ConfigError, match=r"summary\.at"):
        load_text(f'{ACCOUNT}[summary]\nat = "{at}"\n', "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (channels('min_level = "critical"', 'min_level = "warning"', 'min_level = "warning"'), ["c1"]),
        (channels("", 'min_level = "critical"\nsummary = true'), ["c1"]),
        (channels("summary = true", "summary = true"), ["c0", "c1"]),
        (channels("summary = false", 'min_level = "critical"'), ["c1"]),
        (channels("summary = false", "summary = false"), []),
        (channels("summary = true") + "[summary]\nenabled = false\n", []),
    ],
)
def test_the_summary_goes_to_those_that_ask_else_to_the_quietest(text: str, expected: list[str]) -> None:
    """The quietest is the first of those with the lowest level; one that says no is never chosen."""
    assert told(text) == expected


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://example.com/hush", "unencrypted addresses are for this machine only"),
        ("ftp://example.com/hush", "starts with https://"),
        ("hush", "copy the ping address"),
        ("https:///hush", "copy the ping address"),
        ("https://example.com/hush hush", "copy the ping address"),
        ("https://user:hush@example.com/", "a user or a fragment"),
        ("https://example.com/#hush", "a user or a fragment"),
        ("https://example.com:99999/hush", "copy the ping address"),
        ("https://[hush/", "copy the ping address"),
        ("https://exämple.com/hush", "copy the ping address"),
    ],
)
def test_an_address_that_cannot_be_pinged_is_refused_without_repeating_it(address: str, words: str) -> None:
    """The address is a secret: not even its host is told."""
    settings = load_text(f"{ACCOUNT}[heartbeat]\n{URL}", "x")
    secrets, (problem,) = gather_secrets(settings, {"HEARTBEAT_URL": address})
    assert secrets.heartbeat_url is None
    assert problem.path == "heartbeat.url"
    assert words in str(problem)
    assert "hush" not in str(problem)
    assert "example" not in str(problem)


@pytest.mark.parametrize(
    "address",
    [
        "https://hc-ping.com/4b0e5a6e-0000-4000-8000-0123456789ab",
        "https://kuma.example:3001/api/push/abcDEF1234?status=up&msg=OK&ping=",
        "http://127.0.0.1:8000/ping/x",
        "http://localhost:3001/api/push/x",
        "http://[::1]:3001/api/push/x",
    ],
)
def test_addresses_as_services_show_them_are_taken(address: str) -> None:
    """With a query, a port, and unencrypted on this machine."""
    settings = load_text(f"{ACCOUNT}[heartbeat]\n{URL}", "x")
    secrets, problems = gather_secrets(settings, {"HEARTBEAT_URL": f"{address}\n"})
    assert problems == ()
    assert secrets.heartbeat_url is not None
    assert secrets.heartbeat_url.reveal() == address
    assert address not in repr(secrets)


def test_a_heartbeat_that_is_not_asked_for_is_not_fetched() -> None:
    """A command that pings nothing does without the address."""
    settings = load_text(f"{ACCOUNT}[heartbeat]\n{URL}", "x")
    assert gather_secrets(settings, {}, heartbeat=False)[1] == ()
    (problem,) = gather_secrets(settings, {})[1]
    assert (problem.path, "HEARTBEAT_URL, which is not set" in problem.found) == ("heartbeat.url", True)


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("[heartbeat]\nkind = 'auto'", "heartbeat.url"),
        (f"[heartbeat]\n{URL}interval = '9s'", "heartbeat.interval"),
        (f"[heartbeat]\n{URL}interval = '25h'", "heartbeat.interval"),
        (f"[heartbeat]\n{URL}kind = 'pulse'", "heartbeat.kind"),
        ("[summary]\nat = 8", "summary.at"),
    ],
)
def test_each_mistake_is_told_at_its_place(section: str, path: str) -> None:
    """A section without an address pings nothing, which is hardly what was meant."""
    with pytest.raises(ConfigError) as caught:
        load_text(f"{ACCOUNT}{section}\n", "x")
    assert [problem.path for problem in caught.value.problems] == [path]
