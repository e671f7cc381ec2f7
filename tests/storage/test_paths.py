"""Names of files."""

from monitor.storage.paths import CONTROL_SOCKET, HISTORY_DB, LOCK_FILE, STATE_DB


def test_the_files_of_a_directory_have_distinct_names() -> None:
    """Four files, four names."""
    assert len({STATE_DB, HISTORY_DB, CONTROL_SOCKET, LOCK_FILE}) == 4
