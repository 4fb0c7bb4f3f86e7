ALTER TABLE api_keys DROP COLUMN allowed_networks;
ALTER TABLE api_keys DROP COLUMN quota;
ALTER TABLE api_keys DROP COLUMN rate_limit;
