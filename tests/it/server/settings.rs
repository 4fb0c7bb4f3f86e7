//! The text of settings as files, shells and container engines really hand it over: with a line break
//! at its end, empty, or in another spelling.

use std::path::Path;
use std::process::Command;

use crate::server::startup::{names, refused};
use crate::support::browser::PASSWORD;
use crate::support::{Binary, Browser, binary};

const EMAIL: &str = "ada@example.com";

/// Every option with a value that it takes.
const RIGHT: [(&str, &str); 20] = [
    ("listen", "127.0.0.1:0"),
    ("database-url", "sqlite://named.db"),
    ("database-wait", "30s"),
    ("database-connections", "4"),
    ("workers", "1"),
    ("log-format", "text"),
    ("log-level", "info"),
    ("public-url", "https://keys.example.com"),
    ("trusted-proxies", "10.0.0.0/8, ::1"),
    ("brand", "acme"),
    ("usage-flush", "1s"),
    ("max-staleness", "10s"),
    ("metrics-listen", "127.0.0.1:0"),
    ("gateway-listen", "127.0.0.1:0"),
    ("upstream", "http://127.0.0.1:3000"),
    ("upstream-timeout", "10s"),
    (
        "github-keys",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/keys/fixtures/github_keys.json"),
    ),
    ("smtp-url", "smtp://127.0.0.1:2525"),
    ("mail-from", "keys@example.com"),
    ("notify", "ada@example.com, bo@example.com"),
];

fn key_of(option: &str) -> String {
    option.replace('-', "_")
}

fn variable_of(option: &str) -> String {
    format!("BITTING_{}", key_of(option).to_uppercase())
}

/// `key = "value"`, with what TOML wants escaped.
fn line_of(option: &str, value: &str) -> String {
    let escaped = value.replace('\r', "\\r").replace('\n', "\\n").replace('\u{1b}', "\\u001b");
    format!("{} = \"{escaped}\"\n", key_of(option))
}

/// The three places where an option may stand, with this text in each.
fn places(folder: &Path, options: &[(&str, String)], arguments: &[&str]) -> [Command; 3] {
    let mut by_flag = binary::command(folder, arguments);
    let mut by_variable = binary::command(folder, arguments);
    let mut lines = String::new();
    for (option, value) in options {
        by_flag.args([&format!("--{option}"), value]);
        by_variable.env(variable_of(option), value);
        lines.push_str(&line_of(option, value));
    }
    let file = folder.join("own.toml");
    std::fs::write(&file, lines).unwrap();
    let mut by_file = binary::command(folder, arguments);
    by_file.arg("--config").arg(&file);
    [by_flag, by_variable, by_file]
}

#[test]
fn one_line_break_at_the_end_of_any_value_is_taken_off() {
    for ending in ["\n", "\r\n", " \n"] {
        let options = RIGHT.map(|(option, value)| (option, format!("{value}{ending}")));
        for place in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let [made, printed] = [&["migrate"][..], &["openapi"]].map(|arguments| {
                let mut commands = places(folder.path(), &options, arguments);
                let output = commands[place].output().unwrap();
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            });
            assert_eq!(made, "named.db is ready\n");
            assert!(printed.contains("\"https://keys.example.com\""), "{printed}");
            let files = names(folder.path());
            assert_eq!(files, ["named.db", "own.toml"], "{ending:?} {place}");
        }
    }
}

#[test]
fn a_password_from_a_file_is_the_one_that_people_type() {
    for ending in ["", "\n", "\r\n"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("BITTING_ADMIN_EMAIL", format!("{EMAIL}{ending}"));
        command.env("BITTING_ADMIN_PASSWORD", format!("{PASSWORD}{ending}"));
        command.env("DATABASE_URL", format!("sqlite://named.db{ending}"));
        command.env("BITTING_CONFIG", format!("own.toml{ending}"));
        std::fs::write(folder.path().join("own.toml"), "").unwrap();
        let server = Binary::start(command);
        Browser::signed_in(&server.client.base, EMAIL);
        assert!(folder.path().join("named.db").exists());
    }
}

#[test]
fn any_other_control_character_is_refused_by_the_name_of_its_option() {
    let folder = tempfile::tempdir().unwrap();
    for (option, value) in RIGHT {
        let flag = format!("--{option}");
        let expected = [flag.as_str(), &variable_of(option), &key_of(option), "control character"];
        for text in [format!("{value}\n\n"), format!("\n{value}"), format!("{value}\u{1b}[2J")] {
            std::fs::write(folder.path().join("own.toml"), "").unwrap();
            for command in places(folder.path(), &[(option, text)], &["migrate"]) {
                refused(command, folder.path(), 2, &expected);
            }
        }
    }
    let admin = [("BITTING_ADMIN_EMAIL", EMAIL), ("BITTING_ADMIN_PASSWORD", PASSWORD)];
    let others = [("DATABASE_URL", "sqlite://x.db"), ("BITTING_CONFIG", "own.toml")];
    for (name, value) in admin.into_iter().chain(others) {
        for text in [format!("{value}\n\n"), format!("{value}\tand")] {
            let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
            command.envs(admin).env(name, text);
            refused(command, folder.path(), 2, &[name, "control character"]);
        }
    }
}

