//! The process that revoked a key refuses it from the next request on.

use std::time::Instant;

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
        for round in 0..10 {
            let key = server.key("calls:read");
            let requests = [request(&key.secret, "GET", "/v1/ping")];
            let (warm, warmed) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let client = |warm: std::sync::mpsc::Sender<()>| {
                    let mut line = Line::open(server.address);
                    let mut answers = Vec::new();
                    let mut refused = 0;
                    while refused < 20 {
                        let begun = Instant::now();
                        let status = line.send(&requests)[0];
                        answers.push((begun, status));
                        refused += usize::from(status == 401);
                        let _ = warm.send(());
                    }
                    answers
                };
                let clients: Vec<_> = (0..64).map(|_| {
                    let warm = warm.clone();
                    scope.spawn(move || client(warm))
                }).collect();
                for _ in 0..64 {
                    warmed.recv().unwrap();
                }
                // A change of the key just before, so that the feed has something older to bring.
                let label = json!({"name": format!("round {round}")});
                server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&label)).ok();
                server.revoke(&key);
                let answered = Instant::now();
                let (mut before, mut after) = (0, 0);
                for client in clients {
                    for (begun, status) in client.join().unwrap() {
                        assert!(status == 401 || begun < answered, "accepted after the revocation");
                        before += usize::from(status == 200);
                        after += usize::from(begun > answered);
                    }
                }
                assert!(before > 0 && after > 0, "{before} accepted, {after} begun after it");
            });
        }
    }
}
