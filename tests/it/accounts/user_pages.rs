//! The pages of users: who sees them, adding, changing, disabling and enabling somebody.

use bitting::domain::principal::Principal;
use bitting::model::user::NewUser;
use bitting::records::model::resources;
use serde_json::json;

use crate::support::browser::PASSWORD;
use crate::support::html::{attributes, text, texts};
use crate::support::{Backend, Browser, TestServer, on_both};

const ADMIN: &str = "ada@example.com";
const MEMBER: &str = "bo@example.com";
const AUDITOR: &str = "di@example.com";

fn start(backend: Backend) -> (TestServer, Browser) {
    let server = TestServer::start(backend);
    server.db_user(ADMIN, json!({"role": "admin"}));
    let browser = server.db_browser(ADMIN);
    (server, browser)
}

on_both! {
    fn each_role_sees_its_pages(backend) {
        let (server, admin) = start(backend);
        let member = server.db_user(MEMBER, json!({"may_grant": ["calls:read", "calls:write"]}));
        server.db_user(AUDITOR, json!({"role": "auditor"}));
        let bo = server.db_browser(MEMBER);
        let auditor = server.db_browser(AUDITOR);
        bo.submit("/keys/new", "/keys/new", &[("name", "x"), ("expires", "7d"), ("scope", "calls:read")]);
        let page = format!("/users/{}", member.id);
        for (path, admins, members, auditors) in [
            ("/users", 200, 403, 200),
            ("/users/new", 200, 403, 403),
            (&*page, 200, 403, 403),
            (&*format!("{page}/disable"), 200, 403, 403),
            ("/users/user_00000000000000000000000000", 404, 403, 403),
            ("/users/x", 404, 403, 403),
            ("/tokens", 200, 403, 200),
            ("/tokens/new", 200, 403, 403),
            ("/notifications", 200, 403, 403),
            ("/account", 200, 200, 200),
        ] {
            let statuses = [&admin, &bo, &auditor].map(|browser| browser.get(path).status);
            assert_eq!(statuses, [admins, members, auditors], "{path}");
            assert_eq!(Browser::new(&server.client.base).get(path).status, 303, "{path}");
        }
        let names = |browser: &Browser| texts(&browser.get("/keys"), "nav[aria-label=Main] a");
        assert_eq!(names(&admin), ["Keys", "Usage", "Audit log", "Users", "Tokens", "Connections", "Notifications", "API"]);
        assert_eq!(names(&auditor), ["Keys", "Usage", "Audit log", "Users", "Tokens", "Connections", "API"]);
        assert_eq!(names(&bo), ["Keys", "Usage", "Audit log", "Connections", "API"]);

        let shown = admin.get("/users");
        assert_eq!(
            texts(&shown, "tbody tr"),
            [
                "di@example.com auditor nothing 0 just now Active",
                "bo@example.com member calls read write 1 just now Active",
                "ada@example.com this is you admin everything 0 just now Active",
            ]
        );
        assert_eq!(attributes(&shown, "tbody a.name", "href").len(), 3);
        let read = auditor.get("/users");
        assert_eq!(texts(&read, "tbody tr").len(), 3);
        assert_eq!(attributes(&read, "main a, main form", "href"), [""; 0]);
    }
}

