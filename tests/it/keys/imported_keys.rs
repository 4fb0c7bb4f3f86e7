//! Keys made elsewhere, presented: in every form, at no cost to anybody else.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bitting::config::Options;
use bitting::model::secret::{Secret, SecretKind};
use serde_json::{Value, json};

use crate::commands::cli::{Shell, errors};
use crate::keys::transfer::{import, import_all, line};
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

on_both! {
    fn one_among_other_text_is_refused_found_or_hidden(backend) {
        let (database, id) = imported(backend, SECRET);
        let server = TestServer::on(database, Options::default());
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let browser = server.db_browser("ada@example.com");
        for (before, behind) in [("(", ")"), ("old_key=", ""), ("\"", "\","), ("is it ", "?"), ("Bearer ", ".")] {
            let text = format!("{before}{SECRET}{behind}");
            let new = json!({"name": "new", "scopes": ["calls:read"], "description": text});
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", &text).finish();
            for refused in [
                server.manage("POST", "/v1/keys", Some(&new)),
                server.manage("GET", &format!("/v1/keys?{query}"), None),
            ] {
                refused.expect(422, "validation_failed");
                assert!(!refused.body.contains(SECRET), "{refused:?}");
            }
            let found = browser.submit("/keys", "/keys/search", &[("q", &text)]);
            assert_eq!(found.header("location"), format!("/keys/{id}"), "{found:?}");
        }
        let other = server.key("calls:read");
        let leak = json!({"key": other.secret, "source": format!("mail with {SECRET}")});
        assert_eq!(server.client.send("POST", "/v1/leaks", &[("content-type", "application/json")], Some(&leak.to_string())).status, 202);
        let plain = "shop_live_4f6e0c1b2a3d4e5f";
        import_all(&server.database, &[line(plain)]);
        server.bitting.read_feed().unwrap();
        let bearer = format!("Bearer {}", server.key("calls:read").secret);
        let headers = [("authorization", bearer.as_str()), ("user-agent", plain), ("x-request-id", plain)];
        let answer = server.client.send("GET", "/v1/ping", &headers, None);
        assert_eq!((answer.status, answer.header("x-request-id") == plain), (200, false));
        server.db_flush();
        assert_eq!(server.database.db_texts("SELECT detail FROM audit_events WHERE action = 'key.leaked'").len(), 1);
        for (table, column) in [("audit_events", "detail"), ("key_addresses", "user_agent")] {
            let rows = server.database.db_texts(&format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"));
            assert!(!rows.iter().any(|row| row.contains(SECRET) || row.contains(plain)), "{table}: {rows:?}");
        }
    }
}

on_both! {
    fn commands_and_imports_take_none_in_a_text_either(backend) {
        let (database, id) = imported(backend, SECRET);
        let url = database.url.clone();
        let shell = Shell(TestDatabase::at(backend, url));
        let text = format!("use {SECRET}.");
        for arguments in [
            &["key", "create", "--name", "k", "--scope", "calls:read", "--description", &text][..],
            &["key", "set", &id, "--owner", SECRET],
            &["key", "revoke", &id, "--reason", &text],
            &["token", "create", "--name", &text, "--access", "read"],
        ] {
            shell.refused(arguments, 2, &["must not contain a key"]);
        }
        let mut with_itself = line("another-key-of-a-shop");
        with_itself["name"] = "the key is another-key-of-a-shop".into();
        let mut with_another = line("a-third-key-of-a-shop");
        with_another["owner"] = text.as_str().into();
        let text = format!("{with_itself}\n{with_another}\n{}\n", line("good-key-of-a-shop"));
        let output = import(&shell, "texts.jsonl", text, &[]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), errors(&output));
        assert_eq!(said.matches("must not contain a key").count(), 2, "{said}");
        assert!(!said.contains(SECRET) && !said.contains("another-key"), "{said}");
        assert_eq!(shell.json(&["key", "list"]).len(), 2);
    }
}
