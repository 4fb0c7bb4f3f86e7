-- What each resource is counted under: a name keeps its number when it leaves the configuration.
CREATE TABLE resources (
    number BIGINT NOT NULL PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE
);
INSERT INTO resources (number, name) VALUES
    (1, 'calls'),
    (2, 'leads'),
    (3, 'agents'),
    (4, 'analytics'),
    (5, 'contacts'),
    (6, 'knowledge_base'),
    (7, 'integrations');

-- The servers that run on this database, and what their configuration says of resources.
CREATE TABLE servers (
    process   TEXT NOT NULL PRIMARY KEY,
    resources TEXT NOT NULL,
    -- Milliseconds since 1970.
    seen_at   BIGINT NOT NULL
);
