//! What a key may do reaches the API, once and whole; nothing else does; and each request that was
//! judged counts once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Scene, bearer, each_proxy, with_body};
use crate::support::load::{hammer, request};
use crate::support::proxy::Kind;
use crate::support::{Backend, rounds};

each_proxy! {
    fn the_api_is_sent_what_a_key_may_do_and_nothing_else(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let reader = scene.server.key_with("orders:read", json!({"owner": "Zoë & Co"}));
        let writer = scene.server.key("orders:read orders:write");
        let nothing = scene.server.key("reports:read");
        let revoked = scene.server.key("orders:read");
        scene.server.revoke(&revoked);
        for (key, request, expected) in [
            (&reader, "GET /orders/7?x=1", "allowed"),
            (&reader, "GET /orders/caf%C3%A9?next=/../x", "allowed"),
            (&reader, "POST /orders/search", "allowed"),
            (&reader, "OPTIONS /orders", "allowed"),
            (&nothing, "OPTIONS /orders", "insufficient_scope"),
            (&writer, "POST /orders", "allowed"),
            (&writer, "PUT /orders/7", "allowed"),
            (&writer, "PATCH /orders/7", "allowed"),
            (&writer, "DELETE /orders/7", "allowed"),
            (&reader, "DELETE /orders/7", "insufficient_scope"),
            (&reader, "POST /orders", "insufficient_scope"),
            (&nothing, "GET /orders", "insufficient_scope"),
            (&nothing, "GET /orders/status", "allowed"),
            (&nothing, "POST /reports", "method_not_allowed"),
            (&reader, "GET /nothing", "unknown_resource"),
            (&reader, "GET /", "unknown_resource"),
            (&revoked, "GET /orders", "key_revoked"),
            (&revoked, "GET /nothing", "key_revoked"),
        ] {
            let told = scene.ask(key, request);
            assert_eq!(told.verdict(), expected, "{kind:?}: {request}: {}", told.text);
            if expected != "allowed" {
                let status = match expected {
                    "key_revoked" => 401,
                    "method_not_allowed" if kind != Kind::Nginx => 405,
                    _ => 403,
                };
                assert_eq!(told.status, status, "{kind:?}: {request}");
                let challenge = told.header("www-authenticate");
                assert!(status != 401 || !challenge.is_empty(), "{kind:?}: {}", told.text);
                scene.nothing_served(request);
                continue;
            }
            let (owner, scopes) = match &key.id {
                id if *id == reader.id => ("Zo%C3%AB%20%26%20Co", "orders:read"),
                id if *id == writer.id => ("", "orders:read orders:write"),
                _ => ("", "reports:read"),
            };
            let seen = scene.served(key, [&key.id, "test", owner, scopes]);
            assert_eq!(format!("{} {}", seen.method(), seen.target()), request, "{kind:?}");
        }
        let head = scene.ask(&reader, "HEAD /orders");
        assert_eq!(head.status, 200, "{kind:?}: {}", head.text);
        scene.served(&reader, [&reader.id, "test", "Zo%C3%AB%20%26%20Co", "orders:read"]);
        // A body after the answer to HEAD would be taken for the next answer.
        let head = scene.ask(&nothing, "HEAD /orders");
        assert_eq!(head.status, 403, "{kind:?}: {}", head.text);
        assert!(head.text.ends_with("\r\n\r\n"), "{kind:?}: {}", head.text);
        let none = scene.ask_with("GET /orders", "");
        assert_eq!((none.status, &*none.verdict()), (401, "missing_key"), "{kind:?}");
        let wrong = format!("X-API-Key: {}\r\n", reader.mistyped());
        let wrong = scene.ask_with("GET /orders", &wrong);
        assert_eq!((wrong.status, &*wrong.verdict()), (401, "invalid_key"), "{kind:?}");
        scene.nothing_served("no key");
    }
}

