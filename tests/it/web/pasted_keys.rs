//! Keys that are pasted into forms: none is stored, and no answer repeats one.

use serde_json::json;

use crate::support::{Backend, Browser, TestServer};

const ADMIN: &str = "ada@example.com";

/// Forms with something to type: the page of each, what is typed besides, and the fields of which each
/// gets a key.
const FORMS: [(&str, &str, &[&str]); 12] = [
    (
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
    ("/keys/new", "name=n8n&expires=date&scope=calls:read", &["expires_on"]),
    (
        "/keys/{key}/edit",
        "name=x",
        &["name", "owner", "description", "holder", "rate_limit", "quota", "allowed_networks"],
    ),
    ("/keys/{key}/narrow", "scope=calls:read&expires=keep", &["scope", "shown"]),
    ("/keys/{key}/narrow", "scope=calls:read&expires=date", &["expires_on"]),
    ("/keys/{key}/rotate", "overlap=7d&expires=date", &["overlap", "expires_on"]),
    ("/keys/{key}/revoke", "", &["reason"]),
    ("/users/new", "email=bo@example.com&role=member", &["email", "role", "may_grant"]),
    ("/users/{user}", "role=member", &["role", "may_grant"]),
    ("/tokens/new", "name=ci&access=read&expires=7d&bounds=some", &["name", "access", "may_grant"]),
    (
        "/connections/new",
        "kind=http&name=a&handle=a&base_url=https://a.example",
        &["name", "handle", "description", "base_url", "auth", "rules", "test_path"],
    ),
    ("/login", "password=x", &["email", "next"]),
];

#[test]
fn no_form_is_shown_again_with_a_key() {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let user = server.db_user("cy@example.com", json!({})).id.to_string();
    let admin = Browser::signed_in(&server.client.base, ADMIN);
    let (key, pasted) = (server.key("calls:read leads:read"), server.key("calls:read").secret);
    for (page, typed, fields) in FORMS {
        let page = page.replace("{key}", &key.id).replace("{user}", &user);
        for field in fields {
            let typed: Vec<_> = form_urlencoded::parse(typed.as_bytes()).into_owned().collect();
            let typed = typed.iter().filter(|(name, _)| name != field || name == "scope");
            let mut all: Vec<(&str, &str)> =
                typed.map(|(name, value)| (&**name, &**value)).collect();
            all.push((field, &pasted));
            let answer = admin.submit(&page, &page, &all);
            let expected = if *field == "shown" { 303..304 } else { 400..500 };
            assert!(expected.contains(&answer.status), "{page} {field}: {}", answer.status);
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
