//! What guards the pages: where a form comes from, whose it is, and which cookies count.

use std::sync::Arc;

use bitting::config::Options;
use bitting::http::endpoint::Guard;
use bitting::server::endpoints;
use serde_json::json;

use crate::support::browser::{PASSWORD, form_token};
use crate::support::{Backend, Browser, TestDatabase, TestServer, raw};

const EMAIL: &str = "ada@example.com";

fn start() -> TestServer {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(EMAIL, json!({}));
    server
}

#[test]
fn of_two_origins_one_is_a_lie() {
    let server = start();
    let browser = server.db_browser(EMAIL);
    let token = form_token(&browser.get("/keys"));
    let both = [("origin", &*server.client.base), ("origin", "http://evil.example")];
    assert_eq!(browser.post_with("/logout", &[("form_token", &token)], &both).status, 403);
    assert!(browser.is_signed_in());
}

#[test]
fn another_method_is_refused_with_those_that_are_offered() {
    let server = start();
    let browser = server.db_browser(EMAIL);
    for endpoint in endpoints(true) {
        if !matches!(endpoint.guard(), Guard::Page(_)) {
            continue;
        }
        let offered: Vec<&str> = endpoint.methods().iter().map(|method| method.as_str()).collect();
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            if offered.contains(&method) {
                continue;
            }
            let answer = browser.send(method, endpoint.path(), &[], None);
            assert_eq!(answer.status, 405, "{method} {}", endpoint.path());
            assert_eq!(answer.header("allow"), format!("{}, OPTIONS", offered.join(", ")));
        }
        let options = browser.send("OPTIONS", endpoint.path(), &[], None);
        assert_eq!(options.status, 204);
    }
    assert!(browser.is_signed_in(), "GET /logout signs nobody out");
}

#[test]
fn a_page_for_users_asks_to_sign_in_and_goes_on_afterwards() {
    let server = start();
    let browser = Browser::new(&server.client.base);
    let asked = browser.get("/keys?status=active&q=a%20b");
    let login = asked.header("location").to_owned();
    assert_eq!(
        (asked.status, &*login),
        (303, "/login?next=%2Fkeys%3Fstatus%3Dactive%26q%3Da%2520b")
    );
    let page = browser.get(&login);
    assert!(
        page.body.contains("name=\"next\" value=\"/keys?status=active&#38;q=a%20b\""),
        "{page:#?}"
    );
    let token = form_token(&page);
    let log_in = |next: &str| {
        let fields =
            [("form_token", &*token), ("email", EMAIL), ("password", PASSWORD), ("next", next)];
        browser.post_with("/login", &fields, &[]).header("location").to_owned()
    };
    assert_eq!(log_in("/keys?status=active&q=a%20b"), "/keys?status=active&q=a%20b");
    for foreign in ["//evil.example", "https://evil.example", "/\\evil.example", "/\n/evil"] {
        assert_eq!(log_in(foreign), "/keys", "{foreign}");
        let page = browser.get(&format!("/login?next={}", foreign.replace('\n', "%0A")));
        assert!(page.body.contains("name=\"next\" value=\"\""), "{foreign}");
    }
    assert_eq!(browser.get("/").header("location"), "/keys");
    let posted = Browser::new(&server.client.base).post_with("/logout", &[], &[]);
    assert_eq!((posted.status, posted.header("location")), (303, "/login"));
}

#[test]
fn what_is_typed_is_escaped() {
    let server = start();
    let browser = Browser::new(&server.client.base);
    let answer = browser.log_in("\"><script>alert(1)</script>", "x");
    assert_eq!(answer.status, 401);
    assert!(!answer.body.contains("<script>"), "{answer:#?}");
}

