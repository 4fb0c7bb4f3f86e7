-- Counts as they are flushed. Clustered by time, so that a flush touches few pages.
-- cell = resource * 16 + access * 8 + outcome; last_at in milliseconds since 1970.
CREATE TABLE usage_minutes (
    minute      BIGINT NOT NULL,
    key_number  BIGINT NOT NULL,
    cell        BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (minute, key_number, cell)
) WITHOUT ROWID;

-- The same by hour, clustered by key, so that a key's figures are one range.
CREATE TABLE usage_hours (
    key_number  BIGINT NOT NULL,
    hour        BIGINT NOT NULL,
    cell        BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (key_number, hour, cell)
) WITHOUT ROWID;

-- What is older than the hour rows, for the lifetime totals.
CREATE TABLE usage_totals (
    key_number  BIGINT NOT NULL,
    cell        BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (key_number, cell)
) WITHOUT ROWID;

-- How far the roll-up has come: every earlier hour is in usage_hours, and of this hour the keys
-- up to key_number. Minute rows before minutes_from are gone. One row.
CREATE TABLE usage_rollup (
    one          INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    hour         BIGINT NOT NULL,
    key_number   BIGINT NOT NULL,
    minutes_from BIGINT NOT NULL
);

-- The last batch of counts that each process has written.
CREATE TABLE usage_marks (
    process     TEXT NOT NULL PRIMARY KEY,
    sequence    BIGINT NOT NULL,
    at          TIMESTAMP NOT NULL
);

-- From where a key was used lately.
CREATE TABLE key_addresses (
    key_number  BIGINT NOT NULL,
    address     TEXT NOT NULL,
    user_agent  TEXT,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (key_number, address)
) WITHOUT ROWID;
