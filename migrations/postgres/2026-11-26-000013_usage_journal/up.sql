-- Batches of counts as they are flushed, until they are folded into the usage rows: a few rows are
-- written four times a second where it would be thousands.
CREATE TABLE usage_journal (
    -- A large batch is in up to 16 rows, by key_number % 16, so that one key's counts are found in
    -- one of them; a small batch is in one row with 16 here.
    part     BIGINT NOT NULL,
    process  TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    -- How many requests are counted in it.
    n        BIGINT NOT NULL,
    -- In order of minute and key. 18 bytes a counter, numbers with the lowest byte first: minute (4),
    -- key_number (4), cell (2), n (4), last_at as milliseconds since the minute began (4).
    counts   BYTEA NOT NULL,
    PRIMARY KEY (part, process, sequence)
);
