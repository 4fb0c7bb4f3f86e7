//! What either side sees of the other's headers.

use bitting::config::Options;
use serde_json::json;

use super::{ask, before, head, with};
use crate::support::server::MadeKey;
use crate::support::{Backend, Origin, TestServer, on_both, raw};

/// A server behind a gateway that trusts nobody, and a key.
fn start(upstream: &Origin) -> (TestServer, MadeKey) {
    let server = before(upstream, Backend::Sqlite);
    let key = server.key("calls:read calls:write");
    (server, key)
}

on_both! {
    fn the_upstream_is_told_whose_key_it_is_by_bitting_alone(backend) {
        let upstream = Origin::polite();
        let server = before(&upstream, backend);
        let key = server.key_with(
            "calls:read leads:read leads:write",
            json!({"name": "Zoë's \"key\", 100 %", "owner": "ops@example.com"}),
        );
        let bare = server.key("calls:read");
        let forged = "X-Bitting-Key-Id: forged\r\nx-bitting-key-id: forged\r\n\
             X_Bitting_Key_Id: forged\r\nX-Bitting_Owner: forged\r\nX-BITTING-OWNER: forged\r\n\
             X-Bitting-Scopes: forged\r\nX-Bitting-Scopes: forged\r\nX-Bitting-Else: forged\r\n\
             Connection: X-Bitting-Key-Id, x-bitting-owner, X-Bitting-Scopes, close\r\n";
        for more in ["", forged] {
            ask(&server, "GET /v1/calls", &key, more);
            let seen = upstream.last();
            assert_eq!(seen.header("X-Bitting-Key-Id"), key.id);
            assert_eq!(seen.header("X-Bitting-Key-Name"), "Zo%C3%AB%27s%20%22key%22%2C%20100%20%25");
            assert_eq!(seen.header("X-Bitting-Owner"), "ops%40example.com");
            assert_eq!(seen.header("X-Bitting-Scopes"), "calls:read leads:read leads:write");
            let text = seen.text();
            let names = text.lines().filter_map(|line| Some(line.split_once(": ")?.0));
            assert!(!text.contains("forged") && !names.collect::<String>().contains('_'), "{text}");
        }
        ask(&server, "GET /v1/calls", &bare, forged);
        let seen = upstream.last();
        assert_eq!(seen.all("X-Bitting-Owner"), [""], "set even where it is empty");
        assert_eq!(seen.header("X-Bitting-Key-Id"), bare.id);
    }
}

on_both! {
    fn a_changed_label_is_told_from_then_on(backend) {
        let upstream = Origin::polite();
        let server = before(&upstream, backend);
        let key = server.key_with("calls:read", json!({"name": "before"}));
        ask(&server, "GET /v1/calls", &key, "");
        assert_eq!(upstream.last().header("X-Bitting-Key-Name"), "before");
        let change = json!({"name": "after", "owner": "me"});
        server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&change)).ok();
        ask(&server, "GET /v1/calls", &key, "");
        assert_eq!(upstream.last().header("X-Bitting-Key-Name"), "after");
        assert_eq!(upstream.last().header("X-Bitting-Owner"), "me");
    }
}

#[test]
fn no_form_of_the_credential_is_forwarded_unless_that_was_said() {
    let upstream = Origin::polite();
    let (server, key) = start(&upstream);
    let pass_credential = Some("true".to_owned());
    let passing =
        with(&upstream, Backend::Sqlite, Options { pass_credential, ..Options::default() });
    let passed = passing.key("calls:read");
    let basic = |secret: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{secret}:"))
    };
    let forms = |secret: &str| {
        [
            format!("Authorization: Bearer {secret}"),
            format!("AUTHORIZATION: bearer  {secret}"),
            format!("Authorization: Token token=\"{secret}\""),
            format!("Authorization: Basic {}", basic(secret)),
            format!("Authentication: Bearer {secret}"),
            format!("Authentication: AccessToken: {secret}"),
            format!("apikey: {secret}"),
            format!("X-Api-Key: {secret}"),
        ]
    };
    let send = |server: &TestServer, form: &str| {
        let asked =
            format!("GET /v1/calls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{form}\r\n\r\n");
        let answer = raw::exchange(server.gateway(), asked.as_bytes());
        assert_eq!(raw::status(&answer), 200, "{form}: {answer}");
        upstream.last()
    };
    for form in forms(&key.secret) {
        let text = send(&server, &form).text().to_lowercase();
        assert!(!text.contains(&key.secret.to_lowercase()), "{form}: {text}");
        let name = form.split(':').next().unwrap().to_lowercase();
        assert!(!text.contains(&format!("\n{name}:")), "{form}: {text}");
    }
    for form in forms(&passed.secret) {
        let (name, value) = form.split_once(':').unwrap();
        assert_eq!(send(&passing, &form).header(name), value.trim(), "{form}");
    }
}

