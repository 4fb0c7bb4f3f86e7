//! Admin tokens and help on the command line.

use std::process::Command;

use serde_json::json;

use crate::commands::cli::{Shell, errors, members};
use crate::support::{Backend, Binary, on_both};

const CREATE: [&str; 6] = ["token", "create", "--name", "deploy", "--access", "write"];

on_both! {
    /// It is decided by the highest time that the database has seen, which may be ahead of the clock.
    fn nothing_is_made_that_has_ended_already(backend) {
        let shell = Shell::new(backend);
        let key = shell.json(&["key", "create", "--name", "old", "--scope", "calls:read"]).remove(0);
        let ahead = bitting::model::time::format(chrono::Utc::now() + chrono::Duration::hours(6));
        let ahead = ahead.replace('T', " ").replace('Z', "");
        shell.0.db_execute(&format!("UPDATE bitting SET high_water = '{ahead}'"));
        let soon = ["--expires", "1h"];
        let id = key["id"].as_str().unwrap();
        for command in [
            &["key", "create", "--name", "new", "--scope", "calls:read"][..],
            &["key", "rotate", id],
            &CREATE,
        ] {
            let refused = [command, &soon].concat();
            shell.refused(&refused, 2, &["--expires must be in the future; the database has seen"]);
        }
        shell.ok(&["key", "create", "--name", "new", "--scope", "calls:read", "--expires", "7h"]);
    }
}

