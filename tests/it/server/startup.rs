//! Starting with settings that are wrong: one line that says what to do, the right exit code, and
//! nothing touched; and which of several settings counts.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{Binary, binary};

/// Each option with a value that it refuses.
const WRONG: [(&str, &str); 20] = [
    ("listen", "8080"),
    ("listen", "localhost:99999"),
    ("database-url", "mysql://me:hunter2@host/db"),
    ("database-url", "bitting.db"),
    ("database-wait", "soon"),
    ("database-connections", "3"),
    ("workers", "0"),
    ("workers", "many"),
    ("log-format", "xml"),
    ("log-level", "loud"),
    ("public-url", "keys.example.com"),
    ("public-url", "https://example.com/bitting"),
    ("trusted-proxies", "10.0.0.0/33"),
    ("brand", "B1"),
    ("usage-flush", "1ms"),
    ("max-staleness", "never"),
    ("gateway-listen", "8081"),
    ("upstream", "https://api.internal"),
    ("upstream", "http://me:hunter2@host"),
    ("upstream-timeout", "1ms"),
];

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Fails unless the command ended with this code and one line that holds all of these, and the
/// folder has the same files as before.
#[track_caller]
pub fn refused(command: Command, folder: &Path, code: i32, expected: &[&str]) -> Output {
    let (before, shown) = (names(folder), format!("{command:?}"));
    let output = binary::ended(command);
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{shown}: {errors}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{shown}: {errors}");
    assert!(errors.starts_with("error: "), "{shown}: {errors}");
    for part in expected {
        assert!(errors.contains(part), "{shown}: no {part:?} in {errors}");
    }
    assert!(!errors.contains("hunter2"), "{shown} tells the password: {errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{shown}");
    assert_eq!(names(folder), before, "{shown}");
    output
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_wrong_option_names_itself_in_every_place_it_may_stand() {
    let (empty, with_file) = (folder(), folder());
    let file = with_file.path().join("bitting.toml");
    for (option, value) in WRONG {
        let flag = format!("--{option}");
        let key = option.replace('-', "_");
        let variable = format!("BITTING_{}", key.to_uppercase());
        let expected = [flag.as_str(), &variable, &format!("{key} in bitting.toml")];

        for arguments in [&["serve", &flag, value][..], &[&flag, value, "key", "list"]] {
            refused(binary::command(empty.path(), arguments), empty.path(), 2, &expected);
        }
        let mut command = binary::command(empty.path(), &["serve"]);
        command.env(&variable, value);
        refused(command, empty.path(), 2, &expected);
        for key in [key.as_str(), option] {
            std::fs::write(&file, format!("{key} = \"{value}\"\n")).unwrap();
            let command = binary::command(with_file.path(), &["serve"]);
            refused(command, with_file.path(), 2, &expected);
        }
    }
}

#[test]
fn a_wrong_file_says_where_it_is_wrong() {
    let folder = folder();
    let file = folder.path().join("bitting.toml");
    for (text, expected) in [
        ("listen = \"127.0.0.1:0\"\nnope = 1\n", &["bitting.toml: line 2: ", "nope"][..]),
        ("listen = \n", &["bitting.toml: line 1: "]),
        ("listen = \"127.0.0.1:0\"\nlisten = \"127.0.0.1:1\"\n", &["bitting.toml: line 2: "]),
        ("\n\n[database]\nurl = \"x\"\n", &["bitting.toml: line 3: ", "database"]),
        (
            "listen = 8080\n",
            &["bitting.toml: line 1: listen: must be a string or a list of strings"],
        ),
        ("log_level = info\n", &["bitting.toml: line 1: log_level: ", "in quotation marks"]),
        ("listen = [\n\"hunter2=x\", 5]\n", &["bitting.toml: line "]),
        ("database_url = [\"postgres://me:hunter2@host/db\"]\n", &["bitting.toml: line 1: "]),
        ("brand = \"\"\"a\nb\"\"\"\n", &["--brand"]),
    ] {
        std::fs::write(&file, text).unwrap();
        refused(binary::command(folder.path(), &["serve"]), folder.path(), 2, expected);
    }
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    refused(binary::command(folder.path(), &["serve"]), folder.path(), 2, &["bitting.toml"]);
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let folder = folder();
    let expected = ["--config", "BITTING_CONFIG", "other.toml"];
    let command = binary::command(folder.path(), &["serve", "--config", "other.toml"]);
    refused(command, folder.path(), 2, &expected);
    let mut command = binary::command(folder.path(), &["serve"]);
    command.env("BITTING_CONFIG", "other.toml");
    refused(command, folder.path(), 2, &expected);
}

#[test]
fn a_mistyped_command_line_is_told_on_one_line() {
    let folder = folder();
    for (arguments, expected) in [
        (&["migrat"][..], &["'migrat'", "'migrate'"][..]),
        (&["serve", "--lisen", "127.0.0.1:0"], &["--lisen", "--listen"]),
        (&["--database_url=postgres://me:hunter2@host/db"], &["--database_url", "--database-url"]),
        (&["serve", "--workers"], &["--workers"]),
        (&["serve", "--workers", "1", "--workers", "2"], &["--workers"]),
        (&["key", "create"], &["--name", "--scope"]),
        (&["key", "list", "--status", "old"], &["--status", "active", "retired"]),
        (&["key", "show"], &["ID"]),
        (&["key", "list", "\u{1b}[2J\u{202e}"], &["\u{fffd}"]),
    ] {
        let command = binary::command(folder.path(), arguments);
        let expected: Vec<&str> = expected.iter().copied().chain(["--help"]).collect();
        let output = refused(command, folder.path(), 2, &expected);
        assert!(!output.stderr.contains(&0x1b));
    }
}

/// Which file `migrate` makes tells which setting counted.
#[test]
fn a_flag_counts_before_the_environment_and_that_before_the_file() {
    let url = |name: &str| format!("sqlite://{name}.db");
    for (flag, variable, fallback, file, made) in [
        (true, true, true, true, "flag.db"),
        (false, true, true, true, "variable.db"),
        (false, false, true, true, "fallback.db"),
        (false, false, false, true, "file.db"),
        (false, false, false, false, "bitting.db"),
    ] {
        let folder = folder();
        let mut command = binary::command(folder.path(), &["migrate"]);
        if flag {
            command.args(["--database-url", &url("flag")]);
        }
        if variable {
            command.env("BITTING_DATABASE_URL", url("variable"));
        }
        if fallback {
            command.env("DATABASE_URL", url("fallback"));
        }
        if file {
            let text = format!("database_url = \"{}\"\n", url("file"));
            std::fs::write(folder.path().join("bitting.toml"), text).unwrap();
        }
        assert!(command.status().unwrap().success());
        let databases: Vec<_> =
            names(folder.path()).into_iter().filter(|name| name.ends_with(".db")).collect();
        assert_eq!(databases, [made]);
    }
}

#[test]
fn a_file_may_be_named_and_holds_every_setting() {
    let folder = folder();
    let text = "listen = \"127.0.0.1:0\"\ndatabase_url = \"sqlite://named.db\"\nworkers = 1\n\
                log_format = \"json\"\nlog_level = \"debug\"\npublic_url = \"https://example.com\"\n\
                trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nbrand = \"acme\"\n\
                usage_flush = \"1s\"\nmax_staleness = \"10s\"\n";
    std::fs::write(folder.path().join("own.toml"), text).unwrap();
    let server = Binary::start(binary::command(folder.path(), &["--config", "own.toml"]));
    assert_eq!(server.client.send("GET", "/healthz", &[], None).status, 200);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "not JSON: {log}");
    assert!(folder.path().join("named.db").exists());
}

