"""Names of files."""

from monitor.storage.paths import CONTROL_SOCKET, LOCK_FILE, STATE_DB


def test_the_files_of_a_directory_have_distinct_names() -> None:
    """Three files, three names."""
    assert len({STATE_DB, CONTROL_SOCKET, LOCK_FILE}) == 3
