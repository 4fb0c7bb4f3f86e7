//! `/authz/…`: the same verdict at every door, who the key is, and that each judged request counts
//! once.

use serde_json::{Value, json};

use super::{TEAM, server_on, server_with};
use crate::support::client::Client;
use crate::support::{Answer, TestServer, eventually, on_both};

/// How a proxy of each family hands a request on.
pub const FAMILIES: [&str; 3] = ["nginx", "forwarded", "envoy"];

/// The four headers that say who a key is.
const IDENTITY: [&str; 4] =
    ["x-bitting-key-id", "x-bitting-key-name", "x-bitting-owner", "x-bitting-scopes"];

/// Asks at one family's door about a request, with these headers of the client's.
fn ask_with(
    client: &Client,
    family: &str,
    (method, target): (&str, &str),
    more: &[(&str, &str)],
) -> Answer {
    let (name, own, path) = match family {
        "nginx" => ("original", "GET", "/authz/nginx".to_owned()),
        "forwarded" => ("forwarded", "GET", "/authz/forwarded?x=1".to_owned()),
        _ => ("", method, format!("/authz/envoy{target}")),
    };
    let (x_method, x_uri) = (format!("x-{name}-method"), format!("x-{name}-uri"));
    let mut headers = more.to_vec();
    if !name.is_empty() {
        headers.extend([(&*x_method, method), (&*x_uri, target)]);
    }
    client.send(own, &path, &headers, None)
}

pub fn ask(server: &TestServer, family: &str, secret: &str, request: &str) -> Answer {
    let bearer = format!("Bearer {secret}");
    let request = request.split_once(' ').unwrap();
    ask_with(&server.client, family, request, &[("authorization", &bearer)])
}

/// What `/v1/verify` says of it: `allowed`, or the code of the refusal.
fn verify(server: &TestServer, secret: &str, request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let body = json!({"method": method, "path": path});
    let answer = server.client.with_key(secret, "POST", "/v1/verify", Some(&body));
    match answer.status {
        200 if answer.json()["allowed"] == true => "allowed".to_owned(),
        200 => answer.json()["code"].as_str().unwrap().to_owned(),
        _ => answer.code(),
    }
}

/// The verdict at one door; a refusal of nginx's can only be 401 or 403.
fn verdict(family: &str, answer: &Answer) -> String {
    let code = answer.header("x-bitting-code").to_owned();
    match answer.status {
        200 => {
            assert!(code.is_empty() && answer.body.is_empty(), "{answer:?}");
            "allowed".to_owned()
        }
        status => {
            assert!(family != "nginx" || [401, 403].contains(&status), "{answer:?}");
            assert!(IDENTITY.iter().all(|name| answer.header(name).is_empty()), "{answer:?}");
            assert_eq!(
                (status == 401).then(|| answer.header("www-authenticate").is_empty()),
                (status == 401).then_some(false)
            );
            assert_eq!(answer.json()["status"], status);
            assert_eq!(code, answer.code());
            code
        }
    }
}

