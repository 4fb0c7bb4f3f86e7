//! What is seen of connections from outside: warnings, metrics, pages of keys, the API document.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitting::config::KeySource;
use serde_json::{Value, json};

use super::{admin_of, db_add, handle, key_now, new_key, operator, options};
use crate::support::html::text;
use crate::support::receivers::received;
use crate::support::upstream::Upstream;
use crate::support::vendors::{Reply, Vendor, callrail};
use crate::support::{Backend, TestDatabase, TestServer, eventually, on_both};
use crate::warnings::send_to;

/// CallRail, as long as this is true; then it accepts no credential.
fn vendor(alive: Arc<AtomicBool>) -> Vendor {
    Vendor::start(move |_, _| match alive.load(Ordering::SeqCst) {
        true => Reply::json(200, &json!({"accounts": []})),
        false => Reply::json(401, &json!({"error": "HTTP Token: Access denied"})),
    })
}

/// A server that tells a webhook what there is to tell.
fn server(backend: Backend, vendor: &Vendor, webhook: &Upstream) -> TestServer {
    let (key, tell) = (KeySource::Text(new_key().into()), send_to(webhook.address));
    TestServer::with_settings(
        Arc::new(TestDatabase::migrated(backend)),
        options(vendor),
        |settings| {
            settings.connections.key = Some(key);
            tell(settings);
        },
    )
}

on_both! {
    fn a_credential_that_is_no_longer_accepted_is_told_of_once(backend) {
        let (alive, webhook) = (Arc::new(AtomicBool::new(true)), Upstream::start());
        let vendor = vendor(alive.clone());
        let server = server(backend, &vendor, &webhook);
        db_add(&server, &vendor);
        let key = key_now(&server, "leads:read@calls");
        let admin = admin_of(&server);
        let page = || admin.get(&format!("/keys/{}", key.id));
        assert!(!page().body.contains("id=\"rejected\""));
        let test = || server.bitting.test_connection(&operator(), &handle()).unwrap();
        let waits = |condition: &str| {
            server.database.db_number(&format!("SELECT COUNT(*) FROM notifications WHERE {condition}"))
        };
        alive.store(false, Ordering::SeqCst);
        for _ in 0..3 {
            test();
        }
        eventually("it is told", || waits("delivered_at IS NOT NULL") == 1);
        assert_eq!(waits("due_at IS NOT NULL"), 0);
        let messages = received(&webhook);
        let connection = &messages[0].body["data"]["connection"];
        assert_eq!((messages.len(), messages[0].kind()), (1, "connection.rejected"));
        assert_eq!((&connection["handle"], &connection["kind"]), (&"calls".into(), &"callrail".into()));
        assert!(connection["detail"].as_str().unwrap().contains("401"), "{connection}");
        assert!(!messages[0].body.to_string().contains(callrail::KEY));
        assert!(text(&page(), "#rejected").contains("calls"), "{}", text(&page(), "#rejected"));

        // Accepted again, and rejected again: another matter.
        alive.store(true, Ordering::SeqCst);
        test();
        assert!(!page().body.contains("id=\"rejected\""));
        alive.store(false, Ordering::SeqCst);
        server.pass(std::time::Duration::from_secs(1));
        test();
        eventually("it is told again", || waits("delivered_at IS NOT NULL") == 2);
        let metrics = server.metrics();
        for line in [
            "bitting_vendor_tests_total{kind=\"callrail\",result=\"ok\"} 2\n",
            "bitting_vendor_tests_total{kind=\"callrail\",result=\"rejected\"} 4\n",
        ] {
            assert!(metrics.contains(line), "{line}: {metrics}");
        }
    }
}

on_both! {
    fn what_a_key_may_not_do_at_a_connection_is_told_too(backend) {
        let webhook = Upstream::start();
        let vendor = vendor(Arc::new(AtomicBool::new(true)));
        let server = server(backend, &vendor, &webhook);
        db_add(&server, &vendor);
        let key = key_now(&server, "leads:read@calls");
        for _ in 0..3 {
            server.call(&key, "GET", "/via/calls/v3/a/ACC1/calls.json", None).expect(403, "insufficient_scope");
        }
        // No scope opens what is not offered.
        server.call(&key, "GET", "/via/calls/v3/other", None).expect(403, "not_offered");
        server.call(&key, "GET", "/via/calls/v3/a.json", None).expect(200, "");
        server.db_flush();
        let told = || server.database.db_number("SELECT COUNT(*) FROM notifications WHERE delivered_at IS NOT NULL");
        eventually("it is told", || !server.bitting.warn_of_sightings().unwrap() && told() == 1);
        let messages = received(&webhook);
        assert_eq!(messages[0].kind(), "key.scope_refused");
        assert_eq!(messages[0].body["data"]["scope"], "calls:read@calls");
        let metrics = server.metrics();
        for line in [
            "bitting_vendor_answers_total{kind=\"callrail\",status=\"2xx\"} 1\n",
            "bitting_vendor_first_byte_seconds_count{kind=\"callrail\"} 1\n",
        ] {
            assert!(metrics.contains(line), "{line}: {metrics}");
        }
    }
}

#[test]
fn the_api_document_has_requests_and_scopes_at_connections() {
    let server = TestServer::start(Backend::Sqlite);
    let document: Value = server.client.send("GET", "/openapi.json", &[], None).ok();
    let operation = &document["paths"]["/via/{handle}/{path}"]["get"];
    let names: Vec<&str> = operation["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["handle", "path"]);
    for status in
        ["default", "400", "401", "403", "404", "405", "408", "413", "429", "502", "503", "504"]
    {
        assert!(operation["responses"][status].is_object(), "{status}: {operation:#}");
    }
    let mut schema = document["components"]["schemas"]["KeyInput"].clone();
    schema["components"] = document["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let fits = |scope: &str| validator.is_valid(&json!({"name": "x", "scopes": [scope]}));
    assert!(fits("calls:read") && fits("calls:read@callrail") && fits("things:write@crm"));
    for wrong in ["calls:delete", "things:read", "calls:read@", "calls:read@C", "calls:read@a@b"] {
        assert!(!fits(wrong), "{wrong}");
    }
}
