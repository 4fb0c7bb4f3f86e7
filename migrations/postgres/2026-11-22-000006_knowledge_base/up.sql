CREATE TABLE knowledge_base (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    title      TEXT NOT NULL,
    content    TEXT NOT NULL,
    source_url TEXT,
    -- JSON: the labels.
    tags       TEXT NOT NULL
);

-- The words of each article, split by the program.
CREATE TABLE knowledge_base_words (
    id    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES knowledge_base (id) ON DELETE CASCADE,
    words TSVECTOR NOT NULL
);
CREATE INDEX knowledge_base_words_gin ON knowledge_base_words USING gin (words);

CREATE INDEX agents_knowledge_base ON agents (knowledge_base_id);
