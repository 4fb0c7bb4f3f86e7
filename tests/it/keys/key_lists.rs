//! Lists of keys: filters, pages, and the parameters that are refused.

use serde_json::{Value, json};

use crate::support::{Backend, TestServer, on_both};

fn names(page: &Value) -> Vec<&str> {
    page["data"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect()
}

fn list(server: &TestServer, query: &[(&str, &str)]) -> Value {
    let query: String =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    server.manage("GET", &format!("/v1/keys?{query}"), None).ok()
}

fn make(server: &TestServer, name: &str, other: Value) {
    let mut body = json!({"name": name, "scopes": ["calls:read"]});
    body.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    server.manage("POST", "/v1/keys", Some(&body)).ok();
}

on_both! {
    fn a_search_finds_text_anywhere_in_any_case_and_nothing_else(backend) {
        let server = TestServer::start(backend);
        make(&server, "Deploy Bot", json!({"owner": "Acme", "description": "for CI"}));
        make(&server, "ÜBERSICHT", json!({"owner": "acme"}));
        make(&server, "ΣΑΣΑΝ Σας", json!({}));
        make(&server, "100%_sure", json!({"description": "back\\slash"}));
        let all = list(&server, &[]);
        let first = &all["data"][3];
        let (id, display) = (first["id"].as_str().unwrap(), first["display"].as_str().unwrap());
        for (text, found) in [
            ("deploy", &["Deploy Bot"][..]),
            ("OY BO", &["Deploy Bot"]),
            ("ACME", &["ÜBERSICHT", "Deploy Bot"]),
            // With a space: two letters alone may occur in what is shown of a random key.
            ("r ci", &["Deploy Bot"]),
            (id, &["Deploy Bot"]),
            (display, &["Deploy Bot"]),
            ("ÜBER", &["ÜBERSICHT"]),
            ("über", &["ÜBERSICHT"]),
            ("ΣΑΣ", &["ΣΑΣΑΝ Σας"]),
            ("Σας", &["ΣΑΣΑΝ Σας"]),
            ("%", &["100%_sure"]),
            ("0%_s", &["100%_sure"]),
            ("_sure", &["100%_sure"]),
            ("\\", &["100%_sure"]),
            ("o%o", &[]),
            ("d_ploy", &[]),
            ("' OR 1=1 --", &[]),
            ("calls:read", &[]),
        ] {
            assert_eq!(names(&list(&server, &[("q", text)])), found, "{text}");
        }
        assert_eq!(names(&list(&server, &[("owner", "Acme")])), ["Deploy Bot"]);
        assert_eq!(names(&list(&server, &[("owner", "Acm")])), [""; 0]);
        let both = [("owner", "acme"), ("q", "ber"), ("status", "active")];
        assert_eq!(names(&list(&server, &both)), ["ÜBERSICHT"]);
        assert_eq!(names(&list(&server, &[("owner", "acme"), ("status", "revoked")])), [""; 0]);
    }
}

on_both! {
    fn a_walk_shows_every_key_once_while_others_are_made(backend) {
        let server = TestServer::start(backend);
        for n in 0..23 {
            make(&server, &format!("key {n}"), json!({}));
        }
        let mut walked = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("limit", "5"), ("q", "key ")];
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = list(&server, &query);
            assert_eq!(page["meta"]["limit"], 5);
            walked.extend(names(&page).into_iter().map(str::to_owned));
            make(&server, "key made meanwhile", json!({}));
            cursor = page["meta"]["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..23).rev().map(|n| format!("key {n}")).collect();
        assert_eq!(walked, expected);
    }
}

#[test]
fn a_page_says_whether_there_is_more() {
    let server = TestServer::start(Backend::Sqlite);
    for n in 0..21 {
        make(&server, &format!("{n}"), json!({}));
    }
    let page = list(&server, &[]);
    assert_eq!((names(&page).len(), &page["meta"]["limit"]), (20, &json!(20)));
    assert!(page["meta"]["next_cursor"].is_string());
    for limit in ["21", "100"] {
        let page = list(&server, &[("limit", limit)]);
        assert_eq!((names(&page).len(), &page["meta"]["next_cursor"]), (21, &Value::Null));
    }
    assert_eq!(names(&list(&server, &[("limit", "1")])), ["20"]);
    let none = list(&server, &[("owner", "nobody")]);
    assert_eq!(none, json!({"data": [], "meta": {"limit": 20, "next_cursor": null}}));
}
