CREATE TABLE knowledge_base (
    id         TEXT NOT NULL PRIMARY KEY,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    title      TEXT NOT NULL,
    content    TEXT NOT NULL,
    source_url TEXT,
    -- JSON: the labels.
    tags       TEXT NOT NULL
);

-- The words of each article, split by the program and parted by spaces: the tokenizer "ascii"
-- takes every character beyond ASCII as part of a word. The row numbers rise with the ids.
CREATE VIRTUAL TABLE knowledge_base_words USING fts5 (
    id UNINDEXED,
    words,
    content = '',
    contentless_delete = 1,
    contentless_unindexed = 1,
    detail = none,
    tokenize = 'ascii'
);

CREATE INDEX agents_knowledge_base ON agents (knowledge_base_id);