#[test]
fn what_is_no_text_and_a_password_with_a_space_at_its_end_are_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let foreign = std::ffi::OsStr::from_bytes(b"caf\xe9");
    for name in ["BITTING_DATABASE_URL", "DATABASE_URL", "BITTING_BRAND", "BITTING_ADMIN_PASSWORD"]
    {
        let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("BITTING_ADMIN_EMAIL", EMAIL).env(name, foreign);
        refused(command, folder.path(), 2, &[name, "UTF-8"]);
    }
    let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let password = format!("{PASSWORD} ");
    command.env("BITTING_ADMIN_EMAIL", EMAIL).env("BITTING_ADMIN_PASSWORD", password);
    refused(command, folder.path(), 2, &["BITTING_ADMIN_PASSWORD", "space"]);
}

/// What a container engine sets for a variable that has no value.
#[test]
fn an_empty_text_is_no_setting() {
    for empty in ["", "\n", " "] {
        let options: Vec<_> = RIGHT.iter().map(|(option, _)| (*option, empty.to_owned())).collect();
        for place in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let command = &mut places(folder.path(), &options, &["migrate"])[place];
            for name in ["DATABASE_URL", "BITTING_CONFIG"] {
                command.env(name, empty);
            }
            for name in ["BITTING_ADMIN_EMAIL", "BITTING_ADMIN_PASSWORD"] {
                command.env(name, empty.trim());
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{empty:?}: {output:?}");
            assert_eq!(names(folder.path()), ["bitting.db", "own.toml"]);
        }
    }
    // The next place counts, whichever it is.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bitting.toml"), line_of("database-url", "sqlite://f.db"))
        .unwrap();
    for (flag, variable, fallback, made) in [
        ("", "sqlite://v.db", "sqlite://d.db", "v.db"),
        ("", "", "sqlite://d.db", "d.db"),
        ("", "", "", "f.db"),
    ] {
        let mut command = binary::command(folder.path(), &["migrate", "--database-url", flag]);
        command.env("BITTING_DATABASE_URL", variable).env("DATABASE_URL", fallback);
        assert!(command.status().unwrap().success());
        assert!(folder.path().join(made).exists(), "{made}");
    }
}

#[test]
fn a_number_in_the_file_may_be_written_as_text() {
    let folder = tempfile::tempdir().unwrap();
    for workers in ["1", "\"1\"", "\"1\\n\""] {
        std::fs::write(folder.path().join("bitting.toml"), format!("workers = {workers}\n"))
            .unwrap();
        binary::run_ok(folder.path(), &["migrate"]);
    }
}

/// As other programs write it, and as `sqlite:///$PWD/x.db` turns out in a shell.
#[test]
fn an_absolute_path_may_begin_with_any_number_of_slashes() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display();
    for (number, slashes) in ["", "/", "//"].into_iter().enumerate() {
        let url = format!("sqlite://{slashes}{place}/{number}.db");
        let made = binary::run_ok(folder.path(), &["migrate", "--database-url", &url]);
        assert_eq!(made, format!("{place}/{number}.db is ready"));
        binary::run_ok(folder.path(), &["key", "list", "--database-url", &url]);
        binary::run_ok(folder.path(), &["check", "--database-url", &url]);
        let copy = format!("{slashes}{place}/copy-{number}.db");
        binary::run_ok(folder.path(), &["backup", "--database-url", &url, &copy]);
    }
    let files = ["0.db", "1.db", "2.db", "copy-0.db", "copy-1.db", "copy-2.db"];
    assert_eq!(names(folder.path()), files);
}

#[test]
fn a_public_address_with_a_path_is_refused_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["serve"][..], &["openapi"]] {
        let value = ("public-url", "https://example.com/bitting".to_owned());
        for command in places(folder.path(), &[value], arguments) {
            refused(command, folder.path(), 2, &["--public-url", "write https://example.com,"]);
        }
    }
}

/// Browsers leave the usual port out of the origin that they send with a form.
#[test]
fn a_public_address_may_be_spelled_as_people_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = binary::command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("BITTING_ADMIN_EMAIL", EMAIL).env("BITTING_ADMIN_PASSWORD", PASSWORD);
    command.env("BITTING_PUBLIC_URL", "HTTP://Keys.Example.com:80/");
    let server = Binary::start(command);
    let browser = Browser::new(&server.client.base);
    let token = crate::support::browser::form_token(&browser.get("/login"));
    let fields = [("form_token", &*token), ("email", EMAIL), ("password", PASSWORD)];
    let origin = [("origin", "http://keys.example.com"), ("sec-fetch-site", "same-origin")];
    assert_eq!(browser.post_with("/login", &fields, &origin).status, 303);
}
