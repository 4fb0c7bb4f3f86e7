CREATE TABLE users (
    id              TEXT NOT NULL PRIMARY KEY,
    -- In lower case.
    email           TEXT NOT NULL UNIQUE,
    role            TEXT NOT NULL CHECK (role IN ('admin', 'member', 'auditor')),
    -- Separated by one space; counts for members.
    may_grant       TEXT NOT NULL,
    -- Argon2id as a PHC string; none until a password was set.
    password        TEXT,
    created_at      TIMESTAMP NOT NULL,
    disabled_at     TIMESTAMP,
    last_login_at   TIMESTAMP
);

CREATE TABLE sessions (
    id              TEXT NOT NULL PRIMARY KEY,
    -- SHA-256 of the secret in the cookie.
    digest          BLOB NOT NULL UNIQUE,
    user_id         TEXT NOT NULL REFERENCES users (id),
    created_at      TIMESTAMP NOT NULL,
    last_seen_at    TIMESTAMP NOT NULL,
    address         TEXT,
    user_agent      TEXT
);
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_created ON sessions (created_at);
CREATE INDEX sessions_seen ON sessions (last_seen_at);

-- Deleted when it is used.
CREATE TABLE one_time_links (
    -- SHA-256 of the secret in the link.
    digest          BLOB NOT NULL PRIMARY KEY,
    -- Who sets a password by it; none where it makes the first administrator.
    user_id         TEXT REFERENCES users (id),
    expires_at      TIMESTAMP NOT NULL
);
CREATE INDEX one_time_links_user ON one_time_links (user_id);
CREATE INDEX one_time_links_expiry ON one_time_links (expires_at);

-- Failed logins in a row, by account and address, and by address alone.
CREATE TABLE login_failures (
    -- SHA-256 of what the row is about: people type passwords into the wrong field.
    subject         BLOB NOT NULL PRIMARY KEY,
    failures        BIGINT NOT NULL,
    last_at         TIMESTAMP NOT NULL
);
CREATE INDEX login_failures_last ON login_failures (last_at);

-- Whose key or token it is now; who made it stays in created_by.
ALTER TABLE api_keys ADD COLUMN user_id TEXT;
ALTER TABLE admin_tokens ADD COLUMN user_id TEXT;
CREATE INDEX api_keys_user ON api_keys (user_id, number);
CREATE INDEX admin_tokens_user ON admin_tokens (user_id, number);
