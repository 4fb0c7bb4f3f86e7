DROP INDEX audit_events_actor_id;
DROP INDEX audit_events_actor_name;
DROP INDEX audit_events_actor_type;
