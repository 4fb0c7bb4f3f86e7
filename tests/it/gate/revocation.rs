//! The process that revoked a key refuses it from the next request on, and every other one from the
//! end of its next read of the feed on.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bitting::config::Options;
use bitting::model::secret::SecretKind;
use serde_json::json;

use crate::support::binary::run_ok;
use crate::support::load::{Line, request};
use crate::support::server::MadeKey;
use crate::support::{SetAtEnd, TestDatabase, TestServer, on_both, rounds};

on_both! {
    fn a_thousand_keys_are_each_refused_right_after_their_revocation(backend) {
        let server = TestServer::start(backend);
        let each = rounds(250, 20);
        std::thread::scope(|scope| for _ in 0..4 {
            scope.spawn(|| for _ in 0..each {
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
        assert_eq!(revoked, 4 * each as i64);
    }
}

/// 64 connections, eight to a thread: each has a request under way at all times.
const THREADS: usize = 8;
const CONNECTIONS: usize = 8;
/// A client that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// One key, and whether its time is over.
struct Round {
    requests: [String; 1],
    over: AtomicBool,
}

/// What the clients of a thread tell of their round.
enum Told {
    /// All had the key accepted: from now on it is warm.
    Accepted,
    /// When the last request that was accepted began, or what else was answered.
    Ended(Result<Instant, u16>),
}

/// Uses the round's key until its time is over, and once more after that.
fn use_key(lines: &mut [Line], round: &Round, tell: &mpsc::Sender<Told>) -> Result<Instant, u16> {
    let mut last_accepted = None;
    loop {
        let over = round.over.load(Ordering::SeqCst);
        let mut begun = Vec::with_capacity(lines.len());
        for line in lines.iter_mut() {
            begun.push(Instant::now());
            line.write(&round.requests);
        }
        let first = last_accepted.is_none();
        for (line, begun) in lines.iter_mut().zip(begun) {
            match line.read(1)[0] {
                200 => last_accepted = last_accepted.max(Some(begun)),
                401 if !first => {}
                other => return Err(other),
            }
        }
        if first {
            tell.send(Told::Accepted).unwrap();
        }
        if over {
            return last_accepted.ok_or(401);
        }
    }
}

/// In each round 64 clients, on connections that stay open, use a new key while it is revoked.
/// `revoke` returns when nothing that begins from then on may be accepted.
fn race(
    address: SocketAddr,
    rounds: usize,
    key: impl Fn() -> MadeKey,
    revoke: impl Fn(usize, &MadeKey),
) {
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let clients: Vec<_> = (0..THREADS)
            .map(|_| {
                let (next, rounds) = mpsc::channel::<Arc<Round>>();
                let tell = tell.clone();
                scope.spawn(move || {
                    let mut lines: Vec<Line> =
                        (0..CONNECTIONS).map(|_| Line::open(address)).collect();
                    for round in rounds {
                        let ended = use_key(&mut lines, &round, &tell);
                        tell.send(Told::Ended(ended)).unwrap();
                    }
                });
                next
            })
            .collect();
        for number in 0..rounds {
            let key = key();
            let requests = [request(&key.secret, "GET", "/v1/ping")];
            let round = Arc::new(Round { requests, over: AtomicBool::new(false) });
            let end = SetAtEnd(&round.over);
            for client in &clients {
                client.send(round.clone()).unwrap();
            }
            for _ in 0..THREADS {
                assert!(matches!(told.recv_timeout(PATIENCE), Ok(Told::Accepted)));
            }
            revoke(number, &key);
            let from_now_on = Instant::now();
            drop(end);
            for _ in 0..THREADS {
                match told.recv_timeout(PATIENCE) {
                    Ok(Told::Ended(Ok(begun))) => {
                        assert!(begun < from_now_on, "round {number}: accepted after the end");
                    }
                    Ok(Told::Ended(Err(status))) => panic!("round {number}: {status}"),
                    Ok(Told::Accepted) | Err(_) => panic!("round {number}: a client is lost"),
                }
            }
        }
    });
}

on_both! {
    fn no_request_that_begins_after_the_answer_to_a_revocation_is_accepted(backend) {
        let server = TestServer::start(backend);
        race(server.address, rounds(1000, 30), || server.key("calls:read"), |round, key| {
            // A change of the key just before, so that the feed has something older to bring.
            if round % 4 == 0 {
                let label = json!({"name": format!("round {round}")});
                server.manage("PATCH", &format!("/v1/keys/{}", key.id), Some(&label)).ok();
            }
            server.revoke(key);
        });
    }
}

on_both! {
    /// The others read the feed every 200 ms. A made-up key is refused at the end of a read that
    /// began after it came, so its answer says that one has passed.
    fn what_another_process_revokes_is_refused_from_the_next_read_on(backend) {
        let database = Arc::new(TestDatabase::migrated(backend));
        let [server, other] =
            [(); 2].map(|()| TestServer::on(database.clone(), Options::default()));
        race(server.address, rounds(200, 30), || server.key("calls:read"), |round, key| {
            if round % 50 == 0 {
                let url = ["--database-url", database.url.as_str()];
                run_ok(&database.folder(), &[&["key", "revoke", &key.id], &url[..]].concat());
            } else {
                other.revoke(key);
            }
            server.client.with_key(&server.made_up(SecretKind::ApiKey), "GET", "/v1/ping", None)
                .expect(401, "invalid_key");
        });
    }
}
