//! `bitting revoke-as-in`: what was taken away since a backup is taken away again after it was
//! restored.

use std::process::Stdio;
use std::sync::Arc;

use bitting::config::Options;
use bitting::domain::principal::Principal;
use bitting::model::key::NewKey;
use bitting::model::password::Password;
use bitting::model::user::{User, UserChange};
use bitting::records::model::resources;
use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::support::binary::command;
use crate::support::browser::PASSWORD;
use crate::support::server::MadeKey;
use crate::support::{Backend, Browser, TestDatabase, TestServer, on_both};

const OTHER: &str = "another long password";

fn command_line() -> Principal {
    Principal::command_line("test")
}

fn db_change(server: &TestServer, user: &User, change: &Value) {
    let change =
        UserChange::from_object(change.as_object().unwrap(), &resources::catalog()).unwrap();
    server.bitting.change_user(&command_line(), user.id, &change).unwrap();
}

/// A key of a user's own.
fn db_key_of(server: &TestServer, user: &User) -> MadeKey {
    let new = json!({"name": "own", "scopes": ["calls:read"]});
    let new = NewKey::from_object(
        new.as_object().unwrap(),
        &resources::catalog(),
        server.bitting.time.now(),
    )
    .unwrap();
    let issued = server.bitting.issue_key(new, &server.db_principal(user), None).unwrap();
    MadeKey { id: issued.key.id.to_string(), secret: issued.secret.expose().to_owned() }
}

/// Hands a key to a user, or to nobody.
fn db_assign(server: &TestServer, key: &MadeKey, holder: Value) {
    let patch = serde_json::Map::from_iter([("holder".to_owned(), holder)]);
    server.bitting.edit_key(key.id.parse().unwrap(), patch, &command_line()).unwrap();
}

fn on(database: &Arc<TestDatabase>) -> TestServer {
    TestServer::on(database.clone(), Options::default())
}

