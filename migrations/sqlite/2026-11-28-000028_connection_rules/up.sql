-- Of connections to APIs that have no table in the program: what they offer, a rule a line, and the
-- path that they are tested with.
ALTER TABLE connections ADD COLUMN rules TEXT;
ALTER TABLE connections ADD COLUMN test_path TEXT;
