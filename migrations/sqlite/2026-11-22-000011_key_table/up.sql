-- What the list of keys is sorted by: kept up to date in the background, a minute behind.
CREATE TABLE key_summaries (
    key_number   BIGINT NOT NULL PRIMARY KEY,
    -- Requests of about 30 days.
    month        BIGINT NOT NULL,
    -- The last request while the key was live, in milliseconds since 1970.
    last_used_at BIGINT
) WITHOUT ROWID;

-- How far the summaries have come: minute rows before this are added, and the keys up to
-- key_number were counted afresh in this round. One row.
CREATE TABLE key_summary_position (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    minute     BIGINT NOT NULL,
    key_number BIGINT NOT NULL
);
INSERT INTO key_summary_position (one, minute, key_number) VALUES (1, 0, 0);

-- Forms that have made their key: sent again, each leads to that key and makes no other.
CREATE TABLE key_forms (
    -- SHA-256 of the form's nonce.
    digest BLOB NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL
) WITHOUT ROWID;

-- For the numbers of active and retired keys.
CREATE INDEX api_keys_state ON api_keys (user_id, revoked_at, expires_at);
