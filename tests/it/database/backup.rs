//! `bitting backup`: a copy of a database that is being written, whole or not there at all.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_types};
use serde_json::json;

use crate::commands::cli::Shell;
use crate::support::client::Client;
use crate::support::{Backend, SetAtEnd, TestServer, binary, eventually};

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = sql_types::Text)]
    id: String,
}

fn db_ids(file: &Path) -> HashSet<String> {
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let rows: Vec<Id> = diesel::sql_query("SELECT id FROM calls").load(&mut connection).unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_copy_made_under_load_has_all_that_was_acknowledged_before() {
    let server = TestServer::start(Backend::Sqlite);
    let key = server.key("calls:write");
    let folder = tempfile::tempdir().unwrap();
    let (acknowledged, done) = (Mutex::new(HashSet::new()), AtomicBool::new(false));
    let call = json!({"direction": "inbound", "caller": "+14155550100"});
    let count = || acknowledged.lock().unwrap().len();
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let client = Client::new(&server.client.base);
                while !done.load(Ordering::SeqCst) {
                    let made = client.with_key(&key.secret, "POST", "/v1/calls", Some(&call));
                    // A busy writer may put somebody off; that is no acknowledgement.
                    if made.status == 201 {
                        let id = made.json()["id"].as_str().unwrap().to_owned();
                        acknowledged.lock().unwrap().insert(id);
                    }
                }
            });
        }
        let _end = SetAtEnd(&done);
        for name in ["first.db", "second.db"] {
            let before = count();
            eventually("calls are made", || count() > before + 100);
            let (expected, copy) = (acknowledged.lock().unwrap().clone(), folder.path().join(name));
            let url = ["--database-url", server.database.url.as_str()];
            let arguments = ["backup", copy.to_str().unwrap()];
            binary::run_ok(folder.path(), &[&arguments[..], &url].concat());
            let found = db_ids(&copy);
            assert!(
                expected.is_subset(&found),
                "{} are missing",
                expected.difference(&found).count()
            );
            // It stands by itself, and a server can go on from it.
            let url = format!("sqlite://{}", copy.display());
            binary::run_ok(folder.path(), &["check", "--database-url", &url]);
            let listed =
                binary::run_ok(folder.path(), &["key", "list", "--json", "--database-url", &url]);
            assert!(listed.contains(&key.id));
        }
    });
    let left = names(folder.path());
    assert!(!left.iter().any(|name| name.contains(".new-")), "{left:?}");
    let mode =
        std::os::unix::fs::MetadataExt::mode(&folder.path().join("first.db").metadata().unwrap());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_is_there_is_left_alone_and_what_cannot_be_copied_is_told() {
    let shell = Shell::new(Backend::Sqlite);
    shell.refused(&["backup", "copy.db"], 1, &["test.db"]);
    shell.ok(&["migrate"]);
    std::fs::write(shell.0.folder().join("there"), "mine").unwrap();
    shell.refused(&["backup", "there"], 1, &["there: already exists"]);
    shell.refused(&["backup", "test.db"], 1, &["already exists"]);
    shell.refused(&["backup", "missing/copy.db"], 1, &["missing/copy.db"]);
    std::os::unix::fs::symlink("nowhere", shell.0.folder().join("link")).unwrap();
    shell.refused(&["backup", "link"], 1, &["already exists"]);
    assert_eq!(std::fs::read(shell.0.folder().join("there")).unwrap(), b"mine");
    assert_eq!(names(&shell.0.folder()), ["link", "test.db", "there"]);

    let foreign = Shell::new(Backend::Sqlite);
    foreign.0.db_execute("CREATE TABLE notes (text TEXT)");
    foreign.refused(&["backup", "copy.db"], 1, &["another program"]);
    assert_eq!(names(&foreign.0.folder()), ["test.db"]);

    let server = Shell::new(Backend::Postgres);
    server.refused(&["backup", "copy.db"], 2, &["pg_dump"]);
}

/// A damaged database is not passed on as a good copy.
#[test]
fn a_damaged_database_is_not_copied() {
    let shell = Shell::new(Backend::Sqlite);
    shell.ok(&["migrate"]);
    let page = shell.0.db_number("SELECT rootpage FROM sqlite_schema WHERE name = 'calls'");
    let file = shell.0.folder().join("test.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let from = (page as usize - 1) * 4096;
    bytes[from..from + 4096].fill(0xa5);
    std::fs::write(&file, &bytes).unwrap();
    shell.refused(&["backup", "copy.db"], 1, &["malformed"]);
    assert_eq!(names(&shell.0.folder()), ["test.db"]);
}

#[test]
fn shells_and_manuals_are_served() {
    let folder = tempfile::tempdir().unwrap();
    // What is printed depends on no settings, not even bad ones.
    std::fs::write(folder.path().join("bitting.toml"), "nonsense").unwrap();
    let script = binary::run_ok(folder.path(), &["completions", "bash"]);
    assert!(script.contains("--reset-clock") && script.contains("backup"));
    let file = folder.path().join("bitting.bash");
    std::fs::write(&file, script).unwrap();
    let read = std::process::Command::new("bash").arg("-n").arg(&file).status().unwrap();
    assert!(read.success());
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(binary::run_ok(folder.path(), &["completions", shell]).contains("healthcheck"));
    }
    let manual = binary::run_ok(folder.path(), &["man"]);
    assert!(manual.contains(".TH bitting 1") && manual.contains("max\\-staleness"), "{manual}");
    assert!(manual.contains("\\fBbitting revoke\\-as\\-in\\fR\n"), "{manual}");
    assert_eq!(binary::run(folder.path(), &["completions", "sh"]).status.code(), Some(2));
}

#[test]
fn a_copy_is_on_record_with_who_made_it() {
    let shell = Shell::new(Backend::Sqlite);
    shell.ok(&["key", "create", "--name", "a", "--scope", "calls:read"]);
    let copy = shell.0.folder().join("copy.db");
    shell.ok(&["backup", copy.to_str().unwrap()]);
    let events = "SELECT actor_name FROM audit_events WHERE action = 'database.backed_up'";
    assert_eq!(shell.0.db_texts(events), [binary::operator()]);
    // One that was not made is not.
    shell.refused(&["backup", copy.to_str().unwrap()], 1, &["already exists"]);
    assert_eq!(shell.0.db_texts(events).len(), 1);
}
