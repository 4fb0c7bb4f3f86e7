DROP TABLE connections;
ALTER TABLE bitting DROP COLUMN database_id;
