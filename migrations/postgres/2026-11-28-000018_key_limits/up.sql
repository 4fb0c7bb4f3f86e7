-- The limits of a key, as text: '600/minute', '50000/day', and networks with a space between.
ALTER TABLE api_keys ADD COLUMN rate_limit TEXT;
ALTER TABLE api_keys ADD COLUMN quota TEXT;
ALTER TABLE api_keys ADD COLUMN allowed_networks TEXT;
