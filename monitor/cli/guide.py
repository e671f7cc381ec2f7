"""Topics of ``help`` and the groups of commands: data, so that nothing has to be loaded to list them.

A topic is a Markdown file whose first line is ``# name: what it is about``. ``{levels}`` and its like are figures
of the code, filled in when it is read.
"""

from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

GROUPS: Final = {
    "Watching": ("run", "status", "watch", "history", "healthcheck"),
    "Understanding": ("explain", "assess", "simulate", "stress", "leverage", "checkup", "audit"),
    "Answering alerts": ("alerts", "ack", "snooze", "unsnooze", "mute"),
    "Setting up": ("init", "check-config", "doctor", "test-alert", "drill", "demo", "completion"),
    "Service and help": ("reload", "report-failure", "replay", "help"),
}
# In the order in which somebody new needs them.
_NAMES: Final = (
    "start", "words", "levels", "alerts", "config", "secrets", "service", "reload", "web", "environment", "files",
    "exit-codes", "troubleshooting",
)  # fmt: skip


class Topic(NamedTuple):
    """One topic; ``text`` is Markdown without its heading, figures not filled in."""

    name: str
    about: str
    text: str


@cache
def topics() -> tuple[Topic, ...]:
    """Return all topics in the order in which they are listed."""
    return tuple(_topic(name) for name in _NAMES)


def _topic(name: str) -> Topic:
    from importlib import resources

    text = (resources.files("monitor.cli") / "topics" / f"{name}.md").read_text(encoding="utf-8")
    head, _, rest = text.partition("\n")
    return Topic(name, head.removeprefix(f"# {name}: "), rest.strip("\n"))


def filled(topic: Topic) -> str:
    """Return the text of a topic with the figures of the code."""
    text = topic.text
    for name, figure in _FIGURES.items():
        if (slot := f"{{{name}}}") in text:
            text = text.replace(slot, figure())
    return text


def _levels() -> str:
    from monitor.core.settings import DEFAULT_LEVELS

    rows = ["| level | room | moves left | margin ratio | reminder | left after |", "|---|---|---|---|---|---|"]
    for rule in DEFAULT_LEVELS:
        room = "" if rule.room is None else f"<= {_percent(rule.room)}"
        moves = "" if rule.moves_left is None else f"<= {rule.moves_left:g}{_while(rule.moves_left_room)}"
        ratio = rule.margin_ratio
        margin = "" if ratio is None else f">= {_percent(ratio)}{_while(rule.margin_ratio_room)}"
        reminder = "none" if rule.reminder_s is None else _length(rule.reminder_s)
        cells = (rule.level.label, room, moves, margin, reminder, _length(rule.dwell_s))
        rows.append("|" + "".join(f" {cell} |" if cell else " |" for cell in cells))
    return "\n".join(rows)


def _while(room: float) -> str:
    return "" if room >= 1.0 else f" and room <= {_percent(room)}"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _length(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds % 3600 == 0 else f"{seconds / 60:g} min"


def _dead_band() -> str:
    from monitor.core.settings import AlertRules

    return _percent(AlertRules().dead_band)


def _listen() -> str:
    from monitor.config import WebSettings

    plain = WebSettings()
    return f"{plain.host}:{plain.port}"


def _kept() -> str:
    from monitor.config import HistorySettings

    plain = HistorySettings()
    return f"{plain.keep_raw_s / 86400:.0f} days of samples, {plain.keep_minutes_s / 86400:.0f} of minutes"


_FIGURES: Final[dict[str, Callable[[], str]]] = {
    "levels": _levels,
    "dead_band": _dead_band,
    "listen": _listen,
    "kept": _kept,
}
