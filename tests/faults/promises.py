"""What every row is held to."""

from collections.abc import Iterator

from tests.faults.play import Outcome
from tests.faults.rows import Row


def broken(row: Row, outcome: Outcome) -> list[str]:
    """Return which promises a row did not keep, in words; empty if it kept all.

    By how much the machine was too slow is added to each time, for that is no fault of the service.
    """
    return list(_broken(row, outcome))


def _broken(row: Row, outcome: Outcome) -> Iterator[str]:
    slack_s = outcome.lag_s
    if "EMERGENCY" not in outcome.reached:
        yield "there was no emergency: nothing was tried"
    if outcome.lost:
        yield f"nobody was told of {', '.join(outcome.lost)}"
    if row.told is not None and outcome.told_s is None:
        yield f"nobody was told of the fault ({row.told.value})"
    elif row.told is not None and outcome.told_s is not None and outcome.told_s > row.told_s + slack_s:
        yield f"the fault was told after {outcome.told_s:.1f} s, not within {row.told_s:g} s"
    if outcome.late_s is not None and outcome.after_s is not None:
        # What cannot be seen or told while the fault lasts counts from its end.
        counted_s = outcome.late_s if row.seen else min(outcome.late_s, outcome.after_s)
        if counted_s > row.late_s + slack_s:
            yield f"the emergency was told after {counted_s:.1f} s, not within {row.late_s:g} s"
    if outcome.messages > row.most:
        yield f"{outcome.messages} messages, not {row.most} at most"
