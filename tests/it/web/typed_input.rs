//! What people type and paste: white space around it, names that show nothing, addresses in the
//! letters of their language.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::binary::command;
use crate::support::browser::PASSWORD;
use crate::support::html::texts;
use crate::support::{Answer, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const ASCII: &str = "eva@xn--exmple-cua.com";
const TYPED: &str = "Eva@Exämple.com";

on_both! {
    fn white_space_around_a_filter_does_not_count(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let admin = server.db_browser(ADMIN);
        let key = server.key_with("leads:read leads:write calls:read contacts:read contacts:write", json!({"name": "night shift", "owner": "Acme"}));
        let lead = json!({"name": "Bo", "source": "fair", "status": "new"});
        server.call(&key, "POST", "/v1/leads", Some(&lead)).ok();
        server.call(&key, "POST", "/v1/contacts", Some(&json!({"name": "Bo"}))).ok();
        let id = &key.id;
        let found = |answer: Answer| answer.ok()["data"].as_array().unwrap().len();
        for (filter, value) in [
            ("q", "night shift"), ("owner", "Acme"), ("status", "active"), ("limit", "5"),
        ] {
            for value in [value.to_owned(), format!("%20{value}%0A"), format!("%C2%A0{value}+%09")] {
                let path = format!("/v1/keys?{filter}={}", value.replace(' ', "%20"));
                assert_eq!(found(server.manage("GET", &path, None)), 1, "{path}");
            }
        }
        for path in [
            "/v1/leads?source=%20fair%20", "/v1/leads?status=new%20", "/v1/contacts?q=+bo+",
            "/v1/leads?limit=+1",
        ] {
            assert_eq!(found(server.call(&key, "GET", path, None)), 1, "{path}");
        }
        let path = "/v1/calls?from=%202026-01-01T00:00:00Z&direction=inbound%20";
        assert_eq!(found(server.call(&key, "GET", path, None)), 0);
        let path = format!("/v1/audit?key_id=%20{id}%20&action=key.created%0A");
        assert_eq!(found(server.manage("GET", &path, None)), 1);

        for path in [
            "/keys?q=+night+shift+".to_owned(), "/keys?owner=Acme%20".to_owned(),
            "/keys?scope=+calls:read+&expiry=never+".to_owned(), format!("/keys?q=%09{id}"),
            format!("/audit?key_id=+{id}+&from=+2026-11-21+&to=2026-11-21+"),
            "/audit?actor=+test+&action=key.created+".to_owned(),
            "/users?q=+ada+&role=+admin".to_owned(), "/tokens?q=test+".to_owned(),
        ] {
            let page = admin.get(&path);
            assert_eq!((page.status, texts(&page, "tbody tr").len()), (200, 1), "{path}: {page:#?}");
        }
        // Nothing but white space is nothing on a page, and no value in the API.
        assert_eq!(texts(&admin.get("/keys?q=+%09"), "tbody tr").len(), 1);
        server.manage("GET", "/v1/keys?q=+%09", None).expect(422, "validation_failed");
    }
}

on_both! {
    fn a_name_that_shows_nothing_is_refused_wherever_one_is_taken(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let admin = server.db_browser(ADMIN);
        let key = server.key("agents:read agents:write contacts:write knowledge_base:write");
        let refused = |answer: &Answer, field: &str| {
            let told = answer.expect(422, "validation_failed").json();
            assert_eq!(told["errors"][0]["field"], field, "{told}");
            assert!(told["detail"].as_str().unwrap().contains("no visible characters"), "{told}");
        };
        for hidden in ["\u{200b}", " \u{ad}\u{ad} ", "\u{2800}", "\u{3164}\u{feff}", "\u{e0020}"] {
            let with = |field: &str| {
                let mut body = json!({"name": "a", "scopes": ["calls:read"]});
                body[field] = hidden.into();
                body
            };
            for field in ["name", "owner"] {
                refused(&server.manage("POST", "/v1/keys", Some(&with(field))), field);
                let path = format!("/v1/keys/{}", key.id);
                refused(&server.manage("PATCH", &path, Some(&json!({field: hidden}))), field);
            }
            let path = format!("/v1/keys/{}/revoke", key.id);
            refused(&server.manage("POST", &path, Some(&json!({"reason": hidden}))), "reason");
            for (path, body, field) in [
                ("/v1/agents", json!({"name": hidden, "voice_id": "v"}), "name"),
                ("/v1/contacts", json!({"name": "a", "tags": [hidden]}), "tags"),
                ("/v1/knowledge_base", json!({"title": hidden, "content": "a"}), "title"),
            ] {
                refused(&server.call(&key, "POST", path, Some(&body)), field);
            }
            for (page, fields) in [
                ("/keys/new", vec![("expires", "7d"), ("scope", "calls:read"), ("name", hidden)]),
                ("/tokens/new", vec![("expires", "7d"), ("access", "read"), ("bounds", "all"), ("name", hidden)]),
            ] {
                let answer = admin.submit(page, page, &fields);
                assert_eq!(answer.status, 422, "{page}");
                assert!(answer.body.contains("no visible characters"), "{page}: {answer:#?}");
            }
            let create = ["token", "create", "--access", "read", "--name", hidden, "--database-url", &server.database.url];
            let output = command(&server.database.folder(), &create).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(2) && said.contains("no visible characters"), "{said}");
        }
        let visible = json!({"name": "\u{200f}שלום\u{200b}", "scopes": ["calls:read"]});
        assert_eq!(server.manage("POST", "/v1/keys", Some(&visible)).ok()["name"], visible["name"]);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM api_keys"), 2);
    }
}

