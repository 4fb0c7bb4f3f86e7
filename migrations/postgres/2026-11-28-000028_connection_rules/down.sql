ALTER TABLE connections DROP COLUMN test_path;
ALTER TABLE connections DROP COLUMN rules;