#[test]
fn cookies_are_for_this_host_and_no_script() {
    for (public_url, name, secure) in [
        (None, "bitting_session_", false),
        (Some("http://keys.example.com"), "bitting_session=", false),
        (Some("http://keys.example.com:8081"), "bitting_session_8081=", false),
        (Some("https://keys.example.com"), "__Host-bitting_session=", true),
        (Some("https://keys.example.com:8443"), "__Host-bitting_session_8443=", true),
    ] {
        let options = Options { public_url: public_url.map(str::to_owned), ..Options::default() };
        let server = TestServer::on(TestDatabase::migrated(Backend::Sqlite).into(), options);
        server.db_user(EMAIL, json!({}));
        let browser = Browser::new(&server.client.base);
        let token = form_token(&browser.get("/login"));
        let fields = [("form_token", &*token), ("email", EMAIL), ("password", PASSWORD)];
        if let Some(url) = public_url {
            let elsewhere = [("origin", &*server.client.base)];
            assert_eq!(browser.post_with("/login", &fields, &elsewhere).status, 403);
            assert_eq!(browser.post_with("/login", &fields, &[("origin", url)]).status, 303);
        }
        let answer = browser.post_with("/login", &fields, &[]);
        let cookie = answer.header("set-cookie");
        let (value, attributes) = cookie.split_once("; ").unwrap();
        assert!(value.starts_with(name), "{cookie}");
        let mut attributes: Vec<&str> = attributes.split("; ").collect();
        attributes.sort_unstable();
        let expected = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"];
        let expected: Vec<_> = expected.into_iter().filter(|a| *a != "Secure" || secure).collect();
        assert_eq!(attributes, expected, "{cookie}");
    }
}

#[test]
fn a_planted_cookie_counts_for_nothing() {
    let server = start();
    let planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let browser = Browser::new(&server.client.base);
    browser.plant_session(planted);
    assert!(!browser.is_signed_in());
    browser.log_in(EMAIL, PASSWORD);
    assert_ne!(browser.session(), planted);
    assert!(browser.is_signed_in());
    let secret = browser.session();

    // Beside the real one, under the same name: nobody can tell which is which.
    let name = browser.session_cookie();
    let both = format!("{name}={secret}; {name}={planted}");
    let answer = server.client.send("GET", "/keys", &[("cookie", &both)], None);
    assert_eq!(answer.status, 303);
    // A visitor's cookie is no session, and a session none of another name.
    let visitor = name.replace("session", "visitor");
    for name in [&*visitor, "session", "bitting_session", "bitting_session_1"] {
        let cookie = format!("{name}={secret}");
        let answer = server.client.send("GET", "/keys", &[("cookie", &cookie)], None);
        assert_eq!(answer.status, 303, "{name}");
    }
}

/// The status of `/keys` for a browser that sends these bytes as its cookies.
fn status_with(server: &TestServer, cookies: &[u8]) -> u16 {
    let head = b"GET /keys HTTP/1.1\r\nHost: keys.example.com\r\nConnection: close\r\nCookie: ";
    let request = [head, cookies, b"\r\n\r\n"].concat();
    raw::status(&raw::exchange(server.address, &request))
}

