"""What is told once the service has ended for good."""

import pytest

from monitor.core.model import Level
from monitor.notify.layout import MAX_CHARS
from monitor.notify.stopped import Ended, in_words, message

AGAIN = "it was started again and again, until that was too often; at last "
AT_MS = 1_780_000_000_000
CONFIG = "/etc/position-monitor/config.toml"


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (
            Ended("u", "exit-code", "exited", "2"),
            "its configuration or its state directory cannot be used (exit code 2)",
        ),
        (Ended("u", "exit-code", "exited", "1"), AGAIN + "a part of it kept failing (exit code 1)"),
        (Ended("u", "exit-code", "exited", "203"), AGAIN + "systemd could not start the program (exit code 203)"),
        (Ended("u", "exit-code", "exited", "77"), AGAIN + "exit code 77"),
        (Ended("u", "exit-code", "exited", ""), AGAIN + "exit code unknown"),
        (Ended("u", "signal", "killed", "KILL"), AGAIN + "it was killed by signal KILL"),
        (Ended("u", "core-dump", "dumped", "ABRT"), AGAIN + "it was killed by signal ABRT"),
        (Ended("u", "watchdog", "killed", "KILL"), AGAIN + "a loop in it stood still"),
        (Ended("u", "timeout", "killed", "KILL"), "it was not ready, or did not stop, in time"),
        (Ended("u", "oom-kill", "killed", "KILL"), AGAIN + "the system had no memory left"),
        (Ended("u", "start-limit-hit", "exited", "1"), AGAIN + "a part of it kept failing (exit code 1)"),
        (Ended("u"), "systemd names no failure; perhaps somebody started this report by hand"),
        (
            Ended("u", "success", "exited", "0"),
            "systemd names no failure; perhaps somebody started this report by hand",
        ),
    ],
)  # fmt: skip
def test_the_reason_is_what_systemd_knows(ended: Ended, words: str) -> None:
    """Codes of ours and of systemd's in words; the code itself stays, for whoever looks it up.

    A failure that is worth another start is told only once there are no more of them.
    """
    assert in_words(ended) == words


def test_the_title_says_that_nobody_watches() -> None:
    """All that a lock screen shows: which service, that it stays down, and the environment."""
    told = message(
        Ended("position-monitor@main", "signal", "killed", "SEGV"), "live", CONFIG, fmt="text", at_ms=AT_MS
    )
    assert told.title == (
        "SERVICE STOPPED - position-monitor@main has stopped and systemd does not start it again:"
        " nobody watches - LIVE"
    )
    assert told.level is Level.CRITICAL
    assert f"Reason: {AGAIN}it was killed by signal SEGV\n" in told.body
    assert "sudo systemctl start position-monitor@main" in told.body
    assert "check-config" not in told.body


def test_a_configuration_that_cannot_be_used_is_checked_by_the_command_it_names() -> None:
    """The code that says so."""
    told = message(Ended("position-monitor", "exit-code", "exited", "2"), "", CONFIG, fmt="text", at_ms=AT_MS)
    assert f"position-monitor check-config --config {CONFIG}" in told.body
    assert told.title.endswith(" - UNKNOWN ENVIRONMENT")


@pytest.mark.parametrize("fmt", ["text", "html", "markdown"])
def test_names_from_outside_stay_on_their_line_and_within_the_limit(fmt: str) -> None:
    """A unit name, a path and a status are whatever somebody made of them."""
    nasty = "<b>\n*x*" * 1000
    told = message(Ended(nasty, nasty, "killed", nasty), nasty, nasty, fmt=fmt, at_ms=AT_MS)
    assert "\n" not in told.title
    assert len(told.title) + len(told.body) <= MAX_CHARS
    assert "<b>*x*<b>" not in told.body
    assert fmt != "html" or "&lt;b&gt;" in told.body
