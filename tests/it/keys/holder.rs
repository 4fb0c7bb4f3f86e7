//! Who is responsible for a key: where it is shown, how it is handed over, and what that lets people
//! do.

use bitting::config::Options;
use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::support::html::{attributes, text, texts};
use crate::support::server::{MadeKey, operator};
use crate::support::{Answer, Backend, Browser, TestDatabase, TestServer, on_both};

/// A server with somebody in every role, and somebody who is disabled.
fn start(backend: Backend) -> TestServer {
    let server = TestServer::start(backend);
    let user = |email: &str, more| server.db_user(email, more);
    user("ada@example.com", json!({"role": "admin"}));
    user("bob@example.com", json!({"may_grant": ["calls:read"]}));
    user("cy@example.com", json!({}));
    user("eve@example.com", json!({"role": "auditor"}));
    let gone = user("gone@example.com", json!({}));
    server.bitting.disable_user(&operator(), gone.id, None).unwrap();
    server
}

fn path(key: &MadeKey) -> String {
    format!("/v1/keys/{}", key.id)
}

fn assign(server: &TestServer, key: &MadeKey, holder: &Value) -> Answer {
    server.manage("PATCH", &path(key), Some(&json!({"holder": holder})))
}

fn holder(server: &TestServer, key: &MadeKey) -> Value {
    server.manage("GET", &path(key), None).ok()["holder"].clone()
}

/// Edits a key on its page as a form does, with its own settings but for these.
fn edit(browser: &Browser, key: &MadeKey, holder: &str) -> Answer {
    let page = format!("/keys/{}/edit", key.id);
    browser.submit(&page, &page, &[("name", "test"), ("holder", holder)])
}

on_both! {
    fn a_holder_is_set_shown_and_found_everywhere(backend) {
        let server = start(backend);
        let key = server.key("calls:read");
        let other = server.key("calls:read");
        assert_eq!(holder(&server, &key), Value::Null, "a token has made it");

        let answer = assign(&server, &key, &json!(" Bob@Example.com ")).ok();
        assert_eq!(answer["holder"], "bob@example.com");
        assert_eq!(answer["created_by"]["name"], "test", "who made it stays");
        let listed = server.manage("GET", "/v1/keys", None).ok();
        let holders: Vec<_> = listed["data"].as_array().unwrap().iter().map(|key| &key["holder"]).collect();
        assert_eq!(holders, [&Value::Null, &json!("bob@example.com")]);
        let found = server.manage("GET", "/v1/keys?q=BOB@ex", None).ok();
        assert_eq!(found["data"].as_array().unwrap().len(), 1);
        assert_eq!(found["data"][0]["id"], json!(key.id));

        let admin = server.db_browser("ada@example.com");
        let list = admin.get("/keys?q=bob@example.com");
        assert_eq!(texts(&list, "a.name").len(), 1);
        assert!(text(&list, "th .under").ends_with("held by bob@example.com"), "{list:#?}");
        let page = admin.get(&format!("/keys/{}", key.id));
        assert_eq!(text(&page, "#holder bdi"), "bob@example.com");
        assert_eq!(text(&admin.get(&format!("/keys/{}", other.id)), "#holder .soft"), "nobody");
        let csv = admin.get("/keys/export").body;
        let lines: Vec<&str> = csv.lines().collect();
        assert!(lines[0].contains(",\"holder\","), "{csv}");
        assert!(lines[1].ends_with(",\"\"") && lines[2].contains(",\"bob@example.com\",\"\",\"\""), "{csv}");

        // One event for each change, with names.
        let history = texts(&page, "section:has(#history) td .under");
        assert!(history.contains(&"holder from nothing to “bob@example.com”".to_owned()), "{history:?}");
        assign(&server, &key, &json!("bob@example.com")).ok();
        let changes = server.events("key.updated");
        assert_eq!(changes.len(), 1, "what is so already is no change");
        assert_eq!(changes[0]["detail"]["before"]["holder"], Value::Null);
        assert_eq!(changes[0]["detail"]["after"]["holder"], "bob@example.com");
        assert_eq!(assign(&server, &key, &Value::Null).ok()["holder"], Value::Null);
        assert_eq!(server.events("key.updated").len(), 2);
        server.call(&key, "GET", "/v1/calls", None).ok();
    }
}

