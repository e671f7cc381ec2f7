"""What is written to state.db, as statements: the daemon runs them on its connection, commands on theirs.

All of them may be repeated: a commit that was given up may have succeeded all the same. So each states what must
hold afterwards, and none takes back what happened since.
"""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from monitor.core.holds import ALERT_PREFIX
from monitor.core.notices import Hold, HoldKind, Notice, SubjectState
from monitor.ports import Attempt, Rows
from monitor.storage.outbox import UNDECIDED, OutboxState, Outcome, leads_to, to_payload

# A message that fails for days must not fill the disk. How it began and how it stands is what people ask.
FIRST_ATTEMPTS_KEPT: Final = 20
NEWEST_ATTEMPTS_KEPT: Final = 80
# Nor one that is refused and told anew for days; of each incident and channel.
FIRST_REFUSED_KEPT: Final = 5
NEWEST_REFUSED_KEPT: Final = 20

LARGEST_NUMBER: Final = 10**12  # of an incident; what is larger is damage

Parameters = tuple[object, ...] | dict[str, object]


class Statement(NamedTuple):
    """One statement and what to run it with, once for each."""

    sql: str
    parameters: Sequence[Parameters]


ALERTS: Final = """
SELECT key, channel, subject, kind, level, decided_ms, state, attempts, first_attempt_ms, last_attempt_ms,
    last_reason, settled_ms, incident, number, crossed_ms, accepted_ms, acknowledged_ms, ended_ms, payload
FROM outbox
WHERE (:number IS NULL OR number = :number) AND (:subject IS NULL OR subject = :subject)
ORDER BY decided_ms DESC, id DESC LIMIT :limit
"""
ATTEMPTS: Final = """
SELECT ordinal, started_ms, ended_ms, outcome, reason FROM attempts WHERE key = ? AND channel = ? ORDER BY ordinal
"""
COUNTS: Final = """
SELECT channel, state, count(*), min(decided_ms) FROM outbox GROUP BY channel, state ORDER BY channel, state
"""
PENDING: Final = "SELECT key, payload FROM outbox WHERE state = 'pending' ORDER BY decided_ms, id"
REFUSED: Final = """
SELECT key, payload FROM outbox
WHERE id IN (SELECT max(id) FROM outbox GROUP BY subject, channel) AND state = 'refused'
  AND subject IN (SELECT subject FROM subjects WHERE level > 0)
ORDER BY decided_ms, id
"""
FATES: Final = """
SELECT subject, channel, state, decided_ms, key, EXISTS (
    SELECT 1 FROM outbox AS heard
    WHERE heard.subject = outbox.subject AND heard.incident = outbox.incident AND heard.number = outbox.number
      AND heard.channel = outbox.channel AND heard.state = 'accepted' AND heard.level > 0
)
FROM outbox WHERE id IN (SELECT max(id) FROM outbox GROUP BY subject, channel)
ORDER BY subject, channel
"""
SUBJECTS: Final = "SELECT subject, payload FROM subjects ORDER BY subject"
HOLDS: Final = "SELECT key, payload FROM holds WHERE ? OR ended_ms IS NULL ORDER BY id"
# A counter that is lost or damaged must neither repeat a number nor end all that is written with one.
LAST_NUMBER: Final = f"""
SELECT coalesce(max(value), 0) FROM (
    SELECT value FROM counters WHERE name = 'incident'
    UNION ALL SELECT number FROM outbox WHERE number > 0
) WHERE typeof(value) = 'integer' AND value BETWEEN 0 AND {LARGEST_NUMBER}
"""  # noqa: S608 - ours

