//! Every form of the pages: it does something only when it is sent from where it belongs, with its
//! token, in a session that lives, and never because an address is opened.

use std::sync::Arc;

use bitting::config::{KeySource, Options};
use bitting::domain::principal::Principal;
use bitting::http::endpoint::{Endpoint, Guard};
use bitting::model::connections::{MasterKey, NewConnection, VendorCredential};
use bitting::model::password::Password;
use bitting::server::endpoints;
use serde_json::json;

use crate::support::browser::{PASSWORD, form_token};
use crate::support::{Backend, Browser, TestDatabase, TestServer, rounds};
use crate::warnings::send_to;

pub const EMAIL: &str = "ada@example.com";

/// The one form that changes nothing: a key pasted into it must not stand in an address.
const SEARCH: &str = "/keys/search";

/// The page that a form stands on, where it is sent, and what it is filled in with so that it works.
/// `{key}` and its like stand for what the forms are about.
pub type Form = (&'static str, &'static str, &'static str);

/// Every form there is.
pub const FORMS: [Form; 31] = [
    ("/login", "/login", "email={email}&password={password}"),
    ("/setup?token={setup}", "/setup", "token={setup}&email=x@example.com&password={password}"),
    ("/password?token={link}", "/password", "token={link}&password={password}"),
    ("/keys", "/logout", ""),
    ("/keys", SEARCH, "q=test"),
    ("/keys/new", "/keys/new", "name=x&expires=7d&scope=calls:read"),
    ("/keys/{key}/edit", "/keys/{key}/edit", "name=x"),
    ("/keys/{key}/narrow", "/keys/{key}/narrow", "scope=calls:read&expires=7d"),
    ("/keys/{key}/rotate", "/keys/{key}/rotate", "overlap=7d&expires=keep"),
    ("/keys/{key}/revoke", "/keys/{key}/revoke", "reason=x"),
    ("/keys/revoke?key={key}", "/keys/revoke", "key={key}&reason=x"),
    ("/users/new", "/users/new", "email=x@example.com&role=auditor"),
    ("/users/{user}", "/users/{user}", "role=auditor"),
    ("/users/{user}", "/users/{user}/link", ""),
    ("/users/{user}/disable", "/users/{user}/disable", "holdings=revoke"),
    ("/users/{disabled}", "/users/{disabled}/enable", ""),
    ("/tokens/new", "/tokens/new", "name=x&access=read&expires=7d&bounds=all"),
    ("/tokens/{token}/revoke", "/tokens/{token}/revoke", "reason=x"),
    (
        "/connections/new?kind=callrail",
        "/connections/new",
        "kind=callrail&name=x&handle=fresh&credential_api_key=secret&untested=yes",
    ),
    (
        "/connections/new?kind=http",
        "/connections/new",
        "kind=http&name=x&handle=fresh&base_url=https://localhost&auth=bearer&credential_api_key=secret&untested=yes",
    ),
    (
        "/connections/{own}/edit",
        "/connections/{own}/edit",
        "name=Other&recordings=yes&rules=GET /x things:read",
    ),
    ("/connections/{on}", "/connections/{on}/test", ""),
    ("/connections/{on}/edit", "/connections/{on}/edit", "name=Other&recordings=yes"),
    (
        "/connections/{on}/credential",
        "/connections/{on}/credential",
        "credential_api_key=another&untested=yes",
    ),
    ("/connections/{on}", "/connections/{on}/disable", ""),
    ("/connections/{off}", "/connections/{off}/enable", ""),
    ("/connections/{on}/remove", "/connections/{on}/remove", ""),
    ("/notifications", "/notifications", ""),
    ("/account", "/account/password", "current_password={password}&password=another {password}"),
    ("/account", "/account/sessions/{session}/end", ""),
    ("/account", "/account/sessions/end-others", ""),
];

/// A server with one of everything that forms are about, and their ids.
pub fn furnished(path: &str) -> (TestServer, Vec<(&'static str, String)>) {
    let database = Arc::new(TestDatabase::migrated(Backend::Sqlite));
    let server = TestServer::with_settings(database, Options::default(), |settings| {
        let key = MasterKey::generate().unwrap();
        settings.connections.key = Some(KeySource::Text(key.expose().to_owned().into()));
        settings.connections.hosts = vec!["https://localhost".parse().unwrap()];
        send_to("127.0.0.1:1".parse().unwrap())(settings);
    });
    let mut things = vec![("email", EMAIL.to_owned()), ("password", PASSWORD.to_owned())];
    if path == "/setup" {
        // The link is good while there is no user.
        things.push(("setup", server.bitting.make_setup_link().unwrap().unwrap().expose()));
        return (server, things);
    }
    let command_line = Principal::command_line("test");
    server.db_user(EMAIL, json!({}));
    let user = server.db_user("bo@example.com", json!({}));
    let disabled = server.db_user("di@example.com", json!({}));
    server.bitting.disable_user(&command_line, disabled.id, None).unwrap();
    let link = server.bitting.make_password_link(&command_line, user.id).unwrap();
    let token = server.bitting.list_tokens(&command_line).unwrap()[0].id.to_string();
    let ids = [("user", user.id), ("disabled", disabled.id)];
    things.extend(ids.map(|(name, id)| (name, id.to_string())));
    for (handle, kind, auth) in
        [("on", "callrail", None), ("off", "callrail", None), ("own", "http", Some("bearer"))]
    {
        let object = json!({
            "handle": handle, "kind": kind, "base_url": "https://localhost", "auth": auth,
        });
        let new = NewConnection::from_object(object.as_object().unwrap()).unwrap();
        let fields = new.kind.credential_fields(new.form.as_ref());
        let secret = VendorCredential::parse(&fields, "secret").unwrap();
        server.bitting.add_connection(&command_line, new, &secret, true).unwrap();
        things.push((handle, handle.to_owned()));
    }
    let off = "off".parse().unwrap();
    server.bitting.switch_connection(&command_line, &off, false).unwrap();
    let held = format!("/v1/keys/{}", server.key("calls:read").id);
    server.manage("PATCH", &held, Some(&json!({"holder": "bo@example.com"}))).ok();
    things.extend([
        ("link", link.expose()),
        ("token", token),
        ("key", server.key("calls:read").id),
    ]);
    (server, things)
}

/// Puts their ids where the names of things stand.
pub fn filled_in(text: &str, things: &[(&str, String)]) -> String {
    let fill =
        |text: String, (name, value): &(&str, String)| text.replace(&format!("{{{name}}}"), value);
    things.iter().fold(text.to_owned(), fill)
}

/// What any form changes, in numbers.
fn db_state(server: &TestServer) -> [i64; 7] {
    let count = |table| server.database.db_number(&format!("SELECT COUNT(*) FROM {table}"));
    let tested = "connections WHERE tested_at IS NOT NULL";
    ["sessions", "audit_events", "api_keys", "users", "one_time_links", "notifications", tested]
        .map(count)
}

#[test]
fn every_path_that_takes_a_form_is_tried() {
    let takes = |endpoint: &&Endpoint| {
        let posts = endpoint.methods().iter().any(|method| method.as_str() == "POST");
        matches!(endpoint.guard(), Guard::Page(_)) && posts
    };
    let pattern = |path: &str| {
        let word =
            |word: &str| if word.starts_with('{') { "{id}".to_owned() } else { word.to_owned() };
        path.split('/').map(word).collect::<Vec<_>>().join("/")
    };
    for endpoint in endpoints(true).iter().filter(takes) {
        let tried = FORMS.iter().any(|(_, path, _)| pattern(path) == endpoint.path());
        assert!(tried, "{} is not in FORMS", endpoint.path());
    }
}

#[test]
fn a_form_from_elsewhere_or_without_its_token_is_refused() {
    for (page, path, fields) in FORMS {
        let (server, mut things) = furnished(path);
        let base = server.client.base.as_str();
        let signed_in = || match path {
            "/setup" => Browser::new(base),
            _ => Browser::signed_in(base, EMAIL),
        };
        let (stranger, browser) = (signed_in(), signed_in());
        let session = server.database.db_texts("SELECT id FROM sessions").into_iter().min();
        things.push(("session", session.unwrap_or_default()));
        let [page, path, fields] = [page, path, fields].map(|text| filled_in(text, &things));
        let shown = browser.get(&page);
        assert!(shown.body.contains(&format!("action=\"{path}\"")), "{page}: {path}");
        let token = form_token(&shown);
        let foreign = form_token(&stranger.get(if path == "/setup" { &page } else { "/keys" }));
        let fields = |token: &str| {
            let mut fields: Vec<_> =
                form_urlencoded::parse(fields.as_bytes()).into_owned().collect();
            fields.push(("form_token".to_owned(), token.to_owned()));
            fields
        };
        let send = |token: &str, headers: &[(&str, &str)]| {
            let fields = fields(token);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
            browser.post_with(&path, &fields, headers)
        };
        let before = db_state(&server);
        let right = [("origin", base)];
        for (case, token, headers) in [
            ("no token", "", right),
            ("another session's token", &*foreign, right),
            ("a made-up token", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", right),
            ("another origin", &*token, [("origin", "http://evil.example")]),
            ("another port", &*token, [("origin", "http://127.0.0.1:1")]),
            ("no origin to be told", &*token, [("origin", "null")]),
            ("another site", &*token, [("sec-fetch-site", "cross-site")]),
            ("a neighbour", &*token, [("sec-fetch-site", "same-site")]),
        ] {
            if path == SEARCH && case == "another session's token" {
                // It changes nothing, and is carried on with, as other forms are shown again.
                continue;
            }
            let answer = send(token, &headers);
            assert_eq!(answer.status, 403, "{path}: {case}: {answer:#?}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert_eq!(answer.header("set-cookie"), "", "{path}: {case}");
        }
        let type_of_json = [("content-type", "application/json")];
        let answer = browser.send("POST", &path, &type_of_json, Some("{}"));
        assert_eq!(answer.status, 415);
        assert_eq!(db_state(&server), before, "{path}");
        let answer = send(&token, &right);
        assert!(
            [200, 303].contains(&answer.status),
            "the same form, from where it belongs: {answer:#?}"
        );
        let changed = db_state(&server) != before;
        assert_eq!(changed, path != SEARCH, "{path} does something");
    }
}

#[test]
fn an_address_with_a_forms_fields_changes_nothing() {
    for (page, path, fields) in FORMS {
        let (server, mut things) = furnished(path);
        let base = server.client.base.as_str();
        let browser = match path {
            "/setup" => Browser::new(base),
            _ => Browser::signed_in(base, EMAIL),
        };
        let session = server.database.db_texts("SELECT id FROM sessions").pop();
        things.push(("session", session.unwrap_or_default()));
        let [page, path, fields] = [page, path, fields].map(|text| filled_in(text, &things));
        let token = form_token(&browser.get(&page));
        let before = db_state(&server);
        let fields: Vec<_> = form_urlencoded::parse(fields.as_bytes()).into_owned().collect();
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(fields).append_pair("form_token", &token).finish();
        let address = format!("{path}?{query}");
        for method in ["GET", "HEAD"] {
            let answer = browser.send(method, &address, &[], None);
            // Where there is a page, it is shown or takes no such parameters.
            assert!([200, 405, 422].contains(&answer.status), "{method} {address}: {answer:#?}");
            assert_eq!(answer.header("set-cookie"), "", "{method} {address}");
        }
        assert_eq!(db_state(&server), before, "{path}");
    }
}

/// How a session ends, and not by the hand of who still has its cookie.
type Ending = (&'static str, fn(&TestServer, &Browser));

const ENDINGS: [Ending; 4] = [
    ("signing out", |_, browser| {
        browser.submit("/keys", "/logout", &[]);
    }),
    ("a password of their own", |_, browser| {
        let other = format!("another {PASSWORD}");
        let fields = [("current_password", PASSWORD), ("password", &*other)];
        browser.submit("/account", "/account/password", &fields);
    }),
    ("a password that was set for them", |server, _| {
        let (cli, user) = (Principal::command_line("test"), db_signed_in(server));
        let password = Password::choose(PASSWORD, &user.email).unwrap();
        server.bitting.set_password(&cli, user.id, &password).unwrap();
    }),
    ("the user's end", |server, _| {
        server.db_user("cy@example.com", json!({"role": "admin"}));
        let user = db_signed_in(server);
        server.bitting.disable_user(&Principal::command_line("test"), user.id, None).unwrap();
    }),
];

fn db_signed_in(server: &TestServer) -> bitting::model::user::User {
    let cli = Principal::command_line("test");
    server.bitting.find_user_by_email(&cli, &EMAIL.parse().unwrap()).unwrap()
}

#[test]
fn no_form_works_in_a_session_that_has_ended() {
    let signed_in = |path: &str| !["/login", "/setup", "/password"].contains(&path);
    let forms = FORMS.into_iter().filter(|(_, path, _)| signed_in(path));
    for (place, (page, path, fields)) in forms.enumerate() {
        let endings = ENDINGS.into_iter().cycle().skip(place % ENDINGS.len());
        for (how, end) in endings.take(rounds(ENDINGS.len(), 1)) {
            let (server, mut things) = furnished(path);
            let base = server.client.base.as_str();
            let browser = Browser::signed_in(base, EMAIL);
            let other = Browser::signed_in(base, EMAIL);
            let session = server.database.db_texts("SELECT id FROM sessions").pop();
            things.push(("session", session.unwrap_or_default()));
            let [page, path, fields] = [page, path, fields].map(|text| filled_in(text, &things));
            let (cookie, token) = (browser.session(), form_token(&browser.get(&page)));
            end(&server, &browser);
            other.plant_session(&cookie);
            let before = db_state(&server);
            let mut sent: Vec<(String, String)> =
                form_urlencoded::parse(fields.as_bytes()).into_owned().collect();
            sent.push(("form_token".to_owned(), token));
            let sent: Vec<_> = sent.iter().map(|(name, value)| (&**name, &**value)).collect();
            let answer = other.post_with(&path, &sent, &[("origin", base)]);
            // Asked to sign in, with what was typed in hand where there is something to keep.
            let to_login = answer.header("location").starts_with("/login");
            let asked = answer.body.contains("action=\"/login\"");
            let refused = (answer.status == 303 && to_login) || (answer.status == 401 && asked);
            assert!(refused, "{path} after {how}: {answer:#?}");
            assert_eq!(db_state(&server), before, "{path} after {how}");
        }
    }
}
