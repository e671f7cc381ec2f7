"""From answers to files: the text is loaded as the service will load it before anything gets its name."""

import datetime as dt
from pathlib import Path
from typing import NamedTuple

from monitor.cli.setup.answers import ALL_SECRETS, Answers, Stored
from monitor.cli.setup.files import foresee, write_all
from monitor.cli.setup.places import Place
from monitor.cli.setup.text import configuration
from monitor.config import Settings, load_text
from monitor.system_clock import SystemClock


class Written(NamedTuple):
    """What is there now."""

    settings: Settings
    files: tuple[Path, ...]
    kept: tuple[Path, ...]  # what was there before, under its new names


def foreseen(place: Place, *, keep: bool) -> None:
    """Complain of what would stop the writing; see ``foresee``."""
    drop_in = [] if place.drop_in is None else [place.drop_in]
    foresee(
        place.config, [*(place.secrets / f"{place.prefix}{name}" for name in ALL_SECRETS), *drop_in], keep=keep
    )


def write(answers: Answers, place: Place, *, keep: bool) -> Written:
    """Write everything or nothing.

    Args:
        answers: what to write.
        place: where.
        keep: give what is there already another name; else it is refused.

    Raises:
        ConfigError: something is there already.
        FilesError: it cannot be written.
    """
    text = configuration(answers, place.refs(answers), _kept_in(answers, place), place.state)
    files = place.files(answers, text)
    loaded: list[Settings] = []

    def check(path: Path) -> None:
        loaded.append(load_text(path.read_text(encoding="utf-8"), str(place.config)))

    now = dt.datetime.fromtimestamp(SystemClock().wall_ms() / 1000, tz=dt.UTC)
    kept = write_all(files, check, now.strftime("bak-%Y%m%dT%H%M%SZ") if keep else None)
    return Written(loaded[0], tuple(one.path for one in files), tuple(kept))


def _kept_in(answers: Answers, place: Place) -> str:
    sources = [source for _, source in answers.sources()]
    stored = any(isinstance(one, Stored) for one in sources)
    if stored and place.system:
        return f"Each is a file in {place.secrets}, which systemd hands to the service."
    if stored:
        return f"Each has a file of its own in {place.secrets}."
    return "They are in the variables named below." if sources else "None is needed so far."
