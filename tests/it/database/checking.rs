//! `bitting check`: what is well is said to be, what is wrong is found, and nothing is changed.

use serde_json::Value;

use crate::commands::cli::Shell;
use crate::support::{Backend, Binary, binary, eventually, on_both};

/// A database with a used key, a revoked one and a revoked token.
fn used(backend: Backend) -> Shell {
    let shell = Shell::new(backend);
    let make = ["key", "create", "--name", "a", "--scope", "calls:read"];
    let key = shell.json(&make)[0]["key"].as_str().unwrap().to_owned();
    let revoked = shell.json(&make)[0]["id"].as_str().unwrap().to_owned();
    shell.ok(&["key", "revoke", &revoked]);
    let token = shell.json(&["token", "create", "--name", "t", "--access", "read"]);
    shell.ok(&["token", "revoke", token[0]["id"].as_str().unwrap()]);
    let server = serve(&shell);
    server.client.with_key(&key, "GET", "/v1/calls", None).expect(200, "");
    assert_eq!(server.terminate().0, Some(0));
    shell
}

fn serve(shell: &Shell) -> Binary {
    Binary::serve(&shell.0.folder(), &["--database-url", &shell.0.url])
}

/// Runs the check; returns whether it passed, and what it found.
fn check(shell: &Shell, arguments: &[&str]) -> (bool, Vec<Value>) {
    let output = shell.run(&[&["check", "--json"], arguments].concat());
    let printed = String::from_utf8(output.stdout).unwrap();
    let findings: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code() == Some(0), findings)
}

/// What was found wrong, each with its remedy.
fn wrong(findings: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let wrong = findings.iter().filter(|finding| finding["verdict"] == "wrong");
    wrong
        .map(|finding| {
            assert!(!text(&finding["remedy"]).is_empty(), "{finding}");
            (text(&finding["check"]), text(&finding["message"]))
        })
        .collect()
}

#[track_caller]
fn finds(shell: &Shell, name: &str, words: &str) {
    let (passed, findings) = check(shell, &[]);
    let found = wrong(&findings);
    assert!(!passed, "{findings:?}");
    assert!(found.iter().any(|(n, message)| n == name && message.contains(words)), "{found:?}");
}

on_both! {
    fn a_good_database_passes_while_a_server_runs_and_is_not_changed(backend) {
        let shell = used(backend);
        let file = || std::fs::read(shell.0.folder().join("test.db")).ok();
        // On a busy machine a server may leave its write-ahead log; whoever opens the file next folds it in.
        assert!(check(&shell, &[]).0);
        let before = file();
        let (passed, findings) = check(&shell, &[]);
        assert!(passed && wrong(&findings).is_empty(), "{findings:?}");
        assert!(file() == before);
        let names: Vec<_> = findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
        for expected in ["configuration", "database", "clock", "pages", "credentials", "records"] {
            assert!(names.contains(&expected), "no {expected} in {names:?}");
        }
        let server = serve(&shell);
        assert!(check(&shell, &[]).0);
        let shown = shell.ok(&["check"]);
        assert_eq!(shown.lines().count(), findings.len());
        assert!(shown.lines().any(|line| line.starts_with("ok       pages: ")), "{shown}");
        assert_eq!(server.terminate().0, Some(0));
    }
}

on_both! {
    fn what_does_not_agree_is_found(backend) {
        let used = used(backend);
        for (damage, name, words) in [
            ("DELETE FROM audit_events WHERE action = 'key.created'", "records", "one key.created event"),
            ("UPDATE audit_events SET action = 'key.revoked' WHERE action = 'key.created'", "records", "one key.revoked event"),
            ("UPDATE api_keys SET revoked_at = created_at, revoked_by_type = 'cli', revoked_by_name = 'x'", "records", "one key.revoked event"),
            ("UPDATE api_keys SET replaced_by = id WHERE number = 1", "records", "named by the key that replaces it"),
            ("UPDATE api_keys SET replaces = id WHERE number = 1", "records", "named by the key that replaces it"),
            ("DELETE FROM audit_events WHERE action = 'token.revoked'", "records", "admin token"),
            ("UPDATE api_keys SET revision = revision + 1000", "records", "revision"),
            ("UPDATE audit_events SET key_id = 'key_0' WHERE action = 'key.revoked'", "records", "has its key"),
            ("INSERT INTO usage_totals VALUES (999, 0, 1, 1)", "records", "belongs to a key"),
            ("UPDATE usage_minutes SET n = -1", "records", "negative"),
            ("UPDATE usage_rollup SET minutes_from = 99999999", "records", "older than those"),
            ("INSERT INTO usage_hours VALUES (1, 99999999, 0, 1, 1)", "records", "not rolled up"),
            ("UPDATE usage_rollup SET hour = hour + 2", "records", "are the sums"),
            ("DELETE FROM usage_rollup", "records", "one row"),
            ("UPDATE api_keys SET scopes = 'calls:fly'", "credentials", "calls:fly"),
            ("UPDATE bitting SET oldest_program = 99", "database", "newer Bitting"),
        ] {
            let shell = Shell(used.0.db_copy());
            shell.0.db_execute(damage);
            finds(&shell, name, words);
        }
    }
}

on_both! {
    fn a_time_that_a_wrong_clock_left_is_found_and_set_back_while_nobody_works(backend) {
        let shell = used(backend);
        shell.0.db_execute("UPDATE bitting SET high_water = '2099-01-01 00:00:00'");
        finds(&shell, "clock", "2099-01-01");
        let server = serve(&shell);
        shell.refused(&["check", "--reset-clock"], 1, &["stop every server"]);
        assert_eq!(server.terminate().0, Some(0));
        finds(&shell, "clock", "2099-01-01");
        // The database may take a moment to notice that the server's connections are gone.
        eventually("the server is gone", || {
            shell.run(&["check", "--reset-clock"]).status.success()
        });
        assert!(check(&shell, &[]).0);
        let expires = chrono::Utc::now().format("%Y").to_string();
        let marked = shell.0.db_texts("SELECT CAST(high_water AS TEXT) FROM bitting");
        assert!(marked[0].starts_with(&expires), "{marked:?}");
    }
}

