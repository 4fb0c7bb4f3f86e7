//! Forms that somebody opened before somebody else changed the same record: saving one changes what was
//! changed in it, and nothing else.

use std::sync::Barrier;

use bitting::domain::principal::Principal;
use bitting::model::user::{Role, UserChange};
use serde_json::{Value, json};

use crate::support::browser::form_token;
use crate::support::html::attributes;
use crate::support::server::MadeKey;
use crate::support::{Answer, Backend, Browser, TestServer, on_both, rounds};

const ADMIN: &str = "ada@example.com";

fn start(backend: Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    server.db_user("bob@example.com", json!({}));
    let browser = server.db_browser(ADMIN);
    (server, browser)
}

/// A page with a form, which is filled in later.
struct OpenForm {
    path: String,
    shown: String,
}

impl OpenForm {
    fn open(browser: &Browser, path: &str) -> Self {
        let shown = attributes(&browser.get(path), "input[name=shown]", "value").concat();
        assert!(!shown.is_empty(), "{path}");
        Self { path: path.to_owned(), shown }
    }

    fn save(&self, browser: &Browser, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("shown", self.shown.as_str())];
        all.extend(fields);
        browser.submit(&self.path, &self.path, &all)
    }
}

fn patch(server: &TestServer, key: &MadeKey, body: &Value) {
    server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(body)).ok();
}

on_both! {
    fn a_key_keeps_what_the_form_did_not_change(backend) {
        let (server, browser) = start(backend);
        let key = server.key_with("calls:read", json!({"owner": "acme", "description": "a \"b\"\n<c>"}));
        let form = OpenForm::open(&browser, &format!("/keys/{}/edit", key.id));
        patch(&server, &key, &json!({"holder": "bob@example.com", "rate_limit": {"requests": 5, "per": "minute"}}));
        let unchanged = [("name", "test"), ("owner", "acme"), ("description", "a \"b\"\r\n<c>"), ("holder", "")];
        let mut renamed = unchanged;
        renamed[0].1 = "other";
        // What is refused is shown again with what was shown first.
        let mut nameless = unchanged;
        nameless[0].1 = "";
        let refused = form.save(&browser, &nameless);
        assert_eq!(refused.status, 422);
        assert_eq!(attributes(&refused, "input[name=shown]", "value").concat(), form.shown);
        assert_eq!(form.save(&browser, &renamed).status, 303);
        let now = server.shown(&key);
        assert_eq!((&now["name"], &now["holder"]), (&json!("other"), &json!("bob@example.com")));
        assert_eq!((&now["rate_limit"]["requests"], &now["owner"]), (&json!(5), &json!("acme")));
        // A form in which nothing was changed changes nothing.
        let before = server.events("key.updated").len();
        assert_eq!(form.save(&browser, &unchanged).status, 303);
        assert_eq!((server.events("key.updated").len(), &server.shown(&key)["name"]), (before, &json!("other")));
        // What was changed in both is what was saved last.
        let cleared = [("name", "test"), ("owner", ""), ("description", "a \"b\"\n<c>"), ("holder", "ada@example.com")];
        assert_eq!(form.save(&browser, &cleared).status, 303);
        let now = server.shown(&key);
        assert_eq!((&now["owner"], &now["holder"]), (&Value::Null, &json!(ADMIN)));
    }
}

#[test]
fn a_text_with_any_line_breaks_is_changed_by_nobody_who_did_not_change_it() {
    let (server, browser) = start(Backend::Sqlite);
    for text in ["first\r\nsecond", "first\rsecond", "\nsecond", "\r\n\r\nsecond"] {
        let key = server.key_with("calls:read", json!({"description": text}));
        let stored = server.shown(&key)["description"].clone();
        let path = format!("/keys/{}/edit", key.id);
        let form = OpenForm::open(&browser, &path);
        // The first line break after the tag is none of the text.
        let page = browser.get(&path).body;
        let typed =
            page.split_once("rows=\"3\">\n").unwrap().1.split_once("</textarea>").unwrap().0;
        let typed = typed.replace("\r\n", "\n").replace(['\r', '\n'], "\r\n");
        let fields = |name| [("name", name), ("description", typed.as_str())];
        assert_eq!(form.save(&browser, &fields("renamed")).status, 303);
        assert_eq!(server.shown(&key)["description"], stored, "{text:?}");
        patch(&server, &key, &json!({"description": "by somebody else"}));
        assert_eq!(form.save(&browser, &fields("again")).status, 303);
        assert_eq!(server.shown(&key)["description"], "by somebody else", "{text:?}");
    }
}

