//! The pages of connections, and what programs read of them.

use bitting::model::connections::{NewConnection, VendorCredential};
use serde_json::json;

use super::{ADMIN, admin_of, db_add, key_now, operator, server};
use crate::support::browser::form_token;
use crate::support::html::{attributes, text, texts};
use crate::support::vendors::{aircall, callrail};
use crate::support::{Answer, Backend, on_both};

const CALLS: &str = "/via/calls/v3/a/ACC8154748ae6bd4e278a7cddd38a662f4f/calls.json";

on_both! {
    fn a_connection_is_added_tested_and_removed_on_pages(backend) {
        let vendor = callrail::start();
        let server = server(backend, &vendor);
        let admin = admin_of(&server);
        assert_eq!(text(&admin.get("/connections"), "#empty h2"), "There are no connections");
        let kinds = ["CallRail", "Aircall", "Customerly", "Clari", "HTTP API"];
        assert_eq!(texts(&admin.get("/connections/new"), "#kinds a"), kinds);

        let page = "/connections/new?kind=callrail";
        let shown = admin.get(page);
        assert_eq!(attributes(&shown, "input[type=password]", "autocomplete"), ["off"]);
        let add = |key: &str| {
            let fields = [
                ("kind", "callrail"),
                ("name", "Calls"),
                ("handle", "calls"),
                ("base_url", vendor.origin()),
                ("credential_api_key", key),
            ];
            admin.submit(page, "/connections/new", &fields)
        };
        let refused = add("hunter2-is-not-the-key");
        assert_eq!(refused.status, 409);
        assert_eq!(
            texts(&refused, "#faults li"),
            ["The test says rejected: the vendor does not accept the credential (status 401); nothing was saved."]
        );
        assert_eq!(attributes(&refused, "#handle", "value"), ["calls"]);
        assert!(!refused.body.contains("hunter2"), "a credential was shown again");
        let nothing = add("");
        assert_eq!((nothing.status, texts(&nothing, "#faults li").len()), (422, 1));
        let added = add(callrail::KEY);
        assert_eq!((added.status, added.header("location")), (303, "/connections/calls"));

        let list = admin.get("/connections");
        let end = &callrail::KEY[callrail::KEY.len() - 4..];
        assert_eq!(texts(&list, "tbody tr"), [format!("Works Calls calls CallRail …{end} just now")]);
        let shown = admin.get("/connections/calls");
        assert!(text(&shown, "#tested").contains(ADMIN), "{}", text(&shown, "#tested"));
        assert!(!shown.body.contains(callrail::KEY));

        let wrong = [("credential_api_key", "wrong"), ("untested", "yes")];
        let credential = "/connections/calls/credential";
        assert_eq!(admin.submit(credential, credential, &wrong).status, 303);
        let tested = admin.submit("/connections/calls", "/connections/calls/test", &[]);
        assert_eq!(tested.status, 303);
        let shown = admin.get("/connections/calls");
        assert_eq!(text(&shown, ".head .pill"), "Rejected by the vendor");
        assert!(text(&shown, "#fault").contains("status 401"), "{}", text(&shown, "#fault"));
        let refused = admin.submit(credential, credential, &[("credential_api_key", "worse")]);
        assert_eq!(refused.status, 409, "{refused:#?}");
        let refused = admin.submit(credential, credential, &[("credential_api_key", "cut off")]);
        let said = text(&refused, "#credential-error");
        assert!(said.ends_with("was it copied whole?"), "{said}");
        assert!(text(&shown, ".facts").contains("all that its credential sees"));
        let right = [("credential_api_key", callrail::KEY)];
        assert_eq!(admin.submit(credential, credential, &right).status, 303);
        assert_eq!(text(&admin.get("/connections/calls"), ".head .pill"), "Works");

        admin.submit("/connections/calls", "/connections/calls/disable", &[]);
        assert_eq!(text(&admin.get("/connections/calls"), ".head .pill"), "Disabled");
        admin.submit("/connections/calls", "/connections/calls/enable", &[]);
        let remove = "/connections/calls/remove";
        let token = form_token(&admin.get(remove));
        for _twice in 0..2 {
            let removed = admin.post_with(remove, &[("form_token", &token)], &[]);
            assert_eq!((removed.status, removed.header("location")), (303, "/connections"));
        }
        assert_eq!(admin.get("/connections/calls").status, 404);
    }
}

