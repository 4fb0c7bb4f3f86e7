//! Starting on a database that cannot be used: missing, damaged, another program's, too new, read
//! only or out of reach. One line that names it and says what to do, and not a byte changed.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::ports::NOBODY;
use crate::support::{Backend, TestDatabase, binary, not_granted, on_both};

const COMMANDS: [&[&str]; 4] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["migrate"],
    &["key", "list"],
    &["key", "create", "--name", "a", "--scope", "calls:read"],
];

/// Fails unless every command is refused with exit code 1 and one line that holds all of these.
#[track_caller]
fn refused(folder: &Path, url: &str, commands: &[&[&str]], expected: &[&str]) {
    for arguments in commands {
        let mut command = binary::command(folder, arguments);
        command.env("BITTING_DATABASE_URL", url);
        told(command, expected);
    }
}

#[track_caller]
fn told(command: Command, expected: &[&str]) {
    let shown = format!("{command:?}");
    let Output { status, stdout, stderr } = binary::ended(command);
    let errors = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{shown}: {errors}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{shown}: {errors}");
    for part in expected {
        assert!(errors.contains(part), "{shown}: no {part:?} in {errors}");
    }
    assert!(!errors.contains("hunter2"), "{shown} tells the password: {errors}");
    assert!(stdout.is_empty(), "{shown}");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A good database with one key in it, closed; its bytes.
fn good() -> (TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    binary::run_ok(folder.path(), &["key", "create", "--name", "a", "--scope", "calls:read"]);
    let bytes = std::fs::read(folder.path().join("bitting.db")).unwrap();
    (folder, bytes)
}

#[test]
fn only_what_makes_a_database_makes_a_missing_one() {
    let id = "key_00000000000000000000000000";
    let token = "token_00000000000000000000000000";
    let folder = tempfile::tempdir().unwrap();
    let readers: [&[&str]; 5] = [
        &["key", "list"],
        &["key", "show", id],
        &["key", "revoke", id],
        &["token", "list"],
        &["token", "revoke", token],
    ];
    refused(folder.path(), "sqlite://none.db", &readers, &["none.db", "serve", "--database-url"]);
    assert!(names(folder.path()).is_empty());
    binary::run_ok(folder.path(), &["migrate", "--database-url", "sqlite://none.db"]);
    assert_eq!(names(folder.path()), ["none.db"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inner")).unwrap();
    for (url, expected) in [
        ("sqlite://missing/bitting.db", &["missing/bitting.db", "folder", "--database-url"][..]),
        ("sqlite:///proc/bitting.db", &["/proc/bitting.db", "folder", "--database-url"]),
        ("sqlite://inner", &["inner", "is a folder"]),
    ] {
        let making: [&[&str]; 3] = [COMMANDS[0], COMMANDS[1], COMMANDS[3]];
        refused(folder.path(), url, &making, expected);
        assert_eq!(names(folder.path()), ["inner"]);
    }
}

#[test]
fn a_damaged_file_is_left_as_it_is() {
    let (folder, whole) = good();
    let file = folder.path().join("bitting.db");
    let mut header = whole.clone();
    header[..100].fill(0xa5);
    let mut first_page = whole.clone();
    first_page[100..4096].fill(0xa5);
    let noise: Vec<u8> =
        (0..9000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (damage, bytes) in [
        ("empty", Vec::new()),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("half a page", whole[..2048].to_vec()),
        ("one byte", vec![b'S']),
        ("corrupt header", header),
        ("corrupt first page", first_page),
        ("noise", noise),
        ("text", b"Dear diary,\n".repeat(1000)),
    ] {
        std::fs::write(&file, &bytes).unwrap();
        let expected = ["bitting.db", "restore a backup"];
        for arguments in COMMANDS {
            refused(folder.path(), "sqlite://bitting.db", &[arguments], &expected);
            assert!(std::fs::read(&file).unwrap() == bytes, "{damage}: {arguments:?} changed it");
        }
    }
}

#[test]
fn another_programs_file_is_left_as_it_is() {
    for foreign in [
        "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('mine')",
        "PRAGMA journal_mode = WAL; CREATE TABLE notes (text TEXT)",
        "CREATE VIEW notes AS SELECT 1 AS one",
        "CREATE TABLE sqlitebrowser_rename (text TEXT)",
        "CREATE TABLE bitting (coins INTEGER); INSERT INTO bitting VALUES (7)",
        "CREATE TABLE bitting (oldest_program INTEGER)",
    ] {
        let database = TestDatabase::new(Backend::Sqlite);
        database.db_execute(foreign);
        let file = database.folder().join("test.db");
        let before = std::fs::read(&file).unwrap();
        for arguments in COMMANDS {
            let expected = ["test.db", "another program", "--database-url"];
            refused(&database.folder(), &database.url, &[arguments], &expected);
            assert!(std::fs::read(&file).unwrap() == before, "{arguments:?} changed {foreign}");
            assert_eq!(names(&database.folder()), ["test.db"], "{foreign}");
        }
    }
}

#[test]
fn another_programs_postgresql_database_is_left_as_it_is() {
    for foreign in [
        "CREATE TABLE notes (text TEXT)",
        "CREATE VIEW notes AS SELECT 1 AS one",
        "CREATE SCHEMA diary; CREATE TABLE diary.notes (text TEXT)",
        "CREATE TABLE bitting (coins INTEGER); INSERT INTO bitting VALUES (7)",
        "CREATE SCHEMA other; CREATE TABLE other.bitting (oldest_program BIGINT)",
    ] {
        let database = TestDatabase::new(Backend::Postgres);
        database.db_execute(foreign);
        let everything = "SELECT relnamespace || relname FROM pg_class ORDER BY 1";
        let before = database.db_texts(everything);
        let name = database.url.rsplit('/').next().unwrap();
        let expected = [name, "another program", "--database-url"];
        refused(&database.folder(), &database.url, &COMMANDS, &expected);
        assert_eq!(database.db_texts(everything), before, "{foreign}");
    }
}

on_both! {
    fn a_database_of_a_newer_program_is_left_as_it_is(backend) {
        let database = TestDatabase::new(backend);
        binary::run_ok(&database.folder(), &["migrate", "--database-url", &database.url]);
        database.db_execute("UPDATE bitting SET oldest_program = 99");
        let mark = "SELECT brand || oldest_program || CAST(high_water AS TEXT) FROM bitting";
        let state = || (database.db_texts(mark), std::fs::read(database.folder().join("test.db")).ok());
        let before = state();
        refused(&database.folder(), &database.url, &COMMANDS, &["newer Bitting", "not touched"]);
        assert!(state() == before);
    }
}

#[test]
fn a_postgresql_server_out_of_reach_is_told_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("127.0.0.1:{NOBODY}/db");
    for (url, expected) in [
        (format!("postgres://me:hunter2@{place}"), &["Connection refused", "127.0.0.1"][..]),
        (format!("postgres://{place}?user=me&password=hunter2"), &["Connection refused"]),
        (format!("postgres://{place}?user=a@b&password=hunter2"), &["postgres://"]),
        (format!("postgres://me:hunter2%@{place}"), &["percent-encoded", "127.0.0.1"]),
        (format!("postgres://me:hunter2/x@{place}"), &["percent-encoded"]),
        (format!("postgres://me:x@hunter2@{place}"), &["not found", "percent-encoded"]),
        (format!("postgres://me:hunter2?x@{place}"), &["postgres://"]),
        (format!("postgres://{place}?hunter2=1"), &["postgres://"]),
        (format!("postgres://me:hunter2@{place}?sslmode=hunter2"), &["sslmode value", "invalid"]),
    ] {
        let serve = [COMMANDS[0], &["--database-wait", "0"]].concat();
        refused(folder.path(), &url, &[&serve, COMMANDS[1]], expected);
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_postgresql_database_that_is_not_there_is_named() {
    let database = TestDatabase::new(Backend::Postgres);
    let url = format!("{}_gone", database.url);
    refused(&database.folder(), &url, &COMMANDS[..2], &["_gone", "does not exist"]);
}

/// Root may write where permissions forbid it, so the folder is mounted read-only, in a mount
/// namespace that ends with the command.
#[test]
fn a_read_only_database_is_named_with_a_remedy() {
    let (folder, before) = good();
    let script = "mount --bind . . && mount -o remount,ro,bind . && cd . && exec \"$@\"";
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).args(arguments).current_dir(folder.path());
        command
    };
    let probe = inside(&["touch", "probe"]).output();
    let forbidden = probe.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stderr).contains("Read-only file system")
    });
    if !forbidden {
        not_granted("this user may not mount anything read-only");
        return;
    }
    for arguments in COMMANDS {
        let mut all = vec![env!("CARGO_BIN_EXE_bitting")];
        all.extend(arguments);
        all.extend(["--database-url", "sqlite://bitting.db"]);
        told(inside(&all), &["bitting.db", "write"]);
    }
    assert!(std::fs::read(folder.path().join("bitting.db")).unwrap() == before);
    assert_eq!(names(folder.path()), ["bitting.db"]);
}