_PUT_SUBJECT: Final = """
INSERT INTO subjects (subject, level, since_ms, payload) VALUES (?, ?, ?, ?)
ON CONFLICT (subject) DO UPDATE
SET level = excluded.level, since_ms = excluded.since_ms, payload = excluded.payload
"""
# A message about an incident that is over already, such as a closing one that waited for a fate, says so too.
_PUT_NOTICE: Final = """
INSERT INTO outbox (
    key, channel, subject, kind, level, incident, number, crossed_ms, decided_ms, payload, ended_ms
) VALUES (
    :key, :channel, :subject, :kind, :level, :incident, :number, nullif(:crossed_ms, 0), :decided_ms, :payload,
    CASE WHEN :number > 0 THEN (SELECT max(ended_ms) FROM outbox WHERE number > 0 AND number = :number) END
)
ON CONFLICT (key, channel) DO NOTHING
"""
_SUPERSEDE: Final = """
UPDATE outbox SET state = 'superseded', settled_ms = ?
WHERE state = 'pending' AND EXISTS (
    SELECT 1 FROM outbox AS newer
    WHERE newer.state = 'pending' AND newer.subject = outbox.subject AND newer.channel = outbox.channel
      AND newer.id > outbox.id
)
"""
# Spares the notices of its own commit, so that one repeated because nobody saw it succeed cannot resolve them.
_RESOLVE: Final = """
UPDATE outbox SET state = 'resolved', settled_ms = ?
WHERE subject = ? AND channel = ? AND state = 'pending' AND key NOT IN (SELECT value FROM json_each(?))
"""
_END: Final = (
    "UPDATE outbox SET ended_ms = :at_ms WHERE subject = :subject AND incident = :incident AND ended_ms IS NULL"
)
_COUNT: Final = f"""
INSERT INTO counters (name, value) VALUES ('incident', ?)
ON CONFLICT (name) DO UPDATE SET value = CASE
    WHEN typeof(value) = 'integer' AND value <= {LARGEST_NUMBER} THEN max(value, excluded.value)
    ELSE excluded.value
END
"""  # noqa: S608 - ours
_PUT_HOLD: Final = """
INSERT INTO holds (key, kind, target, made_ms, until_ms, ended_ms, payload) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE
SET kind = excluded.kind, target = excluded.target, made_ms = excluded.made_ms, until_ms = excluded.until_ms,
    ended_ms = excluded.ended_ms, payload = excluded.payload
"""
# What was decided after a person had looked, they have not seen.
_ACKNOWLEDGE: Final = """
UPDATE outbox SET acknowledged_ms = :made_ms
WHERE number > 0 AND number = :number AND decided_ms <= :made_ms AND acknowledged_ms IS NULL
"""
_ADD_ATTEMPT: Final = """
INSERT INTO attempts (key, channel, ordinal, started_ms, ended_ms, outcome, reason)
SELECT key, channel, attempts + 1, :started_ms, :ended_ms, :outcome, :reason FROM outbox
WHERE key = :key AND channel = :channel AND state IN (SELECT value FROM json_each(:undecided))
"""
_COUNT_ATTEMPT: Final = """
UPDATE outbox SET attempts = attempts + 1, first_attempt_ms = coalesce(first_attempt_ms, :started_ms),
    last_attempt_ms = :started_ms, last_reason = coalesce(nullif(:reason, ''), last_reason)
WHERE key = :key AND channel = :channel AND state IN (SELECT value FROM json_each(:undecided))
"""
_THIN_ATTEMPTS: Final = """
DELETE FROM attempts
WHERE key = :key AND channel = :channel AND ordinal > :first
  AND ordinal <= (SELECT attempts FROM outbox WHERE key = :key AND channel = :channel) - :newest
"""
_REFUSED_BEFORE: Final = """
SELECT id, key FROM outbox
WHERE subject = (SELECT subject FROM outbox WHERE key = :key AND channel = :channel)
  AND incident = (SELECT incident FROM outbox WHERE key = :key AND channel = :channel)
  AND number = (SELECT number FROM outbox WHERE key = :key AND channel = :channel)
  AND channel = :channel AND state = 'refused'
ORDER BY id
"""
_BETWEEN: Final = f"""
WITH refused AS ({_REFUSED_BEFORE}),
    later AS (SELECT id, key FROM refused ORDER BY id LIMIT -1 OFFSET :first_refused)
SELECT * FROM later ORDER BY id DESC LIMIT -1 OFFSET :newest_refused
"""  # noqa: S608 - ours
_THIN_REFUSED: Final = (
    f"DELETE FROM attempts WHERE channel = :channel AND key IN (SELECT key FROM ({_BETWEEN}))",  # noqa: S608 - ours
    f"DELETE FROM outbox WHERE id IN (SELECT id FROM ({_BETWEEN}))",  # noqa: S608 - ours
)
# A row that was given up keeps the time of that, whenever its message is accepted after all.
_SETTLE: Final = """
UPDATE outbox SET state = :outcome, settled_ms = coalesce(settled_ms, :ended_ms),
    accepted_ms = CASE :outcome WHEN 'accepted' THEN :ended_ms ELSE accepted_ms END
WHERE key = :key AND channel = :channel AND state IN (SELECT value FROM json_each(:leads_to))
"""
_PRUNE: Final = (
    "DELETE FROM outbox WHERE state != 'pending' AND settled_ms < ?",
    "DELETE FROM holds WHERE ended_ms < ?",
)
_PRUNE_ATTEMPTS: Final = """
DELETE FROM attempts
WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.key = attempts.key AND outbox.channel = attempts.channel)
"""


