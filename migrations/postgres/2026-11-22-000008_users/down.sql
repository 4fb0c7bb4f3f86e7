DROP INDEX admin_tokens_user;
DROP INDEX api_keys_user;
ALTER TABLE admin_tokens DROP COLUMN user_id;
ALTER TABLE api_keys DROP COLUMN user_id;
DROP TABLE login_failures;
DROP TABLE one_time_links;
DROP TABLE sessions;
DROP TABLE users;
