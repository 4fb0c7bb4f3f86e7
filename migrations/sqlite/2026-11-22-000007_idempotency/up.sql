-- The answers to requests that came with an Idempotency-Key, for whoever sends one again.
CREATE TABLE idempotency (
    -- SHA-256 of credential, method, path and the client's key.
    identity     BLOB  NOT NULL PRIMARY KEY CHECK (length(identity) = 32),
    -- SHA-256 of the body that was sent.
    request_body BLOB  NOT NULL CHECK (length(request_body) = 32),
    expires_at   TIMESTAMP NOT NULL,
    status       BIGINT NOT NULL CHECK (status BETWEEN 200 AND 299),
    location     TEXT,
    etag         TEXT,
    body         TEXT NOT NULL
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