on_both! {
    fn an_admin_token_is_made_listed_used_and_revoked(backend) {
        let shell = Shell::new(backend);
        let output = shell.run(&CREATE);
        assert_eq!(output.status.code(), Some(0));
        let token = String::from_utf8(output.stdout.clone()).unwrap();
        let body = token.strip_prefix("bta_").and_then(|rest| rest.strip_suffix('\n')).unwrap();
        assert!(body.len() == 38 && body.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
        assert!(!errors(&output).contains(body));

        let listed = shell.json(&["token", "list"]).remove(0);
        let id = listed["id"].as_str().unwrap();
        assert_eq!((listed["access"].as_str(), listed["status"].as_str()), (Some("write"), Some("active")));
        assert_eq!(listed["may_grant"].as_array().unwrap().len(), 13, "everything, unless said");
        for json in [&[][..], &["--json"]] {
            let printed = shell.ok(&[&["token", "list"][..], json].concat());
            assert!(printed.contains(id) && !printed.contains(&body[4..34]), "{printed}");
        }

        let server = Binary::start(shell.command(&["serve", "--listen", "127.0.0.1:0"]));
        let list_keys = || server.client.with_key(token.trim_end(), "GET", "/v1/keys", None);
        list_keys().expect(200, "");
        let said = shell.ok(&["token", "revoke", id, "--reason", "left"]);
        assert!(said.starts_with(&format!("{id} revoked at ")), "{said}");
        crate::support::eventually("the running server refuses it", || list_keys().status == 401);
        list_keys().expect(401, "key_revoked");
        assert_eq!(shell.ok(&["token", "revoke", id, "--reason", "other"]), said);
        let again = shell.json(&["token", "revoke", id]).remove(0);
        assert_eq!((again["status"].as_str(), again["revoke_reason"].as_str()), (Some("revoked"), Some("left")));
        let unknown = "token_00000000000000000000000000";
        shell.refused(&["token", "revoke", unknown], 1, &[unknown]);
        for year in ["1y", "12months", "365d"] {
            shell.ok(&[&CREATE[..], &["--expires", year]].concat());
        }
        for wrong in ["", "1", "key_00000000000000000000000000"] {
            shell.refused(&["token", "revoke", wrong], 2, &["token_ followed by 26 characters"]);
        }
    }
}

on_both! {
    fn a_new_token_as_json_holds_it_and_a_listed_one_does_not(backend) {
        let shell = Shell::new(backend);
        let made = shell.json(&[&CREATE[..], &["--expires", "365d"]].concat()).remove(0);
        assert!(made["id"].as_str().unwrap().starts_with("token_"));
        assert!(made["token"].as_str().unwrap().starts_with("bta_"));
        let listed = shell.json(&["token", "list"]).remove(0);
        let mut without = made.clone();
        without.as_object_mut().unwrap().remove("token");
        assert_eq!(listed, without);
        let expected = ["access", "created_at", "created_by", "display", "expires_at", "id", "last_used_at", "may_grant", "name", "revoke_reason", "revoked_at", "revoked_by", "status"];
        assert_eq!(members(&listed), expected);
    }
}

#[test]
fn a_token_grants_what_it_was_allowed_and_no_more() {
    let shell = Shell::new(Backend::Sqlite);
    let spread = ["--may-grant", "leads:read", "--may-grant", "leads:write"];
    let listed = ["--may-grant", "leads:read", "leads:write"];
    for may_grant in [&spread[..], &listed] {
        let made = shell.json(&[&CREATE[..], may_grant].concat()).remove(0);
        assert_eq!(made["may_grant"], json!(["leads:read", "leads:write"]));
        let token = made["token"].as_str().unwrap();
        let server = Binary::start(shell.command(&["serve", "--listen", "127.0.0.1:0"]));
        for (scope, status) in [("leads:read", 201), ("calls:read", 403)] {
            let body = json!({"name": "a", "scopes": [scope]});
            let answer = server.client.with_key(token, "POST", "/v1/keys", Some(&body));
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
}

#[test]
fn a_bad_option_of_a_new_token_is_named_and_makes_nothing() {
    let shell = Shell::new(Backend::Sqlite);
    let create = ["token", "create"];
    for (arguments, expected) in [
        (&["--name", "a", "--access", "admin"][..], &["--access", "read or write"][..]),
        (&["--name", "a"], &["--access"]),
        (&["--access", "read"], &["--name"]),
        (&["--name", "", "--access", "read"], &["--name"]),
        (&["--name", "a", "--access", "read", "--expires", "never"], &["--expires", "a year"]),
        (&["--name", "a", "--access", "read", "--expires", "367d"], &["--expires", "a year"]),
        (
            &["--name", "a", "--access", "read", "--expires", "1M"],
            &["--expires", "write months or min"],
        ),
        (&["--name", "a", "--access", "read", "--expires", "soon"], &["--expires"]),
        (&["--name", "a", "--access", "read", "--expires", "2020-01-01"], &["--expires"]),
        (&["--name", "a", "--access", "read", "--may-grant", "*"], &["--may-grant", "calls:read"]),
    ] {
        shell.refused(&[&create[..], arguments].concat(), 2, expected);
    }
    assert_eq!(std::fs::read_dir(shell.0.folder()).unwrap().count(), 0, "nothing was touched");
}

/// The commands whose help is asked for, with what it must mention.
const HELP: [(&[&str], &[&str]); 10] = [
    (&[], &["bitting key create --name ci --scope calls:read", "Exit codes: 0", "DATABASE_URL"]),
    (&["serve"], &["--listen", "127.0.0.1:8080"]),
    (&["migrate"], &["--database-url"]),
    (&["key"], &["create", "list", "show", "revoke"]),
    (&["key", "create"], &["--scope", "--expires", "Write does not include read"]),
    (&["key", "list"], &["--status", "active", "retired", "--json"]),
    (&["key", "show"], &["<ID>", "--json"]),
    (&["key", "revoke"], &["[ID]...", "--reason", "--confirm"]),
    (&["token", "create"], &["--access", "--may-grant", "at most a year", "[default: 90d]"]),
    (&["token", "revoke"], &["<ID>", "--reason"]),
];

#[test]
fn help_is_on_standard_output_and_its_examples_are_true() {
    let shell = Shell::new(Backend::Sqlite);
    let mut examples: Vec<String> = Vec::new();
    for (command, mentioned) in HELP {
        let help = shell.ok(&[command, &["--help"]].concat());
        for text in mentioned {
            assert!(help.contains(text), "{command:?}: no {text:?} in {help}");
        }
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command:?}: too wide");
        let shown = help.split("Examples:").nth(1).unwrap_or_default().lines().map(str::trim);
        let commands = shown.filter(|line| line.contains("bitting "));
        // The one that serves would not come to an end.
        let commands = commands.filter(|line| !line.starts_with("bitting  "));
        examples.extend(commands.map(str::to_owned));
    }
    let programs = std::path::Path::new(env!("CARGO_BIN_EXE_bitting")).parent().unwrap();
    let programs = format!("{}:/usr/bin:/bin", programs.display());
    let mut key = String::new();
    for example in &examples {
        // An explanation follows after two spaces.
        let line = example.split("  ").next().unwrap().replace("key_01…", &key);
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(shell.0.folder()).env_clear();
        command.env("PATH", &programs).env("BITTING_DATABASE_URL", &shell.0.url);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", errors(&output));
        let keys = shell.json(&["key", "list"]);
        key = keys[0]["id"].as_str().unwrap().to_owned();
    }
    assert!(examples.len() >= 9, "{examples:?}");
}

#[test]
fn the_version_is_told() {
    let shell = Shell::new(Backend::Sqlite);
    assert_eq!(shell.ok(&["--version"]), format!("bitting {}\n", env!("CARGO_PKG_VERSION")));
}
