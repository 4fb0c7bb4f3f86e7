//! Requests that are at a vendor when the server stops, while the database is away, or with as many
//! others as there may be.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use bitting::config::ConnectionOptions;
use serde_json::{Value, json};

use super::{Operator, behind_a_server};
use crate::support::held;
use crate::support::vendors::{Reply, Vendor, callrail};
use crate::support::{Backend, TestServer, eventually, on_both};

const CALLS: &str = "/via/callrail/v3/a/ACC8154748ae6bd4e278a7cddd38a662f4f/calls.json";
/// How many requests a connection takes at once.
const AT_ONCE: u32 = 32;

/// A vendor who answers once it is let go.
struct Slow {
    vendor: Vendor,
    held: Arc<Held>,
}

/// The requests that it keeps waiting.
#[derive(Default)]
struct Held {
    arrived: AtomicU32,
    let_go: Mutex<bool>,
    changed: Condvar,
}

impl Held {
    fn wait(&self) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let kept = self.let_go.lock().unwrap();
        drop(self.changed.wait_while(kept, |let_go| !*let_go).unwrap());
    }

    fn let_go(&self) {
        *self.let_go.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

impl Slow {
    fn start() -> Self {
        let held = Arc::<Held>::default();
        let of_vendor = held.clone();
        let vendor = Vendor::start(move |seen, _| {
            if seen.target().contains("/calls.json") {
                of_vendor.wait();
            }
            Reply::json(200, &json!({"accounts": [], "calls": []}))
        });
        Self { vendor, held }
    }

    fn serve(&self, backend: Backend) -> TestServer {
        let ours = Operator::new(backend, &[&self.vendor]);
        ours.add("callrail", "callrail", &self.vendor, callrail::KEY).unwrap();
        ours.serve(ConnectionOptions::default())
    }

    fn wait_for(&self, requests: u32) {
        eventually("they are there", || self.held.arrived.load(Ordering::SeqCst) == requests);
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.held.let_go();
    }
}

on_both! {
    fn a_write_that_a_stop_cuts_off_is_counted_and_in_the_audit_log(backend) {
        let slow = Slow::start();
        let server = slow.serve(backend);
        let key = server.key("calls:write@callrail");
        let mut client = TcpStream::connect(server.address).unwrap();
        let head = format!("POST {CALLS} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {}", key.secret);
        let json = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        client.write_all(format!("{head}\r\n{json}").as_bytes()).unwrap();
        slow.wait_for(1);
        let database = server.stop();
        let events = "SELECT detail FROM audit_events WHERE action = 'via.write'";
        let [event] = &database.db_texts(events)[..] else { panic!("it is recorded once") };
        let event: Value = serde_json::from_str(event).unwrap();
        assert_eq!(event["status"], Value::Null, "{event}");
        assert_eq!(database.db_counted(), 1);
    }
}

on_both! {
    fn a_write_that_cannot_be_recorded_is_recorded_once_it_can(backend) {
        let (_vendor, _ours, server) = behind_a_server(backend);
        let key = server.key("calls:write@callrail");
        server.database.db_execute("ALTER TABLE audit_events RENAME TO elsewhere");
        let body = json!({"customer_phone_number": "+15550100"});
        let answer = server.call(&key, "POST", CALLS, Some(&body));
        server.database.db_execute("ALTER TABLE elsewhere RENAME TO audit_events");
        answer.expect(201, "");
        let log = || server.manage("GET", "/v1/audit?action=via.write", None).ok()["data"].clone();
        eventually("it is recorded", || !log().as_array().unwrap().is_empty());
        assert_eq!((&log()[0]["detail"]["status"], &log()[1]), (&json!(201), &Value::Null));
    }
}

#[test]
fn one_request_too_many_at_a_vendor_takes_nothing_of_its_keys_limits() {
    let slow = Slow::start();
    let server = slow.serve(Backend::Sqlite);
    let key = server.key("calls:read@callrail");
    let limits = json!({"rate_limit": "6/hour", "quota": "5/day"});
    let limited = server.key_with("calls:read@callrail", limits);
    thread::scope(|scope| {
        let busy: Vec<_> =
            (0..AT_ONCE).map(|_| scope.spawn(|| server.call(&key, "GET", CALLS, None))).collect();
        slow.wait_for(AT_ONCE);
        let refused = server.call(&limited, "GET", CALLS, None);
        slow.held.let_go();
        refused.expect(503, "connection_busy");
        assert_eq!(refused.header("retry-after"), "1");
        let left = refused.header("ratelimit");
        assert!(left.contains("\"rate\";r=6;") && left.contains("\"quota\";r=5;"), "{left}");
        for busy in busy {
            busy.join().unwrap().expect(200, "");
        }
    });
    let counted = server.usage(&limited, "24h");
    assert_eq!((&counted["total"], &counted["rate_limited"]), (&json!(1), &json!(1)), "{counted}");
    server.call(&limited, "GET", CALLS, None).expect(200, "");
}

on_both! {
    fn a_body_that_is_still_coming_is_cut_off_with_its_key(backend) {
        let (vendor, _ours, server) = behind_a_server(backend);
        let limited = |scopes| server.key_with(scopes, json!({"rate_limit": "1000/hour"}));
        let revoked = limited("calls:write@callrail");
        let narrowed = limited("calls:read@callrail calls:write@callrail");
        let body = json!({"customer_phone_number": "+15550100"}).to_string();
        let request = format!("POST {CALLS}");
        let unfinished = [&revoked, &narrowed].map(|key| held::Held::with_key(server.address, &key.secret, &request, &body));
        for key in [&revoked, &narrowed] {
            let mut left = 1000;
            eventually("it has been judged", || {
                left -= 1;
                let told = server.call(key, "GET", "/v1/ping", None);
                told.header("ratelimit").contains(&format!("r={};", left - 1))
            });
        }
        server.revoke(&revoked);
        let less = json!({"scopes": ["calls:read@callrail"]});
        server.manage("PATCH", &format!("/v1/keys/{}", narrowed.id), Some(&less)).ok();
        let [of_revoked, of_narrowed] = unfinished.map(held::Held::finish);
        assert!(of_revoked.contains(" 401 ") && of_revoked.contains("key_revoked"), "{of_revoked}");
        assert!(of_narrowed.contains(" 403 ") && of_narrowed.contains("insufficient_scope"), "{of_narrowed}");
        assert!(vendor.take().iter().all(|seen| seen.body != body.as_bytes()));
        assert_eq!(server.usage(&revoked, "24h")["retired"], 1);
        assert_eq!(server.usage(&narrowed, "24h")["forbidden"], 1);
    }
}