on_both! {
    fn the_same_key_method_and_path_get_the_same_verdict_at_every_door(backend) {
        let server = server_with(backend, TEAM);
        let reader = server.key_with("orders:read calls:read analytics:read", json!({"expires_at": "2026-11-21T12:01:00Z"}));
        let writer = server.key("orders:write");
        let nothing = server.key("reports:read");
        let revoked = server.key("orders:read");
        server.revoke(&revoked);
        let reads = "GET /orders/7";
        let allowed = "allowed";
        for (key, request, expected) in [
            (&reader, reads, allowed),
            (&reader, "HEAD /orders", allowed),
            (&reader, "OPTIONS /orders", allowed),
            (&writer, "OPTIONS /orders", "insufficient_scope"),
            (&reader, "GET /api/orders/7/lines?x=1", allowed),
            (&reader, "POST /orders/search", allowed),
            (&reader, "POST /orders/7/preview", allowed),
            (&reader, "POST /orders/7", "insufficient_scope"),
            (&reader, "PUT /orders/7", "insufficient_scope"),
            (&writer, "POST /orders/search", "insufficient_scope"),
            (&writer, "POST /orders", allowed),
            (&writer, "DELETE /orders/7", allowed),
            (&writer, reads, "insufficient_scope"),
            (&nothing, reads, "insufficient_scope"),
            (&nothing, "GET /orders/status", allowed),
            (&nothing, "POST /orders/status", "insufficient_scope"),
            (&reader, "GET /orders/reports/1", "insufficient_scope"),
            (&reader, "POST /reports", "method_not_allowed"),
            (&nothing, "GET /orders/reports/1", allowed),
            (&reader, "GET /nothing", "unknown_resource"),
            (&reader, "GET /ordersx", "unknown_resource"),
            (&reader, "GET /", "unknown_resource"),
            (&reader, "GET /orders/../reports", "ambiguous_request"),
            (&reader, "GET /orders//7", "ambiguous_request"),
            (&reader, "GET /orders/%2e%2e/reports", "ambiguous_request"),
            (&reader, "GET /orders%2f7", "ambiguous_request"),
            (&reader, "GET /%6frders", "ambiguous_request"),
            (&reader, "GET /orders;x=1", "ambiguous_request"),
            (&reader, "POST /orders/search?x=1&_method=DELETE", "ambiguous_request"),
            (&reader, "GET /v1/calls", allowed),
            (&reader, "GET /v1/calls/none", allowed),
            (&reader, "POST /v1/calls", "insufficient_scope"),
            (&reader, "GET /v1/leads", "insufficient_scope"),
            (&reader, "GET /v1/analytics/overview", allowed),
            (&reader, "POST /v1/analytics/overview", "method_not_allowed"),
            (&revoked, reads, "key_revoked"),
            (&revoked, "GET /nothing", "key_revoked"),
        ] {
            for family in FAMILIES {
                for _twice in 0..2 {
                    let answer = ask(&server, family, &key.secret, request);
                    assert_eq!(verdict(family, &answer), expected, "{family}: {request}");
                }
            }
            assert_eq!(verify(&server, &key.secret, request), expected, "verify: {request}");
            let (method, path) = request.split_once(' ').unwrap();
            if path.starts_with("/v1/") {
                let answer = server.call(key, method, path, (method == "POST").then_some(&json!({})));
                let served = match answer.status {
                    401 | 403 | 405 => answer.code(),
                    _ => allowed.to_owned(),
                };
                assert_eq!(served, expected, "built in: {request}");
            }
        }
        server.pass(std::time::Duration::from_secs(61));
        for (secret, expected) in [
            (&*reader.secret, "key_expired"),
            (&reader.mistyped(), "invalid_key"),
            (&server.admin, "wrong_credential"),
        ] {
            for family in FAMILIES {
                assert_eq!(verdict(family, &ask(&server, family, secret, reads)), expected);
            }
            assert_eq!(verify(&server, secret, reads), expected);
        }
        for family in FAMILIES {
            let request = ("GET", "/orders");
            let none = ask_with(&server.client, family, request, &[]);
            assert_eq!(verdict(family, &none), "missing_key");
            let bearer = format!("Bearer {}", writer.secret);
            let both = [("authorization", &*bearer), ("x-api-key", &*writer.secret)];
            let two = ask_with(&server.client, family, request, &both);
            assert_eq!(verdict(family, &two), "multiple_credentials");
            assert_eq!(two.status, if family == "nginx" { 401 } else { 400 });
        }
    }
}

on_both! {
    fn each_door_reads_what_its_own_proxy_sets_and_nothing_else(backend) {
        let server = server_with(backend, TEAM);
        let key = server.key("orders:read");
        let bearer = format!("Bearer {}", key.secret);
        let send = |method, path, more: &[(&str, &str)]| {
            let mut headers = vec![("authorization", &*bearer)];
            headers.extend(more);
            let answer = server.client.send(method, path, &headers, None);
            (answer.status, answer.header("x-bitting-code").to_owned())
        };
        let ambiguous = (403, "ambiguous_request".to_owned());
        let original = [("x-original-method", "GET"), ("x-original-uri", "/orders")];
        let forwarded = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders")];
        for (path, own, foreign) in [
            ("/authz/nginx", original, forwarded),
            ("/authz/forwarded", forwarded, original),
        ] {
            assert_eq!(send("POST", path, &own).0, 200);
            assert_eq!(send("GET", path, &foreign), ambiguous);
            assert_eq!(send("GET", path, &own[..1]), ambiguous);
            assert_eq!(send("GET", path, &own[1..]), ambiguous);
            assert_eq!(send("GET", path, &[]), ambiguous);
            for (name, value) in own {
                assert_eq!(send("GET", path, &[own[0], own[1], (name, value)]), ambiguous);
            }
            // The client's forgery of another family's headers changes nothing.
            let delete = foreign.map(|(name, value)| (name, if value == "GET" { "DELETE" } else { value }));
            assert_eq!(send("GET", path, &[own[0], own[1], delete[0], delete[1]]).0, 200);
            for method in ["get", "GET,POST", "", "G\u{e9}T"] {
                assert_eq!(send("GET", path, &[(own[0].0, method), own[1]]), ambiguous, "{method:?}");
            }
        }
        let (method, uri) = (("x-forwarded-method", "GET"), ("x-original-uri", "/orders"));
        assert_eq!(send("DELETE", "/authz/envoy/orders", &[method, uri]).1, "insufficient_scope");
        assert_eq!(send("GET", "/authz/envoy/orders/7?x=%2e", &[]).0, 200);
        for path in ["/authz/envoy", "/authz/envoy?x=/orders", "/authz/envoyorders"] {
            assert_eq!(send("GET", path, &[uri]), ambiguous, "{path}");
        }
    }
}

