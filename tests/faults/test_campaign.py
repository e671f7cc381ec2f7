"""A share of the seeded stories, and that breaking the product breaks them: ``make campaign`` runs 500.

A story that breaks a promise prints the command that shows it again.
"""

from random import Random

import numpy as np
import pytest

from monitor.core.compile import compile_book
from monitor.core.risk import evaluate
from monitor.core.rules import compile_thresholds, conditions, reached
from tests.core.builders import table
from tests.faults.breakages import BREAKAGES
from tests.faults.campaign import run, told
from tests.faults.story import ENTRY, KINDS, story_of
from tests.faults.verdict import wallets_of

# What each breakage needs; short stories, as stories go.
SHARE = (0, 1, 5, 7, 22, 108, 239)
# Where each is seen; found by trying the share in order.
SEEN_IN = {
    "forgetful": 0,
    "no-pace": 0,
    "no-dwell": 0,
    "unmarked": 0,
    "dropped-commits": 7,
    "never-blind": 7,
    "no-closings": 1,
    "falls-while-blind": 5,
    "no-bridge": 5,
    "no-comparison": 239,
    "no-retries": 22,
    "silent-about-absence": 108,
}


@pytest.mark.parametrize("seed", SHARE)
def test_promises_hold_whatever_goes_wrong(seed: int) -> None:
    """No crossing is lost, blindness is told, ends are told once, nothing is left behind."""
    one = run(seed)
    assert not one.faults, told(one)
    assert one.messages


@pytest.mark.parametrize("name", SEEN_IN)
def test_a_broken_product_breaks_a_promise(name: str) -> None:
    """The campaign can fail."""
    with BREAKAGES[name]():
        one = run(SEEN_IN[name])
    assert one.faults, f"{name} went unseen"
    assert f"--seed {one.seed}" in told(one)


def test_a_seed_tells_the_same_story_again() -> None:
    """Event for event, or no failure could be looked into."""
    assert run(7) == run(7)


def test_stories_are_about_everything_that_can_go_wrong() -> None:
    """Each kind of fault stands in several of them, beside others."""
    stories = [story_of(seed) for seed in range(150)]
    for kind in KINDS:
        mine = [story for story in stories if any(fault.kind == kind for fault in story.faults)]
        assert len(mine) >= 5
        assert any(len(story.faults) > 1 for story in mine)


def test_the_judge_reckons_levels_as_the_product_does() -> None:
    """By a formula of its own."""
    rng = Random(1)  # noqa: S311 - seeded chance is what this is for
    for seed in range(60):
        story = story_of(seed)
        tables = {symbol: table(symbol) for symbol in story.symbols}
        book = compile_book(story.accounts, tables)
        limits = compile_thresholds(book, story.settings)
        wallets = {wallet.subject: wallet for wallet in wallets_of(story.accounts)}
        for _ in range(5):
            marks = {symbol: ENTRY * rng.uniform(0.82, 1.18) for symbol in story.symbols}
            readings = evaluate(book, np.array([marks[symbol] for symbol in book.symbols]))
            levels = reached(conditions(book, limits, readings))
            for index, info in enumerate(book.wallets):
                if not book.exposed[index]:
                    continue
                wallet = wallets[str(info.key)]
                room, ratio = wallet.room_and_ratio(marks)
                assert room == pytest.approx(readings.room[index], abs=1e-9)
                assert ratio == pytest.approx(readings.margin_ratio[index], abs=1e-9)
                assert wallet.level(marks) <= levels[index] <= wallet.level(marks, -1e-9)
