DROP TABLE audit_events;
DROP TABLE admin_tokens;
DROP TABLE api_keys;
