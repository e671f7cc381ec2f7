"""After how long ``run`` is to end by itself: what may be said, and how what may not is told."""

import asyncio
import json
import threading
from pathlib import Path

import pytest

from monitor.cli.service import Loop, wanted_s
from monitor.dead_man import LEAST_S, MOST_S, VARIABLE
from monitor.errors import ConfigError
from tests.cli.test_common import CONFIG
from tests.cli.test_voice import JSON, PLAIN, lines_of, words_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("60", 60.0), ("60s", 60.0), (" 90 ", 90.0), ("2m", 120.0), ("5.0", LEAST_S),
        ("86400", MOST_S), ("24h", MOST_S),
    ],
)  # fmt: skip
def test_a_time_is_seconds_or_has_a_unit(text: str | None, seconds: float | None) -> None:
    """As durations of the configuration have one; blanks around it do not matter."""
    assert wanted_s(text, {}) == seconds
    assert wanted_s(text, {VARIABLE: text} if text else {}) == seconds


@pytest.mark.parametrize(
    "text", ["4", "4.9s", "86401", "2d", "1e10", "nan", "inf", "-60", "60 sec", "yes", "", " "]
)
def test_what_is_no_such_time_is_refused_with_what_is(text: str) -> None:
    """An option that is empty is more likely a variable that is not set than a wish."""
    with pytest.raises(ConfigError) as caught:
        wanted_s(text, {})
    (problem,) = caught.value.problems
    assert (problem.path, problem.found) == ("--end-when-stuck", repr(text))
    assert problem.allowed == "5 to 86400 seconds, such as 60 or 60s"


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_switches_it_off(text: str) -> None:
    """Where the image has set it."""
    assert wanted_s(text, {VARIABLE: text}) is None


@pytest.mark.parametrize("before", [(), ("--json",)], ids=["", "--json"])
def test_a_wrong_one_is_an_event_of_the_log(tmp_path: Path, before: tuple[str, ...]) -> None:
    """With what it was, where, and what is allowed; nothing but the log is written."""
    words = words_of(tmp_path, f"{JSON}{CONFIG}")
    words[3:3] = before
    code, lines = lines_of(words, **{VARIABLE: "60 sec"})
    assert code == 2
    (event,) = map(json.loads, lines)
    assert (event["event"], event["source"], event["path"]) == ("config.mistake", "environment", VARIABLE)
    assert (event["found"], event["allowed"]) == ("'60 sec'", "5 to 86400 seconds, such as 60 or 60s")


def test_a_wrong_one_is_text_where_the_log_is_for_people(tmp_path: Path) -> None:
    """In the words of any other mistake, for the option as for the variable."""
    code, lines = lines_of([*words_of(tmp_path, f"{PLAIN}{CONFIG}"), "--end-when-stuck", "4"])
    assert code == 2
    assert lines[0] == "position-monitor: command line: 1 problem"
    assert "--end-when-stuck: found '4'" in lines[1]


def test_a_service_that_ended_is_no_failure_where_no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything was drained; the loop would wait for its threads in another one."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def work() -> str:
        done = await asyncio.to_thread(str, 1)
        monkeypatch.setattr(threading.Thread, "start", refuse)
        return done

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(work()) == "1"
