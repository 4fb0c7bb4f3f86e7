//! Lists of the longest texts, all of characters that take five in HTML: no page grows beyond what
//! people wait for.

use bitting::domain::principal::Principal;
use bitting::model::id::{PublicId, SessionId};
use bitting::model::key::NewKey;
use bitting::model::session::MOST_SESSIONS;
use bitting::model::user::NewUser;
use bitting::records::model::resources;
use serde_json::json;

use crate::support::html::texts;
use crate::support::{Backend, Browser, TestServer, on_both};

const EMAIL: &str = "ada@example.com";
/// What a page may have, in bytes.
const LARGEST: usize = 100_000;

#[track_caller]
fn assert_small(browser: &Browser, path: &str) {
    let page = browser.get(path);
    assert_eq!(page.status, 200, "{path}");
    assert!(page.body.len() <= LARGEST, "{path}: {}", page.body.len());
}

on_both! {
    fn of_a_users_sessions_the_oldest_ends_and_the_others_are_shown_in_pages(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user(EMAIL, json!({}));
        let session = |n: u128| {
            // The first are the oldest, as their ids say.
            let (id, digest) = (SessionId::from_number(n), format!("{n:064x}"));
            let digest = match backend {
                Backend::Sqlite => format!("X'{digest}'"),
                Backend::Postgres => format!("'\\x{digest}'"),
            };
            let time = "'2026-11-21 11:00:00'";
            format!("('{id}', {digest}, '{}', {time}, {time}, '192.0.2.1', '{}')", ada.id, "&".repeat(200))
        };
        let rows: Vec<String> = (1..=665).map(session).collect();
        server.database.db_execute(&format!(
            "INSERT INTO sessions (id, digest, user_id, created_at, last_seen_at, address, user_agent) VALUES {}",
            rows.join(", ")
        ));
        let browser = Browser::signed_in(&server.client.base, EMAIL);
        let sessions = |page| server.bitting.session_table(ada.id, page).unwrap();
        let (first, second) = (sessions(1), sessions(2));
        assert_eq!((first.place.total, first.place.pages), (MOST_SESSIONS, 2));
        assert_eq!(second.rows.last().unwrap().id, SessionId::from_number(665 + 2 - MOST_SESSIONS as u128));
        let ended = "FROM audit_events WHERE action = 'login.ended'";
        assert_eq!(server.database.db_number(&format!("SELECT COUNT(*) {ended}")), 666 - MOST_SESSIONS as i64);
        let newest = server.database.db_texts(&format!("SELECT detail {ended} ORDER BY id DESC LIMIT 1")).remove(0);
        assert!(newest.contains("too_many"), "{newest}");

        for path in ["/account", "/account?page=2"] {
            assert_small(&browser, path);
            assert_eq!(texts(&browser.get(path), "tbody tr").len(), 50, "{path}");
        }
        let page = browser.get("/account");
        assert_eq!(texts(&page, ".pages span"), ["1 to 50 of 100"]);
        assert_eq!(texts(&page, ".under.remark"), ["this session"]);
        assert_eq!(browser.submit("/account", "/account/sessions/end-others", &[]).status, 303);
        let page = browser.get("/account");
        assert_eq!((texts(&page, "tbody tr").len(), texts(&page, ".pages").len()), (1, 0));
    }
}

#[test]
fn no_list_is_large_whatever_its_texts() {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(EMAIL, json!({}));
    let (bitting, cli) = (&server.bitting, Principal::command_line("test"));
    let longest = |n: usize| format!("{}{n:03}", "&".repeat(97));
    let domain = format!("{0}.{0}.{0}.example", "d".repeat(55));
    for n in 0..60 {
        let email = format!("{n:03}{}@{domain}", "&".repeat(60));
        let new = NewUser::from_object(
            json!({"email": email}).as_object().unwrap(),
            &resources::catalog(),
        )
        .unwrap();
        bitting.add_user(&cli, &new, None).unwrap();
        let reason = "&".repeat(500);
        for retired in [false, true] {
            let key = json!({
                "name": longest(n), "description": "&".repeat(500), "owner": "&".repeat(200),
                "scopes": ["calls:read"],
            });
            let new = NewKey::from_object(
                key.as_object().unwrap(),
                &resources::catalog(),
                bitting.time.now(),
            )
            .unwrap();
            let key = bitting.issue_key(new, &cli, None).unwrap().key;
            server.db_token(&json!({"name": longest(n), "access": "read"}));
            if retired {
                bitting.revoke_key(key.id, Some(&reason), &cli, None).unwrap();
                let newest = bitting.list_tokens(&cli).unwrap()[0].id;
                bitting.revoke_token(newest, Some(&reason), &cli).unwrap();
            }
        }
    }
    let browser = server.db_browser(EMAIL);
    for path in
        ["/keys", "/keys/retired", "/tokens", "/tokens/retired", "/users", "/usage", "/audit"]
    {
        assert_small(&browser, path);
    }
    let name = format!("{}@{}.example", "&".repeat(64), "&".repeat(181));
    server.database.db_execute(&format!(
        "WITH RECURSIVE numbers(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers LIMIT 60) \
         INSERT INTO audit_events (at, action, actor_type, actor_name, address, request_id, detail) \
         SELECT '2026-11-21 12:00:00', 'login.failed', 'user', '{name}', '2001:db8::1', '{}', \
         '{{\"failures\":1}}' FROM numbers",
        "x".repeat(64)
    ));
    assert_small(&browser, "/audit");
    assert_small(&browser, "/audit?action=login.failed");
}

#[test]
fn a_form_that_is_shown_again_is_small_whatever_was_typed() {
    let server = TestServer::start(Backend::Sqlite);
    server.db_user(EMAIL, json!({}));
    let endless = "&".repeat(60_000);
    let stranger = Browser::new(&server.client.base);
    let again = stranger.log_in(&endless, "wrong");
    assert!(again.status == 401 && again.body.len() <= LARGEST, "{}", again.body.len());
    let browser = server.db_browser(EMAIL);
    for (form, field) in
        [("/keys/new", "description"), ("/tokens/new", "name"), ("/users/new", "email")]
    {
        let again = browser.submit(form, form, &[(field, &endless)]);
        assert!(again.status == 422 && again.body.len() <= LARGEST, "{form}: {}", again.body.len());
    }
}
