//! The process that revoked a key refuses it from the next request on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use serde_json::json;

use crate::support::load::{Line, request};
use crate::support::{TestServer, on_both};

on_both! {
    fn a_thousand_keys_are_each_refused_right_after_their_revocation(backend) {
        let server = TestServer::start(backend);
        std::thread::scope(|scope| for _ in 0..4 {
            scope.spawn(|| for _ in 0..250 {
                let key = server.key("calls:read");
                let mut line = Line::open(server.address);
                let requests = [request(&key.secret, "GET", "/v1/ping")];
                assert_eq!(line.send(&requests), [200]);
                server.revoke(&key);
                assert_eq!(line.send(&requests), [401]);
            });
        });
        let revoked = server.database.db_number(
            "SELECT COUNT(DISTINCT key_id) FROM audit_events WHERE action = 'key.revoked'"
        );
        assert_eq!(revoked, 1000);
    }
}

on_both! {
    fn no_request_that_begins_after_the_answer_to_a_revocation_is_accepted(backend) {
        let server = TestServer::start(backend);
        let address = server.address;
        for round in 0..10 {
            let key = server.key("calls:read");
            let requests = [request(&key.secret, "GET", "/v1/ping")];
            let revoked = AtomicBool::new(false);
            let (accept, accepted) = mpsc::channel();
            std::thread::scope(|scope| {
                for _ in 0..64 {
                    let (accept, requests, revoked) = (accept.clone(), &requests, &revoked);
                    scope.spawn(move || {
                        let mut line = Line::open(address);
                        let mut late = 0;
                        while late < 20 {
                            let begun_after = revoked.load(Ordering::SeqCst);
                            let status = line.send(requests)[0];
                            assert!(status == 401 || (status == 200 && !begun_after), "{status}");
                            late += usize::from(begun_after);
                            let _ = accept.send(());
                        }
                    });
                }
                for _ in 0..256 {
                    accepted.recv().unwrap();
                }
                // A change of the key just before, so that the feed has something older to bring.
                let label = json!({"name": format!("round {round}")});
                server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&label)).ok();
                server.revoke(&key);
                revoked.store(true, Ordering::SeqCst);
            });
        }
    }
}
