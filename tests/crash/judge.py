"""Counts, from what the outside wrote down: crossings lost, messages repeated, incidents not closed once."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.core.model import Level
from monitor.core.notices import NoticeKind
from monitor.storage.outbox import OutboxState
from monitor.storage.state import StateReader
from tests.crash.incident import FLEETING, INCIDENTS, LEAST, SUBJECTS

_GIVEN_UP = (OutboxState.SUPERSEDED, OutboxState.RESOLVED)


class Accepted(NamedTuple):
    """A notice in a message that a service took."""

    life: int
    channel: str
    key: str
    subject: str
    kind: str
    level: int
    number: int
    title: str


class Verdict(NamedTuple):
    """What one case came to."""

    crossings: int
    lost: int  # no message of that level or a worse one was ever accepted
    repeats: int  # messages accepted more than once
    most_repeats: int  # of one notice on one channel
    closed: int  # incidents with a delivered alert, each with exactly one closing notice
    faults: tuple[str, ...]  # all that breaks a promise


def accepted_in(directory: Path) -> list[Accepted]:
    """Return what the services took; a record cut short by the kill was not taken, for nobody got an answer."""
    path = directory / "accepted"
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    return [Accepted(**json.loads(line)) for line in lines if line.endswith(b"}")]


def judge(directory: Path, crashes: int) -> Verdict:
    """Judge a case whose last process ended by itself.

    Args:
        directory: of the case.
        crashes: how many of its processes were killed.
    """
    rows = accepted_in(directory)
    verdict = count(rows, crashes)
    return verdict._replace(faults=(*verdict.faults, *_ledger(directory, rows, crashes)))


def count(rows: Sequence[Accepted], crashes: int) -> Verdict:
    """Count what the services took, on every channel and for every wallet of the script."""
    faults = list(_repeats(rows, crashes))
    crossings = lost = closed = 0
    for channel, least in LEAST.items():
        for symbol, subject in SUBJECTS.items():
            there = [row for row in rows if (row.channel, row.subject) == (channel, subject)]
            incidents = [[row for row in there if row.number == n] for n in sorted({row.number for row in there})]
            wanted = [
                levels
                for one in INCIDENTS
                if one.symbol == symbol and (levels := [level for level in one.crossed if level >= least])
            ]
            where = f"{channel} {symbol}"
            if not len(wanted) <= len(incidents) <= len(wanted) + FLEETING.get(symbol, 0):
                faults.append(f"{where}: {len(incidents)} incidents, {len(wanted)} in the script")
            for own in incidents:
                faults.extend(f"{where}: {fault}" for fault in _closings(own))
                closed += len({row.key for row in own if row.kind == NoticeKind.CLOSED}) == 1
            for place, levels in enumerate(wanted):
                told = incidents[place] if place < len(incidents) else []
                worst = max((row.level for row in told if row.kind == NoticeKind.ALERT), default=Level.OK)
                missing = [level.label for level in levels if worst < level]
                crossings += len(levels)
                lost += len(missing)
                faults.extend(f"{where}: {name} of incident {place + 1} is lost" for name in missing)
    counts = Counter((row.channel, row.key) for row in rows)
    return Verdict(
        crossings, lost, len(rows) - len(counts), max(counts.values(), default=1) - 1, closed, tuple(faults)
    )


def _repeats(rows: Sequence[Accepted], crashes: int) -> Iterator[str]:
    """A notice is accepted once in each life of the process at most, and repeated once for each crash at most."""
    for (channel, key, life), count in Counter((row.channel, row.key, row.life) for row in rows).items():
        if count > 1:
            yield f"{channel} {key}: accepted {count} times by process {life}"
    for (channel, key), count in Counter((row.channel, row.key) for row in rows).items():
        if count > 1 + crashes:
            yield f"{channel} {key}: accepted {count} times with {crashes} crashes"


def _closings(own: Sequence[Accepted]) -> Iterator[str]:
    """Rows of one incident on one channel: one alert a level, and one closing notice if there was an alert."""
    told = any(row.kind == NoticeKind.ALERT for row in own)
    closing = {row.key for row in own if row.kind == NoticeKind.CLOSED}
    # An end without a beginning is told where it is not known whether the alert got through before the crash.
    if len(closing) > 1 or len(closing) < told:
        yield f"{len(closing)} closing notices, alerts: {told}"
    alerts = Counter(level for level, _ in {(r.level, r.key) for r in own if r.kind == NoticeKind.ALERT})
    for level, count in alerts.items():
        if count > 1:
            yield f"{count} different alerts of level {Level(level).label}"


def _ledger(directory: Path, rows: Sequence[Accepted], crashes: int) -> Iterator[str]:
    """The ledger agrees with the services: nothing waits, and what was accepted is known to be.

    But for a message that was given up while it was under way, in a process that died before it heard back.
    """
    with StateReader(directory / "state.db") as reader:
        kept = {(row.key, row.channel): row for row in reader.alerts(10_000)}
    for row in kept.values():
        if row.state is OutboxState.PENDING:
            yield f"{row.channel} {row.key}: still pending"
        if row.number and row.ended_ms is None:
            yield f"{row.channel} {row.key}: its incident is not known to be over"
    for one in rows:
        found = kept.get((one.key, one.channel))
        known = {OutboxState.ACCEPTED, *(_GIVEN_UP if one.life < crashes else ())}
        if found is None or found.state not in known:
            yield f"{one.channel} {one.key}: accepted, and the ledger says {found and found.state}"
