CREATE TABLE agents (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at        TIMESTAMP NOT NULL,
    updated_at        TIMESTAMP NOT NULL,
    name              TEXT NOT NULL,
    voice_id          TEXT NOT NULL,
    greeting          TEXT,
    prompt            TEXT,
    phone_number      TEXT,
    knowledge_base_id TEXT COLLATE "C",
    status            TEXT NOT NULL
);

CREATE TABLE calls (
    id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at       TIMESTAMP NOT NULL,
    updated_at       TIMESTAMP NOT NULL,
    direction        TEXT NOT NULL,
    caller           TEXT NOT NULL,
    called           TEXT,
    agent_id         TEXT COLLATE "C" REFERENCES agents (id) ON DELETE SET NULL,
    status           TEXT,
    duration_seconds BIGINT,
    sentiment        TEXT,
    summary          TEXT,
    recording_url    TEXT,
    -- JSON: the turns, the labels.
    transcript       TEXT NOT NULL,
    tags             TEXT NOT NULL,
    started_at       TIMESTAMP,
    -- started_at, or else created_at: what the filters from and to compare.
    occurred_at      TIMESTAMP NOT NULL
);
CREATE INDEX calls_agent ON calls (agent_id, id);
CREATE INDEX calls_direction ON calls (direction, id);
CREATE INDEX calls_status ON calls (status, id);
CREATE INDEX calls_occurred ON calls (occurred_at, id);
