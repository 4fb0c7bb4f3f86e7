//! What commands say goes by how they are used: by their own options, and with what helps.

use std::process::Stdio;

use serde_json::json;

use crate::commands::cli::{Shell, errors};
use crate::support::{Backend, TestDatabase, TestServer, on_both};

fn make(shell: &Shell, more: &[&str]) -> String {
    let made =
        shell.json(&[&["key", "create", "--name", "a", "--scope", "calls:read"], more].concat());
    made[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn no_option_is_named_that_there_is_not() {
    let shell = Shell::new(Backend::Sqlite);
    let id = make(&shell, &[]);
    let mut find = shell.command(&["key", "find", "-"]);
    let output = find.stdin(Stdio::null()).output().unwrap();
    assert!(errors(&output).contains("standard input must be the whole key"), "{output:?}");
    let unknown = "key_00000000000000000000000000";
    shell.refused(&["key", "revoke", &id, unknown], 2, &["the ids must all be there", unknown]);
    shell.refused(
        &["key", "revoke", "--unused-for", "90d", "--confirm", "2"],
        1,
        &["0 keys, not 2"],
    );
    shell.refused(
        &["key", "revoke", "--scope", "calls:read", "--confirm", "2"],
        1,
        &["1 key, not 2"],
    );
    shell.refused(&["connection", "add", "A B", "--kind", "callrail"], 2, &["the handle "]);
}

on_both! {
    fn a_key_without_an_owner_gets_one_before_it_is_rotated(backend) {
        let shell = Shell::new(backend);
        let id = make(&shell, &[]);
        std::fs::write(shell.0.folder().join("bitting.toml"), "[policy]\nrequire_owner = true\n").unwrap();
        let remedy = format!("bitting key set {id} --owner OWNER");
        shell.refused(&["key", "rotate", &id], 2, &["has no owner", "require_owner", &remedy]);
        shell.ok(&["key", "set", &id, "--owner", "acme"]);
        assert_eq!(shell.json(&["key", "show", &id])[0]["owner"], "acme");
        shell.refused(&["key", "set", &id, "--owner", "none"], 2, &["--owner is required"]);
        shell.ok(&["key", "rotate", &id]);
    }
}

#[test]
fn a_backup_that_cannot_be_read_is_named() {
    let shell = Shell(TestDatabase::new(Backend::Sqlite));
    shell.ok(&["migrate"]);
    // As where this user may not write it.
    let name = shell.0.url.rsplit('/').next().unwrap().to_owned();
    std::fs::create_dir(shell.0.folder().join(format!("{name}-wal"))).unwrap();
    let said = format!("{name}: unable to open database file");
    shell.refused(&["backup", "copy.db"], 1, &[&said, "restore a backup"]);
}

#[test]
fn who_may_not_read_the_tables_is_told_what_to_do() {
    let database = TestDatabase::migrated(Backend::Postgres);
    let nobody = format!("nobody_{}", uuid::Uuid::now_v7().simple());
    database.db_execute(&format!("CREATE ROLE {nobody} LOGIN"));
    let url = database.url.replace("bitting@", &format!("{nobody}@"));
    let shell = Shell(database);
    for command in [&["migrate"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let arguments = [command, &["--database-url", &url]].concat();
        let output = shell.run(&arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        for said in ["permission denied", "may not make or change the tables", "let the URL name"] {
            assert!(errors(&output).contains(said), "{said}: {}", errors(&output));
        }
    }
    shell.0.db_execute(&format!("DROP ROLE {nobody}"));
}

on_both! {
    fn filters_are_trimmed_wherever_they_come_from(backend) {
        let server = TestServer::start(backend);
        let shell = Shell(TestDatabase::at(backend, server.database.url.clone()));
        let key = server.key_with("calls:read", json!({"owner": "trim me", "expires_at": null}));
        for (field, text) in [
            ("owner", " trim me "), ("holder", " none "), ("scope", "\tcalls:read\n"), ("status", " active "),
            ("expiry", " never "), ("q", " trim me "),
        ] {
            let body = json!({"filter": {field: text}, "confirm": 0});
            let refused = server.manage("POST", "/v1/keys/revoke", Some(&body));
            assert_eq!(refused.expect(409, "not_confirmed").json()["found"], 1, "{field}");
        }
        let filters = ["--owner", " trim me ", "--holder", " none ", "--scope", " calls:read ", "--status", " active "];
        let found = shell.json(&[&["key", "list"][..], &filters].concat());
        assert_eq!((found.len(), &found[0]["id"]), (1, &json!(key.id)));
        shell.ok(&["key", "list", "--unused-for", " 90d ", "--expires-within", " 14d "]);
    }
}
