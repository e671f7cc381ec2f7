"""Tables of history.db, and the statements that fill and prune them."""

from typing import Final

from monitor.storage.schema import Schema

MINUTE_MS: Final = 60_000

# Rows are clustered by subject, then time: a chart reads one subject's range, and pruning removes one.
HISTORY_SCHEMA: Final = Schema(
    "history",
    0x504D4849,  # "PMHI"
    {
        1: (
            """
            CREATE TABLE subjects (
                id INTEGER PRIMARY KEY,
                account TEXT NOT NULL,
                wallet TEXT NOT NULL,
                symbol TEXT NOT NULL,  -- symbol and side are empty for a wallet
                side TEXT NOT NULL,
                UNIQUE (account, wallet, symbol, side)
            )
            """,
            """
            CREATE TABLE samples (
                subject_id INTEGER NOT NULL,
                at_ms INTEGER NOT NULL,
                source TEXT NOT NULL,
                level INTEGER NOT NULL,
                margin_ratio REAL,
                room REAL,
                distance REAL,
                joint_distance REAL,
                mark REAL,
                liquidation_price REAL,
                margin_balance REAL,
                maintenance_margin REAL,
                cushion REAL,
                PRIMARY KEY (subject_id, at_ms)
            ) WITHOUT ROWID
            """,
            """
            CREATE TABLE minutes (
                subject_id INTEGER NOT NULL,
                minute_ms INTEGER NOT NULL,
                last_ms INTEGER NOT NULL,  -- time of the sample behind source and the columns named last
                source TEXT NOT NULL,
                level_max INTEGER NOT NULL,
                margin_ratio_max REAL,
                margin_ratio_last REAL,
                room_min REAL,
                distance_min REAL,
                joint_distance_min REAL,
                mark_low REAL,
                mark_high REAL,
                mark_last REAL,
                samples INTEGER NOT NULL,
                PRIMARY KEY (subject_id, minute_ms)
            ) WITHOUT ROWID
            """,
        ),
        2: (
            """
            CREATE TABLE changes (
                id INTEGER PRIMARY KEY,
                at_ms INTEGER NOT NULL,
                account TEXT NOT NULL,
                kind TEXT NOT NULL,
                symbol TEXT NOT NULL,  -- symbol and side are empty where the change is not about a position
                side TEXT NOT NULL,
                asset TEXT NOT NULL,
                before REAL,
                after REAL,
                price REAL,
                cause TEXT NOT NULL
            )
            """,
            # The same change may be told twice, by stream and by REST, with another cause or a rounder price.
            """
            CREATE UNIQUE INDEX changes_once ON changes (
                account, at_ms, kind, symbol, side, asset, ifnull(before, ''), ifnull(after, '')
            )
            """,
            "CREATE INDEX changes_of_symbol ON changes (symbol, at_ms)",
            "CREATE INDEX changes_by_time ON changes (at_ms)",
        ),
        3: ("ALTER TABLE samples ADD COLUMN moves_left REAL",),
    },
)

PUT_SUBJECT: Final = """
INSERT INTO subjects (account, wallet, symbol, side) VALUES (?, ?, ?, ?)
ON CONFLICT (account, wallet, symbol, side) DO NOTHING
"""

# Parameters are numbered as the fields of core.model.Sample are. A ratio that is infinite is stored as NULL,
# like one that is not known; the level tells them apart.
PUT_SAMPLE: Final = """
INSERT OR REPLACE INTO samples (
    subject_id, at_ms, source, level, margin_ratio, room, distance, joint_distance, mark, liquidation_price,
    margin_balance, maintenance_margin, cushion, moves_left
) VALUES (
    (SELECT id FROM subjects WHERE account = ?2 AND wallet = ?3 AND symbol = ?4 AND side = ?5),
    ?1, ?6, ?7, nullif(?8, 9e999), ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, nullif(?17, 9e999)
)
"""

# Parameters are numbered as the fields of core.model.Change are.
PUT_CHANGE: Final = """
INSERT INTO changes (at_ms, account, kind, symbol, side, asset, before, after, price, cause)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, nullif(?7, 9e999), nullif(?8, 9e999), nullif(?9, 9e999), ?10)
ON CONFLICT DO NOTHING
"""

# max(a, b) of SQLite is NULL if one of them is, hence the coalesce on both sides. Samples fetched later for
# an earlier moment widen the extremes but do not become the last.
FOLD: Final = """
INSERT INTO minutes (
    subject_id, minute_ms, last_ms, source, level_max, margin_ratio_max, margin_ratio_last, room_min,
    distance_min, joint_distance_min, mark_low, mark_high, mark_last, samples
) VALUES (
    (SELECT id FROM subjects WHERE account = ?2 AND wallet = ?3 AND symbol = ?4 AND side = ?5),
    ?1 - ?1 % 60000, ?1, ?6, ?7, nullif(?8, 9e999), nullif(?8, 9e999), ?9, ?10, ?11, ?12, ?12, ?12, 1
)
ON CONFLICT (subject_id, minute_ms) DO UPDATE SET
    last_ms = max(last_ms, excluded.last_ms),
    source = iif(excluded.last_ms >= last_ms, excluded.source, source),
    level_max = max(level_max, excluded.level_max),
    margin_ratio_max = max(coalesce(margin_ratio_max, excluded.margin_ratio_max),
                           coalesce(excluded.margin_ratio_max, margin_ratio_max)),
    margin_ratio_last = iif(excluded.last_ms >= last_ms, excluded.margin_ratio_last, margin_ratio_last),
    room_min = min(coalesce(room_min, excluded.room_min), coalesce(excluded.room_min, room_min)),
    distance_min = min(coalesce(distance_min, excluded.distance_min),
                       coalesce(excluded.distance_min, distance_min)),
    joint_distance_min = min(coalesce(joint_distance_min, excluded.joint_distance_min),
                             coalesce(excluded.joint_distance_min, joint_distance_min)),
    mark_low = min(coalesce(mark_low, excluded.mark_low), coalesce(excluded.mark_low, mark_low)),
    mark_high = max(coalesce(mark_high, excluded.mark_high), coalesce(excluded.mark_high, mark_high)),
    mark_last = iif(excluded.last_ms >= last_ms, excluded.mark_last, mark_last),
    samples = samples + 1
"""

# At most ?3 rows of one subject, the oldest first.
PRUNE_SAMPLES: Final = """
DELETE FROM samples WHERE subject_id = ?1 AND at_ms < min(?2, coalesce(
    (SELECT at_ms FROM samples WHERE subject_id = ?1 ORDER BY at_ms LIMIT 1 OFFSET ?3), ?2))
"""
PRUNE_MINUTES: Final = """
DELETE FROM minutes WHERE subject_id = ?1 AND minute_ms < min(?2, coalesce(
    (SELECT minute_ms FROM minutes WHERE subject_id = ?1 ORDER BY minute_ms LIMIT 1 OFFSET ?3), ?2))
"""
# At most ?2 rows, the oldest first.
PRUNE_CHANGES: Final = """
DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)
"""
DROP_EMPTY_SUBJECTS: Final = """
DELETE FROM subjects WHERE id = ?1
    AND NOT EXISTS (SELECT 1 FROM samples WHERE subject_id = ?1)
    AND NOT EXISTS (SELECT 1 FROM minutes WHERE subject_id = ?1)
"""
