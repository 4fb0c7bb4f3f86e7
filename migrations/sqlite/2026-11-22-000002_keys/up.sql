CREATE TABLE api_keys (
    number          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    -- SHA-256 of the secret; the secret itself is stored nowhere. Kept for ever.
    digest          BLOB NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    description     TEXT,
    owner           TEXT,
    -- Separated by one space.
    scopes          TEXT NOT NULL CHECK (scopes <> ''),
    display         TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    created_by_type TEXT NOT NULL,
    created_by_id   TEXT,
    created_by_name TEXT NOT NULL,
    expires_at      TIMESTAMP,
    revoked_at      TIMESTAMP,
    revoked_by_type TEXT,
    revoked_by_id   TEXT,
    revoked_by_name TEXT,
    revoke_reason   TEXT,
    -- Id of the audit event of the last change: what the change feed reads by.
    revision        BIGINT NOT NULL UNIQUE
);
CREATE INDEX api_keys_owner ON api_keys (owner, number);

CREATE TABLE admin_tokens (
    number          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    digest          BLOB NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    access          TEXT NOT NULL CHECK (access IN ('read', 'write')),
    may_grant       TEXT NOT NULL,
    display         TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    created_by_type TEXT NOT NULL,
    created_by_id   TEXT,
    created_by_name TEXT NOT NULL,
    expires_at      TIMESTAMP NOT NULL,
    revoked_at      TIMESTAMP,
    revoked_by_type TEXT,
    revoked_by_id   TEXT,
    revoked_by_name TEXT,
    revoke_reason   TEXT,
    last_used_at    TIMESTAMP,
    revision        BIGINT NOT NULL UNIQUE
);

-- Only ever added to. Ids rise in the order of the commits that change keys and tokens.
CREATE TABLE audit_events (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at              TIMESTAMP NOT NULL,
    action          TEXT NOT NULL,
    actor_type      TEXT NOT NULL,
    actor_id        TEXT,
    actor_name      TEXT NOT NULL,
    key_id          TEXT ,
    address         TEXT,
    request_id      TEXT,
    -- A JSON object.
    detail          TEXT NOT NULL
);
CREATE INDEX audit_events_key ON audit_events (key_id, id);
CREATE INDEX audit_events_action ON audit_events (action, id);
CREATE INDEX audit_events_at ON audit_events (at, id);