on_both! {
    fn somebody_is_added_and_gets_a_link_once(backend) {
        let (server, admin) = start(backend);
        assert_eq!(text(&admin.get("/users"), "#empty h2"), "You are the only user");
        let form = admin.get("/users/new");
        assert_eq!(attributes(&form, "input[name=role][checked]", "value"), ["member"]);
        assert_eq!(attributes(&form, "input[name=may_grant][checked]", "value"), [""; 0]);
        let add = |fields: &[(&str, &str)]| admin.submit("/users/new", "/users/new", fields);

        let wrong = add(&[("email", "bo"), ("role", "king"), ("may_grant", "calls:read"), ("may_grant", "*")]);
        assert_eq!((wrong.status, attributes(&wrong, "#faults a", "href")), (422, vec!["#email".into(), "#role".into(), "#may_grant".into()]));
        assert_eq!(attributes(&wrong, "#email", "value"), ["bo"]);
        assert_eq!(attributes(&wrong, "#email", "aria-invalid"), ["true"]);
        assert_eq!(attributes(&wrong, "input[name=may_grant][checked]", "value"), ["calls:read"]);
        let none = add(&[("email", MEMBER)]);
        assert_eq!((none.status, attributes(&none, "#faults a", "href")), (422, vec!["#role".into()]));

        let added = add(&[("email", "Bo@Example.com"), ("role", "member"), ("may_grant", "calls:read")]);
        assert_eq!((added.status, added.header("cache-control")), (200, "no-store"), "{added:#?}");
        let link = text(&added, "#link");
        assert!(link.starts_with(&format!("{}/password?token=", server.client.base)), "{link}");
        assert_eq!(added.body.matches(&link).count(), 1);
        let again = add(&[("email", MEMBER), ("role", "member")]);
        assert_eq!((again.status, attributes(&again, "#faults a", "href")), (422, vec!["#email".into()]));
        let id = attributes(&admin.get("/users"), "tbody a.name", "href").remove(0);
        for path in ["/users", &*id] {
            assert!(!admin.get(path).body.contains(&link), "{path}");
        }
        let bo = Browser::new(&server.client.base);
        assert_eq!(bo.log_in(MEMBER, PASSWORD).status, 401);
        let (path, token) = (link.strip_prefix(&*server.client.base).unwrap(), link.rsplit('=').next().unwrap());
        bo.submit(path, "/password", &[("token", token), ("password", PASSWORD)]);
        let bo = server.db_browser(MEMBER);
        assert_eq!(attributes(&bo.get("/keys/new"), "input[name=scope]", "value"), ["calls:read"]);
    }
}

on_both! {
    fn limits_that_would_bind_nobody_are_refused(backend) {
        let (server, admin) = start(backend);
        let member = server.db_user(MEMBER, json!({"may_grant": ["calls:read"]}));
        let page = format!("/users/{}", member.id);
        for role in ["auditor", "admin"] {
            let fields = [("email", "x@example.com"), ("role", role), ("may_grant", "calls:read")];
            let added = admin.submit("/users/new", "/users/new", &fields);
            for refused in [added, admin.submit(&page, &page, &fields[1..])] {
                assert_eq!((refused.status, attributes(&refused, "#faults a", "href")), (422, vec!["#may_grant".into()]));
                assert!(text(&refused, "#may_grant-error").contains("for members only"), "{refused:#?}");
                // The boxes are in sight, whatever role is chosen.
                assert_eq!(attributes(&refused, "#may_grant", "class"), ["card"]);
            }
        }
        assert_eq!(texts(&admin.get("/users"), "tbody tr").len(), 2);
        assert!(text(&admin.get("/users"), "tbody tr").starts_with("bo@example.com member calls read"));
    }
}

on_both! {
    fn hundreds_of_users_are_walked_and_searched(backend) {
        let (server, admin) = start(backend);
        assert_eq!(attributes(&admin.get("/users"), ".filters", "action"), [""; 0], "nothing to search yet");
        let cli = Principal::command_line("test");
        let roles = ["member", "auditor"];
        for n in 0..119 {
            let new = json!({"email": format!("person{n:03}@example.com"), "role": roles[n % 2]});
            let new = NewUser::from_object(new.as_object().unwrap(), &resources::catalog()).unwrap();
            let user = server.bitting.add_user(&cli, &new, None).unwrap();
            if n >= 117 {
                server.bitting.disable_user(&cli, user.id, None).unwrap();
            }
        }
        let (mut path, mut walked, mut summaries) = ("/users".to_owned(), Vec::new(), Vec::new());
        while !path.is_empty() {
            let page = admin.get(&path);
            assert!(page.body.len() < 100_000, "{} bytes", page.body.len());
            walked.extend(texts(&page, "tbody a.name"));
            summaries.push(text(&page, ".pages span"));
            path = attributes(&page, "a[rel=next]", "href").concat();
        }
        assert_eq!(summaries, ["1 to 50 of 120", "51 to 100 of 120", "101 to 120 of 120"]);
        let mut all: Vec<_> = (0..119).rev().map(|n| format!("person{n:03}@example.com")).collect();
        all.push(ADMIN.to_owned());
        assert_eq!(walked, all);
        for (query, total) in [
            ("q=PERSON11", 9), ("q=n01&role=member", 5), ("status=disabled", 2), ("role=admin", 1),
            ("role=auditor&status=active&q=", 58), ("q=%25", 0), ("page=9", 20),
        ] {
            let page = admin.get(&format!("/users?{query}"));
            let shown = texts(&page, "tbody tr").len();
            assert_eq!(shown, total.min(50), "{query}");
            assert_eq!(text(&page, "#empty h2"), if total == 0 { "No user matches" } else { "" });
        }
        let next = attributes(&admin.get("/users?role=auditor&status=active"), "a[rel=next]", "href");
        assert_eq!(next, ["/users?role=auditor&status=active&page=2"]);
        for wrong in ["role=king", "status=x", "page=0", "page=x", "sort=name", "q=a&q=b"] {
            assert_eq!(admin.get(&format!("/users?{wrong}")).status, 422, "{wrong}");
        }
    }
}

