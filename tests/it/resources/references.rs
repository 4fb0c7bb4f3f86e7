//! Records that refer to others: changed while what they refer to is deleted, and very many of them.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::{Value, json};

use crate::support::server::MadeKey;
use crate::support::{Backend, TestServer, eventually, on_both};

const SCOPES: &str = "agents:read agents:write calls:read calls:write knowledge_base:write";

fn make(server: &TestServer, key: &MadeKey, path: &str, body: Value) -> (String, String) {
    let made = server.call(key, "POST", path, Some(&body)).ok();
    let id = made["id"].as_str().unwrap().to_owned();
    (format!("{path}/{id}"), id)
}

fn make_agent(server: &TestServer, key: &MadeKey, more: Value) -> (String, String) {
    let mut body = json!({"name": "Ada", "voice_id": "v", "status": "active"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    make(server, key, "/v1/agents", body)
}

fn make_call(server: &TestServer, key: &MadeKey, agent: &str) -> (String, String) {
    let body = json!({"direction": "inbound", "caller": "+14155550100", "agent_id": agent});
    make(server, key, "/v1/calls", body)
}

/// As a DELETE does it: first what is deleted is locked, then what refers to it is changed.
#[test]
fn a_record_is_changed_while_what_it_refers_to_is_being_deleted() {
    let server = TestServer::start(Backend::Postgres);
    let key = server.key(SCOPES);
    let article = json!({"title": "Hours", "content": "From 9 to 5"});
    let (_, article) = make(&server, &key, "/v1/knowledge_base", article);
    let (agent_path, agent) =
        make_agent(&server, &key, json!({"knowledge_base_id": article.as_str()}));
    let (call_path, _) = make_call(&server, &key, &agent);
    let mut other = PgConnection::establish(&server.database.url).unwrap();
    for (path, table, gone, referring, column, patch) in [
        (&call_path, "agents", &agent, "calls", "agent_id", json!({"summary": "short"})),
        (
            &agent_path,
            "knowledge_base",
            &article,
            "agents",
            "knowledge_base_id",
            json!({"name": "Bo"}),
        ),
    ] {
        let lock = format!("BEGIN; SELECT 1 FROM {table} WHERE id = '{gone}' FOR UPDATE");
        other.batch_execute(&lock).unwrap();
        let changed = server.call(&key, "PATCH", path, Some(&patch)).ok();
        assert_eq!(changed[column], json!(gone));
        let clear = format!("UPDATE {referring} SET {column} = NULL WHERE {column} = '{gone}'");
        other.batch_execute(&clear).unwrap();
        other.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn what_a_deadlock_has_ended_is_done_once_more() {
    let server = TestServer::start(Backend::Postgres);
    let key = server.key(SCOPES);
    let [(_, present), (_, new)] = [(); 2].map(|()| make_agent(&server, &key, json!({})));
    let (path, call) = make_call(&server, &key, &present);
    let mut other = PgConnection::establish(&server.database.url).unwrap();
    let lock =
        |table: &str, id: &str| format!("SELECT 1 FROM {table} WHERE id = '{id}' FOR UPDATE");
    other.batch_execute(&format!("BEGIN; {}", lock("agents", &new))).unwrap();
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let patch = json!({"agent_id": new.as_str()});
    std::thread::scope(|scope| {
        let change = scope.spawn(|| server.call(&key, "PATCH", &path, Some(&patch)));
        eventually("it waits", || server.database.db_number(waiting) == 1);
        // PostgreSQL ends the transaction that has waited longer.
        other.batch_execute(&lock("calls", &call)).unwrap();
        other.batch_execute("COMMIT").unwrap();
        assert_eq!(change.join().unwrap().ok()["agent_id"], json!(new));
    });
}

/// Has the database refuse to change one call, or no longer.
fn db_spoil(server: &TestServer, call: Option<&str>) {
    let sql = match (server.database.backend, call) {
        (Backend::Sqlite, None) => "DROP TRIGGER spoilt".to_owned(),
        (Backend::Postgres, None) => "DROP TRIGGER spoilt ON calls".to_owned(),
        (Backend::Sqlite, Some(id)) => format!(
            "CREATE TRIGGER spoilt BEFORE UPDATE ON calls WHEN OLD.id = '{id}' \
             BEGIN SELECT RAISE(ABORT, 'spoilt'); END"
        ),
        (Backend::Postgres, Some(id)) => format!(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql \
             AS $$ BEGIN RAISE EXCEPTION 'spoilt'; END $$; \
             CREATE TRIGGER spoilt BEFORE UPDATE ON calls FOR EACH ROW WHEN (OLD.id = '{id}') \
             EXECUTE FUNCTION spoil()"
        ),
    };
    server.database.db_execute(&sql);
}

on_both! {
    fn what_very_many_refer_to_is_deleted_step_by_step(backend) {
        let server = TestServer::start(backend);
        let key = server.key(SCOPES);
        let (path, agent) = make_agent(&server, &key, json!({}));
        let row = |n: u32| {
            let at = "'2026-01-01 00:00:00'";
            format!("('call_{n:04}', {at}, {at}, 'inbound', '+1', '{agent}', '[]', '[]', {at})")
        };
        let rows: Vec<String> = (0..2200).map(row).collect();
        server.database.db_execute(&format!(
            "INSERT INTO calls (id, created_at, updated_at, direction, caller, agent_id, transcript, \
             tags, occurred_at) VALUES {}",
            rows.join(", ")
        ));
        let left = || {
            let count = format!("SELECT COUNT(*) FROM calls WHERE agent_id = '{agent}'");
            server.database.db_number(&count)
        };
        let etag = server.call(&key, "GET", &path, None).header("etag").to_owned();
        db_spoil(&server, Some("call_2199"));
        let answer = server.call(&key, "DELETE", &path, None);
        let said = answer.expect(503, "unavailable").json();
        assert!(said["detail"].as_str().unwrap().contains("no longer do; ask again"), "{said}");
        assert!((1..1500).contains(&left()), "{} are left to be done", left());
        // Nothing is lost, and whoever asks again goes on where it stopped.
        assert_eq!(server.call(&key, "GET", &path, None).header("etag"), etag);
        db_spoil(&server, None);
        server.call(&key, "DELETE", &path, None).expect(204, "");
        assert_eq!(left(), 0);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM calls"), 2200);
    }
}