#[test]
fn the_first_start_chooses_what_begins_every_key() {
    let folder = folder();
    let create = ["key", "create", "--name", "a", "--scope", "calls:read"];
    let first = [&create[..], &["--brand", "acme"]].concat();
    let key = binary::run_ok(folder.path(), &first);
    assert!(key.starts_with("acmek_") && key.len() == 44, "{key}");
    // Afterwards it need not be said again, and no other will do.
    assert!(binary::run_ok(folder.path(), &create).starts_with("acmek_"));
    let server = Binary::serve(folder.path(), &["--brand", "acme"]);
    assert_eq!(server.client.with_key(&key, "GET", "/v1/ping", None).status, 200);
    server.terminate();
    let before = std::fs::read(folder.path().join("bitting.db")).unwrap();
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["migrate"], &create] {
        let arguments = [arguments, &["--brand", "other"]].concat();
        let command = binary::command(folder.path(), &arguments);
        refused(command, folder.path(), 2, &["--brand", "other", "acme"]);
    }
    assert_eq!(std::fs::read(folder.path().join("bitting.db")).unwrap(), before);
}

#[test]
fn a_port_in_use_is_told_before_the_database_is_made() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let command = binary::command(folder.path(), &["serve", "--listen", &address]);
    refused(command, folder.path(), 1, &[&address, "in use", "--listen"]);
}

#[test]
fn listening_to_the_network_without_https_warns() {
    let warning = "without an https --public-url";
    for (listen, public_url, warned) in [
        ("0.0.0.0:0", None, true),
        ("0.0.0.0:0", Some("http://keys.example.com"), true),
        ("0.0.0.0:0", Some("https://keys.example.com"), false),
        ("127.0.0.1:0", None, false),
    ] {
        let folder = folder();
        let mut command = binary::command(folder.path(), &["serve", "--listen", listen]);
        command.args(public_url.iter().flat_map(|url| ["--public-url", url]));
        let (code, log) = Binary::start(command).terminate();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(log.contains(warning), warned, "{listen} {public_url:?}: {log}");
    }
}

#[test]
fn a_server_whose_workers_cannot_be_started_ends() {
    let folder = folder();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--workers", "16"];
    let output = binary::ended(binary::in_script(folder.path(), "ulimit -n 24", &arguments));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("error: the threads that answer requests"), "{errors}");
}

#[test]
fn who_is_kept_from_hanging_up_goes_on() {
    let folder = folder();
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let server = Binary::start(binary::in_script(folder.path(), "trap '' HUP", &arguments));
    server.signal("HUP");
    assert_eq!(server.client.send("GET", "/healthz", &[], None).status, 200);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
}