on_both! {
    fn what_somebody_is_and_may_grant_is_changed(backend) {
        let (server, admin) = start(backend);
        let member = server.db_user(MEMBER, json!({"may_grant": ["calls:read"]}));
        let page = format!("/users/{}", member.id);
        let shown = admin.get(&page);
        assert_eq!(attributes(&shown, "input[name=role][checked]", "value"), ["member"]);
        assert_eq!(attributes(&shown, "input[name=may_grant][checked]", "value"), ["calls:read"]);
        let change = |fields: &[(&str, &str)]| admin.submit(&page, &page, fields);
        let saved = change(&[("role", "member"), ("may_grant", "leads:read"), ("may_grant", "leads:write")]);
        assert_eq!((saved.status, saved.header("location")), (303, "/users"));
        assert_eq!(texts(&admin.get("/users"), "tbody tr:first-child .scopes li"), ["leads read write"]);
        assert_eq!(change(&[("role", "member")]).status, 303);
        assert_eq!(texts(&admin.get("/users"), "tbody tr:first-child .soft")[0], "nothing");
        let wrong = change(&[("role", ""), ("may_grant", "analytics:write")]);
        assert_eq!((wrong.status, attributes(&wrong, "#faults a", "href").len()), (422, 2));
        assert_eq!(change(&[("role", "admin")]).status, 303);
        // Both are administrators now: one may become something else, and sees what is left to them.
        let me = attributes(&admin.get("/users"), "tbody a.name", "href").remove(1);
        let left = admin.submit(&me, &me, &[("role", "auditor")]);
        assert_eq!((left.status, left.header("location")), (303, "/account"));
        assert_eq!(text(&admin.get("/account"), "#role"), "auditor");
        assert_eq!(admin.submit("/users", &page, &[("role", "auditor")]).status, 403);
    }
}

on_both! {
    fn the_last_administrator_stays(backend) {
        let (server, admin) = start(backend);
        server.db_user(MEMBER, json!({}));
        let me = attributes(&admin.get("/users"), "tbody a.name", "href").remove(1);
        let disable = format!("{me}/disable");
        let demoted = admin.submit(&me, &me, &[("role", "member"), ("may_grant", "calls:read")]);
        let disabled = admin.submit(&disable, &disable, &[("holdings", "revoke")]);
        for refused in [&demoted, &disabled] {
            assert_eq!(refused.status, 409, "{refused:#?}");
            assert!(text(refused, "#faults").contains("the last administrator"));
        }
        assert_eq!(attributes(&demoted, "input[name=role][checked]", "value"), ["member"]);
        assert_eq!(attributes(&demoted, "input[name=may_grant][checked]", "value"), ["calls:read"]);
        assert_eq!(attributes(&demoted, "#faults a", "href"), ["#role"]);
        assert_eq!(admin.get("/users").status, 200);
        assert_eq!(server.database.db_number("SELECT COUNT(*) FROM users WHERE disabled_at IS NOT NULL"), 0);
    }
}

