//! Who asks for a lot at once waits; nobody else does.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::support::kinds::kinds;
use crate::support::{Backend, SetAtEnd, TestServer, eventually, on_both, rounds};

on_both! {
    fn a_key_that_searches_without_end_is_in_nobodys_way(backend) {
        let server = TestServer::start(backend);
        let contacts = kinds().into_iter().find(|kind| kind.resource == "contacts").unwrap();
        // As many as make one search take long enough for forty to keep every connection.
        let many = if backend == Backend::Sqlite { 60_000 } else { 200_000 };
        contacts.db_fill(&server.database, many);
        server.db_user("eva@example.com", json!({}));
        let browser = server.db_browser("eva@example.com");
        let (greedy, other) = (server.key("contacts:read"), server.key("contacts:read"));
        let (done, answers) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        let search = |key| server.call(key, "GET", "/v1/contacts?q=zzzz", None);
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let answer = search(&greedy);
                        answers.lock().unwrap().push((answer.status, answer.code()));
                    }
                });
            }
            let _end = SetAtEnd(&done);
            eventually("it searches", || server.bitting.database.pools()[0].in_use > 0);
            for _ in 0..rounds(5, 2) {
                let made = server.key("calls:read");
                server.revoke(&made);
                server.manage("GET", "/v1/keys", None).expect(200, "");
                for page in ["/keys", "/audit", "/usage"] {
                    assert_eq!(browser.get(page).status, 200, "{page}");
                }
                server.call(&other, "GET", "/v1/contacts?limit=1", None).expect(200, "");
                search(&other).expect(200, "");
            }
            server.revoke(&greedy);
            search(&greedy).expect(401, "key_revoked");
        });
        let answers = answers.into_inner().unwrap();
        let expected = [(200, ""), (503, "unavailable"), (401, "key_revoked")];
        for (status, code) in &answers {
            assert!(expected.contains(&(*status, code.as_str())), "{status} {code}");
        }
        assert!(answers.iter().any(|(status, _)| *status == 200));
    }
}
