//! The first administrator: by a link that is good once, or from the environment.

use std::time::Duration;

use bitting::domain::Error;
use bitting::model::actor::ClientInfo;
use bitting::model::random_secret::RandomSecret;
use serde_json::json;

use crate::support::binary::{Binary, command, run_ok};
use crate::support::browser::PASSWORD;
use crate::support::{Backend, Browser, TestServer, eventually, on_both};

const EMAIL: &str = "ada@example.com";

fn page_of(link: &RandomSecret) -> String {
    format!("/setup?token={}", link.expose())
}

on_both! {
    fn a_setup_link_makes_one_administrator(backend) {
        let server = TestServer::start(backend);
        let make = || server.bitting.make_setup_link().unwrap();
        let (link, other) = (make().unwrap(), make().unwrap());
        let page = page_of(&link);
        let token = link.expose();
        let browser = Browser::new(&server.client.base);
        let policy = browser.get(&page).header("referrer-policy").to_owned();
        assert_eq!(policy, "strict-origin", "its address goes nowhere");
        for (email, password, complaint) in [
            ("ada", PASSWORD, "The e-mail address must be"),
            (EMAIL, "too short", "The password must be 15"),
            (EMAIL, "passwordpassword", "The password is too common"),
        ] {
            let fields = [("token", &*token), ("email", email), ("password", password)];
            let answer = browser.submit(&page, "/setup", &fields);
            assert_eq!(answer.status, 422, "{answer:#?}");
            assert!(answer.body.contains(&format!("autofocus>{complaint}")), "{answer:#?}");
            assert!(answer.body.contains(&format!("value=\"{email}\"")) && !answer.body.contains(password));
        }
        let fields = [("token", &*token), ("email", EMAIL), ("password", PASSWORD)];
        let answer = browser.submit(&page, "/setup", &fields);
        assert_eq!((answer.status, answer.header("location")), (303, "/keys"), "{answer:#?}");
        assert!(browser.get("/keys").body.contains("(admin)"));

        let used = browser.get(&page);
        assert_eq!(used.status, 404);
        assert!(used.body.contains("Sign in at /login") && !used.body.contains("Start the"), "{used:#?}");
        assert_eq!(browser.get(&page_of(&other)).status, 404, "there is a user now");
        let login = crate::support::browser::form_token(&browser.get("/login"));
        let again = [("form_token", &*login), ("token", &token), ("email", "b@example.com"),
                     ("password", PASSWORD)];
        assert_eq!(browser.post_with("/setup", &again, &[]).status, 404);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM users"), 1);
        assert!(make().is_none());
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM one_time_links"), 0);
        let created = server.manage("GET", "/v1/audit?action=user.created", None).ok();
        assert_eq!(created["data"][0]["actor"], json!({"type": "user", "id": null, "name": EMAIL}));
    }
}

on_both! {
    fn a_setup_link_is_good_for_an_hour(backend) {
        let server = TestServer::start(backend);
        let link = server.bitting.make_setup_link().unwrap().unwrap();
        let browser = Browser::new(&server.client.base);
        server.pass(Duration::from_millis(3_599_999));
        assert_eq!(browser.get(&page_of(&link)).status, 200);
        server.pass(Duration::from_millis(1));
        let late = browser.get(&page_of(&link));
        assert_eq!(late.status, 404);
        assert!(late.body.contains("Restart the server") && !late.body.contains("Sign in at"), "{late:#?}");
        for wrong in ["/setup", "/setup?token=", "/setup?token=x"] {
            assert_eq!(browser.get(wrong).status, 404, "{wrong}");
        }
    }
}

on_both! {
    fn of_many_who_set_up_at_once_one_does(backend) {
        let server = TestServer::start(backend);
        let links: Vec<_> =
            (0..6).map(|_| server.bitting.make_setup_link().unwrap().unwrap()).collect();
        let made = std::thread::scope(|scope| {
            let tries: Vec<_> = links
                .iter()
                .chain([&links[0]])
                .enumerate()
                .map(|(n, link)| {
                    let email = format!("user{n}@example.com");
                    let bitting = &server.bitting;
                    scope.spawn(move || bitting.set_up(link, &email, PASSWORD, &ClientInfo::default()))
                })
                .collect();
            let ended = tries.into_iter().map(|one| one.join().unwrap());
            ended
                .filter(|made| {
                    assert!(matches!(made, Ok(_) | Err(Error::NotFound)));
                    made.is_ok()
                })
                .count()
        });
        assert_eq!(made, 1);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM users"), 1);
    }
}

#[test]
fn the_server_prints_a_link_while_there_is_no_user() {
    let folder = tempfile::tempdir().unwrap();
    let printed = |server: &Binary, base: &str| {
        let begin = format!("{base}/setup?token=");
        let token = || Some(server.log().split_once(&begin)?.1.split_once('\n')?.0.to_owned());
        eventually("the link is printed", || token().is_some());
        token().unwrap()
    };
    let server = Binary::serve(folder.path(), &["--public-url", "https://keys.example.com"]);
    printed(&server, "https://keys.example.com");
    drop(server);

    let server = Binary::serve(folder.path(), &["--log-level", "trace"]);
    let token = printed(&server, &server.client.base);
    let browser = Browser::new(&server.client.base);
    let fields = [("token", &*token), ("email", EMAIL), ("password", PASSWORD)];
    let answer = browser.submit(&format!("/setup?token={token}"), "/setup", &fields);
    assert_eq!(answer.status, 303, "{answer:#?}");
    assert!(browser.is_signed_in());
    let session = browser.session();
    let (code, log) = server.terminate();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches(&token).count(), 1, "printed, and never logged: {log}");
    assert!(!log.contains(&session) && !log.contains(PASSWORD), "{log}");

    let server = Binary::serve(folder.path(), &[]);
    let (_, log) = server.terminate();
    assert!(!log.contains("/setup"), "{log}");
}

#[test]
fn the_environment_makes_the_first_administrator_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |email: &str, password: &str| {
        let mut command = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
        command.env("BITTING_ADMIN_EMAIL", email).env("BITTING_ADMIN_PASSWORD", password);
        command
    };
    let refused = serve(EMAIL, "short").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("BITTING_ADMIN_PASSWORD") && !said.contains("short"), "{said}");
    assert!(!folder.path().join("bitting.db").exists());

    let server = Binary::start(serve(EMAIL, PASSWORD));
    Browser::signed_in(&server.client.base, EMAIL);
    let (_, log) = server.terminate();
    assert!(!log.contains("/setup"), "{log}");
    let server = Binary::start(serve("eve@example.com", "another long password"));
    let eve = Browser::new(&server.client.base);
    assert_eq!(eve.log_in("eve@example.com", "another long password").status, 401);
    Browser::signed_in(&server.client.base, EMAIL);
    drop(server);
    assert_eq!(run_ok(folder.path(), &["user", "list", "--json"]).lines().count(), 1);
}

#[test]
fn a_form_of_another_browser_sets_nothing_up() {
    let server = TestServer::start(Backend::Sqlite);
    let link = server.bitting.make_setup_link().unwrap().unwrap();
    let (mine, theirs) = (Browser::new(&server.client.base), Browser::new(&server.client.base));
    mine.get("/login");
    let foreign = crate::support::browser::form_token(&theirs.get("/login"));
    let fields = [
        ("form_token", &*foreign),
        ("token", &link.expose()),
        ("email", EMAIL),
        ("password", PASSWORD),
    ];
    assert_eq!(mine.post_with("/setup", &fields, &[]).status, 403);
    assert_eq!(theirs.post_with("/setup", &fields, &[]).status, 303);
}
