DROP INDEX calls_newest;
DROP INDEX agents_status;
DROP TABLE integrations;
DROP TABLE contacts;
DROP TABLE leads;
