-- When somebody first reported that the key was found where it does not belong.
ALTER TABLE api_keys ADD COLUMN leaked_at TIMESTAMP;
