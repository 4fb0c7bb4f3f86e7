//! What a client claims, and how it spells what it asks for: the API gets who the key is from Bitting
//! alone, and never another request than the one that was judged.

use bitting::model::catalog::{Catalog, Resource};
use bitting::model::scope::Access;

use super::{Scene, bearer, each_proxy};
use crate::support::Backend;
use crate::support::proxy::Kind;
use crate::support::upstream::Seen;

/// Headers that change nothing, each of them a claim about the key, the request or the connection.
const CLAIMS: [&str; 30] = [
    "X-Bitting-Scopes: reports:read orders:write",
    "x-bitting-scopes: orders:write",
    "X-BITTING-SCOPES: orders:write\r\nX-Bitting-Scopes: reports:read",
    "X_Bitting_Scopes: orders:write",
    "X-Bitting_Scopes: orders:write",
    "x_bitting-scopes: orders:write",
    "X.Bitting.Scopes: orders:write",
    "x-bitting.scopes: orders:write",
    "X-Bitting-Key-Id: someone\r\nX_Bitting_Key_Id: someone",
    "X-Bitting-Key-Name: someone\r\nX-Bitting-Key-Name: else",
    "X-Bitting-Owner: someone",
    "X-Bitting-Owner:",
    "X-Bitting-Code: none",
    "X-Original-Method: GET\r\nX-Original-URI: /orders",
    "X-Original-Method: DELETE\r\nX-Original-URI: /reports",
    "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /orders",
    "X-Forwarded-Method: DELETE\r\nX-Forwarded-Uri: /reports",
    "x-forwarded-uri: /orders\r\nx-forwarded-uri: /orders",
    "X_Forwarded_Method: DELETE\r\nX_Original_URI: /reports",
    "X-Original-URL: /reports\r\nX-Rewrite-URL: /reports",
    "X-HTTP-Method-Override: DELETE",
    "X-HTTP-Method: DELETE\r\nX-Method-Override: DELETE",
    "X-Forwarded-For: 127.0.0.1",
    "Connection: close, X-Bitting-Scopes, X-Bitting-Key-Id",
    "Connection: close, X-Forwarded-Method, X-Forwarded-Uri",
    "Connection: close, X-Original-Method, X-Original-URI",
    "Connection: close, Authorization",
    "Connection: X-Bitting-Owner\r\nConnection: close, x-bitting-scopes",
    "Connection: close\r\nKeep-Alive: X-Bitting-Scopes\r\nTE: trailers",
    "Proxy-Connection: X-Bitting-Scopes\r\nTrailer: X-Bitting-Scopes",
];

/// Headers of which the API would believe what was not judged.
const BELIEVED: [&str; 10] = [
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "upgrade",
];

#[track_caller]
fn assert_claims_nothing(kind: Kind, seen: &Seen) {
    for (name, _) in seen.headers() {
        let plain = name.to_lowercase().replace(['_', '.'], "-");
        assert!(!BELIEVED.contains(&&*plain), "{kind:?}: {name} in {seen:#?}");
        let is_spelled_otherwise = plain != name.to_lowercase();
        let claims = is_spelled_otherwise && plain.starts_with("x-bitting-");
        assert!(!claims, "{kind:?}: {name} in {seen:#?}");
    }
}

each_proxy! {
    fn what_a_client_claims_changes_no_verdict_and_goes_no_further(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let key = scene.server.key("orders:read");
        for claim in CLAIMS {
            let headers = format!("{}{claim}\r\n", bearer(&key));
            let told = scene.ask_with("GET /orders/7", &headers);
            let verdict = told.verdict();
            // Envoy takes off what is named there before it asks.
            if verdict == "missing_key" && claim.ends_with(", Authorization") {
                scene.nothing_served(claim);
                continue;
            }
            assert_eq!(verdict, "allowed", "{kind:?}: {claim}: {}", told.text);
            let seen = scene.served(&key, [&key.id, "test", "", "orders:read"]);
            assert_claims_nothing(kind, &seen);
            assert_eq!(seen.target(), "/orders/7", "{kind:?}: {claim}");
            // The claims before the key, and after it.
            for headers in [headers, format!("{claim}\r\n{}", bearer(&key))] {
                for refused in ["DELETE /orders/7", "GET /reports", "GET /nothing"] {
                    let told = scene.ask_with(refused, &headers);
                    assert_eq!(told.status, 403, "{kind:?}: {claim}: {refused}: {}", told.text);
                    scene.nothing_served(claim);
                }
            }
            let told = scene.ask_with("GET /orders", &format!("{claim}\r\n"));
            assert_eq!(told.verdict(), "missing_key", "{kind:?}: {claim}: {}", told.text);
            scene.nothing_served(claim);
        }
    }
}

each_proxy! {
    fn a_connection_never_becomes_one_that_nobody_judges(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let key = scene.server.key("orders:read");
        for upgrade in ["h2c", "websocket", "anything"] {
            let headers = format!(
                "{}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: {upgrade}\r\n\
                 HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                bearer(&key)
            );
            let told = scene.ask_with("GET /orders", &headers);
            assert_ne!(told.status, 101, "{kind:?}: {}", told.text);
            for seen in scene.upstream.take() {
                assert_claims_nothing(kind, &seen);
                let connection = seen.all("connection").join(",").to_lowercase();
                assert!(!connection.contains("upgrade"), "{kind:?}: {seen:#?}");
            }
        }
        for method in ["CONNECT", "TRACE", "get", "Delete", "GET,DELETE", "PROPFIND", "X"] {
            for target in ["/orders", "api.example.com:80", "*"] {
                scene.ask(&key, &format!("{method} {target}"));
                scene.nothing_served(method);
            }
        }
    }
}

