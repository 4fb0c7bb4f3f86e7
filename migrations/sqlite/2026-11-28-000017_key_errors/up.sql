-- The last requests of each key that were refused or failed.
CREATE TABLE key_errors (
    id         INTEGER NOT NULL PRIMARY KEY,
    key_number BIGINT NOT NULL,
    -- Milliseconds since 1970.
    at         BIGINT NOT NULL,
    method     TEXT NOT NULL,
    -- The route's pattern; null where no route has the path.
    route      TEXT,
    status     BIGINT NOT NULL,
    code       TEXT NOT NULL,
    address    TEXT
);
CREATE INDEX key_errors_newest ON key_errors (key_number, at, id);
