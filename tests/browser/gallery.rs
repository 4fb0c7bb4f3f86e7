//! A walk through pages in one browser: each is looked at in every form, held against the rules, and
//! pictured.

use std::path::PathBuf;

use base64::Engine as _;
use bitting::domain::principal::Principal;
use bitting::model::user::User;
use serde_json::{Value, json};

use crate::support::browser::PASSWORD;
use crate::support::server::MadeKey;
use crate::support::{TestServer, rounds};
use crate::webdriver::{ENTER, Window};

pub const ADMIN: &str = "ada@example.com";
/// The gallery of long lists.
pub const MANY: &str = "many";
/// The most bytes that the HTML of a page has.
pub const LARGEST: u64 = 100_000;

pub fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target")
}

/// Pictures are for people: they are taken in all rounds, and where these tests are asked for.
fn are_pictures_wanted() -> bool {
    rounds(1, 0) > 0 || std::env::var_os("BITTING_PICTURES").is_some()
}

/// Looks at pages one after the other.
pub struct Gallery {
    name: &'static str,
    pub server: TestServer,
    pub window: Window,
    axe: String,
    pub complaints: std::cell::RefCell<Vec<String>>,
}

impl Gallery {
    pub fn open(name: &'static str, server: TestServer) -> Self {
        let axe = target().join("tools/npm/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).expect("axe-core is missing: tests/run fetches it");
        let _ = std::fs::create_dir_all(target().join("screenshots"));
        let window = Window::open(true);
        Self { name, server, window, axe, complaints: Default::default() }
    }

    pub fn go(&self, path: &str) {
        self.window.go(&format!("{}{path}", self.server.client.base));
        self.window.find("h1");
    }

    pub fn sign_in(&self) {
        self.sign_in_as(ADMIN, PASSWORD);
    }

    pub fn sign_in_as(&self, email: &str, password: &str) {
        self.go("/login");
        self.inspect("login");
        self.window.find("#email").enter(email);
        self.window.find("#password").enter(password).enter(ENTER);
        self.window.find("nav a[href='/keys']");
    }

    /// Goes to a page and looks at it.
    pub fn view(&self, page: &str, path: &str) {
        self.go(path);
        self.inspect(page);
    }

    /// Looks at the page that is shown.
    pub fn inspect(&self, page: &str) {
        let complain = |what: String| self.complaints.borrow_mut().push(format!("{page}: {what}"));
        // What the page was made of when it arrived; a form's answer too.
        let size =
            self.window.run("return performance.getEntriesByType('navigation')[0].decodedBodySize");
        if !size.as_u64().is_some_and(|size| (1..LARGEST).contains(&size)) {
            complain(format!("has {size} bytes"));
        }
        let looks = [(1280, false), (360, true), (1280, true), (360, false)];
        // Long pages take long: what they are made of is held against every rule elsewhere.
        let held = if self.name == MANY { rounds(2, 0) } else { rounds(looks.len(), 1) };
        if held > 0 {
            self.window.run(&self.axe);
        }
        for (number, (width, dark)) in looks.into_iter().take(rounds(4, 2)).enumerate() {
            self.window.look(width, dark);
            let look = format!("{width}-{}", if dark { "dark" } else { "light" });
            let size = self.window.run(
                "const page = document.documentElement; return [page.scrollWidth, page.scrollHeight]",
            );
            if size[0].as_u64() > Some(width.into()) {
                complain(format!("{look} is {} wide", size[0]));
            }
            if are_pictures_wanted() {
                self.picture(&format!("{}-{page}-{look}.png", self.name), width, &size[1]);
            }
            let opened = self.width_with_tables();
            if opened > width.into() {
                complain(format!("{look} is {opened} wide with the tables of its charts"));
            }
            for cut in self.window.run(include_str!("cut.js")).as_array().unwrap() {
                complain(format!("{look} {}", cut.as_str().unwrap()));
            }
            if number >= held {
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
        let own = [self.server.client.base.as_str(), "data:"];
        for url in self.window.requested() {
            if !own.iter().any(|start| url.starts_with(start)) {
                complain(format!("asks for {url}"));
            }
        }
    }

    /// How wide the page is while its charts are shown as tables too.
    fn width_with_tables(&self) -> u64 {
        let width = self.window.run(
            "const tables = [...document.querySelectorAll('.chart details')]; \
             tables.forEach((table) => { table.open = true; }); \
             const width = document.documentElement.scrollWidth; \
             tables.forEach((table) => { table.open = false; }); \
             return width",
        );
        width.as_u64().unwrap()
    }

    pub fn picture(&self, file: &str, width: u32, height: &Value) {
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let wanted = json!({"format": "png", "optimizeForSpeed": true, "captureBeyondViewport": true, "clip": clip});
        let picture = self.window.devtools("Page.captureScreenshot", wanted);
        let engine = base64::engine::general_purpose::STANDARD;
        let bytes = engine.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(target().join("screenshots").join(file), bytes).unwrap();
    }

    /// Every page there is for somebody signed in; a page that is added gets a line here.
    pub fn view_all(&self, active: &MadeKey, retired: &MadeKey) {
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
            ("connection-new-api", "/connections/new?kind=http".to_owned()),
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
    pub fn db_messages(&self) {
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
    pub fn view_rotated(&self, key: &MadeKey) {
        let path = format!("/v1/keys/{}/rotate", key.id);
        let new = self.server.manage("POST", &path, None).ok()["id"].clone();
        self.view("key-rotated", &format!("/keys/{}", key.id));
        self.view("key-successor", &format!("/keys/{}", new.as_str().unwrap()));
        self.view("key-revoke-line", &format!("/keys/{}/revoke", key.id));
    }

    /// A page of a user who is not the one that looks.
    pub fn users_page(&self, more: &str) -> String {
        format!("/users/{}{more}", self.colleague().id)
    }

    pub fn token_page(&self, more: &str) -> String {
        let id = self.server.database.db_texts("SELECT id FROM admin_tokens");
        format!("/tokens/{}{more}", id[0])
    }

    pub fn password_page(&self) -> String {
        let cli = Principal::command_line("test");
        let link = self.server.bitting.make_password_link(&cli, self.colleague().id).unwrap();
        format!("/password?token={}", link.expose())
    }

    pub fn colleague(&self) -> User {
        let email = "colleague@example.com";
        let users = self.server.bitting.list_users(&Principal::command_line("test")).unwrap();
        let known = users.into_iter().find(|user| user.email.as_str() == email);
        known.unwrap_or_else(|| self.server.db_user(email, json!({"role": "member"})))
    }

    #[track_caller]
    pub fn close(self) {
        let complaints = self.complaints.take();
        assert!(
            complaints.is_empty(),
            "{} complaints:\n{}",
            complaints.len(),
            complaints.join("\n")
        );
    }
}