on_both! {
    fn each_role_and_each_token_may_do_its_part(backend) {
        let vendor = callrail::start();
        let server = server(backend, &vendor);
        db_add(&server, &vendor);
        for (email, role) in [(ADMIN, "admin"), ("bo@example.com", "member"), ("di@example.com", "auditor")] {
            server.db_user(email, json!({"role": role}));
            let browser = server.db_browser(email);
            let manages = role == "admin";
            for (path, status) in [
                ("/connections", 200),
                ("/connections/calls", 200),
                ("/connections/other", 404),
                ("/connections/new", if manages { 200 } else { 403 }),
                ("/connections/calls/credential", if manages { 200 } else { 403 }),
                ("/connections/calls/remove", if manages { 200 } else { 403 }),
            ] {
                assert_eq!(browser.get(path).status, status, "{role} {path}");
            }
            let forms = attributes(&browser.get("/connections/calls"), "main form", "action").len();
            assert_eq!(forms > 0, manages, "{role}");
        }

        let list = server.manage("GET", "/v1/connections", None).ok();
        assert_eq!((&list["items"][0]["handle"], &list["items"][0]["state"]), (&"calls".into(), &"ok".into()));
        let shown = server.manage("GET", "/v1/connections/calls", None).ok();
        assert_eq!(shown, list["items"][0]);
        assert!(!list.to_string().contains(callrail::KEY));
        server.manage("GET", "/v1/connections/other", None).expect(404, "not_found");
        server.manage("GET", "/v1/connections/NO", None).expect(404, "not_found");
        vendor.take();
        let test = |token: &str| {
            server.client.with_key(token, "POST", "/v1/connections/calls/test", None)
        };
        assert_eq!(test(&server.admin).ok()["state"], "ok");
        assert_eq!(vendor.take().len(), 1);
        let reader = server.db_token(&json!({"name": "reader", "access": "read"}));
        test(&reader).expect(403, "insufficient_scope");
        test(&server.key("calls:read").secret).expect(403, "wrong_credential");
        assert_eq!(vendor.take().len(), 0);
    }
}

on_both! {
    fn what_may_be_changed_is_changed_on_a_page(backend) {
        let vendor = callrail::start();
        let server = server(backend, &vendor);
        db_add(&server, &vendor);
        let admin = admin_of(&server);
        let edit = "/connections/calls/edit";
        let shown = admin.get(edit);
        assert_eq!(attributes(&shown, "#name", "value"), ["calls"]);
        assert!(!shown.body.contains("id=\"rules\""), "CallRail has a table");
        let fields = [
            ("name", "Calls"),
            ("account", "ACC1"),
            ("limit", "600/minute"),
            ("key_limit", ""),
            ("standing", "yes"),
        ];
        let saved = admin.submit(edit, edit, &fields);
        assert_eq!((saved.status, saved.header("location")), (303, "/connections/calls"));
        let now = server.manage("GET", "/v1/connections/calls", None).ok();
        let wanted = json!(["Calls", "ACC1", "600/minute", null, true, false]);
        let found = ["name", "account", "limit", "key_limit", "standing", "recordings"];
        assert_eq!(json!(found.map(|name| &now[name])), wanted);
        let refused = admin.submit(edit, edit, &[("name", "Calls"), ("limit", "fast"), ("account", "a/b")]);
        assert_eq!((refused.status, texts(&refused, "#faults li").len()), (422, 2));
        assert_eq!(attributes(&refused, "#limit", "value"), ["fast"]);
        assert_eq!(server.manage("GET", "/v1/connections/calls", None).ok(), now);
    }
}

#[test]
fn a_pair_is_typed_into_two_fields_and_another_credential_into_one() {
    let vendor = aircall::start();
    let server = server(Backend::Sqlite, &vendor);
    let admin = admin_of(&server);
    let page = "/connections/new?kind=aircall";
    let labels = ["API ID", "API token", "Access token instead of the others"];
    assert_eq!(texts(&admin.get(page), "#credential label"), labels);
    for (handle, fields) in [
        (
            "pair",
            [("credential_api_id", aircall::API_ID), ("credential_api_token", aircall::API_TOKEN)],
        ),
        (
            "partner",
            [("credential_access_token", aircall::ACCESS_TOKEN), ("credential_api_id", "")],
        ),
    ] {
        let start = [("kind", "aircall"), ("handle", handle), ("base_url", vendor.origin())];
        let added = admin.submit(page, "/connections/new", &[&start[..], &fields[..]].concat());
        assert_eq!(added.status, 303, "{added:#?}");
    }
}

