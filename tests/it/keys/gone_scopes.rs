//! Scopes of a resource that has left `bitting.toml`: they are shown as gone wherever scopes are shown,
//! and the keys that have them can still be found and ended.

use serde_json::{Value, json};

use crate::commands::cli::Shell;
use crate::doors::{TEAM, server_on, server_with};
use crate::support::html::{text, texts};
use crate::support::{TestDatabase, on_both};

on_both! {
    fn they_are_shown_as_gone_and_their_keys_are_found(backend) {
        let server = server_with(backend, TEAM);
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let key = server.key("orders:read calls:read");
        let plain = server.key("calls:read");
        let here = format!("/v1/keys/{}", key.id);
        assert!(server.manage("GET", &here, None).ok()["gone_scopes"].is_null(), "it is there");
        let server = server_on(server.stop(), "");
        assert_eq!(server.manage("GET", &here, None).ok()["gone_scopes"], json!(["orders:read"]));
        assert_eq!(server.call(&key, "GET", "/v1/whoami", None).ok()["gone_scopes"], json!(["orders:read"]));
        assert!(server.call(&plain, "GET", "/v1/whoami", None).ok()["gone_scopes"].is_null());
        let browser = server.db_browser("ada@example.com");
        for page in ["/keys".to_owned(), format!("/keys/{}", key.id)] {
            assert_eq!(texts(&browser.get(&page), ".scopes .gone"), ["gone"], "{page}");
        }
        let rows = browser.get("/keys/export").body;
        assert!(rows.contains(",\"gone_scopes\"") && rows.contains(",\"orders:read\""), "{rows}");

        let found = server.manage("GET", "/v1/keys?scope=orders:read", None).ok();
        assert_eq!(found["data"].as_array().unwrap().len(), 1);
        assert_eq!(browser.get("/keys?scope=orders:read").status, 200);
        server.manage("GET", "/v1/keys?scope=nothing:read", None).expect(422, "validation_failed");
        let body = json!({"name": "x", "scopes": ["orders:read"]});
        server.manage("POST", "/v1/keys", Some(&body)).expect(422, "validation_failed");

        let shell = Shell(TestDatabase::at(backend, server.database.url.clone()));
        assert!(shell.ok(&["key", "show", &key.id]).contains("calls:read orders:read(gone)"));
        let listed = shell.ok(&["key", "list", "--scope", "orders:read"]);
        assert!(listed.contains("calls:read,orders:read(gone)") && !listed.contains(&plain.id), "{listed}");
        let ended = shell.json(&["key", "revoke", "--scope", "orders:read", "--confirm", "1"]);
        assert_eq!(ended[0]["revoked"], json!([key.id]));
        let shown: Value = shell.json(&["key", "show", &plain.id]).remove(0);
        assert!(shown["gone_scopes"].is_null());
    }
}

on_both! {
    fn one_is_passed_on_by_who_may_grant_it_by_name(backend) {
        let server = server_with(backend, TEAM);
        let token = |may_grant: &[&str]| {
            server.db_token(&json!({"name": "t", "access": "write", "may_grant": may_grant}))
        };
        let (without, with) = (token(&["calls:read", "reports:read"]), token(&["calls:read", "orders:read"]));
        let keys = [server.key("orders:read"), server.key("orders:read"), server.key("orders:read")];
        server.db_user("ada@example.com", json!({"role": "admin"}));
        let all = ["calls:read", "reports:read"];
        server.db_user("bo@example.com", json!({"may_grant": all}));
        let holder = json!({"holder": "bo@example.com"});
        server.manage("PATCH", &format!("/v1/keys/{}", keys[2].id), Some(&holder)).ok();
        // All that is left is granted by name.
        let server = server_on(server.stop(), "builtin_api = false\n[[resources]]\nname = \"reports\"\npaths = [\"/reports\"]");
        let rotate = |token: &str, key: usize| {
            server.client.with_key(token, "POST", &format!("/v1/keys/{}/rotate", keys[key].id), None)
        };
        let refused = rotate(&without, 0);
        refused.expect(403, "insufficient_scope");
        assert!(refused.body.contains("orders:read"), "{refused:?}");
        rotate(&with, 0).expect(201, "");
        let form = |who: &str, key: usize| {
            server.db_browser(who).get(&format!("/keys/{}/rotate", keys[key].id))
        };
        assert!(text(&form("bo@example.com", 2), "#no-grants").contains("may not grant orders:read"));
        assert!(texts(&form("ada@example.com", 2), "#no-grants").is_empty());
        server.manage("POST", &format!("/v1/keys/{}/rotate", keys[1].id), None).expect(403, "insufficient_scope");
    }
}
