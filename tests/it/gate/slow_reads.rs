//! Reads that take long: what they bring is as old as their beginning, and never undoes what has
//! happened since.

use bitting::records::model::resources;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use bitting::gate::key_index::KeyIndex;
use bitting::model::id::{KeyId, PublicId};
use bitting::model::key::KeyChange;
use bitting::model::key::KeyNumber;
use bitting::model::key::Status;
use bitting::model::limits::KeyLimits;
use bitting::model::secret::Digest;
use bitting::model::time::Timestamp;
use bitting::store::{Error, keys};

use crate::support::server::start_of_time;
use crate::support::{SetAtEnd, TestServer, on_both, rounds};

on_both! {
    /// What was read is held back while the revocation commits, and taken in when it is over: once
    /// as by a process that loads everything, once as by one that reads on.
    fn what_was_read_before_a_revocation_does_not_bring_a_credential_back_after_it(backend) {
        let server = TestServer::start(backend);
        for _ in 0..2 {
            let since = server.database.db_number("SELECT COALESCE(MAX(revision), 0) FROM api_keys");
            let key = server.key("calls:read");
            let use_key = || server.call(&key, "GET", "/v1/ping", None);
            use_key().expect(200, "");
            let (all, newer) = server.bitting.database.snapshot(|connection| {
                let all = keys::changes::changed_since(connection, 0, 10_000)?;
                server.revoke(&key);
                use_key().expect(401, "key_revoked");
                // This transaction still sees what was before.
                let newer = keys::changes::changed_since(connection, since, 10_000)?;
                Ok::<_, Error>((all, newer))
            }).unwrap();
            assert!(newer.iter().all(|change| !change.revoked) && !newer.is_empty());
            for change in all.iter().chain(&newer) {
                let index = &server.bitting.gate.index;
                index.apply(change.digest, index.entry(change));
                use_key().expect(401, "key_revoked");
            }
            server.bitting.read_feed().unwrap();
            use_key().expect(401, "key_revoked");

            // A process that begins: its load is overtaken by the feed, or comes before it.
            let now = server.database.db_number("SELECT MAX(revision) FROM api_keys");
            let late = server.bitting.database
                .read(|connection| keys::changes::changed_since(connection, now - 1, 10_000)).unwrap();
            let digest = newer.last().unwrap().digest;
            for order in [[&all, &late], [&late, &all]] {
                let index = KeyIndex::new(std::sync::Arc::new(resources::catalog()));
                for change in order.into_iter().flatten() {
                    index.apply(change.digest, index.entry(change));
                }
                let status = index.find(&digest).unwrap().status(server.bitting.time.timestamp());
                assert_eq!(status, Status::Revoked);
            }
        }
    }
}

fn digest(key: u32) -> Digest {
    Digest::of(&key.to_be_bytes())
}

/// The state of a key after so many changes; the last of them revokes it.
fn state(key: u32, revision: i64) -> KeyChange {
    KeyChange {
        digest: digest(key),
        number: KeyNumber(key),
        id: KeyId::from_number(key.into()),
        scopes: resources::catalog().scopes(),
        limits: KeyLimits::default(),
        expires_at: None,
        revoked: revision == LAST,
        imported: false,
        revision,
    }
}

const LAST: i64 = 8;
/// Steps from key to key, one for each thread; none has a factor in common with their number.
const STRIDES: [u32; LAST as usize] = [1, 3, 7, 9, 11, 13, 17, 19];

#[test]
fn in_whatever_order_states_are_taken_in_the_last_one_stays() {
    let keys = rounds(2000, 500) as u32;
    let index = KeyIndex::new(std::sync::Arc::new(resources::catalog()));
    let status =
        |key| index.find(&digest(key)).map(|entry| entry.status(Timestamp::of(start_of_time())));
    let (start, done) = (Barrier::new(LAST as usize + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        // Each thread brings all keys, in an order and with revisions of its own.
        let threads: Vec<_> = (0..LAST)
            .zip(STRIDES)
            .map(|(thread, stride)| {
                let (index, start) = (&index, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..LAST {
                        for place in 0..keys {
                            let key = place * stride % keys;
                            let revision = (thread + round + i64::from(key)) % LAST + 1;
                            index.apply(digest(key), index.entry(&state(key, revision)));
                        }
                    }
                })
            })
            .collect();
        let looks = scope.spawn(|| {
            let mut revoked = vec![false; keys as usize];
            start.wait();
            while !done.load(Ordering::SeqCst) {
                for key in 0..keys {
                    let now = status(key) == Some(Status::Revoked);
                    assert!(now || !revoked[key as usize], "key {key} came back");
                    revoked[key as usize] = now;
                }
            }
        });
        let end = SetAtEnd(&done);
        for thread in threads {
            thread.join().unwrap();
        }
        drop(end);
        looks.join().unwrap();
    });
    assert_eq!(index.len(), keys as usize);
    assert!((0..keys).all(|key| status(key) == Some(Status::Revoked)));
}