on_both! {
    fn disabling_says_what_it_touches_and_asks_what_becomes_of_it(backend) {
        let (server, admin) = start(backend);
        server.db_user(AUDITOR, json!({"role": "auditor"}));
        let heir = server.db_user("eve@example.com", json!({}));
        for (email, how) in [("bo1@example.com", "revoke"), ("bo2@example.com", "transfer")] {
            let user = server.db_user(email, json!({"may_grant": ["calls:read"]}));
            let bo = server.db_browser(email);
            let mut secrets = Vec::new();
            for name in ["one", "two"] {
                let made = bo.submit("/keys/new", "/keys/new", &[("name", name), ("expires", "7d"), ("scope", "calls:read")]);
                secrets.push(text(&made, "#new-key"));
            }
            let page = format!("/users/{}/disable", user.id);
            let asked = admin.get(&page);
            assert!(text(&asked, "#touched").contains("2 keys"), "{asked:#?}");
            let offered = texts(&asked, "#transfer_to option");
            assert!(offered.contains(&"eve@example.com".to_owned()) && offered.contains(&ADMIN.to_owned()));
            assert!(!offered.contains(&AUDITOR.to_owned()) && !offered.contains(&email.to_owned()));
            assert_eq!(attributes(&asked, "input[checked]", "value"), [""; 0], "nothing is chosen for them");
            let send = |fields: &[(&str, &str)]| admin.submit(&page, &page, fields);
            for (fields, id) in [
                (vec![], "#holdings"),
                (vec![("holdings", "x")], "#holdings"),
                (vec![("holdings", "transfer")], "#transfer_to"),
                (vec![("holdings", "transfer"), ("transfer_to", "user_00000000000000000000000000")], "#transfer_to"),
            ] {
                let refused = send(&fields);
                assert_eq!((refused.status, attributes(&refused, "#faults a", "href")), (422, vec![id.to_owned()]));
            }
            assert!(bo.is_signed_in());
            let heir = heir.id.to_string();
            let done = send(&[("holdings", how), ("transfer_to", &heir)]);
            assert_eq!((done.status, done.header("location")), (303, "/users"), "{done:#?}");
            assert!(!bo.is_signed_in());
            for secret in &secrets {
                let status = server.client.with_key(secret, "GET", "/v1/calls", None).status;
                assert_eq!(status, if how == "revoke" { 401 } else { 200 });
            }
            // Disabled once; enabling lets them in again and revives nothing.
            assert_eq!(admin.get(&page).status, 303);
            let user = format!("/users/{}", user.id);
            assert_ne!(text(&admin.get(&user), "#disabled"), "");
            assert_eq!(admin.submit(&user, &format!("{user}/link"), &[]).status, 409);
            assert_eq!(admin.submit(&user, &format!("{user}/enable"), &[]).status, 303);
            assert_eq!(text(&admin.get(&user), "#disabled"), "");
            assert_eq!(bo.log_in(email, PASSWORD).status, 303);
            assert_eq!(texts(&bo.get("/keys"), ".rows tbody tr").len(), 0);
        }
        let eve = server.db_browser("eve@example.com");
        assert_eq!(texts(&eve.get("/keys"), ".rows tbody tr").len(), 2);
    }
}

#[test]
fn admin_tokens_are_handed_to_administrators_alone() {
    let (server, admin) = start(Backend::Sqlite);
    let other = server.db_user("cy@example.com", json!({"role": "admin"}));
    server.db_user(MEMBER, json!({}));
    let cy = server.db_browser("cy@example.com");
    let fields = [("name", "CI"), ("access", "read"), ("expires", "7d"), ("bounds", "all")];
    assert_eq!(cy.submit("/tokens/new", "/tokens/new", &fields).status, 200);
    let asked = admin.get(&format!("/users/{}/disable", other.id));
    assert!(text(&asked, "#touched").contains("They have 1 admin token in use"));
    assert_eq!(texts(&asked, "#transfer_to option"), ["Choose a user", ADMIN]);
}

on_both! {
    fn a_form_that_is_sent_twice_adds_one_user_and_leads_to_them(backend) {
        let (server, admin) = start(backend);
        let form = admin.get("/users/new");
        let nonce = attributes(&form, "input[name=nonce]", "value").concat();
        let fields = [("nonce", &*nonce), ("email", MEMBER), ("role", "member")];
        assert!(admin.submit("/users/new", "/users/new", &fields).body.contains("/password?token="));
        let again = admin.submit("/users/new", "/users/new", &fields);
        let user = server.database.db_texts(&format!("SELECT id FROM users WHERE email = '{MEMBER}'")).concat();
        assert_eq!((again.status, again.header("location")), (303, &*format!("/users/{user}")));
        let other = [("email", MEMBER), ("role", "member")];
        assert_eq!(admin.submit("/users/new", "/users/new", &other).status, 422);
    }
}
