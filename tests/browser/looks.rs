//! How every page looks, and whether everybody can use it: light and dark, on a small screen and a
//! large one, with nothing in it, with a month of use, with ten thousand keys, and with the longest
//! names.
//!
//! Each page is held against axe's rules, asks no other host, says nothing on the console, does not
//! scroll sideways, cuts no text off, breaks no word, and is no larger than is promised. Its pictures are written to `target/screenshots`, to be looked at.

use bitting::records::model::resources;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use bitting::clock::ManualClock;
use bitting::config::Options;
use bitting::domain::principal::Principal;
use bitting::model::user::User;
use bitting::records::demo;
use bitting::records::demo::{Demo, DemoOutcome};
use bitting::server;
use bitting::store::database::migrate::Missing;
use serde_json::{Value, json};

use crate::support::browser::PASSWORD;
use crate::support::crowd::{db_crowd, db_staff};
use crate::support::server::{MadeKey, start_of_time};
use crate::support::{Backend, TestDatabase, TestServer, rounds};
use crate::webdriver::{ENTER, Window};

const ADMIN: &str = "ada@example.com";
/// The gallery of long lists.
const MANY: &str = "many";
/// The most bytes that the HTML of a page has.
const LARGEST: u64 = 100_000;

fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// Looks at pages one after the other.
struct Gallery {
    name: &'static str,
    server: TestServer,
    window: Window,
    axe: String,
    complaints: std::cell::RefCell<Vec<String>>,
}

impl Gallery {
    fn open(name: &'static str, server: TestServer) -> Self {
        let axe = target().join("tools/npm/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core is missing: tests/run fetches it");
        let _ = std::fs::create_dir_all(target().join("screenshots"));
        let window = Window::open(true);
        Self { name, server, window, axe, complaints: Default::default() }
    }

    fn go(&self, path: &str) {
        self.window.go(&format!("{}{path}", self.server.client.base));
        self.window.find("h1");
    }

    fn sign_in(&self) {
        self.sign_in_as(ADMIN, PASSWORD);
    }

    fn sign_in_as(&self, email: &str, password: &str) {
        self.go("/login");
        self.inspect("login");
        self.window.find("#email").enter(email);
        self.window.find("#password").enter(password).enter(ENTER);
        self.window.find("nav a[href='/keys']");
    }

    /// Goes to a page and looks at it.
    fn view(&self, page: &str, path: &str) {
        self.go(path);
        self.inspect(page);
    }

    /// Looks at the page that is shown.
    fn inspect(&self, page: &str) {
        let complain = |what: String| self.complaints.borrow_mut().push(format!("{page}: {what}"));
        // What the page was made of when it arrived; a form's answer too.
        let size =
            self.window.run("return performance.getEntriesByType('navigation')[0].decodedBodySize");
        if !size.as_u64().is_some_and(|size| (1..LARGEST).contains(&size)) {
            complain(format!("has {size} bytes"));
        }
        self.window.run(&self.axe);
        for (width, dark) in [(1280, false), (1280, true), (360, false), (360, true)] {
            self.window.look(width, dark);
            let look = format!("{width}-{}", if dark { "dark" } else { "light" });
            let size = self.window.run(
                "const page = document.documentElement; return [page.scrollWidth, page.scrollHeight]",
            );
            if size[0].as_u64() > Some(width.into()) {
                complain(format!("{look} is {} wide", size[0]));
            }
            self.picture(&format!("{}-{page}-{look}.png", self.name), width, &size[1]);
            for cut in self.window.run(include_str!("cut.js")).as_array().unwrap() {
                complain(format!("{look} {}", cut.as_str().unwrap()));
            }
            // Long pages take long: what they are made of is held against every rule elsewhere.
            let looks = if self.name == MANY { 2 } else { rounds(4, 2) };
            if looks == 2 && (width == 1280) == dark {
                continue;
            }
            let found = self.window.run_async(
                "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(\
                 (found) => done(found.violations.flatMap((rule) => rule.nodes.map((node) => \
                 `${rule.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`))), \
                 (why) => done([String(why)]))",
            );
            for violation in found.as_array().unwrap() {
                complain(format!("{look} {}", violation.as_str().unwrap()));
            }
        }
        self.window.log("browser").into_iter().for_each(complain);
        let own = [self.server.client.base.as_str(), "data:", "chrome:", "about:"];
        for url in self.window.requested() {
            if !own.iter().any(|start| url.starts_with(start)) {
                complain(format!("asks for {url}"));
            }
        }
    }

    fn picture(&self, file: &str, width: u32, height: &Value) {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let wanted = json!({"format": "png", "optimizeForSpeed": true, "captureBeyondViewport": true, "clip": clip});
        let picture = self.window.devtools("Page.captureScreenshot", wanted);
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(target().join("screenshots").join(file), bytes).unwrap();
    }

