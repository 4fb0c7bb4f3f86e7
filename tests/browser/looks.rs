//! How every page looks, and whether everybody can use it: light and dark, on a small screen and a
//! large one, with nothing in it, with a month of use, with ten thousand keys, and with the longest
//! names.
//!
//! Each page is held against axe's rules, asks no other host, says nothing on the console, does not
//! scroll sideways, cuts no text off, breaks no word, and is no larger than is promised. Its pictures
//! are written to `target/screenshots`, to be looked at.

use std::sync::Arc;

use bitting::clock::ManualClock;
use bitting::config::{KeySource, Options};
use bitting::domain::principal::Principal;
use bitting::model::connections::{MasterKey, NewConnection, VendorCredential};
use bitting::records::demo::{self, Demo, DemoOutcome};
use bitting::records::model::resources;
use bitting::server;
use bitting::store::database::migrate::Missing;
use serde_json::json;

use crate::gallery::{ADMIN, Gallery, MANY};
use crate::support::crowd::{db_crowd, db_staff};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Backend, TestDatabase, TestServer};

#[test]
fn pages_with_nothing_in_them() {
    let gallery = Gallery::open("empty", TestServer::start(Backend::Sqlite));
    let link = gallery.server.bitting.make_setup_link().unwrap().unwrap();
    gallery.view("setup", &format!("/setup?token={}", link.expose()));
    gallery.server.db_user(ADMIN, json!({"role": "admin"}));
    gallery.sign_in();
    for page in [
        "keys",
        "keys/retired",
        "keys/new",
        "usage",
        "audit",
        "users",
        "users/new",
        "tokens",
        "tokens/retired",
        "tokens/new",
        "notifications",
        "account",
    ] {
        gallery.view(&page.replace('/', "-"), &format!("/{page}"));
    }
    gallery.go("/keys/new");
    gallery.window.find("#new-key-form button.primary").click();
    gallery.window.find("#faults");
    gallery.inspect("key-new-faults");
    gallery.complaints.borrow_mut().retain(|line| !line.contains("status of 422"));
    gallery.window.find("#name").enter("Zapier: calls to CRM");
    gallery.window.find("input[value='calls:read']").click();
    gallery.window.find("#new-key-form button.primary").click();
    gallery.window.find("#new-key");
    gallery.inspect("key-made");
    gallery.close();
}

#[test]
fn pages_of_the_api_document() {
    let gallery = Gallery::open("api", TestServer::start(Backend::Sqlite));
    let window = &gallery.window;
    gallery.go("/docs");
    let links = window.run(
        "return [...document.querySelectorAll('.contents.wide > ul > li > a')].map((a) => a.pathname)",
    );
    let paths: Vec<&str> = links.as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert!(paths.len() > 12, "{paths:?}");
    for path in paths {
        gallery.view(&path[1..].replace('/', "-"), path);
    }
    // Everything unfolded, and a call tried.
    gallery.go("/docs/calls");
    window.run("for (const part of document.querySelectorAll('details')) part.open = true");
    window.find("#calls_list form button").click();
    window.find("#calls_list .answer pre");
    gallery.inspect("docs-calls-unfolded");
    gallery.complaints.borrow_mut().retain(|line| !line.contains("status of 401"));
    gallery.close();
}

/// Sends a form and looks at what it answers.
fn send_and_inspect(gallery: &Gallery, form: &str, fields: &[(&str, &str)], page: &str) {
    gallery.go(form);
    for (selector, text) in fields {
        gallery.window.find(selector).enter(text);
    }
    gallery.window.find("main form button.primary").click();
    gallery.window.find("#link, #new-token");
    gallery.inspect(page);
}

/// A server on the demo, which plays a month of somebody's work; and who looks at it.
fn db_demo() -> (TestServer, Box<Demo>) {
    let database = Arc::new(TestDatabase::new(Backend::Sqlite));
    let clock = Arc::new(ManualClock::at(start_of_time()));
    let options = Options { database_url: Some(database.url.clone()), ..Options::default() };
    let settings = server::settings(options).unwrap();
    let bitting = server::open(&settings, clock.clone(), Missing::Create).unwrap();
    let DemoOutcome::Made(demo) = demo::make(&bitting).unwrap() else {
        panic!("the demo was not made")
    };
    drop(bitting);
    (TestServer::with_clock(database, Options::default(), clock), demo)
}

