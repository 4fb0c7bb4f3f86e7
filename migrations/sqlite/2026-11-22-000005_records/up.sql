CREATE TABLE leads (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name       TEXT NOT NULL,
    phone      TEXT,
    email      TEXT,
    status     TEXT NOT NULL,
    source     TEXT,
    score      BIGINT,
    -- JSON: the labels.
    tags       TEXT NOT NULL
);
CREATE INDEX leads_status ON leads (status, id);
CREATE INDEX leads_source ON leads (source, id);

CREATE TABLE contacts (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    name       TEXT NOT NULL,
    phone      TEXT,
    email      TEXT,
    company    TEXT,
    notes      TEXT,
    -- JSON: the labels.
    tags       TEXT NOT NULL
);

CREATE TABLE integrations (
    id          TEXT NOT NULL PRIMARY KEY,
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    description TEXT,
    enabled     BOOLEAN NOT NULL,
    -- JSON: an object.
    settings    TEXT NOT NULL
);
CREATE INDEX integrations_kind ON integrations (kind, id);

CREATE INDEX agents_status ON agents (status, id);
-- Calls from the newest on, without the rows themselves: those of a long period.
CREATE INDEX calls_newest ON calls (id, occurred_at);
