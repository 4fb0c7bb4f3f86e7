//! PostgreSQL databases that were moved, extended, or opened to be read alone.

use crate::commands::cli::errors;
use crate::support::{Backend, TestDatabase, TestServer, binary};

const CREATE: [&str; 6] = ["key", "create", "--name", "k", "--scope", "calls:read"];

fn with_url<'a>(arguments: &[&'a str], url: &'a str) -> Vec<&'a str> {
    [arguments, &["--database-url", url]].concat()
}

#[test]
fn sequences_that_were_left_behind_are_found_and_set_on() {
    let database = TestDatabase::new(Backend::Postgres);
    let (folder, url) = (database.folder(), database.url.as_str());
    (0..3).for_each(|_| {
        binary::run_ok(&folder, &with_url(&CREATE, url));
    });
    // So does logical replication leave them.
    for column in ["api_keys', 'number", "audit_events', 'id"] {
        database
            .db_execute(&format!("SELECT setval(pg_get_serial_sequence('{column}'), 1, false)"));
    }
    let check = binary::run(&folder, &with_url(&["check"], url));
    assert_eq!(check.status.code(), Some(1));
    let said = String::from_utf8(check.stdout).unwrap();
    for part in ["wrong    sequences: api_keys.number goes on after 0, and 3 is taken", "--repair"]
    {
        assert!(said.contains(part), "no {part}: {said}");
    }
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"]] {
        let refused = binary::ended(binary::command(&folder, &with_url(command, url)));
        assert_eq!(refused.status.code(), Some(1));
        assert!(errors(&refused).contains("bitting check --repair"), "{}", errors(&refused));
    }
    let said = binary::run_ok(&folder, &with_url(&["check", "--repair"], url));
    assert!(said.contains("ok       sequences"), "{said}");
    binary::run_ok(&folder, &with_url(&CREATE, url));
    binary::run_ok(&folder, &with_url(&["migrate"], url));
}

#[test]
fn a_server_under_which_that_happens_says_so() {
    let server = TestServer::start(Backend::Postgres);
    server.key("calls:read");
    let create = || {
        let body = serde_json::json!({"name": "k", "scopes": ["calls:read"]});
        server.manage("POST", "/v1/keys", Some(&body))
    };
    for column in ["api_keys', 'number", "audit_events', 'id"] {
        let set = format!("SELECT setval(pg_get_serial_sequence('{column}'), 1, false)");
        server.database.db_execute(&set);
        let refused = create();
        refused.expect(503, "unavailable");
        assert!(refused.body.contains("bitting check --repair"), "{}", refused.body);
        let repair = ["check", "--repair", "--database-url", &server.database.url];
        binary::run_ok(&server.database.folder(), &repair);
        create().expect(201, "");
    }
}

#[test]
fn what_belongs_to_extensions_does_not_count() {
    let database = TestDatabase::new(Backend::Postgres);
    // It has two views in the schema in which our tables will be.
    database.db_execute("CREATE EXTENSION pg_stat_statements");
    let (folder, url) = (database.folder(), database.url.as_str());
    binary::run_ok(&folder, &with_url(&["migrate"], url));
    binary::run_ok(&folder, &with_url(&["check"], url));
    // What nobody's extension made is still another program's.
    let other = TestDatabase::new(Backend::Postgres);
    other.db_execute("CREATE EXTENSION pg_stat_statements; CREATE TABLE theirs (id INT)");
    let refused = binary::run(&folder, &with_url(&["migrate"], &other.url));
    assert!(errors(&refused).contains("another program"), "{}", errors(&refused));
}

#[test]
fn whoever_may_only_read_can_look() {
    let database = TestDatabase::new(Backend::Postgres);
    let (folder, url) = (database.folder(), database.url.as_str());
    binary::run_ok(&folder, &with_url(&CREATE, url));
    let reader = format!("reader_{}", uuid::Uuid::now_v7().simple());
    database.db_execute(&format!(
        "CREATE ROLE {reader} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"
    ));
    let (scheme, rest) = url.split_once("://").unwrap();
    let place = rest.split_once('@').unwrap().1;
    let theirs = format!("{scheme}://{reader}@{place}");
    let listed = binary::run_ok(&folder, &with_url(&["key", "list", "--json"], &theirs));
    assert!(listed.contains("\"name\":\"k\""), "{listed}");
    let check = binary::run(&folder, &with_url(&["check"], &theirs));
    let said = String::from_utf8(check.stdout).unwrap();
    let wrong: Vec<_> = said.lines().filter(|line| line.starts_with("wrong")).collect();
    assert_eq!(wrong.len(), 1, "{said}");
    assert!(said.contains("warning  sequences: this user may not see 4"), "{said}");
    assert!(wrong[0].contains("may not make or change the tables"), "{said}");
    database.db_execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
}