on_both! {
    fn who_cannot_hold_a_key_is_refused_by_name(backend) {
        let server = start(backend);
        let key = server.key("calls:read");
        assign(&server, &key, &json!("bob@example.com")).ok();
        for (to, why) in [
            (json!("nobody@example.com"), "must be a user, and nobody@example.com is not one"),
            (json!("gone@example.com"), "gone@example.com is disabled"),
            (json!("eve@example.com"), "eve@example.com is an auditor"),
            (json!("bob"), "must be an e-mail address"),
            (json!(["bob@example.com"]), "must be a string"),
            (json!({"id": "user_01"}), "must be a string"),
            (json!(""), "must be an e-mail address"),
        ] {
            let refused = assign(&server, &key, &to);
            refused.expect(422, "validation_failed");
            assert_eq!(refused.fields(), ["holder"], "{to}");
            assert!(refused.body.contains(why), "{to}: {}", refused.body);
            // The rest of the patch is not done either.
            let both = json!({"name": "other", "holder": to});
            server.manage("PATCH", &path(&key), Some(&both)).expect(422, "validation_failed");
        }
        let shown = server.manage("GET", &path(&key), None).ok();
        assert_eq!((&shown["holder"], &shown["name"]), (&json!("bob@example.com"), &json!("test")));
        assert_eq!(server.events("key.updated").len(), 1);

        server.revoke(&key);
        assign(&server, &key, &json!("ada@example.com")).expect(409, "key_retired");
        let missing = MadeKey { id: "key_01k462ttvyfgx8yqhb3966v3mg".to_owned(), secret: String::new() };
        assign(&server, &missing, &json!("ada@example.com")).expect(404, "not_found");
        assert_eq!(holder(&server, &key), json!("bob@example.com"), "it is said of retired keys too");

        let reader = server.db_token(&json!({"name": "reader", "access": "read"}));
        let patch = json!({"holder": null});
        let other = server.key("calls:read");
        server.client.with_key(&reader, "PATCH", &path(&other), Some(&patch)).expect(403, "insufficient_scope");
    }
}

on_both! {
    fn a_member_hands_over_what_they_hold_and_sees_what_they_are_handed(backend) {
        let server = start(backend);
        let [key, foreign] = [(); 2].map(|()| server.key("calls:read leads:write"));
        assign(&server, &key, &json!("bob@example.com")).ok();
        let (bob, cy) = (server.db_browser("bob@example.com"), server.db_browser("cy@example.com"));
        assert_eq!(attributes(&bob.get("/keys"), "a.name", "href"), [format!("/keys/{}", key.id)]);
        assert!(!bob.get("/keys").body.contains("held by"), "all of them are their own");
        let form = bob.get(&format!("/keys/{}/edit", key.id));
        assert_eq!(attributes(&form, "#holder", "value"), ["bob@example.com"]);
        assert!(!form.body.contains("cy@example.com"), "a member is not told who there is");

        // Not somebody else's, and not to nobody.
        let page = format!("/keys/{}/edit", key.id);
        let target = format!("/keys/{}/edit", foreign.id);
        let refused = bob.submit(&page, &target, &[("name", "test"), ("holder", "bob@example.com")]);
        assert_eq!(refused.status, 404);
        let refused = edit(&bob, &key, "");
        assert_eq!(refused.status, 422);
        assert!(text(&refused, "#holder-error").contains("only an administrator"), "{refused:#?}");
        let refused = edit(&bob, &key, "nobody@example.com");
        assert_eq!(refused.status, 422);
        assert_eq!(attributes(&refused, "#holder", "value"), ["nobody@example.com"]);

        let done = edit(&bob, &key, "cy@example.com");
        assert_eq!((done.status, done.header("location")), (303, "/keys"), "{done:#?}");
        assert_eq!(bob.get(&format!("/keys/{}", key.id)).status, 404);
        assert_eq!(bob.get("/keys/export").body.lines().count(), 1);
        let shown = cy.get(&format!("/keys/{}", key.id));
        let history = texts(&shown, "section:has(#history) td .under");
        let change = "holder from “bob@example.com” to “cy@example.com”".to_owned();
        assert!(history.contains(&change), "{history:?}");
        assert!(!text(&shown, "section:has(#history)").contains("user_"), "no ids for names");
        // Who gave it away is told of it by name too.
        let told = bob.get("/audit");
        assert!(!texts(&told, "tbody .name").contains(&key.id), "{told:#?}");

        // Holding it lets nobody grant more, but end it.
        let made = cy.submit("/keys/new", "/keys/new", &[("name", "more"), ("scope", "calls:read"), ("expires", "never")]);
        assert_ne!(made.status, 200);
        server.call(&key, "GET", "/v1/calls", None).ok();
        let revoke = format!("/keys/{}/revoke", key.id);
        assert_eq!(cy.submit(&revoke, &revoke, &[("reason", "over")]).status, 303);
        server.call(&key, "GET", "/v1/calls", None).expect(401, "key_revoked");
        assert_eq!(server.events("key.revoked")[0]["actor"]["name"], "cy@example.com");
    }
}