/// Adds a user at the command line; what it says.
fn add(server: &TestServer, email: &str) -> (Option<i32>, String) {
    let arguments =
        ["user", "add", email, "--role", "admin", "--database-url", &server.database.url];
    let mut command = command(&server.database.folder(), &arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // What is refused does not ask for the password.
    let _ = child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

on_both! {
    fn an_address_is_the_same_in_either_spelling_of_its_domain(backend) {
        let server = TestServer::start(backend);
        let base = &server.client.base;
        assert_eq!(add(&server, TYPED), (Some(0), "eva@exämple.com (admin) added\n".to_owned()));
        assert_eq!(server.database.db_texts("SELECT email FROM users"), [ASCII]);
        let (code, said) = add(&server, ASCII);
        assert!(code == Some(2) && said.contains("already belongs to a user"), "{said}");
        for spelled in [ASCII, TYPED, "EVA@XN--EXMPLE-CUA.COM"] {
            let eva = Browser::signed_in(base, spelled);
            assert!(texts(&eva.get("/account"), "body").concat().contains("eva@exämple.com"));
            for path in ["/users?q=eva%40ex%C3%A4mple.com", "/users?q=eva%40xn--exmple-cua.com"] {
                assert_eq!(texts(&eva.get(path), "tbody tr").len(), 1, "{path}");
            }
            let path = format!("/audit?action=login.succeeded&actor={}", spelled.replace('ä', "%C3%A4"));
            assert!(!texts(&eva.get(&path), "tbody tr").is_empty(), "{path}");
        }
        // One that was stored before there was one spelling.
        server.database.db_execute("UPDATE users SET email = 'eva@exämple.com'");
        for spelled in [ASCII, TYPED] {
            Browser::signed_in(base, spelled);
            let (code, said) = add(&server, spelled);
            assert!(code == Some(2) && said.contains("already belongs to a user"), "{said}");
        }
    }
}

on_both! {
    fn an_address_that_no_browser_sends_is_refused_when_it_is_added(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let admin = server.db_browser(ADMIN);
        for (email, why) in [
            ("jörg@example.com", "before the @"),
            ("ada@ex_ample.com", "domain name"),
            ("ada@-a.com", "domain name"),
        ] {
            let (code, said) = add(&server, email);
            assert!(code == Some(2) && said.contains(why) && said.contains("browsers"), "{said}");
            let answer = admin.submit("/users/new", "/users/new", &[("email", email), ("role", "admin")]);
            assert!(answer.status == 422 && answer.body.contains(why), "{answer:#?}");
            let folder = server.database.folder();
            let mut serve = command(&folder, &["serve", "--listen", "127.0.0.1:0"]);
            serve.env("BITTING_ADMIN_EMAIL", email).env("BITTING_ADMIN_PASSWORD", PASSWORD);
            let output = serve.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("BITTING_ADMIN_EMAIL") && said.contains(why), "{said}");
        }
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM users"), 1);
        // One that is there already goes on.
        server.database.db_execute("UPDATE users SET email = 'jörg@example.com'");
        server.db_browser("Jörg@example.com");
        let list = ["user", "list", "--json", "--database-url", &server.database.url];
        let shown: Value = serde_json::from_str(&crate::support::binary::run_ok(&server.database.folder(), &list)).unwrap();
        assert_eq!(shown["email"], "jörg@example.com");
    }
}

on_both! {
    fn long_padding_does_not_cut_what_stands_behind_it(backend) {
        let server = TestServer::start(backend);
        server.db_user(ADMIN, json!({"role": "admin"}));
        let admin = server.db_browser(ADMIN);
        let key = server.key("calls:read");
        let (edit, padding) = (format!("/keys/{}/edit", key.id), " ".repeat(1990));
        let save = |name: &str| admin.submit(&edit, &edit, &[("name", name)]).status;
        assert_eq!(save(&format!("{padding}production-billing")), 303);
        assert_eq!(save(&format!("production{padding}-billing")), 422);
        let now = server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(now["name"], "production-billing");
    }
}
