-- state.db as version 1 of its schema wrote it. Never edited: files like it are out there.
BEGIN TRANSACTION;
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
            );
INSERT INTO "outbox" VALUES('k1','phone','s','alert',2,90,'{"key": "k1", "channel": "phone", "subject": "s", "kind": "alert", "level": 2, "previous": 0, "decided_ms": 100, "incident": 1, "facts": {"environment": "testnet", "account": "a", "liquidatable": true, "room": 0.15, "symbols": ["BTCUSDT"]}}','pending',0,NULL,NULL,'',NULL);
INSERT INTO "outbox" VALUES('k0','mail','s','alert',2,80,'{"key": "k0", "channel": "phone", "subject": "s", "kind": "alert", "level": 2, "previous": 0, "decided_ms": 100, "incident": 1, "facts": {"environment": "testnet", "account": "a", "liquidatable": true, "room": 0.15, "symbols": ["BTCUSDT"]}}','accepted',1,81,81,'',82);
CREATE TABLE subjects (
                subject TEXT PRIMARY KEY NOT NULL,
                level INTEGER NOT NULL,
                since_ms INTEGER NOT NULL,
                payload TEXT NOT NULL  -- JSON
            ) WITHOUT ROWID
            ;
INSERT INTO "subjects" VALUES('s',2,5,'{"subject": "s", "level": 2, "since_ms": 5, "incident": 2, "peak": 2, "sequence": 9, "quiet": true, "breached": false, "told": {"phone": {"level": 2, "at_ms": 7, "delivered": true, "refused": false, "awaited": "", "waiting_ms": 0, "uncertain": false, "lent": null}}}');
CREATE INDEX outbox_pending ON outbox (subject, channel) WHERE state = 'pending';
CREATE INDEX outbox_decided ON outbox (decided_ms);
PRAGMA application_id = 1347244884;
PRAGMA user_version = 1;
COMMIT;
