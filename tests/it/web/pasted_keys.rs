//! Keys that are pasted into forms: none is stored, and no answer repeats one.

use std::sync::Arc;

use bitting::config::{KeySource, Options};
use bitting::domain::principal::Principal;
use bitting::model::connections::{MasterKey, NewConnection, VendorCredential};
use serde_json::json;

use crate::support::browser::PASSWORD;
use crate::support::{Backend, Browser, TestDatabase, TestServer};

const ADMIN: &str = "ada@example.com";

/// A form with something to type.
struct Form {
    page: &'static str,
    /// Where it is sent to, below its page.
    to: &'static str,
    /// What is typed besides the key.
    typed: &'static str,
    /// The fields of which each gets the key.
    fields: &'static [&'static str],
}

const fn form(page: &'static str, typed: &'static str, fields: &'static [&'static str]) -> Form {
    Form { page, to: "", typed, fields }
}

const FORMS: [Form; 20] = [
    form(
        "/keys/new",
        "name=n8n&expires=7d&scope=calls:read",
        &[
            "name",
            "owner",
            "description",
            "expires",
            "rate_limit",
            "quota",
            "allowed_networks",
            "scope",
        ],
    ),
    form("/keys/new", "name=n8n&expires=date&scope=calls:read", &["expires_on"]),
    form(
        "/keys/{key}/edit",
        "name=x",
        &["name", "owner", "description", "holder", "rate_limit", "quota", "allowed_networks"],
    ),
    form("/keys/{key}/narrow", "scope=calls:read&expires=keep", &["scope"]),
    form("/keys/{key}/narrow", "scope=calls:read&expires=date", &["expires_on"]),
    form("/keys/{key}/rotate", "overlap=7d&expires=date", &["overlap", "expires_on"]),
    form("/keys/{key}/revoke", "", &["reason"]),
    form("/keys/revoke?key={key}", "key={key}", &["reason"]),
    form("/users/new", "email=bo@example.com&role=member", &["email", "role", "may_grant"]),
    form("/users/{user}", "role=member", &["role", "may_grant"]),
    form("/users/{user}/disable", "holdings=transfer", &["holdings", "transfer_to"]),
    form(
        "/tokens/new",
        "name=ci&access=read&expires=7d&bounds=some",
        &["name", "access", "may_grant"],
    ),
    form("/tokens/{token}/revoke", "", &["reason"]),
    form(
        "/connections/new",
        "kind=http&name=a&handle=a&base_url=https://a.example",
        &["name", "handle", "description", "base_url", "auth", "rules", "test_path"],
    ),
    form(
        "/connections/of-old/edit",
        "name=a",
        &["name", "description", "rules", "test_path", "limit", "key_limit"],
    ),
    form("/connections/of-old/credential", "", &["credential_token"]),
    Form {
        page: "/account",
        to: "/password",
        typed: "password=correct horse battery staple 2",
        fields: &["current_password"],
    },
    form("/login", "password=x", &["email", "next"]),
    form("/login", "email=x@example.com", &["password"]),
    form("/keys/{key}/narrow", "scope=calls:read&expires=keep", &["shown"]),
];

/// A server with a connection, and with a token that is named.
fn server_with_a_connection() -> TestServer {
    let mut options = Options::default();
    options.connections.connections_hosts = Some("https://a.example".to_owned());
    let database = Arc::new(TestDatabase::migrated(Backend::Sqlite));
    let server = TestServer::with_settings(database, options, |settings| {
        let key = MasterKey::generate().unwrap().expose().to_owned();
        settings.connections.key = Some(KeySource::Text(key.into()));
    });
    let connection = json!({
        "handle": "of-old", "kind": "http", "base_url": "https://a.example", "auth": "bearer",
    });
    let new = NewConnection::from_object(connection.as_object().unwrap()).unwrap();
    let fields = new.kind.credential_fields(new.form.as_ref());
    let credential = VendorCredential::parse(&fields, "hunter2").unwrap();
    let cli = Principal::command_line("test");
    server.bitting.add_connection(&cli, new, &credential, true).unwrap();
    server
}

#[test]
fn no_form_is_shown_again_with_a_key() {
    let server = server_with_a_connection();
    server.db_user(ADMIN, json!({"role": "admin"}));
    let user = server.db_user("cy@example.com", json!({})).id.to_string();
    let token = server.database.db_texts("SELECT id FROM admin_tokens").remove(0);
    let held = format!("/v1/keys/{}", server.key("calls:read").id);
    server.manage("PATCH", &held, Some(&json!({"holder": "cy@example.com"}))).ok();
    let admin = Browser::signed_in(&server.client.base, ADMIN);
    let (key, pasted) = (server.key("calls:read leads:read"), server.key("calls:read").secret);
    let here = |text: &str| {
        text.replace("{key}", &key.id).replace("{user}", &user).replace("{token}", &token)
    };
    for Form { page, to, typed, fields } in FORMS {
        let (page, typed) = (here(page), here(typed));
        let path = format!("{}{to}", page.split('?').next().unwrap());
        for field in fields {
            let typed: Vec<_> = form_urlencoded::parse(typed.as_bytes()).into_owned().collect();
            let typed = typed.iter().filter(|(name, _)| name != field || name == "scope");
            let mut all: Vec<(&str, &str)> =
                typed.map(|(name, value)| (&**name, &**value)).collect();
            all.push((field, &pasted));
            let answer = admin.submit(&page, &path, &all);
            let status = match (*field, path.as_str()) {
                // What the page had shown is no more than that.
                ("shown", _) => 303,
                (_, "/login") => 401,
                _ => 422,
            };
            assert_eq!(answer.status, status, "{path} {field}: {}", answer.body);
            let part = &pasted[4..24];
            assert!(!answer.body.contains(part), "{page} {field}: {}", answer.body);
        }
    }
    // Only what was typed is hidden: the key that a form makes is shown, this once.
    let made = admin.submit(
        "/keys/new",
        "/keys/new",
        &[("name", "n8n"), ("expires", "7d"), ("scope", "calls:read"), ("remark", &pasted)],
    );
    assert!(made.status == 200 && made.body.contains(">btk_"), "{}", made.body);
}

#[test]
fn the_form_for_the_first_administrator_is_not_shown_again_with_a_key() {
    let server = TestServer::start(Backend::Sqlite);
    let (key, link) =
        (server.key("calls:read"), server.bitting.make_setup_link().unwrap().unwrap());
    let fields =
        [("token", &*link.expose()), ("email", key.secret.as_str()), ("password", PASSWORD)];
    let page = format!("/setup?token={}", link.expose());
    let answer = Browser::new(&server.client.base).submit(&page, "/setup", &fields);
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert!(!answer.body.contains(&key.secret[4..24]), "{}", answer.body);
}