/// Targets between `/orders` and `/reports`, spelled so that programs read them differently.
const TARGETS: [&str; 47] = [
    "/orders/Reports/1",
    "/ORDERS/reports",
    "/orders/REPORTS?x=1",
    "/orders/../reports",
    "/orders/../reports/1",
    "/orders/./../reports",
    "/orders/..",
    "/orders/x/../../reports",
    "/orders//../reports",
    "//orders/../reports",
    "//reports",
    "//orders",
    "///reports",
    "/orders//7",
    "/./reports",
    "/.//reports",
    "/orders/%2e%2e/reports",
    "/orders/%2E%2e/reports",
    "/orders/.%2e/reports",
    "/orders/%2e/x",
    "/orders/..%2freports",
    "/orders/..%2Freports",
    "/orders%2f..%2freports",
    "/orders%2F7",
    "/orders/%252e%252e/reports",
    "/orders/%252e%252e%252freports",
    "/orders/..%5creports",
    "/orders/..\\reports",
    "/orders\\..\\reports",
    "\\reports",
    "/orders;/../reports",
    "/orders/..;/reports",
    "/orders/..;x=1/reports",
    "/orders;x=1",
    "/orders/7#/../../reports",
    "/orders%23/../reports",
    "/orders/%00/../reports",
    "/orders/%c0%ae%c0%ae/reports",
    "/%6frders",
    "/%72eports",
    "/orders/\u{ff0e}\u{ff0e}/reports",
    "http://api.example.com/orders/../reports",
    "http://api.example.com//reports",
    "http://api.example.com\\reports",
    "http://api.example.com#/orders",
    "http://api.example.com",
    "/_bitting",
];

/// Targets that are what they look like.
const PLAIN: [(&str, &str); 7] = [
    ("/orders", "/orders"),
    ("/orders/", "/orders/"),
    ("/orders?next=/../reports&x=%2e%2e", "/orders?next=/../reports&x=%2e%2e"),
    ("/orders?a=//b;c#d", ""),
    ("/orders/a%20b/100%25", "/orders/a%20b/100%25"),
    ("/orders/%c3%a9", "/orders/%c3%a9"),
    ("/orders/a:b@c!$&'()*+,=~", "/orders/a:b@c!$&'()*+,=~"),
];

/// A path as the most helpful program might read it: decoded again and again, in lower case, with
/// backslashes for slashes, without parameters, and resolved.
fn most_helpfully(target: &str) -> String {
    let mut path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    for _again in 0..3 {
        // In too many bytes, some take these for a dot and a slash.
        let path_bytes = path.to_lowercase().replace("%c0%ae", ".").replace("%c0%af", "/");
        let decoded = percent_encoding::percent_decode_str(&path_bytes).decode_utf8_lossy();
        path = decoded.replace('\\', "/").to_lowercase();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Whether everybody takes this request for one that needs `orders:read`.
fn reads_orders(catalog: &Catalog, seen: &Seen) -> bool {
    let is_orders = |resource: &Resource| resource.name.as_str() == "orders";
    let needed = catalog.requirement(seen.method(), seen.target());
    let needs_read = needed.is_ok_and(|needed| {
        needed.access == Access::Read && catalog.find(needed.resource).is_some_and(is_orders)
    });
    needs_read && catalog.at_path(&most_helpfully(seen.target())).is_some_and(is_orders)
}

each_proxy! {
    fn the_api_is_asked_for_nothing_but_what_was_judged(kind) {
        let Some(scene) = Scene::set(kind, Backend::Sqlite, "") else { return };
        let key = scene.server.key("orders:read");
        let catalog = &scene.server.bitting.catalog;
        for target in TARGETS {
            let absolute = format!("http://api.example.com{target}");
            for target in [target, &absolute] {
                for method in ["GET", "OPTIONS", "HEAD"] {
                    let told = scene.ask(&key, &format!("{method} {target}"));
                    for seen in scene.upstream.take() {
                        assert!(reads_orders(catalog, &seen), "{kind:?}: {target}: {seen:#?}");
                    }
                    assert!(told.status < 500, "{kind:?}: {target}: {}", told.text);
                }
            }
        }
        for (target, served) in PLAIN {
            let absolute = format!("http://api.example.com{target}");
            for target in [target, &absolute] {
                let told = scene.ask(&key, &format!("GET {target}"));
                let seen = scene.upstream.take();
                if served.is_empty() {
                    assert!(seen.iter().all(|seen| reads_orders(catalog, seen)), "{kind:?}: {seen:#?}");
                    continue;
                }
                assert_eq!(told.verdict(), "allowed", "{kind:?}: {target}: {}", told.text);
                let targets: Vec<&str> = seen.iter().map(Seen::target).collect();
                assert_eq!(targets, [served], "{kind:?}: {target}");
            }
        }
    }
}