#[test]
fn what_belongs_to_one_connection_stays_on_it() {
    let upstream = Origin::answering(|_| {
        "HTTP/1.1 200 OK\r\nConnection: x-private, Keep-Alive\r\nX-Private: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: keep-alive\r\n\
         Trailer: X-Sum\r\nUpgrade: h2c\r\nTE: trailers\r\nContent-Length: 0\r\n\
         Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-Bytes: \u{fc}\r\nLocation: http://x/\r\n\
         WWW-Authenticate: Basic realm=\"theirs\"\r\nServer: them\r\nX-Bitting-Own: theirs\r\n\
         Cache-Control: max-age=60\r\nX_Theirs: kept\r\n\r\n"
    });
    let (server, key) = start(&upstream);
    let more = "Connection: keep-alive, X-Private, Foo, close\r\nX-Private: 1\r\nfoo: 2\r\n\
                Keep-Alive: 5\r\nTE: trailers\r\nTrailer: X\r\nProxy-Authorization: Basic eA==\r\n\
                Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
                Cookie: a=1\r\nAccept: a/b\r\nAccept: c/d\r\nX-Bytes: \u{fc}\r\nX_Under: 1\r\n";
    let answer = ask(&server, "GET /v1/calls", &key, more);
    let seen = upstream.last();
    for name in [
        "connection",
        "x-private",
        "foo",
        "keep-alive",
        "te",
        "trailer",
        "proxy-authorization",
        "proxy-connection",
        "upgrade",
        "http2-settings",
        "x_under",
        "transfer-encoding",
    ] {
        assert!(seen.all(name).is_empty(), "{name}: {}", seen.text());
    }
    assert_eq!(seen.header("cookie"), "a=1");
    assert_eq!(seen.all("accept"), ["a/b", "c/d"]);
    assert!(seen.head.windows(2).any(|two| two == "\u{fc}".as_bytes()));
    assert_eq!(seen.header("host"), upstream.address.to_string());

    let answer = answer.to_lowercase();
    for name in [
        "x-private",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "trailer",
        "upgrade",
        "te",
    ] {
        assert!(!answer.contains(&format!("\n{name}:")), "{name}: {answer}");
    }
    for kept in [
        "set-cookie: a=1; path=/",
        "set-cookie: b=2",
        "x-bytes: \u{fc}",
        "location: http://x/",
        "www-authenticate: basic realm=\"theirs\"",
        "server: them",
        "x-bitting-own: theirs",
        "cache-control: max-age=60, private",
        "x_theirs: kept",
    ] {
        assert!(answer.contains(&format!("\n{kept}\r\n")), "{kept}: {answer}");
    }
    for ours in ["x-content-type-options", "content-security-policy", "referrer-policy", "no-store"]
    {
        assert!(!answer.contains(ours), "{ours}: {answer}");
    }
}

#[test]
fn where_a_request_comes_from_is_said_anew_to_strangers_and_after_what_a_proxy_says() {
    let upstream = Origin::polite();
    let (server, key) = start(&upstream);
    let claims = "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: forged\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 3.3.3.3\r\n\
                  Forwarded: for=4.4.4.4;host=forged\r\nVia: 1.1 other\r\n";
    ask(&server, "GET /v1/calls", &key, claims);
    let seen = upstream.last();
    assert_eq!(seen.header("X-Forwarded-For"), "127.0.0.1");
    assert_eq!(seen.header("X-Forwarded-Proto"), "http");
    assert_eq!(seen.header("X-Forwarded-Host"), "api.example");
    assert_eq!(seen.header("Forwarded"), "for=127.0.0.1;proto=http;host=\"api.example\"");
    assert_eq!(seen.header("Via"), "1.1 other, 1.1 bitting");
    assert!(seen.all("X-Forwarded-Port").is_empty() && seen.all("X-Real-IP").is_empty());

    let trusted_proxies = Some("127.0.0.0/8".to_owned());
    let server =
        with(&upstream, Backend::Sqlite, Options { trusted_proxies, ..Options::default() });
    let key = server.key("calls:read");
    ask(&server, "GET /v1/calls", &key, claims);
    let seen = upstream.last();
    assert_eq!(seen.header("X-Forwarded-For"), "1.1.1.1, 2.2.2.2, 127.0.0.1");
    assert_eq!(seen.header("X-Forwarded-Proto"), "https");
    assert_eq!(seen.header("X-Forwarded-Host"), "forged");
    assert_eq!(seen.header("X-Real-IP"), "3.3.3.3");
    let forwarded = "for=4.4.4.4;host=forged, for=127.0.0.1;proto=http;host=\"api.example\"";
    assert_eq!(seen.header("Forwarded"), forwarded);
    // A form that the proxy does not use would only name the proxy.
    ask(&server, "GET /v1/calls", &key, "X-Forwarded-For: 1.1.1.1\r\n");
    let seen = upstream.last();
    assert_eq!(seen.header("X-Forwarded-For"), "1.1.1.1, 127.0.0.1");
    assert!(seen.all("Forwarded").is_empty(), "{}", seen.text());
    ask(&server, "GET /v1/calls", &key, "Forwarded: for=1.1.1.1\r\n");
    let seen = upstream.last();
    assert!(seen.all("X-Forwarded-For").is_empty(), "{}", seen.text());
    assert!(seen.header("Forwarded").starts_with("for=1.1.1.1, for=127.0.0.1;"));
}

