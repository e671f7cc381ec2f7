-- history.db as version 1 of its schema wrote it. Never edited: files like it are out there.
BEGIN TRANSACTION;
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
            ;
INSERT INTO "minutes" VALUES(1,1779999960000,1780000000000,'live',2,0.5,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1);
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
            ;
INSERT INTO "samples" VALUES(1,1780000000000,'live',2,0.5,NULL,NULL,NULL,62000.0,NULL,NULL,NULL,NULL);
CREATE TABLE subjects (
                id INTEGER PRIMARY KEY,
                account TEXT NOT NULL,
                wallet TEXT NOT NULL,
                symbol TEXT NOT NULL,  -- symbol and side are empty for a wallet
                side TEXT NOT NULL,
                UNIQUE (account, wallet, symbol, side)
            );
INSERT INTO "subjects" VALUES(1,'a','cross:USDT','BTCUSDT','LONG');
PRAGMA application_id = 1347242057;
PRAGMA user_version = 1;
COMMIT;
