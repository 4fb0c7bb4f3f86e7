-- A large batch is in up to 64 rows now, with 17 + key_number % 64 as their part. One that is still in
-- rows by the earlier division counts as small ones.
UPDATE usage_journal SET process = process || '/' || part, part = 16 WHERE part < 16;
