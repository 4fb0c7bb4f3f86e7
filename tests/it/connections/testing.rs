//! What a test of a connection finds, when connections are tested, and what a server knows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bitting::model::connections::{Connection, TestResult};
use bitting::model::words::Word;
use serde_json::json;

use super::{db_add, handle, operator, options, server};
use crate::support::vendors::{Reply, Vendor, callrail};
use crate::support::{TestServer, eventually, on_both};

fn db_find(server: &TestServer) -> Connection {
    server.bitting.find_connection(&operator(), &handle()).unwrap()
}

/// A CallRail that answers with this status until it is 200.
fn ailing(status: Arc<AtomicU16>) -> Vendor {
    Vendor::start(move |_, _| {
        let status = status.load(Ordering::SeqCst);
        let body = if status == 200 { json!({"accounts": []}) } else { json!({"error": "no"}) };
        Reply::json(status, &body)
    })
}

on_both! {
    fn every_server_knows_a_connection_and_opens_its_credential(backend) {
        let vendor = callrail::start();
        let first = server(backend, &vendor);
        let added = db_add(&first, &vendor);
        let known = first.bitting.connections.registry.find(&handle()).unwrap();
        assert_eq!((known.id, known.revision), (added.id, added.revision));
        let opened = first.bitting.open_credential(&known).unwrap();
        let (name, value) = opened.headers(&known.form).unwrap().remove(0);
        assert_eq!((&*name, &**value), ("authorization", format!("Token token=\"{}\"", callrail::KEY).as_str()));

        let second = TestServer::on(first.database.clone(), options(&vendor));
        let known = second.bitting.connections.registry.find(&handle()).unwrap();
        let why = second.bitting.open_credential(&known).unwrap_err().to_string();
        assert!(why.contains("no master key is set"), "{why}");
        first.bitting.switch_connection(&operator(), &handle(), false).unwrap();
        eventually("the other server knows", || {
            let known = second.bitting.connections.registry.find(&handle());
            known.is_some_and(|known| known.disabled_at.is_some())
        });
        first.bitting.remove_connection(&operator(), &handle()).unwrap();
        assert!(first.bitting.connections.registry.find(&handle()).is_none());
        eventually("it is gone there too", || {
            second.bitting.connections.registry.find(&handle()).is_none()
        });
    }
}

on_both! {
    fn a_rejection_is_one_event_and_only_a_success_ends_it(backend) {
        let status = Arc::new(AtomicU16::new(200));
        let vendor = ailing(status.clone());
        let server = server(backend, &vendor);
        db_add(&server, &vendor);
        for (answered, found) in [
            (200, TestResult::Ok),
            (401, TestResult::Rejected),
            (401, TestResult::Rejected),
            (500, TestResult::Rejected),
            (200, TestResult::Ok),
            (500, TestResult::Unexpected),
            (404, TestResult::Unexpected),
            (403, TestResult::Rejected),
        ] {
            status.store(answered, Ordering::SeqCst);
            server.clock.pass(Duration::from_secs(1));
            let tested = server.bitting.test_connection(&operator(), &handle()).unwrap();
            assert_eq!(tested.test.map(|test| test.result), Some(found), "{answered}");
            let rejected = u8::from(found == TestResult::Rejected);
            let line = format!("bitting_vendor_rejected{{connection=\"calls\",kind=\"callrail\"}} {rejected}\n");
            assert!(!server.bitting.test_due_connection().unwrap());
            let metrics = server.metrics();
            assert!(metrics.contains(&line), "{answered}");
            let found = found.as_str();
            let state = format!("bitting_vendor_state{{connection=\"calls\",kind=\"callrail\",state=\"{found}\"}} 1\n");
            assert!(metrics.contains(&state), "{answered}: {metrics}");
            assert_eq!(metrics.matches("bitting_vendor_state{").count(), 1);
        }
        let events = "SELECT action FROM audit_events WHERE action LIKE 'connection.re%' ORDER BY id";
        let expected = ["rejected", "recovered", "rejected"].map(|a| format!("connection.{a}"));
        assert_eq!(server.database.db_texts(events), expected);
        let known = server.bitting.connections.registry.find(&handle()).unwrap();
        assert_eq!(known.test.as_ref().map(|test| test.result), Some(TestResult::Rejected));
        drop(vendor);
        for _ in 0..2 {
            let tested = server.bitting.test_connection(&operator(), &handle()).unwrap();
            let test = tested.test.unwrap();
            assert_eq!(test.result, TestResult::Rejected);
            let said = test.detail.unwrap();
            let (why, last) = said.split_once("; the last test says unreachable: ").unwrap();
            assert!(why.contains("403") && last.contains("takes no connection"), "{said}");
            assert!(!last.contains("the last test"), "{said}");
        }
    }
}

on_both! {
    fn each_connection_is_tested_daily_and_after_a_suspicion_once_a_minute(backend) {
        let vendor = callrail::start();
        let server = server(backend, &vendor);
        let added = db_add(&server, &vendor);
        vendor.take();
        let suspect = || server.bitting.test_suspected(&added).unwrap();
        assert_eq!((suspect(), vendor.take().len()), (None, 0));
        server.clock.pass(Duration::from_secs(61));
        assert_eq!((suspect(), vendor.take().len()), (Some(TestResult::Ok), 1));
        assert_eq!((suspect(), vendor.take().len()), (None, 0));

        assert!(!server.bitting.test_due_connection().unwrap());
        server.clock.pass(Duration::from_secs(24 * 3600));
        assert!(server.bitting.test_due_connection().unwrap());
        assert!(!server.bitting.test_due_connection().unwrap());
        assert_eq!(vendor.take().len(), 1);
        assert_eq!(db_find(&server).test.unwrap().by, "server");
        server.bitting.switch_connection(&operator(), &handle(), false).unwrap();
        server.clock.pass(Duration::from_secs(25 * 3600));
        assert!(!server.bitting.test_due_connection().unwrap());
    }
}
