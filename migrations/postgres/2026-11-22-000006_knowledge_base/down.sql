DROP INDEX agents_knowledge_base;
DROP TABLE knowledge_base_words;
DROP TABLE knowledge_base;