each_proxy! {
    fn a_key_is_judged_in_every_form_and_goes_no_further(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let key = scene.server.key("orders:read");
        let secret = &key.secret;
        let pair = STANDARD.encode(format!("{}:{secret}", key.id));
        let user = STANDARD.encode(format!("{secret}:"));
        let forms = [
            format!("Authorization: Bearer {secret}"),
            format!("authorization: Token token=\"{secret}\""),
            format!("Authorization: Basic {pair}"),
            format!("Authorization: Basic {user}"),
            format!("Authentication: Bearer {secret}"),
            format!("AUTHENTICATION: AccessToken {secret}"),
            format!("apikey: {secret}"),
            format!("ApiKey: {secret}"),
            format!("X-API-Key: {secret}"),
            format!("x-api-KEY: {secret}"),
        ];
        for form in &forms {
            let told = scene.ask_with("GET /orders", &format!("{form}\r\n"));
            assert_eq!(told.verdict(), "allowed", "{kind:?}: {form}: {}", told.text);
            scene.served(&key, [&key.id, "test", "", "orders:read"]);
        }
        for second in [&forms[0], &forms[4], &forms[6], &forms[8]] {
            for first in [&forms[0], &forms[8]] {
                let told = scene.ask_with("GET /orders", &format!("{first}\r\n{second}\r\n"));
                assert!((400..=401).contains(&told.status), "{kind:?}: {first}, {second}: {}", told.text);
                scene.nothing_served("two credentials");
            }
        }
        // A key in a header with another spelling is none, and does not get past either.
        let told = scene.ask_with("GET /orders", &format!("X_API_Key: {secret}\r\n"));
        assert_eq!(told.verdict(), "missing_key", "{kind:?}");
        let told = scene.ask_with("GET /orders", &format!("{}\r\nX_API_Key: {secret}\r\n", forms[0]));
        assert_eq!(told.verdict(), "allowed", "{kind:?}");
        scene.served(&key, [&key.id, "test", "", "orders:read"]);
    }
}

each_proxy! {
    fn a_refusal_is_handed_on_whole_and_its_client_noted(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let key = scene.server.key("reports:read");
        let headers = format!("{}User-Agent: probe/1\r\n", bearer(&key));
        let told = scene.ask_with("POST /reports", &headers);
        assert_eq!(told.verdict(), "method_not_allowed", "{kind:?}: {}", told.text);
        // nginx says a refusal in a page of its own.
        if kind != Kind::Nginx {
            assert_eq!(told.header("content-type"), "application/problem+json", "{kind:?}: {}", told.text);
            assert_eq!(told.header("allow"), "GET, HEAD, OPTIONS", "{kind:?}: {}", told.text);
            assert!(told.text.contains("\"code\":\"method_not_allowed\""), "{kind:?}: {}", told.text);
        }
        scene.server.db_flush();
        let shown = scene.server.manage("GET", &format!("/v1/keys/{}", key.id), None).ok();
        assert_eq!(shown["addresses"][0]["user_agent"], "probe/1", "{kind:?}: {shown}");
    }
}

each_proxy! {
    fn a_body_arrives_whole_and_once_or_not_at_all(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let writer = scene.server.key("orders:write");
        let reader = scene.server.key("orders:read");
        let body: String = (0..1_048_576 / 16).map(|n| format!("{n:015}\n")).collect();
        for chunked in [false, true] {
            let told = scene.send(&with_body(&writer, "POST /orders", &body, chunked));
            assert_eq!(told.verdict(), "allowed", "{kind:?}: {}", told.text);
            let seen = scene.served(&writer, [&writer.id, "test", "", "orders:write"]);
            assert!(seen.body == body.as_bytes(), "{kind:?}: {} bytes: {}", seen.body.len(), seen.head);
            let told = scene.send(&with_body(&reader, "POST /orders", "{}", chunked));
            assert_eq!(told.verdict(), "insufficient_scope", "{kind:?}");
            scene.send(&with_body(&reader, "POST /orders", &body, chunked));
            scene.nothing_served("a body that was refused");
        }
        assert_eq!(scene.server.total(&writer), 2);
        assert_eq!(scene.server.total(&reader), 4);
    }
}

each_proxy! {
    fn preflight_requests_pass_without_a_key_where_the_file_allows_it(kind) {
        let top = "preflight = \"allow\"";
        let Some(scene) = Scene::set(kind, Backend::Sqlite, top) else { return };
        let key = scene.server.key("reports:read");
        let claim = "X-Bitting-Key-Id: someone\r\nX-Bitting-Scopes: orders:write\r\n";
        for headers in [claim.to_owned(), format!("{claim}Origin: https://example.com\r\nAccess-Control-Request-Method: DELETE\r\n")] {
            let told = scene.ask_with("OPTIONS /orders/7", &headers);
            assert_eq!(told.verdict(), "allowed", "{kind:?}: {}", told.text);
            scene.served(&key, [""; 4]);
            for refused in ["OPTIONS /nothing", "GET /orders/7", "OPTIONS /orders/../reports", "options /orders"] {
                let told = scene.ask_with(refused, &headers);
                assert!((400..=404).contains(&told.status), "{kind:?}: {refused}: {}", told.text);
                scene.nothing_served(refused);
            }
        }
        assert_eq!(scene.server.total(&key), 0);
    }
}

