"""What a file that is no TOML any more seems to say."""

import pytest

from monitor.places import seeming_directory

_BROKEN = '\n[web]\nlisten = "unfinished\n'


@pytest.mark.parametrize(
    "text",
    [
        '[state]\ndirectory = "/a"',
        "[state]\n  directory='/a' # ours",
        '[ state ]\ndirectory = "/a"',
        '\t[ state ]# ours\nkeep = 1\ndirectory = "/a"',
        'state.directory = "/a"',
        'state . directory="/a"',
        'state = { directory = "/a" }',
        "state={directory='/a'}",
        'state = { history = "/b", directory = "/a" } # ours',
    ],
)
def test_the_state_directory_is_found_in_every_way_to_write_it(text: str) -> None:
    """TOML has several: a table, with blanks in its header or without, a dotted key, a table in one line."""
    assert seeming_directory(text + _BROKEN) == "/a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        'directory = "/a"',
        '[web]\ndirectory = "/a"',
        '[state]\ndirectory = ""',
        "[state]\ndirectory = 3",
        '[state]\n[web]\ndirectory = "/a"',
        '[state.more]\ndirectory = "/a"',
        '[[state]]\ndirectory = "/a"',
        '[web]\nstate.directory = "/a"',
        '[web]\nstate = { directory = "/a" }',
        '# state.directory = "/a"',
        'state = { history = "/b" } # directory = "/a"',
        'understate.directory = "/a"',
    ],
)
def test_a_text_that_names_none_seems_to_name_none(text: str) -> None:
    """A directory of another table is somebody else's, and a comment names nothing."""
    assert seeming_directory(text + _BROKEN) is None
