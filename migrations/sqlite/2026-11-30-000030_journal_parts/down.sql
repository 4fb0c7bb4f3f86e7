-- The earlier division has other parts.
UPDATE usage_journal SET process = process || '/' || part, part = 16 WHERE part > 16;
