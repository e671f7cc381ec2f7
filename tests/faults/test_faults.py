"""A part of the table of docs/faults.md, played anew each time, and that the document cannot rot."""

import pytest

from tests.faults.catalogue import ROWS
from tests.faults.document import written
from tests.faults.parallel import played
from tests.faults.play import Outcome
from tests.faults.promises import broken
from tests.faults.rows import Row
from tests.faults.run import How

_FACTOR = 12.0
_WINDOW_S = 60.0
# The longest first: they are started one after another.
_QUICK = sorted((row for row in ROWS if row.quick), key=lambda row: -row.lasts_s)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """Every quick row, played once."""
    how = How(len(_QUICK), _WINDOW_S, tries=1, comparable=False, apart_s=2.5)
    return played(_QUICK, how, factor=_FACTOR, processes=2)


@pytest.mark.parametrize("row", _QUICK, ids=lambda row: row.name)
def test_what_was_promised_is_kept_while_it_is_broken(row: Row, outcomes: dict[str, Outcome]) -> None:
    """Nothing lost, silence told in time, the emergency on a screen in time, few messages."""
    outcome = outcomes[row.name]
    assert broken(row, outcome) == [], "\n".join(outcome.story)


def test_every_fault_has_a_row_in_the_document_and_no_row_lost_an_alert() -> None:
    """``make faults`` was run after the last fault was added."""
    assert written() == dict.fromkeys((row.name for row in ROWS), 0)


def test_names_of_rows_are_unique() -> None:
    """A row is found by its name."""
    assert len({row.name for row in ROWS}) == len(ROWS)