each_proxy! {
    fn every_judged_request_of_many_clients_counts_once(kind) {
        let Some(scene) = Scene::set(kind, Backend::Postgres, "") else { return };
        let key = scene.server.key("orders:read");
        let asked = [("GET", "/orders"), ("POST", "/orders"), ("GET", "/orders/status"), ("GET", "/nothing")];
        let requests = asked.map(|(method, path)| request(&key.secret, method, path));
        let (clients, times) = (50, rounds(32, 8));
        let counts = hammer(scene.proxy.address, clients, times, &requests, &[200, 403]);
        let each = i64::try_from(clients * times).unwrap();
        assert_eq!(counts, [2 * each, 2 * each], "{kind:?}");
        let served = scene.upstream.take();
        assert_eq!(served.len() as i64, 2 * each, "{kind:?}");
        assert!(served.iter().all(|seen| seen.all("x-bitting-key-id") == [&*key.id]));
        let counted = scene.server.usage(&key, "24h");
        let counted = ["total", "ok", "forbidden"].map(|outcome| counted[outcome].as_i64());
        assert_eq!(counted, [4 * each, 2 * each, 2 * each].map(Some), "{kind:?}");
    }
}

each_proxy! {
    fn the_limits_of_a_key_hold_for_the_api_and_are_told(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let free = scene.server.key("orders:read");
        let told = scene.ask(&free, "GET /orders");
        assert!(!told.text.to_lowercase().contains("ratelimit"), "{kind:?}: {}", told.text);
        let limited = scene.server.key_with("orders:read", json!({"rate_limit": "2/hour"}));
        for left in ["1", "0"] {
            let told = scene.ask(&limited, "GET /orders");
            assert_eq!(told.verdict(), "allowed", "{kind:?}: {}", told.text);
            assert!(told.header("ratelimit").contains(&format!("r={left};")), "{kind:?}: {}", told.text);
            assert_eq!(told.header("ratelimit-policy"), "\"rate\";q=2;w=3600", "{kind:?}");
        }
        assert_eq!(scene.upstream.take().len(), 3);
        let over = scene.ask(&limited, "GET /orders");
        let status = if kind == Kind::Nginx { 403 } else { 429 };
        assert_eq!((over.status, &*over.verdict()), (status, "rate_limited"), "{kind:?}: {}", over.text);
        assert_eq!(over.header("retry-after"), "1800", "{kind:?}: {}", over.text);
        assert!(over.header("ratelimit").contains("r=0;"), "{kind:?}: {}", over.text);
        assert!(!over.header("ratelimit-policy").is_empty(), "{kind:?}: {}", over.text);
        scene.nothing_served("over the limit");
    }
}

each_proxy! {
    fn the_address_of_a_client_is_the_one_that_the_proxy_sees(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let only = |networks| scene.server.key_with("orders:read", json!({"allowed_networks": networks}));
        let (here, elsewhere) = (only("127.0.0.1"), only("203.0.113.9"));
        for claim in ["", "X-Forwarded-For: 203.0.113.9\r\n", "Forwarded: for=203.0.113.9\r\n"] {
            let told = scene.ask_with("GET /orders", &format!("{}{claim}", bearer(&elsewhere)));
            assert_eq!(told.verdict(), "address_not_allowed", "{kind:?}: {claim}: {}", told.text);
            scene.nothing_served(claim);
            let told = scene.ask_with("GET /orders", &format!("{}{claim}", bearer(&here)));
            // Envoy gives its own address to a client on its own machine.
            if kind != Kind::Envoy {
                assert_eq!(told.verdict(), "allowed", "{kind:?}: {claim}: {}", told.text);
            }
            scene.upstream.take();
        }
    }
}

each_proxy! {
    fn a_key_with_a_long_name_and_many_scopes_passes(kind) {
        let name = |n: usize| format!("customer_support_ticket_archive_{n:02}");
        let more: String = (0..50)
            .map(|n| format!("[[resources]]\nname = \"{0}\"\npaths = [\"/{0}\"]\n", name(n)))
            .collect();
        let Some(scene) = Scene::set(kind, Backend::Sqlite, &more) else { return };
        let scopes: Vec<String> = (0..50).map(|n| format!("{0}:read {0}:write", name(n))).collect();
        let long = json!({"name": "\u{1f511}".repeat(100), "owner": "\u{1f464}".repeat(200)});
        let key = scene.server.key_with(&format!("orders:read {}", scopes.join(" ")), long);
        let told = scene.ask_with("GET /orders/7", &bearer(&key));
        assert_eq!(told.verdict(), "allowed", "{kind:?}: {}", told.text);
    }
}
