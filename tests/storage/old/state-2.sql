-- state.db as version 2 of its schema wrote it. Never edited: files like it are out there.
BEGIN TRANSACTION;
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
            ;
INSERT INTO "attempts" VALUES('k0','mail',1,81,82,'accepted','');
CREATE TABLE counters (
                name TEXT PRIMARY KEY NOT NULL,
                value INTEGER NOT NULL
            ) WITHOUT ROWID
            ;
INSERT INTO "counters" VALUES('incident',7);
CREATE TABLE holds (
                id INTEGER PRIMARY KEY,  -- the order in which they were made
                key TEXT UNIQUE NOT NULL,
                kind TEXT NOT NULL,
                target TEXT NOT NULL,
                made_ms INTEGER NOT NULL,
                until_ms INTEGER NOT NULL,
                ended_ms INTEGER,
                payload TEXT NOT NULL  -- JSON
            );
INSERT INTO "holds" VALUES(1,'mute:all#1','mute','all',1,1125899906842624,NULL,'{"key":"mute:all#1","kind":"mute","target":"all","made_ms":1,"until_ms":1125899906842624,"why":"","by":"","levels":{},"ended_ms":null,"ended":""}');
CREATE TABLE "outbox" (
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
            );
INSERT INTO "outbox" VALUES(1,'k1','phone','s','alert',2,1,7,NULL,90,'{"key": "k1", "channel": "phone", "subject": "s", "kind": "alert", "level": 2, "previous": 0, "decided_ms": 100, "incident": 1, "facts": {"environment": "testnet", "account": "a", "liquidatable": true, "room": 0.15, "symbols": ["BTCUSDT"]}, "number": 7}','pending',0,NULL,NULL,'',NULL,NULL,NULL,NULL);
INSERT INTO "outbox" VALUES(2,'k0','mail','s','alert',2,1,7,NULL,80,'{"key": "k0", "channel": "phone", "subject": "s", "kind": "alert", "level": 2, "previous": 0, "decided_ms": 100, "incident": 1, "facts": {"environment": "testnet", "account": "a", "liquidatable": true, "room": 0.15, "symbols": ["BTCUSDT"]}, "number": 7}','accepted',1,81,81,'',82,82,NULL,NULL);
CREATE TABLE subjects (
                subject TEXT PRIMARY KEY NOT NULL,
                level INTEGER NOT NULL,
                since_ms INTEGER NOT NULL,
                payload TEXT NOT NULL  -- JSON
            ) WITHOUT ROWID
            ;
INSERT INTO "subjects" VALUES('s',2,5,'{"subject": "s", "level": 2, "since_ms": 5, "incident": 2, "peak": 2, "sequence": 9, "quiet": true, "breached": false, "number": 0, "loud_ms": 0, "told": {"phone": {"level": 2, "at_ms": 7, "delivered": true, "refused": false, "awaited": "", "waiting_ms": 0, "uncertain": false, "lent": null}}}');
CREATE INDEX outbox_pending ON outbox (subject, channel) WHERE state = 'pending';
CREATE INDEX outbox_decided ON outbox (decided_ms);
CREATE INDEX outbox_incident ON outbox (subject, incident);
CREATE INDEX outbox_number ON outbox (number) WHERE number > 0;
PRAGMA application_id = 1347244884;
PRAGMA user_version = 2;
COMMIT;
