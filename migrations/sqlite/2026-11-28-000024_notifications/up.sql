-- Messages about warnings, each on one channel: those that are to go out, and the last that did.
CREATE TABLE notifications (
    id           TEXT PRIMARY KEY NOT NULL,
    -- webhook or mail.
    channel      TEXT NOT NULL,
    -- What tells a warning from every other one: each is told once on each channel.
    subject      TEXT NOT NULL,
    -- The addresses of a mail, separated by commas; empty for a webhook.
    recipients   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    key_id       TEXT,
    -- For people.
    title        TEXT NOT NULL,
    -- For programs, as JSON.
    body         TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    attempts     BIGINT NOT NULL,
    -- When it is tried next, or tried again if whoever tries it now is not heard of; null once it
    -- has arrived or was given up.
    due_at       TIMESTAMP,
    delivered_at TIMESTAMP,
    -- Why the last attempt failed.
    error        TEXT,
    UNIQUE (channel, subject)
) WITHOUT ROWID;
CREATE INDEX notifications_due ON notifications (channel, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notifications_age ON notifications (created_at);

-- Up to which key those that will expire have been looked through, for each number of days ahead.
CREATE TABLE expiry_scan (
    days       BIGINT PRIMARY KEY NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    key_number BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO expiry_scan (days, expires_at, key_number) VALUES
    (14, '1970-01-01 00:00:00', 0), (3, '1970-01-01 00:00:00', 0), (1, '1970-01-01 00:00:00', 0);

CREATE INDEX api_keys_expiry ON api_keys (expires_at, number) WHERE revoked_at IS NULL;