on_both! {
    fn what_was_asked_over_a_connection_is_shown_with_it_and_apart(backend) {
        let vendor = callrail::start();
        let server = server(backend, &vendor);
        db_add(&server, &vendor);
        let user = server.db_user(ADMIN, json!({"role": "admin"}));
        server.db_user("eve@example.com", json!({"role": "member"}));
        let admin = server.db_browser(ADMIN);
        assert!(text(&admin.get("/usage"), "#empty").contains("No requests"));
        let key = key_now(&server, "calls:read calls:read@calls");
        server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&json!({"holder": user.email}))).ok();
        for _ in 0..3 {
            server.call(&key, "GET", CALLS, None).ok();
        }
        server.call(&key, "POST", CALLS, None).expect(403, "insufficient_scope");
        server.call(&key, "GET", "/v1/calls", None).ok();

        let totals = |page: &Answer| texts(page, ".sums dt + dd");
        let shown = admin.get("/connections/calls");
        assert_eq!(totals(&shown), ["4"; 3], "{}", shown.body);
        assert_eq!(attributes(&shown, "section a.small", "href"), ["/usage?connection=calls"]);
        let all = admin.get("/usage?window=24h");
        assert_eq!(totals(&all), ["5"; 3]);
        assert_eq!(texts(&all, "#connection option"), ["Any or none", "calls"]);
        let narrowed = admin.get("/usage?window=24h&connection=calls");
        assert_eq!(totals(&narrowed), ["4"; 3]);
        assert_eq!(attributes(&narrowed, "#connection option[selected]", "value"), ["calls"]);
        assert_eq!(
            texts(&narrowed, "section[aria-labelledby=resources] tbody th"),
            ["calls@calls read", "calls@calls write"]
        );
        let export = "/usage/export?window=24h&connection=calls&by=resource";
        assert_eq!(attributes(&narrowed, "section a.small", "href"), [export]);
        let exported = admin.get(export).body;
        let lines: Vec<&str> = exported.lines().skip(1).collect();
        let line = |access, figures| format!("\"calls@calls\",\"{access}\",{figures}");
        let read = line("read", r#""3","3","0","0","0","0","0""#);
        let write = line("write", r#""1","0","0","0","1","0","0""#);
        assert_eq!(lines, [read, write]);
        for tab in attributes(&narrowed, ".tabs a", "href") {
            assert!(tab.ends_with("&connection=calls"), "{tab}");
        }

        let links = |page: &Answer| attributes(page, ".filters a.button", "href");
        assert_eq!(links(&admin.get("/usage?connection=calls")), ["/connections/calls"]);
        let nothing = admin.get("/usage?connection=nobody");
        assert_eq!(links(&nothing), [""; 0], "there is no such connection to lead to");
        assert!(text(&nothing, "#empty").contains("No requests"));
        assert_eq!(attributes(&nothing, "#connection option[selected]", "value"), ["nobody"]);
        assert_eq!(admin.get("/usage?connection=NOBODY").status, 422);
        let eve = server.db_browser("eve@example.com");
        let others = eve.get("/usage?connection=calls");
        assert!(text(&others, "#empty").contains("No requests"), "{}", others.body);
    }
}

#[test]
fn many_connections_are_listed_in_pages() {
    let vendor = callrail::start();
    let server = server(Backend::Sqlite, &vendor);
    server.db_user(ADMIN, json!({"role": "admin"}));
    for n in 0..60 {
        let object = json!({
            "handle": format!("c{n:03}-{}", "w".repeat(35)), "name": "&".repeat(100),
            "kind": "callrail", "base_url": vendor.origin(),
        });
        let new = NewConnection::from_object(object.as_object().unwrap()).unwrap();
        let fields = new.kind.credential_fields(None);
        let credential = VendorCredential::parse(&fields, callrail::KEY).unwrap();
        server.bitting.add_connection(&operator(), new, &credential, true).unwrap();
    }
    let admin = server.db_browser(ADMIN);
    for (path, rows, place) in [
        ("/connections", 50, "1 to 50 of 60"),
        ("/connections?page=2", 10, "51 to 60 of 60"),
        ("/connections?page=9", 10, "51 to 60 of 60"),
    ] {
        let page = admin.get(path);
        assert_eq!((texts(&page, "tbody tr").len(), &*text(&page, ".pages span")), (rows, place));
        assert!(page.body.len() < 100_000, "{path}: {}", page.body.len());
    }
}
