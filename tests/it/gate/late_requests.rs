//! Requests whose credential ends after their head was accepted: they are refused, and counted, as
//! if they had come later.

use std::time::Duration;

use bitting::config::Options;
use bitting::domain::Error;
use bitting::domain::principal::Principal;
use bitting::model::actor::ClientInfo;
use bitting::model::credential::Ended;
use bitting::model::id::SessionId;
use bitting::model::key::NewKey;
use bitting::model::password::Password;
use bitting::model::token::NewToken;
use bitting::model::user::{NewUser, Role, User, UserChange};
use bitting::records::model::resources;
use serde_json::{Map, Value, json};

use crate::support::browser::{PASSWORD, form_token};
use crate::support::held::Held;
use crate::support::raw::status;
use crate::support::server::{MadeKey, operator};
use crate::support::{Backend, Browser, TestDatabase, TestServer, eventually, on_both};

const OTHER_PASSWORD: &str = "another long password";
const HOUR: Duration = Duration::from_secs(3600);
const CALL: &str = r#"{"direction":"inbound","caller":"+14155550100"}"#;
const NEW_KEY: &str = r#"{"name":"late","scopes":["calls:read"]}"#;

fn start(backend: Backend) -> TestServer {
    let options = Options { metrics_listen: Some("127.0.0.1:0".into()), ..Options::default() };
    TestServer::on(TestDatabase::migrated(backend).into(), options)
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// How often something was decided about a credential, as the metrics count it.
fn decided(server: &TestServer, outcome: &str) -> u64 {
    let wanted = format!("outcome=\"{outcome}\"}} ");
    let page = server.metrics();
    let figure = page.lines().find_map(|line| line.split_once(&wanted).map(|(_, figure)| figure));
    figure.map_or(0, |figure| figure.parse().unwrap())
}

/// Sends requests but for their last byte, and waits until all of them have been accepted.
fn hold(server: &TestServer, key: &str, requests: &[(&str, &str)]) -> Vec<Held> {
    let before = decided(server, "accepted");
    let held = requests
        .iter()
        .map(|(request, body)| Held::with_key(server.address, key, request, body))
        .collect();
    eventually("the heads are accepted", || {
        decided(server, "accepted") == before + requests.len() as u64
    });
    held
}

#[track_caller]
fn assert_refused(answer: &str, code: &str) {
    assert!(status(answer) == 401 && answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
}

/// Ends a credential as somebody has done elsewhere of whom this server has not heard yet: the
/// feed goes by the revision, which stays.
fn db_revoke_unheard(server: &TestServer, table: &str, id: &str) {
    server.database.db_execute(&format!(
        "UPDATE {table} SET revoked_at = '2026-11-21 12:00:00', revoked_by_type = 'cli', \
         revoked_by_name = 'elsewhere' WHERE id = '{id}'"
    ));
}

on_both! {
    fn a_record_is_not_written_by_a_key_that_ended_before_the_last_byte(backend) {
        let server = start(backend);
        let expiring = json!({"expires_at": "2026-11-21T13:00:00Z"});
        let scopes = "calls:write leads:read leads:write";
        let revoked = server.key(scopes);
        let expired = server.key_with(scopes, expiring);
        let lead = server.call(&revoked, "POST", "/v1/leads", Some(&json!({"name": "Ada", "source": "web"})));
        let lead = lead.ok()["id"].as_str().unwrap().to_owned();
        let patch = format!("PATCH /v1/leads/{lead}");
        let requests =
            [("POST /v1/calls", CALL), (patch.as_str(), r#"{"name":"Eve"}"#), ("POST /v1/calls", "{}")];
        let end_expired = |_: &MadeKey| server.pass(HOUR);
        let end_revoked = |key: &MadeKey| drop(server.revoke(key));
        type End<'a> = &'a dyn Fn(&MadeKey);
        let endings: [(_, _, End<'_>); 2] =
            [(&revoked, "key_revoked", &end_revoked), (&expired, "key_expired", &end_expired)];
        for (key, code, end) in endings {
            let (counted, refused) = (server.usage(key, "24h"), decided(&server, code));
            let held = hold(&server, &key.secret, &requests);
            end(key);
            for held in held {
                assert_refused(&held.finish(), code);
            }
            let now = server.usage(key, "24h");
            assert_eq!(now["retired"], json!(counted["retired"].as_i64().unwrap() + 3), "{now}");
            assert_eq!(now["ok"], counted["ok"]);
            assert_eq!(decided(&server, code), refused + 3);
        }
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM calls"), 0);
        assert_eq!(server.database.db_texts("SELECT name FROM leads"), ["Ada"]);
    }
}

on_both! {
    fn a_key_is_not_managed_by_a_token_that_ended_before_the_last_byte(backend) {
        let server = start(backend);
        let victim = server.key("calls:read");
        let paths = [format!("PATCH /v1/keys/{}", victim.id), format!("POST /v1/keys/{}/revoke", victim.id)];
        let requests =
            [("POST /v1/keys", NEW_KEY), (&paths[0], r#"{"name":"late"}"#), (&paths[1], r#"{"reason":"late"}"#)];
        let token = |expires_at: &str| {
            let token = server.db_token(&json!({"name": expires_at, "access": "write", "expires_at": expires_at}));
            let known = server.client.with_key(&token, "GET", "/v1/keys", None);
            known.ok();
            token
        };
        let (revoked, expired) = (token("2026-11-22T12:00:00Z"), token("2026-11-21T13:00:00Z"));
        let id = server.bitting.list_tokens(&operator()).unwrap()[1].id;
        let end_revoked = || drop(server.bitting.revoke_token(id, None, &operator()).unwrap());
        let end_expired = || server.pass(HOUR);
        let endings: [(&str, &str, &dyn Fn()); 2] =
            [(&revoked, "key_revoked", &end_revoked), (&expired, "key_expired", &end_expired)];
        for (token, code, end) in endings {
            let held = hold(&server, token, &requests);
            end();
            for held in held {
                assert_refused(&held.finish(), code);
            }
        }
        assert_eq!(server.database.db_texts("SELECT name FROM api_keys"), ["test"]);
        server.call(&victim, "GET", "/v1/ping", None).ok();
    }
}

on_both! {
    fn what_was_revoked_elsewhere_a_moment_ago_writes_nothing(backend) {
        let server = start(backend);
        let key = server.key("calls:write leads:read leads:write");
        let made = server.call(&key, "POST", "/v1/leads", Some(&json!({"name": "Ada", "source": "web"}))).ok();
        let lead = format!("/v1/leads/{}", made["id"].as_str().unwrap());
        let (call, name) = (serde_json::from_str(CALL).unwrap(), json!({"name": "Eve"}));
        let once = |body: &Value| {
            let bearer = format!("Bearer {}", key.secret);
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k")];
            server.client.send("POST", "/v1/calls", &headers, Some(&body.to_string()))
        };
        once(&call).ok();
        assert_eq!(once(&call).header("idempotency-replayed"), "true");

        db_revoke_unheard(&server, "api_keys", &key.id);
        server.call(&key, "POST", "/v1/calls", Some(&call)).expect(401, "key_revoked");
        server.call(&key, "PATCH", &lead, Some(&name)).expect(401, "key_revoked");
        server.call(&key, "DELETE", &lead, None).expect(401, "key_revoked");
        once(&call).expect(401, "key_revoked");
        once(&json!({})).expect(401, "key_revoked");
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM calls"), 1);
        assert_eq!(server.database.db_texts("SELECT name FROM leads"), ["Ada"]);

        let replay = || {
            let bearer = format!("Bearer {}", server.admin);
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k")];
            server.client.send("POST", "/v1/keys", &headers, Some(NEW_KEY))
        };
        replay().ok();
        assert_eq!(replay().header("idempotency-replayed"), "true");
        let token = server.bitting.list_tokens(&operator()).unwrap()[0].id;
        db_revoke_unheard(&server, "admin_tokens", &token.to_string());
        replay().expect(401, "key_revoked");
        let new = serde_json::from_str(NEW_KEY).unwrap();
        server.manage("POST", "/v1/keys", Some(&new)).expect(401, "key_revoked");
        server.manage("POST", &format!("/v1/keys/{}/revoke", key.id), None).expect(401, "key_revoked");
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 2);
    }
}

/// A change that waits for another one sees what was revoked while it waited.
#[test]
fn a_write_that_waited_is_refused_when_its_key_was_revoked_meanwhile() {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, PgConnection};
    let server = start(Backend::Postgres);
    let key = server.key("leads:read leads:write");
    let made =
        server.call(&key, "POST", "/v1/leads", Some(&json!({"name": "Ada", "source": "web"}))).ok();
    let lead = format!("/v1/leads/{}", made["id"].as_str().unwrap());
    let mut other = PgConnection::establish(&server.database.url).unwrap();
    other.batch_execute("BEGIN; SELECT * FROM leads FOR UPDATE").unwrap();
    std::thread::scope(|scope| {
        let write =
            scope.spawn(|| server.call(&key, "PATCH", &lead, Some(&json!({"name": "Eve"}))));
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("the write waits", || server.database.db_number(waiting) > 0);
        server.revoke(&key);
        other.batch_execute("COMMIT").unwrap();
        write.join().unwrap().expect(401, "key_revoked");
    });
    assert_eq!(server.database.db_texts("SELECT name FROM leads"), ["Ada"]);
}

/// A browser's forms, sent but for their last byte.
fn hold_forms(server: &TestServer, browser: &Browser, email: &str) -> Vec<Held> {
    let token = form_token(&browser.get("/account"));
    let forms: [(&str, &[(&str, &str)]); 3] = [
        ("/keys/new", &[("name", "late"), ("expires", "7d"), ("scope", "calls:read")]),
        (
            "/tokens/new",
            &[("name", "late"), ("access", "read"), ("expires", "7d"), ("bounds", "all")],
        ),
        ("/users/new", &[("email", email), ("role", "member")]),
    ];
    let hold = |(path, fields): (&str, &[(&str, &str)])| {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("form_token", &token)
            .extend_pairs(fields)
            .finish();
        let head = format!(
            "POST {path} HTTP/1.1\r\nCookie: {}={}\r\n\
             Origin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            browser.session_cookie(),
            browser.session(),
            server.client.base
        );
        Held::send(server.address, &head, &body)
    };
    let held = forms.map(hold).into();
    // Whatever looks at the head of a form has done so by the time another page is answered.
    assert!(browser.is_signed_in());
    held
}

fn session_of(server: &TestServer, user: &User) -> SessionId {
    server.bitting.session_table(user.id, 1).unwrap().rows[0].id
}

fn db_made(server: &TestServer) -> [i64; 3] {
    ["api_keys", "admin_tokens", "users"]
        .map(|table| server.database.db_number(&format!("SELECT COUNT(*) FROM {table}")))
}

on_both! {
    fn a_form_is_refused_when_its_session_ended_before_its_last_byte(backend) {
        let server = TestServer::start(backend);
        type End = fn(&TestServer, &User, &Browser);
        let endings: [(&str, End); 6] = [
            ("the session was ended", |server, user, _| {
                let session = session_of(server, user);
                server.bitting.end_session(&server.db_principal(user), session).unwrap();
            }),
            ("signed out", |_, _, browser| {
                assert_eq!(browser.submit("/account", "/logout", &[]).status, 303);
            }),
            ("the password was changed", |server, user, _| {
                let (by, passwords) = (server.db_principal(user), (PASSWORD, OTHER_PASSWORD));
                server.bitting.change_password(&by, user, passwords, &ClientInfo::default()).unwrap();
            }),
            ("the password was set", |server, user, _| {
                let password = Password::choose(OTHER_PASSWORD, &user.email).unwrap();
                server.bitting.set_password(&operator(), user.id, &password).unwrap();
            }),
            ("the user was disabled", |server, user, _| {
                server.bitting.disable_user(&operator(), user.id, None).unwrap();
            }),
            ("its time passed", |server, _, _| server.pass(12 * HOUR)),
        ];
        server.db_user("ada@example.com", json!({}));
        for (n, (how, end)) in endings.iter().enumerate() {
            let user = server.db_user(&format!("bo{n}@example.com"), json!({"role": "admin"}));
            let browser = server.db_browser(user.email.as_str());
            let held = hold_forms(&server, &browser, &format!("late{n}@example.com"));
            let before = db_made(&server);
            end(&server, &user, &browser);
            for held in held {
                let answer = held.finish();
                let to_login = status(&answer) == 303 && answer.contains("location: /login");
                let asked = status(&answer) == 401 && answer.contains("action=\"/login\"");
                assert!(to_login || asked, "{how}: {answer}");
            }
            assert_eq!(db_made(&server), before, "{how}");
        }
    }
}

on_both! {
    fn a_form_is_refused_when_the_role_was_narrowed_before_its_last_byte(backend) {
        let server = TestServer::start(backend);
        server.db_user("ada@example.com", json!({}));
        let user = server.db_user("bo@example.com", json!({"role": "admin"}));
        let browser = server.db_browser("bo@example.com");
        let held = hold_forms(&server, &browser, "late@example.com");
        let change = UserChange { role: Some(Role::Auditor), may_grant: None };
        let before = db_made(&server);
        server.bitting.change_user(&operator(), user.id, &change).unwrap();
        for held in held {
            let answer = held.finish();
            assert!(status(&answer) == 403 && answer.contains("Your role does not allow"), "{answer}");
        }
        assert_eq!(db_made(&server), before);
    }
}

on_both! {
    fn no_use_case_changes_anything_for_a_session_that_has_ended(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({"role": "admin"}));
        let bitting = &server.bitting;
        let key = server.key("calls:read").id.parse().unwrap();
        let token = bitting.list_tokens(&operator()).unwrap()[0].id;
        let browser = server.db_browser("bo@example.com");
        let other = server.db_browser("bo@example.com");
        let sessions = bitting.session_table(bo.id, 1).unwrap().rows;
        let (session, other_session) = (sessions[1].id, sessions[0].id);
        let bo_now = bitting.find_user(&operator(), bo.id).unwrap();
        let by = Principal::signed_in(bo_now, session, &ClientInfo::default());
        assert_eq!(browser.submit("/keys", "/logout", &[]).status, 303);
        let before = db_made(&server);

        let now = bitting.time.now();
        let new_key = NewKey::from_object(&serde_json::from_str(NEW_KEY).unwrap(), &resources::catalog(), now).unwrap();
        let new_token = json!({"name": "t", "access": "read", "expires_at": "2027-01-01T00:00:00Z"});
        let new_token = NewToken::from_object(&object(new_token), &resources::catalog(), now).unwrap();
        let new_user = NewUser::from_object(&object(json!({"email": "x@example.com"})), &resources::catalog()).unwrap();
        let password = Password::choose(PASSWORD, &ada.email).unwrap();
        let nonce = bitting.form_nonce().unwrap();
        let refusals = [
            bitting.issue_key(new_key.clone(), &by, None).err(),
            bitting.issue_key_by_form(new_key, &by, &nonce).err(),
            bitting.edit_key(key, object(json!({"name": "b"})), &by).err(),
            bitting.revoke_key(key, None, &by, None).err(),
            bitting.issue_token(new_token, &by).err(),
            bitting.revoke_token(token, None, &by).err(),
            bitting.add_user(&by, &new_user, None).err(),
            bitting.change_user(&by, ada.id, &UserChange::default()).err(),
            bitting.disable_user(&by, ada.id, None).err(),
            bitting.enable_user(&by, ada.id).err(),
            bitting.set_password(&by, ada.id, &password).err(),
            bitting.make_password_link(&by, ada.id).err(),
            bitting.end_session(&by, other_session).err(),
            bitting.end_other_sessions(&by, session).err(),
            bitting.change_password(&by, &bo, (PASSWORD, OTHER_PASSWORD), &ClientInfo::default()).err(),
        ];
        for (n, refusal) in refusals.iter().enumerate() {
            assert!(matches!(refusal, Some(Error::Ended(Ended::SignedOut))), "{n}: {refusal:?}");
        }
        assert_eq!(db_made(&server), before);
        assert!(other.is_signed_in());
    }
}

#[test]
fn every_row_of_what_ends_when_names_tests_that_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let section = text.split("## What ends when").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 15, "{rows:#?}");
    for row in rows {
        let tests: Vec<(&str, &str)> =
            row.split('`').filter_map(|word| word.rsplit_once("::")).collect();
        assert!(!tests.is_empty(), "{row}");
        for (module, test) in tests {
            let file = format!("tests/it/{}.rs", module.replace("::", "/"));
            let source = std::fs::read_to_string(root.join(file));
            assert!(source.unwrap().contains(&format!("fn {test}(")), "{module}::{test}");
        }
    }
}
