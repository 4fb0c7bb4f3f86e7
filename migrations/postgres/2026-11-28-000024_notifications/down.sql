DROP INDEX api_keys_expiry;
DROP TABLE expiry_scan;
DROP TABLE notifications;