    /// Every page there is for somebody signed in; a page that is added gets a line here.
    fn view_all(&self, active: &MadeKey, retired: &MadeKey) {
        self.db_messages();
        let of = |key: &MadeKey, more: &str| format!("/keys/{}{more}", key.id);
        for (page, path) in [
            ("keys", "/keys".to_owned()),
            ("keys-retired", "/keys/retired".to_owned()),
            ("keys-no-match", "/keys?q=nothing+is+called+so".to_owned()),
            (
                "keys-filtered",
                "/keys?q=e&scope=calls%3Aread&over_scoped=true&sort=-most_used".to_owned(),
            ),
            ("key", of(active, "")),
            ("key-retired", of(retired, "")),
            ("key-edit", of(active, "/edit")),
            ("key-narrow", of(active, "/narrow")),
            ("key-revoke", of(active, "/revoke")),
            ("keys-revoke", format!("/keys/revoke?key={}", active.id)),
            ("keys-revoke-filtered", "/keys/revoke?expires_within=90d".to_owned()),
            ("keys-revoke-none", "/keys/revoke".to_owned()),
            ("key-day", of(active, "?window=24h")),
            ("key-new", "/keys/new".to_owned()),
            ("key-rotate", of(active, "/rotate")),
            ("usage", "/usage".to_owned()),
            ("usage-day", "/usage?window=24h".to_owned()),
            ("audit", "/audit".to_owned()),
            ("audit-of-one", format!("/audit?actor_type=token&key_id={}", active.id)),
            ("audit-no-match", "/audit?actor=nobody".to_owned()),
            ("users", "/users".to_owned()),
            ("users-no-match", "/users?q=nobody".to_owned()),
            ("user-new", "/users/new".to_owned()),
            ("tokens", "/tokens".to_owned()),
            ("tokens-retired", "/tokens/retired".to_owned()),
            ("tokens-no-match", "/tokens?q=nobody".to_owned()),
            ("token-new", "/tokens/new".to_owned()),
            ("connections", "/connections".to_owned()),
            ("connection-kinds", "/connections/new".to_owned()),
            ("connection-new", "/connections/new?kind=aircall".to_owned()),
            ("notifications", "/notifications".to_owned()),
            ("account", "/account".to_owned()),
            ("user", self.users_page("")),
            ("user-disable", self.users_page("/disable")),
            ("token-revoke", self.token_page("/revoke")),
            ("password", self.password_page()),
            ("not-found", of(active, "x")),
            ("docs", "/docs".to_owned()),
        ] {
            // What nothing matches looks the same whatever there is.
            if page.ends_with("no-match") && self.name == "long" {
                continue;
            }
            self.view(page, &path);
            // It is said on the console too, by the browser itself.
            if page == "not-found" {
                self.complaints.borrow_mut().retain(|line| !line.contains("status of 404"));
            }
        }
    }

    /// Messages about a warning with a long name: one that arrived, one that waits, one given up.
    fn db_messages(&self) {
        let title =
            format!("API key \u{201c}{}\u{201d} was used after it had expired", "Wide ".repeat(19));
        let long = "a".repeat(60);
        for (number, ends) in [
            "5, NULL, '2026-11-20 12:00:00', NULL",
            "3, '2026-11-30 12:00:00', NULL, 'the receiver answered 503 Service Unavailable'",
            "12, NULL, NULL, 'the name mail.example.com cannot be resolved: Name or service not known'",
        ]
        .into_iter()
        .enumerate()
        {
            self.server.database.db_execute(&format!(
                "INSERT INTO notifications (id, channel, subject, recipients, kind, key_id, title, body, \
                 created_at, attempts, due_at, delivered_at, error) VALUES \
                 ('msg_0000000000000000000000000{number}', 'mail', '{number}', '{long}@example.com', \
                 'key.used_after_end', 'key_00000000000000000000000000', '{title}', '{{}}', \
                 '2026-11-20 11:00:00', {ends})"
            ));
        }
    }

    /// The pages of two keys of which one was rotated into the other, now.
    fn view_rotated(&self, key: &MadeKey) {
        let path = format!("/v1/keys/{}/rotate", key.id);
        let new = self.server.manage("POST", &path, None).ok()["id"].clone();
        self.view("key-rotated", &format!("/keys/{}", key.id));
        self.view("key-successor", &format!("/keys/{}", new.as_str().unwrap()));
        self.view("key-revoke-line", &format!("/keys/{}/revoke", key.id));
    }

    /// A page of a user who is not the one that looks.
    fn users_page(&self, more: &str) -> String {
        format!("/users/{}{more}", self.colleague().id)
    }

    fn token_page(&self, more: &str) -> String {
        let id = self.server.database.db_texts("SELECT id FROM admin_tokens");
        format!("/tokens/{}{more}", id[0])
    }

    fn password_page(&self) -> String {
        let cli = Principal::command_line("test");
        let link = self.server.bitting.make_password_link(&cli, self.colleague().id).unwrap();
        format!("/password?token={}", link.expose())
    }

    fn colleague(&self) -> User {
        let email = "colleague@example.com";
        let users = self.server.bitting.list_users(&Principal::command_line("test")).unwrap();
        let known = users.into_iter().find(|user| user.email.as_str() == email);
        known.unwrap_or_else(|| self.server.db_user(email, json!({"role": "member"})))
    }

    #[track_caller]
    fn close(self) {
        let complaints = self.complaints.take();
        assert!(
            complaints.is_empty(),
            "{} complaints:\n{}",
            complaints.len(),
            complaints.join("\n")
        );
    }
}

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
