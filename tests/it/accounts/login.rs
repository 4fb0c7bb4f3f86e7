//! Signing in and out, and the sessions between.

use std::time::Duration;

use bitting::domain::Error;
use bitting::model::actor::ClientInfo;
use bitting::model::password::Password;
use bitting::model::user::{Role, UserChange};
use serde_json::{Value, json};

use crate::support::browser::PASSWORD;
use crate::support::server::operator;
use crate::support::{Backend, Browser, TestServer, on_both};

const EMAIL: &str = "ada@example.com";
const OTHER_PASSWORD: &str = "another long password";
const HOUR: Duration = Duration::from_secs(3600);

fn actions(server: &TestServer) -> Vec<Value> {
    let found = server.manage("GET", "/v1/audit?limit=100", None).ok();
    let events = found["data"].as_array().unwrap().iter();
    let events = events.filter(|event| event["action"].as_str().unwrap().starts_with("login."));
    events.cloned().collect()
}

on_both! {
    fn somebody_signs_in_and_out(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user(EMAIL, json!({}));
        let browser = Browser::new(&server.client.base);
        assert!(!browser.is_signed_in());
        let wrong = browser.log_in(EMAIL, "not the right password");
        assert_eq!(wrong.status, 401);
        // Readers of screens are led to what is wrong.
        assert!(wrong.body.contains("id=\"complaint\" tabindex=\"-1\" autofocus>"));
        assert!(wrong.body.contains("The e-mail address or the password is wrong. Try again."));
        assert!(wrong.body.contains("value=\"ada@example.com\""));
        assert!(!wrong.body.contains("not the right password"));

        let signed_in = browser.log_in("  ADA@example.com ", PASSWORD);
        assert_eq!((signed_in.status, signed_in.header("location")), (303, "/keys"));
        assert_eq!(signed_in.header("cache-control"), "no-store");
        let home = browser.get("/keys");
        assert!(home.body.contains(EMAIL) && home.body.contains("admin"), "{home:#?}");
        assert_eq!(home.header("content-type"), "text/html; charset=utf-8");

        let before = browser.session();
        let signed_out = browser.submit("/keys", "/logout", &[]);
        assert_eq!((signed_out.status, signed_out.header("location")), (303, "/login"));
        assert!(!browser.cookies().contains_key(&browser.session_cookie()));
        browser.plant_session(&before);
        assert!(!browser.is_signed_in(), "the old cookie after signing out");

        let events = actions(&server);
        let told: Vec<&str> = events.iter().map(|e| e["action"].as_str().unwrap()).collect();
        assert_eq!(told, ["login.ended", "login.succeeded", "login.failed"]);
        assert_eq!(events[1]["actor"]["id"], json!(ada.id));
        assert_eq!(events[1]["address"], "127.0.0.1");
        assert_eq!(events[2]["actor"], json!({"type": "user", "id": null, "name": EMAIL}));
        assert!(events[2]["request_id"].is_string());
    }
}