def commit(rows: Rows, at_ms: int) -> list[Statement]:
    """Return what writes ``rows`` in their order of effect; empty if there is nothing to write.

    Args:
        rows: what to write.
        at_ms: dates what is superseded or resolved, Unix milliseconds.
    """
    own = json.dumps([notice.key for notice in rows.notices])
    numbers = [notice.number for notice in rows.notices] + [state.number for state in rows.subjects]
    last_number = max(numbers, default=0)
    statements = (
        Statement(_RESOLVE, [(at_ms, *pair, own) for pair in rows.over]),
        Statement(_PUT_SUBJECT, [_subject(state) for state in rows.subjects]),
        Statement("DELETE FROM subjects WHERE subject = ?", [(subject,) for subject in rows.gone]),
        Statement(_PUT_NOTICE, [_notice(notice) for notice in rows.notices]),
        Statement(_SUPERSEDE, [(at_ms,)] if rows.notices else []),
        Statement(_COUNT, [(last_number,)] if last_number else []),
        Statement(
            _END, [{"subject": subject, "incident": n, "at_ms": ended_ms} for subject, n, ended_ms in rows.ended]
        ),
        *holds(rows.holds),
        *(
            statement
            for mark in rows.marks
            for statement in attempt(mark.keys, mark.channel, mark.tried, Outcome(mark.outcome))
        ),
    )
    return [statement for statement in statements if statement.parameters]


def holds(made: Sequence[Hold]) -> list[Statement]:
    """Return what adds holds, or replaces them by key, and marks what an acknowledgement is about."""
    seen: list[Parameters] = [
        {"number": number, "made_ms": hold.made_ms} for hold in made if (number := acknowledges(hold)) is not None
    ]
    statements = (Statement(_PUT_HOLD, [_hold(hold) for hold in made]), Statement(_ACKNOWLEDGE, seen))
    return [statement for statement in statements if statement.parameters]


def acknowledges(hold: Hold) -> int | None:
    """Return the number of the incident that a hold acknowledges, None if it is about something else."""
    digits = hold.target.removeprefix(ALERT_PREFIX)
    about = hold.kind is HoldKind.ACK and digits != hold.target and digits.isascii() and digits.isdigit()
    return int(digits) if about else None


def attempt(keys: Sequence[str], channel: str, tried: Attempt, outcome: Outcome) -> list[Statement]:
    """Return what records one attempt at the message that carried these notices.

    Rows that the service has answered for good, and notices that were never committed, are passed over. Of
    very many that were refused of one incident those in the middle go.
    """
    facts: dict[str, object] = {
        "channel": channel,
        "started_ms": tried.started_ms,
        "ended_ms": tried.ended_ms,
        "outcome": outcome.value,
        "reason": tried.reason,
        "undecided": json.dumps(UNDECIDED),
        "first": FIRST_ATTEMPTS_KEPT,
        "newest": NEWEST_ATTEMPTS_KEPT,
        "first_refused": FIRST_REFUSED_KEPT,
        "newest_refused": NEWEST_REFUSED_KEPT,
    }
    if outcome is not Outcome.FAILED:
        facts["leads_to"] = json.dumps(leads_to(OutboxState(outcome.value)))
    each: list[Parameters] = [{"key": key, **facts} for key in keys]
    steps = (_ADD_ATTEMPT, _COUNT_ATTEMPT, _THIN_ATTEMPTS, *([_SETTLE] if "leads_to" in facts else []))
    thin = _THIN_REFUSED if outcome is Outcome.REFUSED else ()
    return [Statement(sql, each) for sql in (*steps, *thin)] if each else []


def prune(before_ms: int) -> list[Statement]:
    """Return what drops what needed nothing any more before a time (Unix milliseconds)."""
    return [*(Statement(sql, [(before_ms,)]) for sql in _PRUNE), Statement(_PRUNE_ATTEMPTS, [()])]


def _subject(state: SubjectState) -> Parameters:
    return (state.subject, int(state.level), state.since_ms, to_payload(state))


def _notice(notice: Notice) -> Parameters:
    return {
        "key": notice.key,
        "channel": notice.channel,
        "subject": notice.subject,
        "kind": notice.kind.value,
        "level": int(notice.level),
        "incident": notice.incident,
        "number": notice.number,
        "crossed_ms": notice.facts.event_ms,
        "decided_ms": notice.decided_ms,
        "payload": to_payload(notice),
    }


def _hold(hold: Hold) -> Parameters:
    return (
        hold.key,
        hold.kind.value,
        hold.target,
        hold.made_ms,
        hold.until_ms,
        hold.ended_ms,
        to_payload(hold),
    )
