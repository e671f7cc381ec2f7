"""Settings: frozen, and the paths and time zone they lead to."""

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from monitor.config import DisplaySettings, Settings, load_text


def loaded(rest: str = "") -> Settings:
    return load_text('[[accounts]]\nname = "main"\n' + rest, "test.toml")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/home/me"}, "/home/me/.local/state/position-monitor"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/xdg"}, "/xdg/position-monitor"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "relative"}, "/home/me/.local/state/position-monitor"),
        ({"HOME": "/home/me", "XDG_STATE_HOME": "/xdg", "STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
    ],
)
def test_where_state_lives(environ: dict[str, str], expected: str) -> None:
    """The directory of systemd, else XDG's, else below the home directory; the history is in it."""
    assert loaded().state_directory(environ) == Path(expected)
    assert loaded().history_path(environ) == Path(expected) / "history.db"


def test_configured_paths_win() -> None:
    """What is written wins over the environment; ~ is HOME."""
    settings = loaded('[state]\ndirectory = "~/state"\n[history]\npath = "~/h.db"\n')
    environ = {"HOME": "/home/me", "STATE_DIRECTORY": "/var/lib/a"}
    assert settings.state_directory(environ) == Path("/home/me/state")
    assert settings.history_path(environ) == Path("/home/me/h.db")


@pytest.mark.parametrize(("name", "offset_h"), [("UTC", 0), ("Asia/Tokyo", 9)])
def test_the_time_zone(name: str, offset_h: int) -> None:
    """A name becomes a time zone."""
    assert dt.datetime(2026, 1, 1, tzinfo=dt.UTC).astimezone(
        DisplaySettings(name).zone()
    ).utcoffset() == dt.timedelta(hours=offset_h)


def test_local_time_is_the_machines_own() -> None:
    """None is how the standard library spells it."""
    assert DisplaySettings().zone() is None


def test_settings_cannot_be_changed() -> None:
    """What was checked stays as it was checked."""
    settings = loaded()
    for field in dataclasses.fields(settings):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, field.name, None)