#[test]
fn who_comes_by_a_socket_has_no_address_to_append() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.sock");
    let upstream = Origin::polite();
    let claims = "Connection: close\r\nX-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 3.3.3.3\r\n";
    for (proxies, forwarded_for, real_ip) in
        [("0.0.0.0/0,::/0", &[][..], &[][..]), ("unix", &["1.1.1.1"], &["3.3.3.3"])]
    {
        let options = Options {
            gateway_listen: vec![format!("unix:{}", path.display())],
            trusted_proxies: Some(proxies.to_owned()),
            ..Options::default()
        };
        let server = with(&upstream, Backend::Sqlite, options);
        let key = server.key("calls:read");
        let asked = head("GET /v1/calls", &key, claims);
        let answer = raw::exchange_at(&path, asked.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        let seen = upstream.last();
        assert_eq!(seen.all("X-Forwarded-For"), forwarded_for, "{proxies}");
        assert_eq!(seen.all("X-Real-IP"), real_ip, "{proxies}");
        assert!(seen.all("Forwarded").is_empty(), "{}", seen.text());
        assert_eq!(seen.header("X-Forwarded-Host"), "api.example");
        server.stop();
        assert!(!path.exists(), "it goes with its server");
    }
}

#[test]
fn a_request_has_one_id_on_all_sides() {
    let upstream = Origin::polite();
    let (server, key) = start(&upstream);
    let id = |answer: &str| {
        let answer = answer.to_lowercase();
        let line = answer.lines().find_map(|line| line.strip_prefix("x-request-id: "));
        line.unwrap().to_owned()
    };
    let answer = ask(&server, "GET /v1/calls", &key, "");
    assert_eq!(upstream.last().header("x-request-id"), id(&answer));
    let answer = ask(&server, "GET /v1/calls", &key, "X-Request-Id: mine-1\r\n");
    assert_eq!(
        (upstream.last().header("x-request-id").as_str(), &*id(&answer)),
        ("mine-1", "mine-1")
    );
    // One that holds a key is replaced on both sides.
    ask(&server, "GET /v1/calls", &key, &format!("X-Request-Id: {}\r\n", key.secret));
    assert!(!upstream.last().text().contains(&key.secret));
}

#[test]
fn no_header_makes_another_request_of_the_one_that_was_judged() {
    let upstream = Origin::polite();
    let (server, key) = start(&upstream);
    let overrides = "X-HTTP-Method: DELETE\r\nx-http-method-override: DELETE\r\n\
         X-Method-Override: DELETE\r\nX-Original-URL: /v1/leads\r\nX-Rewrite-URL: /v1/leads\r\n\
         X-Original-Method: DELETE\r\nX-Original-URI: /v1/leads\r\n\
         X-Forwarded-Method: DELETE\r\nX-Forwarded-Uri: /v1/leads\r\n\
         X-HTTP.Method-Override: DELETE\r\nX-Bitting.Owner: delete\r\nX!Bitting-Scopes: delete\r\n";
    ask(&server, "GET /v1/calls", &key, overrides);
    let text = upstream.last().text().to_lowercase();
    assert!(!text.contains("delete") && !text.contains("/v1/leads"), "{text}");
}

#[test]
fn an_answer_to_a_key_is_for_no_cache_that_others_share() {
    for (said, kept) in [
        ("", "private"),
        ("Cache-Control: max-age=60\r\n", "max-age=60, private"),
        (
            "Cache-Control: Public, max-age=60\r\ncache-control: s-maxage=90\r\n",
            "max-age=60, private",
        ),
        ("Cache-Control: no-store\r\n", "no-store"),
        ("Cache-Control: Private, max-age=5, S-MaxAge = 9\r\n", "Private, max-age=5"),
        (
            "Cache-Control: private=\"x, public\", max-age=5\r\n",
            "private=\"x, public\", max-age=5, private",
        ),
        (
            "X-Accel-Expires: 60\r\nSurrogate-Control: max-age=60\r\nCDN-Cache-Control: max-age=9\r\n\
             Cloudflare-CDN-Cache-Control: max-age=9\r\nEdge-Control: max-age=9\r\n",
            "private",
        ),
    ] {
        let upstream = Origin::answering(move |_| {
            format!("HTTP/1.1 200 OK\r\n{said}Content-Length: 2\r\n\r\nhi")
        });
        let (server, key) = start(&upstream);
        let answer = ask(&server, "GET /v1/calls", &key, "").to_lowercase();
        let lines: Vec<&str> =
            answer.lines().filter_map(|line| line.strip_prefix("cache-control: ")).collect();
        assert_eq!(lines, [kept.to_lowercase()], "{said}");
        assert!(!answer.contains("expires") && !answer.contains("surrogate"), "{answer}");
        assert!(!answer.contains("cdn-") && !answer.contains("edge-"), "{answer}");
    }
}
