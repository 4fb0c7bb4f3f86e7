//! What a server cannot work without: `check` finds what is missing, `serve` and `migrate` refuse to
//! begin for the same reason, and a server that loses it says so.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Backend, Binary, TestDatabase, binary, eventually};

const MAKING: [&[&str]; 2] = [&["serve", "--listen", "127.0.0.1:0"], &["migrate"]];

fn output(mut command: Command, url: &str) -> Output {
    command.env("BITTING_DATABASE_URL", url);
    binary::ended(command)
}

/// Fails unless `check` finds this, and all that makes a database ready is refused in these words.
#[track_caller]
pub(super) fn refused_by_all(folder: &Path, url: &str, check: &str, message: &str) {
    let found = output(binary::unprivileged(folder, &["check", "--json"]), url);
    let found = String::from_utf8(found.stdout).unwrap();
    let mut findings =
        found.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let finding =
        findings.find(|finding| finding["verdict"] == "wrong" && finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no {check}: {found}"));
    let text = |member: &str| finding[member].as_str().unwrap().to_owned();
    assert!(text("message").contains(message), "{finding}");
    for arguments in MAKING {
        let output = output(binary::unprivileged(folder, arguments), url);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&text("message")) && said.contains(&text("remedy")), "{said}");
        assert!(output.stdout.is_empty());
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A database with a key, left as a server leaves it that is killed: with all of its files.
fn killed() -> (TestDatabase, String) {
    let database = TestDatabase::new(Backend::Sqlite);
    let (folder, url) = (database.folder(), &*database.url);
    let create = ["key", "create", "--name", "k", "--scope", "calls:read", "--database-url", url];
    let key = binary::run_ok(&folder, &create);
    let server = Binary::serve(&folder, &["--database-url", url]);
    server.client.with_key(&key, "GET", "/v1/calls", None).expect(200, "");
    eventually("the count is written", || database.db_counted() == 1);
    server.signal("KILL");
    server.wait();
    (database, key)
}

#[test]
fn files_that_may_be_read_and_not_written_are_refused_with_what_to_do() {
    let (database, _) = killed();
    let folder = database.folder();
    for (name, mode) in
        [("test.db", 0o400), ("test.db-wal", 0o400), ("test.db-shm", 0o400), ("", 0o500)]
    {
        let place = folder.join(name);
        let before = std::fs::metadata(&place).unwrap().permissions().mode();
        set_mode(&place, mode);
        refused_by_all(&folder, &database.url, "permissions", "may not write");
        set_mode(&place, before);
    }
    let again = output(binary::unprivileged(&folder, &["migrate"]), &database.url);
    assert!(again.status.success(), "{again:?}");
}

#[test]
fn a_server_whose_files_may_no_longer_be_written_is_not_ready() {
    let (database, key) = killed();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database-url", &database.url];
    let server = Binary::start(binary::unprivileged(&database.folder(), &arguments));
    let status = |path: &str| server.client.send("GET", path, &[], None).status;
    for name in ["test.db", "test.db-wal", ""] {
        let place = database.folder().join(name);
        let before = std::fs::metadata(&place).unwrap().permissions().mode();
        eventually("the server is ready", || status("/readyz") == 200);
        set_mode(&place, 0o500);
        eventually("the server is not ready", || status("/readyz") == 503);
        assert_eq!(status("/healthz"), 200);
        server.client.with_key(&key, "GET", "/v1/ping", None).expect(200, "");
        set_mode(&place, before);
    }
    eventually("the server is ready", || status("/readyz") == 200);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped: all counts are written"), "{log}");
    assert_eq!(log.matches("writing counts failed").count(), 3, "{log}");
}

#[test]
fn a_postgresql_database_that_does_not_store_utf8_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let options = format!("ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        let database = TestDatabase::postgres(&options);
        let message = format!("the database is {encoding}");
        refused_by_all(&database.folder(), &database.url, "encoding", &message);
        assert_eq!(
            database.db_number("SELECT COUNT(*) FROM pg_tables WHERE tablename = 'bitting'"),
            0
        );
    }
}

/// As an earlier version made it, which did not look.
#[test]
fn a_database_that_was_made_in_another_encoding_is_refused_by_all() {
    let database = TestDatabase::new(Backend::Postgres);
    binary::run_ok(&database.folder(), &["migrate", "--database-url", &database.url]);
    let name = database.url.rsplit('/').next().unwrap();
    database.db_execute(&format!(
        "UPDATE pg_database SET encoding = pg_char_to_encoding('LATIN1') WHERE datname = '{name}'"
    ));
    refused_by_all(&database.folder(), &database.url, "encoding", "the database is LATIN1");
}

#[test]
fn a_postgresql_server_that_takes_no_changes_is_refused() {
    let database = TestDatabase::new(Backend::Postgres);
    binary::run_ok(&database.folder(), &["migrate", "--database-url", &database.url]);
    let name = database.url.rsplit('/').next().unwrap();
    database.db_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    refused_by_all(&database.folder(), &database.url, "writing", "takes no changes");
}

#[test]
fn a_postgresql_user_who_may_only_read_is_refused() {
    let database = TestDatabase::new(Backend::Postgres);
    binary::run_ok(&database.folder(), &["migrate", "--database-url", &database.url]);
    let reader = format!("reader_{}", uuid::Uuid::now_v7().simple());
    database.db_execute(&format!(
        "CREATE ROLE {reader} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}"
    ));
    let url = database.url.replace("bitting@", &format!("{reader}@"));
    refused_by_all(&database.folder(), &url, "writing", "may not make or change the tables");
    // Looking needs no more than that.
    binary::run_ok(&database.folder(), &["key", "list", "--database-url", &url]);
    // Nor does a server need the right to make tables that are there.
    database.db_execute(&format!(
        "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {reader}"
    ));
    let server = Binary::serve(&database.folder(), &["--database-url", &url]);
    assert_eq!(server.terminate().0, Some(0));
    database.db_execute(&format!("DROP OWNED BY {reader}; DROP ROLE {reader}"));
}
