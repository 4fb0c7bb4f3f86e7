//! One's own account: what one is, changing the password, and one's sessions.

use serde_json::json;

use crate::support::browser::{PASSWORD, form_token};
use crate::support::html::{attributes, text, texts};
use crate::support::{Backend, Browser, TestServer, on_both};

const EMAIL: &str = "bo@example.com";
const OTHER: &str = "another long password";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

fn start(backend: Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user("ada@example.com", json!({}));
    server.db_user(EMAIL, json!({"role": "member", "may_grant": ["calls:read"]}));
    let browser = Browser::signed_in(&server.client.base, EMAIL);
    (server, browser)
}

fn with_firefox(server: &TestServer) -> Browser {
    let mut browser = Browser::new(&server.client.base);
    browser.headers.push(("user-agent".to_owned(), FIREFOX.to_owned()));
    assert_eq!(browser.log_in(EMAIL, PASSWORD).status, 303);
    browser
}

on_both! {
    fn a_password_is_changed_by_who_knows_the_present_one(backend) {
        let (server, browser) = start(backend);
        let elsewhere = with_firefox(&server);
        let change = |present: &str, chosen: &str| {
            browser.submit("/account", "/account/password", &[("current_password", present), ("password", chosen)])
        };
        for (present, chosen, id) in [("wrong", OTHER, "current_password"), (PASSWORD, "short", "password"), (PASSWORD, "passwordpassword", "password")] {
            let refused = change(present, chosen);
            assert_eq!((refused.status, attributes(&refused, "#faults a", "href")), (422, vec![format!("#{id}")]), "{refused:#?}");
            assert_ne!(text(&refused, &format!("#{id}-error")), "");
            assert!(!refused.body.contains(PASSWORD) && !refused.body.contains(OTHER));
        }
        assert!(elsewhere.is_signed_in());
        let session = browser.session();
        let changed = change(PASSWORD, OTHER);
        assert_eq!((changed.status, changed.header("location")), (303, "/account?changed=password"), "{changed:#?}");
        assert_ne!(browser.session(), session);
        assert_ne!(text(&browser.get("/account?changed=password"), "#changed"), "");
        assert_eq!(text(&browser.get("/account"), "#changed"), "");
        assert!(!elsewhere.is_signed_in());
        assert_eq!(elsewhere.log_in(EMAIL, PASSWORD).status, 401);
        assert_eq!(elsewhere.log_in(EMAIL, OTHER).status, 303);
    }
}

on_both! {
    fn guessing_the_present_password_is_slowed_down(backend) {
        let (_server, browser) = start(backend);
        let fields = [("current_password", "wrong"), ("password", OTHER)];
        let statuses: Vec<u16> = (0..6).map(|_| browser.submit("/account", "/account/password", &fields).status).collect();
        assert_eq!(statuses, [422, 422, 422, 422, 422, 429]);
    }
}

on_both! {
    fn a_wrong_present_password_costs_one_hash_and_keeps_nobody_from_signing_in(backend) {
        let (server, browser) = start(backend);
        let fields = [("current_password", "wrong"), ("password", OTHER)];
        let token = form_token(&browser.get("/account"));
        let cookie = browser.session();
        let guess = || {
            let other = Browser::new(&server.client.base);
            other.plant_session(&cookie);
            let fields = [fields[0], fields[1], ("form_token", &token)];
            other.post_with("/account/password", &fields, &[("origin", &server.client.base)]).status
        };
        let before = server.bitting.hasher.hashes();
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let guesses: Vec<_> = (0..24).map(|_| scope.spawn(guess)).collect();
            let signed_in = Browser::new(&server.client.base).log_in("ada@example.com", PASSWORD);
            assert_eq!(signed_in.status, 303);
            guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
        });
        let count = |status| statuses.iter().filter(|given| **given == status).count();
        assert_eq!((count(422), count(429)), (5, 19), "{statuses:?}");
        assert_eq!(server.bitting.hasher.hashes() - before, 5 + 1);
    }
}

on_both! {
    fn sessions_are_listed_and_ended(backend) {
        let (server, browser) = start(backend);
        let firefox = with_firefox(&server);
        let third = with_firefox(&server);
        let ada = Browser::signed_in(&server.client.base, "ada@example.com");
        let page = browser.get("/account");
        assert_eq!(texts(&page, "#role, #grants"), ["member", "calls read"]);
        let rows = texts(&page, "tbody tr");
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert_eq!(rows[0], "Firefox on Linux 127.0.0.1 just now just now End");
        assert!(rows[2].contains("this session") && rows[2].ends_with("Sign out"), "{rows:?}");
        assert_eq!(texts(&page, ".under.remark"), ["this session"]);
        let ends = attributes(&page, "tbody form", "action");
        // Somebody else's session is none of theirs.
        assert_eq!(ada.submit("/account", &ends[0], &[]).status, 303);
        assert!(third.is_signed_in());
        assert_eq!(browser.submit("/account", &ends[0], &[]).header("location"), "/account");
        assert!(!third.is_signed_in() && firefox.is_signed_in());
        assert_eq!(browser.submit("/account", "/account/sessions/end-others", &[]).status, 303);
        assert!(!firefox.is_signed_in() && browser.is_signed_in() && ada.is_signed_in());
        let page = browser.get("/account");
        assert!(!page.body.contains("end-others"));
        let this = attributes(&page, "tbody form", "action").remove(0);
        let out = browser.submit("/account", &this, &[]);
        assert_eq!((out.status, out.header("location")), (303, "/login"));
        assert!(!browser.is_signed_in());
        let ended = server.manage("GET", "/v1/audit?action=login.ended", None).ok();
        assert_eq!(ended["data"].as_array().unwrap().len(), 3);
    }
}

on_both! {
    fn sessions_that_have_ended_by_their_time_are_ended_without_a_word(backend) {
        let (server, browser) = start(backend);
        let _old = Browser::signed_in(&server.client.base, EMAIL);
        server.pass(std::time::Duration::from_secs(60 * 86_400));
        assert!(!browser.is_signed_in());
        let new = Browser::signed_in(&server.client.base, EMAIL);
        assert_eq!(new.submit("/account", "/account/sessions/end-others", &[]).status, 303);
        assert!(new.is_signed_in() && server.events("login.ended").is_empty());
    }
}

on_both! {
    fn whoever_types_wrong_passwords_too_often_is_told_so_in_the_form(backend) {
        let (_server, browser) = start(backend);
        let fields = [("current_password", "wrong"), ("password", OTHER)];
        let change = || browser.submit("/account", "/account/password", &fields);
        assert!((0..5).all(|_| change().status == 422));
        let limited = change();
        assert_eq!((limited.status, limited.header("retry-after")), (429, "30"));
        let said = text(&limited, "#current_password-error");
        assert_eq!(said, "Too many failed attempts; try again in 30 s.");
    }
}
