-- Names this database in what is sealed, so that a row that was copied into another one does not open.
ALTER TABLE bitting ADD COLUMN database_id TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE bitting SET database_id = replace(CAST(gen_random_uuid() AS TEXT), '-', '');

-- Vendors' APIs with a credential for each. A row is kept when its connection is removed: neither its
-- number nor its handle is given again.
CREATE TABLE connections (
    number          BIGINT NOT NULL PRIMARY KEY CHECK (number BETWEEN 1 AND 255),
    id              TEXT COLLATE "C" NOT NULL UNIQUE,
    handle          TEXT COLLATE "C" NOT NULL UNIQUE,
    kind            TEXT NOT NULL,
    -- Origin and form are bound into the sealed credential.
    origin          TEXT NOT NULL,
    form            TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT,
    account         TEXT,
    standing        BOOLEAN NOT NULL,
    recordings      BOOLEAN NOT NULL,
    rate_limit      TEXT,
    key_rate_limit  TEXT,
    -- The credential under a master key that is not in this database; none once removed.
    sealed          BYTEA,
    hint            TEXT,
    test_result     TEXT,
    test_since      TIMESTAMP,
    tested_at       TIMESTAMP,
    tested_by       TEXT,
    test_time       BIGINT,
    test_detail     TEXT,
    disabled_at     TIMESTAMP,
    removed_at      TIMESTAMP,
    created_at      TIMESTAMP NOT NULL,
    created_by_type TEXT NOT NULL,
    created_by_id   TEXT,
    created_by_name TEXT NOT NULL,
    -- Id of the audit event of the last change.
    revision        BIGINT NOT NULL
);
CREATE INDEX connections_revision ON connections (revision);