on_both! {
    fn what_was_taken_away_since_a_backup_is_taken_away_again(backend) {
        let server = TestServer::start(backend);
        let user = |name: &str, more| server.db_user(&format!("{name}@example.com"), more);
        let calls_and_leads = || json!({"role": "member", "may_grant": ["calls:read", "leads:read"]});
        let ada = user("ada", json!({"role": "admin"}));
        let [limited, disabled, demoted, raised, renewed] = [
            user("limited", calls_and_leads()),
            user("disabled", calls_and_leads()),
            user("demoted", json!({"role": "admin"})),
            user("raised", calls_and_leads()),
            user("renewed", calls_and_leads()),
        ];
        let (kept, revoked) = (server.key("calls:read"), server.key("calls:read"));
        let [narrowed, shortened] = [(); 2].map(|()| server.key("calls:read leads:read"));
        let [limited_key, moved] = [(); 2].map(|()| server.key("calls:read"));
        let [handed, ended, released] = [(); 3].map(|()| db_key_of(&server, &disabled));
        let onward = db_key_of(&server, &limited);
        let narrow = |server: &TestServer, key: &MadeKey, patch: Value| {
            server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&patch)).ok();
        };
        narrow(&server, &limited_key, json!({"rate_limit": "600/minute", "quota": "9/day"}));
        narrow(&server, &moved, json!({"allowed_networks": ["127.0.0.0/8"]}));
        let token = server.db_token(&json!({"name": "to be ended", "access": "read"}));
        let old_session = server.db_browser("ada@example.com").session();
        let link = server.bitting.make_password_link(&command_line(), ada.id).unwrap().expose();
        let before = server.stop();
        let backup = Arc::new(before.db_copy());

        let server = on(&before);
        server.revoke(&revoked);
        server.revoke(&ended);
        narrow(&server, &narrowed, json!({"scopes": ["leads:read"]}));
        narrow(&server, &shortened, json!({"expires_at": "2036-11-21T12:00:00Z"}));
        narrow(&server, &limited_key, json!({
            "rate_limit": "20/second", "quota": "5/day", "allowed_networks": ["127.0.0.0/9", "10.0.0.1"],
        }));
        narrow(&server, &moved, json!({"allowed_networks": ["10.0.0.0/8"]}));
        // To nobody, and to somebody who is not in the backup.
        db_assign(&server, &released, json!(null));
        server.db_user("later@example.com", json!({}));
        db_assign(&server, &onward, json!("later@example.com"));
        let named = |token: &bitting::model::token::AdminToken| token.name == "to be ended";
        let tokens = server.bitting.list_tokens(&command_line()).unwrap();
        let token_id = tokens.iter().find(|token| named(token)).unwrap().id;
        server.bitting.revoke_token(token_id, None, &command_line()).unwrap();
        server.bitting.disable_user(&command_line(), disabled.id, Some(ada.id)).unwrap();
        db_change(&server, &limited, &json!({"may_grant": ["calls:read"]}));
        db_change(&server, &demoted, &json!({"role": "member", "may_grant": ["leads:read"]}));
        db_change(&server, &raised, &json!({"role": "admin", "may_grant": []}));
        let password = Password::choose(OTHER, &renewed.email).unwrap();
        server.bitting.set_password(&command_line(), renewed.id, &password).unwrap();
        let before = server.stop();

        let shell = Shell(TestDatabase::at(backend, backup.url.clone()));
        let run = |more: &[&str]| shell.ok(&[&["revoke-as-in", &before.url], more].concat());
        let planned = run(&["--dry-run"]);
        let lines: Vec<&str> = planned.lines().collect();
        for expected in [
            format!("{} revoked", revoked.id),
            format!("{} revoked", ended.id),
            format!("{} narrowed to leads:read, never expires", narrowed.id),
            format!("{} narrowed to calls:read leads:read, expires 2036-11-21T12:00:00.000Z", shortened.id),
            format!(
                "{} narrowed to calls:read, never expires, at most 600/minute, quota 5/day, only from \
                 127.0.0.0/9 10.0.0.1/32",
                limited_key.id
            ),
            format!("{} revoked", moved.id),
            format!("{} handed to ada@example.com", handed.id),
            format!("{} left without a holder", released.id),
            format!("{} left without a holder", onward.id),
            format!("{token_id} revoked"),
            "limited@example.com narrowed to member, may grant calls:read".to_owned(),
            "disabled@example.com disabled, with what keys they still had".to_owned(),
            "demoted@example.com narrowed to member, may grant leads:read".to_owned(),
        ] {
            assert!(lines.contains(&expected.as_str()), "{expected} in {planned}");
        }
        assert!(planned.contains("renewed@example.com has no password"), "{planned}");
        assert!(planned.ends_with("every session and one-time link ended\n"), "{planned}");
        assert_eq!(lines.len(), 15, "{planned}");

        // Looking has changed nothing.
        let server = on(&backup);
        server.call(&revoked, "GET", "/v1/ping", None).expect(200, "");
        let session = Browser::new(&server.client.base);
        session.plant_session(&old_session);
        assert!(session.is_signed_in());

        assert_eq!(run(&[]), planned);
        assert_eq!(run(&[]), "every session and one-time link ended\n", "all is done");
        server.bitting.read_feed().unwrap();
        for key in [&revoked, &ended, &moved] {
            server.call(key, "GET", "/v1/ping", None).expect(401, "key_revoked");
        }
        for key in [&kept, &handed, &narrowed, &shortened, &released, &onward, &limited_key] {
            server.call(key, "GET", "/v1/ping", None).expect(200, "");
        }
        server.call(&narrowed, "GET", "/v1/calls", None).expect(403, "insufficient_scope");
        for key in [&released, &onward] {
            let key = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
            assert_eq!(key["holder"], Value::Null);
        }
        server.client.with_key(&token, "GET", "/v1/keys", None).expect(401, "key_revoked");
        assert!(!session.is_signed_in(), "every session has ended");
        let page = format!("/password?token={link}");
        assert_eq!(Browser::new(&server.client.base).get(&page).status, 404);
        let log_in = |name: &str, password| {
            let email = format!("{name}@example.com");
            Browser::new(&server.client.base).log_in(&email, password).status
        };
        assert_eq!(log_in("ada", PASSWORD), 303);
        assert_eq!(log_in("disabled", PASSWORD), 401);
        assert_eq!((log_in("renewed", PASSWORD), log_in("renewed", OTHER)), (401, 401));
        let rights = |user: &User| {
            let user = server.bitting.find_user(&command_line(), user.id).unwrap();
            json!([user.role, user.may_grant])
        };
        assert_eq!(rights(&limited), json!(["member", ["calls:read"]]));
        assert_eq!(rights(&demoted), json!(["member", ["leads:read"]]));
        assert_eq!(rights(&raised), json!(["member", ["calls:read", "leads:read"]]));

        // A new password is set by a link.
        let link = server.bitting.make_password_link(&command_line(), renewed.id).unwrap().expose();
        let page = format!("/password?token={link}");
        let fields = [("token", link.as_str()), ("password", OTHER)];
        assert_eq!(Browser::new(&server.client.base).submit(&page, "/password", &fields).status, 303);
        assert_eq!(log_in("renewed", OTHER), 303);
        drop(server);
        shell.ok(&["check"]);
    }
}

