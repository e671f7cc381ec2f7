"""Where files are kept."""

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.storage.paths import CONTROL_SOCKET, HISTORY_DB, LOCK_FILE, STATE_DB, state_dir


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/pm", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/var/lib/pm"),
        ({"STATE_DIRECTORY": "/var/lib/pm:/var/lib/other"}, "/var/lib/pm"),
        ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/position-monitor"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/position-monitor"),
        ({"HOME": "/h"}, "/h/.local/state/position-monitor"),
    ],
)
def test_the_state_directory_follows_systemd_then_xdg_then_home(environ: dict[str, str], expected: str) -> None:
    """The directory of systemd wins, then an absolute XDG one, then the place XDG names by default."""
    assert state_dir(environ) == Path(expected)


def test_an_environment_that_tells_nothing_is_a_mistake_to_correct() -> None:
    """Files are never put somewhere by guess."""
    with pytest.raises(ConfigError, match="set STATE_DIRECTORY, XDG_STATE_HOME or HOME"):
        state_dir({})


def test_the_files_of_a_directory_have_distinct_names() -> None:
    """Four files, four names."""
    assert len({STATE_DB, HISTORY_DB, CONTROL_SOCKET, LOCK_FILE}) == 4
