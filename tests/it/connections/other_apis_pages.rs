//! Connections of kind `http` on pages.

use bitting::config::ConnectionOptions;
use serde_json::json;

use super::other_apis::{KEY, READ, add, crm};
use super::{Operator, admin_of, server};
use crate::support::browser::{PASSWORD, form_token};
use crate::support::html::{attributes, text, texts};
use crate::support::vendors::{Reply, Vendor, header};
use crate::support::{Answer, on_both};

on_both! {
    fn a_page_saves_all_the_rules_there_may_be(backend) {
        let vendor = crm();
        let ours = Operator::new(backend, &[&vendor]);
        let rules: Vec<String> =
            (0..200).map(|n| format!("GET /v1/{}/{n} things:read", "x".repeat(100))).collect();
        let file = ours.database.folder().join("rules");
        std::fs::write(&file, rules.join("\n")).unwrap();
        let options = ["--auth", "header:X-Api-Key", "--untested", "--rules", file.to_str().unwrap()];
        add(&ours, &vendor, &options).unwrap();
        let server = ours.serve(ConnectionOptions::default());
        let admin = admin_of(&server);
        let edit = "/connections/crm/edit";
        let page = admin.get(edit);
        let (shown, typed) = (attributes(&page, "input[name=shown]", "value"), text(&page, "#rules"));
        let typed = typed.replace(" GET ", "\r\nGET ");
        let fields = [("name", "Renamed"), ("recordings", "yes"), ("rules", &*typed), ("shown", &*shown[0])];
        assert_eq!(admin.submit(edit, edit, &fields).status, 303);
        let now = ours.shown("crm");
        assert_eq!((&now["name"], &now["rules"]), (&json!("Renamed"), &json!(rules)));
        // What is added is added to all of them, up to what there may be.
        let fields = [("name", "Renamed"), ("rules", &*format!("{typed}\r\nGET /v1/more things:read"))];
        let refused = admin.submit(edit, edit, &fields);
        assert_eq!(refused.status, 422);
        assert_eq!(ours.shown("crm")["rules"], json!(rules));

        // They are kept, too, while somebody signs in again; and it is said where something is not.
        let token = form_token(&page);
        let origin = [("origin", &*server.client.base)];
        let longer = format!("{typed}\r\n").repeat(6);
        for (rules, is_kept) in [(&typed, true), (&longer, false)] {
            admin.plant_session(&"A".repeat(43));
            let fields = [("form_token", &*token), ("name", "Renamed"), ("rules", rules), ("shown", &*shown[0])];
            let asked = admin.post_with(edit, &fields, &origin);
            assert_eq!(asked.status, 401);
            assert_eq!(text(&asked, "#notice").contains("has been kept"), is_kept, "{}", text(&asked, "#notice"));
            let field = |page: &Answer, name: &str| attributes(page, &format!("input[name={name}]"), "value").concat();
            let names = ["form_token", "next", "kept", "kept_by"];
            let mut fields: Vec<_> = names.map(|name| (name, field(&asked, name))).into();
            fields.extend([("email", "ada@example.com".to_owned()), ("password", PASSWORD.to_owned())]);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let signed_in = admin.post_with("/login", &fields, &origin);
            if !is_kept {
                assert_eq!((signed_in.status, signed_in.header("location")), (303, edit));
                continue;
            }
            let resume = [("form_token", field(&signed_in, "form_token")), ("kept", field(&signed_in, "kept"))];
            let resume: Vec<_> = resume.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let again = admin.post_with(edit, &resume, &origin);
            assert_eq!((again.status, text(&again, "#rules")), (200, text(&page, "#rules")));
        }
    }
}

on_both! {
    fn another_api_is_added_on_a_page(backend) {
        let vendor = crm();
        let server = server(backend, &vendor);
        let admin = admin_of(&server);
        let page = "/connections/new?kind=http";
        let add = |rules: &str| {
            let fields = [
                ("kind", "http"),
                ("name", "CRM"),
                ("handle", "crm"),
                ("base_url", vendor.origin()),
                ("auth", "header:X-Api-Key"),
                ("rules", rules),
                ("test_path", "/v1/me"),
                ("credential_api_key", KEY),
            ];
            admin.submit(page, "/connections/new", &fields)
        };
        let untold = [("kind", "http"), ("name", "CRM"), ("handle", "crm"), ("base_url", vendor.origin()), ("credential_api_key", KEY)];
        let untold = admin.submit(page, "/connections/new", &untold);
        assert_eq!((untold.status, attributes(&untold, "#faults a", "href")), (422, vec!["#test_path".to_owned()]));
        assert!(!untold.body.contains("--test-path"), "{}", text(&untold, "#test_path-error"));
        let refused = add("GET /v1/things");
        assert_eq!(refused.status, 422);
        assert_eq!(text(&refused, "#rules"), "GET /v1/things");
        assert_eq!(attributes(&refused, "#rules", "aria-invalid"), ["true"]);
        assert_eq!(add(&format!("{READ}\r\n\r\nPUT /v1/things/* things:write")).status, 303);
        let shown = admin.get("/connections/crm");
        assert_eq!(texts(&shown, "section[aria-labelledby=rules] li"), [READ, "PUT /v1/things/* things:write"]);
        assert_eq!(text(&shown, ".head .pill"), "Works");
        let credential = admin.get("/connections/crm/credential");
        assert_eq!(texts(&credential, "#credential label"), ["API key"]);
        assert!(admin.get("/keys/new").body.contains("value=\"things:write@crm\""));
    }
}

on_both! {
    fn a_page_asks_for_the_fields_that_the_headers_name(backend) {
        let vendor = Vendor::start(|seen, _| {
            let right = header(seen, "x-id") == Some("me") && header(seen, "x-secret") == Some("s3cret");
            Reply::json(if right { 200 } else { 401 }, &json!({}))
        });
        let server = server(backend, &vendor);
        let admin = admin_of(&server);
        let add = |more: &[(&'static str, &'static str)]| {
            let fields = [
                ("kind", "http"),
                ("name", "Pair"),
                ("handle", "pair"),
                ("base_url", vendor.origin()),
                ("auth", "X-Id: {id}, X-Secret: {secret}"),
                ("test_path", "/me"),
            ];
            admin.submit("/connections/new?kind=http", "/connections/new", &[&fields, more].concat())
        };
        let asked = add(&[("credential_api_key", "one")]);
        assert_eq!(asked.status, 422);
        assert_eq!(texts(&asked, "#credential label"), ["id", "secret"]);
        assert!(text(&asked, "#credential-error").contains("id and secret"), "{}", asked.body);
        assert_eq!(vendor.take().len(), 0, "nothing is tested with half a credential");
        assert_eq!(add(&[("credential_id", "me"), ("credential_secret", "s3cret")]).status, 303);
        let shown = admin.get("/connections/pair");
        assert_eq!(text(&shown, ".head .pill"), "Works");
        assert!(!shown.body.contains("<dt>Offers"), "it offers what its rules say");
    }
}
