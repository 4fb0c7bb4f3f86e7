-- Batches of counts as they are flushed, until they are folded into the usage rows: one row is
-- written four times a second where it would be thousands.
CREATE TABLE usage_journal (
    process  TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    -- How many requests are counted in it.
    n        BIGINT NOT NULL,
    -- 18 bytes a counter, numbers with the lowest byte first: minute (4), key_number (4), cell (2),
    -- n (4), last_at as milliseconds since the minute began (4).
    counts   BYTEA NOT NULL,
    PRIMARY KEY (process, sequence)
);