on_both! {
    fn of_a_session_and_a_password_only_digests_are_stored(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let browser = Browser::signed_in(&server.client.base, EMAIL);
        let secret = browser.session();
        assert_eq!(secret.len(), 43);
        let stored = server.database.db_texts("SELECT password FROM users");
        assert!(stored[0].starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let length = "SELECT MAX(LENGTH(digest)) FROM sessions";
        assert_eq!(server.database.db_number(length), 32);
        if backend == Backend::Sqlite {
            let folder = server.database.folder();
            for file in std::fs::read_dir(folder).unwrap() {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                for text in [&secret, PASSWORD] {
                    assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
                }
            }
        }
    }
}

on_both! {
    fn a_session_ends_after_12_hours_idle_and_after_7_days_in_all(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let idle = Browser::signed_in(&server.client.base, EMAIL);
        server.pass(12 * HOUR - Duration::from_millis(1));
        assert!(idle.is_signed_in());
        server.pass(12 * HOUR);
        assert!(!idle.is_signed_in());

        let busy = Browser::signed_in(&server.client.base, EMAIL);
        for _ in 0..7 * 24 - 1 {
            server.pass(HOUR);
            assert!(busy.is_signed_in());
        }
        server.pass(HOUR);
        assert!(!busy.is_signed_in());
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM sessions"), 2);
        assert!(!server.bitting.sweep_accounts().unwrap());
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM sessions"), 0);
    }
}

on_both! {
    fn a_sessions_last_request_is_noted_once_a_minute(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user(EMAIL, json!({}));
        let browser = Browser::signed_in(&server.client.base, EMAIL);
        let seen = || server.bitting.session_table(ada.id, 1).unwrap().rows[0].last_seen_at;
        let at_first = seen();
        server.pass(Duration::from_secs(59));
        assert!(browser.is_signed_in());
        assert_eq!(seen(), at_first);
        server.pass(Duration::from_secs(1));
        assert!(browser.is_signed_in());
        assert_eq!((seen() - at_first).num_seconds(), 60);
    }
}

on_both! {
    fn sessions_are_listed_and_ended_one_by_one(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user(EMAIL, json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        let mut first = Browser::new(&server.client.base);
        first.headers.push(("user-agent".to_owned(), "First/1.0".to_owned()));
        first.log_in(EMAIL, PASSWORD);
        let second = Browser::signed_in(&server.client.base, EMAIL);
        let sessions = server.bitting.session_table(ada.id, 1).unwrap().rows;
        assert_eq!(sessions.len(), 2);
        assert_eq!(sessions[1].user_agent.as_deref(), Some("First/1.0"));
        assert_eq!(sessions[1].address.as_deref(), Some("127.0.0.1"));

        let (ada, bo) = (server.db_principal(&ada), server.db_principal(&bo));
        let refused = server.bitting.end_session(&bo, sessions[1].id);
        assert!(matches!(refused, Err(Error::NotFound)), "somebody else's session");
        let denied = server.manage("GET", "/v1/audit?action=access.denied", None).ok();
        assert_eq!(denied["data"][0]["detail"]["attempt"], "session.ended");
        assert!(first.is_signed_in());
        server.bitting.end_session(&ada, sessions[1].id).unwrap();
        assert!(!first.is_signed_in() && second.is_signed_in());
    }
}

on_both! {
    fn signing_in_ends_the_browsers_session_before(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user(EMAIL, json!({}));
        server.db_user("bo@example.com", json!({}));
        let browser = Browser::signed_in(&server.client.base, EMAIL);
        let before = browser.session();
        browser.log_in(EMAIL, PASSWORD);
        assert_ne!(browser.session(), before);
        assert_eq!(server.bitting.session_table(ada.id, 1).unwrap().rows.len(), 1);
        let events = actions(&server);
        let (begun, replaced) = (&events[2]["detail"]["session_id"], &events[1]);
        let told: Vec<&str> = events.iter().map(|e| e["action"].as_str().unwrap()).collect();
        assert_eq!(told, ["login.succeeded", "login.ended", "login.succeeded"]);
        assert_eq!(replaced["detail"], json!({"session_id": begun, "reason": "replaced"}));

        // Whoever signs in, the one who was signed in is who it is about.
        browser.log_in("bo@example.com", PASSWORD);
        let replaced = &actions(&server)[1];
        assert_eq!((&replaced["action"], &replaced["actor"]["name"]), (&json!("login.ended"), &json!(EMAIL)));
        browser.plant_session(&before);
        assert!(!browser.is_signed_in());
        browser.log_in(EMAIL, PASSWORD);
        assert_eq!(actions(&server)[1]["action"], "login.succeeded", "it had ended before");
    }
}

on_both! {
    fn sessions_end_with_the_password_and_with_the_user(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        let sign_in = || Browser::signed_in(&server.client.base, "bo@example.com");
        let (one, two) = (sign_in(), sign_in());

        // Changed by themselves: the answer is the one session that is left.
        let client = ClientInfo::default();
        let change = |present: &str, chosen: &str| {
            server.bitting.change_password(&server.db_principal(&bo), &bo, (present, chosen), &client)
        };
        assert!(matches!(change("wrong", OTHER_PASSWORD), Err(Error::WrongPassword)));
        assert!(matches!(change(PASSWORD, "too short"), Err(Error::Invalid(_))));
        assert!(one.is_signed_in() && two.is_signed_in());
        let renewed = change(PASSWORD, OTHER_PASSWORD).unwrap();
        assert!(!one.is_signed_in() && !two.is_signed_in());
        one.plant_session(&renewed.secret.expose());
        assert!(one.is_signed_in());
        assert_eq!(two.log_in("bo@example.com", PASSWORD).status, 401);

        // Set by an administrator.
        let password = Password::choose(PASSWORD, &bo.email).unwrap();
        server.bitting.set_password(&operator(), bo.id, &password).unwrap();
        assert!(!one.is_signed_in());

        let three = sign_in();
        server.bitting.disable_user(&operator(), bo.id, None).unwrap();
        assert!(!three.is_signed_in());
        assert_eq!(two.log_in("bo@example.com", PASSWORD).status, 401);
        server.bitting.enable_user(&operator(), bo.id).unwrap();
        assert!(!three.is_signed_in(), "enabling revives no session");
        sign_in();
    }
}

on_both! {
    fn a_role_counts_from_the_next_request_on(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        let browser = Browser::signed_in(&server.client.base, "bo@example.com");
        assert!(browser.get("/keys").body.contains("(member)"));
        let change = UserChange { role: Some(Role::Auditor), may_grant: None };
        server.bitting.change_user(&operator(), bo.id, &change).unwrap();
        assert!(browser.get("/keys").body.contains("(auditor)"));
    }
}

on_both! {
    fn an_unknown_user_costs_as_many_hashes_as_a_known_one(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        server.bitting.disable_user(&operator(), bo.id, None).unwrap();
        let browser = Browser::new(&server.client.base);
        let answer = |email: &str| {
            let before = server.bitting.hasher.hashes();
            let answer = browser.log_in(email, "not the right password");
            assert_eq!(server.bitting.hasher.hashes() - before, 1, "{email}");
            let body = answer.body.replace(email, "");
            let token = crate::support::browser::form_token(&answer);
            (answer.status, body.replace(&token, ""))
        };
        let known = answer(EMAIL);
        assert_eq!(known.0, 401);
        for unknown in ["nobody@example.com", "bo@example.com", "nobody"] {
            assert_eq!(answer(unknown), known, "{unknown}");
        }
        let before = server.bitting.hasher.hashes();
        assert_eq!(browser.log_in("bo@example.com", PASSWORD).status, 401);
        assert_eq!(server.bitting.hasher.hashes() - before, 1, "disabled, with the right password");
    }
}

on_both! {
    fn a_cheaper_hash_is_renewed_at_login(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        // "password", from the test vectors of Argon2's reference implementation.
        let cheap = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ\
                     $nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        server.database.db_execute(&format!("UPDATE users SET password = '{cheap}'"));
        let browser = Browser::new(&server.client.base);
        assert_eq!(browser.log_in(EMAIL, "wrong").status, 401);
        let stored = || server.database.db_texts("SELECT password FROM users").remove(0);
        assert_eq!(stored(), cheap);
        assert_eq!(browser.log_in(EMAIL, "password").status, 303);
        assert!(stored().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(browser.log_in(EMAIL, "password").status, 303);
    }
}

on_both! {
    fn a_password_is_set_by_a_link_once(backend) {
        let server = TestServer::start(backend);
        server.db_user(EMAIL, json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        let browser = Browser::signed_in(&server.client.base, "bo@example.com");
        let make = || server.bitting.make_password_link(&operator(), bo.id).unwrap();
        let client = ClientInfo::default();
        let (replaced, link) = (make(), make());
        let refused = server.bitting.use_password_link(&replaced, OTHER_PASSWORD, &client);
        assert!(matches!(refused, Err(Error::NotFound)), "a newer link was made");
        let refused = server.bitting.use_password_link(&link, "too short", &client);
        assert!(matches!(refused, Err(Error::Invalid(_))));
        assert!(browser.is_signed_in());
        server.bitting.use_password_link(&link, OTHER_PASSWORD, &client).unwrap();
        assert!(!browser.is_signed_in());
        let again = server.bitting.use_password_link(&link, PASSWORD, &client);
        assert!(matches!(again, Err(Error::NotFound)));
        assert_eq!(browser.log_in("bo@example.com", OTHER_PASSWORD).status, 303);

        let late = make();
        server.pass(24 * HOUR);
        let refused = server.bitting.use_password_link(&late, PASSWORD, &client);
        assert!(matches!(refused, Err(Error::NotFound)), "a day later");
        let link = make();
        server.bitting.disable_user(&operator(), bo.id, None).unwrap();
        let refused = server.bitting.use_password_link(&link, PASSWORD, &client);
        assert!(matches!(refused, Err(Error::NotFound)), "disabled meanwhile");
    }
}
