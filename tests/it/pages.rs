//! What guards the pages: where a form comes from, whose it is, and which cookies count.

use bitting::config::Options;
use bitting::http::endpoint::Guard;
use bitting::http::routes::endpoints;
use serde_json::json;

use crate::support::browser::{PASSWORD, form_token};
use crate::support::{Backend, Browser, TestDatabase, TestServer};

const EMAIL: &str = "ada@example.com";

fn start() -> TestServer {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(EMAIL, json!({}));
    server
}

#[test]
fn of_two_origins_one_is_a_lie() {
    let server = start();
    let browser = Browser::signed_in(&server.client.base, EMAIL);
    let token = form_token(&browser.get("/keys"));
    let both = [("origin", &*server.client.base), ("origin", "http://evil.example")];
    assert_eq!(browser.post_with("/logout", &[("form_token", &token)], &both).status, 403);
    assert!(browser.is_signed_in());
}

#[test]
fn another_method_is_refused_with_those_that_are_offered() {
    let server = start();
    let browser = Browser::signed_in(&server.client.base, EMAIL);
    for endpoint in endpoints() {
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
        (None, "bitting_session", false),
        (Some("http://keys.example.com"), "bitting_session", false),
        (Some("https://keys.example.com"), "__Host-bitting_session", true),
    ] {
        let options = Options { public_url: public_url.map(str::to_owned), ..Options::default() };
        let server = TestServer::on(TestDatabase::new(Backend::Sqlite).into(), options);
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
        assert!(value.starts_with(&format!("{name}=")), "{cookie}");
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
    browser.plant("bitting_session", planted);
    assert!(!browser.is_signed_in());
    browser.log_in(EMAIL, PASSWORD);
    assert_ne!(browser.cookies()["bitting_session"], planted);
    assert!(browser.is_signed_in());
    let secret = browser.cookies()["bitting_session"].clone();

    // Beside the real one, under the same name: nobody can tell which is which.
    let both = format!("bitting_session={secret}; bitting_session={planted}");
    let answer = server.client.send("GET", "/keys", &[("cookie", &both)], None);
    assert_eq!(answer.status, 303);
    // A visitor's cookie is no session, and a session none of another name.
    for name in ["bitting_visitor", "session", "__Host-bitting_session"] {
        let cookie = format!("{name}={secret}");
        let answer = server.client.send("GET", "/keys", &[("cookie", &cookie)], None);
        assert_eq!(answer.status, 303, "{name}");
    }
}

#[test]
fn keys_open_no_page_and_sessions_no_api() {
    let server = start();
    let browser = Browser::signed_in(&server.client.base, EMAIL);
    let key = server.key("calls:read");
    for credential in [&key.secret, &server.admin] {
        let bearer = format!("Bearer {credential}");
        let cookie = format!("bitting_session={credential}");
        for header in [("authorization", &*bearer), ("x-api-key", credential), ("cookie", &cookie)]
        {
            let answer = server.client.send("GET", "/keys", &[header], None);
            assert_eq!((answer.status, answer.header("set-cookie")), (303, ""), "{header:?}");
        }
    }
    for path in ["/v1/keys", "/v1/calls", "/v1/whoami", "/v1/audit"] {
        browser.get(path).expect(401, "missing_key");
        let secret = &browser.cookies()["bitting_session"];
        server.client.with_key(secret, "GET", path, None).expect(401, "invalid_key");
    }
}

#[test]
fn pages_are_kept_out_of_frames_and_caches_and_tell_no_other_site() {
    let server = start();
    let browser = Browser::signed_in(&server.client.base, EMAIL);
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
