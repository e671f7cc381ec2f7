"""Logging: one line an event, for machines or for a person, without secrets and without failing."""

import errno
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from monitor import logs
from monitor.config import Secret

log: Any = structlog.get_logger("monitor.tests")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Leave the process's logging as it was."""
    names = [None, logs.OURS, *logs._TELLTALES]
    loggers = [logging.getLogger(name) for name in names]
    before = [(one, one.level, one.propagate, list(one.handlers)) for one in loggers]
    yield
    for one, level, propagate, handlers in before:
        one.setLevel(level)
        one.propagate = propagate
        one.handlers[:] = handlers
    structlog.reset_defaults()


def configured(level: str = "info", style: str = "auto", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream if stream is not None else io.StringIO()
    logs.configure(level, style, stream, {})
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_where_nobody_watches() -> None:
    """Not on a terminal, every event is one JSON object: what all have comes first, times are UTC."""
    stream = configured()
    log.info("feed.lost", host="h", down_s=1.5, symbol="龙虾USDT")
    (line,) = lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "feed.lost", "host": "h", "down_s": 1.5, "symbol": "龙虾USDT"}
    assert stream.getvalue().isascii()


def test_console_on_a_terminal() -> None:
    """On a terminal events are for reading, in colour unless NO_COLOR says no."""
    coloured, plain = configured(stream=Terminal()), Terminal()
    log.info("feed.lost", host="h")
    logs.configure("info", "auto", plain, {"NO_COLOR": "1"})
    log.info("feed.lost", host="h")
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue()
    assert "feed.lost" in plain.getvalue()
    assert "host=h" in plain.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_the_format_can_be_chosen(stream: io.StringIO) -> None:
    """The format asked for is used whether or not somebody watches."""
    configured(style="json", stream=stream)
    log.info("one")
    assert lines(stream)[0]["event"] == "one"
    configured(style="console", stream=stream)
    log.info("two")
    assert not stream.getvalue().splitlines()[1].startswith("{")


def test_the_level() -> None:
    """What is below the level is not written; libraries are heard from warning upward at any level."""
    stream = configured("debug")
    log.debug("a")
    logging.getLogger("library").info("b")
    logging.getLogger("library").warning("c %s", 1)
    configured("error", stream=stream)
    log.warning("d")
    logging.getLogger("library").warning("e")
    assert [line["event"] for line in lines(stream)] == ["a", "c 1", "e"]
    assert lines(stream)[1]["logger"] == "library"
    assert lines(stream)[1]["level"] == "warning"


def test_setting_up_again_replaces_the_first() -> None:
    """Nothing is written twice, and loggers made before follow."""
    first = configured()
    log.info("a")
    second = configured()
    log.info("b")
    assert [line["event"] for line in lines(first)] == ["a"]
    assert [line["event"] for line in lines(second)] == ["b"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_tracebacks_show_no_local_variables(style: str) -> None:
    """A traceback says where, never what the variables held."""
    stream = configured(style=style)
    hidden = "hush" + "-hush"
    nothing: list[int] = []
    try:
        nothing[len(hidden)] = 1
    except IndexError:
        log.exception("job.failed")
        logging.getLogger("library").exception("failed")
    assert stream.getvalue().count("IndexError: list") == 2
    assert "hush-hush" not in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_secret_in_a_field_stays_one(style: str) -> None:
    """A field that is a secret by mistake is masked."""
    stream = configured(style=style)
    log.info("a", value=Secret("hush"), values=[Secret("hush")])
    assert "hush" not in stream.getvalue()
    assert "****" in stream.getvalue()


@pytest.mark.parametrize("name", [*logs._TELLTALES, "urllib3.connectionpool"])
def test_libraries_that_tell_addresses_are_not_heard(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Their messages hold whole addresses; they reach neither the log nor the last resort of the library."""
    telltale = logging.getLogger(name.partition(".")[0])
    stream = configured("debug")
    handlers = list(telltale.handlers)
    configured("debug", stream=stream)
    logging.getLogger(name).critical("cannot reach hush://token@host")
    assert stream.getvalue() == ""
    assert capsys.readouterr().err == ""
    assert telltale.handlers == handlers  # a second set-up adds nothing


def test_a_log_that_cannot_be_written_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk costs the line, not the watch."""
    configured(stream=Full())
    log.info("feed.lost")
    assert "No space left" in capsys.readouterr().err


def test_context_variables_are_part_of_every_line() -> None:
    """What is bound for a task is on each of its lines."""
    stream = configured()
    with structlog.contextvars.bound_contextvars(job="feed"):
        log.info("a")
    log.info("b")
    assert [line.get("job") for line in lines(stream)] == ["feed", None]


def test_loggers_come_from_here_too() -> None:
    """The one import gives both the set-up and the loggers."""
    stream = configured()
    logs.get_logger("monitor.tests").info("a")
    assert lines(stream)[0]["event"] == "a"