#[test]
fn what_nobody_reads_is_done_all_the_same() {
    let server = TestServer::start(Backend::Sqlite);
    let keys: Vec<MadeKey> = (0..30).map(|_| server.key("calls:read")).collect();
    let before = server.stop();
    let backup = before.db_copy();
    let server = on(&before);
    keys.iter().for_each(|key| drop(server.revoke(key)));
    let before = server.stop();
    let mut command = command(&backup.folder(), &["revoke-as-in", &before.url]);
    command.env("BITTING_DATABASE_URL", &backup.url);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
    let again = Shell(backup).ok(&["revoke-as-in", &before.url]);
    assert_eq!(again, "every session and one-time link ended\n");
}

on_both! {
    fn the_last_administrator_stays_and_it_is_said(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let before = server.stop();
        let backup = before.db_copy();
        let server = on(&before);
        server.db_user("bo@example.com", json!({"role": "admin"}));
        server.bitting.disable_user(&command_line(), ada.id, None).unwrap();
        let before = server.stop();
        let shell = Shell(backup);
        let run = || shell.run(&["revoke-as-in", &before.url]);
        let output = run();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("not done, since no administrator would be left: ada@example.com"), "{said}");
        assert!(said.contains("bitting user add EMAIL --role admin"), "{said}");
        // Everything else was done.
        let done = String::from_utf8(output.stdout).unwrap();
        assert_eq!(done, "every session and one-time link ended\n");
    }
}

on_both! {
    /// Whoever runs the command can set a new one.
    fn the_last_administrators_password_is_forgotten_too(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        let before = server.stop();
        let backup = before.db_copy();
        let server = on(&before);
        let password = Password::choose(OTHER, &ada.email).unwrap();
        server.bitting.set_password(&command_line(), ada.id, &password).unwrap();
        server.bitting.disable_user(&command_line(), bo.id, None).unwrap();
        let before = server.stop();
        let done = Shell(backup).ok(&["revoke-as-in", &before.url]);
        let place = |said: &str| done.find(said).unwrap_or_else(|| panic!("{said} in {done}"));
        assert!(place("bo@example.com disabled") < place("ada@example.com has no password"));
    }
}

on_both! {
    fn only_the_database_from_before_is_taken(backend) {
        // Those that tests start from are copies of one.
        let other = Shell::new(backend);
        other.ok(&["migrate"]);
        let (own, other) = (TestDatabase::migrated(backend), &other.0);
        let copy = own.db_copy();
        let shell = Shell(own);
        shell.ok(&["revoke-as-in", &copy.url]);
        shell.refused(&["revoke-as-in", &other.url], 1, &["is another database", "from before"]);
        let itself = shell.0.url.clone();
        shell.refused(&["revoke-as-in", &itself, "--dry-run"], 1, &["would be taken away in", "from before"]);
    }
}

#[test]
fn a_database_that_cannot_be_read_is_told() {
    let shell = Shell::new(Backend::Sqlite);
    shell.ok(&["migrate"]);
    shell.refused(&["revoke-as-in", "old.db"], 2, &["sqlite://"]);
    shell.refused(&["revoke-as-in", "sqlite://none.db"], 1, &["none.db"]);
}
