//! What somebody known tried and was refused is in the audit log, however often they try in as many
//! lines as anybody can read.

use std::time::Duration;

use bitting::domain::Error;
use serde_json::{Value, json};

use crate::support::{Browser, TestServer, on_both};

fn denials(server: &TestServer) -> Vec<Value> {
    let found = server.manage("GET", "/v1/audit?limit=100&action=access.denied", None).ok();
    found["data"].as_array().unwrap().clone()
}

fn by(events: &[Value], name: &str) -> usize {
    events.iter().filter(|event| event["actor"]["name"] == name).count()
}

on_both! {
    fn a_page_that_is_refused_by_role_is_noted(backend) {
        let server = TestServer::start(backend);
        let ada = server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        let browser = server.db_browser("bo@example.com");
        let page = format!("/users/{}", ada.id);
        assert_eq!(browser.get("/users").status, 403);
        assert_eq!(browser.get(&page).status, 403);
        assert_eq!(browser.submit("/account", "/users/new", &[("email", "x@example.com")]).status, 403);
        assert_eq!(browser.submit("/account", &format!("{page}/disable"), &[]).status, 403);
        let noted = denials(&server);
        let attempts: Vec<&str> = noted.iter().rev().map(|e| e["detail"]["attempt"].as_str().unwrap()).collect();
        assert_eq!(attempts, ["GET /users", "GET /users/{id}", "POST /users/new", "POST /users/{id}/disable"]);
        assert_eq!(noted[0]["actor"], json!({"type": "user", "id": bo.id, "name": "bo@example.com"}));
        assert_eq!(noted[0]["address"], "127.0.0.1");
        assert!(noted[0]["request_id"].is_string());
        assert!(browser.get("/audit").body.contains("Tried GET /users"));
        // Who is not signed in is nobody known.
        assert_eq!(Browser::new(&server.client.base).get("/users").status, 303);
        assert_eq!(denials(&server).len(), 4);
    }
}

on_both! {
    fn whoever_goes_on_trying_is_noted_sixty_times_a_minute(backend) {
        let server = TestServer::start(backend);
        let bitting = &server.bitting;
        server.db_user("ada@example.com", json!({}));
        let bo = server.db_user("bo@example.com", json!({}));
        server.db_user("cy@example.com", json!({}));
        let sign_in = |email| server.db_browser(email);
        let (bo_browser, cy_browser) = (sign_in("bo@example.com"), sign_in("cy@example.com"));
        let foreign = server.key("calls:read").id;
        let path = format!("/keys/{foreign}");
        let fields = [("name", "x"), ("expires", "7d"), ("scope", "calls:read")];
        for _ in 0..20 {
            assert_eq!(bo_browser.get(&path).status, 404);
            assert_eq!(bo_browser.get("/tokens").status, 403);
            assert_eq!(bo_browser.submit("/account", "/keys/new", &fields).status, 403);
        }
        let principal = server.db_principal(&bo);
        for _ in 0..40 {
            let refused = bitting.find_key(&principal, foreign.parse().unwrap());
            assert!(matches!(refused, Err(Error::NotFound)));
        }
        assert_eq!(by(&denials(&server), "bo@example.com"), 60);
        assert_eq!(cy_browser.get("/tokens").status, 403);
        assert_eq!(by(&denials(&server), "cy@example.com"), 1, "others are noted");

        server.pass(Duration::from_secs(60));
        assert_eq!(bo_browser.get("/tokens").status, 403);
        let next = &denials(&server)[0]["detail"];
        assert_eq!(*next, json!({"attempt": "GET /tokens", "others_not_noted": 40}));
        assert_eq!(bo_browser.get("/tokens").status, 403);
        assert_eq!(denials(&server)[0]["detail"], json!({"attempt": "GET /tokens"}));
    }
}
