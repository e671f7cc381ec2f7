"""The one message that the service cannot send itself: it has ended, and nothing starts it again. Pure."""

from datetime import UTC, tzinfo
from typing import Final, NamedTuple

from monitor.core.model import Level
from monitor.core.notices import Facts
from monitor.notify.layout import escape, fitted, form_of, room_beside
from monitor.notify.numbers import moment
from monitor.notify.titles import title
from monitor.notify.words import Line, clean
from monitor.ports import Message

MISUSED: Final = "2"  # the exit code of a configuration or a state directory that cannot be used
_NOT_STARTED_AGAIN = ("timeout", "resources")  # or not only after it was
_EXITS = {
    "1": "a part of it kept failing",
    MISUSED: "its configuration or its state directory cannot be used",
    "203": "systemd could not start the program",
    "217": "systemd could not make its user",
    "226": "systemd could not set up what it may see of the system",
    "238": "systemd could not make its state directory",
    "243": "systemd could not load its credentials",
}
_RESULTS = {
    "timeout": "it was not ready, or did not stop, in time",
    "watchdog": "a loop in it stood still",
    "oom-kill": "the system had no memory left",
    "protocol": "it ended before it was ready",
    "resources": "systemd had not what it takes to start it",
}


class Ended(NamedTuple):
    """What systemd knows of the end: ``$MONITOR_SERVICE_RESULT`` and its like; empty if it told nothing."""

    unit: str
    result: str = ""
    code: str = ""  # exited, killed or dumped
    status: str = ""  # an exit code, or the name of a signal


def in_words(ended: Ended) -> str:
    """Return why a service ended. systemd tells the last end only; the limit of starts is known by what it was."""
    if ended.result in {"", "success"}:
        return "systemd names no failure; perhaps somebody started this report by hand"
    words = _RESULTS.get(ended.result) or _last(ended)
    at_once = ended.result in _NOT_STARTED_AGAIN or (ended.code == "exited" and ended.status == MISUSED)
    return words if at_once else f"it was started again and again, until that was too often; at last {words}"


def message(ended: Ended, environment: str, config: str, *, fmt: str, at_ms: int, tz: tzinfo = UTC) -> Message:
    """Return what to tell, as loud as an alert that is critical.

    Args:
        ended: what is known of it.
        environment: of the configuration; empty: not known.
        config: its path.
        fmt: as for ``notify.message.render``.
        at_ms: when it is told first, Unix milliseconds.
        tz: a zone to show beside UTC.
    """
    form = form_of(fmt)
    unit = clean(ended.unit)
    story = f"SERVICE STOPPED - {unit} has stopped and systemd does not start it again: nobody watches"
    whole = title(Facts(environment=environment), story)
    look = f"sudo journalctl -u {unit} -n 20 says what was wrong"
    if ended.status == MISUSED:
        look += f", and so does position-monitor check-config --config {clean(config)}"
    lines = (
        Line("Reason", in_words(ended)),
        Line("Meaning", "until it runs again no price is looked at and no alert comes"),
        Line("To do", f"{look}; then sudo systemctl reset-failed {unit} and sudo systemctl start {unit}"),
        Line("When", moment(at_ms, tz)),
    )
    return Message(whole, fitted(lines, form, room_beside(escape(whole, fmt), form)), form.name, Level.CRITICAL)


def _last(ended: Ended) -> str:
    if ended.code in {"killed", "dumped"}:
        return f"it was killed by signal {clean(ended.status)}"
    words = _EXITS.get(ended.status, "")
    status = f"exit code {clean(ended.status) or 'unknown'}"
    return f"{words} ({status})" if words else status
