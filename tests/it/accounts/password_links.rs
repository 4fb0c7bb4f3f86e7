//! Setting a password by a link that is good once and for a day.

use std::time::Duration;

use bitting::domain::principal::Principal;
use bitting::model::user::User;
use serde_json::json;

use crate::support::binary::{Binary, command};
use crate::support::browser::PASSWORD;
use crate::support::html::{attributes, text};
use crate::support::{Browser, TestServer, on_both};

const EMAIL: &str = "bo@example.com";
const OTHER: &str = "another long password";

fn secret_for(server: &TestServer, user: &User) -> String {
    server.bitting.make_password_link(&Principal::command_line("test"), user.id).unwrap().expose()
}

fn path_of(secret: &str) -> String {
    format!("/password?token={secret}")
}

on_both! {
    fn a_link_sets_a_password_once(backend) {
        let server = TestServer::start(backend);
        let user = server.db_user(EMAIL, json!({}));
        let before = Browser::signed_in(&server.client.base, EMAIL);
        let (older, secret) = (secret_for(&server, &user), secret_for(&server, &user));
        let browser = Browser::new(&server.client.base);
        assert_eq!(browser.get(&path_of(&older)).status, 404, "only the newest is good");
        let page = browser.get(&path_of(&secret));
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"));
        assert_eq!(page.header("referrer-policy"), "strict-origin", "its address goes nowhere");
        assert_eq!(attributes(&page, "#email", "value"), [EMAIL]);
        assert!(text(&page, "#rule").contains("At least 15 characters"));
        let set = |secret: &str, password: &str| {
            browser.submit(&path_of(secret), "/password", &[("token", secret), ("password", password)])
        };
        for (password, complaint) in [("too short", "15 to 256"), ("passwordpassword", "too common"), (EMAIL, "15 to 256")] {
            let refused = set(&secret, password);
            assert_eq!(refused.status, 422);
            assert!(text(&refused, "#password-error").contains(complaint), "{refused:#?}");
            assert!(!refused.body.contains("too short") && attributes(&refused, "#password", "value").is_empty());
        }
        assert!(before.is_signed_in());
        let done = set(&secret, OTHER);
        assert_eq!((done.status, done.header("location")), (303, "/login?password=chosen"), "{done:#?}");
        assert_eq!(text(&browser.get(done.header("location")), "#notice"), "Your password has been set. Sign in with it.");
        assert!(!before.is_signed_in());
        assert_eq!(browser.get(&path_of(&secret)).status, 404);
        let login = crate::support::browser::form_token(&browser.get("/login"));
        let fields = [("form_token", &*login), ("token", &secret), ("password", PASSWORD)];
        assert_eq!(browser.post_with("/password", &fields, &[]).status, 404);
        assert_eq!(browser.log_in(EMAIL, PASSWORD).status, 401);
        assert_eq!(browser.log_in(EMAIL, OTHER).status, 303);
        for wrong in ["/password", "/password?token=", "/password?token=x"] {
            assert_eq!(browser.get(wrong).status, 404, "{wrong}");
        }
    }
}

on_both! {
    fn a_link_is_good_for_a_day(backend) {
        let server = TestServer::start(backend);
        let user = server.db_user(EMAIL, json!({}));
        let secret = secret_for(&server, &user);
        let browser = Browser::new(&server.client.base);
        server.pass(Duration::from_millis(86_399_999));
        let token = crate::support::browser::form_token(&browser.get(&path_of(&secret)));
        server.pass(Duration::from_millis(1));
        assert_eq!(browser.get(&path_of(&secret)).status, 404);
        let fields = [("form_token", &*token), ("token", &secret), ("password", OTHER)];
        assert_eq!(browser.post_with("/password", &fields, &[]).status, 404);
        assert_eq!(browser.log_in(EMAIL, PASSWORD).status, 303, "the old password stays");
    }
}

#[test]
fn a_link_is_shown_and_never_logged() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve =
        command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--log-level", "trace"]);
    serve.env("BITTING_ADMIN_EMAIL", "ada@example.com").env("BITTING_ADMIN_PASSWORD", PASSWORD);
    let server = Binary::start(serve);
    let admin = Browser::signed_in(&server.client.base, "ada@example.com");
    let added = admin.submit("/users/new", "/users/new", &[("email", EMAIL), ("role", "auditor")]);
    let link = text(&added, "#link");
    let secret = link.rsplit('=').next().unwrap();
    assert_eq!(secret.len(), 43, "{added:#?}");
    let browser = Browser::new(&server.client.base);
    browser.get(&format!("{}&x=1", path_of(secret)));
    let set =
        browser.submit(&path_of(secret), "/password", &[("token", secret), ("password", OTHER)]);
    assert_eq!(set.status, 303);
    assert_eq!(browser.get(&path_of(secret)).status, 404);
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0));
    assert!(log.contains("/password") && !log.contains(secret) && !log.contains(OTHER), "{log}");
}
