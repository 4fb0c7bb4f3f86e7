-- The keys that made a record and changed it last; null in records from before this was recorded.
ALTER TABLE agents ADD COLUMN created_by TEXT;
ALTER TABLE agents ADD COLUMN updated_by TEXT;
CREATE INDEX agents_created_by ON agents (created_by, id);
CREATE INDEX agents_updated_by ON agents (updated_by, id);
ALTER TABLE calls ADD COLUMN created_by TEXT;
ALTER TABLE calls ADD COLUMN updated_by TEXT;
CREATE INDEX calls_created_by ON calls (created_by, id);
CREATE INDEX calls_updated_by ON calls (updated_by, id);
ALTER TABLE contacts ADD COLUMN created_by TEXT;
ALTER TABLE contacts ADD COLUMN updated_by TEXT;
CREATE INDEX contacts_created_by ON contacts (created_by, id);
CREATE INDEX contacts_updated_by ON contacts (updated_by, id);
ALTER TABLE integrations ADD COLUMN created_by TEXT;
ALTER TABLE integrations ADD COLUMN updated_by TEXT;
CREATE INDEX integrations_created_by ON integrations (created_by, id);
CREATE INDEX integrations_updated_by ON integrations (updated_by, id);
ALTER TABLE knowledge_base ADD COLUMN created_by TEXT;
ALTER TABLE knowledge_base ADD COLUMN updated_by TEXT;
CREATE INDEX knowledge_base_created_by ON knowledge_base (created_by, id);
CREATE INDEX knowledge_base_updated_by ON knowledge_base (updated_by, id);
ALTER TABLE leads ADD COLUMN created_by TEXT;
ALTER TABLE leads ADD COLUMN updated_by TEXT;
CREATE INDEX leads_created_by ON leads (created_by, id);
CREATE INDEX leads_updated_by ON leads (updated_by, id);

-- What leads and contacts are looked up by.
CREATE INDEX contacts_email ON contacts (email, id);
CREATE INDEX contacts_phone ON contacts (phone, id);
CREATE INDEX contacts_updated ON contacts (updated_at, id);
CREATE INDEX leads_email ON leads (email, id);
CREATE INDEX leads_phone ON leads (phone, id);
CREATE INDEX leads_updated ON leads (updated_at, id);
