//! Keys made elsewhere, presented: in every form, at no cost to anybody else.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitting::config::Options;
use bitting::model::secret::{Secret, SecretKind};
use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::keys::transfer::{import_all, line};
use crate::support::{Answer, Backend, TestDatabase, TestServer, eventually, on_both};

const SECRET: &str = "sk_live:4eC39HqLyjWDarjtT1zdp7dc+/=";

/// A database with an imported key, and its id.
fn imported(backend: Backend, secret: &str) -> (Arc<TestDatabase>, String) {
    let shell = Shell::new(backend);
    import_all(&shell.0, &[line(secret)]);
    let id = shell.json(&["key", "list"])[0]["id"].as_str().unwrap().to_owned();
    (Arc::new(shell.0), id)
}

fn present(server: &TestServer, header: &str, value: &str) -> Answer {
    server.client.send("GET", "/v1/calls", &[(header, value)], None)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

on_both! {
    fn an_imported_key_is_presented_in_every_form(backend) {
        let (database, id) = imported(backend, SECRET);
        let server = TestServer::on(database, Options::default());
        let forms = [
            ("Authorization", format!("Bearer {SECRET}")),
            ("Authorization", format!("Token token=\"{SECRET}\"")),
            ("Authorization", basic(&id, SECRET)),
            ("Authentication", format!("Bearer {SECRET}")),
            ("Authentication", format!("AccessToken: {SECRET}")),
            ("apikey", SECRET.to_owned()),
            ("X-API-Key", SECRET.to_owned()),
        ];
        for (header, value) in &forms {
            present(&server, header, value).expect(200, "");
        }
        let other = server.key("calls:read");
        for (header, value) in [
            ("Authorization", basic(&other.id, SECRET)),
            ("Authorization", basic(&id, &other.secret)),
            ("Authorization", format!("Bearer {}", &SECRET[1..])),
            ("Authorization", format!("Bearer {SECRET}x")),
            ("Authorization", format!("Bearer {SECRET} x")),
            ("Authorization", format!("Digest {SECRET}")),
            ("apikey", SECRET.repeat(15)),
        ] {
            present(&server, header, &value).expect(401, "invalid_key");
        }
        present(&server, "Authorization", &format!("Bearer {SECRET},")).expect(400, "multiple_credentials");
        server.call(&other, "GET", "/v1/calls", None).expect(200, "");

        // It is a key like any other: it manages nothing, is counted, and is revoked for good.
        server.client.with_key(SECRET, "GET", "/v1/keys", None).expect(403, "wrong_credential");
        let path = format!("/v1/keys/{id}");
        assert_eq!(server.manage("GET", &path, None).ok()["usage"]["24h"]["ok"], forms.len());
        server.manage("POST", &format!("{path}/revoke"), None).ok();
        for (header, value) in &forms {
            present(&server, header, value).expect(401, "key_revoked");
        }
    }
}

on_both! {
    fn a_key_without_a_colon_is_a_user_name_too(backend) {
        let (database, _) = imported(backend, "4eC39HqLyjWD");
        let server = TestServer::on(database, Options::default());
        present(&server, "Authorization", &basic("4eC39HqLyjWD", "")).expect(200, "");
        present(&server, "Authorization", &basic("4eC39HqLyjW", "")).expect(401, "invalid_key");
        present(&server, "Authorization", &basic("", "4eC39HqLyjWD")).expect(401, "invalid_key");
    }
}

on_both! {
    fn one_that_looks_like_ours_is_judged_as_ours(backend) {
        let secret = Secret::generate(&"bt".parse().unwrap(), SecretKind::ApiKey).unwrap();
        let (database, _) = imported(backend, secret.expose());
        let server = TestServer::on(database.clone(), Options::default());
        server.client.with_key(secret.expose(), "GET", "/v1/calls", None).expect(200, "");
        // Its prefix with something else behind it is a mistyped key, whatever was imported.
        import_all(&database, &[line("btk_legacy")]);
        let server = TestServer::on(database, Options::default());
        server.client.with_key("btk_legacy", "GET", "/v1/calls", None).expect(401, "invalid_key");
    }
}

on_both! {
    fn a_flood_of_made_up_keys_reads_nothing(backend) {
        const FLOOD: u64 = 300;
        let (database, _) = imported(backend, SECRET);
        let server = TestServer::on(database, Options::default());
        let before = server.bitting.gate.freshness.reads();
        for n in 0..FLOOD {
            let made_up = format!("sk_live_{n}");
            server.client.with_key(&made_up, "GET", "/v1/calls", None).expect(401, "invalid_key");
        }
        // Those that the thread makes by itself are five a second.
        assert!(server.bitting.gate.freshness.reads() - before < FLOOD);
    }
}

on_both! {
    fn the_first_imported_key_is_soon_known_to_a_running_server(backend) {
        let server = TestServer::start(backend);
        server.client.with_key(SECRET, "GET", "/v1/calls", None).expect(401, "invalid_key");
        assert!(!server.bitting.gate.index.holds_imported());
        import_all(&server.database, &[line(SECRET)]);
        eventually("the key is known", || {
            server.client.with_key(SECRET, "GET", "/v1/calls", None).status == 200
        });
        assert!(server.bitting.gate.index.holds_imported());
    }
}

on_both! {
    fn no_text_may_be_an_imported_key(backend) {
        let (database, id) = imported(backend, SECRET);
        let server = TestServer::on(database, Options::default());
        let refused = |method: &str, path: &str, body: Value, field: &str| {
            let answer = server.manage(method, path, Some(&body));
            answer.expect(422, "validation_failed");
            assert!(!answer.body.contains(SECRET), "{}", answer.body);
            let errors = answer.json()["errors"].clone();
            let about = json!({"field": field, "message": "must not contain a key"});
            assert_eq!(errors, json!([about]), "{method} {path}");
        };
        let pasted = format!("it is {SECRET}\nnow");
        let path = format!("/v1/keys/{id}");
        let new = |field: &str, text: &str| {
            let mut new = json!({"name": "new", "scopes": ["calls:read"]});
            new[field] = text.into();
            new
        };
        refused("POST", "/v1/keys", new("name", SECRET), "name");
        for field in ["description", "owner"] {
            refused("POST", "/v1/keys", new(field, SECRET), field);
            refused("PATCH", &path, json!({field: SECRET}), field);
        }
        refused("PATCH", &path, json!({"description": pasted}), "description");
        refused("POST", &format!("{path}/revoke"), json!({"reason": format!("leaked: {SECRET}")}), "reason");
        assert_eq!(server.manage("GET", &path, None).ok()["status"], "active");
        // What only begins so is somebody's words.
        server.manage("POST", "/v1/keys", Some(&new("name", &SECRET[..12]))).expect(201, "");
    }
}