#[test]
fn pages_after_a_month_of_use() {
    let (server, demo) = db_demo();
    let keys = server.manage("GET", "/v1/keys?limit=100", None).ok();
    let named = |name: &str| {
        let key = keys["data"].as_array().unwrap().iter().find(|key| key["name"] == name).unwrap();
        MadeKey { id: key["id"].as_str().unwrap().to_owned(), secret: String::new() }
    };
    let (active, retired) = (named("Front-desk dashboard"), named("Reminder script"));
    let gallery = Gallery::open("filled", server);
    gallery.sign_in_as(demo.email, &demo.password);
    gallery.view_all(&active, &retired);
    gallery.view_rotated(&active);
    send_and_inspect(&gallery, "/users/new", &[("#email", "cy@example.com")], "user-link");
    send_and_inspect(&gallery, "/tokens/new", &[("#name", "CRM provisioning")], "token-made");
    let disabled = gallery.server.db_user("di@example.com", json!({"role": "auditor"}));
    let cli = Principal::command_line("test");
    gallery.server.bitting.disable_user(&cli, disabled.id, None).unwrap();
    gallery.view("user-disabled", &format!("/users/{}", disabled.id));
    gallery.close();
}

/// Every list where there is much to list, from its first page, its middle and its end.
#[test]
fn pages_with_ten_thousand_keys() {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(ADMIN, json!({"role": "admin"}));
    db_staff(&server, 320, 120);
    let (active, retired) = db_crowd(&server, 10_000);
    let gallery = Gallery::open(MANY, server);
    gallery.sign_in();
    for (page, path) in [
        ("keys", "/keys".to_owned()),
        ("keys-most-used", "/keys?sort=most_used".to_owned()),
        ("keys-expiring", "/keys?sort=expiry&expiry=soon".to_owned()),
        ("keys-by-name-middle", "/keys?sort=name&page=98".to_owned()),
        ("keys-last-used-end", "/keys?sort=last_used&page=200".to_owned()),
        ("keys-search", "/keys?q=crm+sync%2C+berlin&owner=Operations".to_owned()),
        ("keys-retired", "/keys/retired".to_owned()),
        ("keys-retired-most-used", "/keys/retired?sort=most_used".to_owned()),
        ("key", format!("/keys/{}", active.id)),
        ("key-retired", format!("/keys/{}", retired.id)),
        ("key-new", "/keys/new".to_owned()),
        ("usage", "/usage".to_owned()),
        ("audit", "/audit".to_owned()),
        ("audit-of-one", "/audit?actor_type=cli&actor=ops&action=key.revoked".to_owned()),
        ("users", "/users".to_owned()),
        ("users-page", "/users?page=4".to_owned()),
        ("users-search", "/users?q=clinic&role=member&status=disabled".to_owned()),
        ("user-disable", gallery.users_page("/disable")),
        ("tokens", "/tokens".to_owned()),
        ("tokens-page", "/tokens?page=2".to_owned()),
        ("tokens-retired", "/tokens/retired".to_owned()),
    ] {
        gallery.view(page, &path);
    }
    gallery.close();
}