on_both! {
    fn an_upstream_is_told_who_the_key_is_and_that_follows_every_change(backend) {
        let server = server_with(backend, TEAM);
        let other = server_on(server.database.clone(), TEAM);
        let owner = json!({"owner": "Zoë & Co; \u{1f511}"});
        let key = server.key_with("calls:read orders:read", owner);
        let identity = |server: &TestServer, family: &str| {
            let answer = ask(server, family, &key.secret, "GET /orders");
            assert_eq!(answer.status, 200, "{answer:?}");
            IDENTITY.map(|name| {
                assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}");
                answer.header(name).to_owned()
            })
        };
        let rename = |name: &str, owner: Value| {
            let path = format!("/v1/keys/{}", key.id);
            server.manage("PATCH", &path, Some(&json!({"name": name, "owner": owner}))).ok();
        };
        for family in FAMILIES {
            // The first answer comes from the database, the next from memory.
            for _twice in 0..2 {
                let told = identity(&server, family);
                let owner = "Zo%C3%AB%20%26%20Co%3B%20%F0%9F%94%91";
                assert_eq!(told, [&*key.id, "test", owner, "calls:read orders:read"]);
            }
            identity(&other, family);
            rename("a\u{a0}name", Value::Null);
            assert_eq!(identity(&server, family)[1..3], ["a%C2%A0name", ""]);
            eventually("the other server has heard of it", || identity(&other, family)[1] == "a%C2%A0name");
            rename("test", json!("Zoë & Co; \u{1f511}"));
        }
        // A key whose resources have all left the file has scopes that open nothing.
        let gone = server.key("reports:read");
        drop(other);
        let file = TEAM.replace("\"reports\"", "\"statistics\"");
        let server = server_on(server.stop(), &file);
        for _twice in 0..2 {
            let told = ask(&server, "nginx", &gone.secret, "GET /orders/status");
            assert_eq!(told.status, 200);
            assert_eq!(told.headers.get_all("x-bitting-scopes").iter().count(), 1);
            assert_eq!(told.header("x-bitting-scopes"), "");
        }
    }
}

on_both! {
    fn every_judged_request_counts_once_under_the_resource_it_belongs_to(backend) {
        let server = server_with(backend, TEAM);
        let key = server.key("orders:read");
        for family in FAMILIES {
            for request in
                ["GET /orders", "POST /orders/search", "GET /orders/status", "POST /orders", "GET /nothing", "GET /v1/calls"]
            {
                ask(&server, family, &key.secret, request);
            }
        }
        let usage = server.manage("GET", &format!("/v1/keys/{}/usage", key.id), None).ok();
        let counted = &usage["24h"];
        assert_eq!((&counted["total"], &counted["ok"], &counted["forbidden"]), (&json!(18), &json!(9), &json!(9)));
        let by_resource = &counted["by_resource"];
        assert_eq!((&by_resource["orders"]["read"], &by_resource["orders"]["write"]), (&json!(9), &json!(3)));
        assert_eq!((&by_resource["calls"]["read"], &by_resource["other"]["read"]), (&json!(3), &json!(3)));
        server.db_flush();
        let errors = server.manage("GET", &format!("/v1/keys/{}/errors", key.id), None).ok();
        let failed = errors["data"].as_array().unwrap();
        for (method, route, code) in [
            ("GET", json!("/v1/calls"), "insufficient_scope"),
            ("GET", Value::Null, "unknown_resource"),
            ("POST", json!("/orders"), "insufficient_scope"),
        ] {
            let same = |failed: &&Value| (&failed["method"], &failed["route"]) == (&json!(method), &route);
            let found: Vec<_> = failed.iter().filter(same).collect();
            assert!(found.len() == 3 && found.iter().all(|f| f["code"] == code), "{failed:?}");
        }
    }
}

on_both! {
    fn preflight_requests_pass_without_a_key_where_the_file_allows_it(backend) {
        let server = server_with(backend, &format!("preflight = \"allow\"\n{TEAM}"));
        let key = server.key("orders:write");
        for family in FAMILIES {
            let preflight = |target| ask_with(&server.client, family, ("OPTIONS", target), &[]);
            let passed = preflight("/orders/7");
            assert_eq!(passed.status, 200);
            assert!(IDENTITY.iter().all(|name| passed.headers.get_all(*name).iter().count() == 1));
            assert!(IDENTITY.iter().all(|name| passed.header(name).is_empty()));
            assert_eq!(verdict(family, &preflight("/nothing")), "missing_key");
            assert_eq!(verdict(family, &preflight("/orders/../x")), "missing_key");
            assert_eq!(ask(&server, family, &key.secret, "OPTIONS /orders").status, 200);
            let get = ask_with(&server.client, family, ("GET", "/orders"), &[]);
            assert_eq!(verdict(family, &get), "missing_key");
        }
        assert_eq!(server.total(&key), 0);
    }
}
