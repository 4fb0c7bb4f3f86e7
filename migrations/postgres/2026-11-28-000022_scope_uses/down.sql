DROP TABLE scope_uses;