#[test]
fn pages_with_the_longest_names() {
    let server = TestServer::start(Backend::Sqlite);
    let scopes: Vec<String> =
        resources::catalog().scopes().iter().map(|scope| scope.to_string()).collect();
    let long = |name: &str| {
        let (owner, description) = ("Ω".repeat(200), "words and words ".repeat(31));
        let more = json!({"name": name, "owner": owner, "description": description});
        server.key_with(&scopes.join(" "), more)
    };
    let (active, retired) = (long(&"W".repeat(100)), long(&"many short words ".repeat(5)));
    for key in [&active, &retired] {
        let agent = ("user-agent", "A".repeat(250));
        let key = ("authorization", format!("Bearer {}", key.secret));
        let headers = [(agent.0, agent.1.as_str()), (key.0, key.1.as_str())];
        server.client.send("GET", "/v1/calls", &headers, None).ok();
    }
    let reason = json!({"reason": "because ".repeat(62)});
    server.manage("POST", &format!("/v1/keys/{}/revoke", retired.id), Some(&reason)).ok();
    server.db_user(ADMIN, json!({"role": "admin"}));
    let everything = json!({"role": "member", "may_grant": scopes});
    server.db_user(&format!("{0}@{1}.{1}.{1}.example", "m".repeat(64), "d".repeat(58)), everything);
    for n in 0..2 {
        let token = json!({"name": "T".repeat(100), "access": "write", "may_grant": scopes});
        server.db_token(&token);
        let ids = server.database.db_texts("SELECT id FROM admin_tokens ORDER BY number DESC");
        if n == 0 {
            let (cli, why) = (Principal::command_line("o".repeat(60)), "because ".repeat(62));
            server.bitting.revoke_token(ids[0].parse().unwrap(), Some(&why), &cli).unwrap();
        }
    }
    let gallery = Gallery::open("long", server);
    gallery.sign_in();
    gallery.view_all(&active, &retired);
    gallery.view_rotated(&active);
    gallery.close();
}

/// A connection whose every text is as long as it may be, and a key with a scope at it.
#[test]
fn pages_of_a_connection_with_the_longest_names() {
    let origin = "https://api.example.com";
    let mut options = Options::default();
    options.connections.connections_hosts = Some(origin.to_owned());
    let database = Arc::new(TestDatabase::migrated(Backend::Sqlite));
    let server = TestServer::with_settings(database, options, |settings| {
        let key = MasterKey::generate().unwrap().expose().to_owned();
        settings.connections.key = Some(KeySource::Text(key.into()));
    });
    let handle = "customer-production-eu-west-billing-main";
    let cli = Principal::command_line("test");
    let connection = json!({
        "handle": handle, "kind": "http", "base_url": origin, "auth": "bearer",
        "name": "W".repeat(100), "description": "W".repeat(500),
        "rules": [format!("GET /{} knowledge_base_articles:read", "w".repeat(200))],
        "test_path": format!("/{}", "w".repeat(299)),
    });
    let new = NewConnection::from_object(connection.as_object().unwrap()).unwrap();
    let fields = new.kind.credential_fields(new.form.as_ref());
    let credential = VendorCredential::parse(&fields, "hunter2").unwrap();
    server.bitting.add_connection(&cli, new, &credential, true).unwrap();
    server.db_user(ADMIN, json!({"role": "admin"}));
    let scope = format!("knowledge_base_articles:read@{handle}");
    let token = server.db_token(&json!({"name": "of now", "access": "write"}));
    let key = json!({"name": "long", "scopes": [scope]});
    let made = server.client.with_key(&token, "POST", "/v1/keys", Some(&key)).ok();
    let key = made["id"].as_str().unwrap();
    let gallery = Gallery::open("connected", server);
    gallery.sign_in();
    for (page, path) in [
        ("connections", "/connections".to_owned()),
        ("connection", format!("/connections/{handle}")),
        ("connection-edit", format!("/connections/{handle}/edit")),
        ("connection-credential", format!("/connections/{handle}/credential")),
        ("connection-remove", format!("/connections/{handle}/remove")),
        ("usage-of-one", format!("/usage?connection={handle}")),
        ("key", format!("/keys/{key}")),
        ("key-narrow", format!("/keys/{key}/narrow")),
        ("key-new", "/keys/new".to_owned()),
        ("user-new", "/users/new".to_owned()),
        ("user", gallery.users_page("")),
        ("token-new", "/tokens/new".to_owned()),
    ] {
        gallery.view(page, &path);
    }
    gallery.go(&format!("/connections/{handle}/edit"));
    gallery.window.find("#rules").enter(&format!(" {}", "W".repeat(60)));
    gallery.window.find("main form button.primary").click();
    gallery.window.find("#faults");
    gallery.inspect("connection-edit-faults");
    gallery.complaints.borrow_mut().retain(|line| !line.contains("status of 422"));
    gallery.close();
}
