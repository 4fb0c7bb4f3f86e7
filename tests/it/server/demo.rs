//! `bitting serve --demo`, with the real binary.

use serde_json::Value;

use crate::support::binary::{Binary, run, run_ok};
use crate::support::{Backend, Browser, TestDatabase, eventually, on_both};

fn serve(database: &TestDatabase, more: &[&str]) -> Binary {
    let mut arguments = vec!["--database-url", &database.url];
    arguments.extend(more);
    Binary::serve(&database.folder(), &arguments)
}

/// What stands behind a word in what was printed.
fn told(log: &str, word: &str) -> String {
    let line = log.lines().find_map(|line| line.trim_start().strip_prefix(word));
    line.unwrap_or_else(|| panic!("no {word}: {log}")).trim().to_owned()
}

/// The keys as the command line lists them.
fn keys(database: &TestDatabase) -> Vec<Value> {
    let arguments = ["key", "list", "--json", "--database-url", &database.url];
    let listed = run_ok(&database.folder(), &arguments);
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

on_both! {
    fn a_demo_is_made_once_and_agrees_with_itself(backend) {
        let database = TestDatabase::new(backend);
        let server = serve(&database, &["--demo"]);
        eventually("the secrets are told", || server.log().contains("API key"));
        let log = server.log();
        let (email, password, key) =
            (told(&log, "e-mail"), told(&log, "password"), told(&log, "API key"));
        assert!(!log.contains("/setup?token="), "{log}");

        let browser = Browser::new(&server.client.base);
        assert_eq!(browser.log_in(&email, &password).status, 303);
        let page = browser.get("/keys");
        assert_eq!(page.status, 200);
        assert!(page.body.contains("CRM sync") && page.body.contains("Old switchboard bridge"));

        // Every key's figures are the same from every side; all keys' are their sum.
        let listed = keys(&database);
        assert_eq!(listed.len(), 7);
        let find = |name: &str| listed.iter().find(|key| key["name"] == name).unwrap();
        let first = find("Front-desk dashboard");
        let own = server.client.with_key(&key, "GET", "/v1/whoami", None).ok();
        assert_eq!((&own["id"], &own["usage"]), (&first["id"], &first["usage"]));
        let get = |path: &str| server.client.with_key(&key, "GET", path, None);
        let everything = get("/v1/analytics/usage").ok();
        for window in ["24h", "7d", "30d"] {
            let sum: i64 =
                listed.iter().map(|key| key["usage"][window]["total"].as_i64().unwrap()).sum();
            // whoami has counted since the list was made.
            assert_eq!(everything[window]["total"], sum + 1, "{window}: {everything:#}");
        }
        let month = |name: &str, outcome: &str| find(name)["usage"]["30d"][outcome].as_i64().unwrap();
        assert!(month("Front-desk dashboard", "forbidden") > 0);
        assert!(month("CRM sync", "client_error") > 0);
        assert!(month("Reminder script", "retired") > 0 && month("Reminder script", "ok") > 0);
        assert_eq!(find("Reminder script")["status"], "revoked");
        assert_eq!(find("Data export for the audit")["status"], "expired");
        assert_eq!(find("Aircall trial")["last_used_at"], Value::Null);
        assert_eq!(month("Old switchboard bridge", "total"), 0);
        assert!(find("Old switchboard bridge")["lifetime_total"].as_i64().unwrap() > 0);

        for path in ["calls", "leads", "agents", "contacts", "knowledge_base"] {
            let page = get(&format!("/v1/{path}")).ok();
            assert!(!page["data"].as_array().unwrap().is_empty(), "{path}");
        }
        get("/v1/integrations").expect(403, "insufficient_scope");
        assert_eq!(get("/v1/knowledge_base?q=emergency").ok()["data"].as_array().unwrap().len(), 1);
        let calls = database.db_number("SELECT COUNT(*) FROM calls");
        assert!((150..260).contains(&calls), "{calls}");
        let spoken = "SELECT COUNT(*) FROM calls WHERE CAST(transcript AS TEXT) LIKE '%{name}%'";
        assert_eq!(database.db_number(spoken), 0, "everything is filled in");

        let (code, _) = server.terminate();
        assert_eq!(code, Some(0));
        // It fails when anything is wrong.
        let findings =
            run_ok(&database.folder(), &["check", "--json", "--database-url", &database.url]);
        assert!(findings.contains("\"ok\"") && !findings.contains("\"wrong\""), "{findings}");

        let events = "SELECT COUNT(*) FROM audit_events";
        let before = database.db_number(events);
        let server = serve(&database, &["--demo"]);
        assert!(!server.log().contains("API key"), "{}", server.log());
        server.client.with_key(&key, "GET", "/v1/ping", None).ok();
        assert_eq!(database.db_number(events), before);
        assert_eq!(Browser::new(&server.client.base).log_in(&email, &password).status, 303);
    }
}

on_both! {
    fn a_database_with_a_key_in_it_is_left_as_it_is(backend) {
        let database = TestDatabase::new(backend);
        let place = ["--database-url", database.url.as_str()];
        let key = ["key", "create", "--name", "mine", "--scope", "calls:read"];
        run_ok(&database.folder(), &[&key[..], &place].concat());
        let serve = ["serve", "--demo", "--listen", "127.0.0.1:0"];
        let refused = run(&database.folder(), &[&serve[..], &place].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("not empty") && said.contains("nothing was changed"), "{said}");
        assert_eq!(keys(&database).len(), 1);
        assert_eq!(database.db_number("SELECT COUNT(*) FROM users"), 0);
        assert_eq!(database.db_number("SELECT COUNT(*) FROM audit_events"), 1);
    }
}

#[test]
fn a_demo_that_was_broken_off_is_not_taken_for_one() {
    let database = TestDatabase::new(Backend::Sqlite);
    run_ok(&database.folder(), &["migrate", "--database-url", &database.url]);
    database.db_execute(
        "INSERT INTO users (id, email, role, may_grant, created_at) VALUES \
         ('user_01m80d9dhpekp8f7tjb36sz8br', 'demo@example.com', 'admin', '', '2026-01-01 00:00:00')",
    );
    let arguments = ["serve", "--demo", "--listen", "127.0.0.1:0", "--database-url", &database.url];
    let refused = run(&database.folder(), &arguments);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted"), "{said}");
}