on_both! {
    fn an_administrator_hands_over_any_key_and_a_user_page_lists_what_they_hold(backend) {
        let server = start(backend);
        let key = server.key_with("calls:read", json!({"name": "test"}));
        let admin = server.db_browser("ada@example.com");
        let form = admin.get(&format!("/keys/{}/edit", key.id));
        let choices = attributes(&form, "#holders option", "value");
        assert_eq!(choices, ["cy@example.com", "bob@example.com", "ada@example.com"]);
        assert_eq!(edit(&admin, &key, "gone@example.com").status, 422);
        assert_eq!(edit(&admin, &key, "bob@example.com").status, 303);
        assert_eq!(holder(&server, &key), json!("bob@example.com"));

        let users = admin.get("/users?q=bob");
        let bob = attributes(&users, "a.name", "href").remove(0);
        let page = admin.get(&bob);
        assert_eq!(texts(&page, "section:has(#keys) a.name"), ["test"]);
        assert_eq!(texts(&page, "section:has(#keys) .pill"), ["Active"]);
        for n in 0..20 {
            let more = server.key_with("calls:read", json!({"name": format!("more {n}")}));
            assign(&server, &more, &json!("bob@example.com")).ok();
        }
        let page = admin.get(&bob);
        assert_eq!(texts(&page, "section:has(#keys) a.name").len(), 20);
        let all = attributes(&page, "section:has(#keys) header a", "href").remove(0);
        assert_eq!(texts(&admin.get(&all), "a.name").len(), 21);

        assert_eq!(edit(&admin, &key, "").status, 303);
        assert_eq!(holder(&server, &key), Value::Null);
        // Who is disabled is said to be.
        let bob = server.bitting.find_user_by_email(&operator(), &"bob@example.com".parse().unwrap()).unwrap();
        server.bitting.disable_user(&operator(), bob.id, None).unwrap();
        let ended = admin.get("/keys/retired");
        assert!(text(&ended, "th .under").ends_with("held by bob@example.com (disabled)"), "{ended:#?}");
    }
}

on_both! {
    fn every_server_knows_a_new_holder_at_once(backend) {
        let one = start(backend);
        let other = TestServer::on(one.database.clone(), Options::default());
        let key = one.key("calls:read");
        assign(&one, &key, &json!("cy@example.com")).ok();
        let cy = other.db_browser("cy@example.com");
        assert_eq!(texts(&cy.get("/keys"), "a.name"), ["test"]);
        let revoke = format!("/keys/{}/revoke", key.id);
        assert_eq!(cy.submit(&revoke, &revoke, &[]).status, 303);
        one.bitting.read_feed().unwrap();
        one.call(&key, "GET", "/v1/ping", None).expect(401, "key_revoked");
    }
}

on_both! {
    fn a_command_assigns_a_key(backend) {
        let server = start(backend);
        let key = server.key("calls:read");
        let shell = Shell(TestDatabase::at(backend, server.database.url.clone()));
        let said = shell.ok(&["key", "assign", &key.id, "--to", "bob@example.com"]);
        assert_eq!(said, format!("{} is held by bob@example.com\n", key.id));
        let line = shell.ok(&["key", "list"]).lines().nth(1).unwrap().to_owned();
        assert!(line.ends_with("  bob@example.com"), "{line}");
        let shown = shell.ok(&["key", "show", &key.id]);
        assert!(shown.contains("holder        bob@example.com\n"), "{shown}");
        let json: Value = serde_json::from_str(&shell.ok(&["key", "assign", &key.id, "--to", "none", "--json"])).unwrap();
        assert_eq!(json["holder"], Value::Null);
        shell.refused(&["key", "assign", &key.id, "--to", "bob"], 2, &["--to must be an e-mail address"]);
        assert!(shell.ok(&["key", "export"]).lines().next().unwrap().contains("\"holder\""));
        assert_eq!(server.events("key.updated").len(), 2);
    }
}

on_both! {
    fn what_counts_is_what_somebody_may_do_when_it_is_carried_out(backend) {
        let server = start(backend);
        let fay = server.db_user("fay@example.com", json!({"role": "admin"}));
        let before = server.db_principal(&fay);
        let key = server.key("calls:read");
        assign(&server, &key, &json!("fay@example.com")).ok();
        server.database.db_execute(&format!("UPDATE users SET role = 'member' WHERE id = '{}'", fay.id));
        let patch = json!({"holder": null}).as_object().unwrap().clone();
        let told = server.bitting.edit_key(key.id.parse().unwrap(), patch, &before).unwrap_err().to_string();
        assert!(told.contains("only an administrator"), "{told}");
    }
}
