//! `bitting user …`, as people and scripts type it.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::binary::{Binary, command, run, run_ok};
use crate::support::browser::PASSWORD;
use crate::support::{Browser, eventually};

/// Runs a command with this on standard input.
fn run_with(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = command(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The command may have given up before it read this.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn add(folder: &Path, arguments: &[&str]) -> String {
    let all = [&["user", "add"], arguments].concat();
    let output = run_with(folder, &all, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[track_caller]
fn assert_fails(output: &Output, code: i32, says: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{said}");
    assert!(output.stdout.is_empty());
}

fn users(folder: &Path) -> Vec<Value> {
    let lines = run_ok(folder, &["user", "list", "--json"]);
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn users_are_added_listed_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    assert_eq!(add(place, &["Ada@Example.com"]), "ada@example.com (admin) added");
    let bo = add(place, &["bo@example.com", "--may-grant", "calls:read", "leads:read", "--json"]);
    let bo: Value = serde_json::from_str(&bo).unwrap();
    assert_eq!(bo["role"], "member");
    assert_eq!(bo["may_grant"], serde_json::json!(["calls:read", "leads:read"]));
    assert!(bo["id"].as_str().unwrap().starts_with("user_"));
    add(place, &["di@example.com", "--role", "auditor"]);
    let table = run_ok(place, &["user", "list"]);
    assert_eq!(table.lines().count(), 4);
    assert!(table.contains("bo@example.com   member") && !table.contains(PASSWORD), "{table}");

    run_ok(place, &["user", "set", "bo@example.com", "--may-grant", "none"]);
    run_ok(place, &["user", "set", "di@example.com", "--role", "member"]);
    let listed = users(place);
    assert_eq!(listed[1]["may_grant"], serde_json::json!([]));
    assert_eq!(listed[0]["role"], "member");
    assert!(listed.iter().all(|user| user.get("password").is_none()));
}

#[test]
fn a_mistake_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let input = format!("{PASSWORD}\n");
    for (arguments, input, says) in [
        (&["user", "add", "ada"][..], &*input, "the e-mail address must be"),
        (&["user", "add", "ada@example.com"], "", "the password must be 15"),
        (&["user", "add", "ada@example.com"], "short\n", "the password must be 15"),
        (&["user", "add", "ada@example.com", "--role", "owner"], &input, "--role must be admin"),
        (&["user", "add", "a@example.com", "--may-grant", "calls"], &input, "--may-grant"),
        (&["user", "add", "a@example.com", "--role", "member"], &input, "--role of the first"),
        (
            &["user", "add", "a@example.com", "--role", "auditor", "--may-grant", "calls:read"],
            &input,
            "--may-grant is for members only: an auditor cannot make keys",
        ),
        (
            &["user", "add", "a@example.com", "--role", "admin", "--may-grant", "calls:read"],
            &input,
            "--may-grant is for members only: an administrator may grant everything",
        ),
        (
            &["user", "set", "a@example.com", "--role", "auditor", "--may-grant", "calls:read"],
            "",
            "--may-grant is for members only",
        ),
        (&["user", "set", "ada@example.com"], "", "give --role or --may-grant"),
        (&["user", "set-password", "ada"], &input, "must be an e-mail address"),
    ] {
        assert_fails(&run_with(place, arguments, input), 2, says);
    }
    // The first user is an administrator, and so is she afterwards.
    let limits = ["user", "add", "ada@example.com", "--may-grant", "calls:read"];
    assert_fails(&run_with(place, &limits, &input), 2, "an administrator may grant everything");
    add(place, &["ada@example.com"]);
    let limits = ["user", "set", "ada@example.com", "--may-grant", "calls:read"];
    assert_fails(&run(place, &limits), 2, "an administrator may grant everything");
    let again = run_with(place, &["user", "add", "ADA@example.com"], &input);
    assert_fails(&again, 2, "already belongs to a user");
    for arguments in [
        &["user", "set", "bo@example.com", "--role", "admin"][..],
        &["user", "set-password", "bo@example.com"],
        &["user", "disable", "bo@example.com"],
        &["user", "disable", "ada@example.com", "--transfer-to", "bo@example.com"],
        &["user", "enable", "bo@example.com"],
    ] {
        assert_fails(&run_with(place, arguments, &input), 1, "there is no user bo@example.com");
    }
    let last = run(place, &["user", "disable", "ada@example.com"]);
    assert_fails(&last, 1, "the last administrator");
    assert_fails(&run(place, &["user", "set", "ada@example.com", "--role", "member"]), 1, "last");
    assert_eq!(users(place).len(), 1);
}

#[test]
fn a_running_server_follows() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    let server = Binary::serve(place, &[]);
    add(place, &["ada@example.com"]);
    add(place, &["bo@example.com"]);
    let base = &server.client.base;
    let browser = Browser::signed_in(base, "bo@example.com");

    let changed = "a new long password";
    let output = run_with(place, &["user", "set-password", "bo@example.com"], changed);
    assert!(output.status.success());
    assert!(!browser.is_signed_in());
    assert_eq!(browser.log_in("bo@example.com", PASSWORD).status, 401);
    assert_eq!(browser.log_in("bo@example.com", changed).status, 303);

    // A key of theirs, made as the page for it will make one.
    let key = run_ok(place, &["key", "create", "--name", "k", "--scope", "calls:read"]);
    let ids: Vec<Value> = users(place).iter().map(|user| user["id"].clone()).collect();
    let database = diesel_of(place);
    database(&format!("UPDATE api_keys SET user_id = '{}'", ids[0].as_str().unwrap()));
    server.client.with_key(&key, "GET", "/v1/ping", None).ok();
    let hand_over = ["user", "disable", "bo@example.com", "--transfer-to", "ada@example.com"];
    let output = run(place, &hand_over);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("hands 1 key and 0 admin tokens to ada@example.com"), "{said}");
    assert!(!browser.is_signed_in());
    run_ok(place, &["user", "enable", "bo@example.com"]);
    let again = run(place, &["user", "enable", "bo@example.com"]);
    assert!(again.status.success());
    assert!(String::from_utf8(again.stderr).unwrap().contains("nothing was changed"));
    assert!(!browser.is_signed_in());
    server.client.with_key(&key, "GET", "/v1/ping", None).ok();

    run_ok(place, &["user", "set", "bo@example.com", "--role", "admin"]);
    let output = run(place, &["user", "disable", "ada@example.com"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("permanently revokes 1 key and 0 admin tokens"), "{said}");
    let done = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(done, "ada@example.com disabled; 1 key and 0 admin tokens revoked\n");
    let ping = || server.client.with_key(&key, "GET", "/v1/ping", None);
    eventually("the running server refuses the key", || ping().status == 401);
    ping().expect(401, "key_revoked");
}

/// SQL beside the application.
fn diesel_of(folder: &Path) -> impl Fn(&str) {
    use diesel::connection::{Connection, SimpleConnection};
    let path = folder.join("bitting.db");
    move |sql| {
        let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        connection.batch_execute(&format!("PRAGMA busy_timeout = 5000; {sql}")).unwrap();
    }
}
