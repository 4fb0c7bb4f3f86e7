DROP INDEX agents_knowledge_base;
DROP TABLE knowledge_base_words;
-- A part of the index that SQLite leaves behind.
DROP TABLE IF EXISTS knowledge_base_words_content;
DROP TABLE knowledge_base;
