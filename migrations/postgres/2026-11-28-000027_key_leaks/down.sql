ALTER TABLE api_keys DROP COLUMN leaked_at;