/// A server reads no record at its start; whoever asks for one on a bad page is told to come back.
#[test]
fn a_bad_page_that_no_start_reads_is_found_and_answered_503() {
    let shell = used(Backend::Sqlite);
    let key = shell.json(&["key", "create", "--name", "b", "--scope", "calls:read"]);
    let key = key[0]["key"].as_str().unwrap();
    let page = shell
        .0
        .db_number("SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_calls_1'");
    let file = shell.0.folder().join("test.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let from = (page as usize - 1) * 4096;
    bytes[from..from + 4096].fill(0xa5);
    std::fs::write(&file, &bytes).unwrap();

    finds(&shell, "pages", "");
    assert!(std::fs::read(&file).unwrap() == bytes, "the check changed the file");
    let server = serve(&shell);
    server.client.with_key(key, "GET", "/v1/whoami", None).expect(200, "");
    server.client.with_key(key, "GET", "/v1/calls", None).expect(503, "unavailable");
    server.client.with_key(key, "GET", "/v1/ping", None).expect(200, "");
}

#[test]
fn strangers_are_kept_out_of_the_files_that_are_there() {
    use std::os::unix::fs::PermissionsExt;

    let shell = used(Backend::Sqlite);
    let file = shell.0.folder().join("test.db");
    let remedy = || {
        let (_, findings) = check(&shell, &[]);
        let finding = findings.into_iter().find(|finding| finding["check"] == "permissions");
        finding.unwrap()["remedy"].as_str().unwrap().to_owned()
    };
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (main, log) = (file.display(), file.with_extension("db-wal"));
    assert_eq!(remedy(), format!("chmod o-rwx {main}"));
    let server = serve(&shell);
    assert!(log.exists());
    assert_eq!(remedy(), format!("chmod o-rwx {main} {main}-wal {main}-shm"));
    assert_eq!(server.terminate().0, Some(0));
}

/// What a crash left in the log and does not hold together is passed over.
#[test]
fn a_garbage_log_is_passed_over() {
    let shell = used(Backend::Sqlite);
    let log = shell.0.folder().join("test.db-wal");
    let garbage: Vec<u8> = (0..100_000u32).map(|n| ((n * 7919) >> 3) as u8).collect();
    std::fs::write(&log, garbage).unwrap();
    let server = serve(&shell);
    assert_eq!(server.client.send("GET", "/readyz", &[], None).status, 200);
    assert_eq!(server.terminate().0, Some(0));
    assert!(check(&shell, &[]).0);
    assert_eq!(shell.json(&["key", "list"]).len(), 2);
}

#[test]
fn what_cannot_be_reached_and_what_strangers_can_is_found() {
    let shell = Shell::new(Backend::Sqlite);
    finds(&shell, "file", "test.db");
    shell.ok(&["migrate"]);
    assert!(check(&shell, &[]).0);
    let file = shell.0.folder().join("test.db");
    use std::os::unix::fs::PermissionsExt;
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600, "strangers may read a new database");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (passed, findings) = check(&shell, &[]);
    let permissions = findings.iter().find(|finding| finding["check"] == "permissions").unwrap();
    assert!(passed && permissions["verdict"] == "warning", "{permissions}");
    let (passed, findings) = check(&shell, &["--listen", "0.0.0.0:8080", "--brand", "zz"]);
    assert!(!passed && findings[0]["verdict"] == "warning", "{findings:?}");
    assert!(wrong(&findings).iter().any(|(_, message)| message.contains("--brand is zz")));

    let outdated = Shell::new(Backend::Sqlite);
    outdated.ok(&["migrate"]);
    outdated.0.db_execute(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT MAX(version) FROM \
         __diesel_schema_migrations)",
    );
    let (_, findings) = check(&outdated, &[]);
    let database = findings.iter().find(|finding| finding["check"] == "database").unwrap();
    assert_eq!(database["verdict"], "warning", "{database}");
    assert!(database["remedy"].as_str().unwrap().contains("bitting migrate"), "{database}");
}

/// Whether anything listens is not looked at.
#[test]
fn the_settings_are_told_as_such() {
    let shell = Shell::new(Backend::Sqlite);
    shell.ok(&["migrate"]);
    for listen in ["127.0.0.1:8123", "0.0.0.0:8123"] {
        let (_, findings) = check(&shell, &["--listen", listen]);
        let finding = findings.iter().find(|finding| finding["check"] == "configuration").unwrap();
        let message = finding["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("configured to listen on {listen}")), "{message}");
    }
}

#[test]
fn a_server_is_asked_whether_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Binary::serve(folder.path(), &[]);
    let address = server.client.base.trim_start_matches("http://").to_owned();
    let asked = |address: &str| binary::run(folder.path(), &["healthcheck", "--listen", address]);
    let port = address.rsplit(':').next().unwrap();
    for address in [address.as_str(), &format!("0.0.0.0:{port}")] {
        assert_eq!(asked(address).status.code(), Some(0), "{address}");
    }
    std::fs::rename(folder.path().join("bitting.db"), folder.path().join("aside.db")).unwrap();
    eventually("the server is not ready", || asked(&address).status.code() == Some(1));
    drop(server);
    assert_eq!(asked(&address).status.code(), Some(1));
    assert_eq!(asked("127.0.0.1:0").status.code(), Some(2));
}
