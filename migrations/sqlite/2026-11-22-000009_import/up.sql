-- Made elsewhere: only its digest came here, and its text need not look like one of our keys.
ALTER TABLE api_keys ADD COLUMN imported BOOLEAN NOT NULL DEFAULT FALSE;
