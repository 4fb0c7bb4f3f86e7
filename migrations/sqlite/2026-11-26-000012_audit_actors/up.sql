-- The audit log is filtered by who did it.
CREATE INDEX audit_events_actor_type ON audit_events (actor_type, id);
CREATE INDEX audit_events_actor_name ON audit_events (actor_name, id);
CREATE INDEX audit_events_actor_id ON audit_events (actor_id, id);