on_both! {
    fn a_key_loses_what_either_form_takes_away(backend) {
        let (server, browser) = start(backend);
        let key = server.key("calls:read calls:write leads:read leads:write");
        let form = OpenForm::open(&browser, &format!("/keys/{}/narrow", key.id));
        patch(&server, &key, &json!({"scopes": ["calls:read", "calls:write", "leads:read"]}));
        let all = ["calls:read", "calls:write", "leads:read", "leads:write"].map(|scope| ("scope", scope));
        // The expiry alone.
        assert_eq!(form.save(&browser, &[&all[..], &[("expires", "30d")]].concat()).status, 303);
        let now = server.shown(&key);
        assert_eq!(now["scopes"], json!(["calls:read", "calls:write", "leads:read"]));
        assert_eq!(now["expires_at"], "2026-12-21T12:00:00.000Z");
        // Another scope.
        let fewer = [all[0], all[2], all[3], ("expires", "keep")];
        assert_eq!(form.save(&browser, &fewer).status, 303);
        assert_eq!(server.shown(&key)["scopes"], json!(["calls:read", "leads:read"]));
    }
}

on_both! {
    fn a_user_keeps_rights_that_the_form_did_not_change_and_gets_none_back(backend) {
        let (server, browser) = start(backend);
        let user = server.db_user("cy@example.com", json!({"may_grant": ["calls:read", "leads:read"]}));
        let form = OpenForm::open(&browser, &format!("/users/{}", user.id));
        let change = |more: Value| {
            let change = UserChange::from_object(more.as_object().unwrap(), &server.bitting.catalog).unwrap();
            server.bitting.change_user(&Principal::command_line("test"), user.id, &change).unwrap()
        };
        change(json!({"may_grant": ["calls:read"]}));
        let ticked = |scopes: &[&'static str]| -> Vec<(&'static str, &'static str)> {
            std::iter::once(("role", "member")).chain(scopes.iter().map(|scope| ("may_grant", *scope))).collect()
        };
        let granted = || change(json!({})).may_grant.to_string();
        assert_eq!(form.save(&browser, &ticked(&["calls:read", "leads:read", "leads:write"])).status, 303);
        assert_eq!(granted(), "calls:read leads:write");
        assert_eq!(form.save(&browser, &ticked(&["leads:read"])).status, 303);
        assert_eq!(granted(), "leads:write");
        // A demotion stays.
        change(json!({"role": "auditor", "may_grant": []}));
        assert_eq!(form.save(&browser, &ticked(&["calls:read", "leads:read"])).status, 303);
        assert_eq!(change(json!({})).role, Role::Auditor);
    }
}

/// A form, who saves it, and what they have made of it.
type FilledIn<'a> = (&'a OpenForm, &'a Browser, Vec<(&'a str, &'a str)>);

/// Saves two forms at the same moment.
fn save_at_once(forms: [FilledIn<'_>; 2]) {
    let together = Barrier::new(2);
    std::thread::scope(|scope| {
        for (form, browser, fields) in forms {
            let together = &together;
            scope.spawn(move || {
                let token = form_token(&browser.get(&form.path));
                let mut all = vec![("form_token", token.as_str()), ("shown", form.shown.as_str())];
                all.extend(fields);
                together.wait();
                assert_eq!(browser.post_with(&form.path, &all, &[]).status, 303);
            });
        }
    });
}

on_both! {
    fn two_forms_that_are_saved_at_once_both_count(backend) {
        let (server, browser) = start(backend);
        let other = server.db_browser(ADMIN);
        let named = |name: &'static str, first: (&'static str, &'static str), scopes: &[&'static str]| {
            std::iter::once(first).chain(scopes.iter().map(move |scope| (name, *scope))).collect::<Vec<_>>()
        };
        for round in 0..rounds(60, 15) {
            let email = format!("bo{round}@example.com");
            let user = server.db_user(&email, json!({"may_grant": ["calls:read", "leads:read"]}));
            let form = OpenForm::open(&browser, &format!("/users/{}", user.id));
            let ticked = |scopes: &[&'static str]| named("may_grant", ("role", "member"), scopes);
            save_at_once([
                (&form, &browser, ticked(&["leads:read"])),
                (&form, &other, ticked(&["calls:read", "leads:read", "agents:read"])),
            ]);
            let now = server.bitting.find_user(&Principal::command_line("test"), user.id).unwrap();
            assert_eq!(now.may_grant.to_string(), "leads:read agents:read");

            let key = server.key("agents:read calls:read leads:read");
            let form = OpenForm::open(&browser, &format!("/keys/{}/narrow", key.id));
            let kept = |scopes: &[&'static str]| named("scope", ("expires", "keep"), scopes);
            save_at_once([
                (&form, &browser, kept(&["calls:read", "leads:read"])),
                (&form, &other, kept(&["agents:read", "leads:read"])),
            ]);
            assert_eq!(server.shown(&key)["scopes"], json!(["leads:read"]));
        }
    }
}
