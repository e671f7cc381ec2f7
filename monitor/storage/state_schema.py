"""How state.db came to look as it does. A version is never edited once released: a change is a new version."""

from typing import Final

from monitor.storage.schema import Schema

STATE_SCHEMA: Final = Schema(
    "state",
    0x504D5354,  # "PMST"
    {
        1: (
            """
            CREATE TABLE subjects (
                subject TEXT PRIMARY KEY NOT NULL,
                level INTEGER NOT NULL,
                since_ms INTEGER NOT NULL,
                payload TEXT NOT NULL  -- JSON
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE outbox (  -- with a rowid: it is the order of decision within one millisecond
                key TEXT NOT NULL,
                channel TEXT NOT NULL,
                subject TEXT NOT NULL,
                kind TEXT NOT NULL,
                level INTEGER NOT NULL,
                decided_ms INTEGER NOT NULL,
                payload TEXT NOT NULL,  -- JSON
                state TEXT NOT NULL DEFAULT 'pending',
                attempts INTEGER NOT NULL DEFAULT 0,
                first_attempt_ms INTEGER,
                last_attempt_ms INTEGER,
                last_reason TEXT NOT NULL DEFAULT '',
                settled_ms INTEGER,
                PRIMARY KEY (key, channel)
            )
            """,
            "CREATE INDEX outbox_pending ON outbox (subject, channel) WHERE state = 'pending'",
            "CREATE INDEX outbox_decided ON outbox (decided_ms)",
        ),
        2: (
            """
            CREATE TABLE ledger (
                id INTEGER PRIMARY KEY,  -- the order of decision, which a VACUUM must not change
                key TEXT NOT NULL,
                channel TEXT NOT NULL,
                subject TEXT NOT NULL,
                kind TEXT NOT NULL,
                level INTEGER NOT NULL,
                incident INTEGER NOT NULL,
                number INTEGER NOT NULL,  -- of the incident among all, 0 where it has none
                crossed_ms INTEGER,  -- exchange time, NULL where not known
                decided_ms INTEGER NOT NULL,
                payload TEXT NOT NULL,  -- JSON
                state TEXT NOT NULL DEFAULT 'pending',
                attempts INTEGER NOT NULL DEFAULT 0,
                first_attempt_ms INTEGER,
                last_attempt_ms INTEGER,
                last_reason TEXT NOT NULL DEFAULT '',
                accepted_ms INTEGER,
                settled_ms INTEGER,
                acknowledged_ms INTEGER,
                ended_ms INTEGER,
                UNIQUE (key, channel)
            )
            """,
            # A payload that nobody can read is kept as it is, without what stands in it.
            """
            INSERT INTO ledger (
                id, key, channel, subject, kind, level, incident, number, crossed_ms, decided_ms, payload, state,
                attempts, first_attempt_ms, last_attempt_ms, last_reason, accepted_ms, settled_ms
            )
            SELECT id, key, channel, subject, kind, level,
                coalesce(json_extract(readable, '$.incident'), 0), coalesce(json_extract(readable, '$.number'), 0),
                nullif(json_extract(readable, '$.facts.event_ms'), 0), decided_ms, payload, state,
                attempts, first_attempt_ms, last_attempt_ms, last_reason,
                CASE state WHEN 'accepted' THEN settled_ms END, settled_ms
            FROM (
                SELECT rowid AS id, *, CASE WHEN json_valid(payload) THEN payload ELSE '{}' END AS readable
                FROM outbox
            )
            """,
            "DROP TABLE outbox",
            "ALTER TABLE ledger RENAME TO outbox",
            "CREATE INDEX outbox_pending ON outbox (subject, channel) WHERE state = 'pending'",
            "CREATE INDEX outbox_decided ON outbox (decided_ms)",
            "CREATE INDEX outbox_incident ON outbox (subject, incident)",
            "CREATE INDEX outbox_number ON outbox (number) WHERE number > 0",
            """
            CREATE TABLE attempts (
                key TEXT NOT NULL,
                channel TEXT NOT NULL,
                ordinal INTEGER NOT NULL,  -- from 1; those in the middle of a long row of failures are dropped
                started_ms INTEGER NOT NULL,
                ended_ms INTEGER NOT NULL,
                outcome TEXT NOT NULL,
                reason TEXT NOT NULL,
                PRIMARY KEY (key, channel, ordinal)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE holds (
                id INTEGER PRIMARY KEY,  -- the order in which they were made
                key TEXT UNIQUE NOT NULL,
                kind TEXT NOT NULL,
                target TEXT NOT NULL,
                made_ms INTEGER NOT NULL,
                until_ms INTEGER NOT NULL,
                ended_ms INTEGER,
                payload TEXT NOT NULL  -- JSON
            )
            """,
            """
            CREATE TABLE counters (
                name TEXT PRIMARY KEY NOT NULL,
                value INTEGER NOT NULL
            ) WITHOUT ROWID
            """,
        ),
    },
)