/// Browsers let a neighbouring host set what is not literally called `__Host-…`, and a cookie with
/// any bytes in it.
#[test]
fn what_other_hosts_can_set_is_neither_taken_for_a_session_nor_in_its_way() {
    let public_url = Some("https://keys.example.com".to_owned());
    let options = Options { public_url, ..Options::default() };
    let server = TestServer::on(TestDatabase::migrated(Backend::Sqlite).into(), options);
    server.db_user(EMAIL, json!({}));
    let browser = Browser::new(&server.client.base);
    let token = form_token(&browser.get("/login"));
    let fields = [("form_token", &*token), ("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(browser.post_with("/login", &fields, &[]).status, 303);
    let secret = browser.cookies()["__Host-bitting_session"].clone();
    let own = format!("__Host-bitting_session={secret}");
    assert_eq!(status_with(&server, own.as_bytes()), 200);

    for name in ["%5F_Host-bitting_session", "__Host%2Dbitting_session", "__host-bitting_session"] {
        let planted = format!("{name}={secret}");
        assert_eq!(status_with(&server, planted.as_bytes()), 303, "{name}");
        let beside = format!("{name}=AAAA; {own}");
        assert_eq!(status_with(&server, beside.as_bytes()), 200, "{name} beside ours");
    }
    for other in [&b"a=\xff"[..], b"\xc3\x28=b", b"=;;", b"a=%ff%", b"a"] {
        let cookies = [other, b"; ", own.as_bytes()].concat();
        assert_eq!(status_with(&server, &cookies), 200, "{other:?}");
        let cookies = [own.as_bytes(), b";", other].concat();
        assert_eq!(status_with(&server, &cookies), 200, "{other:?}");
    }
}

#[test]
fn two_servers_on_one_host_are_signed_in_to_at_once() {
    let (one, other) = (start(), start());
    let browser = Browser::signed_in(&one.client.base, EMAIL);
    let second = Browser::new(&other.client.base);
    // Browsers send what one port has set to all of them.
    let carry = |from: &Browser, to: &Browser| {
        from.cookies().iter().for_each(|(name, value)| to.plant(name, value));
    };
    carry(&browser, &second);
    assert_eq!(second.log_in(EMAIL, PASSWORD).status, 303);
    carry(&second, &browser);
    assert!(browser.is_signed_in() && second.is_signed_in());
    second.submit("/keys", "/logout", &[]);
    carry(&second, &browser);
    assert!(browser.is_signed_in() && !second.is_signed_in());
}

/// A proxy that adds `Referrer-Policy: no-referrer` to pages makes browsers hide where their forms
/// come from.
#[test]
fn a_hidden_origin_is_accepted_where_the_browser_says_that_it_is_ours() {
    let server = start();
    let browser = server.db_browser(EMAIL);
    let token = form_token(&browser.get("/keys"));
    let log_out = |token: &str, site: &[(&str, &str)]| {
        let headers = [&[("origin", "null")], site].concat();
        browser.post_with("/logout", &[("form_token", token)], &headers)
    };
    for site in ["cross-site", "same-site", "none", "same-origin, cross-site"] {
        assert_eq!(log_out(&token, &[("sec-fetch-site", site)]).status, 403, "{site}");
    }
    let untold = log_out(&token, &[]);
    assert_eq!(untold.status, 403);
    assert!(untold.body.contains("Referrer-Policy: no-referrer"), "{untold:#?}");
    let same = [("sec-fetch-site", "same-origin")];
    assert_eq!(log_out("AAAA", &same).status, 403);
    assert!(browser.is_signed_in());
    assert_eq!(log_out(&token, &same).status, 303);
    assert!(!browser.is_signed_in());
}

#[test]
fn keys_open_no_page_and_sessions_no_api() {
    let server = start();
    let browser = server.db_browser(EMAIL);
    let (key, name) = (server.key("calls:read"), browser.session_cookie());
    for credential in [&key.secret, &server.admin] {
        let bearer = format!("Bearer {credential}");
        let cookie = format!("{name}={credential}");
        for header in [("authorization", &*bearer), ("x-api-key", credential), ("cookie", &cookie)]
        {
            let answer = server.client.send("GET", "/keys", &[header], None);
            assert_eq!((answer.status, answer.header("set-cookie")), (303, ""), "{header:?}");
        }
    }
    for path in ["/v1/keys", "/v1/calls", "/v1/whoami", "/v1/audit"] {
        browser.get(path).expect(401, "missing_key");
        let secret = &browser.session();
        server.client.with_key(secret, "GET", path, None).expect(401, "invalid_key");
    }
}

#[test]
fn pages_are_kept_out_of_frames_and_caches_and_tell_no_other_site() {
    let server = start();
    let browser = server.db_browser(EMAIL);
    for path in ["/login", "/keys", "/setup", "/setup?token=x"] {
        let answer = browser.get(path);
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(browser.send("HEAD", path, &[], None).status, answer.status);
    }
}

/// Browsers then ask for nothing without TLS, not even the first time somebody types the name.
#[test]
fn an_https_address_is_remembered_by_browsers() {
    for (public_url, remembered) in [
        (Some("https://keys.example.com"), true),
        (Some("http://keys.example.com"), false),
        (None, false),
    ] {
        let options = Options { public_url: public_url.map(str::to_owned), ..Options::default() };
        let server = TestServer::on(Arc::new(TestDatabase::migrated(Backend::Sqlite)), options);
        for path in ["/login", "/keys", "/", "/nothing", "/assets/none"] {
            let answer = server.client.send("GET", path, &[], None);
            let said = answer.headers.get("strict-transport-security");
            assert_eq!(said.is_some(), remembered, "{public_url:?} {path}: {answer:?}");
            assert!(said.is_none_or(|said| said == "max-age=31536000"));
        }
    }
}
