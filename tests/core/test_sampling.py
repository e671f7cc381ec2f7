"""Which wallets get a row of history, and when."""

import numpy as np

from monitor.core.book import Ints
from monitor.core.sampling import LEAST_S, MOST_S, STEP, Sampler
from tests.core.builders import BTC, ETH, book_of, isolated, readings_of

BOOK = book_of(isolated(BTC), isolated(ETH))
NONE: Ints = np.zeros(0, dtype=np.intp)


def due(
    sampler: Sampler,
    now_s: float,
    *,
    ratio: float = 0.1,
    room: float = 0.9,
    cushion: float = 1.0,
    changed: Ints = NONE,
) -> list[int]:
    """Ask with figures of the first wallet; the second never moves."""
    readings = readings_of(BOOK, margin_ratio=(ratio, 0.1), room=(room, 0.9), cushion=(cushion, 1.0))
    return [int(wallet) for wallet in sampler.due(readings, changed, now_s)]


def test_what_was_never_recorded_is_due() -> None:
    """Every known wallet has a first row at once."""
    assert due(Sampler(2), 5.0) == [0, 1]


def test_what_is_unknown_is_never_due() -> None:
    """No row without figures, even when a level changes."""
    assert due(Sampler(2), 5.0, cushion=np.nan, changed=np.array([0])) == [1]


def test_movement_is_recorded_at_most_once_a_second() -> None:
    """Whichever of the two figures moved by a step."""
    sampler = Sampler(2)
    due(sampler, 5.0)
    assert due(sampler, 5.0 + LEAST_S - 0.01, ratio=0.5) == []
    assert due(sampler, 5.0 + LEAST_S, ratio=0.5) == [0]
    assert due(sampler, 5.0 + 2 * LEAST_S, ratio=0.5) == []
    assert due(sampler, 5.0 + 2 * LEAST_S, ratio=0.5 + 2 * STEP) == [0]
    assert due(sampler, 5.0 + 3 * LEAST_S, ratio=0.5 + 2 * STEP, room=0.8) == [0]


def test_a_change_smaller_than_a_step_waits() -> None:
    """Trembling is not worth a row; creeping adds up and is."""
    sampler = Sampler(2)
    due(sampler, 0.0)
    assert due(sampler, 10.0, ratio=0.1 + 0.6 * STEP) == []
    assert due(sampler, 20.0, ratio=0.1 + 1.2 * STEP) == [0]


def test_stillness_is_recorded_once_a_minute() -> None:
    """So that a gap in history means that nothing was known."""
    sampler = Sampler(2)
    due(sampler, 0.0)
    assert due(sampler, MOST_S - 0.01) == []
    assert due(sampler, MOST_S) == [0, 1]


def test_a_change_of_level_is_always_recorded() -> None:
    """Also within the second."""
    sampler = Sampler(2)
    due(sampler, 0.0)
    assert due(sampler, 0.1, changed=np.array([1])) == [1]
    assert due(sampler, 0.1) == []


def test_a_used_up_balance_is_recorded_each_second() -> None:
    """Its ratio is infinite, of which no difference can be taken."""
    sampler = Sampler(2)
    due(sampler, 0.0, ratio=np.inf)
    assert due(sampler, 1.0, ratio=np.inf) == [0]
    assert due(sampler, 1.5, ratio=np.inf) == []
