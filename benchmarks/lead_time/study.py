"""Runs all tasks, in this process or in a few, and puts the outcomes together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import NamedTuple

from benchmarks.lead_time.books import Terms
from benchmarks.lead_time.follow import Follower
from benchmarks.lead_time.plan import Task
from benchmarks.lead_time.tally import LEVELS, Outcome

Progress = Callable[[float], None]


class Case(NamedTuple):
    """What an outcome is about; ``even`` where the seeds were those the levels were tuned on."""

    kind: str
    terms: Terms
    policy: str
    even: bool = False


class Results:
    """Outcomes by case, of warnings and worse and of criticals and worse."""

    def __init__(self) -> None:
        self._outcomes: dict[Case, tuple[Outcome, ...]] = {}

    def add(self, task: Task, found: list[list[list[Outcome]]]) -> None:
        """Count what one task saw."""
        for terms, by_policy in zip(task.unit.terms, found, strict=True):
            for policy, outcomes in zip(task.policies, by_policy, strict=True):
                case = Case(task.unit.kind.name, terms, policy.name, task.unit.seed % 2 == 0)
                whole = self._outcomes.setdefault(case, tuple(Outcome() for _ in LEVELS))
                for total, outcome in zip(whole, outcomes, strict=True):
                    total.add(outcome)

    def swapped(self) -> "Results":
        """Return the same with even and odd seeds exchanged, so that even ones are shown where odd ones are."""
        other = Results()
        other._outcomes = {case._replace(even=not case.even): found for case, found in self._outcomes.items()}
        return other

    def warnings(self, case: Case) -> Outcome:
        """Return the outcome of warnings and worse."""
        return self._outcomes[case][0]

    def criticals(self, case: Case) -> Outcome:
        """Return the outcome of criticals and worse."""
        return self._outcomes[case][1]

    def __contains__(self, case: Case) -> bool:
        return case in self._outcomes


def run(tasks: Sequence[Task], jobs: int, progress: Progress) -> Results:
    """Run all tasks; ``progress`` is told the share done, from 0 to 1. The results do not depend on ``jobs``."""
    whole = sum(task.work for task in tasks)
    found: dict[int, list[list[list[Outcome]]]] = {}
    done = 0.0
    if jobs > 1:
        # Not forked: threads of numerical libraries do not survive it.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            waiting = {pool.submit(_run, task): i for i, task in enumerate(tasks)}
            for future in as_completed(waiting):
                i = waiting[future]
                found[i] = future.result()
                done += tasks[i].work
                progress(done / whole)
    else:
        for i, task in enumerate(tasks):
            share = task.work / whole
            found[i] = Follower(task.unit, task.policies).run(
                lambda part, done=done, share=share: progress(done + part * share)  # type: ignore[misc]
            )
            done += share
    results = Results()
    for i, task in enumerate(tasks):
        results.add(task, found[i])
    return results


def _run(task: Task) -> list[list[list[Outcome]]]:
    return Follower(task.unit, task.policies).run()
