-- The keys that one was rotated from and into, by their ids.
ALTER TABLE api_keys ADD COLUMN replaces TEXT COLLATE "C";
ALTER TABLE api_keys ADD COLUMN replaced_by TEXT COLLATE "C";
-- A key is rotated once.
CREATE UNIQUE INDEX api_keys_replaces ON api_keys (replaces) WHERE replaces IS NOT NULL;
